#ifndef MU_NET_COUNTERS_H
#define MU_NET_COUNTERS_H

/*
 * What has happened at the doors so far. Each worker counts for itself, and is the only one that writes its counters; whoever
 * wants to know adds them up. A relaxed load and store is what a plain addition compiles to: no lock, no shared line.
 */

#include <stddef.h>
#include <stdint.h>

#include "pki/verify.h"
#include "tls/refusal.h"

/* The upper bounds of the classes in which handshakes are counted by their length; longer ones are in a last class. */
enum { MU_HANDSHAKE_CLASSES = 13 };
extern const uint64_t mu_handshake_bounds_us[MU_HANDSHAKE_CLASSES];

enum { MU_STATUS_CLASSES = 6 }; /* 0: none of them; 1: 1xx ... 5: 5xx */

struct mu_counters {        /* nothing but uint64_t */
    uint64_t accepted;      /* connections */
    uint64_t closed;        /* likewise */
    uint64_t accept_pauses; /* no descriptors or memory left */
    uint64_t admitted;      /* handshakes after which a client came in */
    uint64_t resumed;       /* of these, with a session of before */
    uint64_t handshake_us;  /* all of them together, refused ones too */
    uint64_t handshakes[MU_HANDSHAKE_CLASSES + 1];
    uint64_t called,
        called_again; /* servers, in TLS, that have been reached; and with a session of before */
    uint64_t refused[MU_REFUSAL_COUNT]; /* of MU_REFUSAL_CERT, see the faults; servers, where it is they who are called in TLS */
    uint64_t faults[MU_FAULT_COUNT];
    uint64_t expelled[MU_REFUSAL_COUNT],
        expelled_faults[MU_FAULT_COUNT]; /* likewise, of those who were in */
    uint64_t untracked; /* open connections of which nobody can say whether they would still be let in */
    uint64_t received, sent; /* bytes of clients, as they are on the wire */
    uint64_t answers[MU_STATUS_CLASSES];
};

static inline void mu_count(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* A handshake of this length has ended, one way or the other. */
void mu_count_handshake(struct mu_counters *counters, uint64_t us);
void mu_count_refusal(struct mu_counters *counters, const struct mu_refusal *refusal);
void mu_count_expelled(struct mu_counters *counters, const struct mu_refusal *refusal);
void mu_count_answer(struct mu_counters *counters, int status);

/* Add what `from`, which its thread may be changing, has to `ret`. */
void mu_counters_add(struct mu_counters *ret, const struct mu_counters *from);

#endif
