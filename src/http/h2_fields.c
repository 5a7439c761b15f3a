#include "http/h2_fields.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* What each field costs beside its text. [RFC 9113 6.5.2] */
enum { FIELD_OVERHEAD = 32 };

/* --- Gathering --- */

/* NULL: this pseudo-header field is none that we know, and nghttp2 does not let others through. */
static uint16_t *pseudo(struct mu_h2_fields *f, const char *name)
{
    const struct {
        const char *name;
        uint16_t *at;
    } known[] = {
        {":method", &f->method},       {":path", &f->target},   {":scheme", &f->scheme},
        {":authority", &f->authority}, {":status", &f->status}, {":protocol", &f->protocol},
    };
    for (size_t i = 0; i < MU_COUNT(known); i++)
        if (mu_str_equal(name, known[i].name))
            return known[i].at;
    return NULL;
}

static uint16_t add_text(struct mu_h2_fields *f, const char *text, size_t len)
{
    const uint16_t at = (uint16_t)f->text.len;
    mu_buf_add(&f->text, text, len);
    mu_buf_add(&f->text, "", 1);
    return at;
}

void mu_h2_fields_add(struct mu_h2_fields *f, const char *name, size_t name_len, const char *value,
                      size_t value_len)
{
    f->size += name_len + value_len + FIELD_OVERHEAD;
    f->too_large = f->too_large || f->size > f->size_max || f->count == MU_HEADERS_MAX - 1;
    if (f->too_large)
        return;
    if (f->text.len == 0)
        mu_buf_add(&f->text, "", 1); /* so that 0 stands for nothing */
    const uint16_t name_at = add_text(f, name, name_len);
    const uint16_t value_at = add_text(f, value, value_len);
    if (mu_buf_failed(&f->text))
        return;
    if (*name == ':') {
        uint16_t *at = pseudo(f, f->text.data + name_at);
        if (at != NULL)
            *at = value_at;
        return;
    }
    f->spans[f->count].name = name_at;
    f->spans[f->count++].value = value_at;
}

void mu_h2_fields_clear(struct mu_h2_fields *f)
{
    mu_buf_clear(&f->text);
    *f = (struct mu_h2_fields){.text = MU_BUF_INIT,
                               .size_max = f->size_max,
                               .target_max = f->target_max};
}

/* --- What they say --- */

static const char *text_at(const struct mu_h2_fields *f, uint16_t at)
{
    return at == 0 ? NULL : f->text.data + at;
}

/* `host`: first of all, unless it is NULL. */
static size_t list(const struct mu_h2_fields *f, const char *host, size_t from, size_t to,
                   const struct mu_header **ret)
{
    static _Thread_local struct mu_header headers[MU_HEADERS_MAX];
    size_t count = 0;
    if (host != NULL)
        headers[count++] = (struct mu_header){"host", host};
    for (size_t i = from; i < to; i++)
        headers[count++] =
            (struct mu_header){text_at(f, f->spans[i].name), text_at(f, f->spans[i].value)};
    *ret = headers;
    return count;
}

size_t mu_h2_fields_trailers(const struct mu_h2_fields *f, const struct mu_header **ret)
{
    return list(f, NULL, f->header_count, f->count, ret);
}

/* The value of the first field of this name; NULL: there is none. */
static const char *find(const struct mu_h2_fields *f, const char *name, size_t *ret_count)
{
    const char *value = NULL;
    *ret_count = 0;
    for (size_t i = 0; i < f->count; i++)
        if (mu_str_equal(text_at(f, f->spans[i].name), name)) {
            if ((*ret_count)++ == 0)
                value = text_at(f, f->spans[i].value);
        }
    return value;
}

static void remove_all(struct mu_h2_fields *f, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++)
        if (!mu_str_equal(text_at(f, f->spans[i].name), name))
            f->spans[kept++] = f->spans[i];
    f->count = kept;
}

/* Clients cut a Cookie into pieces, so that each can be compressed; HTTP/1.1 knows only whole ones. [RFC 9113 8.2.3] */
static void fold_cookies(struct mu_h2_fields *f)
{
    size_t pieces;
    MU_AUTO_CLEAR(mu_buf) whole = MU_BUF_INIT;
    (void)find(f, "cookie", &pieces);
    if (pieces < 2)
        return;
    for (size_t i = 0; i < f->count; i++) {
        if (!mu_str_equal(text_at(f, f->spans[i].name), "cookie"))
            continue;
        if (whole.len > 0)
            mu_buf_adds(&whole, "; ");
        mu_buf_adds(&whole, text_at(f, f->spans[i].value));
    }
    remove_all(f, "cookie");
    f->spans[f->count].name = add_text(f, "cookie", strlen("cookie"));
    f->spans[f->count++].value = add_text(f, mu_buf_str(&whole), whole.len);
    f->text.failed = f->text.failed || mu_buf_failed(&whole);
}

/* The same methods as in HTTP/1.1. */
static bool is_known_method(const char *method)
{
    static const char *const methods[] = {
#define METHOD_NAME(number, name, text) #text,
        HTTP_METHOD_MAP(METHOD_NAME)
#undef METHOD_NAME
    };
    for (size_t i = 0; i < MU_COUNT(methods); i++)
        if (mu_str_equal(methods[i], method))
            return true;
    return false;
}

/* "/path?query", or "*" for OPTIONS: what else HTTP/1.1 would take for a target is none here. */
static bool is_path(const char *method, const char *target)
{
    if (mu_str_equal(target, "*"))
        return mu_str_equal(method, "OPTIONS");
    if (*target != '/')
        return false;
    for (const unsigned char *p = (const unsigned char *)target; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '#')
            return false;
    return true;
}

