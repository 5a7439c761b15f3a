#include "explain/probe_ask.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/h1_reader.h"
#include "http/h2.h"

enum { HEAD_MAX = 32 * 1024, ANSWER_MAX = 64 * 1024, AUTHORITY_LEN = 300 };

/* --- What is learnt of an answer --- */

/* Headers by which a load balancer, a CDN or a gateway makes itself known. */
static bool is_edge_header(const struct mu_header *header)
{
    static const char *const names[] =
        {"via",         "cf-ray",      "x-amz-cf-id",
         "x-cache",     "x-served-by", "x-envoy-upstream-service-time",
         "x-azure-ref", "x-iinfo",     "x-kong-proxy-latency",
         "x-varnish",   "x-sucuri-id"};
    static const char *const servers[] = {"cloudflare", "awselb",          "cloudfront", "akamai",
                                          "envoy",      "google frontend", "squid",      "varnish",
                                          "bigip",      "zscaler"};
    for (size_t i = 0; i < MU_COUNT(names); i++)
        if (strcasecmp(header->name, names[i]) == 0)
            return true;
    for (size_t i = 0; strcasecmp(header->name, "server") == 0 && i < MU_COUNT(servers); i++)
        if (strncasecmp(header->value, servers[i], strlen(servers[i])) == 0)
            return true;
    return false;
}

static void note_head(const struct mu_head *head, struct mu_probe_http *ret)
{
    ret->status = head->status;
    if (head->reason != NULL)
        mu_str_printable(head->reason, strlen(head->reason), ret->reason, sizeof ret->reason);
    bool cached = false; /* the date is then that of another day [RFC 9111 5.1] */
    for (size_t i = 0; i < head->header_count; i++) {
        const struct mu_header *header = &head->headers[i];
        cached = cached || strcasecmp(header->name, "age") == 0;
        size_t len = strlen(header->value);
        ret->edge = ret->edge || is_edge_header(header);
        if (strcasecmp(header->name, "server") == 0)
            mu_str_printable(header->value, len, ret->server, sizeof ret->server);
        else if (strcasecmp(header->name, "via") == 0)
            mu_str_printable(header->value, len, ret->via, sizeof ret->via);
        else if (strcasecmp(header->name, "date") == 0 &&
                 !mu_http_date_parse(header->value, &ret->date))
            ret->date = 0;
    }
    if (cached)
        ret->date = 0;
}

static void note_body(const char *body, size_t len, struct mu_probe_http *ret)
{
    const size_t before = strlen(ret->body);
    mu_str_printable(body, len, ret->body + before, sizeof ret->body - before);
}

static bool is_full(const struct mu_probe_http *http)
{
    return strlen(http->body) + 1 >= sizeof http->body;
}

/* "localhost:3000", as it goes into a request: without the port that everybody expects. Returns `ret`. */
static const char *authority_of(const struct mu_probe *probe, char *ret, size_t cap)
{
    const bool v6 = strchr(probe->host, ':') != NULL;
    int len = snprintf(ret, cap, "%s%.255s%s", v6 ? "[" : "", probe->host, v6 ? "]" : "");
    if (probe->port != 443)
        snprintf(ret + len, cap - (size_t)len, ":%u", probe->port);
    return ret;
}

/* --- HTTP/1.1 --- */

/* Take in some bytes. False: there is no more to learn. */
static bool take_in(struct mu_h1_reader *reader, const char *data, size_t len,
                    struct mu_probe_http *ret)
{
    enum mu_read what;
    do {
        struct mu_head head;
        const char *body;
        size_t taken, body_part;
        const char *why;
        what = mu_h1_read(reader, data, len, &taken, &body, &body_part);
        data += taken;
        len -= taken;
        if (what == MU_READ_HEAD && mu_h1_reader_head(reader, &head))
            note_head(&head, ret);
        if (what == MU_READ_BODY)
            note_body(body, body_part, ret);
        if (what == MU_READ_BROKEN)
            ret->too_much = mu_h1_reader_fault(reader, &why) == 431;
    } while (what == MU_READ_HEAD || what == MU_READ_BODY);
    return what == MU_READ_MORE && !is_full(ret);
}

static int read_answer(struct mu_tls_look *look, struct mu_probe_http *ret, struct mu_error *err)
{
    static const struct mu_h1_limits limits = {.target = 4096, .head = HEAD_MAX};
    struct mu_h1_reader *reader = mu_h1_response_reader(&limits);
    char data[4096];
    size_t len, all = 0;
    if (reader == NULL)
        return mu_fail_nomem(err);
    while (all < ANSWER_MAX && (len = mu_tls_look_read(look, data, sizeof data)) > 0) {
        ret->answered = true;
        all += len;
        if (!take_in(reader, data, len, ret))
            break;
    }
    mu_h1_reader_free(reader);
    return 0;
}

