#include "tls/remembered.h"

#include <stdlib.h>
#include <string.h>

/* Each has its one place, which its hash names: nothing has to be searched for, or put in order. */
enum { PLACES = 1024 };

struct mu_remembered {
    struct {
        struct mu_presented presented;
        struct mu_cert *leaf; /* NULL: there is nothing here */
        time_t from, until;
    } at[PLACES];
};

struct mu_remembered *mu_remembered_new(void)
{
    return calloc(1, sizeof(struct mu_remembered));
}

void mu_remembered_free(struct mu_remembered *remembered)
{
    for (size_t i = 0; remembered != NULL && i < PLACES; i++)
        mu_cert_free(remembered->at[i].leaf);
    free(remembered);
}

static size_t place_of(const struct mu_presented *presented)
{
    return (presented->sha256[0] << 8 | presented->sha256[1]) % PLACES;
}

void mu_remembered_add(struct mu_remembered *remembered, const struct mu_presented *presented,
                       struct mu_cert *leaf, time_t now, time_t until)
{
    size_t i = place_of(presented);
    mu_cert_free(remembered->at[i].leaf);
    remembered->at[i].leaf = leaf;
    remembered->at[i].presented = *presented;
    remembered->at[i].from = now;
    remembered->at[i].until = until;
}

struct mu_cert *mu_remembered_find(const struct mu_remembered *remembered,
                                   const struct mu_presented *presented, time_t now)
{
    size_t i = place_of(presented);
    bool known = now >= remembered->at[i].from && now < remembered->at[i].until &&
                 memcmp(&remembered->at[i].presented, presented, sizeof *presented) == 0;
    return known ? remembered->at[i].leaf : NULL;
}
