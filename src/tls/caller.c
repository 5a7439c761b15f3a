#include "tls/caller.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pki/info.h"
#include "pki/ossl.h"
#include "tls/internal.h"

/*
 * As many as calls that begin at about the same time can make use of. A ticket of TLS 1.3 is used once, or whoever watches
 * would see that two connections are one client's. [RFC 8446 C.4]
 */
enum { SESSIONS_KEPT = 16 };

/* Of one server, the newest last. */
struct kept {
    SSL_SESSION *at[SESSIONS_KEPT];
    unsigned count;
};

struct mu_tls_caller {
    const struct mu_tls_calls *calls;
    SSL_CTX *ctx;
    struct kept *kept; /* for each host */
};

/* --- Sessions --- */

/* Takes `session`. */
static void keep(struct kept *kept, SSL_SESSION *session)
{
    if (kept->count == SESSIONS_KEPT) {
        SSL_SESSION_free(kept->at[0]);
        memmove(kept->at, kept->at + 1, sizeof kept->at[0] * --kept->count);
    }
    kept->at[kept->count++] = session;
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct mu_tls *tls = SSL_get_app_data(ssl);
    keep(&tls->caller->kept[tls->target], session);
    return 1; /* it is ours now */
}

/* The server has a new certificate by now, perhaps, which only a full handshake shows. */
static bool has_expired(const X509 *x)
{
    return x == NULL || X509_cmp_current_time(X509_get0_notAfter(x)) < 0;
}

/* Given; NULL: there is none. */
static SSL_SESSION *newest(struct kept *kept)
{
    while (kept->count > 0) {
        SSL_SESSION *session = kept->at[--kept->count];
        if (SSL_SESSION_is_resumable(session) && !has_expired(SSL_SESSION_get0_peer(session)))
            return session;
        SSL_SESSION_free(session);
    }
    return NULL;
}

/* In TLS 1.2 a session is good for more than once, and the server gives no other. */
void mu_tls_called(struct mu_tls *tls)
{
    if (SSL_session_reused(tls->ssl) && SSL_version(tls->ssl) == TLS1_2_VERSION)
        keep(&tls->caller->kept[tls->target], SSL_get1_session(tls->ssl));
}

/* --- The server's certificate --- */

/* It is another one than was meant: say what it has, so that its names need not be looked for elsewhere. */
static void refuse_unexpected(struct mu_tls *tls, const struct mu_cert *leaf)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct mu_refusal *ret = &tls->refusal;
    char label[MU_CERT_LABEL_LEN], base64[45] = "";
    unsigned char pin[32];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    mu_refusal_set(ret, MU_REFUSAL_SERVER_CERT_UNEXPECTED);
    snprintf(ret->sentence, sizeof ret->sentence,
             "the server's certificate \"%s\" has none of the names and keys that are asked for",
             mu_cert_label(leaf, label));
    if (mu_cert_key(leaf, &key, &ignored) != 0 || mu_key_pin(key, pin, &ignored) != 0 ||
        mu_cert_info_read(leaf, time(NULL), &info, &ignored) != 0)
        return;
    EVP_EncodeBlock((unsigned char *)base64, pin, sizeof pin);
    snprintf(ret->cause, sizeof ret->cause, "it has sha256//%s%s%s", base64,
             info.san.count > 0 ? ", " : "", info.san.count > 0 ? info.san.at[0] : "");
}

