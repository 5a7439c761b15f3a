/* From the ids of other rooms to causes. */

#include "../check.h"

#include "base/str.h"
#include "explain/cause_of.h"

/* 2026-06-01 */
#define NOW ((time_t)1780272000)

static enum mu_cause_id of_alert(int alert, struct mu_certs *own, bool asked)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_tls_client tls = MU_TLS_CLIENT_INIT;
    tls.alert = alert;
    tls.asked = asked;
    tls.chain = own;
    return mu_cause_of_call(&tls, &err, NOW);
}

static void load(const char *path, struct mu_certs *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    char full[1024];
    snprintf(full, sizeof full, "%s/certs/%s.crt", MU_TEST_DATA, path);
    assert_worked(mu_certs_load(full, NULL, ret, &err), &err);
}

static void an_alert_is_held_against_what_was_presented(void **state)
{
    MU_AUTO_CLEAR(mu_certs) good = {0}, expired = {0}, alone = {0};
    (void)state;
    load("under-intermediate", &alone);
    assert_int_equal(of_alert(48, &alone, true), MU_CAUSE_client_chain_incomplete);
    load("intermediate", &alone); /* behind it, as it has to be */
    assert_int_equal(of_alert(48, &alone, true), MU_CAUSE_client_untrusted_ca);
    load("client", &good);
    load("expired", &expired);
    assert_int_equal(of_alert(116, NULL, true), MU_CAUSE_client_cert_not_sent);
    assert_int_equal(of_alert(40, NULL, true), MU_CAUSE_client_cert_not_sent);
    assert_int_equal(of_alert(40, &good, true), MU_CAUSE_no_shared_cipher);
    assert_int_equal(of_alert(48, &good, true), MU_CAUSE_client_untrusted_ca);
    assert_int_equal(of_alert(45, &expired, true), MU_CAUSE_client_cert_expired);
    assert_int_equal(of_alert(45, &good, true), MU_CAUSE_crl_expired); /* ours has not */
    assert_int_equal(of_alert(51, &good, true), MU_CAUSE_ca_rekeyed_same_name);
    /* Java's server, and GnuTLS's, say one thing whatever the reason. */
    assert_int_equal(of_alert(46, &expired, true), MU_CAUSE_client_cert_expired);
    assert_int_equal(of_alert(49, &expired, true), MU_CAUSE_client_cert_expired);
    assert_int_equal(of_alert(49, &good, true), MU_CAUSE_not_authorized);
    struct mu_tls_client tls = MU_TLS_CLIENT_INIT; /* nginx, in HTTP */
    tls.asked = true;
    tls.chain = &expired;
    assert_int_equal(mu_cause_of_status(&tls, 400, NOW), MU_CAUSE_client_cert_expired);
    tls.chain = &good;
    assert_int_equal(mu_cause_of_status(&tls, 400, NOW), MU_CAUSE_client_untrusted_ca);
}

static void every_refusal_has_its_cause(void **state)
{
    struct mu_refusal refusal;
    (void)state;
    mu_refusal_set(&refusal, MU_REFUSAL_CERT_MISSING);
    assert_int_equal(mu_cause_of_refusal(&refusal), MU_CAUSE_client_cert_not_sent);
    refusal = (struct mu_refusal){.code = MU_REFUSAL_CERT, .fault = MU_FAULT_BAD_DATE};
    assert_int_equal(mu_cause_of_refusal(&refusal), MU_CAUSE_bad_date);
    refusal.fault = MU_FAULT_ISSUER_NOT_SENT;
    assert_int_equal(mu_cause_of_refusal(&refusal), MU_CAUSE_client_chain_incomplete);
    mu_refusal_set(&refusal, MU_REFUSAL_PLAIN_HTTP);
    assert_int_equal(mu_cause_of_refusal(&refusal), MU_CAUSE_not_tls);
    mu_refusal_set(&refusal, MU_REFUSAL_CLIENT_ALERT);
    refusal.alert = 45;
    assert_int_equal(mu_cause_of_refusal(&refusal), MU_CAUSE_server_cert_expired);
    refusal.alert = 48;
    assert_int_equal(mu_cause_of_refusal(&refusal), MU_CAUSE_server_untrusted_ca);
    struct mu_verdict verdict = {.fault = MU_FAULT_EXPIRED};
    mu_refusal_from_verdict(&refusal, &verdict);
    assert_int_equal(mu_cause_of_refusal(&refusal), MU_CAUSE_client_cert_expired);
    mu_refusal_of_server(&refusal, &verdict);
    assert_int_equal(mu_cause_of_refusal(&refusal), MU_CAUSE_server_cert_expired);
    for (int fault = 1; fault < MU_FAULT_COUNT; fault++) {
        verdict.fault = (enum mu_fault)fault;
        mu_refusal_from_verdict(&refusal, &verdict);
        if (mu_cause_of_refusal(&refusal) == MU_CAUSE_other && fault != MU_FAULT_OTHER)
            fail_msg("%s has no cause", refusal.id);
    }
}

static void errors_about_files_have_theirs_and_others_none(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    mu_fail(&err, MU_E_KEY_MISMATCH, "x");
    assert_int_equal(mu_cause_of_error(&err), MU_CAUSE_key_mismatch);
    mu_fail(&err, MU_E_USAGE, "x");
    assert_int_equal(mu_cause_of_error(&err), MU_CAUSE_COUNT);
    mu_str_copy(err.why, sizeof err.why, "not_authorized");
    assert_int_equal(mu_cause_of_error(&err), MU_CAUSE_not_authorized);
    mu_fail(&err, MU_E_USAGE, "x"); /* the next error is another one */
    assert_int_equal(mu_cause_of_error(&err), MU_CAUSE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_is_held_against_what_was_presented),
        cmocka_unit_test(every_refusal_has_its_cause),
        cmocka_unit_test(errors_about_files_have_theirs_and_others_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
