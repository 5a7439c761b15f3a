/*
 * The policy's file. libyaml gives us its nodes with their places; what may stand in it, and that nothing else does, is
 * decided here, so that each error is told by line and column, and each rule remembers where it was written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "authority/policy.h"
#include "base/time.h"
#include "pki/key.h"

/* Rules that a person reads are not longer; and libyaml takes its time for what is. */
#define POLICY_FILE_LIMIT ((size_t)256 * 1024)

struct reader {
    yaml_document_t *document;
    struct mu_policy *policy;
    struct mu_place key_at; /* of the key whose value is being read */
    struct mu_error *err;
};

static struct mu_place place_of(yaml_mark_t mark)
{
    return (struct mu_place){(int)mark.line + 1, (int)mark.column + 1};
}

static int MU_PRINTF(3, 4)
    fail_at(struct reader *reader, struct mu_place at, const char *format, ...)
{
    char what[MU_ERROR_WHAT_LEN], place[MU_PLACE_TEXT_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return mu_fail(reader->err, MU_E_POLICY_FILE, "%s: %s",
                   mu_policy_place(reader->policy, at, place), what);
}

/* What went wrong in a room below, at the place that led there. */
static int fail_below(struct reader *reader, const yaml_node_t *node, const struct mu_error *below)
{
    if (below->code == MU_E_NOMEM)
        return mu_fail_nomem(reader->err);
    fail_at(reader, place_of(node->start_mark), "%s", below->what);
    mu_cause(reader->err, "%s", below->cause);
    return mu_hint(reader->err, "%s", below->hint);
}

static const char *kind_of(const yaml_node_t *node)
{
    switch (node->type) {
    case YAML_SCALAR_NODE: return node->data.scalar.length == 0 ? "nothing" : "a single value";
    case YAML_SEQUENCE_NODE: return "a list";
    case YAML_MAPPING_NODE: return "a mapping";
    default: return "nothing";
    }
}

/* --- Values --- */

/* Borrowed from the document. NULL: it is no text, which has been told. */
static const char *text_of(struct reader *reader, const yaml_node_t *node, const char *key,
                           const char *wanted)
{
    enum { VALUE_MAX = 8192 };
    char shown[4 * VALUE_MAX + 1];
    const char *text = (const char *)node->data.scalar.value;
    size_t len = node->data.scalar.length;
    if (node->type != YAML_SCALAR_NODE || len == 0) {
        fail_at(reader, place_of(node->start_mark), "%s is %s, not %s", key, kind_of(node), wanted);
        return NULL;
    }
    if (len > VALUE_MAX) {
        fail_at(reader, place_of(node->start_mark), "%s is too long", key);
        return NULL;
    }
    mu_str_printable(text, len, shown, sizeof shown);
    if (strlen(text) != len || !mu_str_equal(shown, text)) {
        fail_at(reader, place_of(node->start_mark), "%s has control characters in it", key);
        return NULL;
    }
    return text;
}

static int read_yes_or_no(struct reader *reader, const yaml_node_t *node, const char *key, bool *ret)
{
    static const char *const yes[] = {"yes", "true"}, *const no[] = {"no", "false"};
    char shown[64];
    const char *text = text_of(reader, node, key, "yes or no");
    if (text == NULL)
        return -1;
    for (size_t i = 0; i < MU_COUNT(yes); i++) {
        if (!mu_str_equal(text, yes[i]) && !mu_str_equal(text, no[i]))
            continue;
        *ret = mu_str_equal(text, yes[i]);
        return 0;
    }
    return fail_at(reader, place_of(node->start_mark), "%s is yes or no, not \"%s\"", key,
                   mu_str_printable(text, strlen(text), shown, sizeof shown));
}

static int read_lifetime(struct reader *reader, const yaml_node_t *node, const char *key,
                         int64_t *ret_s)
{
    struct mu_error below = MU_ERROR_INIT;
    const char *text = text_of(reader, node, key, "a lifetime such as 90d");
    if (text == NULL)
        return -1;
    if (mu_duration_parse(text, ret_s, &below) != 0)
        return fail_below(reader, node, &below);
    if (*ret_s > MU_LIFETIME_MAX_S)
        return fail_at(reader, place_of(node->start_mark), "%s is longer than 36500 days", key);
    return 0;
}

/* Room for one more in a list; what is new is zero. NULL without memory, which has been told. */
static void *grow(struct reader *reader, void *list, size_t count, size_t size)
{
    char *grown = realloc(list, (count + 1) * size);
    if (grown == NULL)
        mu_fail_nomem(reader->err);
    else
        memset(grown + count * size, 0, size);
    return grown;
}

static char *copy(struct reader *reader, const char *text)
{
    char *made = strdup(text);
    if (made == NULL)
        mu_fail_nomem(reader->err);
    return made;
}

typedef int read_item_fn(struct reader *reader, const yaml_node_t *node,
                         struct mu_profile_policy *rules);

/* A list of what `read_item` reads. */
static int read_list(struct reader *reader, const yaml_node_t *node, const char *key,
                     read_item_fn *read_item, struct mu_profile_policy *rules)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(reader, place_of(node->start_mark), "%s is %s, not a list: [...]", key,
                       kind_of(node));
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++)
        if (read_item(reader, yaml_document_get_node(reader->document, *item), rules) != 0)
            return -1;
    return 0;
}

