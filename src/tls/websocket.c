#include "tls/websocket.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { NONCE_LEN = 16 };

bool mu_websocket_key(char ret[MU_WEBSOCKET_KEY_LEN])
{
    unsigned char nonce[NONCE_LEN];
    if (RAND_bytes(nonce, sizeof nonce) != 1)
        return false;
    EVP_EncodeBlock((unsigned char *)ret, nonce, sizeof nonce);
    return true;
}

bool mu_websocket_accept(const char *key, char ret[MU_WEBSOCKET_ACCEPT_LEN])
{
    static const char of_all[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* the RFC's */
    char text[MU_WEBSOCKET_KEY_LEN + sizeof of_all];
    unsigned char digest[SHA_DIGEST_LENGTH];
    const int len = snprintf(text, sizeof text, "%s%s", key, of_all);
    if (EVP_Digest(text, (size_t)len, digest, NULL, EVP_sha1(), NULL) != 1)
        return false;
    EVP_EncodeBlock((unsigned char *)ret, digest, sizeof digest);
    return true;
}
