#include "../check.h"

#include "authority/renew.h"
#include "base/time.h"

#define NOW ((time_t)1780272000) /* 2026-06-01 00:00 UTC */

static void a_part_of_a_lifetime_is_a_percentage_or_a_time(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_due due;
    assert_worked(mu_due_parse("33%", &due, &err), &err);
    assert_int_equal(due.percent, 33);
    assert_worked(mu_due_parse("100%", &due, &err), &err);
    assert_int_equal(due.percent, 100);
    assert_worked(mu_due_parse("1d12h", &due, &err), &err);
    assert_int_equal(due.percent, 0);
    assert_int_equal(due.span_s, 36 * 3600);
    static const char *const wrong[] = {"0%", "101%", "%", "-1%", " 5%", "5%%", "99999999999999%"};
    for (size_t i = 0; i < MU_COUNT(wrong); i++)
        assert_refused(mu_due_parse(wrong[i], &due, &err), &err, MU_E_USAGE, wrong[i]);
    assert_refused(mu_due_parse("33", &due, &err), &err, MU_E_LIFETIME, "33");
}

static void it_is_due_when_less_than_that_is_left(void **state)
{
    (void)state;
    const struct mu_due third = {.percent = 33}, all = {.percent = 100},
                        week = {.span_s = 7 * MU_DAY_S};
    time_t end = NOW + 90 * MU_DAY_S;
    assert_int_equal(mu_due_from(&third, NOW, end), end - 90 * MU_DAY_S / 100 * 33);
    assert_int_equal(mu_due_from(&all, NOW, end), NOW);
    assert_int_equal(mu_due_from(&week, NOW, end), end - 7 * MU_DAY_S);
    assert_int_equal(mu_due_from(&third, NOW, NOW + 99), NOW + 99 - 32);
    /* The longest that dates can say: no overflow. */
    assert_true(mu_due_from(&third, INT64_C(-62167219200), INT64_C(253402300799)) > NOW);
}

static void what_a_certificate_is_for_is_read_from_its_purposes(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    enum mu_profile profile;
    struct mu_cert_info info = {.has_eku = true, .server_auth = true};
    assert_worked(mu_renewal_profile(&info, &profile, &err), &err);
    assert_int_equal(profile, MU_PROFILE_SERVER);
    info.client_auth = true;
    assert_worked(mu_renewal_profile(&info, &profile, &err), &err);
    assert_int_equal(profile, MU_PROFILE_PEER);
    info.server_auth = false;
    assert_worked(mu_renewal_profile(&info, &profile, &err), &err);
    assert_int_equal(profile, MU_PROFILE_CLIENT);
    info.has_eku = false;
    assert_refused(mu_renewal_profile(&info, &profile, &err), &err, MU_E_PROFILE, "does not say");
    info = (struct mu_cert_info){.has_eku = true};
    assert_refused(mu_renewal_profile(&info, &profile, &err), &err, MU_E_PROFILE, "does not say");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_a_lifetime_is_a_percentage_or_a_time),
        cmocka_unit_test(it_is_due_when_less_than_that_is_left),
        cmocka_unit_test(what_a_certificate_is_for_is_read_from_its_purposes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
