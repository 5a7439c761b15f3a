#include "../check.h"
#include "pki/pattern.h"
#include "base/macros.h"

static bool admits(const char *text, int kind, const char *name)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_pattern) pattern = {0};
    if (mu_pattern_parse(text, &pattern, &err) != 0)
        fail_msg("%s: %s", text, err.what);
    return mu_pattern_admits(&pattern, kind, name);
}

struct example {
    const char *pattern;
    int kind;
    const char *name;
};

static void assert_all(const struct example *examples, size_t count, bool expected)
{
    for (size_t i = 0; i < count; i++)
        if (admits(examples[i].pattern, examples[i].kind, examples[i].name) != expected)
            fail_msg("%s %s %s", examples[i].pattern, expected ? "leaves out" : "admits",
                     examples[i].name);
}

static void what_a_pattern_admits(void **state)
{
    static const struct example good[] = {
        {"DNS:api.example.com", MU_SAN_DNS, "api.example.com"},
        {"API.Example.com", MU_SAN_DNS, "api.example.com"},
        {"*.example.com", MU_SAN_DNS, "a.example.com"},
        {"web-*.example.com", MU_SAN_DNS, "web-7.example.com"},
        {"web-??.example.com", MU_SAN_DNS, "web-07.example.com"},
        {"*a*b*.x", MU_SAN_DNS, "zzaab.x"},
        {"**.example.com", MU_SAN_DNS, "a.b.c.example.com"},
        {"a.**.z", MU_SAN_DNS, "a.b.c.z"},
        {"DNS:**", MU_SAN_DNS, "anything.at.all"},
        {".example.com", MU_SAN_DNS, "example.com"},
        {".example.com", MU_SAN_DNS, "a.b.example.com"},
        {".ex*.com", MU_SAN_DNS, "a.example.com"},
        {"*.example.com", MU_SAN_DNS, "*.example.com"},
        {".example.com", MU_SAN_DNS, "*.example.com"},
        {"DNS:**", MU_SAN_DNS, "*.example.com"},
        {"10.0.0.0/8", MU_SAN_IP, "10.1.2.3"},
        {"IP:fd00::/8", MU_SAN_IP, "fd12::1"},
        {"[::1]", MU_SAN_IP, "::1"},
        {"*@example.com", MU_SAN_EMAIL, "Alice@EXAMPLE.com"},
        {"alice@*.example.com", MU_SAN_EMAIL, "alice@mail.example.com"},
        {"email:.example.com", MU_SAN_EMAIL, "bob@a.example.com"},
        {"email:example.com", MU_SAN_EMAIL, "bob@example.com"},
        {"spiffe://example.com/ns/*/sa/*", MU_SAN_URI, "spiffe://example.com/ns/a/sa/b"},
        {"spiffe://example.com/**", MU_SAN_URI, "spiffe://example.com/a/b/c"},
        {"urn:uuid:*", MU_SAN_URI, "urn:uuid:1-2"},
        {"CN:* Example", MU_PATTERN_CN, "Alice B. Example"},
        {"CN:?lice", MU_PATTERN_CN, "\xc4\x84lice"}, /* a character, not an octet */
    };
    (void)state;
    assert_all(good, MU_COUNT(good), true);
}

