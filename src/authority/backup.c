#include "authority/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "authority/audit.h"
#include "authority/authority.h"
#include "base/time.h"
#include "pki/object.h"
#include "pki/seal.h"

#define SETTING "backup" /* "AT SEQ": when it was made, and the last entry of the trail then */
#define WORK_BACKUP "backup.tmp"
#define WORK_RESTORE "restore.tmp"
#define PACKED "mutual.db.packed" /* no file of a backup is called so */

void mu_backup_made_clear(struct mu_backup_made *made)
{
    mu_strs_clear(&made->files);
    mu_strs_clear(&made->left_out);
    mu_strs_clear(&made->keys_open);
}

void mu_restored_clear(struct mu_restored *restored)
{
    mu_cert_free(restored->cert);
}

/* The records are copied as a database, and `store` would say that they are elsewhere; the lists in public/ are made
 * anew. */
static bool is_left_out_always(const char *name)
{
    return mu_home_is_aside(name) || mu_str_starts_with(name, "mutual.db") ||
           mu_str_equal(name, "store") || mu_str_equal(name, "public");
}

/* --- When --- */

struct mark {
    time_t at;
    int64_t seq;
};

static int set_mark(struct mu_store *store, time_t now, struct mu_error *err)
{
    char text[64], hash[MU_HASH_LEN + 1];
    int64_t seq;
    if (mu_store_trail_tip(store, &seq, hash, err) != 0)
        return -1;
    snprintf(text, sizeof text, "%" PRId64 " %" PRId64, (int64_t)now, seq);
    return mu_store_set(store, SETTING, text, err);
}

static int get_mark(struct mu_store *store, struct mark *ret, struct mu_error *err)
{
    char text[64], *end;
    *ret = (struct mark){.at = 0};
    if (mu_store_setting(store, SETTING, text, sizeof text, err) != 0)
        return -1;
    ret->at = (time_t)strtoll(text, &end, 10);
    ret->seq = strtoll(end, NULL, 10);
    return 0;
}

int mu_backup_last(struct mu_store *store, time_t *ret_at, int64_t *ret_since, struct mu_error *err)
{
    struct mark mark;
    char hash[MU_HASH_LEN + 1];
    int64_t tip;
    if (get_mark(store, &mark, err) != 0 || mu_store_trail_tip(store, &tip, hash, err) != 0)
        return -1;
    *ret_at = mark.at;
    *ret_since = tip - mark.seq;
    return 0;
}

/* --- Into one file --- */

struct packing {
    const struct mu_home *home;
    struct mu_backup_made *made;
    time_t now;
};

/* Is it a file that belongs into the backup? */
static int judge_entry(const struct packing *p, const char *name, const char *path, bool *ret,
                       mode_t *ret_mode, struct mu_error *err)
{
    struct stat st;
    *ret = false;
    if (is_left_out_always(name))
        return 0;
    if (stat(path, &st) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot read %s", path);
    *ret = S_ISREG(st.st_mode) && st.st_size <= (off_t)MU_FILE_LIMIT;
    *ret_mode = st.st_mode & 0777;
    return mu_strs_add(*ret ? &p->made->files : &p->made->left_out, name) == 0 ? 0
                                                                               : mu_fail_nomem(err);
}

/* What kind of key is in this file? MU_OBJECT_OTHER where it is none of the CA's keys. */
static enum mu_object_kind key_kind(const char *name, const struct mu_buf *data)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (!mu_home_is_of_ca(name) || !mu_home_is_key(name) ||
        mu_objects_parse(name, mu_buf_str(data), data->len, &objects, &ignored) != 0)
        return MU_OBJECT_OTHER;
    return objects.at[0].kind;
}

static int pack_entry(struct mu_store *copy, struct packing *p, const char *name,
                      struct mu_error *err)
{
    char path[MU_PATH_LEN];
    bool belongs;
    struct mu_store_file file = {.name = name};
    MU_AUTO_CLEAR(mu_buf) data = MU_BUF_INIT_SECRET;
    if (mu_path_join(p->home->dir, name, path, err) != 0 ||
        judge_entry(p, name, path, &belongs, &file.mode, err) != 0)
        return -1;
    if (!belongs)
        return 0;
    if (mu_file_read(path, MU_FILE_LIMIT, &data, err) != 0)
        return -1;
    enum mu_object_kind kind = key_kind(name, &data);
    if (kind == MU_OBJECT_KEY && mu_strs_add(&p->made->keys_open, name) != 0)
        return mu_fail_nomem(err);
    p->made->key_in_token =
        p->made->key_in_token || (kind == MU_OBJECT_TOKEN_KEY && mu_str_equal(name, "ca.key"));
    file.data = mu_buf_str(&data);
    file.len = data.len;
    return mu_store_file_add(copy, &file, err);
}

