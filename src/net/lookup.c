#include "net/lookup.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"

/* The system's answer cannot be called off: whoever has been freed meanwhile goes when it comes. */
struct mu_lookup {
    uv_getaddrinfo_t request;
    bool answered, abandoned;
    void (*found)(void *arg, const struct mu_address *addresses, size_t count, const char *why);
    void *arg;
};

static size_t take(const struct addrinfo *list, struct mu_address ret[MU_LOOKUP_ADDRESSES])
{
    size_t count = 0;
    for (const struct addrinfo *at = list; at != NULL && count < MU_LOOKUP_ADDRESSES;
         at = at->ai_next) {
        struct mu_address *address = &ret[count++];
        *address = (struct mu_address){.len = at->ai_addrlen};
        memcpy(&address->sa, at->ai_addr, at->ai_addrlen);
    }
    return count;
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct mu_lookup *lookup = request->data;
    struct mu_address addresses[MU_LOOKUP_ADDRESSES];
    const size_t count = status == 0 ? take(list, addresses) : 0;
    uv_freeaddrinfo(list);
    lookup->answered = true;
    if (lookup->abandoned)
        free(lookup);
    else
        lookup->found(lookup->arg, addresses, count,
                      status != 0 ? uv_strerror(status) : "it has no address");
}

struct mu_lookup *mu_lookup_begin(struct mu_worker *worker, const char *host, const char *port,
                                  void (*found)(void *arg, const struct mu_address *addresses,
                                                size_t count, const char *why),
                                  void *arg)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct mu_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    lookup->found = found;
    lookup->arg = arg;
    lookup->request.data = lookup;
    if (uv_getaddrinfo(&worker->loop, &lookup->request, on_answer, host, port, &hints) == 0)
        return lookup;
    free(lookup);
    return NULL;
}

void mu_lookup_free(struct mu_lookup *lookup)
{
    if (lookup == NULL)
        return;
    lookup->abandoned = true;
    if (lookup->answered)
        free(lookup);
    else
        (void)uv_cancel((uv_req_t *)&lookup->request);
}
