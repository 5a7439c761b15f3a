#include "tls/hear.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "pki/ossl.h"
#include "tls/internal.h"

MU_AUTO_DEFINE(SSL_CTX, SSL_CTX_free)

/* One connection. */
struct hearing {
    struct mu_tls *tls;
    struct mu_transport transport;
    struct mu_tls_heard *heard;
};

/* --- Lists of numbers, and their names --- */

struct named {
    unsigned number;
    const char *name;
};

/* [IANA: TLS Supported Groups] */
static const struct named groups[] = {{23, "P-256"},
                                      {24, "P-384"},
                                      {25, "P-521"},
                                      {29, "X25519"},
                                      {30, "X448"},
                                      {22, "secp256k1"},
                                      {256, "ffdhe2048"},
                                      {257, "ffdhe3072"},
                                      {258, "ffdhe4096"},
                                      {259, "ffdhe6144"},
                                      {260, "ffdhe8192"},
                                      {4587, "SecP256r1MLKEM768"},
                                      {4588, "X25519MLKEM768"},
                                      {4589, "SecP384r1MLKEM1024"}};

/* [IANA: TLS SignatureScheme; RFC 5246 7.4.1.4.1] */
static const struct named schemes[] = {{0x0401, "rsa_pkcs1_sha256"},
                                       {0x0501, "rsa_pkcs1_sha384"},
                                       {0x0601, "rsa_pkcs1_sha512"},
                                       {0x0403, "ecdsa_secp256r1_sha256"},
                                       {0x0503, "ecdsa_secp384r1_sha384"},
                                       {0x0603, "ecdsa_secp521r1_sha512"},
                                       {0x0804, "rsa_pss_rsae_sha256"},
                                       {0x0805, "rsa_pss_rsae_sha384"},
                                       {0x0806, "rsa_pss_rsae_sha512"},
                                       {0x0809, "rsa_pss_pss_sha256"},
                                       {0x080a, "rsa_pss_pss_sha384"},
                                       {0x080b, "rsa_pss_pss_sha512"},
                                       {0x0807, "ed25519"},
                                       {0x0808, "ed448"},
                                       {0x0904, "mldsa44"},
                                       {0x0905, "mldsa65"},
                                       {0x0906, "mldsa87"},
                                       {0x0201, "rsa_pkcs1_sha1"},
                                       {0x0203, "ecdsa_sha1"},
                                       {0x0202, "dsa_sha1"},
                                       {0x0301, "rsa_sha224"},
                                       {0x0303, "ecdsa_sha224"},
                                       {0x0302, "dsa_sha224"},
                                       {0x0402, "dsa_sha256"},
                                       {0x0502, "dsa_sha384"},
                                       {0x0602, "dsa_sha512"}};

static const struct named versions[] = {{0x0304, "1.3"},
                                        {0x0303, "1.2"},
                                        {0x0302, "1.1"},
                                        {0x0301, "1.0"},
                                        {0x0300, "SSL 3"}};

/* Values that clients make up, so that servers do not trip over what they do not know. [RFC 8701] */
static bool is_grease(unsigned number)
{
    return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);
}

static void add_word(char *list, size_t cap, const char *word)
{
    size_t len = strlen(list);
    if (len + strlen(word) + 3 < cap)
        snprintf(list + len, cap - len, "%s%s", len > 0 ? ", " : "", word);
}

static void add_number(char *list, size_t cap, const struct named *names, size_t count,
                       unsigned number)
{
    char unknown[8];
    snprintf(unknown, sizeof unknown, "0x%04x", number);
    const char *word = unknown;
    for (size_t i = 0; i < count; i++)
        if (names[i].number == number)
            word = names[i].name;
    add_word(list, cap, word);
}

