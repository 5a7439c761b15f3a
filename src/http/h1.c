#include "http/h1.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FILE_CHUNK = 16 * 1024, OUTPUT_ENOUGH = 64 * 1024, USUAL_HEAD_LEN = 250 };

struct mu_h1 {
    const struct mu_h1_handler *handler;
    void *arg;
    struct mu_h1_reader *reader;
    enum mu_h1_phase phase; /* of reading; MU_H1_WRITE here means "answering" */

    struct mu_buf pending; /* input behind a request that is still being answered */

    struct mu_response response;
    bool head_only; /* of the response */
    int minor;      /* of the request's version */
    bool keep_alive;
    bool stopping;

    struct mu_buf out;
    size_t out_taken;
    bool file_failed;
};

/* --- The answer --- */

static void write_response(struct mu_h1 *h1)
{
    struct mu_response *r = &h1->response;
    struct mu_buf *out = &h1->out;
    size_t body_len = r->body != NULL ? strlen(r->body) : r->text.len;
    uint64_t length = r->fd >= 0 ? r->length : body_len;
    bool bodiless = r->status == 304 || r->status == 204;

    /* Formats would take a fifth of what a small answer costs in this process. */
    (void)mu_buf_reserve(out, USUAL_HEAD_LEN);
    mu_buf_adds(out, "HTTP/1.1 ");
    mu_buf_addu(out, (uint64_t)r->status);
    mu_buf_adds(out, " ");
    mu_buf_adds(out, mu_http_reason(r->status));
    mu_buf_adds(out, "\r\nDate: ");
    mu_buf_adds(out, mu_http_date_of(h1->handler->now(h1->arg)));
    if (r->content_type != NULL) {
        mu_buf_adds(out, "\r\nContent-Type: ");
        mu_buf_adds(out, r->content_type);
    }
    if (!bodiless) {
        mu_buf_adds(out, "\r\nContent-Length: ");
        mu_buf_addu(out, length);
    }
    mu_buf_adds(out, "\r\n");
    mu_buf_add(out, r->headers.data, r->headers.len);
    if (!h1->keep_alive)
        mu_buf_adds(out, "Connection: close\r\n");
    else if (h1->minor == 0)
        mu_buf_adds(out, "Connection: keep-alive\r\n");
    mu_buf_adds(out, "\r\n");

    if (h1->head_only || bodiless)
        r->length = 0;
    else if (r->fd < 0)
        mu_buf_add(out, r->body != NULL ? r->body : r->text.data, body_len);
}

static bool describe(const struct mu_h1 *h1, struct mu_request *ret)
{
    struct mu_head head;
    if (!mu_h1_reader_head(h1->reader, &head))
        return false;
    *ret = (struct mu_request){
        .method = head.method,
        .target = head.target,
        .headers = head.headers,
        .header_count = head.header_count,
    };
    return true;
}

/* Once for each answer, and only now: what was to be answered 200 may have become a 413 with its body. */
static void tell_response(struct mu_h1 *h1)
{
    struct mu_request request;
    bool known = describe(h1, &request);
    h1->handler->responded(h1->arg, known ? &request : NULL, h1->response.status);
}

static void answer(struct mu_h1 *h1)
{
    if (h1->stopping)
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
    h1->head_only = false;
    answer(h1);
}

static void answer_fault(struct mu_h1 *h1)
{
    const char *why;
    int status = mu_h1_reader_fault(h1->reader, &why);
    answer_error(h1, status, why);
}

/* --- The machine --- */

static bool expects_continue(const struct mu_head *head, const struct mu_request *request)
{
    const char *expect = mu_request_header(request, "Expect");
    return expect != NULL && strcasecmp(expect, "100-continue") == 0 &&
           head->minor == 1; /* HTTP/1.0 does not know it [RFC 9110 10.1.1] */
}

static void begin_to_respond(struct mu_h1 *h1)
{
    struct mu_head head;
    struct mu_request request;
    if (!mu_h1_reader_head(h1->reader, &head) || !describe(h1, &request))
        return;
    h1->phase = MU_H1_BODY;
    h1->minor = head.minor;
    h1->head_only = mu_request_is(&request, "HEAD");
    h1->handler->respond(h1->arg, &request, &h1->response);

    bool has_body = head.framing == MU_BODY_CHUNKED || head.length > 0;
    if (!has_body || !expects_continue(&head, &request))
        return;
    if (h1->response.status < 400) {
        mu_buf_adds(&h1->out, "HTTP/1.1 100 Continue\r\n\r\n");
        return;
    }
    /* The client waits to hear whether its body is wanted. It is not. */
    h1->keep_alive = false;
    answer(h1);
}

/* Parse up to the end of one request. Returns how much of `data` it took. */
static size_t parse(struct mu_h1 *h1, const char *data, size_t len)
{
    size_t taken = 0;
    while (h1->phase < MU_H1_WRITE) {
        const char *piece;
        size_t piece_len, step_len;
        enum mu_read step =
            mu_h1_read(h1->reader, data + taken, len - taken, &step_len, &piece, &piece_len);
        taken += step_len;
        switch (step) {
        case MU_READ_MORE:
            if (mu_h1_reader_in_head(h1->reader))
                h1->phase = MU_H1_HEAD;
            return taken;
        case MU_READ_HEAD: begin_to_respond(h1); break;
        case MU_READ_BODY: break; /* which nobody wants */
        case MU_READ_END:
            h1->keep_alive = mu_h1_reader_keeps_alive(h1->reader);
            answer(h1);
            break;
        case MU_READ_BROKEN: answer_fault(h1); break;
        }
    }
    return taken;
}

/* The answer is out whole: on to the next request, if there may be one. */
static void finish_response(struct mu_h1 *h1)
{
    bool broken = h1->file_failed;
    mu_response_clear(&h1->response);
    if (!h1->keep_alive || broken) {
        h1->phase = MU_H1_DONE;
        return;
    }
    h1->phase = MU_H1_IDLE;
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

int mu_h1_minor(const struct mu_h1 *h1)
{
    return h1->minor;
}

unsigned long mu_h1_request_count(const struct mu_h1 *h1)
{
    return mu_h1_reader_count(h1->reader);
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
    if (h1->phase != MU_H1_IDLE)
        h1->keep_alive = false;
}

void mu_h1_end(struct mu_h1 *h1)
{
    mu_h1_stop(h1);
    h1->keep_alive = false;
    if (h1->phase == MU_H1_IDLE)
        h1->phase = MU_H1_DONE;
}

/* --- Life --- */

struct mu_h1 *mu_h1_new(const struct mu_h1_handler *handler, void *arg,
                        const struct mu_h1_limits *limits)
{
    struct mu_h1 *h1 = calloc(1, sizeof *h1);
    if (h1 == NULL)
        return NULL;
    h1->handler = handler;
    h1->arg = arg;
    h1->response = (struct mu_response)MU_RESPONSE_INIT;
    h1->minor = 1;
    h1->reader = mu_h1_request_reader(limits);
    if (h1->reader != NULL)
        return h1;
    free(h1);
    return NULL;
}

void mu_h1_free(struct mu_h1 *h1)
{
    if (h1 == NULL)
        return;
    mu_response_clear(&h1->response);
    mu_buf_clear(&h1->pending);
    mu_h1_reader_free(h1->reader);
    mu_buf_clear(&h1->out);
    free(h1);
}
