/*
 * A session is a client's connection; each request has a stream, which is answered by ourselves, or by an exchange
 * (exchange.h) with a backend. Nothing is done in the machine's callbacks but to note it: a stream that has something to do is
 * due, and run_due() is the only place where anything goes on.
 */

#include "front/multiplex.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "front/exchange.h"
#include "front/guard.h"
#include "front/internal.h"
#include "http/h2.h"

/* For a client to send some more of a body, and to hear that we will end; nobody has needed to choose them yet. */
enum { BODY_MS = 60 * 1000, LEAVING_MS = 1000 };
/* The clock's grain: what would be due in less is. */
enum { GRAIN_MS = 10 };
/* After so many turns, other connections get theirs. */
enum { TURNS = 16, READ_SIZE = 16 * 1024 };

/* What a stream's deadline is for; and the connection's, while it is no stream's. */
enum phase { BODY, CONNECT, BACKEND, WRITE, CARRY };
enum rest { HEAD, IDLE, BLOCKED, BUSY };

struct stream {
    struct session *s;
    struct mu_h2_stream *h2;
    struct stream *next, *previous; /* of the session's */
    struct stream *next_due;
    bool is_due;

    bool exchanging; /* a backend answers, or else we do */
    struct mu_exchange exchange;
    struct mu_response response;
    bool request_ended, answer_begun, over; /* all of the answer has been said */
    bool upgrade; /* it is to be a WebSocket, and nothing is said to the backend before that has agreed */
    struct mu_buf early; /* what the client says before that; its window is the bound */
    int status;
    size_t held; /* of the request's body, that the client may not yet replace by more */
    uint64_t received, given;
    int64_t began_ms;

    enum phase phase; /* that the deadline is for */
    uint64_t moved;   /* when it was set */
    int64_t deadline_ms;
};

struct session {
    const struct mu_door *door;
    struct mu_conn *conn;
    struct mu_h2 *h2;
    struct mu_guard guard;
    struct mu_relay_client about;
    struct mu_buf told; /* what it points to */
    struct mu_who *who;
    struct stream *streams, *due;
    bool stopping, expelled, client_ended;
    bool faulted; /* and it has been told */
    uint64_t written;

    enum rest rest; /* that the connection's own deadline is for */
    uint64_t moved; /* when it was set */
    int64_t deadline_ms, leaving_ms;
    int64_t timer_ms; /* when the first of all deadlines may have passed; 0: it is not set */
};

/* --- The log --- */

static const struct mu_who *who_is(struct session *s)
{
    if (s->who == NULL && (s->who = malloc(sizeof *s->who)) != NULL)
        mu_who_read(mu_conn_client(s->conn), s->who);
    return s->who;
}

/* `st` NULL: it is about the connection, or about a request that could not be read. */
static void tell_of(struct session *s, const struct stream *st, int status, const char *id)
{
    const struct mu_front_events *events = &s->door->events;
    const bool failed = mu_str_starts_with(id, "backend-");
    struct mu_head head = {.method = NULL};
    mu_count_answer(mu_conn_counters(s->conn), status);
    void (*hear)(void *, const struct mu_request_event *) =
        events->requested != NULL || !failed ? events->requested : events->failed;
    if (hear == NULL || who_is(s) == NULL)
        return;
    struct mu_request_event event = {.peer = mu_conn_peer(s->conn),
                                     .who = s->who,
                                     .protocol = "HTTP/2",
                                     .status = status};
    if (st != NULL && mu_h2_stream_head(st->h2, &head)) {
        event.method = head.method;
        event.target = head.target;
    }
    if (st == NULL || s->door->backends.count > 0) {
        const struct mu_exchange *e = st == NULL ? NULL : &st->exchange;
        event.backend = e == NULL || e->backend == NULL ? "" : e->backend->name;
        event.id = id;
        event.cause = failed && e != NULL && e->why != 0 ? strerror(e->why) : "";
        event.received = st == NULL ? 0 : st->received;
        event.sent = e == NULL ? 0 : e->sent;
        event.ms = st == NULL ? 0 : (uint64_t)(mu_backend_now_ms() - st->began_ms);
    }
    hear(events->arg, &event);
}

/* Once for each request. */
static void tell(struct stream *st, const char *id)
{
    tell_of(st->s, st, st->status, id);
}

/* --- What a stream has to do --- */

static void make_due(struct stream *st)
{
    if (st->is_due)
        return;
    st->is_due = true;
    st->next_due = st->s->due;
    st->s->due = st;
}

