#include "data.h"

static struct mu_key *load_key(const char *name)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_key *key = NULL;
    if (mu_key_load(data_path(name), NULL, &key, &err) != 0)
        fail_msg("%s: %s", err.what, err.cause);
    return key;
}

static void a_key_that_does_not_belong_is_named_with_both_files(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = load_cert("client");
    MU_AUTO_STRUCT(mu_key) its_own = load_key("keys/test-client.pem");
    MU_AUTO_STRUCT(mu_key) another = load_key("keys/test-rsa-pkcs1.pem");
    assert_int_equal(mu_cert_match_key(cert, its_own, "a.crt", "a.key", &err), 0);
    assert_int_equal(mu_cert_match_key(cert, another, "a.crt", "b.key", &err), -1);
    assert_int_equal(err.code, MU_E_KEY_MISMATCH);
    assert_string_equal(err.what,
                        "the key in b.key (RSA 2048) does not belong to the certificate in a.crt "
                        "(\"alice\")");
}

static void every_certificate_of_a_file_is_loaded_in_order(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    char label[MU_CERT_LABEL_LEN];
    assert_int_equal(mu_certs_load(data_path("certs/bundle.p7b"), NULL, &certs, &err), 0);
    assert_int_equal(certs.count, 2);
    assert_string_equal(mu_cert_label(certs.at[0], label), "alice");
}

static void a_file_without_a_certificate_is_said_to_hold_what_it_holds(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    assert_int_equal(mu_certs_load(data_path("keys/test-pkcs8.pem"), NULL, &certs, &err), -1);
    assert_int_equal(err.code, MU_E_WRONG_KIND);
    assert_says(err.what, "holds a private key, not a certificate");
}

static void a_ca_is_told_from_a_leaf(void **state)
{
    (void)state;
    MU_AUTO_STRUCT(mu_cert) ca = load_cert("ca");
    MU_AUTO_STRUCT(mu_cert) leaf = load_cert("client");
    MU_AUTO_STRUCT(mu_cert) self_signed = load_cert("self-signed");
    assert_true(mu_cert_is_ca(ca));
    assert_false(mu_cert_is_ca(leaf));
    assert_false(mu_cert_is_ca(self_signed));
}

static void a_chain_that_starts_with_the_ca_is_out_of_order(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_certs) wrong = {0};
    MU_AUTO_CLEAR(mu_certs) right = {0};
    MU_AUTO_CLEAR(mu_certs) authorities = {0};
    assert_int_equal(mu_certs_add(&wrong, load_cert("ca"), &err), 0);
    assert_int_equal(mu_certs_add(&wrong, load_cert("client"), &err), 0);
    assert_true(mu_certs_misordered(&wrong));
    assert_int_equal(mu_certs_add(&right, load_cert("client"), &err), 0);
    assert_int_equal(mu_certs_add(&right, load_cert("ca"), &err), 0);
    assert_false(mu_certs_misordered(&right));
    assert_int_equal(mu_certs_add(&authorities, load_cert("intermediate"), &err), 0);
    assert_int_equal(mu_certs_add(&authorities, load_cert("ca"), &err), 0);
    assert_false(mu_certs_misordered(&authorities));
}

static void a_certificate_survives_being_written_as_pem(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = load_cert("client");
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    unsigned char before[32], after[32];
    mu_cert_to_pem(cert, &pem);
    assert_int_equal(mu_objects_parse("x", pem.data, pem.len, &objects, &err), 0);
    mu_cert_sha256(cert, before);
    mu_cert_sha256(objects.at[0].cert, after);
    assert_memory_equal(before, after, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_does_not_belong_is_named_with_both_files),
        cmocka_unit_test(every_certificate_of_a_file_is_loaded_in_order),
        cmocka_unit_test(a_file_without_a_certificate_is_said_to_hold_what_it_holds),
        cmocka_unit_test(a_ca_is_told_from_a_leaf),
        cmocka_unit_test(a_chain_that_starts_with_the_ca_is_out_of_order),
        cmocka_unit_test(a_certificate_survives_being_written_as_pem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
