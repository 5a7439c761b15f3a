#ifndef MU_PKI_PAIR_H
#define MU_PKI_PAIR_H

/* A certificate with its chain and its key, from the files that people keep them in. */

#include <stdbool.h>

#include "base/error.h"
#include "base/secret.h"
#include "pki/cert.h"
#include "pki/key.h"

struct mu_pair_files {
    const char *cert;    /* PEM, DER or PKCS#12: the leaf, and perhaps its chain */
    const char *key;     /* NULL: in the certificate's file */
    const char *key_opt; /* what names the key's file, for a hint: "--key" */
    bool with_root;      /* keep the root of a PKCS#12, which nobody has to be sent */
};

/*
 * Load chain and key, and check that they belong together. A file is read once, and its passphrase asked for once. A
 * PEM file's certificates are taken as they stand; a PKCS#12 container has no order, so out of it comes the chain from
 * the leaf up. `source` may be NULL; `ret_key` may be NULL: the certificate alone. Fails as mu_certs_load() and
 * mu_key_load() do, and with MU_E_KEY_MISMATCH.
 */
MU_CHECK int mu_pair_load(const struct mu_pair_files *files,
                          const struct mu_passphrase_source *source, struct mu_certs *ret_chain,
                          struct mu_key **ret_key, struct mu_error *err);

#endif
