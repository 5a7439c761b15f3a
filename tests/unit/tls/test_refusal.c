#include "../check.h"

#include "base/macros.h"
#include "base/str.h"
#include "tls/alert.h"
#include "tls/refusal.h"

static void every_refusal_has_an_id_of_its_own_a_sentence_and_a_hint(void **state)
{
    (void)state;
    struct mu_refusal one, other;
    for (int code = MU_REFUSAL_NONE + 1; code < MU_REFUSAL_CERT; code++) {
        mu_refusal_set(&one, (enum mu_refusal_code)code);
        assert_int_equal(one.code, code);
        assert_true(one.id[0] != '\0' &&
                    strspn(one.id, "abcdefghijklmnopqrstuvwxyz-") == strlen(one.id));
        assert_true(strlen(one.sentence) > 10 && strlen(one.hint) > 10);
        assert_string_equal(one.cause, "");
        for (int before = MU_REFUSAL_NONE + 1; before < code; before++) {
            mu_refusal_set(&other, (enum mu_refusal_code)before);
            assert_string_not_equal(one.id, other.id);
        }
    }
}

static void every_alert_has_a_number_of_its_own_a_name_a_sentence_and_a_hint(void **state)
{
    (void)state;
    static const struct mu_alert alerts[] = {
#define MU_ALERT(number, name, sentence, hint) {number, name, sentence, hint},
#include "tls/alert.def"
#undef MU_ALERT
    };
    for (size_t i = 0; i < MU_COUNT(alerts); i++) {
        assert_in_range(alerts[i].number, 1, 255);
        assert_true(alerts[i].name[0] != '\0' && alerts[i].hint[0] != '\0');
        assert_true(strlen(alerts[i].sentence) > 10);
        const struct mu_alert *found =
            mu_alert_find(alerts[i].number); /* the first of that number */
        assert_string_equal(found->name, alerts[i].name);
    }
}

static void an_alert_without_a_name_here_is_described_as_such(void **state)
{
    (void)state;
    assert_string_equal(mu_alert_find(255)->name, "unknown alert");
    assert_string_equal(mu_alert_find(-1)->name, "unknown alert");
    assert_true(mu_alert_find(255)->hint[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_has_an_id_of_its_own_a_sentence_and_a_hint),
        cmocka_unit_test(every_alert_has_a_number_of_its_own_a_name_a_sentence_and_a_hint),
        cmocka_unit_test(an_alert_without_a_name_here_is_described_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
