#ifndef MU_FRONT_HEALTH_H
#define MU_FRONT_HEALTH_H

/* Backends that are asked from time to time whether they are well, before a client finds out that they are not. */

#include "front/door.h"
#include "net/worker.h"

struct mu_health;

/* On the worker's thread: ask the backends of each door that wants it (`health_check`); what is told of them holds for all
 * workers. NULL: nobody is to be asked, or there is no memory. `doors` is borrowed until it ends. */
struct mu_health *mu_health_begin(struct mu_worker *worker, const struct mu_doors *doors);
void mu_health_end(struct mu_health *health);

#endif
