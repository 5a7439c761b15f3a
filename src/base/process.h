#ifndef MU_BASE_PROCESS_H
#define MU_BASE_PROCESS_H

/* Somebody else's program, run to its end. There is no shell between us and it. */

#include "base/buf.h"
#include "base/error.h"

struct mu_process {
    const char *const *argv;    /* ended by NULL; the first is the program's path */
    const struct mu_buf *input; /* what it reads from standard input; NULL: nothing */
    struct mu_buf *output;      /* its standard output is added; NULL: goes to our standard error */
    struct mu_buf *errors;      /* its standard error is added; NULL: goes to ours */
};

/*
 * Run it and wait for its end, in this process's environment and with SIGPIPE as it is everywhere (we ignore it).
 * `ret_status` is its exit status; when a signal has ended it, the signal's number below zero. What it writes is kept in unnamed
 * files until it has ended, so it may be long. Fails with MU_E_SYSTEM when it could not be run at all, MU_E_NOMEM.
 */
MU_CHECK int mu_process_run(const struct mu_process *process, int *ret_status, struct mu_error *err);

#endif
