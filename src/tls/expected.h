#ifndef MU_TLS_EXPECTED_H
#define MU_TLS_EXPECTED_H

/* What a server's certificate may have for the server to be talked to: names and keys, any one of which is enough. */

#include "base/error.h"
#include "base/str.h"
#include "pki/cert.h"

/* All zero: nothing is expected. */
struct mu_tls_expected {
    struct mu_strs dns, uris;
    unsigned char (*pins)[32]; /* SHA-256 of a SubjectPublicKeyInfo [RFC 7469 2.4] */
    size_t pin_count;
};
void mu_tls_expected_clear(struct mu_tls_expected *expected);
MU_AUTO_DEFINE_CLEAR(mu_tls_expected, mu_tls_expected_clear)

/* A DNS name, a URI, or a pin as curl writes it: sha256//BASE64. Fail with MU_E_NAME, and MU_E_USAGE for a pin. */
MU_CHECK int mu_tls_expect_dns(struct mu_tls_expected *expected, const char *name,
                               struct mu_error *err);
MU_CHECK int mu_tls_expect_uri(struct mu_tls_expected *expected, const char *uri,
                               struct mu_error *err);
MU_CHECK int mu_tls_expect_pin(struct mu_tls_expected *expected, const char *pin,
                               struct mu_error *err);

/*
 * Has the certificate any of them, or is nothing expected? A DNS name may be met by a wildcard; a URI is
 * compared to the letter. The common name does not count. [RFC 9525]
 */
bool mu_tls_expected_met(const struct mu_tls_expected *expected, const struct mu_cert *cert);

#endif
