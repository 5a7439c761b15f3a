/* Every engine keeps the same promises; after those, what SQLite alone can do wrong. */

#include <fcntl.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* Only where a server is at hand: MUTUAL_TEST_POSTGRES is the URL of a database in which to make and drop tables. */
static int set_up_postgres(void **state)
{
    const char *url = getenv("MUTUAL_TEST_POSTGRES");
    if (url == NULL || make_place(state) != 0)
        return -1;
    struct fixture *f = *state;
    PGconn *db = PQconnectdb(url);
    PQclear(PQexec(db, "DROP TABLE IF EXISTS trail_head, certificate, crl, ca, trail, setting"));
    PQfinish(db);
    return mu_store_open(url, MU_STORE_WRITE, &f->store, &f->err);
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
        .subject = "CN=x",
        .san = "DNS:x",
        .issuer = "KEY",
        .not_before = NOW,
        .not_after = NOW + days * DAY,
        .issued_at = NOW,
        .sha256 = print,
        .der = "\x30\x00\x01",
        .der_len = 3,
    };
}

static int add_record(struct mu_store *store, void *arg, struct mu_error *err)
{
    return mu_store_add(store, arg, err);
}

/* One record, in a change of its own. */
static int put(struct fixture *f, struct mu_record *record)
{
    return mu_store_change(f->store, add_record, record, &f->err);
}

