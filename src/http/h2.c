#include "http/h2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/h2_fields.h"

/* What a peer may have on its way to us: on a stream, and on all together. A client's streams may be of many people, of whom none is to
 * hold up the others: there only the streams' windows count. */
enum { STREAM_WINDOW = 128 * 1024, CLIENT_STREAM_WINDOW = 64 * 1024, WINDOW = 1024 * 1024 };
/* What may wait on a stream, and what is written at once. */
enum { ROOM = 32 * 1024, OUTPUT_ENOUGH = 32 * 1024, FRAME_HEAD_LEN = 9 };
/* Streams that a client may begin and take back at once, and then a second. [CVE-2023-44487] */
enum { RESETS_AT_ONCE = 500, RESETS_A_SECOND = 30 };
/* Frames that bring nothing forward, likewise; whoever is sent data may say more, for that takes WINDOW_UPDATEs. */
enum { IDLE_FRAMES_AT_ONCE = 5000, IDLE_FRAMES_A_SECOND = 200, IDLE_FRAMES_FOR_DATA = 2 };

struct mu_h2_stream {
    struct mu_h2 *h2;
    struct mu_h2_stream *next, *previous; /* of the connection's */
    int32_t id;
    void *arg;
    struct mu_h2_fields fields; /* from the peer */
    size_t held;                /* bytes that the handler was given and has not yet taken in */
    bool head_told, head_request, remote_ended;
    bool refused; /* a request whose head has been told with a status */
    bool upgrade; /* is to be more than a request and its answer; and it has been agreed to */
    bool upgraded;

    struct mu_buf out; /* body for the peer */
    size_t out_taken;
    struct mu_buf trailers; /* name and value of each, each ended by NUL */
    bool ended;             /* `out` is all there will be */
    bool waiting;           /* for more in `out` */
    bool was_full;
    bool submitted; /* its last head is on its way */
    bool reset;
};

struct mu_h2 {
    const struct mu_h2_handler *handler;
    void *arg;
    nghttp2_session *session;
    struct mu_h2_stream *streams;
    size_t stream_count;
    size_t head_max, target_max;
    bool is_server;
    bool greeted; /* the peer's first frame has come */
    bool in_head;
    bool leaving;       /* it has been said that we will end, or the peer has */
    bool left;          /* and that we take no more */
    bool some_are_full; /* of the streams: see mu_h2_has_room() */
    bool broken;        /* nothing more is to be read */
    const char *fault, *sentence;

    uint64_t idle_frames; /* that are still allowed */
    uint64_t idle_since_ms;

    struct mu_buf out;
    size_t out_taken;
};

static const uint8_t farewell[8] = "farewell"; /* what our own PING says */

/* --- Streams that there are --- */

static struct mu_h2_stream *add_stream(struct mu_h2 *h2, int32_t id)
{
    struct mu_h2_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->h2 = h2;
    stream->id = id;
    stream->fields.size_max = h2->head_max;
    stream->fields.target_max = h2->target_max;
    stream->next = h2->streams;
    if (stream->next != NULL)
        stream->next->previous = stream;
    h2->streams = stream;
    h2->stream_count++;
    return stream;
}

static void remove_stream(struct mu_h2_stream *stream)
{
    struct mu_h2 *h2 = stream->h2;
    *(stream->previous == NULL ? &h2->streams : &stream->previous->next) = stream->next;
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    h2->stream_count--;
    mu_h2_fields_clear(&stream->fields);
    mu_buf_clear(&stream->out);
    mu_buf_clear(&stream->trailers);
    free(stream);
}

static struct mu_h2_stream *stream_of(struct mu_h2 *h2, int32_t id)
{
    return id == 0 ? NULL : nghttp2_session_get_stream_user_data(h2->session, id);
}

/* --- Those who keep us busy with nothing --- */

static void break_off(struct mu_h2 *h2, const char *fault, const char *sentence, uint32_t code)
{
    if (h2->fault == NULL) {
        h2->fault = fault;
        h2->sentence = sentence;
    }
    h2->broken = true;
    nghttp2_session_terminate_session(h2->session, code);
}

