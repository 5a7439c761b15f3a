#include "tls/narrow.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/str.h"

static OSSL_LIB_CTX *narrow;
static OSSL_PROVIDER *whole; /* OpenSSL's default provider, whose work it is */

/* --- A provider that has all of another one but some operations --- */

static const OSSL_ALGORITHM *query_operation(void *provider, int operation, int *ret_no_cache)
{
    (void)provider;
    *ret_no_cache = 0;
    bool left_out =
        operation == OSSL_OP_DECODER || operation == OSSL_OP_ENCODER || operation == OSSL_OP_STORE;
    return left_out ? NULL : OSSL_PROVIDER_query_operation(whole, operation, ret_no_cache);
}

/* Which groups and signatures of TLS there are. */
static int get_capabilities(void *provider, const char *capability, OSSL_CALLBACK *each, void *arg)
{
    (void)provider;
    return OSSL_PROVIDER_get_capabilities(whole, capability, each, arg);
}

static int start(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **ret,
                 void **ret_provider)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_operation},
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))get_capabilities},
        {0, NULL},
    };
    (void)core, (void)in;
    *ret = functions;
    *ret_provider = OSSL_PROVIDER_get0_provider_ctx(whole);
    return 1;
}

/* --- The context --- */

static int note_other(OSSL_PROVIDER *provider, void *arg)
{
    *(bool *)arg |= !mu_str_equal(OSSL_PROVIDER_get0_name(provider), "default");
    return 1;
}

static void make(void)
{
    bool others = false;
    ERR_set_mark();
    whole = OSSL_PROVIDER_load(NULL, "default");
    OSSL_PROVIDER_do_all(NULL, note_other, &others);
    if (whole != NULL && !others && EVP_default_properties_is_fips_enabled(NULL) == 0)
        narrow = OSSL_LIB_CTX_new();
    if (narrow != NULL && (OSSL_PROVIDER_add_builtin(narrow, "narrow", start) != 1 ||
                           OSSL_PROVIDER_load(narrow, "narrow") == NULL)) {
        OSSL_LIB_CTX_free(narrow);
        narrow = NULL;
    }
    ERR_pop_to_mark();
}

OSSL_LIB_CTX *mu_tls_narrow(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make);
    return narrow;
}
