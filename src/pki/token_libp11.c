/* The way to a token's key through libp11: for an OpenSSL that has no PKCS#11 provider. */

/* Its header names types that OpenSSL has given up, and that nobody here uses. */
#undef OPENSSL_NO_DEPRECATED
#include <libp11.h>
#include <string.h>

#include "base/library.h"
#include "base/str.h"
#include "pki/ossl.h"
#include "pki/token_evp.h"

/* clang-format off */
#define LIBP11(F)                                                                                  \
    F(ctx_new, PKCS11_CTX_new) F(ctx_load, PKCS11_CTX_load)                                        \
    F(enumerate_slots, PKCS11_enumerate_slots) F(slot_number, PKCS11_get_slotid_from_slot)         \
    F(login, PKCS11_login) F(enumerate_keys, PKCS11_enumerate_keys)                                \
    F(get_private_key, PKCS11_get_private_key)
/* clang-format on */
static struct {
    LIBP11(MU_LIBRARY_FIELD)
} libp11;
#define SYMBOL(field, function) {#function, &libp11.field},
static const struct mu_symbol symbols[] = {LIBP11(SYMBOL)};
static struct mu_library library = {.soname = "libp11.so.3",
                                    .package = OPENSSL_VERSION_PREREQ(3, 2) ? "pkcs11-provider"
                                                                            : "libp11-3",
                                    .symbols = symbols,
                                    .count = MU_COUNT(symbols),
                                    .lock = PTHREAD_MUTEX_INITIALIZER};

/* The modules in use. A key needs its module until the process ends, so they stay. */
enum { MODULES_MAX = 8 };
static struct {
    char path[MU_PATH_LEN];
    PKCS11_CTX *ctx;
    PKCS11_SLOT *slots;
    unsigned slot_count;
} modules[MODULES_MAX];
static size_t module_count;

static int fail(const char *what, const struct mu_token_place *place, struct mu_error *err)
{
    char token[80];
    return mu_fail_openssl(err, MU_E_TOKEN, "libp11 %s of the token \"%s\"", what,
                           mu_str_printable(place->token, strlen(place->token), token,
                                            sizeof token));
}

static int fail_to_list(const struct mu_token_place *place, struct mu_error *err)
{
    fail("cannot list the keys", place, err);
    return mu_hint(
        err, "an Ed25519 key may lie in it, which libp11 does not bear: put it into another token");
}

static int fail_too_many(struct mu_error *err)
{
    mu_fail(err, MU_E_TOKEN, "keys of so many PKCS#11 modules at once cannot be used");
    return mu_hint(err, "name keys of %d modules at most in one command", (int)MODULES_MAX);
}

static int use_module(const struct mu_token_place *place, size_t *ret, struct mu_error *err)
{
    for (*ret = 0; *ret < module_count; ++*ret)
        if (mu_str_equal(modules[*ret].path, place->module))
            return 0;
    if (module_count == MODULES_MAX)
        return fail_too_many(err);
    PKCS11_CTX *ctx = modules[module_count].ctx; /* of a module that was of no use, or none */
    if (ctx == NULL && (ctx = libp11.ctx_new()) == NULL)
        return mu_fail_nomem(err);
    modules[module_count].ctx = ctx;
    if (libp11.ctx_load(ctx, place->module) != 0 ||
        libp11.enumerate_slots(ctx, &modules[module_count].slots,
                               &modules[module_count].slot_count) != 0)
        return fail("cannot use the module", place, err);
    mu_str_copy(modules[module_count].path, MU_PATH_LEN, place->module);
    module_count++;
    return 0;
}

static bool key_fits(const PKCS11_KEY *key, const struct mu_token_place *place)
{
    const char *label = key->label == NULL ? "" : key->label;
    return key->id_len == place->id_len &&
           (place->id_len == 0 || memcmp(key->id, place->id, place->id_len) == 0) &&
           mu_str_equal(label, place->object);
}

int mu_token_evp_libp11(const struct mu_token_place *place, EVP_PKEY **ret, struct mu_error *err)
{
    size_t module;
    PKCS11_SLOT *slot = NULL;
    PKCS11_KEY *keys = NULL;
    unsigned count = 0;
    if (mu_library_need(&library, err) != 0)
        return -1;
    if (place->edwards) {
        mu_fail(err, MU_E_UNSUPPORTED, "libp11 knows no Ed25519 keys in a token");
        return mu_hint(err,
                       "use a P-256, P-384 or RSA key, or a system with OpenSSL's PKCS#11 provider "
                       "(Debian 13: pkcs11-provider)");
    }
    if (use_module(place, &module, err) != 0)
        return -1;
    for (unsigned i = 0; slot == NULL && i < modules[module].slot_count; i++)
        if (libp11.slot_number(&modules[module].slots[i]) == place->slot)
            slot = &modules[module].slots[i];
    if (slot == NULL || slot->token == NULL)
        return fail("has lost the slot", place, err);
    if (place->login && libp11.login(slot, 0, place->pin.data) != 0)
        return fail("cannot log in with the PIN", place, err);
    if (libp11.enumerate_keys(slot->token, &keys, &count) != 0)
        return fail_to_list(place, err);
    for (unsigned i = 0; *ret == NULL && i < count; i++)
        if (key_fits(&keys[i], place))
            *ret = libp11.get_private_key(&keys[i]);
    return *ret != NULL ? 0 : fail("cannot use the key", place, err);
}