static void forget_due(struct stream *st)
{
    struct stream **at = &st->s->due;
    while (st->is_due && *at != st)
        at = &(*at)->next_due;
    if (st->is_due)
        *at = st->next_due;
    st->is_due = false;
}

/* --- Answers of our own --- */

static void add_field(struct mu_header *fields, size_t *count, const char *name, const char *value)
{
    fields[(*count)++] = (struct mu_header){name, value};
}

/* A response's further lines, "Name: value" each, are cut at their ends: it is not needed any more. */
static void add_lines(struct mu_header *fields, size_t *count, struct mu_buf *lines)
{
    char *line = lines->data;
    for (char *end; line != NULL && (end = strstr(line, "\r\n")) != NULL && *count < MU_HEADERS_MAX;
         line = end + 2) {
        char *colon = strstr(line, ": ");
        if (colon == NULL || colon > end)
            continue;
        *end = *colon = '\0';
        add_field(fields, count, line, colon + 2);
    }
}

static void end_answer(struct stream *st)
{
    st->over = true;
    mu_h2_send_end(st->h2, NULL, 0);
}

/* The next pieces of a file, as far as there is room. */
static void send_file(struct stream *st)
{
    static _Thread_local char data[READ_SIZE];
    struct mu_response *r = &st->response;
    while (r->length > 0 && mu_h2_has_room(st->h2)) {
        const size_t want = r->length < sizeof data ? (size_t)r->length : sizeof data;
        const ssize_t n = pread(r->fd, data, want, r->offset);
        if (n <= 0) { /* shorter than it was when we promised its length */
            st->over = true;
            mu_h2_reset(st->h2, MU_H2_INTERNAL_ERROR);
            return;
        }
        mu_h2_send(st->h2, data, (size_t)n);
        st->given += (uint64_t)n;
        r->offset += n;
        r->length -= (uint64_t)n;
    }
    if (r->length == 0)
        end_answer(st);
}

static void send_response(struct stream *st, bool head_only)
{
    struct mu_response *r = &st->response;
    struct mu_header fields[MU_HEADERS_MAX];
    char number[MU_RELAY_NUMBER_LEN];
    size_t count = 0;
    const size_t body_len = r->body != NULL ? strlen(r->body) : r->text.len;
    const bool bodiless = r->status == 304 || r->status == 204;
    snprintf(number, sizeof number, "%llu",
             r->fd >= 0 ? (unsigned long long)r->length : (unsigned long long)body_len);
    add_field(fields, &count, "date", mu_http_date_of(time(NULL)));
    if (r->content_type != NULL)
        add_field(fields, &count, "content-type", r->content_type);
    if (!bodiless)
        add_field(fields, &count, "content-length", number);
    add_lines(fields, &count, &r->headers);
    st->status = r->status;
    st->answer_begun = true;
    const bool ended = head_only || bodiless || (r->fd >= 0 ? r->length : body_len) == 0;
    mu_h2_respond(st->h2, r->status, fields, count, ended);
    if (ended) {
        st->over = true;
    } else if (r->fd < 0) {
        mu_h2_send(st->h2, r->body != NULL ? r->body : r->text.data, body_len);
        st->given = body_len;
        end_answer(st);
    } else {
        send_file(st);
    }
}

static bool is_head(const struct stream *st)
{
    struct mu_head head;
    return mu_h2_stream_head(st->h2, &head) && head.method != NULL &&
           mu_str_equal(head.method, "HEAD");
}

/* What is in `response`, at once. */
static void send_own(struct stream *st, const char *id)
{
    st->status = st->response.status;
    tell(st, id);
    mu_exchange_end(&st->exchange);
    st->exchanging = false;
    send_response(st, is_head(st));
}

/* `id` goes into the log and is told to the client, so that the two can be found together. */
static void answer_ourselves(struct stream *st, int status, const char *id, const char *sentence)
{
    struct mu_response *r = &st->response;
    mu_response_clear(r);
    r->status = status;
    r->content_type = "text/plain; charset=utf-8";
    mu_buf_addf(&r->text, "%d %s: %s [%s]\n", status, mu_http_reason(status), sentence, id);
    send_own(st, id);
}

static bool carries(const struct stream *st)
{
    return st->exchange.state == MU_EXCHANGE_CARRY;
}