/* --- Keys of a mapping --- */

typedef int read_value_fn(struct reader *reader, const yaml_node_t *node, void *into);

struct key {
    const char *name;
    read_value_fn *read;
    size_t offset; /* of what it reads in what the mapping fills */
};

static int fail_unknown(struct reader *reader, const yaml_node_t *node, const char *where,
                        const struct key *keys, size_t count)
{
    char shown[64] = "", list[256] = "";
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list);
        snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", keys[i].name);
    }
    if (node->type == YAML_SCALAR_NODE)
        mu_str_printable(node->data.scalar.value, node->data.scalar.length, shown, sizeof shown);
    fail_at(reader, place_of(node->start_mark), "there is no key \"%s\" in %s", shown, where);
    return mu_hint(reader->err, "the keys there are: %s", list);
}

static const struct key *find_key(const yaml_node_t *node, const struct key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == strlen(keys[i].name) &&
            memcmp(node->data.scalar.value, keys[i].name, node->data.scalar.length) == 0)
            return &keys[i];
    return NULL;
}

/* Each key at most once, and none that is not in `keys`. */
static int read_mapping(struct reader *reader, const yaml_node_t *node, const char *where,
                        const struct key *keys, size_t count, void *into)
{
    unsigned seen = 0;
    if (node->type != YAML_MAPPING_NODE)
        return fail_at(reader, place_of(node->start_mark),
                       "%s is %s, not a mapping of keys to values", where, kind_of(node));
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(reader->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(reader->document, pair->value);
        const struct key *key = find_key(name, keys, count);
        if (key == NULL)
            return fail_unknown(reader, name, where, keys, count);
        if ((seen & 1u << (key - keys)) != 0)
            return fail_at(reader, place_of(name->start_mark), "%s is given twice in %s", key->name,
                           where);
        seen |= 1u << (key - keys);
        reader->key_at = place_of(name->start_mark);
        if (key->read(reader, value, (char *)into + key->offset) != 0)
            return -1;
    }
    return 0;
}

/* --- The keys of an extension --- */

static int read_oid(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_policy_extension *extension = into;
    const char *text = text_of(reader, node, "oid", "an OID in numbers");
    return text == NULL || (extension->oid = copy(reader, text)) == NULL ? -1 : 0;
}

static int read_critical(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_policy_extension *extension = into;
    return read_yes_or_no(reader, node, "critical", &extension->critical);
}

static int read_value(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_policy_extension *extension = into;
    const char *text = text_of(reader, node, "value", "ASN1:... or DER:...");
    return text == NULL || (extension->value = copy(reader, text)) == NULL ? -1 : 0;
}

static const struct key extension_keys[] = {
    {"oid", read_oid, 0},
    {"critical", read_critical, 0},
    {"value", read_value, 0},
};

static int read_extension(struct reader *reader, const yaml_node_t *node,
                          struct mu_profile_policy *rules)
{
    struct mu_error below = MU_ERROR_INIT;
    size_t count = rules->extension_count;
    struct mu_policy_extension *list =
        grow(reader, rules->extensions, count, sizeof *rules->extensions);
    if (list == NULL)
        return -1;
    rules->extensions = list;
    struct mu_extension **made = grow(reader, rules->made, count, sizeof *made);
    if (made == NULL)
        return -1;
    rules->made = made;
    rules->extension_count++;
    list[count].at = place_of(node->start_mark);
    if (read_mapping(reader, node, "an extension", extension_keys, MU_COUNT(extension_keys),
                     &list[count]) != 0)
        return -1;
    if (list[count].oid == NULL || list[count].value == NULL)
        return fail_at(reader, list[count].at, "an extension needs an oid and a value");
    if (mu_extension_make(list[count].oid, list[count].critical, list[count].value, &made[count],
                          &below) != 0)
        return fail_below(reader, node, &below);
    for (size_t i = 0; i < count; i++)
        if (mu_extension_same_oid(made[i], made[count]))
            return fail_at(reader, list[count].at, "the extension %s is there twice",
                           list[count].oid);
    return 0;
}