static int ask_http1(const struct mu_probe *probe, struct mu_tls_look *look,
                     struct mu_probe_http *ret, struct mu_error *err)
{
    char authority[AUTHORITY_LEN];
    MU_AUTO_CLEAR(mu_buf) request = MU_BUF_INIT;
    mu_buf_addf(&request,
                "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: mutual\r\nAccept: */*\r\n"
                "Connection: close\r\n\r\n",
                probe->path, authority_of(probe, authority, sizeof authority));
    if (mu_buf_failed(&request))
        return mu_fail_nomem(err);
    ret->asked = mu_tls_look_write(look, request.data, request.len);
    return read_answer(look, ret, err);
}

/* --- HTTP/2 --- */

struct asking {
    struct mu_probe_http *ret;
    bool over;
};

static uint64_t on_now_ms(void *arg)
{
    (void)arg;
    return (uint64_t)mu_wire_now_ms();
}

static void on_head(void *arg, struct mu_h2_stream *stream, const struct mu_head *head, int status,
                    const char *why)
{
    struct asking *asking = arg;
    (void)stream, (void)status, (void)why;
    note_head(head, asking->ret);
}

static void on_body(void *arg, struct mu_h2_stream *stream, const char *data, size_t len)
{
    struct asking *asking = arg;
    note_body(data, len, asking->ret);
    asking->over = asking->over || is_full(asking->ret);
    mu_h2_taken_in(stream, len);
}

static void on_end(void *arg, struct mu_h2_stream *stream, const struct mu_header *trailers,
                   size_t count)
{
    struct asking *asking = arg;
    (void)stream, (void)trailers, (void)count;
    asking->over = true;
}

static void on_room(void *arg, struct mu_h2_stream *stream)
{
    (void)arg, (void)stream;
}

static void on_closed(void *arg, struct mu_h2_stream *stream, enum mu_h2_code code)
{
    struct asking *asking = arg;
    (void)stream, (void)code;
    asking->over = true;
}

static bool flush(struct mu_h2 *h2, struct mu_tls_look *look)
{
    const char *data;
    size_t len;
    while ((len = mu_h2_output(h2, &data)) > 0) {
        if (!mu_tls_look_write(look, data, len))
            return false;
        mu_h2_taken(h2, len);
    }
    return true;
}

static int ask_http2(const struct mu_probe *probe, struct mu_tls_look *look,
                     struct mu_probe_http *ret, struct mu_error *err)
{
    static const struct mu_h2_handler handler = {.now_ms = on_now_ms,
                                                 .head = on_head,
                                                 .body = on_body,
                                                 .end = on_end,
                                                 .room = on_room,
                                                 .closed = on_closed};
    char authority[AUTHORITY_LEN], data[4096];
    const struct mu_header fields[] = {
        {":method", "GET"},       {":scheme", "https"},
        {":path", probe->path},   {":authority", authority_of(probe, authority, sizeof authority)},
        {"user-agent", "mutual"}, {"accept", "*/*"},
    };
    struct asking asking = {.ret = ret};
    MU_AUTO_STRUCT(mu_h2) h2 = mu_h2_client(&handler, &asking);
    if (h2 == NULL || mu_h2_request(h2, fields, MU_COUNT(fields), true, NULL) == NULL)
        return mu_fail_nomem(err);
    ret->asked = flush(h2, look);
    size_t len, all = 0;
    while (!asking.over && all < ANSWER_MAX &&
           (len = mu_tls_look_read(look, data, sizeof data)) > 0) {
        ret->answered = true;
        all += len;
        if (!mu_h2_input(h2, data, len) || !flush(h2, look))
            break;
    }
    return 0;
}

/* --- Either, or something else --- */

int mu_probe_ask(const struct mu_probe *probe, struct mu_tls_look *look, struct mu_probe_http *ret,
                 struct mu_error *err)
{
    char scrap[64];
    const char *alpn = mu_tls_look_seen(look)->alpn;
    if (mu_str_equal(alpn, "h2"))
        return ask_http2(probe, look, ret, err);
    if (*alpn == '\0' || mu_str_starts_with(alpn, "http/1."))
        return ask_http1(probe, look, ret, err);
    ret->answered = mu_tls_look_read(look, scrap, sizeof scrap) > 0;
    return 0;
}
