#ifndef MU_TLS_REMEMBERED_H
#define MU_TLS_REMEMBERED_H

/*
 * Chains that a context has verified. To verify one again is to do the same work for the same answer, as long as neither
 * the bytes that the client presents, nor the trust, nor the lists are others, and nothing of it has ended. Trust and
 * lists are the context's own, and never change: others make another context. That the client has the key is proven in
 * each handshake, remembered or not.
 */

#include <time.h>

#include "base/macros.h"

struct mu_remembered;
struct mu_vetted;

/* What the client presents, as a SHA-256 of all of it. */
struct mu_presented {
    unsigned char sha256[32];
};

/* Room for some; a new one may take the place of an old one. NULL without memory. */
struct mu_remembered *mu_remembered_new(void);
void mu_remembered_free(struct mu_remembered *remembered);
MU_AUTO_DEFINE_STRUCT(mu_remembered, mu_remembered_free)

/* It was found good at `now`, and that holds as long as the time is before `until`. One more user of it. */
void mu_remembered_add(struct mu_remembered *remembered, struct mu_vetted *vetted, time_t now,
                       time_t until);

/* Borrowed until the next is added, if it was found good and that holds at `now`; else NULL. A clock that has gone back since
 * is no ground to say yes. */
struct mu_vetted *mu_remembered_find(const struct mu_remembered *remembered,
                                     const struct mu_presented *presented, time_t now);

/* What was found good has to be found so again. */
void mu_remembered_forget(struct mu_remembered *remembered);

#endif
