/* What doors go on with that their predecessors have found out. A reload may be but for a list of revoked certificates, and come often. */

#include "base/str.h"
#include "front/door.h"

static const struct mu_door *find_predecessor(const struct mu_door *door,
                                              const struct mu_doors *before)
{
    for (size_t i = 0; before != NULL && i < before->count; i++) {
        const struct mu_door_config *config = before->at[i].config;
        if (mu_strs_same(&config->listen, &door->config->listen) &&
            mu_strs_same(&config->names, &door->config->names))
            return &before->at[i];
    }
    return NULL;
}

static const struct mu_backend *find_in(const struct mu_backends *set, const char *name)
{
    for (size_t i = 0; set != NULL && i < set->count; i++)
        if (mu_str_equal(set->at[i].name, name))
            return &set->at[i];
    return NULL;
}

/* That one is not well, only the same health check would find over. */
static bool same_check(const struct mu_door *a, const struct mu_door *b)
{
    return mu_str_same(a->config->health_check, b->config->health_check);
}

/* The i-th set is the same route's unless routes have come or gone, and then what is known is known anew. */
static void follow_backends(const struct mu_door *door, const struct mu_door *before)
{
    const struct mu_backends *set;
    for (size_t i = 0; (set = mu_door_backends(door, i)) != NULL; i++)
        for (size_t j = 0; j < set->count; j++) {
            const struct mu_backend *former = find_in(mu_door_backends(before, i), set->at[j].name);
            if (former != NULL)
                mu_backend_share(&set->at[j], former);
        }
}

void mu_doors_follow(struct mu_doors *doors, const struct mu_doors *before)
{
    for (size_t i = 0; i < doors->count; i++) {
        struct mu_door *door = &doors->at[i];
        const struct mu_door *predecessor = find_predecessor(door, before);
        if (predecessor == NULL)
            continue;
        if (same_check(door, predecessor))
            follow_backends(door, predecessor);
        if (!mu_tally_same(door->tally, predecessor->tally))
            continue;
        mu_tally_unref(door->tally);
        door->tally = mu_tally_ref(predecessor->tally);
    }
}
