/* The way to a token's key through OSSL_STORE and OpenSSL's PKCS#11 provider. */

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "pki/ossl.h"
#include "pki/token_evp.h"

MU_AUTO_DEFINE(UI_METHOD, UI_destroy_method)
MU_AUTO_DEFINE(OSSL_STORE_CTX, OSSL_STORE_close)

#if OPENSSL_VERSION_PREREQ(3, 2) /* before that, a provider takes no parameters from a program */

/* Each module has a library context of its own, so that nothing but its keys is ever worked on by the token; a key
 * needs it until the process ends. */
enum { MODULES_MAX = 8 };
static struct {
    char path[MU_PATH_LEN];
    OSSL_LIB_CTX *ctx;
} modules[MODULES_MAX];
static size_t module_count;

/* Where OpenSSL looks for it. To let it try costs memory that it does not give back when there is none. */
static bool is_installed(void)
{
    char path[MU_PATH_LEN];
    const char *dir = secure_getenv("OPENSSL_MODULES");
    if (dir == NULL)
        dir = OPENSSL_info(OPENSSL_INFO_MODULES_DIR);
    int len = snprintf(path, sizeof path, "%s/pkcs11%s", dir == NULL ? "" : dir,
                       OPENSSL_info(OPENSSL_INFO_DSO_EXTENSION));
    return len < (int)sizeof path && access(path, R_OK) == 0;
}

/* NULL, and no failure: there is no such provider. */
static OSSL_LIB_CTX *use_module(const char *path, struct mu_error *err)
{
    for (size_t i = 0; i < module_count; i++)
        if (mu_str_equal(modules[i].path, path))
            return modules[i].ctx;
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_utf8_string("pkcs11-module-path", (char *)path, 0),
        OSSL_PARAM_END,
    };
    if (module_count == MODULES_MAX || !is_installed())
        return NULL;
    ERR_clear_error();
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
    if (ctx == NULL || OSSL_PROVIDER_load(ctx, "default") == NULL ||
        OSSL_PROVIDER_load_ex(ctx, "pkcs11", parameters) == NULL) {
        mu_fail_openssl(err, MU_E_TOKEN, "OpenSSL's PKCS#11 provider does not start");
        mu_hint(err, "check it with: openssl list -providers -provider pkcs11");
        OSSL_LIB_CTX_free(ctx);
        return NULL;
    }
    mu_str_copy(modules[module_count].path, MU_PATH_LEN, path);
    modules[module_count].ctx = ctx;
    return modules[module_count++].ctx;
}
#else
static OSSL_LIB_CTX *use_module(const char *path, struct mu_error *err)
{
    (void)path;
    (void)err;
    return NULL;
}
#endif

static void add_attribute(struct mu_buf *uri, const char *name, const void *value, size_t len)
{
    const unsigned char *octets = value;
    mu_buf_addf(uri, "%s=", name);
    for (size_t i = 0; i < len; i++)
        mu_buf_addf(uri, "%%%02X", octets[i]);
    mu_buf_adds(uri, ";");
}

static int give_pin(char *ret, int cap, int writing, void *arg)
{
    const struct mu_secret *pin = arg;
    (void)writing;
    if (pin->data == NULL || pin->len > (size_t)cap)
        return -1;
    memcpy(ret, pin->data, pin->len);
    return (int)pin->len;
}

static EVP_PKEY *load(OSSL_LIB_CTX *ctx, const char *uri, struct mu_secret *pin)
{
    EVP_PKEY *key = NULL;
    MU_AUTO(UI_METHOD) ui = UI_UTIL_wrap_read_pem_callback(give_pin, 0);
    MU_AUTO(OSSL_STORE_CTX) store =
        ui == NULL ? NULL
                   : OSSL_STORE_open_ex(uri, ctx, "provider=pkcs11", ui, pin, NULL, NULL, NULL);
    while (store != NULL && key == NULL && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info == NULL && OSSL_STORE_error(store) == 0)
            continue;
        if (info == NULL)
            break;
        key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    return key;
}

EVP_PKEY *mu_token_evp_provider(const struct mu_token_place *place, struct mu_error *err)
{
    OSSL_LIB_CTX *ctx = use_module(place->module, err);
    MU_AUTO_CLEAR(mu_buf) uri = MU_BUF_INIT;
    if (ctx == NULL)
        return NULL;
    mu_buf_adds(&uri, "pkcs11:");
    add_attribute(&uri, "token", place->token, strlen(place->token));
    add_attribute(&uri, "serial", place->serial, strlen(place->serial));
    if (place->id_len > 0)
        add_attribute(&uri, "id", place->id, place->id_len);
    if (*place->object != '\0')
        add_attribute(&uri, "object", place->object, strlen(place->object));
    mu_buf_adds(&uri, "type=private");
    if (mu_buf_failed(&uri)) {
        mu_fail_nomem(err);
        return NULL;
    }
    ERR_clear_error();
    struct mu_secret pin = place->pin;
    EVP_PKEY *key = load(ctx, mu_buf_str(&uri), &pin);
    if (key == NULL) {
        mu_fail_openssl(err, MU_E_TOKEN, "OpenSSL's PKCS#11 provider cannot use the key");
        mu_hint(err,
                "see that its public half is in the token, too, under the same id, and that it is of a kind that "
                "OpenSSL knows");
    }
    ERR_clear_error();
    return key;
}