static int pack(struct mu_store *copy, void *arg, struct mu_error *err)
{
    struct packing *p = arg;
    DIR *dir = opendir(p->home->dir);
    if (dir == NULL)
        return mu_fail_errno(err, MU_E_IO, "cannot open the directory %s", p->home->dir);
    int result = set_mark(copy, p->now, err);
    for (struct dirent *entry; result == 0 && (entry = readdir(dir)) != NULL;)
        result = pack_entry(copy, p, entry->d_name, err);
    closedir(dir);
    return result;
}

/* The home's files are read behind the records, so that a revocation list may be newer than what the records know:
 * that does no harm, because its number never comes again. */
static int make_copy(struct packing *p, struct mu_store *store, const char *path,
                     struct mu_error *err)
{
    int lock;
    MU_AUTO_STRUCT(mu_store) copy = NULL;
    if (mu_store_copy(store, path, err) != 0 || mu_store_open(path, MU_STORE_WRITE, &copy, err) != 0)
        return -1;
    if (mu_home_lock_files(p->home, &lock, err) != 0)
        return -1;
    int result = mu_store_change(copy, pack, p, err);
    mu_home_unlock(lock);
    return result;
}

static int hash_file(const char *path, off_t *ret_size, char ret[MU_SHA256_LEN],
                     struct mu_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *data = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        close(fd);
    if (data == MAP_FAILED)
        return mu_fail_errno(err, MU_E_IO, "cannot read %s", path);
    *ret_size = st.st_size;
    mu_sha256(data, (size_t)st.st_size, ret);
    munmap(data, (size_t)st.st_size);
    return 0;
}

struct note {
    const struct mu_backup *how;
    const char *sha256;
};

/* A trail that has no entry yet has no signature either, and one entry alone would be one too few. */
static int note_backup(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct note *note = arg;
    char hash[MU_HASH_LEN + 1], path[512];
    int64_t tip;
    mu_str_printable(note->how->path, strlen(note->how->path), path, sizeof path);
    struct mu_act act = {.action = "backup", .sha256 = note->sha256, .detail = path};
    if (mu_store_trail_tip(store, &tip, hash, err) != 0 ||
        (tip > 0 && mu_audit_add(store, &act, note->how->now, NULL, err) != 0))
        return -1;
    return set_mark(store, note->how->now, err);
}

/* A copy in the home would be lost with it, and be in the next backup. */
static int check_place(const struct mu_backup *how, struct mu_error *err)
{
    char dir[MU_PATH_LEN], real[PATH_MAX], home[PATH_MAX];
    const char *slash = strrchr(how->path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash == NULL ? 1 : (int)(slash - how->path) + 1,
             slash == NULL ? "." : how->path);
    if (realpath(dir, real) == NULL || realpath(how->home, home) == NULL ||
        !mu_str_equal(real, home))
        return 0;
    mu_fail(err, MU_E_USAGE, "%s lies in the CA's own directory, with which it would be lost",
            how->path);
    return mu_hint(err, "put backups somewhere else, best on another machine");
}

/* Into the file itself, under the passphrase if there is one. */
static int stage_backup(const struct mu_backup *how, const char *from, struct mu_stage *stage,
                        struct mu_error *err)
{
    int to;
    if (how->passphrase == NULL || how->passphrase->data == NULL)
        return mu_stage_copy(stage, how->path, from, 0600, err);
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mu_fail_errno(err, MU_E_IO, "cannot read %s", from);
    int result = mu_stage_open(stage, how->path, 0600, &to, err) != 0
                     ? -1
                     : mu_seal(fd, to, how->passphrase, err);
    close(fd);
    return result;
}

