#include "authority/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/swap.h"
#include "store/store.h"

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* The first line is the URL, in which a password may stand: it does not go into an error. */
static int read_store(struct mu_home *home, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT_SECRET;
    if (mu_file_read(home->store, MU_PATH_LEN - 1, &text, err) != 0)
        return -1;
    snprintf(home->db, sizeof home->db, "%.*s", (int)strcspn(mu_buf_str(&text), "\r\n"),
             mu_buf_str(&text));
    if (mu_store_is_postgres(home->db))
        return 0;
    mu_fail(err, MU_E_WRONG_KIND, "%s does not begin with the URL of a database", home->store);
    return mu_hint(err, "write postgresql://HOST/DATABASE into it, or remove it to use mutual.db");
}

int mu_home_paths(const char *dir, struct mu_home *ret, struct mu_error *err)
{
    if (mu_path_join(dir, "ca.crt", ret->cert, err) != 0 ||
        mu_path_join(dir, "ca.key", ret->key, err) != 0 ||
        mu_path_join(dir, "mutual.db", ret->db, err) != 0 ||
        mu_path_join(dir, "store", ret->store, err) != 0 ||
        mu_path_join(dir, "ca.crl", ret->crl, err) != 0 ||
        mu_path_join(dir, "public", ret->public, err) != 0 ||
        mu_path_join(dir, "ca-chain.crt", ret->chain, err) != 0 ||
        mu_path_join(dir, "root.crt", ret->root_cert, err) != 0 ||
        mu_path_join(dir, "root.key", ret->root_key, err) != 0 ||
        mu_path_join(dir, "root.crl", ret->root_crl, err) != 0 ||
        mu_path_join(dir, "ca-request.key", ret->request_key, err) != 0 ||
        mu_path_join(dir, "cross.crt", ret->cross, err) != 0 ||
        mu_path_join(dir, "trust.crt", ret->trust, err) != 0 ||
        mu_path_join(dir, "policy.yaml", ret->policy, err) != 0 ||
        mu_path_join(dir, "ocsp.crt", ret->ocsp_cert, err) != 0 ||
        mu_path_join(dir, "ocsp.key", ret->ocsp_key, err) != 0)
        return -1;
    mu_str_copy(ret->dir, sizeof ret->dir, dir);
    return is_there(ret->store) ? read_store(ret, err) : 0;
}

/* --- Who is at work --- */

static int lock_path(const char *path, int how, int *ret_lock, struct mu_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mu_fail_errno(err, MU_E_IO, "cannot open %s", path);
    /* A filesystem that knows no locks is no reason to refuse all work: every step by itself is safe. */
    while (flock(fd, how) != 0 && errno == EINTR)
        continue;
    *ret_lock = fd;
    return 0;
}

int mu_home_lock(const struct mu_home *home, enum mu_home_use use, int *ret_lock,
                 struct mu_error *err)
{
    if (lock_path(home->dir, use == MU_HOME_ALONE ? LOCK_EX : LOCK_SH, ret_lock, err) != 0)
        return -1;
    if (use == MU_HOME_SHARED || mu_swap_settle_all(home->dir, err) == 0)
        return 0;
    mu_home_unlock(*ret_lock);
    *ret_lock = -1;
    return -1;
}

/* The directory is locked by all who are at work in it, so the certificate stands for its files. */
int mu_home_lock_files(const struct mu_home *home, int *ret_lock, struct mu_error *err)
{
    return lock_path(home->cert, LOCK_EX, ret_lock, err);
}

void mu_home_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

/* --- Work in progress --- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    return walk->level == 0 ? 0 : remove(path);
}

static void empty_dir(const char *dir)
{
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int mu_home_work_begin(const struct mu_home *home, const char *name, char ret_dir[MU_PATH_LEN],
                       int *ret_lock, struct mu_error *err)
{
    struct stat st;
    if (mu_path_join(home->dir, name, ret_dir, err) != 0)
        return -1;
    for (;;) {
        if (mkdir(ret_dir, 0700) != 0 && errno != EEXIST)
            return mu_fail_errno(err, MU_E_IO, "cannot make the directory %s", ret_dir);
        int fd = open(ret_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return mu_fail_errno(err, MU_E_IO, "cannot open the directory %s", ret_dir);
        while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
            continue;
        /* Who had it before may have removed it while we waited. */
        if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
            empty_dir(ret_dir);
            *ret_lock = fd;
            return 0;
        }
        close(fd);
    }
}

void mu_home_work_end(const char *dir, int lock)
{
    if (lock < 0)
        return;
    empty_dir(dir);
    rmdir(dir);
    close(lock);
}

