#include "front/route.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "front/site.h"

/* Of an escape of an escape; who needs more means no good. */
enum { DECODINGS = 3 };

void mu_route_config_clear(struct mu_route_config *route)
{
    free(route->id);
    free(route->path);
    mu_strs_clear(&route->methods);
    mu_strs_clear(&route->hosts);
    mu_access_list_clear(&route->access.allow);
    mu_access_list_clear(&route->access.deny);
    mu_strs_clear(&route->to);
}

/* --- What can be a route's --- */

const char *mu_route_path_fault(const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,=:@/";
    if (*path != '/')
        return "a path begins with a slash";
    if (path[strspn(path, plain)] != '\0')
        return "a route's path has no escapes, parameters, queries, spaces and letters beyond ASCII";
    for (const char *segment = path; *segment == '/';) {
        const size_t len = strcspn(segment + 1, "/");
        if (len == 0 && segment[1] == '/')
            return "there are two slashes in a row";
        if (len > 0 && segment[len] == '.')
            return "a segment ends with a dot";
        segment += 1 + len;
    }
    return NULL;
}

const char *mu_route_method_fault(const char *method)
{
    const bool good =
        *method != '\0' && method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")] == '\0';
    return good ? NULL : "a method is written in capital letters, such as GET";
}

static const char *wildcard_rest(const char *host)
{
    return mu_str_starts_with(host, "*.") ? host + 1 : NULL;
}

const char *mu_route_host_fault(const char *host)
{
    const char *name = wildcard_rest(host) != NULL ? host + 2 : host;
    if (*name == '\0' || *name == '.' || name[strlen(name) - 1] == '.' || strstr(name, "..") != NULL)
        return "a host is a name such as api.example.com or *.example.com";
    for (const char *p = name; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("-._[]:", *p) == NULL)
            return "a host is a name such as api.example.com or *.example.com";
    return NULL;
}

static bool share(const struct mu_strs *a, const struct mu_strs *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (strcasecmp(a->at[i], b->at[j]) == 0)
                return true;
    return a->count == 0 && b->count == 0;
}

/* "/a/" is "/a", and "/" and no path are all there is. */
static size_t prefix_len(const char *path)
{
    size_t len = path == NULL ? 0 : strlen(path);
    return len > 0 && path[len - 1] == '/' ? len - 1 : len;
}

/* Paths that differ in case alone could not be told apart from each other with certainty. */
bool mu_route_clash(const struct mu_route_config *a, const struct mu_route_config *b)
{
    const size_t len = prefix_len(a->path);
    const bool same_path =
        len == prefix_len(b->path) && (len == 0 || strncasecmp(a->path, b->path, len) == 0);
    const bool same_letters = len == 0 || (same_path && strncmp(a->path, b->path, len) == 0);
    return same_path &&
           (!same_letters || (share(&a->hosts, &b->hosts) && share(&a->methods, &b->methods)));
}

/* --- Two readings of a path --- */

static int hex_of(const char *escape)
{
    if (escape[0] != '%' || !isxdigit((unsigned char)escape[1]) ||
        !isxdigit((unsigned char)escape[2]))
        return -1;
    const char octet[3] = {escape[1], escape[2], '\0'};
    return (int)strtol(octet, NULL, 16);
}

static bool has_escape(const char *path)
{
    for (; (path = strchr(path, '%')) != NULL; path++)
        if (hex_of(path) >= 0)
            return true;
    return false;
}

/* In place, once. An escaped slash becomes `slash`. */
static void decode(char *path, char slash)
{
    char *out = path;
    for (const char *in = path; *in != '\0'; in++) {
        const int octet = hex_of(in);
        *out++ = octet < 0 ? *in : octet == '/' || octet == '\\' ? slash : (char)octet;
        in += octet < 0 ? 0 : 2;
    }
    *out = '\0';
}

/* What one server would take for something else than the next one, whichever route it is. */
static const char *octets_fault(const char *path)
{
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        if (*p == '%' && hex_of((const char *)p) < 0)
            return "there is a % in the path that begins no escape";
        if (*p == '%' && hex_of((const char *)p) == 0)
            return "there is a NUL in the path";
    }
    return NULL;
}

/* More octets than a character has need of: no UTF-8, and to a lenient decoder a slash or a dot in disguise. [RFC 3629 10] */
static bool is_overlong(const unsigned char *p)
{
    switch (p[0]) {
    case 0xc0:
    case 0xc1: return true;
    case 0xe0: return (p[1] & 0xe0) == 0x80;
    case 0xf0: return (p[1] & 0xf0) == 0x80;
    case 0xf8: return (p[1] & 0xf8) == 0x80;
    case 0xfc: return (p[1] & 0xfc) == 0x80;
    default: return false;
    }
}

