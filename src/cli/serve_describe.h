#ifndef MU_CLI_SERVE_FLAGS_H
#define MU_CLI_SERVE_FLAGS_H

/* What `mutual serve` is to do: the one door that its options describe, or those in the file that they name. */

#include "base/error.h"
#include "cli/cmd.h"
#include "front/config.h"

/* Given. Fails with MU_E_USAGE, MU_E_NO_CA (nobody says whose clients may come in), MU_E_LIFETIME, MU_E_NOMEM, and as
 * mu_config_load() does. */
MU_CHECK int mu_serve_describe(const struct mu_args *args, struct mu_config **ret,
                               struct mu_error *err);

/* Every --cacert, or else the home CA; every --crl, and --crl-grace. Fails with MU_E_USAGE, MU_E_NO_CA. */
MU_CHECK int mu_serve_read_trust(const struct mu_args *args, struct mu_door_config *door,
                                 struct mu_error *err);

/* The terms of every --allow, or of every --deny. Fails with MU_E_USAGE. */
MU_CHECK int mu_serve_read_rules(const struct mu_args *args, const char *option,
                                 struct mu_access_list *ret, struct mu_error *err);

#endif