static void what_a_pattern_leaves_out(void **state)
{
    static const struct example bad[] = {
        {"api.example.com", MU_SAN_DNS, "api.example.com.evil"},
        {"api.example.com", MU_SAN_DNS, "apixexample.com"},
        {"*.example.com", MU_SAN_DNS, "example.com"},
        {"*.example.com", MU_SAN_DNS, "a.b.example.com"},
        {"*.example.com", MU_SAN_DNS, "a.example.com.evil"},
        {"web-??.example.com", MU_SAN_DNS, "web-7.example.com"},
        {"web-??.example.com", MU_SAN_DNS, "web-7.x.example.com"},
        {".example.com", MU_SAN_DNS, "notexample.com"},
        {".example.com", MU_SAN_DNS, "example.com.evil"},
        {"?.example.com", MU_SAN_DNS, "*.example.com"}, /* it stands for more than one character */
        {"a*.example.com", MU_SAN_DNS, "*.example.com"},
        {"a.example.com", MU_SAN_DNS, "*.example.com"},
        {"DNS:10.*", MU_SAN_IP, "10.0.0.1"},
        {"10.0.0.0/8", MU_SAN_IP, "11.0.0.1"},
        {"10.0.0.0/8", MU_SAN_IP, "::ffff:10.0.0.1"},
        {"IP:::/0", MU_SAN_DNS, "localhost"},
        {"*@example.com", MU_SAN_EMAIL, "a@mail.example.com"},
        {"alice@example.com", MU_SAN_EMAIL, "Alice@example.com"}, /* mailboxes have their own case */
        {"alice@example.com", MU_SAN_EMAIL, "malice@example.com"},
        {"email:example.com", MU_SAN_DNS, "example.com"},
        {"spiffe://example.com/*", MU_SAN_URI, "spiffe://example.com/a/b"},
        {"spiffe://example.com/*", MU_SAN_URI, "spiffe://example.com.evil/a"},
        {"https://*.example.com/", MU_SAN_URI, "https://evil/x.example.com/"},
        {"CN:* Example", MU_PATTERN_CN, "Alice Example Jr"},
        {"CN:?", MU_PATTERN_CN, ""},
        {"CN:example.com", MU_SAN_DNS, "example.com"},
    };
    (void)state;
    assert_all(bad, MU_COUNT(bad), false);
}

static void what_is_no_pattern_is_refused_with_examples(void **state)
{
    static const struct {
        const char *text, *said;
    } bad[] = {
        {"", "no name"},
        {"*", "of which kind"},
        {"**", "of which kind"},
        {"DNS:", "no name"},
        {"DNS:.", "no name"},
        {"DNS:..a", "empty label"},
        {"DNS:a..b", "empty label"},
        {"DNS:a.", "empty label"},
        {"DNS:a b", "letters, digits"},
        {"DNS:a/b", "letters, digits"},
        {"DNS:b\xc3\xbc"
         "cher.example",
         "letters, digits"},
        {"a\tb", "control characters"},
        {"CN:\xff", "not UTF-8"},
        {"CN:", "no name"},
        {"IP:example.com", "no block"},
        {"10.0.0.0/33", "0 to 32"},
        {"10.0.0.1/8", "goes on"},
        {"@example.com", "mailbox@host"},
        {"a@b@c", "mailbox@host"},
        {"a@", "no name"},
        {"URI:example.com", "scheme"},
    };
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        MU_AUTO_CLEAR(mu_pattern) pattern = {0};
        assert_refused(mu_pattern_parse(bad[i].text, &pattern, &err), &err, MU_E_NAME, bad[i].said);
    }
}

/* Trying every way to split the name would outlast the sun. */
static void no_pattern_and_no_name_is_slow(void **state)
{
    char name[2049], pattern[256] = "CN:";
    (void)state;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int i = 0; i < 60; i++)
        strcat(pattern, i % 2 == 0 ? "*a" : "**a");
    strcat(pattern, "b");
    assert_false(admits(pattern, MU_PATTERN_CN, name));
    pattern[strlen(pattern) - 1] = '\0';
    assert_true(admits(pattern, MU_PATTERN_CN, name));
}

static void what_is_too_long_is_never_admitted(void **state)
{
    char name[3000], pattern[1200];
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_pattern) parsed = {0};
    (void)state;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_false(admits("CN:**", MU_PATTERN_CN, name));
    name[1500] = '@';
    assert_false(admits("email:*@**", MU_SAN_EMAIL, name));
    memset(pattern, 'a', sizeof pattern - 1);
    pattern[sizeof pattern - 1] = '\0';
    assert_refused(mu_pattern_parse(pattern, &parsed, &err), &err, MU_E_NAME, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_pattern_admits),
        cmocka_unit_test(what_a_pattern_leaves_out),
        cmocka_unit_test(what_is_no_pattern_is_refused_with_examples),
        cmocka_unit_test(no_pattern_and_no_name_is_slow),
        cmocka_unit_test(what_is_too_long_is_never_admitted),
    };
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
