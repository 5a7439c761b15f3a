#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "store/engine.h"

enum {
    BUSY_TIMEOUT_MS = 30 * 1000, /* how long to wait for another process that is writing */
    SCHEMA_VERSION = 1,
    APPLICATION_ID =
        0x6d75746c /* "mutl", at offset 68 of the file: what file(1) and we know it by */
};

/* Each step brings the schema from one version to the next. A step, once released, never changes. */
static const char *const migrations[SCHEMA_VERSION] = {
    "CREATE TABLE certificate ("
    "  id INTEGER PRIMARY KEY,"
    "  serial TEXT NOT NULL UNIQUE CHECK (length(serial) BETWEEN 2 AND 40),"
    "  name TEXT NOT NULL CHECK (name <> ''),"
    "  profile TEXT NOT NULL CHECK (profile IN ('server', 'client', 'peer')),"
    "  state TEXT NOT NULL CHECK (state IN ('valid', 'revoked')),"
    "  subject TEXT NOT NULL,"
    "  san TEXT NOT NULL,"
    "  not_before INTEGER NOT NULL,"
    "  not_after INTEGER NOT NULL CHECK (not_after >= not_before),"
    "  issued_at INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),"
    "  der BLOB NOT NULL CHECK (length(der) > 0)"
    ") STRICT;"
    "CREATE INDEX certificate_by_name ON certificate (name);"
    "CREATE INDEX certificate_by_end ON certificate (not_after);",
};

struct sqlite_store {
    struct mu_store base;
    sqlite3 *db;
    char path[MU_PATH_LEN];
};

MU_AUTO_DEFINE(sqlite3_stmt, sqlite3_finalize)

static struct sqlite_store *of(struct mu_store *store)
{
    return (struct sqlite_store *)store;
}

static void close_sqlite(struct mu_store *store)
{
    sqlite3_close(of(store)->db);
    free(store);
}

/* --- What SQLite's errors mean to a person --- */

static const char *hint_for(int code)
{
    switch (code) {
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return "the CA's directory must be writable to issue from it";
    case SQLITE_FULL:
    case SQLITE_IOERR: return "make room on the disk, then try again; nothing was recorded";
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT: return "restore the file from a backup";
    case SQLITE_BUSY: return "another process holds it; try again";
    default: return mu_code_hint(MU_E_STORE);
    }
}

static int fail_sqlite(struct sqlite_store *store, struct mu_error *err, const char *what)
{
    int code = sqlite3_errcode(store->db);
    mu_fail(err, MU_E_STORE, "%s the CA's records in %s", what, store->path);
    mu_cause(err, "%s", sqlite3_errmsg(store->db));
    return mu_hint(err, "%s", hint_for(code));
}

static int exec(struct sqlite_store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

static sqlite3_stmt *prepare(struct sqlite_store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    return statement; /* NULL on failure */
}

/* --- The schema --- */

static int read_number(struct sqlite_store *store, const char *sql, int *ret, struct mu_error *err)
{
    MU_AUTO(sqlite3_stmt) s = prepare(store, sql);
    if (s == NULL || sqlite3_step(s) != SQLITE_ROW)
        return fail_sqlite(store, err, "cannot read");
    *ret = sqlite3_column_int(s, 0);
    return 0;
}

/* 0 for a file without anything in it yet. */
static int read_version(struct sqlite_store *store, int *ret, struct mu_error *err)
{
    int id, tables;
    if (read_number(store, "PRAGMA application_id", &id, err) != 0 ||
        read_number(store, "SELECT count(*) FROM sqlite_schema", &tables, err) != 0 ||
        read_number(store, "PRAGMA user_version", ret, err) != 0)
        return -1;
    if (id != APPLICATION_ID && (id != 0 || tables != 0))
        return mu_fail(err, MU_E_WRONG_KIND, "%s is a database, but not one of mutual's",
                       store->path);
    if (*ret > SCHEMA_VERSION)
        return mu_fail(err, MU_E_STORE_NEWER,
                       "%s was written by a newer mutual (schema %d; this one knows up to %d)",
                       store->path, *ret, (int)SCHEMA_VERSION);
    return 0;
}

static int migrate_from(struct sqlite_store *store, int version, struct mu_error *err)
{
    char seal[96];
    for (; version < SCHEMA_VERSION; version++)
        if (exec(store, migrations[version]) != SQLITE_OK)
            return fail_sqlite(store, err, "cannot set up");
    snprintf(seal, sizeof seal, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             (int)APPLICATION_ID, version);
    return exec(store, seal) == SQLITE_OK ? 0 : fail_sqlite(store, err, "cannot set up");
}

static int migrate(struct sqlite_store *store, struct mu_error *err)
{
    int version;
    if (read_version(store, &version, err) != 0 || version == SCHEMA_VERSION)
        return version == SCHEMA_VERSION ? 0 : -1;
    if (exec(store, "BEGIN IMMEDIATE") != SQLITE_OK)
        return fail_sqlite(store, err, "cannot write to");
    /* Under the write lock the version is read again: another process may have been faster. */
    int result = read_version(store, &version, err) != 0 ? -1 : migrate_from(store, version, err);
    if (result != 0)
        exec(store, "ROLLBACK");
    return result;
}

/* --- Opening --- */

/* SQLite would make the file readable for all that the umask lets; its -wal and -shm files follow suit. */
static int make_private(const char *path, struct mu_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int code =
            errno == EROFS || errno == EACCES || errno == EPERM ? SQLITE_READONLY : SQLITE_IOERR;
        mu_fail_errno(err, MU_E_STORE, "cannot write to the CA's records in %s", path);
        return mu_hint(err, "%s", hint_for(code));
    }
    close(fd);
    return 0;
}

