#include "pki/pkcs12.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "pki/ossl.h"

/*
 * How much work a guess at the passphrase costs. Programs of old have lower bounds on what they bear; those of
 * today, Windows the strictest with 600,000, bear more.
 */
enum { ITERATIONS = 100000, LEGACY_ITERATIONS = 2048, SALT_LEN = 16, LEGACY_SALT_LEN = 8 };

static STACK_OF(X509) * above_the_leaf(const struct mu_certs *chain)
{
    STACK_OF(X509) *list = sk_X509_new_null();
    for (size_t i = 1; list != NULL && i < chain->count; i++)
        if (sk_X509_push(list, mu_cert_x509(chain->at[i])) == 0) {
            sk_X509_free(list);
            return NULL;
        }
    return list;
}

/* The container without its MAC. The certificates are encrypted like the key: names are nobody's business. */
static PKCS12 *fill(const struct mu_pkcs12 *what)
{
    int algorithm = what->legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
    int iterations = what->legacy ? LEGACY_ITERATIONS : ITERATIONS;
    STACK_OF(X509) *others = above_the_leaf(what->chain);
    PKCS12 *p12 = NULL;
    if (others != NULL)
        p12 = PKCS12_create(what->passphrase->data, what->name, mu_key_evp(what->key),
                            mu_cert_x509(what->chain->at[0]), others, algorithm, algorithm,
                            iterations, -1, 0);
    sk_X509_free(others);
    return p12;
}

int mu_pkcs12_make(const struct mu_pkcs12 *what, struct mu_buf *ret, struct mu_error *err)
{
    unsigned char *der = NULL;
    MU_AUTO(PKCS12) p12 = fill(what);
    int len = -1;
    if (p12 != NULL && PKCS12_set_mac(p12, what->passphrase->data, -1, NULL,
                                      what->legacy ? LEGACY_SALT_LEN : SALT_LEN,
                                      what->legacy ? LEGACY_ITERATIONS : ITERATIONS,
                                      what->legacy ? EVP_sha1() : EVP_sha256()) == 1)
        len = i2d_PKCS12(p12, &der);
    if (len > 0)
        mu_buf_add(ret, der, (size_t)len);
    OPENSSL_free(der);
    if (len <= 0)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the PKCS#12 container could not be made");
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

static bool is_legacy(const X509_ALGOR *algorithm)
{
    static const int nids[] = {
        NID_pbe_WithSHA1And40BitRC2_CBC, NID_pbe_WithSHA1And128BitRC2_CBC,
        NID_pbe_WithSHA1And40BitRC4,     NID_pbe_WithSHA1And128BitRC4,
        NID_pbeWithMD5AndDES_CBC,        NID_pbeWithSHA1AndDES_CBC,
        NID_pbeWithMD5AndRC2_CBC,        NID_pbeWithSHA1AndRC2_CBC,
        NID_pbeWithMD2AndDES_CBC,        NID_pbeWithMD2AndRC2_CBC,
    };
    const ASN1_OBJECT *object = NULL;
    if (algorithm != NULL)
        X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    for (size_t i = 0; object != NULL && i < MU_COUNT(nids); i++)
        if (OBJ_obj2nid(object) == nids[i])
            return true;
    return false;
}

/* The bags that are not encrypted as a whole: a key in one of them is by itself. */
static bool has_legacy_key(const PKCS7 *safe)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = PKCS12_unpack_p7data((PKCS7 *)safe);
    bool found = false;
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags) && !found; i++) {
        const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
        const X509_ALGOR *algorithm = NULL;
        if (PKCS12_SAFEBAG_get_nid(bag) == NID_pkcs8ShroudedKeyBag)
            X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
        found = is_legacy(algorithm);
    }
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return found;
}

bool mu_pkcs12_needs_legacy(const void *data, size_t len)
{
    const unsigned char *p = data;
    ERR_set_mark();
    MU_AUTO(PKCS12) p12 = d2i_PKCS12(NULL, &p, (long)len);
    STACK_OF(PKCS7) *safes = p12 == NULL ? NULL : PKCS12_unpack_authsafes(p12);
    bool found = false;
    for (int i = 0; i < sk_PKCS7_num(safes) && !found; i++) {
        const PKCS7 *safe = sk_PKCS7_value(safes, i);
        if (PKCS7_type_is_data(safe))
            found = has_legacy_key(safe);
        else if (PKCS7_type_is_encrypted(safe) && safe->d.encrypted != NULL)
            found = is_legacy(safe->d.encrypted->enc_data->algorithm);
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    ERR_pop_to_mark();
    return found;
}