/* The numbers of two octets behind a length that takes `prefix` octets. */
static void list_numbers(SSL *ssl, unsigned extension, size_t prefix, const struct named *names,
                         size_t count, char *ret, size_t cap)
{
    const unsigned char *data;
    size_t len;
    if (SSL_client_hello_get0_ext(ssl, extension, &data, &len) != 1)
        return;
    for (size_t at = prefix; at + 1 < len; at += 2) {
        unsigned number = (unsigned)data[at] << 8 | data[at + 1];
        if (!is_grease(number))
            add_number(ret, cap, names, count, number);
    }
}

/* --- The ClientHello --- */

static void hear_name(SSL *ssl, struct mu_tls_heard *heard)
{
    const unsigned char *data;
    const char *name;
    size_t len, name_len;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len) == 1 &&
        mu_tls_server_name(data, len, &name, &name_len))
        mu_str_printable(name, name_len, heard->server_name, sizeof heard->server_name);
}

/* [RFC 7301 3.1] */
static void hear_protocols(SSL *ssl, struct mu_tls_heard *heard)
{
    const unsigned char *data;
    size_t len;
    heard->protocol_fits = true;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data,
                                  &len) != 1)
        return;
    heard->protocol_fits = false;
    for (size_t at = 2; at < len && data[at] > 0 && at + data[at] < len; at += 1u + data[at]) {
        char name[64];
        mu_str_printable(data + at + 1, data[at], name, sizeof name);
        add_word(heard->alpn, sizeof heard->alpn, name);
        heard->protocol_fits = heard->protocol_fits || mu_str_equal(name, "http/1.1");
    }
}

static void hear_ciphers(SSL *ssl, struct mu_tls_heard *heard)
{
    const unsigned char *data;
    size_t len = SSL_client_hello_get0_ciphers(ssl, &data);
    for (size_t at = 0; at + 1 < len; at += 2) {
        const unsigned number = (unsigned)data[at] << 8 | data[at + 1];
        const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, data + at);
        if (is_grease(number) || number == 0x00ff) /* the latter is no suite [RFC 5746 3.3] */
            continue;
        heard->cipher_count++;
        if (cipher == NULL)
            add_number(heard->ciphers, sizeof heard->ciphers, NULL, 0, number);
        else
            add_word(heard->ciphers, sizeof heard->ciphers, SSL_CIPHER_get_name(cipher));
    }
}

static void hear_versions(SSL *ssl, struct mu_tls_heard *heard)
{
    const unsigned supported_versions = 43;
    char *list = heard->versions;
    const size_t cap = sizeof heard->versions;
    list_numbers(ssl, supported_versions, 1, versions, MU_COUNT(versions), list, cap);
    if (*list == '\0')
        add_number(list, cap, versions, MU_COUNT(versions),
                   SSL_client_hello_get0_legacy_version(ssl));
    heard->new_enough = strstr(list, "1.2") != NULL || strstr(list, "1.3") != NULL;
}

static struct hearing *hearing_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

static int on_hello(SSL *ssl, int *ret_alert, void *arg)
{
    struct mu_tls_heard *heard = hearing_of(ssl)->heard;
    (void)ret_alert, (void)arg;
    if (heard->hello) /* the second one, after a HelloRetryRequest, says the same */
        return SSL_CLIENT_HELLO_SUCCESS;
    heard->hello = true;
    hear_versions(ssl, heard);
    hear_name(ssl, heard);
    hear_protocols(ssl, heard);
    hear_ciphers(ssl, heard);
    list_numbers(ssl, TLSEXT_TYPE_supported_groups, 2, groups, MU_COUNT(groups), heard->groups,
                 sizeof heard->groups);
    list_numbers(ssl, TLSEXT_TYPE_signature_algorithms, 2, schemes, MU_COUNT(schemes),
                 heard->schemes, sizeof heard->schemes);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* --- What follows --- */

static void on_info(const SSL *ssl, int where, int value)
{
    struct mu_tls_heard *heard = hearing_of(ssl)->heard;
    const int fatal = 2, close_notify = 0;
    if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT)
        return;
    if (value >> 8 == fatal && heard->alert < 0)
        heard->alert = value & 0xff;
    if ((value & 0xff) == close_notify)
        heard->closed = true;
}

