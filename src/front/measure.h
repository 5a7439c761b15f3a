#ifndef MU_FRONT_MEASURE_H
#define MU_FRONT_MEASURE_H

/* What /metrics tells, gathered for one answer: from a front door, or from whatever else has backends and certificates. */

#include "front/backend.h"
#include "front/metrics.h"
#include "net/plain.h"
#include "net/server.h"
#include "pki/cert.h"
#include "pki/crl.h"
#include "pki/info.h"

struct mu_measured {
    struct mu_metrics metrics;
    struct mu_metrics_backend *backends;
    struct mu_metrics_end *ends;
    char (*names)[512];
    char (*serials)[MU_SERIAL_TEXT_LEN];
    size_t end_count, backend_count;
};
void mu_measured_clear(struct mu_measured *measured);
MU_AUTO_DEFINE_CLEAR(mu_measured, mu_measured_clear)

/* All zero before that. What is said of the process, its workers and its connections; then so many of either may be added.
 * False without memory. */
MU_CHECK bool mu_measured_init(struct mu_measured *ret, const struct mu_server *server,
                               const struct mu_survey *survey, size_t ends, size_t backends);
void mu_measured_add_backends(struct mu_measured *measured, const struct mu_backends *backends);

/* Ends that are told together are added one behind the other: those from `before`, an earlier `end_count`, on. */
void mu_measured_add_certs(struct mu_measured *measured, const struct mu_certs *certs);
void mu_measured_add_list(struct mu_measured *measured, const struct mu_crl_info *list);
struct mu_metrics_ends mu_measured_since(const struct mu_measured *measured, size_t before);

#endif
