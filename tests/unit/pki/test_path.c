/* Which way leads from a leaf to an anchor, when there are several; and what it may cost to find out. */

#include "odd.h"
#include "pki/path.h"
#include "pki/verify.h"

#define SAME_NAME "Everybody's CA"

/* Made certificates, all freed at the end. */
struct set {
    struct made at[256];
    size_t count;
};

static struct made *keep(struct set *set, struct made made)
{
    assert_true(set->count < MU_COUNT(set->at));
    set->at[set->count] = made;
    return &set->at[set->count++];
}

static void set_clear(struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        made_clear(&set->at[i]);
}
MU_AUTO_DEFINE_CLEAR(set, set_clear)

static struct made *root(struct set *set, const char *cn)
{
    return keep(set, make(NULL, (struct spec){.cn = cn}));
}

/* Another certificate for the CA `subject`, from `by`. */
static struct made *cross(struct set *set, const struct made *by, const struct made *subject,
                          struct spec spec)
{
    char cn[64];
    X509_NAME_get_text_by_NID(X509_get_subject_name(subject->x), NID_commonName, cn, sizeof cn);
    spec.cn = cn;
    spec.key = subject->key;
    return keep(set, make(by, spec));
}

static struct made *leaf(struct set *set, const struct made *by)
{
    return keep(set, make(by, (struct spec){.no_ca = true}));
}

static void list(struct mu_certs *ret, const struct made *made)
{
    struct mu_error err = MU_ERROR_INIT;
    assert_int_equal(mu_certs_add(ret, mu_cert_ref((struct mu_cert *)made->x), &err), 0);
}

/* A question: made of pointers into a set. */
struct question {
    const struct made *leaf, *anchors[3], *untrusted[6];
    bool lax;
};

static struct mu_verdict judge(struct question q, struct mu_certs *ret_chain,
                               struct mu_verify_trace *trace)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    MU_AUTO_CLEAR(mu_certs) untrusted = {0};
    for (size_t i = 0; i < MU_COUNT(q.anchors) && q.anchors[i] != NULL; i++)
        list(&anchors, q.anchors[i]);
    for (size_t i = 0; i < MU_COUNT(q.untrusted) && q.untrusted[i] != NULL; i++)
        list(&untrusted, q.untrusted[i]);
    struct mu_verify how = {.anchors = &anchors,
                            .untrusted = &untrusted,
                            .at = NOW,
                            .strict = !q.lax,
                            .trace = trace};
    assert_int_equal(mu_verify((struct mu_cert *)q.leaf->x, &how, &verdict, ret_chain, &err), 0);
    return verdict;
}

static void assert_id(struct question q, const char *id)
{
    struct mu_verdict verdict = judge(q, NULL, NULL);
    if (strcmp(mu_fault_id(verdict.fault), id) != 0)
        fail_msg("the verdict is %s, not %s: %s (%s)", mu_fault_id(verdict.fault), id,
                 verdict.sentence, verdict.cause);
}

static void a_failing_way_does_not_hide_a_good_one(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    struct made *one = root(&set, "One"), *two = root(&set, "Two");
    struct made *ca = root(&set, "CA"), *alice = leaf(&set, ca);
    static const struct spec bad[] = {
        {.from = NOW - 2 * DAY, .to = NOW - DAY},
        {.from = NOW + DAY, .to = NOW + 2 * DAY},
        {.more = "nameConstraints=critical,excluded;DNS:example.org"},
        {.more = "1.2.3.4=critical,ASN1:NULL"},
        {.serial = "0"},
    };
    struct made *good = cross(&set, two, ca, (struct spec){0});
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        struct made *failing = cross(&set, one, ca, bad[i]);
        assert_id((struct question){.leaf = alice,
                                    .anchors = {one, two},
                                    .untrusted = {failing, good}},
                  "ok");
        assert_id((struct question){.leaf = alice,
                                    .anchors = {two, one},
                                    .untrusted = {good, failing}},
                  "ok");
        struct mu_verdict verdict =
            judge((struct question){.leaf = alice, .anchors = {one, two}, .untrusted = {failing}},
                  NULL, NULL);
        assert_int_not_equal(verdict.fault, MU_FAULT_NONE);
    }
    /* OpenSSL builds one way and stays with it. */
    struct made *failing = cross(&set, one, ca, bad[2]);
    assert_id((struct question){.leaf = alice,
                                .anchors = {one, two},
                                .untrusted = {failing, good},
                                .lax = true},
              "name-constraint");
}

