#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "data.h"
#include "pki/key.h"
#include "pki/key_public.h"
#include "pki/ossl.h"

static struct mu_key *make(const char *type)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_key *key = NULL;
    if (mu_key_generate(type, &key, &err) != 0)
        fail_msg("%s: %s: %s", type, err.what, err.cause);
    return key;
}

static void keys_of_all_kinds_are_made_under_the_names_that_people_know(void **state)
{
    static const char *const cases[][2] = {
        {"p256", "EC P-256"},      {"P-256", "EC P-256"},   {"prime256v1", "EC P-256"},
        {"secp384r1", "EC P-384"}, {"p521", "EC P-521"},    {"rsa", "RSA 2048"},
        {"rsa:2048", "RSA 2048"},  {"RSA3072", "RSA 3072"}, {"ed25519", "Ed25519"},
    };
    char kind[MU_KEY_DESCRIPTION_LEN];
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        MU_AUTO_STRUCT(mu_key) key = make(cases[i][0]);
        assert_string_equal(mu_key_describe(key, kind), cases[i][1]);
    }
}

static void an_unknown_kind_is_refused_with_the_list_of_those_known(void **state)
{
    static const char *const unknown[] = {"", "dsa", "rsa1024", "p255", "p256 ", "secp256k1"};
    struct mu_error err = MU_ERROR_INIT;
    struct mu_key *key = NULL;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(unknown); i++) {
        assert_int_equal(mu_key_type_check(unknown[i], &err), -1);
        assert_int_equal(mu_key_generate(unknown[i], &key, &err), -1);
        assert_int_equal(err.code, MU_E_USAGE);
        assert_says(err.hint, mu_key_types);
        assert_null(key);
    }
}

static void the_list_of_kinds_names_only_kinds_that_can_be_made(void **state)
{
    char list[256];
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    snprintf(list, sizeof list, "%s", mu_key_types);
    for (char *type = strtok(list, ", "); type != NULL; type = strtok(NULL, ", ")) {
        if (strncmp(type, "ml-dsa-44/", 10) == 0)
            break; /* see the next test */
        assert_int_equal(mu_key_type_check(type, &err), 0);
    }
}

/* With OpenSSL 3.5 it is there, with 3.0 it is not; either way the program says so before any work is done. */
static void ml_dsa_is_made_or_refused_in_words(void **state)
{
    static const char *const types[] = {"ml-dsa-44", "ml-dsa-65", "ML-DSA-87"};
    static const char *const shown[] = {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(types); i++) {
        struct mu_error err = MU_ERROR_INIT;
        char text[MU_KEY_DESCRIPTION_LEN];
        MU_AUTO_STRUCT(mu_key) key = NULL;
        bool there = OpenSSL_version_num() >= 0x30500000;
        assert_int_equal(mu_key_rule_check(types[i], &err), 0); /* a policy may name it anywhere */
        assert_int_equal(mu_key_type_check(types[i], &err), there ? 0 : -1);
        assert_int_equal(mu_key_generate(types[i], &key, &err), there ? 0 : -1);
        assert_int_equal(ERR_peek_error(), 0);
        if (!there) {
            assert_int_equal(err.code, MU_E_UNSUPPORTED);
            assert_says(err.what, shown[i]);
            assert_says(err.hint, "OpenSSL 3.5");
            continue;
        }
        assert_string_equal(mu_key_describe(key, text), shown[i]);
        assert_null(mu_digest_for(key));
    }
}

static int ask(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    (void)what;
    return mu_secret_set(ret, arg, strlen(arg), err);
}

/* Write PEM to a file, and load it from there. */
static int load(const struct mu_buf *pem, const char *passphrase, struct mu_key **ret,
                struct mu_error *err)
{
    char path[] = "/tmp/mutual-test-key-XXXXXX";
    struct mu_passphrase_source source = {.ask = ask, .arg = (void *)passphrase};
    int fd = mkstemp(path);
    assert_int_equal(write(fd, pem->data, pem->len), pem->len);
    close(fd);
    int result = mu_key_load(path, passphrase == NULL ? NULL : &source, ret, err);
    unlink(path);
    return result;
}

static void a_key_survives_the_way_through_a_file(void **state)
{
    static const char *const types[] = {"p256", "p384", "p521", "rsa2048", "ed25519"};
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(types); i++) {
        MU_AUTO_STRUCT(mu_key) key = make(types[i]);
        MU_AUTO_STRUCT(mu_key) back = NULL;
        MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
        assert_int_equal(mu_key_to_pem(key, NULL, &pem, &err), 0);
        assert_says(pem.data, "-----BEGIN PRIVATE KEY-----");
        assert_int_equal(load(&pem, NULL, &back, &err), 0);
        assert_true(mu_key_same_public(key, back));
        assert_int_equal(EVP_PKEY_eq(mu_key_evp(key), mu_key_evp(back)), 1);
    }
}

