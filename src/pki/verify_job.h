#ifndef MU_PKI_VERIFY_JOB_H
#define MU_PKI_VERIFY_JOB_H

/* For verify.c and verify_strict.c: what both do with OpenSSL's verifier. Borrowed all of it, unless something else is said. */

#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <stddef.h>

#include "pki/verify.h"

/* One run of OpenSSL's verifier. */
struct mu_verify_job {
    const struct mu_verify *how;
    struct mu_verdict *verdict; /* the first fault */
    /* Strict: the way to verify, leaf first, and faults of form, after which it goes on. */
    X509 *const *path;
    size_t len;
    struct mu_verify_trace *forms;
    const X509_CRL *unusable; /* the list that is at fault, if one is */
    bool no_memory;
};

/* Run it; `job` gets the verdict. */
MU_CHECK int mu_verify_run(X509_STORE_CTX *ctx, struct mu_verify_job *job, X509 *leaf,
                           X509_STORE_CTX_verify_cb on_each, struct mu_error *err);

/* Inside of that. The signer of a list may have a chain of its own, which OpenSSL verifies within the verification of the
 * other. */
struct mu_verify_job *mu_verify_job_of(X509_STORE_CTX *ctx);
bool mu_verify_is_about_a_signer(X509_STORE_CTX *ctx);
bool mu_verify_is_beside_the_point(X509_STORE_CTX *ctx);

/* To be released with sk_X509_free() and sk_X509_CRL_free(). NULL without memory. */
STACK_OF(X509) * mu_verify_stack_of(const struct mu_certs *certs);
STACK_OF(X509_CRL) * mu_verify_stack_of_lists(struct mu_crl *const *crls, size_t count);

void mu_verify_judge_emails(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret);

/* False: there is no memory. */
bool mu_verify_add(struct mu_verify_trace *trace, const struct mu_verdict *verdict);

/* mu_verify() as the front door judges, and by RFC 5280. */
MU_CHECK int mu_verify_one_way(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret,
                               struct mu_certs *ret_chain, struct mu_error *err);
MU_CHECK int mu_verify_strictly(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret,
                                struct mu_certs *ret_chain, struct mu_error *err);

#endif