bool mu_home_is_aside(const char *name)
{
    return mu_str_starts_with(name, ".") || mu_str_starts_with(name, "old-") ||
           mu_str_ends_with(name, ".tmp");
}

/* --- What is there --- */

static bool note_record(void *arg, const struct mu_record *record)
{
    (void)record;
    *(bool *)arg = true;
    return false;
}

/* A database on a server is there, whether or not it can be reached. */
static bool has_db(const struct mu_home *home)
{
    return mu_store_is_postgres(home->db) || is_there(home->db);
}

/* Records that cannot be read count as there. */
static bool has_records(const struct mu_home *home)
{
    bool found = false;
    struct mu_error ignored = MU_ERROR_INIT;
    const struct mu_store_filter all = {.name_glob = NULL};
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (!has_db(home))
        return false;
    if (mu_store_open(home->db, MU_STORE_READ, &store, &ignored) != 0)
        return ignored.code != MU_E_NOT_FOUND; /* a database into which nobody has written yet */
    return mu_store_each(store, &all, note_record, &found, &ignored) != 0 || found;
}

/* An init makes the records before the key, and the key before the certificate. */
static bool was_cut_off(const struct mu_home *home)
{
    return !is_there(home->cert) && has_db(home) && !has_records(home);
}

/*
 * A database on a server may be another home's, of which the trail is the first to tell. No --force takes it: unlike files it
 * cannot be moved aside.
 */
int mu_home_check_database(const struct mu_home *home, struct mu_error *err)
{
    int64_t tip = 0;
    char hash[MU_HASH_LEN + 1];
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (!mu_store_is_postgres(home->db))
        return 0;
    if (mu_store_open(home->db, MU_STORE_READ, &store, err) != 0)
        return err->code == MU_E_NOT_FOUND ? 0 : -1;
    if (mu_store_trail_tip(store, &tip, hash, err) != 0)
        return -1;
    if (tip == 0)
        return 0;
    mu_fail(err, MU_E_EXISTS, "there are records of a CA in that database already");
    return mu_hint(
        err,
        "name an empty database; if it is an init that was cut off, drop this one and create it again");
}

int mu_home_check_free(const struct mu_home *home, struct mu_error *err)
{
    const char *found = is_there(home->cert) ? home->cert : home->key;
    if (!is_there(found) && mu_store_is_postgres(home->db))
        return mu_home_check_database(home, err);
    if (!is_there(found) || was_cut_off(home))
        return 0;
    mu_fail(err, MU_E_EXISTS, "there is a CA in %s already: %s", home->dir, found);
    return mu_hint(err,
                   "use it, name another directory with --home DIR, or say --force to begin anew "
                   "(the old files are moved aside)");
}

/* --- Making way --- */

/* A directory that was not there before: two moves in one second must not meet. */
static int make_old_dir(const struct mu_home *home, time_t now, char ret_old[MU_PATH_LEN],
                        struct mu_error *err)
{
    char date[32], name[64];
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "old-%Y%m%dT%H%M%SZ", &tm);
    for (int n = 1;; n++) {
        snprintf(name, sizeof name, n == 1 ? "%s" : "%s-%d", date, n);
        if (mu_path_join(home->dir, name, ret_old, err) != 0)
            return -1;
        if (mkdir(ret_old, 0700) == 0)
            return 0;
        if (errno != EEXIST)
            return mu_fail_errno(err, MU_E_IO, "cannot make the directory %s", ret_old);
    }
}

static int move_into(const char *old, const char *dir, const char *name, struct mu_error *err)
{
    char from[MU_PATH_LEN], to[MU_PATH_LEN];
    if (mu_path_join(dir, name, from, err) != 0 || mu_path_join(old, name, to, err) != 0)
        return -1;
    if (rename(from, to) != 0 && errno != ENOENT)
        return mu_fail_errno(err, MU_E_IO, "cannot move %s aside to %s", from, to);
    return 0;
}

static void sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

void mu_home_sync(const struct mu_home *home)
{
    sync_dir(home->dir);
}

bool mu_home_is_of_ca(const char *name)
{
    return mu_str_starts_with(name, "ca-") || mu_str_starts_with(name, "ca.") ||
           mu_str_starts_with(name, "root.") || mu_str_starts_with(name, "root-") ||
           mu_str_equal(name, "trust.crt") || mu_str_equal(name, "cross.crt");
}

bool mu_home_is_key(const char *name)
{
    return mu_str_ends_with(name, ".key");
}

