#ifndef MU_PKI_POINTER_H
#define MU_PKI_POINTER_H

/* Where a certificate and a revocation list say that more is to be had: the CRL, its changes, OCSP, the issuer. */

#include <openssl/x509v3.h>

#include "base/error.h"
#include "base/str.h"
#include "pki/cert.h"
#include "pki/crl.h"

/* http:// URLs in ASCII, as RFC 5280 4.2.1.13 and 4.2.2.1 have them; NULL: it is not said. Borrowed. */
struct mu_pointers {
    const char *crl_url;    /* cRLDistributionPoints */
    const char *delta_url;  /* freshestCRL */
    const char *ocsp_url;   /* authorityInfoAccess */
    const char *issuer_url; /* the same: the CA's certificate in DER */
};

/* Is this a URL that may stand there? Not https:, whose own certificate would have to be checked first. Fails with
 * MU_E_USAGE. */
MU_CHECK int mu_pointer_check(const char *url, struct mu_error *err);

/*
 * The http:// URLs, and no others, at which there are a certificate's revocation list (cRLDistributionPoints) and what has changed
 * since (freshestCRL); those of a list that somebody else than its issuer makes are left out. At most four are added. And the same
 * for the changes of a list. [RFC 5280 4.2.1.13, 4.2.1.15, 5.2.6] -1 without memory.
 */
MU_CHECK int mu_pointers_to_lists(const struct mu_cert *cert, struct mu_strs *ret);
MU_CHECK int mu_pointers_to_changes(const struct mu_crl *crl, struct mu_strs *ret);
/* Does it point to a list that somebody else makes (cRLIssuer)? */
bool mu_pointers_name_another(const struct mu_cert *cert);
/* Likewise, of its OCSP responders. [RFC 5280 4.2.2.1] */
MU_CHECK int mu_pointers_to_ocsp(const struct mu_cert *cert, struct mu_strs *ret);

/* Add the extensions. 1, or 0 as OpenSSL's functions do. */
int mu_pointers_add(X509 *x, const struct mu_pointers *pointers);

/* For lists: the same point as those certificates have; given, NULL on failure. */
DIST_POINT_NAME *mu_distribution_point(const char *url);
STACK_OF(DIST_POINT) * mu_distribution_points(const char *url);

/* The authority key identifier for what `issuer` signs: its own subject key identifier, or, for an issuer made
 * without one (the hand-made recipe's v1 CA, say), RFC 5280's method 1 over its public key, which is what a verifier
 * would compare. Given, NULL on failure. [RFC 5280 4.2.1.1] */
AUTHORITY_KEYID *mu_issuer_key_id(X509 *issuer);

#endif
