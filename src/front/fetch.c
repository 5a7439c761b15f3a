#include "front/fetch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/exchange.h"
#include "front/exchange_h2.h"
#include "net/lookup.h"
#include "net/timer.h"
#include "pki/cidr.h"

enum { CONNECT_S = 5 }; /* to find a host, and to reach each address of it */

/* --- Where to --- */

static bool is_made_of(const char *text, size_t len, const char *allowed)
{
    return len > 0 && strspn(text, allowed) >= len;
}

static bool take_port(const char *text, size_t len, char ret[6])
{
    if (!is_made_of(text, len, "0123456789") || len > 5)
        return false;
    snprintf(ret, 6, "%.*s", (int)len, text);
    const long port = strtol(ret, NULL, 10);
    return port > 0 && port <= 65535;
}

/* HOST[:PORT] or [IPV6][:PORT]. */
static bool take_authority(const char *text, size_t len, struct mu_fetch_url *ret)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    const bool bracketed = *text == '[';
    const char *end = memchr(text, bracketed ? ']' : ':', len);
    const char *host = bracketed ? text + 1 : text;
    if (bracketed && end == NULL)
        return false;
    const size_t host_len = (size_t)((end == NULL ? text + len : end) - host);
    const char *rest = host + host_len + (bracketed ? 1 : 0);
    const size_t rest_len = (size_t)(text + len - rest);
    if (!is_made_of(host, host_len, bracketed ? "0123456789abcdefABCDEF:." : name) ||
        host_len >= sizeof ret->host || len >= sizeof ret->authority)
        return false;
    snprintf(ret->host, sizeof ret->host, "%.*s", (int)host_len, host);
    snprintf(ret->authority, sizeof ret->authority, "%.*s", (int)len, text);
    snprintf(ret->port, sizeof ret->port, "80");
    return rest_len == 0 || (*rest == ':' && take_port(rest + 1, rest_len - 1, ret->port));
}

bool mu_fetch_url_parse(const char *text, struct mu_fetch_url *ret)
{
    static const char scheme[] = "http://";
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~:/?[]@!$&'()*+,;=%";
    const size_t scheme_len = sizeof scheme - 1, len = strlen(text);
    *ret = (struct mu_fetch_url){.host = ""};
    if (len >= MU_FETCH_URL_MAX || !mu_str_starts_with(text, scheme) || strspn(text, allowed) != len)
        return false;
    const char *authority = text + scheme_len;
    const size_t authority_len = strcspn(authority, "/?");
    const char *target = authority + authority_len;
    snprintf(ret->target, sizeof ret->target, "%s%s", *target == '/' ? "" : "/", target);
    return authority_len > 0 && take_authority(authority, authority_len, ret);
}

bool mu_fetch_host_is_good(const char *text)
{
    struct mu_fetch_url url = {.host = ""};
    return mu_str_equal(text, "all") || (*text != '\0' && take_authority(text, strlen(text), &url));
}

enum mu_fetch_right mu_fetch_right(const struct mu_strs *hosts, const struct mu_fetch_url *url)
{
    enum mu_fetch_right right = MU_FETCH_NEVER;
    for (size_t i = 0; i < hosts->count; i++) {
        struct mu_fetch_url named = {.host = ""};
        if (mu_str_equal(hosts->at[i], "all"))
            right = MU_FETCH_PUBLIC;
        else if (take_authority(hosts->at[i], strlen(hosts->at[i]), &named) &&
                 strcasecmp(named.host, url->host) == 0 && mu_str_equal(named.port, url->port))
            return MU_FETCH_NAMED;
    }
    return right;
}

enum mu_fetch_right mu_fetch_right_to(const struct mu_strs *hosts, const char *url)
{
    struct mu_fetch_url parsed;
    return mu_fetch_url_parse(url, &parsed) ? mu_fetch_right(hosts, &parsed) : MU_FETCH_NEVER;
}

