/* OpenSSL's own rendering of what was recognised. */

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "pki/object.h"
#include "pki/ossl.h"

/* Read again, because OpenSSL prints only a key that it has found by itself; see mu_csr_decode(). */
static void print_csr(BIO *bio, X509_REQ *req)
{
    unsigned char *der = NULL;
    int len = i2d_X509_REQ(req, &der);
    const unsigned char *p = der;
    MU_AUTO(X509_REQ) whole = len > 0 ? d2i_X509_REQ(NULL, &p, len) : NULL;
    if (whole != NULL)
        X509_REQ_print_ex(bio, whole, XN_FLAG_ONELINE, 0);
    OPENSSL_free(der);
}

static void print(BIO *bio, const struct mu_object *object)
{
    if (object->cert != NULL)
        X509_print_ex(bio, mu_cert_x509(object->cert), XN_FLAG_ONELINE, 0);
    else if (object->csr != NULL)
        print_csr(bio, mu_csr_x509(object->csr));
    else if (object->crl != NULL)
        X509_CRL_print_ex(bio, mu_crl_x509(object->crl), XN_FLAG_ONELINE);
    else if (object->ocsp_request != NULL)
        OCSP_REQUEST_print(bio, mu_ocsp_request_ossl(object->ocsp_request), 0);
    else if (object->ocsp_response != NULL)
        OCSP_RESPONSE_print(bio, mu_ocsp_response_ossl(object->ocsp_response), 0);
    else if (object->key != NULL)
        EVP_PKEY_print_public(bio, mu_key_evp(object->key), 0, NULL);
    ERR_clear_error(); /* what cannot be rendered is left out, as openssl does */
}

/* Some of OpenSSL's printers hand foreign bytes through: escape sequences, the C1 range in UTF-8. */
static void add_tame(struct mu_buf *ret, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 = c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0;
        bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        mu_buf_add(ret, c1 || control ? "?" : text + i, 1);
        i += c1;
    }
}

void mu_object_text(const struct mu_object *object, struct mu_buf *ret)
{
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL) {
        ret->failed = true;
        return;
    }
    print(bio, object);
    long len = BIO_get_mem_data(bio, &text);
    add_tame(ret, text, len < 0 ? 0 : (size_t)len);
}
