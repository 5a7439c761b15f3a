/* A command is one that works where it is run. */

#include "../check.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/macros.h"
#include "explain/place.h"

static void touch(const char *name)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fclose(file);
}

static int enter(void **state)
{
    static char dir[] = "/tmp/mutual-place-XXXXXX";
    *state = mkdtemp(dir);
    assert_non_null(*state);
    assert_int_equal(chdir(dir), 0);
    touch("alice.crt");
    touch("alice.key");
    touch("bob.key");
    touch("Alice Example.key");
    touch("_.a.example.key");
    return 0;
}

static int leave(void **state)
{
    static const char *const names[] = {"alice.crt", "alice.key", "bob.key", "Alice Example.key",
                                        "_.a.example.key"};
    for (size_t i = 0; i < MU_COUNT(names); i++)
        unlink(names[i]);
    return chdir("/") != 0 || rmdir(*state) != 0 ? -1 : 0;
}

static void assert_fits(const struct mu_here *here, const char *replaceable, const char *command,
                        const char *expected)
{
    char text[640];
    snprintf(text, sizeof text, "%s", command);
    mu_place_fit(here, replaceable, text, sizeof text);
    assert_string_equal(text, expected);
}

static void half_a_command_is_never_told(void **state)
{
    const struct mu_here here = {.known = true, .home = "/a/home/with/a/long/name"};
    char text[40] = "mutual issue client bob && rm x.key";
    (void)state;
    mu_place_fit(&here, "", text, sizeof text);
    assert_string_equal(text, "mutual issue client bob && rm x.key");
}

static void what_lies_here_is_replaced_or_left_alone(void **state)
{
    const struct mu_here here = {.known = true};
    (void)state;
    assert_fits(&here, "alice.crt", "mutual issue client alice",
                "mutual issue client alice --force");
    assert_fits(&here, "other.crt", "mutual issue client alice",
                "mutual issue client alice --out NEW");
    assert_fits(&here, NULL, "mutual issue server alice --san 10.0.0.1",
                "mutual issue server alice --san 10.0.0.1 --out NEW");
    assert_fits(&here, "", "mutual issue client bob", "mutual issue client bob --out NEW");
    assert_fits(&here, "", "mutual issue client 'Alice Example'",
                "mutual issue client 'Alice Example' --out NEW");
    assert_fits(&here, "", "mutual issue client -.a.example",
                "mutual issue client -.a.example --out NEW");
    assert_fits(&here, "", "mutual issue client carol", "mutual issue client carol");
    assert_fits(&here, "alice.crt", "mutual renew alice.crt", "mutual renew alice.crt");
    assert_fits(&here, "", "date -u; mutual issue client bob && true",
                "date -u; mutual issue client bob --out NEW && true");
    assert_fits(&here, "", "mutual issue server /.a.example",
                "mutual issue server /.a.example --out NEW");
}

static void the_home_is_named_where_it_has_to_be(void **state)
{
    const struct mu_here other = {.known = true, .home = "/srv/my ca"};
    const struct mu_here full = {.known = true, .has_ca = true}, nowhere = {.home = "x"};
    (void)state;
    assert_fits(
        &other, "", "mutual init; mutual issue client alice",
        "mutual init --home '/srv/my ca'; mutual issue client alice --out NEW --home '/srv/my ca'");
    assert_fits(&other, "", "openssl x509 -in a.crt", "openssl x509 -in a.crt");
    assert_fits(&full, "", "mutual init; mutual issue client carol", "mutual issue client carol");
    assert_fits(&full, "", "mutual init", "mutual init");
    assert_fits(&nowhere, "", "mutual issue client alice", "mutual issue client alice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_a_command_is_never_told),
        cmocka_unit_test(what_lies_here_is_replaced_or_left_alone),
        cmocka_unit_test(the_home_is_named_where_it_has_to_be),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
