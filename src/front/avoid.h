#ifndef MU_FRONT_AVOID_H
#define MU_FRONT_AVOID_H

/* What connections find out about backends, noted for the next choice, and told once when a backend begins to be left alone and once
 * when that is over. On a worker's thread. */

#include "front/backend.h"
#include "net/worker.h"

/* No address of it can be reached; `why` is an errno, or 0. What this machine lacks is not held against the backend. */
void mu_avoid_unreachable(struct mu_backend *backend, struct mu_worker *worker, int why);
/* It has not answered a request. */
void mu_avoid_failed(struct mu_backend *backend, struct mu_worker *worker);
/* It has answered, or bytes can be carried to it. */
void mu_avoid_over(struct mu_backend *backend, struct mu_worker *worker);

#endif
