#include "../check.h"
#include "../pki/make.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "front/door.h"
#include "front/points.h"
#include "front/points_cache.h"
#include "front/serve.h"

/* Two CAs of one name, as before and after a change of the key, with a list each, and a place for these. */
static struct {
    struct mu_key *keys[2];
    struct mu_cert *cas[2];
    struct mu_crl *older[2], *newer[2];
    char dir[sizeof "/tmp/mutual-XXXXXX"], file[64];
} world;

static const char url[] = "http://lists.example/ca.crl";

static struct mu_crl *make_list(size_t ca, int64_t number)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_crl_draft *draft = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    const time_t now = time(NULL);
    const struct mu_crl_plan plan = {.ca = world.cas[ca],
                                     .this_update = now - 600 + (time_t)number,
                                     .next_update = now + 600,
                                     .number = number};
    assert_worked(mu_crl_begin(&plan, &draft, &err), &err);
    assert_worked(mu_crl_finish(draft, world.keys[ca], &der, &err), &err);
    assert_worked(mu_objects_parse("list", der.data, der.len, &objects, &err), &err);
    return mu_take(&objects.at[0].crl);
}

static int make_world(void **state)
{
    const struct hand_made made = {.cn = "my-ca",
                                   .not_after = time(NULL) + 86400,
                                   .extensions = {{NID_basic_constraints, "critical,CA:TRUE"},
                                                  {NID_subject_key_identifier, "hash"},
                                                  {NID_key_usage, "cRLSign"}}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world.keys[i] = make_key("p256");
        world.cas[i] = make_by_hand(&made, world.keys[i], NULL, NULL);
        world.older[i] = make_list(i, i == 0 ? 7 : 1);
        world.newer[i] = make_list(i, i == 0 ? 8 : 2);
    }
    strcpy(world.dir, "/tmp/mutual-XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    snprintf(world.file, sizeof world.file, "%s/lists.pem", world.dir);
    return 0;
}

static int end_world(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        mu_points_cache_remove(world.dir, url, world.newer[i]);
        mu_crl_free(world.older[i]);
        mu_crl_free(world.newer[i]);
        mu_cert_free(world.cas[i]);
        mu_key_free(world.keys[i]);
    }
    unlink(world.file);
    return rmdir(world.dir);
}

/* A set of one door, with both CAs or the first one. */
struct set {
    struct mu_door_config config;
    struct mu_door door;
    struct mu_doors doors;
};

static void load(struct set *set, size_t anchors, struct mu_points *points)
{
    struct mu_error err = MU_ERROR_INIT;
    *set = (struct set){.door = {.config = &set->config}, .doors = {.at = &set->door, .count = 1}};
    assert_int_equal(points == NULL ? mu_strs_add(&set->config.crl, world.file)
                                    : mu_strs_add(&set->config.fetch_crl, "all"),
                     0);
    for (size_t i = 0; i < anchors; i++)
        assert_worked(mu_certs_add(&set->door.anchors, mu_cert_ref(world.cas[i]), &err), &err);
    assert_worked(mu_door_load_lists(&set->door, points, &err), &err);
}

static void clear(struct set *set)
{
    mu_door_clear_lists(&set->door);
    mu_certs_clear(&set->door.anchors);
    mu_strs_clear(&set->config.crl);
    mu_strs_clear(&set->config.fetch_crl);
}

static void put(const struct mu_crl *one, const struct mu_crl *other)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    mu_crl_to_pem(one, &pem);
    mu_crl_to_pem(other, &pem);
    FILE *file = fopen(world.file, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(pem.data, 1, pem.len, file), pem.len);
    assert_int_equal(fclose(file), 0);
}

static int replace(const struct mu_crl *one, const struct mu_crl *other, size_t anchors,
                   const struct set *before, struct mu_error *err)
{
    struct set now;
    put(one, other);
    load(&now, anchors, NULL);
    const int result = mu_doors_check_lists(&now.doors, &before->doors, err);
    clear(&now);
    return result;
}

static void lists_of_one_name_are_compared_with_those_of_their_own_ca(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct set before;
    (void)state;
    for (size_t anchors = 1; anchors <= 2; anchors++) {
        put(world.older[0], world.newer[1]);
        load(&before, anchors, NULL);
        assert_worked(replace(world.older[0], world.newer[1], anchors, &before, &err), &err);
        assert_worked(replace(world.newer[1], world.newer[0], anchors, &before, &err), &err);
        clear(&before);
    }
    put(world.newer[0], world.newer[1]);
    load(&before, 2, NULL);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(replace(world.older[i], world.newer[1 - i], 2, &before, &err), -1);
        assert_non_null(strstr(err.what, "is older than the one before"));
    }
    clear(&before);
}

static void lists_of_one_name_and_one_place_are_kept_and_put_in_force(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_points) points = NULL;
    struct set before, now;
    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_worked(mu_points_cache_write(world.dir, url, world.newer[i], &err), &err);
    assert_worked(mu_points_new(world.dir, &points, &err), &err);
    load(&before, 2, points);
    load(&now, 2, points);
    assert_int_equal(now.door.list_count, 2);
    assert_worked(mu_doors_check_lists(&now.doors, &before.doors, &err), &err);
    clear(&before);
    clear(&now);
}

/* Those who came by a set of doors before keep it; its lists would stay for them alone. */
static void doors_that_ask_no_responders_keep_no_lists(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct set set;
    (void)state;
    put(world.newer[0], world.newer[1]);
    load(&set, 2, NULL);
    assert_worked(mu_certs_add(&set.door.chain, mu_cert_ref(world.cas[0]), &err), &err);
    set.door.key = world.keys[0];
    assert_worked(mu_front_check(&set.doors, &err), &err);
    assert_non_null(set.door.revoked);
    assert_null(set.door.responders.lists);
    mu_certs_clear(&set.door.chain);
    clear(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_one_name_are_compared_with_those_of_their_own_ca),
        cmocka_unit_test(lists_of_one_name_and_one_place_are_kept_and_put_in_force),
        cmocka_unit_test(doors_that_ask_no_responders_keep_no_lists),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
