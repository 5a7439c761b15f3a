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

/* Where lists come from that are not there yet. */
struct mu_tls_list_source {
    /* Here is a chain that is good, whatever lists say of it: leaf first, the anchor last. `ret_why` is why there is perhaps no list
     * for it, or no new one. Called in any worker's thread. */
    void (*met)(void *arg, const struct mu_certs *chain, char ret_why[MU_ERROR_CAUSE_LEN]);
    void (*release)(void *arg); /* nobody is going to call any more */
    void *arg;
};

/*
 * What is in `crls` is shared; `anchors` are those who may have signed them, and may be others than that. `source` is copied, and
 * `arg` is taken, even on failure; NULL: there is none, and where there is no list at all nobody is asked for one. With one user.
 * Fails with MU_E_NOMEM.
 */
MU_CHECK int mu_tls_lists_new(const struct mu_crls *crls, const struct mu_certs *anchors,
                              int64_t grace_s, const struct mu_tls_list_source *source,
                              struct mu_tls_lists **ret, struct mu_error *err);
/* From any thread. NULL is nobody. */
struct mu_tls_lists *mu_tls_lists_ref(struct mu_tls_lists *lists);
void mu_tls_lists_unref(struct mu_tls_lists *lists);
MU_AUTO_DEFINE_STRUCT(mu_tls_lists, mu_tls_lists_unref)

/* Has a list of this CA's been found to be for certificates like this one of its own? Where one has to be (unless grace is open), a
 * client that these lists let in has been looked up in it. NULL: there are none. From any thread. */
bool mu_tls_lists_speak_of(struct mu_tls_lists *lists, const struct mu_cert *cert,
                           const struct mu_cert *issuer);

#endif
