#include "yaml/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/str.h"
#include "base/time.h"

struct mu_yaml {
    const struct mu_yaml_file *file;
    yaml_document_t *document;
    struct mu_place key_at; /* of the key whose value is being read */
    struct mu_error *err;
};

/* A node is libyaml's by another name: the pointer is converted, never followed outside of this file. */
static const yaml_node_t *in(const struct mu_yaml_node *node)
{
    return (const yaml_node_t *)(const void *)node;
}

static const struct mu_yaml_node *node_at(const struct mu_yaml *yaml, int index)
{
    return (const struct mu_yaml_node *)(const void *)yaml_document_get_node(yaml->document, index);
}

static struct mu_place place_of(yaml_mark_t mark)
{
    return (struct mu_place){(int)mark.line + 1, (int)mark.column + 1};
}

char *mu_place_text(const char *path, struct mu_place at, char ret[MU_PLACE_TEXT_LEN])
{
    enum { PATH_SHOWN = MU_PLACE_TEXT_LEN - 48 };
    size_t len = strlen(path);
    if (at.line == 0)
        snprintf(ret, MU_PLACE_TEXT_LEN, "built in");
    else
        snprintf(ret, MU_PLACE_TEXT_LEN, "%s%.*s:%d:%d", len > PATH_SHOWN ? "..." : "", PATH_SHOWN,
                 len > PATH_SHOWN ? path + len - PATH_SHOWN : path, at.line, at.column);
    return ret;
}

void *mu_yaml_arg(const struct mu_yaml *yaml)
{
    return yaml->file->arg;
}

struct mu_error *mu_yaml_err(const struct mu_yaml *yaml)
{
    return yaml->err;
}

struct mu_place mu_yaml_place(const struct mu_yaml_node *node)
{
    return place_of(in(node)->start_mark);
}

struct mu_place mu_yaml_key_place(const struct mu_yaml *yaml)
{
    return yaml->key_at;
}

