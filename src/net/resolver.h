#ifndef MU_NET_RESOLVER_H
#define MU_NET_RESOLVER_H

/*
 * Asking the system for the addresses of names, in threads of its own, since getaddrinfo(3) takes as long as it likes and cannot be
 * called off. So that names whose servers are dead leave room for the others, each name is asked for once at a time, few of one
 * zone, and a bounded number of all; the rest waits its turn. That there is none is remembered for a few seconds. Who has left is
 * not called any more; a thread that still waits then is no hindrance to the end of the process, which it does not outlive.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

enum {
    MU_RESOLVER_ADDRESSES = 8,
    MU_RESOLVER_AT_ONCE = 16,
    MU_RESOLVER_OF_ZONE = 4, /* of those: names that end in the same two labels, */
    MU_RESOLVER_SHARED = 8,  /* of which each has more than one only while so many are free */
    MU_RESOLVER_FAILED_MS = 5000,
};

/* `count` 0: there are none, and `why` says why; static. Their ports are 0. */
struct mu_resolved {
    struct mu_address at[MU_RESOLVER_ADDRESSES];
    size_t count;
    const char *why;
};

/* How to ask, and what time it is: the system, or a test. One process has one; it is never freed, for its threads have it. */
struct mu_resolver {
    void (*ask)(const char *host, struct mu_resolved *ret);
    int64_t (*now_ms)(void);
    pthread_mutex_t lock;
    struct mu_asked_name *names; /* in the order in which they came */
    unsigned under_way, remembered;
};
#define MU_RESOLVER_INIT(asks, tells_time)                                                         \
    {.ask = (asks), .now_ms = (tells_time), .lock = PTHREAD_MUTEX_INITIALIZER}

struct mu_resolver *mu_resolver_system(void);

/* Whose servers are dead, has many names: those that end as this one does, in its last two labels. A number is all its own. Borrowed
 * from `host`. */
const char *mu_zone_of(const char *host);
/* Are both hosts of one? */
bool mu_zone_same(const char *a, const char *b);
/* May one more be begun, when so many are under way of all, and of its zone? */
bool mu_zone_has_turn(unsigned of_zone, unsigned under_way);

/* Who asks. `answered` is called once, in any thread, maybe before mu_resolver_ask() has returned; it must do no more than wake
 * somebody up. The result may be read after mu_resolver_leave(). */
struct mu_inquiry {
    void (*answered)(void *arg);
    void *arg;
    struct mu_resolved result;
    struct mu_asked_name *name; /* the resolver's; NULL: nothing is to come any more */
    struct mu_inquiry *next;
};

/* False, and nobody is called: there is no memory, or the name is too long for one. */
bool mu_resolver_ask(struct mu_resolver *resolver, const char *host, struct mu_inquiry *inquiry);
/* Afterwards nobody is called any more. Also when it has been answered. */
void mu_resolver_leave(struct mu_resolver *resolver, struct mu_inquiry *inquiry);

#endif
