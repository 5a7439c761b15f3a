#include "../check.h"

#include "net/crowd.h"

static uint64_t key(const char *text)
{
    size_t count;
    struct mu_address address = {0};
    struct mu_error err = MU_ERROR_INIT;
    assert_worked(mu_address_parse(text, &address, 1, &count, &err), &err);
    return mu_crowd_key(&address);
}

static void who_is_counted_together(void **state)
{
    (void)state;
    assert_int_equal(key("192.0.2.1:1"), key("192.0.2.1:2"));
    assert_int_not_equal(key("192.0.2.1:1"), key("192.0.2.2:1"));
    assert_int_equal(key("[::ffff:192.0.2.1]:1"), key("192.0.2.1:2"));
    assert_int_equal(key("[2001:db8::1]:1"), key("[2001:db8::ffff:1]:1"));
    assert_int_not_equal(key("[2001:db8:0:1::1]:1"), key("[2001:db8::1]:1"));
    assert_int_not_equal(key("[::1]:1"), 0);
    assert_int_equal(key("unix:/run/door"), 0);
}

static void each_address_has_the_same_limit(void **state)
{
    (void)state;
    struct mu_crowd *crowd = NULL;
    struct mu_error err = MU_ERROR_INIT;
    assert_worked(mu_crowd_new(2, &crowd, &err), &err);
    for (uint64_t who = 1; who < 20000; who++) { /* more than there are slots */
        assert_true(mu_crowd_enter(crowd, who));
        assert_true(mu_crowd_enter(crowd, who));
        assert_false(mu_crowd_enter(crowd, who));
    }
    mu_crowd_leave(crowd, 7);
    assert_true(mu_crowd_enter(crowd, 7));
    assert_false(mu_crowd_enter(crowd, 7));
    mu_crowd_leave(crowd, 8);
    mu_crowd_leave(crowd, 8);
    assert_true(mu_crowd_enter(crowd, 8) && mu_crowd_enter(crowd, 8));
    assert_false(mu_crowd_enter(crowd, 8));
    for (int i = 0; i < 5; i++)
        assert_true(mu_crowd_enter(crowd, 0)); /* nobody's */
    mu_crowd_leave(crowd, 0);
    mu_crowd_free(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_counted_together),
        cmocka_unit_test(each_address_has_the_same_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
