#include "front/exchange_h2.h"

#include <errno.h>
#include <string.h>

#include "front/avoid.h"

/* A request that a backend has refused untouched is asked again so often. */
enum { REFUSALS_MAX = 3 };

static const struct mu_exchange_fault too_many_fields =
    {502, "backend-too-many-fields",
     "the request has more header lines than can be said to the service behind this door"};

/* Four fields are there always; of the lines, the first one, that of the host and the empty one are none. What is left out could be
 * what the backend goes by: who the client is stands behind the client's own. */
static bool fits(const struct mu_buf *head)
{
    size_t lines = 0;
    for (const char *at = head->data; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines + 1 <= MU_H2_HEADERS_MAX;
}

void mu_exchange_h2_begin(struct mu_exchange *e, const struct mu_head *head)
{
    e->h2 = true;
    e->head = e->out;
    e->out = (struct mu_buf)MU_BUF_INIT;
    e->chunked = false; /* HTTP/2 has frames for it */
    e->bodiless = head->framing == MU_BODY_NONE;
    e->request.upgrade[0] = '\0'; /* and no way to switch */
    if (!fits(&e->head))
        mu_exchange_fail(e, &too_many_fields);
}

/* --- What the link tells; what comes of it is for mu_exchange_h2_run() --- */

static bool listens(const struct mu_exchange *e)
{
    return e->state == MU_EXCHANGE_ANSWER && e->fault == NULL;
}

static void on_head(void *arg, const struct mu_head *head)
{
    struct mu_exchange *e = arg;
    if (!listens(e))
        return;
    e->heard = true;
    e->moved++;
    if (head->status == 101 || (head->status < 200 && ++e->interims > MU_EXCHANGE_INTERIMS_MAX)) {
        e->fault = &mu_exchange_bad_answer;
    } else if (head->status < 200) {
        e->client->interim(e->arg, head);
    } else {
        e->answered = true;
        mu_avoid_over(e->backend, e->worker);
        e->promised = head->framing == MU_BODY_LENGTH ? head->length : UINT64_MAX;
        e->client->answer(e->arg, head);
    }
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct mu_exchange *e = arg;
    if (!listens(e) || !e->answered)
        return;
    e->sent += len;
    e->moved += len;
    e->held += len;
    e->client->body(e->arg, data, len);
}

static void on_end(void *arg, const struct mu_header *trailers, size_t count)
{
    struct mu_exchange *e = arg;
    if (!listens(e) || !e->answered)
        return;
    e->answer_ended = true;
    e->state = MU_EXCHANGE_DONE;
    e->client->end(e->arg, trailers, count);
}

/* REFUSED_STREAM, and a GOAWAY that names an earlier stream, say that nothing was done with it: it can be asked again,
 * whatever it is. Of a connection that is lost nobody knows: what is idempotent can be, once more here if it was kept for too
 * long, or else of another backend. [RFC 9113 8.7] */
static void on_closed(void *arg, enum mu_h2_code code, bool lost, bool bad)
{
    struct mu_exchange *e = arg;
    const bool untouched = code == MU_H2_REFUSED && !e->heard;
    const bool unknown = lost && !bad && !e->heard && e->request.idempotent;
    const bool stale = unknown && e->reused && !e->fresh;
    if (listens(e) && code == MU_H2_NO_ERROR && e->answered && e->sent == e->promised) {
        on_end(e, NULL, 0); /* there was only that to be said */
        return;
    }
    if (!listens(e))
        return;
    e->moved++;
    e->elsewhere = unknown && !stale && mu_exchange_has_others(e);
    e->again = !e->cut && (stale || e->elsewhere || (untouched && e->refusals < REFUSALS_MAX));
    e->fresh = e->fresh || stale;
    e->heard = e->heard || (!lost && !e->again); /* if only that it will not answer */
    e->refusals += untouched ? 1 : 0;
    e->fault = untouched ? &mu_exchange_refused
               : bad     ? (e->reused || e->heard ? &mu_exchange_bad_answer : &mu_exchange_no_http2)
                         : &mu_exchange_closed;
}

static void on_wake(void *arg)
{
    struct mu_exchange *e = arg;
    e->client->wake(e->arg);
}

static const struct mu_link_events events = {.head = on_head,
                                             .body = on_body,
                                             .end = on_end,
                                             .closed = on_closed,
                                             .wake = on_wake};

/* --- What it is told --- */

bool mu_exchange_h2_join(struct mu_exchange *e, const struct mu_address *address)
{
    return mu_link_join(&e->user, e->worker, address, &events, e, &e->reused);
}

enum mu_io mu_exchange_h2_ask(struct mu_exchange *e)
{
    struct mu_header fields[MU_H2_HEADERS_MAX];
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT; /* `head` itself may be needed once more */
    int why = ENOMEM;
    const enum mu_io io = mu_link_connected(&e->user, &why);
    mu_buf_add(&text, e->head.data, e->head.len);
    errno = why;
    if (io != MU_IO_DONE)
        return io;
    if (mu_buf_failed(&text))
        return MU_IO_FAILED;
    const size_t count = mu_relay_request_fields(&text, fields, MU_COUNT(fields));
    e->end_said = e->bodiless;
    return mu_link_request(&e->user, fields, count, e->bodiless) ? MU_IO_DONE : MU_IO_END;
}

static void send_body(struct mu_exchange *e)
{
    struct mu_header trailers[MU_HEADERS_MAX];
    const size_t waiting = e->out.len - e->out_taken;
    if (waiting > 0 && mu_h2_has_room(e->user.stream)) {
        mu_h2_send(e->user.stream, e->out.data + e->out_taken, waiting);
        e->out_taken = e->out.len;
        e->moved += waiting;
        e->said = true;
    }
    if (e->request_ended && !e->end_said && e->out_taken == e->out.len) {
        e->end_said = true;
        mu_h2_send_end(e->user.stream, trailers, mu_headers_list(&e->trailers, trailers));
    }
}

static void take_in(struct mu_exchange *e)
{
    if (e->held == 0 || !e->client->has_room(e->arg))
        return;
    mu_h2_taken_in(e->user.stream, e->held);
    e->held = 0;
}

void mu_exchange_h2_run(struct mu_exchange *e)
{
    if (e->fault != NULL && !e->again) {
        mu_exchange_fail(e, e->fault);
        return;
    }
    if (e->fault != NULL) {
        e->fault = NULL;
        e->again = false;
        (e->elsewhere ? mu_exchange_begin_elsewhere : mu_exchange_begin_again)(e);
        return;
    }
    if (e->user.stream != NULL) {
        send_body(e);
        take_in(e);
    }
    mu_link_flush(&e->user);
}