/* --- The keys of a profile --- */

static int read_name(struct reader *reader, const yaml_node_t *node, struct mu_profile_policy *rules)
{
    struct mu_error below = MU_ERROR_INIT;
    const char *text = text_of(reader, node, "a name", "a pattern such as DNS:*.example.com");
    struct mu_policy_name *list =
        text == NULL ? NULL : grow(reader, rules->names, rules->name_count, sizeof *list);
    if (list == NULL)
        return -1;
    rules->names = list;
    struct mu_policy_name *name = &list[rules->name_count++];
    name->at = place_of(node->start_mark);
    name->text = copy(reader, text);
    if (name->text == NULL)
        return -1;
    return mu_pattern_parse(text, &name->pattern, &below) != 0 ? fail_below(reader, node, &below)
                                                               : 0;
}

static int read_key(struct reader *reader, const yaml_node_t *node, struct mu_profile_policy *rules)
{
    struct mu_error below = MU_ERROR_INIT;
    const char *text = text_of(reader, node, "a key", "a key type such as p256");
    struct mu_policy_key *list =
        text == NULL ? NULL : grow(reader, rules->keys, rules->key_count, sizeof *list);
    if (list == NULL)
        return -1;
    rules->keys = list;
    struct mu_policy_key *key = &list[rules->key_count++];
    key->at = place_of(node->start_mark);
    key->text = copy(reader, text);
    if (key->text == NULL)
        return -1;
    return mu_key_rule_check(text, &below) != 0 ? fail_below(reader, node, &below) : 0;
}

static int read_names(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->names_at = reader->key_at;
    return read_list(reader, node, "names", read_name, rules);
}

static int read_keys(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->keys_at = reader->key_at;
    return read_list(reader, node, "keys", read_key, rules);
}

static int read_extensions(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->extensions_at = reader->key_at;
    return read_list(reader, node, "extensions", read_extension, rules);
}

static int read_wildcards(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->wildcards_at = reader->key_at;
    return read_yes_or_no(reader, node, "wildcards", &rules->wildcards);
}

static int read_default_lifetime(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->default_lifetime_at = reader->key_at;
    return read_lifetime(reader, node, "default_lifetime", &rules->default_lifetime_s);
}

static int read_longest_lifetime(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_profile_policy *rules = into;
    rules->longest_lifetime_at = reader->key_at;
    return read_lifetime(reader, node, "longest_lifetime", &rules->longest_lifetime_s);
}

static int read_overlong(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_profile_policy *rules = into;
    char shown[64];
    const char *text = text_of(reader, node, "overlong", "refuse or cut");
    if (text == NULL)
        return -1;
    rules->cut_at = reader->key_at;
    rules->cut = mu_str_equal(text, "cut");
    if (rules->cut || mu_str_equal(text, "refuse"))
        return 0;
    return fail_at(reader, place_of(node->start_mark), "overlong is refuse or cut, not \"%s\"",
                   mu_str_printable(text, strlen(text), shown, sizeof shown));
}

static const struct key profile_keys[] = {
    {"names", read_names, 0},
    {"wildcards", read_wildcards, 0},
    {"keys", read_keys, 0},
    {"default_lifetime", read_default_lifetime, 0},
    {"longest_lifetime", read_longest_lifetime, 0},
    {"overlong", read_overlong, 0},
    {"extensions", read_extensions, 0},
};

/* A default that is built in gives way; one that was written contradicts. */
static int settle_lifetimes(struct reader *reader, struct mu_profile_policy *rules)
{
    if (rules->default_lifetime_s <= rules->longest_lifetime_s)
        return 0;
    if (rules->default_lifetime_at.line > 0)
        return fail_at(reader, rules->default_lifetime_at,
                       "default_lifetime is longer than longest_lifetime");
    rules->default_lifetime_s = rules->longest_lifetime_s;
    rules->default_lifetime_at = rules->longest_lifetime_at;
    return 0;
}

