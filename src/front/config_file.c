/* The configuration's file: what may stand in it. Paths in it are relative to it. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/time.h"
#include "front/config.h"
#include "tls/names.h"
#include "yaml/reader.h"

/* Doors that a person describes need no more; and libyaml takes its time for what does. */
#define CONFIG_FILE_LIMIT ((size_t)1024 * 1024)

/* --- Values --- */

/* A path as seen from here: one that is relative is so to the file's directory. `start` is what stands before it. */
static char *resolve(struct mu_yaml *yaml, const char *start, const char *path)
{
    const char *file = ((const struct mu_config *)mu_yaml_arg(yaml))->file;
    const char *slash = strrchr(file, '/');
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    mu_buf_adds(&text, start);
    if (*path != '/' && slash != NULL)
        mu_buf_add(&text, file, (size_t)(slash - file) + 1);
    mu_buf_adds(&text, path);
    char *made = mu_buf_failed(&text) ? NULL : strdup(mu_buf_str(&text));
    if (made == NULL)
        mu_fail_nomem(mu_yaml_err(yaml));
    return made;
}

static bool is_uri_of_a_key(const char *text)
{
    return mu_str_starts_with(text, "pkcs11:");
}

static char *read_path(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key)
{
    const char *text = mu_yaml_text(yaml, node, key, "the path of a file");
    if (text == NULL)
        return NULL;
    return is_uri_of_a_key(text) ? mu_yaml_copy(yaml, node, key, "") : resolve(yaml, "", text);
}

static int add(struct mu_yaml *yaml, struct mu_strs *list, char *text)
{
    int result = text == NULL ? -1 : mu_strs_add(list, text);
    if (text != NULL && result != 0)
        mu_fail_nomem(mu_yaml_err(yaml));
    free(text);
    return result;
}

/* An address may be the path of a Unix socket, too. */
static char *read_address(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                          const char *wanted)
{
    static const char start[] = "unix:";
    const char *text = mu_yaml_text(yaml, node, key, wanted);
    if (text == NULL)
        return NULL;
    return mu_str_starts_with(text, start) ? resolve(yaml, start, text + strlen(start))
                                           : mu_yaml_copy(yaml, node, key, wanted);
}

static int read_ms(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                   unsigned *ret_ms)
{
    int64_t seconds;
    if (mu_yaml_duration(yaml, node, key, MU_DAY_S, "a day", &seconds) != 0)
        return -1;
    *ret_ms = (unsigned)seconds * 1000;
    return 0;
}

static int read_count(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                      unsigned *ret)
{
    long number;
    if (mu_yaml_number(yaml, node, key, 1, MU_CONNECTIONS_MAX, &number) != 0)
        return -1;
    *ret = (unsigned)number;
    return 0;
}

/* Several in one text, as the option has it, or each an item of a list. */
static int add_log(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char wanted[] = "refusals, troubles, requests, connections, all or none";
    unsigned classes, *log = into;
    const char *text = mu_yaml_text(yaml, node, "log", wanted);
    if (text == NULL)
        return -1;
    if (!mu_log_classes_parse(text, &classes))
        return mu_yaml_fail(yaml, mu_yaml_place(node), "log takes %s, not \"%s\"", wanted, text);
    *log |= classes;
    return 0;
}

static int read_log(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    unsigned *log = into;
    *log = 0;
    return mu_yaml_list_or_one(yaml, node, "log", add_log, into);
}

/* --- The keys of a door --- */

static int add_listen(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return add(yaml, into, read_address(yaml, node, "listen", "an address such as localhost:8443"));
}

static int add_trust(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return add(yaml, into, read_path(yaml, node, "trust"));
}

static int add_crl(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return add(yaml, into, read_path(yaml, node, "crl"));
}

static int add_to(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return add(yaml, into, read_address(yaml, node, "to", "a backend such as tcp://localhost:8080"));
}

static int read_listen(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "listen", add_listen, into);
}

static int read_trust(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "trust", add_trust, into);
}

static int read_crl(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "crl", add_crl, into);
}

static int read_to(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "to", add_to, into);
}

