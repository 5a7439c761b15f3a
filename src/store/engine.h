#ifndef MU_STORE_ENGINE_H
#define MU_STORE_ENGINE_H

/*
 * What a kind of store can do: one table of operations, each with the promises of its namesake in store.h. A
 * store begins with a struct mu_store; the rest of it is its engine's own.
 */

#include "store/store.h"

struct mu_store_engine {
    void (*close)(struct mu_store *store);
    int (*add)(struct mu_store *store, const struct mu_record *record, struct mu_error *err);
    int (*find)(struct mu_store *store, const char *serial, mu_record_fn *each, void *arg,
                struct mu_error *err);
    int (*each)(struct mu_store *store, const struct mu_store_filter *filter, mu_record_fn *each,
                void *arg, struct mu_error *err);
};

struct mu_store {
    const struct mu_store_engine *engine;
};

/* The failures that all engines put in the same words. */
int mu_store_fail_taken(const struct mu_record *record, struct mu_error *err);
int mu_store_fail_not_found(const char *serial, struct mu_error *err);

#endif
