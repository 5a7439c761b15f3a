#ifndef MU_AUTHORITY_AUTHORITY_H
#define MU_AUTHORITY_AUTHORITY_H

/*
 * A certificate authority in a directory: ca.crt, ca.key (0600) and mutual.db, its records. `now` is always
 * an argument.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "authority/home.h"
#include "authority/policy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/secret.h"
#include "pki/cert.h"
#include "pki/constraint.h"
#include "pki/issue.h"
#include "pki/key.h"
#include "pki/name.h"
#include "pki/profile.h"
#include "store/store.h"

struct mu_authority_init {
    const char *home, *name, *key_type;
    int64_t lifetime_s;
    const struct mu_secret *passphrase; /* protects ca.key; NULL or empty: it is not protected */
    const char *store; /* the URL of a PostgreSQL database for the records; NULL: mutual.db */
    const struct mu_constraints *constraints; /* the names that it may issue for; NULL: all */
    const struct mu_key *key; /* borrowed: one that lies in a token; NULL: one is made, of `key_type` */
    const char *key_uri;      /* with `key`: what ca.key says instead, its PKCS#11 URI */
    int path_length;          /* how many CAs may stand below the root */
    bool issuing;            /* make a root, and the authority below it; else it is a root itself */
    int64_t root_lifetime_s; /* with `issuing` */
    const char *root_key_path; /* the same: where the root's key goes; NULL: root.key */
    bool force; /* an authority that is there already is moved into old-<date>/, never lost */
    time_t now;
};

/*
 * Make an authority. With `issuing` its root is "NAME Root", and only the CA below has the constraints.
 * `ret_cert` is given. `ret_old` is where an authority that was there has been moved, or "".
 * The key alone that an init leaves which is killed in the middle is no authority, and is moved aside, too.
 * Fails with MU_E_EXISTS (there is one, and no `force`), MU_E_NAME, MU_E_USAGE (the type of key), MU_E_IO,
 * MU_E_STORE.
 */
MU_CHECK int mu_authority_init(const struct mu_authority_init *init, struct mu_cert **ret_cert,
                               char ret_old[MU_PATH_LEN], struct mu_error *err);

/* A CA that was made elsewhere. All borrowed. */
struct mu_authority_import {
    const char *home;
    const char *store;            /* as above */
    const struct mu_certs *certs; /* the CA's, and behind it, in any order, those above it */
    const struct mu_key *key;
    const char *key_uri;                /* where that lies in a token: what ca.key says instead */
    const struct mu_secret *passphrase; /* as above */
    bool force;
    time_t now;
};

/* Take it over. `ret_old` as above. What it has issued and revoked before is not known then. Fails as
 * mu_authority_init() and mu_issue_check_ca() do, with MU_E_NOT_FOUND (the chain does not lead to a root), MU_E_CA_UNFIT
 * (the chain does not hold). */
MU_CHECK int mu_authority_import(const struct mu_authority_import *import,
                                 char ret_old[MU_PATH_LEN], struct mu_error *err);

struct mu_authority;

/* Fails with MU_E_NO_CA, MU_E_PASSPHRASE_NEEDED, MU_E_KEY_MISMATCH, MU_E_STORE and as the loaders do. */
MU_CHECK int mu_authority_open(const char *home, const struct mu_passphrase_source *source,
                               struct mu_authority **ret, struct mu_error *err);
void mu_authority_free(struct mu_authority *authority);
MU_AUTO_DEFINE_STRUCT(mu_authority, mu_authority_free)

const struct mu_cert *mu_authority_cert(const struct mu_authority *authority);
/* What follows a leaf that is handed out: the CAs up to the root, which is not among them. Borrowed. */
const struct mu_certs *mu_authority_behind(const struct mu_authority *authority);
/* The roots by which what it issues is verified, the present one first. Borrowed; empty where they are not known. */
const struct mu_certs *mu_authority_trust(const struct mu_authority *authority);
struct mu_store *mu_authority_store(struct mu_authority *authority); /* borrowed, to read from */

struct mu_order {
    enum mu_profile profile;
    const struct mu_key *key; /* the subject's public key */
    const struct mu_names *names;
    time_t now;
    int64_t lifetime_s; /* 0: what the policy gives */
    const char *renews; /* the serial number of the certificate in whose place it comes; NULL: none */
    const struct mu_below *below; /* MU_PROFILE_CA only, for which it must be there */
    bool draft; /* go the whole way but for its end: see mu_issue_leaf(); and nothing is recorded */
};

/*
 * Issue what the policy of the home allows, and record it before it is given. Fails with MU_E_POLICY, as
 * mu_authority_policy(), mu_issue_leaf() and, with `renews`, mu_renewal_check() do, and MU_E_STORE.
 */
MU_CHECK int mu_authority_issue(struct mu_authority *authority, const struct mu_order *order,
                                struct mu_cert **ret, struct mu_error *err);

/*
 * The same for `count` orders in one change, each of which stands by itself: where one cannot be issued, its place in
 * `ret` stays empty and the one in `ret_whys` tells why; the others are recorded, and their certificates given. `ret`
 * (MU_ISSUED_INIT in each) and `ret_whys` have room for as many. Fails when they could not be recorded, and then none
 * is given.
 */
MU_CHECK int mu_authority_issue_each(struct mu_authority *authority, const struct mu_order *orders,
                                     size_t count, struct mu_issued *ret, struct mu_error *ret_whys,
                                     struct mu_error *err);

/* Whatever else changes what the authority remembers: `change` runs in one transaction with the records, behind
 * which the trail is signed if that is due. See mu_store_change(). */
MU_CHECK int mu_authority_change(struct mu_authority *authority, mu_change_fn *change, void *arg,
                                 time_t now, struct mu_error *err);

/*
 * Revoke a certificate of this authority (`revocation->at` is now), and release one that is on hold. One on hold may
 * be revoked for good. The revocation lists are refreshed with mu_authority_publish().
 * Fails with MU_E_NOT_FOUND, MU_E_REVOKED (it is already), MU_E_NOT_REVOKED (only what is on hold can be released),
 * MU_E_USAGE (`invalid_since` is in the future), MU_E_STORE.
 */
MU_CHECK int mu_authority_revoke(struct mu_authority *authority, const char *serial,
                                 const struct mu_revocation *revocation, struct mu_error *err);
MU_CHECK int mu_authority_release(struct mu_authority *authority, const char *serial, time_t now,
                                  struct mu_error *err);

/* The policy of the home, borrowed. Read when it is first asked for, so that one that cannot be read stops issuing and
 * nothing else; and not read again. Fails as mu_policy_load() does. */
MU_CHECK int mu_authority_policy(struct mu_authority *authority, const struct mu_policy **ret,
                                 struct mu_error *err);

/* Who issues. All borrowed. */
struct mu_issuer {
    const struct mu_cert *cert;
    const struct mu_key *key;
    const struct mu_certs *above; /* CAs above it, as far as they are at hand; others in it do no harm */
    const struct mu_policy *policy;
    bool proven; /* see struct mu_issue */
};

/* The same by a CA that has no home: nothing is recorded, the serial number is random. */
MU_CHECK int mu_issue_by(const struct mu_issuer *issuer, const struct mu_order *order,
                         struct mu_issued *ret, struct mu_error *err);

#endif
