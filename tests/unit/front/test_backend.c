#include "../check.h"

#include "front/backend.h"

static void add(struct mu_backends *list, const char *url)
{
    struct mu_error err = MU_ERROR_INIT;
    if (mu_backends_add(list, url, &err) != 0)
        fail_msg("%s", err.what);
}

static void what_is_no_backend_is_refused_in_words(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "tcp:",
        "tcp://",
        "tcp://localhost",
        "tcp://localhost:",
        "unix:",
        "tcp://[::1]",
        "tcp://:5432",
        "127.0.0.1:5432",
        "http://",
        "http://127.0.0.1:80/path",
        "http://127.0.0.1:80?query",
        "http://user@127.0.0.1:80",
        "http://127.0.0.1:0",
        "http://unix:",
        "https://127.0.0.1:443",
        "h2c://",
        "h2c://127.0.0.1:80/path",
        "h2c://unix:",
        "h2://127.0.0.1:80",
        "tcp://localhost:0",
        "tcp://localhost:65536",
        "tcp://localhost:+1",
        "tcp://::1:80",
    };
    struct mu_backends list = {0};
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        struct mu_error err = MU_ERROR_INIT;
        if (mu_backends_add(&list, bad[i], &err) == 0)
            fail_msg("\"%s\" is taken for a backend", bad[i]);
        assert_int_equal(err.code, MU_E_ADDRESS);
        assert_true(err.what[0] != '\0' && err.hint[0] != '\0');
    }
    assert_int_equal(list.count, 0);
    mu_backends_clear(&list);
}

static void a_backend_has_the_addresses_of_its_name(void **state)
{
    (void)state;
    char text[MU_ADDRESS_LEN];
    struct mu_backends list = {0};
    add(&list, "tcp://localhost:5432");
    add(&list, "tcp://[::1]:5432");
    add(&list, "unix:/run/service.sock");
    assert_int_equal(list.at[0].address_count, 2);
    assert_string_equal(mu_address_text(&list.at[0].addresses[0], text), "127.0.0.1:5432");
    assert_string_equal(mu_address_text(&list.at[0].addresses[1], text), "[::1]:5432");
    assert_string_equal(mu_address_text(&list.at[1].addresses[0], text), "[::1]:5432");
    assert_string_equal(mu_address_text(&list.at[2].addresses[0], text), "unix:/run/service.sock");
    assert_string_equal(list.at[2].name, "unix:/run/service.sock");
    mu_backends_clear(&list);
}

static void a_backend_that_speaks_http_has_a_port_and_no_path(void **state)
{
    (void)state;
    char text[MU_ADDRESS_LEN];
    struct mu_error err = MU_ERROR_INIT;
    struct mu_backends list = {0};
    add(&list, "http://127.0.0.1");
    add(&list, "http://[::1]:8080/");
    add(&list, "http://[::1]");
    add(&list, "http://unix:/run/app.sock");
    assert_true(list.http);
    assert_string_equal(mu_address_text(&list.at[0].addresses[0], text), "127.0.0.1:80");
    assert_string_equal(mu_address_text(&list.at[1].addresses[0], text), "[::1]:8080");
    assert_string_equal(mu_address_text(&list.at[2].addresses[0], text), "[::1]:80");
    assert_string_equal(mu_address_text(&list.at[3].addresses[0], text), "unix:/run/app.sock");
    assert_string_equal(list.at[1].name, "http://[::1]:8080/");
    assert_int_equal(mu_backends_add(&list, "tcp://127.0.0.1:81", &err), -1);
    assert_int_equal(err.code, MU_E_USAGE);
    mu_backends_clear(&list);
}

