#include "tls/look.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "pki/ossl.h"
#include "tls/internal.h"

/* Of a list that fills a screen nobody reads more. */
enum { CAS_SHOWN = 32 };

struct mu_tls_look {
    SSL_CTX *ctx;
    struct mu_tls *tls;
    struct mu_transport transport;
    const struct mu_certs *known;
    struct mu_certs chain;
    struct mu_tls_seen seen;
};

bool mu_alpn_encode(const char *list, unsigned char ret[MU_ALPN_LEN], size_t *ret_len)
{
    size_t len = 0;
    while (*list != '\0') {
        size_t name = strcspn(list, ",");
        if (name == 0 || name > 255 || len + 1 + name > MU_ALPN_LEN)
            return false;
        ret[len++] = (unsigned char)name;
        memcpy(ret + len, list, name);
        len += name;
        list += name;
        list += *list == ',' && list[1] != '\0';
        if (*list == ',')
            return false;
    }
    *ret_len = len;
    return true;
}

/* --- What libssl tells on the way --- */

static struct mu_tls_look *look_of(const SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct mu_tls_seen *seen = &look_of(ssl)->seen;
    const int fatal = 2, level = value >> 8, number = value & 0xff;
    if ((where & SSL_CB_HANDSHAKE_DONE) != 0)
        seen->finished = true;
    if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT)
        return;
    if (level == fatal && seen->alert < 0) {
        seen->alert = number;
        seen->alert_late = seen->finished;
    }
    if (level != fatal && number == SSL_AD_UNRECOGNIZED_NAME)
        seen->name_unknown = true;
}

static void on_message(int written, int version, int type, const void *data, size_t len, SSL *ssl,
                       void *arg)
{
    const unsigned char *message = data;
    (void)version, (void)ssl;
    struct mu_tls_look *look = arg;
    if (!written && type == SSL3_RT_HANDSHAKE && len > 0 && message[0] == SSL3_MT_SERVER_HELLO)
        look->seen.chosen = true;
}

/* Whose clients the server says it lets in: does that go for one of these certificates' issuers? */
static bool names_issuer(const STACK_OF(X509_NAME) * list, const struct mu_certs *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        for (int j = 0; j < sk_X509_NAME_num(list); j++)
            if (X509_NAME_cmp(X509_get_issuer_name(mu_cert_x509(chain->at[i])),
                              sk_X509_NAME_value(list, j)) == 0)
                return true;
    return false;
}

static void note_list(struct mu_tls_look *look, const STACK_OF(X509_NAME) * list)
{
    struct mu_tls_seen *seen = &look->seen;
    struct mu_error ignored = MU_ERROR_INIT;
    int count = list == NULL ? 0 : sk_X509_NAME_num(list);
    seen->ca_count = (size_t)count;
    if (count > 0)
        seen->listed = names_issuer(list, &look->chain) ? MU_LISTED_YES : MU_LISTED_NOT;
    for (int i = 0; i < count; i++) {
        const X509_NAME *name = sk_X509_NAME_value(list, i);
        char label[MU_CERT_LABEL_LEN];
        if (i < CAS_SHOWN && mu_strs_add(&seen->cas, mu_name_label(name, label)) != 0)
            return;
        for (size_t j = 0; look->known != NULL && j < look->known->count; j++) {
            struct mu_cert *cert = look->known->at[j];
            const X509 *x = mu_cert_x509(cert);
            if ((X509_NAME_cmp(X509_get_subject_name(x), name) == 0 &&
                 !mu_certs_hold(&seen->listed_certs, cert) &&
                 mu_certs_add(&seen->listed_certs, mu_cert_ref(cert), &ignored) != 0) ||
                (X509_NAME_cmp(X509_get_issuer_name(x), name) == 0 &&
                 !mu_certs_hold(&seen->below_listed, cert) &&
                 mu_certs_add(&seen->below_listed, mu_cert_ref(cert), &ignored) != 0))
                return;
        }
    }
}

