#include "front/exchange.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "front/avoid.h"
#include "front/exchange_h2.h"
#include "http/h2.h"

/* After so many reads in a row, others get their turn. */
enum { READS_IN_A_ROW = 4, READ_SIZE = 16 * 1024 };
/* A backend that takes no request on any connection is not asked for ever. */
enum { CROWDED_MAX = 100 };
/* More of a request's body than this is not taken while the backend does not; nor kept, to be said again. */
enum { ROOM = 32 * 1024, KEPT = 16 * 1024 };

static const struct mu_h1_limits limits = {.target = 1024, .head = 40 * 1024};

static const struct mu_exchange_fault
    unreachable = {503, "backend-unreachable", "the service behind this door cannot be reached"},
    late_connection = {504, "backend-connect-timeout",
                       "the service behind this door cannot be reached in time"},
    late_answer = {504, "backend-timeout",
                   "the service behind this door did not answer in "
                   "time"},
    no_upgrade = {502, "backend-no-upgrade",
                  "the service behind this door does not speak WebSocket there"},
    is_http2 = {502, "backend-is-http2",
                "the service behind this door speaks HTTP/2, and was asked in HTTP/1.1"},
    no_memory = {500, "out-of-memory", "there is not enough memory"};

const struct mu_exchange_fault
    mu_exchange_closed = {502, "backend-closed",
                          "the service behind this door closed the connection "
                          "before it had answered"},
    mu_exchange_bad_answer = {502, "backend-bad-answer",
                              "the service behind this door gave an answer that "
                              "is not well-formed HTTP"},
    mu_exchange_no_http2 = {502, "backend-no-http2",
                            "the service behind this door does not speak HTTP/2"},
    mu_exchange_refused = {503, "backend-refused",
                           "the service behind this door takes no more "
                           "requests for now"};

/* --- Beginning and end --- */

bool mu_exchange_begin(struct mu_exchange *e, const struct mu_proxy *proxy,
                       struct mu_worker *worker, const struct mu_exchange_client *client, void *arg,
                       const struct mu_head *head, const struct mu_relay_client *about,
                       const char **ret_why)
{
    const struct mu_buf out = e->out;
    struct mu_h1_reader *reader = e->reader;
    const uint64_t owner = e->owner;
    const bool bound = e->bound;
    *e = (struct mu_exchange){.proxy = proxy,
                              .worker = worker,
                              .client = client,
                              .arg = arg,
                              .owner = owner,
                              .bound = bound,
                              .state = MU_EXCHANGE_CONNECT,
                              .out = out,
                              .reader = reader,
                              .chunked = head->framing == MU_BODY_CHUNKED};
    if (e->reader == NULL && !proxy->backends->h2)
        e->reader = mu_h1_response_reader(&limits);
    if (mu_relay_request(head, about, &e->out, &e->request, ret_why)) {
        if (proxy->backends->h2) {
            mu_exchange_h2_begin(e, head);
            return true;
        }
        if (e->reader == NULL) {
            e->state = MU_EXCHANGE_FAILED;
            e->fault = &no_memory;
            return true;
        }
        mu_h1_reader_expect(e->reader, e->request.head);
        return true;
    }
    mu_exchange_end(e);
    return false;
}

/* `whole`: it can serve another exchange; of the same client alone, if the backend takes all that comes by it for this client's. */
static void leave_stream(struct mu_exchange *e, bool whole)
{
    const bool binds = e->request.binds || e->owned;
    e->owned = false;
    mu_link_leave(&e->user);
    if (e->stream == NULL)
        return;
    e->bound = e->bound || (whole && binds && e->owner != 0);
    if (whole && (!binds || e->owner != 0))
        mu_stream_keep(e->stream, binds ? e->owner : 0);
    else
        mu_stream_free(e->stream, !e->answer_ended);
    e->stream = NULL;
}

static void leave_backend(struct mu_exchange *e)
{
    if (e->backend != NULL)
        atomic_fetch_sub_explicit(&e->backend->state->open, 1, memory_order_relaxed);
    e->backend = NULL;
}

