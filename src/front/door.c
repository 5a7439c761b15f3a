#include "front/door.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "pki/info.h"
#include "pki/pair.h"

enum { IDLE_MS = 60 * 1000 };

static void clear_door(struct mu_door *door)
{
    mu_certs_clear(&door->anchors);
    mu_certs_clear(&door->chain);
    mu_door_clear_lists(door);
    mu_key_free(door->key);
    mu_files_free(door->files);
    mu_backends_clear(&door->backends);
    for (size_t i = 0; door->routes != NULL && i < door->config->route_count; i++)
        mu_backends_clear(&door->routes[i].backends);
    free(door->routes);
    mu_tally_unref(door->tally);
    mu_identity_free(door->identity);
    free(door->proxies);
}

void mu_doors_free(struct mu_doors *doors)
{
    if (doors == NULL)
        return;
    for (size_t i = 0; i < doors->count; i++)
        clear_door(&doors->at[i]);
    free(doors->at);
    mu_config_free(doors->config);
    free(doors);
}

/* --- Loading --- */

/* Of systemd's sockets only the server that is started by it knows. */
static int load_listen(struct mu_door *door, const struct mu_door_loader *loader,
                       struct mu_error *err)
{
    const struct mu_strs *listen = &door->config->listen;
    for (size_t i = 0; i < listen->count; i++) {
        size_t count;
        if (loader->only_look && mu_str_starts_with(listen->at[i], "systemd:"))
            continue;
        if (mu_address_parse(listen->at[i], door->listen + door->listen_count,
                             MU_DOOR_ADDRESSES - door->listen_count, &count, err) != 0)
            return -1;
        door->listen_count += count;
    }
    return 0;
}

static int check_health_check(const struct mu_door *door, struct mu_error *err)
{
    const char *path = door->config->health_check;
    if (path == NULL)
        return 0;
    if (!door->backends.http)
        return mu_fail(err, MU_E_USAGE,
                       "a health check asks over HTTP, and no backend here speaks it (http://...)");
    bool good = *path == '/';
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++)
        good = good && *p > ' ' && *p < 0x7f && *p != '#';
    return good ? 0 : mu_fail(err, MU_E_USAGE, "\"%s\" is not a path to ask a backend for", path);
}

static int load_backends(struct mu_door *door, struct mu_error *err)
{
    const struct mu_strs *to = &door->config->to;
    for (size_t i = 0; i < to->count; i++)
        if (mu_backends_add(&door->backends, to->at[i], err) != 0)
            return -1;
    return check_health_check(door, err);
}

/* A header that nobody may send would turn everybody away; one that anybody may send says nothing. */
static int load_proxies(struct mu_door *door, struct mu_error *err)
{
    const struct mu_strs *from = &door->config->proxy_from;
    bool local = true;
    for (size_t i = 0; i < door->listen_count; i++)
        local = local && mu_address_path(&door->listen[i]) != NULL;
    if (!door->config->proxy_protocol || (from->count == 0 && local))
        return 0;
    if (from->count == 0) {
        mu_fail(err, MU_E_USAGE, "the PROXY protocol is believed from nobody");
        return mu_hint(err, "name the proxies' addresses with --proxy-from (proxy_from in a file)");
    }
    door->proxies = calloc(from->count, sizeof *door->proxies);
    if (door->proxies == NULL)
        return mu_fail_nomem(err);
    for (; door->proxy_count < from->count; door->proxy_count++)
        if (mu_cidr_parse(from->at[door->proxy_count], &door->proxies[door->proxy_count], err) != 0)
            return -1;
    return 0;
}

