/* Every engine keeps the same promises; after those, what SQLite alone can do wrong. */

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "store/store.h"

#define DAY ((time_t)86400)
#define NOW ((time_t)1780272000)

struct fixture {
    char dir[64], path[128];
    struct mu_store *store;
    struct mu_error err;
};

static void open_store(struct fixture *f, enum mu_store_mode mode)
{
    if (mu_store_open(f->path, mode, &f->store, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
}

static void close_store(struct fixture *f)
{
    mu_store_close(f->store);
    f->store = NULL;
}

static int make_place(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/mutual-test-store-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    snprintf(f->path, sizeof f->path, "%s/mutual.db", f->dir);
    *state = f;
    return 0;
}

static int set_up_sqlite(void **state)
{
    if (make_place(state) != 0)
        return -1;
    open_store(*state, MU_STORE_WRITE);
    return 0;
}

static int set_up_memory(void **state)
{
    if (make_place(state) != 0)
        return -1;
    struct fixture *f = *state;
    return mu_store_open_memory(&f->store, &f->err);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char path[160];
    close_store(f);
    for (size_t i = 0; i < MU_COUNT(endings); i++) {
        snprintf(path, sizeof path, "%s%s", f->path, endings[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

/* The n-th record: what differs is the serial, the fingerprint, the name, and how many days it lasts. */
static struct mu_record record_of(int n, const char *name, int days)
{
    static char serials[8][40], prints[8][68];
    char *serial = serials[n % 8], *print = prints[n % 8];
    snprintf(serial, sizeof serials[0], "0A%034X", (unsigned)n);
    snprintf(print, sizeof prints[0], "%064X", (unsigned)n);
    return (struct mu_record){
        .serial = serial,
        .name = name,
        .profile = "server",
        .state = "valid",
        .subject = "CN=x",
        .san = "DNS:x",
        .not_before = NOW,
        .not_after = NOW + days * DAY,
        .issued_at = NOW,
        .sha256 = print,
        .der = "\x30\x00\x01",
        .der_len = 3,
    };
}

static void add(struct fixture *f, int n, const char *name, int days)
{
    struct mu_record record = record_of(n, name, days);
    if (mu_store_add(f->store, &record, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
}

static bool append_name(void *arg, const struct mu_record *record)
{
    char *names = arg;
    assert_null(record->der);
    strcat(names, record->name);
    strcat(names, " ");
    return true;
}

/* The names that fit, in the order in which they come. */
static const char *names_of(struct fixture *f, const char *glob, time_t expiring_before)
{
    static char names[512];
    struct mu_store_filter filter = {.name_glob = glob,
                                     .expiring_before = expiring_before,
                                     .now = NOW};
    names[0] = '\0';
    assert_int_equal(mu_store_each(f->store, &filter, append_name, names, &f->err), 0);
    return names;
}

/* --- What every engine promises --- */

static bool is_as_it_was_added(void *arg, const struct mu_record *got)
{
    const struct mu_record *put = arg;
    assert_string_equal(got->serial, put->serial);
    assert_string_equal(got->name, put->name);
    assert_string_equal(got->profile, put->profile);
    assert_string_equal(got->state, put->state);
    assert_string_equal(got->subject, put->subject);
    assert_string_equal(got->san, put->san);
    assert_string_equal(got->sha256, put->sha256);
    assert_int_equal(got->not_before, put->not_before);
    assert_int_equal(got->not_after, put->not_after);
    assert_int_equal(got->issued_at, put->issued_at);
    assert_int_equal(got->der_len, put->der_len);
    assert_memory_equal(got->der, put->der, put->der_len);
    return true;
}

static void a_record_is_found_by_its_serial_as_it_was_added(void **state)
{
    struct fixture *f = *state;
    struct mu_record record = record_of(1, "Zo\xc3\xab \"Quotes\"; DROP TABLE certificate", 90);
    record.san = "";
    record.state = "revoked";
    add(f, 2, "other", 1);
    assert_int_equal(mu_store_add(f->store, &record, &f->err), 0);
    assert_int_equal(mu_store_find(f->store, record.serial, is_as_it_was_added, &record, &f->err),
                     0);
}

static void a_serial_that_was_never_issued_is_not_found(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "a", 1);
    assert_int_equal(mu_store_find(f->store, "0AFF", is_as_it_was_added, NULL, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NOT_FOUND);
    assert_non_null(strstr(f->err.what, "0AFF"));
}

static void no_serial_is_taken_twice(void **state)
{
    struct fixture *f = *state;
    struct mu_record again = record_of(1, "b", 1);
    add(f, 1, "a", 1);
    assert_int_equal(mu_store_add(f->store, &again, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_EXISTS);
    assert_non_null(strstr(f->err.what, again.serial));
    assert_string_equal(names_of(f, NULL, 0), "a ");
}

static void a_list_is_in_the_order_of_issue(void **state)
{
    struct fixture *f = *state;
    add(f, 3, "c", 10);
    add(f, 1, "a", 30);
    add(f, 2, "b", 20);
    assert_string_equal(names_of(f, NULL, 0), "c a b ");
}

static void an_empty_store_lists_nothing(void **state)
{
    assert_string_equal(names_of(*state, NULL, 0), "");
}

static void a_list_can_be_limited_by_a_pattern_of_names(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "api.internal", 1);
    add(f, 2, "db.internal", 1);
    add(f, 3, "spiffe://example.org/db", 1);
    add(f, 4, "*.internal", 1);
    assert_string_equal(names_of(f, "*.internal", 0), "api.internal db.internal *.internal ");
    assert_string_equal(names_of(f, "api.*", 0), "api.internal ");
    assert_string_equal(names_of(f, "d?.internal", 0), "db.internal ");
    assert_string_equal(names_of(f, "[ad][pb]*", 0), "api.internal db.internal ");
    assert_string_equal(names_of(f, "[!ad]*", 0), "spiffe://example.org/db *.internal ");
    assert_string_equal(names_of(f, "spiffe:*db", 0), "spiffe://example.org/db ");
    assert_string_equal(names_of(f, "nothing", 0), "");
    assert_string_equal(names_of(f, "", 0), "");
}

static void what_expires_soon_comes_soonest_first_and_without_what_has_expired(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "later", 20);
    add(f, 2, "soon", 5);
    add(f, 3, "today", 0);
    add(f, 4, "far", 30);
    struct mu_record expired = record_of(5, "expired", 0);
    expired.not_before = NOW - 2 * DAY;
    expired.not_after = NOW - 1;
    assert_int_equal(mu_store_add(f->store, &expired, &f->err), 0);
    assert_string_equal(names_of(f, NULL, NOW + 30 * DAY), "today soon later ");
    assert_string_equal(names_of(f, "*o*", NOW + 10 * DAY), "today soon ");
}

static bool count_to_two(void *arg, const struct mu_record *record)
{
    int *count = arg;
    (void)record;
    return ++*count < 2;
}

static void a_reader_may_stop_early(void **state)
{
    struct fixture *f = *state;
    struct mu_store_filter filter = {.now = NOW};
    int count = 0;
    for (int n = 1; n <= 5; n++)
        add(f, n, "a", 1);
    assert_int_equal(mu_store_each(f->store, &filter, count_to_two, &count, &f->err), 0);
    assert_int_equal(count, 2);
}

/* --- What only a file can do --- */

static void records_outlive_the_process_and_only_the_owner_may_read_them(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    mode_t before = umask(0);
    open_store(f, MU_STORE_WRITE);
    umask(before);
    add(f, 1, "a", 1);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    close_store(f);
    open_store(f, MU_STORE_READ);
    assert_string_equal(names_of(f, NULL, 0), "a ");
}

static void two_writers_at_once_both_get_through(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;
    open_store(f, MU_STORE_WRITE);
    open_store(&other, MU_STORE_WRITE);
    add(f, 1, "a", 1);
    add(&other, 2, "b", 1);
    add(f, 3, "c", 1);
    assert_string_equal(names_of(&other, NULL, 0), "a b c ");
    close_store(&other);
}

static void exec_sql(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_store_of_a_newer_mutual_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    open_store(f, MU_STORE_WRITE);
    close_store(f);
    exec_sql(f, "PRAGMA user_version = 99");
    for (int mode = MU_STORE_WRITE; mode <= MU_STORE_READ; mode++) {
        assert_int_equal(mu_store_open(f->path, (enum mu_store_mode)mode, &f->store, &f->err), -1);
        assert_int_equal(f->err.code, MU_E_STORE_NEWER);
        assert_non_null(strstr(f->err.what, "schema 99"));
    }
}

static void the_database_of_another_program_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    exec_sql(f, "CREATE TABLE bookmarks (url TEXT)");
    assert_int_equal(mu_store_open(f->path, MU_STORE_WRITE, &f->store, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_WRONG_KIND);
    exec_sql(f, "SELECT url FROM bookmarks");
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("not a database ", file);
    fclose(file);
    assert_int_equal(mu_store_open(f->path, MU_STORE_WRITE, &f->store, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_STORE);
    assert_non_null(strstr(f->err.hint, "backup"));
    assert_int_equal(mu_store_open(f->path, MU_STORE_READ, &f->store, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_STORE);
}

static void a_store_that_is_not_there_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mu_store_open(f->path, MU_STORE_READ, &f->store, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NOT_FOUND);
    assert_int_equal(access(f->path, F_OK), -1);
}

static void an_empty_file_becomes_a_store(void **state)
{
    struct fixture *f = *state;
    close(open(f->path, O_CREAT | O_WRONLY, 0600));
    open_store(f, MU_STORE_WRITE);
    add(f, 1, "a", 1);
}

static void a_record_that_makes_no_sense_is_refused(void **state)
{
    struct fixture *f = *state;
    open_store(f, MU_STORE_WRITE);
    for (int wrong = 0; wrong < 5; wrong++) {
        struct mu_record record = record_of(1, "a", 1);
        if (wrong == 0)
            record.not_after = record.not_before - 1;
        else if (wrong == 1)
            record.profile = "ca";
        else if (wrong == 2)
            record.state = "expired";
        else if (wrong == 3)
            record.serial = "";
        else
            record.der_len = 0;
        assert_int_equal(mu_store_add(f->store, &record, &f->err), -1);
        assert_int_equal(f->err.code, MU_E_STORE);
    }
    assert_string_equal(names_of(f, NULL, 0), "");
}

/* How SQLite goes about a query, in its own words. */
static void assert_plan(sqlite3 *db, const char *sql, const char *glob, const char *part)
{
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    if (glob != NULL)
        sqlite3_bind_text(s, 1, glob, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    const char *detail = (const char *)sqlite3_column_text(s, 3);
    if (strstr(detail, part) == NULL)
        fail_msg("\"%s\" goes about it by \"%s\", not \"%s\"", sql, detail, part);
    sqlite3_finalize(s);
}

static void a_million_records_would_be_looked_up_not_walked_through(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;
    open_store(f, MU_STORE_WRITE);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_plan(db, "EXPLAIN QUERY PLAN SELECT * FROM certificate WHERE serial = ?1", NULL,
                "USING INDEX");
    assert_plan(db, "EXPLAIN QUERY PLAN SELECT * FROM certificate WHERE name GLOB ?1 ORDER BY id",
                "api.*", "certificate_by_name");
    assert_plan(db,
                "EXPLAIN QUERY PLAN SELECT * FROM certificate WHERE not_after >= ?2 AND "
                "not_after < ?3 ORDER BY not_after, id",
                NULL, "certificate_by_end");
    sqlite3_close(db);
}

#define ON_EACH_ENGINE(test)                                                                       \
    {"sqlite: " #test, test, set_up_sqlite, tear_down, NULL},                                      \
    {                                                                                              \
        "memory: " #test, test, set_up_memory, tear_down, NULL                                     \
    }
#define ON_A_FILE(test) cmocka_unit_test_setup_teardown(test, make_place, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH_ENGINE(a_record_is_found_by_its_serial_as_it_was_added),
        ON_EACH_ENGINE(a_serial_that_was_never_issued_is_not_found),
        ON_EACH_ENGINE(no_serial_is_taken_twice),
        ON_EACH_ENGINE(a_list_is_in_the_order_of_issue),
        ON_EACH_ENGINE(an_empty_store_lists_nothing),
        ON_EACH_ENGINE(a_list_can_be_limited_by_a_pattern_of_names),
        ON_EACH_ENGINE(what_expires_soon_comes_soonest_first_and_without_what_has_expired),
        ON_EACH_ENGINE(a_reader_may_stop_early),
        ON_A_FILE(records_outlive_the_process_and_only_the_owner_may_read_them),
        ON_A_FILE(two_writers_at_once_both_get_through),
        ON_A_FILE(a_store_of_a_newer_mutual_is_refused_and_left_alone),
        ON_A_FILE(the_database_of_another_program_is_refused_and_left_alone),
        ON_A_FILE(a_file_that_is_no_database_is_refused),
        ON_A_FILE(a_store_that_is_not_there_cannot_be_read),
        ON_A_FILE(an_empty_file_becomes_a_store),
        ON_A_FILE(a_record_that_makes_no_sense_is_refused),
        ON_A_FILE(a_million_records_would_be_looked_up_not_walked_through),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
