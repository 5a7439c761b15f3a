#ifndef MU_FRONT_MULTIPLEX_H
#define MU_FRONT_MULTIPLEX_H

/* HTTP/2 for an admitted client: many requests at once on its connection, answered by ourselves or handed on. */

#include "front/door.h"
#include "net/conn.h"

/* Its argument is a struct mu_door that answers, or whose backends speak HTTP. */
extern const struct mu_protocol mu_multiplex_protocol;

#endif
