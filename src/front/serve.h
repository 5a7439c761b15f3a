#ifndef MU_FRONT_SERVE_H
#define MU_FRONT_SERVE_H

/* The mutual-TLS server: HTTP, or a way to a backend, for clients whose certificate has been verified, and nothing for
 * anyone else. */

#include "base/error.h"
#include "front/backend.h"
#include "front/site.h"
#include "net/worker.h"

/* Who a client is, for a log: printable. */
struct mu_who {
    char subject[512]; /* "CN=alice, O=Example" */
    char san[256];     /* its first SAN, "DNS:alice.example"; "" when there is none */
};

struct mu_request_event {
    const struct mu_address *peer;
    const struct mu_who *who;
    const char *method; /* NULL when the request could not be read */
    const char *target; /* as it was sent: foreign text */
    int status;
};

/* A connection that was carried to a backend has ended. */
struct mu_forward_event {
    const struct mu_address *peer;
    const struct mu_who *who;
    const char *backend; /* its name; "" when none could be reached */
    /* How it ended: "closed", "idle", "stopped", "client-reset", "backend-reset" or "backend-unreachable". */
    const char *id;
    const char *cause;       /* the machine's words, or "" */
    uint64_t received, sent; /* bytes of the client's, and to it */
    uint64_t ms;
};

/* How long a client may take, in milliseconds. */
struct mu_front_deadlines {
    unsigned handshake_ms;
    unsigned header_ms; /* from a request's first byte to the end of its headers */
    unsigned idle_ms; /* between requests on a connection that is kept; 0, for backends only: as long as it likes */
    unsigned connect_ms; /* to reach an address of a backend */
    unsigned write_ms;   /* to take some more of an answer */
    unsigned stop_ms;    /* to finish, when the server is told to stop */
};

struct mu_front_config {
    struct mu_tls_door door;
    const struct mu_address *listen;
    size_t listen_count;
    unsigned workers, max_connections;
    struct mu_front_deadlines deadlines;
    uint64_t alive_ms;            /* see struct mu_server_config */
    const struct mu_files *files; /* NULL: the greeting */
    /* If any, they get the bytes of the clients, and nothing is served here. */
    const struct mu_backends *backends;
    struct mu_server_events events;
    /* Each answered request; called from worker threads. NULL: not wanted. */
    void (*requested)(void *arg, const struct mu_request_event *event);
    /* Each carried connection, likewise; or only those that a backend has failed. */
    bool only_failed;
    void (*forwarded)(void *arg, const struct mu_forward_event *event);
    void *arg; /* of these two */
};

struct mu_front;

/* Everything in `config` is borrowed for the front's life. Fails as mu_server_new() does. */
MU_CHECK int mu_front_new(const struct mu_front_config *config, struct mu_front **ret,
                          struct mu_error *err);
void mu_front_free(struct mu_front *front);
MU_AUTO_DEFINE_STRUCT(mu_front, mu_front_free)

/* The server within, for its addresses and for mu_server_run(). Borrowed. */
struct mu_server *mu_front_server(struct mu_front *front);

#endif