static int add_name(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_error below = MU_ERROR_INIT;
    const char *text = mu_yaml_text(yaml, node, "a name", "a name such as api.example.com");
    if (text == NULL)
        return -1;
    if (mu_tls_name_check(text, &below) != 0)
        return mu_yaml_fail_below(yaml, node, &below);
    return add(yaml, into, mu_yaml_copy(yaml, node, "a name", ""));
}

static int read_names(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "names", add_name, into);
}

static int read_clients(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"required", "optional", NULL};
    bool *optional = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "clients", words, &word) != 0)
        return -1;
    *optional = word == 1;
    return 0;
}

static int read_tls_min(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"1.2", "1.3", NULL};
    bool *only_tls13 = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "tls_min", words, &word) != 0)
        return -1;
    *only_tls13 = word == 1;
    return 0;
}

static int add_proxy(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return add(yaml, into, mu_yaml_copy(yaml, node, "proxy_from", "addresses such as 10.0.0.0/8"));
}

static int read_proxy_from(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "proxy_from", add_proxy, into);
}

static int read_proxy_protocol(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_bool(yaml, node, "proxy_protocol", into);
}

static int read_send_proxy(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"v2", NULL};
    bool *send = into;
    size_t word;
    *send = true;
    return mu_yaml_word(yaml, node, "send_proxy", words, &word);
}

static int read_certificate(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    return (*path = read_path(yaml, node, "certificate")) == NULL ? -1 : 0;
}

static int read_key(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    return (*path = read_path(yaml, node, "key")) == NULL ? -1 : 0;
}

static int read_files(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    return (*path = read_path(yaml, node, "files")) == NULL ? -1 : 0;
}

static int read_health_check(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    *path = mu_yaml_copy(yaml, node, "health_check", "a path such as /healthz");
    return *path == NULL ? -1 : 0;
}

static int read_health_interval(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_ms(yaml, node, "health_interval", into);
}

static int read_health_count(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                             unsigned *ret)
{
    long number;
    if (mu_yaml_number(yaml, node, key, 1, MU_HEALTH_COUNT_MAX, &number) != 0)
        return -1;
    *ret = (unsigned)number;
    return 0;
}

static int read_health_fall(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_health_count(yaml, node, "health_fall", into);
}

static int read_health_rise(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_health_count(yaml, node, "health_rise", into);
}

static int read_handshake(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_ms(yaml, node, "handshake_timeout", into);
}

static int read_header(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_ms(yaml, node, "header_timeout", into);
}

static int read_idle(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_ms(yaml, node, "idle_timeout", into);
}

static int read_lifetime(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_ms(yaml, node, "max_lifetime", into);
}

static int read_connect(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_ms(yaml, node, "connect_timeout", into);
}

static int read_write(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_ms(yaml, node, "write_timeout", into);
}

static int read_read(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_ms(yaml, node, "read_timeout", into);
}

static int read_crl_grace(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char wanted[] = "closed, open or a duration such as 12h";
    const char *text = mu_yaml_text(yaml, node, "crl_grace", wanted);
    if (text == NULL)
        return -1;
    if (!mu_crl_grace_parse(text, into))
        return mu_yaml_fail(yaml, mu_yaml_place(node), "crl_grace is %s, not \"%s\"", wanted, text);
    return 0;
}

static int read_session_lifetime(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    int64_t seconds;
    unsigned *ret_s = into;
    if (mu_yaml_duration(yaml, node, "session_lifetime", 7 * MU_DAY_S, "a week", &seconds) != 0)
        return -1;
    *ret_s = (unsigned)seconds;
    return 0;
}

/* --- Who may come in --- */

static int add_term(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_error below = MU_ERROR_INIT;
    const char *text =
        mu_yaml_text(yaml, node, "a rule", "who is meant, such as dns=*.example.com, or all");
    if (text == NULL)
        return -1;
    if (mu_access_list_add(into, text, &below) != 0)
        return mu_yaml_fail_below(yaml, node, &below);
    return 0;
}

static int read_allow(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "allow", add_term, into);
}

