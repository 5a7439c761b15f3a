#include "front/config_read.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

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

int mu_config_allow(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "allow", add_term, into);
}

int mu_config_deny(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
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
    return mu_config_add_text(yaml, into,
                              read_checked(yaml, node, "method", "a method such as GET",
                                           mu_route_method_fault));
}

static int read_methods(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "method", add_method, into);
}

static int add_host(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_add_text(yaml, into,
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
    {"allow", mu_config_allow, OF_ROUTE(access.allow)},
    {"deny", mu_config_deny, OF_ROUTE(access.deny)},
    {"to", mu_config_to, OF_ROUTE(to)},
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

int mu_config_routes(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
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

int mu_config_tell(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
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
    return mu_config_count(yaml, node, "max_connections", into);
}

#define OF_LIMITS(field) offsetof(struct mu_front_limits, field)

static const struct mu_yaml_key limit_keys[] = {
    {"max_header_size", read_header_size, OF_LIMITS(header_size)},
    {"max_body_size", read_body_size, OF_LIMITS(body_size)},
    {"rate", read_rate, OF_LIMITS(rate)},
    {"rate_per_address", read_address_rate, OF_LIMITS(address_rate)},
    {"max_connections", read_door_connections, OF_LIMITS(connections)},
};

int mu_config_limits(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_mapping(yaml, node, "limits", limit_keys, MU_COUNT(limit_keys), into);
}