/* A connection to an HTTP backend is used for many clients, one after the other. [proxy-protocol.txt 2] */
static int check_carried(const struct mu_door *door, struct mu_error *err)
{
    const struct mu_door_config *config = door->config;
    const bool carries = door->backends.count > 0 && !door->backends.http;
    if (carries ||
        (!config->send_proxy && config->deadlines.lifetime_ms == 0 && config->alpn.count == 0))
        return 0;
    mu_fail(err, MU_E_USAGE, "%s is of connections that are carried as they are, and there are none",
            config->send_proxy       ? "--send-proxy (send_proxy)"
            : config->alpn.count > 0 ? "--alpn (alpn)"
                                     : "--max-lifetime (max_lifetime)");
    return mu_hint(
        err,
        "give it with --to tcp://HOST:PORT or unix:PATH; of an HTTP backend, one connection to it "
        "serves many clients");
}

static int load_protocols(struct mu_door *door, struct mu_error *err)
{
    const struct mu_strs *names = &door->config->alpn;
    for (size_t i = 0; i < names->count; i++)
        if (!mu_tls_alpn_add(door->alpn, names->at[i]))
            return mu_fail(err, MU_E_USAGE,
                           "\"%s\" is not the name of a protocol that TLS has room for",
                           names->at[i]);
    return 0;
}

static int load_certificate(struct mu_door *door, const struct mu_door_loader *loader,
                            struct mu_error *err)
{
    const struct mu_pair_files files = {.cert = door->config->certificate,
                                        .key = door->config->key,
                                        .key_opt = door->config->at.line > 0 ? "key:" : "--key"};
    if (files.cert == NULL)
        return loader->issue(loader->arg, &door->chain, &door->key, err);
    return mu_pair_load(&files, loader->passphrase, &door->chain, &door->key, err);
}

static int load_trust(struct mu_door *door, const struct mu_door_loader *loader,
                      struct mu_error *err)
{
    const struct mu_strs *trust = &door->config->trust;
    for (size_t i = 0; i < trust->count; i++)
        if (mu_cas_load(trust->at[i], loader->passphrase, &door->anchors, err) != 0)
            return -1;
    return mu_door_load_lists(door, loader->points, err);
}

/* Does `path` lie below `dir`, when all links are followed? */
static bool lies_below(const char *dir, const char *path)
{
    char real_dir[PATH_MAX], real_path[PATH_MAX];
    if (realpath(dir, real_dir) == NULL || realpath(path, real_path) == NULL)
        return false;
    size_t len = strlen(real_dir);
    return strncmp(real_dir, real_path, len) == 0 &&
           (real_path[len] == '/' || mu_str_equal(real_dir, "/"));
}

int mu_door_check_key(const char *dir, const char *file, struct mu_error *err)
{
    if (file == NULL || !lies_below(dir, file))
        return 0;
    mu_fail(err, MU_E_USAGE, "every client could fetch the private key %s from %s", file, dir);
    return mu_hint(err, "serve another directory, or keep the key elsewhere");
}

/* Clients are admitted, not trusted with keys: neither this door's nor any other's. */
static int load_files(const struct mu_doors *doors, struct mu_door *door,
                      const struct mu_door_loader *loader, struct mu_error *err)
{
    const char *dir = door->config->files;
    if (dir == NULL)
        return 0;
    for (size_t i = 0; i < doors->count; i++) {
        const struct mu_door_config *other = doors->at[i].config;
        if (mu_door_check_key(dir, other->key != NULL ? other->key : other->certificate, err) != 0)
            return -1;
    }
    return loader->may_serve(loader->arg, dir, err) != 0 ? -1
                                                         : mu_files_open(dir, &door->files, err);
}

/* --- Who may come in, and what they may ask --- */

/* Only where requests are read, they can be told apart. */
static int load_route(struct mu_door *door, size_t i, struct mu_error *err)
{
    struct mu_route_config *config = &door->config->routes[i];
    struct mu_route *route = &door->routes[i];
    route->config = config;
    config->access.id = config->id;
    config->access.above = &door->config->access;
    door->method_counts = door->method_counts || config->methods.count > 0;
    door->place_counts = door->place_counts || config->path != NULL || config->hosts.count > 0;
    for (size_t j = 0; j < config->to.count; j++)
        if (mu_backends_add(&route->backends, config->to.at[j], err) != 0)
            return -1;
    if (config->to.count == 0 || (route->backends.http && door->backends.http))
        return 0;
    mu_fail(err, MU_E_USAGE, "the route %s has backends of its own, and %s", config->id,
            door->backends.count == 0 ? "the door has none" : "they do not all speak HTTP");
    return mu_hint(err, "let both say to: http://HOST:PORT");
}