static void refill(struct mu_h2 *h2)
{
    const uint64_t now_ms = h2->handler->now_ms(h2->arg);
    const uint64_t more = (now_ms - h2->idle_since_ms) * IDLE_FRAMES_A_SECOND / 1000;
    if (more == 0)
        return;
    h2->idle_since_ms = now_ms;
    h2->idle_frames =
        h2->idle_frames + more > IDLE_FRAMES_AT_ONCE ? IDLE_FRAMES_AT_ONCE : h2->idle_frames + more;
}

/* A frame has come by which nothing has come forward. [RFC 9113 10.5] */
static void count_idle_frame(struct mu_h2 *h2)
{
    if (h2->idle_frames == 0)
        refill(h2);
    if (h2->idle_frames > 0)
        h2->idle_frames--;
    else
        break_off(h2, "h2-flood", "there are too many frames by which nothing comes forward",
                  NGHTTP2_ENHANCE_YOUR_CALM);
}

static void allow_idle_frames(struct mu_h2 *h2)
{
    if (h2->idle_frames < IDLE_FRAMES_AT_ONCE)
        h2->idle_frames += IDLE_FRAMES_FOR_DATA;
}

static bool may_bring_something(const nghttp2_frame_hd *hd)
{
    return hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_CONTINUATION ||
           hd->type == NGHTTP2_DATA || hd->type == NGHTTP2_GOAWAY;
}

