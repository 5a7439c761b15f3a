/* Text that programs trip over, mended. */

#include "../check.h"

#include "explain/text.h"

static const char pem[] = "-----BEGIN X-----\nAAAA\n-----END X-----\n";

static void mend(const void *data, size_t len, struct mu_text_faults *ret, const char *mended)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    *ret = (struct mu_text_faults){0};
    mu_text_mend(data, len, ret, &text);
    assert_false(mu_buf_failed(&text));
    assert_string_equal(mu_buf_str(&text), mended);
}

static void text_without_fault_stays_as_it_is(void **state)
{
    struct mu_text_faults faults;
    (void)state;
    mend(pem, sizeof pem - 1, &faults, pem);
    assert_false(faults.utf16 || faults.mark || faults.carriage || faults.joined ||
                 faults.written_out || faults.wrapped_twice);
    mend("-----BEGIN X-----\r\nA\r\n", 22, &faults, "-----BEGIN X-----\r\nA\r\n");
    assert_false(faults.carriage);
    mend("", 0, &faults, "");
    mend("a\rb\\nc", 6, &faults, "a\rb\\nc"); /* no PEM: none of our business */
    assert_false(faults.carriage || faults.written_out);
}

static void utf16_of_both_kinds_becomes_ascii(void **state)
{
    struct mu_text_faults faults;
    char wide[2 * sizeof pem + 2] = "\xff\xfe", big[2 * sizeof pem] = "";
    (void)state;
    for (size_t i = 0; i < sizeof pem - 1; i++) {
        wide[2 + 2 * i] = pem[i];
        big[2 * i + 1] = pem[i];
    }
    mend(wide, 2 * sizeof pem, &faults, pem);
    assert_true(faults.utf16);
    mend(big, 2 * sizeof pem - 2, &faults, pem);
    assert_true(faults.utf16);
}

static void marks_carriage_returns_joined_lines_and_json(void **state)
{
    struct mu_text_faults faults;
    (void)state;
    mend("\xef\xbb\xbf"
         "x",
         4, &faults, "x");
    assert_true(faults.mark);
    mend("-----BEGIN X-----\rA\r", 20, &faults, "-----BEGIN X-----\nA\n");
    assert_true(faults.carriage);
    mend("-----BEGIN X-----\\nA\\n", 22, &faults, "-----BEGIN X-----\nA\n");
    assert_true(faults.written_out);
    mend("-----BEGIN X-----\nA\n-----END X----------BEGIN Y-----\n", 53, &faults,
         "-----BEGIN X-----\nA\n-----END X-----\n-----BEGIN Y-----\n");
    assert_true(faults.joined);
    mend("LS0tLS1CRUdJTg==", 16, &faults, "LS0tLS1CRUdJTg==");
    assert_true(faults.wrapped_twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_without_fault_stays_as_it_is),
        cmocka_unit_test(utf16_of_both_kinds_becomes_ascii),
        cmocka_unit_test(marks_carriage_returns_joined_lines_and_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
