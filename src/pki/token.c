#include "pki/token.h"

#include <dlfcn.h>
#include <openssl/ec.h>
#include <openssl/provider.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "pki/object.h"
#include "pki/ossl.h"
#include "pki/token_evp.h"

enum { SLOTS_MAX = 64, KEYS_MAX = 16, PIN_LIMIT = 4096, LIST_LEN = 256, LABEL_LEN = 256 };

static const char proxy[] = "p11-kit-proxy.so"; /* in the package p11-kit-modules */

/* --- What a token says, in words --- */

static const char *refusal_name(CK_RV rv)
{
    switch (rv) {
    case CKR_HOST_MEMORY: return "it has run out of memory (CKR_HOST_MEMORY)";
    case CKR_GENERAL_ERROR: return "CKR_GENERAL_ERROR";
    case CKR_FUNCTION_FAILED: return "CKR_FUNCTION_FAILED";
    case CKR_CANT_LOCK: return "it is not made for threads (CKR_CANT_LOCK)";
    case CKR_DEVICE_ERROR: return "the device fails (CKR_DEVICE_ERROR)";
    case CKR_DEVICE_REMOVED: return "the device was removed (CKR_DEVICE_REMOVED)";
    case CKR_TOKEN_NOT_PRESENT: return "the token was removed (CKR_TOKEN_NOT_PRESENT)";
    case CKR_TOKEN_NOT_RECOGNIZED: return "CKR_TOKEN_NOT_RECOGNIZED";
    case CKR_SESSION_COUNT: return "it has no further session to give (CKR_SESSION_COUNT)";
    case CKR_USER_TYPE_INVALID: return "CKR_USER_TYPE_INVALID";
    default: return NULL;
    }
}

static int fail_token(struct mu_error *err, CK_RV rv, const char *what, const char *name)
{
    const char *known = refusal_name(rv);
    mu_fail(err, MU_E_TOKEN, "%s %s", what, name);
    return known != NULL ? mu_cause(err, "%s", known)
                         : mu_cause(err, "the PKCS#11 module says 0x%lx", rv);
}

/* Fields are filled up with blanks. */
static void read_field(const unsigned char *field, size_t len, char *ret)
{
    while (len > 0 && (field[len - 1] == ' ' || field[len - 1] == '\0'))
        len--;
    memcpy(ret, field, len);
    ret[len] = '\0';
}

static void list_add(char list[LIST_LEN], const char *text)
{
    char shown[80];
    size_t len = strlen(list);
    mu_str_printable(text, strlen(text), shown, sizeof shown);
    snprintf(list + len, LIST_LEN - len, "%s\"%s\"", len > 0 ? ", " : "", shown);
}

/* --- The module --- */

/* Whoever can change it can read the PIN, and more: it becomes part of this process. */
static int check_owner(const char *path, struct mu_error *err)
{
    struct stat st;
    if (*path != '/')
        return mu_fail(err, MU_E_PKCS11_URI, "in a PKCS#11 URI, module-path is an absolute path");
    if (stat(path, &st) != 0) {
        mu_fail_errno(err, MU_E_TOKEN, "there is no PKCS#11 module %s", path);
        return mu_hint(err, "install the module that came with the token, and name its file");
    }
    bool by_group = (st.st_mode & S_IWGRP) != 0 && st.st_gid != 0;
    if ((st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & S_IWOTH) == 0 && !by_group)
        return 0;
    mu_fail(err, MU_E_TOKEN,
            "the PKCS#11 module %s is not used: somebody who is neither root nor you can change it",
            path);
    return mu_hint(err, "give it to root, and take the right to write from the others");
}

