#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"

#include "authority/audit.h"
#include "authority/authority.h"
#include "authority/crl.h"
#include "base/file.h"
#include "base/time.h"

#define NOW ((time_t)1780272000) /* 2026-06-01 00:00 UTC */

/* An authority that has issued three certificates, on three days, and revoked the second. */
struct fixture {
    char place[64], dir[80];
    struct mu_home home;
    struct mu_cert *ca;
    char serials[3][64];
    struct mu_error err;
};

static struct mu_authority *open_authority(struct fixture *f)
{
    struct mu_authority *authority = NULL;
    if (mu_authority_open(f->dir, NULL, &authority, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
    return authority;
}

static bool note_serial(void *arg, const struct mu_record *record)
{
    struct fixture *f = arg;
    for (size_t i = 0; i < 3; i++)
        if (f->serials[i][0] == '\0')
            return snprintf(f->serials[i], sizeof f->serials[i], "%s", record->serial) > 0;
    return false;
}

static void issue(struct mu_authority *authority, const char *name, time_t now, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    assert_int_equal(mu_names_set_main(&names, name, false, err), 0);
    assert_int_equal(mu_key_generate("p256", &key, err), 0);
    struct mu_order order = {.profile = MU_PROFILE_SERVER,
                             .key = key,
                             .names = &names,
                             .now = now,
                             .lifetime_s = 30 * MU_DAY_S};
    assert_int_equal(mu_authority_issue(authority, &order, &cert, err), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char old[MU_PATH_LEN];
    *state = f;
    snprintf(f->place, sizeof f->place, "/tmp/mutual-test-audit-XXXXXX");
    if (mkdtemp(f->place) == NULL)
        return -1;
    snprintf(f->dir, sizeof f->dir, "%s/home", f->place);
    struct mu_authority_init init = {.home = f->dir,
                                     .name = "Home CA",
                                     .key_type = "p256",
                                     .lifetime_s = 365 * MU_DAY_S,
                                     .now = NOW};
    if (mu_home_paths(f->dir, &f->home, &f->err) != 0 ||
        mu_authority_init(&init, &f->ca, old, &f->err) != 0)
        return -1;
    MU_AUTO_STRUCT(mu_authority) authority = open_authority(f);
    for (int day = 0; day < 3; day++)
        issue(authority, day == 0 ? "a" : day == 1 ? "b" : "c", NOW + day * MU_DAY_S, &f->err);
    struct mu_store_filter all = {.now = NOW};
    assert_int_equal(mu_store_each(mu_authority_store(authority), &all, note_serial, f, &f->err), 0);
    struct mu_revocation revocation = {.at = NOW + 2 * MU_DAY_S, .reason = MU_REASON_SUPERSEDED};
    return mu_authority_revoke(authority, f->serials[1], &revocation, &f->err);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    remove_place(f->place);
    mu_cert_free(f->ca);
    free(f);
    return 0;
}

static struct mu_audit_verdict verdict_of(struct fixture *f)
{
    struct mu_audit_verdict verdict;
    MU_AUTO_STRUCT(mu_store) store = NULL;
    assert_int_equal(mu_store_open(f->home.db, MU_STORE_READ, &store, &f->err), 0);
    assert_int_equal(mu_audit_verify(store, f->ca, &verdict, &f->err), 0);
    return verdict;
}

/* What somebody does who can write to the records, but has no key. */
static void tamper(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    char *fault = NULL;
    assert_int_equal(sqlite3_open(f->home.db, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &fault) != SQLITE_OK)
        fail_msg("%s", fault);
    sqlite3_close(db);
}

static void assert_found(struct fixture *f, int64_t entry, const char *words)
{
    struct mu_audit_verdict verdict = verdict_of(f);
    if (strstr(verdict.fault, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", verdict.fault, words);
    assert_int_equal(verdict.bad, entry);
}

static void a_trail_that_nobody_touched_is_whole_and_signed_every_day(void **state)
{
    struct mu_audit_verdict verdict = verdict_of(*state);
    assert_string_equal(verdict.fault, "");
    assert_int_equal(verdict.entries, 5);    /* the CA, three certificates, a revocation */
    assert_int_equal(verdict.signatures, 3); /* the CA's, and one for each further day */
    assert_int_equal(verdict.signed_up_to, 4);
    assert_int_equal(verdict.signed_at, NOW + 2 * MU_DAY_S);
}

static void a_clock_that_was_ahead_for_once_does_not_put_off_signatures(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_authority) authority = open_authority(f);
    issue(authority, "d", NOW + 200 * MU_DAY_S, &f->err);
    issue(authority, "e", NOW + 3 * MU_DAY_S, &f->err);
    issue(authority, "f", NOW + 4 * MU_DAY_S - 1, &f->err);
    struct mu_audit_verdict verdict = verdict_of(f);
    assert_string_equal(verdict.fault, "");
    assert_int_equal(verdict.signatures, 5);
    assert_int_equal(verdict.signed_at, NOW + 3 * MU_DAY_S);
}

static void an_entry_that_was_changed_is_named(void **state)
{
    static const char *const columns[] = {"at = at + 1",    "who = 'mallory (0)'", "host = 'x'",
                                          "action = 'crl'", "serial = 'AA'",       "sha256 = 'AA'",
                                          "detail = 'x'"};
    struct fixture *f = *state;
    char sql[256];
    for (size_t i = 0; i < MU_COUNT(columns); i++) {
        tamper(f, "CREATE TABLE before AS SELECT * FROM trail");
        snprintf(sql, sizeof sql, "UPDATE trail SET %s WHERE seq = 3", columns[i]);
        tamper(f, sql);
        assert_found(f, 3, "entry 3 (");
        tamper(f, "DELETE FROM trail; INSERT INTO trail SELECT * FROM before; DROP TABLE before");
    }
    assert_string_equal(verdict_of(f).fault, "");
}

static void an_entry_that_was_dropped_is_named(void **state)
{
    tamper(*state, "DELETE FROM trail WHERE seq = 2");
    assert_found(*state, 2, "entry 2 is missing");
}

static void entries_that_changed_places_are_named(void **state)
{
    tamper(*state, "UPDATE trail SET seq = 99 WHERE seq = 2; UPDATE trail SET seq = 2 WHERE seq = 3;"
                   "UPDATE trail SET seq = 3 WHERE seq = 99");
    assert_found(*state, 2, "does not follow the entry before it");
}

static void entries_that_were_dropped_from_the_end_are_missed(void **state)
{
    tamper(*state, "DELETE FROM trail WHERE seq > 3");
    assert_found(*state, 4, "signed up to entry 4");
}

static void an_entry_behind_the_last_signature_is_missed_by_what_the_records_say(void **state)
{
    tamper(*state, "DELETE FROM trail WHERE seq = 5");
    assert_found(*state, 0, "is revoked in one of the trail and the records");
}

static void a_trail_written_anew_from_an_entry_on_is_not_what_was_signed(void **state)
{
    struct fixture *f = *state;
    /* Its own writer computes the hashes of all that follow; only the key is missing. */
    tamper(f, "DELETE FROM trail WHERE seq >= 3; UPDATE certificate SET revoked_at = NULL, "
              "reason = NULL, changed_seq = NULL");
    MU_AUTO_STRUCT(mu_authority) authority = open_authority(f);
    issue(authority, "x", NOW + 2 * MU_DAY_S, &f->err);
    issue(authority, "y", NOW + 2 * MU_DAY_S, &f->err);
    /* Entry 3 it was, but all that can be told is that it is behind the last good signature. */
    assert_found(f, 2,
                 "of the entries 2 to 3 one or more are not what they were when they were signed");
}

static void a_signature_by_another_key_is_none(void **state)
{
    tamper(*state,
           "UPDATE trail_head SET signature = (SELECT signature FROM trail_head WHERE seq = 1) "
           "WHERE seq = 3");
    assert_found(*state, 3, "is not from the CA's key");
}

static void a_signature_by_a_stranger_is_none(void **state)
{
    tamper(*state,
           "UPDATE trail_head SET signer = replace(signer, substr(signer, 1, 8), '00000000')");
    assert_found(*state, 1, "by a certificate that this CA has not used");
}

struct takeover {
    struct fixture *f;
    const struct mu_cert *next;
    bool is_signed;
};

static int announce(struct mu_store *store, void *arg, struct mu_error *err)
{
    const struct takeover *t = arg;
    char sha256[MU_SHA256_LEN];
    const time_t now = NOW + 2 * MU_DAY_S + 60;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    const struct mu_act act = {.action = "install", .sha256 = mu_cert_fingerprint(t->next, sha256)};
    if (mu_key_load(t->f->home.key, NULL, &key, err) != 0 ||
        mu_audit_add(store, &act, now, NULL, err) != 0)
        return -1;
    return t->is_signed ? mu_audit_sign(store, MU_AUDIT_NOW, t->f->ca, key, now, err) : 0;
}

/* That ca.crt is already the next one's, and nothing more has come about. */
static void take_over(struct fixture *f, bool is_signed)
{
    char dir[96], old[MU_PATH_LEN];
    MU_AUTO_STRUCT(mu_cert) next = NULL;
    MU_AUTO_STRUCT(mu_store) store = NULL;
    snprintf(dir, sizeof dir, "%s/next", f->place);
    const struct mu_authority_init init = {.home = dir,
                                           .name = "Next CA",
                                           .key_type = "p256",
                                           .lifetime_s = 365 * MU_DAY_S,
                                           .now = NOW};
    assert_int_equal(mu_authority_init(&init, &next, old, &f->err), 0);
    assert_int_equal(mu_store_open(f->home.db, MU_STORE_WRITE, &store, &f->err), 0);
    struct takeover t = {f, next, is_signed};
    assert_int_equal(mu_store_change(store, announce, &t, &f->err), 0);
    mu_cert_free(f->ca);
    f->ca = mu_take(&next);
}

static void who_takes_over_and_has_signed_nothing_was_announced_by_who_goes(void **state)
{
    take_over(*state, true);
    assert_string_equal(verdict_of(*state).fault, "");
}

static void what_nobody_signed_announces_nobody(void **state)
{
    take_over(*state, false);
    assert_found(*state, 4, "is not by the present CA certificate");
}

static void a_trail_without_signatures_is_not_believed(void **state)
{
    tamper(*state, "DELETE FROM trail_head");
    assert_found(*state, 0, "signatures are missing");
}

static void a_certificate_of_which_the_trail_does_not_know_is_named(void **state)
{
    struct fixture *f = *state;
    tamper(f,
           "INSERT INTO certificate (serial, name, profile, subject, san, issuer, not_before, "
           "not_after, issued_at, sha256, part, der) SELECT 'BADBAD', name, profile, subject, san, "
           "issuer, not_before, not_after, issued_at, replace(sha256, substr(sha256, 1, 4), '0000'), "
           "part, der FROM certificate LIMIT 1");
    assert_found(f, 0, "BADBAD is in the records, but");
}

static void a_certificate_that_was_dropped_from_the_records_is_named(void **state)
{
    struct fixture *f = *state;
    char sql[160];
    snprintf(sql, sizeof sql, "DELETE FROM certificate WHERE serial = '%s'", f->serials[0]);
    tamper(f, sql);
    assert_found(f, 0, "is not in the records");
    assert_non_null(strstr(verdict_of(f).fault, f->serials[0]));
}

static void a_revocation_that_was_undone_behind_the_trails_back_is_named(void **state)
{
    tamper(*state, "UPDATE certificate SET revoked_at = NULL, reason = NULL");
    assert_found(*state, 0, "is revoked in one of the trail and the records");
}

/* Each of these takes a revoked certificate off a list, or makes the records tell something else than was done. */
static void records_that_say_something_else_are_named(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"UPDATE certificate SET revoked_at = NULL, reason = NULL, changed_seq = NULL, issued_at = 1",
         "is revoked in one of the trail and the records"},
        {"UPDATE certificate SET changed_seq = NULL",
         "is revoked in one of the trail and the records"},
        {"UPDATE certificate SET reason = 1 WHERE reason = 4", "has another reason, time or name"},
        {"UPDATE certificate SET invalid_since = 5 WHERE reason IS NOT NULL",
         "has another reason, time or name"},
        {"UPDATE certificate SET revoked_at = revoked_at + 60", "is revoked since another time"},
        {"UPDATE certificate SET not_after = not_before",
         "has another beginning or end than its record"},
        {"UPDATE certificate SET issuer = 'AA'", "is by another CA than its record says"},
        {"UPDATE ca SET key = 'AA'; UPDATE certificate SET issuer = 'AA'",
         "is not the one that its record tells of"},
        {"UPDATE ca SET since = since + 1", "is in the records as the trail does not tell it"},
        {"INSERT INTO ca SELECT sha256, 'AA', 1, der FROM certificate WHERE name = 'a'",
         "is in the records as the trail does not tell it"},
        {"UPDATE certificate SET part = part + 1",
         "points to another revocation list than its record"},
        {"UPDATE certificate SET san = 'DNS:x'", "has other names than its record"},
        {"UPDATE certificate SET name = 'x' WHERE name = 'a'", "no entry that it was issued so"},
        {"UPDATE certificate SET profile = 'client'", "no entry that it was issued so"},
        {"UPDATE certificate SET der = zeroblob(100)", "cannot be read"},
        {"UPDATE certificate SET der = (SELECT der FROM certificate WHERE name = 'a')",
         "is not the one that was recorded"},
        {"DELETE FROM crl", "the revocation list of entry"},
        {"UPDATE crl SET number = number + 1", "is in the records as the trail does not tell it"},
        {"UPDATE setting SET value = '0' WHERE name = 'crl-partitions'",
         "the setting crl-partitions"},
        {"DELETE FROM setting WHERE name = 'url'", "the setting url is not what"},
        {"INSERT INTO setting VALUES ('policy', 'AA')", "the setting policy is not what"},
        {"DELETE FROM setting WHERE name = 'url'; DELETE FROM crl", "the setting url is not what"},
    };
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_buf) whole = MU_BUF_INIT;
    const struct mu_crl_settings settings = {.url = "http://pki.example/",
                                             .partitions = 2,
                                             .lifetime_s = MU_DAY_S};
    const struct mu_revocation held = {.at = NOW + 3 * MU_DAY_S,
                                       .reason = MU_REASON_HOLD,
                                       .invalid_since = NOW};
    struct mu_published published;
    MU_AUTO_STRUCT(mu_authority) authority = open_authority(f);
    assert_int_equal(mu_crl_settings_write(authority, &settings, NOW + 3 * MU_DAY_S, &f->err), 0);
    issue(authority, "d", NOW + 3 * MU_DAY_S, &f->err);
    assert_int_equal(mu_authority_revoke(authority, f->serials[0], &held, &f->err), 0);
    assert_int_equal(mu_authority_publish(authority, MU_PUBLISH_ALL, NOW + 3 * MU_DAY_S, &published,
                                          &f->err),
                     0);
    mu_authority_free(mu_take(&authority));
    assert_string_equal(verdict_of(f).fault, "");
    assert_int_equal(mu_file_read(f->home.db, MU_FILE_LIMIT, &whole, &f->err), 0);
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        tamper(f, cases[i].sql);
        assert_found(f, 0, cases[i].words);
        assert_int_equal(mu_file_write(f->home.db, whole.data, whole.len, 0600, true, &f->err), 0);
    }
}