/* That of a connection which was kept for too long is nobody's. */
static bool is_its_fault(const struct mu_exchange *e, const struct mu_exchange_fault *fault)
{
    const bool stale = fault == &mu_exchange_closed && e->reused && !e->heard;
    const bool unanswered = fault == &mu_exchange_closed || fault == &mu_exchange_bad_answer ||
                            fault == &is_http2 || fault == &mu_exchange_no_http2 ||
                            fault == &late_answer;
    return unanswered && !stale && !e->answered && e->backend != NULL;
}

void mu_exchange_fail(struct mu_exchange *e, const struct mu_exchange_fault *fault)
{
    if (is_its_fault(e, fault))
        mu_avoid_failed(e->backend, e->worker);
    leave_stream(e, false);
    e->state = MU_EXCHANGE_FAILED;
    e->fault = fault;
}

void mu_exchange_end(struct mu_exchange *e)
{
    leave_stream(e, false);
    leave_backend(e);
    mu_buf_clear(&e->out);
    mu_buf_clear(&e->head);
    mu_buf_clear(&e->trailers);
    e->out_taken = 0;
    if (e->reader != NULL && e->state == MU_EXCHANGE_DONE && mu_h1_reader_keeps_alive(e->reader)) {
        mu_h1_reader_rest(e->reader);
    } else { /* within a message, or behind the last one */
        mu_h1_reader_free(e->reader);
        e->reader = NULL;
    }
    e->state = MU_EXCHANGE_NONE;
}

static void on_stream(void *arg)
{
    struct mu_exchange *e = arg;
    e->client->wake(e->arg);
}

/* To the backend that has been chosen. */
static struct mu_stream *kept_stream(struct mu_exchange *e, uint64_t owner)
{
    for (size_t i = 0; i < e->backend->address_count; i++) {
        struct mu_stream *stream =
            mu_stream_kept(e->worker, &e->backend->addresses[i], owner, on_stream, e);
        if (stream != NULL)
            return stream;
    }
    return NULL;
}

/* The connection on which this client has shown who it is, wherever it leads. */
static bool take_own(struct mu_exchange *e)
{
    const struct mu_backends *backends = e->proxy->backends;
    for (size_t i = 0; i < backends->count && e->stream == NULL; i++) {
        e->backend = &backends->at[i];
        e->stream = kept_stream(e, e->owner);
    }
    e->owned = e->stream != NULL;
    if (!e->owned)
        e->backend = NULL;
    return e->owned;
}

void mu_exchange_clear(struct mu_exchange *e)
{
    mu_exchange_end(e);
    while (e->bound && take_own(e)) {
        e->backend = NULL; /* it has not been counted */
        leave_stream(e, false);
    }
    mu_h1_reader_free(e->reader);
    e->reader = NULL;
}

/* --- The request --- */

static size_t waiting(const struct mu_exchange *e)
{
    return e->out.len - e->out_taken;
}

bool mu_exchange_takes(const struct mu_exchange *e)
{
    return waiting(e) < ROOM;
}

bool mu_exchange_has_others(const struct mu_exchange *e)
{
    return (~e->tried & UINT64_MAX >> (64 - e->proxy->backends->count)) != 0;
}

/* If this connection, which was kept for too long, turns out to be dead, the same can be said on another one; or to another backend if
 * this one turns out to be ill. */
static bool may_be_said_again(const struct mu_exchange *e)
{
    return !e->heard && !e->cut && e->out.len <= KEPT &&
           (e->h2 || (e->request.idempotent && (e->reused || mu_exchange_has_others(e))));
}

static void forget_what_is_taken(struct mu_exchange *e)
{
    if (e->state == MU_EXCHANGE_CONNECT || e->again || may_be_said_again(e))
        return;
    if (e->out_taken == e->out.len)
        mu_buf_clear(&e->out);
    else if (e->out_taken >= KEPT)
        mu_buf_consume(&e->out, e->out_taken);
    else
        return;
    e->out_taken = 0;
    e->cut = true;
}

