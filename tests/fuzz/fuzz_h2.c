/*
 * HTTP/2, either side of it. The first byte says which, and how finely the rest is cut into pieces. Every other answer is
 * longer than the peer's window, and every other body is never taken in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    unsigned heads;
    bool client;
};

static uint64_t fixed_now(void *arg)
{
    (void)arg;
    return 1;
}

/* Nobody can write a line of his own into HTTP/1.1. */
static void check(const struct mu_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strpbrk(headers[i].value, "\r\n") != NULL || headers[i].name[0] == '\0' ||
            strpbrk(headers[i].name, "\r\n: ") != NULL)
            abort();
}

static void on_head(void *arg, struct mu_h2_stream *stream, const struct mu_head *head, int status,
                    const char *why)
{
    static const char body[100000];
    struct heard *heard = arg;
    if (head->header_count > MU_HEADERS_MAX || (status != 0) != (why != NULL && !heard->client))
        abort();
    if (status == 0)
        check(head->headers, head->header_count);
    /* What asks to become something else is that and nothing more, in HTTP/1.1 too. */
    if (status == 0 && head->upgrade != NULL &&
        (strcmp(head->upgrade, "websocket") != 0 || strcmp(head->method, "GET") != 0 ||
         head->framing != MU_BODY_NONE))
        abort();
    heard->heads++;
    if (heard->client)
        return;
    mu_h2_respond(stream, status == 0 ? 200 : status, NULL, 0, false);
    mu_h2_send(stream, body, heard->heads % 2 == 0 ? sizeof body : 5);
    mu_h2_send_end(stream, NULL, 0);
}

static void on_body(void *arg, struct mu_h2_stream *stream, const char *data, size_t len)
{
    struct heard *heard = arg;
    (void)data;
    if (heard->heads % 2 == 0)
        mu_h2_taken_in(stream, len);
}

static void on_end(void *arg, struct mu_h2_stream *stream, const struct mu_header *trailers,
                   size_t count)
{
    (void)arg;
    (void)stream;
    check(trailers, count);
}

static void on_room(void *arg, struct mu_h2_stream *stream)
{
    (void)arg;
    (void)stream;
}

static void on_closed(void *arg, struct mu_h2_stream *stream, enum mu_h2_code code)
{
    (void)arg;
    (void)stream;
    (void)code;
}

static void ask(struct mu_h2 *h2)
{
    const struct mu_header fields[] = {{":method", "GET"},
                                       {":scheme", "http"},
                                       {":path", "/"},
                                       {":authority", "a"}};
    for (int i = 0; i < 3; i++)
        (void)mu_h2_request(h2, fields, MU_COUNT(fields), i > 0, NULL);
}

static void drop_output(struct mu_h2 *h2)
{
    const char *out;
    for (size_t len; (len = mu_h2_output(h2, &out)) > 0;)
        mu_h2_taken(h2, len);
}

static void feed(const uint8_t *data, size_t size, size_t piece, bool client)
{
    static const struct mu_h2_handler handler = {fixed_now, on_head, on_body,
                                                 on_end,    on_room, on_closed};
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    static const struct mu_h1_limits limits = {.target = 256, .head = 2048};
    struct heard heard = {.client = client};
    struct mu_h2 *h2 =
        client ? mu_h2_client(&handler, &heard) : mu_h2_server(&handler, &heard, &limits, true);
    if (h2 == NULL)
        abort();
    if (client)
        ask(h2);
    bool goes_on = client || mu_h2_input(h2, preface, sizeof preface);
    for (size_t i = 0; goes_on && i < size; i += piece) {
        goes_on = mu_h2_input(h2, data + i, size - i < piece ? size - i : piece);
        drop_output(h2);
    }
    if (mu_h2_stream_count(h2) > MU_H2_STREAMS)
        abort();
    mu_h2_stop(h2);
    drop_output(h2);
    mu_h2_free(h2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    feed(data + 1, size - 1, 1 + data[0] % 16 * 4, (data[0] & 0x80) != 0);
    return 0;
}
