#include "pki/crl.h"

#include <string.h>

#include "base/str.h"
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
