#include "pki/verify.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pki/ossl.h"
#include "pki/path.h"
#include "pki/strict.h"

/* 112 bits, what libssl asks of both sides by default on current systems: no RSA 1024, no SHA-1. */
enum { AUTH_LEVEL = 2 };

/* One run of OpenSSL's verifier. */
struct job {
    const struct mu_verify *how;
    struct mu_verdict *verdict; /* the first fault */
    /* Strict: the way to verify, leaf first, and faults of form, after which it goes on. */
    X509 *const *path;
    size_t len;
    struct mu_verify_trace *forms;
    const X509_CRL *unusable; /* the list that is at fault, if one is */
    bool no_memory;
};

void mu_verify_trace_clear(struct mu_verify_trace *trace)
{
    free(trace->strict);
    *trace = (struct mu_verify_trace){0};
}

static bool add_verdict(struct mu_verify_trace *trace, const struct mu_verdict *verdict)
{
    struct mu_verdict *at = realloc(trace->strict, (trace->strict_count + 1) * sizeof *at);
    if (at == NULL)
        return false;
    trace->strict = at;
    trace->strict[trace->strict_count++] = *verdict;
    return true;
}

/* The signer of a list may have a chain of its own, which OpenSSL verifies within the verification of the other. */
static struct job *job_of(X509_STORE_CTX *ctx)
{
    for (X509_STORE_CTX *outer; (outer = X509_STORE_CTX_get0_parent_ctx(ctx)) != NULL;)
        ctx = outer;
    return X509_STORE_CTX_get_app_data(ctx);
}

static bool is_about_a_signer(X509_STORE_CTX *ctx)
{
    return X509_STORE_CTX_get0_parent_ctx(ctx) != NULL;
}

/* The host that is asked for is the leaf's, and OpenSSL asks the signer of a list for it as well. */
static bool is_beside_the_point(X509_STORE_CTX *ctx)
{
    int error = X509_STORE_CTX_get_error(ctx);
    return is_about_a_signer(ctx) &&
           (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH);
}

