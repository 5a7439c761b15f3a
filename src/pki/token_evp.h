#ifndef MU_PKI_TOKEN_EVP_H
#define MU_PKI_TOKEN_EVP_H

/*
 * A key that was found in a token, as an EVP_PKEY. There are two ways to one, and each is a library that is loaded when
 * it is wanted: OpenSSL's PKCS#11 provider (Debian 13: pkcs11-provider) and libp11 (Debian 12: libp11-3).
 * For token.c, which has made sure that there is exactly one such key, and that the PIN is right.
 */

#include <openssl/types.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/file.h"
#include "base/secret.h"

struct mu_token_place {
    char module[MU_PATH_LEN];
    char token[33], serial[17]; /* as the token says, without the blanks behind */
    unsigned long slot;
    unsigned char id[256];
    size_t id_len; /* 0: the key has none */
    char object[256];
    bool edwards;         /* an Ed25519 or Ed448 key */
    struct mu_secret pin; /* empty: none is wanted, or it is typed at the token */
    bool login;
};

/* NULL with MU_OK in `err`: it is not installed, or this OpenSSL cannot be told where the module is. */
EVP_PKEY *mu_token_evp_provider(const struct mu_token_place *place, struct mu_error *err);

/* Fails with MU_E_UNSUPPORTED: it is not installed. */
MU_CHECK int mu_token_evp_libp11(const struct mu_token_place *place, EVP_PKEY **ret,
                                 struct mu_error *err);

#endif
