#include "net/worker.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/internal.h"

enum { TROUBLE_EVERY_MS = 10000 };

/* --- Within its thread --- */

void mu_worker_trouble(struct mu_worker *worker, const char *id, const char *sentence,
                       const char *hint)
{
    const struct mu_server_events *events = &worker->config->events;
    uint64_t now_ms = uv_now(&worker->loop);
    if (worker->trouble_told_ms != 0 && now_ms - worker->trouble_told_ms < TROUBLE_EVERY_MS)
        return;
    worker->trouble_told_ms = now_ms;
    if (events->trouble != NULL)
        events->trouble(events->arg, id, sentence, hint);
}

void mu_worker_add(struct mu_worker *worker, struct mu_conn *conn)
{
    conn->next = worker->connections;
    if (conn->next != NULL)
        conn->next->previous = conn;
    worker->connections = conn;
    atomic_fetch_add(&worker->share.load, 1);
    if (++worker->connection_count < worker->connection_limit)
        return;
    mu_listeners_stop(worker);
    mu_worker_trouble(worker, "connections-full",
                      "as many connections are open as may be; new ones wait",
                      "raise --max-connections, or look for clients that do not let go");
}

void mu_worker_tell(struct mu_worker *worker, const char *id, const char *sentence, const char *hint)
{
    const struct mu_server_events *events = &worker->config->events;
    if (events->trouble != NULL)
        events->trouble(events->arg, id, sentence, hint);
}

/* What the first one does for all is done for as long as there are clients: it fetches lists, and asks responders. */
static bool is_needed(const struct mu_worker *worker)
{
    const struct mu_share *share = &worker->share;
    for (unsigned i = 0; worker->is_first && i < share->count; i++)
        if (&share->all[i] != worker && !atomic_load(&share->all[i].ended))
            return true;
    return worker->connection_count > 0;
}

static void end_when_empty(struct mu_worker *worker)
{
    if (!worker->stopping || is_needed(worker) || worker->share.ending)
        return;
    worker->share.ending =
        true; /* whoever is let in may have gone at once, which leads here again */
    mu_share_end(worker);
    worker->share.ending = false;
    if (worker->connection_count > 0)
        return;
    uv_timer_stop(&worker->patience);
    uv_stop(&worker->loop);
}

void mu_worker_remove(struct mu_worker *worker, struct mu_conn *conn)
{
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        worker->connections = conn->next;
    worker->connection_count--;
    atomic_fetch_sub(&worker->share.load, 1);
    mu_listeners_start(worker);
    end_when_empty(worker);
}

static void each_connection(struct mu_worker *worker, void (*act)(struct mu_conn *conn))
{
    for (struct mu_conn *conn = worker->connections, *next; conn != NULL; conn = next) {
        next = conn->next; /* acting may end the connection */
        act(conn);
    }
}

static void on_out_of_patience(uv_timer_t *timer)
{
    each_connection(timer->data, mu_conn_abort);
}

static void on_wake(uv_async_t *wake)
{
    struct mu_worker *worker = wake->data;
    int stop = atomic_load(worker->stop);
    atomic_store(&worker->pulse_seen, atomic_load(worker->pulse));
    mu_share_take(worker);
    struct mu_move *move = atomic_exchange(&worker->move, NULL);
    if (move != NULL)
        mu_worker_make(worker,
                       move); /* when it stops, too: who is in may not be allowed to any more */
    if (atomic_exchange(&worker->review.asked, false))
        mu_review_begin(worker);
    if (stop != STOP_NOT && !worker->stopping) {
        worker->stopping = true;
        mu_listeners_stop(worker);
        uv_timer_stop(&worker->retry);
        for (struct mu_listener *listener = worker->listeners; listener != NULL;
             listener = listener->next) {
            uv_close((uv_handle_t *)&listener->poll, NULL);
            close(listener->fd); /* whoever comes now is refused by the kernel */
            listener->fd = -1;
        }
        uv_timer_start(&worker->patience, on_out_of_patience, worker->config->stop_ms, 0);
        each_connection(worker, mu_conn_stop);
    }
    if (stop == STOP_NOW)
        each_connection(worker, mu_conn_abort);
    end_when_empty(worker);
}

static void drop_move(struct mu_worker *worker)
{
    struct mu_move *move = atomic_exchange(&worker->move, NULL);
    if (move == NULL)
        return;
    if (atomic_fetch_sub(move->left, 1) == 1)
        uv_async_send(move->done);
    mu_move_free(move);
}

/* It may end in this very moment, and then one of the two finds the move. */
void mu_worker_give(struct mu_worker *worker, struct mu_move *move)
{
    atomic_store(&worker->move, move);
    if (atomic_load(&worker->ended))
        drop_move(worker);
}

void mu_worker_run(void *arg)
{
    struct mu_worker *worker = arg;
    on_wake(&worker->wake); /* the first doors */
    mu_listeners_start(worker);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    (void)mu_streams_drop(worker); /* here, for what they have to let go of may be this thread's */
    atomic_store(&worker->ended, true);
    drop_move(worker);
    uv_async_send(&worker->share.all[0].wake); /* it may have waited for this one */
}

/* --- Before and after --- */

int mu_worker_begin(struct mu_worker *worker, struct mu_error *err)
{
    const struct mu_server_config *config = worker->config;
    worker->connection_limit = config->max_connections / config->workers;
    worker->shaking_limit = config->max_handshakes;
    if (config->max_handshakes >= config->workers)
        worker->shaking_limit = config->max_handshakes / config->workers;
    if (worker->connection_limit == 0)
        worker->connection_limit = 1;
    if (uv_loop_init(&worker->loop) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot make an event loop");
    worker->has_loop = true;
    uv_async_init(&worker->loop, &worker->wake, on_wake);
    uv_timer_init(&worker->loop, &worker->patience);
    uv_timer_init(&worker->loop, &worker->retry);
    mu_turn_begin(&worker->turn, &worker->loop);
    worker->wake.data = worker->patience.data = worker->retry.data = worker;
    mu_review_init(worker);
    mu_streams_init(worker);
    return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void mu_loop_take_down(uv_loop_t *loop)
{
    uv_walk(loop, close_handle, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
}

void mu_worker_end(struct mu_worker *worker, bool handed_on)
{
    mu_hall_end_task(worker->hall);
    if (worker->has_loop)
        mu_loop_take_down(&worker->loop);
    mu_move_free(atomic_load(&worker->move));
    for (struct mu_listener *listener = worker->listeners, *next; listener != NULL;
         listener = next) {
        next = listener->next;
        if (!handed_on && listener->gate != NULL)
            mu_listener_remove_name(listener, &listener->gate->entrance->address);
        if (listener->fd >= 0)
            close(listener->fd);
        free(listener);
    }
    mu_hall_leave(worker->hall);
}
