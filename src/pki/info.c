#include "pki/info.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "pki/cidr.h"
#include "pki/extension.h"
#include "pki/ossl.h"

/* --- Text of OpenSSL's types --- */

/* What OpenSSL prints into a memory BIO, made printable. */
static void printable_from_bio(BIO *bio, char *ret, size_t cap)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    mu_str_printable(text, len < 0 ? 0 : (size_t)len, ret, cap);
}

void mu_name_text(const X509_NAME *name, char *ret, size_t cap)
{
    /* Escaped as RFC 2253 has it, but in the order of the encoding, as openssl shows names, and with UTF-8
     * left as it is. */
    const unsigned long style = (XN_FLAG_RFC2253 & ~(XN_FLAG_SEP_MASK | XN_FLAG_DN_REV |
                                                     (unsigned long)ASN1_STRFLGS_ESC_MSB)) |
                                XN_FLAG_SEP_CPLUS_SPC;
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    *ret = '\0';
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, style) >= 0)
        printable_from_bio(bio, ret, cap);
}

char *mu_fingerprint_text(const unsigned char *data, size_t len, char *ret, size_t cap)
{
    if (3 * len > cap)
        len = cap / 3;
    mu_str_hex(data, len, ':', ret);
    for (char *p = ret; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
    return ret;
}

void mu_integer_text(const ASN1_INTEGER *number, char *ret, size_t cap)
{
    MU_AUTO(BIGNUM) bn = number == NULL ? NULL : ASN1_INTEGER_to_BN(number, NULL);
    char *hex = bn == NULL ? NULL : BN_bn2hex(bn);
    mu_str_copy(ret, cap, hex == NULL ? "" : hex);
    OPENSSL_free(hex);
}

char *mu_cert_serial(const struct mu_cert *cert, char ret[MU_SERIAL_TEXT_LEN])
{
    mu_integer_text(X509_get0_serialNumber(mu_cert_x509(cert)), ret, MU_SERIAL_TEXT_LEN);
    return ret;
}

void mu_signature_text(int nid, const X509_ALGOR *algorithm, char *ret, size_t cap)
{
    const ASN1_OBJECT *object = NULL;
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    const char *name = nid == NID_undef ? NULL : OBJ_nid2ln(nid);
    if (name != NULL)
        mu_str_copy(ret, cap, name);
    else
        mu_oid_text(object, ret, cap);
}

/* --- Alternative names --- */

static void kind_and_text(const char *kind, const ASN1_STRING *text, char *ret, size_t cap)
{
    char value[1024];
    mu_str_printable(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text), value,
                     sizeof value);
    snprintf(ret, cap, "%s:%s", kind, value);
}

/* An address; or, in name constraints, a block of them. */
static void ip_text(const ASN1_OCTET_STRING *ip, char *ret, size_t cap)
{
    char value[MU_CIDR_TEXT_LEN] = "";
    const unsigned char *octets = ASN1_STRING_get0_data(ip);
    int len = ASN1_STRING_length(ip);
    if (len == 4 || len == 16)
        inet_ntop(len == 4 ? AF_INET : AF_INET6, octets, value, sizeof value);
    else if (len == 8 || len == 32)
        mu_cidr_octets_text(octets, (size_t)len, value);
    else
        snprintf(value, sizeof value, "(%d bytes)", len);
    snprintf(ret, cap, "IP:%s", value);
}

/* Names of other kinds: as OpenSSL prints them, "DirName:CN = alice" or "othername: UPN::alice@example". */
static void other_text(const GENERAL_NAME *name, char *ret, size_t cap)
{
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    mu_str_copy(ret, cap, "other name");
    if (bio != NULL && GENERAL_NAME_print(bio, (GENERAL_NAME *)name) == 1)
        printable_from_bio(bio, ret, cap);
}

