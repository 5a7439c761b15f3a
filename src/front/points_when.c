#include "front/points_when.h"

enum {
    /* At the latest, whatever the list says: who was revoked meanwhile is on the next one. */
    AGAIN_S = 60 * 60,
    BACKOFF_S = 10 * 60, /* at most */
    FORGET_S = 7 * 24 * 60 * 60,
};

int64_t mu_points_wait_after_failures_s(unsigned before)
{
    enum { DOUBLINGS_MAX = 10 };
    const int64_t after_s = (int64_t)1 << (before < DOUBLINGS_MAX ? before : DOUBLINGS_MAX);
    return after_s < BACKOFF_S ? after_s : BACKOFF_S;
}

/* A quarter of its time, and before its end; whoever has nothing newer is not pressed for it. */
int64_t mu_points_wait_after_list_s(const struct mu_crl_info *list, time_t now, unsigned *lapsed)
{
    int64_t after_s = AGAIN_S;
    if (list->next_update != 0 && list->next_update <= now)
        return mu_points_wait_after_failures_s((*lapsed)++);
    *lapsed = 0;
    if (list->next_update != 0) {
        const int64_t quarter_s = (int64_t)(list->next_update - list->this_update) / 4;
        const int64_t left_s = (int64_t)(list->next_update - now) / 2;
        after_s = quarter_s < after_s ? quarter_s : after_s;
        after_s = left_s < after_s ? left_s : after_s;
    }
    return after_s < 1 ? 1 : after_s;
}

bool mu_points_may_forget(const struct mu_crl_info *list, time_t met, time_t now)
{
    const time_t before = now - FORGET_S;
    return met <= before &&
           (list == NULL || (list->next_update != 0 && list->next_update <= before));
}
