#ifndef MU_FRONT_POINTS_INTERNAL_H
#define MU_FRONT_POINTS_INTERNAL_H

/* What is known of distribution points (points.c), and how it is fetched (points_fetch.c). */

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "base/buf.h"
#include "front/fetch.h"
#include "front/points.h"

enum { MU_POINTS_MAX = 2304 }; /* a CA of ours has 1024 partitions at most, each with its changes */

struct mu_point {
    char *url, *host; /* the host as all who name it have it in common */
    enum mu_fetch_right right;
    struct mu_cert *issuer; /* NULL: it comes from the cache, and nobody has asked for it yet */
    struct mu_crl *crl;     /* NULL: none has come that could be used */
    struct mu_crl_info info;
    size_t size;
    struct mu_buf arrived; /* not yet looked at */
    bool under_way, has_arrived;
    int64_t due_ms;    /* of mu_backend_now_ms() */
    unsigned failures; /* in a row */
    unsigned lapsed;   /* so often in a row the list that came was out of date */
    char why[MU_FETCH_WHY_LEN];
    time_t met;
    bool counts_for_ever; /* the list, to some door */
};

struct mu_points {
    pthread_mutex_t lock; /* on all of it; nobody does anything long with it */
    struct mu_point *at[MU_POINTS_MAX];
    size_t count;
    char *cache;
    struct mu_call *arrived;
    struct mu_points_task *task; /* the first worker's */
    uint64_t good, failed;
};

/* The caller has the lock. */
void mu_point_note_failure(struct mu_point *p, const char *why);
bool mu_point_is_old(const struct mu_point *p, time_t now);

#endif