static void an_old_root_that_has_expired_does_no_harm_to_the_new_one(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    struct made *old = root(&set, "Old"), *new = root(&set, "New");
    struct made *expired = cross(&set, old, new, (struct spec){.to = NOW - 1});
    struct made *alice = leaf(&set, new);
    assert_id((struct question){.leaf = alice, .anchors = {old, new}, .untrusted = {expired}}, "ok");
    assert_id((struct question){.leaf = alice, .anchors = {new, old}, .untrusted = {expired}}, "ok");
    assert_id((struct question){.leaf = alice, .anchors = {old}, .untrusted = {expired}},
              "ca-expired");
}

static void every_anchor_is_one_self_signed_or_not(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    struct made *top = root(&set, "Top");
    struct made *ca = keep(&set, make(top, (struct spec){.cn = "Issuing"}));
    struct made *alice = leaf(&set, ca);
    assert_id((struct question){.leaf = alice, .anchors = {ca}}, "ok");
    assert_id((struct question){.leaf = alice, .anchors = {alice}}, "ok");
    assert_id((struct question){.leaf = alice, .anchors = {ca}, .untrusted = {top}}, "ok");
    assert_id((struct question){.leaf = alice, .anchors = {top}, .untrusted = {ca}}, "ok");
    assert_id((struct question){.leaf = alice, .anchors = {top}}, "untrusted");
    /* The front door needs the root. */
    assert_id((struct question){.leaf = alice, .anchors = {ca}, .lax = true}, "chain-incomplete");
    assert_id((struct question){.leaf = alice, .anchors = {alice}, .lax = true}, "untrusted");
    /* The shortest way is taken. */
    assert_int_equal(judge((struct question){.leaf = alice, .anchors = {top, ca}, .untrusted = {ca}},
                           &chain, NULL)
                         .fault,
                     MU_FAULT_NONE);
    assert_int_equal(chain.count, 2);
    /* An anchor that signs itself has no need to say by which key; another has. */
    struct made *mute =
        keep(&set, make(top, (struct spec){
                                 .extensions =
                                     "basicConstraints=critical,CA:TRUE\n"
                                     "keyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash"}));
    assert_id((struct question){.leaf = leaf(&set, mute), .anchors = {mute}}, "authority-key-id");
}

static void an_anchor_need_not_be_on_any_list(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    struct made *top = root(&set, "Top");
    struct made *ca = keep(&set, make(top, (struct spec){.cn = "Issuing"}));
    struct made *alice = leaf(&set, ca);
    X509_CRL *crls[] = {make_list(ca, (struct list_spec){0})};
    list(&anchors, ca);
    struct mu_verify how = {.anchors = &anchors,
                            .crls = (struct mu_crl *const *)crls,
                            .crl_count = 1,
                            .at = NOW,
                            .strict = true};
    assert_int_equal(mu_verify((struct mu_cert *)alice->x, &how, &verdict, NULL, &err), 0);
    assert_int_equal(verdict.fault, MU_FAULT_NONE);
    X509_CRL_free(crls[0]);
}

static void cas_that_sign_for_each_other_lead_nowhere_by_themselves(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    struct made *a = root(&set, "A"), *b = root(&set, "B"), *other = root(&set, "Other");
    struct made *a_by_b = cross(&set, b, a, (struct spec){0});
    struct made *b_by_a = cross(&set, a, b, (struct spec){0});
    struct made *alice = leaf(&set, a);
    assert_id((struct question){.leaf = alice, .anchors = {other}, .untrusted = {a_by_b, b_by_a}},
              "untrusted");
    assert_id((struct question){.leaf = alice, .anchors = {b}, .untrusted = {a_by_b, b_by_a}}, "ok");
    assert_id((struct question){.leaf = alice, .anchors = {a}, .untrusted = {a_by_b, b_by_a}}, "ok");
}

