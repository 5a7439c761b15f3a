/*
 * HTTP/1.1 between an admitted client and the backends. A session is the client's side: it reads requests, hands each to an
 * exchange (exchange.h), which hands back the answer. One at a time, in order; what a client sends ahead waits.
 */

#include "front/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "front/exchange.h"
#include "front/guard.h"
#include "front/internal.h"

/* For a client to send some more of a body; nobody has needed to choose it yet. */
enum { BODY_MS = 60 * 1000 };
/* After so many turns, other connections get theirs. */
enum { TURNS = 16, READ_SIZE = 16 * 1024 };
/* So much of an answer may wait for the client; from this size on, a piece of a body is worth a write of its own. */
enum { ROOM = 32 * 1024, DIRECT_WRITE = 4096 };

/* What the client's deadline is for. */
enum phase { IDLE, HEAD, BODY, CONNECT, BACKEND, WRITE, CARRY };

struct session {
    const struct mu_proxy *proxy;
    struct mu_conn *conn;
    struct mu_h1_reader *reader;
    struct mu_exchange exchange; /* of the request under way */
    struct mu_guard guard;
    struct mu_relay_client about;
    struct mu_buf told; /* further lines of `about` */

    struct mu_buf pending; /* read behind the request under way */
    struct mu_buf out;     /* for the client */
    size_t out_taken;
    bool client_ended; /* it will send no more */
    bool stopping, expelled;
    bool closing; /* when what is in `out` has left */
    bool broken;  /* what is in `out` is not all there was to be, and must not be taken for it */
    bool end_carrying; /* the backend has said all; the client is to be told, and may go on */

    /* Of the request under way. */
    bool under_way, request_ended, keep_alive, head_only;
    bool answer_begun, chunk_answer;
    int minor, status;
    int64_t began_ms;

    enum phase phase; /* that the deadline was last set for */
    uint64_t moved;   /* likewise: of the exchange, and to the client */
    uint64_t written;
    struct mu_who *who;
};

/* --- The log --- */

/* Once for each request. `id` says what became of it, if that is not what should have. */
static void tell(struct session *s, const char *id)
{
    const struct mu_front_events *events = s->proxy->events;
    const struct mu_exchange *e = &s->exchange;
    const bool failed = mu_str_starts_with(id, "backend-");
    struct mu_head head = {.method = NULL};
    mu_count_answer(mu_conn_counters(s->conn), s->status);
    void (*hear)(void *, const struct mu_request_event *) =
        events->requested != NULL || !failed ? events->requested : events->failed;
    if (hear == NULL || mu_who_keep(&s->who, mu_conn_client(s->conn)) == NULL)
        return;
    mu_h1_reader_head(s->reader, &head);
    struct mu_request_event event = {
        .peer = mu_conn_peer(s->conn),
        .who = s->who,
        .method = head.method,
        .target = head.target,
        .protocol = s->minor == 0 ? "HTTP/1.0" : "HTTP/1.1",
        .status = s->status,
        .backend = e->backend == NULL ? "" : e->backend->name,
        .id = id,
        .cause = failed && e->why != 0 ? strerror(e->why) : "",
        .received = e->received,
        .sent = e->sent,
        .ms = (uint64_t)(mu_backend_now_ms() - s->began_ms),
    };
    hear(events->arg, &event);
}

/* The client is, before it was answered whole. */
static void tell_gone(struct session *s)
{
    if (!s->answer_begun)
        s->status = 499; /* what nginx's log says, too */
    tell(s, "client-gone");
}

/* --- From one request to the next --- */

static void end_request(struct session *s)
{
    mu_exchange_end(&s->exchange);
    mu_h1_reader_rest(s->reader);
    s->under_way = s->request_ended = s->answer_begun = s->head_only = false;
    s->status = 0;
}

/* An answer of our own. */
static void send_own(struct session *s, const struct mu_response *response, const char *id)
{
    s->status = response->status;
    s->keep_alive = s->keep_alive && s->request_ended && !s->stopping;
    mu_buf_addf(&s->out,
                "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n%s",
                response->status, mu_http_reason(response->status), mu_http_date_of(time(NULL)),
                response->content_type, response->text.len, mu_buf_str(&response->headers),
                !s->keep_alive  ? "Connection: close\r\n"
                : s->minor == 0 ? "Connection: keep-alive\r\n"
                                : "",
                s->head_only ? "" : mu_buf_str(&response->text));
    tell(s, id);
    s->closing = !s->keep_alive;
    end_request(s);
}

