/* PKCS#11 URIs. What is understood has values, and only an id has a zero octet; what is not says why, without a PIN. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pki/pkcs11_uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
    if (mu_pkcs11_uri_parse((const char *)data, size, &uri, &err) != 0) {
        if (err.what[0] == '\0' || err.hint[0] == '\0')
            abort();
        return 0;
    }
    if (memmem(data, size, "pin-value=", strlen("pin-value=")) == data + strlen("pkcs11:"))
        abort();
    for (int i = 0; i < MU_PKCS11_ATTRIBUTE_COUNT; i++) {
        const struct mu_pkcs11_value *value = &uri.at[i];
        if (value->data == NULL)
            continue;
        if (value->len == 0 || value->len > size || value->data[value->len] != '\0' ||
            (i != MU_PKCS11_ID && strlen(value->data) != value->len))
            abort();
    }
    return 0;
}
