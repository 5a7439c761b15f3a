#include "authority/passwd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "authority/audit.h"
#include "authority/internal.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/swap.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "pki/token.h"

/* A key of the home, where it really lies. */
struct lock {
    char path[PATH_MAX];
    struct mu_key *key;
};

static int open_lock(const char *path, const struct mu_passphrase_source *old, struct lock *ret,
                     struct mu_error *err)
{
    if (mu_token_key_is_named(path)) {
        mu_fail(err, MU_E_UNSUPPORTED,
                "the key that %s names is in a token, and has no passphrase but the token's PIN",
                path);
        return mu_hint(err,
                       "change the PIN: pkcs11-tool --module MODULE --login --change-pin; and then the "
                       "file in which it stands, if it does in one");
    }
    if (mu_key_load(path, old, &ret->key, err) != 0)
        return -1;
    if (realpath(path, ret->path) == NULL)
        return mu_fail_errno(err, MU_E_IO, "cannot find out where %s really lies", path);
    return 0;
}

static int give_copy(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    const struct mu_secret *passphrase = arg;
    (void)what;
    return mu_secret_set(ret, passphrase->data, passphrase->len, err);
}

/* The two are one key, to the last bit of the private half. */
static int check_same(const struct lock *lock, const struct mu_key *other, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) a = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_buf) b = MU_BUF_INIT_SECRET;
    if (mu_key_to_pem(lock->key, NULL, &a, err) != 0 || mu_key_to_pem(other, NULL, &b, err) != 0)
        return -1;
    if (a.len == b.len && memcmp(a.data, b.data, a.len) == 0)
        return 0;
    return mu_fail(err, MU_E_CRYPTO, "%s was not read back as it was written, and is left as it is",
                   lock->path);
}

/* Write the key under its new passphrase, and read it back as whoever needs it next will. */
static int encode(const struct lock *lock, struct mu_secret *passphrase, struct mu_buf *ret,
                  struct mu_error *err)
{
    const struct mu_passphrase_source source = {.ask = give_copy, .arg = passphrase};
    MU_AUTO_STRUCT(mu_key) again = NULL;
    if (mu_key_to_pem(lock->key, passphrase, ret, err) != 0 ||
        mu_key_parse(lock->path, ret->data, ret->len, &source, &again, err) != 0)
        return -1;
    return check_same(lock, again, err);
}

static int stage_lock(const struct lock *lock, struct mu_secret *passphrase, struct mu_stage *stage,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    if (encode(lock, passphrase, &pem, err) != 0)
        return -1;
    return mu_stage_add(stage, lock->path, pem.data, pem.len, 0600, err);
}

/* Few enough to change in one step change so; a home with more former keys than that takes them one after the other. */
enum { MAX_LOCKS = 32, MAX_TOGETHER = 8 };
struct locks {
    struct lock at[MAX_LOCKS];
    size_t count;
};

static void locks_clear(struct locks *locks)
{
    for (size_t i = 0; i < locks->count; i++)
        mu_key_free(locks->at[i].key);
    locks->count = 0;
}
MU_AUTO_DEFINE_CLEAR(locks, locks_clear)

/* ca.key first; then root.key if it is here, an offline root's is not; and the keys that were, or wait. */
static int open_locks(const struct mu_home *home, const struct mu_cert *cert,
                      const struct mu_passphrase_source *old, struct locks *ret,
                      struct mu_error *err)
{
    char path[MU_PATH_LEN];
    MU_AUTO_CLEAR(mu_strs) names = {0};
    struct lock *lock = &ret->at[ret->count++];
    if (open_lock(home->key, old, lock, err) != 0 ||
        mu_cert_match_key(cert, lock->key, home->cert, home->key, err) != 0 ||
        mu_home_list(home, mu_home_is_of_ca, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        if (!mu_str_ends_with(names.at[i], ".key") || mu_str_equal(names.at[i], "ca.key"))
            continue;
        if (ret->count == MAX_LOCKS)
            return mu_fail(err, MU_E_UNSUPPORTED, "there are more than %d keys in %s",
                           (int)MAX_LOCKS, home->dir);
        if (mu_path_join(home->dir, names.at[i], path, err) != 0)
            return -1;
        if (mu_token_key_is_named(path))
            continue;
        if (open_lock(path, old, &ret->at[ret->count++], err) != 0)
            return -1;
    }
    return 0;
}

struct note {
    const struct locks *locks;
    bool protected;
    time_t now;
};

static int note_keys(struct mu_store *store, void *arg, struct mu_error *err)
{
    const struct note *note = arg;
    char detail[MU_PATH_LEN + 64], path[MU_PATH_LEN];
    struct mu_act act = {.action = "key", .detail = detail};
    for (size_t i = 0; i < note->locks->count; i++) {
        const char *real = note->locks->at[i].path;
        snprintf(detail, sizeof detail, "%s is protected by %s",
                 mu_str_printable(real, strlen(real), path, sizeof path),
                 note->protected ? "a new passphrase" : "no passphrase any more");
        if (mu_audit_add(store, &act, note->now, NULL, err) != 0)
            return -1;
    }
    return 0;
}

/* In the trail first: a change that it tells of may then not have come about, but none goes untold. */
static int record(const struct mu_home *home, const struct mu_cert *cert, const struct locks *locks,
                  bool protected, time_t now, struct mu_error *err)
{
    struct note note = {locks, protected, now};
    return mu_home_change(home, cert, locks->at[0].key, note_keys, &note, now, err);
}

/* Nobody may make the home anew while its keys are open here. */
static int change(const struct mu_home *home, const struct mu_passphrase_source *old,
                  const struct mu_passphrase_source *fresh, time_t now, struct mu_strs *ret_keys,
                  struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(locks) locks = {.count = 0};
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true, .keep = true};
    if (mu_cert_load(home->cert, &cert, err) != 0 || open_locks(home, cert, old, &locks, err) != 0 ||
        (fresh != NULL && fresh->ask(fresh->arg, home->key, &passphrase, err) != 0))
        return -1;
    stage.apart = locks.count > MAX_TOGETHER;
    for (size_t i = 0; i < locks.count; i++) {
        if (stage_lock(&locks.at[i], &passphrase, &stage, err) != 0)
            return -1;
        if (mu_strs_add(ret_keys, locks.at[i].path) != 0)
            return mu_fail_nomem(err);
    }
    return record(home, cert, &locks, fresh != NULL, now, err) != 0 ? -1
                                                                    : mu_stage_commit(&stage, err);
}

int mu_authority_passwd(const char *dir, const struct mu_passphrase_source *old,
                        const struct mu_passphrase_source *fresh, time_t now,
                        struct mu_strs *ret_keys, struct mu_error *err)
{
    struct mu_home home;
    int lock;
    if (mu_home_paths(dir, &home, err) != 0)
        return -1;
    if (access(home.cert, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", dir);
    if (mu_home_lock(&home, MU_HOME_SHARED, &lock, err) != 0)
        return -1;
    /* Where a key really lies is asked below, and not to be told by the links that a killed change has left. */
    int result =
        mu_swap_settle_all(home.dir, err) != 0 ? -1 : change(&home, old, fresh, now, ret_keys, err);
    mu_home_unlock(lock);
    return result;
}
