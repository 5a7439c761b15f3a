#ifndef MU_PKI_PKCS11_URI_H
#define MU_PKI_PKCS11_URI_H

/* The name of a key that lies in a token: pkcs11:token=home;object=ca [RFC 7512]. Read strictly. */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"

/* The attributes that RFC 7512 knows, but pin-value, which is refused. */
enum mu_pkcs11_attribute {
    MU_PKCS11_TOKEN,
    MU_PKCS11_MANUFACTURER,
    MU_PKCS11_SERIAL,
    MU_PKCS11_MODEL,
    MU_PKCS11_OBJECT,
    MU_PKCS11_ID, /* octets, not text */
    MU_PKCS11_TYPE,
    MU_PKCS11_SLOT_ID,
    MU_PKCS11_SLOT_DESCRIPTION,
    MU_PKCS11_SLOT_MANUFACTURER,
    MU_PKCS11_LIBRARY_MANUFACTURER,
    MU_PKCS11_LIBRARY_DESCRIPTION,
    MU_PKCS11_LIBRARY_VERSION,
    MU_PKCS11_PIN_SOURCE,
    MU_PKCS11_MODULE_NAME,
    MU_PKCS11_MODULE_PATH,
    MU_PKCS11_ATTRIBUTE_COUNT
};

struct mu_pkcs11_value {
    char *data; /* decoded, and ended with a NUL that `len` does not count; NULL: not named */
    size_t len;
};

/* All zero before it is parsed. */
struct mu_pkcs11_uri {
    struct mu_pkcs11_value at[MU_PKCS11_ATTRIBUTE_COUNT];
};

void mu_pkcs11_uri_clear(struct mu_pkcs11_uri *uri);
MU_AUTO_DEFINE_CLEAR(mu_pkcs11_uri, mu_pkcs11_uri_clear)

/* Does it begin like one? Whatever does is no path. */
bool mu_pkcs11_uri_is(const char *text);

/*
 * Fails with MU_E_PKCS11_URI: an attribute that is not known, stands twice, or has no value or an impossible one; a
 * character that has to be written as %XX; pin-value, which would show the PIN in the list of processes, or to
 * whoever may read the file. No value of the text enters the error: one may be a PIN. MU_E_NOMEM.
 */
MU_CHECK int mu_pkcs11_uri_parse(const char *text, size_t len, struct mu_pkcs11_uri *ret,
                                 struct mu_error *err);

#endif
