#ifndef MU_TLS_NARROW_H
#define MU_TLS_NARROW_H

/*
 * A library context for doors in which libcrypto does all that it does elsewhere, but decodes no keys. Whenever libssl parses
 * a client's certificate it also looks for a decoder for the key, among some sixty, whether or not anybody will
 * ask for that key: the largest part of a handshake's work that is no cryptography. Here it finds none, and goes on;
 * whoever needs the key parses the certificate elsewhere (judge.c). It also keeps the decoders from strangers.
 */

#include <openssl/types.h>

/* Borrowed, for the process's life. NULL, which means the usual one: there is no memory, or somebody has configured OpenSSL to
 * use other providers than its default one, such as FIPS, and shall have them. */
OSSL_LIB_CTX *mu_tls_narrow(void);

#endif
