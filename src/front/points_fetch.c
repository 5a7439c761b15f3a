/* Fetching what distribution points have, a few at a time, in the first worker's thread. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "front/backend.h"
#include "front/points_internal.h"
#include "net/resolver.h"
#include "net/timer.h"

enum {
    AT_ONCE = MU_RESOLVER_AT_ONCE, /* some of which may wait for a name or a server that is dead */
    LOOK_MS = 250,
    FETCH_S = 60,
};

struct fetching {
    struct mu_points_task *task;
    struct mu_point *point; /* NULL: nothing is under way here */
    struct mu_fetch *fetch;
};

struct mu_points_task {
    struct mu_points *points;
    struct mu_worker *worker;
    struct mu_timer *timer;
    unsigned users; /* sets of doors: when others take their place, what is under way goes on */
    struct fetching slots[AT_ONCE];
};

static void look(struct mu_points_task *task, bool due);

/* --- One --- */

static void tell_failure(struct mu_worker *worker, const char *url, const char *why)
{
    char sentence[MU_ERROR_WHAT_LEN];
    snprintf(sentence, sizeof sentence, "the revocation list at %.400s could not be fetched: %s",
             url, why);
    mu_worker_tell(worker, "crl-fetch-failed", sentence,
                   "look at what serves it; it is asked for again by and by");
}

static void on_fetched(void *arg, const struct mu_buf *answer, const char *why)
{
    struct fetching *slot = arg;
    struct mu_points *points = slot->task->points;
    struct mu_point *p = slot->point;
    char url[MU_FETCH_URL_MAX];
    pthread_mutex_lock(&points->lock);
    p->under_way = false;
    mu_str_copy(url, sizeof url, p->url);
    if (answer != NULL) {
        mu_buf_reset(&p->arrived);
        mu_buf_add(&p->arrived, answer->data, answer->len);
        p->has_arrived = true;
    } else {
        points->failed++;
        mu_point_note_failure(p, why);
    }
    pthread_mutex_unlock(&points->lock);
    if (answer == NULL)
        tell_failure(slot->task->worker, url, why);
    mu_fetch_free(slot->fetch);
    slot->fetch = NULL;
    slot->point = NULL;
    look(slot->task, false);
}

/* The caller has the lock. */
static void begin_fetch(struct fetching *slot, struct mu_point *p)
{
    const struct mu_fetch_order order = {
        .url = p->url,
        .right = p->right,
        .accept = "application/pkix-crl, */*",
        .limit = MU_FILE_LIMIT,
        .limit_s = FETCH_S,
    };
    slot->fetch = mu_fetch_begin(slot->task->worker, &order, on_fetched, slot);
    if (slot->fetch == NULL) {
        mu_point_note_failure(p, "there is no memory for it");
        return;
    }
    slot->point = p;
    p->under_way = true;
}

/* --- Which --- */

static bool is_due(const struct mu_point *p, int64_t now_ms)
{
    return !p->under_way && !p->has_arrived && p->issuer != NULL && p->right != MU_FETCH_NEVER &&
           p->due_ms <= now_ms;
}

/* Those that are dead are to leave room for others, whoever has named how many of them. */
static bool has_turn(const struct mu_points_task *task, const struct mu_point *p)
{
    unsigned of_zone = 0, under_way = 0;
    for (size_t i = 0; i < AT_ONCE; i++) {
        const struct mu_point *other = task->slots[i].point;
        under_way += other != NULL;
        of_zone += other != NULL && mu_zone_same(other->host, p->host);
    }
    return mu_zone_has_turn(of_zone, under_way);
}

/* Whoever has been due for longest. NULL: nobody is, or has a turn. */
static struct mu_point *next_due(const struct mu_points_task *task)
{
    const struct mu_points *points = task->points;
    const int64_t now_ms = mu_backend_now_ms();
    struct mu_point *next = NULL;
    for (size_t i = 0; i < points->count; i++) {
        struct mu_point *p = points->at[i];
        if ((next == NULL || p->due_ms < next->due_ms) && is_due(p, now_ms) && has_turn(task, p))
            next = p;
    }
    return next;
}

static struct fetching *free_slot(struct mu_points_task *task)
{
    for (size_t i = 0; i < AT_ONCE; i++)
        if (task->slots[i].point == NULL)
            return &task->slots[i];
    return NULL;
}

/* The caller has the lock. */
static void begin_due(struct mu_points_task *task)
{
    struct fetching *slot;
    struct mu_point *p;
    while ((slot = free_slot(task)) != NULL && (p = next_due(task)) != NULL)
        begin_fetch(slot, p);
}

static bool is_busy(const struct mu_points_task *task)
{
    for (size_t i = 0; i < AT_ONCE; i++)
        if (task->slots[i].point != NULL)
            return true;
    return false;
}

/* --- All --- */

/* Something has come, or is to be forgotten. The caller has the lock. */
static bool has_news(const struct mu_points *points)
{
    const time_t now = time(NULL);
    for (size_t i = 0; i < points->count; i++)
        if (points->at[i]->has_arrived || mu_point_is_old(points->at[i], now))
            return true;
    return false;
}

/* Each time that lists are handed over all doors are loaded anew: so while more are under way, they are gathered until the next look
 * that is due. */
static void look(struct mu_points_task *task, bool due)
{
    struct mu_points *points = task->points;
    pthread_mutex_lock(&points->lock);
    begin_due(task);
    const bool tells = (due || !is_busy(task)) && has_news(points);
    pthread_mutex_unlock(&points->lock);
    if (tells)
        mu_call_make(points->arrived);
}

static void on_look(void *task)
{
    look(task, true);
}

struct mu_points_task *mu_points_begin(struct mu_points *points, struct mu_worker *worker)
{
    if (points->task != NULL) {
        points->task->users++;
        return points->task;
    }
    struct mu_points_task *task = calloc(1, sizeof *task);
    if (task == NULL)
        return NULL;
    points->task = task;
    *task = (struct mu_points_task){.points = points, .worker = worker, .users = 1};
    for (size_t i = 0; i < AT_ONCE; i++)
        task->slots[i].task = task;
    task->timer = mu_timer_start(worker, LOOK_MS, on_look, task);
    return task;
}

void mu_points_end(struct mu_points_task *task)
{
    if (task == NULL || --task->users > 0)
        return;
    task->points->task = NULL;
    mu_timer_free(task->timer);
    pthread_mutex_lock(&task->points->lock);
    for (size_t i = 0; i < AT_ONCE; i++)
        if (task->slots[i].point != NULL)
            task->slots[i].point->under_way = false;
    pthread_mutex_unlock(&task->points->lock);
    for (size_t i = 0; i < AT_ONCE; i++)
        mu_fetch_free(task->slots[i].fetch);
    free(task);
}
