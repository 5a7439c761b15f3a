#ifndef MU_AUTHORITY_FORMER_H
#define MU_AUTHORITY_FORMER_H

/*
 * CAs of this home whose keys are no longer the present one, as ca-KEY.crt and ca-KEY.key: what they have issued is
 * still out there, and may have to be revoked. KEY is a part of the SHA-256 of the public key.
 */

#include <time.h>

#include "authority/home.h"
#include "base/error.h"
#include "base/secret.h"
#include "pki/cert.h"
#include "pki/key.h"

#define MU_KEY_PART                                                                                \
    16 /* so many hexadecimal digits of the key's SHA-256 name a CA among those of one home */

/* Who signs. All borrowed. */
struct mu_ca {
    const struct mu_cert *cert;
    const struct mu_key *key;
    const char *key_sha256; /* the issuer in the records */
};

struct mu_former {
    struct mu_cert *cert;
    struct mu_key *key;
    char key_sha256[MU_SHA256_LEN];
    struct mu_ca ca; /* the same, to look at */
};

struct mu_formers {
    struct mu_former *at;
    size_t count;
};
void mu_formers_clear(struct mu_formers *formers);
MU_AUTO_DEFINE_CLEAR(mu_formers, mu_formers_clear)

/* Those that have not expired at `now`, which are asked for lists no more; with `only`, the one whose key has this
 * SHA-256, if it is among them. Fails as mu_key_load() does, and with MU_E_KEY_MISMATCH. */
MU_CHECK int mu_formers_load(const struct mu_home *home, const char *only,
                             const struct mu_passphrase_source *source, time_t now,
                             struct mu_formers *ret, struct mu_error *err);

/* The certificates alone, of those that have not expired. What an install that was killed has put among them, and is the
 * present CA still, is none of them. Fails as mu_cert_load() does. */
MU_CHECK int mu_former_certs(const struct mu_home *home, time_t now, struct mu_certs *ret,
                             struct mu_error *err);

/* The paths of such a CA's files. Fails with MU_E_USAGE. */
MU_CHECK int mu_former_paths(const struct mu_home *home, const struct mu_cert *cert,
                             char ret_cert[MU_PATH_LEN], char ret_key[MU_PATH_LEN],
                             struct mu_error *err);

/* Put the present CA among them, as its key is about to be another one. The same again changes nothing. */
MU_CHECK int mu_former_keep(const struct mu_home *home, struct mu_error *err);

#endif
