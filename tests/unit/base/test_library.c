#include "../check.h"

#include <math.h>
#include <string.h>

#include "base/library.h"

static struct {
    MU_LIBRARY_FIELD(cos, cos)
} libm;

static int begun;

static void begin(void)
{
    begun++;
}

static void what_is_there_can_be_called(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    const struct mu_symbol symbols[] = {{"cos", &libm.cos}};
    struct mu_library library = {.soname = "libm.so.6",
                                 .package = "libc6",
                                 .symbols = symbols,
                                 .count = 1,
                                 .begin = begin,
                                 .lock = PTHREAD_MUTEX_INITIALIZER};
    assert_int_equal(mu_library_need(&library, &err), 0);
    assert_true(libm.cos(0.0) == 1.0);
    assert_int_equal(mu_library_need(&library, &err), 0);
    assert_int_equal(begun, 1);
}

static void what_is_missing_is_named_with_the_package_to_install(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    void *address;
    const struct mu_symbol unknown[] = {{"mu_no_such_function", &address}};
    struct mu_library library = {.soname = "libmu_none.so.7",
                                 .package = "libnone7",
                                 .symbols = unknown,
                                 .count = 1,
                                 .begin = begin,
                                 .lock = PTHREAD_MUTEX_INITIALIZER};
    begun = 0;
    assert_int_equal(mu_library_need(&library, &err), -1);
    assert_int_equal(err.code, MU_E_UNSUPPORTED);
    assert_non_null(strstr(err.what, "libmu_none.so.7"));
    assert_non_null(strstr(err.hint, "apt install libnone7"));
    library.soname = "libm.so.6";
    assert_int_equal(mu_library_need(&library, &err), -1);
    assert_non_null(strstr(err.cause, "mu_no_such_function"));
    assert_int_equal(begun, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_can_be_called),
        cmocka_unit_test(what_is_missing_is_named_with_the_package_to_install),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
