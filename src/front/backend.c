#include "front/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"

enum { BACKENDS_MAX = 64 }; /* a bit each in a choice's `tried` */
/* One could be the request's fault. */
enum { FAILURES_IN_A_ROW = 3 };

int64_t mu_backend_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int parse(const char *name, const char *address, struct mu_backend *ret, struct mu_error *err)
{
    const char *colon = strrchr(address, ':');
    if (!mu_str_copy(ret->name, sizeof ret->name, name))
        return mu_fail(err, MU_E_ADDRESS, "the address of a backend is too long: \"%s\"", name);
    if (mu_address_parse_target(address, ret->addresses, MU_BACKEND_ADDRESSES, &ret->address_count,
                                err) != 0)
        return -1;
    if (mu_str_starts_with(address, "unix:"))
        return 0;
    bool bracketed = address[0] == '[';
    snprintf(ret->host, sizeof ret->host, "%.*s", (int)(colon - address) - (bracketed ? 2 : 0),
             address + (bracketed ? 1 : 0));
    return 0;
}

static int add(struct mu_backends *list, const char *name, const char *address, struct mu_error *err)
{
    if (list->count == BACKENDS_MAX)
        return mu_fail(err, MU_E_USAGE, "there may be %d backends at most", (int)BACKENDS_MAX);
    struct mu_backend *longer = realloc(list->at, (list->count + 1) * sizeof *longer);
    if (longer == NULL)
        return mu_fail_nomem(err);
    list->at = longer;
    list->at[list->count] = (struct mu_backend){.address_count = 0};
    if (parse(name, address, &list->at[list->count], err) != 0)
        return -1;
    struct mu_backend_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return mu_fail_nomem(err);
    state->users = 1;
    list->at[list->count++].state = state;
    return 0;
}

/* "//host" and "//host:80/" behind the scheme are the same place; a path would have to mean something, and does not. */
static int http_address(const char *url, char ret[MU_ADDRESS_LEN], struct mu_error *err)
{
    const char *rest = strstr(url, "://") + strlen("://");
    const bool path = mu_str_starts_with(rest, "unix:");
    size_t len = path ? strlen(rest) : strcspn(rest, "/?#@");
    const char *port = memrchr(rest, ':', len), *bracket = memrchr(rest, ']', len);
    if (!path && rest[len] != '\0' && !mu_str_equal(rest + len, "/")) {
        mu_fail(err, MU_E_ADDRESS, "\"%s\" is more than the address of a backend", url);
        return mu_hint(err, "write it as %.*s://HOST:PORT, without a path: requests keep theirs",
                       (int)strcspn(url, ":"), url);
    }
    const bool has_port = path || (port != NULL && (bracket == NULL || port > bracket));
    if (snprintf(ret, MU_ADDRESS_LEN, "%.*s%s", (int)len, rest, has_port ? "" : ":80") >=
        MU_ADDRESS_LEN)
        return mu_fail(err, MU_E_ADDRESS, "the address of a backend is too long: \"%s\"", url);
    return 0;
}

int mu_backends_add(struct mu_backends *list, const char *url, struct mu_error *err)
{
    const bool tcp = mu_str_starts_with(url, "tcp://"), h2 = mu_str_starts_with(url, "h2c://"),
               http = h2 || mu_str_starts_with(url, "http://");
    char address[MU_ADDRESS_LEN];
    if (!tcp && !http && !mu_str_starts_with(url, "unix:")) {
        mu_fail(err, MU_E_ADDRESS, "\"%s\" is not the address of a backend", url);
        return mu_hint(err, "write it as http://HOST:PORT or h2c://HOST:PORT (or with unix:PATH), "
                            "tcp://HOST:PORT or unix:PATH");
    }
    if (list->count > 0 && list->http != http)
        return mu_fail(err, MU_E_USAGE,
                       "of the backends some are http: and some are not, and each may get any client");
    if (list->count > 0 && list->h2 != h2)
        return mu_fail(
            err, MU_E_USAGE,
            "of the backends some are h2c: and some are http:, and each may get any client");
    if (http && http_address(url, address, err) != 0)
        return -1;
    list->http = http;
    list->h2 = h2;
    return add(list, url, http ? address : tcp ? url + strlen("tcp://") : url, err);
}

