#ifndef MU_PKI_SEAL_H
#define MU_PKI_SEAL_H

/*
 * A file under a passphrase: CMS authenticated-enveloped data for a password recipient, AES-256-GCM, which
 * `openssl cms -decrypt` opens, too. [RFC 5083, RFC 5084, RFC 5652 6.2.4]
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/secret.h"

/* Does it begin like a sealed file? `len` bytes of it are at hand; MU_SEAL_HEAD_LEN are enough. */
#define MU_SEAL_HEAD_LEN ((size_t)15)
bool mu_seal_is(const void *head, size_t len);

/* All that is to be read from `from`, sealed, to `to`: descriptors of files, borrowed. In pieces, whatever the size.
 * Fails with MU_E_IO, MU_E_CRYPTO. */
MU_CHECK int mu_seal(int from, int to, const struct mu_secret *passphrase, struct mu_error *err);

/*
 * And back. `name` is for errors and for the prompt. All of it is held in memory, twice; what has been written to `to`
 * is to be thrown away on failure, because it was not authentic.
 * Fails with MU_E_PASSPHRASE_WRONG, MU_E_DAMAGED (cut off, altered, or made of something else), MU_E_IO, and as `source`
 * does.
 */
MU_CHECK int mu_unseal(const char *name, int from, int to,
                       const struct mu_passphrase_source *source, struct mu_error *err);

#endif
