#ifndef MU_EXPLAIN_LISTS_H
#define MU_EXPLAIN_LISTS_H

/* Revocation lists among files: whose they are, whether they are still good, and whom of those at hand they name. */

#include <stddef.h>
#include <time.h>

#include "explain/file.h"
#include "explain/report.h"
#include "pki/cert.h"

struct mu_lists {
    const struct mu_file *files;
    size_t count;
    const struct mu_certs *known; /* every certificate at hand */
    time_t at;
};

/* Fails with MU_E_NOMEM, MU_E_CRYPTO. */
MU_CHECK int mu_check_lists(const struct mu_lists *lists, struct mu_report *report,
                            struct mu_error *err);

#endif
