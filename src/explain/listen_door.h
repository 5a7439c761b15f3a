#ifndef MU_EXPLAIN_LISTEN_DOOR_H
#define MU_EXPLAIN_LISTEN_DOOR_H

/* The sockets at which clients are heard, each connection in a thread of its own for as long as it takes, up to a limit. */

#include <signal.h>
#include <stdint.h>

#include "explain/listen.h"
#include "net/address.h"

struct mu_listen_door {
    const struct mu_listen_case *of;
    struct mu_tls_ear *ear;
    unsigned long count; /* leave after so many connections; 0: never */
    int64_t patience_ms; /* with one client */
    /* Called by one thread at a time: what was heard from this address, and what it means. */
    void (*on_client)(void *arg, unsigned long number, const char *from,
                      const struct mu_listen_facts *facts, struct mu_report *report);
    void *arg;
};

struct mu_listeners {
    int at[8];
    size_t count;
};

/* Open them. `address` is HOST:PORT; `ret_place` is where the first one is, with the port that the kernel chose.
 * Fails with MU_E_ADDRESS, MU_E_LISTEN. */
MU_CHECK int mu_listen_open(const char *address, struct mu_listeners *ret,
                            char ret_place[MU_ADDRESS_LEN], struct mu_error *err);
void mu_listen_close(struct mu_listeners *listeners);

/* Until `count` clients have been heard, or `*stop` is set by a signal, which has to be blocked and be let in by `unblocked`.
 * Fails with MU_E_SYSTEM, MU_E_NOMEM. */
MU_CHECK int mu_listen_run(const struct mu_listen_door *door, const struct mu_listeners *listeners,
                           const volatile sig_atomic_t *stop, const sigset_t *unblocked,
                           struct mu_error *err);

#endif
