/* By RFC 5280 to the letter: each way to an anchor is verified by itself. */

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "pki/ossl.h"
#include "pki/path.h"
#include "pki/strict.h"
#include "pki/verify_job.h"

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
static bool is_tolerated(X509_STORE_CTX *ctx, const struct mu_verify_job *job)
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
    struct mu_verify_job *job = mu_verify_job_of(ctx);
    struct mu_verdict verdict;
    if (is_tolerated(ctx, job) || mu_verify_is_beside_the_point(ctx))
        return 1;
    mu_verdict_from_ctx(&verdict, ctx, job->how->at, job->how->host);
    if (X509_STORE_CTX_get_error(ctx) == X509_V_ERR_NO_EXPLICIT_POLICY) /* of the whole path */
        mu_verdict_set(&verdict, X509_V_ERR_NO_EXPLICIT_POLICY, 0, job->path[0], job->how->at, NULL);
    if (is_anchors_crl(ctx, verdict.fault))
        return 1;
    if (mu_verify_is_about_a_signer(ctx))
        return 0; /* then the list cannot be used: that is asked next */
    if (is_form(verdict.fault)) {
        job->no_memory = job->no_memory || !mu_verify_add(job->forms, &verdict);
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
    const struct mu_verify_job *job = mu_verify_job_of(ctx);
    if (mu_verify_is_about_a_signer(ctx))
        return X509_check_issued(issuer, x) == X509_V_OK;
    for (size_t i = 0; i + 1 < job->len; i++)
        if (X509_cmp(job->path[i], x) == 0)
            return X509_cmp(job->path[i + 1], issuer) == 0;
    return X509_cmp(x, issuer) == 0 && X509_check_issued(issuer, x) == X509_V_OK;
}

static void on_broken_rule(enum mu_fault fault, int depth, X509 *cert, const char *rule,
                           const char *detail, void *arg)
{
    struct mu_verify_job *job = arg;
    struct mu_verdict verdict;
    mu_verdict_set_fault(&verdict, fault, depth, cert, job->how->at, rule, detail);
    job->no_memory = job->no_memory || !mu_verify_add(job->forms, &verdict);
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

static int run_on_path(const struct trial *trial, struct mu_verify_job *job,
                       STACK_OF(X509) * others, STACK_OF(X509_CRL) * lists, struct mu_error *err)
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
    return mu_verify_run(ctx, job, trial->leaf, on_strict_fault, err);
}

/* Beside the way there is who may have signed a list. */
static int run_with_lists(const struct trial *trial, struct mu_verify_job *job,
                          struct mu_crl *const *crls, size_t crl_count, struct mu_error *err)
{
    STACK_OF(X509) *others = mu_verify_stack_of(crl_count > 0 ? trial->how->untrusted : NULL);
    STACK_OF(X509_CRL) *lists = mu_verify_stack_of_lists(crls, crl_count);
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
static int run_without_unusable_lists(const struct trial *trial, struct mu_verify_job *job,
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

static int judge_path(const struct trial *trial, struct mu_verify_job *job, struct mu_error *err)
{
    struct mu_verdict *verdict = job->verdict;
    if (run_without_unusable_lists(trial, job, err) != 0)
        return -1;
    if (verdict->fault == MU_FAULT_CRL_MISSING && (size_t)verdict->depth < job->len)
        blame_broken_list(trial, job->path[verdict->depth], verdict);
    blame_common_name(trial->leaf, trial->how->at, verdict);
    judge_use(trial->leaf, trial->how, verdict);
    mu_verify_judge_emails(trial->leaf, trial->how, verdict);
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
    struct mu_verify_job job = {.how = trial->how,
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
    if (mu_verify_one_way(trial->leaf, &how, &trial->verdict, &trial->chain, err) != 0)
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
        if (!is_verdict && !mu_verify_add(ret, form))
            return mu_fail_nomem(err);
    }
    return 0;
}

int mu_verify_strictly(X509 *leaf, const struct mu_verify *how, struct mu_verdict *ret,
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
