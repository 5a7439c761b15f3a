#include "http/h2_internal.h"

#include <stdlib.h>

/* What a peer may have on its way to us: on a stream, and on all together. A client's streams may be of many people, of whom none is to
 * hold up the others: there only the streams' windows count. */
enum { STREAM_WINDOW = 128 * 1024, CLIENT_STREAM_WINDOW = 64 * 1024, WINDOW = 1024 * 1024 };

/* So many are at once where clients make full use of HTTP/2. */
enum { SPARE_MAX = 512 };

const uint8_t mu_h2_farewell[8] = "farewell";

/* --- Streams that there are --- */

/* While a thread has a machine, memory of streams that have ended is kept for the next ones: given back after each burst, it would
 * come from the kernel anew, page by page. */
static _Thread_local struct {
    struct mu_h2_stream *first;
    unsigned count, machines;
} spare;

struct mu_h2_stream *mu_h2_add_stream(struct mu_h2 *h2, int32_t id)
{
    struct mu_h2_stream *stream = spare.first;
    if (stream != NULL) {
        spare.first = stream->next;
        spare.count--;
        *stream = (struct mu_h2_stream){.id = 0};
    } else if ((stream = calloc(1, sizeof *stream)) == NULL) {
        return NULL;
    }
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

void mu_h2_remove_stream(struct mu_h2_stream *stream)
{
    struct mu_h2 *h2 = stream->h2;
    *(stream->previous == NULL ? &h2->streams : &stream->previous->next) = stream->next;
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    h2->stream_count--;
    mu_h2_fields_clear(&stream->fields);
    mu_buf_clear(&stream->out);
    mu_buf_clear(&stream->trailers);
    if (spare.count == SPARE_MAX) {
        free(stream);
        return;
    }
    stream->next = spare.first;
    spare.first = stream;
    spare.count++;
}

static void part(void)
{
    struct mu_h2_stream *stream;
    if (--spare.machines > 0)
        return;
    while ((stream = spare.first) != NULL) {
        spare.first = stream->next;
        free(stream);
    }
    spare.count = 0;
}

/* --- What cannot go on --- */

void mu_h2_break_off(struct mu_h2 *h2, const char *fault, const char *sentence, uint32_t code)
{
    if (h2->fault == NULL) {
        h2->fault = fault;
        h2->sentence = sentence;
    }
    h2->broken = true;
    nghttp2_session_terminate_session(h2->session, code);
}

void mu_h2_fail(struct mu_h2 *h2, int why)
{
    const bool flood = why == NGHTTP2_ERR_FLOODED;
    mu_h2_break_off(h2, flood ? "h2-flood" : "h2-broken",
                    flood ? "there are too many frames to be answered, and the answers are not read"
                          : nghttp2_strerror(why),
                    flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
}

void mu_h2_reset(struct mu_h2_stream *stream, enum mu_h2_code code)
{
    if (stream->reset)
        return;
    stream->reset = true;
    if (nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                  (uint32_t)code) != 0)
        mu_h2_break_off(stream->h2, "out-of-memory", "there is not enough memory",
                        NGHTTP2_INTERNAL_ERROR);
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
        (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, mu_h2_farewell);
        return;
    }
    h2->leaving = h2->left = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

/* --- Life --- */

static int make_session(struct mu_h2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int result = nghttp2_session_callbacks_new(&callbacks);
    if (result == 0 && nghttp2_option_new(&option) == 0) {
        mu_h2_receives(callbacks);
        mu_h2_sends(callbacks);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_stream_reset_rate_limit(option, MU_H2_RESETS_AT_ONCE,
                                                   MU_H2_RESETS_A_SECOND);
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
    spare.machines++;
    h2->handler = handler;
    h2->arg = arg;
    h2->is_server = is_server;
    h2->head_max = limits->head < MU_H2_FIELDS_MAX ? limits->head : MU_H2_FIELDS_MAX;
    h2->target_max = limits->target;
    mu_h2_begin_allowance(h2);
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
        mu_h2_remove_stream(h2->streams);
    }
    part();
    nghttp2_session_del(h2->session);
    mu_buf_clear(&h2->out);
    free(h2);
}