static const char *from_environment(const char *name)
{
    const char *value = secure_getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* pkcs11-provider obeys its variable whatever it is told, so all of us do. */
static int find_module(const struct mu_pkcs11_uri *uri, struct mu_token_place *place,
                       struct mu_error *err)
{
    const char *module = from_environment("PKCS11_PROVIDER_MODULE");
    const char *named = uri->at[MU_PKCS11_MODULE_PATH].data;
    if (uri->at[MU_PKCS11_MODULE_NAME].data != NULL) {
        mu_fail(err, MU_E_PKCS11_URI,
                "in a PKCS#11 URI, module-name does not say where the module is");
        return mu_hint(err, "name its file: ?module-path=/path/to/module.so");
    }
    if (module == NULL && named != NULL) {
        if (check_owner(named, err) != 0)
            return -1;
        module = named;
    }
    if (module == NULL)
        module = from_environment("PKCS11_MODULE_PATH");
    return mu_str_copy(place->module, sizeof place->module, module == NULL ? proxy : module)
               ? 0
               : mu_fail(err, MU_E_PKCS11_URI, "the path of the PKCS#11 module is too long");
}

/* A module stays loaded: it may have threads, and handlers for the process's end. */
static int load_module(const char *path, CK_FUNCTION_LIST **ret, struct mu_error *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get_list;
    void *found = library == NULL ? NULL : dlsym(library, "C_GetFunctionList");
    if (found == NULL) {
        mu_fail(err, MU_E_TOKEN, "the PKCS#11 module %s cannot be loaded", path);
        mu_cause(err, "%s", dlerror());
        return mu_str_equal(path, proxy)
                   ? mu_hint(
                         err,
                         "name the token's own module: ?module-path=/path/to/module.so in the URI, or "
                         "$PKCS11_MODULE_PATH; or install p11-kit's, which knows the registered ones; "
                         "in Debian: apt install p11-kit-modules")
                   : mu_hint(err,
                             "check that it is a PKCS#11 module, and that what it needs is installed");
    }
    memcpy(&get_list, &found, sizeof get_list);
    CK_RV rv = get_list(ret);
    return rv == CKR_OK ? 0
                        : fail_token(err, rv, "cannot begin to work with the PKCS#11 module", path);
}

/* --- The token --- */

/* A module at work, with a session on the token once there is one. */
struct look {
    CK_FUNCTION_LIST *p11;
    bool began; /* it is ours to end */
    bool has_session;
    CK_SESSION_HANDLE session;
};

static void look_clear(struct look *look)
{
    if (look->has_session)
        look->p11->C_CloseSession(look->session);
    if (look->began)
        look->p11->C_Finalize(NULL);
}
MU_AUTO_DEFINE_CLEAR(look, look_clear)

static int begin(const char *module, struct look *ret, struct mu_error *err)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    if (load_module(module, &ret->p11, err) != 0)
        return -1;
    CK_RV rv = ret->p11->C_Initialize(&args);
    ret->began = rv == CKR_OK;
    return rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED
               ? 0
               : fail_token(err, rv, "cannot begin to work with the PKCS#11 module", module);
}

static bool field_fits(const struct mu_pkcs11_uri *uri, enum mu_pkcs11_attribute attribute,
                       const unsigned char *field, size_t len)
{
    char text[65];
    if (uri->at[attribute].data == NULL)
        return true;
    read_field(field, len, text);
    return mu_str_equal(text, uri->at[attribute].data);
}

static bool slot_fits(const struct look *look, CK_SLOT_ID slot, const struct mu_pkcs11_uri *uri)
{
    CK_SLOT_INFO info;
    const char *number = uri->at[MU_PKCS11_SLOT_ID].data;
    if (number != NULL && strtoul(number, NULL, 10) != slot)
        return false;
    return (uri->at[MU_PKCS11_SLOT_DESCRIPTION].data == NULL &&
            uri->at[MU_PKCS11_SLOT_MANUFACTURER].data == NULL) ||
           (look->p11->C_GetSlotInfo(slot, &info) == CKR_OK &&
            field_fits(uri, MU_PKCS11_SLOT_DESCRIPTION, info.slotDescription,
                       sizeof info.slotDescription) &&
            field_fits(uri, MU_PKCS11_SLOT_MANUFACTURER, info.manufacturerID,
                       sizeof info.manufacturerID));
}

static bool token_fits(const CK_TOKEN_INFO *info, const struct mu_pkcs11_uri *uri)
{
    return field_fits(uri, MU_PKCS11_TOKEN, info->label, sizeof info->label) &&
           field_fits(uri, MU_PKCS11_MANUFACTURER, info->manufacturerID,
                      sizeof info->manufacturerID) &&
           field_fits(uri, MU_PKCS11_MODEL, info->model, sizeof info->model) &&
           field_fits(uri, MU_PKCS11_SERIAL, info->serialNumber, sizeof info->serialNumber);
}