static void assert_same_spki(X509 *a, X509 *b)
{
    unsigned char *der_a = NULL, *der_b = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(a), &der_a);
    assert_true(len > 0);
    assert_int_equal(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(b), &der_b), len);
    assert_memory_equal(der_a, der_b, (size_t)len);
    OPENSSL_free(der_a);
    OPENSSL_free(der_b);
}

/* Put together from its parts, without OpenSSL's encoders: every octet must be as they write it, leading zeros too. */
static void an_ec_key_is_written_as_openssl_writes_it(void **state)
{
    static const char *const types[] = {"p256", "p384", "p521"};
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < 100 * MU_COUNT(types); i++) {
        MU_AUTO_STRUCT(mu_key) key = make(types[i % MU_COUNT(types)]);
        MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
        MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
        MU_AUTO(X509) ours = X509_new();
        MU_AUTO(X509) theirs = X509_new();
        char *wanted;
        assert_int_equal(mu_key_to_pem(key, NULL, &pem, &err), 0);
        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, mu_key_evp(key), NULL, NULL, 0, NULL,
                                                       NULL),
                         1);
        assert_int_equal(BIO_get_mem_data(bio, &wanted), pem.len);
        assert_memory_equal(pem.data, wanted, pem.len);
        assert_true(mu_key_to_x509(key, ours));
        assert_int_equal(X509_set_pubkey(theirs, mu_key_evp(key)), 1);
        assert_same_spki(ours, theirs);
    }
}

static void a_public_key_is_read_from_its_parts_whatever_its_kind(void **state)
{
    static const char *const types[] = {"p256", "p384", "p521", "rsa2048", "ed25519"};
    (void)state;
    for (size_t i = 0; i < 2 * MU_COUNT(types); i++) {
        MU_AUTO_STRUCT(mu_key) key = make(types[i % MU_COUNT(types)]);
        MU_AUTO(X509) x = X509_new();
        if (i >= MU_COUNT(types) &&
            mu_key_curve(key) != NID_undef) /* the second time round: half a point */
            assert_int_equal(EVP_PKEY_set_utf8_string_param(
                                 mu_key_evp(key), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                 OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED),
                             1);
        assert_int_equal(X509_set_pubkey(x, mu_key_evp(key)), 1);
        MU_AUTO(EVP_PKEY) read = mu_key_decode(X509_get_X509_PUBKEY(x));
        assert_non_null(read);
        assert_int_equal(EVP_PKEY_eq(read, mu_key_evp(key)), 1);
        MU_AUTO(X509) again = X509_new();
        MU_AUTO(X509) whole = X509_new();
        assert_true(mu_key_to_x509((struct mu_key *)read, again));
        assert_true(
            mu_key_to_x509(key, whole)); /* a point is written in full, however it was read */
        assert_same_spki(again, whole);
        assert_true(mu_key_is_sound(read) && mu_key_is_sound(mu_key_evp(key)));
    }
}

/* A copy of a key keeps no part of its original, which may be gone before it. */
static void a_copy_of_an_ec_key_writes_its_point_itself(void **state)
{
    (void)state;
    struct mu_key *key = make("p256");
    MU_AUTO(X509) before = X509_new();
    MU_AUTO(X509) after = X509_new();
    MU_AUTO(EVP_PKEY) copy = EVP_PKEY_dup(mu_key_evp(key));
    assert_true(mu_key_to_x509(key, before));
    mu_key_free(key);
    assert_true(mu_key_to_x509((struct mu_key *)copy, after));
    assert_same_spki(before, after);
}

/* No point at all, the point at infinity, one beside the curve, half a point. */
static void what_is_no_point_on_its_curve_is_no_key(void **state)
{
    unsigned char beside[65] = {0x04, 1};
    const struct {
        const unsigned char *point;
        int len;
    } cases[] = {{beside, 0}, {beside, 65}, {beside, 33}};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        MU_AUTO(X509) x = X509_new();
        X509_PUBKEY *spki = X509_get_X509_PUBKEY(x);
        unsigned char *copy = OPENSSL_memdup(cases[i].point, sizeof beside);
        assert_int_equal(X509_PUBKEY_set0_param(spki, OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                                                V_ASN1_OBJECT, OBJ_nid2obj(NID_X9_62_prime256v1),
                                                copy, cases[i].len),
                         1);
        assert_null(mu_key_decode(spki));
        ERR_clear_error();
    }
    MU_AUTO(X509) x = X509_new();
    unsigned char *infinity = OPENSSL_zalloc(1);
    assert_int_equal(X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x),
                                            OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                                            OBJ_nid2obj(NID_X9_62_prime256v1), infinity, 1),
                     1);
    MU_AUTO(EVP_PKEY) nowhere = mu_key_decode(X509_get_X509_PUBKEY(x));
    assert_true(nowhere == NULL || !mu_key_is_sound(nowhere));
    ERR_clear_error();
}

