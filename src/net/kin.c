#include "net/kin.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

enum { HEARD_MAX = 64 * 1024, UNSAID_MAX = 1024 * 1024 };

struct mu_kin {
    int fd; /* -1: not met yet, or parted from */
    uv_loop_t *loop;
    uv_poll_t poll;
    struct mu_buf heard, unsaid; /* of a text that is not whole yet; not taken yet */
    struct mu_kin_events events;
};

static void on_event(uv_poll_t *poll, int status, int events);

static void listen_to(struct mu_kin *kin)
{
    uv_poll_start(&kin->poll, UV_READABLE | (kin->unsaid.len > 0 ? UV_WRITABLE : 0), on_event);
}

struct mu_kin *mu_kin_new(uv_loop_t *loop, const struct mu_kin_events *events)
{
    struct mu_kin *kin = calloc(1, sizeof *kin);
    if (kin != NULL)
        *kin = (struct mu_kin){.fd = -1, .loop = loop, .events = *events};
    return kin;
}

void mu_kin_meet(struct mu_kin *kin, int fd)
{
    kin->fd = fd;
    kin->poll.data = kin;
    uv_poll_init(kin->loop, &kin->poll, fd);
    listen_to(kin);
}

static void on_closed(uv_handle_t *handle)
{
    struct mu_kin *kin = handle->data;
    mu_buf_clear(&kin->heard);
    mu_buf_clear(&kin->unsaid);
    free(kin);
}

void mu_kin_part(struct mu_kin *kin)
{
    if (kin == NULL || kin->fd < 0) {
        free(kin);
        return;
    }
    uv_close((uv_handle_t *)&kin->poll, on_closed);
    close(kin->fd);
    kin->fd = -1;
}

/* --- Saying --- */

/* That the other one has gone, reading will show. */
static void flush(struct mu_kin *kin)
{
    ssize_t n = 1;
    while (kin->unsaid.len > 0 && n > 0) {
        n = write(kin->fd, kin->unsaid.data, kin->unsaid.len);
        if (n > 0)
            mu_buf_consume(&kin->unsaid, (size_t)n);
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        mu_buf_reset(&kin->unsaid);
}

void mu_kin_say(struct mu_kin *kin, const char *text)
{
    if (kin == NULL || kin->fd < 0 || kin->unsaid.len > UNSAID_MAX)
        return;
    mu_buf_add(&kin->unsaid, text, strlen(text) + 1);
    flush(kin);
    listen_to(kin);
}

/* --- Hearing --- */

/* Whoever is told may part from it. */
static void tell(struct mu_kin *kin)
{
    size_t told = 0;
    while (kin->fd >= 0 && told < kin->heard.len) {
        const char *text = kin->heard.data + told;
        const char *end = memchr(text, '\0', kin->heard.len - told);
        if (end == NULL)
            break;
        told += (size_t)(end - text) + 1;
        kin->events.said(kin->events.arg, text);
    }
    mu_buf_consume(&kin->heard, told);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct mu_kin *kin = poll->data;
    char bytes[4096];
    (void)status, (void)events;
    flush(kin);
    const ssize_t n = read(kin->fd, bytes, sizeof bytes);
    const bool none = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (n > 0) {
        mu_buf_add(&kin->heard, bytes, (size_t)n);
        tell(kin);
    }
    if (kin->fd < 0)
        return;
    if (none || (n > 0 && kin->heard.len <= HEARD_MAX && !mu_buf_failed(&kin->heard))) {
        listen_to(kin);
        return;
    }
    mu_kin_part(kin);
    if (kin->events.gone != NULL)
        kin->events.gone(kin->events.arg);
}
