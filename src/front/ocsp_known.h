#ifndef MU_FRONT_OCSP_KNOWN_H
#define MU_FRONT_OCSP_KNOWN_H

/* What is known of clients from their responders: one table, whose user has a lock. No clock, no network. */

#include <time.h>

#include "front/fetch.h"
#include "front/ocsp.h"
#include "pki/ocsp.h"

enum { MU_KNOWN_BUCKETS = 4096, MU_KNOWN_RESPONDERS = 4, MU_KNOWN_AT_ONCE = 128 };

/* What is known of one client. */
struct mu_known {
    struct mu_known *next;
    unsigned char sha256[32]; /* of its certificate */
    struct mu_cert *cert, *issuer;
    bool told; /* it has been answered, ever: */
    struct mu_ocsp_told what;
    time_t fresh_until, failed_at;
    unsigned failures;          /* in a row */
    char why[MU_FETCH_WHY_LEN]; /* there was no answer the last time, or "" */
    unsigned users;             /* connections, and questions */
    bool being_asked;           /* of those who are connected: see mu_knowns_due() */
    struct mu_strs urls;        /* of its responders, */
    enum mu_fetch_right rights[MU_KNOWN_RESPONDERS]; /* and whether they may be asked, by any of the
                                                        doors it came to */
};

/* All zero: nobody. */
struct mu_knowns {
    struct mu_known *buckets[MU_KNOWN_BUCKETS];
    struct mu_ocsp_count count;
    _Atomic bool any_revoked; /* ever; may be read without the lock */
    size_t look_from;         /* a bucket: where mu_knowns_due() goes on */
};
void mu_knowns_clear(struct mu_knowns *knowns);

/* NULL: there is none. */
struct mu_known *mu_known_find(const struct mu_knowns *knowns, const unsigned char sha256[32]);
/* NULL: there is no room. Whoever nobody uses may go. */
struct mu_known *mu_known_find_or_add(struct mu_knowns *knowns, const struct mu_cert *cert,
                                      const struct mu_cert *issuer, time_t now);

/* Its responders may be asked, as far as they are among `hosts`: see mu_fetch_right(). */
void mu_known_allow(struct mu_known *known, const struct mu_strs *hosts);
/* The doors are others: responders are asked no more unless they are among `hosts`. */
void mu_knowns_forbid_others(struct mu_knowns *knowns, const struct mu_strs *hosts);

/* Why this answer, good as it is by itself, does not take the place of the one before; NULL: it may. */
const char *mu_known_objection(const struct mu_known *known, const struct mu_ocsp_told *what);
void mu_known_note_answer(struct mu_knowns *knowns, struct mu_known *known,
                          const struct mu_ocsp_told *what, time_t now);
void mu_known_note_failure(struct mu_knowns *knowns, struct mu_known *known, const char *why,
                           time_t now);

/*
 * Is it out of question, without asking again? Who is revoked is that for good, however old the answer is: it may have been so
 * already when it came. Who is on hold may have been let back in, and is asked about when the next answer is due.
 */
bool mu_known_is_barred(const struct mu_known *known, time_t now);

/* Who would be let in without an answer (not `needed`) is not to wait for one again and again. */
bool mu_known_is_worth_asking(const struct mu_known *known, bool needed, time_t now);

/*
 * Those who are used and worth asking, who are being asked from now on and have one more user. Their number: not all at once, so that
 * a responder is not flooded, but the more the more wait, and each in its turn.
 */
size_t mu_knowns_due(struct mu_knowns *knowns, time_t now, struct mu_known *ret[MU_KNOWN_AT_ONCE]);

/* Why it is not known that this one (NULL: there was no room) is good. Never NULL. */
const char *mu_known_why_not(const struct mu_known *known);

#endif
