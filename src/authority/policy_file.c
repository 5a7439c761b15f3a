/*
 * The policy's file: what may stand in it. Each rule remembers where it was written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "authority/policy.h"
#include "base/time.h"
#include "pki/key.h"

/* Rules that a person reads are not longer; and libyaml takes its time for what is. */
#define POLICY_FILE_LIMIT ((size_t)256 * 1024)

/* --- The keys of an extension --- */

static int read_oid(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_policy_extension *extension = into;
    extension->oid = mu_yaml_copy(yaml, node, "oid", "an OID in numbers");
    return extension->oid == NULL ? -1 : 0;
}

static int read_critical(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_policy_extension *extension = into;
    return mu_yaml_bool(yaml, node, "critical", &extension->critical);
}

static int read_value(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_policy_extension *extension = into;
    extension->value = mu_yaml_copy(yaml, node, "value", "ASN1:... or DER:...");
    return extension->value == NULL ? -1 : 0;
}

static const struct mu_yaml_key extension_keys[] = {
    {"oid", read_oid, 0},
    {"critical", read_critical, 0},
    {"value", read_value, 0},
};

static int read_extension(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    struct mu_error below = MU_ERROR_INIT;
    size_t count = rules->extension_count;
    struct mu_policy_extension *list =
        mu_yaml_grow(yaml, rules->extensions, count, sizeof *rules->extensions);
    if (list == NULL)
        return -1;
    rules->extensions = list;
    struct mu_extension **made = mu_yaml_grow(yaml, rules->made, count, sizeof *made);
    if (made == NULL)
        return -1;
    rules->made = made;
    rules->extension_count++;
    list[count].at = mu_yaml_place(node);
    if (mu_yaml_mapping(yaml, node, "an extension", extension_keys, MU_COUNT(extension_keys),
                        &list[count]) != 0)
        return -1;
    if (list[count].oid == NULL || list[count].value == NULL)
        return mu_yaml_fail(yaml, list[count].at, "an extension needs an oid and a value");
    if (mu_extension_make(list[count].oid, list[count].critical, list[count].value, &made[count],
                          &below) != 0)
        return mu_yaml_fail_below(yaml, node, &below);
    for (size_t i = 0; i < count; i++)
        if (mu_extension_same_oid(made[i], made[count]))
            return mu_yaml_fail(yaml, list[count].at, "the extension %s is there twice",
                                list[count].oid);
    return 0;
}

/* --- The keys of a profile --- */

static int read_name(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    struct mu_error below = MU_ERROR_INIT;
    const char *text = mu_yaml_text(yaml, node, "a name", "a pattern such as DNS:*.example.com");
    struct mu_policy_name *list =
        text == NULL ? NULL : mu_yaml_grow(yaml, rules->names, rules->name_count, sizeof *list);
    if (list == NULL)
        return -1;
    rules->names = list;
    struct mu_policy_name *name = &list[rules->name_count++];
    name->at = mu_yaml_place(node);
    name->text = strdup(text);
    if (name->text == NULL)
        return mu_fail_nomem(mu_yaml_err(yaml));
    return mu_pattern_parse(text, &name->pattern, &below) != 0
               ? mu_yaml_fail_below(yaml, node, &below)
               : 0;
}

static int read_key(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    struct mu_error below = MU_ERROR_INIT;
    const char *text = mu_yaml_text(yaml, node, "a key", "a key type such as p256");
    struct mu_policy_key *list =
        text == NULL ? NULL : mu_yaml_grow(yaml, rules->keys, rules->key_count, sizeof *list);
    if (list == NULL)
        return -1;
    rules->keys = list;
    struct mu_policy_key *key = &list[rules->key_count++];
    key->at = mu_yaml_place(node);
    key->text = strdup(text);
    if (key->text == NULL)
        return mu_fail_nomem(mu_yaml_err(yaml));
    return mu_key_rule_check(text, &below) != 0 ? mu_yaml_fail_below(yaml, node, &below) : 0;
}

static int read_names(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->names_at = mu_yaml_key_place(yaml);
    return mu_yaml_list(yaml, node, "names", read_name, rules);
}

static int read_keys(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->keys_at = mu_yaml_key_place(yaml);
    return mu_yaml_list(yaml, node, "keys", read_key, rules);
}

