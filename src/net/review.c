/*
 * Whether those who are in may still be. When doors have become others, and when a certificate ends, each connection's client is
 * judged again, by what holds now at the door to which it would come; who would not be let in has to leave. It is done in
 * slices, between which everybody else has a turn, and in the worker's own thread, so that nobody is let in meanwhile without
 * being seen: a handshake that began before the change is judged once more at its end (conn.c).
 */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "net/internal.h"

enum {
    SLICE_NS = 500 * 1000, /* of a turn */
    SLICE_LEAST = 8,       /* however long they take */
    CLOCK_MS = 60 * 1000,  /* at most, since the clock may be set */
};

/* --- The clock --- */

static void on_clock(uv_timer_t *clock);

static void wait_for_end(struct mu_worker *worker)
{
    struct mu_review *review = &worker->review;
    const time_t now = time(NULL);
    if (review->first_end == 0) {
        uv_timer_stop(&review->clock);
        return;
    }
    const int64_t left_s = review->first_end > now ? (int64_t)(review->first_end - now) : 1;
    uv_timer_start(&review->clock, on_clock,
                   left_s < CLOCK_MS / 1000 ? (uint64_t)left_s * 1000 : CLOCK_MS, 0);
}

static void note_end(struct mu_conn *conn)
{
    struct mu_review *review = &conn->worker->review;
    const struct mu_vetted *vetted = mu_tls_vetted(conn->channel.tls);
    if (vetted == NULL || (review->first_end != 0 && mu_vetted_until(vetted) >= review->first_end))
        return;
    review->first_end = mu_vetted_until(vetted);
    if (review->next == NULL)
        wait_for_end(conn->worker);
}

/* --- Looking --- */

static bool is_in(const struct mu_conn *conn)
{
    return conn->session != NULL && conn->channel.tls != NULL && !conn->expelled;
}

static bool is_due(const struct mu_conn *conn, time_t now)
{
    const struct mu_vetted *vetted = mu_tls_vetted(conn->channel.tls);
    return conn->worker->review.of_all || (vetted != NULL && mu_vetted_until(vetted) <= now);
}

/* It may end the connection. That a list is missing or out of date is a reason to let nobody in; who is in has done nothing
 * for it. */
static void look_at(struct mu_conn *conn, time_t now)
{
    struct mu_refusal refusal;
    if (!is_in(conn))
        return;
    if (is_due(conn, now) && !mu_conn_may_stay(conn, &refusal) && !refusal.only_lacks_list) {
        mu_conn_expel(conn, &refusal);
        return;
    }
    if (conn->worker->review.of_all)
        mu_conn_ask_about(conn);
    note_end(conn);
}

/* Whoever takes a door away may have meant its clients, too. */
static void tell_untracked(struct mu_worker *worker)
{
    struct mu_review *review = &worker->review;
    const uint64_t count = worker->counters.untracked;
    char sentence[MU_ERROR_WHAT_LEN];
    if (count > review->untracked_told) {
        snprintf(sentence, sizeof sentence, "%" PRIu64 " open connection%s came by %s", count,
                 count == 1 ? "" : "s",
                 count == 1 ? "a door that is no more" : "doors that are no more");
        mu_worker_tell(
            worker, "connections-untracked", sentence,
            "they go on by the rules and the CAs of then, until their certificates end or a list "
            "of a door that is left names them; to end them: mutual kick");
    }
    review->untracked_told = count;
}

static void on_idle(uv_idle_t *idle)
{
    struct mu_worker *worker = idle->data;
    struct mu_review *review = &worker->review;
    const uint64_t until_ns = uv_hrtime() + SLICE_NS;
    const time_t now = time(NULL);
    for (unsigned i = 0; review->next != NULL; i++) {
        struct mu_conn *conn = review->next;
        if (i >= SLICE_LEAST && uv_hrtime() >= until_ns)
            return;
        review->next = conn->next;
        look_at(conn, now);
    }
    uv_idle_stop(idle);
    tell_untracked(worker);
    wait_for_end(worker);
}

static void begin(struct mu_worker *worker, bool of_all)
{
    struct mu_review *review = &worker->review;
    review->of_all = of_all || (review->next != NULL && review->of_all);
    review->next = worker->connections;
    review->first_end = 0;
    if (review->next != NULL)
        uv_idle_start(&review->idle, on_idle);
    else
        wait_for_end(worker);
}

static void on_clock(uv_timer_t *clock)
{
    struct mu_worker *worker = clock->data;
    if (time(NULL) >= worker->review.first_end)
        begin(worker, false);
    else
        wait_for_end(worker);
}

void mu_review_begin(struct mu_worker *worker)
{
    begin(worker, true);
}

/* --- Who comes and goes --- */

void mu_review_join(struct mu_conn *conn)
{
    if (conn->channel.tls != NULL)
        note_end(conn);
}

void mu_review_leave(struct mu_conn *conn)
{
    struct mu_review *review = &conn->worker->review;
    if (review->next == conn)
        review->next = conn->next;
}

void mu_review_init(struct mu_worker *worker)
{
    uv_idle_init(&worker->loop, &worker->review.idle);
    uv_timer_init(&worker->loop, &worker->review.clock);
    worker->review.idle.data = worker->review.clock.data = worker;
}