static bool is_empty_data(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_DATA && frame->hd.length == frame->data.padlen &&
           (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
}

/* --- What comes --- */

static const nghttp2_extpri in_turns = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct mu_h2 *h2 = arg;
    if (!h2->is_server || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct mu_h2_stream *stream = add_stream(h2, frame->hd.stream_id);
    if (stream == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, stream->id, stream);
    /* Answers take turns, unless the client asks for something else: one that never ends must not keep the others waiting.
     * [RFC 9218 10] */
    return nghttp2_session_change_extpri_stream_priority(session, stream->id, &in_turns, 0);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct mu_h2_stream *stream = stream_of(arg, frame->hd.stream_id);
    (void)session;
    (void)flags;
    if (stream != NULL)
        mu_h2_fields_add(&stream->fields, (const char *)name, name_len, (const char *)value,
                         value_len);
    return 0;
}

/* nghttp2 would leave the field out and go on; the message is malformed. [RFC 9113 8.2.1] */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *arg)
{
    (void)session, (void)frame, (void)name, (void)name_len, (void)value, (void)value_len,
        (void)flags, (void)arg;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void tell_request(struct mu_h2_stream *stream, bool ended)
{
    struct mu_h2 *h2 = stream->h2;
    struct mu_head head;
    const char *why = NULL;
    const int status = mu_h2_fields_request(&stream->fields, ended, &head, &why);
    stream->head_request = head.method != NULL && mu_str_equal(head.method, "HEAD");
    stream->refused = status != 0;
    stream->upgrade = status == 0 && head.upgrade != NULL;
    h2->handler->head(h2->arg, stream, &head, status, why);
}

static void tell_response(struct mu_h2_stream *stream, bool ended)
{
    struct mu_h2 *h2 = stream->h2;
    struct mu_head head;
    if (!mu_h2_fields_response(&stream->fields, ended, stream->head_request, &head)) {
        stream->head_told = false;
        mu_h2_reset(stream, MU_H2_PROTOCOL_ERROR);
        return;
    }
    stream->head_told = head.status >= 200;
    h2->handler->head(h2->arg, stream, &head, 0, NULL);
    if (!stream->head_told)
        mu_h2_fields_clear(&stream->fields);
}

/* A head, or trailers behind a body. */
static void on_block(struct mu_h2_stream *stream, bool ended)
{
    if (stream->head_told)
        return;
    stream->head_told = true;
    if (stream->h2->is_server)
        tell_request(stream, ended);
    else
        tell_response(stream, ended);
}

static void on_remote_end(struct mu_h2_stream *stream)
{
    struct mu_h2 *h2 = stream->h2;
    const struct mu_header *trailers = NULL;
    size_t count = 0;
    stream->remote_ended = true;
    if (stream->reset || !stream->head_told)
        return;
    if (stream->fields.too_large || mu_buf_failed(&stream->fields.text)) {
        if (!stream->refused) /* by trailers, then: of a head, the status has said so */
            mu_h2_reset(stream, MU_H2_PROTOCOL_ERROR);
        return;
    }
    count = mu_h2_fields_trailers(&stream->fields, &trailers);
    h2->handler->end(h2->arg, stream, trailers, count);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    struct mu_h2 *h2 = arg;
    (void)session;
    h2->in_head = hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_CONTINUATION;
    if (!may_bring_something(hd))
        count_idle_frame(h2);
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int why, void *arg)
{
    struct mu_h2 *h2 = arg;
    (void)session, (void)frame, (void)why;
    h2->in_head = false;
    count_idle_frame(h2);
    return 0;
}

/* The peer has heard that we will end: what it sends from now on, it sends knowing that. */
static void on_farewell_heard(struct mu_h2 *h2)
{
    if (h2->leaving && !h2->left)
        mu_h2_stop(h2);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct mu_h2 *h2 = arg;
    (void)session;
    h2->greeted = true;
    h2->in_head = false;
    if (is_empty_data(frame))
        count_idle_frame(h2);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        memcmp(frame->ping.opaque_data, farewell, sizeof farewell) == 0)
        on_farewell_heard(h2);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h2->leaving = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct mu_h2_stream *stream = stream_of(h2, frame->hd.stream_id);
    const bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (stream == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        on_block(stream, ended);
    if (ended)
        on_remote_end(stream);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *arg)
{
    struct mu_h2 *h2 = arg;
    struct mu_h2_stream *stream = stream_of(h2, id);
    (void)flags;
    if (stream == NULL || stream->reset) {
        nghttp2_session_consume(session, id, len);
        return 0;
    }
    stream->held += len;
    if (!h2->is_server)
        nghttp2_session_consume_connection(session, len);
    allow_idle_frames(h2);
    h2->handler->body(h2->arg, stream, (const char *)data, len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct mu_h2 *h2 = arg;
    struct mu_h2_stream *stream = stream_of(h2, id);
    if (stream == NULL)
        return 0;
    if (h2->is_server)
        nghttp2_session_consume_connection(session, stream->held);
    nghttp2_session_set_stream_user_data(session, id, NULL);
    h2->handler->closed(h2->arg, stream, (enum mu_h2_code)code);
    remove_stream(stream);
    return 0;
}

static void note_fatal(struct mu_h2 *h2, int why)
{
    const bool flood = why == NGHTTP2_ERR_FLOODED;
    break_off(h2, flood ? "h2-flood" : "h2-broken",
              flood ? "there are too many frames to be answered, and the answers are not read"
                    : nghttp2_strerror(why),
              flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
}

bool mu_h2_input(struct mu_h2 *h2, const void *data, size_t len)
{
    if (h2->broken)
        return false;
    const ssize_t n = nghttp2_session_mem_recv(h2->session, data, len);
    if (n < 0)
        note_fatal(h2, (int)n);
    return !h2->broken;
}

/* --- What goes --- */

/* What is waiting is cheap to drop; so much is gathered, then it is written. */
static bool is_enough(const struct mu_h2 *h2)
{
    return h2->out.len >= OUTPUT_ENOUGH;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags,
                       void *arg)
{
    struct mu_h2 *h2 = arg;
    (void)session;
    (void)flags;
    if (is_enough(h2))
        return NGHTTP2_ERR_WOULDBLOCK;
    mu_buf_add(&h2->out, data, len);
    return mu_buf_failed(&h2->out) ? NGHTTP2_ERR_CALLBACK_FAILURE : (ssize_t)len;
}

size_t mu_h2_unsent(const struct mu_h2_stream *stream)
{
    return stream->out.len - stream->out_taken;
}

static void forget_what_is_sent(struct mu_h2_stream *stream)
{
    if (stream->out_taken == stream->out.len)
        mu_buf_clear(&stream->out);
    else if (stream->out_taken >= ROOM)
        mu_buf_consume(&stream->out, stream->out_taken);
    else
        return;
    stream->out_taken = 0;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *hd,
                        size_t len, nghttp2_data_source *source, void *arg)
{
    struct mu_h2 *h2 = arg;
    struct mu_h2_stream *stream = source->ptr;
    (void)session;
    (void)frame; /* is not padded, since nobody asks for it */
    if (is_enough(h2))
        return NGHTTP2_ERR_WOULDBLOCK;
    mu_buf_add(&h2->out, hd, FRAME_HEAD_LEN);
    mu_buf_add(&h2->out, mu_buf_str(&stream->out) + stream->out_taken, len);
    stream->out_taken += len;
    forget_what_is_sent(stream);
    allow_idle_frames(h2);
    return mu_buf_failed(&h2->out) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static size_t make_fields(const struct mu_header *headers, size_t count, nghttp2_nv *ret)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = (nghttp2_nv){.name = (uint8_t *)headers[i].name,
                              .namelen = strlen(headers[i].name),
                              .value = (uint8_t *)headers[i].value,
                              .valuelen = strlen(headers[i].value)};
    return count;
}

static int submit_trailers(const struct mu_h2_stream *stream)
{
    struct mu_header headers[MU_HEADERS_MAX];
    nghttp2_nv fields[MU_HEADERS_MAX];
    const size_t count = make_fields(headers, mu_headers_list(&stream->trailers, headers), fields);
    return nghttp2_submit_trailer(stream->h2->session, stream->id, fields, count);
}

/* How much of a stream's body goes next; on_send_data() takes it. */
static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *data, size_t cap,
                       uint32_t *ret_flags, nghttp2_data_source *source, void *arg)
{
    struct mu_h2_stream *stream = source->ptr;
    const size_t unsent = mu_h2_unsent(stream), len = unsent < cap ? unsent : cap;
    (void)session, (void)id, (void)data, (void)arg;
    stream->waiting = len == 0 && !stream->ended;
    if (mu_buf_failed(&stream->out) || mu_buf_failed(&stream->trailers))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (stream->waiting)
        return NGHTTP2_ERR_DEFERRED;
    *ret_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (len == unsent && stream->ended) {
        *ret_flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->trailers.len > 0) {
            *ret_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (submit_trailers(stream) != 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)len;
}

/* An answer may be over before its request is; nobody wants the rest. [RFC 9113 8.1] */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct mu_h2 *h2 = arg;
    (void)session;
    if (!h2->is_server || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
        (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
        return 0;
    struct mu_h2_stream *stream = stream_of(h2, frame->hd.stream_id);
    if (stream != NULL && !stream->remote_ended && !stream->upgraded)
        mu_h2_reset(stream, MU_H2_NO_ERROR);
    return 0;
}

bool mu_h2_has_room(const struct mu_h2_stream *stream)
{
    return mu_h2_unsent(stream) < ROOM;
}

static void tell_room(struct mu_h2 *h2)
{
    if (!h2->some_are_full)
        return;
    h2->some_are_full = false;
    for (struct mu_h2_stream *stream = h2->streams; stream != NULL; stream = stream->next)
        if (stream->was_full && mu_h2_has_room(stream)) {
            stream->was_full = false;
            h2->handler->room(h2->arg, stream);
        } else if (stream->was_full) {
            h2->some_are_full = true;
        }
}

size_t mu_h2_output(struct mu_h2 *h2, const char **ret)
{
    if (h2->out_taken == h2->out.len) {
        mu_buf_reset(&h2->out);
        h2->out_taken = 0;
        const int result = nghttp2_session_send(h2->session);
        if (result != 0)
            note_fatal(h2, result);
        else if (nghttp2_session_want_read(h2->session) == 0 && !h2->leaving)
            /* It has found something that it cannot go on after, and has said so in a GOAWAY. */
            break_off(h2, "h2-broken", "what comes is not well-formed HTTP/2, or too much",
                      NGHTTP2_PROTOCOL_ERROR);
        tell_room(h2);
    }
    if (h2->out.len == 0) /* a connection at rest holds no memory */
        mu_buf_clear(&h2->out);
    *ret = mu_buf_str(&h2->out) + h2->out_taken;
    return h2->out.len - h2->out_taken;
}

void mu_h2_taken(struct mu_h2 *h2, size_t len)
{
    h2->out_taken += len;
}

/* --- Messages for the peer --- */

/* What cannot be said must not look like the end of what was. */
static void fail(struct mu_h2_stream *stream)
{
    mu_h2_reset(stream, MU_H2_INTERNAL_ERROR);
}

void mu_h2_respond(struct mu_h2_stream *stream, int status, const struct mu_header *headers,
                   size_t count, bool ended)
{
    char status_text[16];
    nghttp2_nv fields[MU_H2_HEADERS_MAX + 1];
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = on_read};
    nghttp2_session *session = stream->h2->session;
    if (stream->reset || stream->submitted)
        return;
    const struct mu_header first = {":status", status_text};
    snprintf(status_text, sizeof status_text, "%d", status);
    make_fields(&first, 1, fields);
    count =
        1 + make_fields(headers, count < MU_H2_HEADERS_MAX ? count : MU_H2_HEADERS_MAX, fields + 1);
    stream->submitted = status >= 200;
    stream->upgraded = stream->upgrade && stream->submitted && status < 300;
    const int result =
        stream->submitted
            ? nghttp2_submit_response(session, stream->id, fields, count, ended ? NULL : &body)
            : nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, stream->id, NULL, fields, count,
                                     NULL);
    if (result != 0)
        fail(stream);
}

struct mu_h2_stream *mu_h2_request(struct mu_h2 *h2, const struct mu_header *headers, size_t count,
                                   bool ended, void *arg)
{
    nghttp2_nv fields[MU_H2_HEADERS_MAX];
    if (count > MU_H2_HEADERS_MAX || !mu_h2_takes_requests(h2))
        return NULL;
    struct mu_h2_stream *stream = add_stream(h2, 0);
    if (stream == NULL)
        return NULL;
    const nghttp2_data_provider body = {.source.ptr = stream, .read_callback = on_read};
    make_fields(headers, count, fields);
    for (size_t i = 0; i < count; i++)
        if (mu_str_equal(headers[i].name, ":method"))
            stream->head_request = mu_str_equal(headers[i].value, "HEAD");
    stream->id =
        nghttp2_submit_request(h2->session, NULL, fields, count, ended ? NULL : &body, stream);
    if (stream->id <= 0) {
        remove_stream(stream);
        return NULL;
    }
    stream->submitted = true;
    stream->arg = arg;
    return stream;
}

static void resume(struct mu_h2_stream *stream)
{
    if (!stream->waiting || stream->reset)
        return;
    stream->waiting = false;
    (void)nghttp2_session_resume_data(stream->h2->session, stream->id);
}

void mu_h2_send(struct mu_h2_stream *stream, const void *data, size_t len)
{
    mu_buf_add(&stream->out, data, len);
    if (!mu_h2_has_room(stream))
        stream->was_full = stream->h2->some_are_full = true;
    resume(stream);
}

void mu_h2_send_end(struct mu_h2_stream *stream, const struct mu_header *trailers, size_t count)
{
    if (!stream->ended)
        mu_headers_keep(&stream->trailers, trailers, count);
    stream->ended = true;
    resume(stream);
}

void mu_h2_taken_in(struct mu_h2_stream *stream, size_t len)
{
    if (len > stream->held)
        len = stream->held;
    if (len == 0)
        return;
    stream->held -= len;
    (void)(stream->h2->is_server
               ? nghttp2_session_consume
               : nghttp2_session_consume_stream)(stream->h2->session, stream->id, len);
}

void mu_h2_reset(struct mu_h2_stream *stream, enum mu_h2_code code)
{
    if (stream->reset)
        return;
    stream->reset = true;
    if (nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                  (uint32_t)code) != 0)
        break_off(stream->h2, "out-of-memory", "there is not enough memory", NGHTTP2_INTERNAL_ERROR);
}

/* --- What is asked of it --- */

void mu_h2_stream_set(struct mu_h2_stream *stream, void *arg)
{
    stream->arg = arg;
}

void *mu_h2_stream_arg(const struct mu_h2_stream *stream)
{
    return stream->arg;
}

bool mu_h2_stream_head(const struct mu_h2_stream *stream, struct mu_head *ret)
{
    return mu_h2_fields_head(&stream->fields, ret);
}

const char *mu_h2_fault(const struct mu_h2 *h2, const char **ret_sentence)
{
    *ret_sentence = h2->sentence;
    return h2->fault;
}

bool mu_h2_is_done(const struct mu_h2 *h2)
{
    return h2->out.len == h2->out_taken && nghttp2_session_want_write(h2->session) == 0 &&
           (h2->broken || nghttp2_session_want_read(h2->session) == 0 ||
            (h2->left && h2->stream_count == 0));
}

bool mu_h2_in_head(const struct mu_h2 *h2)
{
    return h2->in_head || !h2->greeted;
}

size_t mu_h2_stream_count(const struct mu_h2 *h2)
{
    return h2->stream_count;
}

bool mu_h2_takes_requests(const struct mu_h2 *h2)
{
    return !h2->leaving && !h2->broken && nghttp2_session_check_request_allowed(h2->session) != 0 &&
           h2->stream_count <
               nghttp2_session_get_remote_settings(h2->session,
                                                   NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void mu_h2_stop(struct mu_h2 *h2)
{
    if (h2->left || h2->broken)
        return;
    if (h2->is_server && !h2->leaving) {
        h2->leaving = true;
        (void)nghttp2_submit_shutdown_notice(h2->session);
        (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, farewell);
        return;
    }
    h2->leaving = h2->left = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

/* --- Life --- */

static int make_callbacks(nghttp2_session_callbacks **ret)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return -1;
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    *ret = callbacks;
    return 0;
}

static int make_session(struct mu_h2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = make_callbacks(&callbacks);
    if (result == 0 && nghttp2_option_new(&option) == 0) {
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_stream_reset_rate_limit(option, RESETS_AT_ONCE, RESETS_A_SECOND);
        result = h2->is_server ? nghttp2_session_server_new2(&h2->session, callbacks, h2, option)
                               : nghttp2_session_client_new2(&h2->session, callbacks, h2, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return h2->session == NULL ? -1 : result;
}

static int greet(struct mu_h2 *h2, bool upgrades)
{
    const nghttp2_settings_entry of_server[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MU_H2_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)h2->head_max},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    const nghttp2_settings_entry of_client[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CLIENT_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MU_H2_FIELDS_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    const int result = h2->is_server
                           ? nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, of_server,
                                                     MU_COUNT(of_server) - (upgrades ? 0 : 1))
                           : nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, of_client,
                                                     MU_COUNT(of_client));
    return result != 0
               ? -1
               : nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

static struct mu_h2 *make(const struct mu_h2_handler *handler, void *arg, bool is_server,
                          const struct mu_h1_limits *limits, bool upgrades)
{
    MU_AUTO_STRUCT(mu_h2) h2 = calloc(1, sizeof *h2);
    if (h2 == NULL)
        return NULL;
    h2->handler = handler;
    h2->arg = arg;
    h2->is_server = is_server;
    h2->head_max = limits->head < MU_H2_FIELDS_MAX ? limits->head : MU_H2_FIELDS_MAX;
    h2->target_max = limits->target;
    h2->idle_frames = IDLE_FRAMES_AT_ONCE;
    h2->idle_since_ms = handler->now_ms(arg);
    return make_session(h2) == 0 && greet(h2, upgrades) == 0 ? mu_take(&h2) : NULL;
}

struct mu_h2 *mu_h2_server(const struct mu_h2_handler *handler, void *arg,
                           const struct mu_h1_limits *limits, bool upgrades)
{
    return make(handler, arg, true, limits, upgrades);
}

struct mu_h2 *mu_h2_client(const struct mu_h2_handler *handler, void *arg)
{
    static const struct mu_h1_limits limits = {.head = MU_H2_FIELDS_MAX};
    return make(handler, arg, false, &limits, false);
}

void mu_h2_free(struct mu_h2 *h2)
{
    if (h2 == NULL)
        return;
    while (h2->streams != NULL) {
        h2->handler->closed(h2->arg, h2->streams, MU_H2_CANCEL);
        remove_stream(h2->streams);
    }
    nghttp2_session_del(h2->session);
    mu_buf_clear(&h2->out);
    free(h2);
}
