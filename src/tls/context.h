#ifndef MU_TLS_CONTEXT_H
#define MU_TLS_CONTEXT_H

/* What a door offers and demands in TLS, the same for all of its connections. */

#include <stdbool.h>

#include "base/error.h"
#include "pki/cert.h"
#include "pki/key.h"

struct mu_tls_context;
struct mu_tls_lists;

struct mu_tls_door {
    const struct mu_certs *chain; /* what the door presents: leaf first, exactly these */
    const struct mu_key *key;     /* the leaf's */
    const struct mu_certs *anchors; /* whose clients may come in; also the list that clients are sent */
    /* If any, each CA of a client's chain must have one that is not out of date, and the certificate must not be on it.
     * NULL: none. The context becomes a user of them. */
    struct mu_tls_lists *lists;
    /* The protocols that are spoken, the best first, each behind its length in one octet; a client that offers only
     * others is turned away. NULL: what clients offer does not matter. [RFC 7301] */
    const char *alpn;
    bool clients_optional; /* who has no certificate is let in; who has a bad one is not */
    /* Who would be turned away shakes hands to the end, to be told why in what is spoken within TLS: mu_tls_admit() says no
     * all the same. For people who look for a mistake. */
    bool explains;
    bool only_tls13;
    /* For how long a client may come back with a session since it last showed its certificate, in seconds; 0: never. */
    unsigned session_age_s;
    const char *
        place; /* what tells this door from others that are like it: a session of one is none of another. NULL: nothing */
};

/*
 * A context for one worker thread: contexts are not shared, so that no two threads touch one counter.
 * Everything in `door` is borrowed until this returns. TLS 1.2 and 1.3 only; a client certificate is
 * always verified. A session of one door is never resumed at another, but by the context that the same door has after a
 * reload. Fails with MU_E_TLS, MU_E_KEY_MISMATCH.
 */
MU_CHECK int mu_tls_context_new(const struct mu_tls_door *door, struct mu_tls_context **ret,
                                struct mu_error *err);
void mu_tls_context_free(struct mu_tls_context *context);
MU_AUTO_DEFINE_STRUCT(mu_tls_context, mu_tls_context_free)

/* One that serves nobody, for mu_tls_would_vet(): with these anchors and, unless it is NULL, these lists. Fails with MU_E_TLS. */
MU_CHECK int mu_tls_context_to_judge(const struct mu_certs *anchors, struct mu_tls_lists *lists,
                                     struct mu_tls_context **ret, struct mu_error *err);

/* `former` is in force no more, but for handshakes that have begun: they go by the lists of `present`. Both are of this
 * thread. */
void mu_tls_context_follow(struct mu_tls_context *former, const struct mu_tls_context *present);

/* "3.0.15": OpenSSL's, of the library that runs. */
const char *mu_tls_library_version(void);

#endif
