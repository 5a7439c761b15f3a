#ifndef MU_PKI_ISSUE_H
#define MU_PKI_ISSUE_H

/* Building and signing certificates. Pure: no file, no clock, no store; the serial is an argument. */

#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "pki/cert.h"
#include "pki/constraint.h"
#include "pki/csr.h"
#include "pki/extension.h"
#include "pki/key.h"
#include "pki/name.h"
#include "pki/pointer.h"
#include "pki/profile.h"

/* notBefore lies this far back, for clocks that are a little slow. */
#define MU_BACKDATE_S INT64_C(300)

/* 18 octets: the first 0x01-0x7f, the rest random. Positive, and never longer than 20. [RFC 5280 4.1.2.2] */
#define MU_SERIAL_LEN 18
MU_CHECK int mu_serial_make(unsigned char ret[MU_SERIAL_LEN], struct mu_error *err);

struct mu_issue {
    enum mu_profile profile;
    const struct mu_key *key;     /* the subject's public key, borrowed */
    const struct mu_names *names; /* borrowed */
    unsigned char serial[MU_SERIAL_LEN];
    time_t now;
    int64_t lifetime_s; /* from `now`; cut to the issuer's own end */
    struct mu_pointers pointers;
    struct mu_extension *const *extensions; /* to be added to what the profile brings; borrowed */
    size_t extension_count;
    bool proven; /* `ca_key` has been seen to make signatures that `ca` verifies: this one is not verified */
    bool draft; /* to be looked at, and worth nothing: see below */
    const struct mu_certs
        *above; /* CAs above the issuer, whose name constraints count too; NULL: none at hand */
    const struct mu_below *below; /* MU_PROFILE_CA only, for which it must be there */
};

/* What is special about a CA below another. All borrowed. */
struct mu_below {
    int path_length;                          /* how many further CAs may stand below it */
    const struct mu_constraints *constraints; /* NULL: none of its own */
    const struct mu_csr
        *request; /* its whole subject is taken, as a CA's name is; NULL: a CN from the names */
};

/* A certificate that was made: its bytes, and what they say. All of it owned. */
struct mu_issued {
    struct mu_buf der; /* empty: none was */
    char serial[2 * MU_SERIAL_LEN + 1], subject[512];
    struct mu_buf san; /* "DNS:a.example, IP:10.0.0.1" */
    time_t not_before, not_after;
    char sha256[MU_SHA256_LEN];
};
#define MU_ISSUED_INIT {.der = MU_BUF_INIT, .san = MU_BUF_INIT}
void mu_issued_clear(struct mu_issued *issued);
MU_AUTO_DEFINE_CLEAR(mu_issued, mu_issued_clear)

/* Read back from its bytes, to look at everything in it. Given. Fails with MU_E_DAMAGED, MU_E_NOMEM. */
MU_CHECK int mu_issued_cert(const struct mu_issued *issued, struct mu_cert **ret,
                            struct mu_error *err);
/* The other way round: what a certificate says, in the same words. Fails with MU_E_NOMEM. */
MU_CHECK int mu_issued_read(const struct mu_cert *cert, struct mu_issued *ret, struct mu_error *err);
/* Append it as PEM. Failure shows in mu_buf_failed(). */
void mu_issued_to_pem(const struct mu_issued *issued, struct mu_buf *ret);

/* A self-signed CA named `name`, below which `path_length` others may stand (0: it issues leaves alone), and which
 * issues only for names within its `constraints` (NULL: for all). */
MU_CHECK int mu_issue_root(const struct mu_key *key, const char *name, const unsigned char *serial,
                           time_t now, int64_t lifetime_s, int path_length,
                           const struct mu_constraints *constraints, struct mu_cert **ret,
                           struct mu_error *err);

/* A CA's certificate that there is, made anew. All borrowed. */
struct mu_reissue {
    const struct mu_cert *like; /* subject, path length, constraints and further extensions are its */
    const struct mu_key *key;   /* another key; NULL: its own */
    const struct mu_cert *issuer; /* who signs from now on; NULL: it signs itself, with `key` */
    const struct mu_key *issuer_key;
    time_t now;
    time_t not_after; /* cut to the issuer's own end */
};

/*
 * Certify a CA again: by another issuer (a cross-certificate, where that one is a root), or with another key. What
 * told where to find its old issuer's lists is left out. One of the time before X.509 v3 gets what a CA has to have.
 * Fails with MU_E_CRYPTO, MU_E_NOMEM, MU_E_KEY_MISMATCH (`issuer_key` is not `issuer`'s).
 */
MU_CHECK int mu_issue_again(const struct mu_reissue *how, struct mu_cert **ret,
                            struct mu_error *err);

/* May this CA issue at `now`, with this key? Fails as mu_issue_leaf() does for its CA. */
MU_CHECK int mu_issue_check_ca(const struct mu_cert *ca, const struct mu_key *ca_key, time_t now,
                               struct mu_error *err);

/*
 * A leaf certificate, or with MU_PROFILE_CA one of a CA below this one, signed and checked against its profile; `ret` was
 * MU_ISSUED_INIT. A draft passes the same checks and looks the same, but
 * is signed by a key that is made for it and thrown away: nobody has that key, and nobody trusts it.
 * Fails with MU_E_CA_EXPIRED, MU_E_CLOCK (`now` is before `ca`'s own beginning), MU_E_CA_UNFIT (`ca` is no CA, may
 * not sign certificates or not of this profile, or has a weak key), MU_E_KEY_MISMATCH (`ca_key` is not `ca`'s),
 * MU_E_PROFILE (the names do not fit the profile or are the CA's own; the key is weak, unsound or of no use in TLS),
 * MU_E_CA_UNFIT, too, for a CA below one whose path length leaves no room for it;
 * MU_E_CONSTRAINT (a name is outside the name constraints of the CA or of one above it), MU_E_CRYPTO.
 */
MU_CHECK int mu_issue_make(const struct mu_cert *ca, const struct mu_key *ca_key,
                           const struct mu_issue *issue, struct mu_issued *ret,
                           struct mu_error *err);

/* The same, read back at once. */
MU_CHECK int mu_issue_leaf(const struct mu_cert *ca, const struct mu_key *ca_key,
                           const struct mu_issue *issue, struct mu_cert **ret, struct mu_error *err);

#endif
