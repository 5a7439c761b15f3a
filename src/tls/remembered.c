#include "tls/remembered.h"

#include <stdlib.h>
#include <string.h>

/* Each has its one place, which its hash names: nothing has to be searched for, or put in order. */
enum { PLACES = 1024 };

struct mu_remembered {
    struct {
        struct mu_presented presented;
        time_t from, until;
    } at[PLACES];
};

struct mu_remembered *mu_remembered_new(void)
{
    return calloc(1, sizeof(struct mu_remembered)); /* `until` is 0: nothing holds */
}

void mu_remembered_free(struct mu_remembered *remembered)
{
    free(remembered);
}

static size_t place_of(const struct mu_presented *presented)
{
    return (presented->sha256[0] << 8 | presented->sha256[1]) % PLACES;
}

void mu_remembered_add(struct mu_remembered *remembered, const struct mu_presented *presented,
                       time_t now, time_t until)
{
    size_t i = place_of(presented);
    remembered->at[i].presented = *presented;
    remembered->at[i].from = now;
    remembered->at[i].until = until;
}

bool mu_remembered_has(const struct mu_remembered *remembered, const struct mu_presented *presented,
                       time_t now)
{
    size_t i = place_of(presented);
    return now >= remembered->at[i].from && now < remembered->at[i].until &&
           memcmp(&remembered->at[i].presented, presented, sizeof *presented) == 0;
}