void mu_exchange_send(struct mu_exchange *e, const char *data, size_t len)
{
    e->received += len;
    e->moved += len;
    if (e->deaf)
        return;
    if (e->chunked && e->state != MU_EXCHANGE_CARRY)
        mu_relay_chunk(&e->out, data, len);
    else
        mu_buf_add(&e->out, data, len);
}

static void keep_trailers(struct mu_exchange *e, const struct mu_header *trailers, size_t count)
{
    struct mu_header kept[MU_HEADERS_MAX];
    mu_headers_keep(&e->trailers, kept, mu_relay_trailers(trailers, count, kept));
}

void mu_exchange_send_end(struct mu_exchange *e, const struct mu_header *trailers, size_t count)
{
    e->request_ended = true;
    if (e->h2)
        keep_trailers(e, trailers, count);
    else if (e->chunked && e->state != MU_EXCHANGE_CARRY)
        mu_relay_last_chunk(&e->out, trailers, count);
}

/* Each end may go on speaking when the other one has said all. */
static void settle_carried(struct mu_exchange *e)
{
    if (e->request_ended && waiting(e) == 0 && !e->deaf) {
        mu_stream_end(e->stream);
        e->deaf = true;
    }
    if (e->answer_ended && e->deaf)
        e->state = MU_EXCHANGE_DONE;
}

/* A backend that takes no more may yet have answered: reading tells. */
static void write_out(struct mu_exchange *e)
{
    while (waiting(e) > 0 && !e->deaf) {
        size_t taken;
        enum mu_io io = mu_stream_write(e->stream, e->out.data + e->out_taken, waiting(e), &taken);
        e->out_taken += taken;
        e->moved += taken;
        e->said = e->said || taken > 0;
        if (io == MU_IO_WANT_WRITE)
            return;
        e->deaf = io != MU_IO_DONE;
    }
    if (e->deaf && e->said && !may_be_said_again(e))
        e->out_taken = e->out.len;
    forget_what_is_taken(e);
    if (e->state == MU_EXCHANGE_CARRY)
        settle_carried(e);
}

/* --- A backend --- */

static bool choose_backend(struct mu_exchange *e)
{
    const struct mu_backends *backends = e->proxy->backends;
    leave_backend(e);
    if (!e->bound || !take_own(e))
        e->backend = mu_backends_choose(backends, e->tried, mu_backend_now_ms());
    if (e->backend == NULL)
        return false;
    atomic_fetch_add_explicit(&e->backend->state->open, 1, memory_order_relaxed);
    e->tried |= UINT64_C(1) << (e->backend - backends->at);
    e->address = 0;
    if (e->stream == NULL && !e->fresh && !e->h2)
        e->stream = kept_stream(e, 0);
    e->reused = e->stream != NULL;
    return true;
}

static bool has_connection(const struct mu_exchange *e)
{
    return e->stream != NULL || e->user.link != NULL;
}

static bool connect_to(struct mu_exchange *e, const struct mu_address *address)
{
    if (e->h2)
        return mu_exchange_h2_join(e, address);
    e->stream = mu_stream_connect(e->worker, address, NULL, 0, on_stream, e);
    return e->stream != NULL;
}

/* Begin with the next address, of this backend or of another. False: there is none left. */
static bool try_next(struct mu_exchange *e)
{
    leave_stream(e, false);
    e->reused = false;
    while (!has_connection(e)) {
        const bool used_up = e->backend != NULL && e->address == e->backend->address_count;
        if (used_up)
            mu_avoid_unreachable(e->backend, e->worker, e->why);
        if ((e->backend == NULL || used_up) && !choose_backend(e))
            return false;
        if (e->stream != NULL)
            break;
        if (!connect_to(e, &e->backend->addresses[e->address++]))
            e->why = errno;
    }
    e->moved++; /* the next one has all the time there is */
    return true;
}