static int read_extensions(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->extensions_at = mu_yaml_key_place(yaml);
    return mu_yaml_list(yaml, node, "extensions", read_extension, rules);
}

static int read_wildcards(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->wildcards_at = mu_yaml_key_place(yaml);
    return mu_yaml_bool(yaml, node, "wildcards", &rules->wildcards);
}

static int read_default_lifetime(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->default_lifetime_at = mu_yaml_key_place(yaml);
    return mu_yaml_duration(yaml, node, "default_lifetime", MU_LIFETIME_MAX_S, "36500 days",
                            &rules->default_lifetime_s);
}

static int read_longest_lifetime(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->longest_lifetime_at = mu_yaml_key_place(yaml);
    return mu_yaml_duration(yaml, node, "longest_lifetime", MU_LIFETIME_MAX_S, "36500 days",
                            &rules->longest_lifetime_s);
}

static int read_overlong(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    static const char *const words[] = {"refuse", "cut", NULL};
    size_t word;
    if (mu_yaml_word(yaml, node, "overlong", words, &word) != 0)
        return -1;
    rules->cut_at = mu_yaml_key_place(yaml);
    rules->cut = word == 1;
    return 0;
}

static const struct mu_yaml_key profile_keys[] = {
    {"names", read_names, 0},
    {"wildcards", read_wildcards, 0},
    {"keys", read_keys, 0},
    {"default_lifetime", read_default_lifetime, 0},
    {"longest_lifetime", read_longest_lifetime, 0},
    {"overlong", read_overlong, 0},
    {"extensions", read_extensions, 0},
};

/* A default that is built in gives way; one that was written contradicts. */
static int settle_lifetimes(struct mu_yaml *yaml, struct mu_profile_policy *rules)
{
    if (rules->default_lifetime_s <= rules->longest_lifetime_s)
        return 0;
    if (rules->default_lifetime_at.line > 0)
        return mu_yaml_fail(yaml, rules->default_lifetime_at,
                            "default_lifetime is longer than longest_lifetime");
    rules->default_lifetime_s = rules->longest_lifetime_s;
    rules->default_lifetime_at = rules->longest_lifetime_at;
    return 0;
}

static int read_profile(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_profile_policy *rules = into;
    const struct mu_policy *policy = mu_yaml_arg(yaml);
    enum mu_profile profile = (enum mu_profile)(rules - policy->profiles);
    if (mu_yaml_mapping(yaml, node, mu_profile_rules(profile)->name, profile_keys,
                        MU_COUNT(profile_keys), rules) != 0)
        return -1;
    return settle_lifetimes(yaml, rules);
}

/* --- The file --- */

#define SECTION(name, profile) {name, read_profile, (profile) * sizeof(struct mu_profile_policy)}

static const struct mu_yaml_key file_keys[MU_POLICY_PROFILES] = {
    SECTION("server", MU_PROFILE_SERVER),
    SECTION("client", MU_PROFILE_CLIENT),
    SECTION("peer", MU_PROFILE_PEER),
    SECTION("ca", MU_PROFILE_CA),
};

int mu_policy_parse(const char *path, const char *text, size_t len, struct mu_policy **ret,
                    struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    if (mu_policy_new(&policy, err) != 0)
        return -1;
    mu_str_printable(path, strlen(path), policy->path, sizeof policy->path);
    const struct mu_yaml_file file = {
        .path = policy->path,
        .code = MU_E_POLICY_FILE,
        .what = "a policy",
        .if_empty = "; for the built-in rules, remove the file",
        .keys = file_keys,
        .key_count = MU_COUNT(file_keys),
        .arg = policy,
    };
    if (mu_yaml_read(&file, text, len, policy->profiles, err) != 0)
        return -1;
    *ret = mu_take(&policy);
    return 0;
}

int mu_policy_load(const char *path, struct mu_policy **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (mu_file_read(path, POLICY_FILE_LIMIT, &text, err) != 0)
        return -1;
    return mu_policy_parse(path, mu_buf_str(&text), text.len, ret, err);
}

int mu_policy_load_or_built_in(const char *path, struct mu_policy **ret, struct mu_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0 && errno == ENOENT)
        return mu_policy_new(ret, err);
    return mu_policy_load(path, ret, err);
}
