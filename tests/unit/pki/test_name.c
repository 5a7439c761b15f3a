#include "data.h"
#include "pki/name.h"
#include "pki/ossl.h"

struct fixture {
    struct mu_names names;
    struct mu_error err;
    char text[1024];
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.names = {0}};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_names_clear(&f->names);
    return 0;
}

/* "CN=a DNS:a IP:::1": all of them in one line. */
static const char *shown(struct fixture *f)
{
    struct mu_names *names = &f->names;
    int len = snprintf(f->text, sizeof f->text, "CN=%s", names->cn == NULL ? "-" : names->cn);
    for (size_t i = 0; i < names->count; i++)
        len += snprintf(f->text + len, sizeof f->text - (size_t)len, " %s:%s",
                        mu_san_kind_name(names->san[i].kind), names->san[i].value);
    return f->text;
}

static void add(struct fixture *f, const char *text)
{
    if (mu_names_add(&f->names, text, &f->err) != 0)
        fail_msg("%s", f->err.what);
}

static void the_kind_of_a_name_is_guessed_from_its_text(void **state)
{
    static const char *const cases[][2] = {
        {"localhost", "DNS:localhost"},
        {"API.Example.org", "DNS:api.example.org"},
        {"*.example.org", "DNS:*.example.org"},
        {"_acme.example.org", "DNS:_acme.example.org"},
        {"xn--bcher-kva.example", "DNS:xn--bcher-kva.example"},
        {"127.0.0.1", "IP:127.0.0.1"},
        {"2001:DB8:0:0:0:0:0:1", "IP:2001:db8::1"},
        {"[::1]", "IP:::1"},
        {"::ffff:10.0.0.1", "IP:::ffff:10.0.0.1"},
        {"spiffe://example.org/a", "URI:spiffe://example.org/a"},
        {"https://example.org:8443/x?y#z", "URI:https://example.org:8443/x?y#z"},
        {"urn:uuid:f81d4fae", "URI:urn:uuid:f81d4fae"},
        {"alice@example.org", "email:alice@example.org"},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct fixture *f = *state;
        add(f, cases[i][0]);
        assert_string_equal(shown(f) + strlen("CN=- "), cases[i][1]);
        mu_names_clear(&f->names);
    }
}

static void the_kind_can_be_said_outright(void **state)
{
    struct fixture *f = *state;
    add(f, "DNS:a.example");
    add(f, "ip:10.0.0.1");
    add(f, "URI:tag:example.org,2026:a");
    add(f, "email:a@b.example");
    assert_string_equal(shown(f), "CN=- DNS:a.example IP:10.0.0.1 URI:tag:example.org,2026:a "
                                  "email:a@b.example");
}

static void a_name_given_twice_counts_once(void **state)
{
    struct fixture *f = *state;
    add(f, "a.example");
    add(f, "A.EXAMPLE");
    add(f, "::1");
    add(f, "0:0:0:0:0:0:0:1");
    assert_string_equal(shown(f), "CN=- DNS:a.example IP:::1");
}

static void what_can_be_no_name_is_refused_with_the_reason(void **state)
{
    static const char *const cases[][2] = {
        {"", "empty"},
        {"Alice Example", "space"},
        {"b\303\274cher.example", "ASCII"},
        {"a\nb", "\\x0a"},
        {"a..b", "not a DNS name"},
        {".a", "not a DNS name"},
        {"a.", "not a DNS name"},
        {"-a.b", "not a DNS name"},
        {"a-.b", "not a DNS name"},
        {"a/b", "not a DNS name"},
        {"*", "wildcard"},
        {"*.org", "wildcard"},
        {"*a.example.org", "wildcard"},
        {"a.*.org", "not a DNS name"},
        {"1.2.3.4.5", "looks like an IP address"},
        {"256.0.0.1", "looks like an IP address"},
        {"010.0.0.1", "looks like an IP address"},
        {"IP:fe80::1%eth0", "not an IP address"},
        {"IP:", "empty"},
        {"a@", "local-part@domain"},
        {"@b", "local-part@domain"},
        {"a@b@c", "local-part@domain"},
        {"http://", "no host"},
        {"https://a.example\\.b.example/", "a URI is made of"},
        {"spiffe://a.example/%7", "a URI is made of"},
        {"URI:nothing", "scheme:rest"},
        {"URI:1http://a", "scheme:rest"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        if (mu_names_add(&f->names, cases[i][0], &f->err) == 0)
            fail_msg("\"%s\" is taken for a name", cases[i][0]);
        assert_int_equal(f->err.code, MU_E_NAME);
        assert_says(f->err.what, cases[i][1]);
    }
    assert_int_equal(f->names.count, 0);
}

/* `count` times 'a', then `rest`. */
static char *long_text(size_t count, const char *rest)
{
    static char text[4096];
    memset(text, 'a', count);
    snprintf(text + count, sizeof text - count, "%s", rest);
    return text;
}

static void a_uri_of_a_host_is_one_that_nobody_reads_otherwise(void **state)
{
    static const char *const plain[] = {"https://a.example", "https://a.example/",
                                        "x+y://a.example:8443", "https://a.example:8443/x?y#z"};
    static const char *const odd[] = {"urn:x://a.example/",
                                      "//b.example/://a.example/",
                                      "1://a.example/",
                                      "://a.example/",
                                      "https://a.example?x",
                                      "https://u@a.example/",
                                      "https://a.example:x/",
                                      "https://[::1]/",
                                      "https://*.example/",
                                      "https://a.example/\"",
                                      "a.example"};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(plain); i++)
        if (!mu_name_is_uri_of_host(plain[i]))
            fail_msg("%s is one", plain[i]);
    for (size_t i = 0; i < MU_COUNT(odd); i++)
        if (mu_name_is_uri_of_host(odd[i]))
            fail_msg("%s is none", odd[i]);
}

