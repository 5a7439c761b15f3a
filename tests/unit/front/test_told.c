#include "../check.h"

#include "base/str.h"
#include "front/told.h"

static struct mu_cert *load(const char *name)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cert *cert = NULL;
    char path[1024];
    snprintf(path, sizeof path, "%s/certs/%s.crt", MU_TEST_DATA, name);
    assert_worked(mu_cert_load(path, &cert, &err), &err);
    return cert;
}

static char *uris[] = {(char *)"spiffe://example.org/web", (char *)"https://x/?a=b,c;d=\"e\\"},
            *names[] = {(char *)"web.example.com", (char *)"*.example.com"},
            *door_uris[] = {(char *)"spiffe://example.org/door"};
static const struct mu_identity who = {.subject = (char *)"CN=a\\\"b,O=Example",
                                       .uri = {uris, 2},
                                       .dns = {names, 2},
                                       .sha256 = {0xfb, 0xff, 0xbf}},
                                door = {.subject = (char *)"CN=door", .uri = {door_uris, 1}};

struct fixture {
    struct mu_certs chain;
    struct mu_buf out;
};

static const char *told(struct fixture *f, unsigned what, const struct mu_identity *client)
{
    const struct mu_told_about about = {.who = client, .chain = &f->chain, .door = &door};
    mu_buf_reset(&f->out);
    mu_told_write(what, &about, &f->out);
    assert_false(mu_buf_failed(&f->out));
    return mu_buf_str(&f->out);
}

static int set_up(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct fixture *f = calloc(1, sizeof *f);
    assert_worked(mu_certs_add(&f->chain, load("client"), &err), &err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_certs_clear(&f->chain);
    mu_buf_clear(&f->out);
    free(f);
    return 0;
}

static void nothing_is_told_unasked_and_of_nobody(void **state)
{
    assert_string_equal(told(*state, 0, &who), "");
    assert_string_equal(told(*state, ~0u, NULL), "");
}

static void simple_headers_are_one_line_each(void **state)
{
    assert_string_equal(
        told(*state, MU_TOLD_SUBJECT | MU_TOLD_FINGERPRINT | MU_TOLD_URI | MU_TOLD_THUMBPRINT, &who),
        "X-Client-Subject: CN=a\\\"b,O=Example\r\n"
        "X-Client-Fingerprint: fbffbf0000000000000000000000000000000000000000000000000000000000\r\n"
        "X-Client-URI: spiffe://example.org/web\r\n"
        "X-Client-URI: https://x/?a=b,c;d=\"e\\\r\n"
        "X-Client-Thumbprint: -_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n");
}

static void xfcc_is_quoted_wherever_a_name_could_be_taken_for_more(void **state)
{
    assert_string_equal(told(*state, MU_TOLD_XFCC, &who),
                        "X-Forwarded-Client-Cert: "
                        "Hash=fbffbf0000000000000000000000000000000000000000000000000000000000;"
                        "By=spiffe://example.org/door;Subject=\"CN=a\\\\\\\"b,O=Example\";"
                        "URI=spiffe://example.org/web;URI=\"https://x/?a=b,c;d=\\\"e\\\\\";"
                        "DNS=web.example.com;DNS=*.example.com\r\n");
    const char *with_cert = told(*state, MU_TOLD_XFCC | MU_TOLD_XFCC_CERT, &who);
    assert_says(with_cert, ";Cert=\"-----BEGIN%20CERTIFICATE-----%0AMII");
    assert_says(with_cert, "-----END%20CERTIFICATE-----%0A\";Chain=\"-----BEGIN%20");
}

/* "MII..." in one piece between colons, and a chain only where there is one. */
static void client_cert_is_a_byte_sequence(void **state)
{
    struct fixture *f = *state;
    struct mu_error err = MU_ERROR_INIT;
    const char *line = told(f, MU_TOLD_CERT | MU_TOLD_CHAIN, &who);
    static const char start[] = "Client-Cert: :MII";
    assert_true(mu_str_starts_with(line, start));
    const char *base64 = line + sizeof "Client-Cert: :" - 1;
    const size_t len =
        strspn(base64, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");
    assert_string_equal(base64 + len, ":\r\n");
    assert_int_equal(len % 4, 0);
    assert_worked(mu_certs_add(&f->chain, load("ca"), &err), &err);
    assert_worked(mu_certs_add(&f->chain, load("ca"), &err), &err);
    line = told(f, MU_TOLD_CHAIN, &who);
    assert_true(mu_str_starts_with(line, "Client-Cert-Chain: :MII"));
    assert_says(line, ":, :MII");
    assert_true(mu_str_ends_with(line, ":\r\n"));
}

static void headers_are_asked_for_by_their_names(void **state)
{
    unsigned what;
    (void)state;
    assert_true(mu_told_parse("client-cert", &what) && what == MU_TOLD_CERT);
    assert_true(mu_told_parse("X-Forwarded-Client-Cert+Cert", &what) &&
                what == (MU_TOLD_XFCC | MU_TOLD_XFCC_CERT));
    assert_false(mu_told_parse("X-Forwarded-For", &what));
    assert_false(mu_told_parse("", &what));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_told_unasked_and_of_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(simple_headers_are_one_line_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(xfcc_is_quoted_wherever_a_name_could_be_taken_for_more,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(client_cert_is_a_byte_sequence, set_up, tear_down),
        cmocka_unit_test(headers_are_asked_for_by_their_names),
    };
    return cmocka_run_group_tests_name("told", tests, NULL, NULL);
}
