#ifndef MU_CLI_COMMAND_H
#define MU_CLI_COMMAND_H

/* Somebody else's command, run when something has been done. */

#include "base/error.h"

/*
 * Run `command` by /bin/sh -c and wait for its end. It gets this process's environment with `value` under `name`, no
 * standard input, and standard error for its standard output, as ours may be JSON. `ret_status` is its exit status;
 * 128 and its number when a signal has ended it. Fails with MU_E_COMMAND when the status is not 0, MU_E_SYSTEM when
 * it could not be started.
 */
MU_CHECK int mu_command_run(const char *command, const char *name, const char *value,
                            int *ret_status, struct mu_error *err);

#endif
