#include "front/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "front/internal.h"
#include "front/rate.h"
#include "http/problem.h"
#include "net/crowd.h"

/* --- The connection --- */

/* False: the door is full; who has no place yet may ask again. */
static bool take_place(struct mu_guard *guard)
{
    const struct mu_door *door = guard->door;
    const unsigned most = door == NULL ? 0 : door->config->limits.connections;
    if (most == 0 || guard->counted)
        return true;
    guard->counted = atomic_fetch_add_explicit(&door->tally->open, 1, memory_order_relaxed) < most;
    if (!guard->counted)
        atomic_fetch_sub_explicit(&door->tally->open, 1, memory_order_relaxed);
    return guard->counted;
}

void mu_guard_open(struct mu_guard *guard, const struct mu_door *door, struct mu_conn *conn)
{
    *guard = (struct mu_guard){.door = door, .conn = conn};
    (void)take_place(guard);
}

void mu_guard_close(struct mu_guard *guard)
{
    if (guard->counted)
        atomic_fetch_sub_explicit(&guard->door->tally->open, 1, memory_order_relaxed);
    guard->counted = false;
}

static const struct mu_identity *who_is(struct mu_guard *guard)
{
    if (!guard->knows)
        guard->who = mu_identity_of(mu_conn_client(guard->conn));
    guard->knows = true;
    return guard->who;
}

/* Counted each time; said once for each reason and connection, or a client could fill a disk with it. */
static void refuse(struct mu_guard *guard, struct mu_permit *permit, int status,
                   const struct mu_refusal *refusal, bool *told)
{
    if (*told)
        mu_count_refusal(mu_conn_counters(guard->conn), refusal);
    else
        mu_conn_refuse(guard->conn, refusal);
    *told = true;
    permit->status = status;
    permit->id = mu_refusal_id(refusal->code);
}

/* --- Who --- */

/* There is a certificate, and no memory for who that is: that must not be taken for nobody, who may be let in. */
static bool is_unknown(struct mu_guard *guard)
{
    return who_is(guard) == NULL && mu_conn_client(guard->conn) != NULL;
}

static bool judge(struct mu_guard *guard, const struct mu_access *access, unsigned bit,
                  struct mu_permit *permit)
{
    struct mu_access_verdict verdict;
    struct mu_refusal refusal;
    const uint64_t mask = UINT64_C(1) << bit;
    if ((guard->judged & guard->passed & mask) != 0)
        return true;
    bool told = (guard->judged & mask) != 0;
    const bool yes = mu_access_judge(access, who_is(guard), &verdict) && !is_unknown(guard);
    guard->judged |= mask;
    guard->passed |= yes ? mask : 0;
    if (yes)
        return true;
    mu_access_refusal(&verdict, guard->who, &refusal);
    mu_access_rule_id(&verdict, permit->rule);
    refuse(guard, permit, 403, &refusal, &told);
    return false;
}

/* --- How often --- */

static uint64_t client_key(struct mu_guard *guard)
{
    uint64_t key;
    const struct mu_identity *who = who_is(guard);
    if (who == NULL)
        return mu_crowd_key(mu_conn_peer(guard->conn));
    memcpy(&key, who->sha256, sizeof key);
    return key;
}

static bool take(struct mu_guard *guard, struct mu_rates *rates, uint64_t key,
                 struct mu_permit *permit)
{
    struct mu_refusal refusal;
    if (rates == NULL || key == 0 ||
        mu_rates_take(rates, key, mu_backend_now_ms(), &permit->retry_s))
        return true;
    mu_refusal_set(&refusal, MU_REFUSAL_RATE);
    refuse(guard, permit, 429, &refusal, &guard->told_rate);
    snprintf(permit->detail, sizeof permit->detail,
             "there have been too many requests; there may be another one in %u second%s",
             permit->retry_s, permit->retry_s == 1 ? "" : "s");
    return false;
}

static bool is_in_time(struct mu_guard *guard, struct mu_permit *permit)
{
    const struct mu_tally *tally = guard->door->tally;
    return tally == NULL ||
           ((tally->address_rates == NULL ||
             take(guard, tally->address_rates, mu_crowd_key(mu_conn_peer(guard->conn)), permit)) &&
            (tally->rates == NULL || take(guard, tally->rates, client_key(guard), permit)));
}

static bool has_room(struct mu_guard *guard, struct mu_permit *permit)
{
    struct mu_refusal refusal;
    if (take_place(guard))
        return true;
    mu_refusal_set(&refusal, MU_REFUSAL_DOOR_FULL);
    permit->retry_s = 1;
    refuse(guard, permit, 503, &refusal, &guard->told_full);
    mu_str_copy(permit->detail, sizeof permit->detail,
                "there are as many connections at this door as may be");
    return false;
}

