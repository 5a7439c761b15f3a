#ifndef MU_AUTHORITY_CRL_H
#define MU_AUTHORITY_CRL_H

/* The authority's revocation lists: made, recorded and put where crl_settings.h says. */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "authority/authority.h"
#include "authority/crl_settings.h"
#include "base/error.h"

/* Change what differs from the present settings. Fails as mu_crl_settings_check() does. */
MU_CHECK int mu_crl_settings_write(struct mu_authority *authority,
                                   const struct mu_crl_settings *settings, time_t now,
                                   struct mu_error *err);

enum mu_publish {
    MU_PUBLISH_CHANGED, /* behind a revocation: the complete list, and the partitions in which something changed */
    MU_PUBLISH_ALL,
    MU_PUBLISH_DELTA, /* delta lists alone; the complete lists stay as they are */
};

struct mu_published {
    int64_t number; /* of the complete list, or of its delta */
    int64_t base;   /* a delta's; else 0 */
    size_t revoked; /* entries in it */
    time_t next_update;
    size_t lists;           /* how many were made in all */
    char path[MU_PATH_LEN]; /* the file that holds it */
    struct mu_error trouble; /* why the lists of a former key stay as they were; MU_OK: they do not */
};

/*
 * Make lists, record them, sign the trail, and put them into home. Their numbers rise also after a restore from a
 * backup, because they are never below the clock's milliseconds. An entry stays until a list was made after its
 * certificate's end. [RFC 5280 3.3, 5.2.3] A former key that cannot be had keeps nobody else's lists from being made: its own
 * stay in ca.crl as they are.
 * Fails with MU_E_USAGE (deltas that were not asked for before), MU_E_CA_UNFIT, MU_E_CRYPTO, MU_E_STORE, MU_E_IO.
 */
MU_CHECK int mu_authority_publish(struct mu_authority *authority, enum mu_publish what, time_t now,
                                  struct mu_published *ret, struct mu_error *err);

/* Has something been revoked or released that no list tells of yet, or is ca.crl not the list on record? Then whoever did that
 * was cut off. What cannot be read counts as lagging. */
bool mu_authority_lists_lag(struct mu_authority *authority);

#endif
