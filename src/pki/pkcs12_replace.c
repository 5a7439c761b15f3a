/*
 * A PKCS#12 container anew, with another certificate and key in it. Only what holds these two is written again; names,
 * further certificates and whatever else lies in it stay, and so do the algorithms: whoever could read the old one can
 * read the new one.
 */

#include <openssl/pkcs12.h>
#include <stdbool.h>

#include "pki/ossl.h"
#include "pki/pkcs12.h"

MU_AUTO_DEFINE(PBE2PARAM, PBE2PARAM_free)
MU_AUTO_DEFINE(PBEPARAM, PBEPARAM_free)
MU_AUTO_DEFINE(PBKDF2PARAM, PBKDF2PARAM_free)
MU_AUTO_DEFINE(SCRYPT_PARAMS, SCRYPT_PARAMS_free)
MU_AUTO_DEFINE(PKCS12_SAFEBAG, PKCS12_SAFEBAG_free)
MU_AUTO_DEFINE(X509_ALGOR, X509_ALGOR_free)

struct swap {
    const char *passphrase; /* NULL: none, which is not the same as an empty one */
    int passphrase_len;
    X509 *old, *fresh;
    EVP_PKEY *key; /* NULL: the old one stays */
    int certs, keys;
};

/* --- The same protection, with salt of its own --- */

static X509_ALGOR *pbes2_again(const X509_ALGOR *algorithm)
{
    MU_AUTO(PBE2PARAM)
    pbes2 = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
    if (pbes2 == NULL)
        return NULL;
    const EVP_CIPHER *cipher = EVP_get_cipherbyobj(pbes2->encryption->algorithm);
    int kdf = OBJ_obj2nid(pbes2->keyfunc->algorithm);
    if (cipher == NULL)
        return NULL;
    if (kdf == NID_id_pbkdf2) {
        MU_AUTO(PBKDF2PARAM)
        how = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), pbes2->keyfunc->parameter);
        if (how == NULL || how->salt->type != V_ASN1_OCTET_STRING)
            return NULL;
        int prf = how->prf == NULL ? NID_hmacWithSHA1 : OBJ_obj2nid(how->prf->algorithm);
        return PKCS5_pbe2_set_iv(cipher, (int)ASN1_INTEGER_get(how->iter), NULL,
                                 ASN1_STRING_length(how->salt->value.octet_string), NULL, prf);
    }
    MU_AUTO(SCRYPT_PARAMS)
    how = kdf != NID_id_scrypt
              ? NULL
              : ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), pbes2->keyfunc->parameter);
    if (how == NULL)
        return NULL;
    return PKCS5_pbe2_set_scrypt(cipher, NULL, ASN1_STRING_length(how->salt), NULL,
                                 (uint64_t)ASN1_INTEGER_get(how->costParameter),
                                 (uint64_t)ASN1_INTEGER_get(how->blockSize),
                                 (uint64_t)ASN1_INTEGER_get(how->parallelizationParameter));
}

static X509_ALGOR *again(const X509_ALGOR *algorithm)
{
    int nid = OBJ_obj2nid(algorithm->algorithm);
    if (nid == NID_pbes2)
        return pbes2_again(algorithm);
    MU_AUTO(PBEPARAM)
    how = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
    return how == NULL ? NULL
                       : PKCS5_pbe_set(nid, (int)ASN1_INTEGER_get(how->iter), NULL,
                                       ASN1_STRING_length(how->salt));
}

/* --- One bag --- */

/* Names, and the number that joins a key and its certificate: each attribute has one value. */
static bool copy_attributes(const PKCS12_SAFEBAG *from, PKCS12_SAFEBAG *to)
{
    const STACK_OF(X509_ATTRIBUTE) *list = PKCS12_SAFEBAG_get0_attrs(from);
    for (int i = 0; i < sk_X509_ATTRIBUTE_num(list); i++) {
        char oid[128];
        X509_ATTRIBUTE *attribute = sk_X509_ATTRIBUTE_value(list, i);
        const ASN1_TYPE *value = X509_ATTRIBUTE_get0_type(attribute, 0);
        OBJ_obj2txt(oid, sizeof oid, X509_ATTRIBUTE_get0_object(attribute), 1);
        if (value == NULL || value->type == V_ASN1_BOOLEAN || value->type == V_ASN1_NULL)
            return false;
        bool object = value->type == V_ASN1_OBJECT;
        const void *data = object ? (const void *)value->value.object
                                  : ASN1_STRING_get0_data(value->value.asn1_string);
        int len = object ? -1 : ASN1_STRING_length(value->value.asn1_string);
        if (PKCS12_add1_attr_by_txt(to, oid, value->type, data, len) != 1)
            return false;
    }
    return true;
}

