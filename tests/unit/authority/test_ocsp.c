#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#include "place.h"

#include "authority/authority.h"
#include "authority/ocsp.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/issue.h"
#include "pki/object.h"

#define NOW ((time_t)1780272000) /* 2026-06-01 00:00 UTC */
#define WEEK (7 * MU_DAY_S)

/* A home with one certificate on record, its responder, and the last answer. */
struct fixture {
    char place[64], dir[80], old[MU_PATH_LEN];
    struct mu_home home;
    struct mu_cert *ca, *cert;
    char serial[MU_SERIAL_TEXT_LEN];
    struct mu_responder *responder;
    struct mu_buf der;
    struct mu_ocsp_reply reply;
    struct mu_objects answer; /* `der`, read */
    struct mu_error err;
};

static void init(struct fixture *f, const char *name, int64_t lifetime_s, bool force)
{
    struct mu_authority_init how = {.home = f->dir,
                                    .name = name,
                                    .key_type = "p256",
                                    .lifetime_s = lifetime_s,
                                    .force = force,
                                    .now = NOW};
    mu_cert_free(mu_take(&f->ca));
    assert_worked(mu_authority_init(&how, &f->ca, f->old, &f->err), &f->err);
}

static struct mu_authority *authority(struct fixture *f)
{
    struct mu_authority *ret = NULL;
    assert_worked(mu_authority_open(f->dir, NULL, &ret, &f->err), &f->err);
    return ret;
}

static void issue(struct fixture *f, const char *name)
{
    MU_AUTO_STRUCT(mu_authority) by = authority(f);
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    assert_worked(mu_names_set_main(&names, name, false, &f->err), &f->err);
    assert_worked(mu_key_generate("p256", &key, &f->err), &f->err);
    struct mu_order order = {.profile = MU_PROFILE_SERVER,
                             .key = key,
                             .names = &names,
                             .now = NOW,
                             .lifetime_s = 90 * MU_DAY_S};
    mu_cert_free(mu_take(&f->cert));
    assert_worked(mu_authority_issue(by, &order, &f->cert, &f->err), &f->err);
    mu_cert_serial(f->cert, f->serial);
}

static void open_responder(struct fixture *f)
{
    mu_responder_free(mu_take(&f->responder));
    assert_worked(mu_responder_open(f->dir, NULL, MU_OCSP_VALID_S, &f->responder, &f->err), &f->err);
}

static int set_up_for(void **state, int64_t ca_lifetime_s)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->place, sizeof f->place, "/tmp/mutual-test-ocsp-XXXXXX");
    *state = f;
    if (mkdtemp(f->place) == NULL)
        return -1;
    snprintf(f->dir, sizeof f->dir, "%s/home", f->place);
    assert_worked(mu_home_paths(f->dir, &f->home, &f->err), &f->err);
    init(f, "Home CA", ca_lifetime_s, false);
    issue(f, "api.internal");
    open_responder(f);
    return 0;
}

static int set_up(void **state)
{
    return set_up_for(state, 365 * MU_DAY_S);
}

static int set_up_short(void **state)
{
    return set_up_for(state, 2 * MU_DAY_S);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    remove_place(f->place);
    mu_responder_free(f->responder);
    mu_objects_clear(&f->answer);
    mu_buf_clear(&f->der);
    mu_cert_free(f->cert);
    mu_cert_free(f->ca);
    free(f);
    return 0;
}

/* --- Asking --- */

static int send_request(struct fixture *f, const void *request, size_t len, time_t now)
{
    mu_objects_clear(&f->answer);
    mu_buf_reset(&f->der);
    int result = mu_responder_answer(f->responder, request, len, now, &f->der, &f->reply, &f->err);
    struct mu_error err = MU_ERROR_INIT;
    assert_worked(mu_objects_parse("the answer", f->der.data, f->der.len, &f->answer, &err), &err);
    assert_int_equal(f->answer.at[0].kind, MU_OBJECT_OCSP_RESPONSE);
    return result;
}

static int ask_about(struct fixture *f, const struct mu_cert *cert, const struct mu_cert *issuer,
                     const char *hash, time_t now)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    MU_AUTO_STRUCT(mu_ocsp_request) request = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    assert_worked(mu_certs_add(&certs, mu_cert_ref((struct mu_cert *)cert), &err), &err);
    assert_worked(mu_ocsp_request_make(&certs, issuer, hash, true, &request, &err), &err);
    mu_ocsp_request_to_der(request, &der);
    return send_request(f, der.data, der.len, now);
}

