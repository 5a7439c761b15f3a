#ifndef MU_FRONT_OCSP_ANSWER_H
#define MU_FRONT_OCSP_ANSWER_H

/* What has come from a responder, by plain HTTP, so that anybody on the way could have sent it. */

#include "base/buf.h"
#include "pki/ocsp.h"

/*
 * What it says of `cert`, whose CA `issuer` is: signed by that one, or by whom it lets sign answers, and in date at `now`. Fails with
 * MU_E_NOT_VERIFIED, MU_E_NOT_FOUND, and as mu_objects_parse() does.
 */
MU_CHECK int mu_ocsp_answer_read(const struct mu_buf *bytes, const struct mu_cert *cert,
                                 const struct mu_cert *issuer, time_t now, struct mu_ocsp_told *ret,
                                 struct mu_error *err);

#endif