static int backup_to(const struct mu_backup *how, const struct mu_home *home, const char *work,
                     struct mu_backup_made *ret, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    struct packing packing = {.home = home, .made = ret, .now = how->now};
    struct note note = {.how = how, .sha256 = ret->sha256};
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = how->force};
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (mu_store_open(home->db, MU_STORE_WRITE, &store, err) != 0 ||
        mu_path_join(work, "mutual.db", path, err) != 0 ||
        make_copy(&packing, store, path, err) != 0 || stage_backup(how, path, &stage, err) != 0 ||
        mu_stage_commit(&stage, err) != 0 || hash_file(how->path, &ret->size, ret->sha256, err) != 0)
        return -1;
    return mu_store_change(store, note_backup, &note, err);
}

int mu_authority_backup(const struct mu_backup *how, struct mu_backup_made *ret,
                        struct mu_error *err)
{
    struct mu_home home;
    const struct mu_stage stage = {.replace = how->force};
    char work[MU_PATH_LEN];
    int lock = -1, work_lock = -1;
    if (mu_home_paths(how->home, &home, err) != 0)
        return -1;
    if (access(home.cert, F_OK) != 0 && errno == ENOENT)
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", how->home);
    if (access(home.key, F_OK) != 0)
        return mu_fail_errno(err, MU_E_IO, "cannot read the CA's key %s", home.key);
    if (check_place(how, err) != 0 || mu_stage_check(&stage, how->path, err) != 0 ||
        mu_home_lock(&home, MU_HOME_SHARED, &lock, err) != 0)
        return -1;
    int result = mu_home_work_begin(&home, WORK_BACKUP, work, &work_lock, err);
    if (result == 0)
        result = backup_to(how, &home, work, ret, err);
    mu_home_work_end(work, work_lock);
    mu_home_unlock(lock);
    return result;
}

/* --- And back --- */

struct unpacking {
    const char *dir; /* where the authority is put together */
    struct mu_strs names;
    int result;
    struct mu_error *err;
};

static void unpacking_clear(struct unpacking *u)
{
    mu_strs_clear(&u->names);
}
MU_AUTO_DEFINE_CLEAR(unpacking, unpacking_clear)

/* Whoever wrote the file decides on names in it: none may lead out of the home, or stand for what is ours. */
static bool is_good_name(const char *name)
{
    return *name != '\0' && strlen(name) < 256 && strchr(name, '/') == NULL &&
           !is_left_out_always(name);
}

static mode_t safe_mode(const struct mu_store_file *file)
{
    bool secret = mu_str_ends_with(file->name, ".key") || (file->mode & 0044) == 0;
    return secret ? 0600 : 0644;
}

static bool unpack_one(void *arg, const struct mu_store_file *file)
{
    struct unpacking *u = arg;
    char path[MU_PATH_LEN];
    if (!is_good_name(file->name))
        u->result = mu_fail(u->err, MU_E_DAMAGED, "the backup holds a file with a strange name");
    else if (mu_path_join(u->dir, file->name, path, u->err) != 0 ||
             mu_file_write(path, file->data, file->len, safe_mode(file), false, u->err) != 0)
        u->result = -1;
    else if (mu_strs_add(&u->names, file->name) != 0)
        u->result = mu_fail_nomem(u->err);
    return u->result == 0;
}

static int drop_files(struct mu_store *store, void *arg, struct mu_error *err)
{
    (void)arg;
    return mu_store_file_drop_all(store, err);
}

/* Where the file begins as a database does, or as what is under a passphrase. What follows is for others to judge. */
static int check_kind(const char *path, bool *ret_sealed, struct mu_error *err)
{
    static const char magic[] = "SQLite format 3";
    char head[MU_SEAL_HEAD_LEN + sizeof magic] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return mu_fail_errno(err, errno == ENOENT ? MU_E_NOT_FOUND : MU_E_IO, "cannot read %s",
                             path);
    ssize_t n = read(fd, head, sizeof head);
    close(fd);
    if (n < 0)
        return mu_fail_errno(err, MU_E_IO, "cannot read %s", path);
    if (n == 0)
        return mu_fail(err, MU_E_EMPTY, "%s is empty", path);
    *ret_sealed = mu_seal_is(head, (size_t)n);
    if (*ret_sealed || (n == sizeof head && memcmp(head, magic, sizeof magic) == 0))
        return 0;
    mu_fail(err, MU_E_WRONG_KIND, "%s is not a backup", path);
    return mu_hint(err, "give a file that mutual backup has made");
}