/* X509_V_OK, or what is wrong with the chain, as a fault of OpenSSL's; the refusal says it in words. */
static int judge(struct mu_tls *tls, STACK_OF(X509) * sent)
{
    const struct mu_tls_calls *calls = tls->caller->calls;
    const char *host = calls->any_name ? NULL : calls->hosts[tls->target];
    MU_AUTO_CLEAR(mu_certs) presented = {0};
    struct mu_verdict verdict;
    if (!mu_tls_judge_server(sent, calls->anchors, host, &presented, &verdict)) {
        mu_refusal_set(&tls->refusal, MU_REFUSAL_SERVER_CERT_MISSING);
        return X509_V_ERR_UNSPECIFIED;
    }
    if (verdict.fault != MU_FAULT_NONE) {
        mu_refusal_of_server(&tls->refusal, &verdict);
        return verdict.openssl_error;
    }
    if (mu_tls_expected_met(calls->expected, presented.at[0]))
        return X509_V_OK;
    refuse_unexpected(tls, presented.at[0]);
    return X509_V_ERR_APPLICATION_VERIFICATION;
}

/* In place of libssl's own verification: the same judge as everywhere else in this program. */
static int on_server_chain(X509_STORE_CTX *store_ctx, void *arg)
{
    (void)arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    int fault = judge(SSL_get_app_data(ssl), X509_STORE_CTX_get0_untrusted(store_ctx));
    X509_STORE_CTX_set_error(store_ctx, fault); /* which chooses the alert that the server gets */
    return fault == X509_V_OK;
}

bool mu_tls_rejudge_server(struct mu_tls *tls)
{
    return judge(tls, SSL_get_peer_cert_chain(tls->ssl)) == X509_V_OK;
}

/* --- Life --- */

static int set_up(struct mu_tls_caller *caller, struct mu_error *err)
{
    const struct mu_tls_calls *calls = caller->calls;
    SSL_CTX *ctx = caller->ctx;
    if (!mu_tls_set_common(ctx))
        return mu_fail_openssl(err, MU_E_TLS, "TLS could not be set up");
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, on_server_chain, NULL);
    if (calls->alpn != NULL && *calls->alpn != '\0' &&
        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)calls->alpn,
                                (unsigned)strlen(calls->alpn)) != 0)
        return mu_fail_nomem(err);
    return calls->chain->count == 0
               ? 0
               : mu_tls_use_client_certificate(ctx, calls->chain, calls->key, err);
}

int mu_tls_caller_new(const struct mu_tls_calls *calls, struct mu_tls_caller **ret,
                      struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_tls_caller) caller = calloc(1, sizeof *caller);
    if (caller == NULL)
        return mu_fail_nomem(err);
    caller->calls = calls;
    caller->kept = calloc(calls->host_count, sizeof *caller->kept);
    caller->ctx = SSL_CTX_new(TLS_client_method());
    if (caller->kept == NULL || caller->ctx == NULL)
        return mu_fail_nomem(err);
    if (set_up(caller, err) != 0)
        return -1;
    *ret = mu_take(&caller);
    return 0;
}

void mu_tls_caller_free(struct mu_tls_caller *caller)
{
    if (caller == NULL)
        return;
    for (size_t i = 0; caller->kept != NULL && i < caller->calls->host_count; i++)
        while (caller->kept[i].count > 0)
            SSL_SESSION_free(caller->kept[i].at[--caller->kept[i].count]);
    free(caller->kept);
    SSL_CTX_free(caller->ctx);
    free(caller);
}

/* A server is asked for by its name, never by an address. [RFC 6066 3] */
static bool is_name(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) != 1 && inet_pton(AF_INET6, host, address) != 1;
}

struct mu_tls *mu_tls_call(struct mu_tls_caller *caller, size_t target,
                           struct mu_transport transport)
{
    const char *host = caller->calls->hosts[target];
    struct mu_tls *tls = mu_tls_make(caller->ctx, transport);
    if (tls == NULL)
        return NULL;
    tls->caller = caller;
    tls->target = target;
    SSL_set_connect_state(tls->ssl);
    SSL_SESSION *session = newest(&caller->kept[target]);
    if (session != NULL)
        SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
    if (is_name(host) && SSL_set_tlsext_host_name(tls->ssl, host) != 1) {
        mu_tls_free(tls);
        return NULL;
    }
    return tls;
}
