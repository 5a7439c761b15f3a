#include "http/h1_reader.h"

#include <ctype.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

/* Chunk extensions are dropped, so they are nothing but bytes that cost; nobody who means well sends many. */
enum { USUAL_HEAD = 1000, MAX_CHUNK_EXTENSIONS = 4096 };

/* Where in the head's text a header's name and value begin; both end with NUL. */
struct span {
    uint16_t name, value;
};

struct mu_h1_reader {
    llhttp_t parser;
    const struct mu_h1_limits *limits;
    unsigned long count;

    /* Of the message under way. */
    struct mu_buf
        text; /* target or reason; name and value of each header and trailer, each ended by NUL */
    struct span spans[MU_HEADERS_MAX];
    size_t span_count, header_count; /* those behind header_count are trailers */
    size_t text_len, body_len, extension_len;
    enum mu_framing framing;
    uint64_t length;
    bool under_way, head_whole;
    bool in_value; /* the parser's last header text was a value */
    bool keeps_alive;
    bool head_request; /* it answers one */
    char last;         /* byte of the head so far, or 0 */

    enum mu_read step; /* what a callback stopped the parser for */
    const char *body;
    size_t body_piece_len;
    int status; /* of the fault, or 0 */
    const char *why;
};

static int refuse(struct mu_h1_reader *r, int status, const char *why)
{
    if (r->status == 0) {
        r->status = status;
        r->why = why;
    }
    return -1;
}

static int stop_at(struct mu_h1_reader *r, enum mu_read step)
{
    r->step = step;
    return HPE_PAUSED;
}

/* --- What the parser tells, piece by piece --- */

static int on_message_begin(llhttp_t *parser)
{
    struct mu_h1_reader *r = parser->data;
    mu_buf_reset(&r->text);
    mu_buf_reserve(&r->text, USUAL_HEAD);
    r->count++;
    r->span_count = r->header_count = 0;
    r->text_len = r->body_len = r->extension_len = 0;
    r->head_whole = r->in_value = false;
    r->under_way = true;
    return 0;
}

/* A request's target, a response's reason. */
static int on_first_line(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1_reader *r = parser->data;
    if (r->text.len + len > r->limits->target)
        return refuse(r, 414, "the request's target is too long");
    r->text_len += len;
    mu_buf_add(&r->text, at, len);
    return 0;
}

static int add_text(struct mu_h1_reader *r, const char *at, size_t len)
{
    r->text_len += len;
    if (r->text_len > r->limits->head)
        return refuse(r, 431, "the headers are too long");
    mu_buf_add(&r->text, at, len);
    return 0;
}

static size_t first_span(const struct mu_h1_reader *r)
{
    return r->head_whole ? r->header_count : 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1_reader *r = parser->data;
    if (r->span_count == first_span(r) || r->in_value) { /* a new header begins */
        if (r->span_count == MU_HEADERS_MAX)
            return refuse(r, 431, "there are too many headers");
        mu_buf_add(&r->text, "", 1);
        r->spans[r->span_count++] = (struct span){.name = (uint16_t)r->text.len};
        r->in_value = false;
    }
    return add_text(r, at, len);
}

static void begin_value(struct mu_h1_reader *r)
{
    if (r->in_value || r->span_count == first_span(r))
        return;
    mu_buf_add(&r->text, "", 1);
    r->spans[r->span_count - 1].value = (uint16_t)r->text.len;
    r->in_value = true;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1_reader *r = parser->data;
    begin_value(r);
    return add_text(r, at, len);
}

static int on_header_value_complete(llhttp_t *parser)
{
    begin_value(parser->data); /* an empty value is a value, too */
    return 0;
}

static int on_chunk_extension(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1_reader *r = parser->data;
    (void)at;
    r->extension_len += len;
    return r->extension_len > MAX_CHUNK_EXTENSIONS
               ? refuse(r, 413, "there are too many chunk extensions")
               : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct mu_h1_reader *r = parser->data;
    if (len == 0) /* so the parser marks a body that goes on */
        return 0;
    r->body_len += len;
    if (r->limits->body != 0 && r->body_len > r->limits->body)
        return refuse(r, 413, "the body is too large");
    r->body = at;
    r->body_piece_len = len;
    return stop_at(r, MU_READ_BODY);
}

