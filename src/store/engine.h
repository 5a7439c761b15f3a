#ifndef MU_STORE_ENGINE_H
#define MU_STORE_ENGINE_H

/*
 * What the rest of this room asks of a database: to run one statement with its values, and transactions. The
 * statements are the same for every engine and stand in record.c, revocation.c and trail.c; only the schema and
 * what errors mean are an engine's own. So they use only what all engines share: places for values are written
 * $1, $2, ... in the order in which they first appear, and types are INTEGER, TEXT and bytes.
 */

#include <stdint.h>

#include "store/store.h"

enum mu_value_kind { MU_VALUE_NULL, MU_VALUE_NUMBER, MU_VALUE_TEXT, MU_VALUE_BYTES };

struct mu_value {
    enum mu_value_kind kind;
    int64_t number;
    const char *data; /* borrowed; text ends with a NUL that `len` does not count */
    size_t len;
};

struct mu_value mu_number(int64_t number);
struct mu_value mu_number_or_null(int64_t number); /* 0 becomes NULL */
struct mu_value mu_text(const char *text);
struct mu_value mu_bytes(const void *data, size_t len);

/* A row, borrowed until it returns; false: that was enough. Text and bytes are never NULL in it. */
typedef bool mu_row_fn(void *arg, const struct mu_value *row);

struct mu_store_engine {
    void (*close)(struct mu_store *store);
    int (*begin)(struct mu_store *store, struct mu_error *err);
    int (*commit)(struct mu_store *store, struct mu_error *err);
    void (*rollback)(struct mu_store *store);
    /* Fails with MU_E_EXISTS when something unique is there already, MU_E_STORE_COLLISION when another was faster
     * and the whole transaction has to be run again, MU_E_STORE. */
    int (*run)(struct mu_store *store, const char *sql, const struct mu_value *values, size_t count,
               mu_row_fn *each, void *arg, struct mu_error *err);
    int (*check)(struct mu_store *store, struct mu_error *err);
    int (*copy)(struct mu_store *store, const char *path, struct mu_error *err);
};

struct mu_store {
    const struct mu_store_engine *engine;
    bool in_change, in_read;
};

/* The engines, behind mu_store_open(): a path is SQLite's. */
MU_CHECK int mu_store_open_sqlite(const char *path, enum mu_store_mode mode, struct mu_store **ret,
                                  struct mu_error *err);
MU_CHECK int mu_store_open_postgres(const char *url, enum mu_store_mode mode, struct mu_store **ret,
                                    struct mu_error *err);

/* A schema of a later version than `known`, which is refused. Fails with MU_E_STORE_NEWER. */
MU_CHECK int mu_store_check_version(const char *name, int version, int known, struct mu_error *err);

/* Run a statement that reads, again if it collides with a change before `each` was handed anything; and one that writes,
 * which has to be inside a change. `each` may be NULL. */
#define MU_RUN(store, sql, each, arg, err, ...)                                                    \
    mu_store_run(store, sql, (const struct mu_value[]){__VA_ARGS__},                               \
                 sizeof((const struct mu_value[]){__VA_ARGS__}) / sizeof(struct mu_value), each,   \
                 arg, err)
MU_CHECK int mu_store_run(struct mu_store *store, const char *sql, const struct mu_value *values,
                          size_t count, mu_row_fn *each, void *arg, struct mu_error *err);

#endif