/* What a URI says of the library itself. */
static int check_library(const struct look *look, const struct mu_pkcs11_uri *uri,
                         const char *module, struct mu_error *err)
{
    CK_INFO info;
    char version[16];
    const char *wanted = uri->at[MU_PKCS11_LIBRARY_VERSION].data;
    CK_RV rv = look->p11->C_GetInfo(&info);
    if (rv != CKR_OK)
        return fail_token(err, rv, "cannot learn anything of the PKCS#11 module", module);
    snprintf(version, sizeof version, "%u.%u", info.libraryVersion.major, info.libraryVersion.minor);
    if (field_fits(uri, MU_PKCS11_LIBRARY_MANUFACTURER, info.manufacturerID,
                   sizeof info.manufacturerID) &&
        field_fits(uri, MU_PKCS11_LIBRARY_DESCRIPTION, info.libraryDescription,
                   sizeof info.libraryDescription) &&
        (wanted == NULL || mu_str_equal(wanted, version)))
        return 0;
    return mu_fail(err, MU_E_TOKEN, "the PKCS#11 module %s is not the library that the URI names",
                   module);
}

static int fail_without_token(const struct mu_pkcs11_uri *uri, const char *there,
                              const char *module, struct mu_error *err)
{
    char shown[LABEL_LEN];
    const struct mu_pkcs11_value *label = &uri->at[MU_PKCS11_TOKEN];
    if (label->data == NULL)
        mu_fail(err, MU_E_TOKEN, "there is no token like that");
    else
        mu_fail(err, MU_E_TOKEN, "there is no token \"%s\"",
                mu_str_printable(label->data, label->len, shown, sizeof shown));
    if (*there != '\0')
        return mu_hint(err, "the PKCS#11 module %s has: %s", module, there);
    return mu_hint(
        err,
        "the PKCS#11 module %s has no token at all: is it plugged in, and is this the module "
        "that came with it? Another is named by ?module-path=/path/to/module.so in the URI",
        module);
}

static int find_token(const struct look *look, const struct mu_pkcs11_uri *uri,
                      struct mu_token_place *place, CK_FLAGS *ret_flags, struct mu_error *err)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    char there[LIST_LEN] = "", fitting[LIST_LEN] = "", label[33];
    int found = 0;
    CK_RV rv = look->p11->C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK)
        return fail_token(err, rv, "cannot list the tokens of the PKCS#11 module", place->module);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (look->p11->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
            (info.flags & CKF_TOKEN_INITIALIZED) == 0)
            continue;
        read_field(info.label, sizeof info.label, label);
        list_add(there, label);
        if (!slot_fits(look, slots[i], uri) || !token_fits(&info, uri))
            continue;
        found++;
        list_add(fitting, label);
        place->slot = slots[i];
        *ret_flags = info.flags;
        memcpy(place->token, label, sizeof label);
        read_field(info.serialNumber, sizeof info.serialNumber, place->serial);
    }
    if (found == 1)
        return 0;
    if (found == 0)
        return fail_without_token(uri, there, place->module, err);
    mu_fail(err, MU_E_AMBIGUOUS, "several tokens fit that PKCS#11 URI: %s", fitting);
    return mu_hint(err, "name one by token=, or by serial= where two have one name");
}

/* --- The PIN --- */

/* A path, or a file: URI. What RFC 7512 also allows, a command to run, is not for a server to do. */
static int read_pin_source(const char *source, struct mu_secret *ret, struct mu_error *err)
{
    const char *path = source;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT_SECRET;
    if (mu_str_starts_with(path, "file:"))
        path += strlen("file:");
    if (mu_str_starts_with(path, "//localhost/"))
        path += strlen("//localhost");
    else if (mu_str_starts_with(path, "///"))
        path += strlen("//");
    if (*path != '/' || path[1] == '/')
        return mu_fail(err, MU_E_PKCS11_URI,
                       "in a PKCS#11 URI, pin-source names a file here: file:/path/to/pin");
    if (mu_file_read(path, PIN_LIMIT, &text, err) != 0)
        return -1;
    size_t len = strcspn(mu_buf_str(&text), "\r\n");
    if (len > 0)
        return mu_secret_set(ret, text.data, len, err);
    mu_fail(err, MU_E_EMPTY, "the file %s has an empty first line, where the PIN should stand",
            path);
    return mu_hint(err, "put the PIN on the first line of the file");
}

