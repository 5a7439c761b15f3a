/* The table of causes, and a report's order. */

#include "../check.h"

#include "base/macros.h"
#include "base/str.h"
#include "explain/report.h"

static void every_cause_says_all_there_is_to_say(void **state)
{
    (void)state;
    for (unsigned i = 1; i < MU_CAUSE_COUNT; i++) {
        const struct mu_cause *cause = mu_cause_of(i);
        assert_int_equal(mu_cause_find(cause->id), i);
        assert_true(strlen(cause->what) > 10 && *cause->remedy != '\0' && *cause->openssl != '\0');
        assert_null(strstr(cause->remedy, "--insecure"));
        assert_null(strstr(cause->openssl, "SECLEVEL"));
        assert_null(strstr(cause->openssl, "-k "));
    }
    assert_int_equal(mu_cause_find("nonsense"), MU_CAUSE_COUNT);
}

/* What the verifier finds, and what is said of a certificate, has its cause in this table. */
static void every_fault_has_its_cause(void **state)
{
    static const char *const causes[] = {
#define MU_FAULT(code, id, cause, sentence, hint) cause,
#include "pki/faults.def"
#undef MU_FAULT
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(causes); i++) {
        char id[128];
        size_t servers = strcspn(causes[i], "|");
        snprintf(id, sizeof id, "%.*s", (int)servers, causes[i]);
        if (mu_cause_find(id) == MU_CAUSE_COUNT)
            fail_msg("%s is not in causes.def", id);
        if (causes[i][servers] == '|' && mu_cause_find(causes[i] + servers + 1) == MU_CAUSE_COUNT)
            fail_msg("%s is not in causes.def", causes[i] + servers + 1);
    }
}

static void find(struct mu_report *report, enum mu_cause_id cause, enum mu_gravity gravity,
                 enum mu_phase phase, enum mu_refuser refuser)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_finding finding = mu_finding_of(cause, gravity, phase, "f", NULL, NULL);
    finding.refuser = refuser;
    assert_worked(mu_report_add(report, &finding, &err, "it is %s", "wrong"), &err);
}

static void what_bites_first_comes_first(void **state)
{
    MU_AUTO_CLEAR(mu_report) report = {0};
    (void)state;
    assert_int_equal(mu_report_exit(&report), 0);
    assert_int_equal(mu_report_cause(&report), MU_CAUSE_ok);

    find(&report, MU_CAUSE_server_no_san, MU_GRAVITY_SOME_PEERS, MU_PHASE_SERVER, MU_REFUSER_CLIENT);
    find(&report, MU_CAUSE_expires_soon, MU_GRAVITY_SUSPICIOUS, MU_PHASE_LATER, MU_REFUSER_BOTH);
    mu_report_finish(&report);
    assert_int_equal(mu_report_exit(&report), 3);
    assert_int_equal(mu_report_cause(&report), MU_CAUSE_server_no_san);

    find(&report, MU_CAUSE_client_cert_expired, MU_GRAVITY_FAULT, MU_PHASE_CLIENT,
         MU_REFUSER_SERVER);
    find(&report, MU_CAUSE_key_mismatch, MU_GRAVITY_FAULT, MU_PHASE_FILE, MU_REFUSER_BOTH);
    find(&report, MU_CAUSE_key_mismatch, MU_GRAVITY_FAULT, MU_PHASE_FILE, MU_REFUSER_BOTH);
    mu_report_finish(&report);
    assert_int_equal(mu_report_exit(&report), 1);
    assert_int_equal(report.count, 4);
    assert_int_equal(mu_report_cause(&report), MU_CAUSE_key_mismatch);
    assert_int_equal(report.findings[1].cause, MU_CAUSE_client_cert_expired);
    assert_int_equal(report.findings[3].cause, MU_CAUSE_expires_soon);
    assert_string_equal(report.findings[0].sentence, "it is wrong");
}

static void find_at(struct mu_report *report, enum mu_cause_id cause, int depth)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_finding finding =
        mu_finding_of(cause, MU_GRAVITY_FAULT, MU_PHASE_SERVER, "f", NULL, NULL);
    finding.depth = depth;
    assert_worked(mu_report_add(report, &finding, &err, "x"), &err);
}

/* OpenSSL's order, whatever certificate of the chain it is about. */
static void faults_of_one_chain_come_in_the_order_of_a_verifier(void **state)
{
    static const enum mu_cause_id order[] = {MU_CAUSE_unsupported_key_type,
                                             MU_CAUSE_server_chain_incomplete,
                                             MU_CAUSE_ca_eku_forbids,
                                             MU_CAUSE_name_constraint_violation,
                                             MU_CAUSE_signature_too_weak,
                                             MU_CAUSE_server_name_mismatch,
                                             MU_CAUSE_server_cert_revoked,
                                             MU_CAUSE_ca_cert_expired,
                                             MU_CAUSE_server_cert_expired};
    MU_AUTO_CLEAR(mu_report) report = {0};
    (void)state;
    for (size_t i = MU_COUNT(order); i-- > 0;)
        find_at(&report, order[i],
                order[i] == MU_CAUSE_ca_eku_forbids    ? 1
                : order[i] == MU_CAUSE_ca_cert_expired ? -2
                                                       : 0);
    mu_report_finish(&report);
    for (size_t i = 0; i < MU_COUNT(order); i++)
        assert_int_equal(report.findings[i].cause, order[i]);
}

static void the_table_of_peers_says_who_refuses_as_what(void **state)
{
    MU_AUTO_CLEAR(mu_report) report = {0};
    (void)state;
    find(&report, MU_CAUSE_server_no_san, MU_GRAVITY_SOME_PEERS, MU_PHASE_SERVER, MU_REFUSER_CLIENT);
    mu_report_finish(&report);
    assert_int_equal(mu_report_refusal(&report, MU_STACK_GO, MU_REFUSER_CLIENT),
                     MU_CAUSE_server_no_san);
    assert_int_equal(mu_report_refusal(&report, MU_STACK_GO, MU_REFUSER_SERVER), MU_CAUSE_ok);
    assert_int_equal(mu_report_refusal(&report, MU_STACK_OPENSSL, MU_REFUSER_CLIENT), MU_CAUSE_ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cause_says_all_there_is_to_say),
        cmocka_unit_test(every_fault_has_its_cause),
        cmocka_unit_test(what_bites_first_comes_first),
        cmocka_unit_test(faults_of_one_chain_come_in_the_order_of_a_verifier),
        cmocka_unit_test(the_table_of_peers_says_who_refuses_as_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