static const struct mu_ocsp_response *response(struct fixture *f)
{
    return f->answer.at[0].ocsp_response;
}

/* What is answered about `cert`, in an answer that a client of this CA believes. */
static struct mu_ocsp_told told(struct fixture *f, const struct mu_cert *cert, time_t now)
{
    struct mu_ocsp_told ret;
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    assert_worked(ask_about(f, cert, f->ca, "sha1", now), &f->err);
    assert_string_equal(f->reply.why, "");
    assert_worked(mu_certs_add(&anchors, mu_cert_ref(f->ca), &f->err), &f->err);
    assert_worked(mu_ocsp_response_verify(response(f), &anchors, NULL, NULL, now, &f->err), &f->err);
    assert_worked(mu_ocsp_response_find(response(f), cert, f->ca, &ret, &f->err), &f->err);
    return ret;
}

static enum mu_ocsp_state state_of(struct fixture *f, const struct mu_cert *cert, time_t now)
{
    return told(f, cert, now).single.state;
}

static void take_back(struct fixture *f, const char *serial, enum mu_reason reason, time_t at)
{
    MU_AUTO_STRUCT(mu_authority) by = authority(f);
    struct mu_revocation revocation = {.at = at, .reason = reason};
    assert_worked(mu_authority_revoke(by, serial, &revocation, &f->err), &f->err);
}

static void change_records(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->home.db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* A certificate that no record tells of. */
static struct mu_cert *unrecorded(struct fixture *f)
{
    MU_AUTO_STRUCT(mu_key) ca_key = NULL;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    struct mu_cert *ret = NULL;
    assert_worked(mu_key_load(f->home.key, NULL, &ca_key, &f->err), &f->err);
    assert_worked(mu_key_generate("p256", &key, &f->err), &f->err);
    assert_worked(mu_names_set_main(&names, "ghost.internal", false, &f->err), &f->err);
    assert_worked(mu_policy_new(&policy, &f->err), &f->err);
    struct mu_issuer by = {.cert = f->ca, .key = ca_key, .policy = policy};
    struct mu_order order = {.profile = MU_PROFILE_SERVER,
                             .key = key,
                             .names = &names,
                             .now = NOW,
                             .lifetime_s = MU_DAY_S};
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    assert_worked(mu_issue_by(&by, &order, &issued, &f->err), &f->err);
    assert_worked(mu_issued_cert(&issued, &ret, &f->err), &f->err);
    return ret;
}

/* --- What is answered --- */

static void what_is_on_record_is_good(void **state)
{
    struct fixture *f = *state;
    struct mu_ocsp_told is = told(f, f->cert, NOW);
    assert_int_equal(is.single.state, MU_OCSP_GOOD);
    assert_int_equal(is.this_update, NOW);
    assert_int_equal(is.next_update, NOW + MU_OCSP_VALID_S);
    assert_int_equal(f->reply.good, 1);
    assert_true(f->reply.nonce);
}

static void what_is_not_on_record_is_unknown_though_the_ca_signed_it(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_cert) ghost = unrecorded(f);
    assert_int_equal(state_of(f, ghost, NOW), MU_OCSP_UNKNOWN);
    assert_int_equal(f->reply.unknown, 1);
}

static void what_is_revoked_is_so_from_the_next_answer_on(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
    take_back(f, f->serial, MU_REASON_KEY_COMPROMISE, NOW);
    struct mu_ocsp_told is = told(f, f->cert, NOW);
    assert_int_equal(is.single.state, MU_OCSP_REVOKED);
    assert_int_equal(is.single.reason, MU_REASON_KEY_COMPROMISE);
    assert_int_equal(is.single.revoked_at, NOW);
}

static void what_is_on_hold_is_revoked_until_it_is_released(void **state)
{
    struct fixture *f = *state;
    take_back(f, f->serial, MU_REASON_HOLD, NOW);
    struct mu_ocsp_told is = told(f, f->cert, NOW);
    assert_int_equal(is.single.state, MU_OCSP_REVOKED);
    assert_int_equal(is.single.reason, MU_REASON_HOLD);
    MU_AUTO_STRUCT(mu_authority) by = authority(f);
    assert_worked(mu_authority_release(by, f->serial, NOW, &f->err), &f->err);
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
}

static void both_hashes_find_the_ca(void **state)
{
    struct fixture *f = *state;
    assert_worked(ask_about(f, f->cert, f->ca, "sha256", NOW), &f->err);
    assert_int_equal(f->reply.good, 1);
}

