#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "front/health.h"
#include "front/internal.h"
#include "front/multiplex.h"
#include "front/upkeep.h"
#include "http/problem.h"

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
static const char http_protocols[] = "\x02h2\x08http/1.1\x08http/1.0";
/* In which a refusal can be explained. */
static const char http1_protocols[] = "\x08http/1.1\x08http/1.0";

/* Why a certificate is not good enough, to the one who came with it. */
static void explain_refusal(const struct mu_refusal *refusal, struct mu_buf *ret)
{
    MU_AUTO_CLEAR(mu_buf) detail = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) body = MU_BUF_INIT;
    mu_buf_addf(&detail, "%s; hint: %s", refusal->sentence, refusal->hint);
    const struct mu_problem problem = {.status = 403,
                                       .id = refusal->id,
                                       .detail = mu_buf_str(&detail)};
    mu_problem_write(&problem, &body);
    mu_buf_addf(ret,
                "HTTP/1.1 403 Forbidden\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                "Connection: close\r\n\r\n%s",
                mu_problem_type, body.len, mu_buf_str(&body));
}

/* A set of doors, and what net has to know of each. */
struct offer {
    struct mu_doors *doors;
    struct mu_points *points; /* the front's */
    struct mu_ocsp *ocsp;
    struct mu_server_door for_net[];
};

static void free_offer(void *arg)
{
    struct offer *offer = arg;
    mu_doors_free(offer->doors);
    free(offer);
}

static unsigned log_of(const struct mu_door *door, const struct mu_front_config *front)
{
    return door->config->has_log ? door->config->log : front->log;
}

/* Of all events those that this door's log wants. */
static void choose_events(struct mu_door *door, const struct mu_front_config *front)
{
    const unsigned log = log_of(door, front);
    const bool troubles = (log & MU_LOG_TROUBLES) != 0,
               connections = (log & MU_LOG_CONNECTIONS) != 0;
    door->events = front->events;
    if ((log & MU_LOG_REQUESTS) == 0)
        door->events.requested = NULL;
    if (!troubles)
        door->events.failed = NULL;
    if (!troubles && !connections)
        door->events.forwarded = NULL;
    door->events.only_failed = !connections;
}

static void describe_proxies(struct mu_door *door)
{
    door->proxy = (struct mu_proxy){
        .backends = &door->backends,
        .deadlines = &door->deadlines,
        .carry_ms = door->config->deadlines.idle_ms == UINT_MAX ? 0 : door->deadlines.idle_ms,
        .requests = &door->requests,
        .events = &door->events,
        .door = door,
    };
    for (size_t i = 0; i < door->config->route_count; i++) {
        struct mu_route *route = &door->routes[i];
        route->proxy = door->proxy;
        if (route->backends.count > 0)
            route->proxy.backends = &route->backends;
    }
}

static bool admits(const void *rules, const void *former, const struct mu_cert *client,
                   struct mu_refusal *ret)
{
    const struct mu_identity *who = mu_identity_of(client);
    mu_refusal_set(ret, MU_REFUSAL_ACCESS_UNCLEAR);
    return (client == NULL || who != NULL) && mu_door_still_admits(rules, former, who, ret);
}

/* NULL: nobody is asked, and nothing is kept for it; lists are large. */
static const struct mu_voucher *describe_responders(struct mu_door *door, struct mu_ocsp *ocsp)
{
    const struct mu_door_config *config = door->config;
    if (ocsp == NULL || config->fetch_ocsp.count == 0)
        return NULL;
    door->responders =
        (struct mu_ocsp_door){.ocsp = ocsp,
                              .hosts = &config->fetch_ocsp,
                              .grace_s = config->crl_grace_said ? config->crl_grace_s
                                                                : MU_CRL_GRACE_CLOSED,
                              .lists = mu_tls_lists_ref(door->revoked)};
    door->voucher = mu_ocsp_voucher(&door->responders);
    return &door->voucher;
}

