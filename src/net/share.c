/*
 * The kernel spreads clients over the workers' sockets by a hash of their addresses, and knows nothing of how many each has
 * already: of 64 connections that stay, the busier one of two workers usually has 36. So whoever comes to a worker that
 * has more than another one is handed to the one that has least. That is all that crosses: a socket and two addresses.
 */

#include <stdlib.h>
#include <unistd.h>

#include "net/internal.h"

struct mu_handed {
    struct mu_handed *next;
    int fd;
    struct mu_address peer,
        wanted; /* of the entrance: the two may have come to different doors by now */
};

/* In the place of the list, once nobody takes from it any more. */
static struct mu_handed closed;

/* For one who has not come in yet: nobody there has to go for whom another one sends. */
static bool has_room(const struct mu_worker *worker)
{
    return worker->shaking_limit == 0 ||
           atomic_load_explicit(&worker->share.shaking, memory_order_relaxed) <
               worker->shaking_limit;
}

static struct mu_worker *least_busy(const struct mu_share *share)
{
    struct mu_worker *least = NULL;
    for (unsigned i = 0; i < share->count; i++) {
        struct mu_worker *worker = &share->all[i];
        const unsigned load = atomic_load_explicit(&worker->share.load, memory_order_relaxed);
        if (atomic_load_explicit(&worker->accepting, memory_order_relaxed) && has_room(worker) &&
            (least == NULL || load < atomic_load_explicit(&least->share.load, memory_order_relaxed)))
            least = worker;
    }
    return least;
}

/* Whoever is on the way counts, or one batch would all go to the same worker. */
static void count(struct mu_worker *worker, int more)
{
    atomic_fetch_add(&worker->share.load, (unsigned)more);
    atomic_fetch_add(&worker->share.shaking, (unsigned)more);
}

/* False: it is to stay. */
static bool push(struct mu_worker *worker, struct mu_handed *handed)
{
    struct mu_handed *first = atomic_load(&worker->share.handed);
    do {
        if (first == &closed)
            return false;
        handed->next = first;
    } while (!atomic_compare_exchange_weak(&worker->share.handed, &first, handed));
    uv_async_send(&worker->wake);
    return true;
}

bool mu_share_give(const struct mu_listener *listener, int fd, const struct mu_address *peer)
{
    const struct mu_share *share = &listener->worker->share;
    struct mu_worker *other = share->count > 1 ? least_busy(share) : NULL;
    if (other == NULL || other->share.load >= share->load || atomic_load(share->moving) > 0)
        return false;
    struct mu_handed *handed = malloc(sizeof *handed);
    if (handed == NULL)
        return false;
    *handed =
        (struct mu_handed){.fd = fd, .peer = *peer, .wanted = listener->gate->entrance->wanted};
    count(other, 1);
    if (push(other, handed))
        return true;
    count(other, -1);
    free(handed);
    return false;
}

/* Nobody listens there any more if the door went in the very moment in which the client was handed over. */
static void let_in(struct mu_worker *worker, const struct mu_handed *handed)
{
    struct mu_listener *listener = worker->listeners;
    while (listener != NULL && (listener->gate == NULL ||
                                !mu_entrance_is_at(listener->gate->entrance, &handed->wanted)))
        listener = listener->next;
    if (listener == NULL)
        close(handed->fd);
    else
        mu_conn_start(listener, handed->fd, &handed->peer);
}

static void let_all_in(struct mu_worker *worker, struct mu_handed *newest)
{
    struct mu_handed *oldest = NULL;
    for (struct mu_handed *handed = newest, *next; handed != NULL && handed != &closed;
         handed = next) {
        next = handed->next;
        handed->next = oldest;
        oldest = handed;
    }
    for (struct mu_handed *handed = oldest, *next; handed != NULL; handed = next) {
        next = handed->next;
        let_in(worker, handed);
        count(worker, -1);
        free(handed);
    }
}

void mu_share_take(struct mu_worker *worker)
{
    struct mu_handed *newest = atomic_load(&worker->share.handed);
    while (newest != NULL && newest != &closed &&
           !atomic_compare_exchange_weak(&worker->share.handed, &newest, NULL))
        ;
    let_all_in(worker, newest);
}

void mu_share_end(struct mu_worker *worker)
{
    let_all_in(worker, atomic_exchange(&worker->share.handed, &closed));
}
