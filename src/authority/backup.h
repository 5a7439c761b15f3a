#ifndef MU_AUTHORITY_BACKUP_H
#define MU_AUTHORITY_BACKUP_H

/*
 * A whole authority in one file, made while others go on working, and an authority made from such a file. The file is
 * a copy of the records as of one moment, with the other files of the home in it: an SQLite database, 0600, which
 * holds the CA's key as it is in the home; with a passphrase, what seal.h makes of that.
 */

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "authority/home.h"
#include "base/error.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/str.h"
#include "pki/cert.h"
#include "store/store.h"

struct mu_backup {
    const char *home, *path;
    const struct mu_secret *passphrase; /* protects the file; NULL or empty: nothing does */
    bool force;                         /* replace a file that is there */
    time_t now;
};

struct mu_backup_made {
    struct mu_strs files;    /* besides the records */
    struct mu_strs left_out; /* too large, or no files */
    struct mu_strs keys_open; /* the CA's keys in it, present and former, that no passphrase protects */
    bool key_in_token;        /* there is no key in it, but where it is */
    off_t size;
    char sha256[MU_SHA256_LEN];
};
void mu_backup_made_clear(struct mu_backup_made *made);
MU_AUTO_DEFINE_CLEAR(mu_backup_made, mu_backup_made_clear)

/* The key is not used, so that no passphrase is needed. Fails with MU_E_NO_CA, MU_E_EXISTS, MU_E_USAGE (a path in the
 * home itself), MU_E_IO, MU_E_STORE. */
MU_CHECK int mu_authority_backup(const struct mu_backup *how, struct mu_backup_made *ret,
                                 struct mu_error *err);

/* When the last backup of this store was made, and how many changes the trail tells of since; 0: never. */
MU_CHECK int mu_backup_last(struct mu_store *store, time_t *ret_at, int64_t *ret_since,
                            struct mu_error *err);

struct mu_restore {
    const char *path, *home;
    const struct mu_passphrase_source *source;     /* for the file */
    const struct mu_passphrase_source *key_source; /* for the CA's key */
    const char *
        store; /* the URL of a PostgreSQL database for the records, without any yet; NULL: mutual.db */
    bool force; /* an authority that is there already is moved into old-<date>/, never lost */
    time_t now;
};

struct mu_restored {
    char old[MU_PATH_LEN]; /* where what was there has been moved, or "" */
    struct mu_cert *cert;
    time_t taken_at;
    size_t records;
    char trail_fault[MU_ERROR_WHAT_LEN]; /* what is wrong with the audit trail in it, or "" */
};
void mu_restored_clear(struct mu_restored *restored);
MU_AUTO_DEFINE_CLEAR(mu_restored, mu_restored_clear)

/*
 * Everything is made and checked before anything is put in place: the records are whole, and the key is the
 * certificate's. One that is killed leaves no authority, or a whole one; it can be repeated, though not into a database
 * that it has filled already.
 * Fails with MU_E_EXISTS (there is an authority, and no `force`), MU_E_WRONG_KIND, MU_E_DAMAGED, MU_E_KEY_MISMATCH,
 * MU_E_PASSPHRASE_NEEDED, MU_E_PASSPHRASE_WRONG, MU_E_STORE_NEWER, MU_E_STORE, MU_E_IO.
 */
MU_CHECK int mu_authority_restore(const struct mu_restore *how, struct mu_restored *ret,
                                  struct mu_error *err);

#endif
