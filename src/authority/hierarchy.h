#ifndef MU_AUTHORITY_HIERARCHY_H
#define MU_AUTHORITY_HIERARCHY_H

/*
 * The CAs around an authority's own, in the files of its home:
 *   ca.crt, ca.key   who signs
 *   ca-chain.crt     what follows a leaf that is handed out, in that order; no root
 *   root.crt         the root above ca.crt, where that is none itself; root.key, unless it is kept elsewhere
 *   root.crl         what the root has revoked, so that ca.crt can be checked, too: part of ca.crl
 *   cross.crt        during a rollover: the old root as certified by the new one
 *   trust.crt        the roots that others have to trust, the present one first
 * An authority that is a root itself has the first two alone, until its key changes.
 */

#include <stdbool.h>
#include <time.h>

#include "authority/home.h"
#include "base/error.h"
#include "base/file.h"
#include "base/secret.h"
#include "pki/cert.h"
#include "pki/key.h"

struct mu_hierarchy {
    struct mu_certs own;    /* of ca.crt: the CA, and maybe those above it */
    struct mu_certs behind; /* what follows a leaf */
    struct mu_certs above;  /* all of these and the roots, in no order */
    struct mu_certs trust;  /* the roots, the present one first; none where it is not known */
};
/* Fails as mu_certs_load() does. */
MU_CHECK int mu_hierarchy_load(const struct mu_home *home, struct mu_hierarchy *ret,
                               struct mu_error *err);
void mu_hierarchy_clear(struct mu_hierarchy *hierarchy);
MU_AUTO_DEFINE_CLEAR(mu_hierarchy, mu_hierarchy_clear)

/* New files of a CA. All borrowed; what is NULL or empty is not written. */
struct mu_ca_files {
    const struct mu_cert *cert, *root, *cross;
    const struct mu_key *key, *root_key;
    const char *root_key_path;
    const char *key_uri;  /* in the place of `key`, where that lies in a token: its PKCS#11 URI */
    const char *key_from; /* the file in which the key lies as it is to be, in the place of `key` */
    const struct mu_certs *behind, *trust;
    const char *root_crl;               /* PEM */
    const struct mu_secret *passphrase; /* protects both keys */
};
/* Add them to `stage`, ca.crt last, which makes a directory the home of an authority. Fails as mu_stage_add() does. */
MU_CHECK int mu_ca_files_stage(const struct mu_home *home, const struct mu_ca_files *files,
                               struct mu_stage *stage, struct mu_error *err);

/* The list of a root that has revoked nothing, in PEM, appended: up to its own end, because its key is to be used
 * again only when there is something to revoke. Fails as mu_crl_finish() does. */
MU_CHECK int mu_root_list(const struct mu_cert *root, const struct mu_key *key, time_t now,
                          struct mu_buf *ret, struct mu_error *err);

/* Does it sign itself? */
bool mu_is_root(const struct mu_cert *cert);

#endif