/* What has begun cannot be answered otherwise any more: it is cut off, and visibly. */
static void give_up(struct stream *st, int status, const char *id, const char *sentence)
{
    if (!st->answer_begun) {
        answer_ourselves(st, status, id, sentence);
        return;
    }
    tell(st, id);
    mu_exchange_end(&st->exchange);
    st->exchanging = false;
    st->over = true;
    /* Of a WebSocket that is what a reset is in TCP. [RFC 8441 5] */
    mu_h2_reset(st->h2, st->upgrade ? MU_H2_CANCEL : MU_H2_INTERNAL_ERROR);
}

/* --- What an exchange hands back --- */

static bool has_room(void *arg)
{
    const struct stream *st = arg;
    return mu_h2_has_room(st->h2);
}

static void on_interim(void *arg, const struct mu_head *head)
{
    struct stream *st = arg;
    struct mu_header fields[MU_H2_HEADERS_MAX];
    char number[MU_RELAY_NUMBER_LEN];
    const struct mu_relay_response how = {.framing = MU_BODY_NONE};
    mu_h2_respond(st->h2, head->status, fields,
                  mu_relay_response_fields(head, &how, number, fields), false);
}

static void on_answer(void *arg, const struct mu_head *head)
{
    struct stream *st = arg;
    struct mu_header fields[MU_H2_HEADERS_MAX];
    char number[MU_RELAY_NUMBER_LEN];
    const struct mu_relay_response how = {.framing = head->framing,
                                          .date = mu_http_date_of(time(NULL))};
    st->answer_begun = true;
    st->status = head->status;
    const bool ended =
        head->framing == MU_BODY_NONE || (head->framing == MU_BODY_LENGTH && head->length == 0);
    mu_h2_respond(st->h2, head->status == 101 ? 200 : head->status, fields,
                  mu_relay_response_fields(head, &how, number, fields),
                  ended && head->status != 101);
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct stream *st = arg;
    st->given += len;
    mu_h2_send(st->h2, data, len);
}

static void on_end(void *arg, const struct mu_header *trailers, size_t count)
{
    struct stream *st = arg;
    struct mu_header shown[MU_HEADERS_MAX];
    size_t shown_count = 0;
    for (size_t i = 0; i < count; i++)
        if (mu_relay_is_trailer(trailers[i].name))
            shown[shown_count++] = trailers[i];
    mu_h2_send_end(st->h2, shown, shown_count);
}

static void on_wake(void *arg)
{
    struct stream *st = arg;
    make_due(st);
    mu_conn_wake(st->s->conn);
}

static const struct mu_exchange_client client = {
    .has_room = has_room,
    .interim = on_interim,
    .answer = on_answer,
    .body = on_body,
    .end = on_end,
    .wake = on_wake,
};

/* --- Deadlines --- */

static void arm(struct session *s, int64_t at_ms)
{
    const int64_t now_ms = mu_backend_now_ms();
    if (s->timer_ms != 0 && s->timer_ms <= at_ms)
        return;
    s->timer_ms = at_ms;
    mu_conn_set_deadline(s->conn, at_ms > now_ms ? (unsigned)(at_ms - now_ms) : 1);
}

static enum phase phase_of(const struct stream *st)
{
    const struct mu_exchange *e = &st->exchange;
    if (carries(st) && st->s->door->proxy.carry_ms > 0)
        return CARRY;
    if (st->over || mu_h2_unsent(st->h2) > 0)
        return WRITE;
    if (st->exchanging && e->state == MU_EXCHANGE_CONNECT)
        return CONNECT;
    if (carries(st))
        return CARRY;
    const bool takes = !st->exchanging || (mu_exchange_takes(e) && !st->upgrade);
    return !st->request_ended && takes && !st->answer_begun ? BODY : BACKEND;
}

static uint64_t moved(const struct stream *st, enum phase phase)
{
    const uint64_t all = st->exchange.moved + st->received + st->given;
    return phase == CARRY ? all : all - mu_h2_unsent(st->h2);
}

/* Anew when anything has moved. False: nothing has. */
static bool set_deadline(struct stream *st)
{
    const struct mu_front_deadlines *deadlines = &st->s->door->deadlines;
    const unsigned ms[] = {
        [BODY] = BODY_MS,
        [CONNECT] = deadlines->connect_ms,
        [BACKEND] = deadlines->read_ms,
        [WRITE] = deadlines->write_ms,
        [CARRY] = st->s->door->proxy.carry_ms,
    };
    const enum phase phase = phase_of(st);
    if (st->deadline_ms != 0 && phase == st->phase && moved(st, phase) == st->moved)
        return false;
    st->phase = phase;
    st->moved = moved(st, phase);
    const bool for_ever = phase == CARRY && ms[CARRY] == 0;
    st->deadline_ms = for_ever ? INT64_MAX : mu_backend_now_ms() + ms[phase];
    if (!for_ever)
        arm(st->s, st->deadline_ms);
    return true;
}

