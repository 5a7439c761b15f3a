/*
 * HTTP/1.1 between an admitted client and the backends. A session is the client's side: it reads requests, hands each to an
 * exchange (exchange.h), which hands back the answer (proxy_answer.c). One at a time, in order; what a client sends ahead waits.
 */

#include "front/proxy.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "front/proxy_session.h"

/* After so many turns, other connections get theirs. */
enum { TURNS = 16, READ_SIZE = 16 * 1024 };

/* What the client's deadline is for. */
enum phase { IDLE, HEAD, BODY, CONNECT, BACKEND, WRITE, CARRY };

/* --- Requests --- */

static void begin_request(struct mu_proxy_session *s)
{
    struct mu_head head;
    struct mu_permit permit;
    const char *why;
    if (!mu_h1_reader_head(s->reader, &head))
        return;
    const struct mu_request request = {.method = head.method,
                                       .target = head.target,
                                       .headers = head.headers,
                                       .header_count = head.header_count};
    s->under_way = true;
    s->keep_alive = head.keep_alive;
    s->minor = head.minor;
    s->head_only = strcmp(head.method, "HEAD") == 0;
    s->began_ms = mu_backend_now_ms();
    if (!mu_request_leads_here(&request, s->conn))
        mu_proxy_answer(s, 421, "misdirected",
                        "the name in this request is not that of the door that the connection "
                        "came to");
    else if (!mu_guard_ask(&s->guard, &request, &permit))
        mu_proxy_answer_no(s, &permit, head.framing);
    else if (!mu_guard_describe_client(&s->guard, &s->told, &s->about))
        mu_proxy_answer(s, 500, "out-of-memory", "there is not enough memory");
    else if (!mu_exchange_begin(&s->exchange, permit.route == NULL ? s->proxy : &permit.route->proxy,
                                mu_conn_worker(s->conn), &mu_proxy_client, s, &head, &s->about,
                                &why))
        mu_proxy_answer(s, 400, "bad-request", why);
}

static void end_of_request(struct mu_proxy_session *s)
{
    const struct mu_header *trailers;
    size_t count = mu_h1_reader_trailers(s->reader, &trailers);
    s->request_ended = true;
    mu_exchange_send_end(&s->exchange, trailers, count);
}

static void refuse(struct mu_proxy_session *s)
{
    const char *why;
    int status = mu_h1_reader_fault(s->reader, &why);
    if (!s->under_way)
        s->began_ms = mu_backend_now_ms();
    s->keep_alive = false;
    mu_proxy_give_up(s, status, "bad-request", why);
}

/* Who does not take its answers begins no other request. */
static bool may_begin(const struct mu_proxy_session *s)
{
    return s->under_way || mu_proxy_has_room(s);
}

/* What comes from the client. Behind the end of a request it waits until that is answered. */
static void take_input(struct mu_proxy_session *s, const char *data, size_t len)
{
    enum mu_read step = MU_READ_HEAD;
    while (!s->request_ended && !s->closing && step != MU_READ_MORE && may_begin(s)) {
        const char *piece;
        size_t taken, piece_len;
        step = mu_h1_read(s->reader, data, len, &taken, &piece, &piece_len);
        data += taken;
        len -= taken;
        switch (step) {
        case MU_READ_MORE: break;
        case MU_READ_HEAD: begin_request(s); break;
        case MU_READ_BODY: mu_exchange_send(&s->exchange, piece, piece_len); break;
        case MU_READ_END: end_of_request(s); break;
        case MU_READ_BROKEN: refuse(s); break;
        }
    }
    if (s->exchange.state == MU_EXCHANGE_CARRY)
        mu_exchange_send(&s->exchange, data, len);
    else
        mu_buf_add(&s->pending, data, len);
}

static void take_pending(struct mu_proxy_session *s)
{
    struct mu_buf pending = s->pending;
    s->pending = (struct mu_buf)MU_BUF_INIT;
    take_input(s, pending.data, pending.len);
    mu_buf_clear(&pending);
}

/* --- One connection --- */

static bool carries(const struct mu_proxy_session *s)
{
    return s->exchange.state == MU_EXCHANGE_CARRY;
}

/* May more be read from the client: for the request under way, for the next one, or ahead of it? */
static bool wants_input(const struct mu_proxy_session *s)
{
    if (s->client_ended || s->closing || s->pending.len > 0 || !may_begin(s))
        return false;
    return !s->under_way || (s->request_ended && !carries(s)) || mu_exchange_takes(&s->exchange);
}

/*
 * Whether it still listens or has gone looks the same, until something is sent to it: an interim answer, which changes nothing. The
 * backend need not work for nobody. [RFC 9110 15.2]
 */
