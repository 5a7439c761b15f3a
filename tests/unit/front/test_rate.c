#include "../check.h"

#include "front/rate.h"

static struct mu_rates *make(unsigned number, unsigned per_s)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_rates *rates = NULL;
    const struct mu_rate rate = {number, per_s};
    assert_worked(mu_rates_new(&rate, &rates, &err), &err);
    return rates;
}

static void a_bucket_empties_at_once_and_fills_evenly(void **state)
{
    MU_AUTO_STRUCT(mu_rates) rates = make(3, 60);
    unsigned wait_s;
    const int64_t t = 1000000;
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(mu_rates_take(rates, 7, t, &wait_s));
    assert_false(mu_rates_take(rates, 7, t, &wait_s));
    assert_int_equal(wait_s, 20);
    assert_false(mu_rates_take(rates, 7, t + 19 * 1000, &wait_s)); /* asking takes nothing */
    assert_int_equal(wait_s, 1);
    assert_true(mu_rates_take(rates, 7, t + 20 * 1000, &wait_s));
    assert_false(mu_rates_take(rates, 7, t + 20 * 1000, &wait_s));
    for (int i = 0; i < 3; i++) /* it never holds more than that */
        assert_true(mu_rates_take(rates, 7, t + 1000 * 1000, &wait_s));
    assert_false(mu_rates_take(rates, 7, t + 1000 * 1000, &wait_s));
}

static void each_has_a_bucket_of_its_own(void **state)
{
    MU_AUTO_STRUCT(mu_rates) rates = make(1, 1);
    unsigned wait_s;
    (void)state;
    for (uint64_t key = 1; key <= 500; key++)
        assert_true(mu_rates_take(rates, key, 1000, &wait_s));
    for (uint64_t key = 1; key <= 500; key++)
        assert_false(mu_rates_take(rates, key, 1000, &wait_s));
}

/* Who asks most is not forgotten for the sake of many who ask once. */
static void a_crowd_does_not_fill_the_bucket_of_who_asks_most(void **state)
{
    MU_AUTO_STRUCT(mu_rates) rates = make(100, 3600);
    unsigned wait_s;
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_true(mu_rates_take(rates, 1, 1000, &wait_s));
    for (uint64_t key = 2; key <= 50000; key++)
        assert_true(mu_rates_take(rates, key, 1000, &wait_s));
    assert_false(mu_rates_take(rates, 1, 1000, &wait_s));
}

static void rates_and_sizes_as_people_write_them(void **state)
{
    static const char *const bad_rates[] = {"",
                                            "1",
                                            "/s",
                                            "0/s",
                                            "-1/s",
                                            "1/d",
                                            "1/s ",
                                            " 1/s",
                                            "1000001/s",
                                            "1.5/s",
                                            "99999999999999999999/s"};
    static const char *const bad_sizes[] = {"", "0", "-1", "1k", "1KB", "1 KiB", "4GiB", "1.5MiB"};
    struct mu_rate rate;
    unsigned size;
    (void)state;
    assert_true(mu_rate_parse("100/s", &rate) && rate.count == 100 && rate.per_s == 1);
    assert_true(mu_rate_parse("10/m", &rate) && rate.count == 10 && rate.per_s == 60);
    assert_true(mu_rate_parse("1000000/h", &rate) && rate.per_s == 3600);
    for (size_t i = 0; i < MU_COUNT(bad_rates); i++)
        if (mu_rate_parse(bad_rates[i], &rate))
            fail_msg("\"%s\" is a rate", bad_rates[i]);
    assert_true(mu_size_parse("8192", &size) && size == 8192);
    assert_true(mu_size_parse("32KiB", &size) && size == 32768);
    assert_true(mu_size_parse("3GiB", &size) && size == 3u << 30);
    for (size_t i = 0; i < MU_COUNT(bad_sizes); i++)
        if (mu_size_parse(bad_sizes[i], &size))
            fail_msg("\"%s\" is a size", bad_sizes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_empties_at_once_and_fills_evenly),
        cmocka_unit_test(each_has_a_bucket_of_its_own),
        cmocka_unit_test(a_crowd_does_not_fill_the_bucket_of_who_asks_most),
        cmocka_unit_test(rates_and_sizes_as_people_write_them),
    };
    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
