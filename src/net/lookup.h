#ifndef MU_NET_LOOKUP_H
#define MU_NET_LOOKUP_H

/* Which addresses a name has, for a worker: the resolver's threads ask the system, and the loop goes on. */

#include <stddef.h>

#include "net/address.h"
#include "net/worker.h"

struct mu_lookup;

/*
 * `port` is a number. `found` is called once, on the worker's thread and never from within this, when the answer is there, and may free
 * the lookup; `count` 0: there is none, and `why` says why. NULL, when it cannot even be asked.
 */
struct mu_lookup *mu_lookup_begin(struct mu_worker *worker, const char *host, const char *port,
                                  void (*found)(void *arg, const struct mu_address *addresses,
                                                size_t count, const char *why),
                                  void *arg);
/* If it has not been answered, nobody is called any more. */
void mu_lookup_free(struct mu_lookup *lookup);

#endif
