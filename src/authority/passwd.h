#ifndef MU_AUTHORITY_PASSWD_H
#define MU_AUTHORITY_PASSWD_H

/* The passphrase of an authority's own keys. */

#include <time.h>

#include "base/error.h"
#include "base/secret.h"
#include "base/str.h"

/*
 * Put ca.key, and whatever other keys of a CA lie in the home (root.key, former ones, one that waits), under the passphrase that `fresh` gives; under none when
 * `fresh` is NULL. `old` opens each that is protected now; `fresh` is asked once, when all of them are open. The
 * new files are proved to hold the same keys before they take the old ones' places, each whole; a key that is
 * reached by a symbolic link is replaced where it really lies. `ret_keys` gets the paths of the keys.
 *
 * Fails with MU_E_NO_CA, MU_E_PASSPHRASE_NEEDED, MU_E_PASSPHRASE_WRONG, MU_E_KEY_MISMATCH (ca.key is not the key
 * of ca.crt), MU_E_IO, and as mu_key_load() does. Whatever fails, each key can be opened with its old passphrase
 * or with the new one.
 */
MU_CHECK int mu_authority_passwd(const char *home, const struct mu_passphrase_source *old,
                                 const struct mu_passphrase_source *fresh, time_t now,
                                 struct mu_strs *ret_keys, struct mu_error *err);

#endif
