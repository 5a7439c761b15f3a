#ifndef MU_TRUST_STORE_H
#define MU_TRUST_STORE_H

/*
 * The lists of CAs that programs of this machine trust. Find them, read what they have of some anchors, and bring one in
 * or take one out by the program that each list has for that.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "pki/cert.h"

enum mu_trust_kind { MU_TRUST_SYSTEM, MU_TRUST_NSS, MU_TRUST_JAVA };
enum { MU_TRUST_KINDS = 3 };

/* "system", "nss", "java"; and the kind of that name, false where there is none. */
const char *mu_trust_kind_name(enum mu_trust_kind kind);
bool mu_trust_kind_parse(const char *name, enum mu_trust_kind *ret);

/*
 * What an anchor is called in every store: "mutual-my-ca-0123456789abcdef", with the first 16 digits of the SHA-256
 * of the certificate, so that no two have one name. Letters, digits and dashes in lower case only. Returns `ret`.
 */
#define MU_TRUST_NAME_LEN 80
char *mu_trust_name(const struct mu_cert *cert, char ret[MU_TRUST_NAME_LEN]);

/* One certificate in a store. */
struct mu_trust_entry {
    char *name; /* what it is called there; "" when it has none */
    struct mu_cert *cert;
    bool in_force; /* programs trust it */
};

struct mu_trust_store {
    enum mu_trust_kind kind;
    char place[MU_PATH_LEN]; /* a directory of anchors, a database's directory, a keystore; "": none is here */
    char bundle[MU_PATH_LEN];  /* system: the file that programs read, made of all anchors */
    char program[MU_PATH_LEN]; /* what changes it; "": it is not installed */
    const char *missing;       /* in words: what is not here, or which program, and whose it is */
    const char *const *words;  /* system: the program's own words, ended by NULL */
    bool writable;             /* by us */
    bool derived; /* made from the system's store, and made anew whenever that changes */

    struct mu_trust_entry *entries; /* since mu_trust_read(): those that matter for the anchors */
    size_t entry_count;
};

struct mu_trust_stores {
    struct mu_trust_store *at;
    size_t count;
};

void mu_trust_stores_clear(struct mu_trust_stores *stores);
MU_AUTO_DEFINE_CLEAR(mu_trust_stores, mu_trust_stores_clear)

/*
 * Add every store of this kind that this machine or `home` has; one without a place when there is none.
 *   home       the directory of the user whose browsers are meant; NULL: of nobody
 *   java_home  one more place where Java may be, looked at first; NULL: none
 * Fails with MU_E_NOMEM.
 */
MU_CHECK int mu_trust_find(enum mu_trust_kind kind, const char *home, const char *java_home,
                           struct mu_trust_stores *ret, struct mu_error *err);

/*
 * Read anew what it has of these anchors, and of others with the same subjects. The store needs a place and a
 * program. Fails with MU_E_COMMAND and the program's own words, and as mu_file_read() does.
 */
MU_CHECK int mu_trust_read(struct mu_trust_store *store, const struct mu_certs *anchors,
                           struct mu_error *err);

/* What it has of one anchor. */
enum mu_trust_state {
    MU_TRUST_INSTALLED, /* programs trust it, by our entry */
    MU_TRUST_OTHERWISE, /* programs trust it, by an entry of somebody else */
    MU_TRUST_IDLE,      /* there is an entry, but programs do not go by it */
    MU_TRUST_OTHER_CA,  /* only of another CA with the same subject */
    MU_TRUST_ABSENT,
};

/* "installed", "otherwise", "idle", "other-ca", "absent". */
const char *mu_trust_state_name(enum mu_trust_state state);

/* `ret_entry`, which may be NULL, is the entry that decided, borrowed; NULL when absent. */
enum mu_trust_state mu_trust_state(const struct mu_trust_store *store, const struct mu_cert *anchor,
                                   const struct mu_trust_entry **ret_entry);

/* Has it the name that we would give to its certificate? */
bool mu_trust_is_ours(const struct mu_trust_entry *entry);

/* One change of a store: what is written or removed, and what is run. To be shown, then carried out. */
struct mu_trust_step {
    char write_file[MU_PATH_LEN], remove_file[MU_PATH_LEN]; /* or "" */
    struct mu_strs argv;
    struct mu_buf pem; /* the certificate, for the file or for the program's standard input */
    bool reads_pem;    /* the program reads it from there */
};

void mu_trust_step_clear(struct mu_trust_step *step);
MU_AUTO_DEFINE_CLEAR(mu_trust_step, mu_trust_step_clear)

/* How an anchor gets in, how the entry of that name gets out. Fail with MU_E_NOMEM, and MU_E_USAGE for a path that is too long. */
MU_CHECK int mu_trust_step_in(const struct mu_trust_store *store, const struct mu_cert *anchor,
                              struct mu_trust_step *ret, struct mu_error *err);
MU_CHECK int mu_trust_step_out(const struct mu_trust_store *store, const char *name,
                               struct mu_trust_step *ret, struct mu_error *err);

/* Fails with MU_E_COMMAND and the program's own words, MU_E_SYSTEM, MU_E_IO. */
MU_CHECK int mu_trust_carry_out(const struct mu_trust_step *step, struct mu_error *err);

#endif
