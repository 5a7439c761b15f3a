/*
 * Those who have not come in yet: they stand in a row, the oldest first, and in a flood of them whoever is silent or slow makes room.
 */

#include "net/internal.h"

/* So long somebody is given, before the first word and for the whole handshake, before it has to make room. Many who come at once
 * may take longer than that, but they wait in the kernel's queue. */
enum { SILENT_MS = 200, EARNEST_MS = 1000 };

void mu_shaking_note(struct mu_conn *c, bool shaking)
{
    struct mu_worker *worker = c->worker;
    if (shaking == c->shaking)
        return;
    c->shaking = shaking;
    if (shaking) { /* perhaps not for the first time: to be told why it may not come in */
        c->shaking_behind = NULL;
        c->shaking_before = worker->shaking_newest;
        *(c->shaking_before == NULL ? &worker->shaking_oldest
                                    : &c->shaking_before->shaking_behind) = c;
        worker->shaking_newest = c;
        worker->shaking_count++;
        atomic_fetch_add(&worker->share.shaking, 1);
        return;
    }
    *(c->shaking_before == NULL ? &worker->shaking_oldest : &c->shaking_before->shaking_behind) =
        c->shaking_behind;
    *(c->shaking_behind == NULL ? &worker->shaking_newest : &c->shaking_behind->shaking_before) =
        c->shaking_before;
    worker->shaking_count--;
    atomic_fetch_sub(&worker->share.shaking, 1);
    mu_listeners_start(worker); /* somebody may wait for this one's place */
}

bool mu_shaking_is_full(const struct mu_worker *worker)
{
    return worker->shaking_limit > 0 && worker->shaking_count >= worker->shaking_limit;
}

/* Of its time; nothing or less: it has had that. */
static int64_t left_ms(const struct mu_conn *c)
{
    const int64_t age_ms = (int64_t)((uv_hrtime() - c->began_ns) / 1000000);
    return (c->channel.received == 0 ? SILENT_MS : EARNEST_MS) - age_ms;
}

static struct mu_conn *first_silent(const struct mu_worker *worker)
{
    for (struct mu_conn *c = worker->shaking_oldest; c != NULL; c = c->shaking_behind)
        if (c->channel.received == 0)
            return c;
    return worker->shaking_oldest;
}

struct mu_conn *mu_shaking_first_to_go(const struct mu_worker *worker)
{
    struct mu_conn *oldest = worker->shaking_oldest, *silent = first_silent(worker);
    return left_ms(silent) < left_ms(oldest) ? silent : oldest;
}

bool mu_shaking_may_start(struct mu_worker *worker, unsigned *ret_wait_ms)
{
    const int64_t wait_ms =
        mu_shaking_is_full(worker) ? left_ms(mu_shaking_first_to_go(worker)) : 0;
    *ret_wait_ms = wait_ms > 0 ? (unsigned)wait_ms : 0;
    return wait_ms <= 0;
}
