/*
 * A client's connection: bytes to and from the machine that reads and writes HTTP/2, its own deadlines, and its ends. What becomes of
 * its requests is in multiplex_stream.c.
 */

#include "front/multiplex.h"

#include <stdlib.h>

#include "front/multiplex_stream.h"

/* After so many turns, other connections get theirs. */
enum { TURNS = 16, READ_SIZE = 16 * 1024 };

/* What the connection's deadline is for, while it is no stream's. */
enum rest { HEAD, IDLE, BLOCKED, BUSY };

/* --- One connection --- */

/* As much as the client takes of what there is. */
static enum mu_io write_out(struct mu_multiplex *s)
{
    const char *data;
    for (size_t len; (len = mu_h2_output(s->h2, &data)) > 0;) {
        size_t taken;
        const enum mu_io io = mu_conn_write(s->conn, data, len, &taken);
        s->written += taken;
        mu_h2_taken(s->h2, taken);
        if (io != MU_IO_DONE)
            return io;
    }
    return MU_IO_DONE;
}

static void note_fault(struct mu_multiplex *s)
{
    const char *sentence, *fault = mu_h2_fault(s->h2, &sentence);
    if (fault == NULL || s->faulted)
        return;
    s->faulted = true;
    mu_multiplex_tell(s, NULL, 400, fault);
}

static enum mu_io read_client(struct mu_multiplex *s)
{
    static _Thread_local char data[READ_SIZE];
    size_t len;
    if (!mu_conn_has_input(s->conn))
        return MU_IO_WANT_READ;
    const enum mu_io io = mu_conn_read(s->conn, data, sizeof data, &len);
    s->client_ended = s->client_ended || (io != MU_IO_DONE && io != MU_IO_WANT_READ);
    if (io == MU_IO_DONE)
        (void)mu_h2_input(s->h2, data, len);
    return io;
}

static enum mu_serve leave(struct mu_multiplex *s)
{
    note_fault(s);
    for (struct mu_multiplex_stream *st = s->streams; st != NULL; st = st->next)
        mu_multiplex_break_off(st);
    return MU_SERVE_CLOSE;
}

static enum mu_serve serve(struct mu_multiplex *s)
{
    for (int turns = 0; turns < TURNS; turns++) {
        mu_multiplex_run_due(s);
        const enum mu_io io = write_out(s);
        if (io == MU_IO_WANT_WRITE)
            return MU_SERVE_WRITE;
        if (io != MU_IO_DONE)
            return MU_SERVE_ABORT;
        if (s->client_ended || mu_h2_is_done(s->h2))
            return leave(s);
        if (read_client(s) == MU_IO_WANT_READ && s->due == NULL)
            return MU_SERVE_READ;
    }
    return MU_SERVE_BOTH;
}

/* --- Its time --- */

void mu_multiplex_arm(struct mu_multiplex *s, int64_t at_ms)
{
    const int64_t now_ms = mu_backend_now_ms();
    if (s->timer_ms != 0 && s->timer_ms <= at_ms)
        return;
    s->timer_ms = at_ms;
    mu_conn_set_deadline(s->conn, at_ms > now_ms ? (unsigned)(at_ms - now_ms) : 1);
}

static enum rest rest_of(const struct mu_multiplex *s, enum mu_serve result)
{
    if (result == MU_SERVE_WRITE)
        return BLOCKED;
    if (mu_h2_in_head(s->h2))
        return HEAD;
    return mu_h2_stream_count(s->h2) > 0 ? BUSY : IDLE;
}

/* A head's time begins with its first byte, and that of rest with the last answer: drip-feeding extends neither. */
static void set_rest(struct mu_multiplex *s, enum mu_serve result)
{
    const struct mu_front_deadlines *deadlines = &s->door->deadlines;
    const unsigned ms[] = {
        [HEAD] = deadlines->header_ms, [IDLE] = deadlines->idle_ms, [BLOCKED] = deadlines->write_ms};
    const enum rest rest = rest_of(s, result);
    const uint64_t moved = rest == BLOCKED ? s->written : rest == IDLE ? s->ended : 0;
    if (rest == s->rest && s->deadline_ms != 0 && moved == s->moved)
        return;
    s->rest = rest;
    s->moved = moved;
    s->deadline_ms = rest == BUSY ? INT64_MAX : mu_backend_now_ms() + ms[rest];
    if (rest != BUSY)
        mu_multiplex_arm(s, s->deadline_ms);
}