static void the_limits_of_dns_hold_to_the_octet(void **state)
{
    struct fixture *f = *state;
    char name[300] = "";
    add(f, long_text(63, ".example"));
    assert_int_equal(mu_names_add(&f->names, long_text(64, ".example"), &f->err), -1);
    for (int i = 0; i < 126; i++)
        strcat(name, "a.");
    strcat(name, "a"); /* 253 octets */
    add(f, name);
    strcat(name, "a");
    assert_int_equal(mu_names_add(&f->names, name, &f->err), -1);
    assert_says(f->err.what, "253");
    assert_int_equal(mu_names_add(&f->names, long_text(3000, ""), &f->err), -1);
}

static void the_main_name_is_the_common_name_too(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mu_names_set_main(&f->names, "API.example", false, &f->err), 0);
    assert_string_equal(shown(f), "CN=api.example DNS:api.example");
}

static void a_uri_or_a_long_name_has_no_common_name(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mu_names_set_main(&f->names, "spiffe://example.org/a", false, &f->err), 0);
    assert_string_equal(shown(f), "CN=- URI:spiffe://example.org/a");
    mu_names_clear(&f->names);
    assert_int_equal(mu_names_set_main(&f->names, long_text(60, ".example"), true, &f->err), 0);
    assert_null(f->names.cn);
    assert_int_equal(f->names.count, 1);
}

static void a_person_is_a_common_name_alone(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mu_names_set_main(&f->names, "Zo\xc3\xab Example", true, &f->err), 0);
    assert_string_equal(shown(f), "CN=Zo\xc3\xab Example");
    assert_int_equal(mu_names_set_main(&f->names, "Zo\xc3\xab Example", false, &f->err), -1);
    assert_says(f->err.what, "space");
}

static void what_a_terminal_would_obey_is_nobodys_name(void **state)
{
    static const char *const names[] = {
        "Alice\x1b[31m", "a\tb c", "\xff\xfe", "Alice \342\200\256ecilA", "two\nlines",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        assert_int_equal(mu_names_set_main(&f->names, names[i], true, &f->err), -1);
        assert_int_equal(f->err.code, MU_E_NAME);
        assert_null(strchr(f->err.what, '\x1b'));
    }
}

static void a_common_name_has_at_most_64_characters_not_octets(void **state)
{
    struct fixture *f = *state;
    char name[200] = "";
    for (int i = 0; i < 64; i++)
        strcat(name, "\xc3\xab");
    assert_int_equal(mu_names_set_cn(&f->names, name, &f->err), 0);
    strcat(name, "a");
    assert_int_equal(mu_names_set_cn(&f->names, name, &f->err), -1);
    assert_says(f->err.what, "64");
    assert_int_equal(mu_names_set_cn(&f->names, "", &f->err), -1);
}

static void localhost_brings_the_loopback_addresses_along(void **state)
{
    struct fixture *f = *state;
    add(f, "localhost");
    add(f, "::1");
    assert_int_equal(mu_names_add_loopback(&f->names, &f->err), 0);
    assert_string_equal(shown(f), "CN=- DNS:localhost IP:::1 IP:127.0.0.1");
    mu_names_clear(&f->names);
    add(f, "example.org");
    assert_int_equal(mu_names_add_loopback(&f->names, &f->err), 0);
    assert_string_equal(shown(f), "CN=- DNS:example.org");
}