/* --- Streams, going on --- */

/* The backend has agreed to speak something else: what the client has said ahead of that is for it now. */
static void hand_on_early(struct stream *st)
{
    mu_exchange_send(&st->exchange, st->early.data, st->early.len);
    if (mu_buf_failed(&st->early))
        st->exchange.out.failed = true;
    mu_buf_clear(&st->early);
    if (st->request_ended)
        mu_exchange_send_end(&st->exchange, NULL, 0);
}

static void run(struct stream *st)
{
    struct mu_exchange *e = &st->exchange;
    if (st->exchanging) {
        const bool carried = carries(st);
        mu_exchange_run(e);
        if (carries(st) && !carried) {
            hand_on_early(st);
            mu_exchange_run(e);
        }
        if (st->early.len == 0 && mu_exchange_takes(e)) {
            mu_h2_taken_in(st->h2, st->held);
            st->held = 0;
        }
        if (e->state == MU_EXCHANGE_FAILED) {
            give_up(st, e->fault->status, e->fault->id, e->fault->sentence);
        } else if (e->state == MU_EXCHANGE_DONE) {
            st->over = true;
            tell(st, "");
            st->exchanging = false;
            mu_exchange_end(e);
        }
    } else if (st->answer_begun && !st->over) {
        send_file(st);
    }
    set_deadline(st);
}

static void run_due(struct session *s)
{
    while (s->due != NULL) {
        struct stream *st = s->due;
        forget_due(st);
        run(st);
    }
}

/* --- Requests: what the machine tells --- */

static uint64_t now_ms(void *arg)
{
    (void)arg;
    return (uint64_t)mu_backend_now_ms();
}

static struct stream *add_stream(struct session *s, struct mu_h2_stream *h2)
{
    struct stream *st = calloc(1, sizeof *st);
    if (st == NULL)
        return NULL;
    st->s = s;
    st->h2 = h2;
    st->response = (struct mu_response)MU_RESPONSE_INIT;
    st->began_ms = mu_backend_now_ms();
    st->next = s->streams;
    if (st->next != NULL)
        st->next->previous = st;
    s->streams = st;
    mu_h2_stream_set(h2, st);
    return st;
}

static void remove_stream(struct stream *st)
{
    forget_due(st);
    *(st->previous == NULL ? &st->s->streams : &st->previous->next) = st->next;
    if (st->next != NULL)
        st->next->previous = st->previous;
    mu_exchange_clear(&st->exchange);
    mu_response_clear(&st->response);
    mu_buf_clear(&st->early);
    free(st);
}

static void hand_on(struct stream *st, const struct mu_route *route, const struct mu_head *head)
{
    struct session *s = st->s;
    const struct mu_proxy *proxy = route == NULL ? &s->door->proxy : &route->proxy;
    const char *why;
    if (s->about.len == 0)
        mu_proxy_describe_client(&s->guard, &s->told, &s->about);
    if (mu_buf_failed(&s->told)) {
        answer_ourselves(st, 500, "out-of-memory", "there is not enough memory");
        return;
    }
    st->upgrade = head->upgrade != NULL;
    if (st->upgrade && proxy->backends->h2) {
        answer_ourselves(st, 501, "bad-request", "this protocol is not spoken here");
        return;
    }
    st->exchanging = true;
    if (!mu_exchange_begin(&st->exchange, proxy, mu_conn_worker(s->conn), &client, st, head,
                           &s->about, &why))
        answer_ourselves(st, 400, "bad-request", why);
    else if (st->upgrade) /* what it says in HTTP/1.1 is all in its head */
        mu_exchange_send_end(&st->exchange, NULL, 0);
}

static bool is_too_large(const struct session *s, uint64_t body_len)
{
    return s->door->requests.body > 0 && body_len > s->door->requests.body;
}