static int open_writable(struct sqlite_store *store, struct mu_error *err)
{
    if (make_private(store->path, err) != 0)
        return -1;
    if (sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return fail_sqlite(store, err, "cannot open");
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    /* FULL: a commit is on the disk before its certificate leaves, also when the power fails. */
    if (exec(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL") != SQLITE_OK)
        return fail_sqlite(store, err, "cannot open");
    return migrate(store, err);
}

/* Read the file as it is, without locks and helper files. */
static int open_immutable(struct sqlite_store *store)
{
    char uri[MU_PATH_LEN * 3 + 32];
    size_t len = (size_t)snprintf(uri, sizeof uri, "file:");
    for (const char *p = store->path; *p != '\0'; p++)
        len += (size_t)snprintf(uri + len, sizeof uri - len,
                                strchr("?#%", *p) != NULL ? "%%%02x" : "%c", (unsigned char)*p);
    snprintf(uri + len, sizeof uri - len, "?immutable=1");
    return sqlite3_open_v2(uri, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
}

/* Has it a log whose records are not yet in the file itself? */
static bool has_log(const char *path)
{
    char log[MU_PATH_LEN + 8];
    struct stat st;
    snprintf(log, sizeof log, "%s-wal", path);
    return stat(log, &st) == 0 && st.st_size > 0;
}

/* Errors of a place where a log cannot have its helper files: read-only, somebody else's, or full. */
static bool nothing_can_be_written(int code)
{
    return code == SQLITE_CANTOPEN || code == SQLITE_READONLY || code == SQLITE_PERM ||
           code == SQLITE_IOERR || code == SQLITE_FULL;
}

static int open_readable(struct sqlite_store *store, struct mu_error *err)
{
    int version;
    if (access(store->path, R_OK) != 0)
        return mu_fail_errno(err, errno == ENOENT ? MU_E_NOT_FOUND : MU_E_STORE,
                             "cannot read the CA's records in %s", store->path);
    int code = sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READONLY, NULL);
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    if (code == SQLITE_OK)
        code = exec(store, "SELECT count(*) FROM sqlite_schema");
    /* Where nothing can be written, nobody else can be writing either, so that a file without a log may be read
     * as it is. */
    if (nothing_can_be_written(code) && !has_log(store->path)) {
        sqlite3_close(store->db);
        code = open_immutable(store);
    }
    if (code != SQLITE_OK)
        return fail_sqlite(store, err, "cannot read");
    if (read_version(store, &version, err) != 0)
        return -1;
    if (version > 0)
        return 0;
    mu_fail(err, MU_E_STORE, "%s is empty: the CA's records are not in it", store->path);
    return mu_hint(
        err, "restore the file from a backup; if init was interrupted, begin anew: mutual init");
}

/* --- Records --- */

#define COLUMNS                                                                                    \
    "serial, name, profile, state, subject, san, not_before, not_after, issued_at, sha256"

static int add(struct mu_store *base, const struct mu_record *record, struct mu_error *err)
{
    static const char sql[] = "INSERT INTO certificate (" COLUMNS ", der) "
                              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    struct sqlite_store *store = of(base);
    MU_AUTO(sqlite3_stmt) s = prepare(store, sql);
    if (s == NULL)
        return fail_sqlite(store, err, "cannot write to");
    sqlite3_bind_text(s, 1, record->serial, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, record->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, record->profile, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, record->state, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, record->subject, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 6, record->san, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 7, record->not_before);
    sqlite3_bind_int64(s, 8, record->not_after);
    sqlite3_bind_int64(s, 9, record->issued_at);
    sqlite3_bind_text(s, 10, record->sha256, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(s, 11, record->der, record->der_len, SQLITE_STATIC);

    /* By itself it is a transaction: it takes the write lock first, waiting for others, and has been synced
     * when it is done. */
    if (sqlite3_step(s) == SQLITE_DONE)
        return 0;
    if (sqlite3_extended_errcode(store->db) == SQLITE_CONSTRAINT_UNIQUE)
        return mu_store_fail_taken(record, err);
    return fail_sqlite(store, err, "cannot write to");
}

static const char *text_at(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return text == NULL ? "" : (const char *)text;
}

static struct mu_record record_at(sqlite3_stmt *s)
{
    return (struct mu_record){
        .serial = text_at(s, 0),
        .name = text_at(s, 1),
        .profile = text_at(s, 2),
        .state = text_at(s, 3),
        .subject = text_at(s, 4),
        .san = text_at(s, 5),
        .not_before = (time_t)sqlite3_column_int64(s, 6),
        .not_after = (time_t)sqlite3_column_int64(s, 7),
        .issued_at = (time_t)sqlite3_column_int64(s, 8),
        .sha256 = text_at(s, 9),
    };
}

static int find(struct mu_store *base, const char *serial, mu_record_fn *each, void *arg,
                struct mu_error *err)
{
    struct sqlite_store *store = of(base);
    MU_AUTO(sqlite3_stmt) s =
        prepare(store, "SELECT " COLUMNS ", der FROM certificate WHERE serial = ?1");
    if (s == NULL)
        return fail_sqlite(store, err, "cannot read");
    sqlite3_bind_text(s, 1, serial, -1, SQLITE_STATIC);
    int code = sqlite3_step(s);
    if (code == SQLITE_DONE)
        return mu_store_fail_not_found(serial, err);
    if (code != SQLITE_ROW)
        return fail_sqlite(store, err, "cannot read");
    struct mu_record record = record_at(s);
    record.der = sqlite3_column_blob(s, 10);
    record.der_len = (size_t)sqlite3_column_bytes(s, 10);
    each(arg, &record);
    return 0;
}

/* One statement for each way to filter, so that each can use the index that fits it. A pattern is bound like any
 * other value; SQLite still sees whether it begins with plain text, and then looks up a range. */
#define LIST "SELECT " COLUMNS " FROM certificate "
#define FITS "name GLOB ?1 "
#define ENDS "not_after >= ?2 AND not_after < ?3 ORDER BY not_after, id"
static const char *const lists[2][2] = {
    /* by name?        by end: no                          by end: yes */
    [false] = {LIST "ORDER BY id", LIST "WHERE " ENDS},
    [true] = {LIST "WHERE " FITS "ORDER BY id", LIST "WHERE " FITS "AND " ENDS},
};

/* A shell's [!a] is SQLite's [^a]; the rest is the same in both. */
static char *to_sqlite_glob(const char *pattern)
{
    char *glob = strdup(pattern);
    for (char *p = glob; p != NULL && *p != '\0'; p++)
        if (p[0] == '[' && p[1] == '!')
            p[1] = '^';
    return glob;
}

static int each_record(struct mu_store *base, const struct mu_store_filter *filter,
                       mu_record_fn *each, void *arg, struct mu_error *err)
{
    struct sqlite_store *store = of(base);
    bool by_name = filter->name_glob != NULL, by_end = filter->expiring_before != 0;
    MU_AUTO(sqlite3_stmt) s = prepare(store, lists[by_name][by_end]);
    if (s == NULL)
        return fail_sqlite(store, err, "cannot read");
    char *glob = by_name ? to_sqlite_glob(filter->name_glob) : NULL;
    if (by_name && glob == NULL)
        return mu_fail_nomem(err);
    /* What a statement has no place for is not bound. */
    sqlite3_bind_text(s, 1, glob, -1, free);
    sqlite3_bind_int64(s, 2, filter->now);
    sqlite3_bind_int64(s, 3, filter->expiring_before);
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct mu_record record = record_at(s);
        if (!each(arg, &record))
            return 0;
    }
    return code == SQLITE_DONE ? 0 : fail_sqlite(store, err, "cannot read");
}

static const struct mu_store_engine engine = {.close = close_sqlite,
                                              .add = add,
                                              .find = find,
                                              .each = each_record};

int mu_store_open(const char *path, enum mu_store_mode mode, struct mu_store **ret,
                  struct mu_error *err)
{
    struct sqlite_store *sqlite = calloc(1, sizeof *sqlite);
    if (sqlite == NULL)
        return mu_fail_nomem(err);
    MU_AUTO_STRUCT(mu_store) store = &sqlite->base;
    store->engine = &engine;
    if (!mu_str_copy(sqlite->path, sizeof sqlite->path, path))
        return mu_fail(err, MU_E_USAGE, "the path of the CA's records is too long");
    if ((mode == MU_STORE_WRITE ? open_writable(sqlite, err) : open_readable(sqlite, err)) != 0)
        return -1;
    *ret = mu_take(&store);
    return 0;
}
