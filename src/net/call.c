#include "net/call.h"

#include <stdlib.h>

#include "net/internal.h"

struct mu_call {
    uv_async_t async;
    void (*made)(void *arg);
    void *arg;
};

static void on_made(uv_async_t *async)
{
    const struct mu_call *call = async->data;
    call->made(call->arg);
}

struct mu_call *mu_call_new(struct mu_server *server, void (*made)(void *arg), void *arg)
{
    struct mu_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    call->made = made;
    call->arg = arg;
    call->async.data = call;
    if (uv_async_init(mu_server_loop(server), &call->async, on_made) == 0)
        return call;
    free(call);
    return NULL;
}

void mu_call_make(struct mu_call *call)
{
    uv_async_send(&call->async);
}

void mu_call_free(struct mu_call *call)
{
    free(call);
}
