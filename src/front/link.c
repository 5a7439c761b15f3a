#include "front/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "front/backend.h"

/* After so many reads in a row, others get their turn; so many share a connection, whatever its server allows. */
enum { READS_IN_A_ROW = 4, READ_SIZE = 16 * 1024, USERS_MAX = 100 };

struct mu_link {
    void **links;                    /* the worker's */
    struct mu_link *next, *previous; /* of these */
    struct mu_address address;
    struct mu_stream *stream;
    struct mu_h2 *h2; /* NULL: it is lost */
    struct mu_link_user *users, *told;
    unsigned user_count;
    uint64_t reads; /* by which something has come */
    bool connected, used, resting;
    bool doubted;     /* see mu_link_doubt() */
    bool losing, bad; /* while it is being lost: see struct mu_link_events */
    bool busy; /* something is called that may come back to us: nothing else is, and nothing freed */
    int why;   /* errno */
};

/* --- Users --- */

static void note_told(struct mu_link_user *user)
{
    if (user == NULL || user->is_told)
        return;
    user->is_told = true;
    user->next_told = user->link->told;
    user->link->told = user;
}

static void forget_told(struct mu_link_user *user)
{
    struct mu_link_user **at = &user->link->told;
    while (user->is_told && *at != user)
        at = &(*at)->next_told;
    if (user->is_told)
        *at = user->next_told;
    user->is_told = false;
}

static struct mu_link_user *user_of(const struct mu_h2_stream *stream)
{
    return mu_h2_stream_arg(stream);
}

static uint64_t now_ms(void *arg)
{
    (void)arg;
    return (uint64_t)mu_backend_now_ms();
}

static void on_head(void *arg, struct mu_h2_stream *stream, const struct mu_head *head, int status,
                    const char *why)
{
    struct mu_link_user *user = user_of(stream);
    (void)arg, (void)status, (void)why;
    note_told(user);
    if (user != NULL)
        user->events->head(user->arg, head);
}

static void on_body(void *arg, struct mu_h2_stream *stream, const char *data, size_t len)
{
    struct mu_link_user *user = user_of(stream);
    (void)arg;
    note_told(user);
    if (user != NULL)
        user->events->body(user->arg, data, len);
    else
        mu_h2_taken_in(stream, len);
}

static void on_end(void *arg, struct mu_h2_stream *stream, const struct mu_header *trailers,
                   size_t count)
{
    struct mu_link_user *user = user_of(stream);
    (void)arg;
    note_told(user);
    if (user != NULL)
        user->events->end(user->arg, trailers, count);
}

static void on_room(void *arg, struct mu_h2_stream *stream)
{
    (void)arg;
    note_told(user_of(stream));
}

static void on_closed(void *arg, struct mu_h2_stream *stream, enum mu_h2_code code)
{
    const struct mu_link *link = arg;
    struct mu_link_user *user = user_of(stream);
    if (user == NULL)
        return;
    note_told(user);
    user->stream = NULL;
    user->events->closed(user->arg, code, link->losing, link->bad);
}

static const struct mu_h2_handler handler = {
    .now_ms = now_ms,
    .head = on_head,
    .body = on_body,
    .end = on_end,
    .room = on_room,
    .closed = on_closed,
};

/* --- Life --- */

static void on_stream(void *arg);

static void take_out(struct mu_link *link)
{
    *(link->previous == NULL ? (struct mu_link **)link->links : &link->previous->next) = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
}

static void destroy(struct mu_link *link)
{
    take_out(link);
    mu_h2_free(link->h2);
    mu_stream_free(link->stream, false);
    free(link);
}

/* What can be said of the end leaves at once, or not at all. */
static void on_dropped(void *arg)
{
    struct mu_link *link = arg;
    const char *data;
    size_t taken;
    mu_h2_stop(link->h2);
    const size_t len = mu_h2_output(link->h2, &data);
    if (len > 0)
        (void)mu_stream_write(link->stream, data, len, &taken);
    destroy(link);
}

static struct mu_link *make(struct mu_worker *worker, const struct mu_address *address)
{
    struct mu_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    link->address = *address;
    link->links = mu_worker_common(worker);
    link->h2 = mu_h2_client(&handler, link);
    link->stream =
        link->h2 == NULL ? NULL : mu_stream_connect(worker, address, NULL, 0, on_stream, link);
    if (link->stream == NULL) {
        const int saved = errno;
        mu_h2_free(link->h2);
        free(link);
        errno = saved;
        return NULL;
    }
    link->next = *link->links;
    if (link->next != NULL)
        link->next->previous = link;
    *link->links = link;
    return link;
}

/* Nothing comes or goes any more. Whoever has a stream is told. */
static void lose(struct mu_link *link, int why)
{
    const char *sentence;
    const bool was_busy = link->busy;
    if (link->h2 == NULL)
        return;
    link->busy = true;
    link->why = why;
    link->losing = true;
    link->bad = mu_h2_fault(link->h2, &sentence) != NULL;
    mu_h2_free(link->h2);
    link->h2 = NULL;
    for (struct mu_link_user *user = link->users; user != NULL; user = user->next)
        note_told(user); /* also who has not asked yet */
    link->busy = was_busy;
}

/* --- Bytes --- */

