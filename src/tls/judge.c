/* A client's chain is judged here, whether it comes with a full handshake or with a session. */

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "pki/ossl.h"
#include "tls/internal.h"
#include "tls/remembered.h"

struct judge {
    struct mu_remembered *remembered;
    time_t lists_until; /* when the first list ends; 0: none does */
    EVP_MD *sha256;     /* to look it up costs more than to compute it */
};

/* --- Judging --- */

/* libssl asks this about each certificate of a chain; the first fault is noted for the log. */
static int on_certificate(int ok, X509_STORE_CTX *store_ctx)
{
    if (ok)
        return 1;
    /* About whoever has signed a list, whose chain is verified in between: then the list cannot be used, which is asked
     * about next. */
    if (X509_STORE_CTX_get0_parent_ctx(store_ctx) != NULL)
        return 0;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct mu_tls *tls = SSL_get_app_data(ssl);
    struct mu_verdict verdict;
    mu_verdict_from_ctx(&verdict, store_ctx, time(NULL), NULL);
    mu_refusal_from_verdict(&tls->refusal, &verdict);
    return 0;
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

/* The first moment at which something that it rests on is valid no more. */
static time_t end_of(const struct judge *judge, STACK_OF(X509) * chain)
{
    time_t end = 0;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        time_t until = mu_time_from_asn1(X509_get0_notAfter(sk_X509_value(chain, i)));
        end = i == 0 || until < end ? until : end;
    }
    return judge->lists_until != 0 && judge->lists_until < end ? judge->lists_until : end;
}

/* As libssl has asked, but with certificates that have keys. NULL, and the reason in `asked`: it is not good. */
static struct mu_cert *verify(struct judge *judge, X509_STORE_CTX *asked, const struct mu_buf *all,
                              const struct mu_presented *presented, time_t now)
{
    const int index = SSL_get_ex_data_X509_STORE_CTX_idx();
    STACK_OF(X509) *certs = parse(all);
    MU_AUTO(X509_STORE_CTX) of = X509_STORE_CTX_new();
    X509 *leaf = sk_X509_value(certs, 0), *good = NULL;
    X509_STORE_CTX_set_error(asked, X509_V_ERR_UNSPECIFIED);
    if (leaf != NULL && of != NULL &&
        X509_STORE_CTX_init(of, X509_STORE_CTX_get0_store(asked), leaf, certs) == 1 &&
        X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(of), X509_STORE_CTX_get0_param(asked)) ==
            1 &&
        X509_STORE_CTX_set_ex_data(of, index, X509_STORE_CTX_get_ex_data(asked, index)) == 1) {
        X509_STORE_CTX_set_verify_cb(of, on_certificate);
        good = X509_verify_cert(of) == 1 && X509_up_ref(leaf) == 1 ? leaf : NULL;
        X509_STORE_CTX_set_error(asked, X509_STORE_CTX_get_error(of));
    }
    if (good != NULL)
        mu_remembered_add(judge->remembered, presented, (struct mu_cert *)good, now,
                          end_of(judge, X509_STORE_CTX_get0_chain(of)));
    sk_X509_pop_free(certs, X509_free);
    return (struct mu_cert *)good;
}

/* From here on it is this one that libssl takes for the client's: the same certificate, with its key. All connections of
 * a client have it together. */
static void put_in_place(X509_STORE_CTX *asked, struct mu_cert *leaf)
{
    X509 *own = X509_STORE_CTX_get0_cert(asked);
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(asked);
    if (sk_X509_num(sent) == 0 || sk_X509_value(sent, 0) != own)
        return;
    sk_X509_set(sent, 0, mu_cert_x509(mu_cert_ref(leaf)));
    X509_STORE_CTX_set_cert(asked, mu_cert_x509(leaf));
    X509_free(own);
}

/* libssl asks this about a client's chain. */
static int on_chain(X509_STORE_CTX *asked, void *arg)
{
    struct judge *judge = arg;
    struct mu_presented presented;
    time_t now = time(NULL);
    MU_AUTO_CLEAR(mu_buf) all = MU_BUF_INIT;
    if (!gather(asked, &all) ||
        EVP_Digest(all.data, all.len, presented.sha256, NULL, judge->sha256, NULL) != 1) {
        X509_STORE_CTX_set_error(asked, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
    struct mu_cert *leaf = mu_remembered_find(judge->remembered, &presented, now);
    if (leaf == NULL)
        leaf = verify(judge, asked, &all, &presented, now);
    if (leaf == NULL)
        return 0;
    X509_STORE_CTX_set_error(asked, X509_V_OK);
    put_in_place(asked, leaf);
    return 1;
}

/* --- Of a context --- */

static void judge_free(struct judge *judge)
{
    if (judge == NULL)
        return;
    mu_remembered_free(judge->remembered);
    EVP_MD_free(judge->sha256);
    free(judge);
}

static void on_context_free(void *parent, void *judge, CRYPTO_EX_DATA *data, int index, long number,
                            void *pointer)
{
    (void)parent, (void)data, (void)index, (void)number, (void)pointer;
    judge_free(judge);
}

static int judge_index = -1;

static void make_judge_index(void)
{
    judge_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_free);
}

static time_t first_end(const struct mu_crls *crls)
{
    time_t first = 0;
    for (size_t i = 0; crls != NULL && i < crls->count; i++) {
        struct mu_crl_info info;
        mu_crl_info(crls->at[i], &info);
        if (info.next_update != 0 && (first == 0 || info.next_update < first))
            first = info.next_update;
    }
    return first;
}

bool mu_tls_judge_clients(SSL_CTX *ctx, const struct mu_crls *crls)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_judge_index);
    struct judge *judge = calloc(1, sizeof *judge);
    if (judge != NULL) {
        judge->remembered = mu_remembered_new();
        judge->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        judge->lists_until = first_end(crls);
    }
    if (judge == NULL || judge->remembered == NULL || judge->sha256 == NULL || judge_index < 0 ||
        SSL_CTX_set_ex_data(ctx, judge_index, judge) != 1) {
        judge_free(judge);
        return false;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_certificate);
    SSL_CTX_set_cert_verify_callback(ctx, on_chain, judge);
    return true;
}

/* --- Once more --- */

bool mu_tls_rejudge_client(SSL *ssl)
{
    SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    MU_AUTO(X509_STORE_CTX) of = X509_STORE_CTX_new();
    if (of == NULL ||
        X509_STORE_CTX_init(of, SSL_CTX_get_cert_store(ctx), SSL_get0_peer_certificate(ssl),
                            SSL_get_peer_cert_chain(ssl)) != 1 ||
        X509_STORE_CTX_set_default(of, "ssl_client") != 1 ||
        X509_STORE_CTX_set_ex_data(of, SSL_get_ex_data_X509_STORE_CTX_idx(), ssl) != 1)
        return false;
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(of), SSL_get_security_level(ssl));
    return on_chain(of, SSL_CTX_get_ex_data(ctx, judge_index)) == 1;
}