static void a_protected_key_opens_to_its_passphrase_only(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_secret secret = {.data = (char *)"correct horse", .len = 13};
    MU_AUTO_STRUCT(mu_key) key = make("p256");
    MU_AUTO_STRUCT(mu_key) back = NULL;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    (void)state;
    assert_int_equal(mu_key_to_pem(key, &secret, &pem, &err), 0);
    assert_says(pem.data, "-----BEGIN ENCRYPTED PRIVATE KEY-----");
    assert_int_equal(load(&pem, "battery staple", &back, &err), -1);
    assert_int_equal(err.code, MU_E_PASSPHRASE_WRONG);
    assert_int_equal(load(&pem, NULL, &back, &err), -1);
    assert_int_equal(err.code, MU_E_PASSPHRASE_NEEDED);
    assert_null(back);
    assert_int_equal(load(&pem, "correct horse", &back, &err), 0);
    assert_true(mu_key_same_public(key, back));
}

/* As many turns as for a container: of a key file, too, a copy may be guessed at for years. */
static void a_guess_at_the_passphrase_takes_its_time(void **state)
{
    static const unsigned char turns[] = {0x02, 0x03, 0x01, 0x86, 0xa0}; /* INTEGER 100000 */
    struct mu_error err = MU_ERROR_INIT;
    struct mu_secret secret = {.data = (char *)"correct horse", .len = 13};
    MU_AUTO_STRUCT(mu_key) key = make("p256");
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT_SECRET;
    (void)state;
    assert_int_equal(mu_key_to_der(key, &secret, &der, &err), 0);
    assert_non_null(memmem(der.data, der.len, turns, sizeof turns));
}

static void an_empty_passphrase_is_none(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_secret none = MU_SECRET_INIT;
    MU_AUTO_STRUCT(mu_key) key = make("p256");
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    (void)state;
    assert_int_equal(mu_key_to_pem(key, &none, &pem, &err), 0);
    assert_says(pem.data, "-----BEGIN PRIVATE KEY-----");
}

static void a_public_key_is_not_taken_for_a_private_one(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_key *key = NULL;
    (void)state;
    assert_int_equal(mu_key_load(data_path("keys/test-public.pem"), NULL, &key, &err), -1);
    assert_int_equal(err.code, MU_E_WRONG_KIND);
    assert_says(err.what, "a public key, not a private key");
    assert_int_equal(mu_key_load(data_path("certs/ca.crt"), NULL, &key, &err), -1);
    assert_says(err.what, "a certificate, not a private key");
}

static void the_pin_is_of_the_public_half_alone(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    unsigned char a[32], b[32];
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_key) other = make("p256");
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    (void)state;
    assert_int_equal(mu_key_load(data_path("keys/test-pkcs8.pem"), NULL, &key, &err), 0);
    assert_int_equal(mu_objects_load(data_path("keys/test-public.pem"), &objects, &err), 0);
    assert_int_equal(mu_key_pin(key, a, &err), 0);
    assert_int_equal(mu_key_pin(objects.at[0].key, b, &err), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_true(mu_key_same_public(key, objects.at[0].key));
    assert_int_equal(mu_key_pin(other, b, &err), 0);
    assert_memory_not_equal(a, b, sizeof a);
    assert_false(mu_key_same_public(key, other));
}

static void the_digest_is_as_strong_as_the_key(void **state)
{
    static const struct {
        const char *type, *digest;
    } cases[] = {
        {"p256", "SHA256"},    {"p384", "SHA384"}, {"p521", "SHA512"},
        {"rsa2048", "SHA256"}, {"ed25519", NULL},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        MU_AUTO_STRUCT(mu_key) key = make(cases[i].type);
        const EVP_MD *digest = mu_digest_for(key);
        if (cases[i].digest == NULL)
            assert_null(digest);
        else
            assert_true(EVP_MD_is_a(digest, cases[i].digest));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_all_kinds_are_made_under_the_names_that_people_know),
        cmocka_unit_test(an_unknown_kind_is_refused_with_the_list_of_those_known),
        cmocka_unit_test(the_list_of_kinds_names_only_kinds_that_can_be_made),
        cmocka_unit_test(ml_dsa_is_made_or_refused_in_words),
        cmocka_unit_test(a_key_survives_the_way_through_a_file),
        cmocka_unit_test(an_ec_key_is_written_as_openssl_writes_it),
        cmocka_unit_test(a_public_key_is_read_from_its_parts_whatever_its_kind),
        cmocka_unit_test(a_copy_of_an_ec_key_writes_its_point_itself),
        cmocka_unit_test(what_is_no_point_on_its_curve_is_no_key),
        cmocka_unit_test(a_protected_key_opens_to_its_passphrase_only),
        cmocka_unit_test(a_guess_at_the_passphrase_takes_its_time),
        cmocka_unit_test(an_empty_passphrase_is_none),
        cmocka_unit_test(a_public_key_is_not_taken_for_a_private_one),
        cmocka_unit_test(the_pin_is_of_the_public_half_alone),
        cmocka_unit_test(the_digest_is_as_strong_as_the_key),
    };
    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
