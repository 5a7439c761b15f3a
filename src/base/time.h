#ifndef MU_BASE_TIME_H
#define MU_BASE_TIME_H

/* Times are UTC seconds since 1970 (time_t); durations are seconds in an int64_t named ..._s. */

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"

#define MU_DAY_S INT64_C(86400)

#define MU_DATE_LEN 32
#define MU_SPAN_LEN 48

/* "2031-01-01 00:00 UTC". Returns `ret`. */
char *mu_date(time_t t, char ret[MU_DATE_LEN]);

/* "2031-01-01T00:00:00Z" [RFC 3339]. Returns `ret`. */
char *mu_date_rfc3339(time_t t, char ret[MU_DATE_LEN]);

/* A length of time in words, in its largest one or two units: "12 days", "3 hours", "1 minute",
 * "2 years and 45 days". The sign is not shown. Returns `ret`. */
char *mu_span(int64_t span_s, char ret[MU_SPAN_LEN]);

/* "in 12 days", "3 hours ago", "now". Returns `ret`. */
char *mu_relative(time_t t, time_t now, char ret[MU_SPAN_LEN]);

/* "90d", "36h", "15m", "45s", "2w", "1y", or a sum such as "1d12h"; a unit is required and the whole is
 * above 0 and below 1000 years. Fails with MU_E_LIFETIME. */
MU_CHECK int mu_duration_parse(const char *text, int64_t *ret_s, struct mu_error *err);

/* RFC 3339 ("2031-01-01T00:00:00Z", an offset such as +02:00 allowed), "2031-01-01", "2031-01-01 12:30",
 * or "@SECONDS". Without an offset it is UTC. Fails with MU_E_USAGE. */
MU_CHECK int mu_date_parse(const char *text, time_t *ret, struct mu_error *err);

#endif
