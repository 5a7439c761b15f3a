#include "front/measure.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/str.h"
#include "tls/context.h"

void mu_measured_clear(struct mu_measured *measured)
{
    free(measured->backends);
    free(measured->ends);
    free(measured->names);
    free(measured->serials);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

bool mu_measured_init(struct mu_measured *ret, const struct mu_server *server,
                      const struct mu_survey *survey, size_t ends, size_t backends)
{
    ret->backends = calloc(backends + 1, sizeof *ret->backends);
    ret->ends = calloc(ends + 1, sizeof *ret->ends);
    ret->names = calloc(ends + 1, sizeof *ret->names);
    ret->serials = calloc(ends + 1, sizeof *ret->serials);
    ret->metrics = (struct mu_metrics){
        .openssl = mu_tls_library_version(),
        .now = time(NULL),
        .cpu_s = cpu_seconds(),
        .workers = survey->workers,
        .workers_alive = survey->alive,
        .backends = ret->backends,
    };
    mu_server_count(server, &ret->metrics.counters);
    return ret->backends != NULL && ret->ends != NULL && ret->names != NULL && ret->serials != NULL;
}

void mu_measured_add_backends(struct mu_measured *measured, const struct mu_backends *backends)
{
    const int64_t now_ms = mu_backend_now_ms();
    for (size_t i = 0; i < backends->count; i++) {
        const struct mu_backend *backend = &backends->at[i];
        measured->backends[measured->backend_count++] =
            (struct mu_metrics_backend){.name = backend->name,
                                        .connections = atomic_load_explicit(&backend->state->open,
                                                                            memory_order_relaxed),
                                        .up = mu_backend_is_up(backend, now_ms)};
    }
    measured->metrics.backend_count = measured->backend_count;
}

void mu_measured_add_certs(struct mu_measured *measured, const struct mu_certs *certs)
{
    for (size_t i = 0; i < certs->count; i++, measured->end_count++) {
        const size_t at = measured->end_count;
        char label[MU_CERT_LABEL_LEN];
        mu_str_copy(measured->names[at], sizeof measured->names[at],
                    mu_cert_label(certs->at[i], label));
        measured->ends[at] =
            (struct mu_metrics_end){.name = measured->names[at],
                                    .serial = mu_cert_serial(certs->at[i], measured->serials[at]),
                                    .at = mu_cert_not_after(certs->at[i])};
    }
}

void mu_measured_add_list(struct mu_measured *measured, const struct mu_crl_info *list)
{
    const size_t at = measured->end_count;
    if (list->next_update == 0)
        return;
    mu_str_copy(measured->names[at], sizeof measured->names[at], list->issuer);
    measured->ends[at] = (struct mu_metrics_end){.name = measured->names[at],
                                                 .at = list->next_update,
                                                 .since = list->this_update};
    measured->end_count++;
}

struct mu_metrics_ends mu_measured_since(const struct mu_measured *measured, size_t before)
{
    return (struct mu_metrics_ends){.at = measured->ends + before,
                                    .count = measured->end_count - before};
}
