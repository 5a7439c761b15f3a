#ifndef MU_FRONT_MULTIPLEX_STREAM_H
#define MU_FRONT_MULTIPLEX_STREAM_H

/*
 * Between the files of HTTP/2 for clients only: a client's connection (multiplex), its streams, each from its request to its end
 * (multiplex_stream), and what they are answered (multiplex_answer).
 */

#include "front/exchange.h"
#include "front/guard.h"
#include "front/internal.h"
#include "http/h2.h"

/* The clock's grain: what would be due in less is. */
enum { MU_MULTIPLEX_GRAIN_MS = 10 };

/* What a stream's deadline is for. */
enum mu_multiplex_phase {
    MU_MULTIPLEX_BODY,
    MU_MULTIPLEX_CONNECT,
    MU_MULTIPLEX_BACKEND,
    MU_MULTIPLEX_WRITE,
    MU_MULTIPLEX_CARRY,
};

/* One client's connection. */
struct mu_multiplex {
    const struct mu_door *door;
    struct mu_conn *conn;
    struct mu_h2 *h2;
    struct mu_guard guard;
    struct mu_relay_client about;
    struct mu_buf told; /* what it points to */
    struct mu_who *who;
    struct mu_multiplex_stream *streams, *due;
    bool stopping, expelled, client_ended;
    bool faulted;            /* and it has been told */
    uint64_t written, ended; /* bytes, and streams */

    unsigned rest;  /* that the connection's own deadline is for */
    uint64_t moved; /* when it was set */
    int64_t deadline_ms, leaving_ms;
    int64_t timer_ms; /* when the first of all deadlines may have passed; 0: it is not set */
};

/* One request, and its answer. */
struct mu_multiplex_stream {
    struct mu_multiplex *s;
    struct mu_h2_stream *h2;
    struct mu_multiplex_stream *next, *previous; /* of the session's */
    struct mu_multiplex_stream *next_due;
    bool is_due;

    bool exchanging; /* a backend answers, or else we do */
    struct mu_exchange exchange;
    struct mu_response response;
    bool request_ended, answer_begun, over; /* all of the answer has been said */
    bool upgrade; /* it is to be a WebSocket, and nothing is said to the backend before that has agreed */
    struct mu_buf early; /* what the client says before that; its window is the bound */
    int status;
    size_t held; /* of the request's body, that the client may not yet replace by more */
    uint64_t received, given;
    int64_t began_ms;

    enum mu_multiplex_phase phase; /* that the deadline is for */
    uint64_t moved;                /* when it was set */
    int64_t deadline_ms;
};

/* --- The connection --- */

/* The timer is to fire by then. */
void mu_multiplex_arm(struct mu_multiplex *m, int64_t at_ms);

/* --- Its streams --- */

/* What nghttp2's machine tells of them is only noted; the argument is the connection. */
extern const struct mu_h2_handler mu_multiplex_handler;
/* Let all that have something to do go on. */
void mu_multiplex_run_due(struct mu_multiplex *m);
void mu_multiplex_stream_due(struct mu_multiplex_stream *st);
/*
 * One more connection in this thread, and one less. While there is any, some of the memory of streams that have ended is kept for the
 * next ones: given back after each burst, it would come from the kernel anew, page by page.
 */
void mu_multiplex_join(void);
void mu_multiplex_part(void);
/* All are looked at, for that is seldom; the timer then stands at the next deadline of all. */
void mu_multiplex_expire_streams(struct mu_multiplex *m);
/* The client will not have the rest, or not even the beginning. The backend need not wait. */
void mu_multiplex_break_off(struct mu_multiplex_stream *st);
/* It has become something else, and both ends agree. */
static inline bool mu_multiplex_carries(const struct mu_multiplex_stream *st)
{
    return st->exchange.state == MU_EXCHANGE_CARRY;
}

/* --- Their answers --- */

/* What is in `response`; of a file what there is room for, the rest by mu_multiplex_send_file(). */
void mu_multiplex_respond(struct mu_multiplex_stream *st);
void mu_multiplex_send_file(struct mu_multiplex_stream *st);
/* The same at once, whatever else was under way, and a line of the log. */
void mu_multiplex_send_own(struct mu_multiplex_stream *st, const char *id);
/* `id` goes into the log and is told to the client, so that the two can be found together. */
void mu_multiplex_answer(struct mu_multiplex_stream *st, int status, const char *id,
                         const char *sentence);
/* What has begun cannot be answered otherwise any more: it is cut off, and visibly. */
void mu_multiplex_give_up(struct mu_multiplex_stream *st, int status, const char *id,
                          const char *sentence);
/* What an exchange hands back goes this way; the argument is the stream. */
extern const struct mu_exchange_client mu_multiplex_client;
/* A line of the log. `st` NULL: it is about the connection, or about a request that could not be read. */
void mu_multiplex_tell(struct mu_multiplex *m, const struct mu_multiplex_stream *st, int status,
                       const char *id);

#endif
