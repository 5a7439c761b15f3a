/* Names from a command line: what is accepted must survive the way into a certificate and back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pki/name.h"
#include "pki/ossl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct mu_names *names)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) san = NULL;
    MU_AUTO_CLEAR(mu_names) back = {0};
    if (mu_names_to_x509(names, &subject, &san, &err) != 0 ||
        mu_names_from_x509(subject, san, &back, &err) != 0)
        abort();
    if (back.count != names->count || (back.cn == NULL) != (names->cn == NULL) ||
        (back.cn != NULL && !mu_str_equal(back.cn, names->cn)))
        abort();
    for (size_t i = 0; i < back.count; i++)
        if (back.san[i].kind != names->san[i].kind ||
            !mu_str_equal(back.san[i].value, names->san[i].value))
            abort();
}

/* The first byte says how; the rest is the name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_names) names = {0};
    if (size == 0)
        return 0;
    char *text = calloc(1, size);
    if (text == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    int result = data[0] % 3 == 0   ? mu_names_add(&names, text, &err)
                 : data[0] % 3 == 1 ? mu_names_set_main(&names, text, false, &err)
                                    : mu_names_set_main(&names, text, true, &err);
    if (result == 0)
        round_trip(&names);
    else if (err.what[0] == '\0' || err.hint[0] == '\0')
        abort();
    free(text);
    return 0;
}
