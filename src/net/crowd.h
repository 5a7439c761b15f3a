#ifndef MU_NET_CROWD_H
#define MU_NET_CROWD_H

/*
 * How many connections there are from each address, of all workers. They share it, under a lock that is taken when a connection
 * begins and when it ends; without a limit there is none.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"

struct mu_crowd;

/* `limit` is above 0. Fails with MU_E_NOMEM. */
MU_CHECK int mu_crowd_new(unsigned limit, struct mu_crowd **ret, struct mu_error *err);
void mu_crowd_free(struct mu_crowd *crowd);

/* Whose connections are counted together: an IPv4 address, or the first half of an IPv6 address, which one household or machine has
 * to itself. 0: of whom there is no address, a Unix socket's client, who is not counted. */
uint64_t mu_crowd_key(const struct mu_address *address);

/* One more of this key. False: there are as many as may be, or no memory. */
bool mu_crowd_enter(struct mu_crowd *crowd, uint64_t key);
void mu_crowd_leave(struct mu_crowd *crowd, uint64_t key);

#endif