static int on_message_complete(llhttp_t *parser)
{
    struct mu_h1_reader *r = parser->data;
    r->keeps_alive = llhttp_should_keep_alive(parser) == 1;
    r->under_way = false;
    mu_buf_add(&r->text, "", 1);
    return stop_at(r, MU_READ_END);
}

/* --- The head as a whole --- */

static const char *span_name(const struct mu_h1_reader *r, size_t i)
{
    return r->text.data + r->spans[i].name;
}

static char *span_value(const struct mu_h1_reader *r, size_t i)
{
    return r->text.data + r->spans[i].value;
}

/* Nothing but text and TAB may be in a value: a line's end least of all, for the next one to write it would write two. */
static bool is_text(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++)
        if ((*p < ' ' && *p != '\t') || *p == 0x7f)
            return false;
    return true;
}

/* White space around values is not theirs; behind them the parser has left it. */
static int check_text(const struct mu_h1_reader *r, size_t from)
{
    for (size_t i = from; i < r->span_count; i++) {
        char *value = span_value(r, i);
        size_t len = strlen(value);
        while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
            value[--len] = '\0';
        if (*span_name(r, i) == '\0' || !is_text(value))
            return -1;
    }
    return 0;
}

static size_t count_headers(const struct mu_h1_reader *r, const char *name, const char **ret_value)
{
    size_t count = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        const char *other = span_name(r, i);
        if (((other[0] ^ name[0]) & 0x5f) == 0 && strcasecmp(other, name) == 0) {
            *ret_value = span_value(r, i);
            count++;
        }
    }
    return count;
}