static int load_routes(struct mu_door *door, struct mu_error *err)
{
    const size_t count = door->config->route_count;
    door->config->access.id = "door";
    if (count == 0)
        return 0;
    if (door->backends.count > 0 && !door->backends.http)
        return mu_fail(
            err, MU_E_USAGE,
            "routes are of requests, and this door carries bytes as they are; what a client may do "
            "here, its identity alone decides (allow, deny)");
    door->routes = calloc(count, sizeof *door->routes);
    if (door->routes == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        if (load_route(door, i, err) != 0)
            return -1;
    return 0;
}

/* Of a carried connection nothing is read. */
static int check_limits(const struct mu_door *door, struct mu_error *err)
{
    const struct mu_front_limits *limits = &door->config->limits;
    const bool carries = door->backends.count > 0 && !door->backends.http;
    if (carries && (limits->header_size > 0 || limits->body_size > 0))
        return mu_fail(
            err, MU_E_USAGE,
            "the size of a header or a body is of requests, and this door carries bytes as they "
            "are");
    if (carries && door->config->explains)
        return mu_fail(
            err, MU_E_USAGE,
            "refusals are explained in HTTP (explain_refusals), and this door carries bytes as they "
            "are");
    if (door->config->tell != 0 && !door->backends.http)
        return mu_fail(
            err, MU_E_USAGE,
            "only a backend that speaks HTTP can be told of its clients by headers; others get "
            "send_proxy (--send-proxy v2)");
    return 0;
}

static int load_limits(struct mu_door *door, struct mu_error *err)
{
    enum { TARGET = 8 * 1024, HEAD = 32 * 1024, ANSWERED_BODY = 1024 * 1024 };
    const struct mu_front_limits *limits = &door->config->limits;
    const size_t head = limits->header_size == 0 ? HEAD : limits->header_size;
    door->requests = (struct mu_h1_limits){
        .target = head < TARGET ? head : TARGET,
        .head = head,
        .body = limits->body_size > 0       ? limits->body_size
                : door->backends.count == 0 ? ANSWERED_BODY
                                            : 0,
    };
    if (check_limits(door, err) != 0)
        return -1;
    return limits->connections + limits->rate.count + limits->address_rate.count == 0
               ? 0
               : mu_tally_new(limits, &door->tally, err);
}

/* Where everybody who has been admitted may have everything, nobody needs to be asked. */
static int load_guard(struct mu_door *door, struct mu_error *err)
{
    const struct mu_door_config *config = door->config;
    const bool all =
        config->access.allow.count == 0 || mu_access_list_has(&config->access.allow, MU_ACCESS_ALL);
    if (load_routes(door, err) != 0 || load_limits(door, err) != 0)
        return -1;
    door->guarded = !all || config->access.deny.count > 0 || config->route_count > 0 ||
                    config->clients_optional || door->tally != NULL;
    return config->tell == 0 ? 0 : mu_identity_read(door->chain.at[0], &door->identity, err);
}

const struct mu_backends *mu_door_backends(const struct mu_door *door, size_t i)
{
    if (i == 0)
        return &door->backends;
    return i <= door->config->route_count ? &door->routes[i - 1].backends : NULL;
}

bool mu_door_admits(const struct mu_door *door, const struct mu_identity *who)
{
    struct mu_access_verdict verdict;
    bool admits = mu_access_judge(&door->config->access, who, &verdict);
    for (size_t i = 0; !admits && i < door->config->route_count; i++)
        admits = mu_access_judge(&door->config->routes[i].access, who, &verdict);
    return admits;
}

/* NULL: this door has no such route. */
static const struct mu_access *access_of(const struct mu_door *door,
                                         const struct mu_route_config *route)
{
    for (size_t i = 0; i < door->config->route_count; i++) {
        const struct mu_route_config *same = &door->config->routes[i];
        if (mu_str_same(same->path, route->path) && mu_strs_same(&same->methods, &route->methods) &&
            mu_strs_same(&same->hosts, &route->hosts))
            return &same->access;
    }
    return NULL;
}

static bool is_let_in(const struct mu_access *access, const struct mu_identity *who)
{
    struct mu_access_verdict verdict;
    return mu_access_judge(access, who, &verdict);
}

static bool is_denied(const struct mu_access *access, const struct mu_identity *who,
                      struct mu_refusal *ret)
{
    struct mu_access_verdict verdict;
    if (mu_access_judge(access, who, &verdict))
        return false;
    mu_access_refusal(&verdict, who, ret);
    return true;
}

/* By any of its rules. */
static bool denies(const struct mu_door *door, const struct mu_identity *who, struct mu_refusal *ret)
{
    bool denied = is_denied(&door->config->access, who, ret);
    for (size_t i = 0; !denied && i < door->config->route_count; i++)
        denied = is_denied(&door->config->routes[i].access, who, ret);
    return denied;
}

/* A route that was not there took what it has from another one, and it is not said from which: from any that let the client in. */
static bool is_tightened(const struct mu_access *now, const struct mu_access *before,
                         const struct mu_door *former, const struct mu_identity *who,
                         struct mu_refusal *ret)
{
    const bool was_in = before != NULL ? is_let_in(before, who) : mu_door_admits(former, who);
    return was_in && is_denied(now, who, ret);
}

/* What was had by a route that has gone is had by another one, or by none. */
static bool is_gone(const struct mu_door *now, const struct mu_route_config *route,
                    const struct mu_identity *who, struct mu_refusal *ret)
{
    return access_of(now, route) == NULL && is_let_in(&route->access, who) && denies(now, who, ret);
}

bool mu_door_still_admits(const struct mu_door *now, const struct mu_door *former,
                          const struct mu_identity *who, struct mu_refusal *ret)
{
    bool tightened = is_tightened(&now->config->access, &former->config->access, former, who, ret);
    for (size_t i = 0; !tightened && i < now->config->route_count; i++) {
        const struct mu_route_config *route = &now->config->routes[i];
        tightened = is_tightened(&route->access, access_of(former, route), former, who, ret);
    }
    for (size_t i = 0; !tightened && i < former->config->route_count; i++)
        tightened = is_gone(now, &former->config->routes[i], who, ret);
    return !tightened;
}

/* Between requests nothing is owed to a client; what it means that a carried connection is silent, only its ends know. */
static void settle_deadlines(struct mu_door *door)
{
    door->deadlines = door->config->deadlines;
    const bool carries = door->backends.count > 0 && !door->backends.http;
    if (door->deadlines.idle_ms == UINT_MAX)
        door->deadlines.idle_ms = carries ? 0 : IDLE_MS;
}

static int load_door(const struct mu_doors *doors, struct mu_door *door,
                     const struct mu_door_loader *loader, struct mu_error *err)
{
    if (load_listen(door, loader, err) != 0 || load_backends(door, err) != 0 ||
        load_proxies(door, err) != 0 || check_carried(door, err) != 0 ||
        load_protocols(door, err) != 0 || load_certificate(door, loader, err) != 0 ||
        load_trust(door, loader, err) != 0 || load_files(doors, door, loader, err) != 0 ||
        load_guard(door, err) != 0)
        return -1;
    settle_deadlines(door);
    return 0;
}

/* Which of many doors it is about. On a command line it would be that which is wrong; here it is the file. */
static int fail_at(const struct mu_config *config, const struct mu_door *door, struct mu_error *err)
{
    const struct mu_error below = *err;
    char place[MU_PLACE_TEXT_LEN];
    if (config->file == NULL)
        return -1;
    mu_fail(err, mu_code_exit(below.code) == 2 ? MU_E_CONFIG_FILE : below.code, "%s: %s",
            mu_place_text(config->file, door->config->at, place), below.what);
    mu_cause(err, "%s", below.cause);
    if (below.code == MU_E_NOT_FOUND)
        return mu_hint(err, "check the name; relative paths are relative to that file");
    return mu_hint(err, "%s", below.hint);
}

int mu_doors_load(struct mu_config *config, const struct mu_door_loader *loader,
                  struct mu_doors **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_doors) doors = calloc(1, sizeof *doors);
    if (doors == NULL) {
        mu_config_free(config);
        return mu_fail_nomem(err);
    }
    doors->config = config;
    doors->at = calloc(config->door_count, sizeof *doors->at);
    if (doors->at == NULL)
        return mu_fail_nomem(err);
    doors->count = config->door_count;
    for (size_t i = 0; i < doors->count; i++)
        doors->at[i].config = &config->doors[i];
    for (size_t i = 0; i < doors->count; i++)
        if (load_door(doors, &doors->at[i], loader, err) != 0)
            return fail_at(config, &doors->at[i], err);
    *ret = mu_take(&doors);
    return 0;
}

