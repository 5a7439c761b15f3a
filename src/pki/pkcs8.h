#ifndef MU_PKI_PKCS8_H
#define MU_PKI_PKCS8_H

/* A private key as PKCS#8. [RFC 5958] For pki. */

#include <openssl/x509.h>

#include "base/macros.h"
#include "pki/key.h"

/*
 * Given; NULL on failure, which OpenSSL's queue tells of. OpenSSL's own way searches all of its encoders for each
 * key, which takes longer than a signature; an EC key is put together from its parts by OpenSSL's ASN.1.
 */
PKCS8_PRIV_KEY_INFO *mu_key_to_pkcs8(const struct mu_key *key);

#endif
