#ifndef MU_EXPLAIN_JUDGE_H
#define MU_EXPLAIN_JUDGE_H

/*
 * One side's chain as the other side judges it, with everything that is at hand to say why: what the verifier says
 * ("issuer not found") is where the question begins. After a fault it goes on as if that one were mended, so that the next
 * is found too.
 */

#include <stdbool.h>
#include <time.h>

#include "explain/report.h"
#include "pki/cert.h"
#include "pki/crl.h"
#include "pki/verify.h"

struct mu_judging {
    enum mu_purpose side; /* whose chain it is: MU_PURPOSE_SERVER's is judged by the client */
    const struct mu_certs *presented; /* leaf first; at least one */
    const struct mu_certs *trusted;   /* by the other side; NULL or none: that is not known */
    const struct mu_certs *known;     /* everything at hand, to find what is missing; may be NULL */
    const struct mu_certs
        *own_trust; /* of the side that presents: OpenSSL completes its chain from there; or NULL */
    struct mu_crl *const *crls; /* that the other side has */
    size_t crl_count;
    bool crl_leaf_only; /* the CAs above the leaf are not looked up */
    const char *host;   /* that the client asks for; NULL: not known */
    bool limit_depth;
    int depth; /* how many CAs may stand between leaf and root */
    time_t at;
    const char *file, *trust_file, *crl_file; /* names, for the words; NULL: not a file */
};

/* Fails with MU_E_NOMEM, MU_E_CRYPTO, MU_E_NAME (the host is no name). */
MU_CHECK int mu_judge(const struct mu_judging *how, struct mu_report *report, struct mu_error *err);

#endif