static int get_pin(const struct mu_pkcs11_uri *uri, const char *token,
                   const struct mu_passphrase_source *source, struct mu_secret *ret,
                   struct mu_error *err)
{
    char shown[80], what[128];
    const char *named = uri->at[MU_PKCS11_PIN_SOURCE].data;
    mu_str_printable(token, strlen(token), shown, sizeof shown);
    snprintf(what, sizeof what, "the token \"%s\" (its PIN)", shown);
    if (named != NULL)
        return read_pin_source(named, ret, err);
    if (source == NULL)
        return mu_fail(err, MU_E_PASSPHRASE_NEEDED, "%s is protected by a passphrase", what);
    return source->ask(source->arg, what, ret, err);
}

static int fail_locked(const char *token, struct mu_error *err)
{
    mu_fail(err, MU_E_PIN, "the token \"%s\" is locked: a wrong PIN was given too often", token);
    return mu_hint(
        err,
        "whoever has its SO PIN (or PUK) can set a new PIN: pkcs11-tool --module MODULE --login "
        "--login-type so --init-pin");
}

static int fail_pin(const struct look *look, const struct mu_token_place *place, CK_RV rv,
                    struct mu_error *err)
{
    CK_TOKEN_INFO info = {.flags = 0};
    CK_FLAGS flags = look->p11->C_GetTokenInfo(place->slot, &info) == CKR_OK ? info.flags : 0;
    char token[80];
    mu_str_printable(place->token, strlen(place->token), token, sizeof token);
    switch (rv) {
    case CKR_PIN_LOCKED: return fail_locked(token, err);
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
        mu_fail(err, MU_E_PIN, "the PIN is not that of the token \"%s\"", token);
        if ((flags & CKF_USER_PIN_LOCKED) != 0)
            return fail_locked(token, err);
        return mu_hint(err, "check the PIN before the next try: %s",
                       (flags & CKF_USER_PIN_FINAL_TRY) != 0
                           ? "one more wrong one locks the token"
                           : "after a few wrong ones a token locks itself");
    case CKR_PIN_EXPIRED:
        mu_fail(err, MU_E_PIN, "the PIN of the token \"%s\" has expired", token);
        return mu_hint(err, "set a new one: pkcs11-tool --module MODULE --change-pin");
    default: return fail_token(err, rv, "the PIN was not taken by the token", token);
    }
}

static int log_in(struct look *look, const struct mu_pkcs11_uri *uri, CK_FLAGS flags, bool to_write,
                  const struct mu_passphrase_source *source, struct mu_token_place *place,
                  struct mu_error *err)
{
    char token[80];
    mu_str_printable(place->token, strlen(place->token), token, sizeof token);
    CK_FLAGS session = CKF_SERIAL_SESSION | (to_write ? CKF_RW_SESSION : 0);
    CK_RV rv = look->p11->C_OpenSession(place->slot, session, NULL, NULL, &look->session);
    if (rv != CKR_OK)
        return fail_token(err, rv, "cannot open a session with the token", token);
    look->has_session = true;
    place->login = (flags & CKF_LOGIN_REQUIRED) != 0;
    if (!place->login)
        return 0;
    if ((flags & CKF_USER_PIN_LOCKED) != 0)
        return fail_locked(token, err);
    if ((flags & CKF_USER_PIN_INITIALIZED) == 0) {
        mu_fail(err, MU_E_PIN, "the token \"%s\" has no PIN yet", token);
        return mu_hint(err,
                       "set one: pkcs11-tool --module MODULE --login --login-type so --init-pin");
    }
    if ((flags & CKF_PROTECTED_AUTHENTICATION_PATH) == 0 &&
        get_pin(uri, place->token, source, &place->pin, err) != 0)
        return -1;
    rv = look->p11->C_Login(look->session, CKU_USER, (unsigned char *)place->pin.data,
                            place->pin.len);
    return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? 0 : fail_pin(look, place, rv, err);
}

/* --- The key --- */