static void connect_on(struct mu_exchange *e)
{
    bool going_on = has_connection(e) || try_next(e);
    while (going_on) {
        enum mu_io io = e->h2 ? mu_exchange_h2_ask(e) : mu_stream_connected(e->stream);
        if (io == MU_IO_DONE) {
            e->state = MU_EXCHANGE_ANSWER;
            e->moved++;
            return;
        }
        if (io != MU_IO_FAILED && io != MU_IO_END) {
            if (!e->h2)
                mu_stream_watch(e->stream, false, true);
            return;
        }
        if (io == MU_IO_END &&
            e->crowded++ < CROWDED_MAX) /* there may be another connection to it */
            e->address--;
        e->why = errno;
        going_on = try_next(e);
    }
    mu_exchange_fail(e, e->why == ETIMEDOUT ? &late_connection : &unreachable);
}

/* --- The answer --- */

static void on_head(struct mu_exchange *e)
{
    struct mu_head head;
    if (!mu_h1_reader_head(e->reader, &head))
        return;
    /* What is still to come of a body must not be taken for what is said then. [RFC 9110 7.8] */
    if (head.status == 101 && (!e->request_ended || mu_relay_switches(&head, &e->request) == NULL)) {
        mu_exchange_fail(e, &mu_exchange_bad_answer);
        return;
    }
    if (head.status < 200 && head.status != 101) {
        if (++e->interims > MU_EXCHANGE_INTERIMS_MAX)
            mu_exchange_fail(e, &mu_exchange_bad_answer);
        else
            e->client->interim(e->arg, &head);
        return;
    }
    if (head.status < 300 && head.status != 101 && e->request.accept[0] != '\0') {
        mu_exchange_fail(e, &no_upgrade); /* in HTTP/2 it would say that they have switched */
        return;
    }
    e->answered = true;
    mu_avoid_over(e->backend, e->worker);
    e->request.binds = e->request.binds || mu_relay_binds(&head);
    e->switched = head.status == 101;
    e->client->answer(e->arg, &head);
}

/* The connection may serve again if nothing is left of this exchange on either of its ways. */
static void on_end(struct mu_exchange *e, size_t left_over)
{
    const struct mu_header *trailers;
    if (!e->answered) /* but an interim one */
        return;
    if (e->switched) {
        e->state = MU_EXCHANGE_CARRY;
        e->request_ended = false; /* there is more to say now */
        return;
    }
    size_t count = mu_h1_reader_trailers(e->reader, &trailers);
    e->answer_ended = true;
    e->state = MU_EXCHANGE_DONE;
    e->client->end(e->arg, trailers, count);
    leave_stream(e, mu_h1_reader_keeps_alive(e->reader) && left_over == 0 && e->request_ended &&
                        waiting(e) == 0 && !e->deaf);
}

static void give_body(struct mu_exchange *e, const char *data, size_t len)
{
    e->sent += len;
    if (len > 0)
        e->client->body(e->arg, data, len);
}

/* Where --to h2c:// is meant. */
static const struct mu_exchange_fault *why_broken(const struct mu_exchange *e, const char *data,
                                                  size_t len)
{
    const bool begins = !e->answered && e->interims == 0;
    return begins && mu_h2_is_preface(data, len) ? &is_http2 : &mu_exchange_bad_answer;
}

static void take_answer(struct mu_exchange *e, const char *data, size_t len)
{
    const char *const all = data;
    const size_t all_len = len;
    enum mu_read step = MU_READ_HEAD;
    while (e->state == MU_EXCHANGE_ANSWER && step != MU_READ_MORE) {
        const char *piece;
        size_t taken, piece_len;
        step = mu_h1_read(e->reader, data, len, &taken, &piece, &piece_len);
        data += taken;
        len -= taken;
        switch (step) {
        case MU_READ_MORE: break;
        case MU_READ_HEAD: on_head(e); break;
        case MU_READ_BODY: give_body(e, piece, piece_len); break;
        case MU_READ_END: on_end(e, len); break;
        case MU_READ_BROKEN: mu_exchange_fail(e, why_broken(e, all, all_len)); break;
        }
    }
    if (e->state == MU_EXCHANGE_CARRY)
        give_body(e, data, len);
}

