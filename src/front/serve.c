#include <stdlib.h>

#include "front/internal.h"

/* For a client to close when all is said; nobody has needed to choose it yet. */
enum { LINGER_MS = 3 * 1000 };

/* That are kept for clients who come back, of all workers. */
enum { SESSIONS = 8192 };

/* What nginx does, too: a person who typed http:// sees what to do. */
static const char plain_http_answer[] =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 81\r\n"
    "Connection: close\r\n\r\n"
    "400 Bad Request: this port speaks HTTPS; use https:// and a client certificate.\r\n";

/* HTTP/1.0 has a name of its own, and curl --http1.0 offers no other. */
static const char http_protocols[] = "\x08http/1.1\x08http/1.0";

struct mu_front {
    struct mu_front_events events;
    struct mu_doors *doors;
    struct mu_server_door *server_doors; /* what net has to know of them */
    struct mu_server_config server_config;
    struct mu_server *server;
};

static void describe_to_net(struct mu_door *door, const struct mu_config *config,
                            const struct mu_front_events *events, struct mu_server_door *ret)
{
    const bool forwards = door->backends.count > 0;
    door->events = events;
    door->forward = (struct mu_forward){
        .backends = &door->backends,
        .connect_ms = door->deadlines.connect_ms,
        .idle_ms = door->deadlines.idle_ms,
        .forwarded = events->forwarded,
        .only_failed = events->only_failed,
        .arg = events->arg,
    };
    *ret = (struct mu_server_door){
        .tls = {.chain = &door->chain,
                .key = door->key,
                .anchors = &door->anchors,
                .crls = &door->crls,
                .alpn = forwards ? NULL : http_protocols,
                .sessions = SESSIONS / config->workers + 1},
        .listen = door->listen,
        .listen_count = door->listen_count,
        .deadlines = {.handshake_ms = door->deadlines.handshake_ms,
                      .write_ms = door->deadlines.write_ms,
                      .linger_ms = LINGER_MS},
        .protocol = forwards ? &mu_forward_protocol : &mu_answer_protocol,
        .protocol_arg = forwards ? (void *)&door->forward : door,
        .plain_http_answer = forwards ? NULL : plain_http_answer,
    };
}

int mu_front_new(struct mu_doors *doors, const struct mu_front_config *config,
                 struct mu_front **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_front) front = calloc(1, sizeof *front);
    if (front == NULL) {
        mu_doors_free(doors);
        return mu_fail_nomem(err);
    }
    front->doors = doors;
    front->events = config->events;
    front->server_doors = calloc(doors->count, sizeof *front->server_doors);
    if (front->server_doors == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < doors->count; i++)
        describe_to_net(&doors->at[i], doors->config, &front->events, &front->server_doors[i]);
    front->server_config = (struct mu_server_config){
        .doors = front->server_doors,
        .door_count = doors->count,
        .workers = doors->config->workers,
        .max_connections = doors->config->max_connections,
        .stop_ms = doors->config->stop_ms,
        .alive_ms = config->alive_ms,
        .events = config->server_events,
    };
    if (mu_server_new(&front->server_config, &front->server, err) != 0)
        return -1;
    *ret = mu_take(&front);
    return 0;
}

void mu_front_free(struct mu_front *front)
{
    if (front == NULL)
        return;
    mu_server_free(front->server);
    free(front->server_doors);
    mu_doors_free(front->doors);
    free(front);
}

int mu_front_check(struct mu_doors *doors, struct mu_error *err)
{
    for (size_t i = 0; i < doors->count; i++) {
        const struct mu_front_events nobody = {.arg = NULL};
        struct mu_server_door door;
        MU_AUTO_STRUCT(mu_tls_context) context = NULL;
        describe_to_net(&doors->at[i], doors->config, &nobody, &door);
        if (mu_tls_context_new(&door.tls, &context, err) != 0)
            return -1;
    }
    return 0;
}

const struct mu_doors *mu_front_doors(const struct mu_front *front)
{
    return front->doors;
}

struct mu_server *mu_front_server(struct mu_front *front)
{
    return front->server;
}
