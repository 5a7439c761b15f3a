#include "pki/verify.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pki/ossl.h"
#include "pki/verify_job.h"

/* 112 bits, what libssl asks of both sides by default on current systems: no RSA 1024, no SHA-1. */
enum { AUTH_LEVEL = 2 };

void mu_verify_trace_clear(struct mu_verify_trace *trace)
{
    free(trace->strict);
    *trace = (struct mu_verify_trace){0};
}

bool mu_verify_add(struct mu_verify_trace *trace, const struct mu_verdict *verdict)
{
    struct mu_verdict *at = realloc(trace->strict, (trace->strict_count + 1) * sizeof *at);
    if (at == NULL)
        return false;
    trace->strict = at;
    trace->strict[trace->strict_count++] = *verdict;
    return true;
}

/* The signer of a list may have a chain of its own, which OpenSSL verifies within the verification of the other. */
struct mu_verify_job *mu_verify_job_of(X509_STORE_CTX *ctx)
{
    for (X509_STORE_CTX *outer; (outer = X509_STORE_CTX_get0_parent_ctx(ctx)) != NULL;)
        ctx = outer;
    return X509_STORE_CTX_get_app_data(ctx);
}

bool mu_verify_is_about_a_signer(X509_STORE_CTX *ctx)
{
    return X509_STORE_CTX_get0_parent_ctx(ctx) != NULL;
}

/* The host that is asked for is the leaf's, and OpenSSL asks the signer of a list for it as well. */
bool mu_verify_is_beside_the_point(X509_STORE_CTX *ctx)
{
    int error = X509_STORE_CTX_get_error(ctx);
    return mu_verify_is_about_a_signer(ctx) &&
           (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH);
}

/* OpenSSL asks here about each fault; the first one is the verdict. */
static int on_fault(int ok, X509_STORE_CTX *ctx)
{
    if (ok || mu_verify_is_beside_the_point(ctx))
        return 1;
    if (mu_verify_is_about_a_signer(ctx))
        return 0; /* then the list cannot be used: that is asked next */
    const struct mu_verify_job *job = mu_verify_job_of(ctx);
    mu_verdict_from_ctx(job->verdict, ctx, job->how->at, job->how->host);
    return 0;
}

static X509_STORE *make_store(const struct mu_verify *how)
{
    MU_AUTO(X509_STORE) store = X509_STORE_new();
    if (store == NULL)
        return NULL;
    for (size_t i = 0; how->anchors != NULL && i < how->anchors->count; i++)
        if (X509_STORE_add_cert(store, mu_cert_x509(how->anchors->at[i])) != 1)
            return NULL;
    return mu_take(&store);
}

/* Borrows the certificates: release with sk_X509_free(). NULL without memory. */
STACK_OF(X509) * mu_verify_stack_of(const struct mu_certs *certs)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (size_t i = 0; stack != NULL && certs != NULL && i < certs->count; i++)
        if (sk_X509_push(stack, mu_cert_x509(certs->at[i])) == 0) {
            sk_X509_free(stack);
            return NULL;
        }
    return stack;
}

/*
 * The same for lists: sk_X509_CRL_free(). In a store OpenSSL looks for them by the issuer of the certificate, and finds
 * none that somebody else signs for it.
 */
STACK_OF(X509_CRL) * mu_verify_stack_of_lists(struct mu_crl *const *crls, size_t count)
{
    STACK_OF(X509_CRL) *stack = sk_X509_CRL_new_null();
    for (size_t i = 0; stack != NULL && i < count; i++)
        if (sk_X509_CRL_push(stack, mu_crl_x509(crls[i])) == 0) {
            sk_X509_CRL_free(stack);
            return NULL;
        }
    return stack;
}

/* A CN is no host to a strict judge: none that is asked for, and none that name constraints are about. */
static unsigned host_flags(bool strict)
{
    return X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
           (strict ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0u);
}

/*
 * An IP address is looked for among the iPAddress names, all else among the DNS names. [RFC 9525 6] Brackets
 * and the root's dot stand in URLs, never in certificates.
 */
static int set_host(X509_VERIFY_PARAM *param, const char *host, struct mu_error *err)
{
    char bare[256];
    if (!mu_str_copy(bare, sizeof bare, host[0] == '[' ? host + 1 : host))
        return mu_fail(err, MU_E_NAME, "the host name is longer than any can be");
    size_t len = strlen(bare);
    if (len > 0 && (bare[len - 1] == '.' || (host[0] == '[' && bare[len - 1] == ']')))
        bare[--len] = '\0';
    if (len == 0) /* which OpenSSL would take for "any name will do" */
        return mu_fail(err, MU_E_NAME, "the host name is empty");
    if (bare[0] == '.') /* for "any name below it will do" */
        return mu_fail(err, MU_E_NAME, "the host name begins with a dot, and so is none");

    ERR_set_mark();
    int is_ip = X509_VERIFY_PARAM_set1_ip_asc(param, bare);
    ERR_pop_to_mark();
    if (is_ip != 1 && X509_VERIFY_PARAM_set1_host(param, bare, len) != 1)
        return mu_fail_nomem(err);
    return 0;
}

/* Any will do, which OpenSSL has to be told: without a word it takes none for the answer. [RFC 5280 6.1.1 c] */
static bool accept_any_policy(X509_VERIFY_PARAM *param)
{
    ASN1_OBJECT *any = OBJ_dup(OBJ_nid2obj(NID_any_policy));
    if (any != NULL && X509_VERIFY_PARAM_add0_policy(param, any) == 1)
        return true;
    ASN1_OBJECT_free(any);
    return false;
}

