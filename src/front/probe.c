#include "front/probe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/str.h"
#include "front/internal.h"
#include "front/metrics.h"
#include "http/h1.h"
#include "pki/info.h"

static const struct mu_h1_limits limits = {.target = 1024, .head = 8 * 1024, .body = 1024};

struct session {
    const struct mu_probe *probe;
    const struct mu_survey *survey;
    struct mu_h1 *h1;
};

/* --- Metrics --- */

/* What is gathered for one answer. */
struct gathered {
    struct mu_metrics_backend *backends;
    struct mu_metrics_end *ends;
    char (*names)[512];
    char (*serials)[MU_SERIAL_TEXT_LEN];
    size_t end_count, backend_count;
};

static void clear_gathered(struct gathered *gathered)
{
    free(gathered->backends);
    free(gathered->ends);
    free(gathered->names);
    free(gathered->serials);
}
MU_AUTO_DEFINE_CLEAR(gathered, clear_gathered)

static bool make_room(const struct mu_doors *doors, struct gathered *ret)
{
    size_t ends = 1, backends = 1;
    for (size_t i = 0; i < doors->count; i++) {
        const struct mu_door *door = &doors->at[i];
        ends += door->chain.count + door->anchors.count + door->list_count;
        const struct mu_backends *set;
        for (size_t j = 0; (set = mu_door_backends(door, j)) != NULL; j++)
            backends += set->count;
    }
    ret->backends = calloc(backends, sizeof *ret->backends);
    ret->ends = calloc(ends, sizeof *ret->ends);
    ret->names = calloc(ends, sizeof *ret->names);
    ret->serials = calloc(ends, sizeof *ret->serials);
    return ret->backends != NULL && ret->ends != NULL && ret->names != NULL && ret->serials != NULL;
}

static void add_certs(struct gathered *ret, const struct mu_certs *certs)
{
    for (size_t i = 0; i < certs->count; i++, ret->end_count++) {
        const size_t at = ret->end_count;
        char label[MU_CERT_LABEL_LEN];
        mu_str_copy(ret->names[at], sizeof ret->names[at], mu_cert_label(certs->at[i], label));
        ret->ends[at] =
            (struct mu_metrics_end){.name = ret->names[at],
                                    .serial = mu_cert_serial(certs->at[i], ret->serials[at]),
                                    .at = mu_cert_not_after(certs->at[i])};
    }
}

static void add_lists(struct gathered *ret, const struct mu_door *door)
{
    for (size_t i = 0; i < door->list_count; i++) {
        const struct mu_crl_info *info = &door->lists[i].info;
        const size_t at = ret->end_count;
        if (info->next_update == 0)
            continue;
        mu_str_copy(ret->names[at], sizeof ret->names[at], info->issuer);
        ret->ends[at] = (struct mu_metrics_end){.name = ret->names[at],
                                                .at = info->next_update,
                                                .since = info->this_update};
        ret->end_count++;
    }
}

static void add_backends(struct gathered *ret, const struct mu_backends *backends)
{
    const int64_t now_ms = mu_backend_now_ms();
    for (size_t i = 0; i < backends->count; i++) {
        const struct mu_backend *backend = &backends->at[i];
        ret->backends[ret->backend_count++] =
            (struct mu_metrics_backend){.name = backend->name,
                                        .connections = atomic_load_explicit(&backend->open,
                                                                            memory_order_relaxed),
                                        .up = atomic_load_explicit(&backend->avoided_until_ms,
                                                                   memory_order_relaxed) <= now_ms};
    }
}

/* Each door adds to the same list; what was added is the part from `before` on. */
static struct mu_metrics_ends since(const struct gathered *gathered, size_t before)
{
    return (struct mu_metrics_ends){.at = gathered->ends + before,
                                    .count = gathered->end_count - before};
}

