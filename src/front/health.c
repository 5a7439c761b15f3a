#include "front/health.h"

#include <stdio.h>
#include <stdlib.h>

#include "front/exchange.h"
#include "net/timer.h"

/* One backend. */
struct check {
    struct mu_health *health;
    struct mu_backend *backend;
    struct mu_backends only; /* this one */
    struct mu_proxy proxy;
    struct mu_exchange exchange;
    struct mu_timer *timer;
    const char *path;
    int status;
    unsigned fall, rise; /* answers in a row that change our mind */
    unsigned against;    /* that have come in a row, and say other than we think */
};

struct mu_health {
    struct mu_worker *worker;
    size_t count;
    struct check checks[];
};

/* --- What comes of it --- */

static void settle(struct check *c, bool well, const char *why)
{
    char sentence[MU_ADDRESS_LEN + 256];
    mu_exchange_end(&c->exchange);
    if (well)
        atomic_store(&c->backend->state->avoided_until_ms, 0);
    c->against = atomic_load(&c->backend->state->down) == well ? c->against + 1 : 0;
    if (c->against < (well ? c->rise : c->fall))
        return;
    c->against = 0;
    atomic_store(&c->backend->state->down, !well);
    snprintf(sentence, sizeof sentence, "the backend %s is %s: GET %s %s", c->backend->name,
             well ? "well again" : "left alone", c->path, why);
    mu_worker_tell(c->health->worker, well ? "backend-up" : "backend-down", sentence,
                   well ? "nothing needs to be done" : "look what is wrong there");
}

static void settle_status(struct check *c)
{
    char why[64];
    snprintf(why, sizeof why, "was answered %d", c->status);
    settle(c, c->status >= 200 && c->status < 400, why);
}

/* --- What the exchange hands back --- */

static bool has_room(void *arg)
{
    (void)arg;
    return true;
}

static void on_interim(void *arg, const struct mu_head *head)
{
    (void)arg;
    (void)head;
}

static void on_answer(void *arg, const struct mu_head *head)
{
    struct check *c = arg;
    c->status = head->status;
}

static void on_body(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
}

static void on_end(void *arg, const struct mu_header *trailers, size_t count)
{
    (void)arg;
    (void)trailers;
    (void)count;
}

static void on_wake(void *arg)
{
    struct check *c = arg;
    mu_exchange_run(&c->exchange);
    if (c->exchange.state == MU_EXCHANGE_DONE)
        settle_status(c);
    else if (c->exchange.state == MU_EXCHANGE_FAILED)
        settle(c, false, c->exchange.fault->id);
}

static const struct mu_exchange_client client = {
    .has_room = has_room,
    .interim = on_interim,
    .answer = on_answer,
    .body = on_body,
    .end = on_end,
    .wake = on_wake,
};

/* --- Asking --- */

/* Who has not answered until it is time to ask again is not well. */
static void on_due(void *arg)
{
    struct check *c = arg;
    const char *why;
    const struct mu_header headers[] = {
        {"Host", c->backend->host[0] != '\0' ? c->backend->host : "localhost"},
        {"User-Agent", "mutual"},
    };
    const struct mu_head head = {.method = "GET",
                                 .target = c->path,
                                 .minor = 1,
                                 .headers = headers,
                                 .header_count = MU_COUNT(headers)};
    if (c->exchange.state == MU_EXCHANGE_ANSWER) /* its connection is not the one to ask by again */
        mu_exchange_expire(&c->exchange);
    if (c->exchange.state != MU_EXCHANGE_NONE)
        settle(c, false, "was not answered in time");
    c->status = 0;
    if (!mu_exchange_begin(&c->exchange, &c->proxy, c->health->worker, &client, c, &head, NULL,
                           &why))
        return;
    mu_exchange_send_end(&c->exchange, NULL, 0);
    on_wake(c);
}

static size_t count_backends(const struct mu_door *door)
{
    const struct mu_backends *backends;
    size_t count = 0;
    for (size_t i = 0; (backends = mu_door_backends(door, i)) != NULL; i++)
        count += backends->count;
    return count;
}

static size_t count_checks(const struct mu_doors *doors)
{
    size_t count = 0;
    for (size_t i = 0; i < doors->count; i++)
        if (doors->at[i].config->health_check != NULL)
            count += count_backends(&doors->at[i]);
    return count;
}

static void add_checks_of(struct mu_health *health, const struct mu_door *door,
                          const struct mu_backends *backends)
{
    for (size_t i = 0; i < backends->count; i++) {
        struct check *c = &health->checks[health->count++];
        c->health = health;
        c->backend = &backends->at[i];
        c->only =
            (struct mu_backends){.at = c->backend, .count = 1, .http = true, .h2 = backends->h2};
        c->proxy = door->proxy;
        c->proxy.backends = &c->only;
        c->path = door->config->health_check;
        c->fall = door->config->health_fall;
        c->rise = door->config->health_rise;
        c->timer = mu_timer_start(health->worker, door->config->health_ms, on_due, c);
    }
}

static void add_checks(struct mu_health *health, const struct mu_door *door)
{
    const struct mu_backends *backends;
    for (size_t i = 0;
         door->config->health_check != NULL && (backends = mu_door_backends(door, i)) != NULL; i++)
        add_checks_of(health, door, backends);
}

struct mu_health *mu_health_begin(struct mu_worker *worker, const struct mu_doors *doors)
{
    const size_t count = count_checks(doors);
    struct mu_health *health =
        count == 0 ? NULL : calloc(1, sizeof *health + count * sizeof health->checks[0]);
    if (health == NULL)
        return NULL;
    health->worker = worker;
    for (size_t i = 0; i < doors->count; i++)
        add_checks(health, &doors->at[i]);
    return health;
}

void mu_health_end(struct mu_health *health)
{
    if (health == NULL)
        return;
    for (size_t i = 0; i < health->count; i++) {
        mu_timer_free(health->checks[i].timer);
        mu_exchange_clear(&health->checks[i].exchange);
    }
    free(health);
}