int mu_backends_add_server(struct mu_backends *list, const char *text, struct mu_error *err)
{
    return add(list, text, text, err);
}

static void leave(struct mu_backend_state *state)
{
    if (atomic_fetch_sub(&state->users, 1) == 1)
        free(state);
}

void mu_backend_share(struct mu_backend *backend, const struct mu_backend *former)
{
    leave(backend->state);
    backend->state = former->state;
    atomic_fetch_add(&backend->state->users, 1);
}

void mu_backends_clear(struct mu_backends *list)
{
    for (size_t i = 0; i < list->count; i++)
        leave(list->at[i].state);
    free(list->at);
    *list = (struct mu_backends){0};
}

bool mu_backend_is_up(const struct mu_backend *backend, int64_t now_ms)
{
    return atomic_load_explicit(&backend->state->avoided_until_ms, memory_order_relaxed) <= now_ms &&
           !atomic_load_explicit(&backend->state->down, memory_order_relaxed);
}

static struct mu_backend *choose(const struct mu_backends *list, size_t first, uint64_t tried,
                                 int64_t now_ms)
{
    struct mu_backend *best = NULL;
    for (size_t n = 0; n < list->count; n++) {
        const size_t i = (first + n) % list->count;
        struct mu_backend *other = &list->at[i];
        if ((tried >> i & 1) != 0 || (now_ms != INT64_MAX && !mu_backend_is_up(other, now_ms)))
            continue;
        if (best == NULL || atomic_load_explicit(&other->state->open, memory_order_relaxed) <
                                atomic_load_explicit(&best->state->open, memory_order_relaxed))
            best = other;
    }
    return best;
}

struct mu_backend *mu_backends_choose(const struct mu_backends *list, uint64_t tried, int64_t now_ms)
{
    static _Thread_local size_t turn;
    const size_t first = turn++;
    struct mu_backend *best = choose(list, first, tried, now_ms);
    return best != NULL ? best : choose(list, first, tried, INT64_MAX);
}

/* One that comes and goes has two lines in that time, however often it is looked for. Of one that is not well it has been said. */
static bool begins(struct mu_backend *backend, int64_t now_ms)
{
    const int64_t before_ms = atomic_load_explicit(&backend->state->told_ms, memory_order_relaxed);
    if (atomic_load_explicit(&backend->state->told, memory_order_relaxed) ||
        atomic_load_explicit(&backend->state->down, memory_order_relaxed) ||
        (before_ms != 0 && now_ms - before_ms < MU_BACKEND_AVOIDED_MS) ||
        atomic_exchange(&backend->state->told, true))
        return false;
    atomic_store(&backend->state->told_ms, now_ms);
    return true;
}

bool mu_backend_avoid(struct mu_backend *backend, int64_t now_ms)
{
    atomic_store_explicit(&backend->state->avoided_until_ms, now_ms + MU_BACKEND_AVOIDED_MS,
                          memory_order_relaxed);
    return begins(backend, now_ms);
}

bool mu_backend_failed(struct mu_backend *backend, int64_t now_ms)
{
    const unsigned before =
        atomic_fetch_add_explicit(&backend->state->failures, 1, memory_order_relaxed);
    return before + 1 >= FAILURES_IN_A_ROW && mu_backend_avoid(backend, now_ms);
}

bool mu_backend_answered(struct mu_backend *backend)
{
    if (atomic_load_explicit(&backend->state->failures, memory_order_relaxed) != 0)
        atomic_store_explicit(&backend->state->failures, 0, memory_order_relaxed);
    return atomic_load_explicit(&backend->state->told, memory_order_relaxed) &&
           !atomic_load_explicit(&backend->state->down, memory_order_relaxed) &&
           atomic_exchange(&backend->state->told, false);
}
