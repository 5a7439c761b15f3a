#ifndef MU_FRONT_PROXY_H
#define MU_FRONT_PROXY_H

/* HTTP for clients, from backends that speak it. */

#include "front/backend.h"
#include "front/config.h"
#include "http/h1_reader.h"
#include "net/conn.h"

struct mu_door;
struct mu_front_events;

struct mu_proxy {
    const struct mu_backends *backends;
    const struct mu_front_deadlines *deadlines;
    unsigned carry_ms; /* without a byte either way, once both ends speak something else; 0: as long as they like */
    const struct mu_h1_limits *requests; /* how long they may be */
    const struct mu_front_events *events;
    const struct mu_door *door; /* whose rules hold for its clients */
};

/* Its argument is a struct mu_proxy. */
extern const struct mu_protocol mu_proxy_protocol;

#endif
