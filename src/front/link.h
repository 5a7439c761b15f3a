#ifndef MU_FRONT_LINK_H
#define MU_FRONT_LINK_H

/*
 * Connections of HTTP/2 to backends. Each is shared by the exchanges of a worker that go to its address, and rests when there are none;
 * when it is full, or ends, the next exchange gets another one.
 */

#include "http/h2.h"
#include "net/stream.h"

struct mu_link;

/* Told of a request's stream, but for `wake` all from within other calls: nothing of a link may be called then. `wake` always
 * follows. */
struct mu_link_events {
    void (*head)(void *arg, const struct mu_head *head);
    void (*body)(void *arg, const char *data, size_t len);
    void (*end)(void *arg, const struct mu_header *trailers, size_t count);
    /* The stream is gone. `lost`: with the connection, which has broken off; `bad`: because what came by it is no HTTP/2. */
    void (*closed)(void *arg, enum mu_h2_code code, bool lost, bool bad);
    /* It is connected, or has failed, or something of the above was told, or there is room to send. */
    void (*wake)(void *arg);
};

/* Whoever uses a link; all zero before that. */
struct mu_link_user {
    struct mu_link *link;
    struct mu_h2_stream *stream;
    struct mu_link_user *next, *previous; /* of the link's */
    struct mu_link_user *next_told;
    bool is_told;
    uint64_t asked_at; /* how often something had come by the link when it asked */
    const struct mu_link_events *events;
    void *arg;
};

/* Find a connection to the address, or begin one. `reused` of *ret: it has been there before. False: it failed at once, and errno
 * says why. */
MU_CHECK bool mu_link_join(struct mu_link_user *user, struct mu_worker *worker,
                           const struct mu_address *address, const struct mu_link_events *events,
                           void *arg, bool *ret_reused);
/* MU_IO_DONE, MU_IO_WANT_WRITE; MU_IO_FAILED: *ret_why is an errno. */
enum mu_io mu_link_connected(const struct mu_link_user *user, int *ret_why);
/* Ask; once. False: it takes no more requests. */
MU_CHECK bool mu_link_request(struct mu_link_user *user, const struct mu_header *fields,
                              size_t count, bool ended);
/* It was not answered in time. If nothing at all has come by this link since it asked, the other end may have vanished, and nobody
 * else is given the link. */
void mu_link_doubt(struct mu_link_user *user);
/* Let go what has been sent and taken in. */
void mu_link_flush(struct mu_link_user *user);
/* The stream, if it is still there, is taken back. */
void mu_link_leave(struct mu_link_user *user);

#endif