static void a_trail_that_was_emptied_is_not_taken_for_a_new_one(void **state)
{
    tamper(*state, "DELETE FROM trail_head; DELETE FROM certificate; DELETE FROM trail");
    assert_found(*state, 1, "it is empty");
}

#define WITH_A_TRAIL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_A_TRAIL(a_trail_that_nobody_touched_is_whole_and_signed_every_day),
        WITH_A_TRAIL(a_clock_that_was_ahead_for_once_does_not_put_off_signatures),
        WITH_A_TRAIL(an_entry_that_was_changed_is_named),
        WITH_A_TRAIL(an_entry_that_was_dropped_is_named),
        WITH_A_TRAIL(entries_that_changed_places_are_named),
        WITH_A_TRAIL(entries_that_were_dropped_from_the_end_are_missed),
        WITH_A_TRAIL(an_entry_behind_the_last_signature_is_missed_by_what_the_records_say),
        WITH_A_TRAIL(a_trail_written_anew_from_an_entry_on_is_not_what_was_signed),
        WITH_A_TRAIL(a_signature_by_another_key_is_none),
        WITH_A_TRAIL(a_signature_by_a_stranger_is_none),
        WITH_A_TRAIL(who_takes_over_and_has_signed_nothing_was_announced_by_who_goes),
        WITH_A_TRAIL(what_nobody_signed_announces_nobody),
        WITH_A_TRAIL(a_trail_without_signatures_is_not_believed),
        WITH_A_TRAIL(a_certificate_of_which_the_trail_does_not_know_is_named),
        WITH_A_TRAIL(a_certificate_that_was_dropped_from_the_records_is_named),
        WITH_A_TRAIL(a_revocation_that_was_undone_behind_the_trails_back_is_named),
        WITH_A_TRAIL(records_that_say_something_else_are_named),
        WITH_A_TRAIL(a_trail_that_was_emptied_is_not_taken_for_a_new_one),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