static void a_ca_that_changes_its_key_signs_for_itself(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    struct made *old = root(&set, SAME_NAME), *new = root(&set, SAME_NAME);
    struct made *new_by_old = cross(&set, old, new, (struct spec){0});
    struct made *old_by_new = cross(&set, new, old, (struct spec){0});
    assert_id((struct question){.leaf = leaf(&set, new),
                                .anchors = {old},
                                .untrusted = {new_by_old, old_by_new}},
              "ok");
    assert_id((struct question){.leaf = leaf(&set, old),
                                .anchors = {new},
                                .untrusted = {new_by_old, old_by_new}},
              "ok");
    assert_id((struct question){.leaf = leaf(&set, old), .anchors = {new}, .untrusted = {new_by_old}},
              "ca-rekeyed");
}

/* `count` CAs of one name, each of which has signed for each. */
static void gather_hostile(struct set *set, size_t count, struct mu_certs *ret)
{
    struct made *cas[16];
    for (size_t i = 0; i < count; i++)
        cas[i] = root(set, SAME_NAME);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            if (i != k)
                list(ret, cross(set, cas[i], cas[k], (struct spec){0}));
}

static bool count_way(X509 *const *path, size_t len, void *arg)
{
    (void)path;
    assert_true(len <= MU_PATH_CAS_MAX + 2);
    ++*(size_t *)arg;
    return false;
}

static void hostile_sets_cost_no_more_than_the_bounds(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    MU_AUTO_CLEAR(mu_certs) hostile = {0};
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    struct mu_error err = MU_ERROR_INIT;
    struct mu_path_work work;
    size_t ways = 0;
    gather_hostile(&set, 12, &hostile);
    struct made *victim = leaf(&set, &set.at[0]);

    /* No way out of the maze. */
    list(&anchors, root(&set, "Elsewhere"));
    assert_int_equal(mu_path_search(victim->x, &anchors, &hostile, MU_PATH_CAS_MAX, count_way,
                                    &ways, &work, &err),
                     0);
    assert_true(work.exhausted);
    assert_int_equal(ways, 0);
    assert_true(work.signatures <= MU_PATH_SIGNATURES_MAX && work.steps <= MU_PATH_STEPS_MAX + 1);
}

static void more_ways_than_anybody_should_try_are_not_tried(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    MU_AUTO_CLEAR(mu_certs) twice = {0};
    struct mu_error err = MU_ERROR_INIT;
    struct mu_path_work work;
    size_t ways = 0;
    struct made *top = root(&set, "Top"), *last = top;
    list(&anchors, top);
    for (int i = 0; i < 8; i++) { /* each CA has two certificates: 256 ways */
        struct made *ca = keep(&set, make(last, (struct spec){0}));
        list(&twice, ca);
        list(&twice, cross(&set, last, ca, (struct spec){0}));
        last = ca;
    }
    assert_int_equal(mu_path_search(leaf(&set, last)->x, &anchors, &twice, MU_PATH_CAS_MAX,
                                    count_way, &ways, &work, &err),
                     0);
    assert_true(work.exhausted);
    assert_int_equal(ways, MU_PATH_WAYS_MAX);
    assert_int_equal(work.ways, MU_PATH_WAYS_MAX);
    assert_true(work.signatures <= 2 + 7 * 4 + 2); /* each pair once */
}

static void a_maze_is_given_up_in_words_and_a_way_near_its_entry_is_found(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    MU_AUTO_CLEAR(mu_certs) hostile = {0};
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    struct mu_verify_trace trace = {0};
    gather_hostile(&set, 12, &hostile);
    struct made *victim = leaf(&set, &set.at[0]);
    struct made *elsewhere = root(&set, "Elsewhere");
    list(&anchors, elsewhere);
    struct mu_verify how = {.anchors = &anchors,
                            .untrusted = &hostile,
                            .at = NOW,
                            .strict = true,
                            .trace = &trace};
    assert_int_equal(mu_verify((struct mu_cert *)victim->x, &how, &verdict, NULL, &err), 0);
    assert_int_equal(verdict.fault, MU_FAULT_TOO_MUCH_WORK);
    assert_says(verdict.sentence, "was given up: ");
    assert_true(trace.signatures <= MU_PATH_SIGNATURES_MAX);
    mu_verify_trace_clear(&trace);

    /* A way by two corners. */
    list(&hostile, cross(&set, elsewhere, &set.at[11], (struct spec){0}));
    assert_int_equal(mu_verify((struct mu_cert *)victim->x, &how, &verdict, NULL, &err), 0);
    assert_int_equal(verdict.fault, MU_FAULT_NONE);
    assert_int_equal(trace.ways, 1);
    mu_verify_trace_clear(&trace);

    list(&anchors, &set.at[0]);
    assert_int_equal(mu_verify((struct mu_cert *)victim->x, &how, &verdict, NULL, &err), 0);
    assert_int_equal(verdict.fault, MU_FAULT_NONE);
    assert_int_equal(trace.ways, 1);
    mu_verify_trace_clear(&trace);
}