static void describe_to_net(struct mu_door *door, const struct mu_front_config *front,
                            struct mu_server_door *ret)
{
    const bool http = door->backends.count == 0 || door->backends.http;
    const bool answers = door->backends.count == 0;
    const struct mu_front_events *events = &door->events;
    choose_events(door, front);
    describe_proxies(door);
    door->forward = (struct mu_forward){
        .door = door,
        .backends = &door->backends,
        .send_proxy = door->config->send_proxy,
        .connect_ms = door->deadlines.connect_ms,
        .idle_ms = door->deadlines.idle_ms,
        .lifetime_ms = door->deadlines.lifetime_ms,
        .forwarded = events->forwarded,
        .only_failed = events->only_failed,
        .arg = events->arg,
    };
    *ret = (struct mu_server_door){
        .tls = {.chain = &door->chain,
                .key = door->key,
                .anchors = &door->anchors,
                .lists = door->revoked,
                .clients_optional = door->config->clients_optional,
                .explains = door->config->explains,
                .only_tls13 = door->config->only_tls13,
                .alpn = !http                    ? (door->alpn[0] != '\0' ? door->alpn : NULL)
                        : door->config->explains ? http1_protocols
                                                 : http_protocols,
                .session_age_s = door->config->session_age_s},
        .proxied = door->config->proxy_protocol,
        .proxies = door->proxies,
        .proxy_count = door->proxy_count,
        .listen = door->listen,
        .listen_count = door->listen_count,
        .deadlines = {.handshake_ms = door->deadlines.handshake_ms,
                      .write_ms = door->deadlines.write_ms,
                      .linger_ms = LINGER_MS},
        .protocol = answers ? &mu_answer_protocol
                    : http  ? &mu_proxy_protocol
                            : &mu_forward_protocol,
        .protocol_arg = answers ? (void *)door
                        : http  ? (void *)&door->proxy
                                : (void *)&door->forward,
        .h2 = http ? &mu_multiplex_protocol : NULL,
        .h2_arg = door,
        .explain = door->config->explains ? explain_refusal : NULL,
        .quiet = (log_of(door, front) & MU_LOG_REFUSALS) == 0,
        .admits = admits,
        .rules = door,
        .voucher = describe_responders(door, front->loader.ocsp),
        .names = &door->config->names,
        .plain_http_answer = http ? plain_http_answer : NULL,
    };
}

/* `doors` go with the offer. NULL without memory. */
static struct offer *make_offer(struct mu_doors *doors, const struct mu_front_config *front)
{
    struct offer *offer = calloc(1, sizeof *offer + doors->count * sizeof offer->for_net[0]);
    if (offer == NULL)
        return NULL;
    offer->doors = doors;
    offer->points = front->loader.points;
    offer->ocsp = front->loader.ocsp;
    for (size_t i = 0; i < doors->count; i++)
        describe_to_net(&doors->at[i], front, &offer->for_net[i]);
    return offer;
}

/* What is done for a set of doors from time to time. */
struct task {
    struct mu_health *health;
    struct mu_upkeep *upkeep;
    struct mu_points_task *points;
    struct mu_ocsp_task *ocsp;
};

static void *begin_task(void *arg, struct mu_worker *worker)
{
    const struct offer *offer = arg;
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL)
        return NULL;
    task->health = mu_health_begin(worker, offer->doors);
    task->upkeep = mu_upkeep_begin(worker, offer->doors);
    if (mu_doors_fetch_lists(offer->doors))
        task->points = mu_points_begin(offer->points, worker);
    if (mu_doors_ask_responders(offer->doors))
        task->ocsp = mu_ocsp_begin(offer->ocsp, worker);
    return task;
}

static void end_task(void *arg)
{
    struct task *task = arg;
    mu_health_end(task->health);
    mu_upkeep_end(task->upkeep);
    mu_points_end(task->points);
    mu_ocsp_end(task->ocsp);
    free(task);
}

static struct mu_server_doors doors_of(struct offer *offer)
{
    return (struct mu_server_doors){.at = offer->for_net,
                                    .count = offer->doors->count,
                                    .begun = begin_task,
                                    .ended = end_task,
                                    .released = free_offer,
                                    .arg = offer};
}

static int add_status(struct mu_front *front, const char *text, struct mu_error *err)
{
    struct mu_address addresses[MU_PLAIN_MAX] = {0};
    size_t count = 0;
    if (text == NULL)
        return 0;
    if (mu_address_parse(text, addresses, MU_PLAIN_MAX - 1, &count, err) != 0)
        return -1;
    front->status = (struct mu_probe){.measure = mu_front_measure, .arg = front};
    for (size_t i = 0; i < count; i++)
        front->plain[front->plain_count++] = (struct mu_plain_config){.address = addresses[i],
                                                                      .hint = MU_STATUS_HINT,
                                                                      .handler = &mu_probe_handler,
                                                                      .arg = &front->status};
    return 0;
}

static int add_control(struct mu_front *front, const struct mu_config *config, struct mu_error *err)
{
    char text[MU_ADDRESS_LEN + sizeof "unix:"];
    struct mu_address address = {0};
    size_t count = 0;
    if (config->control == NULL)
        return 0;
    snprintf(text, sizeof text, "unix:%s", config->control);
    if (mu_address_parse(text, &address, 1, &count, err) != 0)
        return config->control_by_default ? 0 : -1;
    front->control = (struct mu_probe){.measure = mu_front_measure, .arg = front, .front = front};
    front->plain[front->plain_count++] =
        (struct mu_plain_config){.address = address,
                                 .handler = &mu_probe_handler,
                                 .arg = &front->control,
                                 .owner_only = true,
                                 .wants_connections = true,
                                 .optional = config->control_by_default,
                                 .hint = "choose another place with --control PATH, or stop the "
                                         "server that holds this one"};
    return 0;
}