/* OpenSSL asks here about each fault; the first one is the verdict. */
static int on_fault(int ok, X509_STORE_CTX *ctx)
{
    if (ok || is_beside_the_point(ctx))
        return 1;
    if (is_about_a_signer(ctx))
        return 0; /* then the list cannot be used: that is asked next */
    const struct job *job = job_of(ctx);
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
 * The same for lists: sk_X509_CRL_free(). In a store OpenSSL looks for them by the issuer of the certificate, and finds
 * none that somebody else signs for it.
 */
static STACK_OF(X509_CRL) * stack_of_lists(struct mu_crl *const *crls, size_t count)
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
static int run(X509_STORE_CTX *ctx, struct job *job, X509 *leaf, X509_STORE_CTX_verify_cb on_each,
               struct mu_error *err)
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
static void judge_emails(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret)
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
    struct job job = {.how = how, .verdict = ret};
    if (ctx == NULL || X509_STORE_CTX_init(ctx, store, leaf, untrusted) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be set up");
    X509_STORE_CTX_set0_crls(ctx, lists);
    if (run(ctx, &job, leaf, on_fault, err) != 0)
        return -1;
    judge_emails(leaf, how, ret);
    return ret_chain == NULL ? 0 : copy_chain(ctx, ret_chain, err);
}

static int verify_one_way(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret,
                          struct mu_certs *ret_chain, struct mu_error *err)
{
    ERR_clear_error();
    MU_AUTO(X509_STORE) store = make_store(how);
    STACK_OF(X509) *untrusted = stack_of(how->untrusted);
    STACK_OF(X509_CRL) *lists = stack_of_lists(how->crls, how->crl_count);
    int result = store == NULL || untrusted == NULL || lists == NULL
                     ? mu_fail_nomem(err)
                     : verify_with(store, untrusted, lists, leaf, how, ret, ret_chain, err);
    sk_X509_free(untrusted);
    sk_X509_CRL_free(lists);
    return result;
}

/* --- Strictly: each way to an anchor is verified by itself --- */

/* The lists that keep the rules, and the state of the search. */
struct trial {
    const struct mu_verify *how;
    X509 *leaf;
    struct mu_crl **crls;
    size_t crl_count;

    bool judged; /* then these are of the way that counts: the good one, else the first */
    struct mu_verdict verdict;
    struct mu_certs chain;
    struct mu_verify_trace forms;
    struct mu_error *err;
    bool failed; /* `err` says why */
};

/* After these the verifier goes on, to find what else is wrong: they are about form, not about trust. */
static bool is_form(enum mu_fault fault)
{
    return fault == MU_FAULT_MALFORMED || fault == MU_FAULT_BASIC_CONSTRAINTS ||
           fault == MU_FAULT_SUBJECT_KEY_ID || fault == MU_FAULT_AUTHORITY_KEY_ID;
}

static bool is_about_crls(enum mu_fault fault)
{
    return fault == MU_FAULT_CRL_MISSING || fault == MU_FAULT_CRL_EXPIRED ||
           fault == MU_FAULT_CRL_INVALID;
}

/* What OpenSSL refuses and RFC 5280 does not. */
static bool is_tolerated(X509_STORE_CTX *ctx, const struct job *job)
{
    const X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
    const X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
    switch (X509_STORE_CTX_get_error(ctx)) {
    case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE: return true; /* "if present" [6.1.4 n, 6.3.3 f] */
    case X509_V_ERR_CERT_HAS_EXPIRED:                       /* notAfter is included [4.1.2.5] */
        return cert != NULL && mu_time_from_asn1(X509_get0_notAfter(cert)) == job->how->at;
    case X509_V_ERR_CRL_HAS_EXPIRED: /* "if the current time is after" [6.3.3 a] */
        return crl != NULL && mu_time_from_asn1(X509_CRL_get0_nextUpdate(crl)) == job->how->at;
    default: return false;
    }
}

/* An anchor is no part of the path that is judged; but if a list says that it is revoked, so be it. [6.1] */
static bool is_anchors_crl(X509_STORE_CTX *ctx, enum mu_fault fault)
{
    int len = sk_X509_num(X509_STORE_CTX_get0_chain(ctx));
    return is_about_crls(fault) && X509_STORE_CTX_get_error_depth(ctx) + 1 == len;
}

static int on_strict_fault(int ok, X509_STORE_CTX *ctx)
{
    if (ok)
        return 1;
    struct job *job = job_of(ctx);
    struct mu_verdict verdict;
    if (is_tolerated(ctx, job) || is_beside_the_point(ctx))
        return 1;
    mu_verdict_from_ctx(&verdict, ctx, job->how->at, job->how->host);
    if (X509_STORE_CTX_get_error(ctx) == X509_V_ERR_NO_EXPLICIT_POLICY) /* of the whole path */
        mu_verdict_set(&verdict, X509_V_ERR_NO_EXPLICIT_POLICY, 0, job->path[0], job->how->at, NULL);
    if (is_anchors_crl(ctx, verdict.fault))
        return 1;
    if (is_about_a_signer(ctx))
        return 0; /* then the list cannot be used: that is asked next */
    if (is_form(verdict.fault)) {
        job->no_memory = job->no_memory || !add_verdict(job->forms, &verdict);
        return !job->no_memory;
    }
    *job->verdict = verdict;
    if (verdict.fault == MU_FAULT_CRL_INVALID)
        job->unusable = X509_STORE_CTX_get0_current_crl(ctx);
    return 0;
}

/* The way is given: who issued what is no longer a question. The anchor may have issued itself. */
static int is_next(X509_STORE_CTX *ctx, X509 *x, X509 *issuer)
{
    const struct job *job = job_of(ctx);
    if (is_about_a_signer(ctx))
        return X509_check_issued(issuer, x) == X509_V_OK;
    for (size_t i = 0; i + 1 < job->len; i++)
        if (X509_cmp(job->path[i], x) == 0)
            return X509_cmp(job->path[i + 1], issuer) == 0;
    return X509_cmp(x, issuer) == 0 && X509_check_issued(issuer, x) == X509_V_OK;
}

static void on_broken_rule(enum mu_fault fault, int depth, X509 *cert, const char *rule,
                           const char *detail, void *arg)
{
    struct job *job = arg;
    struct mu_verdict verdict;
    mu_verdict_set_fault(&verdict, fault, depth, cert, job->how->at, rule, detail);
    job->no_memory = job->no_memory || !add_verdict(job->forms, &verdict);
}

/* A list that was left out for breaking a rule is the reason why there is none for `cert`. */
static void blame_broken_list(const struct trial *trial, X509 *cert, struct mu_verdict *ret)
{
    for (size_t i = 0; i < trial->how->crl_count; i++) {
        X509_CRL *crl = mu_crl_x509(trial->how->crls[i]);
        const char *rule = "";
        char detail[MU_STRICT_DETAIL_LEN];
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(cert)) != 0)
            continue;
        enum mu_fault fault = mu_strict_check_crl(crl, &rule, detail);
        if (fault != MU_FAULT_NONE) {
            mu_verdict_set_fault(ret, fault, ret->depth, cert, trial->how->at, rule, detail);
            return;
        }
    }
}

