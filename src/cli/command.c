#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/process.h"

int mu_command_run(const char *command, const char *name, const char *value, int *ret_status,
                   struct mu_error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", "--", command, NULL};
    if (setenv(name, value, 1) != 0)
        return mu_fail_nomem(err);
    if (mu_process_run(&(struct mu_process){.argv = argv}, ret_status, err) != 0)
        return -1;
    if (*ret_status == 0)
        return 0;
    if (*ret_status > 0)
        return mu_fail(err, MU_E_COMMAND, "the command of --exec failed with exit status %d",
                       *ret_status);
    int signal = -*ret_status;
    *ret_status = 128 + signal;
    return mu_fail(err, MU_E_COMMAND, "the command of --exec was ended by signal %d (%s)", signal,
                   strsignal(signal));
}
