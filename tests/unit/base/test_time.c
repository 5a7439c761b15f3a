#include "../check.h"

#include "base/time.h"

static void durations_need_a_unit_and_may_be_sums(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"45s", 45},     {"15m", 900},     {"36h", 129600},   {"90d", 7776000},
        {"2w", 1209600}, {"1y", 31536000}, {"1d12h", 129600}, {"1000y", INT64_C(31536000000)},
        {"0d1s", 1},
    };
    static const char *const bad[] = {
        "",
        "0d",
        "90",
        "d",
        "-1d",
        "+1d",
        " 1d",
        "1d ",
        "1.5d",
        "1 d",
        "1D",
        "1d12",
        "1x",
        "d1",
        "1001y",
        "99999999999999999999y",
        "9223372036854775807s",
        "999y99y",
    };
    int64_t seconds;
    for (size_t i = 0; i < MU_COUNT(good); i++) {
        struct mu_error err = MU_ERROR_INIT;
        assert_worked(mu_duration_parse(good[i].text, &seconds, &err), &err);
        assert_true(seconds == good[i].seconds);
    }
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        struct mu_error err = MU_ERROR_INIT;
        assert_refused(mu_duration_parse(bad[i], &seconds, &err), &err, MU_E_LIFETIME, bad[i]);
    }
}

static void times_are_read_as_rfc_3339_and_as_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"1970-01-01", 0},
        {"@1780272000", 1780272000},
        {"2026-06-01", 1780272000},
        {"2026-06-01 12:30", 1780317000},
        {"2026-06-01T00:00:00Z", 1780272000},
        {"2026-06-01t02:00:00.999+02:00", 1780272000},
        {"2026-05-31T19:00:00-05:00", 1780272000},
        {"2024-02-29", 1709164800},
        {"2100-12-31T23:59:59z", INT64_C(4133980799)},
        {"1969-12-31", -86400},
    };
    static const char *const bad[] = {
        "",
        "yesterday",
        "2026",
        "2026-6-1",
        "2026-02-29",
        "2026-04-31",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-01x",
        "2026-01-01T",
        "2026-01-01T25:00",
        "2026-01-01T12:60",
        "2026-01-01T12:00+0200",
        "2026-01-01T12:00+",
        "@",
        "@x",
        "@1x",
        " 2026-01-01",
        "2026-01-01Z",
    };
    time_t t;
    for (size_t i = 0; i < MU_COUNT(good); i++) {
        struct mu_error err = MU_ERROR_INIT;
        assert_worked(mu_date_parse(good[i].text, &t, &err), &err);
        assert_int_equal(t, good[i].seconds);
    }
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        struct mu_error err = MU_ERROR_INIT;
        if (mu_date_parse(bad[i], &t, &err) == 0)
            fail_msg("\"%s\" is taken for a time", bad[i]);
        assert_refused(-1, &err, MU_E_USAGE, bad[i]);
    }
}

static void times_are_shown_in_utc(void **state)
{
    (void)state;
    char date[MU_DATE_LEN];
    assert_string_equal(mu_date(1780317059, date), "2026-06-01 12:30 UTC");
    assert_string_equal(mu_date_rfc3339(1780317059, date), "2026-06-01T12:30:59Z");
    assert_string_equal(mu_date(0, date), "1970-01-01 00:00 UTC");
    assert_non_null(mu_date((time_t)INT64_MAX, date));
    assert_true(strlen(date) < sizeof date);
}

static void lengths_of_time_are_told_in_their_largest_units(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *words;
    } cases[] = {
        {0, "0 seconds"},
        {1, "1 second"},
        {59, "59 seconds"},
        {60, "1 minute"},
        {61, "1 minute and 1 second"},
        {3 * 60 + 59, "3 minutes"},
        {3600, "1 hour"},
        {36 * 3600, "1 day and 12 hours"},
        {12 * MU_DAY_S + 7, "12 days"},
        {364 * MU_DAY_S, "364 days"},
        {775 * MU_DAY_S, "2 years and 45 days"},
        {3650 * MU_DAY_S, "10 years"},
        {-60, "1 minute"},
    };
    char span[MU_SPAN_LEN];
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_string_equal(mu_span(cases[i].seconds, span), cases[i].words);
}

static void a_time_is_told_as_seen_from_now(void **state)
{
    (void)state;
    const time_t now = 1780272000;
    char when[MU_SPAN_LEN];
    assert_string_equal(mu_relative(now, now, when), "now");
    assert_string_equal(mu_relative(now + 12 * MU_DAY_S, now, when), "in 12 days");
    assert_string_equal(mu_relative(now - 3 * 3600, now, when), "3 hours ago");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_need_a_unit_and_may_be_sums),
        cmocka_unit_test(times_are_read_as_rfc_3339_and_as_seconds),
        cmocka_unit_test(times_are_shown_in_utc),
        cmocka_unit_test(lengths_of_time_are_told_in_their_largest_units),
        cmocka_unit_test(a_time_is_told_as_seen_from_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
