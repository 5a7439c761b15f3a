#ifndef TEST_PKI_MAKE_H
#define TEST_PKI_MAKE_H

/* Certificates that mutual would not make, put together by hand. */

#include "data.h"
#include "pki/key.h"
#include "pki/ossl.h"

static inline struct mu_key *make_key(const char *type)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_key *key = NULL;
    if (mu_key_generate(type, &key, &err) != 0)
        fail_msg("%s: %s", type, err.what);
    return key;
}

/* Extensions in the text form of openssl's configuration files, such as "CA:TRUE". */
struct hand_made {
    bool v1;
    const char *cn;
    const char *serial;           /* hexadecimal; NULL: one that is good */
    time_t not_before, not_after; /* 0: NOW, and a year later */
    struct {
        int nid;
        const char *text;
    } extensions[8];
};

/* `issuer` NULL: signed by itself. */
static inline struct mu_cert *make_by_hand(const struct hand_made *made, const struct mu_key *key,
                                           const struct mu_cert *issuer,
                                           const struct mu_key *issuer_key)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_cert *cert = NULL;
    X509V3_CTX ctx;
    BIGNUM *serial = NULL;
    unsigned char *der = NULL;
    MU_AUTO(X509) x = X509_new();
    X509_NAME *subject = X509_get_subject_name(x);
    X509 *by = issuer == NULL ? x : mu_cert_x509(issuer);

    assert_int_equal(X509_set_version(x, made->v1 ? X509_VERSION_1 : X509_VERSION_3), 1);
    assert_true(BN_hex2bn(&serial, made->serial != NULL
                                       ? made->serial
                                       : "0123456789ABCDEF0123456789ABCDEF0123") > 0);
    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x));
    BN_free(serial);
    if (made->cn != NULL)
        assert_int_equal(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                                    (const unsigned char *)made->cn, -1, -1, 0),
                         1);
    X509_set_issuer_name(x, X509_get_subject_name(by));
    ASN1_TIME_set(X509_getm_notBefore(x), made->not_before != 0 ? made->not_before : NOW);
    ASN1_TIME_set(X509_getm_notAfter(x), made->not_after != 0 ? made->not_after : NOW + 31536000);
    X509_set_pubkey(x, mu_key_evp(key));
    X509V3_set_ctx(&ctx, by, x, NULL, NULL, 0);
    for (size_t i = 0; i < MU_COUNT(made->extensions) && made->extensions[i].nid != 0; i++) {
        MU_AUTO(X509_EXTENSION) extension =
            X509V3_EXT_nconf_nid(NULL, &ctx, made->extensions[i].nid, made->extensions[i].text);
        assert_non_null(extension);
        assert_int_equal(X509_add_ext(x, extension, -1), 1);
    }
    const struct mu_key *signer = issuer_key == NULL ? key : issuer_key;
    assert_true(X509_sign(x, mu_key_evp(signer), mu_digest_for(signer)) > 0);

    int len = i2d_X509(x, &der);
    const unsigned char *p = der;
    assert_int_equal(mu_cert_wrap(d2i_X509(NULL, &p, len), &cert, &err), 0);
    OPENSSL_free(der);
    return cert;
}

#endif
