#include "../check.h"
#include "tls/alpn.h"

static void each_stands_behind_its_length(void **state)
{
    char list[MU_TLS_ALPN_LEN] = "";
    (void)state;
    assert_true(mu_tls_alpn_add(list, "h2"));
    assert_true(mu_tls_alpn_add(list, "http/1.1"));
    assert_string_equal(list, "\x02h2\x08http/1.1");
}

static void there_is_none_without_a_name_and_no_more_than_there_is_room_for(void **state)
{
    char list[MU_TLS_ALPN_LEN] = "", longest[MU_TLS_ALPN_LEN];
    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_false(mu_tls_alpn_add(list, ""));
    assert_false(mu_tls_alpn_add(list, longest));
    assert_string_equal(list, "");
    assert_true(mu_tls_alpn_add(list, longest + 1));
    assert_false(mu_tls_alpn_add(list, "h2"));
    assert_int_equal(strlen(list), sizeof list - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_stands_behind_its_length),
        cmocka_unit_test(there_is_none_without_a_name_and_no_more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
