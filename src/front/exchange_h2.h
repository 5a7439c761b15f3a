#ifndef MU_FRONT_EXCHANGE_H2_H
#define MU_FRONT_EXCHANGE_H2_H

/* The backend's side of an exchange over HTTP/2. For exchange.c alone. */

#include "front/exchange.h"

/* The request's head has been made for HTTP/1.1, and is in `out`: from now on it is to be said in HTTP/2. */
void mu_exchange_h2_begin(struct mu_exchange *e, const struct mu_head *head);
/* False: errno says why. */
MU_CHECK bool mu_exchange_h2_join(struct mu_exchange *e, const struct mu_address *address);
/* MU_IO_DONE: it has been asked. MU_IO_WANT_WRITE: not yet. MU_IO_END: the connection takes no more requests, so another one has to.
 * MU_IO_FAILED: errno says why. */
enum mu_io mu_exchange_h2_ask(struct mu_exchange *e);
/* More of the request, and of the answer. */
void mu_exchange_h2_run(struct mu_exchange *e);

/* exchange.c: it has failed; try it once more from the beginning, which has not been done. */
void mu_exchange_fail(struct mu_exchange *e, const struct mu_exchange_fault *fault);
void mu_exchange_begin_again(struct mu_exchange *e);
/* The same with a backend that has not been tried, if there is one; the last one has failed. */
void mu_exchange_begin_elsewhere(struct mu_exchange *e);
bool mu_exchange_has_others(const struct mu_exchange *e);
extern const struct mu_exchange_fault mu_exchange_closed, mu_exchange_bad_answer,
    mu_exchange_no_http2, mu_exchange_refused;

#endif
