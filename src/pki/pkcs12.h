#ifndef MU_PKI_PKCS12_H
#define MU_PKI_PKCS12_H

/*
 * A key, its certificate and the chain above it in one protected file, as Java, Windows, macOS and browsers take
 * them in. Opening one is mu_object_decrypt()'s. [RFC 7292]
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "pki/cert.h"
#include "pki/key.h"

struct mu_pkcs12 {
    const struct mu_key *key;
    const struct mu_certs *chain; /* the key's certificate first */
    const char *name;             /* friendlyName, UTF-8: Java's alias, NSS's nickname */
    const struct mu_secret *passphrase;
    /* 3DES and SHA-1, for what cannot read AES and SHA-256. OpenSSL has both without its legacy provider; RC2, for
     * which alone it is needed, is never written: whatever reads RC2 reads 3DES. */
    bool legacy;
};

/* Append it, DER, to `ret`. Fails with MU_E_CRYPTO, MU_E_NOMEM. */
MU_CHECK int mu_pkcs12_make(const struct mu_pkcs12 *what, struct mu_buf *ret, struct mu_error *err);

/* Is something in this container (DER) encrypted with RC2, RC4 or single DES, which OpenSSL 3 keeps in its legacy provider? No
 * passphrase is needed to see that. False for what is no container, too. */
bool mu_pkcs12_needs_legacy(const void *data, size_t len);

struct mu_pkcs12_swap {
    const struct mu_secret *passphrase;
    const struct mu_cert *old, *cert; /* the second comes in the place of the first */
    const struct mu_key *key;         /* in the place of the old one's; NULL: that one stays */
};

/*
 * A container (DER) anew, appended to `ret`, which should be secret: with the same passphrase, algorithms and costs, and
 * everything else that is in it. Its passphrase has been found right before.
 * Fails with MU_E_UNSUPPORTED (the certificate or the key is in it twice, or an algorithm is one that cannot be
 * written), MU_E_DAMAGED, MU_E_CRYPTO, MU_E_NOMEM.
 */
MU_CHECK int mu_pkcs12_replace(const void *data, size_t len, const struct mu_pkcs12_swap *what,
                               struct mu_buf *ret, struct mu_error *err);

#endif