/* Only servers are known by a host name. Whether its keyUsage fits is TLS's question, not RFC 5280's: ask for
 * MU_PURPOSE_SERVER to have that judged too. [4.2.1.12] */
static void judge_use(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret)
{
    if (ret->fault == MU_FAULT_NONE && how->host != NULL && how->purpose == MU_PURPOSE_ANY &&
        (X509_get_extended_key_usage(leaf) & (XKU_SSL_SERVER | XKU_ANYEKU)) == 0)
        mu_verdict_set(ret, X509_V_ERR_INVALID_PURPOSE, 0, leaf, how->at, how->host);
}

/* "It is not for localhost, it is for CN:localhost" would not help. [RFC 9525 2] */
static void blame_common_name(X509 *leaf, time_t at, struct mu_verdict *ret)
{
    if ((ret->fault == MU_FAULT_NAME_MISMATCH || ret->fault == MU_FAULT_IP_MISMATCH) &&
        X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1) < 0)
        mu_verdict_set_fault(ret, MU_FAULT_NAME_IN_CN, 0, leaf, at, "RFC 9525 2", NULL);
}

static int run_on_path(const struct trial *trial, struct job *job, STACK_OF(X509) * others,
                       STACK_OF(X509_CRL) * lists, struct mu_error *err)
{
    MU_AUTO(X509_STORE) store = X509_STORE_new();
    MU_AUTO(X509_STORE_CTX) ctx = X509_STORE_CTX_new();
    if (store == NULL || ctx == NULL || others == NULL || lists == NULL ||
        X509_STORE_add_cert(store, job->path[job->len - 1]) != 1)
        return mu_fail_nomem(err);
    for (size_t i = 1; i + 1 < job->len; i++)
        if (sk_X509_push(others, job->path[i]) == 0)
            return mu_fail_nomem(err);
    X509_STORE_set_check_issued(store, is_next);
    if (X509_STORE_CTX_init(ctx, store, trial->leaf, others) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the verification could not be set up");
    X509_STORE_CTX_set0_crls(ctx, lists);
    return run(ctx, job, trial->leaf, on_strict_fault, err);
}

/* Beside the way there is who may have signed a list. */
static int run_with_lists(const struct trial *trial, struct job *job, struct mu_crl *const *crls,
                          size_t crl_count, struct mu_error *err)
{
    STACK_OF(X509) *others = stack_of(crl_count > 0 ? trial->how->untrusted : NULL);
    STACK_OF(X509_CRL) *lists = stack_of_lists(crls, crl_count);
    mu_verify_trace_clear(job->forms);
    job->unusable = NULL;
    int result = run_on_path(trial, job, others, lists, err);
    sk_X509_free(others);
    sk_X509_CRL_free(lists);
    return result;
}

/*
 * OpenSSL chooses one list of an issuer's name, and if that cannot be used (it is by another CA of the name, say) all is
 * lost. The others may do: it is tried without that one, until none is at fault. [RFC 5280 6.3.3]
 */
static int run_without_unusable_lists(const struct trial *trial, struct job *job,
                                      struct mu_error *err)
{
    struct mu_verdict first;
    size_t count = trial->crl_count;
    struct mu_crl **crls = calloc(count + 1, sizeof(struct mu_crl *));
    for (size_t i = 0; crls != NULL && i < count; i++)
        crls[i] = trial->crls[i];
    int result = crls == NULL ? mu_fail_nomem(err) : run_with_lists(trial, job, crls, count, err);
    first = *job->verdict;
    while (result == 0 && job->unusable != NULL) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++)
            if (mu_crl_x509(crls[i]) != job->unusable)
                crls[kept++] = crls[i];
        if (kept == count)
            break;
        count = kept;
        result = run_with_lists(trial, job, crls, count, err);
    }
    if (job->verdict->fault == MU_FAULT_CRL_MISSING && first.fault == MU_FAULT_CRL_INVALID)
        *job->verdict = first; /* there was one */
    free(crls);
    return result;
}

