/*
 * A stream's life, from its request to its end, in this order. Nothing is done in the machine's callbacks but to note it: a stream
 * that has something to do is due, and mu_multiplex_run_due() is the only place where anything goes on.
 */

#include <stdlib.h>
#include <string.h>

#include "front/multiplex_stream.h"

/* So many are at once where clients make full use of HTTP/2. */
enum { SPARE_MAX = 512 };

/* --- What a stream has to do --- */

void mu_multiplex_stream_due(struct mu_multiplex_stream *st)
{
    if (st->is_due)
        return;
    st->is_due = true;
    st->next_due = st->s->due;
    st->s->due = st;
}

static void forget_due(struct mu_multiplex_stream *st)
{
    struct mu_multiplex_stream **at = &st->s->due;
    while (st->is_due && *at != st)
        at = &(*at)->next_due;
    if (st->is_due)
        *at = st->next_due;
    st->is_due = false;
}

/* --- Its memory, with the reader of its backend's answer --- */

static _Thread_local struct {
    struct mu_multiplex_stream *first;
    unsigned count, connections;
} spare;

static void keep_or_free(struct mu_multiplex_stream *st)
{
    if (spare.count == SPARE_MAX) {
        mu_exchange_clear(&st->exchange);
        free(st);
        return;
    }
    st->next = spare.first;
    spare.first = st;
    spare.count++;
}

void mu_multiplex_join(void)
{
    spare.connections++;
}

void mu_multiplex_part(void)
{
    struct mu_multiplex_stream *st;
    if (--spare.connections > 0)
        return;
    while ((st = spare.first) != NULL) {
        spare.first = st->next;
        mu_exchange_clear(&st->exchange);
        free(st);
    }
    spare.count = 0;
}

/* --- It begins --- */