bool mu_front_barred(void *arg, const struct mu_cert *client, struct mu_refusal *ret)
{
    const struct mu_front *front = arg;
    if (mu_ocsp_revokes(front->ocsp, client, ret))
        return true;
    if (!mu_kicks_any(front->kicks))
        return false;
    const struct mu_identity *who = mu_identity_of(client);
    mu_refusal_set(
        ret,
        MU_REFUSAL_ACCESS_UNCLEAR); /* without memory for who it is, it may be who was kicked out */
    return who == NULL || mu_kicks_hit(front->kicks, who, time(NULL), ret);
}

static void on_met(void *arg, const struct mu_vetted *client, const void *rules, const char *name)
{
    const struct mu_front *front = arg;
    const struct mu_door *door = rules;
    mu_seen_note(front->seen, client, door->config->listen.at[0], name, time(NULL));
}

static int make_server(struct mu_front *front, const struct mu_config *config,
                       const struct mu_server_doors *doors, struct mu_error *err)
{
    front->server_config = (struct mu_server_config){
        .workers = config->workers,
        .max_connections = config->max_connections,
        .max_from_address = config->max_from_address,
        .max_handshakes = config->max_handshakes,
        .sessions = SESSIONS,
        .stop_ms = config->stop_ms,
        .alive_ms = front->config.alive_ms,
        .events = front->config.server_events,
    };
    front->started = time(NULL);
    if (add_status(front, config->status, err) != 0 || add_control(front, config, err) != 0)
        return -1;
    front->server_config.plain = front->plain;
    front->server_config.plain_count = front->plain_count;
    front->server_config.events.hangup = mu_front_on_hangup;
    front->server_config.events.moved = mu_front_on_moved;
    front->server_config.events.barred = mu_front_barred;
    front->server_config.events.met = on_met;
    front->server_config.events.introduce = mu_front_introduce;
    front->server_config.events.told = mu_front_told;
    front->server_config.events.reload_arg = front;
    return mu_server_new(&front->server_config, doors, &front->server, err);
}

void mu_front_let_go(struct mu_lists_held *held)
{
    for (size_t i = 0; i < held->count; i++)
        mu_tls_lists_unref(held->at[i]);
    free(held->at);
    *held = (struct mu_lists_held){.count = 0};
}

static int hold_lists(const struct mu_doors *doors, struct mu_lists_held *ret, struct mu_error *err)
{
    ret->at = calloc(doors->count + 1, sizeof(struct mu_tls_lists *));
    if (ret->at == NULL)
        return mu_fail_nomem(err);
    for (; ret->count < doors->count; ret->count++)
        ret->at[ret->count] = mu_tls_lists_ref(doors->at[ret->count].revoked);
    return 0;
}

int mu_front_put_in_force(struct mu_front *front, struct mu_doors *doors, struct mu_error *err)
{
    struct mu_lists_held lists = {.count = 0};
    struct offer *offer = make_offer(doors, &front->config);
    if (offer == NULL || hold_lists(doors, &lists, err) != 0) {
        free(offer);
        mu_doors_free(doors);
        return mu_fail_nomem(err);
    }
    const struct mu_server_doors for_net = doors_of(offer);
    const int result = front->server == NULL ? make_server(front, doors->config, &for_net, err)
                                             : mu_server_replace(front->server, &for_net, err);
    if (result != 0) {
        mu_front_let_go(&lists);
        free_offer(offer);
        return result;
    }
    mu_doors_drop_lists(doors);
    mu_front_let_go(&front->former_lists); /* all have moved, or there would be nothing to replace */
    front->former_lists = front->lists;
    front->lists = lists;
    front->doors = doors;
    return 0;
}

int mu_front_check(struct mu_doors *doors, struct mu_error *err)
{
    const struct mu_front_config nobody = {.configure = NULL};
    struct offer *offer = make_offer(doors, &nobody);
    if (offer == NULL)
        return mu_fail_nomem(err);
    const struct mu_server_doors for_net = doors_of(offer);
    int result = mu_server_check(&for_net, err);
    free(offer);
    return result;
}

const struct mu_doors *mu_front_doors(const struct mu_front *front)
{
    return front->doors;
}

const struct mu_address *mu_front_status_address(const struct mu_front *front)
{
    return front->status.measure == NULL ? NULL : &front->plain[0].address;
}

const char *mu_front_control(const struct mu_front *front, int *ret_missing)
{
    const struct mu_plain_config *last =
        front->plain_count == 0 ? NULL : &front->plain[front->plain_count - 1];
    const bool is = last != NULL && last->arg == &front->control;
    *ret_missing = is ? last->missing : 0;
    return is && last->missing == 0 ? mu_address_path(&last->address) : NULL;
}

struct mu_seen *mu_front_seen(const struct mu_front *front)
{
    return front->seen;
}

struct mu_kicks *mu_front_kicks(const struct mu_front *front)
{
    return front->kicks;
}

time_t mu_front_started(const struct mu_front *front)
{
    return front->started;
}

struct mu_server *mu_front_server(const struct mu_front *front)
{
    return front->server;
}
