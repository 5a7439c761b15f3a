#include "store/engine.h"

void mu_store_close(struct mu_store *store)
{
    if (store != NULL)
        store->engine->close(store);
}

int mu_store_add(struct mu_store *store, const struct mu_record *record, struct mu_error *err)
{
    return store->engine->add(store, record, err);
}

int mu_store_find(struct mu_store *store, const char *serial, mu_record_fn *each, void *arg,
                  struct mu_error *err)
{
    return store->engine->find(store, serial, each, arg, err);
}

int mu_store_each(struct mu_store *store, const struct mu_store_filter *filter, mu_record_fn *each,
                  void *arg, struct mu_error *err)
{
    return store->engine->each(store, filter, each, arg, err);
}

int mu_store_fail_taken(const struct mu_record *record, struct mu_error *err)
{
    return mu_fail(err, MU_E_EXISTS, "the serial number %s is taken", record->serial);
}

int mu_store_fail_not_found(const char *serial, struct mu_error *err)
{
    mu_fail(err, MU_E_NOT_FOUND, "no certificate with the serial number %s has been issued here",
            serial);
    return mu_hint(err, "see what has been issued with: mutual list");
}