static void ask_for_client(struct mu_proxy_session *s)
{
    if (!s->answer_begun && s->minor > 0 && s->exchange.request.upgrade[0] == '\0')
        mu_buf_adds(&s->out, "HTTP/1.1 100 Continue\r\n\r\n");
    mu_conn_fear_loss(s->conn);
}

static void on_client_end(struct mu_proxy_session *s)
{
    s->client_ended = true;
    if (s->under_way && !s->request_ended && !carries(s)) {
        mu_proxy_tell_gone(s);
        mu_proxy_end_request(s);
        s->closing = s->broken = true;
    } else if (s->under_way) {
        ask_for_client(s);
    }
}

/* Is the backend to be told that the client has said all? It may have done so before it was agreed to carry anything. */
static bool owes_end(const struct mu_proxy_session *s)
{
    return carries(s) && s->client_ended && s->pending.len == 0 && !s->exchange.request_ended;
}

static enum mu_io read_client(struct mu_proxy_session *s)
{
    static _Thread_local char data[READ_SIZE];
    size_t len;
    if (!mu_conn_has_input(s->conn))
        return MU_IO_WANT_READ;
    enum mu_io io = mu_conn_read(s->conn, data, sizeof data, &len);
    if (io == MU_IO_DONE)
        take_input(s, data, len);
    else if (io == MU_IO_END)
        on_client_end(s);
    return io;
}

static enum mu_io write_out(struct mu_proxy_session *s)
{
    size_t taken;
    if (mu_proxy_unsent(s) == 0)
        return MU_IO_DONE;
    enum mu_io io = mu_proxy_write(s, s->out.data + s->out_taken, mu_proxy_unsent(s), &taken);
    s->out_taken += taken;
    if (mu_proxy_unsent(s) > 0)
        return io;
    mu_buf_clear(&s->out); /* a connection at rest holds no memory */
    s->out_taken = 0;
    return MU_IO_DONE;
}

static void run_exchange(struct mu_proxy_session *s)
{
    struct mu_exchange *e = &s->exchange;
    mu_exchange_run(e);
    if (e->state == MU_EXCHANGE_FAILED)
        mu_proxy_give_up(s, e->fault->status, e->fault->id, e->fault->sentence);
    else if (e->state == MU_EXCHANGE_DONE)
        mu_proxy_finish(s);
}

static enum mu_serve leave(struct mu_proxy_session *s)
{
    return s->broken ? MU_SERVE_RESET : MU_SERVE_CLOSE;
}

/* It has reset the connection, or sent bytes that are no TLS: an alert tells it so. The backend need not wait for that. */
static enum mu_serve lose_client(struct mu_proxy_session *s)
{
    if (s->under_way)
        mu_proxy_tell_gone(s);
    mu_proxy_end_request(s);
    return MU_SERVE_CLOSE;
}

static enum mu_serve wait_for(const struct mu_proxy_session *s)
{
    return (wants_input(s) ? MU_SERVE_READ : MU_SERVE_WAIT) |
           (mu_proxy_unsent(s) > 0 ? MU_SERVE_WRITE : MU_SERVE_WAIT);
}

/* What has been read already can be gone on with. */
static bool has_pending(const struct mu_proxy_session *s)
{
    const bool begins = !s->under_way && s->expelled; /* who may not stay begins nothing */
    return s->pending.len > 0 && !s->closing && !begins && may_begin(s) &&
           (!s->request_ended || carries(s));
}

static enum mu_serve serve(struct mu_proxy_session *s)
{
    for (int turns = 0; turns < TURNS; turns++) {
        if (has_pending(s))
            take_pending(s);
        if (owes_end(s))
            mu_exchange_send_end(&s->exchange, NULL, 0);
        if (s->under_way)
            run_exchange(s);
        if (mu_buf_failed(&s->out) || mu_buf_failed(&s->pending))
            return MU_SERVE_RESET;
        const bool was_full = !mu_proxy_has_room(s);
        enum mu_io io = write_out(s);
        if (io == MU_IO_FAILED)
            return MU_SERVE_ABORT;
        if (io == MU_IO_DONE && s->closing)
            return leave(s);
        if (io == MU_IO_DONE && s->end_carrying) {
            mu_conn_end(s->conn);
            s->end_carrying = false;
        }
        if (has_pending(s) || owes_end(s))
            continue;
        if (!s->under_way && (s->client_ended || s->expelled))
            return mu_proxy_unsent(s) > 0 ? MU_SERVE_WRITE : MU_SERVE_CLOSE;
        io = wants_input(s) ? read_client(s) : MU_IO_WANT_READ;
        if (io == MU_IO_FAILED)
            return lose_client(s);
        if (io == MU_IO_WANT_READ && !(was_full && mu_proxy_has_room(s)))
            return wait_for(s);
    }
    return MU_SERVE_BOTH;
}

/* --- Time --- */