static int judge_path(const struct trial *trial, struct job *job, struct mu_error *err)
{
    struct mu_verdict *verdict = job->verdict;
    if (run_without_unusable_lists(trial, job, err) != 0)
        return -1;
    if (verdict->fault == MU_FAULT_CRL_MISSING && (size_t)verdict->depth < job->len)
        blame_broken_list(trial, job->path[verdict->depth], verdict);
    blame_common_name(trial->leaf, trial->how->at, verdict);
    judge_use(trial->leaf, trial->how, verdict);
    judge_emails(trial->leaf, trial->how, verdict);
    mu_strict_check_path(job->path, job->len, on_broken_rule, job);
    if (verdict->fault == MU_FAULT_NONE && job->forms->strict_count == 0)
        mu_strict_check_keys(job->path, job->len, on_broken_rule, job);
    if (job->no_memory)
        return mu_fail_nomem(err);
    if (verdict->fault == MU_FAULT_NONE && job->forms->strict_count > 0)
        *verdict = job->forms->strict[0];
    return 0;
}

static int keep_path(struct trial *trial, X509 *const *path, size_t len)
{
    mu_certs_clear(&trial->chain);
    for (size_t i = 0; i < len; i++)
        if (mu_certs_add(&trial->chain, mu_cert_ref((struct mu_cert *)path[i]), trial->err) != 0)
            return -1;
    return 0;
}

/* One way from the leaf to an anchor. */
static bool on_way(X509 *const *path, size_t len, void *arg)
{
    struct trial *trial = arg;
    struct mu_verdict verdict = {0};
    struct mu_verify_trace forms = {0};
    struct job job = {.how = trial->how,
                      .verdict = &verdict,
                      .path = path,
                      .len = len,
                      .forms = &forms};
    trial->failed = judge_path(trial, &job, trial->err) != 0;
    bool good = !trial->failed && verdict.fault == MU_FAULT_NONE;
    if (!trial->failed && (good || !trial->judged)) {
        mu_verify_trace_clear(&trial->forms);
        trial->forms = forms;
        forms = (struct mu_verify_trace){0};
        trial->verdict = verdict;
        trial->judged = true;
        trial->failed = keep_path(trial, path, len) != 0;
    }
    mu_verify_trace_clear(&forms);
    /* No other way mends the leaf's own key, and to look at it again would take long. */
    bool hopeless = verdict.fault == MU_FAULT_UNSOUND_KEY && verdict.depth == 0;
    return good || hopeless || trial->failed;
}

static int choose_lists(struct trial *trial, struct mu_error *err)
{
    trial->crls = calloc(trial->how->crl_count + 1, sizeof(struct mu_crl *));
    if (trial->crls == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < trial->how->crl_count; i++) {
        const char *rule;
        char detail[MU_STRICT_DETAIL_LEN];
        if (mu_strict_check_crl(mu_crl_x509(trial->how->crls[i]), &rule, detail) == MU_FAULT_NONE)
            trial->crls[trial->crl_count++] = trial->how->crls[i];
    }
    return 0;
}

/* There is no way to an anchor: OpenSSL's attempt at one tells where it ends. */
static int explain_failure(struct trial *trial, bool cut, struct mu_error *err)
{
    struct mu_verify how = *trial->how;
    mu_certs_clear(&trial->chain);
    how.crl_count = 0;
    if (verify_one_way(trial->leaf, &how, &trial->verdict, &trial->chain, err) != 0)
        return -1;
    if (trial->verdict.fault == MU_FAULT_NONE) /* it may not be good by what OpenSSL alone thinks */
        mu_verdict_set(&trial->verdict,
                       cut ? X509_V_ERR_CERT_CHAIN_TOO_LONG
                           : X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
                       0, trial->leaf, how.at, NULL);
    return 0;
}