int mu_yaml_fail(struct mu_yaml *yaml, struct mu_place at, const char *format, ...)
{
    char what[MU_ERROR_WHAT_LEN], place[MU_PLACE_TEXT_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return mu_fail(yaml->err, yaml->file->code, "%s: %s",
                   mu_place_text(yaml->file->path, at, place), what);
}

int mu_yaml_fail_below(struct mu_yaml *yaml, const struct mu_yaml_node *node,
                       const struct mu_error *below)
{
    if (below->code == MU_E_NOMEM)
        return mu_fail_nomem(yaml->err);
    mu_yaml_fail(yaml, mu_yaml_place(node), "%s", below->what);
    mu_cause(yaml->err, "%s", below->cause);
    return mu_hint(yaml->err, "%s", below->hint);
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

const char *mu_yaml_text(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                         const char *wanted)
{
    enum { VALUE_MAX = 8192 };
    char shown[4 * VALUE_MAX + 1];
    const char *text = (const char *)in(node)->data.scalar.value;
    size_t len = in(node)->data.scalar.length;
    if (in(node)->type != YAML_SCALAR_NODE || len == 0) {
        mu_yaml_fail(yaml, mu_yaml_place(node), "%s is %s, not %s", key, kind_of(in(node)), wanted);
        return NULL;
    }
    if (len > VALUE_MAX) {
        mu_yaml_fail(yaml, mu_yaml_place(node), "%s is too long", key);
        return NULL;
    }
    mu_str_printable(text, len, shown, sizeof shown);
    if (strlen(text) != len || !mu_str_equal(shown, text)) {
        mu_yaml_fail(yaml, mu_yaml_place(node), "%s has control characters in it", key);
        return NULL;
    }
    return text;
}

char *mu_yaml_copy(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                   const char *wanted)
{
    const char *text = mu_yaml_text(yaml, node, key, wanted);
    char *made = text == NULL ? NULL : strdup(text);
    if (text != NULL && made == NULL)
        mu_fail_nomem(yaml->err);
    return made;
}

/* "a, b or c" */
static void add_words(const char *const *words, char *ret, size_t cap)
{
    *ret = '\0';
    for (size_t i = 0; words[i] != NULL; i++) {
        size_t len = strlen(ret);
        const char *joint = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";
        snprintf(ret + len, cap - len, "%s%s", joint, words[i]);
    }
}

int mu_yaml_word(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                 const char *const *words, size_t *ret)
{
    char shown[64], list[256];
    add_words(words, list, sizeof list);
    const char *text = mu_yaml_text(yaml, node, key, list);
    if (text == NULL)
        return -1;
    for (*ret = 0; words[*ret] != NULL; ++*ret)
        if (mu_str_equal(text, words[*ret]))
            return 0;
    return mu_yaml_fail(yaml, mu_yaml_place(node), "%s is %s, not \"%s\"", key, list,
                        mu_str_printable(text, strlen(text), shown, sizeof shown));
}

int mu_yaml_bool(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key, bool *ret)
{
    static const char *const yes[] = {"yes", "true"}, *const no[] = {"no", "false"};
    char shown[64];
    const char *text = mu_yaml_text(yaml, node, key, "yes or no");
    if (text == NULL)
        return -1;
    for (size_t i = 0; i < MU_COUNT(yes); i++) {
        if (!mu_str_equal(text, yes[i]) && !mu_str_equal(text, no[i]))
            continue;
        *ret = mu_str_equal(text, yes[i]);
        return 0;
    }
    return mu_yaml_fail(yaml, mu_yaml_place(node), "%s is yes or no, not \"%s\"", key,
                        mu_str_printable(text, strlen(text), shown, sizeof shown));
}

int mu_yaml_duration(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                     int64_t longest_s, const char *longest, int64_t *ret_s)
{
    struct mu_error below = MU_ERROR_INIT;
    const char *text = mu_yaml_text(yaml, node, key, "a length of time such as 90d");
    if (text == NULL)
        return -1;
    if (mu_duration_parse(text, ret_s, &below) != 0)
        return mu_yaml_fail_below(yaml, node, &below);
    if (*ret_s > longest_s)
        return mu_yaml_fail(yaml, mu_yaml_place(node), "%s is longer than %s", key, longest);
    return 0;
}

int mu_yaml_number(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key, long low,
                   long high, long *ret)
{
    char shown[64], *end;
    const char *text = mu_yaml_text(yaml, node, key, "a number");
    if (text == NULL)
        return -1;
    bool digits = strspn(text, "0123456789") == strlen(text) && strlen(text) < 10;
    *ret = strtol(text, &end, 10);
    if (digits && *ret >= low && *ret <= high)
        return 0;
    return mu_yaml_fail(yaml, mu_yaml_place(node), "%s is a number from %ld to %ld, not \"%s\"",
                        key, low, high, mu_str_printable(text, strlen(text), shown, sizeof shown));
}

void *mu_yaml_grow(struct mu_yaml *yaml, void *list, size_t count, size_t size)
{
    char *grown = realloc(list, (count + 1) * size);
    if (grown == NULL)
        mu_fail_nomem(yaml->err);
    else
        memset(grown + count * size, 0, size);
    return grown;
}

int mu_yaml_list(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                 mu_yaml_fn *read, void *into)
{
    if (in(node)->type != YAML_SEQUENCE_NODE)
        return mu_yaml_fail(yaml, mu_yaml_place(node), "%s is %s, not a list: [...]", key,
                            kind_of(in(node)));
    for (yaml_node_item_t *item = in(node)->data.sequence.items.start;
         item < in(node)->data.sequence.items.top; item++)
        if (read(yaml, node_at(yaml, *item), into) != 0)
            return -1;
    return 0;
}

int mu_yaml_list_or_one(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                        mu_yaml_fn *read, void *into)
{
    return in(node)->type == YAML_SEQUENCE_NODE ? mu_yaml_list(yaml, node, key, read, into)
                                                : read(yaml, node, into);
}

/* --- Keys of a mapping --- */

static int fail_unknown(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *where,
                        const struct mu_yaml_key *keys, size_t count)
{
    char shown[64] = "", list[MU_ERROR_HINT_LEN] = "";
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list);
        snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", keys[i].name);
    }
    if (in(node)->type == YAML_SCALAR_NODE)
        mu_str_printable(in(node)->data.scalar.value, in(node)->data.scalar.length, shown,
                         sizeof shown);
    mu_yaml_fail(yaml, mu_yaml_place(node), "there is no key \"%s\" in %s", shown, where);
    return mu_hint(yaml->err, "the keys there are: %s", list);
}

static const struct mu_yaml_key *find_key(const yaml_node_t *node, const struct mu_yaml_key *keys,
                                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == strlen(keys[i].name) &&
            memcmp(node->data.scalar.value, keys[i].name, node->data.scalar.length) == 0)
            return &keys[i];
    return NULL;
}

