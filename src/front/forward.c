/*
 * Bytes between an admitted client and a backend, as they are. Two flows, one each way; what one end does not take
 * yet waits in its flow, and nothing more is read from the other end before it has left. When one end has said all,
 * the other is told so, and goes on speaking.
 */

#include "front/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "front/avoid.h"
#include "front/guard.h"
#include "net/proxy_header.h"
#include "net/stream.h"

/* After so many reads in a row, other connections get their turn. A read is what one TLS record holds. */
enum { READS_IN_A_ROW = 16, READ_SIZE = 16 * 1024 };

/* Before all backends are tried again: twice as long each time. */
enum { FIRST_PAUSE_MS = 50, LONGEST_PAUSE_MS = 1000 };

struct flow {
    struct mu_buf rest; /* read, not yet written */
    uint64_t bytes;
    bool ended;  /* its source has said all */
    bool passed; /* and its target has been told */
};

struct session {
    const struct mu_forward *how;
    struct mu_conn *conn;
    struct mu_guard guard;
    struct mu_backend *backend; /* that is connected to or was tried last; its `open` counts us */
    uint64_t tried;             /* a bit for each backend */
    size_t address;             /* of the backend: the next to try */
    struct mu_stream *stream;
    bool connected;
    struct flow in, out; /* from the client, to the client */
    int64_t began_ms;
    const char *end;               /* how: see struct mu_forward_event */
    int why;                       /* errno, or 0 */
    struct mu_refusal *refusal;    /* or NULL */
    struct mu_backend *refused_by; /* to try it again would change nothing; or NULL */
    unsigned pause_ms;             /* the next one */
};

/* --- Life --- */

static void *session_open(void *arg, struct mu_conn *conn)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->how = arg;
    s->conn = conn;
    s->began_ms = mu_backend_now_ms();
    s->pause_ms = FIRST_PAUSE_MS;
    s->end = "client-reset"; /* unless anything else is said before the connection is gone */
    mu_guard_open(&s->guard, s->how->door, conn);
    if (mu_guard_ask_carried(&s->guard))
        return s;
    mu_guard_close(&s->guard);
    free(s);
    return NULL;
}

static void leave_backend(struct session *s)
{
    if (s->backend != NULL)
        atomic_fetch_sub_explicit(&s->backend->state->open, 1, memory_order_relaxed);
    s->backend = NULL;
}

/* NULL: whoever comes without TLS shows nothing. */
static const struct mu_who *who_is(const struct session *s, struct mu_who *ret)
{
    struct mu_tls_facts facts;
    if (!mu_conn_tls_facts(s->conn, &facts))
        return NULL;
    mu_who_read(mu_conn_client(s->conn), ret);
    return ret;
}

static void report(const struct session *s)
{
    const struct mu_forward *how = s->how;
    struct mu_who who;
    bool failed = mu_str_starts_with(s->end, "backend-");
    if (how->forwarded == NULL || (how->only_failed && !failed))
        return;
    struct mu_forward_event event = {
        .peer = mu_conn_peer(s->conn),
        .who = who_is(s, &who),
        .backend = s->connected            ? s->backend->name
                   : s->refused_by != NULL ? s->refused_by->name
                                           : "",
        .id = s->end,
        .cause = s->why == 0 ? "" : strerror(s->why),
        .refusal = failed ? s->refusal : NULL,
        .received = s->in.bytes,
        .sent = s->out.bytes,
        .ms = (uint64_t)(mu_backend_now_ms() - s->began_ms),
    };
    how->forwarded(how->arg, &event);
}

static void session_close(void *arg)
{
    struct session *s = arg;
    report(s);
    mu_guard_close(&s->guard);
    mu_stream_free(s->stream, true);
    leave_backend(s);
    mu_buf_clear(&s->in.rest);
    mu_buf_clear(&s->out.rest);
    free(s->refusal);
    free(s);
}

/* Let go of the backend now: the client may take a while to take leave. */
static enum mu_serve finish(struct session *s, const char *how, bool reset, enum mu_serve result)
{
    s->end = how;
    mu_stream_free(s->stream, reset);
    s->stream = NULL;
    return result;
}

/* --- The two flows --- */

static enum mu_io read_client(struct session *s, void *ret, size_t cap, size_t *ret_len)
{
    return mu_conn_read(s->conn, ret, cap, ret_len);
}

