#ifndef MU_HTTP_MESSAGE_H
#define MU_HTTP_MESSAGE_H

/* Requests and responses, whatever version of HTTP carries them. [RFC 9110] */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"

struct mu_header {
    const char *name, *value; /* value without white space around it */
};

/* No message has more of them. */
enum { MU_HEADERS_MAX = 128 };

/* Headers to be kept: name and value of each, ended by NUL, are added to `out`. And as a list again, borrowed from it. */
void mu_headers_keep(struct mu_buf *out, const struct mu_header *headers, size_t count);
size_t mu_headers_list(const struct mu_buf *kept, struct mu_header ret[MU_HEADERS_MAX]);

/* Where a message's body ends. [RFC 9112 6.3] */
enum mu_framing {
    MU_BODY_NONE,
    MU_BODY_LENGTH,  /* after so many bytes */
    MU_BODY_CHUNKED, /* where it says so */
    MU_BODY_UNTIL_CLOSE,
};

/* The head of a request or of a response, as a parser has taken it. Borrowed; text is foreign. */
struct mu_head {
    const char *method, *target; /* of a request */
    int status;                  /* of a response */
    const char *reason;
    int minor; /* HTTP/1.minor */
    bool h2;   /* HTTP/2; `minor` is 1, for all that this means */
    const char *
        upgrade; /* of a request over HTTP/2: what its stream is to become, "websocket", or NULL [RFC 8441 4] */
    const struct mu_header *headers;
    size_t header_count;
    enum mu_framing framing;
    uint64_t length; /* MU_BODY_LENGTH */
    bool keep_alive; /* the connection may carry another message */
};

/* host [":" port], loosely: no character that could make it anything else. [RFC 9110 7.2] */
bool mu_host_is_plausible(const char *host);

/* Borrowed by a handler while it is called. Text is foreign: it has passed the parser, and no more. */
struct mu_request {
    const char *method; /* "GET" */
    const char *target; /* as it was sent: "/a%20b?c=d", "*", "http://host/path" */
    const struct mu_header *headers;
    size_t header_count;
};

/* The value of the first header of this name, in any case; NULL when there is none. */
const char *mu_request_header(const struct mu_request *request, const char *name);
bool mu_request_is(const struct mu_request *request, const char *method);

/* All zero, with fd -1, is to be filled in. */
struct mu_response {
    int status;
    const char *content_type; /* NULL: none */
    struct mu_buf headers;    /* further header lines, each ended by CRLF */
    const char *body;         /* static text, or NULL */
    struct mu_buf text;       /* a body made for this response, if `body` is NULL */
    int fd;                   /* a file to send `length` bytes of, from `offset`; given; -1: none */
    off_t offset;
    uint64_t length;
};

#define MU_RESPONSE_INIT {.fd = -1}
void mu_response_clear(struct mu_response *response);

/* "Not Found", of the statuses of IANA's registry [RFC 9110 16.2.1]; "Unknown" of others. */
const char *mu_http_reason(int status);

/* "Tue, 24 Nov 2026 02:00:00 GMT" [RFC 9110 5.6.7]. Returns `ret`. */
#define MU_HTTP_DATE_LEN 40
char *mu_http_date(time_t t, char ret[MU_HTTP_DATE_LEN]);
/* The same, for responses: one text a second serves all of a thread's. Borrowed. */
const char *mu_http_date_of(time_t now);
/* Any of the three forms that a recipient must accept. False: it is none of them. */
bool mu_http_date_parse(const char *text, time_t *ret);

/* A plain-text answer: "404 Not Found: <sentence>". */
void mu_response_sentence(struct mu_response *response, int status, const char *sentence);

#endif
