#include "base/swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

/* How long those who opened a name while it was a link have to come through. */
enum { GRACE_NS = 3 * 1000 * 1000 };

enum { HASH_DIGITS = 16 }; /* of the hash in a directory's name */

/* The directories of records: each entry leads to a hidden file, and goes when that has gone. */
static const char *const versions[] = {"old", "new", "link"};

int mu_hidden_name(char ret[MU_HIDDEN_LEN])
{
    unsigned char random[6];
    char hex[3 * sizeof random + 1];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -1;
    snprintf(ret, MU_HIDDEN_LEN, ".mutual-%s.tmp", mu_str_hex(random, sizeof random, '\0', hex));
    return 0;
}

/* --- Names --- */

static size_t dir_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static const char *base_of(const char *path)
{
    return path + dir_len(path);
}

/* The directory of `path`, without any link in it. NULL with errno. Free it. */
static char *real_dir(const char *path)
{
    size_t len = dir_len(path);
    char *dir = len == 0 ? strdup(".") : strndup(path, len);
    char *real = dir == NULL ? NULL : realpath(dir, NULL);
    int saved = errno;
    free(dir);
    errno = saved;
    return real;
}

/* The directory that a swap of `path` uses: always the same for the same file. The file's own name may be as long as a
 * name can be, so a hash stands in for it; two that share one would only wait for each other. [FNV-1a] */
