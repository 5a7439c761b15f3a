#include "../check.h"

#include "base/buf.h"

static void an_empty_buffer_is_an_empty_string(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) buf = MU_BUF_INIT;
    assert_string_equal(mu_buf_str(&buf), "");
    assert_false(mu_buf_failed(&buf));
    mu_buf_add(&buf, NULL, 0);
    assert_string_equal(mu_buf_str(&buf), "");
}

static void what_is_added_stands_in_order_and_ends_with_nul(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) buf = MU_BUF_INIT;
    mu_buf_adds(&buf, "one, ");
    mu_buf_addf(&buf, "%d, %s", 2, "three");
    mu_buf_add(&buf, "\0!", 2);
    assert_int_equal(buf.len, 15);
    assert_memory_equal(buf.data, "one, 2, three\0!", 16);
}

static void it_grows_past_any_size(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) plain = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) secret = MU_BUF_INIT_SECRET;
    char line[100];
    for (int i = 0; i < 10000; i++) {
        int len = snprintf(line, sizeof line, "%d\n", i);
        mu_buf_add(&plain, line, (size_t)len);
        mu_buf_addf(&secret, "%d\n", i);
    }
    assert_int_equal(plain.len, 48890);
    assert_string_equal(mu_buf_str(&plain), mu_buf_str(&secret));
}

static void a_number_longer_than_any_memory_fails_once_and_for_all(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) buf = MU_BUF_INIT;
    mu_buf_adds(&buf, "kept");
    assert_null(mu_buf_reserve(&buf, SIZE_MAX - 2));
    assert_true(mu_buf_failed(&buf));
    mu_buf_adds(&buf, "not added");
    assert_string_equal(mu_buf_str(&buf), "kept");
}

static void the_front_is_consumed_and_the_rest_moves_up(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) buf = MU_BUF_INIT;
    mu_buf_adds(&buf, "head and body");
    mu_buf_consume(&buf, 9);
    assert_string_equal(mu_buf_str(&buf), "body");
    mu_buf_consume(&buf, 99);
    assert_int_equal(buf.len, 0);
    assert_string_equal(mu_buf_str(&buf), "");
}

static void room_is_reserved_and_filled_by_the_caller(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) buf = MU_BUF_INIT;
    char *end = mu_buf_reserve(&buf, 1000);
    assert_non_null(end);
    memset(end, 'x', 1000);
    buf.len += 1000;
    assert_ptr_equal(mu_buf_reserve(&buf, 0), buf.data + 1000);
    assert_int_equal(strlen(mu_buf_str(&buf)), 1000);
}

static void a_secret_is_wiped_where_it_is_forgotten(void **state)
{
    (void)state;
    static const char zeros[16];
    MU_AUTO_CLEAR(mu_buf) buf = MU_BUF_INIT_SECRET;
    mu_buf_adds(&buf, "correct horse");
    mu_buf_reset(&buf);
    assert_memory_equal(buf.data, zeros, sizeof zeros);
    mu_buf_clear(&buf);
    assert_true(buf.secret);
    assert_null(buf.data);
}

static void numbers_are_written_in_decimal(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) buf = MU_BUF_INIT;
    const uint64_t numbers[] = {0, 7, 10, 1234567890, UINT64_MAX};
    for (size_t i = 0; i < MU_COUNT(numbers); i++) {
        mu_buf_addu(&buf, numbers[i]);
        mu_buf_adds(&buf, " ");
    }
    assert_string_equal(mu_buf_str(&buf), "0 7 10 1234567890 18446744073709551615 ");
}

/* Around the sizes at which the buffer has to grow for it, and while there is something in it already. */
static void what_is_formatted_is_whole_at_every_length(void **state)
{
    (void)state;
    for (int before = 0; before < 140; before++)
        for (int len = 0; len < 140; len++) {
            MU_AUTO_CLEAR(mu_buf) buf = MU_BUF_INIT;
            mu_buf_addf(&buf, "%*s", before, "");
            mu_buf_addf(&buf, "%0*d", len, 0);
            assert_int_equal(buf.len, before + (len == 0 ? 1 : len));
            assert_int_equal(strlen(buf.data), buf.len);
            assert_int_equal(buf.data[buf.len - 1], '0');
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_string),
        cmocka_unit_test(numbers_are_written_in_decimal),
        cmocka_unit_test(what_is_formatted_is_whole_at_every_length),
        cmocka_unit_test(what_is_added_stands_in_order_and_ends_with_nul),
        cmocka_unit_test(it_grows_past_any_size),
        cmocka_unit_test(a_number_longer_than_any_memory_fails_once_and_for_all),
        cmocka_unit_test(the_front_is_consumed_and_the_rest_moves_up),
        cmocka_unit_test(room_is_reserved_and_filled_by_the_caller),
        cmocka_unit_test(a_secret_is_wiped_where_it_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
