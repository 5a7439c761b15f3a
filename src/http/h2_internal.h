#ifndef MU_HTTP_H2_INTERNAL_H
#define MU_HTTP_H2_INTERNAL_H

/* Between the files of HTTP/2 only: the machine (h2), what comes to it (h2_receive) and what goes from it (h2_send). */

#include <nghttp2/nghttp2.h>

#include "http/h2.h"
#include "http/h2_fields.h"

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
    bool over; /* we have said all; the rest of its request is not wanted */
};

/* How much of something a peer may still do, and until when that has been filled up again. */
struct mu_h2_allowance {
    uint64_t left, at_ms;
};

/* Streams that a client may begin and take back at once, and then a second; whether it says so itself, or makes us do it by what it
 * sends behind a good request. [CVE-2023-44487, CVE-2025-8671] */
enum { MU_H2_RESETS_AT_ONCE = 500, MU_H2_RESETS_A_SECOND = 30 };

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
    bool some_are_over;
    bool broken; /* nothing more is to be read */
    const char *fault, *sentence;

    struct mu_h2_allowance idle_frames, taken_back;

    struct mu_buf out;
    size_t out_taken;
};

static inline struct mu_h2_stream *mu_h2_stream_of(struct mu_h2 *h2, int32_t id)
{
    return id == 0 ? NULL : nghttp2_session_get_stream_user_data(h2->session, id);
}

/* What the PING says that goes with the word that we will end. */
extern const uint8_t mu_h2_farewell[8];

/* NULL without memory. */
struct mu_h2_stream *mu_h2_add_stream(struct mu_h2 *h2, int32_t id);
void mu_h2_remove_stream(struct mu_h2_stream *stream);

/* The connection cannot go on, for this reason unless there is one already; the peer is told `code`. */
void mu_h2_break_off(struct mu_h2 *h2, const char *fault, const char *sentence, uint32_t code);
/* nghttp2 has failed, and not because of one stream. */
void mu_h2_fail(struct mu_h2 *h2, int why);

void mu_h2_receives(nghttp2_session_callbacks *callbacks);
/* As many frames as a peer may say by which nothing comes forward; and it may say more, for it is being sent data. */
void mu_h2_begin_allowance(struct mu_h2 *h2);
void mu_h2_allow_idle_frames(struct mu_h2 *h2);

void mu_h2_sends(nghttp2_session_callbacks *callbacks);

#endif
