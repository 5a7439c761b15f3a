#include "pki/extension.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "pki/ossl.h"

MU_AUTO_DEFINE(ASN1_OBJECT, ASN1_OBJECT_free)
MU_AUTO_DEFINE(ASN1_TYPE, ASN1_TYPE_free)

enum { VALUE_MAX = 8192 };

/* An X509_EXTENSION by another name: see cert.c. */
X509_EXTENSION *mu_extension_x509(const struct mu_extension *extension)
{
    return (X509_EXTENSION *)extension;
}

void mu_extension_free(struct mu_extension *extension)
{
    X509_EXTENSION_free(mu_extension_x509(extension));
}

bool mu_extension_same_oid(const struct mu_extension *a, const struct mu_extension *b)
{
    return OBJ_cmp(X509_EXTENSION_get_object(mu_extension_x509(a)),
                   X509_EXTENSION_get_object(mu_extension_x509(b))) == 0;
}

/* What a CA decides on by itself. */
static bool is_reserved(int nid)
{
    static const int reserved[] = {
        NID_basic_constraints,
        NID_key_usage,
        NID_ext_key_usage,
        NID_subject_alt_name,
        NID_issuer_alt_name,
        NID_subject_key_identifier,
        NID_authority_key_identifier,
        NID_name_constraints,
        NID_policy_constraints,
        NID_policy_mappings,
        NID_inhibit_any_policy,
        NID_crl_distribution_points,
        NID_freshest_crl,
        NID_info_access,
        NID_sinfo_access,
        NID_private_key_usage_period,
        NID_netscape_cert_type,
        NID_proxyCertInfo,
        NID_id_pkix_OCSP_noCheck,
        NID_ct_precert_poison,
        NID_ct_precert_scts,
    };
    for (size_t i = 0; i < MU_COUNT(reserved); i++)
        if (reserved[i] == nid)
            return true;
    return false;
}

/* "2.5.4.3 and no more": OBJ_txt2obj() would take names and pass over much. [X.660: the first arc is 0, 1 or 2] */
static bool is_dotted(const char *oid)
{
    size_t arcs = 0;
    if (oid[0] < '0' || oid[0] > '2')
        return false;
    for (const char *p = oid;; p++) {
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || (digits > 1 && *p == '0'))
            return false;
        arcs++;
        p += digits;
        if (*p != '.')
            return *p == '\0' && arcs >= 3;
    }
}

static int check_oid(const char *oid, struct mu_error *err)
{
    char shown[128];
    MU_AUTO(ASN1_OBJECT) object = is_dotted(oid) ? OBJ_txt2obj(oid, 1) : NULL;
    mu_str_printable(oid, strlen(oid), shown, sizeof shown);
    if (object == NULL) {
        mu_fail_openssl(err, MU_E_EXTENSION, "\"%s\" is not an OID", shown);
        return mu_hint(err, "write it in numbers, as 1.3.6.1.4.1.99999.1");
    }
    if (!is_reserved(OBJ_obj2nid(object)))
        return 0;
    mu_fail(err, MU_E_EXTENSION, "the extension %s (%s) is not for a policy to add", shown,
            OBJ_nid2ln(OBJ_obj2nid(object)));
    return mu_hint(err, "leave it out: the CA decides on it by itself");
}

/* One whole DER value; and where OpenSSL knows the extension, one that it can read. */
static bool is_sound(X509_EXTENSION *extension)
{
    const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(extension);
    const unsigned char *p = ASN1_STRING_get0_data(data), *end = p + ASN1_STRING_length(data);
    MU_AUTO(ASN1_TYPE) value = d2i_ASN1_TYPE(NULL, &p, end - p);
    if (value == NULL || p != end)
        return false;
    const X509V3_EXT_METHOD *method = X509V3_EXT_get(extension);
    void *read = method == NULL ? NULL : X509V3_EXT_d2i(extension);
    if (method == NULL || read == NULL)
        return method == NULL;
    if (method->it != NULL)
        ASN1_item_free(read, ASN1_ITEM_ptr(method->it));
    else
        method->ext_free(read);
    return true;
}

static int fail_value(struct mu_error *err, const char *value)
{
    char shown[128];
    mu_str_printable(value, strlen(value), shown, sizeof shown);
    mu_fail_openssl(err, MU_E_EXTENSION, "\"%s\" is not the value of an extension", shown);
    return mu_hint(err, "write it as openssl does: ASN1:UTF8String:text, or DER:0C:04:74:65:78:74");
}

int mu_extension_make(const char *oid, bool critical, const char *value, struct mu_extension **ret,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    bool known_form = strncmp(value, "ASN1:", 5) == 0 || strncmp(value, "DER:", 4) == 0;
    if (check_oid(oid, err) != 0)
        return -1;
    if (!known_form || strlen(value) > VALUE_MAX)
        return fail_value(err, value);
    mu_buf_addf(&text, "%s%s", critical ? "critical," : "", value);
    if (mu_buf_failed(&text))
        return mu_fail_nomem(err);
    MU_AUTO(X509_EXTENSION) made = X509V3_EXT_nconf(NULL, NULL, oid, mu_buf_str(&text));
    if (made == NULL || !is_sound(made))
        return fail_value(err, value);
    *ret = (struct mu_extension *)mu_take(&made);
    return 0;
}

/* The text of a value that is a string and nothing else. */
static bool string_text(const ASN1_OCTET_STRING *data, char *ret, size_t cap)
{
    const unsigned char *p = ASN1_STRING_get0_data(data), *end = p + ASN1_STRING_length(data);
    unsigned char *utf8 = NULL;
    MU_AUTO(ASN1_TYPE) value = d2i_ASN1_TYPE(NULL, &p, end - p);
    int type = value == NULL || p != end ? V_ASN1_UNDEF : ASN1_TYPE_get(value);
    if (type != V_ASN1_UTF8STRING && type != V_ASN1_IA5STRING && type != V_ASN1_PRINTABLESTRING)
        return false;
    int len = ASN1_STRING_to_UTF8(&utf8, value->value.asn1_string);
    if (len >= 0)
        mu_str_printable(utf8, (size_t)len, ret, cap);
    OPENSSL_free(utf8);
    return len >= 0;
}

char *mu_extension_text(const X509_EXTENSION *extension, char *ret, size_t cap)
{
    enum { OCTETS_SHOWN = 64 };
    char oid[128] = "", value[512];
    const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data((X509_EXTENSION *)extension);
    size_t len = (size_t)ASN1_STRING_length(data);
    OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object((X509_EXTENSION *)extension), 1);
    ERR_set_mark();
    if (!string_text(data, value, sizeof value)) {
        size_t shown = len < OCTETS_SHOWN ? len : OCTETS_SHOWN;
        mu_str_hex(ASN1_STRING_get0_data(data), shown, ':', value);
        if (shown < len)
            strcat(value, "...");
    }
    ERR_pop_to_mark();
    snprintf(ret, cap, "%s%s: %s", oid,
             X509_EXTENSION_get_critical(extension) == 1 ? " (critical)" : "", value);
    return ret;
}
