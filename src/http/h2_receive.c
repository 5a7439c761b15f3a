/* What comes from the peer, as nghttp2 tells it frame by frame: told to the handler, or held against the peer. */

#include <string.h>

#include "base/str.h"
#include "http/h2_internal.h"

/* Frames that bring nothing forward: at once, and then a second; whoever is sent data may say more, for that takes WINDOW_UPDATEs. */
enum { IDLE_FRAMES_AT_ONCE = 5000, IDLE_FRAMES_A_SECOND = 200, IDLE_FRAMES_FOR_DATA = 2 };

bool mu_h2_is_preface(const void *data, size_t len)
{
    enum { HEAD = 9, SETTING = 6, TYPE = 4 };
    const unsigned char *head = data;
    return len >= HEAD && head[0] == 0 && head[1] == 0 && head[2] % SETTING == 0 &&
           head[3] == TYPE && head[4] == 0 && memcmp(head + 5, "\0\0\0\0", 4) == 0;
}

/* --- Those who keep us busy with nothing --- */

/* False: there is nothing left of it, and time has not filled it up again. */
static bool spend(struct mu_h2 *h2, struct mu_h2_allowance *allowance, uint64_t at_once,
                  uint64_t a_second)
{
    if (allowance->left == 0) {
        const uint64_t now_ms = h2->handler->now_ms(h2->arg);
        const uint64_t more = (now_ms - allowance->at_ms) * a_second / 1000;
        allowance->left = more < at_once ? more : at_once;
        allowance->at_ms = more == 0 ? allowance->at_ms : now_ms;
    }
    if (allowance->left == 0)
        return false;
    allowance->left--;
    return true;
}

void mu_h2_begin_allowance(struct mu_h2 *h2)
{
    const uint64_t now_ms = h2->handler->now_ms(h2->arg);
    h2->idle_frames = (struct mu_h2_allowance){IDLE_FRAMES_AT_ONCE, now_ms};
    h2->taken_back = (struct mu_h2_allowance){MU_H2_RESETS_AT_ONCE, now_ms};
}

/* A frame has come by which nothing has come forward. [RFC 9113 10.5] */
static void count_idle_frame(struct mu_h2 *h2)
{
    if (!spend(h2, &h2->idle_frames, IDLE_FRAMES_AT_ONCE, IDLE_FRAMES_A_SECOND))
        mu_h2_break_off(h2, "h2-flood", "there are too many frames by which nothing comes forward",
                        NGHTTP2_ENHANCE_YOUR_CALM);
}

/* A request has been begun for nothing, and neither was it our wish. */
static void count_taken_back(struct mu_h2 *h2)
{
    if (!spend(h2, &h2->taken_back, MU_H2_RESETS_AT_ONCE, MU_H2_RESETS_A_SECOND))
        mu_h2_break_off(h2, "h2-flood",
                        "there are too many requests that are taken back or broken off",
                        NGHTTP2_ENHANCE_YOUR_CALM);
}

void mu_h2_allow_idle_frames(struct mu_h2 *h2)
{
    if (h2->idle_frames.left < IDLE_FRAMES_AT_ONCE)
        h2->idle_frames.left += IDLE_FRAMES_FOR_DATA;
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
    struct mu_h2_stream *stream = mu_h2_add_stream(h2, frame->hd.stream_id);
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
    struct mu_h2_stream *stream = mu_h2_stream_of(arg, frame->hd.stream_id);
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
        memcmp(frame->ping.opaque_data, mu_h2_farewell, sizeof mu_h2_farewell) == 0)
        on_farewell_heard(h2);
    if (frame->hd.type == NGHTTP2_GOAWAY)
        h2->leaving = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct mu_h2_stream *stream = mu_h2_stream_of(h2, frame->hd.stream_id);
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
    struct mu_h2_stream *stream = mu_h2_stream_of(h2, id);
    (void)flags;
    if (stream == NULL || stream->reset) {
        nghttp2_session_consume(session, id, len);
        return 0;
    }
    stream->held += len;
    if (!h2->is_server)
        nghttp2_session_consume_connection(session, len);
    mu_h2_allow_idle_frames(h2);
    h2->handler->body(h2->arg, stream, (const char *)data, len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct mu_h2 *h2 = arg;
    struct mu_h2_stream *stream = mu_h2_stream_of(h2, id);
    if (stream == NULL)
        return 0;
    if (h2->is_server)
        nghttp2_session_consume_connection(session, stream->held);
    if (h2->is_server && !stream->reset && code != NGHTTP2_NO_ERROR)
        count_taken_back(h2);
    nghttp2_session_set_stream_user_data(session, id, NULL);
    h2->handler->closed(h2->arg, stream, (enum mu_h2_code)code);
    mu_h2_remove_stream(stream);
    return 0;
}

bool mu_h2_input(struct mu_h2 *h2, const void *data, size_t len)
{
    if (h2->broken)
        return false;
    const ssize_t n = nghttp2_session_mem_recv(h2->session, data, len);
    if (n < 0)
        mu_h2_fail(h2, (int)n);
    return !h2->broken;
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

void mu_h2_receives(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
