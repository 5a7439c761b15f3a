#ifndef MU_FRONT_PROBE_H
#define MU_FRONT_PROBE_H

/*
 * What is told over plain listeners, in HTTP/1.1, one request a connection: /metrics for Prometheus, /healthz (do all workers
 * answer?), /readyz (may clients be sent here?), and on the control socket /status.
 */

#include "front/measure.h"
#include "net/plain.h"

struct mu_front;

struct mu_probe {
    /* What there is to be told by now. False without memory. */
    bool (*measure)(void *arg, const struct mu_survey *survey, struct mu_measured *ret);
    void *arg;
    const struct mu_front *front; /* of the control socket: who is there is told, too; or NULL */
};

/* What to do where its address cannot be had. */
#define MU_STATUS_HINT "choose another one with --status HOST:PORT, or stop what holds it"

/* Its argument is a struct mu_probe, which is borrowed for as long as a session lives. */
extern const struct mu_plain_handler mu_probe_handler;

#endif
