#include "front/kick.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "front/access.h"

enum { KICKS_MAX = 1000 };

struct kick {
    struct mu_access_list who; /* one term */
    time_t until;
};

struct mu_kicks {
    _Atomic size_t count; /* who reads it without the lock learns whether there are any */
    pthread_mutex_t lock;
    struct kick at[KICKS_MAX]; /* the first to end first */
};

struct mu_kicks *mu_kicks_new(void)
{
    struct mu_kicks *kicks = calloc(1, sizeof *kicks);
    if (kicks != NULL)
        pthread_mutex_init(&kicks->lock, NULL);
    return kicks;
}

void mu_kicks_free(struct mu_kicks *kicks)
{
    if (kicks == NULL)
        return;
    for (size_t i = 0; i < kicks->count; i++)
        mu_access_list_clear(&kicks->at[i].who);
    pthread_mutex_destroy(&kicks->lock);
    free(kicks);
}

/* --- Under the lock --- */

static void remove_at(struct mu_kicks *kicks, size_t i)
{
    const size_t left = kicks->count - i - 1;
    mu_access_list_clear(&kicks->at[i].who);
    memmove(&kicks->at[i], &kicks->at[i + 1], left * sizeof kicks->at[0]);
    kicks->count--;
}

static void forget_past(struct mu_kicks *kicks, time_t now)
{
    while (kicks->count > 0 && kicks->at[0].until <= now)
        remove_at(kicks, 0);
}

static size_t find(const struct mu_kicks *kicks, const char *who)
{
    size_t i = 0;
    while (i < kicks->count && !mu_str_equal(kicks->at[i].who.at[0].text, who))
        i++;
    return i;
}

/* Takes `who` when there is room. */
static bool put(struct mu_kicks *kicks, struct mu_access_list *who, time_t until)
{
    size_t i = find(kicks, who->at[0].text);
    if (i < kicks->count) {
        until = kicks->at[i].until > until ? kicks->at[i].until : until;
        remove_at(kicks, i);
    }
    if (kicks->count == KICKS_MAX)
        return false;
    for (i = kicks->count; i > 0 && kicks->at[i - 1].until > until; i--)
        kicks->at[i] = kicks->at[i - 1];
    kicks->at[i] = (struct kick){.who = *who, .until = until};
    kicks->count++;
    return true;
}

static const struct kick *find_hit(const struct mu_kicks *kicks, const struct mu_identity *who,
                                   time_t now)
{
    for (size_t i = 0; i < kicks->count; i++) {
        struct mu_access_verdict verdict;
        const struct mu_access access = {.deny = kicks->at[i].who};
        if (now < kicks->at[i].until && !mu_access_judge(&access, who, &verdict) &&
            verdict.reason == MU_ACCESS_DENIED)
            return &kicks->at[i];
    }
    return NULL;
}

/* --- For all --- */

static int read_term(const char *text, struct mu_access_list *ret, struct mu_error *err)
{
    if (mu_access_list_add(ret, text, err) != 0)
        return -1;
    if (ret->at[0].kind < MU_ACCESS_ALL)
        return 0;
    mu_fail(err, MU_E_USAGE, "\"%s\" names no client", text);
    return mu_hint(err, "name some by what their certificates say: cn=bob, serial=1A2B, "
                        "dns=*.example.com");
}

int mu_kicks_add(struct mu_kicks *kicks, const char *who, time_t until, struct mu_error *err)
{
    struct mu_access_list list = {.count = 0};
    if (read_term(who, &list, err) != 0) {
        mu_access_list_clear(&list);
        return -1;
    }
    pthread_mutex_lock(&kicks->lock);
    forget_past(kicks, time(NULL));
    const bool is_in = put(kicks, &list, until);
    pthread_mutex_unlock(&kicks->lock);
    if (is_in)
        return 0;
    mu_access_list_clear(&list);
    mu_fail(err, MU_E_TOO_LARGE, "as many clients are kicked as can be, %d", KICKS_MAX);
    return mu_hint(err, "take some back with --undo, or revoke their certificates: mutual revoke");
}

bool mu_kicks_undo(struct mu_kicks *kicks, const char *who)
{
    pthread_mutex_lock(&kicks->lock);
    forget_past(kicks, time(NULL));
    const size_t i = find(kicks, who);
    const bool there = i < kicks->count;
    if (there)
        remove_at(kicks, i);
    pthread_mutex_unlock(&kicks->lock);
    return there;
}

bool mu_kicks_any(const struct mu_kicks *kicks)
{
    return atomic_load(&kicks->count) > 0;
}

bool mu_kicks_hit(struct mu_kicks *kicks, const struct mu_identity *who, time_t now,
                  struct mu_refusal *ret)
{
    char date[MU_DATE_LEN];
    pthread_mutex_lock(&kicks->lock);
    const struct kick *hit = find_hit(kicks, who, now);
    if (hit != NULL && ret != NULL) {
        mu_refusal_set(ret, MU_REFUSAL_KICKED);
        snprintf(ret->sentence, sizeof ret->sentence, "this client was kicked out as %s, until %s",
                 hit->who.at[0].text, mu_date(hit->until, date));
    }
    pthread_mutex_unlock(&kicks->lock);
    return hit != NULL;
}

void mu_kicks_each(struct mu_kicks *kicks, time_t now,
                   void (*tell)(void *arg, const char *who, time_t until), void *arg)
{
    pthread_mutex_lock(&kicks->lock);
    forget_past(kicks, now);
    for (size_t i = 0; i < kicks->count; i++)
        tell(arg, kicks->at[i].who.at[0].text, kicks->at[i].until);
    pthread_mutex_unlock(&kicks->lock);
}
