#ifndef MU_PKI_CRL_H
#define MU_PKI_CRL_H

/* Certificate revocation lists, as far as they are read. [RFC 5280 5] */

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "base/macros.h"

struct mu_crl;

void mu_crl_free(struct mu_crl *crl);
MU_AUTO_DEFINE_STRUCT(mu_crl, mu_crl_free)

/* What a person wants to know of one. Text is printable. */
struct mu_crl_info {
    char issuer[512];
    char number[64];                 /* hexadecimal without 0x, or "" */
    char signature[64];              /* "ecdsa-with-SHA256" */
    time_t this_update, next_update; /* next_update is 0 when there is none */
    size_t revoked;
    bool delta;
};
void mu_crl_info(const struct mu_crl *crl, struct mu_crl_info *ret);

/* For pki and tls: wrap (takes, even on failure) and look inside (borrowed). */
MU_CHECK int mu_crl_wrap(X509_CRL *x, struct mu_crl **ret, struct mu_error *err);
X509_CRL *mu_crl_x509(const struct mu_crl *crl);

#endif