static void a_record_of_another_issuer_is_not_good_under_this_one(void **state)
{
    struct fixture *f = *state;
    change_records(f, "UPDATE certificate SET issuer = 'AA'");
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_UNKNOWN);
}

static void a_record_from_before_issuers_were_kept_is_judged_by_its_signature(void **state)
{
    struct fixture *f = *state;
    char other[80];
    change_records(f, "UPDATE certificate SET issuer = ''");
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);

    /* The same record, with a certificate in it that another CA has signed. */
    MU_AUTO_STRUCT(mu_cert) ours = mu_take(&f->cert);
    MU_AUTO_STRUCT(mu_cert) ca = mu_take(&f->ca);
    MU_AUTO_CLEAR(mu_buf) sql = MU_BUF_INIT;
    snprintf(other, sizeof other, "%s", f->dir);
    snprintf(f->dir, sizeof f->dir, "%s/other", f->place);
    init(f, "Home CA", 365 * MU_DAY_S, false);
    issue(f, "api.internal");
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    mu_cert_to_der(f->cert, &der);
    char hex[4096];
    assert_true(3 * der.len + 1 < sizeof hex);
    mu_buf_addf(&sql, "UPDATE certificate SET issuer = '', der = x'%s' WHERE profile = 'server'",
                mu_str_hex(der.data, der.len, '\0', hex));
    change_records(f, mu_buf_str(&sql));
    mu_cert_free(f->cert);
    mu_cert_free(f->ca);
    f->cert = mu_take(&ours);
    f->ca = mu_take(&ca);
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_UNKNOWN);
}

static void nobody_else_is_answered_for(void **state)
{
    struct fixture *f = *state;
    assert_worked(ask_about(f, f->cert, f->cert, "sha1", NOW),
                  &f->err); /* our name, and not our key */
    assert_int_equal(f->reply.status, MU_OCSP_UNAUTHORIZED);
    assert_says(f->reply.why, "no certificate of this CA");
}

static void what_is_no_request_is_malformed(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_worked(send_request(f, "foo", 3, NOW), &f->err);
    assert_int_equal(f->reply.status, MU_OCSP_MALFORMED);
    assert_says(f->reply.why, "no OCSP request");
    assert_worked(send_request(f, "", 0, NOW), &f->err);
    assert_int_equal(f->reply.status, MU_OCSP_MALFORMED);
    assert_int_not_equal(stat(f->home.ocsp_cert, &st), 0); /* nothing is made for that */
}

static void records_that_cannot_be_read_are_an_internal_error_until_they_can(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
    change_records(f, "ALTER TABLE certificate RENAME TO gone");
    assert_int_equal(ask_about(f, f->cert, f->ca, "sha1", NOW), -1);
    assert_int_equal(f->err.code, MU_E_STORE);
    assert_int_equal(f->reply.status, MU_OCSP_INTERNAL_ERROR);
    assert_int_equal(f->reply.good, 0);
    change_records(f, "ALTER TABLE gone RENAME TO certificate");
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
}

static void an_earlier_ca_certificate_of_this_home_is_answered_for_too(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_cert) renewed = NULL;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    unsigned char serial[18] = {1, 2, 3};
    /* The CA gets another name, with its key; what it issued before names it as it was. */
    assert_worked(mu_key_load(f->home.key, NULL, &key, &f->err), &f->err);
    assert_worked(mu_issue_root(key, "Renamed CA", serial, NOW, 365 * MU_DAY_S, 0, NULL, &renewed,
                                &f->err),
                  &f->err);
    mu_cert_to_pem(renewed, &pem);
    assert_worked(mu_file_write(f->home.cert, pem.data, pem.len, 0644, true, &f->err), &f->err);
    assert_worked(ask_about(f, f->cert, f->ca, "sha1", NOW), &f->err);
    assert_int_equal(f->reply.status, MU_OCSP_SUCCESSFUL);
    assert_int_equal(f->reply.good, 1);
}

/* --- The responder's certificate --- */

static struct mu_cert *own_cert(struct fixture *f)
{
    struct mu_cert *cert = NULL;
    assert_worked(mu_cert_load(f->home.ocsp_cert, &cert, &f->err), &f->err);
    return cert;
}

static void own_serial(struct fixture *f, char ret[MU_SERIAL_TEXT_LEN])
{
    MU_AUTO_STRUCT(mu_cert) cert = own_cert(f);
    mu_cert_serial(cert, ret);
}

static bool count(void *arg, const struct mu_record *record)
{
    *(int *)arg += mu_str_equal(record->profile, "ocsp");
    return true;
}

