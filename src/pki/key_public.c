#include "pki/key_public.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>

#include "pki/ossl.h"
#include "pki/token.h"

/*
 * libcrypto keeps a point in a form that takes a division to write out, as much work as a signature, and would do so
 * for each certificate, file and check. So what was written out or read once stays beside the key.
 */
struct point {
    size_t len;
    unsigned char octets[];
};

static int point_index = -1;

static void free_point(void *key, void *point, CRYPTO_EX_DATA *data, int index, long argl,
                       void *argp)
{
    (void)key, (void)data, (void)index, (void)argl, (void)argp;
    OPENSSL_free(point);
}

/* A copy of the key has to write its own. */
static int leave_point(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **point, int index,
                       long argl, void *argp)
{
    (void)to, (void)from, (void)index, (void)argl, (void)argp;
    *point = NULL;
    return 1;
}

static void make_point_index(void)
{
    point_index = EVP_PKEY_get_ex_new_index(0, NULL, NULL, leave_point, free_point);
}

static const struct point *kept_point(const EVP_PKEY *evp)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_point_index);
    return point_index < 0 ? NULL : EVP_PKEY_get_ex_data(evp, point_index);
}

/* `octets`: the key's point, uncompressed. Where there is no memory it is not kept, and written out when it is asked
 * for. */
static void keep_point(EVP_PKEY *evp, const unsigned char *octets, size_t len)
{
    if (kept_point(evp) != NULL || point_index < 0)
        return;
    struct point *point = OPENSSL_malloc(sizeof *point + len);
    if (point == NULL)
        return;
    point->len = len;
    memcpy(point->octets, octets, len);
    if (EVP_PKEY_set_ex_data(evp, point_index, point) != 1)
        OPENSSL_free(point);
}

void mu_key_keep_point(EVP_PKEY *evp)
{
    unsigned char *octets = NULL;
    size_t len = EVP_PKEY_is_a(evp, "EC") == 1 ? EVP_PKEY_get1_encoded_public_key(evp, &octets) : 0;
    if (len > 0)
        keep_point(evp, octets, len);
    OPENSSL_free(octets);
}

size_t mu_key_point(const struct mu_key *key, unsigned char **ret)
{
    EVP_PKEY *evp = mu_key_evp(key);
    const struct point *kept = kept_point(evp);
    if (kept == NULL)
        return EVP_PKEY_get1_encoded_public_key(evp, ret);
    *ret = OPENSSL_memdup(kept->octets, kept->len);
    return *ret == NULL ? 0 : kept->len;
}

/* A key of its DER, which is freed. */
static EVP_PKEY *take_der(unsigned char *der, int len)
{
    const unsigned char *p = der;
    EVP_PKEY *key = len > 0 ? d2i_PUBKEY(NULL, &p, len) : NULL;
    OPENSSL_free(der);
    return key;
}

/* The public half alone, as any reader of a certificate has it. */
static EVP_PKEY *public_half(EVP_PKEY *evp)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(evp, &der);
    return take_der(der, len);
}

/* The quick check leaves out whether a point has the right order, which on curves whose cofactor is 1, as all of those
 * for TLS, every point has. The rest of it libcrypto asks of each point that it reads. */
bool mu_key_is_sound(EVP_PKEY *evp)
{
    if (kept_point(evp) != NULL)
        return true;
    /* A token's key can do what the token can, and judging itself is not among it. */
    MU_AUTO(EVP_PKEY) public = mu_key_is_in_token((struct mu_key *)evp) ? public_half(evp) : NULL;
    MU_AUTO(EVP_PKEY_CTX)
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, public != NULL ? public : evp, NULL);
    return ctx != NULL && EVP_PKEY_public_check_quick(ctx) == 1;
}

int mu_key_curve(const struct mu_key *key)
{
    EVP_PKEY *evp = mu_key_evp(key);
    char group[32];
    return EVP_PKEY_is_a(evp, "EC") && EVP_PKEY_get_group_name(evp, group, sizeof group, NULL) == 1
               ? OBJ_sn2nid(group)
               : NID_undef;
}

/* X509_set_pubkey() has the key encoded and the code decoded again, each time by way of a search among all encoders
 * and decoders that there are, which takes longer than a signature. The parts of an EC key are at hand. [RFC 5480 2] */
bool mu_key_to_x509(const struct mu_key *key, X509 *x)
{
    EVP_PKEY *evp = mu_key_evp(key);
    int curve = mu_key_curve(key);
    unsigned char *point = NULL;
    if (curve == NID_undef || mu_key_is_in_token(key))
        return X509_set_pubkey(x, evp) == 1;
    size_t len = mu_key_point(key, &point);
    if (len > 0 &&
        X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
                               V_ASN1_OBJECT, OBJ_nid2obj(curve), point, (int)len) == 1)
        return true;
    OPENSSL_free(point);
    return false;
}

/* Setting up a curve takes longer than reading a point on it. Nearly all keys are on this one, which is set up once. */
static EVP_PKEY *p256;

static void set_up_p256(void)
{
    MU_AUTO(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx == NULL || EVP_PKEY_paramgen_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_group_name(ctx, SN_X9_62_prime256v1) != 1 ||
        EVP_PKEY_paramgen(ctx, &p256) != 1)
        p256 = NULL;
}

static EVP_PKEY *decode_p256(const unsigned char *point, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_p256);
    MU_AUTO(EVP_PKEY) key = EVP_PKEY_new();
    if (p256 == NULL || key == NULL || EVP_PKEY_copy_parameters(key, p256) != 1 ||
        EVP_PKEY_set1_encoded_public_key(key, point, len) != 1)
        return NULL;
    if (point[0] == POINT_CONVERSION_UNCOMPRESSED)
        keep_point(key, point, len);
    return mu_take(&key);
}

static EVP_PKEY *decode_any(X509_PUBKEY *spki)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(spki, &der);
    return take_der(der, len);
}

EVP_PKEY *mu_key_decode(X509_PUBKEY *spki)
{
    ASN1_OBJECT *algorithm = NULL;
    X509_ALGOR *whole = NULL;
    const unsigned char *point = NULL;
    const void *curve = NULL;
    int len = 0, kind = V_ASN1_UNDEF;
    if (X509_PUBKEY_get0_param(&algorithm, &point, &len, &whole, spki) != 1)
        return NULL;
    X509_ALGOR_get0(NULL, &kind, &curve, whole);
    if (OBJ_obj2nid(algorithm) == NID_X9_62_id_ecPublicKey && kind == V_ASN1_OBJECT &&
        OBJ_obj2nid(curve) == NID_X9_62_prime256v1 && len > 0)
        return decode_p256(point, (size_t)len);
    return decode_any(spki);
}