static void give_up(struct trial *trial, const struct mu_path_work *work)
{
    char detail[MU_STRICT_DETAIL_LEN];
    snprintf(detail, sizeof detail,
             "%zu signatures and %zu complete chains were tried, and there are more",
             work->signatures, work->ways);
    mu_verdict_set_fault(&trial->verdict, MU_FAULT_TOO_MUCH_WORK, 0, trial->leaf, trial->how->at,
                         "RFC 4158 2.4.2", detail);
}

static int search(struct trial *trial, struct mu_path_work *work, struct mu_error *err)
{
    const struct mu_verify *how = trial->how;
    int cas_max = how->limit_depth ? how->depth : MU_PATH_CAS_MAX;
    if (choose_lists(trial, err) != 0 ||
        mu_path_search(trial->leaf, how->anchors, how->untrusted, cas_max, on_way, trial, work,
                       err) != 0 ||
        trial->failed)
        return -1;
    bool good = trial->judged && trial->verdict.fault == MU_FAULT_NONE;
    if (work->exhausted && !good)
        give_up(trial, work);
    else if (!trial->judged)
        return explain_failure(trial, work->cut, err);
    return 0;
}

/* The forms that were found, without the one that became the verdict. */
static int fill_trace(const struct trial *trial, const struct mu_path_work *work,
                      struct mu_verify_trace *ret, struct mu_error *err)
{
    if (ret == NULL)
        return 0;
    ret->ways = work->ways;
    ret->signatures = work->signatures;
    for (size_t i = 0; i < trial->forms.strict_count; i++) {
        const struct mu_verdict *form = &trial->forms.strict[i];
        bool is_verdict = form->depth == trial->verdict.depth &&
                          mu_str_equal(form->sentence, trial->verdict.sentence);
        if (!is_verdict && !add_verdict(ret, form))
            return mu_fail_nomem(err);
    }
    return 0;
}

static int verify_strictly(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret,
                           struct mu_certs *ret_chain, struct mu_error *err)
{
    struct trial trial = {.how = how, .leaf = leaf, .err = err};
    struct mu_path_work work = {0};
    int result = search(&trial, &work, err);
    if (result == 0)
        result = fill_trace(&trial, &work, how->trace, err);
    *ret = trial.verdict;
    for (size_t i = 0; result == 0 && ret_chain != NULL && i < trial.chain.count; i++)
        result = mu_certs_add(ret_chain, mu_cert_ref(trial.chain.at[i]), err);
    mu_certs_clear(&trial.chain);
    mu_verify_trace_clear(&trial.forms);
    free(trial.crls);
    return result;
}

/* What the strict judge says of what the other found good. */
static int warn(X509 *leaf, const struct mu_verify *how, struct mu_error *err)
{
    struct mu_verify strict = *how;
    struct mu_verify_trace more = {0};
    struct mu_verdict verdict;
    strict.strict = true;
    strict.trace = &more;
    int result = verify_strictly(leaf, &strict, &verdict, NULL, err);
    if (result == 0 && verdict.fault != MU_FAULT_NONE && !add_verdict(how->trace, &verdict))
        result = mu_fail_nomem(err);
    for (size_t i = 0; result == 0 && i < more.strict_count; i++)
        if (!add_verdict(how->trace, &more.strict[i]))
            result = mu_fail_nomem(err);
    mu_verify_trace_clear(&more);
    return result;
}

int mu_verify(const struct mu_cert *leaf, const struct mu_verify *how, struct mu_verdict *ret,
              struct mu_certs *ret_chain, struct mu_error *err)
{
    X509 *x = mu_cert_x509(leaf);
    if (how->strict)
        return verify_strictly(x, how, ret, ret_chain, err);
    if (verify_one_way(x, how, ret, ret_chain, err) != 0)
        return -1;
    return how->trace == NULL || ret->fault != MU_FAULT_NONE ? 0 : warn(x, how, err);
}
