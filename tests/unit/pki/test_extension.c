#include "../check.h"
#include "base/macros.h"
#include "pki/extension.h"

static void assert_made(const char *oid, bool critical, const char *value, const char *as)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_extension) made = NULL;
    char text[512];
    assert_worked(mu_extension_make(oid, critical, value, &made, &err), &err);
    assert_string_equal(mu_extension_text(mu_extension_x509(made), text, sizeof text), as);
}

static void a_value_is_text_or_octets(void **state)
{
    (void)state;
    assert_made("1.3.6.1.4.1.99999.1", false, "ASN1:UTF8String:rack 7",
                "1.3.6.1.4.1.99999.1: rack 7");
    assert_made("1.2.3.4", true, "DER:0C:02:68:69", "1.2.3.4 (critical): hi");
    assert_made("1.2.3.4", false, "ASN1:NULL", "1.2.3.4: 05:00");
    assert_made("1.2.3.4", false, "DER:0c041b5b326d",
                "1.2.3.4: \\x1b[2m"); /* no terminal obeys it */
    assert_made("1.3.6.1.5.5.7.1.24", false, "DER:30:03:02:01:05",
                "1.3.6.1.5.5.7.1.24: 30:03:02:01:05"); /* TLS feature: must staple */
}

static void what_is_no_oid_or_none_to_be_added_is_refused(void **state)
{
    static const struct {
        const char *oid, *said;
    } cases[] = {
        {"", "not an OID"},
        {"CN", "not an OID"},
        {"commonName", "not an OID"},
        {"1", "not an OID"},
        {"1.2", "not an OID"},
        {"1.2.3.", "not an OID"},
        {"1..3", "not an OID"},
        {".1.2.3", "not an OID"},
        {"1.2.03", "not an OID"},
        {"3.2.1", "not an OID"},
        {"1.99.1", "not an OID"},
        {"1.2.3 ", "not an OID"},
        {"1.2.-3", "not an OID"},
        {"2.5.29.19", "Basic Constraints"},
        {"2.5.29.15", "not for a policy"},
        {"2.5.29.17", "not for a policy"},
        {"2.5.29.30", "not for a policy"},
        {"2.5.29.37", "not for a policy"},
        {"1.3.6.1.5.5.7.48.1.5", "not for a policy"},
    };
    struct mu_error err = MU_ERROR_INIT;
    struct mu_extension *made = NULL;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_refused(mu_extension_make(cases[i].oid, false, "ASN1:NULL", &made, &err), &err,
                       MU_E_EXTENSION, cases[i].said);
    assert_null(made);
}

static void what_is_no_whole_value_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "text",
        "DER:",
        "DER:0C",
        "DER:0C:02:68",
        "DER:0C:02:68:69:00",
        "DER:xx",
        "ASN1:",
        "ASN1:FOO:x",
        "ASN1:SEQUENCE:section",
        "critical,ASN1:NULL",
        "@section",
        "asn1:NULL",
    };
    struct mu_error err = MU_ERROR_INIT;
    struct mu_extension *made = NULL;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(bad); i++)
        assert_refused(mu_extension_make("1.2.3.4", false, bad[i], &made, &err), &err,
                       MU_E_EXTENSION, "is not the value of an extension");
    /* Certificate policies, which OpenSSL knows, are no NULL. */
    assert_refused(mu_extension_make("2.5.29.32", false, "ASN1:NULL", &made, &err), &err,
                   MU_E_EXTENSION, "is not the value");
    assert_null(made);
}

static void a_long_value_is_shown_in_part(void **state)
{
    char value[600] = "DER:04:81:80";
    char text[1024];
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_extension) made = NULL;
    (void)state;
    for (int i = 0; i < 128; i++)
        strcat(value, ":AA");
    assert_worked(mu_extension_make("1.2.3.4", false, value, &made, &err), &err);
    mu_extension_text(mu_extension_x509(made), text, sizeof text);
    assert_says(text, "1.2.3.4: 04:81:80:aa");
    assert_says(text, "aa...");
    assert_int_equal(strlen(text), strlen("1.2.3.4: ") + 64 * 3 - 1 + 3);
    mu_extension_text(mu_extension_x509(made), text, 20);
    assert_int_equal(strlen(text), 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_text_or_octets),
        cmocka_unit_test(what_is_no_oid_or_none_to_be_added_is_refused),
        cmocka_unit_test(what_is_no_whole_value_is_refused),
        cmocka_unit_test(a_long_value_is_shown_in_part),
    };
    return cmocka_run_group_tests_name("extension", tests, NULL, NULL);
}