int mu_home_list(const struct mu_home *home, bool (*fits)(const char *name), struct mu_strs *ret,
                 struct mu_error *err)
{
    int result = 0;
    DIR *dir = opendir(home->dir);
    if (dir == NULL)
        return mu_fail_errno(err, MU_E_IO, "cannot open the directory %s", home->dir);
    for (struct dirent *entry; result == 0 && (entry = readdir(dir)) != NULL;)
        if (fits(entry->d_name) && !mu_home_is_aside(entry->d_name))
            result = mu_strs_add(ret, entry->d_name);
    closedir(dir);
    return result == 0 ? 0 : mu_fail_nomem(err);
}

/* Responders are made anew by the next CA. */
static bool goes_with_ca(const char *name)
{
    return mu_home_is_of_ca(name) || mu_str_starts_with(name, "ocsp.") ||
           mu_str_starts_with(name, "ocsp-");
}

int mu_home_move_aside(const struct mu_home *home, time_t now, char ret_old[MU_PATH_LEN],
                       struct mu_error *err)
{
    static const char *const names[] = {"store",         "public",        "mutual.db-journal",
                                        "mutual.db-wal", "mutual.db-shm", "mutual.db"};
    MU_AUTO_CLEAR(mu_strs) of_ca = {0};
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_store) store = NULL;
    ret_old[0] = '\0';
    if (mu_home_list(home, goes_with_ca, &of_ca, err) != 0)
        return -1;
    if (of_ca.count == 0 && !has_records(home))
        return 0;
    /* Closed by its last user, a database is one file, its log taken in. One that cannot be opened (damaged, or of
     * a newer mutual) moves as it is, log and all. */
    if (!mu_store_is_postgres(home->db) && is_there(home->db) &&
        mu_store_open(home->db, MU_STORE_WRITE, &store, &ignored) == 0)
        mu_store_close(mu_take(&store));
    if (make_old_dir(home, now, ret_old, err) != 0)
        return -1;
    /* The certificate goes first: without it there is no authority here, and init may be repeated. */
    if (move_into(ret_old, home->dir, "ca.crt", err) != 0)
        return -1;
    for (size_t i = 0; i < of_ca.count; i++)
        if (move_into(ret_old, home->dir, of_ca.at[i], err) != 0)
            return -1;
    for (size_t i = 0; i < MU_COUNT(names); i++)
        if (move_into(ret_old, home->dir, names[i], err) != 0)
            return -1;
    sync_dir(ret_old);
    return 0;
}

static bool is_all_but_the_certificate(const char *name)
{
    return !mu_str_equal(name, "ca.crt");
}

/* Records that have come in the place of others have a log and an index of their own, which are not for those of before. */
static int remove_records(const struct mu_home *home, struct mu_error *err)
{
    static const char *const endings[] = {"-journal", "-wal", "-shm", ""};
    char path[MU_PATH_LEN], name[32];
    for (size_t i = 0; i < MU_COUNT(endings); i++) {
        snprintf(name, sizeof name, "mutual.db%s", endings[i]);
        if (mu_path_join(home->dir, name, path, err) != 0)
            return -1;
        if (unlink(path) != 0 && errno != ENOENT)
            return mu_fail_errno(err, MU_E_IO, "cannot remove %s", path);
    }
    return 0;
}

int mu_home_move_back(const struct mu_home *home, const char *old, struct mu_error *err)
{
    struct mu_home from = {.dir = ""};
    char moved[MU_PATH_LEN];
    MU_AUTO_CLEAR(mu_strs) names = {0};
    mu_str_copy(from.dir, sizeof from.dir, old);
    if (mu_home_list(&from, is_all_but_the_certificate, &names, err) != 0 ||
        mu_path_join(old, "mutual.db", moved, err) != 0)
        return -1;
    /* The database goes last: if it has not gone, then what is here is not new. */
    if (is_there(moved) && remove_records(home, err) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (move_into(home->dir, old, names.at[i], err) != 0)
            return -1;
    if (move_into(home->dir, old, "ca.crt", err) != 0)
        return -1;
    rmdir(old);
    sync_dir(home->dir);
    return 0;
}

int mu_home_make_way(const struct mu_home *home, const char *name, time_t now,
                     char ret_old[MU_PATH_LEN], struct mu_error *err)
{
    char path[MU_PATH_LEN];
    if (mu_path_join(home->dir, name, path, err) != 0)
        return -1;
    if (!is_there(path))
        return 0;
    if (*ret_old == '\0' && make_old_dir(home, now, ret_old, err) != 0)
        return -1;
    return move_into(ret_old, home->dir, name, err);
}