/* `id` goes into the log and is told to the client, so that the two can be found together. */
static void answer_ourselves(struct session *s, int status, const char *id, const char *sentence)
{
    struct mu_response response = MU_RESPONSE_INIT;
    response.status = status;
    response.content_type = "text/plain; charset=utf-8";
    mu_buf_addf(&response.text, "%d %s: %s [%s]\n", status, mu_http_reason(status), sentence, id);
    send_own(s, &response, id);
    mu_response_clear(&response);
}

/* Where no body follows, the connection is good for another request; a body is not waited for. */
static void answer_no(struct session *s, const struct mu_permit *permit, enum mu_framing framing)
{
    struct mu_response response = MU_RESPONSE_INIT;
    const char *piece;
    size_t taken, len;
    s->request_ended = framing == MU_BODY_NONE &&
                       mu_h1_read(s->reader, "", 0, &taken, &piece, &len) == MU_READ_END;
    mu_guard_respond(&s->guard, permit, &response);
    send_own(s, &response, permit->id);
    mu_response_clear(&response);
}

/* What has begun cannot be answered otherwise any more: it is cut off, and visibly. */
static void give_up(struct session *s, int status, const char *id, const char *sentence)
{
    if (!s->answer_begun) {
        answer_ourselves(s, status, id, sentence);
        return;
    }
    tell(s, id);
    end_request(s);
    s->closing = s->broken = true;
}

static void finish(struct session *s)
{
    tell(s, "");
    s->closing = !s->keep_alive || !s->request_ended;
    end_request(s);
}

/* --- What the exchange hands back --- */

static size_t unsent(const struct session *s)
{
    return s->out.len - s->out_taken;
}

static bool has_room(void *arg)
{
    const struct session *s = arg;
    return unsent(s) < ROOM;
}

static void on_interim(void *arg, const struct mu_head *head)
{
    struct session *s = arg;
    const struct mu_relay_response how = {.minor = s->minor, .keep_alive = true};
    if (s->minor > 0) /* HTTP/1.0 knows none of them [RFC 9110 15.2] */
        mu_relay_response(head, &how, &s->out);
}

/* To HTTP/1.0 nothing can be said in chunks, and a body of unknown length ends with the connection. */
static void on_answer(void *arg, const struct mu_head *head)
{
    struct session *s = arg;
    const bool unknown = head->framing == MU_BODY_CHUNKED || head->framing == MU_BODY_UNTIL_CLOSE;
    s->answer_begun = true;
    s->status = head->status;
    s->chunk_answer = unknown && s->minor > 0;
    s->keep_alive = s->keep_alive && s->request_ended && !s->stopping &&
                    (!unknown || s->minor > 0) && head->status != 101;
    const struct mu_relay_response how = {
        .minor = s->minor,
        .framing = s->chunk_answer ? MU_BODY_CHUNKED
                   : unknown       ? MU_BODY_UNTIL_CLOSE
                                   : head->framing,
        .keep_alive = s->keep_alive,
        .upgrade = head->status == 101 ? mu_relay_switches(head, &s->exchange.request) : NULL,
        .date = mu_http_date_of(time(NULL)),
    };
    mu_relay_response(head, &how, &s->out);
}

/* As much as the client takes. */
static enum mu_io write_some(struct session *s, const char *data, size_t len, size_t *ret_len)
{
    enum mu_io io = MU_IO_DONE;
    *ret_len = 0;
    while (*ret_len < len && io == MU_IO_DONE) {
        size_t taken;
        io = mu_conn_write(s->conn, data + *ret_len, len - *ret_len, &taken);
        *ret_len += taken;
    }
    s->written += *ret_len;
    return io;
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct session *s = arg;
    size_t taken = 0;
    if (s->chunk_answer && s->exchange.state != MU_EXCHANGE_CARRY) {
        mu_relay_chunk(&s->out, data, len);
        return;
    }
    if (unsent(s) == 0 && len >= DIRECT_WRITE)
        (void)write_some(s, data, len, &taken); /* whatever is wrong, the next write finds it, too */
    mu_buf_add(&s->out, data + taken, len - taken);
}

static void on_end(void *arg, const struct mu_header *trailers, size_t count)
{
    struct session *s = arg;
    if (s->exchange.state == MU_EXCHANGE_CARRY)
        s->end_carrying = true;
    else if (s->chunk_answer)
        mu_relay_last_chunk(&s->out, trailers, count);
}

