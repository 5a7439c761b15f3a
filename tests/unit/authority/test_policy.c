#include "../check.h"
#include "authority/authority.h"
#include "authority/policy.h"
#include "base/time.h"

/* A policy, an order, and what became of it. */
struct fixture {
    struct mu_policy *policy;
    struct mu_names names;
    struct mu_key *key;
    struct mu_order order;
    struct mu_ruling ruling;
    struct mu_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (f == NULL || mu_names_set_main(&f->names, "api.internal", false, &f->err) != 0 ||
        mu_key_generate("p256", &f->key, &f->err) != 0)
        return -1;
    f->order = (struct mu_order){.profile = MU_PROFILE_SERVER, .key = f->key, .names = &f->names};
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_policy_free(f->policy);
    mu_names_clear(&f->names);
    mu_key_free(f->key);
    mu_ruling_clear(&f->ruling);
    free(f);
    return 0;
}

static int parse(struct fixture *f, const char *text)
{
    mu_policy_free(f->policy);
    f->policy = NULL;
    return mu_policy_parse("/h/policy.yaml", text, strlen(text), &f->policy, &f->err);
}

static void read(struct fixture *f, const char *text)
{
    assert_worked(parse(f, text), &f->err);
}

static int judge(struct fixture *f)
{
    mu_ruling_clear(&f->ruling);
    assert_worked(mu_policy_judge(f->policy, &f->order, &f->ruling, &f->err), &f->err);
    return mu_ruling_check(&f->ruling, f->policy, &f->order, &f->err);
}

static void assert_allows(struct fixture *f)
{
    assert_worked(judge(f), &f->err);
    assert_true(f->ruling.allowed);
}

static void assert_denies(struct fixture *f, const char *said, const char *cause, const char *place)
{
    assert_refused(judge(f), &f->err, MU_E_POLICY, said);
    assert_false(f->ruling.allowed);
    assert_says(f->err.cause, cause);
    assert_says(f->err.hint, place);
}

static const struct mu_finding *finding(struct fixture *f, size_t i)
{
    assert_true(i < f->ruling.count);
    return &f->ruling.findings[i];
}

static void set_name(struct fixture *f, const char *name, bool free_text)
{
    mu_names_clear(&f->names);
    assert_worked(mu_names_set_main(&f->names, name, free_text, &f->err), &f->err);
}

/* --- What is judged --- */

static void without_rules_all_is_allowed_and_lasts_as_the_profile_says(void **state)
{
    struct fixture *f = *state;
    assert_worked(mu_policy_new(&f->policy, &f->err), &f->err);
    assert_allows(f);
    assert_int_equal(f->ruling.lifetime_s, 90 * MU_DAY_S);
    assert_int_equal(f->ruling.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(finding(f, i)->at.line, 0);
    f->order.lifetime_s = MU_LIFETIME_MAX_S;
    assert_allows(f);
    assert_int_equal(f->ruling.lifetime_s, MU_LIFETIME_MAX_S);
    f->order.lifetime_s++;
    assert_refused(judge(f), &f->err, MU_E_POLICY, "lifetime");
}

static void rules_of_one_profile_are_none_of_another(void **state)
{
    struct fixture *f = *state;
    read(f, "client:\n  names: []\n");
    assert_allows(f);
    f->order.profile = MU_PROFILE_CLIENT;
    assert_denies(f, "the name DNS:api.internal for a client certificate",
                  "client.names does not list it", "/h/policy.yaml:2:3");
}

static void each_name_is_allowed_by_a_line_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    read(f, "server:\n  names:\n    - a.internal\n    - '*.internal'\n    - 10.0.0.0/8\n");
    assert_int_equal(mu_names_add(&f->names, "10.0.0.1", &f->err), 0);
    assert_allows(f);
    assert_string_equal(finding(f, 0)->about, "DNS:api.internal");
    assert_string_equal(finding(f, 0)->rule, "server.names[1]");
    assert_string_equal(finding(f, 0)->text, "*.internal");
    assert_int_equal(finding(f, 0)->at.line, 4);
    assert_int_equal(finding(f, 0)->at.column, 7);
    assert_int_equal(finding(f, 1)->at.line, 5);
    assert_int_equal(mu_names_add(&f->names, "11.0.0.1", &f->err), 0);
    assert_denies(f, "the name IP:11.0.0.1 for a server", "server.names does not list it",
                  "/h/policy.yaml:2:3");
    assert_true(finding(f, 0)->allowed && !finding(f, 2)->allowed);
    assert_int_equal(mu_names_add(&f->names, "evil.example", &f->err), 0);
    assert_denies(f, "nor 1 more thing that was asked for", "", "policy.yaml");
}

