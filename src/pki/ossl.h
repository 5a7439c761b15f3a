#ifndef MU_PKI_OSSL_H
#define MU_PKI_OSSL_H

/* OpenSSL's types under MU_AUTO, and its error queue as our error. For pki and tls only. */

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <time.h>

#include "base/error.h"
#include "base/macros.h"

MU_AUTO_DEFINE(ASN1_ENUMERATED, ASN1_ENUMERATED_free)
MU_AUTO_DEFINE(ASN1_INTEGER, ASN1_INTEGER_free)
MU_AUTO_DEFINE(ASN1_NULL, ASN1_NULL_free)
MU_AUTO_DEFINE(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
MU_AUTO_DEFINE(ASN1_TIME, ASN1_TIME_free)
MU_AUTO_DEFINE(BIGNUM, BN_free)
MU_AUTO_DEFINE(BIO, BIO_free_all)
MU_AUTO_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)
MU_AUTO_DEFINE(EVP_PKEY, EVP_PKEY_free)
MU_AUTO_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
MU_AUTO_DEFINE(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
MU_AUTO_DEFINE(GENERAL_NAMES, GENERAL_NAMES_free)
MU_AUTO_DEFINE(ISSUING_DIST_POINT, ISSUING_DIST_POINT_free)
MU_AUTO_DEFINE(PKCS12, PKCS12_free)
MU_AUTO_DEFINE(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
MU_AUTO_DEFINE(X509, X509_free)
MU_AUTO_DEFINE(X509_CRL, X509_CRL_free)
MU_AUTO_DEFINE(X509_EXTENSION, X509_EXTENSION_free)
MU_AUTO_DEFINE(X509_NAME, X509_NAME_free)
MU_AUTO_DEFINE(X509_REQ, X509_REQ_free)
MU_AUTO_DEFINE(X509_STORE, X509_STORE_free)
MU_AUTO_DEFINE(X509_STORE_CTX, X509_STORE_CTX_free)

/*
 * mu_fail() with the oldest entry of this thread's OpenSSL error queue as the cause, in OpenSSL's own
 * words; the queue is empty afterwards.
 */
int mu_fail_openssl(struct mu_error *err, enum mu_code code, const char *format, ...)
    MU_PRINTF(3, 4);

/* A library without any algorithm, and so without decoders, for what is read without its key. NULL, which is the usual
 * one, where it cannot be had: slower, and the same. */
OSSL_LIB_CTX *mu_ossl_without_decoders(void);

/* What an object identifier stands for: a name that OpenSSL knows, or that we know and it does not yet (ML-DSA before
 * 3.5), else its numbers. Printable. */
void mu_oid_text(const ASN1_OBJECT *object, char *ret, size_t cap);

/* Is this algorithm known to the libcrypto at hand, by its name at least? */
bool mu_oid_is_known(const ASN1_OBJECT *object);

/* mu_fail() with MU_E_UNSUPPORTED: `what` ("the private key in x") is of a kind that is not known here. */
int mu_fail_key_kind(struct mu_error *err, const char *what, const ASN1_OBJECT *algorithm);

/* "has no ML-DSA" is a matter of the library's version, not of the file's. */
int mu_hint_newer_openssl(struct mu_error *err);

/* UTC seconds; 0 for NULL and for what cannot be read, so that it counts as long past. */
time_t mu_time_from_asn1(const ASN1_TIME *t);

#endif
