/* Opening what a passphrase protects: encrypted keys, keys in tokens, and PKCS#12 containers. */

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12err.h>
#include <string.h>

#include "base/str.h"
#include "pki/object.h"
#include "pki/ossl.h"
#include "pki/pkcs11_uri.h"
#include "pki/token.h"

MU_AUTO_DEFINE(X509_SIG, X509_SIG_free)
MU_AUTO_DEFINE(ASN1_OBJECT, ASN1_OBJECT_free)

static int ask(const char *name, const struct mu_passphrase_source *source, struct mu_secret *ret,
               struct mu_error *err)
{
    if (source == NULL)
        return mu_fail(err, MU_E_PASSPHRASE_NEEDED, "%s is protected by a passphrase", name);
    return source->ask(source->arg, name, ret, err);
}

/* An algorithm that this OpenSSL does not have, or has put away in its legacy provider. The oldest entry
 * of the queue is the reason; those behind it tell of the calls on its way. */
static bool failed_as_unsupported(void)
{
    unsigned long e = ERR_peek_error();
    int reason = ERR_GET_REASON(e);
    if (reason == ERR_R_UNSUPPORTED)
        return true;
    switch (ERR_GET_LIB(e)) {
    case ERR_LIB_EVP:
        return reason == EVP_R_UNSUPPORTED_ALGORITHM || reason == EVP_R_UNSUPPORTED_CIPHER ||
               reason == EVP_R_UNSUPPORTED_PRF || reason == EVP_R_UNKNOWN_CIPHER ||
               reason == EVP_R_UNKNOWN_PBE_ALGORITHM ||
               reason == EVP_R_UNSUPPORTED_KEY_DERIVATION_FUNCTION;
    case ERR_LIB_PEM: return reason == PEM_R_UNSUPPORTED_ENCRYPTION;
    case ERR_LIB_PKCS12: return reason == PKCS12_R_UNKNOWN_DIGEST_ALGORITHM;
    default: return false;
    }
}

static int fail_key(const char *name, struct mu_error *err)
{
    if (failed_as_unsupported()) {
        mu_fail_openssl(err, MU_E_UNSUPPORTED,
                        "the key in %s is encrypted with an algorithm of old", name);
        return mu_hint(err, "convert it: openssl pkcs8 -provider legacy -provider default -topk8 "
                            "-v2 aes-256-cbc -in FILE -out NEW");
    }
    return mu_fail_openssl(err, MU_E_PASSPHRASE_WRONG, "the passphrase does not open the key in %s",
                           name);
}

/* RFC 1421 encryption: the key is derived from the passphrase as the block's header says. */
static int give_passphrase(char *buf, int size, int writing, void *arg)
{
    const struct mu_secret *passphrase = arg;
    (void)writing;
    if (passphrase->len > (size_t)size)
        return -1;
    memcpy(buf, passphrase->data, passphrase->len);
    return (int)passphrase->len;
}

static EVP_PKEY *open_rfc1421(const char *header, unsigned char *der, long len,
                              struct mu_secret *passphrase)
{
    EVP_CIPHER_INFO cipher;
    char *text = strdup(header); /* read in place, though nothing of it changes */
    EVP_PKEY *key = NULL;
    if (text != NULL && PEM_get_EVP_CIPHER_INFO(text, &cipher) == 1 &&
        PEM_do_header(&cipher, der, &len, give_passphrase, passphrase) == 1) {
        const unsigned char *p = der;
        key = d2i_AutoPrivateKey(NULL, &p, len);
    }
    free(text);
    return key;
}

/* `ret_unknown` is given: the kind of a key that was decrypted, but is not known here. */
static EVP_PKEY *open_pkcs8(const unsigned char *der, long len, const struct mu_secret *passphrase,
                            ASN1_OBJECT **ret_unknown)
{
    MU_AUTO(X509_SIG) sig = d2i_X509_SIG(NULL, &der, len);
    if (sig == NULL)
        return NULL;
    MU_AUTO(PKCS8_PRIV_KEY_INFO) info = PKCS8_decrypt(sig, passphrase->data, (int)passphrase->len);
    const ASN1_OBJECT *algorithm = NULL;
    if (info != NULL && PKCS8_pkey_get0(&algorithm, NULL, NULL, NULL, info) == 1 &&
        !mu_oid_is_known(algorithm))
        *ret_unknown = OBJ_dup(algorithm);
    return info == NULL ? NULL : EVP_PKCS82PKEY(info);
}

