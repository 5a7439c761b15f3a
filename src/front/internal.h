#ifndef MU_FRONT_INTERNAL_H
#define MU_FRONT_INTERNAL_H

/* Between the files of this room only. */

#include "front/serve.h"

/* What a client that has been admitted gets; the protocols' argument is the struct mu_door. */
extern const struct mu_protocol mu_answer_protocol;  /* HTTP, answered by ourselves: answer.c */
extern const struct mu_protocol mu_forward_protocol; /* bytes to a backend and back: forward.c */

/* Reading a certificate takes longer than answering a request: once a connection is enough. */
void mu_who_read(const struct mu_cert *client, struct mu_who *ret);

#endif