static enum mu_io write_client(struct session *s, const void *data, size_t len, size_t *ret_len)
{
    return mu_conn_write(s->conn, data, len, ret_len);
}

static void end_client(struct session *s)
{
    mu_conn_end(s->conn);
}

static enum mu_io read_backend(struct session *s, void *ret, size_t cap, size_t *ret_len)
{
    return mu_stream_read(s->stream, ret, cap, ret_len);
}

static enum mu_io write_backend(struct session *s, const void *data, size_t len, size_t *ret_len)
{
    return mu_stream_write(s->stream, data, len, ret_len);
}

static void end_backend(struct session *s)
{
    mu_stream_end(s->stream);
}

struct way {
    enum mu_io (*read)(struct session *s, void *ret, size_t cap, size_t *ret_len);
    enum mu_io (*write)(struct session *s, const void *data, size_t len, size_t *ret_len);
    void (*end)(struct session *s);
};

static const struct way inward = {read_client, write_backend, end_backend};
static const struct way outward = {read_backend, write_client, end_client};

/* Write all of it, or what is possible. */
static enum mu_io write_some(struct session *s, const struct way *way, const char *data, size_t len,
                             size_t *ret_len)
{
    enum mu_io io = MU_IO_DONE;
    *ret_len = 0;
    while (*ret_len < len && io == MU_IO_DONE) {
        size_t taken;
        io = way->write(s, data + *ret_len, len - *ret_len, &taken);
        *ret_len += taken;
    }
    return io;
}

static enum mu_io write_rest(struct session *s, struct flow *flow, const struct way *way)
{
    size_t taken;
    if (flow->rest.len == 0)
        return MU_IO_DONE;
    enum mu_io io = write_some(s, way, flow->rest.data, flow->rest.len, &taken);
    mu_buf_consume(&flow->rest, taken);
    if (flow->rest.len == 0)
        mu_buf_clear(&flow->rest); /* a connection at rest should hold no memory */
    return io;
}

/*
 * MU_IO_WANT_READ, MU_IO_WANT_WRITE: that is what it waits for. MU_IO_DONE: there may be more, but it is somebody
 * else's turn. MU_IO_END: all of it is on its way. MU_IO_FAILED: `ret_failed` is the end that did.
 */
static enum mu_io pump(struct session *s, struct flow *flow, const struct way *way,
                       const struct way **ret_failed)
{
    static _Thread_local char data[READ_SIZE];
    *ret_failed =
        way == &inward ? &outward : &inward; /* of a write, it is the other way's source */
    for (int reads = 0; reads < READS_IN_A_ROW; reads++) {
        size_t len, taken;
        enum mu_io io = write_rest(s, flow, way);
        if (io != MU_IO_DONE)
            return io;
        if (flow->ended && !flow->passed)
            way->end(s);
        flow->passed = flow->ended;
        if (flow->ended)
            return MU_IO_END;
        io = way->read(s, data, sizeof data, &len);
        flow->ended = io == MU_IO_END;
        if (io == MU_IO_FAILED)
            *ret_failed = way;
        if (io != MU_IO_DONE && io != MU_IO_END)
            return io == MU_IO_FAILED ? io : MU_IO_WANT_READ;
        flow->bytes += len;
        io = write_some(s, way, data, len, &taken);
        if (io == MU_IO_FAILED)
            return io;
        if (taken < len) /* or a buffer would be kept for nothing */
            mu_buf_add(&flow->rest, data + taken, len - taken);
        if (mu_buf_failed(&flow->rest)) {
            errno = ENOMEM;
            return MU_IO_FAILED;
        }
    }
    return MU_IO_DONE;
}

static void forget_refusal(struct session *s)
{
    free(s->refusal);
    s->refusal = NULL;
    s->refused_by = NULL;
}

/* A server that closes in a handshake may be just starting; one that says no will say it again. */
static bool is_final(const struct mu_refusal *refusal)
{
    return refusal->code != MU_REFUSAL_SERVER_CLOSED;
}

/* Why the stream has failed: errno says, unless TLS does. What is final is not forgotten for the sake of what is not. */
static void note_failure(struct session *s)
{
    s->why = errno;
    const struct mu_refusal *refusal = mu_stream_refusal(s->stream);
    if (refusal == NULL || (s->refusal != NULL && is_final(s->refusal)))
        return;
    forget_refusal(s);
    s->refusal = malloc(sizeof *refusal);
    if (s->refusal == NULL)
        return;
    *s->refusal = *refusal;
    s->refused_by = s->backend;
}