/* --- Warnings --- */

struct ears {
    void (*hear)(void *arg, const char *sentence);
    void *arg;
};

static void MU_PRINTF(2, 3) say(const struct ears *ears, const char *format, ...)
{
    char sentence[MU_ERROR_WHAT_LEN + MU_CERT_LABEL_LEN];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    ears->hear(ears->arg, sentence);
}

static void warn_about_certificate(const struct mu_door *door, const struct ears *ears)
{
    struct mu_error err = MU_ERROR_INIT;
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(door->chain.at[0], time(NULL), &info, &err) != 0)
        return;
    mu_cert_label(door->chain.at[0], label);
    for (size_t i = 0; i < info.problems.count; i++)
        say(ears, "the server certificate \"%s\": %s", label, info.problems.at[i]);
    if (info.has_eku && !info.server_auth && !info.any_purpose)
        say(ears, "the certificate \"%s\" is not for servers: clients will refuse it", label);
}

static void warn_about_lists(const struct mu_door *door, const struct ears *ears)
{
    const time_t now = time(NULL);
    const int64_t grace_s = door->config->crl_grace_s;
    for (size_t i = 0; i < door->without_list.count; i++)
        say(ears, "no revocation list is from the CA \"%s\": all its clients will be %s",
            door->without_list.at[i],
            grace_s == MU_CRL_GRACE_OPEN ? "let in, whether or not they are revoked" : "refused");
    for (size_t i = 0; !mu_door_obeys_home(door) && i < door->list_count; i++) {
        const struct mu_crl_info *info = &door->lists[i].info;
        if (info->next_update == 0 || info->next_update >= now)
            continue;
        const bool counts = grace_s == MU_CRL_GRACE_OPEN || info->next_update + grace_s > now;
        say(ears, "the revocation list of \"%s\" is out of date: %s", info->issuer,
            counts ? "who has been revoked since is let in" : "all its clients will be refused");
    }
}

static void warn_about_explaining(const struct mu_door *door, const struct ears *ears)
{
    if (door->config->explains)
        say(ears,
            "whoever has no good certificate is told why, in HTTP (explain_refusals): leave that on only "
            "while somebody looks for a mistake");
}

void mu_door_warn(const struct mu_door *door, void (*hear)(void *arg, const char *sentence),
                  void *arg)
{
    const struct ears ears = {hear, arg};
    warn_about_certificate(door, &ears);
    warn_about_lists(door, &ears);
    warn_about_explaining(door, &ears);
}
