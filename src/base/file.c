#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/str.h"
#include "base/swap.h"

/* errno of a failed open, as the code that tells a person most. */
static enum mu_code code_of_errno(int e)
{
    return e == ENOENT || e == ENOTDIR ? MU_E_NOT_FOUND : e == EEXIST ? MU_E_EXISTS : MU_E_IO;
}

static int read_all(int fd, const char *path, size_t limit, struct mu_buf *ret, struct mu_error *err)
{
    /* Most files here are smaller, and what may be a secret is wiped by its room. */
    enum { PIECE_LEN = 4095 };
    for (;;) {
        bool has_room = ret->cap > ret->len + 1;
        char *end = mu_buf_reserve(ret, has_room ? 1 : PIECE_LEN);
        if (end == NULL)
            return mu_fail_nomem(err);
        ssize_t n = read(fd, end, ret->cap - ret->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mu_fail_errno(err, errno == EISDIR ? MU_E_WRONG_KIND : MU_E_IO,
                                 errno == EISDIR ? "%s is a directory, not a file"
                                                 : "cannot read %s",
                                 path);
        if (n == 0)
            return 0;
        ret->len += (size_t)n;
        ret->data[ret->len] = '\0';
        if (ret->len > limit)
            return mu_fail(err, MU_E_TOO_LARGE,
                           "%s is larger than %zu bytes, too large for its kind", path, limit);
    }
}

int mu_file_read(const char *path, size_t limit, struct mu_buf *ret, struct mu_error *err)
{
    if (mu_str_equal(path, "-"))
        return read_all(STDIN_FILENO, "standard input", limit, ret, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return mu_fail_errno(err, code_of_errno(errno), "cannot read %s", path);
    int result = read_all(fd, path, limit, ret, err);
    close(fd);
    return result;
}

/*
 * A file in waiting. With O_TMPFILE it has no name until it is linked in, so a process that is killed
 * leaves nothing behind; filesystems without it get a hidden name beside the target.
 */
struct mu_staged {
    struct mu_staged *next;
    char *path;
    char *temp_path; /* NULL while the file has no name */
    int fd;
    dev_t filesystem;
    bool in_place;
    bool replaced_nothing;
};

/* A hidden name beside the target that nobody else uses: not made from the target's own, which may be as long as a
 * name can be. */
static char *temp_path_for(const char *path)
{
    char name[MU_HIDDEN_LEN], *temp = NULL;
    const char *slash = strrchr(path, '/');
    size_t dir_len = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (mu_hidden_name(name) != 0 || asprintf(&temp, "%.*s%s", (int)dir_len, path, name) < 0)
        return NULL;
    return temp;
}

static int open_dir_of(const char *path, int flags, mode_t mode)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL   ? strdup(".")
                : slash == path ? strdup("/")
                                : strndup(path, (size_t)(slash - path));
    if (dir == NULL)
        return -1;
    int fd = open(dir, flags | O_CLOEXEC, mode);
    int saved = errno;
    free(dir);
    errno = saved;
    return fd;
}

static int open_staged(struct mu_staged *file, mode_t mode)
{
    /* The file gets its name through /proc later, so without /proc (a bare chroot) it needs one now. */
    static int has_proc = -1;
    if (has_proc < 0)
        has_proc = access("/proc/self/fd", X_OK) == 0;
    if (has_proc)
        file->fd = open_dir_of(file->path, O_TMPFILE | O_WRONLY, mode);
    else
        errno = EOPNOTSUPP;
    if (file->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return file->fd;
    file->temp_path = temp_path_for(file->path);
    if (file->temp_path == NULL)
        return -1;
    file->fd = open(file->temp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    return file->fd;
}

int mu_write_all(int fd, const void *from, size_t len)
{
    const char *data = from;
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int mu_stage_check(const struct mu_stage *stage, const char *path, struct mu_error *err)
{
    struct stat there;
    if (lstat(path, &there) != 0)
        return 0;
    if (S_ISDIR(there.st_mode))
        return mu_fail(err, MU_E_WRONG_KIND, "cannot write %s: it is a directory", path);
    if (!stage->replace)
        return mu_fail(err, MU_E_EXISTS, "%s exists already and is left as it is", path);
    return 0;
}

/* The new file is whose the old one was, and opens to whom it did. Returns its mode. A group that cannot be kept gets
 * no rights, as it would be another one. */
static mode_t take_after(const struct mu_staged *file, mode_t mode)
{
    static const char acl_name[] = "system.posix_acl_access";
    struct stat old;
    char acl[4096];
    if (stat(file->path, &old) != 0)
        return mode;
    mode_t kept = old.st_mode & ((mode & S_IRWXO) == 0 ? 0770 : 0777);
    if (fchown(file->fd, old.st_uid, old.st_gid) != 0 &&
        fchown(file->fd, (uid_t)-1, old.st_gid) != 0)
        return kept & ~(mode_t)S_IRWXG;
    ssize_t len = getxattr(file->path, acl_name, acl, sizeof acl);
    if (len > 0 && fsetxattr(file->fd, acl_name, acl, (size_t)len, 0) != 0)
        return kept &
               ~(mode_t)S_IRWXG; /* with a list, these bits are not the group's: they bound the list */
    return kept;
}

int mu_stage_open(struct mu_stage *stage, const char *path, mode_t mode, int *ret_fd,
                  struct mu_error *err)
{
    if (mu_stage_check(stage, path, err) != 0)
        return -1;
    struct mu_staged *file = calloc(1, sizeof *file);
    if (file == NULL)
        return mu_fail_nomem(err);
    file->fd = -1;
    struct mu_staged **last = &stage->first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = file; /* from here on mu_stage_clear() cleans up */
    file->path = strdup(path);
    if (file->path == NULL)
        return mu_fail_nomem(err);
    struct stat opened;
    if (open_staged(file, stage->keep ? 0600 : mode) < 0) /* what is kept may be narrower */
        return mu_fail_errno(err, code_of_errno(errno), "cannot write %s", path);
    if (fstat(file->fd, &opened) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot write %s", path);
    file->filesystem = opened.st_dev;
    /* What was asked for at the opening is there already, unless the umask took of it. */
    if ((stage->keep || (opened.st_mode & 07777) != mode) &&
        fchmod(file->fd, stage->keep ? take_after(file, mode) : mode) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot write %s", path);
    *ret_fd = file->fd;
    return 0;
}

int mu_stage_add(struct mu_stage *stage, const char *path, const void *data, size_t len,
                 mode_t mode, struct mu_error *err)
{
    int fd;
    if (mu_stage_open(stage, path, mode, &fd, err) != 0)
        return -1;
    if (mu_write_all(fd, data, len) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot write %s", path);
    return 0;
}

int mu_stage_copy(struct mu_stage *stage, const char *path, const char *from, mode_t mode,
                  struct mu_error *err)
{
    char piece[65536];
    int to;
    ssize_t n = 0;
    if (mu_stage_open(stage, path, mode, &to, err) != 0)
        return -1;
    int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return mu_fail_errno(err, code_of_errno(errno), "cannot read %s", from);
    bool written = true;
    while (written && ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)))
        written = n < 0 || mu_write_all(to, piece, (size_t)n) == 0;
    int result = !written ? mu_fail_errno(err, MU_E_IO, "cannot write %s", path)
                 : n < 0  ? mu_fail_errno(err, MU_E_IO, "cannot read %s", from)
                          : 0;
    explicit_bzero(piece, sizeof piece); /* whatever it was */
    close(fd);
    return result;
}

/* Give a file without a name the name `name`. */
static int link_in(const struct mu_staged *file, const char *name)
{
    char self[64];
    /* The shorter way is open to some only: root, and on newer kernels whoever has opened the file. */
    int result = linkat(file->fd, "", AT_FDCWD, name, AT_EMPTY_PATH);
    if (result == 0 || errno != ENOENT)
        return result;
    snprintf(self, sizeof self, "/proc/self/fd/%d", file->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* Move into place where nothing may be there: link(2) fails with EEXIST by itself, without a race. */
static int place_new(struct mu_staged *file)
{
    if (file->temp_path == NULL)
        return link_in(file, file->path);
    if (link(file->temp_path, file->path) != 0)
        return -1;
    unlink(file->temp_path);
    return 0;
}

static int place_over(struct mu_staged *file)
{
    if (file->temp_path == NULL) {
        file->temp_path = temp_path_for(file->path);
        if (file->temp_path == NULL || link_in(file, file->temp_path) != 0)
            return -1;
    }
    return rename(file->temp_path, file->path);
}

static int place(struct mu_staged *file, bool replace)
{
    /* Try the careful way first, even with --force: then a failure later can be taken back. */
    if (place_new(file) == 0) {
        file->replaced_nothing = true;
    } else if (errno != EEXIST || !replace || place_over(file) != 0) {
        return -1;
    }
    file->in_place = true;
    return 0;
}

/* The names, too, should survive a power cut; not every filesystem can. */
static void sync_dir_of(const char *path)
{
    int dir = open_dir_of(path, O_RDONLY | O_DIRECTORY, 0);
    if (dir >= 0) {
        fsync(dir);
        close(dir);
    }
}

static bool same_dir(const char *a, const char *b)
{
    const char *end_a = strrchr(a, '/'), *end_b = strrchr(b, '/');
    size_t len_a = end_a == NULL ? 0 : (size_t)(end_a - a) + 1;
    size_t len_b = end_b == NULL ? 0 : (size_t)(end_b - b) + 1;
    return len_a == len_b && memcmp(a, b, len_a) == 0;
}

static int fail_place(const struct mu_staged *file, struct mu_error *err)
{
    return mu_fail_errno(err, code_of_errno(errno), "cannot put %s in place", file->path);
}

static int place_each(struct mu_stage *stage, struct mu_error *err)
{
    for (struct mu_staged *file = stage->first; file != NULL; file = file->next) {
        if (place(file, stage->replace) == 0)
            continue;
        fail_place(file, err);
        for (struct mu_staged *done = stage->first; done != file; done = done->next)
            if (done->replaced_nothing)
                unlink(done->path);
        return -1;
    }
    return 0;
}

/* Each new file gets its hidden name, which the swap knows of before. */
static int name_new(struct mu_swap *swap, struct mu_stage *stage, struct mu_error *err)
{
    size_t i = 0;
    for (struct mu_staged *file = stage->first; file != NULL; file = file->next) {
        bool named = file->temp_path != NULL;
        if (!named)
            file->temp_path = temp_path_for(file->path);
        if (file->temp_path == NULL)
            return mu_fail_nomem(err);
        if (mu_swap_next(swap, i++, file->temp_path) != 0 ||
            (!named && link_in(file, file->temp_path) != 0))
            return fail_place(file, err);
    }
    return 0;
}

/* All at once, in a way that leaves the old files or the new, and never some of each. */
static int place_all(struct mu_stage *stage, struct mu_error *err)
{
    struct mu_staged *last = stage->first;
    while (last->next != NULL)
        last = last->next;
    MU_AUTO_CLEAR(mu_swap) swap = MU_SWAP_INIT;
    if (mu_swap_open(last->path, &swap, err) != 0)
        return -1;
    for (struct mu_staged *file = stage->first; file != NULL; file = file->next) {
        if (mu_swap_add(&swap, file->path) == 0)
            continue;
        /* Without links (FAT), one after the other is the best that can be had. */
        return mu_swap_is_impossible(errno) ? place_each(stage, err) : fail_place(file, err);
    }
    if (name_new(&swap, stage, err) != 0)
        return -1;
    if (mu_swap_run(&swap) != 0)
        return fail_place(last, err);
    for (struct mu_staged *file = stage->first; file != NULL; file = file->next)
        file->in_place = true;
    return 0;
}

/* Each place only once, one after the other. */
static void sync_dirs(const struct mu_stage *stages, size_t count)
{
    const char *last = NULL;
    for (size_t i = 0; i < count; i++)
        for (const struct mu_staged *file = stages[i].first; file != NULL; file = file->next) {
            if (!file->in_place || (last != NULL && same_dir(last, file->path)))
                continue;
            sync_dir_of(file->path);
            last = file->path;
        }
}

/* Many files are on the disk sooner when all of their filesystem is, which one call sees to. */
static int sync_file(const struct mu_staged *file, bool one_of_many, const struct mu_staged **last)
{
    if (!one_of_many)
        return fsync(file->fd);
    if (*last != NULL && (*last)->filesystem == file->filesystem)
        return 0;
    *last = file;
    return syncfs(file->fd);
}

static int sync_files(const struct mu_stage *stages, size_t count, struct mu_error *err)
{
    enum { FEW = 8 };
    const struct mu_staged *last = NULL;
    for (size_t i = 0; i < count; i++)
        for (const struct mu_staged *file = stages[i].first; file != NULL; file = file->next)
            if (sync_file(file, count > FEW, &last) != 0)
                return mu_fail_errno(err, MU_E_IO, "cannot write %s", file->path);
    return 0;
}

static int place_stage(struct mu_stage *stage, struct mu_error *err)
{
    bool over = stage->replace && !stage->apart && stage->first != NULL;
    if (over && stage->first->next != NULL)
        return place_all(stage, err);
    if (over && mu_swap_settle(stage->first->path, err) != 0)
        return -1;
    return place_each(stage, err);
}

int mu_stage_commit_each(struct mu_stage *stages, size_t count, struct mu_error *ret_whys,
                         struct mu_error *err)
{
    /* All of them are on the disk before the first one gets its name. */
    if (sync_files(stages, count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        stages[i].placed = place_stage(&stages[i], &ret_whys[i]) == 0;
    sync_dirs(stages, count);
    return 0;
}

int mu_stage_commit(struct mu_stage *stage, struct mu_error *err)
{
    return mu_stage_commit_each(stage, 1, err, err) == 0 && stage->placed ? 0 : -1;
}

void mu_stage_clear(struct mu_stage *stage)
{
    while (stage->first != NULL) {
        struct mu_staged *file = stage->first;
        stage->first = file->next;
        if (file->fd >= 0)
            close(file->fd);
        if (file->temp_path != NULL && !file->in_place)
            unlink(file->temp_path);
        free(file->temp_path);
        free(file->path);
        free(file);
    }
}

int mu_file_write(const char *path, const void *data, size_t len, mode_t mode, bool replace,
                  struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = replace};
    if (mu_stage_add(&stage, path, data, len, mode, err) != 0)
        return -1;
    return mu_stage_commit(&stage, err);
}

int mu_dir_make(const char *path, mode_t mode, struct mu_error *err)
{
    char partial[MU_PATH_LEN];
    if (!mu_str_copy(partial, sizeof partial, path))
        return mu_fail(err, MU_E_USAGE, "the path of the directory is longer than %d bytes",
                       MU_PATH_LEN - 1);
    for (char *p = partial + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char kept = *p;
        *p = '\0';
        struct stat there;
        if (mkdir(partial, mode) != 0 &&
            (errno != EEXIST || stat(partial, &there) != 0 || !S_ISDIR(there.st_mode))) {
            if (errno == EEXIST)
                errno = ENOTDIR;
            return mu_fail_errno(err, MU_E_IO, "cannot make the directory %s", partial);
        }
        *p = kept;
        if (kept == '\0')
            return 0;
    }
}

bool mu_is_dir(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && S_ISDIR(there.st_mode);
}

int mu_path_join(const char *dir, const char *name, char ret[MU_PATH_LEN], struct mu_error *err)
{
    int len = snprintf(ret, MU_PATH_LEN, "%s/%s", dir, name);
    if (len < 0 || len >= MU_PATH_LEN)
        return mu_fail(err, MU_E_USAGE, "the path %.200s.../%.100s is too long", dir, name);
    return 0;
}

void mu_file_name(const char *name, char ret[MU_FILE_NAME_LEN])
{
    const size_t len = mu_str_fit(name, MU_FILE_NAME_LEN - 1);
    memcpy(ret, name, len);
    ret[len] = '\0';
    for (char *p = ret; *p != '\0'; p++)
        if (strchr("/\\:*?\"<>|", *p) != NULL)
            *p = '_';
    if (ret[0] == '.' || ret[0] == '-')
        ret[0] = '_';
}
