#ifndef MU_TLS_VETTED_H
#define MU_TLS_VETTED_H

/*
 * A client's chain that was found good: what it presented, and the chain that was built of that. Connections of one client in
 * one thread have it together, but for those that came back with a session, which have a copy. So they can be judged again when
 * trust, lists or the time have become others.
 */

#include <time.h>

#include "base/buf.h"
#include "base/macros.h"
#include "pki/cert.h"
#include "tls/context.h"
#include "tls/refusal.h"

struct mu_vetted;

/* One more user, and one less; NULL is nobody. */
struct mu_vetted *mu_vetted_ref(struct mu_vetted *vetted);
void mu_vetted_unref(struct mu_vetted *vetted);
MU_AUTO_DEFINE_STRUCT(mu_vetted, mu_vetted_unref)

/* The client's own certificate, and the SHA-256 of it. Borrowed. */
const struct mu_cert *mu_vetted_cert(const struct mu_vetted *vetted);
const unsigned char *mu_vetted_sha256(const struct mu_vetted *vetted);

/* Whoever has issued that, in the chain that was built. Borrowed; NULL: it is trusted itself. */
const struct mu_cert *mu_vetted_issuer(const struct mu_vetted *vetted);

/* A SHA-256 of all that the client presented, and that itself: PEM, its own certificate first, appended. Failure shows in
 * mu_buf_failed(). */
const unsigned char *mu_vetted_presented(const struct mu_vetted *vetted);
void mu_vetted_sent(const struct mu_vetted *vetted, struct mu_buf *ret);

/* Append the chain by which it was found good, its own certificate first and the anchor last. False: no memory. */
MU_CHECK bool mu_vetted_chain(const struct mu_vetted *vetted, struct mu_certs *ret);

/* When the first certificate of the chain ends, the anchor's own among them. */
time_t mu_vetted_until(const struct mu_vetted *vetted);

/*
 * Would this context let the client in today? Chains that it has built itself, and those that others have built to the same
 * anchors, are only looked up in its lists. False: `ret` says why not.
 */
bool mu_vetted_judge(struct mu_vetted *vetted, struct mu_tls_context *context,
                     struct mu_refusal *ret);

/* Does a list of this context name it, or a CA above it, by the chain that would be built there? Nothing else is asked. True: `ret` says
 * so. */
bool mu_vetted_is_revoked(const struct mu_vetted *vetted, struct mu_tls_context *context,
                          struct mu_refusal *ret);

/* Would this context find a client good today who presents these, its own certificate first? False: `ret` says why not. */
bool mu_tls_would_vet(struct mu_tls_context *context, const struct mu_certs *sent,
                      struct mu_refusal *ret);

#endif
