/* A store as its users see it: opening is the engine's, changes and statements pass through here. */

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "store/engine.h"

enum { TRIES = 20, WAIT_MS = 5 };

struct mu_value mu_number(int64_t number)
{
    return (struct mu_value){.kind = MU_VALUE_NUMBER, .number = number};
}

struct mu_value mu_number_or_null(int64_t number)
{
    return number == 0 ? (struct mu_value){.kind = MU_VALUE_NULL} : mu_number(number);
}

struct mu_value mu_text(const char *text)
{
    return (struct mu_value){.kind = MU_VALUE_TEXT, .data = text, .len = strlen(text)};
}

struct mu_value mu_bytes(const void *data, size_t len)
{
    return (struct mu_value){.kind = MU_VALUE_BYTES, .data = data, .len = len};
}

int mu_store_open(const char *where, enum mu_store_mode mode, struct mu_store **ret,
                  struct mu_error *err)
{
    return mu_store_is_postgres(where) ? mu_store_open_postgres(where, mode, ret, err)
                                       : mu_store_open_sqlite(where, mode, ret, err);
}

void mu_store_close(struct mu_store *store)
{
    if (store != NULL)
        store->engine->close(store);
}

/* Longer each time, and not in step with the other. */
static void wait_before(int attempt)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    long ms = WAIT_MS * (attempt + 1) + t.tv_nsec % (WAIT_MS * (attempt + 1));
    t = (struct timespec){.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

/* May what has failed so be tried again? What comes of that is then all that is told. */
static bool try_again(int attempt, struct mu_error *err)
{
    if (err->code != MU_E_STORE_COLLISION || attempt == TRIES)
        return false;
    *err = (struct mu_error)MU_ERROR_INIT;
    wait_before(attempt);
    return true;
}

struct handing {
    mu_row_fn *each;
    void *arg;
    bool any;
};

static bool hand_on(void *arg, const struct mu_value *row)
{
    struct handing *handing = arg;
    handing->any = true;
    return handing->each(handing->arg, row);
}

/* What is asked while rows are being handed over belongs to that moment, and cannot be asked again at another. */
static int ask(struct mu_store *store, const char *sql, const struct mu_value *values, size_t count,
               mu_row_fn *each, void *arg, struct mu_error *err)
{
    struct handing handing = {.each = each, .arg = arg};
    const bool nested = store->in_read;
    int result = 0, attempt = 0;
    store->in_read = true;
    do
        result = store->engine->run(store, sql, values, count, each == NULL ? NULL : hand_on,
                                    &handing, err);
    while (result != 0 && !nested && !handing.any && try_again(attempt++, err));
    store->in_read = nested;
    return result;
}

int mu_store_run(struct mu_store *store, const char *sql, const struct mu_value *values,
                 size_t count, mu_row_fn *each, void *arg, struct mu_error *err)
{
    assert(store->in_change || mu_str_starts_with(sql, "SELECT"));
    return store->in_change ? store->engine->run(store, sql, values, count, each, arg, err)
                            : ask(store, sql, values, count, each, arg, err);
}

static int try_change(struct mu_store *store, mu_change_fn *change, void *arg, struct mu_error *err)
{
    if (store->engine->begin(store, err) != 0)
        return -1;
    store->in_change = true;
    int result = change(store, arg, err);
    store->in_change = false;
    if (result == 0 && store->engine->commit(store, err) == 0)
        return 0;
    store->engine->rollback(store);
    return -1;
}

int mu_store_change(struct mu_store *store, mu_change_fn *change, void *arg, struct mu_error *err)
{
    int result, attempt = 0;
    do
        result = try_change(store, change, arg, err);
    while (result != 0 && try_again(attempt++, err));
    return result;
}

int mu_store_check_version(const char *name, int version, int known, struct mu_error *err)
{
    return version <= known
               ? 0
               : mu_fail(err, MU_E_STORE_NEWER,
                         "%s was written by a newer mutual (schema %d; this one knows up to %d)",
                         name, version, known);
}

int mu_store_check(struct mu_store *store, struct mu_error *err)
{
    return store->engine->check(store, err);
}

int mu_store_copy(struct mu_store *store, const char *path, struct mu_error *err)
{
    return store->engine->copy(store, path, err);
}

/* --- The CA itself --- */

int mu_store_ca_add(struct mu_store *store, const struct mu_ca_record *ca, struct mu_error *err)
{
    return MU_RUN(store, "INSERT INTO ca (sha256, key, since, der) VALUES ($1, $2, $3, $4)", NULL,
                  NULL, err, mu_text(ca->sha256), mu_text(ca->key), mu_number(ca->since),
                  mu_bytes(ca->der, ca->der_len));
}

struct cas {
    mu_ca_fn *each;
    void *arg;
};

static bool hand_over_ca(void *arg, const struct mu_value *row)
{
    struct cas *cas = arg;
    struct mu_ca_record ca = {
        .sha256 = row[0].data,
        .key = row[1].data,
        .since = (time_t)row[2].number,
        .der = row[3].data,
        .der_len = row[3].len,
    };
    return cas->each(cas->arg, &ca);
}

#define CAS "SELECT sha256, key, since, der FROM ca "

int mu_store_ca_each(struct mu_store *store, const char *sha256, mu_ca_fn *each, void *arg,
                     struct mu_error *err)
{
    struct cas cas = {.each = each, .arg = arg};
    return sha256 == NULL
               ? mu_store_run(store, CAS "ORDER BY since, sha256", NULL, 0, hand_over_ca, &cas, err)
               : MU_RUN(store, CAS "WHERE sha256 = $1", hand_over_ca, &cas, err, mu_text(sha256));
}

/* --- Settings --- */

struct setting {
    char *ret;
    size_t cap;
    bool fits;
};

static bool copy_setting(void *arg, const struct mu_value *row)
{
    struct setting *setting = arg;
    setting->fits = mu_str_copy(setting->ret, setting->cap, row[0].data);
    return false;
}

int mu_store_setting(struct mu_store *store, const char *name, char *ret, size_t cap,
                     struct mu_error *err)
{
    struct setting setting = {.ret = ret, .cap = cap, .fits = true};
    *ret = '\0';
    if (MU_RUN(store, "SELECT value FROM setting WHERE name = $1", copy_setting, &setting, err,
               mu_text(name)) != 0)
        return -1;
    return setting.fits ? 0 : mu_fail(err, MU_E_TOO_LARGE, "the setting %s is too long", name);
}

int mu_store_set(struct mu_store *store, const char *name, const char *value, struct mu_error *err)
{
    return MU_RUN(store,
                  "INSERT INTO setting (name, value) VALUES ($1, $2) "
                  "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                  NULL, NULL, err, mu_text(name), mu_text(value));
}
