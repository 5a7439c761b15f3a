/* A client's chain is judged here, whether it comes with a full handshake or with a session. */

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/str.h"
#include "pki/ossl.h"
#include "tls/internal.h"
#include "tls/remembered.h"

struct judge {
    struct mu_remembered *remembered;
    struct mu_tls_lists *lists;
    uint64_t epoch; /* another one of the process's whenever these lists become others */
    struct mu_anchored anchored;
    EVP_MD *sha256; /* to look it up costs more than to compute it */
    time_t session_age_s;
    bool required, explains; /* clients; to them */
};

/* What is found while a chain is verified. */
struct finding {
    struct mu_refusal *refusal;
    bool goes_on; /* where a list lacks, since something worse may follow */
    int lacks;    /* X509_V_ERR_*: that list, and nothing else so far; 0: nothing */
};

/* What this process has one of, when the first context is made. */
static struct {
    int judge_of_context, judge_of_store, finding; /* places among OpenSSL's objects' data */
    X509_STORE_CTX_check_crl_fn check_list;        /* as libcrypto does */
    X509_STORE_CTX_check_revocation_fn check_revocation;
    bool good;
} common;

static _Atomic uint64_t epochs;

/* --- Judging --- */

static struct judge *judge_of(const X509_STORE_CTX *store_ctx)
{
    return X509_STORE_get_ex_data(X509_STORE_CTX_get0_store(store_ctx), common.judge_of_store);
}

static bool is_for_want_of_list(int error)
{
    return error == X509_V_ERR_UNABLE_TO_GET_CRL || error == X509_V_ERR_DIFFERENT_CRL_SCOPE ||
           error == X509_V_ERR_CRL_HAS_EXPIRED;
}

/* Who is trusted need be on no list, and where lists are for some distribution points only there is none for it; of its own list
 * those that it has issued have been asked before. */
static bool is_about_anchor(const X509_STORE_CTX *store_ctx, int error)
{
    const int depth = X509_STORE_CTX_get_error_depth(store_ctx);
    return depth > 0 && depth + 1 == sk_X509_num(X509_STORE_CTX_get0_chain(store_ctx)) &&
           is_for_want_of_list(error);
}

/* libcrypto asks this about each certificate of a chain; the first fault is noted for the log. It asks for lists before it verifies
 * signatures, so what is but want of one is put off: before that nobody knows who it is that wants one fetched. */
static int on_certificate(int ok, X509_STORE_CTX *store_ctx)
{
    const struct judge *judge = judge_of(store_ctx);
    const time_t now = time(NULL);
    const int error = X509_STORE_CTX_get_error(store_ctx);
    if (ok ||
        mu_tls_lists_forgive(judge->lists, error, X509_STORE_CTX_get0_current_crl(store_ctx), now))
        return 1;
    /* About whoever has signed a list, whose chain is verified in between: then the list cannot be used, which is asked
     * about next. */
    if (X509_STORE_CTX_get0_parent_ctx(store_ctx) != NULL)
        return 0;
    if (is_about_anchor(store_ctx, error))
        return 1;
    struct finding *finding = X509_STORE_CTX_get_ex_data(store_ctx, common.finding);
    const bool waits = finding->goes_on && is_for_want_of_list(error);
    if (waits && finding->lacks != 0)
        return 1;
    struct mu_verdict verdict;
    mu_verdict_from_ctx(&verdict, store_ctx, now, NULL);
    mu_refusal_from_verdict(finding->refusal, &verdict);
    finding->lacks = waits ? error : 0;
    return waits;
}

/* The lists are not in the store, so that others can take their place. */
static STACK_OF(X509_CRL) * on_lists(const X509_STORE_CTX *store_ctx, const X509_NAME *issuer)
{
    return mu_tls_lists_of(judge_of(store_ctx)->lists, issuer);
}

static int on_list(X509_STORE_CTX *store_ctx, X509_CRL *crl)
{
    return mu_tls_lists_check(judge_of(store_ctx)->lists, store_ctx, crl, common.check_list);
}

static int add_der(X509 *x, struct mu_buf *ret)
{
    int len = i2d_X509(x, NULL);
    unsigned char *at = len <= 0 ? NULL : (unsigned char *)mu_buf_reserve(ret, (size_t)len);
    if (at == NULL || i2d_X509(x, &at) != len)
        return 0;
    ret->len += (size_t)len;
    return 1;
}

/* All that the client presents, its own certificate first. libssl counts that one among the others in a handshake, and not
 * in a session. */