/* What one end has broken off, the other must not take for whole. */
static enum mu_serve break_off(struct session *s, const struct way *failed)
{
    if (failed == &inward) /* libssl has an alert for the client, if it can still be reached */
        return finish(s, "client-reset", true, MU_SERVE_CLOSE);
    note_failure(s);
    bool refused = s->refusal != NULL && s->refusal->code == MU_REFUSAL_SERVER_ALERT;
    return finish(s, refused ? "backend-refused" : "backend-reset", true, MU_SERVE_RESET);
}

/* What is left of a connection's lifetime, at least a millisecond. */
static unsigned lifetime_left_ms(const struct session *s)
{
    int64_t left_ms = s->began_ms + s->how->lifetime_ms - mu_backend_now_ms();
    return left_ms > 0 ? (unsigned)left_ms : 1;
}

/* Until when the next byte has to come, and the last. */
static void set_limits(struct session *s)
{
    const unsigned idle_ms = s->how->idle_ms;
    const unsigned left_ms = s->how->lifetime_ms > 0 ? lifetime_left_ms(s) : 0;
    if (left_ms > 0 && (idle_ms == 0 || left_ms < idle_ms))
        mu_conn_set_deadline(s->conn, left_ms);
    else if (idle_ms > 0)
        mu_conn_set_deadline(s->conn, idle_ms);
}

static enum mu_serve carry(struct session *s)
{
    const uint64_t before = s->in.bytes + s->out.bytes;
    const struct way *failed;
    enum mu_io out = pump(s, &s->out, &outward, &failed);
    if (out == MU_IO_FAILED)
        return break_off(s, failed);
    enum mu_io in = pump(s, &s->in, &inward, &failed);
    if (in == MU_IO_FAILED)
        return break_off(s, failed);
    enum mu_io left = mu_stream_flushed(s->stream);
    if (left == MU_IO_FAILED)
        return break_off(s, &outward);
    if (in == MU_IO_END && out == MU_IO_END && left == MU_IO_DONE)
        return finish(s, "closed", false, MU_SERVE_CLOSE);

    if (s->how->idle_ms > 0 && s->in.bytes + s->out.bytes > before)
        set_limits(s);
    mu_stream_watch(s->stream, out == MU_IO_WANT_READ,
                    in == MU_IO_WANT_WRITE || (in == MU_IO_END && left == MU_IO_WANT_WRITE));
    if (in == MU_IO_DONE || out == MU_IO_DONE)
        return MU_SERVE_BOTH; /* there is room, so we are called again soon */
    return (in == MU_IO_WANT_READ ? MU_SERVE_READ : MU_SERVE_WAIT) |
           (out == MU_IO_WANT_WRITE ? MU_SERVE_WRITE : MU_SERVE_WAIT);
}

/* --- Connecting --- */

static void on_stream(void *arg)
{
    struct session *s = arg;
    mu_conn_wake(s->conn);
}

static bool choose_backend(struct session *s)
{
    const struct mu_backends *backends = s->how->backends;
    leave_backend(s);
    s->backend = mu_backends_choose(backends, s->tried, mu_backend_now_ms());
    if (s->backend == NULL)
        return false;
    atomic_fetch_add_explicit(&s->backend->state->open, 1, memory_order_relaxed);
    s->tried |= UINT64_C(1) << (s->backend - backends->at);
    s->address = 0;
    return true;
}

/* An attempt's limit, if that is not past the time for all of them. */
static unsigned attempt_ms(const struct session *s)
{
    const struct mu_forward *how = s->how;
    int64_t left_ms = s->began_ms + how->retry_ms - mu_backend_now_ms();
    if (how->retry_ms == 0 || left_ms > how->connect_ms)
        return how->connect_ms;
    return left_ms > 0 ? (unsigned)left_ms : 1;
}

