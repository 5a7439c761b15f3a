/* SQLite: one file, no server; and the same without a file, for tests. */

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
    SCHEMA_VERSION = 2,
    APPLICATION_ID =
        0x6d75746c, /* "mutl", at offset 68 of the file: what file(1) and we know it by */
    COLUMNS_MAX = 20,
    STATEMENTS_KEPT = 16,
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

    /* Revocation, lists of it, the trail; and certificates of more kinds. */
    "ALTER TABLE certificate RENAME TO certificate_1;"
    "DROP INDEX certificate_by_name;"
    "DROP INDEX certificate_by_end;"
    "CREATE TABLE certificate ("
    "  id INTEGER PRIMARY KEY,"
    "  serial TEXT NOT NULL UNIQUE CHECK (length(serial) BETWEEN 2 AND 40),"
    "  name TEXT NOT NULL CHECK (name <> ''),"
    "  profile TEXT NOT NULL CHECK (profile IN ('server', 'client', 'peer', 'ca', 'ocsp')),"
    "  subject TEXT NOT NULL,"
    "  san TEXT NOT NULL,"
    "  issuer TEXT NOT NULL,"
    "  not_before INTEGER NOT NULL,"
    "  not_after INTEGER NOT NULL CHECK (not_after >= not_before),"
    "  issued_at INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),"
    "  part INTEGER NOT NULL CHECK (part >= 0),"
    "  revoked_at INTEGER CHECK (revoked_at > 0),"
    "  reason INTEGER CHECK ((reason IS NULL) = (revoked_at IS NULL)),"
    "  invalid_since INTEGER,"
    "  changed_seq INTEGER REFERENCES trail (seq),"
    "  der BLOB NOT NULL CHECK (length(der) > 0)"
    ") STRICT;"
    "CREATE INDEX certificate_by_name ON certificate (name);"
    "CREATE INDEX certificate_by_end ON certificate (not_after);"
    "CREATE INDEX certificate_changed ON certificate"
    "  (issuer, part, serial, revoked_at, reason, invalid_since, not_after, changed_seq)"
    "  WHERE changed_seq IS NOT NULL;"
    "CREATE TABLE ca ("
    "  sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64),"
    "  key TEXT NOT NULL,"
    "  since INTEGER NOT NULL,"
    "  der BLOB NOT NULL CHECK (length(der) > 0)"
    ") STRICT;"
    "CREATE TABLE crl ("
    "  id INTEGER PRIMARY KEY,"
    "  issuer TEXT NOT NULL,"
    "  part INTEGER NOT NULL CHECK (part >= 0),"
    "  number INTEGER NOT NULL CHECK (number > 0),"
    "  base INTEGER CHECK (base < number),"
    "  seq INTEGER NOT NULL REFERENCES trail (seq),"
    "  this_update INTEGER NOT NULL,"
    "  next_update INTEGER NOT NULL CHECK (next_update > this_update),"
    "  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),"
    "  UNIQUE (issuer, part, number)"
    ") STRICT;"
    "CREATE TABLE trail ("
    "  seq INTEGER PRIMARY KEY CHECK (seq > 0),"
    "  at INTEGER NOT NULL,"
    "  who TEXT NOT NULL,"
    "  host TEXT NOT NULL,"
    "  action TEXT NOT NULL CHECK (action <> ''),"
    "  serial TEXT NOT NULL,"
    "  sha256 TEXT NOT NULL,"
    "  detail TEXT NOT NULL,"
    "  hash TEXT NOT NULL CHECK (length(hash) = 64)"
    ") STRICT;"
    "CREATE INDEX trail_by_serial ON trail (serial) WHERE serial <> '';"
    "CREATE TABLE trail_head ("
    "  seq INTEGER PRIMARY KEY REFERENCES trail (seq),"
    "  at INTEGER NOT NULL,"
    "  hash TEXT NOT NULL CHECK (length(hash) = 64),"
    "  signer TEXT NOT NULL CHECK (length(signer) = 64),"
    "  signature BLOB NOT NULL CHECK (length(signature) > 0)"
    ") STRICT;"
    "CREATE TABLE setting (name TEXT PRIMARY KEY CHECK (name <> ''), value TEXT NOT NULL) STRICT;"
    "INSERT INTO certificate (id, serial, name, profile, subject, san, issuer, not_before, not_after,"
    "  issued_at, sha256, part, der)"
    "  SELECT id, serial, name, profile, subject, san, '', not_before, not_after, issued_at, sha256, 0, der"
    "  FROM certificate_1 ORDER BY id;"
    "DROP TABLE certificate_1;",
};

/* A statement that was run before, ready to be run again; taken out while it runs. */
struct kept {
    char *sql;
    sqlite3_stmt *statement;
};

struct sqlite_store {
    struct mu_store base;
    sqlite3 *db;
    char path[MU_PATH_LEN]; /* ":memory:" without a file */
    struct kept kept[STATEMENTS_KEPT];
};

MU_AUTO_DEFINE(sqlite3_stmt, sqlite3_finalize)

static struct sqlite_store *of(struct mu_store *store)
{
    return (struct sqlite_store *)store;
}

