#include "pki/pkcs12.h"

#include "base/file.h"
#include "data.h"

static int give(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    (void)what;
    return mu_secret_set(ret, arg, strlen(arg), err);
}

static void add(struct mu_certs *list, const char *name)
{
    struct mu_error err = MU_ERROR_INIT;
    assert_int_equal(mu_certs_add(list, load_cert(name), &err), 0);
}

/* The container with alice's key, her certificate and its CA. */
static void make(bool legacy, struct mu_buf *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    add(&chain, "client");
    add(&chain, "ca");
    assert_int_equal(mu_key_load(data_path("keys/test-client.pem"), NULL, &key, &err), 0);
    assert_int_equal(mu_secret_set(&passphrase, "secret", 6, &err), 0);
    const struct mu_pkcs12 what = {key, &chain, "Alice Ż.", &passphrase, legacy};
    if (mu_pkcs12_make(&what, ret, &err) != 0)
        fail_msg("%s: %s", err.what, err.cause);
}

static void open_again(const struct mu_buf *der, const char *passphrase, struct mu_objects *ret,
                       int result)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_passphrase_source source = {.ask = give, .arg = (void *)passphrase};
    assert_int_equal(mu_objects_parse("x", der->data, der->len, ret, &err), 0);
    assert_int_equal(mu_object_decrypt("x", ret, 0, &source, &err), result);
    assert_true(result == 0 || err.code == MU_E_PASSPHRASE_WRONG);
}

static void what_is_put_in_comes_out_with_the_passphrase_only(void **state)
{
    (void)state;
    for (int legacy = 0; legacy <= 1; legacy++) {
        MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT_SECRET;
        MU_AUTO_CLEAR(mu_objects) objects = {0};
        MU_AUTO_CLEAR(mu_objects) locked = {0};
        struct mu_error err = MU_ERROR_INIT;
        char label[MU_CERT_LABEL_LEN];
        make(legacy, &der);
        open_again(&der, "secret", &objects, 0);
        assert_int_equal(objects.count, 4);
        assert_string_equal(mu_cert_label(objects.at[2].cert, label), "alice");
        assert_string_equal(mu_cert_label(objects.at[3].cert, label), "Test CA");
        assert_int_equal(mu_cert_match_key(objects.at[2].cert, objects.at[1].key, "", "", &err), 0);
        open_again(&der, "Secret", &locked, -1);
        assert_int_equal(locked.count, 1);
    }
}

static void an_open_container_is_not_opened_twice(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    make(true, &der);
    open_again(&der, "secret", &objects, 0);
    assert_int_equal(mu_object_decrypt("x", &objects, 0, NULL, &err), 0);
    assert_int_equal(objects.count, 4);
}

/* --- Chains --- */

static void assert_chain(const char *leaf, const char *const *pool_names, bool with_root,
                         const char *const *expected)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_certs) pool = {0};
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    MU_AUTO_STRUCT(mu_cert) cert = load_cert(leaf);
    for (; *pool_names != NULL; pool_names++)
        add(&pool, *pool_names);
    assert_int_equal(mu_certs_add_chain(cert, &pool, with_root, &chain, &err), 0);
    size_t i = 0;
    for (; expected[i] != NULL; i++) {
        unsigned char ours[32], theirs[32];
        MU_AUTO_STRUCT(mu_cert) next = load_cert(expected[i]);
        assert_true(i < chain.count);
        mu_cert_sha256(chain.at[i], ours);
        mu_cert_sha256(next, theirs);
        assert_memory_equal(ours, theirs, 32);
    }
    assert_int_equal(i, chain.count);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_chain_goes_up_to_the_root_whatever_the_order(void **state)
{
    (void)state;
    assert_chain("under-intermediate", LIST("ca", "stranger", "intermediate"), true,
                 LIST("under-intermediate", "intermediate", "ca"));
    assert_chain("under-intermediate", LIST("intermediate", "ca", "intermediate"), false,
                 LIST("under-intermediate", "intermediate"));
}

static void a_chain_ends_where_the_issuer_is_not_there(void **state)
{
    (void)state;
    assert_chain("under-intermediate", LIST("ca"), true, LIST("under-intermediate"));
    assert_chain("ca", LIST("ca"), true, LIST("ca"));
}

static void a_ca_of_the_same_name_is_no_issuer(void **state)
{
    (void)state;
    assert_chain("client", LIST("new-ca", "ca"), true, LIST("client", "ca"));
    assert_chain("client", LIST("new-ca"), true, LIST("client"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_in_comes_out_with_the_passphrase_only),
        cmocka_unit_test(an_open_container_is_not_opened_twice),
        cmocka_unit_test(a_chain_goes_up_to_the_root_whatever_the_order),
        cmocka_unit_test(a_chain_ends_where_the_issuer_is_not_there),
        cmocka_unit_test(a_ca_of_the_same_name_is_no_issuer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
