#include "tls/expected.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "pki/name.h"
#include "pki/ossl.h"

enum { PIN_LEN = 32 };

void mu_tls_expected_clear(struct mu_tls_expected *expected)
{
    mu_strs_clear(&expected->dns);
    mu_strs_clear(&expected->uris);
    free(expected->pins);
    *expected = (struct mu_tls_expected){0};
}

/* As it would stand in a certificate: what could never be there is refused now. */
static int add_name(struct mu_strs *list, const char *kind, const char *text, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_CLEAR(mu_buf) said = MU_BUF_INIT;
    mu_buf_addf(&said, "%s:%s", kind, text);
    if (mu_buf_failed(&said))
        return mu_fail_nomem(err);
    if (mu_names_add(&names, mu_buf_str(&said), err) != 0)
        return -1;
    return mu_strs_add(list, names.san[0].value) != 0 ? mu_fail_nomem(err) : 0;
}

int mu_tls_expect_dns(struct mu_tls_expected *expected, const char *name, struct mu_error *err)
{
    return add_name(&expected->dns, "DNS", name, err);
}

int mu_tls_expect_uri(struct mu_tls_expected *expected, const char *uri, struct mu_error *err)
{
    return add_name(&expected->uris, "URI", uri, err);
}

int mu_tls_expect_pin(struct mu_tls_expected *expected, const char *pin, struct mu_error *err)
{
    unsigned char(*longer)[PIN_LEN] =
        realloc(expected->pins, (expected->pin_count + 1) * sizeof *longer);
    if (longer == NULL)
        return mu_fail_nomem(err);
    expected->pins = longer;
    if (!mu_key_pin_parse(pin, longer[expected->pin_count])) {
        mu_fail(err, MU_E_USAGE, "\"%s\" is not the pin of a public key", pin);
        return mu_hint(
            err, "write it as sha256//BASE64, as curl does, of the SHA-256 of the public key's DER");
    }
    expected->pin_count++;
    return 0;
}

static bool has_dns(const struct mu_tls_expected *expected, X509 *x)
{
    const unsigned flags =
        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    for (size_t i = 0; i < expected->dns.count; i++)
        if (X509_check_host(x, expected->dns.at[i], 0, flags, NULL) == 1)
            return true;
    return false;
}

static bool is_uri(const struct mu_tls_expected *expected, const ASN1_IA5STRING *uri)
{
    const size_t len = (size_t)ASN1_STRING_length(uri);
    for (size_t i = 0; i < expected->uris.count; i++)
        if (strlen(expected->uris.at[i]) == len &&
            memcmp(expected->uris.at[i], ASN1_STRING_get0_data(uri), len) == 0)
            return true;
    return false;
}

static bool has_uri(const struct mu_tls_expected *expected, X509 *x)
{
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI && is_uri(expected, name->d.uniformResourceIdentifier))
            return true;
    }
    return false;
}

static bool has_pin(const struct mu_tls_expected *expected, const struct mu_cert *cert)
{
    struct mu_error ignored = MU_ERROR_INIT;
    unsigned char pin[PIN_LEN];
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (mu_cert_key(cert, &key, &ignored) != 0 || mu_key_pin(key, pin, &ignored) != 0)
        return false;
    for (size_t i = 0; i < expected->pin_count; i++)
        if (memcmp(expected->pins[i], pin, sizeof pin) == 0)
            return true;
    return false;
}

bool mu_tls_expected_met(const struct mu_tls_expected *expected, const struct mu_cert *cert)
{
    X509 *x = mu_cert_x509(cert);
    if (expected->dns.count + expected->uris.count + expected->pin_count == 0)
        return true;
    return has_dns(expected, x) || (expected->uris.count > 0 && has_uri(expected, x)) ||
           (expected->pin_count > 0 && has_pin(expected, cert));
}
