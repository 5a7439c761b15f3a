#ifndef MU_CLI_CONTROL_H
#define MU_CLI_CONTROL_H

/* Where a running `mutual serve` is asked for its status: a Unix socket that only its user may connect to. */

#include "base/error.h"
#include "base/file.h"

/*
 * Where it is when nobody says: mutual.sock in $RUNTIME_DIRECTORY, which systemd sets, or in $XDG_RUNTIME_DIR. False:
 * neither is set.
 */
bool mu_control_default(char ret[MU_PATH_LEN]);

/* Where to look for one when nobody says: there, or at /run/mutual/mutual.sock. Fails with MU_E_NOT_FOUND. */
MU_CHECK int mu_control_find(char ret[MU_PATH_LEN], struct mu_error *err);

#endif
