/* A store without a disk. It is as plain as can be, so that a test that holds both engines to the same
 * promises says something about the other one. */

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "store/engine.h"

struct memory_store {
    struct mu_store base;
    struct mu_record *at; /* oldest first; all that they point to is ours */
    size_t count;
};

static struct memory_store *of(struct mu_store *store)
{
    return (struct memory_store *)store;
}

static const size_t text_fields[] = {
    offsetof(struct mu_record, serial),  offsetof(struct mu_record, name),
    offsetof(struct mu_record, profile), offsetof(struct mu_record, state),
    offsetof(struct mu_record, subject), offsetof(struct mu_record, san),
    offsetof(struct mu_record, sha256),
};

static const char **text_of(struct mu_record *record, size_t i)
{
    return (const char **)((char *)record + text_fields[i]);
}

static void clear_record(struct mu_record *record)
{
    for (size_t i = 0; i < MU_COUNT(text_fields); i++)
        free((char *)*text_of(record, i));
    free((void *)record->der);
}

/* False without memory; clear it all the same. */
static bool copy_record(const struct mu_record *from, struct mu_record *ret)
{
    void *der = malloc(from->der_len + 1);
    bool good = der != NULL;
    *ret = *from;
    ret->der = der;
    if (good)
        memcpy(der, from->der, from->der_len);
    for (size_t i = 0; i < MU_COUNT(text_fields); i++) {
        *text_of(ret, i) = strdup(*text_of(ret, i));
        good = good && *text_of(ret, i) != NULL;
    }
    return good;
}

static void close_memory(struct mu_store *store)
{
    for (size_t i = 0; i < of(store)->count; i++)
        clear_record(&of(store)->at[i]);
    free(of(store)->at);
    free(store);
}

static int add(struct mu_store *store, const struct mu_record *record, struct mu_error *err)
{
    struct memory_store *memory = of(store);
    for (size_t i = 0; i < memory->count; i++)
        if (mu_str_equal(memory->at[i].serial, record->serial) ||
            mu_str_equal(memory->at[i].sha256, record->sha256))
            return mu_store_fail_taken(record, err);
    struct mu_record *at = realloc(memory->at, (memory->count + 1) * sizeof(*at));
    if (at == NULL)
        return mu_fail_nomem(err);
    memory->at = at;
    if (!copy_record(record, &at[memory->count])) {
        clear_record(&at[memory->count]);
        return mu_fail_nomem(err);
    }
    memory->count++;
    return 0;
}

static int find(struct mu_store *store, const char *serial, mu_record_fn *each, void *arg,
                struct mu_error *err)
{
    for (size_t i = 0; i < of(store)->count; i++)
        if (mu_str_equal(of(store)->at[i].serial, serial)) {
            each(arg, &of(store)->at[i]);
            return 0;
        }
    return mu_store_fail_not_found(serial, err);
}

static bool fits(const struct mu_record *record, const struct mu_store_filter *filter)
{
    bool ends = record->not_after >= filter->now && record->not_after < filter->expiring_before;
    return (filter->name_glob == NULL ||
            fnmatch(filter->name_glob, record->name, FNM_NOESCAPE) == 0) &&
           (filter->expiring_before == 0 || ends);
}

static int by_end(const void *a, const void *b)
{
    const struct mu_record *const *left = a, *const *right = b;
    time_t left_end = (*left)->not_after, right_end = (*right)->not_after;
    /* What ends together stays in the order in which it was added, which is that of the array. */
    return left_end != right_end ? (left_end > right_end) - (left_end < right_end)
                                 : (*left > *right) - (*left < *right);
}

static int each_record(struct mu_store *store, const struct mu_store_filter *filter,
                       mu_record_fn *each, void *arg, struct mu_error *err)
{
    size_t count = 0;
    const struct mu_record **found = calloc(of(store)->count + 1, sizeof(*found));
    if (found == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < of(store)->count; i++)
        if (fits(&of(store)->at[i], filter))
            found[count++] = &of(store)->at[i];
    if (filter->expiring_before != 0)
        qsort(found, count, sizeof(*found), by_end);
    for (size_t i = 0; i < count; i++) {
        struct mu_record record = *found[i];
        record.der = NULL;
        record.der_len = 0;
        if (!each(arg, &record))
            break;
    }
    free(found);
    return 0;
}

static const struct mu_store_engine engine = {.close = close_memory,
                                              .add = add,
                                              .find = find,
                                              .each = each_record};

int mu_store_open_memory(struct mu_store **ret, struct mu_error *err)
{
    struct memory_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return mu_fail_nomem(err);
    store->base.engine = &engine;
    *ret = &store->base;
    return 0;
}