static EVP_PKEY *open_pem(const struct mu_object *object, struct mu_secret *passphrase)
{
    char *label = NULL, *header = NULL;
    unsigned char *der = NULL;
    long len = 0;
    EVP_PKEY *key = NULL;
    MU_AUTO(BIO) bio = BIO_new_mem_buf(object->raw, (int)object->raw_len);
    if (bio != NULL && PEM_read_bio(bio, &label, &header, &der, &len) == 1)
        key = open_rfc1421(header, der, len, passphrase);
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_clear_free(der, (size_t)len);
    return key;
}

static int open_key(const char *name, struct mu_object *object,
                    const struct mu_passphrase_source *source, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    if (ask(name, source, &passphrase, err) != 0)
        return -1;
    ERR_clear_error();
    bool rfc1421 = object->raw[0] == '-';
    MU_AUTO(ASN1_OBJECT) unknown = NULL;
    EVP_PKEY *evp = rfc1421 ? open_pem(object, &passphrase)
                            : open_pkcs8(object->raw, (long)object->raw_len, &passphrase, &unknown);
    if (unknown != NULL)
        return mu_fail_key_kind(err, name, unknown);
    if (evp == NULL)
        return fail_key(name, err);
    ERR_clear_error(); /* d2i_AutoPrivateKey leaves what it tried first */
    if (mu_key_wrap(evp, &object->key, err) != 0)
        return -1;
    object->kind = MU_OBJECT_KEY;
    return 0;
}

static int fail_pkcs12_unsupported(const char *name, struct mu_error *err)
{
    mu_fail_openssl(err, MU_E_UNSUPPORTED,
                    "the PKCS#12 container %s is encrypted with an algorithm of old (such as RC2), or "
                    "holds a key of a kind that the OpenSSL here, %s, does not know",
                    name, OpenSSL_version(OPENSSL_VERSION_STRING));
    return mu_hint(err, "convert it: openssl pkcs12 -legacy -in FILE -nodes -out TEMP.pem && "
                        "openssl pkcs12 -export -in TEMP.pem -out NEW.p12 && rm TEMP.pem");
}

/* The MAC of RFC 9579, which OpenSSL knows from 3.4 on, and writes when asked to. */
static bool has_newer_mac(const PKCS12 *p12)
{
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *oid = NULL;
    PKCS12_get0_mac(NULL, &algorithm, NULL, NULL, p12);
    if (algorithm != NULL)
        X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
    return oid != NULL && OBJ_obj2nid(oid) == NID_pbmac1;
}

static int fail_newer_mac(const char *name, struct mu_error *err)
{
    mu_fail_openssl(
        err, MU_E_UNSUPPORTED,
        "the PKCS#12 container %s has a MAC of a kind, PBMAC1, that the OpenSSL here, %s, does not know",
        name, OpenSSL_version(OPENSSL_VERSION_STRING));
    return mu_hint(err, "have it made again with a MAC of SHA-256, or use OpenSSL 3.4 or later");
}

static int fail_without_mac(const char *name, struct mu_error *err)
{
    mu_fail_openssl(
        err, MU_E_UNSUPPORTED,
        "the PKCS#12 container %s has no MAC, and the OpenSSL here, %s, does not open it so", name,
        OpenSSL_version(OPENSSL_VERSION_STRING));
    return mu_hint(
        err,
        "have it made again with a MAC, or take it apart: openssl pkcs12 -nomacver -in FILE -out NEW.pem");
}

