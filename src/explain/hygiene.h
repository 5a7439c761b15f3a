#ifndef MU_EXPLAIN_HYGIENE_H
#define MU_EXPLAIN_HYGIENE_H

/* What OpenSSL's verifier lets pass: what only some peers refuse, what will fail later, and what it has not come to. */

#include <time.h>

#include "explain/report.h"
#include "pki/cert.h"
#include "pki/verify.h"

struct mu_hygiene {
    const struct mu_certs *chain; /* leaf first, as far up as it is known; at least one */
    enum mu_purpose side; /* whose leaf it is; ANY: nobody's, then it says itself what it is for */
    time_t at;
    const char *file, *trust_file; /* that the leaf, the CAs are in; NULL: none */
    const char *host;              /* that is asked for; NULL: not known */
};

/* Fails with MU_E_NOMEM. */
MU_CHECK int mu_hygiene_check(const struct mu_hygiene *what, struct mu_report *report,
                              struct mu_error *err);

#endif
