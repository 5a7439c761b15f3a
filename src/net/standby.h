#ifndef MU_NET_STANDBY_H
#define MU_NET_STANDBY_H

/*
 * A server in a sandbox starts no process, and a process that it could start would sit in the same sandbox for good. So before it
 * goes there it leaves one outside, which does nothing but wait: for sockets, to start the program that is to take them over
 * (net/successor), or for the server's end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/*
 * Leave it outside. Before there are threads, and before anything is opened that is not to stay open in it. What it starts has the
 * rights that this process has now. Fails with MU_E_SYSTEM.
 */
MU_CHECK int mu_standby_begin(struct mu_error *err);

bool mu_standby_is_there(void);

/* Let it start the program, with these sockets, of which the first is the one of struct mu_successor. Fails with MU_E_SYSTEM. */
MU_CHECK int mu_standby_start(const int *fds, size_t count, pid_t *ret, struct mu_error *err);

#endif
