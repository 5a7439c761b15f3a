#include "../check.h"
#include "base/macros.h"
#include "tls/names.h"

/* Contexts are only pointed to, so anything will do for one. */
static int exact, wild, others;

static struct mu_tls_named stand_for(int *what)
{
    return (struct mu_tls_named){.context = (struct mu_tls_context *)(void *)what, .door = what};
}

static void add(struct mu_tls_names *names, const char *name, int *what)
{
    struct mu_error err = MU_ERROR_INIT;
    const struct mu_tls_named named = stand_for(what);
    assert_worked(mu_tls_names_add(names, name, &named, &err), &err);
}

static const void *find(const struct mu_tls_names *names, const char *name)
{
    const struct mu_tls_named *named = mu_tls_names_find(names, name, strlen(name));
    return named == NULL ? NULL : named->door;
}

static void an_exact_name_comes_before_a_wildcard_and_that_before_all_others(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_tls_names) names = NULL;
    (void)state;
    assert_worked(mu_tls_names_new(&names, &err), &err);
    add(names, "*.example.com", &wild);
    add(names, "api.Example.com", &exact);
    assert_ptr_equal(find(names, "api.example.com"), &exact);
    assert_ptr_equal(find(names, "API.EXAMPLE.COM."), &exact);
    assert_ptr_equal(find(names, "www.example.com"), &wild);
    static const char *const none[] =
        {"",  "example.com",       ".example.com",      "a.b.example.com", "*.example.com",
         ".", "api.example.com..", "xapi.example.comx", "example",         "api.example.com\xff"};
    for (size_t i = 0; i < MU_COUNT(none); i++)
        assert_null(find(names, none[i]));
    assert_null(mu_tls_names_find(names, "api.example.com\0", 16));

    add(names, NULL, &others);
    for (size_t i = 0; i < MU_COUNT(none); i++)
        assert_ptr_equal(find(names, none[i]), &others);
    assert_ptr_equal(find(names, "api.example.com"), &exact);
    assert_ptr_equal(mu_tls_names_first(names)->door, &others);
}

static void names_are_found_among_many(void **state)
{
    enum { MANY = 300 };
    static int doors[MANY];
    struct mu_error err = MU_ERROR_INIT;
    char name[32];
    MU_AUTO_STRUCT(mu_tls_names) names = NULL;
    (void)state;
    assert_worked(mu_tls_names_new(&names, &err), &err);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%d.example", i * 7 % MANY);
        add(names, name, &doors[i * 7 % MANY]);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "n%d.example", i);
        assert_ptr_equal(find(names, name), &doors[i]);
    }
    assert_null(find(names, "n300.example"));
    assert_ptr_equal(mu_tls_names_first(names)->door, &doors[0]);
}

static void a_name_leads_to_one_door(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_tls_names) names = NULL;
    const struct mu_tls_named named = stand_for(&exact);
    (void)state;
    assert_worked(mu_tls_names_new(&names, &err), &err);
    add(names, "a.example", &exact);
    assert_refused(mu_tls_names_add(names, "A.example", &named, &err), &err, MU_E_EXISTS,
                   "two doors at the same address have the name \"a.example\"");
    add(names, NULL, &others);
    assert_refused(mu_tls_names_add(names, NULL, &named, &err), &err, MU_E_EXISTS,
                   "two doors at the same address have no names");
}

static void what_is_no_name_is_refused(void **state)
{
    static const char *const good[] = {"a", "localhost", "*.a", "xn--bcher-kva.example",
                                       "a_b.c-d.9"};
    static const char *const bad[] = {"",         ".",   "a.",    "a..b",  ".a",
                                      "*",        "a.*", "*a.b",  "a.*.b", "*.*.b",
                                      "a b",      "a/b", "[::1]", "::1",   "b\xc3\xbc.example",
                                      "10.0.0.1", "a:1"};
    struct mu_error err = MU_ERROR_INIT;
    char label[70] = "";
    (void)state;
    for (size_t i = 0; i < MU_COUNT(good); i++)
        assert_worked(mu_tls_name_check(good[i], &err), &err);
    for (size_t i = 0; i < MU_COUNT(bad); i++)
        assert_refused(mu_tls_name_check(bad[i], &err), &err, MU_E_NAME, "is ");
    memset(label, 'a', 64);
    assert_refused(mu_tls_name_check(label, &err), &err, MU_E_NAME, "is not the name of a server");
    label[63] = '\0';
    assert_worked(mu_tls_name_check(label, &err), &err);
}

static void the_name_is_read_from_the_extension(void **state)
{
    static const struct {
        const char *data;
        size_t len;
        const char *name;
    } cases[] = {
        {"\0\x06\0\0\x03"
         "a.b",
         8, "a.b"},
        {"\0\x0a\1\0\1x\0\0\x03"
         "a.b",
         12, "a.b"}, /* behind one of another type */
        {"", 0, NULL},
        {"\0", 1, NULL},
        {"\0\0", 2, NULL},
        {"\0\x03\0\0\0", 5, NULL}, /* an empty one */
        {"\0\x07\0\0\x03"
         "a.b",
         8, NULL}, /* longer than it is */
        {"\0\x06\0\0\x04"
         "a.b",
         8, NULL},
        {"\0\x04\1\0\1x", 6, NULL}, /* none of the only type there is */
        {"\0\x06\0\0\x03"
         "a.bc",
         9, NULL}, /* and something behind it */
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        const char *name;
        size_t len;
        bool read =
            mu_tls_server_name((const unsigned char *)cases[i].data, cases[i].len, &name, &len);
        assert_int_equal(read, cases[i].name != NULL);
        if (read)
            assert_true(len == strlen(cases[i].name) && memcmp(name, cases[i].name, len) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exact_name_comes_before_a_wildcard_and_that_before_all_others),
        cmocka_unit_test(names_are_found_among_many),
        cmocka_unit_test(a_name_leads_to_one_door),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(the_name_is_read_from_the_extension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
