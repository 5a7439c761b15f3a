#include "http/h1.h"

#include <ctype.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_HEADERS = 128, FILE_CHUNK = 16 * 1024, OUTPUT_ENOUGH = 64 * 1024 };

/* Where in the head's text a header's name and value begin; both end with NUL. */
struct span {
    uint16_t name, value;
};

struct mu_h1 {
    const struct mu_h1_handler *handler;
    void *arg;
    const struct mu_h1_limits *limits;
    llhttp_t parser;
    enum mu_h1_phase phase; /* of reading; MU_H1_WRITE here means "answering" */
    unsigned long request_count;

    struct mu_buf pending; /* input behind a request that is still being answered */

    /* The request under way. */
    struct mu_buf head; /* target, then name and value of each header, each ended by NUL */
    struct span spans[MAX_HEADERS];
    size_t header_count;
    size_t head_len, body_len;
    bool head_whole; /* all of the head is there, and can be described */
    bool in_value;   /* the parser's last header text was a value */
    bool answer_now; /* without waiting for the body: it will not be read */
    int reject;      /* a status of ours, when a callback stops the parser */
    const char *reject_why;

    struct mu_response response;
    bool keep_alive;
    bool stopping;

    struct mu_buf out;
    size_t out_taken;
    bool file_failed;
};

/* --- What the parser tells, piece by piece --- */

static int refuse(struct mu_h1 *h1, int status, const char *why)
{
    h1->reject = status;
    h1->reject_why = why;
    return -1;
}

static bool too_long(struct mu_h1 *h1, size_t len)
{
    h1->head_len += len;
    return h1->head_len > h1->limits->head;
}

static int on_message_begin(llhttp_t *parser)
{
    struct mu_h1 *h1 = parser->data;
    h1->phase = MU_H1_HEAD;
    h1->request_count++;
    mu_buf_reset(&h1->head);
    h1->header_count = h1->head_len = h1->body_len = 0;
    h1->head_whole = h1->in_value = h1->answer_now = false;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1 *h1 = parser->data;
    if (h1->head.len + len > h1->limits->target)
        return refuse(h1, 414, "the request's target is too long");
    h1->head_len += len;
    mu_buf_add(&h1->head, at, len);
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1 *h1 = parser->data;
    if (h1->header_count == 0 || h1->in_value) { /* a new header begins */
        if (h1->header_count == MAX_HEADERS)
            return refuse(h1, 431, "there are too many headers");
        mu_buf_add(&h1->head, "", 1);
        h1->spans[h1->header_count++] = (struct span){.name = (uint16_t)h1->head.len};
        h1->in_value = false;
    }
    if (too_long(h1, len))
        return refuse(h1, 431, "the headers are too long");
    mu_buf_add(&h1->head, at, len);
    return 0;
}

static void begin_value(struct mu_h1 *h1)
{
    if (h1->in_value || h1->header_count == 0)
        return;
    mu_buf_add(&h1->head, "", 1);
    h1->spans[h1->header_count - 1].value = (uint16_t)h1->head.len;
    h1->in_value = true;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1 *h1 = parser->data;
    begin_value(h1);
    if (too_long(h1, len))
        return refuse(h1, 431, "the headers are too long");
    mu_buf_add(&h1->head, at, len);
    return 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
    begin_value(parser->data); /* an empty value is a value, too */
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1 *h1 = parser->data;
    (void)at;
    h1->body_len += len;
    return h1->body_len > h1->limits->body ? refuse(h1, 413, "the body is too large") : 0;
}

/* --- The request as a whole --- */

static const char *header_name(const struct mu_h1 *h1, size_t i)
{
    return h1->head.data + h1->spans[i].name;
}

static const char *header_value(const struct mu_h1 *h1, size_t i)
{
    return h1->head.data + h1->spans[i].value;
}

static void trim_values(struct mu_h1 *h1)
{
    for (size_t i = 0; i < h1->header_count; i++) {
        char *value = h1->head.data + h1->spans[i].value;
        size_t len = strlen(value);
        while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
            value[--len] = '\0';
    }
}

static size_t count_headers(const struct mu_h1 *h1, const char *name, const char **ret_value)
{
    size_t count = 0;
    for (size_t i = 0; i < h1->header_count; i++)
        if (strcasecmp(header_name(h1, i), name) == 0) {
            *ret_value = header_value(h1, i);
            count++;
        }
    return count;
}

/* host [":" port], loosely: no character that could make it anything else. [RFC 9110 7.2] */
static bool host_is_plausible(const char *host)
{
    return host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "-._~!$&'()*+,;=%:[]")] == '\0';
}

