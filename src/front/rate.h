#ifndef MU_FRONT_RATE_H
#define MU_FRONT_RATE_H

/*
 * How often somebody may ask: a bucket of tokens for each, which is full at first and is filled again evenly. All workers share
 * them, under a lock that is held for some comparisons. There is room for some thousands who are not full; beyond that, who
 * has the fullest bucket is forgotten, and so begins with a full one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "front/config.h"

struct mu_rates;

/* Given. `rate` has a count. Fails with MU_E_NOMEM. */
MU_CHECK int mu_rates_new(const struct mu_rate *rate, struct mu_rates **ret, struct mu_error *err);
void mu_rates_free(struct mu_rates *rates);
MU_AUTO_DEFINE_STRUCT(mu_rates, mu_rates_free)

/* Take a token of whoever `key` is, which is not 0. False: there is none, and in `*ret_wait_s` seconds there will be one. For
 * several threads. `now_ms`: of a clock that does not go back. */
bool mu_rates_take(struct mu_rates *rates, uint64_t key, int64_t now_ms, unsigned *ret_wait_s);

#endif