static bool gather(X509_STORE_CTX *asked, struct mu_buf *ret)
{
    X509 *own = X509_STORE_CTX_get0_cert(asked);
    STACK_OF(X509) *others = X509_STORE_CTX_get0_untrusted(asked);
    bool ok = add_der(own, ret);
    for (int i = 0; ok && i < sk_X509_num(others); i++)
        if (sk_X509_value(others, i) != own)
            ok = add_der(sk_X509_value(others, i), ret);
    return ok;
}

/* The same certificates, with their keys: those that libssl has parsed have none. */
static STACK_OF(X509) * parse(const struct mu_buf *all)
{
    const unsigned char *at = (const unsigned char *)all->data, *end = at + all->len;
    STACK_OF(X509) *certs = sk_X509_new_null();
    while (certs != NULL && at < end) {
        X509 *x = d2i_X509(NULL, &at, end - at);
        if (x == NULL || sk_X509_push(certs, x) <= 0) {
            X509_free(x);
            sk_X509_pop_free(certs, X509_free);
            return NULL;
        }
    }
    return certs;
}

/* When the first of them ends. */
static time_t end_of(STACK_OF(X509) * chain)
{
    time_t end = 0;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        time_t until = mu_time_from_asn1(X509_get0_notAfter(sk_X509_value(chain, i)));
        end = i == 0 || until < end ? until : end;
    }
    return end;
}

static void remember(struct judge *judge, struct mu_vetted *vetted, time_t now)
{
    const time_t lists_until = mu_tls_lists_until(judge->lists, now);
    vetted->good_in = judge->epoch;
    vetted->good_from = now;
    vetted->good_until =
        lists_until != 0 && lists_until < vetted->until ? lists_until : vetted->until;
    mu_remembered_add(judge->remembered, vetted, now, vetted->good_until);
}

/* The chain is good; or does a list lack? Whoever fetches them hears of it in any case. */
static bool has_its_lists(const struct judge *judge, X509_STORE_CTX *of,
                          const struct finding *finding)
{
    char why[MU_ERROR_CAUSE_LEN];
    mu_tls_lists_meet(judge->lists, X509_STORE_CTX_get0_chain(of), why);
    if (finding->lacks == 0)
        return true;
    X509_STORE_CTX_set_error(of, finding->lacks);
    finding->refusal->only_lacks_list = true;
    if (!mu_tls_lists_may_come(judge->lists))
        return false;
    mu_str_copy(finding->refusal->cause, sizeof finding->refusal->cause, why);
    mu_str_copy(finding->refusal->hint, sizeof finding->refusal->hint,
                "see in the log why it does not come (crl-fetch-failed), or let a missing list mean "
                "something else: crl_grace");
    return false;
}

/* With this function of libcrypto. False: `refusal` says why the client is not good. */
static bool find_good(const struct judge *judge, X509_STORE_CTX *of, int (*by)(X509_STORE_CTX *of),
                      bool goes_on, struct mu_refusal *refusal)
{
    struct finding finding = {.refusal = refusal,
                              .goes_on = goes_on || mu_tls_lists_may_come(judge->lists)};
    X509_STORE_CTX_set_verify_cb(of, on_certificate);
    return X509_STORE_CTX_set_ex_data(of, common.finding, &finding) == 1 && by(of) == 1 &&
           has_its_lists(judge, of, &finding);
}

/* Build a chain of what was presented, and judge it. */
static bool verify(const struct judge *judge, X509_STORE_CTX *of, bool goes_on,
                   struct mu_refusal *refusal)
{
    return find_good(judge, of, X509_verify_cert, goes_on, refusal);
}

static bool note_chain(struct mu_vetted *vetted, const struct judge *judge, X509_STORE_CTX *of,
                       time_t now)
{
    sk_X509_pop_free(vetted->chain, X509_free);
    vetted->chain = X509_STORE_CTX_get1_chain(of);
    vetted->until = end_of(vetted->chain);
    vetted->from = now;
    vetted->anchored = judge->anchored;
    return vetted->chain != NULL;
}

