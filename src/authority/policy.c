#include "authority/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "authority/authority.h"
#include "base/time.h"

/* --- Coming and going --- */

static void clear_profile(struct mu_profile_policy *rules)
{
    for (size_t i = 0; i < rules->name_count; i++) {
        free(rules->names[i].text);
        mu_pattern_clear(&rules->names[i].pattern);
    }
    for (size_t i = 0; i < rules->key_count; i++)
        free(rules->keys[i].text);
    for (size_t i = 0; i < rules->extension_count; i++) {
        free(rules->extensions[i].oid);
        free(rules->extensions[i].value);
        mu_extension_free(rules->made[i]);
    }
    free(rules->names);
    free(rules->keys);
    free(rules->extensions);
    free(rules->made);
}

void mu_policy_free(struct mu_policy *policy)
{
    if (policy == NULL)
        return;
    for (size_t i = 0; i < MU_COUNT(policy->profiles); i++)
        clear_profile(&policy->profiles[i]);
    free(policy);
}

int mu_policy_new(struct mu_policy **ret, struct mu_error *err)
{
    struct mu_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < MU_COUNT(policy->profiles); i++) {
        struct mu_profile_policy *rules = &policy->profiles[i];
        rules->wildcards = true;
        rules->longest_lifetime_s = MU_LIFETIME_MAX_S;
        rules->default_lifetime_s = mu_profile_rules((enum mu_profile)i)->default_lifetime_s;
    }
    *ret = policy;
    return 0;
}

char *mu_policy_place(const struct mu_policy *policy, struct mu_place at,
                      char ret[MU_PLACE_TEXT_LEN])
{
    return mu_place_text(policy->path, at, ret);
}

void mu_ruling_clear(struct mu_ruling *ruling)
{
    for (size_t i = 0; i < ruling->count; i++) {
        free(ruling->findings[i].about);
        free(ruling->findings[i].text);
    }
    free(ruling->findings);
    *ruling = (struct mu_ruling){0};
}

/* --- Judging --- */

/* One order before one profile's rules, and what has been found so far. */
struct judge {
    const char *profile;
    const struct mu_profile_policy *rules;
    const struct mu_order *order;
    struct mu_ruling *ruling;
};

static char *printable(const char *text)
{
    size_t cap = 4 * strlen(text) + 1;
    char *shown = malloc(cap);
    return shown == NULL ? NULL : mu_str_printable(text, strlen(text), shown, cap);
}

/* `index` of the rule in its list; -1: it is the list itself, or no list. Returns 0, or -1 without memory. */
static int find(struct judge *judge, const char *kind, const char *about, bool allowed,
                const char *rule, int index, const char *text, struct mu_place at)
{
    struct mu_ruling *ruling = judge->ruling;
    struct mu_finding found = {.kind = kind, .allowed = allowed, .at = at};
    struct mu_finding *findings = realloc(ruling->findings, (ruling->count + 1) * sizeof *findings);
    if (findings == NULL)
        return -1;
    ruling->findings = findings;
    found.about = printable(about);
    found.text = printable(text);
    if (index >= 0)
        snprintf(found.rule, sizeof found.rule, "%s.%s[%d]", judge->profile, rule, index);
    else
        snprintf(found.rule, sizeof found.rule, "%s.%s", judge->profile, rule);
    findings[ruling->count++] = found;
    ruling->allowed = ruling->allowed && allowed;
    return found.about == NULL || found.text == NULL ? -1 : 0;
}

static int judge_name(struct judge *judge, int kind, const char *value)
{
    char about[4096];
    const struct mu_profile_policy *rules = judge->rules;
    snprintf(about, sizeof about, "%s:%s",
             kind == MU_PATTERN_CN ? "CN" : mu_san_kind_name((enum mu_san_kind)kind), value);
    if (kind == MU_SAN_DNS && *value == '*' && !rules->wildcards)
        return find(judge, "name", about, false, "wildcards", -1, "no", rules->wildcards_at);
    if (rules->names_at.line == 0)
        return find(judge, "name", about, true, "names", -1, "all names", rules->names_at);
    for (size_t i = 0; i < rules->name_count; i++)
        if (mu_pattern_admits(&rules->names[i].pattern, kind, value))
            return find(judge, "name", about, true, "names", (int)i, rules->names[i].text,
                        rules->names[i].at);
    return find(judge, "name", about, false, "names", -1, "", rules->names_at);
}

