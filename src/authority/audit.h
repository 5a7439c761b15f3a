#ifndef MU_AUTHORITY_AUDIT_H
#define MU_AUTHORITY_AUDIT_H

/*
 * The audit trail: one entry a change, each with the SHA-256 of all of itself and of the entry before, so that
 * none can be changed, dropped or moved without a break. Every day and at every revocation list its last entry is
 * signed with the CA's key, so that the whole cannot be written anew by whoever has the records but not the key.
 */

#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "store/store.h"

struct mu_act {         /* borrowed; NULL is "" */
    const char *action; /* "issue", "renew", "revoke", "hold", "release", "crl", "ca", ... */
    const char *serial; /* of the certificate that it is about */
    const char *sha256; /* of what was made, upper-case hexadecimal */
    const char *detail; /* for people */
};

/* Add an entry, inside a change; who and where is this process's user and machine. `ret_seq` is its number, and may
 * be NULL. */
MU_CHECK int mu_audit_add(struct mu_store *store, const struct mu_act *act, time_t now,
                          int64_t *ret_seq, struct mu_error *err);

/* Sign the last entry, inside a change; with `daily` only if that was not done for a day. */
enum mu_audit_signing { MU_AUDIT_DAILY, MU_AUDIT_NOW };
MU_CHECK int mu_audit_sign(struct mu_store *store, enum mu_audit_signing when,
                           const struct mu_cert *ca, const struct mu_key *key, time_t now,
                           struct mu_error *err);

struct mu_audit_verdict {
    int64_t entries, signatures;
    int64_t signed_up_to; /* the last entry that a good signature covers; 0: none */
    time_t signed_at;     /* when that was */
    int64_t bad; /* the first entry at which something is wrong; 0 where no single one is meant */
    char fault[MU_ERROR_WHAT_LEN]; /* what is wrong; "": nothing */
};

/*
 * Is the trail whole? Each entry follows from the one before, each signature is by a CA certificate that the
 * authority has used, the last of them by `ca` or over an entry that says that `ca` takes over, and the records say what
 * the trail says. A trail that is not is no error: the return value is 0, and `ret` names the first entry that is wrong.
 * Fails with MU_E_STORE.
 */
MU_CHECK int mu_audit_verify(struct mu_store *store, const struct mu_cert *ca,
                             struct mu_audit_verdict *ret, struct mu_error *err);

#endif
