#include "../check.h"

#include "base/str.h"
#include "front/route.h"

/* --- Routes, one a word: "HOST METHODS PATH", "-" for any --- */

enum { MAX = 16 };

static struct mu_route_config routes[MAX];
static size_t count;

static void add_all(struct mu_strs *list, const char *words)
{
    char text[128];
    mu_str_copy(text, sizeof text, words);
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ","))
        assert_int_equal(strcmp(word, "-") == 0 ? 0 : mu_strs_add(list, word), 0);
}

static void add(const char *host, const char *methods, const char *path)
{
    struct mu_route_config *route = &routes[count++];
    *route = (struct mu_route_config){.id = strdup(path)};
    add_all(&route->hosts, host);
    add_all(&route->methods, methods);
    route->path = strcmp(path, "-") == 0 ? NULL : strdup(path);
}

static int forget(void **state)
{
    (void)state;
    while (count > 0)
        mu_route_config_clear(&routes[--count]);
    return 0;
}

/* "door" where no route is chosen, "400" where it is not clear. */
static const char *chosen(const char *method, const char *host, const char *target)
{
    const struct mu_route_request request = {.method = method,
                                             .target = target,
                                             .host = host,
                                             .host_len = host == NULL ? 0 : strlen(host)};
    const char *why = NULL;
    size_t i;
    if (!mu_route_choose(routes, count, &request, &i, &why)) {
        assert_non_null(why);
        return "400";
    }
    return i == count ? "door" : routes[i].id;
}

static void assert_paths(const char *const (*cases)[2], size_t case_count)
{
    for (size_t i = 0; i < case_count; i++) {
        const char *is = chosen("GET", "h", cases[i][0]);
        if (!mu_str_equal(is, cases[i][1]))
            fail_msg("%s is %s, not %s", cases[i][0], is, cases[i][1]);
    }
}

/* --- Tests --- */

static void the_longest_path_counts_whole_segments_of_it(void **state)
{
    static const char *const cases[][2] = {
        {"/", "door"},
        {"/admin", "/admin"},
        {"/admin/", "/admin"},
        {"/admin?x=/", "/admin"},
        {"/admin/users", "/admin"},
        {"/administrator", "door"},
        {"/admin/pub", "/admin/pub/"},
        {"/admin/pub/x", "/admin/pub/"},
        {"/admin/public", "/admin"},
        {"https://h/admin", "/admin"},
        {"http://h/x", "door"},
        {"https://h", "door"},
        {"https://h?/admin", "door"},
        {"/x?/admin", "door"},
        {"/%61dmin", "/admin"},
        {"*", "door"},
        {"/x/admin", "door"},
        {"/caf%C3%A9", "door"},
        {"/a%20b", "door"},
        {"/admin/a%2Fb", "/admin"},
        {"/x/a;v=1", "door"},
        {"/admin//x", "/admin"},
        {"/100%25", "door"},
        {"/x/README.", "door"},
    };
    (void)state;
    add("-", "-", "/admin");
    add("-", "-", "/admin/pub/");
    assert_paths(cases, MU_COUNT(cases));
}

