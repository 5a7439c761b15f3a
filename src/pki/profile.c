#include "pki/profile.h"

#include <openssl/x509_vfy.h>
#include <strings.h>

#include "base/str.h"
#include "base/time.h"
#include "pki/name.h"
#include "pki/ossl.h"

static const struct mu_profile_rules rules[] = {
    [MU_PROFILE_SERVER] = {"server", true, false, false, false, 90 * MU_DAY_S},
    [MU_PROFILE_CLIENT] = {"client", false, true, false, true, 90 * MU_DAY_S},
    [MU_PROFILE_PEER] = {"peer", true, true, false, false, 90 * MU_DAY_S},
    [MU_PROFILE_CA] = {"ca", false, false, false, true, 3650 * MU_DAY_S},
    [MU_PROFILE_OCSP] = {"ocsp", false, false, true, true, 7 * MU_DAY_S},
};

const struct mu_profile_rules *mu_profile_rules(enum mu_profile profile)
{
    return &rules[profile];
}

uint32_t mu_profile_purposes(enum mu_profile profile)
{
    const struct mu_profile_rules *rule = &rules[profile];
    return (rule->server_auth ? XKU_SSL_SERVER : 0u) | (rule->client_auth ? XKU_SSL_CLIENT : 0u) |
           (rule->ocsp_signing ? XKU_OCSP_SIGN : 0u);
}

int mu_profile_parse(const char *name, enum mu_profile *ret, struct mu_error *err)
{
    for (size_t i = 0; i < MU_PROFILE_CA; i++)
        if (mu_str_equal(rules[i].name, name)) {
            *ret = (enum mu_profile)i;
            return 0;
        }
    mu_fail(err, MU_E_USAGE, "\"%s\" is not a kind of certificate", name);
    return mu_hint(err, "it is server, client or peer (both)");
}

/*
 * --- The last look ---
 *
 * Extensions are read one by one: X509_get_key_usage() and its like first have the whole certificate encoded and
 * digested, and leave purposes out that they do not know.
 */

static int broken(struct mu_error *err, const char *rule)
{
    mu_fail(err, MU_E_PROFILE,
            "the certificate was made, but breaks a rule, and is thrown away: %s", rule);
    return mu_hint(err,
                   "this is a fault of mutual: please report it with the command that you gave");
}

static bool extension_is_critical(X509 *x, int nid)
{
    int at = X509_get_ext_by_NID(x, nid, -1);
    return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(x, at)) == 1;
}

static bool extension_is_there(X509 *x, int nid)
{
    return X509_get_ext_by_NID(x, nid, -1) >= 0;
}

static bool says_ca(X509 *x, bool *ret_path_length)
{
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x, NID_basic_constraints, NULL, NULL);
    bool says = basic != NULL && basic->ca != 0;
    *ret_path_length = basic != NULL && basic->pathlen != NULL;
    BASIC_CONSTRAINTS_free(basic);
    return says;
}

/* KU_*; 0 where there are none. */
static uint32_t key_usages(X509 *x)
{
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(x, NID_key_usage, NULL, NULL);
    int len = usage == NULL ? 0 : ASN1_STRING_length(usage);
    const unsigned char *bits = usage == NULL ? NULL : ASN1_STRING_get0_data(usage);
    uint32_t ret = (len > 0 ? bits[0] : 0u) | (len > 1 ? (uint32_t)bits[1] << 8 : 0u);
    ASN1_BIT_STRING_free(usage);
    return ret;
}

static uint32_t purpose_of(const ASN1_OBJECT *object)
{
    switch (OBJ_obj2nid(object)) {
    case NID_server_auth: return XKU_SSL_SERVER;
    case NID_client_auth: return XKU_SSL_CLIENT;
    case NID_OCSP_sign: return XKU_OCSP_SIGN;
    default: return XKU_ANYEKU; /* which no profile has */
    }
}

/* XKU_*; 0 where there are none. */
static uint32_t purposes(X509 *x)
{
    uint32_t ret = 0;
    MU_AUTO(EXTENDED_KEY_USAGE) all = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    for (int i = 0; i < sk_ASN1_OBJECT_num(all); i++)
        ret |= purpose_of(sk_ASN1_OBJECT_value(all, i));
    return ret;
}

/* Positive, and 17 or 18 octets of which at least 16 are random. [RFC 5280 4.1.2.2] */
static bool serial_is_good(X509 *x)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    return (ASN1_STRING_type(serial) & V_ASN1_NEG) == 0 && ASN1_STRING_length(serial) >= 17 &&
           ASN1_STRING_length(serial) <= 20;
}