static int read_profile(struct reader *reader, const yaml_node_t *node, void *into)
{
    struct mu_profile_policy *rules = into;
    enum mu_profile profile = (enum mu_profile)(rules - reader->policy->profiles);
    if (read_mapping(reader, node, mu_profile_rules(profile)->name, profile_keys,
                     MU_COUNT(profile_keys), rules) != 0)
        return -1;
    return settle_lifetimes(reader, rules);
}

/* --- The file --- */

#define SECTION(name, profile) {name, read_profile, (profile) * sizeof(struct mu_profile_policy)}

static const struct key file_keys[MU_POLICY_PROFILES] = {
    SECTION("server", MU_PROFILE_SERVER),
    SECTION("client", MU_PROFILE_CLIENT),
    SECTION("peer", MU_PROFILE_PEER),
    SECTION("ca", MU_PROFILE_CA),
};

/* libyaml marks where it stumbled, but for bytes that are no text, of which it knows the offset. */
static int fail_syntax(struct reader *reader, const yaml_parser_t *parser, const char *text,
                       size_t len)
{
    struct mu_place at = place_of(parser->problem_mark);
    if (parser->error == YAML_MEMORY_ERROR)
        return mu_fail_nomem(reader->err);
    if (parser->error == YAML_READER_ERROR) {
        at = (struct mu_place){1, 1};
        for (size_t i = 0; i < parser->problem_offset && i < len; i++)
            at = text[i] == '\n' ? (struct mu_place){at.line + 1, 1}
                                 : (struct mu_place){at.line, at.column + 1};
    }
    return fail_at(reader, at, "this is not YAML: %s",
                   parser->problem == NULL ? "it cannot be read" : parser->problem);
}

static int read_document(struct reader *reader, yaml_parser_t *parser, const char *text, size_t len)
{
    yaml_document_t next;
    const yaml_node_t *root = yaml_document_get_root_node(reader->document);
    if (root == NULL)
        return fail_at(reader, (struct mu_place){1, 1},
                       "there is nothing in it; for the built-in rules, remove the file");
    if (read_mapping(reader, root, "a policy", file_keys, MU_COUNT(file_keys),
                     reader->policy->profiles) != 0)
        return -1;
    if (yaml_parser_load(parser, &next) != 1)
        return fail_syntax(reader, parser, text, len);
    root = yaml_document_get_root_node(&next);
    int result = root == NULL ? 0
                              : fail_at(reader, place_of(root->start_mark),
                                        "a second document begins here: a policy is one");
    yaml_document_delete(&next);
    return result;
}

/* With each bracket that is open, libyaml's work on the next word grows. A policy has three. */
static int check_depth(struct reader *reader, const char *text, size_t len)
{
    enum { DEPTH_MAX = 64 };
    struct mu_place at = {1, 1};
    int depth = 0;
    for (size_t i = 0; i < len; i++) {
        depth += text[i] == '[' || text[i] == '{';
        depth -= depth > 0 && (text[i] == ']' || text[i] == '}');
        at = text[i] == '\n' ? (struct mu_place){at.line + 1, 1}
                             : (struct mu_place){at.line, at.column + 1};
        if (depth > DEPTH_MAX)
            return fail_at(reader, at, "brackets are nested too deeply");
    }
    return 0;
}

static int parse(struct reader *reader, yaml_parser_t *parser, const char *text, size_t len)
{
    yaml_document_t document;
    if (check_depth(reader, text, len) != 0)
        return -1;
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, len);
    if (yaml_parser_load(parser, &document) != 1)
        return fail_syntax(reader, parser, text, len);
    reader->document = &document;
    int result = read_document(reader, parser, text, len);
    yaml_document_delete(&document);
    return result;
}

int mu_policy_parse(const char *path, const char *text, size_t len, struct mu_policy **ret,
                    struct mu_error *err)
{
    yaml_parser_t parser;
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    if (mu_policy_new(&policy, err) != 0)
        return -1;
    mu_str_printable(path, strlen(path), policy->path, sizeof policy->path);
    struct reader reader = {.policy = policy, .err = err};
    if (yaml_parser_initialize(&parser) != 1)
        return mu_fail_nomem(err);
    int result = parse(&reader, &parser, text, len);
    yaml_parser_delete(&parser);
    if (result == 0)
        *ret = mu_take(&policy);
    return result;
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
