#ifndef MU_EXPLAIN_SERIALS_H
#define MU_EXPLAIN_SERIALS_H

/* One CA, one serial number, two certificates: NSS, and so Firefox, refuses the second one that it meets. [RFC 5280 4.1.2.2] */

#include "explain/report.h"
#include "pki/cert.h"

MU_CHECK int mu_check_serials(const struct mu_certs *certs, struct mu_report *report,
                              struct mu_error *err);

#endif