/* The parser goes by its flags, and we by the text: where they differ, so would two servers. [RFC 9112 6.1, 6.3, 11.2] */
static int check_framing(struct mu_h1_reader *r)
{
    const char *coding = "", *length = "";
    size_t codings = count_headers(r, "Transfer-Encoding", &coding);
    size_t lengths = count_headers(r, "Content-Length", &length);
    bool http11 = r->parser.http_minor == 1;
    bool chunked = (r->parser.flags & F_CHUNKED) != 0;
    bool counted = (r->parser.flags & F_CONTENT_LENGTH) != 0;

    if (codings > 0 && lengths > 0)
        return refuse(r, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (lengths > 1)
        return refuse(r, 400, "there is more than one Content-Length header");
    if (codings > 1 || (codings == 1 && !http11))
        return refuse(r, 400, "the Transfer-Encoding is not acceptable");
    if (codings == 1 && strcasecmp(coding, "chunked") != 0)
        return refuse(r, 501, "the only transfer coding here is chunked");
    if (chunked != (codings == 1) || counted != (lengths == 1))
        return refuse(r, 400, "it is not clear where the body ends");
    if (lengths == 1 && r->limits->body != 0 && r->parser.content_length > r->limits->body)
        return refuse(r, 413, "the body is too large");
    r->framing = chunked ? MU_BODY_CHUNKED : counted ? MU_BODY_LENGTH : MU_BODY_NONE;
    r->length = counted ? r->parser.content_length : 0;
    return 0;
}

static int check_head(struct mu_h1_reader *r)
{
    if (check_text(r, 0) != 0)
        return refuse(r, 400, "there is a header without a name, or with a control character");
    if (r->parser.http_major != 1 || r->parser.http_minor > 1)
        return refuse(r, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    return 0;
}

static int check_request(struct mu_h1_reader *r)
{
    const char *host = "";
    size_t hosts = count_headers(r, "Host", &host);
    if (hosts > 1)
        return refuse(r, 400, "there is more than one Host header");
    if (r->parser.http_minor == 1 && hosts == 0)
        return refuse(r, 400, "there is no Host header");
    if (!mu_host_is_plausible(host))
        return refuse(r, 400, "the Host header is not a host");
    if (r->parser.method == HTTP_CONNECT)
        return refuse(r, 501, "this is not a proxy");
    return check_framing(r);
}

/* Whatever their headers say, these have no body. [RFC 9110 6.4.1] */
static int check_response(struct mu_h1_reader *r)
{
    const int status = r->parser.status_code;
    if (status < 100 || status > 999 || !is_text(mu_buf_str(&r->text)))
        return refuse(r, 502, "there is no such status");
    if (check_framing(r) != 0)
        return -1;
    if (r->head_request || status < 200 || status == 204 || status == 304) {
        r->parser.flags |= F_SKIPBODY;
        r->framing = MU_BODY_NONE;
    } else if (r->framing == MU_BODY_NONE) {
        r->framing = MU_BODY_UNTIL_CLOSE;
    }
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct mu_h1_reader *r = parser->data;
    mu_buf_add(&r->text, "", 1);
    if (mu_buf_failed(&r->text))
        return refuse(r, 500, "there is not enough memory");
    r->header_count = r->span_count;
    r->head_whole = true;
    r->in_value = false;
    parser->upgrade = 0; /* whether it is taken up is not the parser's business [RFC 9110 7.8] */
    if (check_head(r) != 0 ||
        (parser->type == HTTP_REQUEST ? check_request(r) : check_response(r)) != 0)
        return -1;
    return stop_at(r, MU_READ_HEAD);
}

/* --- Reading --- */

/*
 * Lines end with CR LF, and none goes on in the next one. The parser puts up with more, in some of its versions; others do
 * not, and then two would see two different heads. [RFC 9112 2.2, 5.2]
 */
static bool lines_are_clean(struct mu_h1_reader *r, const char *data, size_t len)
{
    const char *end = data + len;
    if (len == 0)
        return true;
    if ((r->last == '\r' && *data != '\n') || (r->last == '\n' && isblank((unsigned char)*data)))
        return false;
    for (const char *p = data; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
        if ((p == data ? r->last : p[-1]) != '\r' || (p + 1 < end && isblank((unsigned char)p[1])))
            return false;
    for (const char *p = data; (p = memchr(p, '\r', (size_t)(end - p))) != NULL; p++)
        if (p + 1 < end && p[1] != '\n')
            return false;
    r->last = end[-1];
    return true;
}

/* An unknown method is a word followed by a space; anything else is noise. */
static bool is_unknown_method(const char *start, size_t len)
{
    size_t i = 0;
    while (i < len && isupper((unsigned char)start[i]))
        i++;
    return i > 0 && i < len && start[i] == ' ';
}

/* Some versions of the parser take a bare line feed behind the version for a part of it. */
static bool begins_with_bare_line(const struct mu_h1_reader *r, const char *data, size_t len)
{
    const char *end = memchr(data, '\n', len);
    return end != NULL && (end == data ? r->last : end[-1]) != '\r';
}

static enum mu_read broken(struct mu_h1_reader *r, const char *data, size_t len)
{
    llhttp_errno_t code = llhttp_get_errno(&r->parser);
    if (begins_with_bare_line(r, data, len))
        refuse(r, 400, "this is not well-formed HTTP/1.1");
    else if (code == HPE_INVALID_METHOD && is_unknown_method(data, len))
        refuse(r, 501, "this method is not known here");
    else if (code == HPE_INVALID_VERSION || code == HPE_PAUSED_H2_UPGRADE)
        refuse(r, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    else
        refuse(r, 400, "this is not well-formed HTTP/1.1");
    return MU_READ_BROKEN;
}

enum mu_read mu_h1_read(struct mu_h1_reader *r, const char *data, size_t len, size_t *ret_taken,
                        const char **ret_data, size_t *ret_len)
{
    const bool was_in_body = r->under_way && r->head_whole;
    *ret_taken = len;
    if (r->status != 0)
        return MU_READ_BROKEN;
    llhttp_resume(&r->parser);
    llhttp_errno_t result = llhttp_execute(&r->parser, data, len);
    /* So newer parsers say that what comes is no HTTP. */
    if (result == HPE_PAUSED_UPGRADE && len == 0)
        return MU_READ_MORE;
    if (result == HPE_PAUSED)
        *ret_taken = (size_t)(llhttp_get_error_pos(&r->parser) - data);
    else if (result != HPE_OK)
        return broken(r, data, len);
    if (!was_in_body && !lines_are_clean(r, data, *ret_taken)) {
        refuse(r, 400, "this is not well-formed HTTP/1.1");
        return MU_READ_BROKEN;
    }
    if (result == HPE_OK)
        return MU_READ_MORE;
    if (r->step == MU_READ_END && (mu_buf_failed(&r->text) || check_text(r, r->header_count) != 0)) {
        refuse(r, 400, "there is a trailer without a name, or with a control character");
        return MU_READ_BROKEN;
    }
    r->last = r->step == MU_READ_HEAD ? 0 : r->last;
    *ret_data = r->body;
    *ret_len = r->body_piece_len;
    return r->step;
}

enum mu_read mu_h1_read_eof(struct mu_h1_reader *r)
{
    if (r->status != 0)
        return MU_READ_BROKEN;
    if (!r->under_way)
        return MU_READ_MORE;
    llhttp_resume(&r->parser);
    llhttp_finish(&r->parser);
    return r->under_way ? MU_READ_BROKEN : MU_READ_END;
}

/* --- What has been read --- */

bool mu_h1_reader_in_head(const struct mu_h1_reader *r)
{
    return r->under_way && !r->head_whole;
}

unsigned long mu_h1_reader_count(const struct mu_h1_reader *r)
{
    return r->count;
}

static size_t list(const struct mu_h1_reader *r, size_t from, size_t to,
                   const struct mu_header **ret)
{
    static _Thread_local struct mu_header headers[MU_HEADERS_MAX];
    for (size_t i = from; i < to; i++)
        headers[i - from] = (struct mu_header){span_name(r, i), span_value(r, i)};
    *ret = headers;
    return to - from;
}

bool mu_h1_reader_head(const struct mu_h1_reader *r, struct mu_head *ret)
{
    if (!r->head_whole)
        return false;
    const bool request = r->parser.type == HTTP_REQUEST;
    *ret = (struct mu_head){
        .method = request ? llhttp_method_name((llhttp_method_t)r->parser.method) : NULL,
        .target = request ? mu_buf_str(&r->text) : NULL,
        .status = request ? 0 : r->parser.status_code,
        .reason = request ? NULL : mu_buf_str(&r->text),
        .minor = r->parser.http_minor,
        .framing = r->framing,
        .length = r->length,
        .keep_alive = r->under_way ? llhttp_should_keep_alive(&r->parser) == 1 : r->keeps_alive,
    };
    ret->header_count = list(r, 0, r->header_count, &ret->headers);
    return true;
}

size_t mu_h1_reader_trailers(const struct mu_h1_reader *r, const struct mu_header **ret)
{
    return list(r, r->header_count, r->span_count, ret);
}

bool mu_h1_reader_keeps_alive(const struct mu_h1_reader *r)
{
    return r->keeps_alive;
}

int mu_h1_reader_fault(const struct mu_h1_reader *r, const char **ret_why)
{
    *ret_why = r->why;
    return r->status;
}

/* --- Life --- */

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_first_line,    /* of a request */
    .on_status = on_first_line, /* of a response */
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

static struct mu_h1_reader *new_reader(llhttp_type_t type, const struct mu_h1_limits *limits)
{
    struct mu_h1_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->limits = limits;
    llhttp_init(&r->parser, type, &settings);
    r->parser.data = r;
    return r;
}

struct mu_h1_reader *mu_h1_request_reader(const struct mu_h1_limits *limits)
{
    return new_reader(HTTP_REQUEST, limits);
}

struct mu_h1_reader *mu_h1_response_reader(const struct mu_h1_limits *limits)
{
    return new_reader(HTTP_RESPONSE, limits);
}

void mu_h1_reader_free(struct mu_h1_reader *r)
{
    if (r == NULL)
        return;
    mu_buf_clear(&r->text);
    free(r);
}

void mu_h1_reader_expect(struct mu_h1_reader *r, bool head_request)
{
    r->head_request = head_request;
}

void mu_h1_reader_rest(struct mu_h1_reader *r)
{
    mu_buf_clear(&r->text);
    r->head_whole = false;
}
