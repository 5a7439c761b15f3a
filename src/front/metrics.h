#ifndef MU_FRONT_METRICS_H
#define MU_FRONT_METRICS_H

/* What is counted and measured at the doors, in Prometheus's text format 0.0.4. Pure: all of it is handed in. */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "front/ocsp.h"
#include "front/points.h"
#include "net/counters.h"

#define MU_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct mu_metrics_backend {
    const char *name;
    unsigned connections;
    bool up; /* see mu_backend_is_up() */
};

/* Something that will not do after `at`. Those with the same texts are told once, with the earliest date. */
struct mu_metrics_end {
    const char *name, *serial; /* of a list there is no serial */
    time_t at, since;          /* since: of a list, when it was made */
};

struct mu_metrics_ends {
    const struct mu_metrics_end *at;
    size_t count;
};

struct mu_metrics {
    bool calls; /* clients come plainly, and it is the backends with whom hands are shaken */
    const char *version, *openssl;
    time_t started, now;
    int64_t expiry_warning_s;
    bool fetches_lists; /* and how that goes: */
    struct mu_points_count points;
    bool asks_responders; /* likewise: */
    struct mu_ocsp_count ocsp;
    uint64_t clients_seen, clients_expiring; /* those who came in within a day */
    double cpu_s;                            /* of all threads, so far */
    uint64_t log_lines_lost;
    uint64_t reloads_done, reloads_failed;
    unsigned workers, workers_alive, max_connections;
    struct mu_counters counters;
    const struct mu_metrics_backend
        *backends; /* of those with the same name, the connections are added up */
    size_t backend_count;
    struct mu_metrics_ends certificates, trust, lists;
};

void mu_metrics_write(const struct mu_metrics *metrics, struct mu_buf *ret);

#endif
