#include "../check.h"
#include "base/macros.h"
#include "pki/cidr.h"

static struct mu_cidr parse(const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cidr cidr;
    assert_worked(mu_cidr_parse(text, &cidr, &err), &err);
    return cidr;
}

static void a_block_has_its_first_and_last_address_and_none_beside(void **state)
{
    static const struct {
        const char *block, *first, *last, *before, *behind;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.255", "192.0.2.127", "192.0.3.0"},
        {"192.0.2.4/31", "192.0.2.4", "192.0.2.5", "192.0.2.3", "192.0.2.6"},
        {"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.0", "192.0.2.2"},
        {"fd00::/8", "fd00::", "fdff:ffff::1", "fcff::", "fe00::"},
        {"2001:db8::/33", "2001:db8::", "2001:db8:7fff::", "2001:db7::", "2001:db8:8000::"},
        {"[::1]", "::1", "::1", "::", "::2"},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct mu_cidr cidr = parse(cases[i].block);
        assert_true(mu_cidr_has(&cidr, cases[i].first));
        assert_true(mu_cidr_has(&cidr, cases[i].last));
        assert_false(mu_cidr_has(&cidr, cases[i].before));
        assert_false(mu_cidr_has(&cidr, cases[i].behind));
    }
}

static void all_addresses_of_a_family_are_none_of_the_other(void **state)
{
    struct mu_cidr four = parse("0.0.0.0/0"), six = parse("::/0");
    (void)state;
    assert_true(mu_cidr_has(&four, "255.255.255.255") && !mu_cidr_has(&four, "::1"));
    assert_true(mu_cidr_has(&six, "::ffff:10.0.0.1") && !mu_cidr_has(&six, "10.0.0.1"));
    assert_false(mu_cidr_has(&four, "localhost"));
    assert_false(mu_cidr_has(&four, ""));
}

static void what_is_no_block_is_refused_with_what_to_write(void **state)
{
    static const char *const bad[] = {
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8 ",
        "10.0.0.0/ 8",
        "10.0/8",
        "10.0.0.0/8/8",
        "example.com",
        "fd00::%eth0/8",
        "10.0.0.0/0000000000000000000000000000000000000000008",
    };
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cidr cidr;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        assert_refused(mu_cidr_parse(bad[i], &cidr, &err), &err, MU_E_NAME, "no block of IP");
        assert_says(err.hint, "10.0.0.0/8");
    }
}

static void an_address_that_goes_on_behind_the_block_is_ambiguous(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cidr cidr;
    (void)state;
    assert_refused(mu_cidr_parse("10.1.2.3/8", &cidr, &err), &err, MU_E_NAME, "goes on");
    assert_says(err.hint, "10.0.0.0/8");
    assert_refused(mu_cidr_parse("fd00::1/64", &cidr, &err), &err, MU_E_NAME, "goes on");
    assert_says(err.hint, "fd00::/64");
}

static void a_block_survives_the_way_into_octets_and_back(void **state)
{
    static const char *const blocks[] = {"10.0.0.0/8", "192.0.2.1/32", "0.0.0.0/0", "fd00::/9",
                                         "::/0"};
    unsigned char octets[32];
    char text[MU_CIDR_TEXT_LEN];
    (void)state;
    for (size_t i = 0; i < MU_COUNT(blocks); i++) {
        struct mu_cidr cidr = parse(blocks[i]);
        if (strncmp(blocks[i], "fd", 2) == 0)
            assert_int_equal(cidr.bits, 9);
        mu_cidr_to_octets(&cidr, octets);
        assert_string_equal(mu_cidr_octets_text(octets, 2 * cidr.len, text), blocks[i]);
    }
    const unsigned char gaps[] = {10, 0, 0, 1, 255, 0, 0, 255};
    assert_string_equal(mu_cidr_octets_text(gaps, sizeof gaps, text), "10.0.0.1/255.0.0.255");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_has_its_first_and_last_address_and_none_beside),
        cmocka_unit_test(all_addresses_of_a_family_are_none_of_the_other),
        cmocka_unit_test(what_is_no_block_is_refused_with_what_to_write),
        cmocka_unit_test(an_address_that_goes_on_behind_the_block_is_ambiguous),
        cmocka_unit_test(a_block_survives_the_way_into_octets_and_back),
    };
    return cmocka_run_group_tests_name("cidr", tests, NULL, NULL);
}
