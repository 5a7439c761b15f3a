#ifndef MU_FRONT_POINTS_JUDGE_H
#define MU_FRONT_POINTS_JUDGE_H

/* Is what has come from a distribution point the list that was asked for? It came by plain HTTP, so anybody on the way could have
 * sent it. */

#include "base/buf.h"
#include "base/error.h"
#include "pki/cert.h"
#include "pki/crl.h"

/* All borrowed. */
struct mu_points_asked {
    const char *url;
    const struct mu_cert *issuer;     /* who has to have signed it */
    const struct mu_crl_info *before; /* of the one that has come from there before; NULL: none has */
};

/* One list, in DER or PEM; `ret` is given. Fails with MU_E_LIST (it is not the issuer's, older than the one before, or for other
 * certificates), and as mu_objects_parse() does. */
MU_CHECK int mu_points_judge(const struct mu_points_asked *asked, const struct mu_buf *bytes,
                             struct mu_crl **ret, struct mu_crl_info *ret_info,
                             struct mu_error *err);

#endif