static char *swap_path(const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char *ret = NULL;
    for (const char *p = base_of(path); *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    if (asprintf(&ret, "%.*s.mutual-%0*jx", (int)dir_len(path), path, HASH_DIGITS,
                 (uintmax_t)hash) < 0)
        return NULL;
    return ret;
}

/* readlink(2), with a NUL. What does not fit is no link of ours. */
static int read_link(int dir, const char *name, char ret[MU_PATH_LEN])
{
    ssize_t len = readlinkat(dir, name, ret, MU_PATH_LEN);
    if (len == MU_PATH_LEN)
        errno = ENAMETOOLONG;
    if (len < 0 || len == MU_PATH_LEN)
        return -1;
    ret[len] = '\0';
    return 0;
}

/* How `path` is called from `depth` directories below where the swap's own lies. Free it. NULL with errno. */
static char *name_from(const struct mu_swap *swap, const char *path, int depth)
{
    char *real = real_dir(path), *ret = NULL;
    if (real == NULL)
        return NULL;
    bool beside = mu_str_equal(real, swap->home);
    int len = asprintf(&ret, "%s%s%s", beside ? depth == 2 ? "../.." : ".." : real,
                       beside || !mu_str_equal(real, "/") ? "/" : "", base_of(path));
    free(real);
    return len < 0 ? NULL : ret;
}

/* What `i`'s name leads to while the swap is under way. Free it. NULL with errno. */
static char *link_text(const struct mu_swap *swap, const char *path, size_t i)
{
    char *real = real_dir(path), *ret = NULL;
    if (real == NULL)
        return NULL;
    bool beside = mu_str_equal(real, swap->home);
    int len = asprintf(&ret, "%s%s%s/now/%zu", beside ? "" : swap->home,
                       beside || mu_str_equal(swap->home, "/") ? "" : "/", swap->name, i);
    free(real);
    return len < 0 ? NULL : ret;
}

/* Is the file at `path` (seen from `dir`) such a link to the swap called `name`, for file `i`? */
static bool is_link_of(int dir, const char *path, const char *name, size_t i)
{
    char text[MU_PATH_LEN], end[MU_HIDDEN_LEN + 16];
    snprintf(end, sizeof end, "%s/now/%zu", name, i);
    if (read_link(dir, path, text) != 0 || !mu_str_ends_with(text, end))
        return false;
    size_t before = strlen(text) - strlen(end);
    return before == 0 || text[before - 1] == '/';
}

/* --- Records --- */

static void entry_name(size_t i, char ret[2])
{
    ret[0] = (char)('0' + i);
    ret[1] = '\0';
}

static int open_version(int dir, const char *version)
{
    return openat(dir, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* In `version`, note that the i-th file has the hidden name `path`. */
static int record(struct mu_swap *swap, const char *version, size_t i, const char *path)
{
    char entry[2];
    entry_name(i, entry);
    int at = open_version(swap->dir, version);
    char *target = at < 0 ? NULL : name_from(swap, path, 2);
    int result = target == NULL ? -1 : symlinkat(target, at, entry);
    int saved = errno;
    free(target);
    if (at >= 0)
        close(at);
    errno = saved;
    return result;
}

/* The same with a new name beside `path`. */
static int record_hidden(struct mu_swap *swap, const char *version, size_t i, const char *path)
{
    char name[MU_HIDDEN_LEN], *hidden = NULL;
    if (mu_hidden_name(name) != 0 || asprintf(&hidden, "%.*s%s", (int)dir_len(path), path, name) < 0)
        return -1;
    int result = record(swap, version, i, hidden);
    free(hidden);
    return result;
}

/* The directory `version`, and the i-th file's hidden name as seen from there. Returns the directory, or -1. */
static int open_record(int dir, const char *version, size_t i, char ret[MU_PATH_LEN])
{
    char entry[2];
    entry_name(i, entry);
    int at = open_version(dir, version);
    if (at >= 0 && read_link(at, entry, ret) != 0) {
        int saved = errno;
        close(at);
        errno = saved;
        return -1;
    }
    return at;
}

/* --- What was begun is taken back or finished --- */

static void sync_dir_of(int dir, const char *path)
{
    char parent[MU_PATH_LEN];
    size_t len = dir_len(path);
    if (len == 0 || len >= sizeof parent)
        return;
    memcpy(parent, path, len);
    parent[len] = '\0';
    int at = openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return; /* one may write to a directory that one may not read */
    fsync(at);  /* not every file system can */
    close(at);
}

/* The directories of all files are on the disk, and ours. */
static void sync_all(int dir)
{
    char path[MU_PATH_LEN], entry[2];
    for (size_t i = 0; i < MU_COUNT(versions); i++) {
        int at = open_version(dir, versions[i]);
        if (at >= 0) {
            fsync(at);
            close(at);
        }
    }
    fsync(dir);
    sync_dir_of(dir, "../x");
    for (size_t i = 0; i < MU_SWAP_MAX; i++) {
        entry_name(i, entry);
        if (read_link(dir, entry, path) == 0 && !mu_str_starts_with(path, "../"))
            sync_dir_of(dir, path);
    }
}

/* The second name that a hidden file has for a moment. */
static void second_name(const char *hidden, char ret[MU_PATH_LEN + 2])
{
    snprintf(ret, MU_PATH_LEN + 2, "%s~", hidden);
}

/* The hidden file `from` takes the place of the link `to`, and keeps its hidden name: whoever is on the way along the
 * link at this moment must still arrive. Without hard links it is moved. */
static int put_in_place(int at, const char *from, int dir, const char *to)
{
    char second[MU_PATH_LEN + 2];
    second_name(from, second);
    if (linkat(at, from, at, second, 0) != 0 && errno == EEXIST) {
        unlinkat(at, second, 0);
        errno = linkat(at, from, at, second, 0) == 0 ? 0 : errno;
    }
    return renameat(at, faccessat(at, second, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? second : from, dir,
                    to);
}

/* Where the i-th name is still a link of ours, it becomes the file itself that it leads to. One that leads nowhere
 * had no file before. */
static int settle_name(int dir, const char *name, const char *version, size_t i)
{
    char entry[2], path[MU_PATH_LEN], hidden[MU_PATH_LEN];
    entry_name(i, entry);
    if (read_link(dir, entry, path) != 0 || !is_link_of(dir, path, name, i))
        return 0;
    int at = open_record(dir, version, i, hidden);
    if (at < 0)
        return -1;
    int result = put_in_place(at, hidden, dir, path);
    int saved = errno;
    close(at);
    if (result != 0 && saved == ENOENT && mu_str_equal(version, "old"))
        return unlinkat(dir, path, 0);
    errno = saved;
    return result;
}

/* The hidden files of one version, then the records of them. */
static void clean_version(int dir, const char *version)
{
    char hidden[MU_PATH_LEN], second[MU_PATH_LEN + 2], entry[2];
    for (size_t i = 0; i < MU_SWAP_MAX; i++) {
        int at = open_record(dir, version, i, hidden);
        if (at < 0)
            continue;
        entry_name(i, entry);
        second_name(hidden, second);
        unlinkat(at, second, 0);
        if (unlinkat(at, hidden, 0) == 0 || errno == ENOENT)
            unlinkat(at, entry, 0);
        close(at);
    }
    unlinkat(dir, version, AT_REMOVEDIR);
}

/* Without `now`, no name has been changed yet, or all have been changed back. */
static int settle(int dir, const char *name)
{
    char now[MU_PATH_LEN], entry[2];
    bool under_way = read_link(dir, "now", now) == 0;
    for (size_t i = 0; under_way && i < MU_SWAP_MAX; i++)
        if (settle_name(dir, name, now, i) != 0)
            return -1;
    if (under_way)
        sync_all(dir); /* nothing is removed that would still be needed after a power cut */
    if (under_way)
        nanosleep(&(struct timespec){.tv_nsec = GRACE_NS}, NULL);
    unlinkat(dir, "now", 0);
    unlinkat(dir, "next", 0);
    for (size_t i = 0; i < MU_COUNT(versions); i++)
        clean_version(dir, versions[i]);
    for (size_t i = 0; i < MU_SWAP_MAX; i++) {
        entry_name(i, entry);
        unlinkat(dir, entry, 0);
    }
    return 0;
}

/* --- One at a time --- */

/* Whoever made the directory may tell us to move files: it has to be one of ours. */
static bool is_trusted(const struct stat *st)
{
    return st->st_uid == geteuid() && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Open and lock it, and make sure that it still has its name then. With `make`, it is made when it is not there.
 * -1 with errno: ENOENT without `make`, EACCES when it is somebody else's. */
static int open_locked(const char *path, bool make)
{
    for (;;) {
        struct stat held, named;
        if (make && mkdir(path, 0755) != 0 && errno != EEXIST)
            return -1;
        int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0 && errno == ENOENT && make)
            continue; /* it was removed at this moment */
        if (dir < 0)
            return -1;
        while (flock(dir, LOCK_EX) != 0 && errno == EINTR)
            continue; /* a file system that knows no locks is no reason to refuse: each step by itself is safe */
        bool same = fstat(dir, &held) == 0 && lstat(path, &named) == 0 &&
                    held.st_dev == named.st_dev && held.st_ino == named.st_ino;
        if (same && is_trusted(&held))
            return dir;
        close(dir);
        if (same) {
            errno = EACCES;
            return -1;
        }
    }
}

static int fail(const char *path, const char *dir, struct mu_error *err)
{
    if (errno != EACCES)
        return mu_fail_errno(err, MU_E_IO, "cannot change %s", path);
    mu_fail_errno(err, MU_E_IO, "cannot change %s: %s may be what another user's change has left",
                  path, dir);
    return mu_hint(err, "change it as the user who owns that directory");
}

int mu_swap_open(const char *path, struct mu_swap *ret, struct mu_error *err)
{
    ret->path = swap_path(path);
    if (ret->path == NULL)
        return mu_fail_nomem(err);
    ret->name = base_of(ret->path);
    ret->home = real_dir(path);
    if (ret->home == NULL)
        return fail(path, ret->path, err);
    ret->dir = open_locked(ret->path, true);
    if (ret->dir < 0 || settle(ret->dir, ret->name) != 0)
        return fail(path, ret->path, err);
    /* Whoever may read the files has to come through here, whatever the umask says. */
    if (fchmod(ret->dir, 0755) != 0)
        return fail(path, ret->path, err);
    for (size_t i = 0; i < MU_COUNT(versions); i++) {
        if (mkdirat(ret->dir, versions[i], 0755) != 0)
            return fail(path, ret->path, err);
        int at = open_version(ret->dir, versions[i]);
        int result = at < 0 ? -1 : fchmod(at, 0755);
        if (at >= 0)
            close(at);
        if (result != 0)
            return fail(path, ret->path, err);
    }
    return 0;
}

void mu_swap_close(struct mu_swap *swap)
{
    if (swap->dir >= 0) {
        if (settle(swap->dir, swap->name) == 0)
            rmdir(swap->path);
        close(swap->dir);
    }
    free(swap->path);
    free(swap->home);
    *swap = (struct mu_swap)MU_SWAP_INIT;
}

/* `path` is what is told of where it fails. */
static int settle_left(const char *dir_path, const char *path, struct mu_error *err)
{
    struct stat there;
    int result = 0;
    if (lstat(dir_path, &there) != 0)
        return 0;
    int dir = open_locked(dir_path, false);
    if (dir >= 0 && settle(dir, base_of(dir_path)) == 0)
        rmdir(dir_path);
    else if (errno != ENOENT)
        result = fail(path, dir_path, err);
    if (dir >= 0)
        close(dir);
    return result;
}

int mu_swap_settle(const char *path, struct mu_error *err)
{
    char *dir_path = swap_path(path);
    if (dir_path == NULL)
        return mu_fail_nomem(err);
    int result = settle_left(dir_path, path, err);
    free(dir_path);
    return result;
}

/* Is it what swap_path() calls a directory? */
static bool is_swap_name(const char *name)
{
    static const char start[] = ".mutual-";
    return mu_str_starts_with(name, start) &&
           strspn(name + strlen(start), "0123456789abcdef") == HASH_DIGITS &&
           strlen(name) == strlen(start) + HASH_DIGITS;
}

int mu_swap_settle_all(const char *dir, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    int result = 0;
    DIR *at = opendir(dir);
    if (at == NULL)
        return mu_fail_errno(err, MU_E_IO, "cannot open the directory %s", dir);
    for (struct dirent *entry; result == 0 && (entry = readdir(at)) != NULL;)
        if (is_swap_name(entry->d_name))
            result =
                mu_path_join(dir, entry->d_name, path, err) != 0 ? -1 : settle_left(path, dir, err);
    closedir(at);
    return result;
}

/* --- Changing over --- */

bool mu_swap_is_impossible(int e)
{
    return e == EPERM || e == EOPNOTSUPP || e == ENOSYS || e == EMLINK;
}

/* Give the file that is at `path`, if there is one, its second name. */
static int keep_old(struct mu_swap *swap, size_t i, const char *path)
{
    char hidden[MU_PATH_LEN];
    int at = open_record(swap->dir, "old", i, hidden);
    if (at < 0)
        return -1;
    int result = linkat(AT_FDCWD, path, at, hidden, 0);
    int saved = errno;
    close(at);
    errno = saved;
    return result != 0 && errno == ENOENT ? 0 : result;
}

static int make_link(struct mu_swap *swap, size_t i, const char *path)
{
    char hidden[MU_PATH_LEN];
    int at = open_record(swap->dir, "link", i, hidden);
    char *text = at < 0 ? NULL : link_text(swap, path, i);
    int result = text == NULL ? -1 : symlinkat(text, at, hidden);
    int saved = errno;
    free(text);
    if (at >= 0)
        close(at);
    errno = saved;
    return result;
}

/* Each hidden name is noted before there is a file of that name: what is noted can be removed. */
int mu_swap_add(struct mu_swap *swap, const char *path)
{
    char entry[2];
    size_t i = swap->count;
    if (i == MU_SWAP_MAX) {
        errno = EMLINK;
        return -1;
    }
    entry_name(i, entry);
    char *target = name_from(swap, path, 1);
    int result = target == NULL ? -1 : symlinkat(target, swap->dir, entry);
    int saved = errno;
    free(target);
    errno = saved;
    if (result != 0 || record_hidden(swap, "old", i, path) != 0 ||
        record_hidden(swap, "link", i, path) != 0 || keep_old(swap, i, path) != 0 ||
        make_link(swap, i, path) != 0)
        return -1;
    swap->count++;
    return 0;
}

int mu_swap_next(struct mu_swap *swap, size_t i, const char *path)
{
    return record(swap, "new", i, path);
}

/* From here on the i-th name leads to its file by way of `now`. */
static int point(struct mu_swap *swap, size_t i)
{
    char entry[2], path[MU_PATH_LEN], hidden[MU_PATH_LEN];
    entry_name(i, entry);
    if (read_link(swap->dir, entry, path) != 0)
        return -1;
    int at = open_record(swap->dir, "link", i, hidden);
    if (at < 0)
        return -1;
    int result = renameat(at, hidden, swap->dir, path);
    int saved = errno;
    close(at);
    errno = saved;
    return result;
}

int mu_swap_run(struct mu_swap *swap)
{
    if (symlinkat("old", swap->dir, "now") != 0)
        return -1;
    sync_all(swap->dir);
    for (size_t i = 0; i < swap->count; i++)
        if (point(swap, i) != 0)
            return -1;
    if (symlinkat("new", swap->dir, "next") != 0)
        return -1;
    sync_all(swap->dir);
    if (renameat(swap->dir, "next", swap->dir, "now") != 0)
        return -1;
    fsync(swap->dir);
    return 0;
}
