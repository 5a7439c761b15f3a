#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509.h>

#include "tls/internal.h"

enum { THEN = 1000, END = 2000 };

/* Remember somebody who presented this, whose certificate nobody looks at here; borrowed. */
static struct mu_vetted *add(void **state, const struct mu_presented *presented, time_t from,
                             time_t until)
{
    X509 *leaf = X509_new();
    struct mu_vetted *vetted = mu_vetted_new(presented, leaf);
    assert_non_null(vetted);
    mu_remembered_add(*state, vetted, from, until);
    mu_vetted_unref(vetted);
    X509_free(leaf);
    return vetted;
}

static int set_up(void **state)
{
    *state = mu_remembered_new();
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    mu_remembered_free(*state);
    return 0;
}

static void nothing_is_known_at_first(void **state)
{
    const struct mu_presented zeros = {{0}};
    const struct mu_presented any = {{1, 2, 3}};
    assert_null(mu_remembered_find(*state, &zeros, 0));
    assert_null(mu_remembered_find(*state, &zeros, THEN));
    assert_null(mu_remembered_find(*state, &any, THEN));
}

static void what_was_added_is_known_until_it_ends(void **state)
{
    const struct mu_presented one = {{1, 2, 3}};
    struct mu_vetted *vetted = add(state, &one, THEN, END);
    assert_ptr_equal(mu_remembered_find(*state, &one, THEN), vetted);
    assert_ptr_equal(mu_remembered_find(*state, &one, END - 1), vetted);
    assert_null(mu_remembered_find(*state, &one, END));
    vetted = add(state, &one, THEN, END + 1);
    assert_ptr_equal(mu_remembered_find(*state, &one, END), vetted);
    mu_remembered_forget(*state);
    assert_null(mu_remembered_find(*state, &one, END));
}

static void a_clock_that_went_back_makes_it_unknown(void **state)
{
    const struct mu_presented one = {{1, 2, 3}};
    (void)add(state, &one, THEN, END);
    assert_null(mu_remembered_find(*state, &one, THEN - 1));
}

static void every_octet_counts(void **state)
{
    const struct mu_presented one = {{1, 2, 3}};
    (void)add(state, &one, THEN, END);
    for (size_t i = 0; i < sizeof one.sha256; i++) {
        struct mu_presented other = one;
        other.sha256[i] ^= 0x80;
        assert_null(mu_remembered_find(*state, &other, THEN));
    }
}

static void many_leave_room_for_the_last(void **state)
{
    struct mu_presented one = {{0}};
    for (unsigned i = 0; i < 5000; i++) {
        one.sha256[0] = (unsigned char)(i >> 8);
        one.sha256[1] = (unsigned char)i;
        const struct mu_vetted *vetted = add(state, &one, THEN, END);
        assert_ptr_equal(mu_remembered_find(*state, &one, THEN), vetted);
    }
    one.sha256[0] = one.sha256[1] = 0; /* another has its place */
    assert_null(mu_remembered_find(*state, &one, THEN));
}

#define ON_NEW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_NEW(nothing_is_known_at_first),
        ON_NEW(what_was_added_is_known_until_it_ends),
        ON_NEW(a_clock_that_went_back_makes_it_unknown),
        ON_NEW(every_octet_counts),
        ON_NEW(many_leave_room_for_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
