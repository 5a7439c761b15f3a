#include "../check.h"

#include "net/address.h"
#include "pki/cidr.h"

/* `expected` are the addresses, separated by spaces. */
static void assert_addresses(const char *text, const char *expected)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_address found[4];
    char all[4 * MU_ADDRESS_LEN] = "", one[MU_ADDRESS_LEN];
    size_t count;
    assert_worked(mu_address_parse(text, found, MU_COUNT(found), &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        strcat(all, i > 0 ? " " : "");
        strcat(all, mu_address_text(&found[i], one));
        assert_true(found[i].optional == (i > 0));
    }
    assert_string_equal(all, expected);
}

static void an_address_is_host_and_port(void **state)
{
    (void)state;
    assert_addresses("127.0.0.1:3000", "127.0.0.1:3000");
    assert_addresses("[::1]:3000", "[::1]:3000");
    assert_addresses("[2001:db8:0:0::1]:0", "[2001:db8::1]:0");
    assert_addresses("0.0.0.0:65535", "0.0.0.0:65535");
}

static void a_unix_socket_is_its_path(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_address address;
    size_t count;
    char longest[sizeof "unix:" + 107 + 1];
    assert_addresses("unix:/run/door.sock", "unix:/run/door.sock");
    assert_addresses("unix:door:80", "unix:door:80");

    memset(longest, 'x', sizeof longest);
    memcpy(longest, "unix:", 5);
    longest[5 + 107] = '\0';
    assert_worked(mu_address_parse(longest, &address, 1, &count, &err), &err);
    assert_int_equal(strlen(mu_address_path(&address)), 107);
    assert_int_equal(mu_address_port(&address), 0);
    longest[5 + 107] = 'x';
    longest[5 + 108] = '\0';
    assert_int_equal(mu_address_parse(longest, &address, 1, &count, &err), -1);
    assert_int_equal(err.code, MU_E_ADDRESS);
}

static void localhost_and_no_host_are_both_loopback_addresses(void **state)
{
    (void)state;
    assert_addresses("localhost:3000", "127.0.0.1:3000 [::1]:3000");
    assert_addresses(":3000", "127.0.0.1:3000 [::1]:3000");
    assert_addresses("3000", "127.0.0.1:3000 [::1]:3000");
}

static void what_is_no_address_is_refused_with_an_example(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "::1:3000",
        "[::1]",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:99999999999999999999",
    };
    struct mu_address found[4];
    size_t count;
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        struct mu_error err = MU_ERROR_INIT;
        if (mu_address_parse(bad[i], found, MU_COUNT(found), &count, &err) == 0)
            fail_msg("\"%s\" is taken for an address", bad[i]);
        assert_refused(-1, &err, MU_E_ADDRESS, bad[i]);
        assert_says(err.hint, "127.0.0.1:3000");
    }
}

static void no_more_addresses_are_written_than_there_is_room_for(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_address found[2];
    size_t count;
    memset(found, 0x55, sizeof found);
    assert_worked(mu_address_parse("localhost:1", found, 1, &count, &err), &err);
    assert_int_equal(count, 1);
    assert_int_equal(found[1].len, 0x55555555);
}

static void the_port_can_be_set(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_address found[2];
    size_t count;
    char text[MU_ADDRESS_LEN];
    assert_worked(mu_address_parse("localhost:0", found, 2, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        mu_address_set_port(&found[i], 54321);
        assert_int_equal(mu_address_port(&found[i]), 54321);
        assert_says(mu_address_text(&found[i], text), ":54321");
    }
}

static struct mu_address address_of(const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_address found = {.len = 0};
    size_t count;
    assert_worked(mu_address_parse(text, &found, 1, &count, &err), &err);
    return found;
}

static void who_can_reach_an_address_is_known(void **state)
{
    (void)state;
    static const char *const local[] = {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/run/a"};
    static const char *const others[] = {"0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1"};
    for (size_t i = 0; i < MU_COUNT(local); i++) {
        const struct mu_address address = address_of(local[i]);
        assert_true(mu_address_is_local(&address));
    }
    for (size_t i = 0; i < MU_COUNT(others); i++) {
        const struct mu_address address = address_of(others[i]);
        assert_false(mu_address_is_local(&address));
    }
}

static void an_address_is_looked_for_in_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool in;
    } cases[] = {
        {"192.0.2.77:1", true},     {"192.0.3.1:1", false},           {"[2001:db8::1]:1", true},
        {"[2001:db9::1]:1", false}, {"[::ffff:192.0.2.77]:1", false}, {"unix:/run/a", false},
    };
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cidr blocks[2];
    assert_worked(mu_cidr_parse("192.0.2.0/24", &blocks[0], &err), &err);
    assert_worked(mu_cidr_parse("2001:db8::/32", &blocks[1], &err), &err);
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        const struct mu_address address = address_of(cases[i].address);
        assert_int_equal(mu_address_is_in(&address, blocks, 2), cases[i].in);
        assert_false(mu_address_is_in(&address, blocks, 0));
    }
}

static void an_address_of_ipv4_is_one_however_the_socket_has_it(void **state)
{
    (void)state;
    const char *const cases[][2] = {{"[::ffff:192.0.2.7]:3000", "192.0.2.7:3000"},
                                    {"[2001:db8::1]:3000", "[2001:db8::1]:3000"},
                                    {"192.0.2.7:3000", "192.0.2.7:3000"},
                                    {"unix:/run/door", "unix:/run/door"}};
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct mu_address address;
        struct mu_error err = MU_ERROR_INIT;
        char text[MU_ADDRESS_LEN];
        size_t count;
        assert_worked(mu_address_parse(cases[i][0], &address, 1, &count, &err), &err);
        mu_address_unmap(&address);
        assert_string_equal(mu_address_text(&address, text), cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_host_and_port),
        cmocka_unit_test(a_unix_socket_is_its_path),
        cmocka_unit_test(localhost_and_no_host_are_both_loopback_addresses),
        cmocka_unit_test(what_is_no_address_is_refused_with_an_example),
        cmocka_unit_test(no_more_addresses_are_written_than_there_is_room_for),
        cmocka_unit_test(the_port_can_be_set),
        cmocka_unit_test(who_can_reach_an_address_is_known),
        cmocka_unit_test(an_address_is_looked_for_in_blocks),
        cmocka_unit_test(an_address_of_ipv4_is_one_however_the_socket_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
