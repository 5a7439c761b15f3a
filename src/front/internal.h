#ifndef MU_FRONT_INTERNAL_H
#define MU_FRONT_INTERNAL_H

/* Between the files of this room only. */

#include "front/forward.h"
#include "front/serve.h"

/* HTTP, answered by ourselves, for a client that has been admitted; its argument is the struct mu_door. */
extern const struct mu_protocol mu_answer_protocol;

/*
 * False: a client who asks for the host of this request would have come to another door, or been refused. It has been judged
 * by the rules of this door, which are not that one's, so that it gets 421. [RFC 9110 15.5.20]
 */
bool mu_request_leads_here(const struct mu_request *request, const struct mu_conn *conn);

#endif
