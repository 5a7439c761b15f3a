#include "net/succession.h"

#include <sys/wait.h>
#include <unistd.h>

#include "net/successor.h"

void mu_succession_init(struct mu_succession *s, uv_loop_t *loop,
                        const struct mu_succession_events *events)
{
    *s = (struct mu_succession){.loop = loop, .events = *events};
}

void mu_succession_end(struct mu_succession *s)
{
    mu_kin_part(s->next);
    mu_kin_part(s->last);
}

bool mu_succession_needs_us(const struct mu_succession *s)
{
    return s->next != NULL && (!s->handed_on || s->last != NULL);
}

static void say_to_next(struct mu_succession *s, const char *text)
{
    if (s->handed_on)
        mu_kin_say(s->next, text);
}

void mu_succession_say(struct mu_succession *s, const char *text)
{
    say_to_next(s, text);
    mu_kin_say(s->last, text);
}

/* --- The one that comes --- */

/* It serves, so that we may go; and what it is asked for later is meant for all who are here still. */
static void on_said_by_next(void *arg, const char *text)
{
    struct mu_succession *s = arg;
    if (!s->handed_on) {
        s->handed_on = true;
        s->events.handed_on(s->events.arg, s->successor);
        s->events.changed(s->events.arg);
        return;
    }
    s->events.told(s->events.arg, text);
    mu_kin_say(s->last, text);
}

static void on_next_gone(void *arg)
{
    struct mu_succession *s = arg;
    s->next = NULL;
    if (!s->handed_on) {
        (void)waitpid(s->successor, NULL, 0); /* if it is our child */
        s->successor = 0;
        s->events.failed(s->events.arg,
                         "the process that was to take over has ended before it could",
                         "this one goes on as it was; see what the new one has said");
    }
    s->events.changed(s->events.arg);
}

void mu_succession_start(struct mu_succession *s, const int *fds, size_t count)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_successor next;
    const struct mu_kin_events events = {on_said_by_next, on_next_gone, s};
    s->next = fds == NULL ? NULL : mu_kin_new(s->loop, &events);
    if (s->next == NULL)
        mu_fail_nomem(&err);
    else if (mu_successor_start(fds, count, &next, &err) == 0)
        s->successor = next.pid;
    if (s->successor != 0) {
        mu_kin_meet(s->next, next.socket);
        return;
    }
    mu_kin_part(mu_take(&s->next));
    s->events.failed(s->events.arg, err.what, err.hint);
}

/* --- The one that goes --- */

static void on_said_by_last(void *arg, const char *text)
{
    struct mu_succession *s = arg;
    s->events.told(s->events.arg, text);
    say_to_next(s, text);
}

static void on_last_gone(void *arg)
{
    struct mu_succession *s = arg;
    s->last = NULL;
    s->events.changed(s->events.arg);
}

void mu_succession_take_over(struct mu_succession *s)
{
    const struct mu_kin_events events = {on_said_by_last, on_last_gone, s};
    const int fd = mu_predecessor_relieve();
    if (fd < 0)
        return;
    s->last = mu_kin_new(s->loop, &events);
    if (s->last == NULL) {
        (void)!write(fd, "", 1);
        close(fd);
        return;
    }
    mu_kin_meet(s->last, fd);
    mu_kin_say(s->last, "");
}
