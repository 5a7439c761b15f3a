/* What a client of HTTP/1.1 is answered: by ourselves, or by what an exchange with a backend hands back; and the line that the log has of it. */

#include "front/proxy_session.h"

#include <string.h>
#include <time.h>

#include "base/str.h"

/* From this size on, a piece of a body is worth a write of its own. */
enum { DIRECT_WRITE = 4096 };

/* --- The log --- */

/* Once for each request. `id` says what became of it, if that is not what should have. */
void mu_proxy_tell(struct mu_proxy_session *s, const char *id)
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
void mu_proxy_tell_gone(struct mu_proxy_session *s)
{
    if (!s->answer_begun)
        s->status = 499; /* what nginx's log says, too */
    mu_proxy_tell(s, "client-gone");
}

/* --- From one request to the next --- */

void mu_proxy_end_request(struct mu_proxy_session *s)
{
    mu_exchange_end(&s->exchange);
    mu_h1_reader_rest(s->reader);
    s->under_way = s->request_ended = s->answer_begun = s->head_only = false;
    s->status = 0;
}

/* An answer of our own. */
static void send_own(struct mu_proxy_session *s, const struct mu_response *response, const char *id)
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
    mu_proxy_tell(s, id);
    s->closing = !s->keep_alive;
    mu_proxy_end_request(s);
}

/* `id` goes into the log and is told to the client, so that the two can be found together. */
void mu_proxy_answer(struct mu_proxy_session *s, int status, const char *id, const char *sentence)
{
    struct mu_response response = MU_RESPONSE_INIT;
    response.status = status;
    response.content_type = "text/plain; charset=utf-8";
    mu_buf_addf(&response.text, "%d %s: %s [%s]\n", status, mu_http_reason(status), sentence, id);
    send_own(s, &response, id);
    mu_response_clear(&response);
}

/* Where no body follows, the connection is good for another request; a body is not waited for. */
void mu_proxy_answer_no(struct mu_proxy_session *s, const struct mu_permit *permit,
                        enum mu_framing framing)
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
void mu_proxy_give_up(struct mu_proxy_session *s, int status, const char *id, const char *sentence)
{
    if (!s->answer_begun) {
        mu_proxy_answer(s, status, id, sentence);
        return;
    }
    mu_proxy_tell(s, id);
    mu_proxy_end_request(s);
    s->closing = s->broken = true;
}

void mu_proxy_finish(struct mu_proxy_session *s)
{
    mu_proxy_tell(s, "");
    s->closing = !s->keep_alive || !s->request_ended;
    mu_proxy_end_request(s);
}

/* --- What the exchange hands back --- */

static bool has_room(void *arg)
{
    const struct mu_proxy_session *s = arg;
    return mu_proxy_has_room(s);
}

static void on_interim(void *arg, const struct mu_head *head)
{
    struct mu_proxy_session *s = arg;
    const struct mu_relay_response how = {.minor = s->minor, .keep_alive = true};
    if (s->minor > 0) /* HTTP/1.0 knows none of them [RFC 9110 15.2] */
        mu_relay_response(head, &how, &s->out);
}

/* To HTTP/1.0 nothing can be said in chunks, and a body of unknown length ends with the connection. */
static void on_answer(void *arg, const struct mu_head *head)
{
    struct mu_proxy_session *s = arg;
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
enum mu_io mu_proxy_write(struct mu_proxy_session *s, const char *data, size_t len, size_t *ret_len)
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
    struct mu_proxy_session *s = arg;
    size_t taken = 0;
    if (s->chunk_answer && s->exchange.state != MU_EXCHANGE_CARRY) {
        mu_relay_chunk(&s->out, data, len);
        return;
    }
    if (mu_proxy_unsent(s) == 0 && len >= DIRECT_WRITE)
        (void)mu_proxy_write(s, data, len,
                             &taken); /* whatever is wrong, the next write finds it, too */
    mu_buf_add(&s->out, data + taken, len - taken);
}

static void on_end(void *arg, const struct mu_header *trailers, size_t count)
{
    struct mu_proxy_session *s = arg;
    if (s->exchange.state == MU_EXCHANGE_CARRY)
        s->end_carrying = true;
    else if (s->chunk_answer)
        mu_relay_last_chunk(&s->out, trailers, count);
}

static void on_wake(void *arg)
{
    const struct mu_proxy_session *s = arg;
    mu_conn_wake(s->conn);
}

const struct mu_exchange_client mu_proxy_client = {
    .has_room = has_room,
    .interim = on_interim,
    .answer = on_answer,
    .body = on_body,
    .end = on_end,
    .wake = on_wake,
};
