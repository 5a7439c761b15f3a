#include "pki/key.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "pki/key_public.h"
#include "pki/object.h"
#include "pki/ossl.h"
#include "pki/pkcs8.h"
#include "pki/token.h"

const char mu_key_types[] = "p256, p384, p521, rsa2048, rsa3072, rsa4096, ed25519, ml-dsa-44/65/87";

/* The types that are made here, by our name and by those that people know from elsewhere. */
static const struct key_type {
    const char *name;
    const char *aliases[3];
    const char *algorithm, *group; /* group: NULL unless EC */
    unsigned bits;                 /* RSA */
} key_types[] = {
    {"p256", {"p-256", "prime256v1", "secp256r1"}, "EC", "P-256", 0},
    {"p384", {"p-384", "secp384r1"}, "EC", "P-384", 0},
    {"p521", {"p-521", "secp521r1"}, "EC", "P-521", 0},
    {"rsa2048", {"rsa:2048", "rsa-2048", "rsa"}, "RSA", NULL, 2048},
    {"rsa3072", {"rsa:3072", "rsa-3072"}, "RSA", NULL, 3072},
    {"rsa4096", {"rsa:4096", "rsa-4096"}, "RSA", NULL, 4096},
    {"ed25519", {"ed-25519"}, "ED25519", NULL, 0},
    {"ml-dsa-44", {"mldsa44"}, "ML-DSA-44", NULL, 0},
    {"ml-dsa-65", {"mldsa65"}, "ML-DSA-65", NULL, 0},
    {"ml-dsa-87", {"mldsa87"}, "ML-DSA-87", NULL, 0},
};

/* An EVP_PKEY by another name: see cert.c. */
EVP_PKEY *mu_key_evp(const struct mu_key *key)
{
    return (EVP_PKEY *)key;
}

int mu_key_wrap(EVP_PKEY *evp, struct mu_key **ret, struct mu_error *err)
{
    if (evp == NULL)
        return mu_fail_nomem(err);
    *ret = (struct mu_key *)evp;
    return 0;
}

void mu_key_free(struct mu_key *key)
{
    EVP_PKEY_free(mu_key_evp(key));
}