/* The container's MAC is made with the passphrase, so it tells a wrong one from damage. [RFC 7292 4] */
static int find_passphrase(const char *name, PKCS12 *p12, const struct mu_passphrase_source *source,
                           struct mu_secret *ret, struct mu_error *err)
{
    if (!PKCS12_mac_present(p12))
        return ask(name, source, ret, err);
    /* No passphrase and an empty one are not the same, and both stand for "none". */
    if (PKCS12_verify_mac(p12, NULL, 0) || PKCS12_verify_mac(p12, "", 0))
        return mu_secret_set(ret, "", 0, err);
    if (failed_as_unsupported())
        return has_newer_mac(p12) ? fail_newer_mac(name, err) : fail_pkcs12_unsupported(name, err);
    if (ask(name, source, ret, err) != 0)
        return -1;
    ERR_clear_error();
    if (PKCS12_verify_mac(p12, ret->data, (int)ret->len))
        return 0;
    return mu_fail_openssl(err, MU_E_PASSPHRASE_WRONG,
                           "the passphrase does not open the PKCS#12 container %s", name);
}

/* Append as objects of their own. Takes `evp` and `x`. */
static int append_key(struct mu_objects *objects, EVP_PKEY *evp, struct mu_error *err)
{
    struct mu_object object = {.kind = MU_OBJECT_KEY};
    if (mu_key_wrap(evp, &object.key, err) != 0)
        return -1;
    return mu_objects_add(objects, &object, err);
}

static int append_cert(struct mu_objects *objects, X509 *x, struct mu_error *err)
{
    struct mu_object object = {.kind = MU_OBJECT_CERT};
    if (mu_cert_wrap(x, &object.cert, err) != 0)
        return -1;
    return mu_objects_add(objects, &object, err);
}

static int append_contents(struct mu_objects *objects, EVP_PKEY *key, X509 *leaf,
                           STACK_OF(X509) * others, struct mu_error *err)
{
    int result = 0;
    if (key != NULL)
        result = append_key(objects, key, err);
    if (leaf != NULL && result == 0)
        result = append_cert(objects, leaf, err);
    else
        X509_free(leaf);
    while (result == 0 && sk_X509_num(others) > 0)
        result = append_cert(objects, sk_X509_shift(others), err);
    sk_X509_pop_free(others, X509_free);
    return result;
}

static int open_pkcs12(const char *name, struct mu_objects *objects, size_t i,
                       const struct mu_passphrase_source *source, struct mu_error *err)
{
    const unsigned char *raw = objects->at[i].raw;
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO(PKCS12) p12 = d2i_PKCS12(NULL, &raw, (long)objects->at[i].raw_len);
    if (p12 == NULL)
        return mu_fail_openssl(err, MU_E_DAMAGED, "the PKCS#12 container %s cannot be decoded",
                               name);
    if (find_passphrase(name, p12, source, &passphrase, err) != 0)
        return -1;

    ERR_clear_error();
    EVP_PKEY *key = NULL;
    X509 *leaf = NULL;
    STACK_OF(X509) *others = NULL;
    if (PKCS12_parse(p12, passphrase.data, &key, &leaf, &others) == 1)
        return append_contents(objects, key, leaf, others, err);
    if (failed_as_unsupported())
        return fail_pkcs12_unsupported(name, err);
    if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_PKCS12 &&
        ERR_GET_REASON(ERR_peek_error()) == PKCS12_R_MAC_ABSENT)
        return fail_without_mac(name, err);
    return mu_fail_openssl(err, PKCS12_mac_present(p12) ? MU_E_DAMAGED : MU_E_PASSPHRASE_WRONG,
                           "the PKCS#12 container %s cannot be opened", name);
}

static int open_token_key(struct mu_object *object, const struct mu_passphrase_source *source,
                          struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
    if (object->key != NULL)
        return 0;
    if (mu_pkcs11_uri_parse((const char *)object->raw, object->raw_len, &uri, err) != 0)
        return -1;
    return mu_token_key_open(&uri, source, &object->key, err);
}

int mu_object_decrypt(const char *name, struct mu_objects *objects, size_t i,
                      const struct mu_passphrase_source *source, struct mu_error *err)
{
    if (mu_str_equal(name, "-"))
        name = "standard input";
    if (objects->at[i].kind == MU_OBJECT_TOKEN_KEY)
        return open_token_key(&objects->at[i], source, err);
    if (objects->at[i].kind != MU_OBJECT_PKCS12)
        return open_key(name, &objects->at[i], source, err);
    if (!objects->at[i].opened && open_pkcs12(name, objects, i, source, err) != 0)
        return -1;
    objects->at[i].opened = true;
    return 0;
}
