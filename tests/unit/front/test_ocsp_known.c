#include "../check.h"
#include "../pki/make.h"

#include <stdlib.h>

#include "front/ocsp_known.h"

static struct {
    struct mu_key *key;
    struct mu_cert *ca, *leaf;
    struct mu_knowns *knowns;
} world;

static int make_world(void **state)
{
    (void)state;
    const struct hand_made ca = {.cn = "my-ca", .extensions = {{NID_basic_constraints, "CA:TRUE"}}};
    const struct hand_made leaf = {.cn = "alice",
                                   .extensions = {
                                       {NID_info_access, "OCSP;URI:http://ocsp.example/"}}};
    world.key = make_key("p256");
    world.ca = make_by_hand(&ca, world.key, NULL, NULL);
    world.leaf = make_by_hand(&leaf, world.key, world.ca, world.key);
    world.knowns = calloc(1, sizeof *world.knowns);
    assert_non_null(world.knowns);
    return 0;
}

static int end_world(void **state)
{
    (void)state;
    mu_knowns_clear(world.knowns);
    free(world.knowns);
    mu_cert_free(world.ca);
    mu_cert_free(world.leaf);
    mu_key_free(world.key);
    return 0;
}

static struct mu_known *alice(void)
{
    struct mu_known *known = mu_known_find_or_add(world.knowns, world.leaf, world.ca, NOW);
    assert_non_null(known);
    return known;
}

static struct mu_ocsp_told told(enum mu_ocsp_state state, time_t at, time_t until)
{
    return (
        struct mu_ocsp_told){.single = {.state = state}, .this_update = at, .next_update = until};
}

static void an_answer_takes_the_place_of_older_ones_only(void **state)
{
    (void)state;
    static const struct {
        enum mu_ocsp_state before, after;
        int later_s;
        bool takes_place;
    } cases[] = {
        {MU_OCSP_GOOD, MU_OCSP_GOOD, 0, true},        {MU_OCSP_GOOD, MU_OCSP_GOOD, -1, false},
        {MU_OCSP_GOOD, MU_OCSP_REVOKED, 0, true},     {MU_OCSP_GOOD, MU_OCSP_UNKNOWN, 1, true},
        {MU_OCSP_UNKNOWN, MU_OCSP_GOOD, -1, false},   {MU_OCSP_UNKNOWN, MU_OCSP_GOOD, 1, true},
        {MU_OCSP_REVOKED, MU_OCSP_REVOKED, 0, true},  {MU_OCSP_REVOKED, MU_OCSP_GOOD, -1, false},
        {MU_OCSP_REVOKED, MU_OCSP_GOOD, 0, false},    {MU_OCSP_REVOKED, MU_OCSP_GOOD, 1, true},
        {MU_OCSP_REVOKED, MU_OCSP_UNKNOWN, 0, false}, {MU_OCSP_REVOKED, MU_OCSP_UNKNOWN, 1, false},
    };
    struct mu_known *known = alice();
    struct mu_ocsp_told what = told(MU_OCSP_GOOD, NOW - 86400, NOW + 60);
    assert_null(mu_known_objection(known, &what));
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        what = told(cases[i].before, NOW, NOW + 60);
        mu_known_note_answer(world.knowns, known, &what, NOW);
        what = told(cases[i].after, NOW + cases[i].later_s, NOW + 60);
        if ((mu_known_objection(known, &what) == NULL) != cases[i].takes_place)
            fail_msg("%s, and %d s later %s", mu_ocsp_state_name(cases[i].before), cases[i].later_s,
                     mu_ocsp_state_name(cases[i].after));
    }
}

/* An answer is believed a little beyond its own end, for the sake of clocks that are not quite right. */
static void who_is_revoked_stays_so_when_the_answer_is_old(void **state)
{
    (void)state;
    struct mu_known *known = alice();
    struct mu_ocsp_told what = told(MU_OCSP_REVOKED, NOW - 7200, NOW - 200);
    mu_known_note_answer(world.knowns, known, &what, NOW);
    assert_true(world.knowns->any_revoked);
    assert_true(mu_known_is_barred(known, NOW));
    assert_true(mu_known_is_barred(known, NOW + 86400));
    what.single.reason = MU_REASON_HOLD;
    mu_known_note_answer(world.knowns, known, &what, NOW);
    assert_true(mu_known_is_barred(known, NOW + 59));
    assert_false(mu_known_is_barred(known, NOW + 60));
    what = told(MU_OCSP_GOOD, NOW, NOW + 60);
    mu_known_note_answer(world.knowns, known, &what, NOW);
    assert_false(mu_known_is_barred(known, NOW));
}

/* Of whom that was said a while ago, and whom nobody uses: is that still known when somebody else of the same bucket comes? */
static bool is_kept(enum mu_ocsp_state state, size_t clients)
{
    unsigned char sha256[32];
    struct mu_knowns *knowns = calloc(1, sizeof *knowns);
    assert_non_null(knowns);
    struct mu_known *known = mu_known_find_or_add(knowns, world.leaf, world.ca, NOW);
    assert_non_null(known);
    const struct mu_ocsp_told what = told(state, NOW - 60, NOW + 60);
    mu_known_note_answer(knowns, known, &what, NOW);
    known->sha256[31] ^= 1;
    memcpy(sha256, known->sha256, sizeof sha256);
    knowns->count.clients = clients;
    assert_non_null(mu_known_find_or_add(knowns, world.leaf, world.ca, NOW + 3600));
    const bool is_there = mu_known_find(knowns, sha256) != NULL;
    mu_knowns_clear(knowns);
    free(knowns);
    return is_there;
}

