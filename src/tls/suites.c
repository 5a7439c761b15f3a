#include "tls/suites.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "pki/ossl.h"

MU_AUTO_DEFINE(SSL_CTX, SSL_CTX_free)

/* TLS 1.3's names begin so, and no others that OpenSSL knows by its own names. */
static bool is_tls13(const char *name)
{
    return mu_str_starts_with(name, "TLS_AES_") || mu_str_starts_with(name, "TLS_CHACHA20_");
}

/* The names of `list` for TLS 1.2, joined anew; whether it has any of TLS 1.3. */
static bool split(const char *list, struct mu_buf *ret)
{
    bool tls13 = false;
    while (*list != '\0') {
        size_t len = strcspn(list, ":, ");
        if (is_tls13(list))
            tls13 = true;
        else if (len > 0) {
            mu_buf_adds(ret, ret->len > 0 ? ":" : "");
            mu_buf_add(ret, list, len);
        }
        list += len;
        list += strspn(list, ":, ");
    }
    return tls13;
}

static bool key_can(const SSL_CIPHER *cipher, const struct mu_cert *leaf)
{
    int auth = SSL_CIPHER_get_auth_nid(cipher);
    EVP_PKEY *key = leaf == NULL ? NULL : X509_get0_pubkey(mu_cert_x509(leaf));
    if (auth == NID_auth_psk || auth == NID_auth_null || auth == NID_auth_srp)
        return false;
    if (key == NULL)
        return true;
    bool rsa = EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS");
    return rsa ? auth == NID_auth_rsa : auth == NID_auth_ecdsa;
}

static bool offers(const SSL_CTX *client, const SSL_CIPHER *cipher)
{
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(client);
    return sk_SSL_CIPHER_find(all, (SSL_CIPHER *)cipher) >= 0;
}

int mu_tls_suites(const char *list, const struct mu_cert *leaf, struct mu_suites *ret,
                  struct mu_error *err)
{
    MU_AUTO(SSL_CTX) client = SSL_CTX_new(TLS_client_method());
    MU_AUTO(SSL_CTX) server = SSL_CTX_new(TLS_server_method());
    MU_AUTO_CLEAR(mu_buf) names = MU_BUF_INIT;
    *ret = (struct mu_suites){.tls13 = split(list, &names)};
    if (client == NULL || server == NULL || mu_buf_failed(&names))
        return mu_fail_nomem(err);
    if (names.len == 0)
        return 0;
    ret->tls13 = true; /* such a list is about TLS 1.2 alone */
    ret->about_tls12 = true;
    ret->unknown = SSL_CTX_set_cipher_list(server, mu_buf_str(&names)) != 1;
    if (!ret->unknown) {
        STACK_OF(SSL_CIPHER) *left = SSL_CTX_get_ciphers(server);
        for (int i = 0; i < sk_SSL_CIPHER_num(left); i++) {
            const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(left, i);
            ret->tls12 = ret->tls12 || (SSL_CIPHER_get_auth_nid(cipher) != NID_auth_any &&
                                        key_can(cipher, leaf) && offers(client, cipher));
        }
    }
    ERR_clear_error();
    return 0;
}