static struct mu_multiplex_stream *add_stream(struct mu_multiplex *s, struct mu_h2_stream *h2)
{
    struct mu_multiplex_stream *st = spare.first;
    if (st != NULL) {
        spare.first = st->next;
        spare.count--;
        *st = (struct mu_multiplex_stream){.exchange.reader = st->exchange.reader};
    } else if ((st = calloc(1, sizeof *st)) == NULL) {
        return NULL;
    }
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

static void hand_on(struct mu_multiplex_stream *st, const struct mu_route *route,
                    const struct mu_head *head)
{
    struct mu_multiplex *s = st->s;
    const struct mu_proxy *proxy = route == NULL ? &s->door->proxy : &route->proxy;
    const char *why;
    if (!mu_guard_describe_client(&s->guard, &s->told, &s->about)) {
        mu_multiplex_answer(st, 500, "out-of-memory", "there is not enough memory");
        return;
    }
    st->upgrade = head->upgrade != NULL;
    if (st->upgrade && proxy->backends->h2) {
        mu_multiplex_answer(st, 501, "bad-request", "this protocol is not spoken here");
        return;
    }
    st->exchanging = true;
    if (!mu_exchange_begin(&st->exchange, proxy, mu_conn_worker(s->conn), &mu_multiplex_client, st,
                           head, &s->about, &why))
        mu_multiplex_answer(st, 400, "bad-request", why);
    else if (st->upgrade) /* what it says in HTTP/1.1 is all in its head */
        mu_exchange_send_end(&st->exchange, NULL, 0);
}

static bool is_too_large(const struct mu_multiplex *s, uint64_t body_len)
{
    return s->door->requests.body > 0 && body_len > s->door->requests.body;
}

/* What every request goes through, whoever answers it. */
static void begin(struct mu_multiplex_stream *st, const struct mu_head *head)
{
    struct mu_multiplex *s = st->s;
    const struct mu_request request = {.method = head->method,
                                       .target = head->target,
                                       .headers = head->headers,
                                       .header_count = head->header_count};
    struct mu_permit permit;
    if (!mu_request_leads_here(&request, s->conn)) {
        mu_multiplex_answer(st, 421, "misdirected",
                            "the name in this request is not that of the door that the connection "
                            "came to");
    } else if (!mu_guard_ask(&s->guard, &request, &permit)) {
        mu_guard_respond(&s->guard, &permit, &st->response);
        mu_multiplex_send_own(st, permit.id);
    } else if (head->framing == MU_BODY_LENGTH && is_too_large(s, head->length)) {
        mu_multiplex_answer(st, 413, "bad-request", "the body is too large");
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
    struct mu_multiplex *s = arg;
    struct mu_multiplex_stream *st = add_stream(s, h2);
    if (st == NULL) {
        mu_h2_reset(h2, MU_H2_INTERNAL_ERROR);
        return;
    }
    mu_multiplex_stream_due(st);
    if (status != 0)
        mu_multiplex_answer(st, status, "bad-request", why);
    else
        begin(st, head);
}

/* --- Its request goes on, and ends --- */

static void on_request_body(void *arg, struct mu_h2_stream *h2, const char *data, size_t len)
{
    struct mu_multiplex_stream *st = mu_h2_stream_arg(h2);
    (void)arg;
    if (st == NULL)
        return;
    st->received += len;
    mu_multiplex_stream_due(st);
    if (!st->over && !st->upgrade && is_too_large(st->s, st->received))
        mu_multiplex_give_up(st, 413, "bad-request", "the body is too large");
    if (!st->exchanging) {
        mu_h2_taken_in(h2, len); /* nobody wants it */
        return;
    }
    st->held += len;
    if (st->upgrade && !mu_multiplex_carries(st))
        mu_buf_add(&st->early, data, len);
    else
        mu_exchange_send(&st->exchange, data, len);
}

static void on_request_end(void *arg, struct mu_h2_stream *h2, const struct mu_header *trailers,
                           size_t count)
{
    struct mu_multiplex_stream *st = mu_h2_stream_arg(h2);
    (void)arg;
    if (st == NULL)
        return;
    st->request_ended = true;
    mu_multiplex_stream_due(st);
    if (st->exchanging && st->upgrade) {
        if (mu_multiplex_carries(st))
            mu_exchange_send_end(&st->exchange, NULL, 0);
    } else if (st->exchanging) {
        mu_exchange_send_end(&st->exchange, trailers, count);
    } else if (!st->answer_begun) {
        st->status = st->response.status;
        mu_multiplex_tell(st->s, st, st->status, "");
        mu_multiplex_respond(st);
    }
}

/* --- Its deadline --- */

static enum mu_multiplex_phase phase_of(const struct mu_multiplex_stream *st)
{
    const struct mu_exchange *e = &st->exchange;
    if (mu_multiplex_carries(st) && st->s->door->proxy.carry_ms > 0)
        return MU_MULTIPLEX_CARRY;
    if (st->over || mu_h2_unsent(st->h2) > 0)
        return MU_MULTIPLEX_WRITE;
    if (st->exchanging && e->state == MU_EXCHANGE_CONNECT)
        return MU_MULTIPLEX_CONNECT;
    if (mu_multiplex_carries(st))
        return MU_MULTIPLEX_CARRY;
    const bool takes = !st->exchanging || (mu_exchange_takes(e) && !st->upgrade);
    return !st->request_ended && takes && !st->answer_begun ? MU_MULTIPLEX_BODY
                                                            : MU_MULTIPLEX_BACKEND;
}

static uint64_t moved(const struct mu_multiplex_stream *st, enum mu_multiplex_phase phase)
{
    const uint64_t all = st->exchange.moved + st->received + st->given;
    return phase == MU_MULTIPLEX_CARRY ? all : all - mu_h2_unsent(st->h2);
}

/* Anew when anything has moved. False: nothing has. */
static bool set_deadline(struct mu_multiplex_stream *st)
{
    const struct mu_front_deadlines *deadlines = &st->s->door->deadlines;
    const unsigned ms[] = {
        [MU_MULTIPLEX_BODY] = deadlines->body_ms,
        [MU_MULTIPLEX_CONNECT] = deadlines->connect_ms,
        [MU_MULTIPLEX_BACKEND] = deadlines->read_ms,
        [MU_MULTIPLEX_WRITE] = deadlines->write_ms,
        [MU_MULTIPLEX_CARRY] = st->s->door->proxy.carry_ms,
    };
    const enum mu_multiplex_phase phase = phase_of(st);
    if (st->deadline_ms != 0 && phase == st->phase && moved(st, phase) == st->moved)
        return false;
    st->phase = phase;
    st->moved = moved(st, phase);
    const bool for_ever = phase == MU_MULTIPLEX_CARRY && ms[MU_MULTIPLEX_CARRY] == 0;
    st->deadline_ms = for_ever ? INT64_MAX : mu_backend_now_ms() + ms[phase];
    if (!for_ever)
        mu_multiplex_arm(st->s, st->deadline_ms);
    return true;
}

/* --- It goes on --- */

/* The backend has agreed to speak something else: what the client has said ahead of that is for it now. */
static void hand_on_early(struct mu_multiplex_stream *st)
{
    mu_exchange_send(&st->exchange, st->early.data, st->early.len);
    if (mu_buf_failed(&st->early))
        st->exchange.out.failed = true;
    mu_buf_clear(&st->early);
    if (st->request_ended)
        mu_exchange_send_end(&st->exchange, NULL, 0);
}

static void run(struct mu_multiplex_stream *st)
{
    struct mu_exchange *e = &st->exchange;
    if (st->exchanging) {
        const bool carried = mu_multiplex_carries(st);
        mu_exchange_run(e);
        if (mu_multiplex_carries(st) && !carried) {
            hand_on_early(st);
            mu_exchange_run(e);
        }
        if (st->early.len == 0 && mu_exchange_takes(e)) {
            mu_h2_taken_in(st->h2, st->held);
            st->held = 0;
        }
        if (e->state == MU_EXCHANGE_FAILED) {
            mu_multiplex_give_up(st, e->fault->status, e->fault->id, e->fault->sentence);
        } else if (e->state == MU_EXCHANGE_DONE) {
            st->over = true;
            mu_multiplex_tell(st->s, st, st->status, "");
            st->exchanging = false;
            mu_exchange_end(e);
        }
    } else if (st->answer_begun && !st->over) {
        mu_multiplex_send_file(st);
    }
    set_deadline(st);
}

void mu_multiplex_run_due(struct mu_multiplex *s)
{
    while (s->due != NULL) {
        struct mu_multiplex_stream *st = s->due;
        forget_due(st);
        run(st);
    }
}

static void on_room(void *arg, struct mu_h2_stream *h2)
{
    struct mu_multiplex_stream *st = mu_h2_stream_arg(h2);
    (void)arg;
    if (st != NULL && !st->over)
        mu_multiplex_stream_due(st);
}

/* --- Its time is up --- */

static void expire_stream(struct mu_multiplex_stream *st)
{
    if (set_deadline(st)) /* it has moved since */
        return;
    switch (st->phase) {
    case MU_MULTIPLEX_BODY:
        mu_multiplex_give_up(st, 408, "request-timeout", "the request did not arrive in time");
        break;
    case MU_MULTIPLEX_CONNECT:
    case MU_MULTIPLEX_BACKEND:
        if (st->exchanging) {
            mu_exchange_expire(&st->exchange);
            mu_multiplex_stream_due(st);
        }
        break;
    case MU_MULTIPLEX_CARRY: mu_multiplex_give_up(st, st->status, "idle", ""); break;
    case MU_MULTIPLEX_WRITE: /* it takes nothing, so there is nothing to say but that */
        if (!st->over) {
            mu_multiplex_give_up(st, st->status, "client-slow", "the answer is not taken");
        } else {
            mu_h2_reset(st->h2, MU_H2_CANCEL);
        }
        break;
    }
    st->deadline_ms = 0;
    set_deadline(st);
}

void mu_multiplex_expire_streams(struct mu_multiplex *s)
{
    const int64_t until_ms = mu_backend_now_ms() + MU_MULTIPLEX_GRAIN_MS;
    for (struct mu_multiplex_stream *st = s->streams; st != NULL; st = st->next) {
        if (st->deadline_ms != 0 && st->deadline_ms <= until_ms)
            expire_stream(st);
        else if (st->deadline_ms != 0)
            mu_multiplex_arm(s, st->deadline_ms);
    }
}

/* --- It ends --- */

void mu_multiplex_break_off(struct mu_multiplex_stream *st)
{
    if (st->over)
        return;
    if (!st->answer_begun)
        st->status = 499; /* as in nginx's log */
    st->over = true;
    mu_multiplex_tell(st->s, st, st->status,
                      !mu_multiplex_carries(st) ? "client-gone"
                      : st->s->expelled         ? "expelled"
                      : st->s->stopping         ? "stopped"
                                                : "client-reset");
    mu_exchange_end(&st->exchange);
    st->exchanging = false;
}

/* Its exchange has ended. */
static void remove_stream(struct mu_multiplex_stream *st)
{
    forget_due(st);
    *(st->previous == NULL ? &st->s->streams : &st->previous->next) = st->next;
    if (st->next != NULL)
        st->next->previous = st->previous;
    mu_response_clear(&st->response);
    mu_buf_clear(&st->early);
    st->s->ended++;
    keep_or_free(st);
}

static void on_closed(void *arg, struct mu_h2_stream *h2, enum mu_h2_code code)
{
    struct mu_multiplex *s = arg;
    struct mu_multiplex_stream *st = mu_h2_stream_arg(h2);
    if (st == NULL) { /* what began as a request was none */
        if (code == MU_H2_PROTOCOL_ERROR || code == MU_H2_INTERNAL_ERROR)
            mu_multiplex_tell(s, NULL, 400, "bad-request");
        return;
    }
    mu_multiplex_break_off(st);
    remove_stream(st);
}

static uint64_t now_ms(void *arg)
{
    (void)arg;
    return (uint64_t)mu_backend_now_ms();
}

const struct mu_h2_handler mu_multiplex_handler = {
    .now_ms = now_ms,
    .head = on_head,
    .body = on_request_body,
    .end = on_request_end,
    .room = on_room,
    .closed = on_closed,
};
