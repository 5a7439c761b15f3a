#include "../check.h"

#include <math.h>
#include <string.h>

#include "base/library.h"

static struct {
    MU_LIBRARY_FIELD(cos, cos)
} libm;

static void what_is_there_can_be_called(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    const struct mu_symbol symbols[] = {{"cos", &libm.cos}};
    assert_int_equal(mu_library_load("libm.so.6", "libc6", symbols, 1, &err), 0);
    assert_true(libm.cos(0.0) == 1.0);
    assert_int_equal(mu_library_load("libm.so.6", "libc6", symbols, 1, &err), 0);
}

static void what_is_missing_is_named_with_the_package_to_install(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    void *address;
    const struct mu_symbol unknown[] = {{"mu_no_such_function", &address}};
    assert_int_equal(mu_library_load("libmu_none.so.7", "libnone7", unknown, 1, &err), -1);
    assert_int_equal(err.code, MU_E_UNSUPPORTED);
    assert_non_null(strstr(err.what, "libmu_none.so.7"));
    assert_non_null(strstr(err.hint, "apt install libnone7"));
    assert_int_equal(mu_library_load("libm.so.6", "libc6", unknown, 1, &err), -1);
    assert_non_null(strstr(err.cause, "mu_no_such_function"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_can_be_called),
        cmocka_unit_test(what_is_missing_is_named_with_the_package_to_install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
