/* Clients who have come in once, judged again by other lists, CAs and clocks. */
#include "made.h"

#include <time.h>

#include "pki/crl.h"
#include "pki/info.h"
#include "tls/internal.h"

/* Made once: keys take time, and nobody changes them. */
static struct {
    struct identity ca, other_ca;
    struct identity server, client, friend_of_it, late, in_a, in_b;
} world;

static int make_world(void **state)
{
    (void)state;
    world.ca = make_ca("my-ca");
    world.other_ca = make_ca("my-ca");
    world.server = make_leaf(&world.ca, MU_PROFILE_SERVER, "localhost", DAYS(36000));
    world.client = make_leaf(&world.ca, MU_PROFILE_CLIENT, "client", DAYS(36000));
    world.friend_of_it = make_leaf(&world.ca, MU_PROFILE_CLIENT, "friend", DAYS(36000));
    world.late = make_leaf(&world.ca, MU_PROFILE_CLIENT, "late", DAYS(1));
    world.in_a = make_leaf_of(&world.ca, MU_PROFILE_CLIENT, "in-a", DAYS(36000), "http://a/");
    world.in_b = make_leaf_of(&world.ca, MU_PROFILE_CLIENT, "in-b", DAYS(36000), "http://b/");
    return 0;
}

static int end_world(void **state)
{
    struct identity *all = (struct identity *)&world;
    (void)state;
    for (size_t i = 0; i < sizeof world / sizeof *all; i++)
        free_identity(&all[i]);
    return 0;
}

static time_t lists_begin = MADE_AT;

/* A list by `by`, which ends at `until`, with this client's certificate on it (NULL: nobody's); only for those whose list is at
 * `url`, or NULL. */
static struct mu_tls_lists *make_lists_for(const struct identity *by, const struct identity *revoked,
                                           time_t until, int64_t grace_s, const char *url)
{
    struct mu_error err = MU_ERROR_INIT;
    const struct mu_crl_plan plan = {.ca = by->cert,
                                     .this_update = lists_begin,
                                     .next_update = until,
                                     .number = 1,
                                     .only_for_url = url};
    struct mu_crl_draft *draft = NULL;
    struct mu_crl *read = NULL;
    struct mu_tls_lists *lists = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    char serial[MU_SERIAL_TEXT_LEN];
    assert_worked(mu_crl_begin(&plan, &draft, &err), &err);
    if (revoked != NULL)
        assert_worked(mu_crl_add(draft, mu_cert_serial(revoked->cert, serial), MADE_AT,
                                 MU_REASON_UNSPECIFIED, 0, &err),
                      &err);
    assert_worked(mu_crl_finish(draft, by->key, &der, &err), &err);
    const unsigned char *at = (const unsigned char *)der.data;
    assert_worked(mu_crl_wrap(d2i_X509_CRL(NULL, &at, (long)der.len), &read, &err), &err);
    const struct mu_crls all = {.at = &read, .count = 1};
    const struct mu_certs anchors = {.at = &world.ca.cert, .count = 1};
    assert_worked(mu_tls_lists_new(&all, &anchors, grace_s, NULL, &lists, &err), &err);
    mu_crl_free(read);
    return lists;
}

static struct mu_tls_lists *make_lists(const struct identity *by, const struct identity *revoked,
                                       time_t until, int64_t grace_s)
{
    return make_lists_for(by, revoked, until, grace_s, NULL);
}

/* A door that trusts this CA and goes by these lists, which it takes; NULL: by none. */
static struct mu_tls_context *make_context(const struct identity *ca, struct mu_tls_lists *lists)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_tls_context *context = NULL;
    const struct mu_certs chain = {.at = &world.server.cert, .count = 1};
    const struct mu_certs anchors = {.at = (struct mu_cert **)&ca->cert, .count = 1};
    const struct mu_tls_door door = {.chain = &chain,
                                     .key = world.server.key,
                                     .anchors = &anchors,
                                     .lists = lists};
    assert_worked(mu_tls_context_new(&door, &context, &err), &err);
    mu_tls_lists_unref(lists);
    return context;
}

/* As if it had come in, with nothing but its own certificate. */
static struct mu_vetted *make_vetted(const struct identity *who)
{
    static unsigned char number;
    const struct mu_presented presented = {{++number}};
    struct mu_vetted *vetted = mu_vetted_new(&presented, mu_cert_x509(who->cert));
    assert_non_null(vetted);
    vetted->sent = sk_X509_new_null();
    assert_true(X509_up_ref(vetted->leaf) == 1 && sk_X509_push(vetted->sent, vetted->leaf) == 1);
    return vetted;
}