/* What is not somewhere on the internet, or leads to such a place by another road. [RFC 6890, RFC 3879] */
static const char *const off_internet[] = {
    "0.0.0.0/8",     "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",   "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4",
    "240.0.0.0/4",   "::/96",        "::ffff:0:0/96",  "64:ff9b::/96",  "64:ff9b:1::/48",
    "2001::/32",     "2002::/16",    "fc00::/7",       "fe80::/10",     "fec0::/10",
    "ff00::/8",
};
static struct {
    struct mu_cidr at[MU_COUNT(off_internet)];
    bool good;
} blocks;

static void parse_blocks(void)
{
    struct mu_error ignored = MU_ERROR_INIT;
    blocks.good = true;
    for (size_t i = 0; i < MU_COUNT(off_internet); i++)
        blocks.good = blocks.good && mu_cidr_parse(off_internet[i], &blocks.at[i], &ignored) == 0;
}

bool mu_fetch_is_public(const struct mu_address *address)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, parse_blocks);
    return blocks.good && !mu_address_is_in(address, blocks.at, MU_COUNT(off_internet));
}

/* --- The request --- */

/* Who answers is a backend for as long as it takes, and alone. */
struct mu_fetch {
    struct mu_worker *worker;
    struct mu_fetch_url url;
    struct mu_fetch_order order;
    struct mu_buf body;
    struct mu_lookup *lookup;
    struct mu_backend server;
    struct mu_backend_state state; /* the server's */
    struct mu_backends servers;
    struct mu_proxy proxy;
    struct mu_exchange exchange;
    struct mu_timer *timer;
    unsigned age_s, connecting_s;
    int status;
    bool too_long;
    struct mu_buf answer;
    void (*done)(void *arg, const struct mu_buf *answer, const char *why);
    void *arg;
};

/* It is freed by whoever is told. */
static void fail(struct mu_fetch *f, const char *why)
{
    f->done(f->arg, NULL, why);
}

static void settle(struct mu_fetch *f)
{
    char why[MU_FETCH_WHY_LEN];
    if (f->status == 200 && !f->too_long && !mu_buf_failed(&f->answer)) {
        f->done(f->arg, &f->answer, "");
        return;
    }
    if (f->too_long)
        snprintf(why, sizeof why, "the answer is longer than %zu bytes", f->order.limit);
    else if (f->status != 200)
        snprintf(why, sizeof why, "the answer is %d%s", f->status,
                 f->status / 100 == 3 ? ", and no other place is gone to" : "");
    else
        snprintf(why, sizeof why, "there is no memory for the answer");
    fail(f, why);
}

static bool has_room(void *arg)
{
    (void)arg;
    return true;
}

static void on_interim(void *arg, const struct mu_head *head)
{
    (void)arg, (void)head;
}

static void on_head(void *arg, const struct mu_head *head)
{
    struct mu_fetch *f = arg;
    f->status = head->status;
    f->too_long = head->framing == MU_BODY_LENGTH && head->length > f->order.limit;
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct mu_fetch *f = arg;
    f->too_long = f->too_long || len > f->order.limit - f->answer.len;
    if (f->status == 200 && !f->too_long)
        mu_buf_add(&f->answer, data, len);
}

static void on_end(void *arg, const struct mu_header *trailers, size_t count)
{
    (void)arg, (void)trailers, (void)count;
}

/* The exchange's own words are for a client. */
static const char *why_none(const struct mu_exchange *e)
{
    const int bad_answer = 502;
    if (mu_str_equal(e->fault->id, mu_exchange_closed.id))
        return "the connection was closed before the answer was whole";
    if (e->fault->status == bad_answer)
        return "the answer is not well-formed HTTP";
    return e->why != 0 ? strerror(e->why) : "it cannot be reached";
}

static void go_on(void *arg)
{
    struct mu_fetch *f = arg;
    mu_exchange_run(&f->exchange);
    if (f->exchange.state == MU_EXCHANGE_DONE || f->too_long || (f->status != 0 && f->status != 200))
        settle(f);
    else if (f->exchange.state == MU_EXCHANGE_FAILED)
        fail(f, why_none(&f->exchange));
}

