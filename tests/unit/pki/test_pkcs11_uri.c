#include "../check.h"
#include "base/str.h"
#include "pki/pkcs11_uri.h"

static void a_uri_is_read_and_its_values_are_decoded(void **state)
{
    static const char text[] =
        "pkcs11:token=My%20token;object=ca;id=%00%A0z;serial=1'!$(),:[]@*+=&;type=private;slot-id=7"
        "?pin-source=file:/etc/pin%3Bfile&module-path=/usr/lib/x.so";
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
    (void)state;
    assert_worked(mu_pkcs11_uri_parse(text, strlen(text), &uri, &err), &err);
    assert_string_equal(uri.at[MU_PKCS11_TOKEN].data, "My token");
    assert_string_equal(uri.at[MU_PKCS11_OBJECT].data, "ca");
    assert_int_equal(uri.at[MU_PKCS11_ID].len, 3);
    assert_memory_equal(uri.at[MU_PKCS11_ID].data, "\0\xa0z", 3);
    assert_string_equal(uri.at[MU_PKCS11_SERIAL].data, "1'!$(),:[]@*+=&");
    assert_string_equal(uri.at[MU_PKCS11_SLOT_ID].data, "7");
    assert_string_equal(uri.at[MU_PKCS11_PIN_SOURCE].data, "file:/etc/pin;file");
    assert_string_equal(uri.at[MU_PKCS11_MODULE_PATH].data, "/usr/lib/x.so");
    assert_null(uri.at[MU_PKCS11_MANUFACTURER].data);
}

static void one_that_names_nothing_is_one_too(void **state)
{
    static const char *const good[] = {"pkcs11:", "PKCS11:", "pkcs11:?", "pkcs11:?module-path=/x"};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(good); i++) {
        struct mu_error err = MU_ERROR_INIT;
        MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
        assert_worked(mu_pkcs11_uri_parse(good[i], strlen(good[i]), &uri, &err), &err);
        assert_true(mu_pkcs11_uri_is(good[i]));
    }
    assert_false(mu_pkcs11_uri_is("pkcs11"));
    assert_false(mu_pkcs11_uri_is("ca.key"));
}

static void what_is_none_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"ca.key", "begins with pkcs11:"},
        {"pkcs11", "begins with pkcs11:"},
        {"pkcs11:token=a;token=b", "token stands twice"},
        {"pkcs11:token=", "token has no value"},
        {"pkcs11:token", "token has no value"},
        {"pkcs11:;", "no attribute \"\""},
        {"pkcs11:token=a;", "no attribute \"\""},
        {"pkcs11:?module-path=/x&", "no attribute \"\""},
        {"pkcs11:Token=a", "no attribute \"Token\""},
        {"pkcs11:colour=red", "no attribute \"colour\""},
        {"pkcs11:module-path=/x", "module-path stands behind"},
        {"pkcs11:?token=x", "token stands before"},
        {"pkcs11:token=a b", "has to be written as %20"},
        {"pkcs11:token=a/b", "has to be written as %2F"},
        {"pkcs11:object=a#b", "has to be written as %23"},
        {"pkcs11:object=\xc3\xa4", "has to be written as %C3"},
        {"pkcs11:object=a\nb", "has to be written as %0A"},
        {"pkcs11:token=%", "two hexadecimal digits"},
        {"pkcs11:token=%4", "two hexadecimal digits"},
        {"pkcs11:token=%4g", "two hexadecimal digits"},
        {"pkcs11:token=%00", "zero octet"},
        {"pkcs11:type=cert", "type=private"},
        {"pkcs11:slot-id=x", "slot-id is a number"},
        {"pkcs11:slot-id=99999999999999999999", "slot-id is a number"},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct mu_error err = MU_ERROR_INIT;
        MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
        assert_refused(mu_pkcs11_uri_parse(cases[i].text, strlen(cases[i].text), &uri, &err), &err,
                       MU_E_PKCS11_URI, cases[i].said);
    }
}

static void a_pin_in_it_is_refused_and_not_repeated(void **state)
{
    static const char *const bad[] = {
        "pkcs11:token=a?pin-value=83461",
        "pkcs11:pin-value=83461",
        "pkcs11:token=a?module-path=/x&pin-value=83461",
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        struct mu_error err = MU_ERROR_INIT;
        MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
        assert_refused(mu_pkcs11_uri_parse(bad[i], strlen(bad[i]), &uri, &err), &err,
                       MU_E_PKCS11_URI, "must not hold the PIN");
        assert_null(strstr(err.what, "83461"));
        assert_says(err.hint, "change the PIN");
    }
}

static void only_as_much_as_is_given_is_read(void **state)
{
    static const char text[] = "pkcs11:token=home;object=ca";
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
    (void)state;
    assert_worked(mu_pkcs11_uri_parse(text, strlen("pkcs11:token=ho"), &uri, &err), &err);
    assert_string_equal(uri.at[MU_PKCS11_TOKEN].data, "ho");
    assert_null(uri.at[MU_PKCS11_OBJECT].data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uri_is_read_and_its_values_are_decoded),
        cmocka_unit_test(one_that_names_nothing_is_one_too),
        cmocka_unit_test(what_is_none_is_refused_with_the_reason),
        cmocka_unit_test(a_pin_in_it_is_refused_and_not_repeated),
        cmocka_unit_test(only_as_much_as_is_given_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
