#ifndef MU_FRONT_INTERNAL_H
#define MU_FRONT_INTERNAL_H

/* Between the files of this room only. */

#include <time.h>

#include "front/forward.h"
#include "front/guard.h"
#include "front/kick.h"
#include "front/points.h"
#include "front/probe.h"
#include "front/seen.h"
#include "front/serve.h"
#include "http/relay.h"
#include "net/watch.h"

/* The most addresses that plain listeners have: those that "localhost" stands for, and the control socket. */
enum { MU_PLAIN_MAX = 9 };

/* HTTP, answered by ourselves, for a client that has been admitted; its argument is the struct mu_door. */
extern const struct mu_protocol mu_answer_protocol;

struct mu_front {
    struct mu_front_config config;
    const struct mu_doors *doors; /* in force; the server's */
    struct mu_server_config server_config;
    struct mu_server *server;
    struct mu_watch *watch;
    struct mu_points *points;
    struct mu_call *arrived; /* some of them have */
    struct mu_ocsp *ocsp;
    struct mu_call *revoked; /* somebody is, by that */
    struct mu_kicks *kicks;
    struct mu_seen *seen;
    struct mu_strs changed;                     /* files, since doors were last put in force */
    struct mu_strs list_hosts, responder_hosts; /* that some door in force may ask */
    char last_failure[MU_ERROR_WHAT_LEN];       /* that was told */
    struct mu_plain_config plain[MU_PLAIN_MAX];
    size_t plain_count;
    struct mu_probe status, control;
    time_t started;
    /* Those of the doors in force, and of those before while workers still have them: who lets them go last frees all their
     * entries, which no client is to wait for. */
    struct mu_lists_held {
        struct mu_tls_lists **at;
        size_t count;
    } lists, former_lists;
    bool arrival_waits; /* lists have come meanwhile */
    bool lists_wait;    /* lists have come that no doors have yet, */
    unsigned retries;   /* and so often that could not be changed */
    bool replacing;     /* the workers are taking over what is not the first set */
    _Atomic unsigned long done, failed;
};

/* Replace the doors in force, or be the first. Takes `doors`, even on failure. Fails as mu_server_new() and
 * mu_server_replace() do. */
MU_CHECK int mu_front_put_in_force(struct mu_front *front, struct mu_doors *doors,
                                   struct mu_error *err);
void mu_front_let_go(struct mu_lists_held *held);
void mu_front_on_hangup(void *front);
/* From workers: see struct mu_server_events. */
bool mu_front_barred(void *front, const struct mu_cert *client, struct mu_refusal *ret);
void mu_front_on_moved(void *front);
/* As struct mu_server_events has them. */
void mu_front_introduce(void *front);
void mu_front_told(void *front, const char *text);

/* Keep somebody out until then, and those who are in leave; and let them come again (false: nobody is kept out by that name). From the
 * thread that runs the server. Fails as mu_kicks_add() does. */
MU_CHECK int mu_front_kick(const struct mu_front *front, const char *who, time_t until,
                           struct mu_error *err);
bool mu_front_undo_kick(const struct mu_front *front, const char *who);
/* As struct mu_probe has it. */
bool mu_front_measure(void *front, const struct mu_survey *survey, struct mu_measured *ret);

/* The host that a request is for, with its port, not ended by NUL: the target's if that has one, or else Host's. NULL: HTTP/1.0 may
 * leave it open. [RFC 9112 3.2.2] */
const char *mu_request_host(const struct mu_request *request, size_t *ret_len);

/*
 * False: a client who asks for the host of this request would have come to another door, or been refused. It has been judged
 * by the rules of this door, which are not that one's, so that it gets 421. [RFC 9110 15.5.20]
 */
bool mu_request_leads_here(const struct mu_request *request, const struct mu_conn *conn);

/* When we stop, a client at rest may have a request on its way, and is heard for so long. */
enum { MU_LEAVING_MS = 1000 };

#endif