/* Before anything is written: what goes wrong here is the file's fault, not the disk's. */
static int check_whole(const struct mu_restore *how, const char *packed, struct mu_error *err)
{
    char cause[MU_ERROR_CAUSE_LEN];
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (mu_store_open(packed, MU_STORE_READ, &store, err) == 0 && mu_store_check(store, err) == 0)
        return 0;
    if (err->code != MU_E_STORE)
        return -1;
    mu_str_copy(cause, sizeof cause, err->cause);
    mu_fail(err, MU_E_DAMAGED, "the backup %s is damaged, and nothing has been restored", how->path);
    mu_cause(err, "%s", cause);
    return mu_hint(err, "restore from another backup");
}

static int stage_packed(const struct mu_restore *how, const char *packed, struct mu_stage *stage,
                        struct mu_error *err)
{
    bool sealed;
    int to;
    if (check_kind(how->path, &sealed, err) != 0)
        return -1;
    if (!sealed)
        return mu_stage_copy(stage, packed, how->path, 0600, err);
    int fd = open(how->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return mu_fail_errno(err, MU_E_IO, "cannot read %s", how->path);
    int result = mu_stage_open(stage, packed, 0600, &to, err) != 0
                     ? -1
                     : mu_unseal(how->path, fd, to, how->source, err);
    close(fd);
    return result;
}

/* The file itself is left as it is: what is done to records (schemas change) is done to a copy. */
static int unpack(const struct mu_restore *how, struct unpacking *u, struct mu_error *err)
{
    char packed[MU_PATH_LEN], db[MU_PATH_LEN];
    MU_AUTO_CLEAR(mu_stage) stage = MU_STAGE_INIT;
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (mu_path_join(u->dir, PACKED, packed, err) != 0 ||
        mu_path_join(u->dir, "mutual.db", db, err) != 0 ||
        stage_packed(how, packed, &stage, err) != 0 || mu_stage_commit(&stage, err) != 0)
        return -1;
    if (check_whole(how, packed, err) != 0 ||
        mu_store_open(packed, MU_STORE_WRITE, &store, err) != 0)
        return -1;
    if (mu_store_file_each(store, unpack_one, u, err) != 0) {
        mu_fail(err, MU_E_WRONG_KIND,
                "%s holds the records of a CA, but not its certificate and key: it is no backup",
                how->path);
        return mu_hint(err, "give a file that mutual backup has made");
    }
    /* The key must not remain in what becomes the records: neither in a table nor in a page that was freed. */
    if (u->result != 0 || mu_store_change(store, drop_files, NULL, err) != 0 ||
        mu_store_copy(store, db, err) != 0)
        return -1;
    mu_store_close(mu_take(&store));
    return unlink(packed) == 0 ? 0 : mu_fail_errno(err, MU_E_IO, "cannot remove %s", packed);
}

struct remembering {
    const struct mu_restore *how;
    const char *sha256;
    time_t taken_at;
};

static int note_restore(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct remembering *r = arg;
    char date[MU_DATE_LEN], detail[128];
    snprintf(detail, sizeof detail, "from the backup of %s", mu_date(r->taken_at, date));
    struct mu_act act = {.action = "restore", .sha256 = r->sha256, .detail = detail};
    return mu_audit_add(store, &act, r->how->now, NULL, err);
}

static bool count_record(void *arg, const struct mu_record *record)
{
    (void)record;
    ++*(size_t *)arg;
    return true;
}

/* The authority is used once where it has been put together: if that works, it will where it belongs. */
static int try_out(const struct mu_restore *how, const char *dir, struct mu_restored *ret,
                   struct mu_error *err)
{
    char sha256[MU_SHA256_LEN];
    off_t size;
    struct mark mark;
    struct mu_audit_verdict verdict;
    const struct mu_store_filter all = {.now = how->now};
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    if (hash_file(how->path, &size, sha256, err) != 0 ||
        mu_authority_open(dir, how->key_source, &authority, err) != 0)
        return -1;
    struct mu_store *store = mu_authority_store(authority);
    const struct mu_cert *cert = mu_authority_cert(authority);
    if (get_mark(store, &mark, err) != 0 || mu_audit_verify(store, cert, &verdict, err) != 0 ||
        mu_store_each(store, &all, count_record, &ret->records, err) != 0)
        return -1;
    struct remembering r = {.how = how, .sha256 = sha256, .taken_at = mark.at};
    ret->taken_at = mark.at;
    ret->cert = mu_cert_ref((struct mu_cert *)cert);
    mu_str_copy(ret->trail_fault, sizeof ret->trail_fault, verdict.fault);
    return mu_authority_change(authority, note_restore, &r, how->now, err);
}

/* How a trail goes on behind where it was when it was backed up. */
struct trail_end {
    int64_t backed_up, last;      /* entries */
    char before[MU_HASH_LEN + 1]; /* the hash of the former */
    char restored[MU_SHA256_LEN]; /* the backup that the latter tells of; "": none */
};

static bool note_end(void *arg, const struct mu_trail_entry *entry)
{
    struct trail_end *end = arg;
    if (entry->seq == end->backed_up)
        mu_str_copy(end->before, sizeof end->before, entry->hash);
    end->last = entry->seq;
    mu_str_copy(end->restored, sizeof end->restored,
                mu_str_equal(entry->action, "restore") ? entry->sha256 : "");
    return true;
}

/* Has a restore of this backup been here that did not get as far as the home? A policy that had not been noted before the
 * backup was is noted by each restore anew. */
static int is_filled_already(struct mu_store *from, struct mu_store *to, bool *ret,
                             struct mu_error *err)
{
    struct mark mark;
    if (get_mark(from, &mark, err) != 0)
        return -1;
    struct trail_end mine = {.backed_up = mark.seq}, theirs = mine;
    if (mu_store_trail_each(from, mark.seq, note_end, &mine, err) != 0 ||
        mu_store_trail_each(to, mark.seq, note_end, &theirs, err) != 0)
        return -1;
    *ret = mine.restored[0] != '\0' && mu_str_equal(mine.restored, theirs.restored) &&
           mine.last == theirs.last && mu_str_equal(mine.before, theirs.before);
    return 0;
}

/* The records into a database on a server, and its URL where the home will say where they are. */
static int fill_database(const struct mu_restore *how, struct unpacking *u, struct mu_error *err)
{
    char db[MU_PATH_LEN], url[MU_PATH_LEN], hash[MU_HASH_LEN + 1];
    int64_t tip;
    bool filled = false;
    MU_AUTO_STRUCT(mu_store) from = NULL;
    MU_AUTO_STRUCT(mu_store) to = NULL;
    if (mu_path_join(u->dir, "mutual.db", db, err) != 0 ||
        mu_path_join(u->dir, "store", url, err) != 0 ||
        mu_store_open(db, MU_STORE_READ, &from, err) != 0 ||
        mu_store_open(how->store, MU_STORE_WRITE, &to, err) != 0 ||
        mu_store_trail_tip(to, &tip, hash, err) != 0 ||
        (tip > 0 && is_filled_already(from, to, &filled, err) != 0))
        return -1;
    if (tip > 0 && !filled) {
        mu_fail(err, MU_E_EXISTS, "there are records of a CA in that database already");
        return mu_hint(err, "name an empty database");
    }
    if (mu_file_write(url, how->store, strlen(how->store), 0600, false, err) != 0)
        return -1;
    if (mu_strs_add(&u->names, "store") != 0)
        return mu_fail_nomem(err);
    return filled ? 0 : mu_store_transfer(from, to, err);
}

static int move_in(const struct mu_home *home, const char *dir, const char *name, time_t now,
                   char old[MU_PATH_LEN], struct mu_error *err)
{
    char from[MU_PATH_LEN], to[MU_PATH_LEN];
    if (mu_path_join(dir, name, from, err) != 0 || mu_path_join(home->dir, name, to, err) != 0 ||
        mu_home_make_way(home, name, now, old, err) != 0)
        return -1;
    return rename(from, to) == 0 ? 0 : mu_fail_errno(err, MU_E_IO, "cannot put %s in place", to);
}

/* The certificate comes last, because it makes a directory the home of an authority. */
static int put_in_place(const struct mu_restore *how, const struct mu_home *home,
                        const struct unpacking *u, char old[MU_PATH_LEN], struct mu_error *err)
{
    time_t now = how->now;
    if (mu_home_move_aside(home, now, old, err) != 0 ||
        mu_home_make_way(home, "store", now, old, err) != 0 ||
        (how->store == NULL && move_in(home, u->dir, "mutual.db", now, old, err) != 0))
        return -1;
    for (size_t i = 0; i < u->names.count; i++)
        if (!mu_str_equal(u->names.at[i], "ca.crt") &&
            move_in(home, u->dir, u->names.at[i], now, old, err) != 0)
            return -1;
    mu_home_sync(home);
    if (move_in(home, u->dir, "ca.crt", now, old, err) != 0)
        return -1;
    mu_home_sync(home);
    return 0;
}

static int take_out(const struct mu_home *home, const char *dir, const char *name,
                    struct mu_error *err)
{
    char from[MU_PATH_LEN], to[MU_PATH_LEN];
    if (mu_path_join(dir, name, from, err) != 0 || mu_path_join(home->dir, name, to, err) != 0)
        return -1;
    return access(from, F_OK) == 0 || unlink(to) == 0 || errno == ENOENT
               ? 0
               : mu_fail_errno(err, MU_E_IO, "cannot remove %s", to);
}

/* What has left the directory where it was made has come into the home, and goes; what made way for it comes back. */
static int put_back(const struct mu_home *home, const struct unpacking *u,
                    const char old[MU_PATH_LEN], struct mu_error *err)
{
    for (size_t i = 0; i < u->names.count; i++)
        if (take_out(home, u->dir, u->names.at[i], err) != 0)
            return -1;
    return take_out(home, u->dir, "mutual.db", err) != 0 ||
                   (*old != '\0' && mu_home_move_back(home, old, err) != 0)
               ? -1
               : 0;
}

static int change_places(const struct mu_restore *how, const struct mu_home *home,
                         const struct unpacking *u, char old[MU_PATH_LEN], struct mu_error *err)
{
    struct mu_error stuck = MU_ERROR_INIT;
    if (put_in_place(how, home, u, old, err) == 0)
        return 0;
    if (put_back(home, u, old, &stuck) != 0 && *old != '\0')
        return mu_hint(err, "mend this; the CA that was here is in %s", old);
    old[0] = '\0';
    return -1;
}

/* What a restore leaves that was killed while it put things in place is no authority, and not in the way. */
static bool was_cut_off(const struct mu_home *home)
{
    char work[MU_PATH_LEN];
    struct mu_error ignored = MU_ERROR_INIT;
    return access(home->cert, F_OK) != 0 &&
           mu_path_join(home->dir, WORK_RESTORE, work, &ignored) == 0 && access(work, F_OK) == 0;
}

static int restore_into(const struct mu_restore *how, const struct mu_home *home,
                        struct mu_restored *ret, struct mu_error *err)
{
    char work[MU_PATH_LEN], made[MU_PATH_LEN];
    int lock = -1;
    if (!how->force && !was_cut_off(home) && mu_home_check_free(home, err) != 0)
        return -1;
    if (mu_home_work_begin(home, WORK_RESTORE, work, &lock, err) != 0)
        return -1;
    MU_AUTO_CLEAR(unpacking) u = {.dir = made, .err = err};
    int result = mu_path_join(work, "home", made, err) != 0 || mu_dir_make(made, 0700, err) != 0 ||
                         unpack(how, &u, err) != 0 || try_out(how, made, ret, err) != 0 ||
                         (how->store != NULL && fill_database(how, &u, err) != 0)
                     ? -1
                     : change_places(how, home, &u, ret->old, err);
    mu_home_work_end(work, lock);
    return result;
}

int mu_authority_restore(const struct mu_restore *how, struct mu_restored *ret, struct mu_error *err)
{
    struct mu_home home;
    bool sealed;
    int lock = -1;
    if ((how->store != NULL && mu_store_check_url(how->store, err) != 0) ||
        mu_home_paths(how->home, &home, err) != 0 || check_kind(how->path, &sealed, err) != 0 ||
        mu_dir_make(how->home, 0700, err) != 0 ||
        mu_home_lock(&home, MU_HOME_ALONE, &lock, err) != 0)
        return -1;
    int result = restore_into(how, &home, ret, err);
    mu_home_unlock(lock);
    return result;
}