/* For RSA-PSS there are schemes of two kinds, told apart by the key that makes them. [RFC 8446 4.2.3] */
static bool signs_as(int id, int sign, unsigned char scheme)
{
    enum { RSA_PSS_PSS_SHA256 = 0x09, RSA_PSS_PSS_SHA512 = 0x0b };
    if (sign != NID_rsassaPss)
        return sign == id;
    bool for_pss_keys = scheme >= RSA_PSS_PSS_SHA256 && scheme <= RSA_PSS_PSS_SHA512;
    return id == (for_pss_keys ? EVP_PKEY_RSA_PSS : EVP_PKEY_RSA);
}

/* libssl sends an empty certificate where the server takes no signature that our key can make. */
static bool has_scheme(SSL *ssl, const struct mu_cert *leaf)
{
    const EVP_PKEY *key = X509_get0_pubkey(mu_cert_x509(leaf));
    int count = SSL_get_sigalgs(ssl, -1, NULL, NULL, NULL, NULL, NULL);
    if (key == NULL || count <= 0)
        return true;
    const int id = EVP_PKEY_get_base_id(key);
    for (int i = 0; i < count; i++) {
        int sign = NID_undef;
        unsigned char scheme = 0;
        SSL_get_sigalgs(ssl, i, &sign, NULL, NULL, &scheme, NULL);
        if (sign == NID_undef || signs_as(id, sign, scheme))
            return true;
    }
    return false;
}

/* libssl calls this when the server has asked for a certificate, before ours is sent. */
static int on_asked(SSL *ssl, void *arg)
{
    struct mu_tls_look *look = arg;
    struct mu_tls_seen *seen = &look->seen;
    if (seen->asked)
        return 1;
    seen->asked = true;
    seen->asked_late = seen->finished;
    note_list(look, SSL_get0_peer_CA_list(ssl));
    if (look->chain.count > 0) {
        seen->no_scheme = !has_scheme(ssl, look->chain.at[0]);
        seen->sent = !seen->no_scheme;
    }
    return 1;
}

/* To look is not to trust: whoever judges does so afterwards, by what was presented. */
static int on_server_chain(X509_STORE_CTX *store_ctx, void *arg)
{
    struct mu_tls_look *look = arg;
    struct mu_error ignored = MU_ERROR_INIT;
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store_ctx);
    mu_certs_clear(&look->seen.presented);
    for (int i = 0; i < sk_X509_num(sent); i++) {
        struct mu_cert *cert = mu_cert_ref((struct mu_cert *)sk_X509_value(sent, i));
        if (mu_certs_add(&look->seen.presented, cert, &ignored) != 0)
            break;
    }
    X509_STORE_CTX_set_error(store_ctx, X509_V_OK);
    return 1;
}

/* --- The transport: it may wait, so what has gathered leaves before an answer to it is waited for --- */

