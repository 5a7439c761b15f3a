#ifndef MU_HTTP_H1_H
#define MU_HTTP_H1_H

/*
 * The server's side of one HTTP/1.1 connection as a machine of bytes in and bytes out: no socket, no clock.
 * Requests may be pipelined; they are answered one after another, in order. [RFC 9112]
 */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "http/h1_reader.h"
#include "http/message.h"

struct mu_h1;

struct mu_h1_handler { /* each is called with the `arg` that was given to mu_h1_new() */
    time_t (*now)(void *arg);
    /* Answer one request; its head has been read, its body is read and dropped. */
    void (*respond)(void *arg, const struct mu_request *request, struct mu_response *ret);
    /* A response is on its way: once for each. `request` is NULL when its head could not be read whole. */
    void (*responded)(void *arg, const struct mu_request *request, int status);
};

/* What the machine waits for: each has a deadline of its own. */
enum mu_h1_phase {
    MU_H1_IDLE,  /* a request */
    MU_H1_HEAD,  /* the rest of a request's head */
    MU_H1_BODY,  /* the rest of a request's body */
    MU_H1_WRITE, /* that its output is taken */
    MU_H1_DONE,  /* nothing: all is said, close the connection */
};

/* All are borrowed for the machine's life. NULL without memory. */
struct mu_h1 *mu_h1_new(const struct mu_h1_handler *handler, void *arg,
                        const struct mu_h1_limits *limits);
void mu_h1_free(struct mu_h1 *h1);
MU_AUTO_DEFINE_STRUCT(mu_h1, mu_h1_free)

enum mu_h1_phase mu_h1_phase(const struct mu_h1 *h1);

/* That the last request whose head has been read came over HTTP/1.0: 0; or HTTP/1.1: 1. */
int mu_h1_minor(const struct mu_h1 *h1);

/* How many requests it has begun to read: tells one MU_H1_HEAD from the next. */
unsigned long mu_h1_request_count(const struct mu_h1 *h1);

/* Bytes from the client. Those behind what can be answered now are kept. False: out of memory. */
MU_CHECK bool mu_h1_input(struct mu_h1 *h1, const void *data, size_t len);

/* Bytes for the client: how many there are at *ret (borrowed until the next call), 0 for none. A response
 * whose file cannot be read to its promised end is broken off: the phase is then MU_H1_DONE. */
size_t mu_h1_output(struct mu_h1 *h1, const char **ret);
/* So many of them have been taken. Goes on with requests that were kept. */
void mu_h1_taken(struct mu_h1 *h1, size_t len);

/* The client is too slow: a request under way is answered 408, and then it is over. */
void mu_h1_expire(struct mu_h1 *h1);

/* Answer what is under way, with "Connection: close", and no more. At rest: the next request likewise, for it may be on its way. */
void mu_h1_stop(struct mu_h1 *h1);
/* The answers that are out may leave, and nothing is begun behind them. */
void mu_h1_end(struct mu_h1 *h1);

#endif
