#include "../check.h"

#include "make.h"
#include "pki/identity.h"

/* --- Certificates with whatever names --- */

struct name {
    int kind; /* GEN_..., or NID_commonName and the like negated */
    const char *data;
    size_t len; /* 0: up to the NUL */
};

static struct mu_key *key;

static void add_san(GENERAL_NAMES *names, const struct name *name)
{
    GENERAL_NAME *san = GENERAL_NAME_new();
    const bool ip = name->kind == GEN_IPADD;
    ASN1_STRING *value = ASN1_STRING_type_new(ip ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    const size_t len = name->len > 0 ? name->len : strlen(name->data);
    assert_int_equal(ASN1_STRING_set(value, name->data, (int)len), 1);
    GENERAL_NAME_set0_value(san, name->kind, value);
    sk_GENERAL_NAME_push(names, san);
}

static struct mu_cert *make(const struct name *names, size_t count, const char *is_ca)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cert *cert = NULL;
    unsigned char *der = NULL;
    MU_AUTO(X509) x = X509_new();
    GENERAL_NAMES *sans = GENERAL_NAMES_new();
    X509_set_version(x, X509_VERSION_3);
    for (size_t i = 0; i < count; i++)
        if (names[i].kind >= 0)
            add_san(sans, &names[i]);
        else
            assert_int_equal(X509_NAME_add_entry_by_NID(X509_get_subject_name(x), -names[i].kind,
                                                        V_ASN1_UTF8STRING,
                                                        (const unsigned char *)names[i].data,
                                                        names[i].len > 0
                                                            ? (int)names[i].len
                                                            : (int)strlen(names[i].data),
                                                        -1, 0),
                             1);
    if (sk_GENERAL_NAME_num(sans) > 0)
        assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, sans, 0, X509V3_ADD_APPEND), 1);
    GENERAL_NAMES_free(sans);
    if (is_ca != NULL) {
        MU_AUTO(X509_EXTENSION) ca = X509V3_EXT_nconf_nid(NULL, NULL, NID_basic_constraints, is_ca);
        X509_add_ext(x, ca, -1);
    }
    ASN1_INTEGER_set(X509_get_serialNumber(x), 0x1a2b);
    ASN1_TIME_set(X509_getm_notBefore(x), NOW);
    ASN1_TIME_set(X509_getm_notAfter(x), NOW + 3600);
    X509_set_pubkey(x, mu_key_evp(key));
    assert_true(X509_sign(x, mu_key_evp(key), mu_digest_for(key)) > 0);
    const int len = i2d_X509(x, &der);
    const unsigned char *p = der;
    assert_int_equal(mu_cert_wrap(d2i_X509(NULL, &p, len), &cert, &err), 0);
    OPENSSL_free(der);
    return cert;
}

static struct mu_identity *identity(const struct name *names, size_t count)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_identity *id = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = make(names, count, NULL);
    assert_worked(mu_identity_read(cert, &id, &err), &err);
    return id;
}

#define IDENTITY(...)                                                                              \
    identity((const struct name[]){__VA_ARGS__},                                                   \
             sizeof((const struct name[]){__VA_ARGS__}) / sizeof(struct name))
#define CN -NID_commonName
#define OU -NID_organizationalUnitName

static void assert_list(const struct mu_strs *list, const char *joined)
{
    char text[4096] = "";
    for (size_t i = 0; i < list->count; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, list->at[i]);
    }
    assert_string_equal(text, joined);
}

/* --- Tests --- */

static void a_certificate_says_who_its_holder_is(void **state)
{
    char text[256];
    (void)state;
    MU_AUTO_STRUCT(mu_identity)
    id = IDENTITY({OU, "ops", 0}, {OU, "web", 0}, {CN, "J\xc3\xa9r\xc3\xb4me, Jr", 0},
                  {GEN_DNS, "API.Example.com", 0}, {GEN_DNS, "*.example.com", 0},
                  {GEN_URI, "spiffe://example.org/ns/web", 0}, {GEN_EMAIL, "Me@Example.COM", 0},
                  {GEN_IPADD, "\x7f\x00\x00\x01", 4},
                  {GEN_IPADD, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16});
    assert_list(&id->cn, "J\xc3\xa9r\xc3\xb4me, Jr");
    assert_list(&id->ou, "ops web");
    assert_list(&id->dns, "api.example.com *.example.com");
    assert_list(&id->uri, "spiffe://example.org/ns/web");
    assert_list(&id->email, "Me@example.com");
    assert_list(&id->ip, "127.0.0.1 ::1");
    assert_string_equal(id->subject, "CN=J\\C3\\A9r\\C3\\B4me\\, Jr,OU=web,OU=ops");
    assert_string_equal(id->serial, "1A2B");
    assert_string_equal(id->issuer, "");
    assert_int_equal(id->not_before, NOW);
    assert_int_equal(id->not_after, NOW + 3600);
    assert_int_equal(id->unclear, 0);
    assert_string_equal(mu_identity_text(id, text, sizeof text),
                        "uri=spiffe://example.org/ns/web, dns=api.example.com, dns=*.example.com, "
                        "email=Me@example.com, ip=127.0.0.1, ip=::1, cn=J\xc3\xa9r\xc3\xb4me, Jr, "
                        "ou=ops, ou=web");
    assert_string_equal(mu_identity_text(NULL, text, sizeof text), "nobody");
}