static void close_sqlite(struct mu_store *store)
{
    for (size_t i = 0; i < STATEMENTS_KEPT; i++) {
        sqlite3_finalize(of(store)->kept[i].statement);
        free(of(store)->kept[i].sql);
    }
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
    return mu_store_check_version(store->path, *ret, SCHEMA_VERSION, err);
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

static int fail_unwritable(const char *path, struct mu_error *err)
{
    int code = errno == EROFS || errno == EACCES || errno == EPERM ? SQLITE_READONLY : SQLITE_IOERR;
    mu_fail_errno(err, MU_E_STORE, "cannot write to the CA's records in %s", path);
    return mu_hint(err, "%s", hint_for(code));
}

/* SQLite would make the file readable for all that the umask lets; its -wal and -shm files follow suit. One that is there
 * is left to SQLite: closing it here would let go of the locks that this process has on it, all of them. [fcntl(2)] */
static int make_private(const char *path, struct mu_error *err)
{
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0)
        return 0;
    if (errno != ENOENT)
        return fail_unwritable(path, err);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_unwritable(path, err);
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
    /* FULL: a commit is on the disk before its certificate leaves, also when the power fails. Serial numbers and
     * fingerprints fall anywhere in their indexes: with 8 MiB of pages at hand, and a log (16 MiB) that takes in a
     * page many times before it goes to its place, a batch reads and writes a few times less. */
    if (exec(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                    "PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4096") != SQLITE_OK)
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

/* Records of an older mutual, in a store that was only to be read. */
static int bring_up_to_date(struct sqlite_store *store, int version, struct mu_error *err)
{
    sqlite3_close(store->db);
    store->db = NULL;
    if (open_writable(store, err) == 0)
        return 0;
    mu_fail(err, MU_E_STORE,
            "%s is of an older mutual (schema %d; this one reads %d), and cannot be brought up to date "
            "where it is",
            store->path, version, (int)SCHEMA_VERSION);
    return mu_hint(err,
                   "run mutual list once as the owner of the directory, where it can be written");
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
    if (version == SCHEMA_VERSION)
        return 0;
    if (version > 0)
        return bring_up_to_date(store, version, err);
    mu_fail(err, MU_E_STORE, "%s is empty: the CA's records are not in it", store->path);
    return mu_hint(
        err, "restore the file from a backup; if init was interrupted, begin anew: mutual init");
}

/* --- Statements --- */

static sqlite3_stmt *take_kept(struct sqlite_store *store, const char *sql)
{
    for (size_t i = 0; i < STATEMENTS_KEPT && store->kept[i].sql != NULL; i++)
        if (mu_str_equal(store->kept[i].sql, sql))
            return mu_take(&store->kept[i].statement);
    return NULL;
}

/* Back for the next time; or let go of, when there is one already or no more room. */
static void keep(struct sqlite_store *store, const char *sql, sqlite3_stmt *statement)
{
    for (size_t i = 0; i < STATEMENTS_KEPT; i++) {
        struct kept *kept = &store->kept[i];
        if (kept->sql == NULL)
            kept->sql = strdup(sql);
        if (kept->sql != NULL && kept->statement == NULL && mu_str_equal(kept->sql, sql)) {
            sqlite3_reset(statement);
            sqlite3_clear_bindings(statement);
            kept->statement = statement;
            return;
        }
    }
    sqlite3_finalize(statement);
}

static void bind(sqlite3_stmt *s, int place, const struct mu_value *value)
{
    switch (value->kind) {
    case MU_VALUE_NULL: sqlite3_bind_null(s, place); break;
    case MU_VALUE_NUMBER: sqlite3_bind_int64(s, place, value->number); break;
    case MU_VALUE_TEXT:
        sqlite3_bind_text64(s, place, value->data, value->len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case MU_VALUE_BYTES:
        sqlite3_bind_blob64(s, place, value->data, value->len, SQLITE_STATIC);
        break;
    }
}

static struct mu_value column(sqlite3_stmt *s, int i)
{
    switch (sqlite3_column_type(s, i)) {
    case SQLITE_NULL: return (struct mu_value){.kind = MU_VALUE_NULL, .data = ""};
    case SQLITE_INTEGER: return mu_number(sqlite3_column_int64(s, i));
    default: break;
    }
    bool bytes = sqlite3_column_type(s, i) == SQLITE_BLOB;
    const void *data = bytes ? sqlite3_column_blob(s, i) : (const void *)sqlite3_column_text(s, i);
    return (struct mu_value){
        .kind = bytes ? MU_VALUE_BYTES : MU_VALUE_TEXT,
        .data = data == NULL ? "" : data,
        .len = (size_t)sqlite3_column_bytes(s, i),
    };
}

static int step_through(sqlite3_stmt *s, mu_row_fn *each, void *arg)
{
    struct mu_value row[COLUMNS_MAX] = {{.kind = MU_VALUE_NULL}};
    int code, columns = sqlite3_column_count(s);
    while ((code = sqlite3_step(s)) == SQLITE_ROW && each != NULL) {
        for (int i = 0; i < columns && i < COLUMNS_MAX; i++)
            row[i] = column(s, i);
        if (!each(arg, row))
            return SQLITE_DONE;
    }
    return code;
}

static int run(struct mu_store *base, const char *sql, const struct mu_value *values, size_t count,
               mu_row_fn *each, void *arg, struct mu_error *err)
{
    struct sqlite_store *store = of(base);
    const char *attempt = base->in_change ? "cannot write to" : "cannot read";
    MU_AUTO(sqlite3_stmt) s = take_kept(store, sql);
    if (s == NULL)
        s = prepare(store, sql);
    if (s == NULL)
        return fail_sqlite(store, err, attempt);
    for (size_t i = 0; i < count; i++)
        bind(s, (int)i + 1, &values[i]);
    if (step_through(s, each, arg) == SQLITE_DONE) {
        keep(store, sql, mu_take(&s));
        return 0;
    }
    int code = sqlite3_extended_errcode(store->db);
    if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
        return mu_fail(err, MU_E_EXISTS, "it is in the CA's records already");
    return fail_sqlite(store, err, attempt);
}

/* The write lock is taken at once, waiting for others, so that two changes never collide. */
static int begin(struct mu_store *store, struct mu_error *err)
{
    return exec(of(store), "BEGIN IMMEDIATE") == SQLITE_OK
               ? 0
               : fail_sqlite(of(store), err, "cannot write to");
}

static int commit(struct mu_store *store, struct mu_error *err)
{
    return exec(of(store), "COMMIT") == SQLITE_OK ? 0
                                                  : fail_sqlite(of(store), err, "cannot write to");
}

static void rollback(struct mu_store *store)
{
    exec(of(store), "ROLLBACK");
}

/* --- The file as a whole --- */

static bool note_fault(void *arg, const struct mu_value *row)
{
    struct mu_error *err = arg;
    if (mu_str_equal(row[0].data, "ok"))
        return true;
    mu_cause(err, "%s", row[0].data);
    return false;
}

static int check(struct mu_store *base, struct mu_error *err)
{
    struct sqlite_store *store = of(base);
    struct mu_error fault = MU_ERROR_INIT;
    MU_AUTO(sqlite3_stmt) whole = prepare(store, "PRAGMA integrity_check(1)");
    MU_AUTO(sqlite3_stmt) keys = prepare(store, "PRAGMA foreign_key_check");
    if (whole == NULL || keys == NULL || step_through(whole, note_fault, &fault) != SQLITE_DONE ||
        step_through(keys, note_fault, &fault) != SQLITE_DONE)
        return fail_sqlite(store, err, "cannot check");
    if (fault.cause[0] == '\0')
        return 0;
    mu_fail(err, MU_E_STORE, "the CA's records in %s are damaged", store->path);
    mu_cause(err, "%s", fault.cause);
    return mu_hint(err, "restore the file from a backup");
}

/* VACUUM INTO reads one snapshot, whatever others write meanwhile, and leaves a file without a log. */
static int copy(struct mu_store *base, const char *path, struct mu_error *err)
{
    struct sqlite_store *store = of(base);
    struct stat st;
    if (lstat(path, &st) == 0)
        return mu_fail(err, MU_E_EXISTS, "%s is there already", path);
    if (make_private(path, err) != 0)
        return -1;
    MU_AUTO(sqlite3_stmt) s = prepare(store, "VACUUM INTO ?1");
    if (s != NULL)
        sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    if (s != NULL && sqlite3_step(s) == SQLITE_DONE)
        return 0;
    fail_sqlite(store, err, "cannot copy");
    unlink(path);
    return -1;
}

static const struct mu_store_engine engine = {
    .close = close_sqlite,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .run = run,
    .check = check,
    .copy = copy,
};

static int open_memory(struct sqlite_store *store, struct mu_error *err)
{
    if (sqlite3_open(store->path, &store->db) != SQLITE_OK)
        return fail_sqlite(store, err, "cannot open");
    return migrate(store, err);
}

/* Make the store, then let `open` fill it. */
static int make(const char *path, int (*open)(struct sqlite_store *, struct mu_error *),
                struct mu_store **ret, struct mu_error *err)
{
    struct sqlite_store *sqlite = calloc(1, sizeof *sqlite);
    if (sqlite == NULL)
        return mu_fail_nomem(err);
    MU_AUTO_STRUCT(mu_store) store = &sqlite->base;
    store->engine = &engine;
    if (!mu_str_copy(sqlite->path, sizeof sqlite->path, path))
        return mu_fail(err, MU_E_USAGE, "the path of the CA's records is too long");
    if (open(sqlite, err) != 0)
        return -1;
    *ret = mu_take(&store);
    return 0;
}

int mu_store_open_sqlite(const char *path, enum mu_store_mode mode, struct mu_store **ret,
                         struct mu_error *err)
{
    return make(path, mode == MU_STORE_WRITE ? open_writable : open_readable, ret, err);
}

int mu_store_open_memory(struct mu_store **ret, struct mu_error *err)
{
    return make(":memory:", open_memory, ret, err);
}