static int read_deny(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "deny", add_term, into);
}

/* --- Routes --- */

/* Text of which `fault` says what is wrong with it. */
static char *read_checked(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                          const char *wanted, const char *(*fault)(const char *text))
{
    const char *text = mu_yaml_text(yaml, node, key, wanted);
    const char *why = text == NULL ? NULL : fault(text);
    if (why != NULL)
        mu_yaml_fail(yaml, mu_yaml_place(node), "%s cannot be \"%s\": %s", key, text, why);
    return text == NULL || why != NULL ? NULL : mu_yaml_copy(yaml, node, key, wanted);
}

static int read_route_path(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    *path = read_checked(yaml, node, "path", "a path such as /admin", mu_route_path_fault);
    return *path == NULL ? -1 : 0;
}

static int add_method(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return add(yaml, into,
               read_checked(yaml, node, "method", "a method such as GET", mu_route_method_fault));
}

static int read_methods(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "method", add_method, into);
}

static int add_host(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return add(yaml, into,
               read_checked(yaml, node, "host", "a name such as api.example.com",
                            mu_route_host_fault));
}

static int read_hosts(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "host", add_host, into);
}

/* It stands in logs and in answers. */
static const char *id_fault(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const bool good = *text != '\0' && strlen(text) <= 64 && text[strspn(text, plain)] == '\0';
    return good ? NULL : "it has up to 64 letters, digits, hyphens and underscores";
}

static int read_id(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **id = into;
    *id = read_checked(yaml, node, "id", "a word such as admin", id_fault);
    return *id == NULL ? -1 : 0;
}

#define OF_ROUTE(field) offsetof(struct mu_route_config, field)

static const struct mu_yaml_key route_keys[] = {
    {"id", read_id, OF_ROUTE(id)},
    {"path", read_route_path, OF_ROUTE(path)},
    {"method", read_methods, OF_ROUTE(methods)},
    {"host", read_hosts, OF_ROUTE(hosts)},
    {"allow", read_allow, OF_ROUTE(access.allow)},
    {"deny", read_deny, OF_ROUTE(access.deny)},
    {"to", read_to, OF_ROUTE(to)},
};

static int name_route(struct mu_yaml *yaml, struct mu_route_config *route, size_t number)
{
    char id[32];
    snprintf(id, sizeof id, "route-%zu", number);
    if (route->id == NULL && (route->id = strdup(id)) == NULL)
        return mu_fail_nomem(mu_yaml_err(yaml));
    return 0;
}

/* Which of two comes first must not depend on where they stand; nor must one name mean two. */
static int check_route(struct mu_yaml *yaml, const struct mu_door_config *door,
                       const struct mu_route_config *route)
{
    if (route->path == NULL && route->methods.count == 0 && route->hosts.count == 0)
        return mu_yaml_fail(
            yaml, route->at,
            "this route says of no request that it is its own: give it a path, a method or a "
            "host");
    if (route->access.allow.count + route->access.deny.count + route->to.count == 0)
        return mu_yaml_fail(yaml, route->at,
                            "this route changes nothing: it has no allow, no deny and no to");
    for (const struct mu_route_config *other = door->routes; other < route; other++) {
        if (mu_str_equal(other->id, route->id))
            return mu_yaml_fail(yaml, route->at, "the route in line %d is called %s, too",
                                other->at.line, route->id);
        if (mu_route_clash(other, route))
            return mu_yaml_fail(
                yaml, route->at,
                "a request could be this route's and that in line %d, and neither of them says "
                "more of it",
                other->at.line);
    }
    return 0;
}

static int add_route(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_door_config *door = into;
    if (door->route_count == MU_ROUTES_MAX)
        return mu_yaml_fail(yaml, mu_yaml_place(node), "a door has %d routes at most",
                            (int)MU_ROUTES_MAX);
    struct mu_route_config *route = mu_config_add_route(door);
    if (route == NULL)
        return mu_fail_nomem(mu_yaml_err(yaml));
    route->at = mu_yaml_place(node);
    if (mu_yaml_mapping(yaml, node, "a route", route_keys, MU_COUNT(route_keys), route) != 0 ||
        name_route(yaml, route, door->route_count) != 0)
        return -1;
    return check_route(yaml, door, route);
}

