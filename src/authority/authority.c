#include "authority/authority.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "pki/info.h"
#include "pki/issue.h"

struct mu_authority {
    struct mu_home paths;
    struct mu_cert *cert;
    struct mu_key *key;
    struct mu_store *store;
};

int mu_home_paths(const char *home, struct mu_home *ret, struct mu_error *err)
{
    return mu_path_join(home, "ca.crt", ret->cert, err) != 0 ||
                   mu_path_join(home, "ca.key", ret->key, err) != 0 ||
                   mu_path_join(home, "mutual.db", ret->db, err) != 0
               ? -1
               : 0;
}

/* --- Making one --- */

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int move_into(const char *dir, const char *path, const char *name, struct mu_error *err)
{
    char target[MU_PATH_LEN];
    if (!is_there(path))
        return 0;
    if (mu_path_join(dir, name, target, err) != 0)
        return -1;
    if (rename(path, target) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot move %s aside to %s", path, target);
    return 0;
}

/* A directory that was not there before: two moves in one second must not meet. */
static int make_old_dir(const struct mu_authority_init *init, char ret_old[MU_PATH_LEN],
                        struct mu_error *err)
{
    char date[32], name[64];
    struct tm tm;
    gmtime_r(&init->now, &tm);
    strftime(date, sizeof date, "old-%Y%m%dT%H%M%SZ", &tm);
    for (int n = 1;; n++) {
        snprintf(name, sizeof name, n == 1 ? "%s" : "%s-%d", date, n);
        if (mu_path_join(init->home, name, ret_old, err) != 0)
            return -1;
        if (mkdir(ret_old, 0700) == 0)
            return 0;
        if (errno != EEXIST)
            return mu_fail_errno(err, MU_E_IO, "cannot make the directory %s", ret_old);
    }
}

/* A CA's key that is overwritten takes every certificate of that CA with it, so it never is. */
static int move_aside(const struct mu_authority_init *init, const struct mu_home *paths,
                      char ret_old[MU_PATH_LEN], struct mu_error *err)
{
    char wal[MU_PATH_LEN];
    /* The records move as one file: what is in the log goes into it when the last one closes it. */
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (is_there(paths->db) && mu_store_open(paths->db, false, &store, err) != 0)
        return -1;
    mu_store_close(mu_take(&store));
    if (mu_path_join(init->home, "mutual.db-wal", wal, err) != 0 ||
        make_old_dir(init, ret_old, err) != 0 ||
        /* The certificate goes first: without it there is no authority here, and init may be repeated. */
        move_into(ret_old, paths->cert, "ca.crt", err) != 0 ||
        move_into(ret_old, paths->key, "ca.key", err) != 0 ||
        move_into(ret_old, wal, "mutual.db-wal", err) != 0 ||
        move_into(ret_old, paths->db, "mutual.db", err) != 0)
        return -1;
    return 0;
}

static int write_files(const struct mu_home *paths, const struct mu_key *key,
                       const struct mu_cert *cert, const struct mu_secret *passphrase,
                       struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = MU_STAGE_INIT;
    MU_AUTO_CLEAR(mu_buf) key_pem = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_buf) cert_pem = MU_BUF_INIT;
    mu_cert_to_pem(cert, &cert_pem);
    if (mu_buf_failed(&cert_pem))
        return mu_fail_nomem(err);
    if (mu_key_to_pem(key, passphrase, &key_pem, err) != 0 ||
        mu_stage_add(&stage, paths->key, key_pem.data, key_pem.len, 0600, err) != 0 ||
        mu_stage_add(&stage, paths->cert, cert_pem.data, cert_pem.len, 0644, err) != 0)
        return -1;
    return mu_stage_commit(&stage, err);
}

static bool note_record(void *arg, const struct mu_record *record)
{
    (void)record;
    *(bool *)arg = true;
    return false;
}

/* An init that was killed between its two files leaves a key that has signed nothing: no certificate, and
 * records that are empty. It may be repeated; that key is moved aside all the same. */
static bool was_cut_off(const struct mu_home *paths)
{
    bool issued = false;
    struct mu_error ignored = MU_ERROR_INIT;
    const struct mu_store_filter all = {0};
    MU_AUTO_STRUCT(mu_store) store = NULL;
    return !is_there(paths->cert) && mu_store_open(paths->db, true, &store, &ignored) == 0 &&
           mu_store_each(store, &all, note_record, &issued, &ignored) == 0 && !issued;
}

static int refuse_to_replace(const struct mu_home *paths, const char *home, struct mu_error *err)
{
    const char *found = is_there(paths->cert) ? paths->cert : paths->key;
    if (!is_there(found) || was_cut_off(paths))
        return 0;
    mu_fail(err, MU_E_EXISTS, "there is a CA in %s already: %s", home, found);
    return mu_hint(err,
                   "use it, name another directory with --home DIR, or say --force to begin anew "
                   "(the old files are moved aside)");
}