static void a_certificate_that_is_given_often_is_tried_once(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    struct mu_verify_trace trace = {0};
    struct made *top = root(&set, "Top");
    struct made *ca = keep(&set, make(top, (struct spec){.to = NOW - 1}));
    struct made *alice = leaf(&set, ca);
    struct mu_verdict verdict = judge((struct question){.leaf = alice,
                                                        .anchors = {top, top},
                                                        .untrusted = {ca, ca, ca, top}},
                                      NULL, &trace);
    assert_int_equal(verdict.fault, MU_FAULT_INTERMEDIATE_EXPIRED);
    assert_int_equal(trace.ways, 1);
    assert_int_equal(trace.signatures, 2);
    mu_verify_trace_clear(&trace);
}

static void a_chain_without_end_is_too_deep(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    MU_AUTO_CLEAR(mu_certs) between = {0};
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    struct made *top = root(&set, "Top"), *last = top;
    list(&anchors, top);
    struct mu_verify how = {.anchors = &anchors, .untrusted = &between, .at = NOW, .strict = true};
    for (int i = 0; i < MU_PATH_CAS_MAX; i++)
        list(&between, last = keep(&set, make(last, (struct spec){0})));
    struct made *alice = leaf(&set, last);
    assert_int_equal(mu_verify((struct mu_cert *)alice->x, &how, &verdict, NULL, &err), 0);
    assert_int_equal(verdict.fault, MU_FAULT_NONE);
    list(&between, last = keep(&set, make(last, (struct spec){0})));
    struct made *bob = leaf(&set, last);
    assert_int_equal(mu_verify((struct mu_cert *)bob->x, &how, &verdict, NULL, &err), 0);
    assert_int_equal(verdict.fault, MU_FAULT_TOO_DEEP);
}

static void what_strict_would_refuse_is_told_without_it(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(set) set = {0};
    struct mu_verify_trace trace = {0};
    struct made *top = root(&set, "Top");
    struct made *odd =
        keep(&set, make(top, (struct spec){.no_ca = true,
                                           .serial = "0",
                                           .more = "nameConstraints=permitted;DNS:example.org"}));
    assert_int_equal(
        judge((struct question){.leaf = odd, .anchors = {top}, .lax = true}, NULL, &trace).fault,
        MU_FAULT_NONE);
    assert_true(trace.strict_count >= 2);
    assert_int_equal(trace.strict[0].fault, MU_FAULT_SERIAL);
    assert_int_equal(trace.strict[1].fault, MU_FAULT_CONSTRAINT_IN_LEAF);
    mu_verify_trace_clear(&trace);

    struct mu_verdict verdict =
        judge((struct question){.leaf = odd, .anchors = {top}}, NULL, &trace);
    assert_int_equal(verdict.fault, MU_FAULT_SERIAL);
    assert_string_equal(verdict.cause, "RFC 5280 4.1.2.2");
    assert_int_equal(trace.strict[0].fault, MU_FAULT_CONSTRAINT_IN_LEAF);
    mu_verify_trace_clear(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_way_does_not_hide_a_good_one),
        cmocka_unit_test(an_old_root_that_has_expired_does_no_harm_to_the_new_one),
        cmocka_unit_test(every_anchor_is_one_self_signed_or_not),
        cmocka_unit_test(an_anchor_need_not_be_on_any_list),
        cmocka_unit_test(cas_that_sign_for_each_other_lead_nowhere_by_themselves),
        cmocka_unit_test(a_ca_that_changes_its_key_signs_for_itself),
        cmocka_unit_test(hostile_sets_cost_no_more_than_the_bounds),
        cmocka_unit_test(more_ways_than_anybody_should_try_are_not_tried),
        cmocka_unit_test(a_maze_is_given_up_in_words_and_a_way_near_its_entry_is_found),
        cmocka_unit_test(a_certificate_that_is_given_often_is_tried_once),
        cmocka_unit_test(a_chain_without_end_is_too_deep),
        cmocka_unit_test(what_strict_would_refuse_is_told_without_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
