#ifndef MU_AUTHORITY_OCSP_H
#define MU_AUTHORITY_OCSP_H

/*
 * Answers about revocation, out of the authority's records: a request's bytes in, an answer's bytes out. They are
 * signed by a responder's certificate of a few days, ocsp.crt and ocsp.key in the home, which is made and renewed
 * here (for what a former key has issued ocsp-KEY.crt and ocsp-KEY.key); so the CA's key, and its passphrase, are needed for that only. [RFC 6960 2.6]
 */

#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "pki/ocsp.h"

/* For so long an answer is good, unless somebody asks for less or more. */
#define MU_OCSP_VALID_S INT64_C(3600)

struct mu_responder; /* not for two threads at once; each has its own */

/*
 * The responder of the authority in `home`. `source` opens the CA's key when the responder's certificate has to be
 * renewed; it may be NULL, and what it borrows is borrowed as long. `valid_s` is how long an answer may be kept.
 * Fails with MU_E_NO_CA, MU_E_STORE and as the loaders do.
 */
MU_CHECK int mu_responder_open(const char *home, const struct mu_passphrase_source *source,
                               int64_t valid_s, struct mu_responder **ret, struct mu_error *err);
void mu_responder_free(struct mu_responder *responder);
MU_AUTO_DEFINE_STRUCT(mu_responder, mu_responder_free)

/* What was answered, for whoever sends it and for the log. */
struct mu_ocsp_reply {
    enum mu_ocsp_status status;
    char why[MU_ERROR_WHAT_LEN]; /* there is no more than a status; "": there is */
    bool nonce; /* it is for this asker alone; else it may be kept until next_update */
    time_t this_update, next_update;
    size_t good, revoked, unknown; /* certificates */
    struct mu_error
        trouble; /* the responder's certificate could not be renewed, and still does; MU_OK: none */
};

/*
 * Answer the request in these bytes: `ret` gets the answer in DER in any case, a refusal too. A certificate is good
 * when it is on record here with the issuer that is asked for, and not revoked; unknown when it is not on record.
 * The request is refused as malformedRequest when it is none (see mu_ocsp_request_parse()), and as unauthorized when
 * it is for no certificate of this authority.
 * Fails with MU_E_STORE, MU_E_CA_EXPIRED, MU_E_PASSPHRASE_NEEDED, ...: `ret` then says internalError, and `err` why.
 */
MU_CHECK int mu_responder_answer(struct mu_responder *responder, const void *request, size_t len,
                                 time_t now, struct mu_buf *ret, struct mu_ocsp_reply *ret_reply,
                                 struct mu_error *err);

#endif
