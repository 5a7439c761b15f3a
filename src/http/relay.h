#ifndef MU_HTTP_RELAY_H
#define MU_HTTP_RELAY_H

/*
 * Messages as a gateway hands them on: written anew from what was understood, never passed through. What belongs to one
 * connection stays on it [RFC 9110 7.6.1], and a backend hears of the client from us alone.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "http/message.h"
#include "tls/websocket.h"

/* What a backend is told of a client, the same for all its requests: lines of a head. */
enum { MU_RELAY_CLIENT_LEN = 256 };
struct mu_relay_client {
    char lines[MU_RELAY_CLIENT_LEN]; /* X-Forwarded-For, X-Forwarded-Proto, and the beginning of Forwarded */
    size_t len;
    const char *more; /* further lines, each with its CRLF; or NULL. Borrowed */
    size_t more_len;
    bool method_counts; /* what asks for another method (X-HTTP-Method-Override) goes no further, */
    bool place_counts;  /* nor what asks for another path or host (X-Original-URL) */
};
/* `ip`: "192.0.2.7" or "2001:db8::7"; NULL: it has none. [RFC 7239] */
void mu_relay_client_init(struct mu_relay_client *client, const char *ip);

struct mu_relay_request {
    char upgrade[64];                     /* what the client asks to switch to, if it may; "" */
    char accept[MU_WEBSOCKET_ACCEPT_LEN]; /* what a backend that agrees says, if it is we who have asked; "" */
    bool idempotent;                      /* to be done twice is to be done once [RFC 9110 9.2.2] */
    bool head;                            /* HEAD */
    bool expects_continue;
    bool binds; /* see mu_relay_binds() */
};

/*
 * Add a request's head for a backend, as HTTP/1.1, to `out`. `client` is NULL for a request of our own. Its framing is that of `head`. False: it cannot be passed on, and
 * *ret_why says why (400). A client of HTTP/2 has no opening handshake of WebSocket; towards the backend it is ours. [RFC 8441 5]
 */
MU_CHECK bool mu_relay_request(const struct mu_head *head, const struct mu_relay_client *client,
                               struct mu_buf *out, struct mu_relay_request *ret,
                               const char **ret_why);

/*
 * Does this request or answer bind its connection to whoever asks? NTLM, and Negotiate with some servers, prove who that is once
 * for all that follows on a connection. [RFC 4559 6]
 */
bool mu_relay_binds(const struct mu_head *head);

/* To what this 101 switches; NULL: to nothing that was asked for. Borrowed. [RFC 9110 7.8, RFC 6455 4.1] */
const char *mu_relay_switches(const struct mu_head *head, const struct mu_relay_request *request);

/*
 * The same head as the fields of HTTP/2: `text` is what mu_relay_request() has added, which is cut into pieces for it. What belongs to one
 * connection of HTTP/1.1 is left out. Returns how many there are, at most `max`; they are borrowed from `text`.
 */
size_t mu_relay_request_fields(struct mu_buf *text, struct mu_header *ret, size_t max);

/* Add a response's head for a client that speaks HTTP/1.`minor`. `framing` and `length` are those of what follows;
 * MU_BODY_NONE: what the response says of its length stays, as for HEAD and 304. */
struct mu_relay_response {
    int minor;
    enum mu_framing framing;
    bool keep_alive;
    const char *upgrade; /* 101: to this; NULL otherwise */
    const char *date;    /* if it has none of its own */
};
void mu_relay_response(const struct mu_head *head, const struct mu_relay_response *how,
                       struct mu_buf *out);

/* The same as the fields of a client that speaks HTTP/2, at most MU_HEADERS_MAX + 2: of `how`, the framing and the date count.
 * Returns how many; they are borrowed from `head`, `how` and `number`. */
enum { MU_RELAY_NUMBER_LEN = 24 };
size_t mu_relay_response_fields(const struct mu_head *head, const struct mu_relay_response *how,
                                char number[MU_RELAY_NUMBER_LEN], struct mu_header *ret);

/* Those of a message's trailers that may come behind a body at all. Returns how many; they are borrowed. [RFC 9110 6.5.1] */
size_t mu_relay_trailers(const struct mu_header *trailers, size_t count,
                         struct mu_header ret[MU_HEADERS_MAX]);

/* A piece of a chunked body, and its end. [RFC 9112 7.1] */
void mu_relay_chunk(struct mu_buf *out, const char *data, size_t len);
void mu_relay_last_chunk(struct mu_buf *out, const struct mu_header *trailers, size_t count);

#endif
