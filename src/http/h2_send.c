/* What goes to the peer: messages as they are handed over, and frames of them as far as the peer's windows let them. */

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "http/h2_internal.h"

/* What may wait on a stream, and what is written at once. */
enum { ROOM = 32 * 1024, OUTPUT_ENOUGH = 32 * 1024, FRAME_HEAD_LEN = 9 };

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
    mu_h2_allow_idle_frames(h2);
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
    struct mu_h2_stream *stream = mu_h2_stream_of(h2, frame->hd.stream_id);
    if (stream != NULL && !stream->remote_ended && !stream->upgraded)
        stream->over = h2->some_are_over = true;
    return 0;
}

/* Not in one piece with the answer: curl 7.88 drops an answer that it reads together with that. */
static void end_requests(struct mu_h2 *h2)
{
    if (!h2->some_are_over)
        return;
    h2->some_are_over = false;
    for (struct mu_h2_stream *stream = h2->streams; stream != NULL; stream = stream->next)
        if (stream->over && !stream->remote_ended)
            mu_h2_reset(stream, MU_H2_NO_ERROR);
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
        end_requests(h2);
        const int result = nghttp2_session_send(h2->session);
        if (result != 0)
            mu_h2_fail(h2, result);
        else if (nghttp2_session_want_read(h2->session) == 0 && !h2->leaving)
            /* It has found something that it cannot go on after, and has said so in a GOAWAY. */
            mu_h2_break_off(h2, "h2-broken", "what comes is not well-formed HTTP/2, or too much",
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
    struct mu_h2_stream *stream = mu_h2_add_stream(h2, 0);
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
        mu_h2_remove_stream(stream);
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

void mu_h2_sends(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
}