static void a_common_name_is_judged_unless_it_is_one_of_the_others(void **state)
{
    struct fixture *f = *state;
    read(f, "client:\n  names: ['DNS:*.internal', 'CN:* Example']\n");
    f->order.profile = MU_PROFILE_CLIENT;
    assert_allows(f);
    assert_int_equal(f->ruling.count, 3); /* the name once, though it is the CN, too */
    set_name(f, "Alice Example", true);
    assert_allows(f);
    set_name(f, "Mallory", true);
    assert_int_equal(mu_names_set_cn(&f->names, "Mallory M", &f->err), 0);
    assert_denies(f, "the name CN:Mallory M", "client.names", "policy.yaml:2:3");
}

static void wildcards_can_be_left_out_as_such(void **state)
{
    struct fixture *f = *state;
    set_name(f, "*.internal.example", false);
    read(f, "server: {names: [.internal.example]}");
    assert_allows(f);
    read(f, "server: {names: [.internal.example], wildcards: no}");
    assert_denies(f, "DNS:*.internal.example", "server.wildcards: no", "policy.yaml:1:38");
}

static void keys_are_allowed_by_type_and_size(void **state)
{
    static const struct {
        const char *keys, *type;
        bool allowed;
    } cases[] = {
        {"[p256]", "p256", true},         {"[prime256v1]", "p256", true},
        {"[p384]", "p256", false},        {"[ed25519]", "p256", false},
        {"[p256]", "p384", false},        {"[ed25519]", "ed25519", true},
        {"[rsa2048]", "rsa2048", true},   {"[rsa2048]", "rsa3072", false},
        {"[rsa3072]", "rsa3072", true},   {"[rsa2048+]", "rsa3072", true},
        {"[rsa3072+]", "rsa2048", false}, {"[rsa]", "rsa3072", true},
        {"[rsa]", "p256", false},         {"[]", "p256", false},
        {"[p384, p256]", "p256", true},
    };
    struct fixture *f = *state;
    char text[64];
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_key_free(f->key);
        f->key = NULL;
        assert_worked(mu_key_generate(cases[i].type, &f->key, &f->err), &f->err);
        f->order.key = f->key;
        snprintf(text, sizeof text, "server: {keys: %s}", cases[i].keys);
        read(f, text);
        if ((judge(f) == 0) != cases[i].allowed)
            fail_msg("%s with %s", cases[i].keys, cases[i].type);
    }
    read(f, "server:\n  keys:\n    - p384\n");
    assert_denies(f, "the key EC P-256 for a server", "server.keys does not list it",
                  "policy.yaml:2:3");
}

static void what_asks_for_too_long_is_refused_or_cut(void **state)
{
    struct fixture *f = *state;
    f->order.lifetime_s = 31 * MU_DAY_S;
    read(f, "server:\n  longest_lifetime: 30d\n");
    assert_denies(f, "the lifetime 31 days", "server.longest_lifetime: at most 30 days",
                  "policy.yaml:2:3");
    read(f, "server:\n  longest_lifetime: 30d\n  overlong: cut\n");
    assert_allows(f);
    assert_true(f->ruling.cut);
    assert_int_equal(f->ruling.lifetime_s, 30 * MU_DAY_S);
    assert_int_equal(finding(f, 2)->at.line, 3);
    f->order.lifetime_s = 30 * MU_DAY_S;
    assert_allows(f);
    assert_false(f->ruling.cut);
}