static const struct mu_exchange_client client = {
    .has_room = has_room,
    .interim = on_interim,
    .answer = on_head,
    .body = on_body,
    .end = on_end,
    .wake = go_on,
};

static void ask(struct mu_fetch *f)
{
    const char *why;
    const struct mu_header headers[] = {
        {"Host", f->url.authority},
        {"User-Agent", "mutual"},
        {"Accept", f->order.accept},
        {"Content-Type", f->order.type},
    };
    const bool post = f->order.body != NULL;
    const struct mu_head head = {
        .method = post ? "POST" : "GET",
        .target = f->url.target,
        .minor = 1,
        .headers = headers,
        .header_count = MU_COUNT(headers) - (post ? 0 : 1),
        .framing = post ? MU_BODY_LENGTH : MU_BODY_NONE,
        .length = f->body.len,
    };
    f->server.state = &f->state;
    f->servers = (struct mu_backends){.at = &f->server, .count = 1, .http = true};
    f->proxy.backends = &f->servers;
    if (!mu_exchange_begin(&f->exchange, &f->proxy, f->worker, &client, f, &head, NULL, &why)) {
        fail(f, why);
        return;
    }
    if (post)
        mu_exchange_send(&f->exchange, f->body.data, f->body.len);
    mu_exchange_send_end(&f->exchange, NULL, 0);
    go_on(f);
}

static void on_found(void *arg, const struct mu_address *addresses, size_t count, const char *why)
{
    struct mu_fetch *f = arg;
    mu_lookup_free(f->lookup);
    f->lookup = NULL;
    for (size_t i = 0; i < count && f->server.address_count < MU_BACKEND_ADDRESSES; i++)
        if (f->order.right == MU_FETCH_NAMED || mu_fetch_is_public(&addresses[i]))
            f->server.addresses[f->server.address_count++] = addresses[i];
    if (f->server.address_count > 0)
        ask(f);
    else
        fail(f, count == 0 ? why : "it is in a private network, and its host has not been named");
}

/* Once a second; the first time at once, but never within mu_fetch_begin(). */
static void on_second(void *arg)
{
    struct mu_fetch *f = arg;
    if (f->age_s++ == 0) {
        f->lookup = mu_lookup_begin(f->worker, f->url.host, f->url.port, on_found, f);
        if (f->lookup == NULL)
            fail(f, "its host cannot be looked up");
        return;
    }
    if (f->lookup != NULL && f->age_s > CONNECT_S) {
        fail(f, "its host has not been found in time: the resolver does not answer");
        return;
    }
    if (f->age_s > f->order.limit_s) {
        fail(f, "there was no whole answer in time");
        return;
    }
    if (f->exchange.state == MU_EXCHANGE_CONNECT && f->connecting_s++ % CONNECT_S == CONNECT_S - 1) {
        mu_exchange_expire(&f->exchange);
        go_on(f);
    }
}

/* --- Life --- */

struct mu_fetch *mu_fetch_begin(struct mu_worker *worker, const struct mu_fetch_order *order,
                                void (*done)(void *arg, const struct mu_buf *answer,
                                             const char *why),
                                void *arg)
{
    struct mu_fetch *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    *f = (struct mu_fetch){.worker = worker, .order = *order, .done = done, .arg = arg};
    f->timer = mu_timer_start(worker, 1000, on_second, f);
    if (order->body != NULL)
        mu_buf_add(&f->body, order->body, order->body_len);
    if (f->timer != NULL && mu_fetch_url_parse(order->url, &f->url) && !mu_buf_failed(&f->body))
        return f;
    mu_fetch_free(f);
    return NULL;
}

void mu_fetch_free(struct mu_fetch *fetch)
{
    if (fetch == NULL)
        return;
    mu_timer_free(fetch->timer);
    mu_lookup_free(fetch->lookup);
    mu_exchange_clear(&fetch->exchange);
    mu_buf_clear(&fetch->body);
    mu_buf_clear(&fetch->answer);
    free(fetch);
}
