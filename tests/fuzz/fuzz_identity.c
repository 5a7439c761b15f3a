/* A certificate, as DER: whatever stands in it, the identity's names are clear, and no text of it breaks a line. */
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pki/identity.h"
#include "pki/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct mu_strs *list, bool ascii)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->at[i][0] == '\0' || strlen(list->at[i]) > MU_IDENTITY_TEXT_MAX)
            abort();
        for (const unsigned char *p = (const unsigned char *)list->at[i]; *p != '\0'; p++)
            if (*p < ' ' || *p == 0x7f || (ascii && (*p > 0x7f || *p == ' ')))
                abort();
    }
}

static void check_identity(const struct mu_identity *id)
{
    char text[256];
    check(&id->cn, false);
    check(&id->ou, false);
    check(&id->dns, true);
    check(&id->uri, true);
    check(&id->email, true);
    check(&id->ip, true);
    if (id->cn.count > 1 || strlen(id->subject) > MU_IDENTITY_TEXT_MAX)
        abort();
    if (id->cn.count + id->ou.count + id->dns.count + id->uri.count + id->email.count +
            id->ip.count >
        MU_IDENTITY_NAMES_MAX)
        abort();
    for (size_t i = 0; i < id->uri.count; i++)
        if (strncasecmp(id->uri.at[i], "spiffe:", 7) == 0 &&
            (!mu_name_is_spiffe(id->uri.at[i], NULL) || id->uri.count > 1))
            abort();
    for (const char *p = mu_identity_text(id, text, sizeof text); *p != '\0'; p++)
        if ((unsigned char)*p < ' ')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_error err = MU_ERROR_INIT;
    const unsigned char *p = data;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_STRUCT(mu_identity) id = NULL;
    X509 *x = d2i_X509(NULL, &p, (long)size);
    if (x == NULL || mu_cert_wrap(x, &cert, &err) != 0)
        return 0;
    if (mu_identity_read(cert, &id, &err) == 0)
        check_identity(id);
    return 0;
}
