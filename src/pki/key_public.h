#ifndef MU_PKI_KEY_PUBLIC_H
#define MU_PKI_KEY_PUBLIC_H

/* For pki: the public half of a key, as certificates, requests and files of keys hold it. */

#include "pki/key.h"

/* OpenSSL's NID of an EC key's curve; NID_undef for other keys. */
int mu_key_curve(const struct mu_key *key);

/* An EC key's point, uncompressed [SEC 1 2.3.3]: its octets (given, OPENSSL_free) and their number; 0 on
 * failure, which OpenSSL's queue tells of. */
size_t mu_key_point(const struct mu_key *key, unsigned char **ret);

/* Write a new EC key's point out now, and keep it for whoever asks; other keys have none. */
void mu_key_keep_point(EVP_PKEY *evp);

/* Put the public half into `x`. Returns false on failure, which OpenSSL's queue tells of. */
bool mu_key_to_x509(const struct mu_key *key, X509 *x);

/* The key in a certificate or a request. Given; NULL on failure, which OpenSSL's queue tells of. */
EVP_PKEY *mu_key_decode(X509_PUBKEY *spki);

/* Is the public half sound? A point on its curve; an odd RSA modulus that is no prime and has no small
 * factor, an exponent above 1. Whoever made a key that is none of these may not be the only one who knows its
 * private half. */
bool mu_key_is_sound(EVP_PKEY *evp);

#endif
