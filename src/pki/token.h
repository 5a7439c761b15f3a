#ifndef MU_PKI_TOKEN_H
#define MU_PKI_TOKEN_H

/*
 * A private key that lies in a token (an HSM, a smart card, SoftHSM) and never leaves it: found by its PKCS#11 URI,
 * and from then on a key like any other, which the token signs with. [PKCS #11 v2.40, RFC 7512]
 */

#include <stdbool.h>

#include "base/secret.h"
#include "pki/key.h"
#include "pki/pkcs11_uri.h"

/*
 * The key that `uri` names. The PIN comes from the file that the URI's pin-source names, else from `source`, which may
 * be NULL, and is asked for only if the token wants one. A wrong one is tried once.
 * The token's module is the library named by $PKCS11_PROVIDER_MODULE, else the URI's module-path, else
 * $PKCS11_MODULE_PATH, else p11-kit's proxy for all that are registered on this machine.
 * Not for two threads at once.
 * Fails with MU_E_TOKEN (no such module, token or key; the token's own words in the cause), MU_E_AMBIGUOUS (several
 * tokens or keys fit), MU_E_PIN (wrong, locked), MU_E_PASSPHRASE_NEEDED, MU_E_UNSUPPORTED (neither the PKCS#11 provider
 * nor libp11 is installed, or it knows no such key), MU_E_PKCS11_URI, and as reading the PIN's file does.
 */
MU_CHECK int mu_token_key_open(const struct mu_pkcs11_uri *uri,
                               const struct mu_passphrase_source *source, struct mu_key **ret,
                               struct mu_error *err);

/*
 * Make such a key in the token, which gives it no more away than any other, and open it. `type` is a P- or RSA type of
 * mu_key_generate(); `uri` names the key by object=, and perhaps the id that it gets.
 * Fails as mu_token_key_open() does, and with MU_E_EXISTS (there is a key of that name), MU_E_USAGE (the type),
 * MU_E_UNSUPPORTED (another type).
 */
MU_CHECK int mu_token_key_make(const struct mu_pkcs11_uri *uri, const char *type,
                               const struct mu_passphrase_source *source, struct mu_key **ret,
                               struct mu_error *err);

/* Does this file hold a PKCS#11 URI, in the place of a key? Nothing is opened. */
bool mu_token_key_is_named(const char *path);

/* Does its private half lie in a token? */
bool mu_key_is_in_token(const struct mu_key *key);

/* MU_E_UNSUPPORTED, for what would need the private half itself. Returns -1. */
int mu_fail_in_token(struct mu_error *err);

#endif
