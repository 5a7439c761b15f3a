#ifndef MU_PKI_BUNDLE_H
#define MU_PKI_BUNDLE_H

/*
 * A file with a certificate in it, perhaps its chain, perhaps its key, or with the key alone; and the same file with
 * another certificate and key in their places.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "pki/object.h"

struct mu_bundle {
    char *name;         /* for errors */
    struct mu_buf text; /* as it was read */
    struct mu_objects objects;
    const struct mu_object *leaf, *key; /* NULL: there is none. Borrowed from `objects` */
    bool container;                     /* it is a PKCS#12 */
    struct mu_secret passphrase;        /* which has opened the container */
};

#define MU_BUNDLE_INIT {.text = MU_BUF_INIT_SECRET}

/*
 * Read `path`; `name` is what errors call it. `leaf` is the first certificate that is not a CA's, or a CA's where
 * there is no other. `source` is asked for the passphrase of a PKCS#12 container; NULL: none is taken.
 * Fails as mu_objects_load() and mu_object_decrypt() do, and with MU_E_UNSUPPORTED for containers that cannot be
 * written anew: PKCS#12 beside something else, and certificates inside PKCS#7.
 */
MU_CHECK int mu_bundle_load(const char *path, const char *name,
                            const struct mu_passphrase_source *source, struct mu_bundle *ret,
                            struct mu_error *err);
/* The same for bytes that are at hand. */
MU_CHECK int mu_bundle_parse(const char *name, const void *data, size_t len,
                             const struct mu_passphrase_source *source, struct mu_bundle *ret,
                             struct mu_error *err);
void mu_bundle_clear(struct mu_bundle *bundle);
MU_AUTO_DEFINE_CLEAR(mu_bundle, mu_bundle_clear)

/* Its private key, borrowed, and in `ret_passphrase` what has opened it; empty: nothing was needed.
 * Fails with MU_E_WRONG_KIND when there is none, and as mu_object_decrypt() does. */
MU_CHECK int mu_bundle_key(struct mu_bundle *bundle, const struct mu_passphrase_source *source,
                           const struct mu_key **ret, struct mu_secret *ret_passphrase,
                           struct mu_error *err);

/*
 * The file anew: `cert` in the place of the leaf, `key`, protected by `passphrase`, in that of the key; NULL leaves it
 * as it is. With `behind` these follow `cert`, and the CAs in between that did before are left out, for they may be
 * others by now. Other blocks of PEM stay as they are; text around them, which may tell of the old certificate, goes. A
 * PKCS#12 keeps its passphrase, and the CAs that are in it; DER is one certificate. `ret` should be secret. Fails as mu_pkcs12_replace() does, and
 * with MU_E_NOMEM, MU_E_CRYPTO.
 */
MU_CHECK int mu_bundle_write(const struct mu_bundle *bundle, const struct mu_cert *cert,
                             const struct mu_certs *behind, const struct mu_key *key,
                             const struct mu_secret *passphrase, struct mu_buf *ret,
                             struct mu_error *err);

#endif