static void assert_good(struct mu_vetted *vetted, struct mu_tls_context *context)
{
    struct mu_refusal refusal;
    if (!mu_vetted_judge(vetted, context, &refusal))
        fail_msg("%s", refusal.sentence);
}

/* For this reason, which is about the certificate of that name. */
static void assert_bad_about(struct mu_vetted *vetted, struct mu_tls_context *context,
                             const char *id, const char *about)
{
    struct mu_refusal refusal;
    assert_false(mu_vetted_judge(vetted, context, &refusal));
    assert_string_equal(refusal.id, id);
    assert_non_null(strstr(refusal.sentence, about));
    assert_true(refusal.hint[0] != '\0');
}

static void assert_bad(struct mu_vetted *vetted, struct mu_tls_context *context, const char *id)
{
    assert_bad_about(vetted, context, id, "");
}

static const time_t never = MADE_AT + DAYS(36000);

/* --- The tests --- */

static void a_new_list_is_for_those_it_names_alone(void **state)
{
    (void)state;
    struct mu_tls_context *before = make_context(&world.ca, NULL);
    struct mu_tls_context *after =
        make_context(&world.ca, make_lists(&world.ca, &world.client, never, MU_CRL_GRACE_CLOSED));
    struct mu_vetted *client = make_vetted(&world.client),
                     *other = make_vetted(&world.friend_of_it);
    for (int again = 0; again < 2; again++) {
        assert_good(client, before);
        assert_good(other, before);
        assert_bad(client, after, "client-cert-revoked");
        assert_good(other, after);
    }
    assert_true(mu_vetted_until(client) == never);
    mu_vetted_unref(client);
    mu_vetted_unref(other);
    mu_tls_context_free(before);
    mu_tls_context_free(after);
}

static void whoever_went_by_former_lists_goes_by_those_of_now(void **state)
{
    (void)state;
    struct mu_tls_context *former = make_context(&world.ca, NULL);
    struct mu_tls_context *present =
        make_context(&world.ca, make_lists(&world.ca, &world.client, never, MU_CRL_GRACE_CLOSED));
    struct mu_vetted *client = make_vetted(&world.client);
    assert_good(client, former);
    mu_tls_context_follow(former, present);
    assert_bad(client, former, "client-cert-revoked");
    struct mu_tls_context *released = make_context(&world.ca, NULL);
    mu_tls_context_follow(former, released);
    assert_good(client, former);
    mu_vetted_unref(client);
    mu_tls_context_free(former);
    mu_tls_context_free(present);
    mu_tls_context_free(released);
}

static void other_anchors_mean_another_chain(void **state)
{
    (void)state;
    struct mu_tls_context *ours = make_context(&world.ca, NULL);
    struct mu_tls_context *theirs = make_context(&world.other_ca, NULL);
    struct mu_vetted *client = make_vetted(&world.client);
    assert_good(client, ours);
    assert_bad(client, theirs, "client-cert-ca-rekeyed");
    assert_good(client, ours);
    mu_vetted_unref(client);
    mu_tls_context_free(ours);
    mu_tls_context_free(theirs);
}

static void the_clock_decides_and_one_that_went_back_is_asked_again(void **state)
{
    (void)state;
    struct mu_tls_context *context = make_context(&world.ca, NULL),
                          *anew = make_context(&world.ca, NULL);
    struct mu_vetted *late = make_vetted(&world.late), *client = make_vetted(&world.client);
    assert_bad(late, context, "client-cert-expired");
    assert_good(client, context);
    client->from = time(NULL) + 1000; /* it was vetted at a time that has not come yet */
    assert_good(client, anew);
    assert_true(client->from <= time(NULL)); /* it was built anew, and not taken for what it was */
    mu_vetted_unref(late);
    mu_vetted_unref(client);
    mu_tls_context_free(context);
    mu_tls_context_free(anew);
}

/* Neither by what was found of itself, nor by what is remembered of the same bytes. */
static void whoever_was_good_and_has_ended_is_asked_again(void **state)
{
    (void)state;
    struct mu_tls_context *context = make_context(&world.ca, NULL);
    struct mu_vetted *late = make_vetted(&world.late), *client = make_vetted(&world.client);
    const time_t ended = time(NULL) - 1;
    assert_good(client, context);
    memcpy(&late->anchored, &client->anchored, sizeof late->anchored);
    late->good_in = client->good_in;
    late->from = late->good_from = MADE_AT;
    late->until = late->good_until = ended;
    assert_bad(late, context, "client-cert-expired");
    late->presented = client->presented;
    assert_bad(late, context, "client-cert-expired");
    mu_vetted_unref(late);
    mu_vetted_unref(client);
    mu_tls_context_free(context);
}

