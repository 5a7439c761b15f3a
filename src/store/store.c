#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

/* How long to wait for another process that is writing. */
enum { BUSY_TIMEOUT_MS = 10 * 1000, SCHEMA_VERSION = 1 };

/* Each step brings the schema from one version to the next. A step, once released, never changes. */
static const char *const migrations[SCHEMA_VERSION] = {
    "CREATE TABLE certificate ("
    "  id INTEGER PRIMARY KEY,"
    "  serial TEXT NOT NULL UNIQUE CHECK (length(serial) BETWEEN 2 AND 40),"
    "  name TEXT NOT NULL,"
    "  profile TEXT NOT NULL CHECK (profile IN ('server', 'client', 'peer', 'ca')),"
    "  subject TEXT NOT NULL,"
    "  san TEXT NOT NULL,"
    "  not_before INTEGER NOT NULL,"
    "  not_after INTEGER NOT NULL CHECK (not_after >= not_before),"
    "  issued_at INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL UNIQUE,"
    "  der BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX certificate_by_name ON certificate (name);"
    "CREATE INDEX certificate_by_end ON certificate (not_after);",
};

struct mu_store {
    sqlite3 *db;
    char path[MU_PATH_LEN];
};

MU_AUTO_DEFINE(sqlite3_stmt, sqlite3_finalize)

static int fail_store(struct mu_store *store, struct mu_error *err, const char *what)
{
    int code = sqlite3_errcode(store->db);
    mu_fail(err, MU_E_STORE, "%s %s", what, store->path);
    mu_cause(err, "%s", sqlite3_errmsg(store->db));
    if (code == SQLITE_READONLY || code == SQLITE_CANTOPEN || code == SQLITE_PERM)
        mu_hint(err, "the CA's directory must be writable to issue from it");
    else if (code == SQLITE_FULL || code == SQLITE_IOERR)
        mu_hint(err, "make room on the disk, then try again; nothing was recorded");
    else if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
        mu_hint(err, "restore the file from a backup");
    else if (code == SQLITE_BUSY)
        mu_hint(err, "another process holds it; try again");
    return -1;
}

