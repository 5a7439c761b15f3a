#include <stdio.h>
#include <string.h>

#include "authority/home.h"
#include "authority/policy.h"
#include "base/buf.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/print.h"
#include "pki/key.h"

/* --- As a file that says the same --- */

/* Where a rule is from, as a remark behind it. */
static void end_line(struct mu_place at)
{
    mu_say(MU_DIM, at.line == 0 ? "  # built in" : "  # line %d", at.line);
    printf("\n");
}

/* In single quotes nothing but the quote is special. [YAML 1.1, 5.7.2] */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (const char *p = text; *p != '\0'; p++)
        printf(*p == '\'' ? "''" : "%c", *p);
    putchar('\'');
}

/* As it can be read again. */
static char *lifetime_text(int64_t span_s, char ret[MU_SPAN_LEN])
{
    static const struct {
        int64_t unit_s;
        char unit;
    } units[] = {{MU_DAY_S, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (span_s % units[i].unit_s != 0)
        i++;
    snprintf(ret, MU_SPAN_LEN, "%lld%c", (long long)(span_s / units[i].unit_s), units[i].unit);
    return ret;
}

static void print_names(const struct mu_profile_policy *rules)
{
    printf(rules->name_count == 0 ? "  names: []" : "  names:");
    end_line(rules->names_at);
    for (size_t i = 0; i < rules->name_count; i++) {
        printf("    - ");
        print_quoted(rules->names[i].text);
        end_line(rules->names[i].at);
    }
}

static void print_keys(const struct mu_profile_policy *rules)
{
    printf("  keys: [");
    for (size_t i = 0; i < rules->key_count; i++)
        printf("%s%s", i > 0 ? ", " : "", rules->keys[i].text);
    printf("]");
    end_line(rules->keys_at);
}

static void print_extensions(const struct mu_profile_policy *rules)
{
    printf(rules->extension_count == 0 ? "  extensions: []" : "  extensions:");
    end_line(rules->extensions_at);
    for (size_t i = 0; i < rules->extension_count; i++) {
        const struct mu_policy_extension *extension = &rules->extensions[i];
        printf("    - oid: %s", extension->oid);
        end_line(extension->at);
        printf("      critical: %s\n      value: ", extension->critical ? "yes" : "no");
        print_quoted(extension->value);
        printf("\n");
    }
}

static void print_value(const char *key, const char *value, struct mu_place at)
{
    printf("  %s: %s", key, value);
    end_line(at);
}

static void print_profile(const char *name, const struct mu_profile_policy *rules)
{
    char span[MU_SPAN_LEN];
    printf("%s:\n", name);
    if (rules->names_at.line > 0)
        print_names(rules);
    else
        mu_say(MU_DIM, "  # names: all  # built in\n");
    print_value("wildcards", rules->wildcards ? "yes" : "no", rules->wildcards_at);
    if (rules->keys_at.line > 0)
        print_keys(rules);
    else
        mu_say(MU_DIM, "  # keys: all that TLS 1.3 uses and that are strong enough  # built in\n");
    print_value("default_lifetime", lifetime_text(rules->default_lifetime_s, span),
                rules->default_lifetime_at);
    print_value("longest_lifetime", lifetime_text(rules->longest_lifetime_s, span),
                rules->longest_lifetime_at);
    print_value("overlong", rules->cut ? "cut" : "refuse", rules->cut_at);
    print_extensions(rules);
}

static void print_policy(const struct mu_policy *policy, const char *looked_for)
{
    char shown[MU_PATH_LEN];
    if (*policy->path == '\0')
        mu_say(MU_DIM, "# there is no %s: all of this is built in\n",
               mu_str_printable(looked_for, strlen(looked_for), shown, sizeof shown));
    else
        mu_say(MU_DIM, "# %s\n", policy->path);
    for (int i = 0; i < MU_POLICY_PROFILES; i++)
        print_profile(mu_profile_rules((enum mu_profile)i)->name, &policy->profiles[i]);
}

/* --- For programs --- */

static json_t *line_json(struct mu_place at)
{
    return at.line == 0 ? json_null() : json_integer(at.line);
}

/* null: all */
static json_t *names_json(const struct mu_profile_policy *rules)
{
    json_t *list = rules->names_at.line == 0 ? json_null() : json_array();
    for (size_t i = 0; i < rules->name_count; i++)
        json_array_append_new(list, mu_pack("{s:s, s:o}", "pattern", rules->names[i].text, "line",
                                            line_json(rules->names[i].at)));
    return list;
}

/* null: all */
static json_t *keys_json(const struct mu_profile_policy *rules)
{
    json_t *list = rules->keys_at.line == 0 ? json_null() : json_array();
    for (size_t i = 0; i < rules->key_count; i++)
        json_array_append_new(list, mu_pack("{s:s, s:o}", "type", rules->keys[i].text, "line",
                                            line_json(rules->keys[i].at)));
    return list;
}

static json_t *extensions_json(const struct mu_profile_policy *rules)
{
    json_t *list = json_array();
    for (size_t i = 0; i < rules->extension_count; i++) {
        const struct mu_policy_extension *extension = &rules->extensions[i];
        json_array_append_new(list, mu_pack("{s:s, s:b, s:s, s:o}", "oid", extension->oid,
                                            "critical", extension->critical, "value",
                                            extension->value, "line", line_json(extension->at)));
    }
    return list;
}

static json_t *profile_json(const struct mu_profile_policy *rules)
{
    return mu_pack("{s:o, s:b, s:o, s:I, s:I, s:s, s:o}", "names", names_json(rules), "wildcards",
                   rules->wildcards, "keys", keys_json(rules), "default_lifetime_s",
                   (json_int_t)rules->default_lifetime_s, "longest_lifetime_s",
                   (json_int_t)rules->longest_lifetime_s, "overlong", rules->cut ? "cut" : "refuse",
                   "extensions", extensions_json(rules));
}

static void print_policy_json(const struct mu_policy *policy)
{
    json_t *whole = mu_pack("{s:s?}", "file", *policy->path == '\0' ? NULL : policy->path);
    for (int i = 0; i < MU_POLICY_PROFILES; i++)
        json_object_set_new(whole, mu_profile_rules((enum mu_profile)i)->name,
                            profile_json(&policy->profiles[i]));
    mu_print_json(whole);
}

/* --- The command --- */

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct mu_home home;
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    const char *path = mu_args_at(args, 0);
    if (mu_home_paths(mu_args_home(args), &home, err) != 0 ||
        (path != NULL ? mu_policy_load(path, &policy, err)
                      : mu_policy_load_or_built_in(home.policy, &policy, err)) != 0)
        return -1;
    if (mu_args_json(args))
        print_policy_json(policy);
    else
        print_policy(policy, home.policy);
    return 0;
}

static const struct mu_opt opts[] = {
    {0},
};

const struct mu_cmd mu_cmd_policy = {
    .name = "policy",
    .args = "[FILE]",
    .summary = "show what the CA may issue, or check a file of such rules",
    .details =
        "Shows the rules in force, from policy.yaml in the home directory and, for what it leaves out, the built-in\n"
        "ones; what is printed could be the file. With FILE: the same for that file, before it takes its place. An\n"
        "error in it is told by line and column, and while it is there nothing is issued.\n"
        "\n"
        "  server:                        # or client, peer, ca: the profiles\n"
        "    names:                       # each name has to fit one of these; without names: all may be issued\n"
        "      - DNS:*.internal.example   # * within a label, ** across, ? one character\n"
        "      - DNS:.dev.example         # a domain, and all below it\n"
        "      - IP:10.0.0.0/8            # also email:*@example.com, URI:spiffe://example.com/*, CN:* Example\n"
        "    wildcards: no                # are names such as *.example.com issued? [yes]\n"
        "    keys: [p256, ed25519, rsa3072+]\n"
        "    default_lifetime: 30d        # when none is asked for\n"
        "    longest_lifetime: 90d\n"
        "    overlong: cut                # what asks for longer is cut to that, or refused [refuse]\n"
        "    extensions:                  # added to each certificate\n"
        "      - oid: 1.3.6.1.4.1.99999.1\n"
        "        critical: no\n"
        "        value: ASN1:UTF8String:rack 7    # or DER:0C:06:...; as in openssl's files\n"
        "\n"
        "mutual sign --dry-run shows for a request which rules decide on it.",
    .example = "mutual policy\n"
               "mutual policy policy.yaml",
    .opts = opts,
    .max_args = 1,
    .run = run,
};
