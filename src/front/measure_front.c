/* What a front door has to tell /metrics. */

#include "front/internal.h"

static void add_ends(const struct mu_doors *doors, struct mu_measured *ret)
{
    size_t before = ret->end_count;
    for (size_t i = 0; i < doors->count; i++)
        mu_measured_add_certs(ret, &doors->at[i].chain);
    ret->metrics.certificates = mu_measured_since(ret, before);
    before = ret->end_count;
    for (size_t i = 0; i < doors->count; i++)
        mu_measured_add_certs(ret, &doors->at[i].anchors);
    ret->metrics.trust = mu_measured_since(ret, before);
    before = ret->end_count;
    for (size_t i = 0; i < doors->count; i++)
        for (size_t j = 0; j < doors->at[i].list_count; j++)
            mu_measured_add_list(ret, &doors->at[i].lists[j].info);
    ret->metrics.lists = mu_measured_since(ret, before);
}

static void add_backends(const struct mu_doors *doors, struct mu_measured *ret)
{
    const struct mu_backends *set;
    for (size_t i = 0; i < doors->count; i++)
        for (size_t j = 0; (set = mu_door_backends(&doors->at[i], j)) != NULL; j++)
            mu_measured_add_backends(ret, set);
}

static void count(const struct mu_doors *doors, size_t *ret_ends, size_t *ret_backends)
{
    const struct mu_backends *set;
    *ret_ends = *ret_backends = 0;
    for (size_t i = 0; i < doors->count; i++) {
        const struct mu_door *door = &doors->at[i];
        *ret_ends += door->chain.count + door->anchors.count + door->list_count;
        for (size_t j = 0; (set = mu_door_backends(door, j)) != NULL; j++)
            *ret_backends += set->count;
    }
}

/* Who has come in within a day. */
static void count_client(void *arg, const struct mu_seen_client *client)
{
    struct mu_metrics *metrics = arg;
    if (client->again)
        return;
    metrics->clients_seen++;
    if (mu_seen_ends_soon(client, metrics->now, metrics->expiry_warning_s))
        metrics->clients_expiring++;
}

bool mu_front_measure(void *arg, const struct mu_survey *survey, struct mu_measured *ret)
{
    const struct mu_front *front = arg;
    const struct mu_front_events *events = &front->config.events;
    struct mu_metrics *metrics = &ret->metrics;
    size_t ends, backends;
    count(front->doors, &ends, &backends);
    if (!mu_measured_init(ret, front->server, survey, ends, backends))
        return false;
    metrics->version = front->config.version;
    metrics->started = front->started;
    metrics->expiry_warning_s = front->config.expiry_warning_s;
    metrics->log_lines_lost = events->lines_lost == NULL ? 0 : events->lines_lost(events->arg);
    metrics->reloads_done = mu_front_reloads(front).done;
    metrics->reloads_failed = mu_front_reloads(front).failed;
    metrics->max_connections = front->server_config.max_connections;
    add_backends(front->doors, ret);
    add_ends(front->doors, ret);
    metrics->fetches_lists = mu_doors_fetch_lists(front->doors);
    mu_points_count(front->points, &metrics->points);
    metrics->asks_responders = mu_doors_ask_responders(front->doors);
    mu_ocsp_count(front->ocsp, &metrics->ocsp);
    mu_seen_each(front->seen, metrics->now - 24 * 3600, count_client, metrics);
    return true;
}
