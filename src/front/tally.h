#ifndef MU_FRONT_TALLY_H
#define MU_FRONT_TALLY_H

/*
 * What is counted of a door's clients against its limits. It outlives the door: the one that takes its place goes on with it, or
 * each reload would give everybody as much again. For any thread.
 */

#include <stdatomic.h>

#include "front/config.h"

struct mu_rates;

struct mu_tally {
    _Atomic unsigned users;
    _Atomic unsigned open;                  /* connections */
    struct mu_rate rate, address_rate;      /* of which these are: */
    struct mu_rates *rates, *address_rates; /* NULL: as often as they like */
};

/* With one user. Fails with MU_E_NOMEM. */
MU_CHECK int mu_tally_new(const struct mu_front_limits *limits, struct mu_tally **ret,
                          struct mu_error *err);
/* NULL is nobody. */
struct mu_tally *mu_tally_ref(struct mu_tally *tally);
void mu_tally_unref(struct mu_tally *tally);
MU_AUTO_DEFINE_STRUCT(mu_tally, mu_tally_unref)

/* Can what has been counted in one be gone on with in the other? Not where other rates are allowed. */
bool mu_tally_same(const struct mu_tally *a, const struct mu_tally *b);

#endif
