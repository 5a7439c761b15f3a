#include "front/upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/time.h"
#include "net/timer.h"

enum { EVERY_MS = 60 * 1000 };

struct watched {
    const struct mu_door_list *list;
    int64_t grace_s; /* of its door */
    bool told_soon, told_past;
};

struct mu_upkeep {
    struct mu_worker *worker;
    struct mu_timer *timer;
    size_t count;
    struct watched at[];
};

/* A day before, or where lists follow each other faster, the last quarter of its time. */
static time_t warned_from(const struct mu_crl_info *info)
{
    const int64_t quarter_s = (int64_t)(info->next_update - info->this_update) / 4;
    return info->next_update - (time_t)(quarter_s < MU_DAY_S ? quarter_s : MU_DAY_S);
}

static void tell(const struct mu_upkeep *upkeep, const struct watched *watched, const char *id,
                 const char *how)
{
    char sentence[MU_ERROR_WHAT_LEN], date[MU_DATE_LEN];
    const char *then = watched->grace_s == MU_CRL_GRACE_CLOSED ? "its clients are refused then"
                       : watched->grace_s == MU_CRL_GRACE_OPEN
                           ? "who is revoked later is let in then"
                           : "it counts for a while longer";
    snprintf(sentence, sizeof sentence, "the revocation list of \"%s\" %s, on %s: %s",
             watched->list->info.issuer, how, mu_date(watched->list->info.next_update, date), then);
    mu_worker_tell(
        upkeep->worker, id, sentence,
        "have the CA publish its list again, as mutual crl does, and put it into its place");
}

static void look(void *arg)
{
    struct mu_upkeep *upkeep = arg;
    const time_t now = time(NULL);
    for (size_t i = 0; i < upkeep->count; i++) {
        struct watched *watched = &upkeep->at[i];
        const struct mu_crl_info *info = &watched->list->info;
        if (info->next_update == 0 || now < warned_from(info))
            continue;
        const bool past = now >= info->next_update;
        if (past && !watched->told_past)
            tell(upkeep, watched, "crl-lapsed", "is out of date");
        else if (!past && !watched->told_soon)
            tell(upkeep, watched, "crl-lapses", "is soon out of date");
        watched->told_soon = true;
        watched->told_past = watched->told_past || past;
    }
}

/* The age of the home's own means nothing, unless somebody has said so. */
static size_t lists_of(const struct mu_door *door)
{
    return mu_door_obeys_home(door) ? 0 : door->list_count;
}

struct mu_upkeep *mu_upkeep_begin(struct mu_worker *worker, const struct mu_doors *doors)
{
    size_t count = 0;
    for (size_t i = 0; i < doors->count; i++)
        count += lists_of(&doors->at[i]);
    struct mu_upkeep *upkeep =
        count == 0 ? NULL : calloc(1, sizeof *upkeep + count * sizeof upkeep->at[0]);
    if (upkeep == NULL)
        return NULL;
    upkeep->worker = worker;
    for (size_t i = 0; i < doors->count; i++)
        for (size_t j = 0; j < lists_of(&doors->at[i]); j++)
            upkeep->at[upkeep->count++] =
                (struct watched){.list = &doors->at[i].lists[j],
                                 .grace_s = doors->at[i].config->crl_grace_s};
    upkeep->timer = mu_timer_start(worker, EVERY_MS, look, upkeep);
    return upkeep;
}

void mu_upkeep_end(struct mu_upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    mu_timer_free(upkeep->timer);
    free(upkeep);
}