static void gather_ends(const struct mu_doors *doors, struct gathered *ret,
                        struct mu_metrics *metrics)
{
    size_t before = ret->end_count;
    for (size_t i = 0; i < doors->count; i++)
        add_certs(ret, &doors->at[i].chain);
    metrics->certificates = since(ret, before);
    before = ret->end_count;
    for (size_t i = 0; i < doors->count; i++)
        add_certs(ret, &doors->at[i].anchors);
    metrics->trust = since(ret, before);
    before = ret->end_count;
    for (size_t i = 0; i < doors->count; i++)
        add_lists(ret, &doors->at[i]);
    metrics->lists = since(ret, before);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Who has come in within a day. */
static void count_client(void *arg, const struct mu_seen_client *client)
{
    struct mu_metrics *metrics = arg;
    metrics->clients_seen++;
    if (mu_seen_ends_soon(client, metrics->now, metrics->expiry_warning_s))
        metrics->clients_expiring++;
}

static void tell_metrics(const struct session *s, struct mu_response *ret)
{
    const struct mu_front *front = s->probe->front;
    const struct mu_front_events *events = &front->config.events;
    MU_AUTO_CLEAR(gathered) gathered = {0};
    struct mu_metrics metrics = {
        .version = front->config.version,
        .openssl = mu_tls_library_version(),
        .started = front->started,
        .now = time(NULL),
        .expiry_warning_s = front->config.expiry_warning_s,
        .cpu_s = cpu_seconds(),
        .log_lines_lost = events->lines_lost == NULL ? 0 : events->lines_lost(events->arg),
        .reloads_done = mu_front_reloads(front).done,
        .reloads_failed = mu_front_reloads(front).failed,
        .workers = s->survey->workers,
        .workers_alive = s->survey->alive,
        .max_connections = front->server_config.max_connections,
    };
    if (!make_room(front->doors, &gathered)) {
        mu_response_sentence(ret, 503, "there is not enough memory");
        return;
    }
    for (size_t i = 0; i < front->doors->count; i++) {
        const struct mu_backends *set;
        for (size_t j = 0; (set = mu_door_backends(&front->doors->at[i], j)) != NULL; j++)
            add_backends(&gathered, set);
    }
    mu_seen_each(front->seen, metrics.now - 24 * 3600, count_client, &metrics);
    metrics.backends = gathered.backends;
    metrics.backend_count = gathered.backend_count;
    gather_ends(front->doors, &gathered, &metrics);
    mu_server_count(front->server, &metrics.counters);
    ret->status = 200;
    ret->content_type = MU_METRICS_TYPE;
    mu_metrics_write(&metrics, &ret->text);
}

/* --- The others --- */

static void tell_health(const struct session *s, struct mu_response *ret)
{
    if (s->survey->alive == s->survey->workers)
        mu_response_sentence(ret, 200, "all workers answer");
    else
        mu_response_sentence(ret, 503, "a worker thread does not answer");
}

static void tell_readiness(const struct session *s, struct mu_response *ret)
{
    if (s->survey->stopping)
        mu_response_sentence(ret, 503, "it is stopping, and takes no more clients");
    else if (s->survey->alive == s->survey->workers)
        mu_response_sentence(ret, 200, "clients are being admitted");
    else
        tell_health(s, ret);
}

static void tell_status(const struct session *s, struct mu_response *ret)
{
    const struct mu_front *front = s->probe->front;
    ret->status = 200;
    ret->content_type = "application/json";
    front->config.describe(front, s->survey, &ret->text);
}

/* --- Kicking out --- */

enum { FOR_MAX_S = 366 * 24 * 3600 };

static size_t count_hits(const struct session *s, struct mu_kicks *kicks, time_t now)
{
    size_t count = 0;
    for (size_t i = 0; i < s->survey->connection_count; i++) {
        struct mu_error ignored = MU_ERROR_INIT;
        MU_AUTO_STRUCT(mu_identity) who = NULL;
        const struct mu_connection_view *view = &s->survey->connections[i];
        if (view->client != NULL && view->admitted && !view->expelled &&
            mu_identity_read(view->client, &who, &ignored) == 0)
            count += mu_kicks_hit(kicks, who, now, NULL) ? 1 : 0;
    }
    return count;
}

static void kick(const struct session *s, const char *who, const char *for_s,
                 struct mu_response *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_kicks *kicks = s->probe->front->kicks;
    const time_t now = time(NULL);
    char *end = NULL;
    const long seconds = for_s == NULL ? 0 : strtol(for_s, &end, 10);
    if (end == NULL || *end != '\0' || seconds < 1 || seconds > FOR_MAX_S) {
        mu_response_sentence(ret, 400, "Mutual-For is how many seconds, a year of them at most");
        return;
    }
    if (mu_kicks_add(kicks, who, now + seconds, &err) != 0) {
        mu_response_sentence(ret, 400, err.what);
        return;
    }
    ret->status = 200;
    ret->content_type = "application/json";
    mu_buf_addf(&ret->text, "{\"connections\": %zu}\n", count_hits(s, kicks, now));
    mu_server_review(s->probe->front->server);
}

static void undo_kick(const struct session *s, const char *who, struct mu_response *ret)
{
    if (!mu_kicks_undo(s->probe->front->kicks, who)) {
        mu_response_sentence(ret, 404, "nobody is kicked out under this name");
        return;
    }
    ret->status = 200;
    ret->content_type = "application/json";
    mu_buf_adds(&ret->text, "{}\n");
}

/* POST and DELETE of /kick; whom and for how long is in header lines of their own. False: it is something else. */
static bool changes_kicks(const struct session *s, const struct mu_request *request,
                          struct mu_response *ret)
{
    const char *who = mu_request_header(request, "Mutual-Client");
    if (!s->probe->control || !mu_str_equal(mu_target_origin(request->target), "/kick") ||
        who == NULL)
        return false;
    if (mu_request_is(request, "POST"))
        kick(s, who, mu_request_header(request, "Mutual-For"), ret);
    else if (mu_request_is(request, "DELETE"))
        undo_kick(s, who, ret);
    else
        return false;
    return true;
}

static void tell_seen(const struct session *s, struct mu_response *ret)
{
    const struct mu_front *front = s->probe->front;
    ret->status = 200;
    ret->content_type = "application/json";
    front->config.describe_seen(front, s->survey, &ret->text);
}

static const struct {
    const char *path;
    bool only_control;
    void (*tell)(const struct session *s, struct mu_response *ret);
} pages[] = {
    {"/metrics", false, tell_metrics},  {"/healthz", false, tell_health},
    {"/readyz", false, tell_readiness}, {"/status", true, tell_status},
    {"/seen", true, tell_seen},
};

static void find_page(const struct session *s, const char *path, struct mu_response *ret)
{
    size_t len = strcspn(path, "?");
    for (size_t i = 0; i < MU_COUNT(pages); i++)
        if (strlen(pages[i].path) == len && strncmp(pages[i].path, path, len) == 0 &&
            (s->probe->control || !pages[i].only_control)) {
            pages[i].tell(s, ret);
            return;
        }
    mu_response_sentence(ret, 404, "there are /metrics, /healthz and /readyz");
}

static void respond(void *arg, const struct mu_request *request, struct mu_response *ret)
{
    struct session *s = arg;
    mu_h1_stop(
        s->h1); /* the next question wants new answers of the workers: on another connection */
    if (mu_request_is(request, "GET") || mu_request_is(request, "HEAD")) {
        find_page(s, mu_target_origin(request->target), ret);
        return;
    }
    if (changes_kicks(s, request, ret))
        return;
    mu_response_sentence(ret, 405, "only GET and HEAD are answered here");
    mu_buf_adds(&ret->headers, "Allow: GET, HEAD\r\n");
}

static time_t now(void *arg)
{
    (void)arg;
    return time(NULL);
}

static void responded(void *arg, const struct mu_request *request, int status)
{
    (void)arg;
    (void)request;
    (void)status;
}

static const struct mu_h1_handler handler = {.now = now, .respond = respond, .responded = responded};

/* --- What net asks --- */

static void *session_open(void *arg, const struct mu_survey *survey)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->probe = arg;
    s->survey = survey;
    s->h1 = mu_h1_new(&handler, s, &limits);
    if (s->h1 != NULL)
        return s;
    free(s);
    return NULL;
}

static bool session_input(void *arg, const void *data, size_t len)
{
    struct session *s = arg;
    return mu_h1_input(s->h1, data, len);
}

static size_t session_output(void *arg, const char **ret)
{
    struct session *s = arg;
    return mu_h1_output(s->h1, ret);
}

static void session_taken(void *arg, size_t len)
{
    struct session *s = arg;
    mu_h1_taken(s->h1, len);
}

static bool session_done(void *arg)
{
    struct session *s = arg;
    return mu_h1_phase(s->h1) == MU_H1_DONE;
}

static void session_close(void *arg)
{
    struct session *s = arg;
    mu_h1_free(s->h1);
    free(s);
}

const struct mu_plain_handler mu_probe_handler = {
    .open = session_open,
    .input = session_input,
    .output = session_output,
    .taken = session_taken,
    .done = session_done,
    .close = session_close,
};
