#include "pki/token_look.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

enum { SLOTS_MAX = 64, PIN_LIMIT = 4096 };

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

int mu_token_fail(struct mu_error *err, CK_RV rv, const char *what, const char *name)
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

void mu_token_list_add(char list[MU_TOKEN_LIST_LEN], const char *text)
{
    char shown[80];
    size_t len = strlen(list);
    mu_str_printable(text, strlen(text), shown, sizeof shown);
    snprintf(list + len, MU_TOKEN_LIST_LEN - len, "%s\"%s\"", len > 0 ? ", " : "", shown);
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
    return rv == CKR_OK
               ? 0
               : mu_token_fail(err, rv, "cannot begin to work with the PKCS#11 module", path);
}

/* --- The token --- */

void mu_token_look_clear(struct mu_token_look *look)
{
    if (look->has_session)
        look->p11->C_CloseSession(look->session);
    if (look->began)
        look->p11->C_Finalize(NULL);
}

static int begin(const char *module, struct mu_token_look *ret, struct mu_error *err)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    if (load_module(module, &ret->p11, err) != 0)
        return -1;
    CK_RV rv = ret->p11->C_Initialize(&args);
    ret->began = rv == CKR_OK;
    return rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED
               ? 0
               : mu_token_fail(err, rv, "cannot begin to work with the PKCS#11 module", module);
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

static bool slot_fits(const struct mu_token_look *look, CK_SLOT_ID slot,
                      const struct mu_pkcs11_uri *uri)
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
static int check_library(const struct mu_token_look *look, const struct mu_pkcs11_uri *uri,
                         const char *module, struct mu_error *err)
{
    CK_INFO info;
    char version[16];
    const char *wanted = uri->at[MU_PKCS11_LIBRARY_VERSION].data;
    CK_RV rv = look->p11->C_GetInfo(&info);
    if (rv != CKR_OK)
        return mu_token_fail(err, rv, "cannot learn anything of the PKCS#11 module", module);
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
    char shown[MU_TOKEN_LABEL_LEN];
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

static int find_token(const struct mu_token_look *look, const struct mu_pkcs11_uri *uri,
                      struct mu_token_place *place, CK_FLAGS *ret_flags, struct mu_error *err)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG count = SLOTS_MAX;
    char there[MU_TOKEN_LIST_LEN] = "", fitting[MU_TOKEN_LIST_LEN] = "", label[33];
    int found = 0;
    CK_RV rv = look->p11->C_GetSlotList(CK_TRUE, slots, &count);
    if (rv != CKR_OK)
        return mu_token_fail(err, rv, "cannot list the tokens of the PKCS#11 module", place->module);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (look->p11->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
            (info.flags & CKF_TOKEN_INITIALIZED) == 0)
            continue;
        read_field(info.label, sizeof info.label, label);
        mu_token_list_add(there, label);
        if (!slot_fits(look, slots[i], uri) || !token_fits(&info, uri))
            continue;
        found++;
        mu_token_list_add(fitting, label);
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

static int fail_pin(const struct mu_token_look *look, const struct mu_token_place *place, CK_RV rv,
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
    default: return mu_token_fail(err, rv, "the PIN was not taken by the token", token);
    }
}

static int log_in(struct mu_token_look *look, const struct mu_pkcs11_uri *uri, CK_FLAGS flags,
                  bool to_write, const struct mu_passphrase_source *source,
                  struct mu_token_place *place, struct mu_error *err)
{
    char token[80];
    mu_str_printable(place->token, strlen(place->token), token, sizeof token);
    CK_FLAGS session = CKF_SERIAL_SESSION | (to_write ? CKF_RW_SESSION : 0);
    CK_RV rv = look->p11->C_OpenSession(place->slot, session, NULL, NULL, &look->session);
    if (rv != CKR_OK)
        return mu_token_fail(err, rv, "cannot open a session with the token", token);
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

/* --- All of it --- */

int mu_token_look_begin(const struct mu_pkcs11_uri *uri, bool to_write,
                        const struct mu_passphrase_source *source, struct mu_token_place *place,
                        struct mu_token_look *ret, struct mu_error *err)
{
    CK_FLAGS flags = 0;
    return find_module(uri, place, err) != 0 || begin(place->module, ret, err) != 0 ||
                   check_library(ret, uri, place->module, err) != 0 ||
                   find_token(ret, uri, place, &flags, err) != 0 ||
                   log_in(ret, uri, flags, to_write, source, place, err) != 0
               ? -1
               : 0;
}
