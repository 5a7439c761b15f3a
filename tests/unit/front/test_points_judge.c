#include "../check.h"
#include "../pki/make.h"

#include <time.h>

#include "front/points_judge.h"

/* A CA, and one of the same name with another key. */
static struct {
    struct mu_key *key, *other_key;
    struct mu_cert *ca, *other;
} world;

static struct mu_cert *make_ca(const struct mu_key *key)
{
    const struct hand_made made = {.cn = "my-ca",
                                   .not_after = time(NULL) + 86400,
                                   .extensions = {{NID_basic_constraints, "critical,CA:TRUE"},
                                                  {NID_key_usage, "cRLSign"}}};
    return make_by_hand(&made, key, NULL, NULL);
}

static int make_world(void **state)
{
    (void)state;
    world.key = make_key("p256");
    world.other_key = make_key("p256");
    world.ca = make_ca(world.key);
    world.other = make_ca(world.other_key);
    return 0;
}

static int end_world(void **state)
{
    (void)state;
    mu_cert_free(world.ca);
    mu_cert_free(world.other);
    mu_key_free(world.key);
    mu_key_free(world.other_key);
    return 0;
}

/* As DER. */
static void make_list(const struct mu_crl_plan *plan, const struct mu_key *key, struct mu_buf *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_crl_draft *draft = NULL;
    assert_worked(mu_crl_begin(plan, &draft, &err), &err);
    assert_worked(mu_crl_finish(draft, key, ret, &err), &err);
}

/* The list of this number and age is made, and comes in the place of `before`. */
static int come(int64_t number, time_t this_update, time_t next_update, const char *scope,
                const struct mu_crl_info *before, struct mu_crl_info *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    MU_AUTO_STRUCT(mu_crl) crl = NULL;
    const struct mu_crl_plan plan = {.ca = world.ca,
                                     .this_update = this_update,
                                     .next_update = next_update,
                                     .number = number,
                                     .only_for_url = scope};
    const struct mu_points_asked asked = {.url = "http://a/", .issuer = world.ca, .before = before};
    make_list(&plan, world.key, &der);
    return mu_points_judge(&asked, &der, &crl, ret, err);
}

static void a_newer_list_takes_the_place_of_an_older_one_and_not_the_other_way_round(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_crl_info first, second, third;
    const time_t now = time(NULL);
    assert_worked(come(7, now - 60, now + 60, NULL, NULL, &first, &err), &err);
    assert_worked(come(8, now - 50, now + 60, NULL, &first, &second, &err), &err);
    assert_worked(come(8, now - 50, now + 60, NULL, &second, &third, &err), &err);
    assert_int_equal(come(7, now - 60, now + 60, NULL, &second, &third, &err), -1);
    assert_int_equal(err.code, MU_E_LIST);
    assert_non_null(strstr(err.what, "is older than the one before"));
    assert_int_equal(come(9, now - 50, now - 1, NULL, &second, &third, &err), -1);
    assert_non_null(strstr(err.what, "is out of date"));
}

static void a_list_for_other_certificates_does_not_take_the_place_of_one_that_counts(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_crl_info whole, lapsed, ignored;
    const time_t now = time(NULL);
    assert_worked(come(7, now - 60, now + 60, NULL, NULL, &whole, &err), &err);
    assert_int_equal(come(8, now - 50, now + 60, "http://b/", &whole, &ignored, &err), -1);
    assert_non_null(strstr(err.what, "is for other certificates"));
    assert_worked(come(7, now - 60, now - 10, NULL, NULL, &lapsed, &err), &err);
    assert_worked(come(8, now - 50, now + 60, "http://b/", &lapsed, &ignored, &err), &err);
}

static void only_the_cas_own_list_is_taken_alone_and_whole(void **state)
{
    (void)state;
    struct mu_crl_info ignored;
    MU_AUTO_CLEAR(mu_buf) good = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) foreign = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) twice = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) cert = MU_BUF_INIT;
    struct mu_crl_plan plan = {.ca = world.ca,
                               .this_update = time(NULL) - 60,
                               .next_update = time(NULL) + 60,
                               .number = 1};
    make_list(&plan, world.key, &good);
    plan.ca = world.other;
    make_list(&plan, world.other_key, &foreign);
    mu_crl_der_to_pem(&good, &twice);
    mu_crl_der_to_pem(&good, &twice);
    mu_cert_to_der(world.ca, &cert);
    char text[] = "<html>";
    const struct mu_buf empty = MU_BUF_INIT, cut = {.data = good.data, .len = good.len - 1},
                        html = {.data = text, .len = strlen(text)};
    const struct mu_points_asked asked = {.url = "http://a/", .issuer = world.ca};
    const struct {
        const struct mu_buf *bytes;
        const char *words;
    } cases[] = {{&foreign, "is not signed by \"my-ca\""},
                 {&twice, "is not one revocation list"},
                 {&cert, "is not one revocation list"},
                 {&empty, ""},
                 {&cut, ""},
                 {&html, ""}};
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct mu_error err = MU_ERROR_INIT;
        struct mu_crl *crl = NULL;
        assert_int_equal(mu_points_judge(&asked, cases[i].bytes, &crl, &ignored, &err), -1);
        assert_non_null(strstr(err.what, cases[i].words));
        assert_null(crl);
    }
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_crl) crl = NULL;
    assert_worked(mu_points_judge(&asked, &good, &crl, &ignored, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newer_list_takes_the_place_of_an_older_one_and_not_the_other_way_round),
        cmocka_unit_test(a_list_for_other_certificates_does_not_take_the_place_of_one_that_counts),
        cmocka_unit_test(only_the_cas_own_list_is_taken_alone_and_whole),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
