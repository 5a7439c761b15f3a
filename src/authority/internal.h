#ifndef MU_AUTHORITY_INTERNAL_H
#define MU_AUTHORITY_INTERNAL_H

/* An open authority, for the files of this room that each do one thing with it. */

#include "authority/authority.h"
#include "authority/hierarchy.h"

struct mu_authority {
    struct mu_home home;
    int lock;
    struct mu_cert *cert;
    struct mu_hierarchy ranks; /* the CAs around it */
    struct mu_key *key;
    struct mu_store *store;
    struct mu_policy *policy;       /* NULL until it is asked for */
    char sha256[MU_SHA256_LEN];     /* of the certificate */
    char key_sha256[MU_SHA256_LEN]; /* of its public key: the issuer in the records */
};

#endif
