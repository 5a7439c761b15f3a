#include <stdlib.h>

#include "front/internal.h"

/* For a client to close when all is said; nobody has needed to choose it yet. */
enum { LINGER_MS = 3 * 1000 };

/* What nginx does, too: a person who typed http:// sees what to do. */
static const char plain_http_answer[] =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 81\r\n"
    "Connection: close\r\n\r\n"
    "400 Bad Request: this port speaks HTTPS; use https:// and a client certificate.\r\n";

/* HTTP/1.0 has a name of its own, and curl --http1.0 offers no other. */
static const char http_protocols[] = "\x08http/1.1\x08http/1.0";

int mu_front_new(const struct mu_front_config *config, struct mu_front **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_front) front = calloc(1, sizeof *front);
    if (front == NULL)
        return mu_fail_nomem(err);
    front->config = config;
    const bool forwards = config->backends != NULL && config->backends->count > 0;
    front->door = config->door;
    front->door.alpn = forwards ? NULL : http_protocols;
    front->server_config = (struct mu_server_config){
        .door = &front->door,
        .listen = config->listen,
        .listen_count = config->listen_count,
        .workers = config->workers,
        .max_connections = config->max_connections,
        .deadlines = {.handshake_ms = config->deadlines.handshake_ms,
                      .write_ms = config->deadlines.write_ms,
                      .linger_ms = LINGER_MS,
                      .stop_ms = config->deadlines.stop_ms},
        .alive_ms = config->alive_ms,
        .protocol = forwards ? &mu_forward_protocol : &mu_answer_protocol,
        .protocol_arg = front,
        .plain_http_answer = forwards ? NULL : plain_http_answer,
        .events = config->events,
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
    free(front);
}

struct mu_server *mu_front_server(struct mu_front *front)
{
    return front->server;
}
