#include "../check.h"
#include "tls/websocket.h"

static void a_key_is_answered_as_in_the_rfc(void **state)
{
    char accept[MU_WEBSOCKET_ACCEPT_LEN];
    (void)state;
    assert_true(mu_websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept)); /* [RFC 6455 1.3] */
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void no_two_keys_are_the_same(void **state)
{
    char one[MU_WEBSOCKET_KEY_LEN], other[MU_WEBSOCKET_KEY_LEN];
    (void)state;
    assert_true(mu_websocket_key(one) && mu_websocket_key(other));
    assert_int_equal(strlen(one), sizeof one - 1);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_answered_as_in_the_rfc),
        cmocka_unit_test(no_two_keys_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