/* --- Requests --- */

static bool find_route(struct mu_guard *guard, const struct mu_request *request, size_t *ret,
                       struct mu_permit *permit)
{
    const struct mu_door_config *config = guard->door->config;
    const char *why;
    struct mu_route_request asked = {.method = request->method, .target = request->target};
    asked.host = mu_request_host(request, &asked.host_len);
    *ret = config->route_count;
    if (config->route_count == 0 ||
        mu_route_choose(config->routes, config->route_count, &asked, ret, &why))
        return true;
    permit->status = 400;
    permit->id = "ambiguous-request";
    mu_str_copy(permit->detail, sizeof permit->detail, why);
    return false;
}

bool mu_guard_ask(struct mu_guard *guard, const struct mu_request *request, struct mu_permit *ret)
{
    const struct mu_door *door = guard->door;
    size_t i;
    ret->status = 0;
    ret->route = NULL;
    ret->rule[0] = ret->detail[0] = '\0';
    ret->retry_s = 0;
    if (!door->guarded)
        return true;
    if (!has_room(guard, ret) || !is_in_time(guard, ret) || !find_route(guard, request, &i, ret))
        return false;
    const bool routed = i < door->config->route_count;
    ret->route = routed ? &door->routes[i] : NULL;
    const struct mu_access *access =
        routed ? &door->config->routes[i].access : &door->config->access;
    return judge(guard, access, (unsigned)i, ret);
}

bool mu_guard_ask_carried(struct mu_guard *guard)
{
    struct mu_permit permit;
    if (guard->door == NULL || !guard->door->guarded)
        return true;
    permit.rule[0] = permit.detail[0] = '\0';
    return has_room(guard, &permit) && is_in_time(guard, &permit) &&
           judge(guard, &guard->door->config->access, 0, &permit);
}

void mu_guard_respond(struct mu_guard *guard, const struct mu_permit *permit,
                      struct mu_response *ret)
{
    char known[256] = "", detail[768] = "";
    const struct mu_problem problem = {
        .status = permit->status,
        .id = permit->id,
        .detail = permit->detail[0] != '\0' ? permit->detail : detail,
        .rule = permit->rule[0] == '\0' ? NULL : permit->rule,
        .client = permit->status == 403 ? known : NULL,
    };
    if (permit->status == 403) {
        mu_identity_text(who_is(guard), known, sizeof known);
        snprintf(detail, sizeof detail,
                 "you are known here as %s, and that is not let in by the rule %s", known,
                 permit->rule);
    }
    ret->status = permit->status;
    ret->content_type = mu_problem_type;
    mu_problem_write(&problem, &ret->text);
    if (permit->retry_s > 0)
        mu_buf_addf(&ret->headers, "Retry-After: %u\r\n", permit->retry_s);
}

/* --- For the backend --- */

/* What the backend is to be told of the client's certificate: lines of a head. */
static void tell(struct mu_guard *guard, struct mu_buf *ret)
{
    const struct mu_door *door = guard->door;
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    if (door->config->tell == 0 || who_is(guard) == NULL)
        return;
    const struct mu_told_about about = {.who = guard->who, .chain = &chain, .door = door->identity};
    if (!mu_conn_chain(guard->conn, &chain)) {
        ret->failed = true;
        return;
    }
    /* Without the CA that is trusted. [RFC 9440 2.3] */
    while (chain.count > 1 && mu_certs_hold(&door->anchors, chain.at[chain.count - 1]))
        mu_cert_free(chain.at[--chain.count]);
    mu_told_write(door->config->tell, &about, ret);
}

/* "192.0.2.7"; NULL for a client that comes over a Unix socket. */
static const char *client_ip(const struct mu_address *peer, char ret[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer->sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer->sa;
    if (peer->sa.ss_family == AF_INET)
        return inet_ntop(AF_INET, &v4->sin_addr, ret, INET6_ADDRSTRLEN);
    if (peer->sa.ss_family == AF_INET6)
        return inet_ntop(AF_INET6, &v6->sin6_addr, ret, INET6_ADDRSTRLEN);
    return NULL;
}

bool mu_guard_describe_client(struct mu_guard *guard, struct mu_buf *told,
                              struct mu_relay_client *ret)
{
    char ip[INET6_ADDRSTRLEN];
    if (ret->len > 0)
        return !mu_buf_failed(told);
    mu_relay_client_init(ret, client_ip(mu_conn_peer(guard->conn), ip));
    tell(guard, told);
    ret->more = told->data;
    ret->more_len = told->len;
    ret->method_counts = guard->door->method_counts;
    ret->place_counts = guard->door->place_counts;
    return !mu_buf_failed(told);
}