static const char *decoded_fault(const char *path)
{
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        if (*p < ' ' || *p == 0x7f)
            return "there is a control character in the path";
        if (is_overlong(p))
            return "there are octets in the path that are no UTF-8";
    }
    return NULL;
}

/* A segment without its parameters or a query whose mark was escaped, and without the dots and spaces at its end, which some filesystems drop. */
static size_t bare_len(const char *segment, size_t len, bool *ret_dots)
{
    size_t bare = strcspn(segment, ";?#");
    bare = bare < len ? bare : len;
    const size_t before = bare;
    while (bare > 0 && (segment[bare - 1] == '.' || segment[bare - 1] == ' '))
        bare--;
    *ret_dots = bare == 0 && before > 0;
    return bare;
}

/* What any server might undo in single characters: escapes, escapes of escapes, case. Every slash in disguise is a backslash then. */
static const char *undo(char *path)
{
    const char *fault = decoded_fault(path);
    for (int i = 0; i < DECODINGS && fault == NULL; i++) {
        if (has_escape(path) && strstr(path, "%00") != NULL)
            return "there is a NUL in the path";
        decode(path, '\\');
        fault = decoded_fault(path);
    }
    if (fault != NULL)
        return fault;
    if (has_escape(path))
        return "the path is escaped again and again";
    for (char *p = path; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return NULL;
}

/* And in segments: their parameters, and slashes in a row. */
static const char *squeeze(char *path)
{
    char *out = path;
    for (const char *in = path; *in != '\0';) {
        bool dots;
        in += *in == '/';
        const size_t len = strcspn(in, "/"), bare = bare_len(in, len, &dots);
        if (dots)
            return "there is a segment of dots in the path";
        if (bare > 0) {
            *out++ = '/';
            memmove(out, in, bare);
            out += bare;
        }
        in += len;
    }
    *out = '\0';
    return NULL;
}

static void unmask_slashes(char *path)
{
    for (; *path != '\0'; path++)
        if (*path == '\\')
            *path = '/';
}

/* A host stands behind two slashes for whoever reads a path as a URL that lacks its scheme: "//any/admin" is "/admin" there. The
 * first segment with something in it; NULL: nothing is taken for a host. [RFC 3986 4.2] */
static char *host_in(char *path)
{
    const char *begin = path;
    bool dots;
    for (size_t len; *path == '/' || *path == '\\'; path += 1 + len) {
        len = strcspn(path + 1, "/\\");
        if (path[1 + len] == '\0' || bare_len(path + 1, len, &dots) > 0 || dots)
            break;
    }
    return path == begin ? NULL : path + 1;
}

/* --- Choosing --- */

static bool lies_below(const char *path, const char *prefix, bool any_case)
{
    const size_t len = prefix_len(prefix);
    if (len == 0)
        return true;
    if (path == NULL ||
        (any_case ? strncasecmp(path, prefix, len) : strncmp(path, prefix, len)) != 0)
        return false;
    return path[len] == '\0' || path[len] == '/';
}

/* HEAD is GET without the answer's body, and says as much of it. */
static bool has_method(const struct mu_route_config *route, const char *method)
{
    for (size_t i = 0; i < route->methods.count; i++)
        if (mu_str_equal(route->methods.at[i], method) ||
            (mu_str_equal(route->methods.at[i], "GET") && mu_str_equal(method, "HEAD")))
            return true;
    return route->methods.count == 0;
}

/* How well: 0, not at all; 1, as all do; more for a longer name, and most for one without a wildcard. */
static size_t host_rank(const struct mu_route_config *route, const char *host, size_t len)
{
    enum { EXACT = 1000 };
    size_t best = route->hosts.count == 0;
    for (size_t i = 0; i < route->hosts.count; i++) {
        const char *name = route->hosts.at[i], *rest = wildcard_rest(name);
        const size_t rest_len = rest == NULL ? 0 : strlen(rest);
        size_t rank = 0;
        if (rest == NULL)
            rank = strlen(name) == len && strncasecmp(name, host, len) == 0 ? EXACT : 0;
        else if (len > rest_len && strncasecmp(rest, host + len - rest_len, rest_len) == 0 &&
                 memchr(host, '.', len - rest_len) == NULL)
            rank = 1 + rest_len;
        best = rank > best ? rank : best;
    }
    return best;
}

struct asked {
    const char *method, *host;
    size_t host_len;
};

static size_t best_of(const struct mu_route_config *routes, size_t count, const struct asked *asked,
                      const char *path, bool any_case)
{
    size_t best = count, best_host = 0, best_path = 0, best_method = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t host = host_rank(&routes[i], asked->host, asked->host_len);
        const size_t len = prefix_len(routes[i].path), method = routes[i].methods.count > 0;
        if (host == 0 || !has_method(&routes[i], asked->method) ||
            !lies_below(path, routes[i].path, any_case))
            continue;
        if (best == count || host > best_host ||
            (host == best_host && (len > best_path || (len == best_path && method > best_method)))) {
            best = i;
            best_host = host;
            best_path = len;
            best_method = method;
        }
    }
    return best;
}