static void digests_are_of_the_certificate_and_of_its_key(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    unsigned char sha256[32], pin[32];
    (void)state;
    MU_AUTO_STRUCT(mu_cert) cert = make(NULL, 0, NULL);
    const struct mu_identity *id = mu_identity_of(cert);
    assert_non_null(id);
    mu_cert_sha256(cert, sha256);
    assert_worked(mu_key_pin(key, pin, &err), &err);
    assert_memory_equal(id->sha256, sha256, 32);
    assert_memory_equal(id->key_sha256, pin, 32);
    assert_ptr_equal(mu_identity_of(cert), id); /* it is kept with the certificate */
    assert_null(mu_identity_of(NULL));
}

/* Each of these would be one name to a program that stops at the NUL, and another one to the next. */
static void names_that_could_mean_two_things_mean_nothing(void **state)
{
    static const struct name odd[] = {
        {GEN_DNS, "good.example\0.evil.example", 26},
        {GEN_DNS, "good.example\n", 0},
        {GEN_DNS, "caf\xc3\xa9.example", 0},
        {GEN_DNS, "g\xff.example", 0},
        {GEN_DNS, "", 1},
        {GEN_DNS, "a b.example", 0},
        {GEN_DNS, "good.example.", 0},
        {GEN_DNS, "foo*.example", 0},
        {GEN_URI, "spiffe://example.org/web\0/evil", 30},
        {GEN_URI, "no-scheme", 0},
        {GEN_URI, "https://\xe2\x98\x83.example/", 0},
        {GEN_EMAIL, "a@b@example.com", 0},
        {GEN_EMAIL, "me\0@example.com", 15},
        {GEN_IPADD, "\x7f\x00\x00", 3},
        {GEN_IPADD, "\x0a\x00\x00\x00\xff\x00\x00\x00", 8},
        {CN, "good\0evil", 9},
        {CN, "two\nlines", 0},
        {OU, "\x1b[31mops", 0},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(odd); i++) {
        MU_AUTO_STRUCT(mu_identity) id = identity(&odd[i], 1);
        const size_t taken = id->cn.count + id->ou.count + id->dns.count + id->uri.count +
                             id->email.count + id->ip.count;
        if (taken != 0 || id->unclear != 1)
            fail_msg("the %zu. name was taken", i);
    }
}

static void a_name_that_comes_twice_comes_once(void **state)
{
    (void)state;
    MU_AUTO_STRUCT(mu_identity)
    id = IDENTITY({GEN_DNS, "a.example", 0}, {GEN_DNS, "A.EXAMPLE", 0}, {OU, "x", 0}, {OU, "x", 0});
    assert_list(&id->dns, "a.example");
    assert_list(&id->ou, "x");
    assert_int_equal(id->unclear, 0);
}

static void of_two_common_names_none_counts(void **state)
{
    (void)state;
    MU_AUTO_STRUCT(mu_identity) id = IDENTITY({CN, "admin", 0}, {CN, "guest", 0});
    assert_int_equal(id->cn.count, 0);
    assert_int_equal(id->unclear, 1);
}

static void of_too_many_names_and_of_huge_ones_the_rest_is_unclear(void **state)
{
    static struct name many[MU_IDENTITY_NAMES_MAX + 10];
    static char texts[MU_COUNT(many)][32], huge[5000];
    (void)state;
    for (size_t i = 0; i < MU_COUNT(many); i++) {
        snprintf(texts[i], sizeof texts[i], "host-%zu.example", i);
        many[i] = (struct name){GEN_DNS, texts[i], 0};
    }
    MU_AUTO_STRUCT(mu_identity) crowd = identity(many, MU_COUNT(many));
    assert_int_equal(crowd->dns.count, MU_IDENTITY_NAMES_MAX);
    assert_int_equal(crowd->unclear, 10);

    memset(huge, 'a', sizeof huge - 1);
    memcpy(huge, "https://x/", 10);
    MU_AUTO_STRUCT(mu_identity) giant = IDENTITY({GEN_URI, huge, 0}, {OU, huge, 300});
    assert_int_equal(giant->uri.count + giant->ou.count, 0);
    assert_int_equal(giant->unclear, 2);
}

