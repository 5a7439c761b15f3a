#ifndef MU_TLS_CALLER_H
#define MU_TLS_CALLER_H

/*
 * The side that calls: what it shows to servers and demands of them, the same for all calls of one thread, and the
 * sessions that servers have given it. A call is a struct mu_tls, made here; all else is done as with a client's.
 */

#include "base/error.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "tls/expected.h"
#include "tls/session.h"

struct mu_tls_caller;

struct mu_tls_calls {
    const struct mu_certs *anchors; /* whose servers are trusted */
    const struct mu_certs *chain;   /* ours, leaf first; empty: come without a certificate */
    const struct mu_key *key;       /* the leaf's */
    /* A server for each: the name or address that its certificate must have. It is asked for by that name. [RFC 6066 3] */
    const char *const *hosts;
    size_t host_count;
    bool any_name;                          /* the name is not looked for after all */
    const struct mu_tls_expected *expected; /* besides */
    /* The protocols that are offered, of which a server may choose one: see tls/alpn.h. NULL or "": none are. */
    const char *alpn;
};

/* For one thread. `calls` is borrowed for the caller's life, but for `chain` and `key`, which are borrowed until this
 * returns. TLS 1.2 and 1.3 only. Fails with MU_E_TLS. */
MU_CHECK int mu_tls_caller_new(const struct mu_tls_calls *calls, struct mu_tls_caller **ret,
                               struct mu_error *err);
void mu_tls_caller_free(struct mu_tls_caller *caller);
MU_AUTO_DEFINE_STRUCT(mu_tls_caller, mu_tls_caller_free)

/*
 * Call the server at `hosts[target]`, resuming its newest session if there is one. The caller must outlive the call.
 * NULL without memory. After MU_IO_FAILED, of reading and writing too, mu_tls_refusal() says why: in TLS 1.3 a server
 * judges our certificate when to us the handshake is over.
 */
struct mu_tls *mu_tls_call(struct mu_tls_caller *caller, size_t target,
                           struct mu_transport transport);

#endif
