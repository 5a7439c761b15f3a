#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "place.h"

#include "authority/authority.h"
#include "authority/backup.h"
#include "authority/health.h"
#include "base/str.h"
#include "base/time.h"

#define NOW ((time_t)1780272000) /* 2026-06-01 00:00 UTC */
#define DAY ((time_t)MU_DAY_S)

/* A home whose CA was made at NOW for 1,000 days, and what was found in it. */
struct fixture {
    char place[64], dir[80], said[8192];
    struct mu_home home;
    struct mu_key *key;
    enum mu_severity worst;
    struct mu_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mu_cert *ca = NULL;
    char old[MU_PATH_LEN];
    *state = f;
    snprintf(f->place, sizeof f->place, "/tmp/mutual-test-health-XXXXXX");
    if (mkdtemp(f->place) == NULL)
        return -1;
    snprintf(f->dir, sizeof f->dir, "%s/home", f->place);
    struct mu_authority_init how = {.home = f->dir,
                                    .name = "Home CA",
                                    .key_type = "p256",
                                    .lifetime_s = 1000 * DAY,
                                    .now = NOW};
    int result = mu_home_paths(f->dir, &f->home, &f->err) != 0 ||
                 mu_authority_init(&how, &ca, old, &f->err) != 0 ||
                 mu_key_generate("p256", &f->key, &f->err) != 0;
    mu_cert_free(ca);
    return result;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    remove_place(f->place);
    mu_key_free(f->key);
    free(f);
    return 0;
}

