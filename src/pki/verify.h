#ifndef MU_PKI_VERIFY_H
#define MU_PKI_VERIFY_H

/*
 * Is this chain good, for this purpose, at this time? And if not: which certificate, why, and what to do,
 * in words. The same judge sits behind `mutual verify`, the front door and the client. [RFC 5280 6]
 */

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "pki/cert.h"
#include "pki/crl.h"

/* Why not. The ids in faults.def are stable; "untrusted" becomes "client-cert-untrusted" at a front door. */
enum mu_fault {
    MU_FAULT_NONE = 0,
#define MU_FAULT(code, id, cause, sentence, hint) MU_FAULT_##code,
#include "pki/faults.def"
#undef MU_FAULT
    MU_FAULT_COUNT
};

enum mu_purpose { MU_PURPOSE_ANY, MU_PURPOSE_SERVER, MU_PURPOSE_CLIENT };

struct mu_verdict {
    enum mu_fault fault; /* MU_FAULT_NONE: it is good */
    int openssl_error; /* the same as an X509_V_ERR_*, which chooses a TLS alert; X509_V_OK: it is good */
    int depth;         /* which certificate: 0 the leaf, 1 its issuer, ... */
    char subject[MU_CERT_LABEL_LEN];  /* that certificate's label */
    char sentence[MU_ERROR_WHAT_LEN]; /* the reason, with names and dates */
    char hint[MU_ERROR_HINT_LEN];
    char cause[MU_ERROR_CAUSE_LEN]; /* OpenSSL's own words; or the rule that is broken: "RFC 5280 4.1.2.2" */
};

/* What a verdict leaves out. All zero before use; clear it afterwards. */
struct mu_verify_trace {
    struct mu_verdict
        *strict; /* what `strict` would refuse, or has refused besides the verdict; worst first */
    size_t strict_count;
    size_t ways, signatures; /* tried and verified in the search for a chain; strict only */
};
void mu_verify_trace_clear(struct mu_verify_trace *trace);

struct mu_verify {
    const struct mu_certs *anchors;   /* what is trusted: see `strict` */
    const struct mu_certs *untrusted; /* may help to build the chain; NULL: none */
    struct mu_crl *const *crls; /* if any, every certificate but the root is checked against them */
    size_t crl_count;
    enum mu_purpose purpose;
    const char *host;          /* a DNS name or an IP address the leaf must have; NULL: not asked */
    const char *const *emails; /* e-mail addresses the leaf must have, each of them */
    size_t email_count;
    bool limit_depth;
    int depth; /* if limited: how many CAs may stand between the leaf and the anchor */
    time_t at;

    /*
     * By RFC 5280, to the letter of what a CA must do (see strict.c), and to the second. Each anchor is one, self-signed or
     * not; all ways to one are tried; names are looked for in the alternative names only, and a host asks the
     * leaf's extKeyUsage to allow servers. An anchor itself need be on no revocation list.
     *
     * Otherwise as the front door and the client judge, which is as openssl and nginx do by default: an anchor
     * ends a chain if it is self-signed, and one way is tried.
     */
    bool strict;
    bool partial; /* not strict, but an anchor ends a chain even if it is not self-signed */
    struct mu_verify_trace *trace; /* filled in too; NULL: not asked */
};

/*
 * Judge `leaf`. A bad certificate is not an error: the return value is 0 and `ret` says what is wrong.
 * `ret_chain`, unless NULL, gets the chain as built, leaf first (as far as it could be built).
 * Fails with MU_E_NAME (`host` is empty, begins with a dot or is too long to be a name), MU_E_NOMEM, MU_E_CRYPTO.
 */
MU_CHECK int mu_verify(const struct mu_cert *leaf, const struct mu_verify *how,
                       struct mu_verdict *ret, struct mu_certs *ret_chain, struct mu_error *err);

/* "untrusted", "expired", ...: the stable id of a fault. */
const char *mu_fault_id(enum mu_fault fault);

/* What is really wrong, as a stable id: "client_cert_expired". `side` is what the leaf is used as; with
 * MU_PURPOSE_ANY it counts as a server's. Returns `ret`. */
#define MU_CAUSE_LEN 64
char *mu_fault_cause(enum mu_fault fault, enum mu_purpose side, char ret[MU_CAUSE_LEN]);

/* Of one certificate only its dates; MU_FAULT_NONE: `at` lies between them. `depth` is its place in the chain. */
void mu_verdict_of_dates(const struct mu_cert *cert, int depth, time_t at, struct mu_verdict *ret);

/*
 * For tls: the words for what X509_verify_cert() found. `error`, `depth` and the certificate are those of
 * the first fault; `at` is the time by which it was judged; `host` as above. `cert` may be NULL.
 */
void mu_verdict_set(struct mu_verdict *ret, int error, int depth, X509 *cert, time_t at,
                    const char *host);

/* For pki: the words for a fault that OpenSSL does not know. `rule` is what it breaks, `detail` fills that place. */
void mu_verdict_set_fault(struct mu_verdict *ret, enum mu_fault fault, int depth, X509 *cert,
                          time_t at, const char *rule, const char *detail);

/* The same inside a verify callback, where more can be told: that the trusted CA of this name has another key,
 * when and why a certificate was revoked. */
void mu_verdict_from_ctx(struct mu_verdict *ret, X509_STORE_CTX *ctx, time_t at, const char *host);

#endif