/* As libssl has asked, but with certificates that have keys. NULL, and the reason in `asked`: it is not good. Given. */
static struct mu_vetted *vet(struct judge *judge, X509_STORE_CTX *asked, const struct mu_buf *all,
                             const struct mu_presented *presented, struct mu_refusal *refusal)
{
    const time_t now = time(NULL);
    STACK_OF(X509) *certs = parse(all);
    MU_AUTO(X509_STORE_CTX) of = X509_STORE_CTX_new();
    X509 *leaf = sk_X509_value(certs, 0);
    MU_AUTO_STRUCT(mu_vetted) vetted = leaf == NULL ? NULL : mu_vetted_new(presented, leaf);
    X509_STORE_CTX_set_error(asked, X509_V_ERR_UNSPECIFIED);
    if (vetted == NULL) {
        sk_X509_pop_free(certs, X509_free);
        return NULL;
    }
    vetted->sent = certs;
    if (of == NULL || X509_STORE_CTX_init(of, X509_STORE_CTX_get0_store(asked), leaf, certs) != 1 ||
        X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(of), X509_STORE_CTX_get0_param(asked)) != 1)
        return NULL;
    const bool good = verify(judge, of, false, refusal);
    X509_STORE_CTX_set_error(asked, X509_STORE_CTX_get_error(of));
    if (!good || !note_chain(vetted, judge, of, now))
        return NULL;
    remember(judge, vetted, now);
    return mu_take(&vetted);
}

/* From here on it is this one that libssl takes for the client's: the same certificate, with its key. All connections of
 * a client have it together. */
static void put_in_place(X509_STORE_CTX *asked, X509 *leaf)
{
    X509 *own = X509_STORE_CTX_get0_cert(asked);
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(asked);
    if (sk_X509_num(sent) == 0 || sk_X509_value(sent, 0) != own)
        return;
    X509_up_ref(leaf);
    sk_X509_set(sent, 0, leaf);
    X509_STORE_CTX_set_cert(asked, leaf);
    X509_free(own);
}

/* The handshake goes on, though the verdict stands: nobody has been vetted, so mu_tls_admit() says no. The client's key is
 * needed to prove even that it is whom we are talking to. */
static int let_it_hear(X509_STORE_CTX *asked, const struct mu_buf *all)
{
    STACK_OF(X509) *certs = parse(all);
    X509 *leaf = sk_X509_value(certs, 0);
    if (leaf != NULL)
        put_in_place(asked, leaf);
    sk_X509_pop_free(certs, X509_free);
    return leaf != NULL;
}

