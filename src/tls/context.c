#include "tls/context.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
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

const char mu_tls_door_ciphers[] =
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

static int add_to_digest(EVP_MD_CTX *sum, const char *text)
{
    return text == NULL || EVP_DigestUpdate(sum, text, strlen(text) + 1) == 1;
}

/* A session is of this door alone, as long as it is this door: its place, its certificate and what it asks of clients. Whom it
 * trusts is no part of that, since clients are judged by it whenever they come. */
static int set_session_context(SSL_CTX *ctx, const struct mu_tls_door *door)
{
    unsigned char digest[SSL_MAX_SID_CTX_LENGTH], certificate[32];
    MU_AUTO(EVP_MD_CTX) sum = EVP_MD_CTX_new();
    const char rules[] = {(char)('0' + door->clients_optional), (char)('0' + door->only_tls13),
                          '\0'};
    mu_cert_sha256(door->chain->at[0], certificate);
    return sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1 &&
           add_to_digest(sum, rules) && add_to_digest(sum, door->alpn) &&
           add_to_digest(sum, door->place) &&
           EVP_DigestUpdate(sum, certificate, sizeof certificate) == 1 &&
           EVP_DigestFinal_ex(sum, digest, NULL) == 1 &&
           SSL_CTX_set_session_id_context(ctx, digest, sizeof digest) == 1;
}

/* libssl keeps none itself: see sessions.h. */
static void set_sessions(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_get_cb(ctx, mu_tls_on_session_wanted);
    SSL_CTX_sess_set_new_cb(ctx, mu_tls_on_session_made);
    SSL_CTX_set_timeout(ctx, SESSION_LIFETIME_S);
}

static int set_options(SSL_CTX *ctx, const struct mu_tls_door *door)
{
    set_sessions(ctx);
    if (door->alpn != NULL)
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, (void *)door->alpn);
    return mu_tls_set_common(ctx) && SSL_CTX_set_cipher_list(ctx, mu_tls_door_ciphers) == 1 &&
           SSL_CTX_set_num_tickets(ctx, 1) == 1 && set_session_context(ctx, door) &&
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
    if (use_certificate(ctx, door, err) != 0 || trust(ctx, door->anchors, err) != 0) {
        SSL_CTX_free(ctx);
        return -1;
    }
    if (!mu_tls_judge_clients(ctx, door)) {
        SSL_CTX_free(ctx);
        return mu_fail_nomem(err);
    }
    if (door->clients_optional || door->explains)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, SSL_CTX_get_verify_callback(ctx));
    SSL_CTX_set_client_hello_cb(ctx, mu_tls_on_client_hello, NULL);
    *ret = (struct mu_tls_context *)ctx; /* an SSL_CTX by another name: see pki/cert.c */
    return 0;
}

int mu_tls_context_to_judge(const struct mu_certs *anchors, struct mu_tls_lists *lists,
                            struct mu_tls_context **ret, struct mu_error *err)
{
    const struct mu_tls_door door = {.anchors = anchors, .lists = lists};
    SSL_CTX *ctx = SSL_CTX_new_ex(mu_tls_narrow(), NULL, TLS_server_method());
    if (ctx == NULL)
        return mu_fail_openssl(err, MU_E_TLS, "TLS could not be set up");
    if (trust(ctx, anchors, err) != 0) {
        SSL_CTX_free(ctx);
        return -1;
    }
    if (!mu_tls_judge_clients(ctx, &door)) {
        SSL_CTX_free(ctx);
        return mu_fail_nomem(err);
    }
    *ret = (struct mu_tls_context *)ctx;
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
