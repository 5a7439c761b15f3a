#include "made.h"

#include <openssl/evp.h>

#include "tls/expected.h"

static struct identity ca, server;
static char pin[60];

static int make_world(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    unsigned char sha256[32];
    (void)state;
    ca = make_ca("my-ca");
    server = make_leaf(&ca, MU_PROFILE_SERVER, "db.example", DAYS(36000));
    assert_worked(mu_key_pin(server.key, sha256, &err), &err);
    strcpy(pin, "sha256//");
    EVP_EncodeBlock((unsigned char *)pin + strlen(pin), sha256, sizeof sha256);
    return 0;
}

static int end_world(void **state)
{
    (void)state;
    free_identity(&ca);
    free_identity(&server);
    return 0;
}

/* Another certificate of that key, with the names of a hostile or a modern CA. */
static struct mu_cert *with_names(const char *const *names, size_t count)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cert *cert = NULL;
    MU_AUTO_CLEAR(mu_names) all = {0};
    struct mu_issue issue = {.profile = MU_PROFILE_SERVER,
                             .key = server.key,
                             .names = &all,
                             .now = MADE_AT,
                             .lifetime_s = DAYS(36000)};
    for (size_t i = 0; i < count; i++)
        assert_worked(mu_names_add(&all, names[i], &err), &err);
    assert_worked(mu_serial_make(issue.serial, &err), &err);
    assert_worked(mu_issue_leaf(ca.cert, ca.key, &issue, &cert, &err), &err);
    return cert;
}

static bool met(const char *dns, const char *uri, const char *key_pin, const struct mu_cert *cert)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_tls_expected) expected = {0};
    if (dns != NULL)
        assert_worked(mu_tls_expect_dns(&expected, dns, &err), &err);
    if (uri != NULL)
        assert_worked(mu_tls_expect_uri(&expected, uri, &err), &err);
    if (key_pin != NULL)
        assert_worked(mu_tls_expect_pin(&expected, key_pin, &err), &err);
    return mu_tls_expected_met(&expected, cert);
}

static const char other_pin[] = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

static void when_nothing_is_expected_everything_will_do(void **state)
{
    (void)state;
    assert_true(met(NULL, NULL, NULL, server.cert));
}

static void a_dns_name_is_met_by_itself_and_by_a_wildcard(void **state)
{
    static const char *const names[] = {"*.web.example", "spiffe://example/db"};
    (void)state;
    assert_true(met("db.example", NULL, NULL, server.cert));
    assert_true(met("DB.Example", NULL, NULL, server.cert));
    assert_false(met("web.example", NULL, NULL, server.cert));
    assert_false(met("example", NULL, NULL, server.cert));
    MU_AUTO_STRUCT(mu_cert) wild = with_names(names, MU_COUNT(names));
    assert_true(met("one.web.example", NULL, NULL, wild));
    assert_false(met("a.one.web.example", NULL, NULL, wild));
    assert_false(met("web.example", NULL, NULL, wild));
}

static void a_uri_is_met_to_the_letter(void **state)
{
    static const char *const names[] = {"web.example", "spiffe://example/db"};
    (void)state;
    MU_AUTO_STRUCT(mu_cert) cert = with_names(names, MU_COUNT(names));
    assert_true(met(NULL, "spiffe://example/db", NULL, cert));
    assert_false(met(NULL, "spiffe://example/db2", NULL, cert));
    assert_false(met(NULL, "spiffe://example/d", NULL, cert));
    assert_false(met(NULL, "spiffe://example/DB", NULL, cert));
    assert_false(met(NULL, "spiffe://example/db", NULL, server.cert));
}

static void a_pin_is_met_by_the_key_whatever_the_names(void **state)
{
    static const char *const names[] = {"web.example"};
    (void)state;
    MU_AUTO_STRUCT(mu_cert) renewed = with_names(names, MU_COUNT(names));
    assert_true(met(NULL, NULL, pin, server.cert));
    assert_true(met(NULL, NULL, pin, renewed));
    assert_false(met(NULL, NULL, other_pin, server.cert));
    assert_false(met(NULL, NULL, pin, ca.cert));
}

static void any_one_of_several_is_enough(void **state)
{
    (void)state;
    assert_true(met("db.example", "spiffe://example/x", other_pin, server.cert));
    assert_true(met("x.example", "spiffe://example/x", pin, server.cert));
    assert_false(met("x.example", "spiffe://example/x", other_pin, server.cert));
}

static void what_can_never_be_met_is_refused_at_once(void **state)
{
    static const char *const pins[] = {
        "",
        "sha256//",
        "sha256//AAAA",
        "sha1//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        "sha256//AAAAAAAAAAAAAAAAAAAA!AAAAAAAAAAAAAAAAAAAAAA=",
        "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    };
    MU_AUTO_CLEAR(mu_tls_expected) expected = {0};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(pins); i++) {
        struct mu_error err = MU_ERROR_INIT;
        assert_refused(mu_tls_expect_pin(&expected, pins[i], &err), &err, MU_E_USAGE,
                       "is not the pin of a public key");
    }
    struct mu_error err = MU_ERROR_INIT;
    assert_refused(mu_tls_expect_dns(&expected, "not a name", &err), &err, MU_E_NAME, "not a name");
    assert_refused(mu_tls_expect_uri(&expected, "nothing", &err), &err, MU_E_NAME, "nothing");
    assert_int_equal(expected.dns.count + expected.uris.count + expected.pin_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_nothing_is_expected_everything_will_do),
        cmocka_unit_test(a_dns_name_is_met_by_itself_and_by_a_wildcard),
        cmocka_unit_test(a_uri_is_met_to_the_letter),
        cmocka_unit_test(a_pin_is_met_by_the_key_whatever_the_names),
        cmocka_unit_test(any_one_of_several_is_enough),
        cmocka_unit_test(what_can_never_be_met_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
