#ifndef MU_AUTHORITY_RENEW_H
#define MU_AUTHORITY_RENEW_H

/* Which certificates may be renewed, and when that is due. The renewal itself is mu_authority_issue(). */

#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "pki/cert.h"
#include "pki/info.h"
#include "pki/profile.h"
#include "store/store.h"

/* What is renewed as what. */
struct mu_renewal {
    char serial[MU_SERIAL_TEXT_LEN];
    enum mu_profile profile;
};

/*
 * May this certificate be renewed by the authority with these records? One that has expired may: its holder was away.
 * Fails with MU_E_NOT_FOUND (this CA has not issued it), MU_E_REVOKED (or on hold), MU_E_PROFILE (not of a kind that is
 * renewed so: a CA's), MU_E_STORE.
 */
MU_CHECK int mu_renewal_find(struct mu_store *store, const struct mu_cert *cert,
                             struct mu_renewal *ret, struct mu_error *err);

/* Is it still not revoked? For inside the change that renews it. Fails with MU_E_REVOKED, MU_E_NOT_FOUND, MU_E_STORE. */
MU_CHECK int mu_renewal_check(struct mu_store *store, const char *serial, struct mu_error *err);

/* The profile that a certificate's own words amount to. Fails with MU_E_PROFILE when they do to none. */
MU_CHECK int mu_renewal_profile(const struct mu_cert_info *info, enum mu_profile *ret,
                                struct mu_error *err);

/* Due when less than so much is left: of the whole lifetime, or in seconds. */
struct mu_due {
    int percent; /* 1 to 100; 0: see span_s */
    int64_t span_s;
};

/* "33%", "30d". Fails with MU_E_USAGE, MU_E_LIFETIME. */
MU_CHECK int mu_due_parse(const char *text, struct mu_due *ret, struct mu_error *err);

/* From when on a certificate with these dates is due. */
time_t mu_due_from(const struct mu_due *due, time_t not_before, time_t not_after);

#endif
