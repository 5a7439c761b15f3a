#ifndef MU_TLS_LISTS_H
#define MU_TLS_LISTS_H

/*
 * The revocation lists that a door goes by, the same for the contexts of all workers. They do not change. The signature of a
 * list is verified once, and not for each client: to hash 100,000 entries takes longer than a handshake. [RFC 5280 6.3]
 */

#include <stdint.h>

#include "base/error.h"
#include "base/macros.h"
#include "pki/cert.h"
#include "pki/crl.h"

struct mu_tls_lists;

/* How long a list still counts after the next one was due, in seconds. */
enum {
    MU_CRL_GRACE_CLOSED = 0, /* a CA without a list that is in date lets nobody in */
    MU_CRL_GRACE_OPEN = -1,  /* for ever; and a CA without any list lets in everybody */
};

/* What is in `crls` is shared; `anchors` are those who may have signed them, and may be others than that. With one user.
 * Fails with MU_E_NOMEM. */
MU_CHECK int mu_tls_lists_new(const struct mu_crls *crls, const struct mu_certs *anchors,
                              int64_t grace_s, struct mu_tls_lists **ret, struct mu_error *err);
/* From any thread. NULL is nobody. */
struct mu_tls_lists *mu_tls_lists_ref(struct mu_tls_lists *lists);
void mu_tls_lists_unref(struct mu_tls_lists *lists);
MU_AUTO_DEFINE_STRUCT(mu_tls_lists, mu_tls_lists_unref)

#endif
