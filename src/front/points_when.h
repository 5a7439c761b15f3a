#ifndef MU_FRONT_POINTS_WHEN_H
#define MU_FRONT_POINTS_WHEN_H

/* When a distribution point is asked again. */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "pki/crl.h"

/* In seconds, from when this list came: at least one. `lapsed`: how often in a row one had come that was out of date, which is
 * counted here. */
int64_t mu_points_wait_after_list_s(const struct mu_crl_info *list, time_t now, unsigned *lapsed);

/* In seconds, from when it failed; `before`: how often it had in a row by then. */
int64_t mu_points_wait_after_failures_s(unsigned before);

/* Has no good chain named it for a week, by when one did last, and has its list (NULL: none has come) been out of date for as long?
 * Clients who are remembered as good do not name it anew, and yet go by the list. */
bool mu_points_may_forget(const struct mu_crl_info *list, time_t met, time_t now);

#endif
