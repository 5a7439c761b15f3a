#ifndef MU_EXPLAIN_SET_H
#define MU_EXPLAIN_SET_H

/* Files that somebody has, of no side in particular: what each is, what is wrong with it, what does not belong together. */

#include <stddef.h>
#include <time.h>

#include "base/secret.h"
#include "explain/report.h"

/* Fails with MU_E_NOMEM, MU_E_CRYPTO. */
MU_CHECK int mu_explain_files(const char *const *paths, size_t count, time_t at,
                              const struct mu_passphrase_source *source, struct mu_report *report,
                              struct mu_error *err);

#endif
