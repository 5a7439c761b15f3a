#ifndef MU_FRONT_ROUTE_H
#define MU_FRONT_ROUTE_H

/*
 * Which of a door's routes is a request's. Pure. A path can be written in many ways, and a backend may read it in another way
 * than we do: so it is read twice, once as it stands and once with everything undone that any server might undo, and where
 * the two lead to different routes nobody guesses: the request is refused. docs/design/access.md lists what is undone.
 */

#include <stdbool.h>
#include <stddef.h>

#include "front/access.h"
#include "yaml/reader.h"

/* A bit each, in what a connection remembers of them. */
enum { MU_ROUTES_MAX = 63 };

struct mu_route_config {
    struct mu_place at;
    char *id;                      /* for logs and answers: as it was written, or "route-2" */
    char *path;                    /* it and all below it; NULL: any */
    struct mu_strs methods, hosts; /* none: any */
    struct mu_access access;       /* its `above` is the door's, once that is loaded */
    struct mu_strs to;             /* the backends' URLs; none: the door's */
};
void mu_route_config_clear(struct mu_route_config *route);

/* NULL: this can be a route's path, method, host; else why not. */
const char *mu_route_path_fault(const char *path);
const char *mu_route_method_fault(const char *method);
const char *mu_route_host_fault(const char *host);

/* Would requests match both, and neither be the more specific one? */
bool mu_route_clash(const struct mu_route_config *a, const struct mu_route_config *b);

struct mu_route_request {
    const char *method;
    const char *target; /* as it was sent: "/path?query", "*", "https://host/path" */
    const char *host;   /* of the target, or of Host, with its port; NULL: there is none */
    size_t host_len;
};

/*
 * The most specific route that matches: by host (a name before a wildcard, a longer one before a shorter one), then by the
 * longest path, then one with methods. `*ret` is its index; `count`: none, so the door itself. False: it could be more than one,
 * and *ret_why says why (400).
 */
bool mu_route_choose(const struct mu_route_config *routes, size_t count,
                     const struct mu_route_request *request, size_t *ret, const char **ret_why);

#endif
