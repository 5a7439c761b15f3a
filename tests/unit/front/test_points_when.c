#include "../check.h"

#include "front/points_when.h"

enum { NOW = 1000000, DAY = 86400 };

static void a_list_is_fetched_again_before_its_end(void **state)
{
    (void)state;
    const struct {
        time_t from, until;
        int64_t wait;
    } cases[] = {{NOW, NOW + 4 * 600, 600},
                 {NOW - 2000, NOW + 400, 200},
                 {NOW, NOW + 30 * DAY, 3600},
                 {NOW - DAY, 0, 3600},
                 {NOW - 3, NOW + 1, 1}};
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        const struct mu_crl_info list = {.this_update = cases[i].from,
                                         .next_update = cases[i].until};
        unsigned lapsed = 5;
        assert_int_equal(mu_points_wait_after_list_s(&list, NOW, &lapsed), cases[i].wait);
        assert_int_equal(lapsed, 0);
    }
}

static void one_that_is_out_of_date_is_fetched_less_and_less_often(void **state)
{
    (void)state;
    const struct mu_crl_info list = {.this_update = NOW - DAY, .next_update = NOW};
    const int64_t waits[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600};
    unsigned lapsed = 0;
    for (size_t i = 0; i < MU_COUNT(waits); i++) {
        assert_int_equal(mu_points_wait_after_list_s(&list, NOW, &lapsed), waits[i]);
        assert_int_equal(mu_points_wait_after_failures_s((unsigned)i), waits[i]);
    }
}

static void what_is_in_use_is_not_forgotten(void **state)
{
    (void)state;
    const time_t ago = NOW - 7 * DAY;
    const struct mu_crl_info lapsed = {.next_update = ago}, lapsed_since = {.next_update = ago + 1},
                             in_date = {.next_update = NOW + DAY}, endless = {.next_update = 0};
    assert_true(mu_points_may_forget(NULL, ago, NOW));
    assert_false(mu_points_may_forget(NULL, ago + 1, NOW));
    assert_true(mu_points_may_forget(&lapsed, ago, NOW));
    assert_false(mu_points_may_forget(&lapsed, ago + 1, NOW));
    assert_false(mu_points_may_forget(&lapsed_since, ago, NOW));
    assert_false(mu_points_may_forget(&in_date, ago, NOW));
    assert_false(mu_points_may_forget(&endless, ago, NOW));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_fetched_again_before_its_end),
        cmocka_unit_test(one_that_is_out_of_date_is_fetched_less_and_less_often),
        cmocka_unit_test(what_is_in_use_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