/* What every request goes through, whoever answers it. */
static void begin(struct stream *st, const struct mu_head *head)
{
    struct session *s = st->s;
    const struct mu_request request = {.method = head->method,
                                       .target = head->target,
                                       .headers = head->headers,
                                       .header_count = head->header_count};
    struct mu_permit permit;
    if (!mu_request_leads_here(&request, s->conn)) {
        answer_ourselves(st, 421, "misdirected",
                         "the name in this request is not that of the door that the connection "
                         "came to");
    } else if (!mu_guard_ask(&s->guard, &request, &permit)) {
        mu_guard_respond(&s->guard, &permit, &st->response);
        send_own(st, permit.id);
    } else if (head->framing == MU_BODY_LENGTH && is_too_large(s, head->length)) {
        answer_ourselves(st, 413, "bad-request", "the body is too large");
    } else if (s->door->backends.count > 0) {
        hand_on(st, permit.route, head);
    } else if (s->door->files != NULL) {
        mu_files_respond(s->door->files, &request, &st->response);
    } else {
        mu_hello_respond(&request, &st->response);
    }
}

static void on_head(void *arg, struct mu_h2_stream *h2, const struct mu_head *head, int status,
                    const char *why)
{
    struct session *s = arg;
    struct stream *st = add_stream(s, h2);
    if (st == NULL) {
        mu_h2_reset(h2, MU_H2_INTERNAL_ERROR);
        return;
    }
    make_due(st);
    if (status != 0)
        answer_ourselves(st, status, "bad-request", why);
    else
        begin(st, head);
}

static void on_request_body(void *arg, struct mu_h2_stream *h2, const char *data, size_t len)
{
    struct stream *st = mu_h2_stream_arg(h2);
    (void)arg;
    if (st == NULL)
        return;
    st->received += len;
    make_due(st);
    if (!st->over && !st->upgrade && is_too_large(st->s, st->received))
        give_up(st, 413, "bad-request", "the body is too large");
    if (!st->exchanging) {
        mu_h2_taken_in(h2, len); /* nobody wants it */
        return;
    }
    st->held += len;
    if (st->upgrade && !carries(st))
        mu_buf_add(&st->early, data, len);
    else
        mu_exchange_send(&st->exchange, data, len);
}

static void on_request_end(void *arg, struct mu_h2_stream *h2, const struct mu_header *trailers,
                           size_t count)
{
    struct stream *st = mu_h2_stream_arg(h2);
    (void)arg;
    if (st == NULL)
        return;
    st->request_ended = true;
    make_due(st);
    if (st->exchanging && st->upgrade) {
        if (carries(st))
            mu_exchange_send_end(&st->exchange, NULL, 0);
    } else if (st->exchanging) {
        mu_exchange_send_end(&st->exchange, trailers, count);
    } else if (!st->answer_begun) {
        st->status = st->response.status;
        tell(st, "");
        send_response(st, is_head(st));
    }
}

static void on_room(void *arg, struct mu_h2_stream *h2)
{
    struct stream *st = mu_h2_stream_arg(h2);
    (void)arg;
    if (st != NULL && !st->over)
        make_due(st);
}

/* The client will not have the rest, or not even the beginning. The backend need not wait. */
static void break_off(struct stream *st)
{
    if (st->over)
        return;
    if (!st->answer_begun)
        st->status = 499; /* as in nginx's log */
    st->over = true;
    tell(st, !carries(st)      ? "client-gone"
             : st->s->expelled ? "expelled"
             : st->s->stopping ? "stopped"
                               : "client-reset");
    mu_exchange_end(&st->exchange);
    st->exchanging = false;
}

static void on_closed(void *arg, struct mu_h2_stream *h2, enum mu_h2_code code)
{
    struct session *s = arg;
    struct stream *st = mu_h2_stream_arg(h2);
    if (st == NULL) { /* what began as a request was none */
        if (code == MU_H2_PROTOCOL_ERROR || code == MU_H2_INTERNAL_ERROR)
            tell_of(s, NULL, 400, "bad-request");
        return;
    }
    break_off(st);
    remove_stream(st);
}

static const struct mu_h2_handler handler = {
    .now_ms = now_ms,
    .head = on_head,
    .body = on_request_body,
    .end = on_request_end,
    .room = on_room,
    .closed = on_closed,
};

/* --- One connection --- */

/* As much as the client takes of what there is. */
static enum mu_io write_out(struct session *s)
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

static void note_fault(struct session *s)
{
    const char *sentence, *fault = mu_h2_fault(s->h2, &sentence);
    if (fault == NULL || s->faulted)
        return;
    s->faulted = true;
    tell_of(s, NULL, 400, fault);
}

static enum mu_io read_client(struct session *s)
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

static enum mu_serve leave(struct session *s)
{
    note_fault(s);
    for (struct stream *st = s->streams; st != NULL; st = st->next)
        break_off(st);
    return MU_SERVE_CLOSE;
}

