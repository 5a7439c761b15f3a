#ifndef MU_CLI_CHECK_WHO_H
#define MU_CLI_CHECK_WHO_H

/* `mutual check --who`: would this certificate be let in, and by which rule? */

#include "cli/cmd.h"
#include "front/door.h"

/* At the doors of a configuration. Returns 0: at one of them at least; 1: at none; -1: it cannot be said, and `err` says why. */
MU_CHECK int mu_check_who(const struct mu_args *args, const struct mu_doors *doors,
                          struct mu_error *err);

/* The same at the door that --cacert, --crl, --allow and --deny describe. */
MU_CHECK int mu_check_who_flags(const struct mu_args *args, struct mu_error *err);

#endif