static int exec(struct mu_store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

/* --- The schema --- */

static int read_version(struct mu_store *store, int *ret, struct mu_error *err)
{
    MU_AUTO(sqlite3_stmt) statement = NULL;
    if (sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        return fail_store(store, err, "cannot read");
    *ret = sqlite3_column_int(statement, 0);
    if (*ret <= SCHEMA_VERSION)
        return 0;
    return mu_fail(err, MU_E_STORE_NEWER,
                   "%s was written by a newer mutual (schema %d; this one knows up to %d)",
                   store->path, *ret, (int)SCHEMA_VERSION);
}

static int migrate(struct mu_store *store, struct mu_error *err)
{
    int version;
    char set_version[64];
    if (read_version(store, &version, err) != 0)
        return -1;
    if (version == SCHEMA_VERSION)
        return 0;
    /* Under the write lock the version is read again: another process may have been faster. */
    if (exec(store, "BEGIN IMMEDIATE") != SQLITE_OK)
        return fail_store(store, err, "cannot write to");
    int result = read_version(store, &version, err);
    for (; result == 0 && version < SCHEMA_VERSION; version++)
        if (exec(store, migrations[version]) != SQLITE_OK)
            result = fail_store(store, err, "cannot set up");
    snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d; COMMIT", version);
    if (result == 0 && exec(store, set_version) != SQLITE_OK)
        result = fail_store(store, err, "cannot set up");
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
        mu_fail_errno(err, MU_E_STORE, "cannot open the CA's records %s for writing", path);
        return mu_hint(err, "the CA's directory must be writable to issue from it");
    }
    close(fd);
    return 0;
}

/* In a directory that cannot be written, WAL cannot have its helper files; then nobody else can be writing
 * either, and the file may be read as it is. */
static int open_read_only(struct mu_store *store)
{
    char uri[MU_PATH_LEN * 3 + 32];
    if (sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        exec(store, "SELECT count(*) FROM sqlite_master") == SQLITE_OK)
        return SQLITE_OK;
    sqlite3_close(store->db);
    store->db = NULL;
    size_t len = (size_t)snprintf(uri, sizeof uri, "file:");
    for (const char *p = store->path; *p != '\0'; p++)
        len += (size_t)snprintf(uri + len, sizeof uri - len,
                                strchr("?#%", *p) != NULL ? "%%%02x" : "%c", (unsigned char)*p);
    snprintf(uri + len, sizeof uri - len, "?immutable=1");
    return sqlite3_open_v2(uri, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
}

static int open_writable(struct mu_store *store, struct mu_error *err)
{
    bool in_memory = mu_str_equal(store->path, ":memory:");
    if (!in_memory && make_private(store->path, err) != 0)
        return -1;
    if (sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                        NULL) != SQLITE_OK)
        return fail_store(store, err, "cannot open");
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    /* FULL: a commit is on the disk before its certificate leaves, also when the power fails. */
    if (exec(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL") != SQLITE_OK)
        return fail_store(store, err, "cannot open");
    return migrate(store, err);
}

int mu_store_open(const char *path, bool read_only, struct mu_store **ret, struct mu_error *err)
{
    int version;
    MU_AUTO_STRUCT(mu_store) store = calloc(1, sizeof *store);
    if (store == NULL)
        return mu_fail_nomem(err);
    mu_str_copy(store->path, sizeof store->path, path);
    if (!read_only) {
        if (open_writable(store, err) != 0)
            return -1;
    } else {
        if (access(path, F_OK) != 0)
            return mu_fail_errno(err, MU_E_NOT_FOUND, "there are no records at %s", path);
        if (open_read_only(store) != SQLITE_OK)
            return fail_store(store, err, "cannot open");
        sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
        if (read_version(store, &version, err) != 0)
            return -1;
    }
    *ret = mu_take(&store);
    return 0;
}

void mu_store_close(struct mu_store *store)
{
    if (store == NULL)
        return;
    sqlite3_close(store->db);
    free(store);
}

/* --- Records --- */

int mu_store_add(struct mu_store *store, const struct mu_record *record, struct mu_error *err)
{
    static const char sql[] =
        "INSERT INTO certificate (serial, name, profile, subject, san, not_before, not_after, "
        "issued_at, sha256, der) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    MU_AUTO(sqlite3_stmt) s = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &s, NULL) != SQLITE_OK)
        return fail_store(store, err, "cannot write to");
    sqlite3_bind_text(s, 1, record->serial, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, record->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, record->profile, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, record->subject, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 5, record->san, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 6, record->not_before);
    sqlite3_bind_int64(s, 7, record->not_after);
    sqlite3_bind_int64(s, 8, record->issued_at);
    sqlite3_bind_text(s, 9, record->sha256, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(s, 10, record->der, record->der_len, SQLITE_STATIC);
    if (sqlite3_step(s) == SQLITE_DONE)
        return 0;
    if (sqlite3_extended_errcode(store->db) == SQLITE_CONSTRAINT_UNIQUE)
        return mu_fail(err, MU_E_EXISTS, "the serial number %s is taken", record->serial);
    return fail_store(store, err, "cannot write to");
}

static const char *text_at(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return text == NULL ? "" : (const char *)text;
}

int mu_store_each(struct mu_store *store, const struct mu_store_filter *filter,
                  bool (*each)(void *arg, const struct mu_record *record), void *arg,
                  struct mu_error *err)
{
    static const char sql[] =
        "SELECT serial, name, profile, subject, san, not_before, not_after, issued_at, sha256 "
        "FROM certificate WHERE (?1 IS NULL OR name GLOB ?1) "
        "AND (?2 = 0 OR (not_after >= ?3 AND not_after < ?2)) ORDER BY id";
    MU_AUTO(sqlite3_stmt) s = NULL;
    int code;
    if (sqlite3_prepare_v2(store->db, sql, -1, &s, NULL) != SQLITE_OK)
        return fail_store(store, err, "cannot read");
    sqlite3_bind_text(s, 1, filter->name_glob, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, filter->expiring_before);
    sqlite3_bind_int64(s, 3, filter->now);
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        struct mu_record record = {
            .serial = text_at(s, 0),
            .name = text_at(s, 1),
            .profile = text_at(s, 2),
            .subject = text_at(s, 3),
            .san = text_at(s, 4),
            .not_before = (time_t)sqlite3_column_int64(s, 5),
            .not_after = (time_t)sqlite3_column_int64(s, 6),
            .issued_at = (time_t)sqlite3_column_int64(s, 7),
            .sha256 = text_at(s, 8),
        };
        if (!each(arg, &record))
            return 0;
    }
    return code == SQLITE_DONE ? 0 : fail_store(store, err, "cannot read");
}
