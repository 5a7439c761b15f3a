#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"

#include "authority/authority.h"
#include "authority/renew.h"
#include "base/str.h"
#include "base/time.h"

#define NOW ((time_t)1780272000) /* 2026-06-01 00:00 UTC */

/* A place for a home, and names and a key for a certificate. */
struct fixture {
    char place[64], dir[80], old[MU_PATH_LEN];
    struct mu_home home;
    struct mu_names names;
    struct mu_key *key;
    struct mu_cert *ca, *cert;
    struct mu_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->place, sizeof f->place, "/tmp/mutual-test-authority-XXXXXX");
    *state = f;
    if (mkdtemp(f->place) == NULL)
        return -1;
    snprintf(f->dir, sizeof f->dir, "%s/home", f->place);
    return mu_home_paths(f->dir, &f->home, &f->err) != 0 ||
           mu_names_set_main(&f->names, "api.internal", false, &f->err) != 0 ||
           mu_key_generate("p256", &f->key, &f->err) != 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    remove_place(f->place);
    mu_names_clear(&f->names);
    mu_key_free(f->key);
    mu_cert_free(f->ca);
    mu_cert_free(f->cert);
    free(f);
    return 0;
}

static int init(struct fixture *f, bool force)
{
    struct mu_authority_init how = {
        .home = f->dir,
        .name = "Home CA",
        .key_type = "p256",
        .lifetime_s = 365 * MU_DAY_S,
        .force = force,
        .now = NOW,
    };
    mu_cert_free(f->ca);
    f->ca = NULL;
    return mu_authority_init(&how, &f->ca, f->old, &f->err);
}

