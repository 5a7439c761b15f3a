#ifndef MU_AUTHORITY_INTERNAL_H
#define MU_AUTHORITY_INTERNAL_H

/* An open authority, for the files of this room that each do one thing with it. */

#include "authority/authority.h"
#include "authority/former.h"
#include "authority/hierarchy.h"

struct mu_authority {
    struct mu_home home;
    int lock;
    struct mu_cert *cert;
    struct mu_hierarchy ranks; /* the CAs around it */
    struct mu_key *key;
    struct mu_passphrase_source source; /* opens the keys of former CAs, too; `ask` NULL: none */
    struct mu_store *store;
    struct mu_policy *policy;       /* NULL until it is asked for */
    char sha256[MU_SHA256_LEN];     /* of the certificate */
    char key_sha256[MU_SHA256_LEN]; /* of its public key: the issuer in the records */
};

/* mu_authority_change() where the files of an authority are at hand, and are being changed. What the trail tells of that is signed
 * at once: it may be the last that is signed with this key. */
MU_CHECK int mu_home_change(const struct mu_home *home, const struct mu_cert *cert,
                            const struct mu_key *key, mu_change_fn *change, void *arg, time_t now,
                            struct mu_error *err);

/* What is to make a home of a directory: the CA's files, and what the trail is told of them. */
struct mu_founding {
    const char *store; /* NULL: the records are in the home */
    const struct mu_ca_files *files;
    const struct mu_key *key; /* the CA's */
    mu_change_fn *note;
    void *arg;
    time_t now;
};

/* Make a home of the directory of `home`, which the caller has alone. Fails as mu_authority_init() does. */
MU_CHECK int mu_found_in(struct mu_home *home, const struct mu_founding *how, struct mu_error *err);

/* Begin to use new files of a CA: bring it into the records, and make its lists anew if there are any. */
MU_CHECK int mu_ca_take_up(const char *home, const struct mu_passphrase_source *source, time_t now,
                           struct mu_error *err);

/* mu_authority_issue() by this CA, or by one that it was before. */
MU_CHECK int mu_issue_as(struct mu_authority *authority, const struct mu_ca *by,
                         const struct mu_order *order, struct mu_cert **ret, struct mu_error *err);

/* `cert`, and each CA above it up to a root, out of `pool`, in order. Fails with MU_E_NOT_FOUND (one is missing),
 * MU_E_CA_UNFIT (the chain does not hold). */
MU_CHECK int mu_ca_chain_up(const struct mu_cert *cert, const struct mu_certs *pool, time_t now,
                            struct mu_certs *ret, struct mu_error *err);

#endif