static enum mu_serve session_serve(void *arg)
{
    struct mu_multiplex *s = arg;
    const enum mu_serve result = serve(s);
    if (result <= MU_SERVE_BOTH)
        set_rest(s, result);
    return result;
}

static enum mu_serve session_expire(void *arg)
{
    struct mu_multiplex *s = arg;
    const int64_t until_ms = mu_backend_now_ms() + MU_MULTIPLEX_GRAIN_MS;
    s->timer_ms = 0;
    if (s->deadline_ms <= until_ms && s->rest == BLOCKED)
        return MU_SERVE_RESET; /* it takes nothing, so there is nothing to say */
    if (s->deadline_ms <= until_ms && s->rest == HEAD)
        return leave(s);
    if (s->leaving_ms != 0 && s->leaving_ms <= until_ms) {
        s->leaving_ms = 0;
        mu_h2_stop(s->h2);
    }
    if (s->deadline_ms <= until_ms && s->rest == IDLE) {
        mu_h2_stop(s->h2);
        mu_h2_stop(s->h2);
    } else if (s->rest != BUSY) {
        mu_multiplex_arm(s, s->deadline_ms);
    }
    if (s->leaving_ms != 0)
        mu_multiplex_arm(s, s->leaving_ms);
    mu_multiplex_expire_streams(s);
    return session_serve(s);
}

static enum mu_serve session_stop(void *arg)
{
    struct mu_multiplex *s = arg;
    if (!s->stopping) {
        s->stopping = true;
        mu_h2_stop(s->h2);
        s->leaving_ms = mu_backend_now_ms() + MU_LEAVING_MS;
        mu_multiplex_arm(s, s->leaving_ms);
    }
    return session_serve(s);
}

/* What has begun may end; what is on its way is not heard any more, whoever sent it. A WebSocket has no end that could be waited for. */
static enum mu_serve session_expel(void *arg)
{
    struct mu_multiplex *s = arg;
    s->stopping = s->expelled = true;
    mu_h2_stop(s->h2);
    mu_h2_stop(s->h2);
    for (struct mu_multiplex_stream *st = s->streams; st != NULL; st = st->next)
        if (mu_multiplex_carries(st)) {
            mu_multiplex_break_off(st);
            mu_h2_reset(st->h2, MU_H2_CANCEL);
        }
    return session_serve(s);
}

/* --- Life --- */

static void session_close(void *arg)
{
    struct mu_multiplex *s = arg;
    mu_h2_free(s->h2);
    mu_multiplex_part();
    mu_guard_close(&s->guard);
    mu_buf_clear(&s->told);
    free(s->who);
    free(s);
}

/* Can a request for a WebSocket be handed on? */
static bool upgrades(const struct mu_door *door)
{
    const struct mu_backends *backends;
    for (size_t i = 0; (backends = mu_door_backends(door, i)) != NULL; i++)
        if (backends->count > 0 && !backends->h2)
            return true;
    return false;
}

static void *session_open(void *arg, struct mu_conn *conn)
{
    struct mu_multiplex *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->door = arg;
    s->conn = conn;
    s->h2 = mu_h2_server(&mu_multiplex_handler, s, &s->door->requests, upgrades(s->door));
    mu_guard_open(&s->guard, s->door, conn);
    if (s->h2 != NULL) {
        mu_multiplex_join();
        return s;
    }
    mu_guard_close(&s->guard);
    free(s);
    return NULL;
}

const struct mu_protocol mu_multiplex_protocol = {
    .open = session_open,
    .serve = session_serve,
    .expire = session_expire,
    .stop = session_stop,
    .expel = session_expel,
    .close = session_close,
};