static int on_client_chain(X509_STORE_CTX *store_ctx, void *arg)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct mu_tls_heard *heard = hearing_of(ssl)->heard;
    struct mu_error ignored = MU_ERROR_INIT;
    const STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store_ctx);
    (void)arg;
    mu_certs_clear(&heard->presented);
    for (int i = 0; i < sk_X509_num(sent); i++)
        if (mu_certs_add(&heard->presented, mu_cert_ref((struct mu_cert *)sk_X509_value(sent, i)),
                         &ignored) != 0)
            break;
    X509_STORE_CTX_set_error(store_ctx, X509_V_OK); /* whoever judges does so afterwards */
    return 1;
}

static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                   const unsigned char *offered, unsigned offered_len, void *arg)
{
    static const unsigned char spoken[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, ret_len, spoken, sizeof spoken - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* --- Life --- */

void mu_tls_heard_clear(struct mu_tls_heard *heard)
{
    mu_certs_clear(&heard->presented);
}

static bool set_up(SSL_CTX *ctx, const struct mu_tls_hearing *how)
{
    SSL_CTX_set_security_level(ctx, 0); /* what is weak is to be seen, not to be turned away */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, on_client_chain, NULL);
    bool ok = mu_tls_set_common(ctx) && SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
              SSL_CTX_set_cipher_list(ctx, mu_tls_door_ciphers) == 1 &&
              SSL_CTX_use_certificate(ctx, mu_cert_x509(how->chain->at[0])) == 1 &&
              SSL_CTX_use_PrivateKey(ctx, mu_key_evp(how->key)) == 1;
    SSL_CTX_set_read_ahead(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
    for (size_t i = 1; ok && i < how->chain->count; i++)
        ok = SSL_CTX_add1_chain_cert(ctx, mu_cert_x509(how->chain->at[i])) == 1;
    for (size_t i = 0; ok && i < how->anchors->count; i++)
        ok = SSL_CTX_add_client_CA(ctx, mu_cert_x509(how->anchors->at[i])) == 1;
    return ok;
}

int mu_tls_ear_new(const struct mu_tls_hearing *how, struct mu_tls_ear **ret, struct mu_error *err)
{
    MU_AUTO(SSL_CTX) ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || !set_up(ctx, how))
        return mu_fail_openssl(err, MU_E_TLS, "TLS cannot use this certificate and key");
    *ret = (struct mu_tls_ear *)mu_take(&ctx); /* an SSL_CTX by another name: see pki/cert.c */
    return 0;
}

void mu_tls_ear_free(struct mu_tls_ear *ear)
{
    SSL_CTX_free((SSL_CTX *)ear);
}

/* --- One client --- */

static ssize_t read_on(void *arg, void *ret, size_t cap)
{
    struct hearing *hearing = arg;
    if (mu_tls_flush(hearing->tls) == MU_IO_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    return hearing->transport.read(hearing->transport.arg, ret, cap);
}

static ssize_t write_on(void *arg, const void *data, size_t len)
{
    struct hearing *hearing = arg;
    return hearing->transport.write(hearing->transport.arg, data, len);
}

static void note_end(struct hearing *hearing, int result)
{
    struct mu_tls_heard *heard = hearing->heard;
    const int kind = SSL_get_error(hearing->tls->ssl, result), why = hearing->tls->why;
    unsigned long e = ERR_peek_error();
    const char *words = e != 0 ? ERR_reason_error_string(e) : why != 0 ? strerror(why) : NULL;
    heard->timed_out = kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE;
    heard->reset = why != 0;
    heard->ended = hearing->tls->ended || kind == SSL_ERROR_ZERO_RETURN;
    heard->reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
    if (words != NULL)
        mu_str_copy(heard->words, sizeof heard->words, words);
    ERR_clear_error();
}

static int talk(struct hearing *hearing,
                void (*on_request)(void *, const struct mu_tls_heard *, struct mu_buf *), void *arg,
                struct mu_error *err)
{
    SSL *ssl = hearing->tls->ssl;
    struct mu_tls_heard *heard = hearing->heard;
    char request[4096];
    size_t len;
    ERR_clear_error();
    int result = SSL_do_handshake(ssl);
    (void)mu_tls_flush(hearing->tls);
    mu_str_copy(heard->version, sizeof heard->version, SSL_get_version(ssl));
    if (result != 1) {
        note_end(hearing, result);
        return 0;
    }
    heard->finished = true;
    mu_str_copy(heard->cipher, sizeof heard->cipher, SSL_get_cipher_name(ssl));
    result = SSL_read_ex(ssl, request, sizeof request, &len);
    if (result != 1) {
        note_end(hearing, result);
        return 0;
    }
    heard->asked = true;
    MU_AUTO_CLEAR(mu_buf) answer = MU_BUF_INIT;
    on_request(arg, heard, &answer);
    if (mu_buf_failed(&answer))
        return mu_fail_nomem(err);
    if (answer.len > 0 && SSL_write_ex(ssl, answer.data, answer.len, &len) == 1)
        mu_tls_close(hearing->tls);
    (void)mu_tls_flush(hearing->tls);
    ERR_clear_error();
    return 0;
}

/* Whoever looks for a certificate of a CA that is listed then sends whatever there is. [RFC 8446 4.2.4] */
static bool leave_out_list(SSL *ssl)
{
    STACK_OF(X509_NAME) *none = sk_X509_NAME_new_null();
    SSL_set_client_CA_list(ssl, none); /* takes it */
    return none != NULL;
}

int mu_tls_hear(struct mu_tls_ear *ear, struct mu_transport transport, bool unlisted,
                void (*on_request)(void *arg, const struct mu_tls_heard *heard,
                                   struct mu_buf *answer),
                void *arg, struct mu_tls_heard *ret, struct mu_error *err)
{
    struct hearing hearing = {.transport = transport, .heard = ret};
    *ret = (struct mu_tls_heard){.alert = -1, .unlisted = unlisted};
    hearing.tls =
        mu_tls_make((SSL_CTX *)ear,
                    (struct mu_transport){.read = read_on, .write = write_on, .arg = &hearing});
    if (hearing.tls == NULL || SSL_set_app_data(hearing.tls->ssl, &hearing) != 1 ||
        (unlisted && !leave_out_list(hearing.tls->ssl))) {
        mu_tls_free(hearing.tls);
        return mu_fail_nomem(err);
    }
    SSL_set_accept_state(hearing.tls->ssl);
    int result = talk(&hearing, on_request, arg, err);
    mu_tls_free(hearing.tls);
    return result;
}

enum mu_tls_lack mu_tls_heard_lack(const struct mu_tls_heard *heard)
{
    if (!heard->hello)
        return MU_TLS_LACK_NONE;
    if (!heard->new_enough || heard->reason == SSL_R_UNSUPPORTED_PROTOCOL ||
        heard->reason == SSL_R_VERSION_TOO_LOW)
        return MU_TLS_LACK_VERSION;
    return heard->reason == SSL_R_NO_SHARED_CIPHER ||
                   heard->reason == SSL_R_NO_SUITABLE_KEY_SHARE ||
                   heard->reason == SSL_R_NO_SHARED_GROUPS ||
                   heard->reason == SSL_R_NO_SUITABLE_GROUPS ||
                   heard->reason == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM ||
                   heard->reason == SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS
               ? MU_TLS_LACK_SUITE
               : MU_TLS_LACK_NONE;
}

bool mu_tls_heard_bad_proof(const struct mu_tls_heard *heard)
{
    return heard->reason == SSL_R_BAD_SIGNATURE;
}
