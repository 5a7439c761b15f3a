#ifndef MU_NET_PLAIN_H
#define MU_NET_PLAIN_H

/*
 * A listener without TLS on the thread that runs the server, beside the doors: for probes, and for who administers it. Its
 * clients cost the doors nothing: it has a bound on connections, beyond which the oldest goes, and one deadline for all of
 * a connection's life.
 *
 * Before a client is read, each worker is asked, in its own thread, whether it is alive and who is there. One that does
 * not answer in time is left out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"
#include "pki/cert.h"

/* One client's connection, as it was when its worker was asked. */
struct mu_connection_view {
    struct mu_address peer;
    size_t door; /* its place in the set that was in force when it came */
    bool former; /* which is in force no more */
    bool admitted;
    bool expelled;          /* its client has to leave, or has been told so */
    struct mu_cert *client; /* a reference of its own; or NULL */
    char tls[16];           /* "TLSv1.3", or "" */
    bool resumed;
    uint64_t age_ms;
    uint64_t received, sent; /* bytes on the wire */
};

/* Borrowed for the life of a session. */
struct mu_survey {
    unsigned workers, alive;
    bool stopping;
    const struct mu_connection_view *connections; /* if they are wanted, of the workers that are alive */
    size_t connection_count;
};

/* What is said to a client: a machine of bytes in and bytes out. */
struct mu_plain_handler {
    /* NULL ends the connection. */
    void *(*open)(void *arg, const struct mu_survey *survey);
    /* False ends the connection. */
    bool (*input)(void *session, const void *data, size_t len);
    /* How many bytes there are at *ret for the client, and that so many were taken. */
    size_t (*output)(void *session, const char **ret);
    void (*taken)(void *session, size_t len);
    /* All is said. */
    bool (*done)(void *session);
    void (*close)(void *session);
};

struct mu_plain_config {
    struct mu_address address;
    const char *hint;       /* what to do where it cannot be had; NULL: what to do of any address */
    bool owner_only;        /* of a Unix socket: only this user may connect */
    bool wants_connections; /* in its surveys */
    bool optional;          /* where it cannot be had, `missing` is why, an errno */
    int missing;
    const struct mu_plain_handler *handler;
    void *arg;
};

#endif