/* Each has been a way around somebody's rule. */
static void a_path_that_can_be_read_in_two_ways_is_refused(void **state)
{
    static const char *const cases[][2] = {
        {"/../admin", "400"},
        {"/x/../admin", "400"},
        {"/./admin", "400"},
        {"/%2e%2e/admin", "400"},
        {"/.%2E/admin", "400"},
        {"/x/%2e/y", "400"},
        {"/x/..", "400"},
        {"/x/.", "400"},
        {"/x/...", "400"},
        {"//admin", "400"},
        {"/x//admin", "door"},
        {"/%2Fadmin", "400"},
        {"/admin%2Fx", "400"},
        {"/x%2F..%2Fadmin", "400"},
        {"/x%2f%2e%2e%2fadmin", "400"},
        {"/\\admin", "400"},
        {"/x\\..\\admin", "400"},
        {"/%5Cadmin", "400"},
        {"/admin;x", "400"},
        {"/admin;x/y", "400"},
        {"/;x/admin", "400"},
        {"/x/..;/admin", "400"},
        {"/admin%3Bx", "400"},
        {"/x/..;a=b/admin", "400"},
        {"/ADMIN", "400"},
        {"/Admin/x", "400"},
        {"/%41DMIN", "400"},
        {"/%2561dmin", "400"},
        {"/%252e%252e/admin", "400"},
        {"/%25252e%25252e/admin", "400"},
        {"/x%252F..%252Fadmin", "400"},
        {"/admin%3Fx", "400"},
        {"/admin%23x", "400"},
        {"/admin.", "400"},
        {"/admin%20", "400"},
        {"/admin%20.", "400"},
        {"/x/%20../admin", "400"},
        {"/%00admin", "400"},
        {"/admin%00", "400"},
        {"/x%2500", "400"},
        {"/x%0d%0a", "400"},
        {"/x%7f", "400"},
        {"/%c0%ae%c0%ae/admin", "400"},
        {"/%c0%afadmin", "400"},
        {"/%e0%80%afadmin", "400"},
        {"/%f0%80%80%af/../admin", "400"},
        {"/x%25e0%2580%25ae", "400"},
        {"/%u002e/admin", "400"},
        {"/%", "400"},
        {"/%4", "400"},
        {"/%zz", "400"},
        {"https://h//admin", "400"},
        {"//h/admin", "400"}, /* a URL without its scheme, for whoever takes it for one */
        {"///h/admin/x", "400"},
        {"/\\h/admin", "400"},
        {"/;x/h/admin", "400"},
        {"/%2fh/admin", "400"},
        {"//h//h/x", "400"},
        {"//h/x/admin", "door"},
        {"//h%5Cx/admin", "400"}, /* its host ends at either of two places */
        {"//h%252fx/admin", "400"},
        {"/%2fh\\x/admin", "400"},
        {"//h/x%2fy", "door"},
        {"//h", "door"},
        {"https://h/x/../admin", "400"},
    };
    (void)state;
    add("-", "-", "/admin");
    assert_paths(cases, MU_COUNT(cases));
}

static void nor_does_the_case_of_a_routes_own_path_let_others_through(void **state)
{
    static const char *const cases[][2] = {
        {"/Admin", "/Admin"}, {"/Admin/x", "/Admin"}, {"/admin", "400"},
        {"/ADMIN/x", "400"},  {"/%61dmin", "400"},    {"/x", "door"},
    };
    (void)state;
    add("-", "-", "/Admin");
    assert_paths(cases, MU_COUNT(cases));
}

static void where_all_ways_are_one_routes_it_is_that_ones(void **state)
{
    static const char *const cases[][2] = {
        {"/files/A;v=1//b%2Fc.", "/files"},
        {"/files/%41", "/files"},
        {"/files//", "/files"},
        {"/files/x%3Fy", "/files"},
        {"/files/..", "400"},
        {"/files/%e0%a4%af", "/files"},
        {"/files/%f0%9f%94%91", "/files"},
    };
    (void)state;
    add("-", "-", "/files");
    assert_paths(cases, MU_COUNT(cases));
}

static void without_paths_no_path_is_looked_at(void **state)
{
    (void)state;
    assert_string_equal(chosen("GET", "h", "/../%zz"), "door");
    add("a.example", "-", "-");
    assert_string_equal(chosen("GET", "h", "/../%zz"), "door");
    add("-", "POST", "/");
    assert_string_equal(chosen("POST", "h", "/../%zz"), "/");
}

static void a_host_counts_more_than_a_path(void **state)
{
    (void)state;
    add("-", "-", "/public");
    add("admin.example.com", "-", "-");
    add("*.example.com", "-", "/x");
    add("*.dev.example.com,[::1]", "-", "/dev");
    assert_string_equal(chosen("GET", "admin.example.com", "/public"), "-");
    assert_string_equal(chosen("GET", "ADMIN.example.com.:8443", "/public"), "-");
    assert_string_equal(chosen("GET", "other.example.com", "/public"), "/public");
    assert_string_equal(chosen("GET", "other.example.com", "/x"), "/x");
    assert_string_equal(chosen("GET", "a.b.example.com", "/x"), "door"); /* a star is one label */
    assert_string_equal(chosen("GET", "a.dev.example.com", "/dev"), "/dev");
    assert_string_equal(chosen("GET", "[::1]:443", "/dev"), "/dev");
    assert_string_equal(chosen("GET", "example.com", "/x"), "door");
    assert_string_equal(chosen("GET", NULL, "/x"), "door");
    assert_string_equal(chosen("GET", NULL, "/public"), "/public");
    assert_string_equal(chosen("GET", "admin.example.com@x", "/"), "400");
    assert_string_equal(chosen("GET", "admin.example.com%00", "/"), "400");
    assert_string_equal(chosen("GET", "", "/x"), "door");
}

