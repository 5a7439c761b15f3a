#ifndef MU_FRONT_FORWARD_H
#define MU_FRONT_FORWARD_H

/* Bytes between a client and a backend, as they are, whichever of the two ends is within TLS. */

#include "front/backend.h"
#include "front/who.h"
#include "net/conn.h"

/* A connection that was carried to a backend has ended. */
struct mu_forward_event {
    const struct mu_address *peer;
    const struct mu_who *who; /* NULL: it came without TLS */
    const char *backend;      /* its name; "" when none could be reached */
    /* How it ended: "closed", "idle", "lifetime", "stopped", "expelled", "client-reset", "backend-reset", "backend-refused" or
     * "backend-unreachable". */
    const char *id;
    const char *cause; /* the machine's words, or "" */
    const struct mu_refusal
        *refusal;            /* why there was no TLS with the backend, or none any more; or NULL */
    uint64_t received, sent; /* bytes of the client's, and to it */
    uint64_t ms;
};

struct mu_door;

struct mu_forward {
    const struct mu_door
        *door; /* whose rules hold for its clients; NULL: there are none, as at a tunnel */
    const struct mu_backends *backends; /* where a door has `calls`, its hosts are these */
    bool send_proxy; /* a backend hears first who the client is: a PROXY protocol header, version 2 */
    unsigned connect_ms; /* to reach an address of a backend, and to shake hands there */
    unsigned retry_ms; /* for all of them to be tried again if none can be reached; 0: they are tried once */
    unsigned idle_ms;     /* without a byte either way; 0: as long as the two ends like */
    unsigned lifetime_ms; /* of a connection, whatever it does; 0: likewise */
    /* Each carried connection, or only those that a backend has failed; called from worker threads. NULL: not wanted. */
    void (*forwarded)(void *arg, const struct mu_forward_event *event);
    bool only_failed;
    void *arg;
};

/* Its argument is a struct mu_forward. */
extern const struct mu_protocol mu_forward_protocol;

#endif
