#ifndef MU_FRONT_INTERNAL_H
#define MU_FRONT_INTERNAL_H

/* Between the files of this room only. */

#include <time.h>

#include "front/forward.h"
#include "front/probe.h"
#include "front/serve.h"

/* The most addresses that plain listeners have: those that "localhost" stands for, and the control socket. */
enum { MU_PLAIN_MAX = 9 };

struct mu_front {
    struct mu_front_events events;
    const struct mu_doors *doors; /* in force */
    struct mu_server_config server_config;
    struct mu_server *server;
    struct mu_plain_config plain[MU_PLAIN_MAX];
    size_t plain_count;
    struct mu_probe status, control;
    const char *version;
    time_t started;
    void (*describe)(const struct mu_front *front, const struct mu_survey *survey,
                     struct mu_buf *ret);
};

/* HTTP, answered by ourselves, for a client that has been admitted; its argument is the struct mu_door. */
extern const struct mu_protocol mu_answer_protocol;

/*
 * False: a client who asks for the host of this request would have come to another door, or been refused. It has been judged
 * by the rules of this door, which are not that one's, so that it gets 421. [RFC 9110 15.5.20]
 */
bool mu_request_leads_here(const struct mu_request *request, const struct mu_conn *conn);

#endif