static int find_keys(const struct look *look, const struct mu_pkcs11_uri *uri,
                     CK_OBJECT_HANDLE found[KEYS_MAX], CK_ULONG *ret_count, struct mu_error *err)
{
    static CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    static const struct {
        enum mu_pkcs11_attribute attribute;
        CK_ATTRIBUTE_TYPE type;
    } named[] = {{MU_PKCS11_OBJECT, CKA_LABEL}, {MU_PKCS11_ID, CKA_ID}};
    CK_ATTRIBUTE template[3] = {{CKA_CLASS, &class, sizeof class}};
    CK_ULONG wanted = 1;
    for (size_t i = 0; i < MU_COUNT(named); i++) {
        const struct mu_pkcs11_value *value = &uri->at[named[i].attribute];
        if (value->data != NULL)
            template[wanted++] = (CK_ATTRIBUTE){named[i].type, value->data, value->len};
    }
    CK_RV rv = look->p11->C_FindObjectsInit(look->session, template, wanted);
    if (rv == CKR_OK) {
        rv = look->p11->C_FindObjects(look->session, found, KEYS_MAX, ret_count);
        look->p11->C_FindObjectsFinal(look->session);
    }
    return rv == CKR_OK ? 0 : fail_token(err, rv, "cannot look for keys in", "the token");
}

/* An attribute's value, "" or 0 octets where there is none or it is too long. */
static size_t read_value(const struct look *look, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                         void *ret, size_t cap)
{
    CK_ATTRIBUTE attribute = {type, ret, cap};
    CK_RV rv = look->p11->C_GetAttributeValue(look->session, object, &attribute, 1);
    return rv != CKR_OK || attribute.ulValueLen > cap ? 0 : attribute.ulValueLen;
}

static void list_keys(const struct look *look, const CK_OBJECT_HANDLE *found, CK_ULONG count,
                      char list[LIST_LEN])
{
    for (CK_ULONG i = 0; i < count; i++) {
        unsigned char id[20];
        char label[LABEL_LEN], hex[3 * sizeof id + 1], text[LABEL_LEN + sizeof hex + 8];
        size_t id_len = read_value(look, found[i], CKA_ID, id, sizeof id);
        label[read_value(look, found[i], CKA_LABEL, label, sizeof label - 1)] = '\0';
        mu_str_hex(id, id_len, '%', hex);
        snprintf(text, sizeof text, "%s%s%s", label, id_len > 0 ? ";id=%" : "", hex);
        list_add(list, text);
    }
}

static int fail_without_key(const struct look *look, const struct mu_pkcs11_uri *uri,
                            const char *token, struct mu_error *err)
{
    const struct mu_pkcs11_uri any = {0};
    CK_OBJECT_HANDLE found[KEYS_MAX];
    CK_ULONG count = 0;
    char there[LIST_LEN] = "", shown[LABEL_LEN];
    const struct mu_pkcs11_value *label = &uri->at[MU_PKCS11_OBJECT];
    if (find_keys(look, &any, found, &count, err) != 0)
        return -1;
    list_keys(look, found, count, there);
    if (label->data == NULL)
        mu_fail(err, MU_E_TOKEN, "there is no private key like that in the token \"%s\"", token);
    else
        mu_fail(err, MU_E_TOKEN, "there is no private key \"%s\"%s in the token \"%s\"",
                mu_str_printable(label->data, label->len, shown, sizeof shown),
                uri->at[MU_PKCS11_ID].data == NULL ? "" : " with that id", token);
    return count > 0
               ? mu_hint(err, "there are: %s", there)
               : mu_hint(err, "there is none at all; make one: pkcs11-tool --module MODULE --login "
                              "--keypairgen --key-type EC:prime256v1 --id 01 --label NAME");
}

static int find_key(const struct look *look, const struct mu_pkcs11_uri *uri,
                    struct mu_token_place *place, struct mu_error *err)
{
    CK_OBJECT_HANDLE found[KEYS_MAX];
    CK_ULONG count = 0;
    CK_KEY_TYPE type = 0;
    char list[LIST_LEN] = "", token[80];
    mu_str_printable(place->token, strlen(place->token), token, sizeof token);
    if (find_keys(look, uri, found, &count, err) != 0)
        return -1;
    if (count == 0)
        return fail_without_key(look, uri, token, err);
    if (count > 1) {
        list_keys(look, found, count, list);
        mu_fail(err, MU_E_AMBIGUOUS,
                "several private keys in the token \"%s\" fit that PKCS#11 URI: %s", token, list);
        return mu_hint(err, "name one by object= and id=");
    }
    place->id_len = read_value(look, found[0], CKA_ID, place->id, sizeof place->id);
    place->object[read_value(look, found[0], CKA_LABEL, place->object, sizeof place->object - 1)] =
        '\0';
    if (read_value(look, found[0], CKA_KEY_TYPE, &type, sizeof type) == sizeof type)
        place->edwards = type == CKK_EC_EDWARDS;
    return 0;
}

