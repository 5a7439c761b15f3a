#include <p11-kit/pkcs11.h>

#include "../check.h"
#include "base/macros.h"
#include "base/str.h"
#include "pki/token.h"

enum { NORMAL = CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED };

static void set(const char *name, unsigned long value)
{
    char text[32];
    snprintf(text, sizeof text, "%lu", value);
    setenv(name, text, 1);
}

static int give_pin(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    assert_string_equal(what, "the token \"fake\" (its PIN)");
    ++*(int *)arg;
    return mu_secret_set(ret, "8361", 4, err);
}

/* Open a key of the token and fail; how often the PIN was asked for. */
static int fail_to_open(const char *module, struct mu_error *err)
{
    char text[512];
    int asked = 0;
    const struct mu_passphrase_source source = {.ask = give_pin, .arg = &asked};
    struct mu_key *key = NULL;
    MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
    snprintf(text, sizeof text, "pkcs11:token=fake;object=ca?module-path=%s", module);
    assert_worked(mu_pkcs11_uri_parse(text, strlen(text), &uri, err), err);
    assert_int_equal(mu_token_key_open(&uri, &source, &key, err), -1);
    assert_null(key);
    assert_null(strstr(err->what, "8361"));
    assert_true(err->hint[0] != '\0');
    return asked;
}

static int clear_environment(void **state)
{
    (void)state;
    unsetenv("PKCS11_PROVIDER_MODULE");
    unsetenv("FAKE_TOKEN_FLAGS");
    unsetenv("FAKE_TOKEN_LOGIN");
    return 0;
}

static void a_token_that_does_not_take_the_pin_is_told_in_words(void **state)
{
    static const struct {
        unsigned long flags, answer;
        enum mu_code code;
        int asked;
        const char *said, *advised;
    } cases[] = {
        {NORMAL, CKR_PIN_INCORRECT, MU_E_PIN, 1, "is not that of the token \"fake\"",
         "after a few wrong ones"},
        {NORMAL, CKR_PIN_LEN_RANGE, MU_E_PIN, 1, "is not that of", "after a few wrong ones"},
        {NORMAL | CKF_USER_PIN_FINAL_TRY, CKR_PIN_INCORRECT, MU_E_PIN, 1, "is not that of",
         "one more wrong one locks"},
        {NORMAL, CKR_PIN_LOCKED, MU_E_PIN, 1, "is locked", "SO PIN"},
        {NORMAL | CKF_USER_PIN_LOCKED, CKR_OK, MU_E_PIN, 0, "is locked", "SO PIN"},
        {NORMAL, CKR_PIN_EXPIRED, MU_E_PIN, 1, "has expired", "--change-pin"},
        {CKF_LOGIN_REQUIRED, CKR_OK, MU_E_PIN, 0, "has no PIN yet", "--init-pin"},
        {NORMAL, CKR_DEVICE_REMOVED, MU_E_TOKEN, 1, "was not taken", "pkcs11-tool"},
        {NORMAL, 0x80000123, MU_E_TOKEN, 1, "was not taken", "pkcs11-tool"},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct mu_error err = MU_ERROR_INIT;
        set("FAKE_TOKEN_FLAGS", cases[i].flags);
        set("FAKE_TOKEN_LOGIN", cases[i].answer);
        assert_int_equal(fail_to_open(MU_FAKE_TOKEN, &err), cases[i].asked);
        assert_int_equal(err.code, cases[i].code);
        assert_says(err.what, cases[i].said);
        assert_says(err.hint, cases[i].advised);
    }
}

static void a_pin_is_asked_for_only_where_one_is_wanted_here(void **state)
{
    static const unsigned long flags[] = {CKF_USER_PIN_INITIALIZED,
                                          NORMAL | CKF_PROTECTED_AUTHENTICATION_PATH};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(flags); i++) {
        struct mu_error err = MU_ERROR_INIT;
        set("FAKE_TOKEN_FLAGS", flags[i]);
        assert_int_equal(fail_to_open(MU_FAKE_TOKEN, &err), 0);
        assert_int_equal(err.code, MU_E_TOKEN);
        assert_says(err.what, "there is no private key \"ca\" in the token \"fake\"");
        assert_says(err.hint, "--keypairgen");
    }
}

static void a_module_without_a_token_asks_whether_it_is_plugged_in(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    assert_int_equal(fail_to_open(MU_FAKE_TOKEN, &err), 0);
    assert_int_equal(err.code, MU_E_TOKEN);
    assert_says(err.what, "there is no token \"fake\"");
    assert_says(err.hint, "is it plugged in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_token_that_does_not_take_the_pin_is_told_in_words,
                               clear_environment),
        cmocka_unit_test_setup(a_pin_is_asked_for_only_where_one_is_wanted_here, clear_environment),
        cmocka_unit_test_setup(a_module_without_a_token_asks_whether_it_is_plugged_in,
                               clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
