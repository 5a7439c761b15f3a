#ifndef MU_CLI_SERVE_RIGHTS_H
#define MU_CLI_SERVE_RIGHTS_H

/* What `mutual serve` keeps of its rights: what its doors need, also when they are loaded anew. */

#include "cli/rights.h"
#include "front/serve.h"

/* When all is open and no other thread runs yet. Fails with MU_E_SYSTEM, MU_E_NOMEM; with MU_E_IO where revocation lists cannot
 * be kept with the rights that are left. */
MU_CHECK int mu_serve_rights_give_up(const struct mu_args *args, const struct mu_front *front,
                                     struct mu_rights *rights, struct mu_error *err);

#endif
