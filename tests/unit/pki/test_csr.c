#include <openssl/pem.h>
#include <unistd.h>

#include "make.h"
#include "pki/csr.h"

struct fixture {
    struct mu_key *key;
    struct mu_names names, back;
    struct mu_csr *csr;
    struct mu_error err;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.key = make_key("p256")};
    *state = &f;
    return mu_names_set_main(&f.names, "api.internal", false, &f.err) != 0 ||
           mu_names_add(&f.names, "10.0.0.1", &f.err) != 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_names_clear(&f->names);
    mu_names_clear(&f->back);
    mu_csr_free(f->csr);
    mu_key_free(f->key);
    return 0;
}

static void a_request_carries_its_names_and_its_key(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    assert_int_equal(mu_csr_make(f->key, &f->names, &f->csr, &f->err), 0);
    assert_int_equal(mu_csr_verify(f->csr, &f->err), 0);
    assert_int_equal(mu_csr_names(f->csr, &f->back, &f->err), 0);
    assert_string_equal(f->back.cn, "api.internal");
    assert_int_equal(f->back.count, 2);
    assert_string_equal(f->back.san[1].value, "10.0.0.1");
    assert_int_equal(mu_csr_key(f->csr, &key, &f->err), 0);
    assert_true(mu_key_same_public(key, f->key));
}

static void every_kind_of_key_can_sign_a_request(void **state)
{
    static const char *const types[] = {"p384", "p521", "rsa2048", "ed25519"};
    struct fixture *f = *state;
    for (size_t i = 0; i < MU_COUNT(types); i++) {
        MU_AUTO_STRUCT(mu_key) key = make_key(types[i]);
        MU_AUTO_STRUCT(mu_csr) csr = NULL;
        assert_int_equal(mu_csr_make(key, &f->names, &csr, &f->err), 0);
        assert_int_equal(mu_csr_verify(csr, &f->err), 0);
    }
}

static void a_request_survives_the_way_through_a_file(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    MU_AUTO_STRUCT(mu_csr) loaded = NULL;
    char path[] = "/tmp/mutual-test-csr-XXXXXX";
    assert_int_equal(mu_csr_make(f->key, &f->names, &f->csr, &f->err), 0);
    mu_csr_to_pem(f->csr, &pem);
    assert_false(mu_buf_failed(&pem));
    assert_says(pem.data, "-----BEGIN CERTIFICATE REQUEST-----");
    int fd = mkstemp(path);
    assert_int_equal(write(fd, pem.data, pem.len), pem.len);
    close(fd);
    int result = mu_csr_load(path, &loaded, &f->err);
    unlink(path);
    assert_int_equal(result, 0);
    assert_int_equal(mu_csr_names(loaded, &f->back, &f->err), 0);
    assert_int_equal(f->back.count, 2);
}

static void a_request_that_another_key_signed_is_refused(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_key) other = make_key("p256");
    assert_int_equal(mu_csr_make(f->key, &f->names, &f->csr, &f->err), 0);
    X509_REQ *req = mu_csr_x509(f->csr);
    assert_true(X509_REQ_sign(req, mu_key_evp(other), EVP_sha256()) > 0);
    assert_int_equal(mu_csr_verify(f->csr, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_CSR_SIGNATURE);
    assert_says(f->err.hint, "mutual request");
}

static void a_request_may_have_a_common_name_alone_or_no_name_at_all(void **state)
{
    struct fixture *f = *state;
    struct mu_names none = {0};
    MU_AUTO_STRUCT(mu_csr) nameless = NULL;
    mu_names_clear(&f->names);
    assert_int_equal(mu_names_set_cn(&f->names, "Alice Example", &f->err), 0);
    assert_int_equal(mu_csr_make(f->key, &f->names, &f->csr, &f->err), 0);
    assert_int_equal(mu_csr_names(f->csr, &f->back, &f->err), 0);
    assert_string_equal(f->back.cn, "Alice Example");
    assert_int_equal(f->back.count, 0);
    mu_names_clear(&f->back);
    assert_int_equal(mu_csr_make(f->key, &none, &nameless, &f->err), 0);
    assert_int_equal(mu_csr_names(nameless, &f->back, &f->err), 0);
    assert_null(f->back.cn);
}

static void what_a_request_asks_for_besides_names_is_not_taken(void **state)
{
    struct fixture *f = *state;
    MU_AUTO(X509_REQ) req = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *wishes = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(wishes, X509V3_EXT_nconf_nid(NULL, NULL, NID_basic_constraints,
                                                        "critical,CA:TRUE"));
    sk_X509_EXTENSION_push(wishes,
                           X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, "DNS:a.example"));
    X509_REQ_add_extensions(req, wishes);
    sk_X509_EXTENSION_pop_free(wishes, X509_EXTENSION_free);
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "OU", MBSTRING_ASC,
                               (const unsigned char *)"admins", -1, -1, 0);
    X509_REQ_set_pubkey(req, mu_key_evp(f->key));
    assert_int_equal(mu_csr_wrap(mu_take(&req), &f->csr, &f->err), 0);
    assert_int_equal(mu_csr_names(f->csr, &f->back, &f->err), 0);
    assert_null(f->back.cn);
    assert_int_equal(f->back.count, 1);
    assert_string_equal(f->back.san[0].value, "a.example");
}

static void another_kind_of_file_is_no_request(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mu_csr_load(data_path("certs/ca.crt"), &f->csr, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_WRONG_KIND);
    assert_says(f->err.what, "holds a certificate, not a certificate request");
    assert_int_equal(mu_csr_load(data_path("certs/client-csr.der"), &f->csr, &f->err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_carries_its_names_and_its_key),
        TEST(every_kind_of_key_can_sign_a_request),
        TEST(a_request_survives_the_way_through_a_file),
        TEST(a_request_that_another_key_signed_is_refused),
        TEST(a_request_may_have_a_common_name_alone_or_no_name_at_all),
        TEST(what_a_request_asks_for_besides_names_is_not_taken),
        TEST(another_kind_of_file_is_no_request),
    };
    return cmocka_run_group_tests_name("csr", tests, NULL, NULL);
}