static void on_wake(void *arg)
{
    const struct session *s = arg;
    mu_conn_wake(s->conn);
}

static const struct mu_exchange_client client = {
    .has_room = has_room,
    .interim = on_interim,
    .answer = on_answer,
    .body = on_body,
    .end = on_end,
    .wake = on_wake,
};

/* --- Requests --- */

/* "192.0.2.7"; NULL for a client that comes over a Unix socket. */
static const char *client_ip(const struct mu_address *peer, char ret[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer->sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer->sa;
    if (peer->sa.ss_family == AF_INET)
        return inet_ntop(AF_INET, &v4->sin_addr, ret, INET6_ADDRSTRLEN);
    if (peer->sa.ss_family == AF_INET6)
        return inet_ntop(AF_INET6, &v6->sin6_addr, ret, INET6_ADDRSTRLEN);
    return NULL;
}

bool mu_proxy_describe_client(struct mu_guard *guard, struct mu_buf *told,
                              struct mu_relay_client *ret)
{
    char ip[INET6_ADDRSTRLEN];
    if (ret->len > 0)
        return !mu_buf_failed(told);
    mu_relay_client_init(ret, client_ip(mu_conn_peer(guard->conn), ip));
    mu_guard_tell(guard, told);
    ret->more = told->data;
    ret->more_len = told->len;
    ret->method_counts = guard->door->method_counts;
    ret->place_counts = guard->door->place_counts;
    return !mu_buf_failed(told);
}

static void begin_request(struct session *s)
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
        answer_ourselves(s, 421, "misdirected",
                         "the name in this request is not that of the door that the connection "
                         "came to");
    else if (!mu_guard_ask(&s->guard, &request, &permit))
        answer_no(s, &permit, head.framing);
    else if (!mu_proxy_describe_client(&s->guard, &s->told, &s->about))
        answer_ourselves(s, 500, "out-of-memory", "there is not enough memory");
    else if (!mu_exchange_begin(&s->exchange, permit.route == NULL ? s->proxy : &permit.route->proxy,
                                mu_conn_worker(s->conn), &client, s, &head, &s->about, &why))
        answer_ourselves(s, 400, "bad-request", why);
}

static void end_of_request(struct session *s)
{
    const struct mu_header *trailers;
    size_t count = mu_h1_reader_trailers(s->reader, &trailers);
    s->request_ended = true;
    mu_exchange_send_end(&s->exchange, trailers, count);
}

static void refuse(struct session *s)
{
    const char *why;
    int status = mu_h1_reader_fault(s->reader, &why);
    if (!s->under_way)
        s->began_ms = mu_backend_now_ms();
    s->keep_alive = false;
    give_up(s, status, "bad-request", why);
}

/* Who does not take its answers begins no other request. */
static bool may_begin(const struct session *s)
{
    return s->under_way || unsent(s) < ROOM;
}

/* What comes from the client. Behind the end of a request it waits until that is answered. */
static void take_input(struct session *s, const char *data, size_t len)
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

static void take_pending(struct session *s)
{
    struct mu_buf pending = s->pending;
    s->pending = (struct mu_buf)MU_BUF_INIT;
    take_input(s, pending.data, pending.len);
    mu_buf_clear(&pending);
}

/* --- One connection --- */

static bool carries(const struct session *s)
{
    return s->exchange.state == MU_EXCHANGE_CARRY;
}

/* May more be read from the client: for the request under way, for the next one, or ahead of it? */
static bool wants_input(const struct session *s)
{
    if (s->client_ended || s->closing || s->pending.len > 0 || !may_begin(s))
        return false;
    return !s->under_way || (s->request_ended && !carries(s)) || mu_exchange_takes(&s->exchange);
}

static void on_client_end(struct session *s)
{
    s->client_ended = true;
    if (s->under_way && !s->request_ended && !carries(s)) {
        tell_gone(s);
        end_request(s);
        s->closing = s->broken = true;
    }
}

/* Is the backend to be told that the client has said all? It may have done so before it was agreed to carry anything. */
static bool owes_end(const struct session *s)
{
    return carries(s) && s->client_ended && s->pending.len == 0 && !s->exchange.request_ended;
}

static enum mu_io read_client(struct session *s)
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