/* ML-DSA came with OpenSSL 3.5. What counts is the libcrypto that this program runs with. */
static int check_there(const struct key_type *type, struct mu_error *err)
{
    ERR_set_mark();
    MU_AUTO(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new_from_name(NULL, type->algorithm, NULL);
    ERR_pop_to_mark();
    if (ctx != NULL)
        return 0;
    mu_fail(err, MU_E_UNSUPPORTED, "the OpenSSL here, %s, has no %s",
            OpenSSL_version(OPENSSL_VERSION_STRING), type->algorithm);
    return mu_hint_newer_openssl(err);
}

static int find_type(const char *name, const struct key_type **ret, struct mu_error *err)
{
    for (size_t i = 0; i < MU_COUNT(key_types); i++) {
        const struct key_type *type = &key_types[i];
        bool known = strcasecmp(type->name, name) == 0;
        for (size_t a = 0; !known && a < MU_COUNT(type->aliases); a++)
            known = type->aliases[a] != NULL && strcasecmp(type->aliases[a], name) == 0;
        if (!known)
            continue;
        *ret = type;
        return 0;
    }
    mu_fail(err, MU_E_USAGE, "\"%s\" is not a key type known here", name);
    return mu_hint(err, "choose one of: %s", mu_key_types);
}

int mu_key_type_check(const char *type, struct mu_error *err)
{
    const struct key_type *found;
    return find_type(type, &found, err) != 0 ? -1 : check_there(found, err);
}

int mu_key_type_parts(const char *type, const char **ret_group, unsigned *ret_bits,
                      struct mu_error *err)
{
    const struct key_type *found;
    if (find_type(type, &found, err) != 0)
        return -1;
    *ret_group = found->group;
    *ret_bits = found->bits;
    return 0;
}

/* The type that a rule names, and whether keys of more bits fit, too. */
static int find_rule(const char *rule, const struct key_type **ret, bool *ret_or_more,
                     struct mu_error *err)
{
    char name[32];
    size_t len = strlen(rule);
    bool plus = len > 0 && rule[len - 1] == '+';
    bool any_rsa = strcasecmp(rule, "rsa") == 0;
    bool fits = mu_str_copy(name, sizeof name, any_rsa ? "rsa2048" : rule);
    if (plus && fits)
        name[len - 1] = '\0';
    if (find_type(fits ? name : rule, ret, err) != 0 || (plus && (*ret)->bits == 0)) {
        char shown[64];
        mu_str_printable(rule, len, shown, sizeof shown);
        mu_fail(err, MU_E_UNSUPPORTED, "\"%s\" is not a key type known here", shown);
        return mu_hint(err, "choose of: %s; rsa3072+ means that size or more", mu_key_types);
    }
    *ret_or_more = plus || any_rsa;
    return 0;
}

int mu_key_rule_check(const char *rule, struct mu_error *err)
{
    const struct key_type *type;
    bool or_more;
    return find_rule(rule, &type, &or_more, err);
}

bool mu_key_fits(const struct mu_key *key, const char *rule)
{
    struct mu_error ignored = MU_ERROR_INIT;
    const struct key_type *type;
    EVP_PKEY *evp = mu_key_evp(key);
    char group[32] = "";
    bool or_more;
    if (find_rule(rule, &type, &or_more, &ignored) != 0)
        return false;
    if (type->bits != 0) {
        unsigned bits = (unsigned)EVP_PKEY_get_bits(evp);
        return (EVP_PKEY_is_a(evp, "RSA") || EVP_PKEY_is_a(evp, "RSA-PSS")) &&
               (bits == type->bits || (or_more && bits > type->bits));
    }
    if (!EVP_PKEY_is_a(evp, type->algorithm))
        return false;
    return type->group == NULL || (EVP_PKEY_get_group_name(evp, group, sizeof group, NULL) == 1 &&
                                   EC_curve_nist2nid(type->group) == OBJ_sn2nid(group));
}

/* --- Making keys --- */

/* An EVP_PKEY_CTX by another name. */
static EVP_PKEY_CTX *maker_ctx(struct mu_key_maker *maker)
{
    return (EVP_PKEY_CTX *)maker;
}

void mu_key_maker_free(struct mu_key_maker *maker)
{
    EVP_PKEY_CTX_free(maker_ctx(maker));
}

int mu_key_maker_new(const char *name, struct mu_key_maker **ret, struct mu_error *err)
{
    const struct key_type *type;
    if (find_type(name, &type, err) != 0 || check_there(type, err) != 0)
        return -1;
    MU_AUTO(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new_from_name(NULL, type->algorithm, NULL);
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
        (type->group != NULL && EVP_PKEY_CTX_set_group_name(ctx, type->group) != 1) ||
        (type->bits != 0 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)type->bits) != 1))
        return mu_fail_openssl(err, MU_E_CRYPTO, "keys of type %s cannot be made", type->name);
    *ret = (struct mu_key_maker *)mu_take(&ctx);
    return 0;
}

int mu_key_make(struct mu_key_maker *maker, struct mu_key **ret, struct mu_error *err)
{
    EVP_PKEY *evp = NULL;
    if (EVP_PKEY_generate(maker_ctx(maker), &evp) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "a key could not be made");
    mu_key_keep_point(evp);
    return mu_key_wrap(evp, ret, err);
}

int mu_key_generate(const char *type, struct mu_key **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_key_maker) maker = NULL;
    return mu_key_maker_new(type, &maker, err) != 0 ? -1 : mu_key_make(maker, ret, err);
}

int mu_key_generate_like(const struct mu_key *like, struct mu_key **ret, struct mu_error *err)
{
    char kind[MU_KEY_DESCRIPTION_LEN];
    EVP_PKEY *evp = mu_key_evp(like), *made = NULL;
    MU_AUTO(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new_from_pkey(NULL, evp, NULL);
    bool rsa = EVP_PKEY_is_a(evp, "RSA") || EVP_PKEY_is_a(evp, "RSA-PSS");
    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
        (rsa && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, EVP_PKEY_get_bits(evp)) != 1) ||
        EVP_PKEY_keygen(ctx, &made) != 1) {
        mu_fail_openssl(err, MU_E_UNSUPPORTED, "another key like the old one (%s) cannot be made",
                        mu_key_describe(like, kind));
        return mu_hint(err, "choose another kind, or keep the key");
    }
    return mu_key_wrap(made, ret, err);
}

MU_AUTO_DEFINE(X509_SIG, X509_SIG_free)

static bool is_given(const struct mu_secret *passphrase)
{
    return passphrase != NULL && passphrase->data != NULL;
}