void mu_general_name_text(const GENERAL_NAME *name, char *ret, size_t cap)
{
    switch (name->type) {
    case GEN_DNS: kind_and_text("DNS", name->d.dNSName, ret, cap); break;
    case GEN_EMAIL: kind_and_text("email", name->d.rfc822Name, ret, cap); break;
    case GEN_URI: kind_and_text("URI", name->d.uniformResourceIdentifier, ret, cap); break;
    case GEN_IPADD: ip_text(name->d.iPAddress, ret, cap); break;
    default: other_text(name, ret, cap); break;
    }
}

static int add_name(struct mu_strs *list, GENERAL_NAME *name)
{
    char text[1100];
    mu_general_name_text(name, text, sizeof text);
    return mu_strs_add(list, text);
}

static int read_san(X509 *x, struct mu_cert_info *ret)
{
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        if (add_name(&ret->san, sk_GENERAL_NAME_value(names, i)) != 0)
            return -1;
    return 0;
}

MU_AUTO_DEFINE(NAME_CONSTRAINTS, NAME_CONSTRAINTS_free)

static int add_trees(struct mu_strs *list, const STACK_OF(GENERAL_SUBTREE) * trees)
{
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++)
        if (add_name(list, sk_GENERAL_SUBTREE_value(trees, i)->base) != 0)
            return -1;
    return 0;
}

static int read_name_constraints(X509 *x, struct mu_cert_info *ret)
{
    MU_AUTO(NAME_CONSTRAINTS) found = X509_get_ext_d2i(x, NID_name_constraints, NULL, NULL);
    if (found == NULL)
        return 0;
    return add_trees(&ret->permitted, found->permittedSubtrees) != 0
               ? -1
               : add_trees(&ret->excluded, found->excludedSubtrees);
}

static bool is_told_elsewhere(int nid)
{
    static const int nids[] = {NID_basic_constraints,
                               NID_key_usage,
                               NID_ext_key_usage,
                               NID_subject_alt_name,
                               NID_subject_key_identifier,
                               NID_authority_key_identifier,
                               NID_name_constraints,
                               NID_crl_distribution_points,
                               NID_info_access};
    for (size_t i = 0; i < MU_COUNT(nids); i++)
        if (nids[i] == nid)
            return true;
    return false;
}

static int read_extensions(X509 *x, struct mu_cert_info *ret)
{
    char text[1024];
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *extension = X509_get_ext(x, i);
        if (is_told_elsewhere(OBJ_obj2nid(X509_EXTENSION_get_object(extension))))
            continue;
        if (mu_strs_add(&ret->extensions, mu_extension_text(extension, text, sizeof text)) != 0)
            return -1;
    }
    return 0;
}

/* --- Purposes --- */

static const struct purpose_name {
    int nid;
    const char *name;
} purpose_names[] = {
    {NID_server_auth, "TLS server"},          {NID_client_auth, "TLS client"},
    {NID_code_sign, "code signing"},          {NID_email_protect, "e-mail protection"},
    {NID_time_stamp, "time stamping"},        {NID_OCSP_sign, "OCSP signing"},
    {NID_anyExtendedKeyUsage, "any purpose"},
};

static int add_purpose(struct mu_strs *list, const ASN1_OBJECT *object)
{
    char text[128];
    for (size_t i = 0; i < MU_COUNT(purpose_names); i++)
        if (purpose_names[i].nid == OBJ_obj2nid(object))
            return mu_strs_add(list, purpose_names[i].name);
    mu_oid_text(object, text, sizeof text);
    return mu_strs_add(list, text);
}

static int read_purposes(X509 *x, struct mu_cert_info *ret)
{
    MU_AUTO(EXTENDED_KEY_USAGE) usages = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    ret->has_eku = usages != NULL;
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        const ASN1_OBJECT *usage = sk_ASN1_OBJECT_value(usages, i);
        int nid = OBJ_obj2nid(usage);
        ret->server_auth = ret->server_auth || nid == NID_server_auth;
        ret->client_auth = ret->client_auth || nid == NID_client_auth;
        ret->any_purpose = ret->any_purpose || nid == NID_anyExtendedKeyUsage;
        if (add_purpose(&ret->purposes, usage) != 0)
            return -1;
    }
    return 0;
}