static enum mu_io write_out(struct session *s)
{
    size_t taken;
    if (unsent(s) == 0)
        return MU_IO_DONE;
    enum mu_io io = write_some(s, s->out.data + s->out_taken, unsent(s), &taken);
    s->out_taken += taken;
    if (unsent(s) > 0)
        return io;
    mu_buf_clear(&s->out); /* a connection at rest holds no memory */
    s->out_taken = 0;
    return MU_IO_DONE;
}

static void run_exchange(struct session *s)
{
    struct mu_exchange *e = &s->exchange;
    mu_exchange_run(e);
    if (e->state == MU_EXCHANGE_FAILED)
        give_up(s, e->fault->status, e->fault->id, e->fault->sentence);
    else if (e->state == MU_EXCHANGE_DONE)
        finish(s);
}

static enum mu_serve leave(struct session *s)
{
    return s->broken ? MU_SERVE_RESET : MU_SERVE_CLOSE;
}

/* It has reset the connection, or sent bytes that are no TLS: an alert tells it so. The backend need not wait for that. */
static enum mu_serve lose_client(struct session *s)
{
    if (s->under_way)
        tell_gone(s);
    end_request(s);
    return MU_SERVE_CLOSE;
}

static enum mu_serve wait_for(const struct session *s)
{
    return (wants_input(s) ? MU_SERVE_READ : MU_SERVE_WAIT) |
           (unsent(s) > 0 ? MU_SERVE_WRITE : MU_SERVE_WAIT);
}

/* What has been read already can be gone on with. */
static bool has_pending(const struct session *s)
{
    const bool begins = !s->under_way && s->expelled; /* who may not stay begins nothing */
    return s->pending.len > 0 && !s->closing && !begins && may_begin(s) &&
           (!s->request_ended || carries(s));
}

static enum mu_serve serve(struct session *s)
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
        const bool was_full = !has_room(s);
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
            return unsent(s) > 0 ? MU_SERVE_WRITE : MU_SERVE_CLOSE;
        io = wants_input(s) ? read_client(s) : MU_IO_WANT_READ;
        if (io == MU_IO_FAILED)
            return lose_client(s);
        if (io == MU_IO_WANT_READ && !(was_full && has_room(s)))
            return wait_for(s);
    }
    return MU_SERVE_BOTH;
}

/* --- Time --- */

static enum phase phase_of(const struct session *s)
{
    const struct mu_exchange *e = &s->exchange;
    if (unsent(s) > 0)
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
static void set_deadline(struct session *s)
{
    const struct mu_front_deadlines *deadlines = s->proxy->deadlines;
    const unsigned ms[] = {
        [IDLE] = s->stopping ? MU_LEAVING_MS : deadlines->idle_ms,
        [HEAD] = deadlines->header_ms,
        [BODY] = BODY_MS,
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
    struct session *s = arg;
    switch (s->phase) {
    case IDLE: return MU_SERVE_CLOSE;
    case CARRY:
        tell(s, "idle");
        end_request(s);
        return MU_SERVE_CLOSE;
    case WRITE: return MU_SERVE_RESET; /* it takes nothing, so there is nothing to say */
    case HEAD:
    case BODY:
        s->keep_alive = false;
        give_up(s, 408, "request-timeout", "the request did not arrive in time");
        break;
    case CONNECT:
    case BACKEND: mu_exchange_expire(&s->exchange); break;
    }
    return session_serve(s);
}

static enum mu_serve session_stop(void *arg)
{
    struct session *s = arg;
    s->stopping = true;
    const enum mu_serve result = session_serve(s);
    if (result <= MU_SERVE_BOTH && phase_of(s) == IDLE)
        mu_conn_set_deadline(s->conn, MU_LEAVING_MS);
    return result;
}

/* The answer under way may end. What has been upgraded has no end that could be waited for. */
static enum mu_serve session_expel(void *arg)
{
    struct session *s = arg;
    s->stopping = s->expelled = true;
    if (s->under_way && carries(s))
        return MU_SERVE_RESET;
    return s->under_way || unsent(s) > 0 ? session_serve(s) : MU_SERVE_CLOSE;
}

/* --- Life --- */

static void *session_open(void *arg, struct mu_conn *conn)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->proxy = arg;
    s->conn = conn;
    s->phase = CARRY; /* no deadline has been set yet */
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
    struct session *s = arg;
    if (s->under_way && carries(s))
        tell(s, s->expelled ? "expelled" : s->stopping ? "stopped" : "client-reset");
    else if (s->under_way)
        tell_gone(s);
    end_request(s);
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