static void add(struct fixture *f, int n, const char *name, int days)
{
    struct mu_record record = record_of(n, name, days);
    if (put(f, &record) != 0)
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

static bool append_serial_end(void *arg, const struct mu_record *record)
{
    strcat(arg, record->serial + strlen(record->serial) - 2);
    strcat(arg, record->der != NULL && record->der_len == 3 ? "+ " : " ");
    return true;
}

/* --- What every engine promises --- */

static bool is_as_it_was_added(void *arg, const struct mu_record *got)
{
    const struct mu_record *put = arg;
    assert_string_equal(got->serial, put->serial);
    assert_string_equal(got->name, put->name);
    assert_string_equal(got->profile, put->profile);
    assert_string_equal(got->subject, put->subject);
    assert_string_equal(got->san, put->san);
    assert_string_equal(got->issuer, put->issuer);
    assert_int_equal(got->partition, put->partition);
    assert_int_equal(got->revocation.at, 0);
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
    record.partition = 3;
    add(f, 2, "other", 1);
    assert_int_equal(put(f, &record), 0);
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

static void the_beginning_of_a_serial_or_a_fingerprint_finds_it(void **state)
{
    struct fixture *f = *state;
    struct mu_record record = record_of(1, "a", 1);
    struct mu_store_filter filter = {.serial = record.serial, .now = NOW};
    char ends[256] = "";
    for (int n = 1; n < 4; n++)
        add(f, n, "a", 1);
    assert_int_equal(mu_store_each(f->store, &filter, append_serial_end, ends, &f->err), 0);
    assert_string_equal(ends, "01 ");
    filter = (struct mu_store_filter){.serial = "0A0000", .serial_is_beginning = true, .now = NOW};
    assert_int_equal(mu_store_each(f->store, &filter, append_serial_end, ends, &f->err), 0);
    assert_string_equal(ends, "01 01 02 03 ");
    filter.serial = "0A0001";
    assert_int_equal(mu_store_each(f->store, &filter, append_serial_end, ends, &f->err), 0);
    assert_string_equal(ends, "01 01 02 03 ");
    filter = (struct mu_store_filter){.sha256 = "0", .sha256_is_beginning = true, .now = NOW};
    filter.with_certificates = true;
    filter.limit = 2;
    assert_int_equal(mu_store_each(f->store, &filter, append_serial_end, ends, &f->err), 0);
    assert_string_equal(ends, "01 01 02 03 01+ 02+ ");
}

static void no_serial_is_taken_twice(void **state)
{
    struct fixture *f = *state;
    struct mu_record again = record_of(1, "b", 1);
    add(f, 1, "a", 1);
    assert_int_equal(put(f, &again), -1);
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
    assert_int_equal(put(f, &expired), 0);
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

/* The n-th entry of a trail. Its hash is not looked at here. */
static struct mu_trail_entry entry_of(int64_t seq, const char *action, const char *serial)
{
    static char hash[MU_HASH_LEN + 1];
    snprintf(hash, sizeof hash, "%064d", (int)seq);
    return (struct mu_trail_entry){.seq = seq,
                                   .at = NOW + seq,
                                   .who = "alice (1000)",
                                   .host = "here",
                                   .action = action,
                                   .serial = serial,
                                   .sha256 = "",
                                   .detail = "",
                                   .hash = hash};
}

struct revoking {
    int n;
    struct mu_revocation revocation;
    int64_t seq;
};

static int revoke_one(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct revoking *r = arg;
    struct mu_record record = record_of(r->n, "", 1);
    bool hold = r->revocation.reason == MU_REASON_HOLD;
    struct mu_trail_entry entry = entry_of(r->seq,
                                           r->revocation.at == 0 ? "release"
                                           : hold                ? "hold"
                                                                 : "revoke",
                                           record.serial);
    return mu_store_trail_add(store, &entry, err) != 0
               ? -1
               : mu_store_revoke(store, record.serial, &r->revocation, r->seq, err);
}

static int revoke_nth(struct fixture *f, int n, time_t at, enum mu_reason reason, int64_t seq)
{
    struct revoking r = {.n = n, .revocation = {.at = at, .reason = reason}, .seq = seq};
    return mu_store_change(f->store, revoke_one, &r, &f->err);
}

static bool append_revoked(void *arg, const struct mu_revoked *revoked)
{
    char *text = arg;
    sprintf(text + strlen(text), "%c:%d ", revoked->serial[strlen(revoked->serial) - 1],
            revoked->revocation.at == 0 ? -1 : (int)revoked->revocation.reason);
    return true;
}

/* The last digits of the serials on a list, with reasons; -1 for one that was released. */
static const char *revoked_of(struct fixture *f, int partition, time_t not_ended_at, int64_t after)
{
    static char text[256];
    struct mu_crl_scope scope = {.issuer = "KEY", .partition = partition};
    text[0] = '\0';
    assert_int_equal(mu_store_each_revoked(f->store, &scope, not_ended_at, after, append_revoked,
                                           text, &f->err),
                     0);
    return text;
}

static void what_is_revoked_is_listed_until_its_end_and_what_changed_since_an_entry(void **state)
{
    struct fixture *f = *state;
    for (int n = 1; n <= 4; n++)
        add(f, n, "a", n);
    assert_int_equal(revoke_nth(f, 1, NOW, MU_REASON_SUPERSEDED, 1), 0);
    assert_int_equal(revoke_nth(f, 2, NOW, MU_REASON_HOLD, 2), 0);
    assert_int_equal(revoke_nth(f, 3, NOW, MU_REASON_KEY_COMPROMISE, 3), 0);
    assert_string_equal(revoked_of(f, 0, NOW, MU_CHANGED_EVER), "1:4 2:6 3:1 ");
    assert_string_equal(revoked_of(f, 0, NOW + 1 * DAY, MU_CHANGED_EVER), "1:4 2:6 3:1 ");
    assert_string_equal(revoked_of(f, 0, NOW + 1 * DAY + 1, MU_CHANGED_EVER), "2:6 3:1 ");
    assert_string_equal(revoked_of(f, 0, NOW, 2), "3:1 ");
    assert_int_equal(revoke_nth(f, 2, 0, MU_REASON_UNSPECIFIED, 4), 0);
    assert_string_equal(revoked_of(f, 0, NOW, MU_CHANGED_EVER), "1:4 3:1 ");
    assert_string_equal(revoked_of(f, 0, NOW, 2), "2:-1 3:1 ");
    assert_string_equal(revoked_of(f, 0, NOW, 4), "");
}

static void a_list_has_what_its_issuer_and_its_partition_have_issued(void **state)
{
    struct fixture *f = *state;
    for (int n = 1; n <= 4; n++) {
        struct mu_record record = record_of(n, "a", 1);
        record.issuer = n == 3 ? "OTHER KEY" : n == 4 ? "" : "KEY";
        record.partition = n == 2 ? 7 : 0;
        assert_int_equal(put(f, &record), 0);
        assert_int_equal(revoke_nth(f, n, NOW, MU_REASON_UNSPECIFIED, n), 0);
    }
    assert_string_equal(revoked_of(f, 0, NOW, MU_CHANGED_EVER), "4:0 1:0 2:0 ");
    assert_string_equal(revoked_of(f, 7, NOW, MU_CHANGED_EVER), "2:0 ");
}

static void what_was_never_issued_cannot_be_revoked_and_leaves_no_entry(void **state)
{
    struct fixture *f = *state;
    int64_t seq;
    char hash[MU_HASH_LEN + 1];
    assert_int_equal(revoke_nth(f, 1, NOW, MU_REASON_UNSPECIFIED, 1), -1);
    assert_int_equal(f->err.code, MU_E_NOT_FOUND);
    assert_int_equal(mu_store_trail_tip(f->store, &seq, hash, &f->err), 0);
    assert_int_equal(seq, 0);
    assert_string_equal(hash, "");
}

static const char *names_in_state(struct fixture *f, enum mu_state state, time_t now)
{
    static char names[512];
    struct mu_store_filter filter = {.state = state, .now = now};
    names[0] = '\0';
    assert_int_equal(mu_store_each(f->store, &filter, append_name, names, &f->err), 0);
    return names;
}

static void a_list_can_be_limited_to_a_state(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "ended", 1);
    add(f, 2, "held", 9);
    add(f, 3, "revoked", 9);
    add(f, 4, "good", 9);
    assert_int_equal(revoke_nth(f, 2, NOW, MU_REASON_HOLD, 1), 0);
    assert_int_equal(revoke_nth(f, 3, NOW, MU_REASON_SUPERSEDED, 2), 0);
    time_t now = NOW + 2 * DAY;
    assert_string_equal(names_in_state(f, MU_STATE_VALID, now), "good ");
    assert_string_equal(names_in_state(f, MU_STATE_EXPIRED, now), "ended ");
    assert_string_equal(names_in_state(f, MU_STATE_REVOKED, now), "held revoked ");
    assert_string_equal(names_in_state(f, MU_STATE_HELD, now), "held ");
    assert_string_equal(names_in_state(f, MU_STATE_ANY, now), "ended held revoked good ");
}

static const char *names_by(struct fixture *f, struct mu_store_filter filter)
{
    static char names[512];
    filter.now = NOW;
    names[0] = '\0';
    assert_int_equal(mu_store_each(f->store, &filter, append_name, names, &f->err), 0);
    return names;
}

static void a_list_can_be_read_page_by_page_and_by_what_a_certificate_has(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "a", 3);
    add(f, 2, "b", 2);
    add(f, 3, "c", 1);
    struct mu_record web = record_of(4, "web", 4);
    web.san = "DNS:web.internal, IP:10.0.0.1, URI:spiffe://example.org/web";
    assert_int_equal(put(f, &web), 0);
    struct mu_record first = record_of(1, "a", 1), third = record_of(3, "c", 1);

    assert_string_equal(names_by(f, (struct mu_store_filter){.limit = 2}), "a b ");
    assert_string_equal(names_by(f, (struct mu_store_filter){.after = first.serial, .limit = 2}),
                        "b c ");
    assert_string_equal(names_by(f, (struct mu_store_filter){.after = third.serial,
                                                             .expiring_before = NOW + 9 * DAY}),
                        "b a web ");
    assert_string_equal(names_by(f, (struct mu_store_filter){.name = "b"}), "b ");
    assert_string_equal(names_by(f, (struct mu_store_filter){.sha256 = third.sha256}), "c ");
    assert_string_equal(names_by(f, (struct mu_store_filter){.issuer = "nobody"}), "");
    assert_string_equal(names_by(f, (struct mu_store_filter){.san_glob = "web.*"}), "web ");
    assert_string_equal(names_by(f, (struct mu_store_filter){.san_glob = "IP:10.0.*"}), "web ");
    assert_string_equal(names_by(f, (struct mu_store_filter){.san_glob = "*/web"}), "web ");
    assert_string_equal(names_by(f, (struct mu_store_filter){.san_glob = "internal"}), "");
    struct mu_store_filter lost = {.after = "0AFF", .now = NOW};
    assert_int_equal(mu_store_each(f->store, &lost, append_name, NULL, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NOT_FOUND);
}

struct half {
    struct mu_record record;
    int runs;
};

static int add_and_fail(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct half *half = arg;
    half->runs++;
    assert_int_equal(mu_store_add(store, &half->record, err), 0);
    return mu_fail(err, MU_E_CLOCK, "not today");
}

static void a_change_that_fails_leaves_no_trace_and_says_why(void **state)
{
    struct fixture *f = *state;
    struct half half = {.record = record_of(1, "a", 1)};
    assert_int_equal(mu_store_change(f->store, add_and_fail, &half, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_CLOCK);
    assert_int_equal(half.runs, 1);
    assert_string_equal(names_of(f, NULL, 0), "");
    add(f, 1, "a", 1);
}

static int collide_twice(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct half *half = arg;
    if (mu_store_add(store, &half->record, err) != 0)
        return -1;
    return ++half->runs < 3 ? mu_fail(err, MU_E_STORE_COLLISION, "another was faster") : 0;
}

static int add_twice_and_go_on(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct mu_error ignored = MU_ERROR_INIT;
    if (mu_store_add(store, arg, err) != 0)
        return -1;
    assert_int_equal(mu_store_add(store, arg, &ignored), -1);
    return 0;
}

static void a_change_that_goes_on_behind_a_failure_is_made_whole_or_fails(void **state)
{
    struct fixture *f = *state;
    struct mu_record record = record_of(1, "a", 1);
    int result = mu_store_change(f->store, add_twice_and_go_on, &record, &f->err);
    assert_string_equal(names_of(f, NULL, 0), result == 0 ? "a " : "");
}

static void a_change_that_collides_with_another_is_run_again_from_its_beginning(void **state)
{
    struct fixture *f = *state;
    struct half half = {.record = record_of(1, "a", 1)};
    assert_int_equal(mu_store_change(f->store, collide_twice, &half, &f->err), 0);
    assert_int_equal(half.runs, 3);
    assert_int_equal(f->err.code, MU_OK);
    assert_string_equal(names_of(f, NULL, 0), "a ");
}

struct listing_crl {
    struct mu_crl_scope scope;
    struct mu_crl_record crl;
};

static int add_crl(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct listing_crl *l = arg;
    struct mu_trail_entry entry = entry_of(l->crl.seq, "crl", "");
    if (mu_store_trail_add(store, &entry, err) != 0)
        return -1;
    return mu_store_add_crl(store, &l->scope, &l->crl, err);
}

static int put_crl(struct fixture *f, int partition, int64_t number, int64_t base, int64_t seq)
{
    struct listing_crl l = {.scope = {.issuer = "KEY", .partition = partition},
                            .crl = {.number = number,
                                    .base = base,
                                    .seq = seq,
                                    .this_update = NOW,
                                    .next_update = NOW + DAY}};
    mu_str_copy(l.crl.sha256, sizeof l.crl.sha256, record_of(1, "", 1).sha256);
    return mu_store_change(f->store, add_crl, &l, &f->err);
}

static void the_last_list_of_a_scope_is_known_and_no_number_is_taken_twice(void **state)
{
    struct fixture *f = *state;
    struct mu_crl_scope scope = {.issuer = "KEY"};
    struct mu_crl_record last;
    assert_int_equal(mu_store_last_crl(f->store, &scope, false, &last, &f->err), 0);
    assert_int_equal(last.number, 0);
    assert_int_equal(put_crl(f, 0, INT64_C(1780272000000), 0, 1), 0);
    assert_int_equal(put_crl(f, 0, INT64_C(1780272000001), INT64_C(1780272000000), 2), 0);
    assert_int_equal(put_crl(f, 1, INT64_C(1780272000009), 0, 3), 0);
    assert_int_equal(mu_store_last_crl(f->store, &scope, false, &last, &f->err), 0);
    assert_true(last.number == INT64_C(1780272000001) && last.base == INT64_C(1780272000000));
    assert_int_equal(last.seq, 2);
    assert_int_equal(mu_store_last_crl(f->store, &scope, true, &last, &f->err), 0);
    assert_true(last.number == INT64_C(1780272000000) && last.base == 0);
    assert_int_equal(last.next_update, NOW + DAY);
    assert_int_equal(put_crl(f, 0, INT64_C(1780272000001), 0, 4), -1);
    assert_int_equal(f->err.code, MU_E_EXISTS);
}

static int set_twice(struct mu_store *store, void *arg, struct mu_error *err)
{
    (void)arg;
    return mu_store_set(store, "url", "http://a/", err) != 0
               ? -1
               : mu_store_set(store, "url", "http://b/", err);
}

static void a_setting_is_what_it_was_set_to_last(void **state)
{
    struct fixture *f = *state;
    char value[16], short_one[4];
    assert_int_equal(mu_store_setting(f->store, "url", value, sizeof value, &f->err), 0);
    assert_string_equal(value, "");
    assert_int_equal(mu_store_change(f->store, set_twice, NULL, &f->err), 0);
    assert_int_equal(mu_store_setting(f->store, "url", value, sizeof value, &f->err), 0);
    assert_string_equal(value, "http://b/");
    assert_int_equal(mu_store_setting(f->store, "url", short_one, sizeof short_one, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_TOO_LARGE);
}

static void a_whole_store_says_so(void **state)
{
    struct fixture *f = *state;
    add(f, 1, "a", 1);
    assert_int_equal(mu_store_check(f->store, &f->err), 0);
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

/* Is the file locked for others? Asked by another process, as one's own locks are no obstacle. */
static bool is_locked(const char *path)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(path, O_RDWR | O_CLOEXEC);
        _exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return status == 0;
}

/* Else another process would take itself for the last, and put away the log from which this one reads. */
static void who_comes_and_goes_leaves_the_others_of_its_process_their_locks(void **state)
{
    struct fixture *f = *state;
    struct mu_store *second = NULL;
    open_store(f, MU_STORE_WRITE);
    add(f, 1, "a", 1);
    assert_true(is_locked(f->path));
    assert_int_equal(mu_store_open(f->path, MU_STORE_WRITE, &second, &f->err), 0);
    assert_true(is_locked(f->path));
    mu_store_close(second);
    assert_true(is_locked(f->path));
    assert_string_equal(names_of(f, NULL, 0), "a ");
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

static const char schema_1[] =
    "CREATE TABLE certificate (id INTEGER PRIMARY KEY,"
    "  serial TEXT NOT NULL UNIQUE CHECK (length(serial) BETWEEN 2 AND 40),"
    "  name TEXT NOT NULL CHECK (name <> ''),"
    "  profile TEXT NOT NULL CHECK (profile IN ('server', 'client', 'peer')),"
    "  state TEXT NOT NULL CHECK (state IN ('valid', 'revoked')),"
    "  subject TEXT NOT NULL, san TEXT NOT NULL, not_before INTEGER NOT NULL,"
    "  not_after INTEGER NOT NULL CHECK (not_after >= not_before), issued_at INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),"
    "  der BLOB NOT NULL CHECK (length(der) > 0)) STRICT;"
    "CREATE INDEX certificate_by_name ON certificate (name);"
    "CREATE INDEX certificate_by_end ON certificate (not_after);"
    "INSERT INTO certificate VALUES (5, '0A01', 'old', 'peer', 'valid', 'CN=old', 'DNS:old', 1, 2, 1,"
    "  '0000000000000000000000000000000000000000000000000000000000000001', x'3000');"
    "PRAGMA application_id = 0x6d75746c; PRAGMA user_version = 1;";

static bool is_the_old_one(void *arg, const struct mu_record *record)
{
    (void)arg;
    assert_string_equal(record->name, "old");
    assert_string_equal(record->profile, "peer");
    assert_string_equal(record->issuer, "");
    assert_int_equal(record->not_after, 2);
    assert_int_equal(record->revocation.at, 0);
    assert_memory_equal(record->der, "\x30\x00", 2);
    return true;
}

static void a_store_of_an_older_mutual_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;
    for (int mode = MU_STORE_WRITE; mode <= MU_STORE_READ; mode++) {
        unlink(f->path);
        exec_sql(f, schema_1);
        open_store(f, (enum mu_store_mode)mode);
        assert_int_equal(mu_store_find(f->store, "0A01", is_the_old_one, NULL, &f->err), 0);
        add(f, 2, "new", 1);
        assert_int_equal(mu_store_check(f->store, &f->err), 0);
        assert_string_equal(names_of(f, NULL, 0), "old new ");
        close_store(f);
    }
}

static int add_files(struct mu_store *store, void *arg, struct mu_error *err)
{
    const struct mu_store_file b = {.name = "b", .mode = 0600, .data = "\0two", .len = 4};
    const struct mu_store_file a = {.name = "a", .mode = 0644, .data = "", .len = 0};
    (void)arg;
    return mu_store_file_add(store, &b, err) != 0 ? -1 : mu_store_file_add(store, &a, err);
}

static int drop_files(struct mu_store *store, void *arg, struct mu_error *err)
{
    (void)arg;
    return mu_store_file_drop_all(store, err);
}

static bool append_file(void *arg, const struct mu_store_file *file)
{
    char *said = arg;
    assert_non_null(file->data);
    sprintf(said + strlen(said), "%s %04o %zu ", file->name, (unsigned)file->mode, file->len);
    assert_memory_equal(file->data, "\0two", file->len);
    return true;
}

static void files_are_carried_along_until_they_are_dropped(void **state)
{
    struct fixture *f = *state;
    char said[64] = "";
    open_store(f, MU_STORE_WRITE);
    assert_int_equal(mu_store_file_each(f->store, append_file, said, &f->err), -1);
    assert_int_equal(mu_store_change(f->store, add_files, NULL, &f->err), 0);
    assert_int_equal(mu_store_file_each(f->store, append_file, said, &f->err), 0);
    assert_string_equal(said, "a 0644 0 b 0600 4 ");
    assert_int_equal(mu_store_change(f->store, drop_files, NULL, &f->err), 0);
    assert_int_equal(mu_store_file_each(f->store, append_file, said, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_STORE);
}

static void a_copy_is_whole_private_and_never_over_another_file(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char path[160];
    snprintf(path, sizeof path, "%s/copy.db", f->dir);
    open_store(f, MU_STORE_WRITE);
    add(f, 1, "a", 1);
    assert_int_equal(mu_store_copy(f->store, path, &f->err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(mu_store_copy(f->store, path, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_EXISTS);
    close_store(f);
    rename(path, f->path);
    open_store(f, MU_STORE_READ);
    assert_string_equal(names_of(f, NULL, 0), "a ");
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
            record.profile = "other";
        else if (wrong == 2)
            record.partition = -1;
        else if (wrong == 3)
            record.serial = "";
        else
            record.der_len = 0;
        assert_int_equal(put(f, &record), -1);
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
    assert_plan(db,
                "EXPLAIN QUERY PLAN SELECT * FROM certificate WHERE name >= 'a' AND name <= 'b' "
                "ORDER BY id",
                NULL, "certificate_by_name");
    assert_plan(db,
                "EXPLAIN QUERY PLAN SELECT serial, revoked_at, reason, invalid_since FROM certificate "
                "WHERE issuer IN (?1, '') AND changed_seq IS NOT NULL AND not_after >= ?2",
                NULL, "COVERING INDEX certificate_changed");
    assert_plan(db,
                "EXPLAIN QUERY PLAN SELECT * FROM certificate WHERE not_after >= ?2 AND "
                "not_after < ?3 ORDER BY not_after, id",
                NULL, "certificate_by_end");
    sqlite3_close(db);
}

#define ON_EACH_ENGINE(X)                                                                          \
    X(a_record_is_found_by_its_serial_as_it_was_added)                                             \
    X(a_serial_that_was_never_issued_is_not_found)                                                 \
    X(the_beginning_of_a_serial_or_a_fingerprint_finds_it)                                         \
    X(no_serial_is_taken_twice)                                                                    \
    X(a_list_is_in_the_order_of_issue)                                                             \
    X(an_empty_store_lists_nothing)                                                                \
    X(a_list_can_be_limited_by_a_pattern_of_names)                                                 \
    X(what_expires_soon_comes_soonest_first_and_without_what_has_expired)                          \
    X(a_reader_may_stop_early)                                                                     \
    X(what_is_revoked_is_listed_until_its_end_and_what_changed_since_an_entry)                     \
    X(a_list_has_what_its_issuer_and_its_partition_have_issued)                                    \
    X(what_was_never_issued_cannot_be_revoked_and_leaves_no_entry)                                 \
    X(a_list_can_be_limited_to_a_state)                                                            \
    X(a_list_can_be_read_page_by_page_and_by_what_a_certificate_has)                               \
    X(a_change_that_fails_leaves_no_trace_and_says_why)                                            \
    X(a_change_that_goes_on_behind_a_failure_is_made_whole_or_fails)                               \
    X(a_change_that_collides_with_another_is_run_again_from_its_beginning)                         \
    X(the_last_list_of_a_scope_is_known_and_no_number_is_taken_twice)                              \
    X(a_setting_is_what_it_was_set_to_last)                                                        \
    X(a_whole_store_says_so)

#define ON_SQLITE(test) {"sqlite: " #test, test, set_up_sqlite, tear_down, NULL},
#define IN_MEMORY(test) {"memory: " #test, test, set_up_memory, tear_down, NULL},
#define ON_POSTGRES(test) {"postgres: " #test, test, set_up_postgres, tear_down, NULL},
#define ON_A_FILE(test) cmocka_unit_test_setup_teardown(test, make_place, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH_ENGINE(ON_SQLITE) ON_EACH_ENGINE(IN_MEMORY)
            ON_A_FILE(records_outlive_the_process_and_only_the_owner_may_read_them),
        ON_A_FILE(two_writers_at_once_both_get_through),
        ON_A_FILE(who_comes_and_goes_leaves_the_others_of_its_process_their_locks),
        ON_A_FILE(a_store_of_a_newer_mutual_is_refused_and_left_alone),
        ON_A_FILE(a_store_of_an_older_mutual_is_brought_up_to_date),
        ON_A_FILE(a_copy_is_whole_private_and_never_over_another_file),
        ON_A_FILE(files_are_carried_along_until_they_are_dropped),
        ON_A_FILE(the_database_of_another_program_is_refused_and_left_alone),
        ON_A_FILE(a_file_that_is_no_database_is_refused),
        ON_A_FILE(a_store_that_is_not_there_cannot_be_read),
        ON_A_FILE(an_empty_file_becomes_a_store),
        ON_A_FILE(a_record_that_makes_no_sense_is_refused),
        ON_A_FILE(a_million_records_would_be_looked_up_not_walked_through),
    };
    const struct CMUnitTest on_postgres[] = {ON_EACH_ENGINE(ON_POSTGRES)};
    if (getenv("MUTUAL_TEST_POSTGRES") != NULL)
        return cmocka_run_group_tests_name("store on PostgreSQL", on_postgres, NULL, NULL);
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