static int read_routes(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list(yaml, node, "routes", add_route, into);
}

/* --- What a backend is told, and how much a client may ask --- */

static int add_tell(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    unsigned one, *told = into;
    const char *text = mu_yaml_text(yaml, node, "tell", "a header such as Client-Cert");
    if (text == NULL)
        return -1;
    if (!mu_told_parse(text, &one))
        return mu_yaml_fail(yaml, mu_yaml_place(node), "tell takes %s, not \"%s\"", mu_told_names,
                            text);
    *told |= one;
    return 0;
}

static int read_tell(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "tell", add_tell, into);
}

static int read_size(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                     unsigned low, unsigned high, unsigned *ret)
{
    static const char wanted[] = "a size such as 32KiB";
    const char *text = mu_yaml_text(yaml, node, key, wanted);
    if (text == NULL)
        return -1;
    if (!mu_size_parse(text, ret) || *ret < low || *ret > high)
        return mu_yaml_fail(yaml, mu_yaml_place(node),
                            "%s takes %s, of at least %u and at most %u bytes, not \"%s\"", key,
                            wanted, low, high, text);
    return 0;
}

static int read_header_size(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_size(yaml, node, "max_header_size", MU_HEADER_SIZE_MIN, MU_HEADER_SIZE_MAX, into);
}

static int read_body_size(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_size(yaml, node, "max_body_size", 1, UINT_MAX, into);
}

static int read_a_rate(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                       struct mu_rate *ret)
{
    static const char wanted[] = "a rate such as 100/s, 10/m or 1000/h";
    const char *text = mu_yaml_text(yaml, node, key, wanted);
    if (text == NULL)
        return -1;
    if (!mu_rate_parse(text, ret))
        return mu_yaml_fail(yaml, mu_yaml_place(node), "%s takes %s, not \"%s\"", key, wanted, text);
    return 0;
}

static int read_rate(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_a_rate(yaml, node, "rate", into);
}

static int read_address_rate(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_a_rate(yaml, node, "rate_per_address", into);
}

static int read_door_connections(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_count(yaml, node, "max_connections", into);
}

#define OF_LIMITS(field) offsetof(struct mu_front_limits, field)

static const struct mu_yaml_key limit_keys[] = {
    {"max_header_size", read_header_size, OF_LIMITS(header_size)},
    {"max_body_size", read_body_size, OF_LIMITS(body_size)},
    {"rate", read_rate, OF_LIMITS(rate)},
    {"rate_per_address", read_address_rate, OF_LIMITS(address_rate)},
    {"max_connections", read_door_connections, OF_LIMITS(connections)},
};

static int read_limits(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_mapping(yaml, node, "limits", limit_keys, MU_COUNT(limit_keys), into);
}

static int read_explain(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"off", "http", NULL};
    bool *explains = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "explain_refusals", words, &word) != 0)
        return -1;
    *explains = word == 1;
    return 0;
}

static int read_door_log(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_door_config *door = into;
    door->has_log = true;
    return read_log(yaml, node, &door->log);
}

#define OF_DOOR(field) offsetof(struct mu_door_config, field)