static void who_is_revoked_is_kept_while_there_is_room(void **state)
{
    (void)state;
    assert_false(is_kept(MU_OCSP_GOOD, 1));
    assert_true(is_kept(MU_OCSP_REVOKED, 1));
    assert_false(is_kept(MU_OCSP_REVOKED, 16384));
}

static void why_it_is_not_known_to_be_good_is_said_as_it_is(void **state)
{
    (void)state;
    struct mu_known known = {.users = 1};
    assert_string_equal(mu_known_why_not(NULL), "there is no room for what is known of it");
    assert_string_equal(mu_known_why_not(&known), "its certificate names no responder");
    assert_int_equal(mu_strs_add(&known.urls, "http://ocsp.example/"), 0);
    assert_string_equal(mu_known_why_not(&known),
                        "no responder that it names is among the hosts of fetch_ocsp");
    known.rights[0] = MU_FETCH_PUBLIC;
    assert_string_equal(mu_known_why_not(&known), "too many others are asked about at the moment");
    known.told = true;
    assert_string_equal(mu_known_why_not(&known), "what the responder said of it is out of date");
    known.what.single.state = MU_OCSP_UNKNOWN;
    assert_string_equal(mu_known_why_not(&known), "the responder does not know the certificate");
    mu_known_note_failure(world.knowns, &known, "it was silent", NOW);
    assert_string_equal(mu_known_why_not(&known), "it was silent");
    mu_strs_clear(&known.urls);
}

/* `count` of them, who are connected, each in a bucket of its own; of every third one no responder may be asked. */
static struct mu_knowns *make_crowd(size_t count)
{
    struct mu_knowns *knowns = calloc(1, sizeof *knowns);
    assert_non_null(knowns);
    for (size_t i = 0; i < count; i++) {
        struct mu_known *known = knowns->buckets[i] = calloc(1, sizeof *known);
        assert_non_null(known);
        known->users = 1;
        known->rights[0] = i % 3 == 0 ? MU_FETCH_NEVER : MU_FETCH_NAMED;
        assert_int_equal(mu_strs_add(&known->urls, "http://ocsp.example/"), 0);
    }
    return knowns;
}

/* Their responder is silent, so that they are due again and again. */
static void whoever_is_due_has_a_turn(void **state)
{
    (void)state;
    enum { CROWD = 3000 };
    struct mu_knowns *knowns = make_crowd(CROWD);
    struct mu_known *due[MU_KNOWN_AT_ONCE];
    for (unsigned look = 0; look < 16; look++) {
        const size_t count = mu_knowns_due(knowns, NOW, due);
        assert_int_equal(count, MU_KNOWN_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            assert_true(due[i]->being_asked);
            due[i]->being_asked = false;
            due[i]->users--;
            due[i]->failures++;
        }
    }
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(knowns->buckets[i]->failures > 0, i % 3 != 0);
    mu_knowns_clear(knowns);
    free(knowns);
}

static void a_responder_that_no_door_may_ask_any_more_is_not_asked(void **state)
{
    (void)state;
    struct mu_known *due[MU_KNOWN_AT_ONCE];
    struct mu_known *known = alice();
    char name[] = "ocsp.example", other[] = "other.example", all[] = "all";
    char *names[] = {name, other, all};
    const struct mu_strs named = {.at = &names[0], .count = 1},
                         others = {.at = &names[1], .count = 1},
                         any = {.at = &names[2], .count = 1};
    mu_known_allow(known, &named);
    known->users = 1;
    mu_knowns_forbid_others(world.knowns, &named);
    assert_int_equal(known->rights[0], MU_FETCH_NAMED);
    mu_knowns_forbid_others(world.knowns, &any);
    assert_int_equal(known->rights[0], MU_FETCH_PUBLIC); /* it is no longer named */
    mu_knowns_forbid_others(world.knowns, &others);
    assert_int_equal(known->rights[0], MU_FETCH_NEVER);
    assert_int_equal(mu_knowns_due(world.knowns, NOW, due), 0);
    mu_knowns_forbid_others(world.knowns, &named); /* which allows nobody anything */
    assert_int_equal(known->rights[0], MU_FETCH_NEVER);
}

static void few_are_due_at_once_where_few_wait(void **state)
{
    (void)state;
    struct mu_knowns *knowns = make_crowd(30);
    struct mu_known *due[MU_KNOWN_AT_ONCE];
    assert_int_equal(mu_knowns_due(knowns, NOW, due), 16);
    assert_int_equal(mu_knowns_due(knowns, NOW, due), 4);
    assert_int_equal(mu_knowns_due(knowns, NOW, due), 0);
    mu_knowns_clear(knowns);
    free(knowns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_takes_the_place_of_older_ones_only),
        cmocka_unit_test(who_is_revoked_stays_so_when_the_answer_is_old),
        cmocka_unit_test(who_is_revoked_is_kept_while_there_is_room),
        cmocka_unit_test(why_it_is_not_known_to_be_good_is_said_as_it_is),
        cmocka_unit_test(whoever_is_due_has_a_turn),
        cmocka_unit_test(a_responder_that_no_door_may_ask_any_more_is_not_asked),
        cmocka_unit_test(few_are_due_at_once_where_few_wait),
    };
    return cmocka_run_group_tests_name("front: known by OCSP", tests, make_world, end_world);
}
