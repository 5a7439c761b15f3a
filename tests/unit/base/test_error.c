#include "../check.h"

#include <errno.h>
#include <stdbool.h>

static void every_code_has_an_id_of_its_own_an_exit_status_and_a_hint(void **state)
{
    (void)state;
    for (int code = MU_OK + 1; code < MU_CODE_COUNT; code++) {
        const char *id = mu_code_id((enum mu_code)code);
        assert_true(id[0] != '\0' && strspn(id, "abcdefghijklmnopqrstuvwxyz-") == strlen(id));
        assert_true(mu_code_hint((enum mu_code)code)[0] != '\0');
        bool used_wrongly = code == MU_E_USAGE || code == MU_E_LIFETIME || code == MU_E_ADDRESS ||
                            code == MU_E_PKCS11_URI;
        assert_int_equal(mu_code_exit((enum mu_code)code), used_wrongly ? 2 : 1);
        for (int other = MU_OK; other < code; other++)
            assert_string_not_equal(id, mu_code_id((enum mu_code)other));
    }
}

static void a_failure_is_a_sentence_with_its_hint_and_without_an_old_cause(void **state)
{
    (void)state;
    struct mu_error err = {.cause = "of yesterday", .hint = "of yesterday"};
    assert_refused(mu_fail(&err, MU_E_EXISTS, "%s exists", "a.key"), &err, MU_E_EXISTS,
                   "a.key exists");
    assert_string_equal(err.cause, "");
    assert_string_equal(err.hint, mu_code_hint(MU_E_EXISTS));
    assert_int_equal(mu_hint(&err, "say %s", "--force"), -1);
    assert_int_equal(mu_cause(&err, "%d", 17), -1);
    assert_string_equal(err.hint, "say --force");
    assert_string_equal(err.cause, "17");
    assert_string_equal(err.what, "a.key exists");
}

static void errno_is_told_in_its_own_words_and_kept(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    errno = ENOSPC;
    assert_int_equal(mu_fail_errno(&err, MU_E_IO, "cannot write %s", "x"), -1);
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(err.cause, strerror(ENOSPC));
}

static void a_sentence_that_is_too_long_is_cut_and_not_written_past(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    char name[2000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    mu_fail(&err, MU_E_NAME, "%s", name);
    mu_cause(&err, "%s", name);
    mu_hint(&err, "%s", name);
    assert_int_equal(strlen(err.what), sizeof err.what - 1);
    assert_int_equal(strlen(err.cause), sizeof err.cause - 1);
    assert_int_equal(strlen(err.hint), sizeof err.hint - 1);
}

static void a_code_that_is_none_is_a_fault_of_the_machine(void **state)
{
    (void)state;
    assert_string_equal(mu_code_id(MU_CODE_COUNT), "system");
    assert_int_equal(mu_code_exit((enum mu_code)9999), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_an_id_of_its_own_an_exit_status_and_a_hint),
        cmocka_unit_test(a_failure_is_a_sentence_with_its_hint_and_without_an_old_cause),
        cmocka_unit_test(errno_is_told_in_its_own_words_and_kept),
        cmocka_unit_test(a_sentence_that_is_too_long_is_cut_and_not_written_past),
        cmocka_unit_test(a_code_that_is_none_is_a_fault_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