static void a_list_that_has_lapsed_means_what_was_chosen(void **state)
{
    (void)state;
    const time_t past = time(NULL) - 1000;
    const struct {
        int64_t grace_s;
        const char *id; /* NULL: it is let in */
    } all[] = {{MU_CRL_GRACE_CLOSED, "client-cert-crl-expired"},
               {100, "client-cert-crl-expired"},
               {DAYS(1), NULL},
               {MU_CRL_GRACE_OPEN, NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct mu_tls_context *context =
            make_context(&world.ca, make_lists(&world.ca, &world.client, past, all[i].grace_s));
        struct mu_vetted *client = make_vetted(&world.client),
                         *other = make_vetted(&world.friend_of_it);
        assert_bad(client, context, "client-cert-revoked"); /* it is not for want of news */
        if (all[i].id == NULL)
            assert_good(other, context);
        else
            assert_bad(other, context, all[i].id);
        mu_vetted_unref(client);
        mu_vetted_unref(other);
        mu_tls_context_free(context);
    }
}

/* While that is missing, too, what else there is to be said of the client is said. */
static void that_only_a_list_lacks_is_said_when_all_else_is_good(void **state)
{
    (void)state;
    const time_t past = time(NULL) - 1000;
    const struct {
        const struct identity *who, *revoked, *trusted;
        bool only_lacks_list;
    } all[] = {{&world.client, NULL, &world.ca, true},
               {&world.client, &world.client, &world.ca, false},
               {&world.late, NULL, &world.ca, false},
               {&world.client, NULL, &world.other_ca, false}};
    for (size_t i = 0; i < 2 * MU_COUNT(all); i++) {
        const size_t at = i / 2;
        const bool missing = i % 2 != 0 && all[at].revoked == NULL;
        const struct identity *by = missing ? &world.other_ca : &world.ca;
        struct mu_tls_context *context =
            make_context(all[at].trusted,
                         make_lists(by, all[at].revoked, past, MU_CRL_GRACE_CLOSED));
        struct mu_vetted *vetted = make_vetted(all[at].who);
        for (int again = 0; again < 2; again++) {
            struct mu_refusal refusal;
            assert_false(mu_vetted_judge(vetted, context, &refusal));
            assert_int_equal(refusal.only_lacks_list, all[at].only_lacks_list);
            if (all[at].only_lacks_list)
                assert_int_equal(refusal.fault,
                                 missing ? MU_FAULT_CRL_MISSING : MU_FAULT_CRL_EXPIRED);
        }
        mu_vetted_unref(vetted);
        mu_tls_context_free(context);
    }
}

/* Whoever has made it has a clock that is ahead. */
static void a_list_may_be_some_minutes_younger_than_now(void **state)
{
    (void)state;
    const time_t now = time(NULL);
    for (int late = 0; late < 2; late++) {
        lists_begin = now + (late ? 600 : 200);
        struct mu_tls_context *context =
            make_context(&world.ca,
                         make_lists(&world.ca, &world.client, never, MU_CRL_GRACE_CLOSED));
        struct mu_vetted *client = make_vetted(&world.client),
                         *other = make_vetted(&world.friend_of_it);
        assert_bad(client, context, late ? "client-cert-crl-invalid" : "client-cert-revoked");
        if (late)
            assert_bad(other, context, "client-cert-crl-invalid");
        else
            assert_good(other, context);
        mu_vetted_unref(client);
        mu_vetted_unref(other);
        mu_tls_context_free(context);
    }
    lists_begin = MADE_AT;
}

/* Or who is let in by another CA would be judged anew for ever. */
static void a_list_that_has_lapsed_ends_no_more(void **state)
{
    (void)state;
    const time_t now = time(NULL), past = now - 1000;
    struct mu_tls_lists *lists = make_lists(&world.ca, NULL, past, 100);
    assert_int_equal(mu_tls_lists_until(lists, past), past + 100);
    assert_int_equal(mu_tls_lists_until(lists, past + 100), 0);
    mu_tls_lists_unref(lists);
}

static void a_list_by_a_namesake_is_as_none(void **state)
{
    (void)state;
    const int64_t graces[] = {MU_CRL_GRACE_CLOSED, DAYS(1), MU_CRL_GRACE_OPEN};
    for (size_t i = 0; i < sizeof graces / sizeof *graces; i++) {
        struct mu_tls_context *context =
            make_context(&world.ca, make_lists(&world.other_ca, NULL, never, graces[i]));
        struct mu_vetted *client = make_vetted(&world.client);
        if (graces[i] == MU_CRL_GRACE_OPEN)
            assert_good(client, context);
        else
            assert_bad(client, context, "client-cert-crl-missing");
        mu_vetted_unref(client);
        mu_tls_context_free(context);
    }
}

/* Even when it has been found good for others of the same CA. */
static void a_list_for_some_is_none_for_others(void **state)
{
    (void)state;
    struct mu_tls_context *context =
        make_context(&world.ca,
                     make_lists_for(&world.ca, NULL, never, MU_CRL_GRACE_CLOSED, "http://a/"));
    struct mu_vetted *in_a = make_vetted(&world.in_a), *in_b = make_vetted(&world.in_b);
    struct mu_vetted *client = make_vetted(&world.client);
    /* The CA's own certificate, which no list of this kind is for, need be on none. */
    for (int twice = 0; twice < 2; twice++) {
        assert_good(in_a, context);
        assert_bad_about(in_b, context, "client-cert-crl-missing", "\"in-b\"");
        assert_bad_about(client, context, "client-cert-crl-missing", "\"client\"");
    }
    mu_vetted_unref(in_a);
    mu_vetted_unref(in_b);
    mu_vetted_unref(client);
    mu_tls_context_free(context);
}

struct source {
    unsigned met, released;
    size_t chain;
};

static void on_met(void *arg, const struct mu_certs *chain, char ret_why[MU_ERROR_CAUSE_LEN])
{
    struct source *source = arg;
    source->met++;
    source->chain = chain->count;
    snprintf(ret_why, MU_ERROR_CAUSE_LEN, "it is on its way");
}

static void on_release(void *arg)
{
    struct source *source = arg;
    source->released++;
}

/* Where lists are fetched, a door without any wants one, and says of whom. */
static void a_list_that_may_yet_come_is_asked_for_and_waited_for(void **state)
{
    (void)state;
    static const struct {
        int64_t grace_s;
        bool good;
    } cases[] = {{MU_CRL_GRACE_CLOSED, false}, {MU_CRL_GRACE_OPEN, true}};
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct source source = {.met = 0};
        const struct mu_tls_list_source from = {.met = on_met,
                                                .release = on_release,
                                                .arg = &source};
        const struct mu_crls none = {.count = 0};
        const struct mu_certs anchors = {.at = &world.ca.cert, .count = 1};
        struct mu_error err = MU_ERROR_INIT;
        struct mu_tls_lists *lists = NULL;
        struct mu_refusal refusal;
        assert_worked(mu_tls_lists_new(&none, &anchors, cases[i].grace_s, &from, &lists, &err),
                      &err);
        struct mu_tls_context *context = make_context(&world.ca, lists);
        struct mu_vetted *client = make_vetted(&world.client);
        assert_int_equal(mu_vetted_judge(client, context, &refusal), cases[i].good);
        assert_true(source.met == 1 && source.chain == 2 && source.released == 0);
        if (!cases[i].good) {
            assert_string_equal(refusal.id, "client-cert-crl-missing");
            assert_string_equal(refusal.cause, "it is on its way");
        }
        mu_vetted_unref(client);
        mu_tls_context_free(context);
        assert_int_equal(source.released, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_list_is_for_those_it_names_alone),
        cmocka_unit_test(whoever_went_by_former_lists_goes_by_those_of_now),
        cmocka_unit_test(other_anchors_mean_another_chain),
        cmocka_unit_test(the_clock_decides_and_one_that_went_back_is_asked_again),
        cmocka_unit_test(whoever_was_good_and_has_ended_is_asked_again),
        cmocka_unit_test(a_list_that_has_lapsed_means_what_was_chosen),
        cmocka_unit_test(that_only_a_list_lacks_is_said_when_all_else_is_good),
        cmocka_unit_test(a_list_may_be_some_minutes_younger_than_now),
        cmocka_unit_test(a_list_that_has_lapsed_ends_no_more),
        cmocka_unit_test(a_list_by_a_namesake_is_as_none),
        cmocka_unit_test(a_list_for_some_is_none_for_others),
        cmocka_unit_test(a_list_that_may_yet_come_is_asked_for_and_waited_for),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
