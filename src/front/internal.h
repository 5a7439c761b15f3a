#ifndef MU_FRONT_INTERNAL_H
#define MU_FRONT_INTERNAL_H

/* Between the files of this room only. */

#include "front/forward.h"
#include "front/serve.h"

/* HTTP, answered by ourselves, for a client that has been admitted; its argument is the struct mu_door. */
extern const struct mu_protocol mu_answer_protocol;

#endif