void mu_exchange_begin_again(struct mu_exchange *e)
{
    leave_stream(e, false);
    leave_backend(e);
    e->tried = 0; /* it may well be there */
    e->out_taken = 0;
    e->said = e->deaf = e->end_said = false;
    e->state = MU_EXCHANGE_CONNECT;
}

void mu_exchange_begin_elsewhere(struct mu_exchange *e)
{
    const uint64_t tried = e->tried;
    mu_avoid_failed(e->backend, e->worker);
    mu_exchange_begin_again(e);
    e->tried = tried;
}

/* The other end has closed the connection when nothing was said yet: it was kept for too long, or that backend is ill. */
static bool say_it_again(struct mu_exchange *e)
{
    if (e->heard || (!e->reused && !mu_exchange_has_others(e)) || (e->said && !may_be_said_again(e)))
        return false;
    if (!e->reused) {
        mu_exchange_begin_elsewhere(e);
        return true;
    }
    e->fresh = true;
    mu_exchange_begin_again(e);
    return true;
}

static void on_eof(struct mu_exchange *e, bool failed)
{
    if (e->state == MU_EXCHANGE_CARRY && !failed) {
        e->answer_ended = true;
        e->client->end(e->arg, NULL, 0);
        settle_carried(e);
        return;
    }
    if (!failed && e->state == MU_EXCHANGE_ANSWER && mu_h1_read_eof(e->reader) == MU_READ_END) {
        on_end(e, 0);
        return;
    }
    if (!say_it_again(e))
        mu_exchange_fail(e, &mu_exchange_closed);
}

static void read_answer(struct mu_exchange *e)
{
    static _Thread_local char data[READ_SIZE];
    for (int reads = 0; reads < READS_IN_A_ROW; reads++) {
        size_t len;
        if (e->answer_ended || !e->client->has_room(e->arg))
            return;
        enum mu_io io = mu_stream_read(e->stream, data, sizeof data, &len);
        if (io == MU_IO_WANT_READ || io == MU_IO_WANT_WRITE)
            return;
        e->moved++;
        if (io != MU_IO_DONE) {
            e->why = io == MU_IO_FAILED ? errno : 0;
            on_eof(e, io == MU_IO_FAILED);
            return;
        }
        e->heard = true;
        if (e->state == MU_EXCHANGE_CARRY)
            give_body(e, data, len);
        else
            take_answer(e, data, len);
        if (e->state != MU_EXCHANGE_ANSWER && e->state != MU_EXCHANGE_CARRY)
            return;
    }
}

static bool talks(const struct mu_exchange *e)
{
    return e->state == MU_EXCHANGE_ANSWER || e->state == MU_EXCHANGE_CARRY;
}

static void run_h2(struct mu_exchange *e)
{
    mu_exchange_h2_run(e);
    if (talks(e))
        forget_what_is_taken(e);
}

static void run_h1(struct mu_exchange *e)
{
    write_out(e);
    if (talks(e))
        read_answer(e);
}

void mu_exchange_run(struct mu_exchange *e)
{
    do {
        if (e->state == MU_EXCHANGE_CONNECT)
            connect_on(e);
        if (talks(e))
            (e->h2 ? run_h2 : run_h1)(e);
    } while (e->state == MU_EXCHANGE_CONNECT && !has_connection(e)); /* once more, on another one */
    if (talks(e) && (mu_buf_failed(&e->out) || mu_buf_failed(&e->trailers)))
        mu_exchange_fail(e, &no_memory);
    if (talks(e) && !e->h2)
        mu_stream_watch(e->stream, e->client->has_room(e->arg) && !e->answer_ended,
                        waiting(e) > 0 && !e->deaf);
}

void mu_exchange_expire(struct mu_exchange *e)
{
    if (talks(e)) {
        mu_link_doubt(&e->user);
        mu_exchange_fail(e, &late_answer);
        return;
    }
    e->why = ETIMEDOUT;
    if (!try_next(e))
        mu_exchange_fail(e, &late_connection);
    else
        mu_exchange_run(e);
}
