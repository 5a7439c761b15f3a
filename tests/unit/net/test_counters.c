#include "../check.h"

#include "net/counters.h"

static void handshakes_are_counted_in_the_class_whose_bound_they_reach(void **state)
{
    (void)state;
    struct mu_counters counters = {0};
    mu_count_handshake(&counters, 0);
    mu_count_handshake(&counters, 500);
    mu_count_handshake(&counters, 501);
    mu_count_handshake(&counters, 10000000);
    mu_count_handshake(&counters, 10000001);
    assert_int_equal(counters.handshakes[0], 2);
    assert_int_equal(counters.handshakes[1], 1);
    assert_int_equal(counters.handshakes[MU_HANDSHAKE_CLASSES - 1], 1);
    assert_int_equal(counters.handshakes[MU_HANDSHAKE_CLASSES], 1);
    assert_int_equal(counters.handshake_us, 20001002);
    for (size_t i = 1; i < MU_HANDSHAKE_CLASSES; i++)
        assert_true(mu_handshake_bounds_us[i] > mu_handshake_bounds_us[i - 1]);
}

static void a_refused_certificate_is_counted_by_its_fault(void **state)
{
    (void)state;
    struct mu_counters counters = {0};
    struct mu_refusal refusal;
    const struct mu_verdict verdict = {.fault = MU_FAULT_EXPIRED};
    mu_refusal_from_verdict(&refusal, &verdict);
    mu_count_refusal(&counters, &refusal);
    mu_refusal_set(&refusal, MU_REFUSAL_TLS_VERSION);
    mu_count_refusal(&counters, &refusal);
    assert_int_equal(counters.faults[MU_FAULT_EXPIRED], 1);
    assert_int_equal(counters.faults[MU_FAULT_NONE], 0);
    assert_int_equal(counters.refused[MU_REFUSAL_CERT], 1);
    assert_int_equal(counters.refused[MU_REFUSAL_TLS_VERSION], 1);
}

static void answers_are_counted_by_class_and_odd_ones_apart(void **state)
{
    (void)state;
    struct mu_counters counters = {0};
    const int statuses[] = {200, 206, 404, 503, 0, -1, 99, 600, 1000};
    for (size_t i = 0; i < MU_COUNT(statuses); i++)
        mu_count_answer(&counters, statuses[i]);
    assert_int_equal(counters.answers[2], 2);
    assert_int_equal(counters.answers[4], 1);
    assert_int_equal(counters.answers[5], 1);
    assert_int_equal(counters.answers[0], 5);
}

static void counters_of_several_workers_add_up(void **state)
{
    (void)state;
    struct mu_counters sum = {0}, a = {.accepted = 3, .answers = {[5] = 1}}, b = {.accepted = 4};
    mu_count(&b.answers[5], 7);
    mu_counters_add(&sum, &a);
    mu_counters_add(&sum, &b);
    assert_int_equal(sum.accepted, 7);
    assert_int_equal(sum.answers[5], 8);
    assert_int_equal(a.accepted, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_are_counted_in_the_class_whose_bound_they_reach),
        cmocka_unit_test(a_refused_certificate_is_counted_by_its_fault),
        cmocka_unit_test(answers_are_counted_by_class_and_odd_ones_apart),
        cmocka_unit_test(counters_of_several_workers_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
