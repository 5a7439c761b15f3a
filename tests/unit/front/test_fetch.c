#include "../check.h"

#include "front/fetch.h"

static void a_url_is_plain_http_and_nothing_before_the_host(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port, *authority, *target;
    } good[] = {
        {"http://crl.example/a.crl", "crl.example", "80", "crl.example", "/a.crl"},
        {"http://crl.example", "crl.example", "80", "crl.example", "/"},
        {"http://crl.example:8080?a=b", "crl.example", "8080", "crl.example:8080", "/?a=b"},
        {"http://[2001:db8::1]:81/x", "2001:db8::1", "81", "[2001:db8::1]:81", "/x"},
        {"http://[::1]/", "::1", "80", "[::1]", "/"},
        {"http://a/b@c", "a", "80", "a", "/b@c"},
    };
    static const char *const bad[] = {
        "",
        "http://",
        "https://a/",
        "ldap://a/",
        "file:///etc/passwd",
        "HTTP://a/",
        "http:///a",
        "http://u@a/",
        "http://u:p@a/",
        "http://a:/",
        "http://a:0",
        "http://a:65536",
        "http://a:123456",
        "http://a:8o/",
        "http://[::1/",
        "http://[]/",
        "http://[::1]x/",
        "http://a b/",
        "http://a/\r\nX:",
        "http://a/#f",
        "http://a\\b/",
        "http://a_b/",
        "http://\xc3\xa4/",
        "http://:80/",
        "http://a:80:80/",
        "//a/",
        "http://a%2eb/",
    };
    struct mu_fetch_url url;
    for (size_t i = 0; i < MU_COUNT(good); i++) {
        assert_true(mu_fetch_url_parse(good[i].text, &url));
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.port, good[i].port);
        assert_string_equal(url.authority, good[i].authority);
        assert_string_equal(url.target, good[i].target);
    }
    for (size_t i = 0; i < MU_COUNT(bad); i++)
        if (mu_fetch_url_parse(bad[i], &url))
            fail_msg("%s is taken for a URL", bad[i]);
}

static void only_a_host_that_is_listed_is_asked(void **state)
{
    (void)state;
    char first[] = "crl.example", second[] = "other.example:8080", third[] = "[::1]:81",
         every[] = "all", fourth[] = "a.example";
    char *names[] = {first, second, third}, *any[] = {every, fourth};
    const struct mu_strs named = {.at = names, .count = 3}, all = {.at = any, .count = 2},
                         none = {.count = 0};
    static const struct {
        const char *url;
        enum mu_fetch_right by_name, by_all;
    } cases[] = {
        {"http://crl.example/x", MU_FETCH_NAMED, MU_FETCH_PUBLIC},
        {"http://CRL.example:80/x", MU_FETCH_NAMED, MU_FETCH_PUBLIC},
        {"http://crl.example:81/", MU_FETCH_NEVER, MU_FETCH_PUBLIC},
        {"http://other.example/", MU_FETCH_NEVER, MU_FETCH_PUBLIC},
        {"http://other.example:8080/", MU_FETCH_NAMED, MU_FETCH_PUBLIC},
        {"http://xcrl.example/", MU_FETCH_NEVER, MU_FETCH_PUBLIC},
        {"http://[::1]:81/", MU_FETCH_NAMED, MU_FETCH_PUBLIC},
        {"http://a.example/", MU_FETCH_NEVER, MU_FETCH_NAMED},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct mu_fetch_url url;
        assert_true(mu_fetch_url_parse(cases[i].url, &url));
        assert_int_equal(mu_fetch_right(&named, &url), cases[i].by_name);
        assert_int_equal(mu_fetch_right(&all, &url), cases[i].by_all);
        assert_int_equal(mu_fetch_right(&none, &url), MU_FETCH_NEVER);
    }
    assert_true(mu_fetch_host_is_good("all") && mu_fetch_host_is_good("a.example:80"));
    assert_false(mu_fetch_host_is_good("") || mu_fetch_host_is_good("http://a/") ||
                 mu_fetch_host_is_good("a/b") || mu_fetch_host_is_good("*.example"));
}

static void what_is_not_on_the_internet_is_not_public(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_public;
    } cases[] = {
        {"9.9.9.9:80", true},
        {"127.0.0.1:80", false},
        {"10.1.2.3:80", false},
        {"169.254.169.254:80", false},
        {"[2620:fe::fe]:80", true},
        {"[::1]:80", false},
        {"[::ffff:10.0.0.1]:80", false},
        {"[fd00::1]:80", false},
        {"[fe80::1]:80", false},
        {"[fec0::1]:80", false},
        {"[feff::1]:80", false},
        {"[ff02::1]:80", false},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct mu_error err = MU_ERROR_INIT;
        struct mu_address address;
        size_t count = 0;
        assert_worked(mu_address_parse(cases[i].text, &address, 1, &count, &err), &err);
        if (mu_fetch_is_public(&address) != cases[i].is_public)
            fail_msg("%s", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_plain_http_and_nothing_before_the_host),
        cmocka_unit_test(only_a_host_that_is_listed_is_asked),
        cmocka_unit_test(what_is_not_on_the_internet_is_not_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