/* libssl asks this about a client's chain. */
static int on_chain(X509_STORE_CTX *asked, void *arg)
{
    struct judge *judge = arg;
    struct mu_presented presented;
    SSL *ssl = X509_STORE_CTX_get_ex_data(asked, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct mu_tls *tls = SSL_get_app_data(ssl);
    MU_AUTO_CLEAR(mu_buf) all = MU_BUF_INIT;
    if (!gather(asked, &all) ||
        EVP_Digest(all.data, all.len, presented.sha256, NULL, judge->sha256, NULL) != 1) {
        X509_STORE_CTX_set_error(asked, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
    mu_vetted_unref(tls->vetted);
    tls->vetted = mu_vetted_ref(mu_remembered_find(judge->remembered, &presented, time(NULL)));
    if (tls->vetted == NULL)
        tls->vetted = vet(judge, asked, &all, &presented, &tls->refusal);
    if (tls->vetted == NULL)
        return judge->explains ? let_it_hear(asked, &all) : 0;
    X509_STORE_CTX_set_error(asked, X509_V_OK);
    put_in_place(asked, tls->vetted->leaf);
    return 1;
}

/* --- Once more --- */

/* The chain is good where all anchors are the same, until something of it ends. Then only the lists can be others. */
static bool is_built_for(const struct mu_vetted *vetted, const struct judge *judge, time_t now)
{
    return memcmp(&vetted->anchored, &judge->anchored, sizeof vetted->anchored) == 0 &&
           now >= vetted->from && now < vetted->until;
}

/* Ask for each certificate of a chain that is built already whether a list names it. */
static bool look_up(struct mu_vetted *vetted, const struct judge *judge, X509_STORE_CTX *of,
                    struct mu_refusal *refusal)
{
    if (!mu_tls_lists_any(judge->lists))
        return true;
    X509_STORE_CTX_set0_verified_chain(of, X509_chain_up_ref(vetted->chain));
    return X509_STORE_CTX_get0_chain(of) != NULL &&
           find_good(judge, of, common.check_revocation, true, refusal);
}

/* As libssl does. */
static bool begin(X509_STORE_CTX *of, SSL_CTX *ctx, X509 *leaf, STACK_OF(X509) * sent)
{
    return X509_STORE_CTX_init(of, SSL_CTX_get_cert_store(ctx), leaf, sent) == 1 &&
           X509_STORE_CTX_set_default(of, "ssl_client") == 1;
}

static bool verify_at(const struct judge *judge, X509_STORE_CTX *of, const SSL_CTX *ctx,
                      bool goes_on, struct mu_refusal *refusal)
{
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(of), SSL_CTX_get_security_level(ctx));
    return verify(judge, of, goes_on, refusal);
}

/* Whoever is in has done nothing for it that a list has lapsed; so all else has to be asked about. */
static bool judge_again(struct mu_vetted *vetted, SSL_CTX *ctx, struct judge *judge, time_t now,
                        struct mu_refusal *refusal)
{
    MU_AUTO(X509_STORE_CTX) of = X509_STORE_CTX_new();
    if (of == NULL || !begin(of, ctx, vetted->leaf, vetted->sent))
        return false;
    if (is_built_for(vetted, judge, now))
        return look_up(vetted, judge, of, refusal);
    const bool good = verify_at(judge, of, ctx, true, refusal);
    if (!good && !refusal->only_lacks_list)
        return false;
    if (note_chain(vetted, judge, of, now))
        return good;
    refusal->only_lacks_list = false;
    return false;
}

/* Whoever has been found good and not forgotten is known in this way, however many others have come since. */
static bool is_good_still(const struct mu_vetted *vetted, const struct judge *judge, time_t now)
{
    return vetted->good_in == judge->epoch && now >= vetted->good_from && now < vetted->good_until;
}

bool mu_vetted_judge(struct mu_vetted *vetted, struct mu_tls_context *context,
                     struct mu_refusal *ret)
{
    SSL_CTX *ctx = (SSL_CTX *)context;
    struct judge *judge = SSL_CTX_get_ex_data(ctx, common.judge_of_context);
    const time_t now = time(NULL);
    *ret = (struct mu_refusal){.code = MU_REFUSAL_NONE};
    if (is_good_still(vetted, judge, now))
        return true;
    /* What is remembered may be another finding about the same bytes, and this one at its end. */
    const struct mu_vetted *found = mu_remembered_find(judge->remembered, &vetted->presented, now);
    if (found != NULL && (found == vetted || now < vetted->until))
        return true;
    const bool good = judge_again(vetted, ctx, judge, now, ret);
    if (good)
        remember(judge, vetted, now);
    else if (ret->code == MU_REFUSAL_NONE)
        mu_refusal_from_openssl(ret);
    ERR_clear_error();
    return good;
}

bool mu_vetted_is_revoked(const struct mu_vetted *vetted, struct mu_tls_context *context,
                          struct mu_refusal *ret)
{
    SSL_CTX *ctx = (SSL_CTX *)context;
    const struct judge *judge = SSL_CTX_get_ex_data(ctx, common.judge_of_context);
    MU_AUTO(X509_STORE_CTX) of = X509_STORE_CTX_new();
    *ret = (struct mu_refusal){.code = MU_REFUSAL_NONE};
    if (mu_tls_lists_any(judge->lists) && of != NULL && begin(of, ctx, vetted->leaf, vetted->sent))
        (void)verify_at(judge, of, ctx, true, ret);
    ERR_clear_error();
    return ret->code == MU_REFUSAL_CERT && ret->fault == MU_FAULT_REVOKED;
}

bool mu_tls_would_vet(struct mu_tls_context *context, const struct mu_certs *sent,
                      struct mu_refusal *ret)
{
    SSL_CTX *ctx = (SSL_CTX *)context;
    const struct judge *judge = SSL_CTX_get_ex_data(ctx, common.judge_of_context);
    STACK_OF(X509) *certs = sk_X509_new_null();
    MU_AUTO(X509_STORE_CTX) of = X509_STORE_CTX_new();
    bool ok = certs != NULL && of != NULL;
    *ret = (struct mu_refusal){.code = MU_REFUSAL_NONE};
    for (size_t i = 0; ok && i < sent->count; i++)
        ok = sk_X509_push(certs, mu_cert_x509(sent->at[i])) > 0;
    const bool good = ok && begin(of, ctx, mu_cert_x509(sent->at[0]), certs) &&
                      verify_at(judge, of, ctx, false, ret);
    if (!good && ret->code == MU_REFUSAL_NONE)
        mu_refusal_from_openssl(ret);
    sk_X509_free(certs);
    ERR_clear_error();
    return good;
}

/* --- Of a context --- */

static void judge_free(struct judge *judge)
{
    if (judge == NULL)
        return;
    mu_remembered_free(judge->remembered);
    mu_tls_lists_unref(judge->lists);
    EVP_MD_free(judge->sha256);
    free(judge);
}

static void on_context_free(void *parent, void *judge, CRYPTO_EX_DATA *data, int index, long number,
                            void *pointer)
{
    (void)parent, (void)data, (void)index, (void)number, (void)pointer;
    judge_free(judge);
}

/* What libcrypto does where nobody asks for anything else is told by a context of its own. */
static void make_common(void)
{
    MU_AUTO(X509_STORE) store = X509_STORE_new();
    MU_AUTO(X509_STORE_CTX) of = X509_STORE_CTX_new();
    if (store == NULL || of == NULL || X509_STORE_CTX_init(of, store, NULL, NULL) != 1)
        return;
    common.check_list = X509_STORE_CTX_get_check_crl(of);
    common.check_revocation = X509_STORE_CTX_get_check_revocation(of);
    common.judge_of_context = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_free);
    common.judge_of_store = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    common.finding = X509_STORE_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    common.good = common.judge_of_context >= 0 && common.judge_of_store >= 0 && common.finding >= 0;
}

/* Each CA of a chain must have a list that is not out of date: none, or an old one, is no reason to let anybody in.
 * Unless OpenSSL is told of extended lists it takes a delta list for a complete one. [RFC 5280 6.3] */
static bool go_by(SSL_CTX *ctx, struct judge *judge, struct mu_tls_lists *lists)
{
    const unsigned long flags = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
                                X509_V_FLAG_USE_DELTAS | X509_V_FLAG_EXTENDED_CRL_SUPPORT;
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(SSL_CTX_get_cert_store(ctx));
    struct mu_tls_lists *before = judge->lists;
    judge->epoch = atomic_fetch_add(&epochs, 1) + 1;
    judge->lists = mu_tls_lists_ref(lists);
    mu_tls_lists_unref(before);
    return (mu_tls_lists_any(lists) ? X509_VERIFY_PARAM_set_flags(param, flags)
                                    : X509_VERIFY_PARAM_clear_flags(param, flags)) == 1;
}

/* Of each anchor's own digest. */
static bool note_anchors(struct judge *judge, const struct mu_certs *anchors)
{
    MU_AUTO(EVP_MD_CTX) sum = EVP_MD_CTX_new();
    bool ok = sum != NULL && EVP_DigestInit_ex(sum, judge->sha256, NULL) == 1;
    for (size_t i = 0; ok && i < anchors->count; i++) {
        unsigned char sha256[32];
        mu_cert_sha256(anchors->at[i], sha256);
        ok = EVP_DigestUpdate(sum, sha256, sizeof sha256) == 1;
    }
    return ok && EVP_DigestFinal_ex(sum, judge->anchored.sha256, NULL) == 1;
}

time_t mu_tls_session_age(const SSL_CTX *ctx)
{
    return ((const struct judge *)SSL_CTX_get_ex_data(ctx, common.judge_of_context))->session_age_s;
}

bool mu_tls_requires_clients(const SSL_CTX *ctx)
{
    return ((const struct judge *)SSL_CTX_get_ex_data(ctx, common.judge_of_context))->required;
}

bool mu_tls_explains(const SSL_CTX *ctx)
{
    return ((const struct judge *)SSL_CTX_get_ex_data(ctx, common.judge_of_context))->explains;
}

bool mu_tls_judge_clients(SSL_CTX *ctx, const struct mu_tls_door *door)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    pthread_once(&once, make_common);
    struct judge *judge = common.good ? calloc(1, sizeof *judge) : NULL;
    if (judge != NULL) {
        judge->remembered = mu_remembered_new();
        judge->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        judge->session_age_s = door->session_age_s;
        judge->required = !door->clients_optional;
        judge->explains = door->explains;
    }
    if (judge == NULL || judge->remembered == NULL || judge->sha256 == NULL ||
        !note_anchors(judge, door->anchors) || !go_by(ctx, judge, door->lists) ||
        X509_STORE_set_ex_data(store, common.judge_of_store, judge) != 1 ||
        SSL_CTX_set_ex_data(ctx, common.judge_of_context, judge) != 1) {
        judge_free(judge);
        return false;
    }
    X509_STORE_set_lookup_crls(store, on_lists);
    X509_STORE_set_check_crl(store, on_list);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_certificate);
    SSL_CTX_set_cert_verify_callback(ctx, on_chain, judge);
    return true;
}

void mu_tls_context_follow(struct mu_tls_context *former, const struct mu_tls_context *present)
{
    SSL_CTX *ctx = (SSL_CTX *)former;
    struct judge *judge = SSL_CTX_get_ex_data(ctx, common.judge_of_context);
    const struct judge *other =
        SSL_CTX_get_ex_data((const SSL_CTX *)present, common.judge_of_context);
    if (judge->lists == other->lists)
        return;
    mu_remembered_forget(judge->remembered);
    (void)go_by(ctx, judge, other->lists);
}
