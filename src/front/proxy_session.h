#ifndef MU_FRONT_PROXY_SESSION_H
#define MU_FRONT_PROXY_SESSION_H

/* Between the files of HTTP/1.1 for clients only: a client's connection (proxy), and what its requests are answered (proxy_answer). */

#include "front/exchange.h"
#include "front/guard.h"
#include "front/internal.h"

/* So much of an answer may wait for the client. */
enum { MU_PROXY_ROOM = 32 * 1024 };

struct mu_proxy_session {
    const struct mu_proxy *proxy;
    struct mu_conn *conn;
    struct mu_h1_reader *reader;
    struct mu_exchange exchange; /* of the request under way */
    struct mu_guard guard;
    struct mu_relay_client about;
    struct mu_buf told; /* further lines of `about` */

    struct mu_buf pending; /* read behind the request under way */
    struct mu_buf out;     /* for the client */
    size_t out_taken;
    bool client_ended; /* it will send no more */
    bool stopping, expelled;
    bool closing; /* when what is in `out` has left */
    bool broken;  /* what is in `out` is not all there was to be, and must not be taken for it */
    bool end_carrying; /* the backend has said all; the client is to be told, and may go on */

    /* Of the request under way. */
    bool under_way, request_ended, keep_alive, head_only;
    bool answer_begun, chunk_answer;
    int minor, status;
    int64_t began_ms;

    unsigned phase; /* that the deadline was last set for */
    uint64_t moved; /* likewise: of the exchange, and to the client */
    uint64_t written;
    struct mu_who *who;
};

static inline size_t mu_proxy_unsent(const struct mu_proxy_session *s)
{
    return s->out.len - s->out_taken;
}

static inline bool mu_proxy_has_room(const struct mu_proxy_session *s)
{
    return mu_proxy_unsent(s) < MU_PROXY_ROOM;
}

/* As much as the client takes. */
enum mu_io mu_proxy_write(struct mu_proxy_session *s, const char *data, size_t len, size_t *ret_len);

/* A line of the log, once for each request. `id` says what became of it, if that is not what should have. */
void mu_proxy_tell(struct mu_proxy_session *s, const char *id);
/* The client is, before it was answered whole. */
void mu_proxy_tell_gone(struct mu_proxy_session *s);

/* The request under way is over, in one of these ways: it has been answered by the backend; nobody wants to know; */
void mu_proxy_finish(struct mu_proxy_session *s);
void mu_proxy_end_request(struct mu_proxy_session *s);
/* it is answered by ourselves (`id` goes into the log and is told to the client, so that the two can be found together); it may not be
 * had; what has begun cannot be answered otherwise any more, and is cut off visibly. */
void mu_proxy_answer(struct mu_proxy_session *s, int status, const char *id, const char *sentence);
void mu_proxy_answer_no(struct mu_proxy_session *s, const struct mu_permit *permit,
                        enum mu_framing framing);
void mu_proxy_give_up(struct mu_proxy_session *s, int status, const char *id, const char *sentence);

/* What an exchange hands back goes this way; the argument is the session. */
extern const struct mu_exchange_client mu_proxy_client;

#endif