static int read_key_usage(X509 *x, struct mu_cert_info *ret)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } usages[] = {
        {KU_DIGITAL_SIGNATURE, "digital signature"},
        {KU_NON_REPUDIATION, "non-repudiation"},
        {KU_KEY_ENCIPHERMENT, "key encipherment"},
        {KU_DATA_ENCIPHERMENT, "data encipherment"},
        {KU_KEY_AGREEMENT, "key agreement"},
        {KU_KEY_CERT_SIGN, "certificate signing"},
        {KU_CRL_SIGN, "CRL signing"},
        {KU_ENCIPHER_ONLY, "encipher only"},
        {KU_DECIPHER_ONLY, "decipher only"},
    };
    if ((X509_get_extension_flags(x) & EXFLAG_KUSAGE) == 0)
        return 0;
    uint32_t given = X509_get_key_usage(x);
    for (size_t i = 0; i < MU_COUNT(usages); i++)
        if ((given & usages[i].bit) != 0 && mu_strs_add(&ret->key_usage, usages[i].name) != 0)
            return -1;
    return 0;
}

/* --- Where to ask about revocation --- */

static int add_uris(struct mu_strs *list, const GENERAL_NAMES *names)
{
    char text[1024];
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const ASN1_STRING *uri = name->d.uniformResourceIdentifier;
        mu_str_printable(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri), text,
                         sizeof text);
        if (mu_strs_add(list, text) != 0)
            return -1;
    }
    return 0;
}

MU_AUTO_DEFINE(CRL_DIST_POINTS, CRL_DIST_POINTS_free)

static int read_crl_urls(X509 *x, struct mu_cert_info *ret)
{
    MU_AUTO(CRL_DIST_POINTS) points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT_NAME *point = sk_DIST_POINT_value(points, i)->distpoint;
        if (point != NULL && point->type == 0 && add_uris(&ret->crl_urls, point->name.fullname) != 0)
            return -1;
    }
    return 0;
}

static int read_ocsp_urls(X509 *x, struct mu_cert_info *ret)
{
    char text[1024];
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(x);
    int result = 0;
    for (int i = 0; result == 0 && i < sk_OPENSSL_STRING_num(urls); i++) {
        const char *url = sk_OPENSSL_STRING_value(urls, i);
        mu_str_printable(url, strlen(url), text, sizeof text);
        result = mu_strs_add(&ret->ocsp_urls, text);
    }
    X509_email_free(urls);
    return result;
}

/* --- The plain fields --- */

static void read_key(X509 *x, struct mu_cert_info *ret)
{
    MU_AUTO_STRUCT(mu_key) key = NULL;
    struct mu_error ignored = MU_ERROR_INIT;
    ASN1_OBJECT *algorithm = NULL;
    EVP_PKEY *evp = X509_get_pubkey(x);
    if (evp != NULL && mu_key_wrap(evp, &key, &ignored) == 0)
        mu_key_describe(key, ret->key);
    else if (X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, X509_get_X509_PUBKEY(x)) == 1)
        mu_oid_text(algorithm, ret->key, sizeof ret->key);
}

static void read_fingerprints(X509 *x, struct mu_cert_info *ret)
{
    unsigned char digest[EVP_MAX_MD_SIZE], *spki = NULL;
    unsigned len = 0;
    if (X509_digest(x, EVP_sha256(), digest, &len) == 1)
        mu_fingerprint_text(digest, len, ret->sha256, sizeof ret->sha256);
    if (X509_digest(x, EVP_sha1(), digest, &len) == 1)
        mu_fingerprint_text(digest, len, ret->sha1, sizeof ret->sha1);
    int spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
    if (spki_len > 0 && EVP_Digest(spki, (size_t)spki_len, digest, &len, EVP_sha256(), NULL) == 1)
        mu_fingerprint_text(digest, len, ret->key_sha256, sizeof ret->key_sha256);
    OPENSSL_free(spki);
}