/* --- A new key --- */

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

struct pair_template {
    CK_ATTRIBUTE public[8], private[8];
    CK_ULONG public_count, private_count;
};

static void add(CK_ATTRIBUTE *list, CK_ULONG *count, CK_ATTRIBUTE_TYPE type, void *value, size_t len)
{
    list[(*count)++] = (CK_ATTRIBUTE){type, value, len};
}

static void name_pair(struct pair_template *t, const struct mu_pkcs11_value *label, void *id,
                      size_t id_len)
{
    CK_ATTRIBUTE *lists[] = {t->public, t->private};
    CK_ULONG *counts[] = {&t->public_count, &t->private_count};
    for (size_t i = 0; i < MU_COUNT(lists); i++) {
        add(lists[i], counts[i], CKA_TOKEN, &yes, sizeof yes);
        add(lists[i], counts[i], CKA_LABEL, label->data, label->len);
        add(lists[i], counts[i], CKA_ID, id, id_len);
    }
    add(t->public, &t->public_count, CKA_VERIFY, &yes, sizeof yes);
    add(t->private, &t->private_count, CKA_SIGN, &yes, sizeof yes);
    add(t->private, &t->private_count, CKA_PRIVATE, &yes, sizeof yes);
    add(t->private, &t->private_count, CKA_SENSITIVE, &yes, sizeof yes);
    add(t->private, &t->private_count, CKA_EXTRACTABLE, &no, sizeof no);
}

/* The curve by its object identifier, or the modulus by its length. */
static int shape_pair(struct pair_template *t, const char *type, CK_MECHANISM *ret,
                      unsigned char curve[32], CK_ULONG *bits, struct mu_error *err)
{
    static unsigned char exponent[] = {1, 0, 1};
    const char *group;
    unsigned wanted_bits;
    if (mu_key_type_parts(type, &group, &wanted_bits, err) != 0)
        return -1;
    if (wanted_bits != 0) {
        *bits = wanted_bits;
        ret->mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
        add(t->public, &t->public_count, CKA_MODULUS_BITS, bits, sizeof *bits);
        add(t->public, &t->public_count, CKA_PUBLIC_EXPONENT, exponent, sizeof exponent);
        return 0;
    }
    unsigned char *p = curve;
    ASN1_OBJECT *oid = group == NULL ? NULL : OBJ_nid2obj(EC_curve_nist2nid(group));
    int len = oid == NULL ? 0 : i2d_ASN1_OBJECT(oid, NULL);
    if (len <= 0 || len > 32) {
        mu_fail(err, MU_E_UNSUPPORTED, "a key of the type %s is not made in a token from here",
                type);
        return mu_hint(
            err,
            "choose a P- or RSA type, or make it with the token's own program and leave out --key-type");
    }
    i2d_ASN1_OBJECT(oid, &p);
    ret->mechanism = CKM_EC_KEY_PAIR_GEN;
    add(t->public, &t->public_count, CKA_EC_PARAMS, curve, (size_t)len);
    return 0;
}

static int make_key(const struct look *look, const struct mu_pkcs11_uri *uri, const char *type,
                    const char *token, struct mu_error *err)
{
    struct pair_template template = {.public_count = 0};
    const struct mu_pkcs11_value *label = &uri->at[MU_PKCS11_OBJECT];
    const struct mu_pkcs11_value *id = &uri->at[MU_PKCS11_ID];
    CK_OBJECT_HANDLE found[KEYS_MAX], public, private;
    CK_MECHANISM mechanism = {0};
    CK_ULONG count = 0, bits;
    unsigned char fresh_id[8], curve[32];
    if (label->data == NULL)
        return mu_fail(err, MU_E_PKCS11_URI, "a new key in a token needs a name: object=NAME");
    if (find_keys(look, uri, found, &count, err) != 0)
        return -1;
    if (count > 0) {
        mu_fail(err, MU_E_EXISTS, "there is a key of that name in the token \"%s\" already", token);
        return mu_hint(err, "use it, without --key-type; or give the new one another name");
    }
    if (getrandom(fresh_id, sizeof fresh_id, 0) != (ssize_t)sizeof fresh_id)
        return mu_fail_errno(err, MU_E_SYSTEM, "there is no random number to be had");
    name_pair(&template, label, id->data != NULL ? (void *)id->data : fresh_id,
              id->data != NULL ? id->len : sizeof fresh_id);
    if (shape_pair(&template, type, &mechanism, curve, &bits, err) != 0)
        return -1;
    CK_RV rv = look->p11->C_GenerateKeyPair(look->session, &mechanism, template.public,
                                            template.public_count, template.private,
                                            template.private_count, &public, &private);
    return rv == CKR_OK ? 0 : fail_token(err, rv, "no key was made by the token", token);
}