/* A common name that is an alternative name, too, is judged as that. */
static bool cn_is_alone(const struct mu_names *names)
{
    for (size_t i = 0; names->cn != NULL && i < names->count; i++)
        if (strcasecmp(names->san[i].value, names->cn) == 0)
            return false;
    return names->cn != NULL;
}

static int judge_names(struct judge *judge)
{
    const struct mu_names *names = judge->order->names;
    if (cn_is_alone(names) && judge_name(judge, MU_PATTERN_CN, names->cn) != 0)
        return -1;
    for (size_t i = 0; i < names->count; i++)
        if (judge_name(judge, (int)names->san[i].kind, names->san[i].value) != 0)
            return -1;
    return 0;
}

static int judge_key(struct judge *judge)
{
    char about[MU_KEY_DESCRIPTION_LEN];
    const struct mu_profile_policy *rules = judge->rules;
    mu_key_describe(judge->order->key, about);
    if (rules->keys_at.line == 0)
        return find(judge, "key", about, true, "keys", -1, "all keys", rules->keys_at);
    for (size_t i = 0; i < rules->key_count; i++)
        if (mu_key_fits(judge->order->key, rules->keys[i].text))
            return find(judge, "key", about, true, "keys", (int)i, rules->keys[i].text,
                        rules->keys[i].at);
    return find(judge, "key", about, false, "keys", -1, "", rules->keys_at);
}

static int judge_lifetime(struct judge *judge)
{
    char about[MU_SPAN_LEN], longest[MU_SPAN_LEN], text[2 * MU_SPAN_LEN];
    const struct mu_profile_policy *rules = judge->rules;
    struct mu_ruling *ruling = judge->ruling;
    int64_t asked_s = judge->order->lifetime_s;
    if (asked_s == 0) {
        ruling->lifetime_s = rules->default_lifetime_s;
        mu_span(ruling->lifetime_s, about);
        return find(judge, "lifetime", about, true, "default_lifetime", -1, about,
                    rules->default_lifetime_at);
    }
    bool overlong = asked_s > rules->longest_lifetime_s;
    ruling->lifetime_s = overlong ? rules->longest_lifetime_s : asked_s;
    mu_span(asked_s, about);
    mu_span(rules->longest_lifetime_s, longest);
    snprintf(text, sizeof text, "at most %s", longest);
    ruling->cut = overlong && rules->cut;
    if (ruling->cut) {
        snprintf(text, sizeof text, "cut to %s", longest);
        return find(judge, "lifetime", about, true, "overlong", -1, text, rules->cut_at);
    }
    return find(judge, "lifetime", about, !overlong, "longest_lifetime", -1, text,
                rules->longest_lifetime_at);
}

int mu_policy_judge(const struct mu_policy *policy, const struct mu_order *order,
                    struct mu_ruling *ret, struct mu_error *err)
{
    *ret = (struct mu_ruling){.allowed = true, .rules = &policy->profiles[order->profile]};
    struct judge judge = {
        .profile = mu_profile_rules(order->profile)->name,
        .rules = ret->rules,
        .order = order,
        .ruling = ret,
    };
    if (judge_names(&judge) != 0 || judge_key(&judge) != 0 || judge_lifetime(&judge) != 0)
        return mu_fail_nomem(err);
    return 0;
}

int mu_ruling_check(const struct mu_ruling *ruling, const struct mu_policy *policy,
                    const struct mu_order *order, struct mu_error *err)
{
    char place[MU_PLACE_TEXT_LEN], more[64] = "";
    const struct mu_finding *first = NULL;
    size_t refused = 0;
    for (size_t i = 0; i < ruling->count; i++) {
        if (ruling->findings[i].allowed)
            continue;
        refused++;
        if (first == NULL)
            first = &ruling->findings[i];
    }
    if (first == NULL)
        return 0;
    if (refused > 1)
        snprintf(more, sizeof more, ", nor %zu more %s that %s asked for", refused - 1,
                 refused == 2 ? "thing" : "things", refused == 2 ? "was" : "were");
    mu_fail(err, MU_E_POLICY, "the policy does not allow the %s %.200s for a %s certificate%s",
            first->kind, first->about, mu_profile_rules(order->profile)->name, more);
    mu_cause(err, "%s%s%.100s", first->rule, *first->text == '\0' ? " does not list it" : ": ",
             first->text);
    if (first->at.line > 0)
        return mu_hint(err, "the rule stands in %s; mutual policy shows all of them",
                       mu_policy_place(policy, first->at, place));
    return -1;
}