static bool has_rsa_key(X509 *x)
{
    ASN1_OBJECT *algorithm = NULL;
    return X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, X509_get_X509_PUBKEY(x)) == 1 &&
           OBJ_obj2nid(algorithm) == NID_rsaEncryption;
}

static const char *key_usage_fault(X509 *x, enum mu_profile profile)
{
    uint32_t usage = key_usages(x);
    bool rsa = has_rsa_key(x);
    bool enciphers = rsa && mu_profile_rules(profile)->server_auth;
    uint32_t leaf = KU_DIGITAL_SIGNATURE | (enciphers ? KU_KEY_ENCIPHERMENT : 0);
    uint32_t wanted = profile == MU_PROFILE_CA ? KU_KEY_CERT_SIGN | KU_CRL_SIGN : leaf;
    if (!extension_is_critical(x, NID_key_usage))
        return "keyUsage is there and critical";
    return usage == wanted ? NULL : "keyUsage is what the profile says, and no more";
}

static const char *purpose_fault(X509 *x, enum mu_profile profile)
{
    bool has_eku = extension_is_there(x, NID_ext_key_usage);
    uint32_t wanted = mu_profile_purposes(profile);
    if (has_eku != (wanted != 0))
        return "extKeyUsage is there exactly for leaves";
    if (extension_is_there(x, NID_id_pkix_OCSP_noCheck) != (profile == MU_PROFILE_OCSP))
        return "ocsp-nocheck is there exactly for a responder";
    return purposes(x) == wanted ? NULL : "extKeyUsage is what the profile says, and no more";
}

/* A common name that is none of the alternative names would be one that nobody checked. */
static bool cn_is_also_a_san(X509 *x)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO(GENERAL_NAMES) san = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    if (mu_names_from_x509(X509_get_subject_name(x), san, &names, &ignored) != 0)
        return false;
    for (size_t i = 0; names.cn != NULL && i < names.count; i++)
        if (strcasecmp(names.san[i].value, names.cn) == 0)
            return true;
    return names.cn == NULL;
}

static const char *names_fault(X509 *x, const struct mu_profile_rules *rule)
{
    bool has_san = extension_is_there(x, NID_subject_alt_name);
    bool has_subject = X509_NAME_entry_count(X509_get_subject_name(x)) > 0;
    if (!has_san && !rule->free_text_name)
        return "there is a subjectAltName";
    if (!has_san && !has_subject)
        return "there is a name";
    if (!rule->free_text_name && !cn_is_also_a_san(x))
        return "the common name is one of the alternative names";
    return has_subject || extension_is_critical(x, NID_subject_alt_name)
               ? NULL
               : "subjectAltName is critical where the subject is empty";
}

static const char *basic_fault(X509 *x, enum mu_profile profile)
{
    bool has_path_length = false;
    bool is_ca = says_ca(x, &has_path_length);
    if (X509_get_version(x) != X509_VERSION_3)
        return "it is X.509 version 3";
    if (!serial_is_good(x))
        return "the serial number is positive and random";
    if (!extension_is_critical(x, NID_basic_constraints) || is_ca != (profile == MU_PROFILE_CA))
        return "basicConstraints is critical, and CA:TRUE exactly for a CA";
    if (is_ca && !has_path_length)
        return "a CA has an explicit path length";
    if (!extension_is_there(x, NID_subject_key_identifier) ||
        !extension_is_there(x, NID_authority_key_identifier))
        return "subject and authority key identifiers are there";
    return NULL;
}

int mu_profile_check_draft(enum mu_profile profile, const struct mu_cert *cert,
                           const struct mu_cert *issuer, struct mu_error *err)
{
    X509 *x = mu_cert_x509(cert);
    const char *fault = basic_fault(x, profile);
    if (fault == NULL)
        fault = key_usage_fault(x, profile);
    if (fault == NULL)
        fault = purpose_fault(x, profile);
    if (fault == NULL)
        fault = names_fault(x, &rules[profile]);
    if (fault == NULL && mu_cert_not_after(cert) > mu_cert_not_after(issuer))
        fault = "it does not outlive its issuer";
    if (fault == NULL &&
        X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(mu_cert_x509(issuer))) != 0)
        fault = "it names its issuer";
    return fault == NULL ? 0 : broken(err, fault);
}

int mu_profile_check(enum mu_profile profile, const struct mu_cert *cert,
                     const struct mu_cert *issuer, struct mu_error *err)
{
    EVP_PKEY *issuer_key = X509_get0_pubkey(mu_cert_x509(issuer));
    if (mu_profile_check_draft(profile, cert, issuer, err) != 0)
        return -1;
    return issuer_key != NULL && X509_verify(mu_cert_x509(cert), issuer_key) == 1
               ? 0
               : broken(err, "its issuer's key verifies it");
}
