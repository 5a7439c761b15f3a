#ifndef MU_NET_SUCCESSION_H
#define MU_NET_SUCCESSION_H

/*
 * The processes of one server, of which one takes the place of another: the one that goes starts the one that comes (successor),
 * and as long as there are several they hear of each other (kin). For this room only, in the thread that runs the server.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#include "net/kin.h"

struct mu_succession_events {
    void (*handed_on)(void *arg, pid_t successor); /* it serves at our sockets, so that we may go */
    void (*failed)(void *arg, const char *sentence, const char *hint); /* we stay as we were */
    void (*told)(void *arg, const char *text); /* by another of them: mu_succession_say() */
    void (*changed)(void *arg);                /* mu_succession_needs_us() may be another by now */
    void *arg;
};

struct mu_succession {
    uv_loop_t *loop;
    struct mu_succession_events events;
    pid_t successor;     /* 0: there is none */
    struct mu_kin *next; /* that one; NULL: it has ended */
    struct mu_kin *last; /* whose place we have taken; NULL: nobody's, or it has ended */
    bool handed_on;      /* to the successor */
};

void mu_succession_init(struct mu_succession *succession, uv_loop_t *loop,
                        const struct mu_succession_events *events);

/* Clients are served here: whose place we take may go. */
void mu_succession_take_over(struct mu_succession *succession);

/* Start another process, with these sockets; NULL: there was no memory for them. Not while there is a successor. */
void mu_succession_start(struct mu_succession *succession, const int *fds, size_t count);

/* By a process that is about to take over, and lacks nothing then; and by the one before and the one after it, which hear of each
 * other through it alone. */
bool mu_succession_needs_us(const struct mu_succession *succession);

/* To all others. */
void mu_succession_say(struct mu_succession *succession, const char *text);

/* Before the loop is taken down. */
void mu_succession_end(struct mu_succession *succession);

#endif