static ssize_t read_answer(void *arg, void *ret, size_t cap)
{
    struct mu_tls_look *look = arg;
    if (mu_tls_flush(look->tls) == MU_IO_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    return look->transport.read(look->transport.arg, ret, cap);
}

static ssize_t write_out(void *arg, const void *data, size_t len)
{
    struct mu_tls_look *look = arg;
    return look->transport.write(look->transport.arg, data, len);
}

/* --- Setting up --- */

static const char all_groups[] = "X25519:P-256:P-384:P-521:X448:ffdhe2048:ffdhe3072:ffdhe4096:"
                                 "brainpoolP256r1:brainpoolP384r1:brainpoolP512r1:secp256k1";

static bool set_versions(SSL_CTX *ctx, const struct mu_tls_looking *how)
{
    /* Below level 1 libssl takes what is weak, so that it can be seen; what it offers to a server stays as usual. */
    SSL_CTX_set_security_level(ctx, 0);
    if (how->anything) {
        SSL_CTX_set1_groups_list(
            ctx, all_groups); /* some builds lack some of them, and then it is the usual ones */
        ERR_clear_error();
    }
    return SSL_CTX_set_min_proto_version(ctx, how->anything ? TLS1_VERSION : TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, how->only_tls12 ? TLS1_2_VERSION : 0) == 1 &&
           (!how->anything || SSL_CTX_set_cipher_list(ctx, "ALL:!aNULL:!eNULL") == 1);
}

/* A server is asked for by its name, never by an address. [RFC 6066 3] */
static bool is_name(const char *host)
{
    unsigned char address[16];
    return host != NULL && *host != '\0' && inet_pton(AF_INET, host, address) != 1 &&
           inet_pton(AF_INET6, host, address) != 1;
}

static bool set_hello(struct mu_tls_look *look, const struct mu_tls_looking *how)
{
    unsigned char alpn[MU_ALPN_LEN];
    size_t len = 0;
    if (how->alpn != NULL && !mu_alpn_encode(how->alpn, alpn, &len))
        return false;
    if (len > 0 && SSL_set_alpn_protos(look->tls->ssl, alpn, (unsigned)len) != 0)
        return false;
    return !is_name(how->name) || SSL_set_tlsext_host_name(look->tls->ssl, how->name) == 1;
}

static int set_up(struct mu_tls_look *look, const struct mu_tls_looking *how,
                  struct mu_transport transport, struct mu_error *err)
{
    look->ctx = SSL_CTX_new(TLS_client_method());
    if (look->ctx == NULL || !set_versions(look->ctx, how))
        return mu_fail_openssl(err, MU_E_TLS, "TLS could not be set up");
    SSL_CTX_set_app_data(look->ctx, look);
    SSL_CTX_set_info_callback(look->ctx, on_info);
    SSL_CTX_set_msg_callback(look->ctx, on_message);
    SSL_CTX_set_msg_callback_arg(look->ctx, look);
    SSL_CTX_set_cert_cb(look->ctx, on_asked, look);
    SSL_CTX_set_verify(look->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(look->ctx, on_server_chain, look);
    SSL_CTX_set_options(look->ctx, SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_post_handshake_auth(look->ctx, 1);
    for (size_t i = 0; how->chain != NULL && i < how->chain->count; i++)
        if (mu_certs_add(&look->chain, mu_cert_ref(how->chain->at[i]), err) != 0)
            return -1;
    if (look->chain.count > 0 &&
        mu_tls_use_client_certificate(look->ctx, how->chain, how->key, err) != 0)
        return -1;
    look->transport = transport;
    look->tls =
        mu_tls_make(look->ctx,
                    (struct mu_transport){.read = read_answer, .write = write_out, .arg = look});
    if (look->tls == NULL)
        return mu_fail_nomem(err);
    SSL_set_connect_state(look->tls->ssl);
    return set_hello(look, how) ? 0 : mu_fail_openssl(err, MU_E_TLS, "TLS could not be set up");
}

int mu_tls_look_new(const struct mu_tls_looking *how, const struct mu_certs *known,
                    struct mu_transport transport, struct mu_tls_look **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_tls_look) look = calloc(1, sizeof *look);
    if (look == NULL)
        return mu_fail_nomem(err);
    look->known = known;
    look->seen.alert = -1;
    ERR_clear_error();
    if (set_up(look, how, transport, err) != 0)
        return -1;
    *ret = mu_take(&look);
    return 0;
}

void mu_tls_look_free(struct mu_tls_look *look)
{
    if (look == NULL)
        return;
    mu_tls_free(look->tls);
    SSL_CTX_free(look->ctx);
    mu_certs_clear(&look->chain);
    mu_tls_seen_clear(&look->seen);
    free(look);
}

/* --- Talking --- */

/* A hybrid has no NID, and to ask for one's name would leave an error for the next call. NULL: there is none. */
static const char *name_of_group(SSL *ssl)
{
    const int id = (int)SSL_get_negotiated_group(ssl);
    if (id == NID_undef)
        return NULL;
    return (id & TLSEXT_nid_unknown) != 0 ? SSL_group_to_name(ssl, id) : OBJ_nid2sn(id);
}

static void note_agreed(struct mu_tls_look *look)
{
    struct mu_tls_seen *seen = &look->seen;
    SSL *ssl = look->tls->ssl;
    const unsigned char *alpn;
    unsigned len;
    if (!seen->chosen)
        return;
    const char *cipher = SSL_get_cipher_name(ssl);
    const char *group = name_of_group(ssl);
    mu_str_copy(seen->version, sizeof seen->version, SSL_get_version(ssl));
    mu_str_copy(seen->cipher, sizeof seen->cipher, cipher == NULL ? "" : cipher);
    mu_str_copy(seen->group, sizeof seen->group, group == NULL ? "" : group);
    SSL_get0_alpn_selected(ssl, &alpn, &len);
    mu_str_printable(alpn, len, seen->alpn, sizeof seen->alpn);
}

static bool is_about_version(unsigned long e)
{
    const int reason = ERR_GET_REASON(e);
    return ERR_GET_LIB(e) == ERR_LIB_SSL &&
           (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_WRONG_SSL_VERSION ||
            reason == SSL_R_VERSION_TOO_LOW || reason == SSL_R_UNKNOWN_PROTOCOL ||
            reason == SSL_R_BAD_PROTOCOL_VERSION_NUMBER);
}

/* Returns false, so that a failure is one statement. */
static bool fail(struct mu_tls_look *look, int result)
{
    struct mu_tls_seen *seen = &look->seen;
    const int kind = SSL_get_error(look->tls->ssl, result);
    unsigned long e = ERR_peek_error();
    const char *words = e == 0 ? NULL : ERR_reason_error_string(e);
    /* A server that refuses us may have closed its socket before all of ours is out; why, it has said before. */
    if (look->tls->broken && seen->alert < 0)
        mu_tls_hear_out(look->tls);
    seen->version_unfit = seen->version_unfit || is_about_version(e);
    seen->timed_out =
        seen->timed_out || kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE;
    seen->reset = seen->reset || look->tls->why != 0;
    seen->ended = seen->ended || look->tls->ended || kind == SSL_ERROR_ZERO_RETURN;
    if (words == NULL && look->tls->why != 0)
        words = strerror(look->tls->why);
    if (*seen->words == '\0' && words != NULL)
        mu_str_copy(seen->words, sizeof seen->words, words);
    ERR_clear_error();
    return false;
}

bool mu_tls_look_handshake(struct mu_tls_look *look)
{
    ERR_clear_error();
    int result = SSL_do_handshake(look->tls->ssl);
    (void)mu_tls_flush(
        look->tls); /* our last words, an alert perhaps; whether they arrive shows in what is read */
    note_agreed(look);
    return result == 1 || fail(look, result);
}

bool mu_tls_look_write(struct mu_tls_look *look, const void *data, size_t len)
{
    ERR_clear_error();
    size_t written;
    int result = SSL_write_ex(look->tls->ssl, data, len, &written);
    return result == 1 || fail(look, result);
}

size_t mu_tls_look_read(struct mu_tls_look *look, void *ret, size_t cap)
{
    size_t len = 0;
    ERR_clear_error();
    int result = SSL_read_ex(look->tls->ssl, ret, cap, &len);
    if (result == 1)
        return len;
    (void)mu_tls_flush(look->tls);
    fail(look, result);
    return 0;
}

const struct mu_tls_seen *mu_tls_look_seen(const struct mu_tls_look *look)
{
    return &look->seen;
}

struct mu_tls_seen mu_tls_look_take(struct mu_tls_look *look)
{
    struct mu_tls_seen taken = look->seen;
    look->seen = (struct mu_tls_seen){.alert = -1};
    return taken;
}

void mu_tls_seen_clear(struct mu_tls_seen *seen)
{
    mu_certs_clear(&seen->presented);
    mu_certs_clear(&seen->listed_certs);
    mu_certs_clear(&seen->below_listed);
    mu_strs_clear(&seen->cas);
}