static bool is_old_key(const struct swap *swap, const PKCS8_PRIV_KEY_INFO *info)
{
    MU_AUTO(EVP_PKEY) key = info == NULL ? NULL : EVP_PKCS82PKEY(info);
    return key != NULL && X509_check_private_key(swap->old, key) == 1;
}

static PKCS12_SAFEBAG *make_shrouded(const struct swap *swap, const PKCS12_SAFEBAG *like)
{
    const X509_ALGOR *algorithm = NULL;
    X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(like), &algorithm, NULL);
    MU_AUTO(PKCS8_PRIV_KEY_INFO) info = EVP_PKEY2PKCS8(swap->key);
    MU_AUTO(X509_ALGOR) fresh = again(algorithm);
    X509_SIG *locked = NULL;
    if (info != NULL && fresh != NULL)
        locked = PKCS8_set0_pbe(swap->passphrase, swap->passphrase_len, info, fresh);
    if (locked == NULL)
        return NULL;
    mu_take(&fresh); /* it is part of `locked` now */
    PKCS12_SAFEBAG *bag = PKCS12_SAFEBAG_create0_pkcs8(locked);
    if (bag == NULL)
        X509_SIG_free(locked);
    return bag;
}

static PKCS12_SAFEBAG *make_plain(const struct swap *swap)
{
    MU_AUTO(PKCS8_PRIV_KEY_INFO) info = EVP_PKEY2PKCS8(swap->key);
    PKCS12_SAFEBAG *bag = info == NULL ? NULL : PKCS12_SAFEBAG_create0_p8inf(info);
    if (bag != NULL)
        mu_take(&info);
    return bag;
}

static bool holds_old_cert(const struct swap *swap, const PKCS12_SAFEBAG *bag)
{
    if (PKCS12_SAFEBAG_get_nid(bag) != NID_certBag ||
        PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
        return false;
    MU_AUTO(X509) x = PKCS12_SAFEBAG_get1_cert(bag);
    return x != NULL && X509_cmp(x, swap->old) == 0;
}

static bool holds_old_key(const struct swap *swap, const PKCS12_SAFEBAG *bag)
{
    if (PKCS12_SAFEBAG_get_nid(bag) == NID_keyBag)
        return is_old_key(swap, PKCS12_SAFEBAG_get0_p8inf(bag));
    if (PKCS12_SAFEBAG_get_nid(bag) != NID_pkcs8ShroudedKeyBag)
        return false;
    MU_AUTO(PKCS8_PRIV_KEY_INFO)
    info = PKCS12_decrypt_skey(bag, swap->passphrase, swap->passphrase_len);
    return is_old_key(swap, info);
}

/* 1: the bag was replaced. 0: it stays. -1: it could not be. */
static int swap_bag(struct swap *swap, STACK_OF(PKCS12_SAFEBAG) * bags, int i)
{
    PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
    MU_AUTO(PKCS12_SAFEBAG) fresh = NULL;
    if (holds_old_cert(swap, bag)) {
        fresh = PKCS12_SAFEBAG_create_cert(swap->fresh);
        swap->certs++;
    } else if (swap->key != NULL && holds_old_key(swap, bag)) {
        fresh =
            PKCS12_SAFEBAG_get_nid(bag) == NID_keyBag ? make_plain(swap) : make_shrouded(swap, bag);
        swap->keys++;
    } else {
        return 0;
    }
    if (fresh == NULL || !copy_attributes(bag, fresh))
        return -1;
    sk_PKCS12_SAFEBAG_set(bags, i, mu_take(&fresh));
    PKCS12_SAFEBAG_free(bag);
    return 1;
}

static int swap_bags(struct swap *swap, STACK_OF(PKCS12_SAFEBAG) * bags)
{
    int swapped = 0;
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        int one = swap_bag(swap, bags, i);
        if (one < 0)
            return -1;
        swapped += one;
    }
    return swapped;
}

/* --- One safe: many bags, encrypted together or not --- */

static bool lock_again(const struct swap *swap, PKCS7 *safe, STACK_OF(PKCS12_SAFEBAG) * bags)
{
    PKCS7_ENC_CONTENT *content = safe->d.encrypted->enc_data;
    MU_AUTO(X509_ALGOR) fresh = again(content->algorithm);
    ASN1_OCTET_STRING *data = NULL;
    if (fresh != NULL)
        data = PKCS12_item_i2d_encrypt(fresh, ASN1_ITEM_rptr(PKCS12_SAFEBAGS), swap->passphrase,
                                       swap->passphrase_len, bags, 1);
    if (data == NULL)
        return false;
    X509_ALGOR_free(content->algorithm);
    ASN1_OCTET_STRING_free(content->enc_data);
    content->algorithm = mu_take(&fresh);
    content->enc_data = data;
    return true;
}