static void who_asks_for_no_lifetime_gets_the_default(void **state)
{
    struct fixture *f = *state;
    read(f, "server: {default_lifetime: 36h}");
    assert_allows(f);
    assert_int_equal(f->ruling.lifetime_s, 36 * 3600);
    read(f, "server: {longest_lifetime: 7d}"); /* the built-in default gives way */
    assert_allows(f);
    assert_int_equal(f->ruling.lifetime_s, 7 * MU_DAY_S);
    assert_false(f->ruling.cut);
}

static void names_that_a_terminal_would_obey_are_not_shown_as_they_are(void **state)
{
    struct fixture *f = *state;
    struct mu_san san = {.kind = MU_SAN_URI, .value = (char *)"x:\x1b[2J"};
    struct mu_names names = {.san = &san, .count = 1};
    read(f, "server: {names: []}");
    f->order.names = &names;
    assert_denies(f, "URI:x:\\x1b[2J", "", "policy.yaml");
}

/* --- What is read --- */

static void extensions_are_ready_to_be_added(void **state)
{
    struct fixture *f = *state;
    char text[128];
    read(f, "peer:\n  extensions:\n    - {oid: 1.2.3.4, critical: true, value: ASN1:UTF8String:hi}\n"
            "    - oid: 1.2.3.5\n      value: DER:05:00\n");
    const struct mu_profile_policy *rules = &f->policy->profiles[MU_PROFILE_PEER];
    assert_int_equal(rules->extension_count, 2);
    assert_string_equal(mu_extension_text(mu_extension_x509(rules->made[0]), text, sizeof text),
                        "1.2.3.4 (critical): hi");
    assert_string_equal(mu_extension_text(mu_extension_x509(rules->made[1]), text, sizeof text),
                        "1.2.3.5: 05:00");
    assert_int_equal(rules->extensions[1].at.line, 4);
}