static enum mu_serve serve(struct session *s)
{
    for (int turns = 0; turns < TURNS; turns++) {
        run_due(s);
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

static enum rest rest_of(const struct session *s, enum mu_serve result)
{
    if (result == MU_SERVE_WRITE)
        return BLOCKED;
    if (mu_h2_in_head(s->h2))
        return HEAD;
    return mu_h2_stream_count(s->h2) > 0 ? BUSY : IDLE;
}

/* A head's time begins with its first byte, and that of rest with the last answer: drip-feeding extends neither. */
static void set_rest(struct session *s, enum mu_serve result)
{
    const struct mu_front_deadlines *deadlines = &s->door->deadlines;
    const unsigned ms[] = {
        [HEAD] = deadlines->header_ms, [IDLE] = deadlines->idle_ms, [BLOCKED] = deadlines->write_ms};
    const enum rest rest = rest_of(s, result);
    if (rest == s->rest && s->deadline_ms != 0 && (rest != BLOCKED || s->written == s->moved))
        return;
    s->rest = rest;
    s->moved = s->written;
    s->deadline_ms = rest == BUSY ? INT64_MAX : mu_backend_now_ms() + ms[rest];
    if (rest != BUSY)
        arm(s, s->deadline_ms);
}

static enum mu_serve session_serve(void *arg)
{
    struct session *s = arg;
    const enum mu_serve result = serve(s);
    if (result <= MU_SERVE_BOTH)
        set_rest(s, result);
    return result;
}

static void expire_stream(struct stream *st)
{
    if (set_deadline(st)) /* it has moved since */
        return;
    switch (st->phase) {
    case BODY: give_up(st, 408, "request-timeout", "the request did not arrive in time"); break;
    case CONNECT:
    case BACKEND:
        if (st->exchanging) {
            mu_exchange_expire(&st->exchange);
            make_due(st);
        }
        break;
    case CARRY: give_up(st, st->status, "idle", ""); break;
    case WRITE: /* it takes nothing, so there is nothing to say but that */
        if (!st->over) {
            give_up(st, st->status, "client-slow", "the answer is not taken");
        } else {
            mu_h2_reset(st->h2, MU_H2_CANCEL);
        }
        break;
    }
    st->deadline_ms = 0;
    set_deadline(st);
}

/* All streams are looked at, for that is seldom; the timer then stands at the next deadline of all. */
static void expire_streams(struct session *s)
{
    const int64_t until_ms = mu_backend_now_ms() + GRAIN_MS;
    for (struct stream *st = s->streams; st != NULL; st = st->next) {
        if (st->deadline_ms != 0 && st->deadline_ms <= until_ms)
            expire_stream(st);
        else if (st->deadline_ms != 0)
            arm(s, st->deadline_ms);
    }
}

static enum mu_serve session_expire(void *arg)
{
    struct session *s = arg;
    const int64_t until_ms = mu_backend_now_ms() + GRAIN_MS;
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
        arm(s, s->deadline_ms);
    }
    if (s->leaving_ms != 0)
        arm(s, s->leaving_ms);
    expire_streams(s);
    return session_serve(s);
}

static enum mu_serve session_stop(void *arg)
{
    struct session *s = arg;
    if (!s->stopping) {
        s->stopping = true;
        mu_h2_stop(s->h2);
        s->leaving_ms = mu_backend_now_ms() + LEAVING_MS;
        arm(s, s->leaving_ms);
    }
    return session_serve(s);
}

/* What has begun may end; what is on its way is not heard any more, whoever sent it. A WebSocket has no end that could be waited for. */
static enum mu_serve session_expel(void *arg)
{
    struct session *s = arg;
    s->stopping = s->expelled = true;
    mu_h2_stop(s->h2);
    mu_h2_stop(s->h2);
    for (struct stream *st = s->streams; st != NULL; st = st->next)
        if (carries(st)) {
            break_off(st);
            mu_h2_reset(st->h2, MU_H2_CANCEL);
        }
    return session_serve(s);
}

/* --- Life --- */

static void session_close(void *arg)
{
    struct session *s = arg;
    mu_h2_free(s->h2);
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
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->door = arg;
    s->conn = conn;
    s->h2 = mu_h2_server(&handler, s, &s->door->requests, upgrades(s->door));
    mu_guard_open(&s->guard, s->door, conn);
    if (s->h2 != NULL)
        return s;
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
