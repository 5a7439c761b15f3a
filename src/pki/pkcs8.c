#include "pki/pkcs8.h"

#include <openssl/asn1t.h>
#include <openssl/core_names.h>

#include "pki/key_public.h"
#include "pki/ossl.h"

/* ECPrivateKey as it stands in PKCS#8, where the curve is told outside. [RFC 5915 3, RFC 5958 2] */
struct ec_private {
    int32_t version;
    ASN1_OCTET_STRING *scalar;
    ASN1_BIT_STRING *point;
};
typedef struct ec_private EC_PRIVATE; /* for OpenSSL's macros */

/* It would take the macro's end for the beginning of the function. */
/* clang-format off */
ASN1_SEQUENCE(EC_PRIVATE) = {
    ASN1_EMBED(EC_PRIVATE, version, INT32),
    ASN1_SIMPLE(EC_PRIVATE, scalar, ASN1_OCTET_STRING),
    ASN1_EXP_OPT(EC_PRIVATE, point, ASN1_BIT_STRING, 1),
} static_ASN1_SEQUENCE_END(EC_PRIVATE)

static bool set_scalar(const EVP_PKEY *evp, ASN1_OCTET_STRING *ret)
{
    BIGNUM *scalar = NULL;
    int len = (EVP_PKEY_get_bits(evp) + 7) / 8;
    bool ok = EVP_PKEY_get_bn_param(evp, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
              ASN1_STRING_set(ret, NULL, len) == 1 &&
              BN_bn2binpad(scalar, (unsigned char *)ASN1_STRING_get0_data(ret), len) == len;
    BN_clear_free(scalar);
    return ok;
}
/* clang-format on */

static bool set_point(const struct mu_key *key, ASN1_BIT_STRING *ret)
{
    unsigned char *point = NULL;
    size_t len = mu_key_point(key, &point);
    bool ok = len > 0 && ASN1_STRING_set(ret, point, (int)len) == 1;
    ret->flags =
        (ret->flags & ~7) | ASN1_STRING_FLAG_BITS_LEFT; /* all bits of the last octet count */
    OPENSSL_free(point);
    return ok;
}

static PKCS8_PRIV_KEY_INFO *wrap(const struct ec_private *key, int curve)
{
    unsigned char *der = NULL;
    int len = ASN1_item_i2d((const ASN1_VALUE *)key, &der, ASN1_ITEM_rptr(EC_PRIVATE));
    MU_AUTO(PKCS8_PRIV_KEY_INFO) ret = PKCS8_PRIV_KEY_INFO_new();
    if (len > 0 && ret != NULL &&
        PKCS8_pkey_set0(ret, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), 0, V_ASN1_OBJECT,
                        OBJ_nid2obj(curve), der, len) == 1) /* takes `der`, and wipes it */
        return mu_take(&ret);
    OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
    return NULL;
}

static PKCS8_PRIV_KEY_INFO *of_ec(const struct mu_key *key, int curve)
{
    struct ec_private parts = {1, ASN1_OCTET_STRING_new(), ASN1_BIT_STRING_new()};
    PKCS8_PRIV_KEY_INFO *ret = NULL;
    if (parts.scalar != NULL && parts.point != NULL && set_scalar(mu_key_evp(key), parts.scalar) &&
        set_point(key, parts.point))
        ret = wrap(&parts, curve);
    ASN1_STRING_clear_free(parts.scalar);
    ASN1_BIT_STRING_free(parts.point);
    return ret;
}

PKCS8_PRIV_KEY_INFO *mu_key_to_pkcs8(const struct mu_key *key)
{
    int curve = mu_key_curve(key);
    return curve == NID_undef ? EVP_PKEY2PKCS8(mu_key_evp(key)) : of_ec(key, curve);
}