static void every_mistake_is_told_by_line_and_column(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", ":1:1: there is nothing in it"},
        {"# names: none\n", ":1:1: there is nothing in it"},
        {"server", ":1:1: a policy is a single value, not a mapping"},
        {"[]", ":1:1: a policy is a list"},
        {"server:\n", ":1:8: server is nothing"},
        {"client: {}\nservr: {}\n", ":2:1: there is no key \"servr\" in a policy"},
        {"client:\n  nmes: []\n", ":2:3: there is no key \"nmes\" in client"},
        {"client:\n  names: []\n  names: []\n", ":3:3: names is given twice in client"},
        {"client: {}\nclient: {}\n", ":2:1: client is given twice"},
        {"client:\n  [a]: b\n", ":2:3: there is no key \"\""},
        {"client:\n  \"\\e[2J\": b\n", ":2:3: there is no key \"\\x1b[2J\""},
        {"client:\n  <<: {names: []}\n", ":2:3: there is no key \"<<\""},
        {"client:\n  names: a\n", ":2:10: names is a single value, not a list"},
        {"client:\n  names:\n    a: b\n", ":3:5: names is a mapping, not a list"},
        {"client:\n  names:\n    - [a]\n", ":3:7: a name is a list"},
        {"client:\n  names:\n    -\n", ":3:6: a name is nothing"},
        {"client:\n  names: &a [*a]\n", ":2:10: a name is a list"},
        {"client:\n  names:\n    - a.example\n    - 10.0.0.1/8\n",
         ":4:7: \"10.0.0.1/8\" is no block"},
        {"client:\n  names: [\"a\\0b\"]\n", ":2:11: a name has control characters in it"},
        {"client:\n  extensions:\n    - {oid: 1.2.3, value: \"ASN1:UTF8String:\\e[2J\"}\n",
         ":3:27: value has control characters"},
        {"client:\n  keys: [p256, p255]\n", ":2:16: \"p255\" is not a key type"},
        {"client:\n  keys: [p256+]\n", ":2:10: \"p256+\" is not a key type"},
        {"client:\n  wildcards: 1\n", ":2:14: wildcards is yes or no, not \"1\""},
        {"client:\n  wildcards: []\n", ":2:14: wildcards is a list, not yes or no"},
        {"client:\n  overlong: maybe\n", ":2:13: overlong is refuse or cut, not \"maybe\""},
        {"client:\n  default_lifetime: 90\n", ":2:21: \"90\" is not a length of time"},
        {"client:\n  longest_lifetime: -1d\n", ":2:21: \"-1d\""},
        {"client:\n  longest_lifetime: 200y\n", ":2:21: longest_lifetime is longer than 36500 days"},
        {"client:\n  default_lifetime: 2d\n  longest_lifetime: 1d\n",
         ":2:3: default_lifetime is longer than longest_lifetime"},
        {"client:\n  extensions:\n    - oid: 1.2.3\n",
         ":3:7: an extension needs an oid and a value"},
        {"client:\n  extensions:\n    - oid: CN\n      value: ASN1:NULL\n",
         ":3:7: \"CN\" is not an OID"},
        {"client:\n  extensions:\n    - odi: 1.2.3\n",
         ":3:7: there is no key \"odi\" in an extension"},
        {"client:\n  extensions:\n    - {oid: 1.2.3, value: ASN1:NULL}\n"
         "    - {oid: 1.2.3, value: ASN1:NULL}\n",
         ":4:7: the extension 1.2.3 is there twice"},
        {"client: {}\n---\nserver: {}\n", ":3:1: a second document"},
        {"client: {}\n--- [\n", ": this is not YAML"},
        {"client: [\n", ":2:1: this is not YAML"},
        {"client:\n\tnames: []\n", ":2:1: this is not YAML"},
        {"client:\n  names: [\xff]\n", ":2:11: this is not YAML"},
        {"client: *none\n", ":1:9: this is not YAML"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        assert_refused(parse(f, cases[i].text), &f->err, MU_E_POLICY_FILE, cases[i].said);
        assert_says(f->err.what, "/h/policy.yaml:");
        assert_null(f->policy);
    }
}

static void an_alias_stands_for_what_it_names(void **state)
{
    struct fixture *f = *state;
    read(f, "server: &all\n  names: [api.internal]\npeer: *all\n");
    f->order.profile = MU_PROFILE_PEER;
    assert_allows(f);
    assert_int_equal(finding(f, 0)->at.line, 2);
}

static void a_long_path_gives_way_at_its_beginning(void **state)
{
    struct fixture *f = *state;
    char path[1000], place[MU_PLACE_TEXT_LEN];
    memset(path, 'a', sizeof path);
    strcpy(path + sizeof path - 13, "/policy.yaml");
    assert_worked(mu_policy_parse(path, "server: {}", 10, &f->policy, &f->err), &f->err);
    mu_policy_place(f->policy, (struct mu_place){12, 5}, place);
    assert_int_equal(strncmp(place, "...a", 4), 0);
    assert_says(place, "a/policy.yaml:12:5");
    assert_string_equal(mu_policy_place(f->policy, (struct mu_place){0, 0}, place), "built in");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_rules_all_is_allowed_and_lasts_as_the_profile_says),
        TEST(rules_of_one_profile_are_none_of_another),
        TEST(each_name_is_allowed_by_a_line_or_not_at_all),
        TEST(a_common_name_is_judged_unless_it_is_one_of_the_others),
        TEST(wildcards_can_be_left_out_as_such),
        TEST(keys_are_allowed_by_type_and_size),
        TEST(what_asks_for_too_long_is_refused_or_cut),
        TEST(who_asks_for_no_lifetime_gets_the_default),
        TEST(names_that_a_terminal_would_obey_are_not_shown_as_they_are),
        TEST(extensions_are_ready_to_be_added),
        TEST(every_mistake_is_told_by_line_and_column),
        TEST(an_alias_stands_for_what_it_names),
        TEST(a_long_path_gives_way_at_its_beginning),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