/* A name without its port and the dot of the root. False: it could be read in another way. */
static bool read_host(const char *host, size_t len, struct asked *ret)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)host[i]) && strchr("-._[]:", host[i]) == NULL)
            return false;
    const char *bracket = memchr(host, ']', len);
    const char *from = len > 0 && host[0] == '[' && bracket != NULL ? bracket : host;
    const char *colon = memchr(from, ':', len - (size_t)(from - host));
    ret->host = host;
    ret->host_len = colon == NULL ? len : (size_t)(colon - host);
    if (ret->host_len > 0 && host[ret->host_len - 1] == '.')
        ret->host_len--;
    return true;
}

static bool any_has(const struct mu_route_config *routes, size_t count, bool path)
{
    for (size_t i = 0; i < count; i++)
        if (path ? prefix_len(routes[i].path) > 0 : routes[i].hosts.count > 0)
            return true;
    return false;
}

/* The path of a target; NULL: it has none, as "*". */
static const char *path_of(const char *target, size_t *ret_len)
{
    const char *path = mu_target_origin(target);
    *ret_len = strcspn(path, "?#");
    return *path == '/' ? path : NULL;
}

/* What is looked for, and which route it is to be. */
struct choice {
    const struct mu_route_config *routes;
    size_t count;
    const struct asked *asked;
    size_t route;
};

static const char ambiguous[] =
    "the path can be read in more than one way, and not all of them are one route's";

/* Changes the path. NULL, or why not. */
static const char *check_squeezed(const struct choice *choice, char *path)
{
    const char *why = squeeze(path);
    if (why == NULL &&
        best_of(choice->routes, choice->count, choice->asked, path, true) != choice->route)
        why = ambiguous;
    return why;
}

/* A slash in disguise ends the host for one reader and not for the next. NULL, or why not. */
static const char *check_behind_host(const struct choice *choice, char *path)
{
    char *host = host_in(path);
    if (host == NULL)
        return NULL;
    const size_t len = strcspn(host, "/");
    if (memchr(host, '\\', len) != NULL)
        return ambiguous;
    unmask_slashes(host + len);
    return host_in(host + len) != NULL ? ambiguous : check_squeezed(choice, host + len);
}

/* Do all readings of this one, which is changed, lead to the route? NULL, or why not. */
static const char *check_loosely(const struct choice *choice, char *path)
{
    const char *why = undo(path);
    if (why == NULL)
        why = check_behind_host(choice, path);
    if (why != NULL)
        return why;
    unmask_slashes(path);
    return check_squeezed(choice, path);
}

static bool choose_by_path(const struct mu_route_config *routes, size_t count,
                           const struct asked *asked, const char *path, size_t len, size_t *ret,
                           const char **ret_why)
{
    char *strict = strndup(path, len), *loose = strndup(path, len);
    const char *why = "there is not enough memory";
    if (strict != NULL && loose != NULL)
        why = octets_fault(strict);
    if (why == NULL) {
        decode(strict, '\x01'); /* which is in no route's path */
        *ret = best_of(routes, count, asked, strict, false);
        why = check_loosely(&(struct choice){routes, count, asked, *ret}, loose);
    }
    free(strict);
    free(loose);
    *ret_why = why;
    return why == NULL;
}

bool mu_route_choose(const struct mu_route_config *routes, size_t count,
                     const struct mu_route_request *request, size_t *ret, const char **ret_why)
{
    struct asked asked = {.method = request->method, .host = ""};
    size_t len;
    *ret = count;
    if (count == 0)
        return true;
    if (request->host != NULL && !read_host(request->host, request->host_len, &asked) &&
        any_has(routes, count, false)) {
        *ret_why = "the host of this request can be read in more than one way";
        return false;
    }
    const char *path = path_of(request->target, &len);
    if (path != NULL && any_has(routes, count, true))
        return choose_by_path(routes, count, &asked, path, len, ret, ret_why);
    *ret = best_of(routes, count, &asked, NULL, false);
    return true;
}