static enum phase phase_of(const struct mu_proxy_session *s)
{
    const struct mu_exchange *e = &s->exchange;
    if (mu_proxy_unsent(s) > 0)
        return WRITE;
    if (!s->under_way)
        return mu_h1_reader_in_head(s->reader) ? HEAD : IDLE;
    if (carries(s))
        return CARRY;
    if (e->state == MU_EXCHANGE_CONNECT)
        return CONNECT;
    return !s->request_ended && mu_exchange_takes(e) && !s->answer_begun ? BODY : BACKEND;
}

/* A head's begins with its first byte: drip-feeding does not extend it. All others begin anew when anything moves. */
static void set_deadline(struct mu_proxy_session *s)
{
    const struct mu_front_deadlines *deadlines = s->proxy->deadlines;
    const unsigned ms[] = {
        [IDLE] = s->stopping ? MU_LEAVING_MS : deadlines->idle_ms,
        [HEAD] = deadlines->header_ms,
        [BODY] = deadlines->body_ms,
        [CONNECT] = deadlines->connect_ms,
        [BACKEND] = deadlines->read_ms,
        [WRITE] = deadlines->write_ms,
        [CARRY] = s->proxy->carry_ms,
    };
    const enum phase phase = phase_of(s);
    const uint64_t moved = s->exchange.moved + s->written;
    if (phase == s->phase && (phase == HEAD || moved == s->moved))
        return;
    s->phase = phase;
    s->moved = moved;
    if (phase == CARRY && ms[CARRY] == 0)
        mu_conn_clear_deadline(s->conn);
    else
        mu_conn_set_deadline(s->conn, ms[phase]);
}

static enum mu_serve session_serve(void *arg)
{
    enum mu_serve result = serve(arg);
    if (result <= MU_SERVE_BOTH)
        set_deadline(arg);
    return result;
}

static enum mu_serve session_expire(void *arg)
{
    struct mu_proxy_session *s = arg;
    switch (s->phase) {
    case IDLE: return MU_SERVE_CLOSE;
    case CARRY:
        mu_proxy_tell(s, "idle");
        mu_proxy_end_request(s);
        return MU_SERVE_CLOSE;
    case WRITE: return MU_SERVE_RESET; /* it takes nothing, so there is nothing to say */
    case HEAD:
    case BODY:
        s->keep_alive = false;
        mu_proxy_give_up(s, 408, "request-timeout", "the request did not arrive in time");
        break;
    case CONNECT:
    case BACKEND: mu_exchange_expire(&s->exchange); break;
    }
    return session_serve(s);
}

static enum mu_serve session_stop(void *arg)
{
    struct mu_proxy_session *s = arg;
    s->stopping = true;
    const enum mu_serve result = session_serve(s);
    if (result <= MU_SERVE_BOTH && phase_of(s) == IDLE)
        mu_conn_set_deadline(s->conn, MU_LEAVING_MS);
    return result;
}

/* The answer under way may end. What has been upgraded has no end that could be waited for. */
static enum mu_serve session_expel(void *arg)
{
    struct mu_proxy_session *s = arg;
    s->stopping = s->expelled = true;
    if (s->under_way && carries(s))
        return MU_SERVE_RESET;
    return s->under_way || mu_proxy_unsent(s) > 0 ? session_serve(s) : MU_SERVE_CLOSE;
}

/* --- Life --- */

/* A name for each session, which none after it will have. */
static atomic_uint_fast64_t sessions = 1;

static void *session_open(void *arg, struct mu_conn *conn)
{
    struct mu_proxy_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->proxy = arg;
    s->conn = conn;
    s->phase = CARRY; /* no deadline has been set yet */
    s->exchange.owner = atomic_fetch_add_explicit(&sessions, 1, memory_order_relaxed);
    mu_guard_open(&s->guard, s->proxy->door, conn);
    s->minor = 1;
    s->reader = mu_h1_request_reader(s->proxy->requests);
    if (s->reader != NULL)
        return s;
    mu_guard_close(&s->guard);
    free(s);
    return NULL;
}

static void session_close(void *arg)
{
    struct mu_proxy_session *s = arg;
    if (s->under_way && carries(s))
        mu_proxy_tell(s, s->expelled ? "expelled" : s->stopping ? "stopped" : "client-reset");
    else if (s->under_way)
        mu_proxy_tell_gone(s);
    mu_proxy_end_request(s);
    mu_exchange_clear(&s->exchange);
    mu_h1_reader_free(s->reader);
    mu_buf_clear(&s->pending);
    mu_buf_clear(&s->out);
    mu_buf_clear(&s->told);
    mu_guard_close(&s->guard);
    free(s->who);
    free(s);
}

const struct mu_protocol mu_proxy_protocol = {
    .open = session_open,
    .serve = session_serve,
    .expire = session_expire,
    .stop = session_stop,
    .expel = session_expel,
    .close = session_close,
};
