/*
 * Headers of a client, one a line, "name:value". Whatever they are called, who the client is a backend hears from us alone:
 * no name that a program behind a gateway could take for one of ours gets through, in the head or as a trailer.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/h2.h"
#include "http/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char token[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";

/* As a variable of CGI, and everything that is made of these, has it. */
static void fold(const char *name, size_t len, char *ret, size_t cap)
{
    size_t i = 0;
    for (; i < len && i + 1 < cap; i++)
        ret[i] = isalnum((unsigned char)name[i]) ? (char)tolower((unsigned char)name[i]) : '_';
    ret[i] = '\0';
}

static bool is_ours(const char *name, size_t len)
{
    static const char *const starts[] = {"client_cert", "x_client_", "x_forwarded_",
                                         "ssl_client_", "x_ssl_",    "x_spiffe_"};
    static const char *const whole[] = {"forwarded", "x_real_ip", "x_forwarded"};
    char folded[32];
    fold(name, len, folded, sizeof folded);
    for (size_t i = 0; i < MU_COUNT(starts); i++)
        if (strncmp(folded, starts[i], strlen(starts[i])) == 0)
            return true;
    for (size_t i = 0; i < MU_COUNT(whole); i++)
        if (strcmp(folded, whole[i]) == 0)
            return true;
    return false;
}

/* Lines of a head by this name, as a program behind a gateway reads it. */
static size_t count_of(const char *text, const char *name)
{
    size_t count = 0;
    for (const char *line = text; (line = strstr(line, "\r\n")) != NULL;) {
        char folded[32];
        line += 2;
        fold(line, strcspn(line, ":\r\n"), folded, sizeof folded);
        count += strcmp(folded, name) == 0;
    }
    return count;
}

static size_t read_headers(char *text, struct mu_header *ret)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL && count < MU_HEADERS_MAX;
         line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strchr(line, ':');
        if (colon == NULL || colon == line || strspn(line, token) != (size_t)(colon - line))
            continue;
        *colon = '\0';
        ret[count++] = (struct mu_header){line, colon + 1};
    }
    return count;
}

static size_t count_ours(const char *text)
{
    size_t count = 0;
    for (const char *line = text; *line != '\0';) {
        const size_t len = strcspn(line, "\r\n"), name = strcspn(line, ":\r\n");
        count += name < len && is_ours(line, name);
        line += len;
        line += strspn(line, "\r\n");
    }
    return count;
}

/* The same head in HTTP/2, of the text of the one in HTTP/1.1, which is cut up for it. */
static size_t count_ours_in_fields(struct mu_buf *head)
{
    struct mu_header fields[MU_H2_HEADERS_MAX];
    const size_t all = mu_relay_request_fields(head, fields, MU_COUNT(fields));
    size_t count = 0;
    for (size_t i = 0; i < all; i++)
        count += is_ours(fields[i].name, strlen(fields[i].name));
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char told[] = "Client-Cert: :AAAA:\r\nX-Client-URI: spiffe://example.org/web\r\n";
    struct mu_header headers[MU_HEADERS_MAX];
    struct mu_relay_client client;
    struct mu_relay_request request;
    const char *why;
    MU_AUTO_CLEAR(mu_buf) head_out = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) trailers_out = MU_BUF_INIT;
    char *text = calloc(1, size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\r' ? ' ' : *p; /* as the parser has seen to */
    const size_t count = read_headers(text, headers);
    const bool websocket =
        size % 2 == 1; /* of a client that speaks HTTP/2: its opening handshake is ours */
    const struct mu_head head = {.method = "GET",
                                 .target = "/",
                                 .minor = 1,
                                 .h2 = websocket,
                                 .upgrade = websocket ? "websocket" : NULL,
                                 .headers = headers,
                                 .header_count = count};
    mu_relay_client_init(&client, "192.0.2.1");
    client.more = told;
    client.more_len = strlen(told);
    /* X-Forwarded-For, -Proto, Forwarded, and what is told; X-Forwarded-Host where there is a host */
    if (mu_relay_request(&head, &client, &head_out, &request, &why)) {
        const size_t ours = count_ours(strchr(mu_buf_str(&head_out), '\n') + 1);
        if (websocket && count_of(head_out.data, "sec_websocket_key") != 1)
            abort();
        if ((ours != 5 && ours != 6) || count_ours_in_fields(&head_out) != ours)
            abort();
    }
    mu_relay_last_chunk(&trailers_out, headers, count);
    if (count_ours(mu_buf_str(&trailers_out)) != 0)
        abort();
    free(text);
    return 0;
}
