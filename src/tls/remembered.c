#include "tls/remembered.h"

#include <stdlib.h>
#include <string.h>

#include "tls/internal.h"

/* Each has its one place, which its hash names: nothing has to be searched for, or put in order. */
enum { PLACES = 1024 };

struct mu_remembered {
    struct {
        struct mu_vetted *vetted; /* NULL: there is nothing here */
        time_t from, until;
    } at[PLACES];
};

struct mu_remembered *mu_remembered_new(void)
{
    return calloc(1, sizeof(struct mu_remembered));
}

void mu_remembered_forget(struct mu_remembered *remembered)
{
    for (size_t i = 0; i < PLACES; i++) {
        mu_vetted_unref(remembered->at[i].vetted);
        remembered->at[i].vetted = NULL;
    }
}

void mu_remembered_free(struct mu_remembered *remembered)
{
    if (remembered != NULL)
        mu_remembered_forget(remembered);
    free(remembered);
}

static size_t place_of(const struct mu_presented *presented)
{
    return (presented->sha256[0] << 8 | presented->sha256[1]) % PLACES;
}

void mu_remembered_add(struct mu_remembered *remembered, struct mu_vetted *vetted, time_t now,
                       time_t until)
{
    const size_t i = place_of(&vetted->presented);
    struct mu_vetted *before = remembered->at[i].vetted;
    remembered->at[i].vetted = mu_vetted_ref(vetted);
    mu_vetted_unref(before);
    remembered->at[i].from = now;
    remembered->at[i].until = until;
}

struct mu_vetted *mu_remembered_find(const struct mu_remembered *remembered,
                                     const struct mu_presented *presented, time_t now)
{
    const size_t i = place_of(presented);
    struct mu_vetted *vetted = remembered->at[i].vetted;
    bool known = vetted != NULL && now >= remembered->at[i].from && now < remembered->at[i].until &&
                 memcmp(&vetted->presented, presented, sizeof *presented) == 0;
    return known ? vetted : NULL;
}