static const struct mu_yaml_key door_keys[] = {
    {"listen", read_listen, OF_DOOR(listen)},
    {"names", read_names, OF_DOOR(names)},
    {"certificate", read_certificate, OF_DOOR(certificate)},
    {"key", read_key, OF_DOOR(key)},
    {"trust", read_trust, OF_DOOR(trust)},
    {"crl", read_crl, OF_DOOR(crl)},
    {"crl_grace", read_crl_grace, OF_DOOR(crl_grace_s)},
    {"session_lifetime", read_session_lifetime, OF_DOOR(session_age_s)},
    {"clients", read_clients, OF_DOOR(clients_optional)},
    {"tls_min", read_tls_min, OF_DOOR(only_tls13)},
    {"to", read_to, OF_DOOR(to)},
    {"health_check", read_health_check, OF_DOOR(health_check)},
    {"health_interval", read_health_interval, OF_DOOR(health_ms)},
    {"health_fall", read_health_fall, OF_DOOR(health_fall)},
    {"health_rise", read_health_rise, OF_DOOR(health_rise)},
    {"files", read_files, OF_DOOR(files)},
    {"allow", read_allow, OF_DOOR(access.allow)},
    {"deny", read_deny, OF_DOOR(access.deny)},
    {"routes", read_routes, 0},
    {"tell", read_tell, OF_DOOR(tell)},
    {"limits", read_limits, OF_DOOR(limits)},
    {"log", read_door_log, 0},
    {"explain_refusals", read_explain, OF_DOOR(explains)},
    {"proxy_protocol", read_proxy_protocol, OF_DOOR(proxy_protocol)},
    {"proxy_from", read_proxy_from, OF_DOOR(proxy_from)},
    {"send_proxy", read_send_proxy, OF_DOOR(send_proxy)},
    {"handshake_timeout", read_handshake, OF_DOOR(deadlines.handshake_ms)},
    {"header_timeout", read_header, OF_DOOR(deadlines.header_ms)},
    {"idle_timeout", read_idle, OF_DOOR(deadlines.idle_ms)},
    {"max_lifetime", read_lifetime, OF_DOOR(deadlines.lifetime_ms)},
    {"connect_timeout", read_connect, OF_DOOR(deadlines.connect_ms)},
    {"write_timeout", read_write, OF_DOOR(deadlines.write_ms)},
    {"read_timeout", read_read, OF_DOOR(deadlines.read_ms)},
};

/* What a door cannot do without has no default: nobody is let in by something that was not written. */
static int check_door(struct mu_yaml *yaml, const struct mu_door_config *door)
{
    const struct {
        bool missing;
        const char *what;
    } needs[] = {
        {door->listen.count == 0, "listen: where do its clients come to?"},
        {door->certificate == NULL, "certificate: what does it show to its clients?"},
        {door->trust.count == 0, "trust: whose clients may come in?"},
    };
    for (size_t i = 0; i < MU_COUNT(needs); i++)
        if (needs[i].missing)
            return mu_yaml_fail(yaml, door->at, "this door has no %s", needs[i].what);
    if (door->to.count > 0 && door->files != NULL)
        return mu_yaml_fail(yaml, door->at,
                            "this door hands everything to a backend (to), and would serve it here "
                            "(files)");
    if (door->to.count > 0 && door->access.allow.count == 0)
        return mu_yaml_fail(
            yaml, door->at,
            "this door hands its clients on to a backend (to), and does not say which of "
            "them: allow: all, if every client of its CAs is meant, or who is, such as allow: "
            "dns=*.example.com");
    if (door->clients_optional && mu_door_config_bars_anonymous(door))
        return mu_yaml_fail(
            yaml, door->at,
            "clients need no certificate at this door (clients: optional), but nothing lets in "
            "who has none: say allow: [all, anonymous], or so on the routes that are for "
            "everybody");
    if (!door->clients_optional && !mu_door_config_bars_anonymous(door))
        return mu_yaml_fail(
            yaml, door->at,
            "a rule lets in who has no certificate (anonymous), and nobody gets that far: say "
            "clients: optional");
    if (door->proxy_from.count > 0 && !door->proxy_protocol)
        return mu_yaml_fail(yaml, door->at,
                            "this door believes proxies (proxy_from), but not that there is one "
                            "(proxy_protocol)");
    return 0;
}

static int read_door(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_door_config *door = mu_config_add_door(into);
    if (door == NULL)
        return mu_fail_nomem(mu_yaml_err(yaml));
    door->at = mu_yaml_place(node);
    if (mu_yaml_mapping(yaml, node, "a door", door_keys, MU_COUNT(door_keys), door) != 0)
        return -1;
    return check_door(yaml, door);
}

/* --- The keys of the file --- */

static int read_doors(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list(yaml, node, "doors", read_door, into);
}