/* If the socket has failed, reading finds it, too. */
static void write_out(struct mu_link *link)
{
    const char *data;
    bool writes = false;
    const bool was_busy = link->busy;
    if (!link->connected || link->h2 == NULL)
        return;
    link->busy = true;
    for (size_t len; !writes && (len = mu_h2_output(link->h2, &data)) > 0;) {
        size_t taken;
        const enum mu_io io = mu_stream_write(link->stream, data, len, &taken);
        mu_h2_taken(link->h2, taken);
        writes = io == MU_IO_WANT_WRITE;
        if (io != MU_IO_DONE && io != MU_IO_WANT_WRITE)
            break;
    }
    mu_stream_watch(link->stream, true, writes);
    link->busy = was_busy;
}

static void read_in(struct mu_link *link)
{
    static _Thread_local char data[READ_SIZE];
    for (int reads = 0; reads < READS_IN_A_ROW; reads++) {
        size_t len;
        const enum mu_io io = mu_stream_read(link->stream, data, sizeof data, &len);
        if (io == MU_IO_WANT_READ || io == MU_IO_WANT_WRITE)
            return;
        if (io != MU_IO_DONE) {
            lose(link, io == MU_IO_FAILED ? errno : 0);
            return;
        }
        link->reads++;
        if (!mu_h2_input(link->h2, data, len)) {
            write_out(link);
            lose(link, 0);
            return;
        }
    }
}

static void connect_on(struct mu_link *link)
{
    const enum mu_io io = mu_stream_connected(link->stream);
    if (io == MU_IO_WANT_READ || io == MU_IO_WANT_WRITE) {
        mu_stream_watch(link->stream, false, true);
        return;
    }
    link->connected = io == MU_IO_DONE;
    if (io != MU_IO_DONE) {
        lose(link, errno);
        return;
    }
    for (struct mu_link_user *user = link->users; user != NULL; user = user->next)
        note_told(user);
}

/* It may be gone when this returns. */
static void settle(struct mu_link *link)
{
    if (link->busy)
        return;
    write_out(link);
    if (link->h2 != NULL && mu_h2_is_done(link->h2))
        lose(link, 0);
    if (link->told != NULL) /* they are, soon */
        mu_stream_watch(link->stream, link->h2 != NULL, true);
    if (link->users != NULL || link->resting)
        return;
    if (link->h2 == NULL || !link->connected || link->doubted || !mu_h2_takes_requests(link->h2)) {
        destroy(link);
        return;
    }
    link->resting = true;
    mu_stream_rest(link->stream, on_dropped);
}

static void tell_users(struct mu_link *link)
{
    while (link->told != NULL) {
        struct mu_link_user *user = link->told;
        forget_told(user);
        user->events->wake(user->arg);
    }
}

/* Resting, it has nobody to be told; what comes may end it. */
static void on_stream(void *arg)
{
    struct mu_link *link = arg;
    link->busy = true;
    if (!link->connected)
        connect_on(link);
    if (link->connected && link->h2 != NULL)
        read_in(link);
    tell_users(link);
    link->busy = false;
    if (link->resting && (link->h2 == NULL || !mu_h2_takes_requests(link->h2))) {
        mu_stream_need(link->stream);
        destroy(link);
        return;
    }
    settle(link);
}

/* --- For users --- */

static bool serves(const struct mu_link *link, const struct mu_address *address)
{
    return link->h2 != NULL && !link->doubted && mu_address_same(&link->address, address) &&
           mu_h2_takes_requests(link->h2) && link->user_count < USERS_MAX;
}

bool mu_link_join(struct mu_link_user *user, struct mu_worker *worker,
                  const struct mu_address *address, const struct mu_link_events *events, void *arg,
                  bool *ret_reused)
{
    struct mu_link *link = *mu_worker_common(worker);
    while (link != NULL && !serves(link, address))
        link = link->next;
    if (link == NULL)
        link = make(worker, address);
    if (link == NULL)
        return false;
    if (link->resting)
        mu_stream_need(link->stream);
    link->resting = false;
    *ret_reused = link->used;
    *user = (struct mu_link_user){.link = link, .next = link->users, .events = events, .arg = arg};
    if (user->next != NULL)
        user->next->previous = user;
    link->users = user;
    link->user_count++;
    return true;
}

enum mu_io mu_link_connected(const struct mu_link_user *user, int *ret_why)
{
    struct mu_link *link = user->link;
    if (link->h2 == NULL) {
        *ret_why = link->why;
        return MU_IO_FAILED;
    }
    if (!link->connected)
        mu_stream_watch(link->stream, false, true);
    return link->connected ? MU_IO_DONE : MU_IO_WANT_WRITE;
}

bool mu_link_request(struct mu_link_user *user, const struct mu_header *fields, size_t count,
                     bool ended)
{
    struct mu_link *link = user->link;
    if (link->h2 == NULL)
        return false;
    user->stream = mu_h2_request(link->h2, fields, count, ended, user);
    user->asked_at = link->reads;
    link->used = link->used || user->stream != NULL;
    return user->stream != NULL;
}

void mu_link_doubt(struct mu_link_user *user)
{
    if (user->link != NULL && user->stream != NULL && user->link->reads == user->asked_at)
        user->link->doubted = true;
}

void mu_link_flush(struct mu_link_user *user)
{
    if (user->link != NULL)
        settle(user->link);
}

void mu_link_leave(struct mu_link_user *user)
{
    struct mu_link *link = user->link;
    if (link == NULL)
        return;
    if (user->stream != NULL) {
        mu_h2_stream_set(user->stream, NULL);
        mu_h2_reset(user->stream, MU_H2_CANCEL);
    }
    forget_told(user);
    *(user->previous == NULL ? &link->users : &user->previous->next) = user->next;
    if (user->next != NULL)
        user->next->previous = user->previous;
    link->user_count--;
    *user = (struct mu_link_user){.link = NULL};
    settle(link);
}