static void issue(struct fixture *f, const char *name, time_t now, int days)
{
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    struct mu_order order = {.profile = MU_PROFILE_SERVER,
                             .key = f->key,
                             .names = &names,
                             .now = now,
                             .lifetime_s = days * DAY};
    if (mu_names_set_main(&names, name, false, &f->err) != 0 ||
        mu_authority_open(f->dir, NULL, &authority, &f->err) != 0 ||
        mu_authority_issue(authority, &order, &cert, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
}

static void back_up(struct fixture *f, time_t now)
{
    char path[128];
    MU_AUTO_CLEAR(mu_backup_made) made = {.size = 0};
    snprintf(path, sizeof path, "%s/backup", f->place);
    struct mu_backup how = {.home = f->dir, .path = path, .force = true, .now = now};
    if (mu_authority_backup(&how, &made, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
}

static void note(void *arg, const struct mu_symptom *finding)
{
    struct fixture *f = arg;
    size_t len = strlen(f->said);
    enum mu_severity severity = mu_symptom_severity(finding->code);
    if (severity > f->worst)
        f->worst = severity;
    if (severity != MU_FINE)
        snprintf(f->said + len, sizeof f->said - len, "%s: %s\n", mu_symptom_id(finding->code),
                 finding->what);
}

/* What is not well at `now`, by a clock that all files agree with: ids and sentences, one a line. */
static const char *said(struct fixture *f, time_t now)
{
    const char *const paths[] = {f->home.cert, f->home.key, f->home.db};
    const struct utimbuf then = {NOW, NOW};
    struct mu_health how = {.home = f->dir, .now = now};
    for (size_t i = 0; i < MU_COUNT(paths); i++)
        utime(paths[i], &then);
    f->said[0] = '\0';
    f->worst = MU_FINE;
    if (mu_health_check(&how, note, f, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
    return f->said;
}

static void assert_says(struct fixture *f, time_t now, const char *id, const char *words)
{
    char line[64];
    snprintf(line, sizeof line, "%s: ", id);
    if (strstr(said(f, now), line) == NULL || strstr(f->said, words) == NULL)
        fail_msg("\"%s\" with \"%s\" is not in: %s", id, words, f->said);
}

static void all_is_well_behind_a_backup(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(said(f, NOW), "backup_never: no backup has been made\n");
    assert_int_equal(f->worst, MU_WARNING);
    back_up(f, NOW);
    assert_string_equal(said(f, NOW), "");
    issue(f, "api", NOW, 90);
    back_up(f, NOW);
    assert_string_equal(said(f, NOW), "");
    assert_int_equal(f->worst, MU_FINE);
}

static void a_backup_grows_old_only_when_something_has_changed_since(void **state)
{
    struct fixture *f = *state;
    issue(f, "api", NOW, 365);
    back_up(f, NOW);
    assert_string_equal(said(f, NOW + 100 * DAY), "");
    issue(f, "web", NOW + DAY, 365);
    assert_string_equal(said(f, NOW + 2 * DAY), "");
    assert_says(f, NOW + 8 * DAY, "backup_old", "1 change has been made");
}

static void the_end_of_the_ca_is_seen_coming(void **state)
{
    struct fixture *f = *state;
    back_up(f, NOW);
    assert_string_equal(said(f, NOW + 800 * DAY), "");
    assert_says(f, NOW + 900 * DAY, "ca_expires", "\"Home CA\" expires in ");
    assert_int_equal(f->worst, MU_WARNING);
    assert_says(f, NOW + 1001 * DAY, "ca_expired", "expired on ");
    assert_int_equal(f->worst, MU_ERROR);
}

static void a_certificate_is_about_to_end_unless_it_has_a_successor(void **state)
{
    struct fixture *f = *state;
    issue(f, "api", NOW, 90);
    issue(f, "brief", NOW, 10); /* two thirds of its time are still to come on the third day */
    back_up(f, NOW);
    assert_string_equal(said(f, NOW + 3 * DAY), "");
    assert_says(f, NOW + 8 * DAY, "certificates_expire",
                "1 certificate ends soon and has no successor: brief");
    assert_says(f, NOW + 80 * DAY, "certificates_expire", ": api");
    issue(f, "api", NOW + 80 * DAY, 90);
    back_up(f, NOW + 80 * DAY);
    assert_string_equal(said(f, NOW + 80 * DAY), "");
    assert_says(f, NOW + 171 * DAY, "certificates_expired", "1 certificate has expired");
    assert_string_equal(said(f, NOW + 300 * DAY), "");
}

static void an_overlong_certificate_is_told(void **state)
{
    struct fixture *f = *state;
    issue(f, "long", NOW, 900);
    assert_says(f, NOW, "certificates_overlong", ": long");
}

static void a_clock_that_is_behind_is_an_error(void **state)
{
    struct fixture *f = *state;
    issue(f, "api", NOW + 10 * DAY, 90);
    assert_says(f, NOW + 5 * DAY, "clock_behind", "behind by 5 days");
    assert_int_equal(f->worst, MU_ERROR);
    assert_null(strstr(said(f, NOW + 10 * DAY), "clock"));
}

static void open_files_are_told(void **state)
{
    struct fixture *f = *state;
    char elsewhere[MU_PATH_LEN + 8];
    snprintf(elsewhere, sizeof elsewhere, "%s.real", f->home.key);
    assert_int_equal(rename(f->home.key, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, f->home.key), 0);
    chmod(elsewhere, 0644);
    assert_says(f, NOW, "secret_open", "ca.key can be read by others");
    assert_int_equal(rename(elsewhere, f->home.key), 0);
    chmod(f->home.key, 0640);
    assert_says(f, NOW, "secret_open", "ca.key can be read by others");
    chmod(f->home.key, 0600);
    chmod(f->home.cert, 0664);
    assert_says(f, NOW, "writable_by_others", "ca.crt");
    chmod(f->home.cert, 0644);
    chmod(f->dir, 0777);
    assert_says(f, NOW, "writable_by_others", f->dir);
}

static void write_junk(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 500; i++)
        fputs("this is nothing ", file);
    fclose(file);
}

static void what_is_broken_is_told_and_the_rest_looked_at(void **state)
{
    struct fixture *f = *state;
    write_junk(f->home.db);
    assert_says(f, NOW + 900 * DAY, "records_unreadable", "mutual.db");
    assert_says(f, NOW + 900 * DAY, "ca_expires", "");
    unlink(f->home.key);
    assert_says(f, NOW, "key_missing", "ca.key");
    write_junk(f->home.key);
    assert_says(f, NOW, "key_unreadable", "ca.key");
    unlink(f->home.db);
    assert_says(f, NOW, "records_unreadable", "mutual.db");
    write_junk(f->home.cert);
    assert_says(f, NOW, "ca_unreadable", "ca.crt");
    unlink(f->home.cert);
    assert_says(f, NOW, "ca_unreadable", "ca.crt");
    unlink(f->home.key);
    struct mu_health how = {.home = f->dir, .now = NOW};
    assert_int_equal(mu_health_check(&how, note, f, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NO_CA);
}

static void a_key_of_another_ca_is_told(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    assert_int_equal(mu_key_to_pem(f->key, NULL, &pem, &f->err), 0);
    assert_int_equal(mu_file_write(f->home.key, pem.data, pem.len, 0600, true, &f->err), 0);
    assert_says(f, NOW, "key_mismatch", "ca.key");
}

static void a_disk_is_low_before_it_is_full(void **state)
{
    (void)state;
    const unsigned long long mib = 1024 * 1024;
    assert_int_equal(mu_health_judge_room(1000 * mib, 1000, true), MU_F_DISK_GOOD);
    assert_int_equal(mu_health_judge_room(100 * mib, 1000, true), MU_F_DISK_LOW);
    assert_int_equal(mu_health_judge_room(1 * mib, 1000, true), MU_F_DISK_FULL);
    assert_int_equal(mu_health_judge_room(1000 * mib, 0, true), MU_F_DISK_FULL);
    assert_int_equal(mu_health_judge_room(1000 * mib, 0, false), MU_F_DISK_GOOD);
}

static void every_finding_has_an_id_of_its_own_and_a_remedy_unless_all_is_well(void **state)
{
    (void)state;
    for (int i = 0; i < MU_SYMPTOM_COUNT; i++) {
        enum mu_symptom_code code = (enum mu_symptom_code)i;
        bool fine = mu_symptom_severity(code) == MU_FINE;
        assert_true((*mu_symptom_remedy(code) == '\0') == fine);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(mu_symptom_id(code), mu_symptom_id((enum mu_symptom_code)j));
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(all_is_well_behind_a_backup),
        T(a_backup_grows_old_only_when_something_has_changed_since),
        T(the_end_of_the_ca_is_seen_coming),
        T(a_certificate_is_about_to_end_unless_it_has_a_successor),
        T(an_overlong_certificate_is_told),
        T(a_clock_that_is_behind_is_an_error),
        T(open_files_are_told),
        T(what_is_broken_is_told_and_the_rest_looked_at),
        T(a_key_of_another_ca_is_told),
        cmocka_unit_test(a_disk_is_low_before_it_is_full),
        cmocka_unit_test(every_finding_has_an_id_of_its_own_and_a_remedy_unless_all_is_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
