#ifndef MU_CLI_SERVE_FLAGS_H
#define MU_CLI_SERVE_FLAGS_H

/* The one door that the options of `mutual serve` describe. */

#include "base/error.h"
#include "cli/cmd.h"
#include "front/config.h"

/* Given. Fails with MU_E_USAGE, MU_E_NO_CA (nobody says whose clients may come in), MU_E_LIFETIME, MU_E_NOMEM. */
MU_CHECK int mu_serve_flags(const struct mu_args *args, struct mu_config **ret,
                            struct mu_error *err);

#endif
