#include "net/timer.h"

#include <stdlib.h>

#include "net/internal.h"

struct mu_timer {
    uv_timer_t timer;
    void (*due)(void *arg);
    void *arg;
};

static void on_due(uv_timer_t *handle)
{
    const struct mu_timer *timer = handle->data;
    timer->due(timer->arg);
}

struct mu_timer *mu_timer_start(struct mu_worker *worker, unsigned every_ms, void (*due)(void *arg),
                                void *arg)
{
    struct mu_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL)
        return NULL;
    timer->due = due;
    timer->arg = arg;
    timer->timer.data = timer;
    uv_timer_init(&worker->loop, &timer->timer);
    uv_timer_start(&timer->timer, on_due, 0, every_ms);
    return timer;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void mu_timer_free(struct mu_timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->timer, on_closed);
}
