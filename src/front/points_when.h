#ifndef MU_FRONT_POINTS_WHEN_H
#define MU_FRONT_POINTS_WHEN_H

/* When a distribution point is asked again. */

#include <stdint.h>
#include <time.h>

#include "pki/crl.h"

/* In seconds, from when this list came: at least one. `lapsed`: how often in a row one had come that was out of date, which is
 * counted here. */
int64_t mu_points_wait_after_list_s(const struct mu_crl_info *list, time_t now, unsigned *lapsed);

/* In seconds, from when it failed; `before`: how often it had in a row by then. */
int64_t mu_points_wait_after_failures_s(unsigned before);

#endif