static void the_least_busy_is_chosen_and_the_absent_avoided(void **state)
{
    (void)state;
    struct mu_backends list = {0};
    add(&list, "tcp://127.0.0.1:1");
    add(&list, "tcp://127.0.0.1:2");
    add(&list, "tcp://127.0.0.1:3");
    list.at[0].state->open = 5;
    list.at[1].state->open = 2;
    list.at[2].state->open = 3;
    assert_ptr_equal(mu_backends_choose(&list, 0, 1000), &list.at[1]);
    assert_ptr_equal(mu_backends_choose(&list, 1u << 1, 1000), &list.at[2]);

    mu_backend_avoid(&list.at[1], 1000);
    assert_ptr_equal(mu_backends_choose(&list, 0, 1001), &list.at[2]);
    assert_ptr_equal(mu_backends_choose(&list, 0, 1000 + 60 * 1000), &list.at[1]);

    /* When all are avoided, all are tried, and each once. */
    mu_backend_avoid(&list.at[0], 1000);
    mu_backend_avoid(&list.at[2], 1000);
    assert_ptr_equal(mu_backends_choose(&list, 0, 1001), &list.at[1]);
    assert_ptr_equal(mu_backends_choose(&list, 1u << 1 | 1u << 2, 1001), &list.at[0]);
    assert_null(mu_backends_choose(&list, 7, 1001));
    mu_backends_clear(&list);
}

static void those_who_have_as_little_to_do_take_turns(void **state)
{
    struct mu_backends list = {0};
    unsigned chosen[3] = {0};
    (void)state;
    add(&list, "tcp://192.0.2.1:1");
    add(&list, "tcp://192.0.2.1:2");
    add(&list, "tcp://192.0.2.1:3");
    for (int i = 0; i < 6; i++)
        chosen[mu_backends_choose(&list, 0, 1000) - list.at]++;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(chosen[i], 2);
    mu_backends_clear(&list);
}

static void who_fails_three_times_in_a_row_is_avoided(void **state)
{
    struct mu_backend_state known = {.open = 0};
    struct mu_backend backend = {.state = &known};
    (void)state;
    mu_backend_failed(&backend, 1000);
    mu_backend_failed(&backend, 1000);
    mu_backend_answered(&backend);
    mu_backend_failed(&backend, 1000);
    mu_backend_failed(&backend, 1000);
    assert_int_equal(known.avoided_until_ms, 0);
    mu_backend_failed(&backend, 1000);
    assert_true(known.avoided_until_ms > 1000);
    mu_backend_failed(&backend, 20000); /* it has had its time, and once is enough now */
    assert_true(known.avoided_until_ms > 20000);
}

static void what_is_known_of_a_backend_outlives_the_list_that_found_out(void **state)
{
    struct mu_backends former = {0}, list = {0};
    (void)state;
    add(&former, "tcp://127.0.0.1:1");
    add(&list, "tcp://127.0.0.1:1");
    mu_backend_share(&list.at[0], &former.at[0]);
    former.at[0].state->open = 3;
    former.at[0].state->down = true;
    mu_backends_clear(&former);
    assert_int_equal(list.at[0].state->open, 3);
    assert_false(mu_backend_is_up(&list.at[0], 1000));
    mu_backends_clear(&list);
}

static void that_one_is_avoided_is_told_once_and_not_too_often(void **state)
{
    struct mu_backend_state known = {.open = 0};
    struct mu_backend backend = {.state = &known};
    (void)state;
    assert_false(mu_backend_answered(&backend));
    assert_true(mu_backend_avoid(&backend, 1000));
    assert_false(mu_backend_avoid(&backend, 1000 + 2 * MU_BACKEND_AVOIDED_MS));
    assert_true(mu_backend_answered(&backend));
    assert_false(mu_backend_answered(&backend));
    assert_true(mu_backend_avoid(&backend, 1000 + 2 * MU_BACKEND_AVOIDED_MS));
    assert_true(mu_backend_answered(&backend));
    assert_false(
        mu_backend_avoid(&backend, 1001 + 2 * MU_BACKEND_AVOIDED_MS)); /* it comes and goes */
    assert_false(mu_backend_answered(&backend));
    known.down = true;
    assert_false(mu_backend_avoid(&backend, 1000 + 4 * MU_BACKEND_AVOIDED_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_backend_is_refused_in_words),
        cmocka_unit_test(a_backend_has_the_addresses_of_its_name),
        cmocka_unit_test(a_backend_that_speaks_http_has_a_port_and_no_path),
        cmocka_unit_test(the_least_busy_is_chosen_and_the_absent_avoided),
        cmocka_unit_test(those_who_have_as_little_to_do_take_turns),
        cmocka_unit_test(who_fails_three_times_in_a_row_is_avoided),
        cmocka_unit_test(what_is_known_of_a_backend_outlives_the_list_that_found_out),
        cmocka_unit_test(that_one_is_avoided_is_told_once_and_not_too_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