int mu_yaml_mapping(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *where,
                    const struct mu_yaml_key *keys, size_t count, void *into)
{
    uint64_t seen = 0;
    if (in(node)->type != YAML_MAPPING_NODE)
        return mu_yaml_fail(yaml, mu_yaml_place(node), "%s is %s, not a mapping of keys to values",
                            where, kind_of(in(node)));
    for (yaml_node_pair_t *pair = in(node)->data.mapping.pairs.start;
         pair < in(node)->data.mapping.pairs.top; pair++) {
        const struct mu_yaml_node *name = node_at(yaml, pair->key);
        const struct mu_yaml_key *key = find_key(in(name), keys, count);
        if (key == NULL)
            return fail_unknown(yaml, name, where, keys, count);
        if ((seen >> (key - keys) & 1) != 0)
            return mu_yaml_fail(yaml, mu_yaml_place(name), "%s is given twice in %s", key->name,
                                where);
        seen |= UINT64_C(1) << (key - keys);
        yaml->key_at = mu_yaml_place(name);
        if (key->read(yaml, node_at(yaml, pair->value), (char *)into + key->offset) != 0)
            return -1;
    }
    return 0;
}

/* --- The file --- */

/* libyaml marks where it stumbled, but for bytes that are no text, of which it knows the offset. */
static int fail_syntax(struct mu_yaml *yaml, const yaml_parser_t *parser, const char *text,
                       size_t len)
{
    struct mu_place at = place_of(parser->problem_mark);
    if (parser->error == YAML_MEMORY_ERROR)
        return mu_fail_nomem(yaml->err);
    if (parser->error == YAML_READER_ERROR) {
        at = (struct mu_place){1, 1};
        for (size_t i = 0; i < parser->problem_offset && i < len; i++)
            at = text[i] == '\n' ? (struct mu_place){at.line + 1, 1}
                                 : (struct mu_place){at.line, at.column + 1};
    }
    return mu_yaml_fail(yaml, at, "this is not YAML: %s",
                        parser->problem == NULL ? "it cannot be read" : parser->problem);
}

static int read_document(struct mu_yaml *yaml, yaml_parser_t *parser, const char *text, size_t len,
                         void *into)
{
    yaml_document_t next;
    const struct mu_yaml_file *file = yaml->file;
    const yaml_node_t *root = yaml_document_get_root_node(yaml->document);
    if (root == NULL)
        return mu_yaml_fail(yaml, (struct mu_place){1, 1}, "there is nothing in it%s",
                            file->if_empty);
    if (mu_yaml_mapping(yaml, (const struct mu_yaml_node *)(const void *)root, file->what,
                        file->keys, file->key_count, into) != 0)
        return -1;
    if (yaml_parser_load(parser, &next) != 1)
        return fail_syntax(yaml, parser, text, len);
    root = yaml_document_get_root_node(&next);
    int result = root == NULL
                     ? 0
                     : mu_yaml_fail(yaml, place_of(root->start_mark),
                                    "a second document begins here: %s is one", file->what);
    yaml_document_delete(&next);
    return result;
}

/* With each bracket that is open, libyaml's work on the next word grows. No file of ours needs many. */
static int check_depth(struct mu_yaml *yaml, const char *text, size_t len)
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
            return mu_yaml_fail(yaml, at, "brackets are nested too deeply");
    }
    return 0;
}

static int parse(struct mu_yaml *yaml, yaml_parser_t *parser, const char *text, size_t len,
                 void *into)
{
    yaml_document_t document;
    if (check_depth(yaml, text, len) != 0)
        return -1;
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, len);
    if (yaml_parser_load(parser, &document) != 1)
        return fail_syntax(yaml, parser, text, len);
    yaml->document = &document;
    int result = read_document(yaml, parser, text, len, into);
    yaml_document_delete(&document);
    return result;
}

int mu_yaml_read(const struct mu_yaml_file *file, const char *text, size_t len, void *into,
                 struct mu_error *err)
{
    yaml_parser_t parser;
    struct mu_yaml yaml = {.file = file, .err = err};
    if (yaml_parser_initialize(&parser) != 1)
        return mu_fail_nomem(err);
    int result = parse(&yaml, &parser, text, len, into);
    yaml_parser_delete(&parser);
    return result;
}
