#ifndef MU_FRONT_UPKEEP_H
#define MU_FRONT_UPKEEP_H

/* What nobody would notice before clients are turned away: a revocation list that has almost lapsed. */

#include "front/door.h"
#include "net/worker.h"

struct mu_upkeep;

/* On the worker's thread: look at the lists of these doors once a minute, and tell of each once when it is about to lapse and once
 * when it has. NULL: there are none, or there is no memory. `doors` is borrowed until it ends. */
struct mu_upkeep *mu_upkeep_begin(struct mu_worker *worker, const struct mu_doors *doors);
void mu_upkeep_end(struct mu_upkeep *upkeep);

#endif
