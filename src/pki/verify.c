#include "pki/verify.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/str.h"
#include "pki/ossl.h"

/* 112 bits, what libssl asks of both sides by default on current systems: no RSA 1024, no SHA-1. */
enum { AUTH_LEVEL = 2 };

struct job {
    const struct mu_verify *how;
    struct mu_verdict *verdict;
};

/* OpenSSL asks here about each fault; the first one is the verdict. */
static int on_fault(int ok, X509_STORE_CTX *ctx)
{
    if (ok)
        return 1;
    const struct job *job = X509_STORE_CTX_get_app_data(ctx);
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
    for (size_t i = 0; i < how->crl_count; i++)
        if (X509_STORE_add_crl(store, mu_crl_x509(how->crls[i])) != 1)
            return NULL;
    return mu_take(&store);
}

/* Borrows the certificates: release with sk_X509_free(). NULL without memory. */
static STACK_OF(X509) * stack_of(const struct mu_certs *certs)
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

    ERR_set_mark();
    int is_ip = X509_VERIFY_PARAM_set1_ip_asc(param, bare);
    ERR_pop_to_mark();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_ip != 1 && X509_VERIFY_PARAM_set1_host(param, bare, len) != 1)
        return mu_fail_nomem(err);
    return 0;
}

static int set_param(X509_STORE_CTX *ctx, const struct mu_verify *how, struct mu_error *err)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    const char *rules = how->purpose == MU_PURPOSE_CLIENT ? "ssl_client" : "ssl_server";
    unsigned long flags = X509_V_FLAG_TRUSTED_FIRST;
    if (how->crl_count > 0)
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    if ((how->purpose != MU_PURPOSE_ANY && X509_STORE_CTX_set_default(ctx, rules) != 1) ||
        X509_VERIFY_PARAM_set_flags(param, flags) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be set up");
    X509_VERIFY_PARAM_set_time(param, how->at);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
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

static int verify_with(X509_STORE *store, STACK_OF(X509) * untrusted, const struct mu_cert *leaf,
                       const struct mu_verify *how, struct mu_verdict *ret,
                       struct mu_certs *ret_chain, struct mu_error *err)
{
    MU_AUTO(X509_STORE_CTX) ctx = X509_STORE_CTX_new();
    struct job job = {.how = how, .verdict = ret};
    if (ctx == NULL || X509_STORE_CTX_init(ctx, store, mu_cert_x509(leaf), untrusted) != 1 ||
        X509_STORE_CTX_set_app_data(ctx, &job) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be set up");
    if (set_param(ctx, how, err) != 0)
        return -1;
    X509_STORE_CTX_set_verify_cb(ctx, on_fault);

    mu_verdict_set(ret, X509_V_OK, 0, mu_cert_x509(leaf), how->at, how->host);
    int good = X509_verify_cert(ctx);
    if (good != 1 &&
        ret->fault == MU_FAULT_NONE) /* without asking on_fault: out of memory, most likely */
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be carried out");
    ERR_clear_error();
    return ret_chain == NULL ? 0 : copy_chain(ctx, ret_chain, err);
}

int mu_verify(const struct mu_cert *leaf, const struct mu_verify *how, struct mu_verdict *ret,
              struct mu_certs *ret_chain, struct mu_error *err)
{
    ERR_clear_error();
    MU_AUTO(X509_STORE) store = make_store(how);
    STACK_OF(X509) *untrusted = stack_of(how->untrusted);
    int result = store == NULL || untrusted == NULL
                     ? mu_fail_nomem(err)
                     : verify_with(store, untrusted, leaf, how, ret, ret_chain, err);
    sk_X509_free(untrusted);
    return result;
}
