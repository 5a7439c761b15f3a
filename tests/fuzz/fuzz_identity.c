/*
 * A certificate, as DER: whatever stands in it, the identity's names are clear, and no text of it breaks a line. And the same bytes as
 * the names of one that is well-formed otherwise, for a change in DER is seldom one in a name: how the subject is encoded, how long its
 * common name is, that, and what is in the subjectAltName.
 */
#include <openssl/evp.h>
#include <openssl/x509v3.h>
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

/* Takes `x`. */
static void read_identity(X509 *x)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_STRUCT(mu_identity) id = NULL;
    if (x != NULL && mu_cert_wrap(x, &cert, &err) == 0 && mu_identity_read(cert, &id, &err) == 0)
        check_identity(id);
}

static EVP_PKEY *any_key(void)
{
    static const unsigned char secret[32] = {1};
    static EVP_PKEY *key;
    if (key == NULL)
        key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof secret);
    return key;
}

static bool add_names(X509 *x, const uint8_t *data, size_t size)
{
    static const int types[] = {V_ASN1_UTF8STRING,      V_ASN1_PRINTABLESTRING, V_ASN1_BMPSTRING,
                                V_ASN1_UNIVERSALSTRING, V_ASN1_T61STRING,       V_ASN1_IA5STRING};
    const int type = types[data[0] % 6], cn_len = data[1];
    const uint8_t *names = data + 2 + cn_len;
    X509_NAME *subject = X509_get_subject_name(x);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    bool ok =
        X509_NAME_add_entry_by_NID(subject, NID_commonName, type, data + 2, cn_len, -1, 0) == 1 &&
        X509_NAME_add_entry_by_NID(subject, NID_organizationalUnitName, type, data + 2, cn_len, -1,
                                   0) == 1 &&
        ASN1_OCTET_STRING_set(value, names, (int)(data + size - names)) == 1;
    X509_EXTENSION *extension =
        ok ? X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value) : NULL;
    ok = extension != NULL && X509_add_ext(x, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    return ok;
}

static void read_names(const uint8_t *data, size_t size)
{
    if (size < 2 || size - 2 < data[1])
        return;
    X509 *x = X509_new();
    if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
        X509_set_pubkey(x, any_key()) == 1 && add_names(x, data, size) &&
        X509_sign(x, any_key(), NULL) > 0)
        read_identity(x);
    else
        X509_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned char *p = data;
    read_identity(d2i_X509(NULL, &p, (long)size));
    read_names(data, size);
    return 0;
}