/* --- All of it --- */

/* With `type` it is made first. */
static int find(const struct mu_pkcs11_uri *uri, const char *type,
                const struct mu_passphrase_source *source, struct mu_token_place *place,
                struct mu_error *err)
{
    CK_FLAGS flags = 0;
    MU_AUTO_CLEAR(look) look = {.began = false};
    if (find_module(uri, place, err) != 0 || begin(place->module, &look, err) != 0 ||
        check_library(&look, uri, place->module, err) != 0 ||
        find_token(&look, uri, place, &flags, err) != 0 ||
        log_in(&look, uri, flags, type != NULL, source, place, err) != 0 ||
        (type != NULL && make_key(&look, uri, type, place->token, err) != 0))
        return -1;
    return find_key(&look, uri, place, err);
}

/* A certificate is made of the public half, which an EC key in a token need not have with it. */
static int check_public_half(const struct mu_key *key, const struct mu_token_place *place,
                             struct mu_error *err)
{
    unsigned char pin[32];
    char token[80];
    if (mu_key_pin(key, pin, err) == 0)
        return 0;
    mu_fail(err, MU_E_TOKEN, "the token \"%s\" does not have the public half of the key",
            mu_str_printable(place->token, strlen(place->token), token, sizeof token));
    return mu_hint(err,
                   "write the public key to it, under the same id: pkcs11-tool --module MODULE --login "
                   "--write-object FILE --type pubkey --id ID");
}

static int open_found(const struct mu_token_place *place, struct mu_key **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_key) key = NULL;
    EVP_PKEY *evp = mu_token_evp_provider(place, err);
    if (evp == NULL && (err->code != MU_OK || mu_token_evp_libp11(place, &evp, err) != 0))
        return -1;
    if (mu_key_wrap(evp, &key, err) != 0 || check_public_half(key, place, err) != 0)
        return -1;
    *ret = mu_take(&key);
    return 0;
}

static int find_and_open(const struct mu_pkcs11_uri *uri, const char *type,
                         const struct mu_passphrase_source *source, struct mu_key **ret,
                         struct mu_error *err)
{
    struct mu_token_place place = {.slot = 0};
    struct mu_error why = MU_ERROR_INIT;
    int result = find(uri, type, source, &place, err);
    if (result == 0)
        result = open_found(&place, ret, &why);
    if (why.code != MU_OK)
        *err = why;
    mu_secret_clear(&place.pin);
    return result;
}

int mu_token_key_open(const struct mu_pkcs11_uri *uri, const struct mu_passphrase_source *source,
                      struct mu_key **ret, struct mu_error *err)
{
    return find_and_open(uri, NULL, source, ret, err);
}

int mu_token_key_make(const struct mu_pkcs11_uri *uri, const char *type,
                      const struct mu_passphrase_source *source, struct mu_key **ret,
                      struct mu_error *err)
{
    return find_and_open(uri, type, source, ret, err);
}

bool mu_token_key_is_named(const char *path)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    return mu_objects_load(path, &objects, &ignored) == 0 &&
           objects.at[0].kind == MU_OBJECT_TOKEN_KEY;
}

/* libp11's keys are of OpenSSL's older kind, which no provider has; nothing else here makes such. */
bool mu_key_is_in_token(const struct mu_key *key)
{
    const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(mu_key_evp(key));
    return provider == NULL || mu_str_equal(OSSL_PROVIDER_get0_name(provider), "pkcs11");
}

int mu_fail_in_token(struct mu_error *err)
{
    mu_fail(err, MU_E_UNSUPPORTED, "the private key is in a token, which does not give it away");
    return mu_hint(
        err,
        "whoever is to use it names it by its PKCS#11 URI; a key that is to be handed on is made in a "
        "file");
}
