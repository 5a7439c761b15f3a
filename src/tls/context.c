#include "tls/context.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>

#include "pki/ossl.h"
#include "tls/internal.h"
#include "tls/narrow.h"

/*
 * Sessions of clients that come back live on our side: the ticket is a name for one of them, so libssl neither
 * serialises a session nor parses a client certificate again for it.
 */
enum { SESSION_LIFETIME_S = 300, OPENSSL_3_2 = 0x30200000 };

static const char ciphers_tls12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

static int use_certificate(SSL_CTX *ctx, const struct mu_tls_door *door, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    if (SSL_CTX_use_certificate(ctx, mu_cert_x509(door->chain->at[0])) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, mu_key_evp(door->key)) != 1) {
        mu_fail_openssl(err, MU_E_TLS, "TLS cannot use the server certificate \"%s\"",
                        mu_cert_label(door->chain->at[0], label));
        return mu_hint(err, "use a key of at least P-256 or RSA 2048, and a certificate signed "
                            "with SHA-256 or better");
    }
    for (size_t i = 1; i < door->chain->count; i++)
        if (SSL_CTX_add1_chain_cert(ctx, mu_cert_x509(door->chain->at[i])) != 1)
            return mu_fail_openssl(err, MU_E_TLS, "TLS cannot use the server's chain at \"%s\"",
                                   mu_cert_label(door->chain->at[i], label));
    return 0;
}

/* Clients are told whose certificates are welcome: Go, Java and browsers choose theirs by this list, and
 * send none when it does not fit. [RFC 8446 4.2.4, RFC 5246 7.4.4] */
static int trust(SSL_CTX *ctx, const struct mu_certs *anchors, struct mu_error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    for (size_t i = 0; i < anchors->count; i++) {
        X509 *x = mu_cert_x509(anchors->at[i]);
        if (X509_STORE_add_cert(store, x) != 1 || SSL_CTX_add_client_CA(ctx, x) != 1)
            return mu_fail_openssl(err, MU_E_TLS, "TLS cannot use a trusted CA");
    }
    return 0;
}

/* Each CA of a chain must have a list that is not out of date: none, or an old one, is no reason to let anybody in.
 * Unless OpenSSL is told of extended lists it takes a delta list for a complete one. [RFC 5280 6.3] */
static int check_revocation(SSL_CTX *ctx, const struct mu_crls *crls, struct mu_error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    for (size_t i = 0; crls != NULL && i < crls->count; i++)
        if (X509_STORE_add_crl(store, mu_crl_x509(crls->at[i])) != 1)
            return mu_fail_openssl(err, MU_E_TLS, "TLS cannot use a revocation list");
    const unsigned long flags = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
                                X509_V_FLAG_USE_DELTAS | X509_V_FLAG_EXTENDED_CRL_SUPPORT;
    if (crls != NULL && crls->count > 0 && X509_STORE_set_flags(store, flags) != 1)
        return mu_fail_openssl(err, MU_E_TLS, "TLS could not be set up");
    return 0;
}

/* The hybrid with ML-KEM comes first where libssl has it (OpenSSL 3.5): what is recorded today should
 * not be readable by a quantum computer later. */
static int set_groups(SSL_CTX *ctx)
{
    ERR_set_mark();
    int ok = SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256:P-384:P-521");
    ERR_pop_to_mark();
    return ok == 1 ? 1 : SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384:P-521");
}

static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                   const unsigned char *offered, unsigned offered_len, void *arg)
{
    const char *spoken = arg;
    (void)ssl;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, ret_len, (const unsigned char *)spoken,
                              (unsigned)strlen(spoken), offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

bool mu_tls_set_common(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    /* Or libssl would go on reading for as long as a client sends nothing but KeyUpdates, and nobody else on
     * this thread would have a turn. From 3.2 on it would then also end a read with data in its buffer, of which
     * the socket gives no sign any more, so there it has to go on. */
    if (OpenSSL_version_num() < OPENSSL_3_2)
        SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(ctx, 1);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && set_groups(ctx) == 1;
}

static int set_options(SSL_CTX *ctx, const struct mu_tls_door *door)
{
    unsigned char session_context[SSL_MAX_SID_CTX_LENGTH]; /* a session is of this context alone */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(ctx, door->sessions);
    SSL_CTX_set_timeout(ctx, SESSION_LIFETIME_S);
    if (door->alpn != NULL)
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, (void *)door->alpn);
    return mu_tls_set_common(ctx) && SSL_CTX_set_cipher_list(ctx, ciphers_tls12) == 1 &&
           SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
           RAND_bytes(session_context, sizeof session_context) == 1 &&
           SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context) == 1 &&
           (!door->only_tls13 || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1);
}

int mu_tls_context_new(const struct mu_tls_door *door, struct mu_tls_context **ret,
                       struct mu_error *err)
{
    SSL_CTX *ctx = SSL_CTX_new_ex(mu_tls_narrow(), NULL, TLS_server_method());
    if (ctx == NULL)
        return mu_fail_openssl(err, MU_E_TLS, "TLS could not be set up");
    if (!set_options(ctx, door)) {
        SSL_CTX_free(ctx);
        return mu_fail_openssl(err, MU_E_TLS, "TLS could not be set up");
    }
    if (use_certificate(ctx, door, err) != 0 || trust(ctx, door->anchors, err) != 0 ||
        check_revocation(ctx, door->crls, err) != 0) {
        SSL_CTX_free(ctx);
        return -1;
    }
    if (!mu_tls_judge_clients(ctx, door->crls)) {
        SSL_CTX_free(ctx);
        return mu_fail_nomem(err);
    }
    if (door->clients_optional)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, SSL_CTX_get_verify_callback(ctx));
    SSL_CTX_set_client_hello_cb(ctx, mu_tls_on_client_hello, NULL);
    *ret = (struct mu_tls_context *)ctx; /* an SSL_CTX by another name: see pki/cert.c */
    return 0;
}

void mu_tls_context_free(struct mu_tls_context *context)
{
    SSL_CTX_free((SSL_CTX *)context);
}

const char *mu_tls_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