int mu_authority_init(const struct mu_authority_init *init, struct mu_cert **ret_cert,
                      char ret_old[MU_PATH_LEN], struct mu_error *err)
{
    struct mu_home paths;
    unsigned char serial[MU_SERIAL_LEN];
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_STRUCT(mu_store) store = NULL;
    ret_old[0] = '\0';

    if (mu_home_paths(init->home, &paths, err) != 0 ||
        (!init->force && refuse_to_replace(&paths, init->home, err) != 0))
        return -1;
    /* Everything that can fail without touching the disk comes first. */
    if (mu_key_generate(init->key_type, &key, err) != 0 || mu_serial_make(serial, err) != 0 ||
        mu_issue_ca(key, init->name, serial, init->now, init->lifetime_s, &cert, err) != 0 ||
        mu_dir_make(init->home, 0700, err) != 0)
        return -1;
    bool replaces = is_there(paths.cert) || is_there(paths.key);
    if (replaces && move_aside(init, &paths, ret_old, err) != 0)
        return -1;
    if (mu_store_open(paths.db, false, &store, err) != 0 ||
        write_files(&paths, key, cert, init->passphrase, err) != 0)
        return -1;
    *ret_cert = mu_take(&cert);
    return 0;
}

/* --- Using it --- */

int mu_authority_open(const char *home, const struct mu_passphrase_source *source,
                      struct mu_authority **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_authority) authority = calloc(1, sizeof *authority);
    if (authority == NULL)
        return mu_fail_nomem(err);
    struct mu_home *paths = &authority->paths;
    if (mu_home_paths(home, paths, err) != 0)
        return -1;
    if (access(paths->cert, F_OK) != 0 && errno == ENOENT)
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", home);
    if (mu_cert_load(paths->cert, &authority->cert, err) != 0 ||
        mu_key_load(paths->key, source, &authority->key, err) != 0 ||
        mu_cert_match_key(authority->cert, authority->key, paths->cert, paths->key, err) != 0 ||
        mu_store_open(paths->db, false, &authority->store, err) != 0)
        return -1;
    *ret = mu_take(&authority);
    return 0;
}

void mu_authority_free(struct mu_authority *authority)
{
    if (authority == NULL)
        return;
    mu_store_close(authority->store);
    mu_key_free(authority->key);
    mu_cert_free(authority->cert);
    free(authority);
}

const struct mu_cert *mu_authority_cert(const struct mu_authority *authority)
{
    return authority->cert;
}

/* --- Issuing --- */

int mu_issue_by(const struct mu_cert *ca, const struct mu_key *ca_key, const struct mu_order *order,
                struct mu_cert **ret, struct mu_error *err)
{
    struct mu_issue issue = {
        .profile = order->profile,
        .key = order->key,
        .names = order->names,
        .now = order->now,
        .lifetime_s = order->lifetime_s,
    };
    if (mu_serial_make(issue.serial, err) != 0)
        return -1;
    return mu_issue_leaf(ca, ca_key, &issue, ret, err);
}

static void strip_colons(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++)
        if (*from != ':')
            *to++ = *from;
    *to = '\0';
}

static int record(struct mu_authority *authority, const struct mu_order *order,
                  const struct mu_cert *cert, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    MU_AUTO_CLEAR(mu_buf) san = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    if (mu_cert_info_read(cert, order->now, &info, err) != 0)
        return -1;
    for (size_t i = 0; i < info.san.count; i++)
        mu_buf_addf(&san, "%s%s", i > 0 ? ", " : "", info.san.at[i]);
    mu_cert_to_der(cert, &der);
    if (mu_buf_failed(&san) || mu_buf_failed(&der))
        return mu_fail_nomem(err);
    strip_colons(info.sha256);
    struct mu_record record = {
        .serial = info.serial,
        .name = order->name,
        .profile = mu_profile_rules(order->profile)->name,
        .state = "valid",
        .subject = info.subject,
        .san = mu_buf_str(&san),
        .not_before = info.not_before,
        .not_after = info.not_after,
        .issued_at = order->now,
        .sha256 = info.sha256,
        .der = der.data,
        .der_len = der.len,
    };
    return mu_store_add(authority->store, &record, err);
}

int mu_authority_issue(struct mu_authority *authority, const struct mu_order *order,
                       struct mu_cert **ret, struct mu_error *err)
{
    /* 135 random bits do not meet twice; but if they do, the store says so, and we draw again. */
    for (int tries = 0; tries < 3; tries++) {
        MU_AUTO_STRUCT(mu_cert) cert = NULL;
        if (mu_issue_by(authority->cert, authority->key, order, &cert, err) != 0)
            return -1;
        if (record(authority, order, cert, err) == 0) {
            *ret = mu_take(&cert);
            return 0;
        }
        if (err->code != MU_E_EXISTS)
            return -1;
    }
    return -1;
}
