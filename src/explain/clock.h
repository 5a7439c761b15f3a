#ifndef MU_EXPLAIN_CLOCK_H
#define MU_EXPLAIN_CLOCK_H

/* Is it the certificates whose time has not come, or the clock? */

#include <time.h>

#include "explain/report.h"
#include "pki/cert.h"

/*
 * If every certificate lies in the future, the root's too, it is not the certificates. The same for the past is told only
 * if all of them have been over for years: a CA that nobody looks after ends, too, with all that it issued.
 * `ret_at` is then a time by which the rest can be judged; else it is `at`. Fails with MU_E_NOMEM.
 */
MU_CHECK int mu_check_clock(const struct mu_certs *all, time_t at, struct mu_report *report,
                            time_t *ret_at, struct mu_error *err);

#endif
