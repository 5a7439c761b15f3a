#include "cli/serve_status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h" /* made by meson.build: MU_VERSION */
#include "cli/seen.h"

static json_t *door_json(const struct mu_front *front, size_t i)
{
    char text[MU_ADDRESS_LEN];
    const struct mu_server *server = mu_front_server(front);
    const struct mu_backends *backends = &mu_front_doors(front)->at[i].backends;
    json_t *listen = json_array(), *to = json_array();
    for (size_t j = 0; j < mu_server_address_count(server); j++)
        if (mu_server_door_is_at(server, i, j))
            json_array_append_new(listen,
                                  json_string(mu_address_text(mu_server_address(server, j), text)));
    for (size_t j = 0; j < backends->count; j++)
        json_array_append_new(to, json_pack("{s:s, s:i}", "url", backends->at[j].name, "connections",
                                            (int)atomic_load_explicit(&backends->at[j].state->open,
                                                                      memory_order_relaxed)));
    return json_pack("{s:o, s:o}", "listen", listen, "to", to);
}

static json_t *connection_json(const struct mu_connection_view *view)
{
    char peer[MU_ADDRESS_LEN];
    struct mu_who who = {.subject = ""};
    if (view->client != NULL)
        mu_who_read(view->client, &who);
    return json_pack("{s:s, s:i, s:b, s:b, s:b, s:s, s:s, s:s, s:b, s:I, s:I, s:I}", "peer",
                     mu_address_text(&view->peer, peer), "door", (int)view->door, "former",
                     view->former, "admitted", view->admitted, "expelled", view->expelled,
                     "subject", who.subject, "san", who.san, "tls", view->tls, "resumed",
                     view->resumed, "age_milliseconds", (json_int_t)view->age_ms, "received",
                     (json_int_t)view->received, "sent", (json_int_t)view->sent);
}

static uint64_t sum(const uint64_t *counters, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++)
        all += counters[i];
    return all;
}

static json_t *totals_json(const struct mu_counters *counters)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accepted",
                     (json_int_t)counters->accepted, "admitted", (json_int_t)counters->admitted,
                     "resumed", (json_int_t)counters->resumed, "refused",
                     (json_int_t)sum(counters->refused, MU_REFUSAL_COUNT), "requests",
                     (json_int_t)sum(counters->answers, MU_STATUS_CLASSES), "received",
                     (json_int_t)counters->received, "sent", (json_int_t)counters->sent);
}

static void add_kicked(void *arg, const char *who, time_t until)
{
    json_array_append_new(arg, json_pack("{s:s, s:I}", "client", who, "until", (json_int_t)until));
}

void mu_serve_status(const struct mu_front *front, const struct mu_survey *survey,
                     struct mu_buf *ret)
{
    struct mu_counters counters;
    const struct mu_doors *in_force = mu_front_doors(front);
    json_t *doors = json_array(), *connections = json_array(), *kicked = json_array();
    mu_server_count(mu_front_server(front), &counters);
    for (size_t i = 0; i < in_force->count; i++)
        json_array_append_new(doors, door_json(front, i));
    for (size_t i = 0; i < survey->connection_count; i++)
        json_array_append_new(connections, connection_json(&survey->connections[i]));
    mu_kicks_each(mu_front_kicks(front), time(NULL), add_kicked, kicked);
    json_t *all =
        json_pack("{s:s, s:i, s:i, s:i, s:b, s:I, s:o, s:o, s:o, s:o}", "version", MU_VERSION,
                  "process", (int)getpid(), "workers", (int)survey->workers, "workers_alive",
                  (int)survey->alive, "stopping", survey->stopping, "age_seconds",
                  (json_int_t)(time(NULL) - mu_front_started(front)), "doors", doors, "totals",
                  totals_json(&counters), "kicked", kicked, "connections", connections);
    char *text = all == NULL ? NULL : json_dumps(all, JSON_COMPACT);
    if (text != NULL)
        mu_buf_adds(ret, text);
    mu_buf_adds(ret, "\n");
    free(text);
    json_decref(all);
}

/* --- Who has come in lately --- */

struct telling {
    const struct mu_survey *survey;
    unsigned char (
        *connected)[32]; /* of each connection that has a client, its certificate's SHA-256; sorted */
    size_t connected_count;
    json_t *clients;
};

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static void note_connected(struct telling *telling)
{
    const struct mu_survey *survey = telling->survey;
    telling->connected = calloc(survey->connection_count + 1, sizeof *telling->connected);
    for (size_t i = 0; telling->connected != NULL && i < survey->connection_count; i++)
        if (survey->connections[i].client != NULL)
            mu_cert_sha256(survey->connections[i].client,
                           telling->connected[telling->connected_count++]);
    if (telling->connected_count > 0)
        qsort(telling->connected, telling->connected_count, sizeof *telling->connected, compare);
}

static void add_client(void *arg, const struct mu_seen_client *client)
{
    char listen[MU_PATH_LEN];
    struct telling *telling = arg;
    const bool connected = telling->connected_count > 0 &&
                           bsearch(client->sha256, telling->connected, telling->connected_count,
                                   sizeof *telling->connected, compare) != NULL;
    json_array_append_new(telling->clients,
                          json_pack("{s:s, s:s, s:I, s:b, s:s}", "listen",
                                    mu_listen_whole(client->listen, listen), "name", client->asked,
                                    "last_seen", (json_int_t)client->last, "connected", connected,
                                    "chain", client->chain));
}

void mu_serve_seen(const struct mu_front *front, const struct mu_survey *survey, struct mu_buf *ret)
{
    const struct mu_doors *doors = mu_front_doors(front);
    struct telling telling = {.survey = survey, .clients = json_array()};
    MU_AUTO_CLEAR(mu_buf) trust = MU_BUF_INIT;
    for (size_t i = 0; i < doors->count; i++)
        mu_certs_to_pem(&doors->at[i].anchors, &trust);
    note_connected(&telling);
    mu_seen_each(mu_front_seen(front), 0, add_client, &telling);
    json_t *all = json_pack("{s:I, s:s, s:o}", "age_seconds",
                            (json_int_t)(time(NULL) - mu_front_started(front)), "trust",
                            mu_buf_str(&trust), "clients", telling.clients);
    char *text = all == NULL ? NULL : json_dumps(all, JSON_COMPACT);
    if (text != NULL)
        mu_buf_adds(ret, text);
    mu_buf_adds(ret, "\n");
    free(text);
    free(telling.connected);
    json_decref(all);
}
