#include "front/metrics.h"

#include <inttypes.h>

#include "base/str.h"

/* What a series is: in the order in which Prometheus wants to be told. */
static void begin(struct mu_buf *ret, const char *name, const char *type, const char *help)
{
    mu_buf_addf(ret, "# HELP mutual_%s %s\n# TYPE mutual_%s %s\n", name, help, name, type);
}

/* Names of certificates and backends are foreign: printable, but with any of these. */
static void add_value(struct mu_buf *ret, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (*p == '\\' || *p == '"')
            mu_buf_addf(ret, "\\%c", *p);
        else if (*p == '\n')
            mu_buf_adds(ret, "\\n");
        else
            mu_buf_add(ret, p, 1);
}

static void sample(struct mu_buf *ret, const char *name, const char *label, const char *value,
                   uint64_t n)
{
    mu_buf_addf(ret, "mutual_%s{%s=\"", name, label);
    add_value(ret, value);
    mu_buf_addf(ret, "\"} %" PRIu64 "\n", n);
}

static void single(struct mu_buf *ret, const char *name, const char *type, const char *help,
                   uint64_t n)
{
    begin(ret, name, type, help);
    mu_buf_addf(ret, "mutual_%s %" PRIu64 "\n", name, n);
}

/* --- Handshakes and refusals --- */

/* Some faults share an id, and of one id there may be one sample. */
static void fault_sample(struct mu_buf *ret, const char *name, const char *label, const char *whose,
                         const uint64_t *counted, enum mu_fault fault)
{
    char id[64];
    uint64_t n = 0;
    for (int i = MU_FAULT_NONE + 1; i < MU_FAULT_COUNT; i++) {
        if (!mu_str_equal(mu_fault_id((enum mu_fault)i), mu_fault_id(fault)))
            continue;
        if (i < (int)fault)
            return;
        n += counted[i];
    }
    snprintf(id, sizeof id, "%s-cert-%s", whose, mu_fault_id(fault));
    sample(ret, name, label, id, n);
}

/* Has it been found out before TLS begins? */
static bool is_before_tls(enum mu_refusal_code code)
{
    return code == MU_REFUSAL_PROXY_UNTRUSTED || code == MU_REFUSAL_PROXY_HEADER ||
           code == MU_REFUSAL_ADDRESS_FULL;
}

/* Is it about a client that has come in, and is turned away all the same? */
static bool is_behind_tls(enum mu_refusal_code code)
{
    return code >= MU_REFUSAL_ACCESS_DENIED && code <= MU_REFUSAL_DOOR_FULL;
}

/* Is it about a server that we call, and not about a client? */
static bool is_of_server(enum mu_refusal_code code)
{
    return mu_str_starts_with(mu_refusal_id(code), "server-");
}

static void refusal_samples(struct mu_buf *ret, const char *name, const char *label,
                            const struct mu_counters *counters, bool all)
{
    for (int i = MU_REFUSAL_NONE + 1; i < MU_REFUSAL_CERT; i++)
        if (!is_of_server((enum mu_refusal_code)i) &&
            (all ||
             (!is_before_tls((enum mu_refusal_code)i) && !is_behind_tls((enum mu_refusal_code)i))))
            sample(ret, name, label, mu_refusal_id((enum mu_refusal_code)i), counters->refused[i]);
    for (int i = MU_FAULT_NONE + 1; i < MU_FAULT_COUNT; i++)
        fault_sample(ret, name, label, "client", counters->faults, (enum mu_fault)i);
}

static void add_handshakes(struct mu_buf *ret, const struct mu_counters *counters)
{
    begin(ret, "handshakes_total", "counter", "TLS handshakes by how they ended.");
    sample(ret, "handshakes_total", "result", "admitted", counters->admitted);
    refusal_samples(ret, "handshakes_total", "result", counters, false);
    begin(ret, "refused_total", "counter",
          "Connections and requests that were turned away, by the reason.");
    refusal_samples(ret, "refused_total", "reason", counters, true);
    single(ret, "handshakes_resumed_total", "counter",
           "Handshakes after which a client came in with a session of before.", counters->resumed);
}

