#ifndef MU_PKI_REASON_H
#define MU_PKI_REASON_H

/* Why a certificate is revoked, by the numbers of RFC 5280 5.3.1. */

#include "base/error.h"
#include "base/macros.h"

enum mu_reason {
    MU_REASON_UNSPECIFIED = 0,
    MU_REASON_KEY_COMPROMISE = 1,
    MU_REASON_CA_COMPROMISE = 2,
    MU_REASON_AFFILIATION_CHANGED = 3,
    MU_REASON_SUPERSEDED = 4,
    MU_REASON_CESSATION_OF_OPERATION = 5,
    MU_REASON_HOLD = 6,            /* the only one that can be taken back */
    MU_REASON_REMOVE_FROM_CRL = 8, /* in delta lists: it was on hold, and has been released */
    MU_REASON_PRIVILEGE_WITHDRAWN = 9,
    MU_REASON_AA_COMPROMISE = 10,
};

/* "keyCompromise", as the RFC, openssl and inspect write it. Never NULL. */
const char *mu_reason_name(enum mu_reason reason);

/* One that a person may give, in any case and with or without dashes: "keyCompromise", "key-compromise", "hold".
 * Fails with MU_E_USAGE; the hint lists them. */
MU_CHECK int mu_reason_parse(const char *text, enum mu_reason *ret, struct mu_error *err);

#endif
