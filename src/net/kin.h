#ifndef MU_NET_KIN_H
#define MU_NET_KIN_H

/*
 * What a server and the process that takes its place (net/successor) say to each other while both are there: texts, each with a
 * NUL behind it, over a stream socket. The first one, of the process that comes, is empty: it serves. That is all that a pipe
 * from a program of another version may be for. For this room only, in the thread that runs the server.
 */

#include <uv.h>

struct mu_kin;

struct mu_kin_events {
    void (*said)(void *arg, const char *text);
    void (*gone)(void *arg); /* parted from; NULL: nobody asks */
    void *arg;
};

/* Given: see mu_kin_part(). NULL without memory. */
struct mu_kin *mu_kin_new(uv_loop_t *loop, const struct mu_kin_events *events);

/* Takes `fd`, which does not block, once. */
void mu_kin_meet(struct mu_kin *kin, int fd);

/* Where there is nobody (NULL, or not met), or somebody who takes nothing, nothing happens. */
void mu_kin_say(struct mu_kin *kin, const char *text);

/* Nothing is said or heard any more; what it holds goes with the next turn of the loop. May be NULL. */
void mu_kin_part(struct mu_kin *kin);

#endif
