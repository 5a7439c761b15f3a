#include "pki/pkcs11_uri.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

static const char scheme[] = "pkcs11:";

/* Those behind the question mark are about the way to the token, the others about what is looked for. */
static const struct attribute {
    const char *name;
    bool query, octets;
} attributes[] = {
    [MU_PKCS11_TOKEN] = {"token", false, false},
    [MU_PKCS11_MANUFACTURER] = {"manufacturer", false, false},
    [MU_PKCS11_SERIAL] = {"serial", false, false},
    [MU_PKCS11_MODEL] = {"model", false, false},
    [MU_PKCS11_OBJECT] = {"object", false, false},
    [MU_PKCS11_ID] = {"id", false, true},
    [MU_PKCS11_TYPE] = {"type", false, false},
    [MU_PKCS11_SLOT_ID] = {"slot-id", false, false},
    [MU_PKCS11_SLOT_DESCRIPTION] = {"slot-description", false, false},
    [MU_PKCS11_SLOT_MANUFACTURER] = {"slot-manufacturer", false, false},
    [MU_PKCS11_LIBRARY_MANUFACTURER] = {"library-manufacturer", false, false},
    [MU_PKCS11_LIBRARY_DESCRIPTION] = {"library-description", false, false},
    [MU_PKCS11_LIBRARY_VERSION] = {"library-version", false, false},
    [MU_PKCS11_PIN_SOURCE] = {"pin-source", true, false},
    [MU_PKCS11_MODULE_NAME] = {"module-name", true, false},
    [MU_PKCS11_MODULE_PATH] = {"module-path", true, false},
};

void mu_pkcs11_uri_clear(struct mu_pkcs11_uri *uri)
{
    for (size_t i = 0; i < MU_COUNT(uri->at); i++)
        free(uri->at[i].data);
    *uri = (struct mu_pkcs11_uri){0};
}

bool mu_pkcs11_uri_is(const char *text)
{
    return strncasecmp(text, scheme, sizeof scheme - 1) == 0;
}

static int fail_pin_value(struct mu_error *err)
{
    mu_fail(err, MU_E_PKCS11_URI,
            "a PKCS#11 URI must not hold the PIN (pin-value): everybody on this machine could read it in the "
            "list of processes, and it would stay in the shell's history or in a file");
    return mu_hint(
        err, "leave it out and be asked, or name a file that only you can read: "
             "--passphrase-file FILE, or ?pin-source=file:/path in the URI; and change the PIN");
}

static int find_attribute(const char *name, size_t len, bool query, size_t *ret,
                          struct mu_error *err)
{
    char shown[64];
    if (len == strlen("pin-value") && memcmp(name, "pin-value", len) == 0)
        return fail_pin_value(err);
    for (size_t i = 0; i < MU_COUNT(attributes); i++) {
        if (strlen(attributes[i].name) != len || memcmp(attributes[i].name, name, len) != 0)
            continue;
        if (attributes[i].query != query)
            return mu_fail(err, MU_E_PKCS11_URI, "in a PKCS#11 URI, %s stands %s the question mark",
                           attributes[i].name, attributes[i].query ? "behind" : "before");
        *ret = i;
        return 0;
    }
    return mu_fail(err, MU_E_PKCS11_URI, "a PKCS#11 URI has no attribute \"%s\"",
                   mu_str_printable(name, len, shown, sizeof shown));
}

/* What may stand for itself: pk11-pchar and pk11-qchar, but for the separators. [RFC 7512 2.3] */
static bool is_plain(char c, bool query)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("-._~:[]@!$'()*+,=", c) != NULL) ||
           (c != '\0' && strchr(query ? "/?|" : "&", c) != NULL);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int decode(const struct attribute *attribute, const char *text, size_t len, char *ret,
                  size_t *ret_len, struct mu_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return mu_fail(err, MU_E_PKCS11_URI,
                               "in a PKCS#11 URI, a %% in %s needs two hexadecimal digits behind it",
                               attribute->name);
            c = (char)(high * 16 + low);
            i += 2;
        } else if (!is_plain(c, attribute->query)) {
            return mu_fail(err, MU_E_PKCS11_URI,
                           "in a PKCS#11 URI, %s holds a character that has to be written as %%%02X",
                           attribute->name, (unsigned char)c);
        }
        if (c == '\0' && !attribute->octets)
            return mu_fail(err, MU_E_PKCS11_URI, "in a PKCS#11 URI, %s holds a zero octet",
                           attribute->name);
        ret[n++] = c;
    }
    ret[n] = '\0';
    *ret_len = n;
    return 0;
}

/* name=value */
static int parse_attribute(const char *text, size_t len, bool query, struct mu_pkcs11_uri *ret,
                           struct mu_error *err)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals == NULL ? len : (size_t)(equals - text), i = 0;
    if (find_attribute(text, name_len, query, &i, err) != 0)
        return -1;
    struct mu_pkcs11_value *value = &ret->at[i];
    if (equals == NULL || name_len + 1 == len)
        return mu_fail(err, MU_E_PKCS11_URI, "in a PKCS#11 URI, %s has no value",
                       attributes[i].name);
    if (value->data != NULL)
        return mu_fail(err, MU_E_PKCS11_URI, "in a PKCS#11 URI, %s stands twice",
                       attributes[i].name);
    value->data = malloc(len - name_len);
    if (value->data == NULL)
        return mu_fail_nomem(err);
    return decode(&attributes[i], equals + 1, len - name_len - 1, value->data, &value->len, err);
}

static int parse_attributes(const char *text, size_t len, bool query, struct mu_pkcs11_uri *ret,
                            struct mu_error *err)
{
    const char *end = text + len;
    if (len == 0)
        return 0;
    for (const char *at = text;;) {
        const char *separator = memchr(at, query ? '&' : ';', (size_t)(end - at));
        const char *stop = separator == NULL ? end : separator;
        if (parse_attribute(at, (size_t)(stop - at), query, ret, err) != 0)
            return -1;
        if (separator == NULL)
            return 0;
        at = separator + 1;
    }
}

/* Values that not every text can be. */
static int check_values(const struct mu_pkcs11_uri *uri, struct mu_error *err)
{
    const struct mu_pkcs11_value *type = &uri->at[MU_PKCS11_TYPE];
    const struct mu_pkcs11_value *slot = &uri->at[MU_PKCS11_SLOT_ID];
    if (type->data != NULL && !mu_str_equal(type->data, "private"))
        return mu_fail(err, MU_E_PKCS11_URI,
                       "the PKCS#11 URI of a private key has type=private, or no type");
    if (slot->data != NULL && (strspn(slot->data, "0123456789") != slot->len || slot->len > 18))
        return mu_fail(err, MU_E_PKCS11_URI, "in a PKCS#11 URI, slot-id is a number");
    return 0;
}

int mu_pkcs11_uri_parse(const char *text, size_t len, struct mu_pkcs11_uri *ret,
                        struct mu_error *err)
{
    size_t start = sizeof scheme - 1;
    if (len < start || strncasecmp(text, scheme, start) != 0)
        return mu_fail(err, MU_E_PKCS11_URI, "a PKCS#11 URI begins with %s", scheme);
    const char *path = text + start, *end = text + len;
    const char *mark = memchr(path, '?', len - start);
    const char *path_end = mark == NULL ? end : mark;
    if (parse_attributes(path, (size_t)(path_end - path), false, ret, err) != 0 ||
        (mark != NULL && parse_attributes(mark + 1, (size_t)(end - mark - 1), true, ret, err) != 0))
        return -1;
    return check_values(ret, err);
}