static int set_param(X509_STORE_CTX *ctx, const struct mu_verify *how, struct mu_error *err)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    const char *rules = how->purpose == MU_PURPOSE_CLIENT ? "ssl_client" : "ssl_server";
    unsigned long flags = X509_V_FLAG_TRUSTED_FIRST;
    if (how->strict)
        flags |= X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT | X509_V_FLAG_POLICY_CHECK;
    if (how->partial)
        flags |= X509_V_FLAG_PARTIAL_CHAIN;
    if (how->crl_count > 0) /* without EXTENDED a delta list is taken for a complete one */
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_USE_DELTAS |
                 X509_V_FLAG_EXTENDED_CRL_SUPPORT;
    if ((how->purpose != MU_PURPOSE_ANY && X509_STORE_CTX_set_default(ctx, rules) != 1) ||
        X509_VERIFY_PARAM_set_flags(param, flags) != 1 || (how->strict && !accept_any_policy(param)))
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be set up");
    X509_VERIFY_PARAM_set_time(param, how->at);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    X509_VERIFY_PARAM_set_hostflags(param, host_flags(how->strict));
    if (how->limit_depth)
        X509_VERIFY_PARAM_set_depth(param, how->depth);
    return how->host == NULL ? 0 : set_host(param, how->host, err);
}

static int copy_chain(X509_STORE_CTX *ctx, struct mu_certs *ret, struct mu_error *err)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (mu_certs_add(ret, mu_cert_ref((struct mu_cert *)sk_X509_value(chain, i)), err) != 0)
            return -1;
    return 0;
}

/* Run it; `job` gets the verdict. */
int mu_verify_run(X509_STORE_CTX *ctx, struct mu_verify_job *job, X509 *leaf,
                  X509_STORE_CTX_verify_cb on_each, struct mu_error *err)
{
    const struct mu_verify *how = job->how;
    if (X509_STORE_CTX_set_app_data(ctx, job) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be set up");
    if (set_param(ctx, how, err) != 0)
        return -1;
    X509_STORE_CTX_set_verify_cb(ctx, on_each);

    mu_verdict_set(job->verdict, X509_V_OK, 0, leaf, how->at, how->host);
    bool good = X509_verify_cert(ctx) == 1;
    if (!good &&
        job->verdict->fault == MU_FAULT_NONE) /* on_each was not asked: no memory, most likely */
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be carried out");
    ERR_clear_error();
    return 0;
}

/* E-mail addresses are asked for here, because OpenSSL would be content with one of several. */
void mu_verify_judge_emails(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret)
{
    unsigned flags = how->strict ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0u;
    for (size_t i = 0; ret->fault == MU_FAULT_NONE && i < how->email_count; i++)
        if (X509_check_email(leaf, how->emails[i], 0, flags) != 1)
            mu_verdict_set(ret, X509_V_ERR_EMAIL_MISMATCH, 0, leaf, how->at, how->emails[i]);
}

/* --- As the front door judges: OpenSSL builds one chain --- */

static int verify_with(X509_STORE *store, STACK_OF(X509) * untrusted, STACK_OF(X509_CRL) * lists,
                       X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret,
                       struct mu_certs *ret_chain, struct mu_error *err)
{
    MU_AUTO(X509_STORE_CTX) ctx = X509_STORE_CTX_new();
    struct mu_verify_job job = {.how = how, .verdict = ret};
    if (ctx == NULL || X509_STORE_CTX_init(ctx, store, leaf, untrusted) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be set up");
    X509_STORE_CTX_set0_crls(ctx, lists);
    if (mu_verify_run(ctx, &job, leaf, on_fault, err) != 0)
        return -1;
    mu_verify_judge_emails(leaf, how, ret);
    return ret_chain == NULL ? 0 : copy_chain(ctx, ret_chain, err);
}

int mu_verify_one_way(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret,
                      struct mu_certs *ret_chain, struct mu_error *err)
{
    ERR_clear_error();
    MU_AUTO(X509_STORE) store = make_store(how);
    STACK_OF(X509) *untrusted = mu_verify_stack_of(how->untrusted);
    STACK_OF(X509_CRL) *lists = mu_verify_stack_of_lists(how->crls, how->crl_count);
    int result = store == NULL || untrusted == NULL || lists == NULL
                     ? mu_fail_nomem(err)
                     : verify_with(store, untrusted, lists, leaf, how, ret, ret_chain, err);
    sk_X509_free(untrusted);
    sk_X509_CRL_free(lists);
    return result;
}

/* --- Either way --- */

/* What the strict judge says of what the other found good. */
static int warn(X509 *leaf, const struct mu_verify *how, struct mu_error *err)
{
    struct mu_verify strict = *how;
    struct mu_verify_trace more = {0};
    struct mu_verdict verdict;
    strict.strict = true;
    strict.trace = &more;
    int result = mu_verify_strictly(leaf, &strict, &verdict, NULL, err);
    if (result == 0 && verdict.fault != MU_FAULT_NONE && !mu_verify_add(how->trace, &verdict))
        result = mu_fail_nomem(err);
    for (size_t i = 0; result == 0 && i < more.strict_count; i++)
        if (!mu_verify_add(how->trace, &more.strict[i]))
            result = mu_fail_nomem(err);
    mu_verify_trace_clear(&more);
    return result;
}

int mu_verify(const struct mu_cert *leaf, const struct mu_verify *how, struct mu_verdict *ret,
              struct mu_certs *ret_chain, struct mu_error *err)
{
    X509 *x = mu_cert_x509(leaf);
    if (how->strict)
        return mu_verify_strictly(x, how, ret, ret_chain, err);
    if (mu_verify_one_way(x, how, ret, ret_chain, err) != 0)
        return -1;
    return how->trace == NULL || ret->fault != MU_FAULT_NONE ? 0 : warn(x, how, err);
}