/* A guess at the passphrase costs what it does for a container: see pkcs12.c. */
static X509_SIG *lock(const struct mu_key *key, const struct mu_secret *passphrase)
{
    enum { ITERATIONS = 100000, SALT_LEN = 16 };
    MU_AUTO(PKCS8_PRIV_KEY_INFO) plain = mu_key_to_pkcs8(key);
    return plain == NULL ? NULL
                         : PKCS8_encrypt(-1, EVP_aes_256_cbc(), passphrase->data,
                                         (int)passphrase->len, NULL, SALT_LEN, ITERATIONS, plain);
}

static int write_pem(BIO *bio, const struct mu_key *key, const struct mu_secret *passphrase)
{
    if (is_given(passphrase)) {
        MU_AUTO(X509_SIG) locked = lock(key, passphrase);
        return locked == NULL ? 0 : PEM_write_bio_PKCS8(bio, locked);
    }
    MU_AUTO(PKCS8_PRIV_KEY_INFO) plain = mu_key_to_pkcs8(key);
    return plain == NULL ? 0 : PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, plain);
}

static int write_der(BIO *bio, const struct mu_key *key, const struct mu_secret *passphrase)
{
    if (is_given(passphrase)) {
        MU_AUTO(X509_SIG) locked = lock(key, passphrase);
        return locked == NULL ? 0 : i2d_PKCS8_bio(bio, locked);
    }
    return i2d_PKCS8PrivateKey_bio(bio, mu_key_evp(key), NULL, NULL, 0, NULL, NULL);
}

typedef int write_key_fn(BIO *bio, const struct mu_key *key, const struct mu_secret *passphrase);

static int write_key(write_key_fn *write, const struct mu_key *key,
                     const struct mu_secret *passphrase, struct mu_buf *ret, struct mu_error *err)
{
    /* Secure memory would be better still; BIO_s_secmem() needs an arena that the program has set up, and
     * wipes what it frees just the same without one. */
    MU_AUTO(BIO) bio = BIO_new(BIO_s_secmem());
    char *written = NULL;
    if (mu_key_is_in_token(key))
        return mu_fail_in_token(err);
    if (bio == NULL || write(bio, key, passphrase) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the key could not be written");
    long len = BIO_get_mem_data(bio, &written);
    mu_buf_add(ret, written, (size_t)len);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

int mu_key_to_pem(const struct mu_key *key, const struct mu_secret *passphrase, struct mu_buf *ret,
                  struct mu_error *err)
{
    return write_key(write_pem, key, passphrase, ret, err);
}

int mu_key_to_der(const struct mu_key *key, const struct mu_secret *passphrase, struct mu_buf *ret,
                  struct mu_error *err)
{
    return write_key(write_der, key, passphrase, ret, err);
}

/* The first private key; protected ones and PKCS#12 are opened on the way. */
int mu_key_pick(const char *path, struct mu_objects *objects,
                const struct mu_passphrase_source *source, struct mu_key **ret, struct mu_error *err)
{
    for (size_t i = 0; i < objects->count; i++) {
        enum mu_object_kind kind = objects->at[i].kind;
        if ((kind == MU_OBJECT_ENCRYPTED_KEY || kind == MU_OBJECT_TOKEN_KEY ||
             kind == MU_OBJECT_PKCS12) &&
            mu_object_decrypt(path, objects, i, source, err) != 0)
            return -1;
    }
    for (size_t i = 0; i < objects->count; i++) {
        struct mu_object *object = &objects->at[i];
        if (object->kind != MU_OBJECT_KEY && object->kind != MU_OBJECT_TOKEN_KEY)
            continue;
        *ret = object->key;
        object->key = NULL;
        return 0;
    }
    return mu_objects_fail_without(path, objects, "private key", err);
}

int mu_key_load(const char *path, const struct mu_passphrase_source *source, struct mu_key **ret,
                struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, err) != 0)
        return -1;
    return mu_key_pick(path, &objects, source, ret, err);
}

int mu_key_parse(const char *name, const void *data, size_t len,
                 const struct mu_passphrase_source *source, struct mu_key **ret,
                 struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_parse(name, data, len, &objects, err) != 0)
        return -1;
    return mu_key_pick(name, &objects, source, ret, err);
}