/*
 * What llhttp leaves to us. A message whose end two readers could place differently is refused outright.
 * [RFC 9112 3.2, 6.1, 6.3, 11.2]
 */
static int check_head(struct mu_h1 *h1)
{
    const char *host = "", *coding = "", *length = "";
    size_t hosts = count_headers(h1, "Host", &host);
    size_t codings = count_headers(h1, "Transfer-Encoding", &coding);
    size_t lengths = count_headers(h1, "Content-Length", &length);
    bool http11 = h1->parser.http_major == 1 && h1->parser.http_minor == 1;

    for (size_t i = 0; i < h1->header_count; i++)
        if (*header_name(h1, i) == '\0')
            return refuse(h1, 400, "there is a header without a name");
    if (h1->parser.http_major != 1 || h1->parser.http_minor > 1)
        return refuse(h1, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (hosts > 1)
        return refuse(h1, 400, "there is more than one Host header");
    if (http11 && hosts == 0)
        return refuse(h1, 400, "there is no Host header");
    if (!host_is_plausible(host))
        return refuse(h1, 400, "the Host header is not a host");
    if (codings > 0 && lengths > 0)
        return refuse(h1, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (lengths > 1)
        return refuse(h1, 400, "there is more than one Content-Length header");
    if (codings > 1 || (codings == 1 && !http11))
        return refuse(h1, 400, "the Transfer-Encoding is not acceptable");
    if (codings == 1 && strcasecmp(coding, "chunked") != 0)
        return refuse(h1, 501, "the only transfer coding here is chunked");
    if (h1->parser.method == HTTP_CONNECT)
        return refuse(h1, 501, "this is not a proxy");
    /* The parser goes by its flags, and we by the text: where they differ, so would two servers. */
    bool chunked = (h1->parser.flags & F_CHUNKED) != 0;
    bool counted = (h1->parser.flags & F_CONTENT_LENGTH) != 0;
    if (chunked != (codings == 1) || counted != (lengths == 1))
        return refuse(h1, 400, "it is not clear where the body ends");
    if (lengths == 1 && h1->parser.content_length > h1->limits->body)
        return refuse(h1, 413, "the body is too large");
    return 0;
}

static void describe(const struct mu_h1 *h1, struct mu_header *headers, struct mu_request *ret)
{
    for (size_t i = 0; i < h1->header_count; i++)
        headers[i] = (struct mu_header){header_name(h1, i), header_value(h1, i)};
    *ret = (struct mu_request){
        .method = llhttp_method_name((llhttp_method_t)h1->parser.method),
        .target = mu_buf_str(&h1->head),
        .headers = headers,
        .header_count = h1->header_count,
    };
}

static bool expects_continue(struct mu_h1 *h1, const struct mu_request *request)
{
    const char *expect = mu_request_header(request, "Expect");
    return expect != NULL && strcasecmp(expect, "100-continue") == 0 &&
           h1->parser.http_minor == 1; /* HTTP/1.0 does not know it [RFC 9110 10.1.1] */
}

static int on_headers_complete(llhttp_t *parser)
{
    struct mu_h1 *h1 = parser->data;
    struct mu_header headers[MAX_HEADERS];
    struct mu_request request;

    mu_buf_add(&h1->head, "", 1);
    if (mu_buf_failed(&h1->head))
        return refuse(h1, 500, "there is not enough memory");
    trim_values(h1);
    h1->head_whole = true;
    if (check_head(h1) != 0)
        return -1;

    h1->phase = MU_H1_BODY;
    parser->upgrade = 0; /* an offer that we do not take up [RFC 9110 7.8] */
    describe(h1, headers, &request);
    h1->handler->respond(h1->arg, &request, &h1->response);

    bool has_body = (parser->flags & F_CHUNKED) != 0 || parser->content_length > 0;
    if (!has_body || !expects_continue(h1, &request))
        return 0;
    if (h1->response.status < 400) {
        mu_buf_adds(&h1->out, "HTTP/1.1 100 Continue\r\n\r\n");
        return 0;
    }
    /* The client waits to hear whether its body is wanted. It is not. */
    h1->answer_now = true;
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    struct mu_h1 *h1 = parser->data;
    h1->keep_alive = llhttp_should_keep_alive(parser) == 1;
    return HPE_PAUSED;
}

/* --- The answer --- */

static const char *http_date_now(struct mu_h1 *h1)
{
    /* One text a second serves every connection of the thread. */
    static _Thread_local char text[MU_HTTP_DATE_LEN];
    static _Thread_local time_t made_for = -1;
    time_t now = h1->handler->now(h1->arg);
    if (now != made_for) {
        mu_http_date(now, text);
        made_for = now;
    }
    return text;
}

static void write_response(struct mu_h1 *h1)
{
    struct mu_response *r = &h1->response;
    struct mu_buf *out = &h1->out;
    size_t body_len = r->body != NULL ? strlen(r->body) : r->text.len;
    uint64_t length = r->fd >= 0 ? r->length : body_len;
    bool head_only = h1->parser.method == HTTP_HEAD && h1->reject == 0;
    bool bodiless = r->status == 304 || r->status == 204;

    mu_buf_addf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", r->status, mu_http_reason(r->status),
                http_date_now(h1));
    if (r->content_type != NULL)
        mu_buf_addf(out, "Content-Type: %s\r\n", r->content_type);
    if (!bodiless)
        mu_buf_addf(out, "Content-Length: %llu\r\n", (unsigned long long)length);
    mu_buf_add(out, r->headers.data, r->headers.len);
    if (!h1->keep_alive)
        mu_buf_adds(out, "Connection: close\r\n");
    else if (h1->parser.http_minor == 0)
        mu_buf_adds(out, "Connection: keep-alive\r\n");
    mu_buf_adds(out, "\r\n");

    if (head_only || bodiless)
        r->length = 0;
    else if (r->fd < 0)
        mu_buf_add(out, r->body != NULL ? r->body : r->text.data, body_len);
}

/* Once for each answer, and only now: what was to be answered 200 may have become a 413 with its body. */
static void tell_response(struct mu_h1 *h1)
{
    struct mu_header headers[MAX_HEADERS];
    struct mu_request request;
    if (h1->head_whole)
        describe(h1, headers, &request);
    h1->handler->responded(h1->arg, h1->head_whole ? &request : NULL, h1->response.status);
}

static void answer(struct mu_h1 *h1)
{
    if (h1->stopping || h1->answer_now)
        h1->keep_alive = false;
    h1->phase = MU_H1_WRITE;
    tell_response(h1);
    write_response(h1);
}

static void answer_error(struct mu_h1 *h1, int status, const char *why)
{
    mu_response_clear(&h1->response);
    mu_response_sentence(&h1->response, status, why);
    h1->keep_alive = false; /* where the next request would begin is anybody's guess */
    h1->reject = status;
    answer(h1);
}

/* An unknown method is a word followed by a space; anything else is noise. */
static int status_of_bad_method(const char *start, size_t len)
{
    size_t i = 0;
    while (i < len && isupper((unsigned char)start[i]))
        i++;
    return i > 0 && i < len && start[i] == ' ' ? 501 : 400;
}

static void answer_parse_error(struct mu_h1 *h1, const char *start, size_t len)
{
    llhttp_errno_t code = llhttp_get_errno(&h1->parser);
    if (h1->reject != 0)
        answer_error(h1, h1->reject, h1->reject_why);
    else if (code == HPE_INVALID_METHOD && status_of_bad_method(start, len) == 501)
        answer_error(h1, 501, "this method is not known here");
    else if (code == HPE_INVALID_VERSION || code == HPE_PAUSED_H2_UPGRADE)
        answer_error(h1, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    else
        answer_error(h1, 400, "this is not well-formed HTTP/1.1");
}

/* --- The machine --- */

/* Parse up to the end of one request. Returns how much of `data` it took. */
static size_t parse(struct mu_h1 *h1, const char *data, size_t len)
{
    llhttp_errno_t result = llhttp_execute(&h1->parser, data, len);
    if (result == HPE_OK)
        return len;
    if (result != HPE_PAUSED) {
        answer_parse_error(h1, data, len);
        return len;
    }
    size_t taken = (size_t)(llhttp_get_error_pos(&h1->parser) - data);
    answer(h1);
    return taken;
}

/* The answer is out whole: on to the next request, if there may be one. */
static void finish_response(struct mu_h1 *h1)
{
    bool broken = h1->file_failed;
    mu_response_clear(&h1->response);
    h1->head_whole = false;
    if (!h1->keep_alive || broken) {
        h1->phase = MU_H1_DONE;
        return;
    }
    h1->phase = MU_H1_IDLE;
    llhttp_resume(&h1->parser);
}

static bool answered(const struct mu_h1 *h1)
{
    return h1->phase == MU_H1_WRITE && (h1->response.fd < 0 || h1->response.length == 0);
}

/* Go on while there is input and the output is not yet much. Returns how much of `data` was taken. */
static size_t run(struct mu_h1 *h1, const char *data, size_t len)
{
    size_t taken = 0;
    while (taken < len && h1->phase < MU_H1_WRITE) {
        taken += parse(h1, data + taken, len - taken);
        if (answered(h1) && h1->out.len - h1->out_taken < OUTPUT_ENOUGH)
            finish_response(h1);
    }
    return taken;
}

bool mu_h1_input(struct mu_h1 *h1, const void *data, size_t len)
{
    size_t taken = 0;
    if (h1->phase == MU_H1_DONE)
        return true;
    if (h1->pending.len == 0)
        taken = run(h1, data, len);
    if (taken < len && h1->phase != MU_H1_DONE)
        mu_buf_add(&h1->pending, (const char *)data + taken, len - taken);
    return !mu_buf_failed(&h1->pending) && !mu_buf_failed(&h1->out);
}

/* The next piece of the file, when all before it has been taken. */
static void read_file(struct mu_h1 *h1)
{
    struct mu_response *r = &h1->response;
    size_t want = r->length < FILE_CHUNK ? (size_t)r->length : FILE_CHUNK;
    char *end = mu_buf_reserve(&h1->out, want);
    ssize_t n = end == NULL ? -1 : pread(r->fd, end, want, r->offset);
    if (n <= 0) { /* shorter than it was when we promised its length: break off, and visibly */
        h1->file_failed = true;
        r->length = 0;
        return;
    }
    h1->out.len += (size_t)n;
    r->offset += n;
    r->length -= (uint64_t)n;
}

size_t mu_h1_output(struct mu_h1 *h1, const char **ret)
{
    if (h1->out.len == h1->out_taken) {
        mu_buf_reset(&h1->out);
        h1->out_taken = 0;
        if (h1->phase == MU_H1_WRITE && h1->response.fd >= 0 && h1->response.length > 0)
            read_file(h1);
    }
    if (h1->out.len == h1->out_taken && answered(h1))
        finish_response(h1);
    *ret = mu_buf_str(&h1->out) + h1->out_taken;
    return h1->out.len - h1->out_taken;
}

void mu_h1_taken(struct mu_h1 *h1, size_t len)
{
    h1->out_taken += len;
    if (h1->out_taken < h1->out.len)
        return;
    mu_buf_clear(&h1->out); /* a connection at rest holds no buffers */
    h1->out_taken = 0;
    if (answered(h1))
        finish_response(h1);
    if (h1->phase >= MU_H1_WRITE || h1->pending.len == 0)
        return;
    struct mu_buf pending = h1->pending;
    h1->pending = (struct mu_buf)MU_BUF_INIT;
    size_t taken = run(h1, pending.data, pending.len);
    if (taken < pending.len)
        mu_buf_add(&h1->pending, pending.data + taken, pending.len - taken);
    mu_buf_clear(&pending);
}

enum mu_h1_phase mu_h1_phase(const struct mu_h1 *h1)
{
    if (h1->out.len > h1->out_taken)
        return MU_H1_WRITE;
    return h1->phase;
}

unsigned long mu_h1_request_count(const struct mu_h1 *h1)
{
    return h1->request_count;
}

void mu_h1_expire(struct mu_h1 *h1)
{
    if (h1->phase == MU_H1_HEAD || h1->phase == MU_H1_BODY)
        answer_error(h1, 408, "the request did not arrive in time");
    else
        h1->phase = MU_H1_DONE;
}

void mu_h1_stop(struct mu_h1 *h1)
{
    h1->stopping = true;
    if (h1->phase == MU_H1_IDLE)
        h1->phase = MU_H1_DONE;
    else
        h1->keep_alive = false;
}

/* --- Life --- */

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
    .on_body = on_body,
};

struct mu_h1 *mu_h1_new(const struct mu_h1_handler *handler, void *arg,
                        const struct mu_h1_limits *limits)
{
    struct mu_h1 *h1 = calloc(1, sizeof *h1);
    if (h1 == NULL)
        return NULL;
    h1->handler = handler;
    h1->arg = arg;
    h1->limits = limits;
    h1->response = (struct mu_response)MU_RESPONSE_INIT;
    llhttp_init(&h1->parser, HTTP_REQUEST, &settings);
    h1->parser.data = h1;
    return h1;
}

void mu_h1_free(struct mu_h1 *h1)
{
    if (h1 == NULL)
        return;
    mu_response_clear(&h1->response);
    mu_buf_clear(&h1->pending);
    mu_buf_clear(&h1->head);
    mu_buf_clear(&h1->out);
    free(h1);
}
