#ifndef MU_FRONT_EVENTS_H
#define MU_FRONT_EVENTS_H

/* What is told of what happens at the doors. */

#include <stdint.h>

#include "front/forward.h"
#include "front/who.h"
#include "net/address.h"

struct mu_request_event {
    const struct mu_address *peer;
    const struct mu_who *who;
    const char *method;   /* NULL when the request could not be read */
    const char *target;   /* as it was sent: foreign text */
    const char *protocol; /* "HTTP/2" */
    int status;
    /* If it was handed on: to whom ("": nobody could be reached), what went wrong ("": nothing) and the machine's words for it, bytes
     * of the bodies, and how long it took. NULL: it was answered here. */
    const char *backend;
    const char *id, *cause;
    uint64_t received, sent;
    uint64_t ms;
};

/* What is told of the connections of every door; called from worker threads, several at once. */
struct mu_front_events {
    void *arg;
    /* Each answered request. NULL: not wanted. */
    void (*requested)(void *arg, const struct mu_request_event *event);
    /* Each that a backend has failed, where `requested` is not wanted. */
    void (*failed)(void *arg, const struct mu_request_event *event);
    /* Each carried connection, likewise; or only those that a backend has failed. */
    bool only_failed;
    void (*forwarded)(void *arg, const struct mu_forward_event *event);
    /* How many lines of the log have been lost so far; or NULL. */
    uint64_t (*lines_lost)(void *arg);
};

#endif
