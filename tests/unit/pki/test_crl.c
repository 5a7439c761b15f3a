#include "data.h"
#include "pki/crl.h"

static void read_list(const char *name, struct mu_crl_info *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    assert_int_equal(mu_objects_load(data_path(name), &objects, &err), 0);
    assert_int_equal(objects.count, 1);
    assert_non_null(objects.at[0].crl);
    mu_crl_info(objects.at[0].crl, ret);
}

static void a_list_is_told_with_its_issuer_dates_and_size(void **state)
{
    (void)state;
    struct mu_crl_info info;
    read_list("certs/ca.crl", &info);
    assert_string_equal(info.issuer, "CN=Test CA, O=mutual test data");
    assert_string_equal(info.signature, "ecdsa-with-SHA256");
    assert_int_equal(info.this_update, 1767225600);
    assert_int_equal(info.next_update, 4922899200);
    assert_int_equal(info.revoked, 1);
    assert_false(info.delta);
}

static void a_list_without_entries_revokes_none(void **state)
{
    (void)state;
    struct mu_crl_info info;
    read_list("certs/new-ca.crl", &info);
    assert_int_equal(info.revoked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_told_with_its_issuer_dates_and_size),
        cmocka_unit_test(a_list_without_entries_revokes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
