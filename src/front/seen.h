#ifndef MU_FRONT_SEEN_H
#define MU_FRONT_SEEN_H

/*
 * Who has come in lately, and by which door: what it takes to say whom other lists, CAs or rules would lock out, and whose
 * certificates are about to end. It has room for some 16,000 clients, about 1 KB each; a new one takes the place of one that was
 * seen long ago. Of what a client presents besides its own certificate the last counts. For any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/macros.h"
#include "tls/vetted.h"

struct mu_seen;

/* NULL without memory. */
struct mu_seen *mu_seen_new(void);
void mu_seen_free(struct mu_seen *seen);
MU_AUTO_DEFINE_STRUCT(mu_seen, mu_seen_free)

struct mu_seen_client {
    const char *listen,
        *asked; /* an address of the door as it was described, and the name that was asked for, or "" */
    time_t last;              /* when it last came in */
    time_t from, until;       /* when its own certificate begins and ends */
    const char *chain;        /* what it has presented: PEM, its own certificate first */
    unsigned char sha256[32]; /* of its own certificate */
    bool again;               /* it has been told of already, by another door or name */
};

/* It has come in. Only in the thread that has `vetted`. Without memory it is not remembered. */
void mu_seen_note(struct mu_seen *seen, const struct mu_vetted *vetted, const char *listen,
                  const char *asked, time_t now);

/* Each that has come in since then. What `tell` is handed is borrowed for the call, during which nobody else may note anything. */
void mu_seen_each(struct mu_seen *seen, time_t since,
                  void (*tell)(void *arg, const struct mu_seen_client *client), void *arg);

/* Does it end before long, by the clock and by its own measure: so soon, and in the last quarter of its time? */
bool mu_seen_ends_soon(const struct mu_seen_client *client, time_t now, int64_t within_s);

#endif