static void a_method_is_compared_as_it_is_and_head_is_get(void **state)
{
    (void)state;
    add("-", "GET,OPTIONS", "-");
    add("-", "-", "/a");
    add("-", "POST", "/a/");
    assert_string_equal(chosen("GET", "h", "/"), "-");
    assert_string_equal(chosen("HEAD", "h", "/"), "-");
    assert_string_equal(chosen("OPTIONS", "h", "*"), "-");
    assert_string_equal(chosen("POST", "h", "/"), "door");
    assert_string_equal(chosen("get", "h", "/"), "door");
    assert_string_equal(chosen("GET", "h", "/a/b"), "/a");
    assert_string_equal(chosen("POST", "h", "/a/b"), "/a/");
}

static void routes_that_nobody_could_tell_apart_clash(void **state)
{
    (void)state;
    add("-", "-", "/a");
    add("-", "-", "/a/");
    add("-", "-", "/A");
    add("-", "GET", "/a");
    add("-", "GET,POST", "/a");
    add("a.example", "-", "/a");
    add("A.example,b.example", "-", "/a");
    add("-", "-", "-");
    add("-", "-", "/");
    assert_true(mu_route_clash(&routes[0], &routes[1]));
    assert_true(mu_route_clash(&routes[0], &routes[2]));
    assert_false(mu_route_clash(&routes[0], &routes[3]));
    assert_true(mu_route_clash(&routes[3], &routes[4]));
    assert_false(mu_route_clash(&routes[0], &routes[5]));
    assert_true(mu_route_clash(&routes[5], &routes[6]));
    assert_true(mu_route_clash(&routes[7], &routes[8]));
    assert_false(mu_route_clash(&routes[0], &routes[7]));
}

static void what_can_be_a_routes_path_method_and_host(void **state)
{
    static const char *const bad_paths[] = {"",      "a",         "/a b", "/a%20b", "/a;b",
                                            "/a//b", "/a/../b",   "/a.",  "/./a",   "/a?b",
                                            "/a#b",  "/\xc3\xa9", "//",   "/a\\b"};
    static const char *const bad_hosts[] = {"",   "*",    "*.",  "a..b", ".a",
                                            "a.", "a*.b", "a b", "*.*.a"};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(bad_paths); i++)
        if (mu_route_path_fault(bad_paths[i]) == NULL)
            fail_msg("%s can be a path", bad_paths[i]);
    for (size_t i = 0; i < MU_COUNT(bad_hosts); i++)
        if (mu_route_host_fault(bad_hosts[i]) == NULL)
            fail_msg("%s can be a host", bad_hosts[i]);
    assert_null(mu_route_path_fault("/"));
    assert_null(mu_route_path_fault("/.well-known/a_b~c/"));
    assert_null(mu_route_host_fault("*.example.com"));
    assert_null(mu_route_method_fault("M-SEARCH"));
    assert_non_null(mu_route_method_fault("get"));
    assert_non_null(mu_route_method_fault(""));
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_longest_path_counts_whole_segments_of_it),
        TEST(a_path_that_can_be_read_in_two_ways_is_refused),
        TEST(nor_does_the_case_of_a_routes_own_path_let_others_through),
        TEST(where_all_ways_are_one_routes_it_is_that_ones),
        TEST(without_paths_no_path_is_looked_at),
        TEST(a_host_counts_more_than_a_path),
        TEST(a_method_is_compared_as_it_is_and_head_is_get),
        TEST(routes_that_nobody_could_tell_apart_clash),
        TEST(what_can_be_a_routes_path_method_and_host),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
