#include "pki/crl.h"

#include <openssl/err.h>

#include "pki/info.h"
#include "pki/ossl.h"

/* An X509_CRL by another name, as struct mu_cert is an X509: see cert.c. */
X509_CRL *mu_crl_x509(const struct mu_crl *crl)
{
    return (X509_CRL *)crl;
}

int mu_crl_wrap(X509_CRL *x, struct mu_crl **ret, struct mu_error *err)
{
    if (x == NULL)
        return mu_fail_nomem(err);
    *ret = (struct mu_crl *)x;
    return 0;
}

void mu_crl_free(struct mu_crl *crl)
{
    X509_CRL_free(mu_crl_x509(crl));
}

void mu_crl_info(const struct mu_crl *crl, struct mu_crl_info *ret)
{
    X509_CRL *x = mu_crl_x509(crl);
    const X509_ALGOR *algorithm = NULL;
    X509_CRL_get0_signature(x, NULL, &algorithm);
    MU_AUTO(ASN1_INTEGER) number = X509_CRL_get_ext_d2i(x, NID_crl_number, NULL, NULL);
    int revoked = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(x));

    *ret = (struct mu_crl_info){
        .this_update = mu_time_from_asn1(X509_CRL_get0_lastUpdate(x)),
        .next_update = mu_time_from_asn1(X509_CRL_get0_nextUpdate(x)),
        .revoked = revoked < 0 ? 0 : (size_t)revoked,
        .delta = X509_CRL_get_ext_by_NID(x, NID_delta_crl, -1) >= 0,
    };
    mu_name_text(X509_CRL_get_issuer(x), ret->issuer, sizeof ret->issuer);
    mu_integer_text(number, ret->number, sizeof ret->number);
    mu_signature_text(X509_CRL_get_signature_nid(x), algorithm, ret->signature,
                      sizeof ret->signature);
    ERR_clear_error();
}
