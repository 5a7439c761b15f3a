#include "http/message.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

bool mu_host_is_plausible(const char *host)
{
    return host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "-._~!$&'()*+,;=%:[]")] == '\0';
}

void mu_headers_keep(struct mu_buf *out, const struct mu_header *headers, size_t count)
{
    for (size_t i = 0; i < count && i < MU_HEADERS_MAX; i++) {
        mu_buf_add(out, headers[i].name, strlen(headers[i].name) + 1);
        mu_buf_add(out, headers[i].value, strlen(headers[i].value) + 1);
    }
}

size_t mu_headers_list(const struct mu_buf *kept, struct mu_header ret[MU_HEADERS_MAX])
{
    size_t count = 0;
    for (const char *p = kept->data; p != NULL && p < kept->data + kept->len; count++) {
        ret[count].name = p;
        ret[count].value = p + strlen(p) + 1;
        p = ret[count].value + strlen(ret[count].value) + 1;
    }
    return count;
}

const char *mu_request_header(const struct mu_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

bool mu_request_is(const struct mu_request *request, const char *method)
{
    return strcmp(request->method, method) == 0; /* methods are case-sensitive [RFC 9110 9.1] */
}

void mu_response_clear(struct mu_response *response)
{
    mu_buf_clear(&response->headers);
    mu_buf_clear(&response->text);
    if (response->fd >= 0)
        close(response->fd);
    *response = (struct mu_response)MU_RESPONSE_INIT;
}

const char *mu_http_reason(int status)
{
    switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 102: return "Processing";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 207: return "Multi-Status";
    case 208: return "Already Reported";
    case 226: return "IM Used";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 305: return "Use Proxy";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 424: return "Failed Dependency";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 506: return "Variant Also Negotiates";
    case 507: return "Insufficient Storage";
    case 508: return "Loop Detected";
    case 511: return "Network Authentication Required";
    default: return "Unknown";
    }
}

char *mu_http_date(time_t t, char ret[MU_HTTP_DATE_LEN])
{
    /* Not strftime's %a and %b: those follow the locale, and HTTP does not. */
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    gmtime_r(&t, &tm);
    snprintf(ret, MU_HTTP_DATE_LEN, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
             days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    return ret;
}

const char *mu_http_date_of(time_t now)
{
    static _Thread_local char text[MU_HTTP_DATE_LEN];
    static _Thread_local time_t made_for = -1;
    if (now != made_for) {
        mu_http_date(now, text);
        made_for = now;
    }
    return text;
}

bool mu_http_date_parse(const char *text, time_t *ret)
{
    /* IMF-fixdate, RFC 850's and asctime's. The program never calls setlocale, so these are English. */
    static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                          "%a %b %e %H:%M:%S %Y"};
    for (size_t i = 0; i < MU_COUNT(formats); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, formats[i], &tm);
        if (end != NULL && *end == '\0') {
            *ret = timegm(&tm);
            return true;
        }
    }
    return false;
}

void mu_response_sentence(struct mu_response *response, int status, const char *sentence)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    mu_buf_reset(&response->text);
    mu_buf_addf(&response->text, "%d %s: %s\n", status, mu_http_reason(status), sentence);
}
