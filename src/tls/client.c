#include "tls/client.h"

#include <openssl/ssl.h>
#include <time.h>

#include "base/str.h"
#include "pki/ossl.h"
#include "tls/internal.h"

static struct mu_tls_client *client_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct mu_tls_client *client = client_of(ssl);
    const int fatal = 2;
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == fatal)
        client->alert = value & 0xff;
    if ((where & SSL_CB_HANDSHAKE_DONE) != 0) {
        client->finished = true;
        mu_str_copy(client->version, sizeof client->version, SSL_get_version(ssl));
    }
}

/*
 * A server that refuses us may close its socket while our request is on its way, and our next write fails. Its
 * alert, which says why, has been received all the same, but whoever drives this SSL takes a failed write for
 * the end and never reads it. So such a write is said to have gone through: the read that follows finds the
 * alert, or fails as the write did.
 */
static long on_transport(BIO *bio, int operation, const char *data, size_t len, int argi, long argl,
                         int result, size_t *processed)
{
    (void)data;
    (void)argi;
    (void)argl;
    if (operation != (BIO_CB_WRITE | BIO_CB_RETURN) || result > 0 || BIO_should_retry(bio))
        return result;
    *processed = len;
    return 1;
}

/* libssl calls this when the server has asked for a certificate, before ours is sent. */
static int on_asked(SSL *ssl, void *arg)
{
    struct mu_tls_client *client = arg;
    client->asked = true;
    BIO_set_callback_ex(SSL_get_wbio(ssl), on_transport);
    return 1;
}

bool mu_tls_judge_server(STACK_OF(X509) * sent, const struct mu_certs *anchors, const char *host,
                         struct mu_certs *ret_presented, struct mu_verdict *ret)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct mu_verify how = {
        .anchors = anchors,
        .untrusted = ret_presented,
        .purpose = MU_PURPOSE_SERVER,
        .host = host,
        .at = time(NULL),
    };
    mu_certs_clear(ret_presented);
    for (int i = 0; i < sk_X509_num(sent); i++) {
        struct mu_cert *cert = mu_cert_ref((struct mu_cert *)sk_X509_value(sent, i));
        if (mu_certs_add(ret_presented, cert, &ignored) != 0)
            return false;
    }
    return ret_presented->count > 0 &&
           mu_verify(ret_presented->at[0], &how, ret, NULL, &ignored) == 0;
}

/* In place of libssl's own verification: the same judge as everywhere else in this program. */
static int on_server_chain(X509_STORE_CTX *store_ctx, void *arg)
{
    struct mu_tls_client *client = arg;
    if (!mu_tls_judge_server(X509_STORE_CTX_get0_untrusted(store_ctx), client->anchors,
                             client->host, &client->presented, &client->verdict)) {
        X509_STORE_CTX_set_error(store_ctx, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
    /* The error chooses the alert that the server gets, and what libcurl asks for afterwards. */
    X509_STORE_CTX_set_error(store_ctx,
                             client->only_look ? X509_V_OK : client->verdict.openssl_error);
    return client->only_look || client->verdict.fault == MU_FAULT_NONE;
}

int mu_tls_use_client_certificate(SSL_CTX *ctx, const struct mu_certs *chain,
                                  const struct mu_key *key, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    if (SSL_CTX_use_certificate(ctx, mu_cert_x509(chain->at[0])) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, mu_key_evp(key)) != 1) {
        mu_fail_openssl(err, MU_E_TLS, "TLS cannot use the client certificate \"%s\"",
                        mu_cert_label(chain->at[0], label));
        return mu_hint(err, "use a key of at least P-256 or RSA 2048, and a certificate signed "
                            "with SHA-256 or better");
    }
    for (size_t i = 1; i < chain->count; i++)
        if (SSL_CTX_add1_chain_cert(ctx, mu_cert_x509(chain->at[i])) != 1)
            return mu_fail_openssl(err, MU_E_TLS, "TLS cannot use the client's chain");
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN); /* send what the file holds, no more */
    return 0;
}

int mu_tls_client_attach(struct mu_tls_client *client, void *ssl_ctx, struct mu_error *err)
{
    SSL_CTX *ctx = ssl_ctx;
    SSL_CTX_set_app_data(ctx, client);
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_cert_cb(ctx, on_asked, client);
    SSL_CTX_set_cert_verify_callback(ctx, on_server_chain, client);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return mu_fail_openssl(err, MU_E_TLS, "TLS could not be set up");
    return client->chain == NULL
               ? 0
               : mu_tls_use_client_certificate(ctx, client->chain, client->key, err);
}

void mu_tls_client_clear(struct mu_tls_client *client)
{
    mu_certs_clear(&client->presented);
}
