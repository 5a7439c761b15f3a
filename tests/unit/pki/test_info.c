#include "data.h"
#include "pki/info.h"

static void read_info(const char *name, time_t now, struct mu_cert_info *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = load_cert(name);
    assert_int_equal(mu_cert_info_read(cert, now, ret, &err), 0);
    assert_int_equal(ret->problems.count, ret->problem_ids.count);
}

/* The ids of what is wrong with it, in order, as one text. */
static void assert_problems(const char *name, const char *ids)
{
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    char all[512] = "";
    read_info(name, NOW, &info);
    for (size_t i = 0; i < info.problem_ids.count; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? " " : "",
                 info.problem_ids.at[i]);
    assert_string_equal(all, ids);
}

static void a_client_certificate_is_told_in_full(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    read_info("client", NOW, &info);
    assert_int_equal(info.version, 3);
    assert_string_equal(info.subject, "CN=alice");
    assert_string_equal(info.issuer, "CN=Test CA, O=mutual test data");
    assert_string_equal(info.cn, "alice");
    assert_int_equal(info.not_before, 1767225600);
    assert_int_equal(info.not_after, 4922899200);
    assert_false(info.is_ca || info.self_issued || info.self_signed);
    assert_true(info.client_auth && !info.server_auth && info.has_eku);
    assert_int_equal(info.purposes.count, 1);
    assert_string_equal(info.purposes.at[0], "TLS client");
    assert_int_equal(info.san.count, 2);
    assert_string_equal(info.san.at[0], "email:alice@example.com");
    assert_string_equal(info.san.at[1], "URI:spiffe://example.com/alice");
    assert_int_equal(info.key_usage.count, 1);
    assert_string_equal(info.key_usage.at[0], "digital signature");
    assert_string_equal(info.key, "EC P-256");
    assert_string_equal(info.signature, "ecdsa-with-SHA256");
    assert_int_equal(strlen(info.sha256), 32 * 3 - 1);
    assert_int_equal(strlen(info.sha1), 20 * 3 - 1);
    assert_int_equal(strlen(info.key_sha256), 32 * 3 - 1);
    assert_int_equal(info.problems.count, 0);
}

static void a_ca_is_told_with_its_limits(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_cert_info) root = {0};
    MU_AUTO_CLEAR(mu_cert_info) intermediate = {0};
    read_info("ca", NOW, &root);
    assert_true(root.is_ca && root.self_signed && root.basic_constraints_critical);
    assert_int_equal(root.path_length, -1);
    assert_int_equal(root.problems.count, 0);
    read_info("intermediate", NOW, &intermediate);
    assert_true(intermediate.is_ca && !intermediate.self_issued);
    assert_int_equal(intermediate.path_length, 0);
    assert_string_equal(intermediate.authority_key_id, root.subject_key_id);
}

static void ip_addresses_and_strange_names_are_readable(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_cert_info) server = {0};
    MU_AUTO_CLEAR(mu_cert_info) odd = {0};
    read_info("server", NOW, &server);
    assert_int_equal(server.san.count, 3);
    assert_string_equal(server.san.at[1], "IP:127.0.0.1");
    assert_string_equal(server.san.at[2], "IP:::1");
    read_info("odd-names", NOW, &odd);
    assert_int_equal(odd.san.count, 3);
    assert_says(odd.san.at[1], "odd@example.com");
}

static void each_fault_of_a_certificate_has_its_id(void **state)
{
    (void)state;
    assert_problems("expired", "client_cert_expired");
    assert_problems("expired-ca", "ca_cert_expired");
    assert_problems("expired-intermediate", "intermediate_expired");
    assert_problems("future", "client_cert_not_yet_valid");
    assert_problems("short", "expires_soon");
    assert_problems("cn-only", "server_no_san validity_too_long");
    assert_problems("no-purpose", "no_purpose validity_too_long");
    assert_problems("ip-as-dns", "server_ip_written_as_dns validity_too_long");
    assert_problems("no-signature", "client_ku_no_signature");
    assert_problems("same-name", "subject_equals_issuer");
    assert_problems("self-signed", "server_self_signed validity_too_long");
    assert_problems("weak-key", "key_too_small");
    assert_problems("weak-signature", "signature_too_weak");
    assert_problems("odd-curve", "unsupported_key_type");
    assert_problems("mute-ca", "ca_no_keycertsign");
    assert_problems("lax-ca", "ca_not_strict_profile");
}

static void the_hand_made_recipe_is_told_what_is_wrong_with_it(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    read_info("recipe-v1", NOW + 365 * 86400, &info);
    assert_int_equal(info.version, 1);
    assert_string_equal(info.problem_ids.at[0], "cert_is_v1");
    assert_string_equal(info.problem_ids.at[1], "server_no_san");
    assert_says(info.problems.at[1], "CN (\"localhost\") but no subjectAltName");
}

static void dates_are_judged_by_the_time_given(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    read_info("expired", NOW, &info);
    assert_string_equal(info.problems.at[0], "it expired on 2026-05-20 00:00 UTC, 12 days ago");
    mu_cert_info_clear(&info);
    read_info("expired", NOW - 300 * 86400, &info);
    assert_int_equal(info.problems.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_certificate_is_told_in_full),
        cmocka_unit_test(a_ca_is_told_with_its_limits),
        cmocka_unit_test(ip_addresses_and_strange_names_are_readable),
        cmocka_unit_test(each_fault_of_a_certificate_has_its_id),
        cmocka_unit_test(the_hand_made_recipe_is_told_what_is_wrong_with_it),
        cmocka_unit_test(dates_are_judged_by_the_time_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