static int own_records(struct fixture *f)
{
    int ret = 0;
    struct mu_store_filter all = {.now = NOW};
    MU_AUTO_STRUCT(mu_store) store = NULL;
    assert_worked(mu_store_open(f->home.db, MU_STORE_READ, &store, &f->err), &f->err);
    assert_worked(mu_store_each(store, &all, count, &ret, &f->err), &f->err);
    return ret;
}

static bool was_told(void *arg, const struct mu_trail_entry *entry)
{
    struct mu_trail_entry *last = arg;
    last->seq =
        strstr(entry->detail, "OCSP responder") != NULL && mu_str_equal(entry->action, "issue")
            ? entry->seq
            : last->seq;
    return true;
}

static void it_is_made_for_the_first_answer_recorded_and_in_the_trail(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    struct mu_trail_entry entry = {.seq = 0};
    MU_AUTO_STRUCT(mu_store) store = NULL;
    assert_int_equal(own_records(f), 0);
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
    assert_int_equal(stat(f->home.ocsp_key, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    MU_AUTO_STRUCT(mu_cert) own = own_cert(f);
    assert_int_equal(mu_cert_not_after(own), NOW + WEEK);
    assert_int_equal(own_records(f), 1);
    assert_worked(mu_store_open(f->home.db, MU_STORE_READ, &store, &f->err), &f->err);
    assert_worked(mu_store_trail_each(store, 1, was_told, &entry, &f->err), &f->err);
    assert_true(entry.seq > 0);
    assert_int_equal(state_of(f, own, NOW), MU_OCSP_GOOD); /* it is a certificate like others */
}

static void it_serves_others_too_until_a_third_of_its_life_is_left(void **state)
{
    struct fixture *f = *state;
    char first[MU_SERIAL_TEXT_LEN], then[MU_SERIAL_TEXT_LEN];
    time_t due = NOW + WEEK - (WEEK + 300) / 3; /* its life began five minutes early */
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
    own_serial(f, first);
    open_responder(f);
    assert_int_equal(state_of(f, f->cert, due), MU_OCSP_GOOD);
    own_serial(f, then);
    assert_string_equal(first, then);
    assert_int_equal(state_of(f, f->cert, due + 1), MU_OCSP_GOOD);
    own_serial(f, then);
    assert_string_not_equal(first, then);
    assert_int_equal(own_records(f), 2);
    assert_int_equal(state_of(f, f->cert, due + 2), MU_OCSP_GOOD);
    assert_int_equal(own_records(f), 2);
}

static void it_is_renewed_when_it_is_damaged_foreign_revoked_or_half(void **state)
{
    struct fixture *f = *state;
    char serial[MU_SERIAL_TEXT_LEN];
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);

    own_serial(f, serial);
    take_back(f, serial, MU_REASON_KEY_COMPROMISE, NOW + 1);
    assert_int_equal(state_of(f, f->cert, NOW + 1), MU_OCSP_GOOD);
    assert_int_equal(own_records(f), 2);

    assert_int_equal(remove(f->home.ocsp_key), 0);
    open_responder(f);
    assert_int_equal(state_of(f, f->cert, NOW + 2), MU_OCSP_GOOD);
    assert_int_equal(own_records(f), 3);

    assert_worked(mu_file_write(f->home.ocsp_cert, "foo\n", 4, 0644, true, &f->err), &f->err);
    open_responder(f);
    assert_int_equal(state_of(f, f->cert, NOW + 3), MU_OCSP_GOOD);
    assert_int_equal(own_records(f), 4);

    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    mu_cert_to_pem(f->cert, &pem); /* of this CA, but a server's */
    assert_worked(mu_file_write(f->home.ocsp_cert, pem.data, pem.len, 0644, true, &f->err), &f->err);
    open_responder(f);
    assert_int_equal(state_of(f, f->cert, NOW + 4), MU_OCSP_GOOD);
    assert_int_equal(own_records(f), 5);

    change_records(f, "DELETE FROM certificate WHERE profile = 'ocsp'"); /* as an old backup would */
    open_responder(f);
    assert_int_equal(state_of(f, f->cert, NOW + 5), MU_OCSP_GOOD);
    assert_int_equal(own_records(f), 1);
}

static void answers_do_not_outlive_it(void **state)
{
    struct fixture *f = *state;
    mu_responder_free(mu_take(&f->responder));
    assert_worked(mu_responder_open(f->dir, NULL, 30 * MU_DAY_S, &f->responder, &f->err), &f->err);
    assert_int_equal(told(f, f->cert, NOW).next_update, NOW + WEEK);
}

static void it_is_not_renewed_over_and_over_at_its_cas_end(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
    for (time_t now = NOW + 2 * MU_DAY_S - 60; now < NOW + 2 * MU_DAY_S; now += 20)
        assert_int_equal(state_of(f, f->cert, now), MU_OCSP_GOOD);
    assert_int_equal(own_records(f), 1);
    assert_int_equal(ask_about(f, f->cert, f->ca, "sha1", NOW + 2 * MU_DAY_S + 1), -1);
    assert_int_equal(f->err.code, MU_E_CA_EXPIRED);
    assert_int_equal(f->reply.status, MU_OCSP_INTERNAL_ERROR);
}

static void without_the_cas_key_it_answers_to_its_end_and_says_that_it_will_end(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
    assert_int_equal(remove(f->home.key), 0);
    open_responder(f);
    assert_int_equal(state_of(f, f->cert, NOW + MU_DAY_S), MU_OCSP_GOOD);
    assert_int_equal(f->reply.trouble.code, MU_OK);
    assert_int_equal(state_of(f, f->cert, NOW + WEEK - 10), MU_OCSP_GOOD);
    assert_int_equal(f->reply.trouble.code, MU_E_NOT_FOUND);
    assert_int_equal(f->reply.next_update, NOW + WEEK);
    assert_int_equal(ask_about(f, f->cert, f->ca, "sha1", NOW + WEEK + 1), -1);
    assert_int_equal(f->reply.status, MU_OCSP_INTERNAL_ERROR);
    assert_int_equal(f->err.code, MU_E_NOT_FOUND);
}

static void a_ca_that_is_made_anew_is_followed(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char kept[MU_PATH_LEN];
    MU_AUTO_STRUCT(mu_cert) old_ca = NULL;
    MU_AUTO_STRUCT(mu_cert) old = NULL;
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
    old_ca = mu_take(&f->ca);
    old = mu_take(&f->cert);
    init(f, "New CA", 365 * MU_DAY_S, true);
    assert_worked(mu_path_join(f->old, "ocsp.key", kept, &f->err), &f->err);
    assert_int_equal(stat(kept, &st), 0);
    issue(f, "api.internal");
    assert_int_equal(state_of(f, f->cert, NOW), MU_OCSP_GOOD);
    assert_worked(ask_about(f, old, old_ca, "sha1", NOW), &f->err);
    assert_int_equal(f->reply.status, MU_OCSP_UNAUTHORIZED);
}

static void processes_that_start_at_once_make_one_between_them(void **state)
{
    struct fixture *f = *state;
    enum { PROCESSES = 6 };
    pid_t pids[PROCESSES];
    mu_responder_free(mu_take(&f->responder)); /* a database is not taken into a child */
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            open_responder(f);
            _exit(ask_about(f, f->cert, f->ca, "sha1", NOW) == 0 && f->reply.good == 1 ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(own_records(f), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_on_record_is_good),
        TEST(what_is_not_on_record_is_unknown_though_the_ca_signed_it),
        TEST(what_is_revoked_is_so_from_the_next_answer_on),
        TEST(what_is_on_hold_is_revoked_until_it_is_released),
        TEST(both_hashes_find_the_ca),
        TEST(a_record_of_another_issuer_is_not_good_under_this_one),
        TEST(a_record_from_before_issuers_were_kept_is_judged_by_its_signature),
        TEST(nobody_else_is_answered_for),
        TEST(what_is_no_request_is_malformed),
        TEST(records_that_cannot_be_read_are_an_internal_error_until_they_can),
        TEST(an_earlier_ca_certificate_of_this_home_is_answered_for_too),
        TEST(it_is_made_for_the_first_answer_recorded_and_in_the_trail),
        TEST(it_serves_others_too_until_a_third_of_its_life_is_left),
        TEST(it_is_renewed_when_it_is_damaged_foreign_revoked_or_half),
        TEST(answers_do_not_outlive_it),
        cmocka_unit_test_setup_teardown(it_is_not_renewed_over_and_over_at_its_cas_end,
                                        set_up_short, tear_down),
        TEST(without_the_cas_key_it_answers_to_its_end_and_says_that_it_will_end),
        TEST(a_ca_that_is_made_anew_is_followed),
        TEST(processes_that_start_at_once_make_one_between_them),
    };
    return cmocka_run_group_tests_name("ocsp", tests, NULL, NULL);
}