/* Whoever was in had passed all else. */
static void add_expelled(struct mu_buf *ret, const struct mu_counters *counters)
{
    static const enum mu_refusal_code codes[] = {
        MU_REFUSAL_CERT_MISSING,          MU_REFUSAL_KICKED,
        MU_REFUSAL_ACCESS_DENIED,         MU_REFUSAL_ACCESS_NOT_ALLOWED,
        MU_REFUSAL_ACCESS_NO_CERTIFICATE, MU_REFUSAL_ACCESS_UNCLEAR,
    };
    begin(ret, "expelled_total", "counter",
          "Connections of clients that were in, and would not be let in any more, by the reason.");
    for (size_t i = 0; i < MU_COUNT(codes); i++)
        sample(ret, "expelled_total", "reason", mu_refusal_id(codes[i]),
               counters->expelled[codes[i]]);
    for (int i = MU_FAULT_NONE + 1; i < MU_FAULT_COUNT; i++)
        fault_sample(ret, "expelled_total", "reason", "client", counters->expelled_faults,
                     (enum mu_fault)i);
    single(ret, "connections_untracked", "gauge",
           "Open connections whose door has gone: no change of trust or rules reaches them.",
           counters->untracked);
}

static void add_histogram(struct mu_buf *ret, const char *name, const char *help,
                          const struct mu_counters *counters)
{
    uint64_t below = 0;
    begin(ret, name, "histogram", help);
    for (size_t i = 0; i < MU_HANDSHAKE_CLASSES; i++) {
        below += counters->handshakes[i];
        mu_buf_addf(ret, "mutual_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                    (double)mu_handshake_bounds_us[i] / 1e6, below);
    }
    below += counters->handshakes[MU_HANDSHAKE_CLASSES];
    mu_buf_addf(ret,
                "mutual_%s_bucket{le=\"+Inf\"} %" PRIu64
                "\nmutual_%s_sum %.6f\nmutual_%s_count %" PRIu64 "\n",
                name, below, name, (double)counters->handshake_us / 1e6, name, below);
}

/* Every reason that is told of servers, as in the log. */
static void add_calls(struct mu_buf *ret, const struct mu_counters *counters)
{
    single(ret, "backend_handshakes_total", "counter",
           "TLS handshakes with backends that came to their end.", counters->called);
    single(ret, "backend_handshakes_resumed_total", "counter",
           "Of these, with a session of before.", counters->called_again);
    begin(ret, "backend_refused_total", "counter",
          "Connections that a backend refused, or that were refused because of it, by the reason.");
    for (int i = MU_REFUSAL_NONE + 1; i < MU_REFUSAL_CERT; i++)
        if (is_of_server((enum mu_refusal_code)i))
            sample(ret, "backend_refused_total", "reason", mu_refusal_id((enum mu_refusal_code)i),
                   counters->refused[i]);
    for (int i = MU_FAULT_NONE + 1; i < MU_FAULT_COUNT; i++)
        fault_sample(ret, "backend_refused_total", "reason", "server", counters->faults,
                     (enum mu_fault)i);
    add_histogram(ret, "backend_handshake_seconds",
                  "From the first packet to a backend to the end of the handshake with it.",
                  counters);
}

/* --- Connections and requests --- */

static void add_connections(struct mu_buf *ret, const struct mu_metrics *metrics)
{
    const struct mu_counters *counters = &metrics->counters;
    /* One was read after the other, so there may seem to be fewer than none. */
    uint64_t open =
        counters->accepted > counters->closed ? counters->accepted - counters->closed : 0;
    single(ret, "connections_accepted_total", "counter", "Connections of clients so far.",
           counters->accepted);
    single(ret, "connections_active", "gauge", "Connections of clients that are open.", open);
    single(ret, "connections_max", "gauge", "How many may be open.", metrics->max_connections);
    single(ret, "accept_pauses_total", "counter",
           "Times that no descriptors or no memory was left for a connection.",
           counters->accept_pauses);
    single(ret, "received_bytes_total", "counter", "Bytes from clients, as they are on the wire.",
           counters->received);
    single(ret, "sent_bytes_total", "counter", "Bytes to clients, likewise.", counters->sent);
}

static void add_answers(struct mu_buf *ret, const struct mu_counters *counters)
{
    begin(ret, "requests_total", "counter", "Answered HTTP requests by the class of their status.");
    for (int class = 1; class < MU_STATUS_CLASSES; class ++) {
        const char text[] = {(char)('0' + class), 'x', 'x', '\0'};
        sample(ret, "requests_total", "status", text, counters->answers[class]);
    }
}

/* --- Backends --- */

static bool is_first_of_its_name(const struct mu_metrics *metrics, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (mu_str_equal(metrics->backends[j].name, metrics->backends[i].name))
            return false;
    return true;
}

static void backend_samples(struct mu_buf *ret, const struct mu_metrics *metrics, const char *name,
                            uint64_t (*of)(const struct mu_metrics_backend *backend))
{
    for (size_t i = 0; i < metrics->backend_count; i++) {
        uint64_t n = 0;
        if (!is_first_of_its_name(metrics, i))
            continue;
        for (size_t j = i; j < metrics->backend_count; j++)
            if (mu_str_equal(metrics->backends[j].name, metrics->backends[i].name))
                n += of(&metrics->backends[j]);
        sample(ret, name, "backend", metrics->backends[i].name, n);
    }
}

static uint64_t connections_of(const struct mu_metrics_backend *backend)
{
    return backend->connections;
}

static uint64_t down_of(const struct mu_metrics_backend *backend)
{
    return backend->up ? 0 : 1;
}

static void add_backends(struct mu_buf *ret, const struct mu_metrics *metrics)
{
    if (metrics->backend_count == 0)
        return;
    begin(ret, "backend_connections", "gauge", "Connections to a backend that are open.");
    backend_samples(ret, metrics, "backend_connections", connections_of);
    begin(ret, "backend_down", "gauge",
          "At how many doors a backend is left alone: it could not be reached, or is not well.");
    backend_samples(ret, metrics, "backend_down", down_of);
}

/* --- Dates --- */

static bool same_end(const struct mu_metrics_end *a, const struct mu_metrics_end *b)
{
    return mu_str_equal(a->name, b->name) &&
           (a->serial == NULL || mu_str_equal(a->serial, b->serial));
}

static void add_ends(struct mu_buf *ret, const char *name, const char *label, const char *help,
                     const struct mu_metrics_ends *ends)
{
    if (ends->count == 0)
        return;
    begin(ret, name, "gauge", help);
    for (size_t i = 0; i < ends->count; i++) {
        const struct mu_metrics_end *end = &ends->at[i];
        time_t earliest = end->at;
        bool told = false;
        for (size_t j = 0; j < ends->count; j++) {
            told = told || (j < i && same_end(&ends->at[j], end));
            if (same_end(&ends->at[j], end) && ends->at[j].at < earliest)
                earliest = ends->at[j].at;
        }
        if (told)
            continue;
        mu_buf_addf(ret, "mutual_%s{%s=\"", name, label);
        add_value(ret, end->name);
        if (end->serial != NULL)
            mu_buf_addf(ret, "\",serial=\"%s", end->serial);
        mu_buf_addf(ret, "\"} %" PRId64 "\n", (int64_t)earliest);
    }
}

/* The age of a list is the time since then. */
static void add_updates(struct mu_buf *ret, const struct mu_metrics_ends *lists)
{
    if (lists->count == 0)
        return;
    begin(ret, "crl_updated_timestamp_seconds", "gauge",
          "From when on the revocation list of a CA counts, since 1970; of several the oldest.");
    for (size_t i = 0; i < lists->count; i++) {
        time_t oldest = lists->at[i].since;
        bool told = false;
        for (size_t j = 0; j < lists->count; j++) {
            if (!same_end(&lists->at[j], &lists->at[i]))
                continue;
            told = told || j < i;
            oldest = lists->at[j].since < oldest ? lists->at[j].since : oldest;
        }
        if (!told)
            sample(ret, "crl_updated_timestamp_seconds", "issuer", lists->at[i].name,
                   (uint64_t)oldest);
    }
}

static void add_fetches(struct mu_buf *ret, const struct mu_metrics *metrics)
{
    if (!metrics->fetches_lists)
        return;
    begin(ret, "crl_fetches_total", "counter",
          "Times that a revocation list was fetched, and could be used or not.");
    sample(ret, "crl_fetches_total", "result", "good", metrics->points.good);
    sample(ret, "crl_fetches_total", "result", "failed", metrics->points.failed);
    single(ret, "crl_points", "gauge", "Places from which revocation lists are fetched.",
           metrics->points.points);
    single(ret, "crl_points_waiting", "gauge", "Of these, from which none has come yet.",
           metrics->points.waiting);
}

static void add_ocsp(struct mu_buf *ret, const struct mu_metrics *metrics)
{
    if (!metrics->asks_responders)
        return;
    begin(ret, "ocsp_answers_total", "counter",
          "What OCSP responders have said of clients; failed: there was no answer that counts.");
    sample(ret, "ocsp_answers_total", "answer", "good", metrics->ocsp.good);
    sample(ret, "ocsp_answers_total", "answer", "revoked", metrics->ocsp.revoked);
    sample(ret, "ocsp_answers_total", "answer", "unknown", metrics->ocsp.unknown);
    sample(ret, "ocsp_answers_total", "answer", "failed", metrics->ocsp.failed);
    single(ret, "ocsp_clients", "gauge",
           "Clients who are remembered, with or without an answer about them.",
           metrics->ocsp.clients);
}

/* --- The whole --- */

static void add_process(struct mu_buf *ret, const struct mu_metrics *metrics)
{
    begin(ret, "build_info", "gauge", "Always 1; its labels tell the versions.");
    mu_buf_adds(ret, "mutual_build_info{version=\"");
    add_value(ret, metrics->version);
    mu_buf_adds(ret, "\",openssl=\"");
    add_value(ret, metrics->openssl);
    mu_buf_adds(ret, "\"} 1\n");
    mu_buf_addf(ret,
                "# HELP process_start_time_seconds When it was started, since 1970.\n"
                "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %" PRId64 "\n"
                "# HELP process_cpu_seconds_total Processor time that it has used.\n"
                "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n",
                (int64_t)metrics->started, metrics->cpu_s);
    single(ret, "workers", "gauge", "Worker threads.", metrics->workers);
    single(ret, "reloads_total", "counter",
           "Configurations that have taken the place of those before.", metrics->reloads_done);
    single(ret, "reloads_failed_total", "counter",
           "Changes of the files that could not be taken over.", metrics->reloads_failed);
    single(ret, "log_lines_lost_total", "counter", "Lines of the log that could not be written.",
           metrics->log_lines_lost);
    single(ret, "workers_alive", "gauge", "Worker threads that answer.", metrics->workers_alive);
}

/* Who comes in, and what they get. */
static void add_clients(struct mu_buf *ret, const struct mu_metrics *metrics)
{
    add_handshakes(ret, &metrics->counters);
    add_expelled(ret, &metrics->counters);
    add_histogram(ret, "handshake_seconds",
                  "From the accepted connection to the end of its handshake.", &metrics->counters);
    add_answers(ret, &metrics->counters);
    add_ends(ret, "crl_expiry_timestamp_seconds", "issuer",
             "When the next revocation list of a CA is due, since 1970: what it means if none comes, "
             "crl_grace says.",
             &metrics->lists);
    add_updates(ret, &metrics->lists);
    add_fetches(ret, metrics);
    add_ocsp(ret, metrics);
    single(ret, "clients_seen", "gauge", "Clients with a certificate that came in within a day.",
           metrics->clients_seen);
    single(ret, "clients_expiring", "gauge", "Of these, whose certificates are about to end.",
           metrics->clients_expiring);
}

void mu_metrics_write(const struct mu_metrics *metrics, struct mu_buf *ret)
{
    add_process(ret, metrics);
    add_connections(ret, metrics);
    add_backends(ret, metrics);
    add_ends(ret, "certificate_expiry_timestamp_seconds", "subject",
             "When a certificate that is presented ends, since 1970.", &metrics->certificates);
    add_ends(ret, "trust_expiry_timestamp_seconds", "subject",
             "When the certificate of a CA that is trusted ends, since 1970.", &metrics->trust);
    if (metrics->calls)
        add_calls(ret, &metrics->counters);
    else
        add_clients(ret, metrics);
}
