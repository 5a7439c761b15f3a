#ifndef MU_FRONT_EXCHANGE_H
#define MU_FRONT_EXCHANGE_H

/*
 * One request, handed on to a backend over HTTP/1.1 or HTTP/2, and its answer; whichever version of HTTP the client speaks. Both may
 * be under way at once, and neither is held whole: whoever hands on a body asks first whether there is room for more.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "front/link.h"
#include "front/proxy.h"
#include "http/h1_reader.h"
#include "http/relay.h"
#include "net/stream.h"

/* Why there is no answer, or no end of one. */
struct mu_exchange_fault {
    int status;
    const char *id;       /* stable: "backend-closed" */
    const char *sentence; /* for the client */
};

/* The client's side: what the answer is handed to, in this order. */
struct mu_exchange_client {
    bool (*has_room)(void *arg);                            /* for more of the answer */
    void (*interim)(void *arg, const struct mu_head *head); /* 100 to 199, but for 101 */
    void (*answer)(void *arg, const struct mu_head *head);  /* 101: what follows are bytes */
    void (*body)(void *arg, const char *data, size_t len);  /* takes all of it */
    void (*end)(void *arg, const struct mu_header *trailers, size_t count);
    void (*wake)(void *arg); /* mu_exchange_run() has something to do */
};

/* Named for what is waited for. */
enum mu_exchange_state {
    MU_EXCHANGE_NONE,
    MU_EXCHANGE_CONNECT, /* a backend */
    MU_EXCHANGE_ANSWER,  /* the answer, or room for the request */
    MU_EXCHANGE_CARRY,   /* bytes: both have agreed to speak something else */
    MU_EXCHANGE_DONE,
    MU_EXCHANGE_FAILED, /* `fault` */
};

/* Each gives the backend as much time again as it had for the first one. */
enum { MU_EXCHANGE_INTERIMS_MAX = 100 };

struct mu_exchange {
    const struct mu_proxy *proxy;
    struct mu_worker *worker;
    const struct mu_exchange_client *client;
    void *arg;
    /* Whose connections to backends those are that are bound to who asks. 0: such a connection is not kept. */
    uint64_t owner;
    bool bound; /* some have been kept for the owner */
    enum mu_exchange_state state;
    struct mu_relay_request request;

    struct mu_backend *backend; /* that is used or was tried last; its `open` counts us */
    uint64_t tried;             /* a bit for each backend */
    size_t address;             /* of the backend: the next to try */
    struct mu_stream *stream;
    bool reused; /* it was kept from an earlier exchange */
    bool owned;  /* for the owner alone */
    bool fresh;  /* none of those again: one has failed us */
    int why;     /* errno of the last failure, or 0 */

    struct mu_buf
        out; /* for the backend; kept behind `out_taken` for as long as it may have to be said again */
    size_t out_taken;
    bool chunked;       /* the request's body */
    bool request_ended; /* all of it is in `out`, or gone */
    bool deaf;          /* the backend takes no more; it may have answered */

    /* Where backends speak HTTP/2: */
    bool h2;
    struct mu_link_user user;
    struct mu_buf head, trailers; /* of the request, and `out` is its body */
    bool bodiless, end_said;
    bool cut;          /* some of `out` is gone, so it cannot be said again */
    size_t held;       /* of the answer's body, until the client has room for more */
    uint64_t promised; /* bytes of the answer's body; UINT64_MAX: nobody has said */
    unsigned refusals;
    unsigned crowded; /* connections that had no room for it */
    bool again;       /* it has failed in a way in which it can be said again */
    bool elsewhere;   /* to another backend */

    struct mu_h1_reader *reader;
    bool said, heard;            /* a byte, over this connection */
    unsigned interims;           /* answers before the answer */
    bool answered, answer_ended; /* its head, its end */
    bool switched;               /* it is a 101 */
    const struct mu_exchange_fault *fault;
    uint64_t received, sent; /* bytes of the bodies: of the request, of the answer */
    uint64_t moved;          /* grows whenever anything goes either way */
};

/*
 * Hand on a request; all zero before that, but for `owner` and what an earlier mu_exchange_end() has left. Everything is borrowed for the exchange's life, `head`
 * for the call. False: *ret_why says why it is not a request to hand on (400).
 */
MU_CHECK bool mu_exchange_begin(struct mu_exchange *e, const struct mu_proxy *proxy,
                                struct mu_worker *worker, const struct mu_exchange_client *client,
                                void *arg, const struct mu_head *head,
                                const struct mu_relay_client *about, const char **ret_why);

/* Is there room for more of the request's body? */
bool mu_exchange_takes(const struct mu_exchange *e);
void mu_exchange_send(struct mu_exchange *e, const char *data, size_t len);
/* In MU_EXCHANGE_CARRY: the client has said all. */
void mu_exchange_send_end(struct mu_exchange *e, const struct mu_header *trailers, size_t count);

/* Do what can be done now. */
void mu_exchange_run(struct mu_exchange *e);
/* Time is up, for a backend to be reached or for it to go on. */
void mu_exchange_expire(struct mu_exchange *e);
/* Over, done or not: what can be kept for the next one is. */
void mu_exchange_end(struct mu_exchange *e);
/* Forget that, too. */
void mu_exchange_clear(struct mu_exchange *e);

#endif
