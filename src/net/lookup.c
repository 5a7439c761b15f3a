#include "net/lookup.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"
#include "net/resolver.h"

struct mu_lookup {
    struct mu_inquiry inquiry;
    uv_async_t wake;
    unsigned port;
    void (*found)(void *arg, const struct mu_address *addresses, size_t count, const char *why);
    void *arg;
};

static void on_wake(uv_async_t *wake)
{
    struct mu_lookup *lookup = wake->data;
    struct mu_resolved *result = &lookup->inquiry.result;
    mu_resolver_leave(mu_resolver_system(), &lookup->inquiry);
    for (size_t i = 0; i < result->count; i++)
        mu_address_set_port(&result->at[i], lookup->port);
    lookup->found(lookup->arg, result->at, result->count, result->why);
}

/* In the resolver's thread. */
static void on_answered(void *arg)
{
    struct mu_lookup *lookup = arg;
    uv_async_send(&lookup->wake);
}

/* A number needs nobody's answer. */
static bool take_number(const char *host, struct mu_address *ret)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *list = NULL;
    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return false;
    *ret = (struct mu_address){.len = list->ai_addrlen};
    memcpy(&ret->sa, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return true;
}

struct mu_lookup *mu_lookup_begin(struct mu_worker *worker, const char *host, const char *port,
                                  void (*found)(void *arg, const struct mu_address *addresses,
                                                size_t count, const char *why),
                                  void *arg)
{
    struct mu_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    *lookup = (struct mu_lookup){
        .inquiry = {.answered = on_answered, .arg = lookup},
        .port = (unsigned)strtoul(port, NULL, 10),
        .found = found,
        .arg = arg,
    };
    if (uv_async_init(&worker->loop, &lookup->wake, on_wake) != 0) {
        free(lookup);
        return NULL;
    }
    lookup->wake.data = lookup;
    if (take_number(host, &lookup->inquiry.result.at[0])) {
        lookup->inquiry.result.count = 1;
        uv_async_send(&lookup->wake);
    } else if (!mu_resolver_ask(mu_resolver_system(), host, &lookup->inquiry)) {
        mu_lookup_free(lookup);
        return NULL;
    }
    return lookup;
}

static void on_closed(uv_handle_t *wake)
{
    free(wake->data);
}

void mu_lookup_free(struct mu_lookup *lookup)
{
    if (lookup == NULL)
        return;
    mu_resolver_leave(mu_resolver_system(), &lookup->inquiry);
    uv_close((uv_handle_t *)&lookup->wake, on_closed);
}