static void read_key_ids(X509 *x, struct mu_cert_info *ret)
{
    const ASN1_OCTET_STRING *subject = X509_get0_subject_key_id(x);
    const ASN1_OCTET_STRING *authority = X509_get0_authority_key_id(x);
    if (subject != NULL)
        mu_fingerprint_text(ASN1_STRING_get0_data(subject), (size_t)ASN1_STRING_length(subject),
                            ret->subject_key_id, sizeof ret->subject_key_id);
    if (authority != NULL)
        mu_fingerprint_text(ASN1_STRING_get0_data(authority), (size_t)ASN1_STRING_length(authority),
                            ret->authority_key_id, sizeof ret->authority_key_id);
}

static void read_constraints(X509 *x, const struct mu_cert *cert, struct mu_cert_info *ret)
{
    uint32_t flags = X509_get_extension_flags(x);
    ret->is_ca = mu_cert_is_ca(cert);
    ret->has_basic_constraints = (flags & EXFLAG_BCONS) != 0;
    ret->basic_constraints_critical = (flags & EXFLAG_BCONS_CRITICAL) != 0;
    ret->path_length = (int)X509_get_pathlen(x);
    ret->self_issued = (flags & EXFLAG_SI) != 0;
    ret->self_signed = ret->self_issued && X509_self_signed(x, 1) == 1;
}

static int read_fields(const struct mu_cert *cert, struct mu_cert_info *ret)
{
    X509 *x = mu_cert_x509(cert);
    ret->version = (int)X509_get_version(x) + 1;
    mu_name_text(X509_get_subject_name(x), ret->subject, sizeof ret->subject);
    mu_name_text(X509_get_issuer_name(x), ret->issuer, sizeof ret->issuer);
    if (!mu_name_cn(X509_get_subject_name(x), ret->cn))
        ret->cn[0] = '\0';
    mu_integer_text(X509_get0_serialNumber(x), ret->serial, sizeof ret->serial);
    ret->not_before = mu_cert_not_before(cert);
    ret->not_after = mu_cert_not_after(cert);
    read_constraints(x, cert, ret);
    read_key(x, ret);
    mu_signature_text(X509_get_signature_nid(x), X509_get0_tbs_sigalg(x), ret->signature,
                      sizeof ret->signature);
    read_fingerprints(x, ret);
    read_key_ids(x, ret);
    return read_san(x, ret) != 0 || read_name_constraints(x, ret) != 0 ||
                   read_extensions(x, ret) != 0 || read_purposes(x, ret) != 0 ||
                   read_key_usage(x, ret) != 0 || read_crl_urls(x, ret) != 0 ||
                   read_ocsp_urls(x, ret) != 0
               ? -1
               : 0;
}

int mu_cert_info_read(const struct mu_cert *cert, time_t now, struct mu_cert_info *ret,
                      struct mu_error *err)
{
    *ret = (struct mu_cert_info){.path_length = -1};
    ERR_set_mark();
    int result = read_fields(cert, ret) != 0 || mu_cert_find_problems(cert, now, ret) != 0 ? -1 : 0;
    ERR_pop_to_mark(); /* what could not be decoded shows as a problem */
    return result == 0 ? 0 : mu_fail_nomem(err);
}

void mu_cert_info_clear(struct mu_cert_info *info)
{
    mu_strs_clear(&info->purposes);
    mu_strs_clear(&info->key_usage);
    mu_strs_clear(&info->san);
    mu_strs_clear(&info->crl_urls);
    mu_strs_clear(&info->ocsp_urls);
    mu_strs_clear(&info->permitted);
    mu_strs_clear(&info->excluded);
    mu_strs_clear(&info->extensions);
    mu_strs_clear(&info->problems);
    mu_strs_clear(&info->problem_ids);
}
