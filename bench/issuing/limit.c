/* The limit: what no CA can go below. `limit COUNT` makes as many P-256 keys, signs as many times with one of them,
 * and prints the CPU time that one of each took, in nanoseconds. */

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "limit: %s failed\n", what);
        exit(1);
    }
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 0;
    unsigned char signature[128], certificate[500] = {0}; /* of about that size */
    EVP_PKEY *ca = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_MD_CTX *fresh = EVP_MD_CTX_new(), *ctx = EVP_MD_CTX_new();
    check(count > 0 && ca != NULL && maker != NULL && fresh != NULL && ctx != NULL, "setting up");
    check(EVP_PKEY_keygen_init(maker) == 1 && EVP_PKEY_CTX_set_group_name(maker, "P-256") == 1 &&
              EVP_DigestSignInit(fresh, NULL, EVP_sha256(), NULL, ca) == 1,
          "setting up");
    double begin = cpu_ns();
    for (long i = 0; i < count; i++) {
        EVP_PKEY *key = NULL;
        size_t len = sizeof signature;
        check(EVP_PKEY_generate(maker, &key) == 1, "making a key");
        check(EVP_MD_CTX_copy_ex(ctx, fresh) == 1 &&
                  EVP_DigestSign(ctx, signature, &len, certificate, sizeof certificate) == 1,
              "signing");
        EVP_PKEY_free(key);
    }
    printf("%.0f\n", (cpu_ns() - begin) / (double)count);
    EVP_MD_CTX_free(fresh);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_CTX_free(maker);
    EVP_PKEY_free(ca);
    return 0;
}