/* An authority and a Host that are not the same would be a way to be judged as one and served as the other. */
static const char *check_authority(struct mu_h2_fields *f)
{
    size_t hosts;
    const char *host = find(f, "host", &hosts), *authority = text_at(f, f->authority);
    if (hosts > 1)
        return "there is more than one Host header";
    if (authority == NULL && host == NULL)
        return "there is neither an authority nor a Host header";
    if (authority != NULL && host != NULL && strcasecmp(authority, host) != 0)
        return "the authority and the Host header differ";
    if (authority == NULL)
        f->authority = (uint16_t)(host - f->text.data);
    authority = text_at(f, f->authority);
    remove_all(f, "host");
    return *authority != '\0' && mu_host_is_plausible(authority) ? NULL
                                                                 : "the authority is not a host";
}

/* nghttp2 has seen to it that there is one Content-Length at most, that it is a number, and that it is true. */
static void settle_framing(struct mu_h2_fields *f, bool ended, struct mu_head *head)
{
    if (f->protocol != 0) /* what follows are another protocol's bytes, and no body */
        return;
    size_t lengths;
    const char *length = find(f, "content-length", &lengths);
    head->length = length == NULL ? 0 : strtoull(length, NULL, 10);
    head->framing = length != NULL ? MU_BODY_LENGTH : ended ? MU_BODY_NONE : MU_BODY_CHUNKED;
}

/* What asks for a WebSocket is a GET in HTTP/1.1, and so it is to all rules, whichever way it comes. [RFC 8441 5] */
static const char *method_of(const struct mu_h2_fields *f)
{
    return f->protocol != 0 ? "GET" : text_at(f, f->method);
}

static void describe(const struct mu_h2_fields *f, struct mu_head *ret)
{
    const char *status = text_at(f, f->status);
    ret->method = method_of(f);
    ret->target = text_at(f, f->target);
    ret->status = status == NULL ? 0 : (int)strtol(status, NULL, 10);
    ret->reason = status == NULL ? NULL : mu_http_reason(ret->status);
    ret->minor = 1;
    ret->h2 = true;
    ret->upgrade = text_at(f, f->protocol);
    ret->keep_alive = true;
    ret->header_count = list(f, text_at(f, f->authority), 0, f->header_count, &ret->headers);
}

bool mu_h2_fields_head(const struct mu_h2_fields *f, struct mu_head *ret)
{
    *ret = (struct mu_head){.method = NULL};
    if (f->method == 0 && f->status == 0)
        return false;
    describe(f, ret);
    return true;
}

/* nghttp2 lets no protocol through where we have not offered that, nor with another method. [RFC 8441 4] */
static const char *check_connect(const struct mu_h2_fields *f)
{
    const char *protocol = text_at(f, f->protocol);
    if (protocol == NULL)
        return "this is not a proxy";
    return strcmp(protocol, "websocket") == 0 ? NULL : "this protocol is not spoken here";
}

static int check_request(struct mu_h2_fields *f, const char **ret_why)
{
    const char *method = text_at(f, f->method), *target = text_at(f, f->target),
               *scheme = text_at(f, f->scheme);
    if (f->too_large) {
        *ret_why = "the headers are too long";
        return 431;
    }
    if (method != NULL && mu_str_equal(method, "CONNECT")) {
        *ret_why = check_connect(f);
        if (*ret_why != NULL)
            return 501;
    }
    *ret_why = "the request is not whole";
    if (method == NULL || target == NULL || scheme == NULL)
        return 400;
    *ret_why = "this method is not known here";
    if (!is_known_method(method))
        return 501;
    *ret_why = "the request's target is too long";
    if (strlen(target) > f->target_max)
        return 414;
    *ret_why = "the request's target is not one that can be asked for here";
    if (!is_path(method, target))
        return 400;
    /* "http" is what a plain program says whom somebody has put TLS around. */
    *ret_why = "the scheme is neither https nor http";
    if (strcasecmp(scheme, "https") != 0 && strcasecmp(scheme, "http") != 0)
        return 400;
    *ret_why = check_authority(f);
    return *ret_why == NULL ? 0 : 400;
}

int mu_h2_fields_request(struct mu_h2_fields *f, bool ended, struct mu_head *ret,
                         const char **ret_why)
{
    *ret = (struct mu_head){.method = method_of(f), .target = text_at(f, f->target)};
    f->header_count = f->count;
    if (!mu_buf_failed(&f->text)) {
        const int status = check_request(f, ret_why);
        if (status != 0)
            return status;
        fold_cookies(f);
    }
    if (mu_buf_failed(&f->text)) {
        *ret = (struct mu_head){.method = NULL};
        *ret_why = "there is not enough memory";
        return 500;
    }
    f->header_count = f->count;
    describe(f, ret);
    settle_framing(f, ended, ret);
    return 0;
}

bool mu_h2_fields_response(struct mu_h2_fields *f, bool ended, bool head_request,
                           struct mu_head *ret)
{
    *ret = (struct mu_head){.status = 0};
    if (f->too_large || mu_buf_failed(&f->text) || f->status == 0)
        return false;
    f->header_count = f->count;
    describe(f, ret);
    settle_framing(f, ended, ret);
    if (head_request || ret->status < 200 || ret->status == 204 || ret->status == 304)
        ret->framing = MU_BODY_NONE; /* whatever they say of a length [RFC 9110 6.4.1] */
    else if (ended) {
        ret->framing = MU_BODY_LENGTH;
        ret->length = 0;
    }
    return ret->status >= 100 && ret->status <= 999;
}
