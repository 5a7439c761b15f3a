#ifndef MU_HTTP_H2_H
#define MU_HTTP_H2_H

/*
 * Either side of one HTTP/2 connection as a machine of bytes in and bytes out: no socket, no clock. Many messages are under way
 * at once, each pair of a request and its answer on a stream of its own. [RFC 9113]
 *
 * Nothing is held whole: what has been given to the handler counts against the peer's windows until mu_h2_taken_in() (of a
 * client against the stream's alone), and what waits to be sent is for mu_h2_send()'s caller to bound, by mu_h2_has_room().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/h1_reader.h"
#include "http/message.h"

struct mu_h2;
struct mu_h2_stream;

/* Why a stream has ended. [RFC 9113 7] */
enum mu_h2_code {
    MU_H2_NO_ERROR = 0,
    MU_H2_PROTOCOL_ERROR = 1,
    MU_H2_INTERNAL_ERROR = 2,
    MU_H2_REFUSED = 7, /* nothing has been done with it: the same may be asked again */
    MU_H2_CANCEL = 8,
};

/* Each is called from mu_h2_input() or mu_h2_output(), with the `arg` of mu_h2_new(). A stream is borrowed, and a head
 * and trailers as in http/h2_fields.h. */
struct mu_h2_handler {
    uint64_t (*now_ms)(void *arg);
    /* A message's head, or an interim response's. Unless `status` is 0, it is a request to be answered with this,
     * because of *why. */
    void (*head)(void *arg, struct mu_h2_stream *stream, const struct mu_head *head, int status,
                 const char *why);
    void (*body)(void *arg, struct mu_h2_stream *stream, const char *data, size_t len);
    void (*end)(void *arg, struct mu_h2_stream *stream, const struct mu_header *trailers,
                size_t count);
    /* There is room again: see mu_h2_has_room(). */
    void (*room)(void *arg, struct mu_h2_stream *stream);
    /* The stream is gone when this returns; also in mu_h2_free(). Its head may never have been told. */
    void (*closed)(void *arg, struct mu_h2_stream *stream, enum mu_h2_code code);
};

/* Streams that a client may have at once; fields that a head of ours may have, for what a gateway adds. */
enum { MU_H2_STREAMS = 100, MU_H2_HEADERS_MAX = MU_HEADERS_MAX + 16 };

/* All are borrowed for the machine's life; of the limits, the head's and the target's count, up to MU_H2_FIELDS_MAX. NULL without
 * memory. A server that `upgrades` offers that a stream may become something else: then `upgrade` of a head may be set. [RFC 8441 3] */
struct mu_h2 *mu_h2_server(const struct mu_h2_handler *handler, void *arg,
                           const struct mu_h1_limits *limits, bool upgrades);
struct mu_h2 *mu_h2_client(const struct mu_h2_handler *handler, void *arg);
void mu_h2_free(struct mu_h2 *h2);
MU_AUTO_DEFINE_STRUCT(mu_h2, mu_h2_free)

/* Does this begin as a server of HTTP/2 begins, with a frame of SETTINGS? [RFC 9113 3.4, 6.5] */
bool mu_h2_is_preface(const void *data, size_t len);

/* Bytes from the peer; all of them are taken. False: there is no going on, see mu_h2_fault(). What is in the output by then
 * tells the peer so. */
bool mu_h2_input(struct mu_h2 *h2, const void *data, size_t len);
/* Bytes for the peer, as in http/h1.h. */
size_t mu_h2_output(struct mu_h2 *h2, const char **ret);
void mu_h2_taken(struct mu_h2 *h2, size_t len);

/* Why the connection cannot go on: a stable id ("h2-flood") and a sentence; NULL: it can, or nothing is wrong. */
const char *mu_h2_fault(const struct mu_h2 *h2, const char **ret_sentence);
/* All is said, and the connection may be closed, once the output has left. */
bool mu_h2_is_done(const struct mu_h2 *h2);
/* The peer has begun to say a head and not yet ended; or nothing at all so far. */
bool mu_h2_in_head(const struct mu_h2 *h2);
size_t mu_h2_stream_count(const struct mu_h2 *h2);
/* Another request may be made: the server allows one more, and has not said that it will go. */
bool mu_h2_takes_requests(const struct mu_h2 *h2);

/*
 * End in order. A server says first that it will end, so that no request that is on its way is lost; when the client has heard
 * that, or at the second call, no more are taken, and when those under way are done, so is the connection. [RFC 9113 6.8]
 */
void mu_h2_stop(struct mu_h2 *h2);

/* --- Streams --- */

void mu_h2_stream_set(struct mu_h2_stream *stream, void *arg);
void *mu_h2_stream_arg(const struct mu_h2_stream *stream);
/* The head that was told last. False: none was. */
bool mu_h2_stream_head(const struct mu_h2_stream *stream, struct mu_head *ret);

/* A new request; `headers` as mu_h2_respond() has them. NULL: it cannot be made now. */
struct mu_h2_stream *mu_h2_request(struct mu_h2 *h2, const struct mu_header *headers, size_t count,
                                   bool ended, void *arg);
/* An answer's head, or an interim one's below 200; `ended`: there is no body. A 2xx to a request with `upgrade` agrees to it: from
 * then on each side ends for itself. Names may be in any case; all is copied. At most
 * MU_H2_HEADERS_MAX. Without memory the stream will be reset. */
void mu_h2_respond(struct mu_h2_stream *stream, int status, const struct mu_header *headers,
                   size_t count, bool ended);
void mu_h2_send(struct mu_h2_stream *stream, const void *data, size_t len);
void mu_h2_send_end(struct mu_h2_stream *stream, const struct mu_header *trailers, size_t count);
/* Less is waiting to be sent than is worth stopping for. */
bool mu_h2_has_room(const struct mu_h2_stream *stream);
size_t mu_h2_unsent(const struct mu_h2_stream *stream);
/* So much of what the handler was given is no longer held: the peer may send as much again. */
void mu_h2_taken_in(struct mu_h2_stream *stream, size_t len);
/* Break it off. The handler is told when that is said. */
void mu_h2_reset(struct mu_h2_stream *stream, enum mu_h2_code code);

#endif
