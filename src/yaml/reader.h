#ifndef MU_YAML_READER_H
#define MU_YAML_READER_H

/*
 * A file that a person writes, read by tables of keys. Whatever a table does not know, what is given twice and what is of
 * the wrong kind is an error, told with line and column, so that no rule is ever passed over.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Where something stands, from 1; line 0: it stands nowhere. */
struct mu_place {
    int line, column;
};

/* "/home/ca/policy.yaml:12:5", or "built in" for line 0. The path's beginning gives way where it is too long. Returns
 * `ret`. */
#define MU_PLACE_TEXT_LEN 256
char *mu_place_text(const char *path, struct mu_place at, char ret[MU_PLACE_TEXT_LEN]);

struct mu_yaml;      /* a file that is being read */
struct mu_yaml_node; /* a value in it */

/* Reads a value into what the mapping fills. Returns 0, or -1 when it has said why. */
typedef int mu_yaml_fn(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into);

struct mu_yaml_key {
    const char *name;
    mu_yaml_fn *read;
    size_t offset; /* of what it reads in what the mapping fills */
};

struct mu_yaml_file {
    const char *path;     /* printable, for errors */
    enum mu_code code;    /* of every error that is about what stands in it */
    const char *what;     /* "a policy" */
    const char *if_empty; /* what to say when there is nothing in it */
    const struct mu_yaml_key *keys;
    size_t key_count;
    void *arg; /* mu_yaml_arg() */
};

/* Read `text`, which is one document with these keys, into `into`. Fails with the file's code, with MU_E_NOMEM, and with
 * what the table's functions fail with. */
MU_CHECK int mu_yaml_read(const struct mu_yaml_file *file, const char *text, size_t len, void *into,
                          struct mu_error *err);

/* --- For the functions of a table --- */

void *mu_yaml_arg(const struct mu_yaml *yaml);
struct mu_error *mu_yaml_err(const struct mu_yaml *yaml);
struct mu_place mu_yaml_place(const struct mu_yaml_node *node);
struct mu_place mu_yaml_key_place(const struct mu_yaml *yaml); /* of the key that is being read */

/* Say what is wrong at a place. Returns -1. */
int mu_yaml_fail(struct mu_yaml *yaml, struct mu_place at, const char *format, ...) MU_PRINTF(3, 4);
/* What went wrong in a room below, at the place that led there. Returns -1. */
int mu_yaml_fail_below(struct mu_yaml *yaml, const struct mu_yaml_node *node,
                       const struct mu_error *below);

/* A value as text, without control characters; borrowed. NULL: it is none, which has been told: "KEY is a list, not
 * WANTED". */
const char *mu_yaml_text(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                         const char *wanted);
/* The same, copied; given. NULL without memory, too. */
char *mu_yaml_copy(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                   const char *wanted);
MU_CHECK int mu_yaml_bool(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                          bool *ret);
/* A length of time of at most `longest_s`, which errors call `longest`: "36500 days". */
MU_CHECK int mu_yaml_duration(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                              int64_t longest_s, const char *longest, int64_t *ret_s);
MU_CHECK int mu_yaml_number(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                            long low, long high, long *ret);
/* One of `words`, which end with NULL: its index. */
MU_CHECK int mu_yaml_word(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                          const char *const *words, size_t *ret);

/* A list: `read` for each item. */
MU_CHECK int mu_yaml_list(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                          mu_yaml_fn *read, void *into);
/* The same, or a value that is no list, which counts as the only item. */
MU_CHECK int mu_yaml_list_or_one(struct mu_yaml *yaml, const struct mu_yaml_node *node,
                                 const char *key, mu_yaml_fn *read, void *into);
/* A mapping, which errors call `where`: each key at most once, and none that is not in `keys`. */
MU_CHECK int mu_yaml_mapping(struct mu_yaml *yaml, const struct mu_yaml_node *node,
                             const char *where, const struct mu_yaml_key *keys, size_t count,
                             void *into);

/* Room for one more in a list; what is new is zero. NULL without memory, which has been told. */
void *mu_yaml_grow(struct mu_yaml *yaml, void *list, size_t count, size_t size);

#endif
