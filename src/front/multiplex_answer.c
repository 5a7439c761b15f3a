/* What a stream is answered: by ourselves, or by what an exchange with a backend hands back; and the line that the log has of it. */

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "front/multiplex_stream.h"

enum { READ_SIZE = 16 * 1024 };

/* --- The log --- */

void mu_multiplex_tell(struct mu_multiplex *s, const struct mu_multiplex_stream *st, int status,
                       const char *id)
{
    const struct mu_front_events *events = &s->door->events;
    const bool failed = mu_str_starts_with(id, "backend-");
    struct mu_head head = {.method = NULL};
    mu_count_answer(mu_conn_counters(s->conn), status);
    void (*hear)(void *, const struct mu_request_event *) =
        events->requested != NULL || !failed ? events->requested : events->failed;
    if (hear == NULL || mu_who_keep(&s->who, mu_conn_client(s->conn)) == NULL)
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
static void tell(struct mu_multiplex_stream *st, const char *id)
{
    mu_multiplex_tell(st->s, st, st->status, id);
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

static void end_answer(struct mu_multiplex_stream *st)
{
    st->over = true;
    mu_h2_send_end(st->h2, NULL, 0);
}

/* The next pieces of a file, as far as there is room. */
void mu_multiplex_send_file(struct mu_multiplex_stream *st)
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

static bool is_head(const struct mu_multiplex_stream *st)
{
    struct mu_head head;
    return mu_h2_stream_head(st->h2, &head) && head.method != NULL &&
           mu_str_equal(head.method, "HEAD");
}

void mu_multiplex_respond(struct mu_multiplex_stream *st)
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
    const bool ended = is_head(st) || bodiless || (r->fd >= 0 ? r->length : body_len) == 0;
    mu_h2_respond(st->h2, r->status, fields, count, ended);
    if (ended) {
        st->over = true;
    } else if (r->fd < 0) {
        mu_h2_send(st->h2, r->body != NULL ? r->body : r->text.data, body_len);
        st->given = body_len;
        end_answer(st);
    } else {
        mu_multiplex_send_file(st);
    }
}

void mu_multiplex_send_own(struct mu_multiplex_stream *st, const char *id)
{
    st->status = st->response.status;
    tell(st, id);
    mu_exchange_end(&st->exchange);
    st->exchanging = false;
    mu_multiplex_respond(st);
}

void mu_multiplex_answer(struct mu_multiplex_stream *st, int status, const char *id,
                         const char *sentence)
{
    struct mu_response *r = &st->response;
    mu_response_clear(r);
    r->status = status;
    r->content_type = "text/plain; charset=utf-8";
    mu_buf_addf(&r->text, "%d %s: %s [%s]\n", status, mu_http_reason(status), sentence, id);
    mu_multiplex_send_own(st, id);
}

void mu_multiplex_give_up(struct mu_multiplex_stream *st, int status, const char *id,
                          const char *sentence)
{
    if (!st->answer_begun) {
        mu_multiplex_answer(st, status, id, sentence);
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
    const struct mu_multiplex_stream *st = arg;
    return mu_h2_has_room(st->h2);
}

static void on_interim(void *arg, const struct mu_head *head)
{
    struct mu_multiplex_stream *st = arg;
    struct mu_header fields[MU_H2_HEADERS_MAX];
    char number[MU_RELAY_NUMBER_LEN];
    const struct mu_relay_response how = {.framing = MU_BODY_NONE};
    mu_h2_respond(st->h2, head->status, fields,
                  mu_relay_response_fields(head, &how, number, fields), false);
}

static void on_answer(void *arg, const struct mu_head *head)
{
    struct mu_multiplex_stream *st = arg;
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
    struct mu_multiplex_stream *st = arg;
    st->given += len;
    mu_h2_send(st->h2, data, len);
}

static void on_end(void *arg, const struct mu_header *trailers, size_t count)
{
    struct mu_multiplex_stream *st = arg;
    struct mu_header kept[MU_HEADERS_MAX];
    mu_h2_send_end(st->h2, kept, mu_relay_trailers(trailers, count, kept));
}

static void on_wake(void *arg)
{
    struct mu_multiplex_stream *st = arg;
    mu_multiplex_stream_due(st);
    mu_conn_wake(st->s->conn);
}

const struct mu_exchange_client mu_multiplex_client = {
    .has_room = has_room,
    .interim = on_interim,
    .answer = on_answer,
    .body = on_body,
    .end = on_end,
    .wake = on_wake,
};