char *mu_key_describe(const struct mu_key *key, char ret[MU_KEY_DESCRIPTION_LEN])
{
    EVP_PKEY *evp = mu_key_evp(key);
    char group[32] = "";
    const char *type = EVP_PKEY_get0_type_name(evp);
    if (type == NULL)
        type = "unknown";
    if (EVP_PKEY_is_a(evp, "EC") && EVP_PKEY_get_group_name(evp, group, sizeof group, NULL) == 1) {
        const char *nist = EC_curve_nid2nist(OBJ_sn2nid(group));
        snprintf(ret, MU_KEY_DESCRIPTION_LEN, "EC %.40s", nist == NULL ? group : nist);
    } else if (mu_str_starts_with(type, "ML-DSA-")) { /* the number says it all */
        mu_str_copy(ret, MU_KEY_DESCRIPTION_LEN, type);
    } else if (EVP_PKEY_is_a(evp, "ED25519") || EVP_PKEY_is_a(evp, "ED448")) {
        snprintf(ret, MU_KEY_DESCRIPTION_LEN, "%c%c%.20s", type[0], tolower((unsigned char)type[1]),
                 type + 2);
    } else {
        snprintf(ret, MU_KEY_DESCRIPTION_LEN, "%.30s %d", type, EVP_PKEY_get_bits(evp));
    }
    return ret;
}

int mu_key_pin(const struct mu_key *key, unsigned char ret[32], struct mu_error *err)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(mu_key_evp(key), &der);
    bool good = len > 0 && EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return good ? 0 : mu_fail_openssl(err, MU_E_CRYPTO, "the public key cannot be written out");
}

bool mu_key_pin_parse(const char *text, unsigned char ret[32])
{
    enum { BASE64_LEN = 44 }; /* with the one '=' that it ends with */
    static const char start[] = "sha256//";
    unsigned char decoded[BASE64_LEN / 4 * 3];
    if (!mu_str_starts_with(text, start))
        return false;
    const char *base64 = text + sizeof start - 1;
    if (strlen(base64) != BASE64_LEN || base64[BASE64_LEN - 1] != '=' ||
        base64[BASE64_LEN - 2] == '=' ||
        EVP_DecodeBlock(decoded, (const unsigned char *)base64, BASE64_LEN) != sizeof decoded)
        return false;
    memcpy(ret, decoded, 32);
    return true;
}

bool mu_key_same_public(const struct mu_key *a, const struct mu_key *b)
{
    return EVP_PKEY_eq(mu_key_evp(a), mu_key_evp(b)) == 1;
}

int mu_key_sign(const struct mu_key *key, const void *data, size_t len, struct mu_buf *ret,
                struct mu_error *err)
{
    size_t signature_len = 0;
    MU_AUTO(EVP_MD_CTX) ctx = EVP_MD_CTX_new();
    if (ctx == NULL ||
        EVP_DigestSignInit(ctx, NULL, mu_digest_for(key), NULL, mu_key_evp(key)) != 1 ||
        EVP_DigestSign(ctx, NULL, &signature_len, data, len) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the key could not sign");
    char *signature = mu_buf_reserve(ret, signature_len);
    if (signature == NULL)
        return mu_fail_nomem(err);
    if (EVP_DigestSign(ctx, (unsigned char *)signature, &signature_len, data, len) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the key could not sign");
    ret->len += signature_len;
    return 0;
}

bool mu_key_verify(const struct mu_key *key, const void *data, size_t len, const void *signature,
                   size_t signature_len)
{
    MU_AUTO(EVP_MD_CTX) ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL &&
                EVP_DigestVerifyInit(ctx, NULL, mu_digest_for(key), NULL, mu_key_evp(key)) == 1 &&
                EVP_DigestVerify(ctx, signature, signature_len, data, len) == 1;
    ERR_clear_error();
    return good;
}

char *mu_sha256(const void *data, size_t len, char ret[MU_SHA256_LEN])
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char digest[32];
    char *out = ret;
    if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) == 1)
        for (size_t i = 0; i < sizeof digest; i++) {
            *out++ = digits[digest[i] >> 4];
            *out++ = digits[digest[i] & 15];
        }
    *out = '\0';
    return ret;
}

const EVP_MD *mu_digest_for(const struct mu_key *key)
{
    EVP_PKEY *evp = mu_key_evp(key);
    char name[32];
    if (EVP_PKEY_get_default_digest_name(evp, name, sizeof name) == 2 &&
        mu_str_equal(name, SN_undef))
        return NULL; /* 2: this one and no other, which is none */
    /* A digest as strong as the curve; what is stronger than the key adds nothing. */
    int bits = EVP_PKEY_is_a(evp, "EC") ? EVP_PKEY_get_bits(evp) : 0;
    return bits > 384 ? EVP_sha512() : bits > 256 ? EVP_sha384() : EVP_sha256();
}