static int read_workers(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_config *config = into;
    long number;
    if (mu_yaml_number(yaml, node, "workers", 1, MU_WORKERS_MAX, &number) != 0)
        return -1;
    config->workers = (unsigned)number;
    return 0;
}

static int read_max_connections(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_count(yaml, node, "max_connections", into);
}

static int read_max_from_address(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_count(yaml, node, "max_connections_per_address", into);
}

static int read_max_handshakes(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_count(yaml, node, "max_handshakes", into);
}

static int read_stop_timeout(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_config *config = into;
    return read_ms(yaml, node, "stop_timeout", &config->stop_ms);
}

static int read_expiry_warning(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_duration(yaml, node, "expiry_warning", 366 * MU_DAY_S, "a year", into);
}

static int read_status(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **address = into;
    *address = read_address(yaml, node, "status", "an address such as localhost:9090");
    return *address == NULL ? -1 : 0;
}

static int read_control(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char wanted[] = "the path of a socket, or none";
    char **path = into;
    const char *text = mu_yaml_text(yaml, node, "control", wanted);
    if (text == NULL)
        return -1;
    *path = mu_str_equal(text, "none") ? mu_yaml_copy(yaml, node, "control", wanted)
                                       : resolve(yaml, "", text);
    return *path == NULL ? -1 : 0;
}

static int read_user(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **user = into;
    *user = mu_yaml_copy(yaml, node, "user", "NAME or NAME:GROUP");
    return *user == NULL ? -1 : 0;
}

static int read_sandbox(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"on", "off", NULL};
    bool *off = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "sandbox", words, &word) != 0)
        return -1;
    *off = word == 1;
    return 0;
}

static int read_log_format(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"text", "json", NULL};
    struct mu_config *config = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "log_format", words, &word) != 0)
        return -1;
    config->log_format = word == 0 ? MU_LOG_TEXT : MU_LOG_JSON;
    return 0;
}

static const struct mu_yaml_key file_keys[] = {
    {"doors", read_doors, 0},
    {"workers", read_workers, 0},
    {"max_connections", read_max_connections, offsetof(struct mu_config, max_connections)},
    {"max_connections_per_address", read_max_from_address,
     offsetof(struct mu_config, max_from_address)},
    {"max_handshakes", read_max_handshakes, offsetof(struct mu_config, max_handshakes)},
    {"stop_timeout", read_stop_timeout, 0},
    {"expiry_warning", read_expiry_warning, offsetof(struct mu_config, expiry_warning_s)},
    {"status", read_status, offsetof(struct mu_config, status)},
    {"control", read_control, offsetof(struct mu_config, control)},
    {"user", read_user, offsetof(struct mu_config, user)},
    {"sandbox", read_sandbox, offsetof(struct mu_config, no_sandbox)},
    {"log", read_log, offsetof(struct mu_config, log)},
    {"log_format", read_log_format, 0},
};

int mu_config_parse(const char *path, const char *text, size_t len, struct mu_config **ret,
                    struct mu_error *err)
{
    char shown[MU_PATH_LEN];
    MU_AUTO_STRUCT(mu_config) config = NULL;
    if (mu_config_new(&config, err) != 0)
        return -1;
    config->file = strdup(path);
    if (config->file == NULL)
        return mu_fail_nomem(err);
    const struct mu_yaml_file file = {
        .path = mu_str_printable(path, strlen(path), shown, sizeof shown),
        .code = MU_E_CONFIG_FILE,
        .what = "a configuration",
        .if_empty = "",
        .keys = file_keys,
        .key_count = MU_COUNT(file_keys),
        .arg = config,
    };
    if (mu_yaml_read(&file, text, len, config, err) != 0)
        return -1;
    if (config->door_count == 0)
        return mu_fail(err, MU_E_CONFIG_FILE,
                       "%s describes no door: its key doors is missing or empty", file.path);
    *ret = mu_take(&config);
    return 0;
}

int mu_config_load(const char *path, struct mu_config **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (mu_file_read(path, CONFIG_FILE_LIMIT, &text, err) != 0)
        return -1;
    return mu_config_parse(path, mu_buf_str(&text), text.len, ret, err);
}
