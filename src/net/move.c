/*
 * A worker goes from one set of doors to the next. All that can fail is done before, in the thread that runs the server:
 * when every worker's move is ready, each makes its own, in its own thread, between two turns of its loop. Connections stay
 * with the doors that they came by.
 */

#include <stdlib.h>
#include <unistd.h>

#include "net/internal.h"
#include "net/successor.h"

static int open_listener(const struct mu_gate *gate, struct mu_listener *first,
                         struct mu_listener **ret, struct mu_error *err)
{
    while (first != NULL && first->gate->entrance != gate->entrance)
        first = first->next;
    struct mu_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return mu_fail_nomem(err);
    listener->gate = gate;
    if (mu_listener_open(&gate->entrance->address, listener, first, err) != 0) {
        free(listener);
        return -1;
    }
    listener->next = *ret;
    *ret = listener;
    return 0;
}

int mu_move_add_rest(struct mu_move *move, struct mu_error *err)
{
    for (size_t i = 0; i < move->hall->gate_count; i++) {
        const struct mu_gate *gate = &move->hall->gates[i];
        for (int fd; (fd = mu_predecessor_take(&gate->entrance->address)) >= 0;) {
            struct mu_listener *listener = calloc(1, sizeof *listener);
            if (listener == NULL) {
                close(fd);
                return mu_fail_nomem(err);
            }
            *listener = (struct mu_listener){.gate = gate, .fd = fd, .next = move->opened};
            move->opened = listener;
        }
    }
    return 0;
}

int mu_move_new(struct mu_house *house, const struct mu_move *first, struct mu_move **ret,
                struct mu_error *err)
{
    struct mu_move *move = calloc(1, sizeof *move);
    if (move == NULL)
        return mu_fail_nomem(err);
    if (mu_hall_new(house, &move->hall, err) != 0) {
        mu_move_free(move);
        return -1;
    }
    for (size_t i = 0; i < move->hall->gate_count; i++) {
        const struct mu_gate *gate = &move->hall->gates[i];
        if (!gate->entrance->open &&
            open_listener(gate, first == NULL ? NULL : first->opened, &move->opened, err) != 0) {
            mu_move_free(move);
            return -1;
        }
    }
    *ret = move;
    return 0;
}

void mu_move_free(struct mu_move *move)
{
    if (move == NULL)
        return;
    for (struct mu_listener *listener = move->opened, *next; listener != NULL; listener = next) {
        next = listener->next;
        mu_listener_remove_name(listener, &listener->gate->entrance->address);
        close(listener->fd);
        free(listener);
    }
    mu_hall_leave(move->hall);
    free(move);
}

static const struct mu_gate *find_gate(const struct mu_hall *hall, const struct mu_gate *old)
{
    for (size_t i = 0; old != NULL && i < hall->gate_count; i++)
        if (mu_entrance_same(hall->gates[i].entrance, old->entrance))
            return &hall->gates[i];
    return NULL;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Whoever waits in its queue has come in time. */
static void close_listener(struct mu_listener *listener)
{
    mu_listener_accept(listener);
    mu_listener_remove_name(listener, &listener->gate->entrance->address);
    close(listener->fd);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
}

void mu_worker_make(struct mu_worker *worker, struct mu_move *move)
{
    struct mu_hall *left = worker->hall;
    for (struct mu_listener **at = &worker->listeners, *listener; (listener = *at) != NULL;) {
        const struct mu_gate *gate = find_gate(move->hall, listener->gate);
        /* A worker that stops has closed it, and its name may be another process's. */
        if (gate != NULL || worker->stopping) {
            listener->gate = gate;
            at = &listener->next;
            continue;
        }
        *at = listener->next;
        close_listener(listener);
    }
    worker->hall = move->hall;
    if (worker->is_first)
        mu_hall_begin_task(worker->hall,
                           worker); /* before the other one's end: they may share something */
    mu_hall_end_task(left);
    mu_hall_retire(left, worker->hall);
    mu_review_begin(worker);
    for (struct mu_listener *listener = move->opened, *next; listener != NULL; listener = next) {
        next = listener->next;
        listener->worker = worker;
        uv_poll_init(&worker->loop, &listener->poll, listener->fd);
        listener->poll.data = listener;
        listener->next = worker->listeners;
        worker->listeners = listener;
        if (worker->accepting)
            mu_listener_start(listener);
    }
    if (atomic_fetch_sub(move->left, 1) == 1)
        uv_async_send(move->done);
    free(move);
    mu_hall_leave(left);
}