static void alternative_names_twice_or_broken_are_none(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cert *cert = NULL;
    const struct hand_made twice = {
        .cn = "x",
        .extensions = {{NID_subject_alt_name, "DNS:a.example"},
                       {NID_subject_alt_name, "DNS:b.example"}},
    };
    (void)state;
    cert = make_by_hand(&twice, key, NULL, NULL);
    MU_AUTO_STRUCT(mu_identity) id = NULL;
    assert_worked(mu_identity_read(cert, &id, &err), &err);
    assert_int_equal(id->dns.count, 0);
    assert_int_equal(id->unclear, 1);
    mu_cert_free(cert);
}

static void spiffe_ids_are_those_of_their_specification(void **state)
{
    static const char *const good[] = {"spiffe://example.org", "spiffe://example.org/web",
                                       "spiffe://prod_1.example-2/ns/A.b-c_9/...", "spiffe://x/.a"};
    static const char *const bad[] = {"spiffe://",
                                      "spiffe:///web",
                                      "SPIFFE://example.org/web",
                                      "spiffe://Example.org/w",
                                      "spiffe://a:80/web",
                                      "spiffe://u@a/web",
                                      "spiffe://a/web?x",
                                      "spiffe://a/web#x",
                                      "spiffe://a/web/",
                                      "spiffe://a/",
                                      "spiffe://a//web",
                                      "spiffe://a/./web",
                                      "spiffe://a/web/..",
                                      "spiffe://a/%77eb",
                                      "spiffe://a/w eb",
                                      "spiffe:a/web",
                                      "https://example.org",
                                      "spiffe://a/caf\xc3\xa9"};
    char longest[2200] = "spiffe://example.org/";
    const char *path;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(good); i++)
        if (!mu_name_is_spiffe(good[i], NULL))
            fail_msg("%s is one", good[i]);
    for (size_t i = 0; i < MU_COUNT(bad); i++)
        if (mu_name_is_spiffe(bad[i], NULL))
            fail_msg("%s is none", bad[i]);
    assert_true(mu_name_is_spiffe("spiffe://example.org/ns/web", &path));
    assert_string_equal(path, "/ns/web");
    memset(longest + strlen(longest), 'a', 2048 - strlen(longest));
    assert_true(mu_name_is_spiffe(longest, NULL));
    longest[2048] = 'a';
    assert_false(mu_name_is_spiffe(longest, NULL));
}

static void a_spiffe_id_counts_only_where_it_may_stand(void **state)
{
    static const struct name workload[] = {{GEN_URI, "spiffe://example.org/web", 0}};
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    MU_AUTO_STRUCT(mu_identity)
    two = IDENTITY({GEN_URI, "spiffe://example.org/web", 0}, {GEN_URI, "https://example.org/", 0});
    assert_list(&two->uri, "https://example.org/");
    assert_int_equal(two->unclear, 1);
    MU_AUTO_STRUCT(mu_identity) domain = IDENTITY({GEN_URI, "spiffe://example.org", 0});
    assert_int_equal(domain->uri.count, 0);
    MU_AUTO_STRUCT(mu_identity) upper = IDENTITY({GEN_URI, "SPIFFE://example.org/web", 0});
    assert_int_equal(upper->uri.count, 0);

    MU_AUTO_STRUCT(mu_cert) ca = make(workload, 1, "CA:TRUE");
    MU_AUTO_STRUCT(mu_identity) of_ca = NULL;
    assert_worked(mu_identity_read(ca, &of_ca, &err), &err);
    assert_int_equal(of_ca->uri.count, 0);
}

static void who_has_no_name_has_a_number(void **state)
{
    char text[64];
    (void)state;
    MU_AUTO_STRUCT(mu_identity) id = identity(NULL, 0);
    assert_string_equal(id->subject, "");
    assert_string_equal(mu_identity_text(id, text, sizeof text), "serial=1A2B");
}

static int make_the_key(void **state)
{
    (void)state;
    key = make_key("p256");
    return 0;
}

static int drop_the_key(void **state)
{
    (void)state;
    mu_key_free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_says_who_its_holder_is),
        cmocka_unit_test(digests_are_of_the_certificate_and_of_its_key),
        cmocka_unit_test(names_that_could_mean_two_things_mean_nothing),
        cmocka_unit_test(a_name_that_comes_twice_comes_once),
        cmocka_unit_test(of_two_common_names_none_counts),
        cmocka_unit_test(of_too_many_names_and_of_huge_ones_the_rest_is_unclear),
        cmocka_unit_test(alternative_names_twice_or_broken_are_none),
        cmocka_unit_test(spiffe_ids_are_those_of_their_specification),
        cmocka_unit_test(a_spiffe_id_counts_only_where_it_may_stand),
        cmocka_unit_test(who_has_no_name_has_a_number),
    };
    return cmocka_run_group_tests_name("identity", tests, make_the_key, drop_the_key);
}
