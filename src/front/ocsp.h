#ifndef MU_FRONT_OCSP_H
#define MU_FRONT_OCSP_H

/*
 * What the responders of their CAs say of clients: asked when one comes in whose certificate is good, kept for a while, and asked
 * again for as long as it is connected. Each worker asks for its own clients, who wait before their first byte is read. [RFC 6960]
 */

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "net/call.h"
#include "net/server.h"

struct mu_ocsp;
struct mu_tls_lists;
struct mu_ocsp_task;

MU_CHECK int mu_ocsp_new(struct mu_ocsp **ret, struct mu_error *err);
/* After the server is gone. */
void mu_ocsp_free(struct mu_ocsp *ocsp);
MU_AUTO_DEFINE_STRUCT(mu_ocsp, mu_ocsp_free)

/* `revoked` is made when somebody has been found to be, who may be connected. Borrowed. */
void mu_ocsp_on_revoked(struct mu_ocsp *ocsp, struct mu_call *revoked);

/* Of one door. What it points to is borrowed. */
struct mu_ocsp_door {
    struct mu_ocsp *ocsp;
    const struct mu_strs *hosts; /* where may be asked: see mu_fetch_right() */
    int64_t grace_s; /* for which an answer counts longer than it says; or MU_CRL_GRACE_OPEN */
    /* Which have said by now that clients of those CAs are good. NULL: there are none. With a user. */
    struct mu_tls_lists *lists;
};
/* Its `arg` is a struct mu_ocsp_door. */
struct mu_voucher mu_ocsp_voucher(struct mu_ocsp_door *door);

/* The doors are others: no responder is asked any more but those at `hosts`. */
void mu_ocsp_forbid_others(struct mu_ocsp *ocsp, const struct mu_strs *hosts);

/* Asking again for those who are connected, on the first worker's thread. NULL without memory. */
struct mu_ocsp_task *mu_ocsp_begin(struct mu_ocsp *ocsp, struct mu_worker *worker);
void mu_ocsp_end(struct mu_ocsp_task *task);

/* Is it known by now that this client is revoked? `ret` says so. From any thread. */
bool mu_ocsp_revokes(struct mu_ocsp *ocsp, const struct mu_cert *client, struct mu_refusal *ret);

struct mu_ocsp_count {
    uint64_t good, revoked, unknown, failed; /* answers, and questions without one */
    size_t clients;                          /* of whom something is known */
};
void mu_ocsp_count(struct mu_ocsp *ocsp, struct mu_ocsp_count *ret);

#endif
