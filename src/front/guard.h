#ifndef MU_FRONT_GUARD_H
#define MU_FRONT_GUARD_H

/*
 * What a connection's requests may have: asked once for each request, by whichever version of HTTP it comes, and once for a
 * connection that is carried as it is. The verdict on a client is remembered for each route, so that a request costs the choice
 * of a route and a look.
 */

#include <stdbool.h>
#include <stdint.h>

#include "front/access.h"
#include "front/door.h"
#include "http/message.h"
#include "http/relay.h"
#include "net/conn.h"

/* Of one connection; all zero but for what mu_guard_open() sets. */
struct mu_guard {
    const struct mu_door *door; /* NULL: nobody is kept out, as by a tunnel */
    struct mu_conn *conn;
    const struct mu_identity *who; /* once it has been needed */
    bool knows, counted, told_rate, told_full;
    uint64_t judged,
        passed; /* a bit for each route, and one for the door: has it been asked about, and may it be had? */
};

/* `door` and `conn` are borrowed, for as long as the guard is there. */
void mu_guard_open(struct mu_guard *guard, const struct mu_door *door, struct mu_conn *conn);
void mu_guard_close(struct mu_guard *guard);

/* What is to become of a request. */
struct mu_permit {
    int status;                   /* 0: it may be had; else the answer: 400, 403, 429, 503 */
    const char *id;               /* why, for logs: "access-not-allowed" */
    unsigned retry_s;             /* of 429 and 503: for Retry-After */
    const struct mu_route *route; /* whose it is; NULL: no route's, but the door's */
    char rule[MU_ACCESS_ID_LEN];  /* that has decided; or "" */
    char detail[320];             /* a sentence for the client */
};

/* May this request be had? A refusal has been told to the log and counted. */
bool mu_guard_ask(struct mu_guard *guard, const struct mu_request *request, struct mu_permit *ret);

/* May the connection be carried? Likewise. */
bool mu_guard_ask_carried(struct mu_guard *guard);

/* The answer to what may not be had, whole: application/problem+json. */
void mu_guard_respond(struct mu_guard *guard, const struct mu_permit *permit,
                      struct mu_response *ret);

/* What every backend is told of the connection's client, made for the first of its requests that is handed on; `told` holds what
 * `ret` points to. False without memory. */
MU_CHECK bool mu_guard_describe_client(struct mu_guard *guard, struct mu_buf *told,
                                       struct mu_relay_client *ret);

#endif
