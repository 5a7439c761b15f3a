#ifndef MU_PKI_CRL_H
#define MU_PKI_CRL_H

/* Certificate revocation lists: what people want to know of one, and making one. [RFC 5280 5] */

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/macros.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "pki/reason.h"

struct mu_crl;

void mu_crl_free(struct mu_crl *crl);
MU_AUTO_DEFINE_STRUCT(mu_crl, mu_crl_free)

struct mu_crl *mu_crl_ref(struct mu_crl *crl);

/* Several, owned. */
struct mu_crls {
    struct mu_crl **at;
    size_t count;
};
void mu_crls_clear(struct mu_crls *list);
MU_AUTO_DEFINE_CLEAR(mu_crls, mu_crls_clear)

/* Takes `crl`, even on failure. Fails with MU_E_NOMEM. */
MU_CHECK int mu_crls_add(struct mu_crls *list, struct mu_crl *crl, struct mu_error *err);

/* Add every list in `path` ("-": standard input), PEM or DER. Fails as mu_objects_load() does, and with
 * MU_E_WRONG_KIND when it holds none. */
MU_CHECK int mu_crls_load(const char *path, struct mu_crls *ret, struct mu_error *err);

/* What a person wants to know of one. Text is printable. */
struct mu_crl_info {
    char issuer[512];
    char number[64];                 /* hexadecimal without 0x, or "" */
    char signature[64];              /* "ecdsa-with-SHA256" */
    time_t this_update, next_update; /* next_update is 0 when there is none */
    size_t revoked;
    bool delta;
    unsigned char
        scope[32]; /* SHA-256 of what says for which certificates it is; all zero: for all of its CA [5.2.5] */
};
void mu_crl_info(const struct mu_crl *crl, struct mu_crl_info *ret);

/* May this one, from `name`, take the place of the one before? Not when it is older, or out of date and that one is not. Fails with
 * MU_E_LIST. */
MU_CHECK int mu_crl_check_age(const char *name, const struct mu_crl_info *list,
                              const struct mu_crl_info *before, time_t now, struct mu_error *err);

/* Whose it says to be, by the CA's name and the identifier of its key: a SHA-256 of both. Returns `ret`. [5.2.1] */
char *mu_crl_maker(const struct mu_crl *crl, char ret[MU_SHA256_LEN]);

/* Is this certificate of its issuer on it? The signature is not looked at. */
bool mu_crl_has(const struct mu_crl *crl, const struct mu_cert *cert);

/* Does it name this CA as its issuer? */
bool mu_crl_names(const struct mu_crl *crl, const struct mu_cert *ca);

/* Is it by this CA: does it name it, and does its key verify it? */
bool mu_crl_is_signed_by(const struct mu_crl *crl, const struct mu_cert *ca);

/* Does it name certificates that others than its own issuer have issued (an indirect list)? [5.2.5, 5.3.3] */
bool mu_crl_names_others(const struct mu_crl *crl);

/* May this CA sign lists? [4.2.1.3] */
bool mu_crl_may_be_by(const struct mu_cert *ca);

/* Are they, to the last bit, the same? */
bool mu_crl_same(const struct mu_crl *a, const struct mu_crl *b);

/* --- Making one --- */

/* What is fixed before the first entry is added. All of it is borrowed. */
struct mu_crl_plan {
    const struct mu_cert *ca;
    time_t this_update, next_update;
    int64_t number; /* above 0, and above that of every list of this scope before */
    int64_t base; /* not 0: a delta list, for those who have the complete list of this number [5.2.4] */
    /* Not NULL: the list is only for certificates whose distribution point this is, and says so in a critical
     * extension: whoever cannot read that must not take it for the whole. [5.2.5] */
    const char *only_for_url;
    const char *delta_url; /* NULL: there are no delta lists; not in a delta list itself [5.2.6] */
};

struct mu_crl_draft;
void mu_crl_draft_free(struct mu_crl_draft *draft);
MU_AUTO_DEFINE_STRUCT(mu_crl_draft, mu_crl_draft_free)

/* Fails with MU_E_CA_UNFIT (its keyUsage lacks cRLSign), MU_E_CRYPTO, MU_E_NOMEM. */
MU_CHECK int mu_crl_begin(const struct mu_crl_plan *plan, struct mu_crl_draft **ret,
                          struct mu_error *err);

/* `serial` is hexadecimal. `invalid_since` 0: not known. Fails with MU_E_DAMAGED (no serial number), MU_E_CRYPTO. */
MU_CHECK int mu_crl_add(struct mu_crl_draft *draft, const char *serial, time_t at,
                        enum mu_reason reason, time_t invalid_since, struct mu_error *err);

/* Sign, check that the CA's certificate verifies it, and append it to `ret`, in DER. The entries stand in it as they were
 * added. Takes `draft`, even on failure. Fails with MU_E_KEY_MISMATCH, MU_E_CRYPTO, MU_E_NOMEM. */
MU_CHECK int mu_crl_finish(struct mu_crl_draft *draft, const struct mu_key *ca_key,
                           struct mu_buf *ret, struct mu_error *err);

/* Append it. Failure shows in mu_buf_failed(). */
void mu_crl_to_pem(const struct mu_crl *crl, struct mu_buf *ret);
void mu_crl_to_der(const struct mu_crl *crl, struct mu_buf *ret);
/* What mu_crl_to_pem() would append, of the list in DER: a long one takes its time to encode. */
void mu_crl_der_to_pem(const struct mu_buf *der, struct mu_buf *ret);

/* For pki and tls: wrap (takes, even on failure) and look inside (borrowed). */
MU_CHECK int mu_crl_wrap(X509_CRL *x, struct mu_crl **ret, struct mu_error *err);
X509_CRL *mu_crl_x509(const struct mu_crl *crl);

#endif
