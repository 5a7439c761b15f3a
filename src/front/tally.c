#include "front/tally.h"

#include <stdlib.h>

#include "front/rate.h"

static int load_rate(const struct mu_rate *rate, struct mu_rates **ret, struct mu_error *err)
{
    return rate->count == 0 ? 0 : mu_rates_new(rate, ret, err);
}

int mu_tally_new(const struct mu_front_limits *limits, struct mu_tally **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_tally) tally = calloc(1, sizeof *tally);
    if (tally == NULL)
        return mu_fail_nomem(err);
    tally->users = 1;
    tally->rate = limits->rate;
    tally->address_rate = limits->address_rate;
    if (load_rate(&tally->rate, &tally->rates, err) != 0 ||
        load_rate(&tally->address_rate, &tally->address_rates, err) != 0)
        return -1;
    *ret = mu_take(&tally);
    return 0;
}

struct mu_tally *mu_tally_ref(struct mu_tally *tally)
{
    if (tally != NULL)
        atomic_fetch_add(&tally->users, 1);
    return tally;
}

void mu_tally_unref(struct mu_tally *tally)
{
    if (tally == NULL || atomic_fetch_sub(&tally->users, 1) != 1)
        return;
    mu_rates_free(tally->rates);
    mu_rates_free(tally->address_rates);
    free(tally);
}

static bool same_rate(const struct mu_rate *a, const struct mu_rate *b)
{
    return a->count == b->count && a->per_s == b->per_s;
}

bool mu_tally_same(const struct mu_tally *a, const struct mu_tally *b)
{
    return a != NULL && b != NULL && same_rate(&a->rate, &b->rate) &&
           same_rate(&a->address_rate, &b->address_rate);
}