/* Begin with the next address, of this backend or of another. False: there is none left. */
static bool try_next(struct session *s)
{
    mu_stream_free(s->stream, false);
    s->stream = NULL;
    while (s->stream == NULL) {
        if (s->backend != NULL && s->address == s->backend->address_count)
            mu_avoid_unreachable(s->backend, mu_conn_worker(s->conn), s->why);
        if ((s->backend == NULL || s->address == s->backend->address_count) && !choose_backend(s))
            return false;
        s->stream = mu_stream_connect(mu_conn_worker(s->conn), &s->backend->addresses[s->address++],
                                      mu_conn_caller(s->conn),
                                      (size_t)(s->backend - s->how->backends->at), on_stream, s);
        if (s->stream == NULL)
            s->why = errno;
    }
    mu_conn_set_deadline(s->conn, attempt_ms(s));
    return true;
}

/* What the backend hears before the client's first byte, and though the client never says one. */
static bool introduce(struct session *s)
{
    struct mu_tls_facts facts;
    struct mu_address local;
    if (!s->how->send_proxy || !mu_conn_tls_facts(s->conn, &facts))
        return true;
    mu_conn_local(s->conn, &local);
    mu_proxy_header_write(mu_conn_peer(s->conn), &local, &facts, mu_conn_client(s->conn),
                          &s->in.rest);
    return !mu_buf_failed(&s->in.rest);
}

static enum mu_serve begin_to_carry(struct session *s)
{
    if (!introduce(s))
        return MU_SERVE_RESET;
    mu_avoid_over(s->backend, mu_conn_worker(s->conn));
    s->connected = true;
    s->why = 0;
    forget_refusal(s);
    mu_conn_clear_deadline(s->conn);
    set_limits(s);
    return carry(s);
}

/* Nobody could be reached: all are tried again after a while, or it is given up. A client without an answer must not take it
 * for an empty one: it gets a reset. */
static enum mu_serve pause_or_give_up(struct session *s)
{
    const int64_t until_ms = s->began_ms + s->how->retry_ms;
    const bool refused = s->refusal != NULL && is_final(s->refusal);
    if (refused || mu_backend_now_ms() + s->pause_ms >= until_ms)
        return finish(s, refused ? "backend-refused" : "backend-unreachable", true, MU_SERVE_RESET);
    forget_refusal(s);
    s->tried = 0;
    mu_conn_set_deadline(s->conn, s->pause_ms);
    s->pause_ms = s->pause_ms * 2 < LONGEST_PAUSE_MS ? s->pause_ms * 2 : LONGEST_PAUSE_MS;
    return MU_SERVE_WAIT;
}

static enum mu_serve connect_on(struct session *s)
{
    bool going_on = s->stream != NULL || try_next(s);
    while (going_on) {
        enum mu_io io = mu_stream_connected(s->stream);
        if (io == MU_IO_DONE)
            return begin_to_carry(s);
        mu_stream_watch(s->stream, io == MU_IO_WANT_READ, io == MU_IO_WANT_WRITE);
        if (io != MU_IO_FAILED)
            return MU_SERVE_WAIT;
        note_failure(s);
        going_on = try_next(s);
    }
    return pause_or_give_up(s);
}

/* --- What net asks --- */

static enum mu_serve session_serve(void *arg)
{
    struct session *s = arg;
    return s->connected ? carry(s) : connect_on(s);
}

/* Silence is no reason to think that something is missing; in the middle of a conversation it is. */
static enum mu_serve expire_carried(struct session *s)
{
    const unsigned clock_grain_ms = 10;
    const bool old = s->how->lifetime_ms > 0 && lifetime_left_ms(s) <= clock_grain_ms;
    return old ? finish(s, "lifetime", true, MU_SERVE_RESET)
               : finish(s, "idle", false, MU_SERVE_CLOSE);
}

static enum mu_serve session_expire(void *arg)
{
    struct session *s = arg;
    if (s->connected)
        return expire_carried(s);
    if (s->stream == NULL) /* the pause is over */
        return session_serve(s);
    s->why = ETIMEDOUT;
    return try_next(s) ? session_serve(s) : pause_or_give_up(s);
}

/* Where one message ends and the next begins, only the two ends know: they may finish until time is up. */
static enum mu_serve session_stop(void *arg)
{
    struct session *s = arg;
    s->end = "stopped";
    return session_serve(s);
}

static enum mu_serve session_expel(void *arg)
{
    return finish(arg, "expelled", true, MU_SERVE_RESET);
}

const struct mu_protocol mu_forward_protocol = {
    .open = session_open,
    .serve = session_serve,
    .expire = session_expire,
    .stop = session_stop,
    .expel = session_expel,
    .close = session_close,
};