static void make(struct fixture *f)
{
    if (init(f, false) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
}

static int issue(struct fixture *f)
{
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    struct mu_order order = {
        .profile = MU_PROFILE_SERVER,
        .key = f->key,
        .names = &f->names,
        .now = NOW,
        .lifetime_s = MU_DAY_S,
    };
    mu_cert_free(f->cert);
    f->cert = NULL;
    return mu_authority_open(f->dir, NULL, &authority, &f->err) != 0
               ? -1
               : mu_authority_issue(authority, &order, &f->cert, &f->err);
}

static bool count_record(void *arg, const struct mu_record *record)
{
    assert_string_equal(record->name, "api.internal");
    ++*(int *)arg;
    return true;
}

static int count_records(const char *db)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_store_filter all = {.now = NOW};
    MU_AUTO_STRUCT(mu_store) store = NULL;
    int count = 0;
    assert_int_equal(mu_store_open(db, MU_STORE_READ, &store, &err), 0);
    assert_int_equal(mu_store_each(store, &all, count_record, &count, &err), 0);
    return count;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Is this file kept in the directory of the old? */
static bool is_kept(struct fixture *f, const char *name)
{
    char path[MU_PATH_LEN];
    assert_int_equal(mu_path_join(f->old, name, path, &f->err), 0);
    return is_there(path);
}

/* --- Making one --- */

static void a_home_is_a_certificate_a_key_and_records_that_only_the_owner_reads(void **state)
{
    struct fixture *f = *state;
    make(f);
    assert_int_equal(mode_of(f->dir), 0700);
    assert_int_equal(mode_of(f->home.cert), 0644);
    assert_int_equal(mode_of(f->home.key), 0600);
    assert_int_equal(mode_of(f->home.db), 0600);
    assert_string_equal(f->old, "");
}

static void an_authority_is_not_replaced_unasked(void **state)
{
    struct fixture *f = *state;
    make(f);
    assert_int_equal(init(f, false), -1);
    assert_int_equal(f->err.code, MU_E_EXISTS);
    assert_non_null(strstr(f->err.what, "ca.crt"));
    assert_non_null(strstr(f->err.hint, "--force"));
    assert_null(f->ca);
}

static void a_replaced_authority_is_kept_whole(void **state)
{
    struct fixture *f = *state;
    char db[MU_PATH_LEN];
    make(f);
    assert_int_equal(issue(f), 0);
    assert_int_equal(init(f, true), 0);
    assert_non_null(strstr(f->old, "/old-20260601T000000Z"));
    assert_true(is_kept(f, "ca.crt") && is_kept(f, "ca.key"));
    assert_int_equal(mu_path_join(f->old, "mutual.db", db, &f->err), 0);
    assert_int_equal(count_records(db), 1);
    assert_int_equal(count_records(f->home.db), 0);
    assert_int_equal(issue(f), 0);
}

static void two_that_are_replaced_in_one_second_are_both_kept(void **state)
{
    struct fixture *f = *state;
    char first[MU_PATH_LEN];
    make(f);
    assert_int_equal(init(f, true), 0);
    assert_int_equal(mu_path_join(f->old, "ca.key", first, &f->err), 0);
    assert_int_equal(init(f, true), 0);
    assert_non_null(strstr(f->old, "/old-20260601T000000Z-2"));
    assert_true(is_there(first) && is_kept(f, "ca.key"));
}

/* What is left when an init is killed: each file that it makes, in its order, and no more. */
static void an_init_that_was_killed_can_be_repeated(void **state)
{
    struct fixture *f = *state;
    for (int files_left = 0; files_left <= 2; files_left++) {
        make(f);
        unlink(f->home.cert);
        if (files_left < 2)
            unlink(f->home.key);
        if (files_left < 1)
            unlink(f->home.db);
        make(f);
        assert_int_equal(*f->old != '\0', files_left == 2); /* a key is always kept */
        assert_int_equal(issue(f), 0);
        assert_int_equal(nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    }
}

static void records_without_an_authority_are_kept_and_not_taken_over(void **state)
{
    struct fixture *f = *state;
    make(f);
    assert_int_equal(issue(f), 0);
    unlink(f->home.cert);
    assert_int_equal(init(f, false), -1); /* a key that has issued something */
    assert_int_equal(f->err.code, MU_E_EXISTS);
    unlink(f->home.key);
    make(f);
    assert_true(is_kept(f, "mutual.db"));
    assert_int_equal(count_records(f->home.db), 0);
}

static void an_authority_with_damaged_records_can_be_replaced(void **state)
{
    struct fixture *f = *state;
    make(f);
    FILE *db = fopen(f->home.db, "w");
    fprintf(db, "%01000d", 0);
    fclose(db);
    assert_int_equal(issue(f), -1);
    assert_int_equal(f->err.code, MU_E_STORE);
    assert_int_equal(init(f, true), 0);
    assert_true(is_kept(f, "mutual.db"));
    assert_int_equal(issue(f), 0);
}

static void what_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct mu_authority_init how = {.home = f->dir,
                                    .name = "",
                                    .key_type = "p256",
                                    .lifetime_s = MU_DAY_S,
                                    .now = NOW};
    assert_int_equal(mu_authority_init(&how, &f->ca, f->old, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NAME);
    how.name = "CA";
    how.key_type = "rot13";
    assert_int_equal(mu_authority_init(&how, &f->ca, f->old, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_USAGE);
    assert_false(is_there(f->dir));
}

/* --- Using it --- */

static bool has_this_certificate(void *arg, const struct mu_record *record)
{
    const struct mu_cert *cert = arg;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    mu_cert_to_der(cert, &der);
    assert_int_equal(record->der_len, der.len);
    assert_memory_equal(record->der, der.data, der.len);
    assert_string_equal(record->profile, "server");
    assert_int_equal(mu_record_state(record, NOW), MU_STATE_VALID);
    assert_int_equal(strlen(record->issuer), 64);
    assert_string_equal(record->subject, "CN=api.internal");
    assert_string_equal(record->san, "DNS:api.internal, IP:10.0.0.1");
    assert_int_equal(record->not_before, NOW - 300);
    assert_int_equal(record->not_after, NOW + MU_DAY_S);
    assert_int_equal(record->issued_at, NOW);
    assert_int_equal(strlen(record->sha256), 64);
    return true;
}

static bool note_serial(void *arg, const struct mu_record *record)
{
    return mu_str_copy(arg, 64, record->serial);
}

static void what_was_issued_is_on_record_to_the_last_octet(void **state)
{
    struct fixture *f = *state;
    struct mu_store_filter all = {.now = NOW};
    char serial[64] = "";
    MU_AUTO_STRUCT(mu_store) store = NULL;
    make(f);
    assert_int_equal(mu_names_add(&f->names, "10.0.0.1", &f->err), 0);
    assert_int_equal(issue(f), 0);
    assert_int_equal(mu_store_open(f->home.db, MU_STORE_READ, &store, &f->err), 0);
    assert_int_equal(mu_store_each(store, &all, note_serial, serial, &f->err), 0);
    assert_int_equal(strlen(serial), 36); /* 18 octets, a leading zero too */
    assert_int_equal(mu_store_find(store, serial, has_this_certificate, f->cert, &f->err), 0);
}

static void what_was_refused_is_not_on_record(void **state)
{
    struct fixture *f = *state;
    make(f);
    mu_names_clear(&f->names);
    assert_int_equal(issue(f), -1);
    assert_int_equal(f->err.code, MU_E_PROFILE);
    assert_int_equal(count_records(f->home.db), 0);
}

static void what_cannot_be_recorded_is_not_issued(void **state)
{
    struct fixture *f = *state;
    make(f);
    unlink(f->home.db);
    assert_int_equal(mkdir(f->home.db, 0700), 0);
    assert_int_equal(issue(f), -1);
    assert_int_equal(f->err.code, MU_E_STORE);
    assert_null(f->cert);
    rmdir(f->home.db);
}

static void without_an_authority_the_hint_is_to_make_one(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(issue(f), -1);
    assert_int_equal(f->err.code, MU_E_NO_CA);
    assert_non_null(strstr(f->err.hint, "mutual init"));
}

static void files_of_two_authorities_do_not_make_one(void **state)
{
    struct fixture *f = *state;
    char key[MU_PATH_LEN];
    make(f);
    assert_int_equal(init(f, true), 0);
    assert_int_equal(mu_path_join(f->old, "ca.key", key, &f->err), 0);
    assert_int_equal(rename(key, f->home.key), 0);
    assert_int_equal(issue(f), -1);
    assert_int_equal(f->err.code, MU_E_KEY_MISMATCH);
}

static int ask(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    (void)what;
    return mu_secret_set(ret, arg, strlen(arg), err);
}

static void a_protected_key_is_asked_for_its_passphrase(void **state)
{
    struct fixture *f = *state;
    struct mu_secret secret = {.data = (char *)"horse", .len = 5};
    struct mu_passphrase_source right = {ask, (void *)"horse"}, wrong = {ask, (void *)"donkey"};
    struct mu_authority *authority = NULL;
    struct mu_authority_init how = {
        .home = f->dir,
        .name = "CA",
        .key_type = "p256",
        .lifetime_s = MU_DAY_S,
        .passphrase = &secret,
        .now = NOW,
    };
    assert_int_equal(mu_authority_init(&how, &f->ca, f->old, &f->err), 0);
    assert_int_equal(mu_authority_open(f->dir, NULL, &authority, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_PASSPHRASE_NEEDED);
    assert_int_equal(mu_authority_open(f->dir, &wrong, &authority, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_PASSPHRASE_WRONG);
    assert_null(authority);
    assert_int_equal(mu_authority_open(f->dir, &right, &authority, &f->err), 0);
    mu_authority_free(authority);
}

static void while_somebody_issues_nobody_makes_the_home_anew(void **state)
{
    struct fixture *f = *state;
    int issuer, another, pipe_fds[2];
    char done = 0;
    make(f);
    assert_int_equal(mu_home_lock(&f->home, MU_HOME_SHARED, &issuer, &f->err), 0);
    assert_int_equal(mu_home_lock(&f->home, MU_HOME_SHARED, &another, &f->err), 0);
    mu_home_unlock(another);
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) {
        int alone;
        mu_home_unlock(issuer); /* the lock is its open file's, which the parent still holds */
        bool got = mu_home_lock(&f->home, MU_HOME_ALONE, &alone, &f->err) == 0;
        _exit(got && write(pipe_fds[1], "x", 1) == 1 && !is_there(f->home.cert) ? 0 : 1);
    }
    close(pipe_fds[1]);
    /* The child cannot go on before we let go, and so never sees the file that goes now. */
    assert_int_equal(unlink(f->home.cert), 0);
    mu_home_unlock(issuer);
    assert_int_equal(read(pipe_fds[0], &done, 1), 1);
    close(pipe_fds[0]);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Between the look at its record and the change that renews it, a certificate may be revoked by somebody else. */
static void one_that_is_revoked_meanwhile_is_not_renewed(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    MU_AUTO_STRUCT(mu_cert) renewed = NULL;
    struct mu_renewal renewal;
    struct mu_revocation hold = {.at = NOW + 1, .reason = MU_REASON_HOLD};
    make(f);
    assert_int_equal(issue(f), 0);
    assert_int_equal(mu_authority_open(f->dir, NULL, &authority, &f->err), 0);
    assert_int_equal(mu_renewal_find(mu_authority_store(authority), f->cert, &renewal, &f->err), 0);
    assert_int_equal(renewal.profile, MU_PROFILE_SERVER);
    struct mu_order order = {
        .profile = renewal.profile,
        .key = f->key,
        .names = &f->names,
        .now = NOW + 2,
        .lifetime_s = MU_DAY_S,
        .renews = renewal.serial,
    };
    assert_int_equal(mu_authority_revoke(authority, renewal.serial, &hold, &f->err), 0);
    assert_int_equal(mu_authority_issue(authority, &order, &renewed, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_REVOKED);
    assert_non_null(strstr(f->err.what, "on hold since 2026-06-01"));
    assert_non_null(strstr(f->err.hint, "--release"));
    assert_null(renewed);
    assert_int_equal(count_records(f->home.db), 1);
    assert_int_equal(mu_authority_release(authority, renewal.serial, NOW + 3, &f->err), 0);
    assert_int_equal(mu_authority_issue(authority, &order, &renewed, &f->err), 0);
    assert_int_equal(count_records(f->home.db), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_home_is_a_certificate_a_key_and_records_that_only_the_owner_reads),
        TEST(an_authority_is_not_replaced_unasked),
        TEST(a_replaced_authority_is_kept_whole),
        TEST(two_that_are_replaced_in_one_second_are_both_kept),
        TEST(an_init_that_was_killed_can_be_repeated),
        TEST(records_without_an_authority_are_kept_and_not_taken_over),
        TEST(an_authority_with_damaged_records_can_be_replaced),
        TEST(what_cannot_be_made_leaves_nothing),
        TEST(what_was_issued_is_on_record_to_the_last_octet),
        TEST(what_was_refused_is_not_on_record),
        TEST(what_cannot_be_recorded_is_not_issued),
        TEST(without_an_authority_the_hint_is_to_make_one),
        TEST(files_of_two_authorities_do_not_make_one),
        TEST(a_protected_key_is_asked_for_its_passphrase),
        TEST(while_somebody_issues_nobody_makes_the_home_anew),
        TEST(one_that_is_revoked_meanwhile_is_not_renewed),
    };
    return cmocka_run_group_tests_name("authority", tests, NULL, NULL);
}
