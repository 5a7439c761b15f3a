#ifndef MU_PKI_EXTENSION_H
#define MU_PKI_EXTENSION_H

/* An extension beyond those that a profile brings along: an OID and a value, whatever it means. [RFC 5280 4.2] */

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"

struct mu_extension; /* immutable */

/*
 * `oid` in numbers ("1.3.6.1.4.1.99999.1"). `value` as openssl's configuration files have it: "ASN1:UTF8String:text" or
 * "DER:0C:04:74:65:78:74". Extensions that a CA itself decides on (names, usages, constraints, key identifiers,
 * where to ask about revocation) are refused.
 * Fails with MU_E_EXTENSION, saying what is wrong.
 */
MU_CHECK int mu_extension_make(const char *oid, bool critical, const char *value,
                               struct mu_extension **ret, struct mu_error *err);
void mu_extension_free(struct mu_extension *extension);
MU_AUTO_DEFINE_STRUCT(mu_extension, mu_extension_free)

/* Do both have the same OID? */
bool mu_extension_same_oid(const struct mu_extension *a, const struct mu_extension *b);

/* For pki: "1.2.3.4 (critical): text", printable; the value in hexadecimal where it is no text. Returns `ret`. */
char *mu_extension_text(const X509_EXTENSION *extension, char *ret, size_t cap);

/* For pki; borrowed. */
X509_EXTENSION *mu_extension_x509(const struct mu_extension *extension);

#endif
