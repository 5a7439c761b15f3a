#ifndef MU_FRONT_KICK_H
#define MU_FRONT_KICK_H

/*
 * Clients who are kept out for a time, whatever their certificates say: what `mutual kick` asks for. It is of this process and
 * of all its doors, and it outlives a reload, but not a restart; the process that takes its place is told (kick_kin.c). For any
 * thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "pki/identity.h"
#include "tls/refusal.h"

struct mu_kicks;

/* NULL without memory. */
struct mu_kicks *mu_kicks_new(void);
void mu_kicks_free(struct mu_kicks *kicks);
MU_AUTO_DEFINE_STRUCT(mu_kicks, mu_kicks_free)

/* Whoever this names, as a term of rules does (front/access.h), until then; said again, it holds until the later end. Fails
 * with MU_E_USAGE (no term, or one that would name everybody), MU_E_TOO_LARGE (there are a thousand), MU_E_NOMEM. */
MU_CHECK int mu_kicks_add(struct mu_kicks *kicks, const char *who, time_t until,
                          struct mu_error *err);

/* False: it is not there. */
bool mu_kicks_undo(struct mu_kicks *kicks, const char *who);

/* Is there any? It costs nothing to ask. */
bool mu_kicks_any(const struct mu_kicks *kicks);

/* Is this client one of them? `ret`, which may be NULL, says so. */
bool mu_kicks_hit(struct mu_kicks *kicks, const struct mu_identity *who, time_t now,
                  struct mu_refusal *ret);

/* Each that has not ended, the first to end first. */
void mu_kicks_each(struct mu_kicks *kicks, time_t now,
                   void (*tell)(void *arg, const char *who, time_t until), void *arg);

#endif