static bool pack_again(PKCS7 *safe, STACK_OF(PKCS12_SAFEBAG) * bags)
{
    return ASN1_item_pack(bags, ASN1_ITEM_rptr(PKCS12_SAFEBAGS), &safe->d.data) != NULL;
}

static bool swap_in_safe(struct swap *swap, PKCS7 *safe)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    bool encrypted = PKCS7_type_is_encrypted(safe);
    if (encrypted)
        bags = PKCS12_unpack_p7encdata(safe, swap->passphrase, swap->passphrase_len);
    else if (PKCS7_type_is_data(safe))
        bags = PKCS12_unpack_p7data(safe);
    else
        return true; /* for the holder of some certificate, and not ours to open */
    int swapped = bags == NULL ? -1 : swap_bags(swap, bags);
    bool good =
        swapped == 0 ||
        (swapped > 0 && (encrypted ? lock_again(swap, safe, bags) : pack_again(safe, bags)));
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return good;
}

/* --- The whole --- */

static bool swap_in_container(struct swap *swap, PKCS12 *p12)
{
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    bool good = safes != NULL;
    for (int i = 0; good && i < sk_PKCS7_num(safes); i++)
        good = swap_in_safe(swap, sk_PKCS7_value(safes, i));
    good = good && PKCS12_pack_authsafes(p12, safes) == 1;
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return good;
}

static bool mac_again(const struct swap *swap, PKCS12 *p12)
{
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OCTET_STRING *salt = NULL;
    const ASN1_INTEGER *iterations = NULL;
    if (!PKCS12_mac_present(p12))
        return true;
    PKCS12_get0_mac(NULL, &algorithm, &salt, &iterations, p12);
    int salt_len = ASN1_STRING_length(salt);
    int count = iterations == NULL ? 1 : (int)ASN1_INTEGER_get(iterations);
#if OPENSSL_VERSION_PREREQ(3, 4)
    if (OBJ_obj2nid(algorithm->algorithm) == NID_pbmac1) { /* RFC 9579, SHA-256 as it recommends */
        MU_AUTO(PBKDF2PARAM) how = PBMAC1_get1_pbkdf2_param(algorithm);
        return how != NULL && how->salt->type == V_ASN1_OCTET_STRING &&
               PKCS12_set_pbmac1_pbkdf2(p12, swap->passphrase, swap->passphrase_len, NULL,
                                        ASN1_STRING_length(how->salt->value.octet_string),
                                        (int)ASN1_INTEGER_get(how->iter), EVP_sha256(), NULL) == 1;
    }
#endif
    const EVP_MD *digest = EVP_get_digestbyobj(algorithm->algorithm);
    return digest != NULL && PKCS12_set_mac(p12, swap->passphrase, swap->passphrase_len, NULL,
                                            salt_len, count, digest) == 1;
}

int mu_pkcs12_replace(const void *data, size_t len, const struct mu_pkcs12_swap *what,
                      struct mu_buf *ret, struct mu_error *err)
{
    const unsigned char *p = data;
    unsigned char *der = NULL;
    MU_AUTO(PKCS12) p12 = d2i_PKCS12(NULL, &p, (long)len);
    if (p12 == NULL)
        return mu_fail_openssl(err, MU_E_DAMAGED, "the PKCS#12 container cannot be decoded");
    bool none = what->passphrase->len == 0 && PKCS12_mac_present(p12) &&
                PKCS12_verify_mac(p12, NULL, 0) == 1;
    struct swap swap = {
        .passphrase = none ? NULL : what->passphrase->data,
        .passphrase_len = none ? 0 : (int)what->passphrase->len,
        .old = mu_cert_x509(what->old),
        .fresh = mu_cert_x509(what->cert),
        .key = what->key == NULL ? NULL : mu_key_evp(what->key),
    };
    if (!swap_in_container(&swap, p12) || swap.certs != 1 || (swap.key != NULL && swap.keys != 1) ||
        !mac_again(&swap, p12)) {
        mu_fail_openssl(err, MU_E_UNSUPPORTED,
                        "the PKCS#12 container cannot be written anew as it is made");
        return mu_hint(err, "renew PEM files, and make a container of them with: mutual export");
    }
    int der_len = i2d_PKCS12(p12, &der);
    if (der_len > 0)
        mu_buf_add(ret, der, (size_t)der_len);
    OPENSSL_clear_free(der, der_len > 0 ? (size_t)der_len : 0);
    if (der_len <= 0)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the PKCS#12 container could not be made");
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}