static void names_survive_the_way_through_x509(void **state)
{
    struct fixture *f = *state;
    struct mu_names back = {0};
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) san = NULL;
    char before[sizeof f->text];
    assert_int_equal(mu_names_set_cn(&f->names, "Zo\xc3\xab", &f->err), 0);
    add(f, "a.example");
    add(f, "10.0.0.1");
    add(f, "2001:db8::1");
    add(f, "urn:a:b");
    add(f, "a@b.example");
    snprintf(before, sizeof before, "%s", shown(f));
    assert_int_equal(mu_names_to_x509(&f->names, &subject, &san, &f->err), 0);
    assert_int_equal(mu_names_from_x509(subject, san, &back, &f->err), 0);
    mu_names_clear(&f->names);
    f->names = back;
    assert_string_equal(shown(f), before);
}

static void no_name_is_no_subject_and_no_alternative_names(void **state)
{
    struct fixture *f = *state;
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) san = NULL;
    assert_int_equal(mu_names_to_x509(&f->names, &subject, &san, &f->err), 0);
    assert_int_equal(X509_NAME_entry_count(subject), 0);
    assert_null(san);
}

/* Names from outside, which no checked constructor has made. */
static int from_outside(struct fixture *f, int kind, const char *bytes, int len)
{
    MU_AUTO(X509_NAME) subject = X509_NAME_new();
    MU_AUTO(GENERAL_NAMES) san = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *text =
        kind == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_STRING_type_new(V_ASN1_IA5STRING);
    ASN1_STRING_set(text, bytes, len);
    GENERAL_NAME_set0_value(name, kind, text);
    sk_GENERAL_NAME_push(san, name);
    mu_names_clear(&f->names);
    return mu_names_from_x509(subject, san, &f->names, &f->err);
}

static void hostile_names_in_a_request_are_refused_never_cut_short(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(from_outside(f, GEN_DNS, "a.example", 9), 0);
    assert_int_equal(from_outside(f, GEN_DNS, "a.example\0.evil.example", 23), -1);
    assert_says(f->err.what, "NUL");
    assert_says(f->err.what, "a.example\\x00.evil.example");
    assert_int_equal(from_outside(f, GEN_DNS, "", 0), -1);
    assert_int_equal(from_outside(f, GEN_DNS, "a\x1b[31m", 6), -1);
    assert_null(strchr(f->err.what, '\x1b'));
    assert_int_equal(from_outside(f, GEN_DNS, "Alice Example", 13), -1);
    assert_int_equal(from_outside(f, GEN_IPADD, "\x0a\0\0\x01", 4), 0);
    assert_string_equal(shown(f), "CN=- IP:10.0.0.1");
    assert_int_equal(from_outside(f, GEN_IPADD, "\x0a\0\0\x01\xff\0\0\0", 8), -1);
    assert_says(f->err.what, "8 octets");
}

static void alternative_names_of_other_kinds_are_refused_never_dropped(void **state)
{
    struct fixture *f = *state;
    MU_AUTO(X509_NAME) subject = X509_NAME_new();
    MU_AUTO(GENERAL_NAMES) san = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_RID, OBJ_txt2obj("1.2.3.4", 1));
    sk_GENERAL_NAME_push(san, name);
    assert_int_equal(mu_names_from_x509(subject, san, &f->names, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NAME);
    assert_says(f->err.what, "kind that is not issued");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_kind_of_a_name_is_guessed_from_its_text),
        TEST(the_kind_can_be_said_outright),
        TEST(a_name_given_twice_counts_once),
        TEST(what_can_be_no_name_is_refused_with_the_reason),
        TEST(a_uri_of_a_host_is_one_that_nobody_reads_otherwise),
        TEST(the_limits_of_dns_hold_to_the_octet),
        TEST(the_main_name_is_the_common_name_too),
        TEST(a_uri_or_a_long_name_has_no_common_name),
        TEST(a_person_is_a_common_name_alone),
        TEST(what_a_terminal_would_obey_is_nobodys_name),
        TEST(a_common_name_has_at_most_64_characters_not_octets),
        TEST(localhost_brings_the_loopback_addresses_along),
        TEST(names_survive_the_way_through_x509),
        TEST(no_name_is_no_subject_and_no_alternative_names),
        TEST(hostile_names_in_a_request_are_refused_never_cut_short),
        TEST(alternative_names_of_other_kinds_are_refused_never_dropped),
    };
    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
