#ifndef MU_NET_SUCCESSOR_H
#define MU_NET_SUCCESSOR_H

/*
 * A server makes way for another: a new process, of the program that is at the same place by now and with the same command line,
 * gets its listening sockets, so that nobody is refused between the two. Both ends of that are here. For this room only.
 */

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "net/address.h"

/* --- The one that goes --- */

struct mu_successor {
    pid_t pid;  /* 0: there is none */
    int socket; /* for net/kin.h; given */
};

/* Start it, with these sockets and those that systemd has handed to this process: by the process that stands by, if there is
 * one. Fails with MU_E_SYSTEM, MU_E_NOMEM. */
MU_CHECK int mu_successor_start(const int *fds, size_t count, struct mu_successor *ret,
                                struct mu_error *err);

/* What is done for it in `server`, or in the process that stands by for that one; `socket` is the end of it
 * that is the new one's. MU_SUCCESSOR_SIGNALS are as usual in it. Fails with MU_E_SYSTEM, MU_E_NOMEM. */
#define MU_SUCCESSOR_SIGNALS {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD}
MU_CHECK int mu_successor_fork(const int *fds, size_t count, int socket, pid_t server, pid_t *ret,
                               struct mu_error *err);

/* --- The one that comes --- */

/* Is there a socket at this address that was handed on, and that nobody else has claimed? For port 0 any port will do, which is
 * written back. */
bool mu_predecessor_claim(struct mu_address *address);

/* One of the sockets at an address that was claimed; given. -1: there is none, or no more. */
int mu_predecessor_take(const struct mu_address *address);

/* What was handed on to `server` is not this process's, which only stands by for it. */
void mu_predecessor_forget(pid_t server);

/* Clients are served here: what nobody has taken is closed. The socket for net/kin.h, on which that is to be said; given. -1: there
 * was nobody here before. */
int mu_predecessor_relieve(void);

#endif
