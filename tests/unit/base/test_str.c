#include "../check.h"

#include "base/str.h"

static void starts_and_ends_are_compared_whole(void **state)
{
    (void)state;
    assert_true(mu_str_starts_with("https://x", "https://"));
    assert_false(mu_str_starts_with("http", "https"));
    assert_true(mu_str_starts_with("x", ""));
    assert_true(mu_str_ends_with("a.csr", ".csr"));
    assert_false(mu_str_ends_with("csr", ".csr"));
    assert_true(mu_str_ends_with("x", ""));
}

static void a_copy_that_does_not_fit_is_cut_and_told(void **state)
{
    (void)state;
    char ret[4];
    assert_true(mu_str_copy(ret, sizeof ret, "abc"));
    assert_string_equal(ret, "abc");
    assert_false(mu_str_copy(ret, sizeof ret, "abcd"));
    assert_string_equal(ret, "abc");
}

static void a_cut_does_not_go_through_a_character(void **state)
{
    (void)state;
    static const size_t fits[] = {0, 1, 1, 3, 3, 3, 6, 6};
    for (size_t max = 0; max < MU_COUNT(fits); max++)
        assert_int_equal(mu_str_fit("aĄ家", max), fits[max]);
}

static void foreign_text_is_made_fit_to_be_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"plain text: ~!", "plain text: ~!"},
        {"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
        {"\033[31mred\x7f", "\\x1b[31mred\\x7f"},
        {"Ąžuolas 家 😀", "Ąžuolas 家 😀"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc3", "\\xc3"},                                       /* cut off */
        {"\xc0\xaf \xe0\x80\xaf", "\\xc0\\xaf \\xe0\\x80\\xaf"}, /* overlong */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},                     /* half of a surrogate pair */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},            /* past the last character */
        {"\xc2\x9b"
         "1m",
         "\\xc2\\x9b1m"}, /* C1: a terminal's other ESC [ */
        {"\xe2\x80\xae"
         "txt.exe",
         "\\xe2\\x80\\xaetxt.exe"}, /* turns the text around */
        {"zero\xe2\x80\x8bwidth", "zero\\xe2\\x80\\x8bwidth"},
    };
    char shown[100];
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_string_equal(mu_str_printable(cases[i].text, strlen(cases[i].text), shown,
                                             sizeof shown),
                            cases[i].shown);
    assert_string_equal(mu_str_printable("a\0b", 3, shown, sizeof shown), "a\\x00b");
}

static void text_that_is_too_long_ends_in_dots_and_never_in_half_a_character(void **state)
{
    (void)state;
    char shown[8];
    assert_string_equal(mu_str_printable("1234567", 7, shown, sizeof shown), "1234567");
    assert_string_equal(mu_str_printable("12345678", 8, shown, sizeof shown), "1234...");
    assert_string_equal(mu_str_printable("123\xe5\xae\xb6"
                                         "5678",
                                         10, shown, sizeof shown),
                        "123...");
    assert_string_equal(mu_str_printable("\n\n\n", 3, shown, sizeof shown), "\\x0a...");
    assert_string_equal(mu_str_printable("abc", 3, shown, 1), "");
    for (size_t cap = 1; cap <= sizeof shown; cap++)
        assert_true(strlen(mu_str_printable("a\n\xff\xe5\xae\xb6zzzz", 10, shown, cap)) < cap);
}

static void octets_are_shown_as_hex(void **state)
{
    (void)state;
    char ret[13];
    assert_string_equal(mu_str_hex("\x00\xab\xff", 3, '\0', ret), "00abff");
    assert_string_equal(mu_str_hex("\x00\xab\xff", 3, ':', ret), "00:ab:ff");
    assert_string_equal(mu_str_hex("", 0, ':', ret), "");
}

static void a_list_owns_its_strings(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_strs) list = {0};
    char text[] = "one";
    assert_int_equal(mu_strs_add(&list, text), 0);
    text[0] = 'x';
    assert_int_equal(mu_strs_add(&list, ""), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.at[0], "one");
    mu_strs_clear(&list);
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_and_ends_are_compared_whole),
        cmocka_unit_test(a_copy_that_does_not_fit_is_cut_and_told),
        cmocka_unit_test(a_cut_does_not_go_through_a_character),
        cmocka_unit_test(foreign_text_is_made_fit_to_be_shown),
        cmocka_unit_test(text_that_is_too_long_ends_in_dots_and_never_in_half_a_character),
        cmocka_unit_test(octets_are_shown_as_hex),
        cmocka_unit_test(a_list_owns_its_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
