#ifndef MU_AUTHORITY_HOME_H
#define MU_AUTHORITY_HOME_H

/* The directory of an authority: what lies in it, who may be at work in it, and how an old authority makes way. */

#include <stdbool.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

struct mu_home {
    char dir[MU_PATH_LEN];
    char cert[MU_PATH_LEN]; /* ca.crt, 0644: what makes the directory the home of an authority */
    char key[MU_PATH_LEN];  /* ca.key, 0600 */
    char db[MU_PATH_LEN];   /* the records: mutual.db, 0600, or the URL in `store` */
    char store[MU_PATH_LEN]; /* store, 0600: the URL of the PostgreSQL database with the records, if one has them */
    char crl[MU_PATH_LEN]; /* ca.crl, 0644: the present revocation list, in PEM */
    char public[MU_PATH_LEN]; /* public/: what the world may fetch, in DER, by the names that certificates point to */
    char ocsp_cert[MU_PATH_LEN]; /* ocsp.crt, 0644: the responder's, once somebody has asked */
    char ocsp_key[MU_PATH_LEN];  /* ocsp.key, 0600 */
    char chain[MU_PATH_LEN]; /* ca-chain.crt, 0644: what follows a leaf that is handed out; none: nothing does */
    char root_cert[MU_PATH_LEN]; /* root.crt, 0644: the root above ca.crt, where that is none itself */
    char root_key[MU_PATH_LEN]; /* root.key, 0600, unless it is kept elsewhere */
    char root_crl[MU_PATH_LEN]; /* root.crl, 0644: the root's last list, in PEM, behind which there may be a former one's */
    char request_key[MU_PATH_LEN]; /* ca-request.key, 0600: of a CA whose certificate has been asked for */
    char trust[MU_PATH_LEN]; /* trust.crt, 0644: the roots that others have to trust; none: ca.crt */
    char cross[MU_PATH_LEN]; /* cross.crt, 0644: during a rollover, the old root as certified by the new one */
    char policy[MU_PATH_LEN]; /* policy.yaml, which the operator writes: what is issued; see policy.h */
};

/* Fails with MU_E_USAGE when the path is too long, MU_E_WRONG_KIND and as mu_file_read() does for a `store` that holds
 * no such URL. */
MU_CHECK int mu_home_paths(const char *dir, struct mu_home *ret, struct mu_error *err);

/*
 * Many may issue at once, but while one makes a home anew nobody else may be at work in it: a record must not
 * go into a file that is being moved. The lock goes with the process, however that ends. Waits for others. Who is alone
 * finds plain files: what was killed while it changed some is taken back or finished first.
 * Fails with MU_E_IO when the directory cannot be opened.
 */
enum mu_home_use { MU_HOME_SHARED, MU_HOME_ALONE };
MU_CHECK int mu_home_lock(const struct mu_home *home, enum mu_home_use use, int *ret_lock,
                          struct mu_error *err);
void mu_home_unlock(int lock); /* -1: there is none */

/* Only one at a time puts files into a home that others may be putting there too. Waits; fails with MU_E_IO. */
MU_CHECK int mu_home_lock_files(const struct mu_home *home, int *ret_lock, struct mu_error *err);

/*
 * Is there room for a new authority? Fails with MU_E_EXISTS where there is a certificate, or a key that has
 * issued something. What an init that was killed has left is no obstacle: a key without a certificate, and
 * records that are empty.
 */
MU_CHECK int mu_home_check_free(const struct mu_home *home, struct mu_error *err);

/* Is a database on a server free for a new authority? Fails with MU_E_EXISTS where a trail has begun, with MU_E_STORE. */
MU_CHECK int mu_home_check_database(const struct mu_home *home, struct mu_error *err);

/*
 * Move an authority, or what is left of one, into a new directory old-<date>/ beside it, records and all: a CA's
 * key that is overwritten takes every certificate of that CA with it, so none ever is. `ret_old` is that
 * directory, or "" when there was nothing worth keeping. Fails with MU_E_IO.
 */
MU_CHECK int mu_home_move_aside(const struct mu_home *home, time_t now, char ret_old[MU_PATH_LEN],
                                struct mu_error *err);

/* The way back from mu_home_move_aside(), when what was to come in its place has not come about: what that has left is
 * replaced, and the certificate comes last. Fails with MU_E_IO; what has not been moved back is in `old` still. */
MU_CHECK int mu_home_move_back(const struct mu_home *home, const char *old, struct mu_error *err);

/*
 * A directory in the home, 0700 and empty, to make something in that is not to be seen before it is whole. One process
 * at a time has it; others wait. What one that was killed has left in it is removed. `ret_lock` is for
 * mu_home_work_end(), which removes it with all that is still in it.
 * Fails with MU_E_IO.
 */
MU_CHECK int mu_home_work_begin(const struct mu_home *home, const char *name,
                                char ret_dir[MU_PATH_LEN], int *ret_lock, struct mu_error *err);
void mu_home_work_end(const char *dir, int lock);

/* Is this the name of a file with a key, certificates or lists of this CA, or of those around it: ca.crt, ca-KEY.key,
 * root.key, trust.crt, ...? */
bool mu_home_is_of_ca(const char *name);
/* Is this the name of a file with a private key? */
bool mu_home_is_key(const char *name);
/* The names of what is there and fits, in no order, without what is nobody's now. Fails with MU_E_IO. */
MU_CHECK int mu_home_list(const struct mu_home *home, bool (*fits)(const char *name),
                          struct mu_strs *ret, struct mu_error *err);

/* Is this the name of a directory entry that belongs to nobody's authority now: an old one, or work in progress? */
bool mu_home_is_aside(const char *name);

/* What has been put into the home survives a power cut from here on. */
void mu_home_sync(const struct mu_home *home);

/* Move one more entry into `old`, which is made first where it is "" yet. Nothing there is no failure. */
MU_CHECK int mu_home_make_way(const struct mu_home *home, const char *name, time_t now,
                              char ret_old[MU_PATH_LEN], struct mu_error *err);

#endif
