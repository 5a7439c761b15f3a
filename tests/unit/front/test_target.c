#include "../check.h"

#include "front/site.h"

static void a_target_is_the_path_below_the_root(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path;
    } cases[] = {
        {"/", ""},
        {"/a/b.txt", "a/b.txt"},
        {"/a/", "a/"},
        {"//a///b", "a/b"},
        {"/a?b/../c#d", "a"},
        {"/?/..", ""},
        {"/%41%2fb", "A/b"},
        {"/%2Fetc%2fpasswd", "etc/passwd"},
        {"/...", "..."},
        {"/..a/b..", "..a/b.."},
        {"/.", "."},
        {"/%252e%252e", "%2e%2e"}, /* decoded once, and once only */
        {"/a%3fb", "a?b"},
        {"http://host", ""},
        {"HTTPS://host:3000/a", "a"},
        {"/\xc3\xa4", "\xc3\xa4"},
    };
    char path[100];
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        memset(path, 'x', sizeof path);
        if (!mu_target_path(cases[i].target, path))
            fail_msg("\"%s\" is taken for no path", cases[i].target);
        assert_string_equal(path, cases[i].path);
        assert_true(strlen(path) <= strlen(cases[i].target));
    }
}

static void what_is_no_path_or_leads_upwards_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "*",        "a",           "host:443", "ftp://host/a", "?a",
        "/%",    "/%4",      "/%zz",        "/a%00b",   "/..",          "/../a",
        "/a/..", "/a/../b",  "/%2e%2e",     "/.%2E/a",  "/a%2f..%2fb",  "/%2f..",
        "//..",  "/a//../b", "http://h/..", "/..?a",    "/..#a",        "http://h/%2e%2e%2f",
    };
    char path[100];
    for (size_t i = 0; i < MU_COUNT(bad); i++)
        if (mu_target_path(bad[i], path))
            fail_msg("\"%s\" is taken for the path \"%s\"", bad[i], path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_the_path_below_the_root),
        cmocka_unit_test(what_is_no_path_or_leads_upwards_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
