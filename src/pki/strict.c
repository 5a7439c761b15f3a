#include "pki/strict.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "pki/key.h"
#include "pki/key_public.h"
#include "pki/ossl.h"
#include "pki/strict_rule.h"

/* Longer keys are not checked for soundness: 24 ms at 4096 bits, and eight times that for twice as many. */
enum { RSA_BITS_TESTED_MAX = 4096, UTC_TIME_ENDS = 2050 };

bool mu_strict_say(char detail[MU_STRICT_DETAIL_LEN], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(detail, MU_STRICT_DETAIL_LEN, format, args);
    va_end(args);
    return true;
}

bool mu_strict_is_ca(const struct mu_strict_link *link)
{
    return (X509_get_extension_flags(link->x) & EXFLAG_CA) != 0;
}

static bool is_self_issued(const struct mu_strict_link *link)
{
    return (X509_get_extension_flags(link->x) & EXFLAG_SI) != 0;
}

/* --- Fields --- */

static bool no_v3(const struct mu_strict_link *link, char *detail)
{
    (void)detail;
    return X509_get_version(link->x) != X509_VERSION_3;
}

/* By the length of its encoding, which for a number with its highest bit set is one more than its octets. */
int mu_strict_encoded_len(const ASN1_INTEGER *number)
{
    const unsigned char *octets = ASN1_STRING_get0_data(number);
    int len = ASN1_STRING_length(number);
    return len + (len > 0 && octets[0] >= 0x80);
}

bool mu_strict_is_zero(const ASN1_INTEGER *number)
{
    const unsigned char *octets = ASN1_STRING_get0_data(number);
    for (int i = 0; i < ASN1_STRING_length(number); i++)
        if (octets[i] != 0)
            return false;
    return true;
}

static bool bad_serial(const struct mu_strict_link *link, char *detail)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(link->x);
    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        return mu_strict_say(detail, "negative");
    if (mu_strict_is_zero(serial))
        return mu_strict_say(detail, "zero");
    int len = mu_strict_encoded_len(serial);
    return len > MU_STRICT_OCTETS_MAX &&
           mu_strict_say(detail, "%d octets long, and may have %d", len, MU_STRICT_OCTETS_MAX);
}

static bool two_algorithms(const struct mu_strict_link *link, char *detail)
{
    const X509_ALGOR *outer = NULL;
    X509_get0_signature(NULL, &outer, link->x);
    return X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(link->x)) != 0 &&
           mu_strict_say(detail, "it names two different signature algorithms");
}

/* Seconds, Greenwich, no fractions; UTCTime through 2049 and GeneralizedTime from then on. */
bool mu_strict_bad_time(const ASN1_TIME *time)
{
    const int utc_len = 13, generalized_len = 15; /* YYMMDDHHMMSSZ, YYYYMMDDHHMMSSZ */
    int len = ASN1_STRING_length(time);
    const unsigned char *text = ASN1_STRING_get0_data(time);
    struct tm tm;
    if (len < 1 || text[len - 1] != 'Z' || ASN1_TIME_to_tm(time, &tm) != 1)
        return true;
    if (ASN1_STRING_type(time) == V_ASN1_UTCTIME)
        return len != utc_len;
    return len != generalized_len || tm.tm_year + 1900 < UTC_TIME_ENDS;
}

static bool bad_dates(const struct mu_strict_link *link, char *detail)
{
    return (mu_strict_bad_time(X509_get0_notBefore(link->x)) ||
            mu_strict_bad_time(X509_get0_notAfter(link->x))) &&
           mu_strict_say(detail, "its dates are not encoded as they have to be");
}

static bool unique_ids(const struct mu_strict_link *link, char *detail)
{
    const ASN1_BIT_STRING *issuer = NULL, *subject = NULL;
    X509_get0_uids(link->x, &issuer, &subject);
    return (issuer != NULL || subject != NULL) &&
           mu_strict_say(detail, "it has a unique identifier");
}

/* --- Extensions --- */

static void extension_name(X509_EXTENSION *extension, char *ret, int cap)
{
    char text[80] = "";
    OBJ_obj2txt(text, sizeof text, X509_EXTENSION_get_object(extension), 0);
    mu_str_printable(text, strlen(text), ret, (size_t)cap);
}

bool mu_strict_doubled_extension(const STACK_OF(X509_EXTENSION) * extensions, char *detail)
{
    char name[80];
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
        X509_EXTENSION *extension = sk_X509_EXTENSION_value(extensions, i);
        if (X509v3_get_ext_by_OBJ(extensions, X509_EXTENSION_get_object(extension), i) < 0)
            continue;
        extension_name(extension, name, sizeof name);
        return mu_strict_say(detail, "the extension %s stands in it twice", name);
    }
    return false;
}

static bool certificate_doubles(const struct mu_strict_link *link, char *detail)
{
    return mu_strict_doubled_extension(X509_get0_extensions(link->x), detail);
}

static bool can_be_decoded(X509_EXTENSION *extension)
{
    const X509V3_EXT_METHOD *method = X509V3_EXT_get(extension);
    if (method == NULL)
        return true; /* it is of no kind that we know */
    void *value = X509V3_EXT_d2i(extension);
    if (value == NULL)
        return false;
    if (method->it != NULL)
        ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
    else
        method->ext_free(value);
    return true;
}

static bool damaged_extension(const struct mu_strict_link *link, char *detail)
{
    char name[80];
    for (int i = 0; i < X509_get_ext_count(link->x); i++) {
        X509_EXTENSION *extension = X509_get_ext(link->x, i);
        if (can_be_decoded(extension))
            continue;
        extension_name(extension, name, sizeof name);
        return mu_strict_say(detail, "the extension %s cannot be decoded", name);
    }
    return false;
}

/* OpenSSL refuses what is critical and must not be; this is the other half. [4.2.1.11, 4.2.1.14] */
static bool wrongly_not_critical(const struct mu_strict_link *link, char *detail)
{
    static const int critical[] = {NID_policy_constraints, NID_inhibit_any_policy};
    for (size_t i = 0; i < MU_COUNT(critical); i++) {
        int at = X509_get_ext_by_NID(link->x, critical[i], -1);
        if (at >= 0 && !X509_EXTENSION_get_critical(X509_get_ext(link->x, at)))
            return mu_strict_say(detail, "the extension %s has to be critical",
                                 OBJ_nid2ln(critical[i]));
    }
    return false;
}

/* A key usage has a bit that is set, and a list has something on it. [4.2.1.3, 4.2.1.12, 4.2.1.13, 4.2.2.1] */
static bool empty_extension(const struct mu_strict_link *link, char *detail)
{
    static const int lists[] = {NID_ext_key_usage, NID_crl_distribution_points, NID_freshest_crl,
                                NID_info_access, NID_sinfo_access};
    if (X509_get_ext_by_NID(link->x, NID_key_usage, -1) >= 0 && X509_get_key_usage(link->x) == 0)
        return mu_strict_say(detail, "its key usage has nothing that the key may be used for");
    for (size_t i = 0; i < MU_COUNT(lists); i++) {
        static const unsigned char empty[] = {0x30, 0x00}; /* SEQUENCE of nothing */
        int at = X509_get_ext_by_NID(link->x, lists[i], -1);
        if (at < 0)
            continue;
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(link->x, at));
        if (ASN1_STRING_length(value) == (int)sizeof empty &&
            memcmp(ASN1_STRING_get0_data(value), empty, sizeof empty) == 0)
            return mu_strict_say(detail, "the extension %s is empty", OBJ_nid2ln(lists[i]));
    }
    return false;
}

/* A root that signs itself may leave it out, another anchor may not. OpenSSL asks all but the last. */
static bool no_authority_key(const struct mu_strict_link *link, char *detail)
{
    (void)detail;
    return link->depth + 1 == link->len && !is_self_issued(link) &&
           X509_get0_authority_key_id(link->x) == NULL;
}

/* --- Paths --- */

static const struct {
    mu_strict_rule *is_broken;
    enum mu_fault fault;
    const char *section;
} link_rules[] = {
    {no_v3, MU_FAULT_CERT_VERSION, "RFC 5280 4.1.2.1"},
    {bad_serial, MU_FAULT_SERIAL, "RFC 5280 4.1.2.2"},
    {two_algorithms, MU_FAULT_MALFORMED, "RFC 5280 4.1.1.2"},
    {bad_dates, MU_FAULT_MALFORMED, "RFC 5280 4.1.2.5"},
    {unique_ids, MU_FAULT_MALFORMED, "RFC 5280 4.1.2.8"},
    {certificate_doubles, MU_FAULT_MALFORMED, "RFC 5280 4.2"},
    {damaged_extension, MU_FAULT_MALFORMED, "RFC 5280 4.2"},
    {empty_extension, MU_FAULT_MALFORMED, "RFC 5280 4.2"},
    {wrongly_not_critical, MU_FAULT_MALFORMED, "RFC 5280 4.2"},
    {no_authority_key, MU_FAULT_AUTHORITY_KEY_ID, "RFC 5280 4.2.1.1"},
    {mu_strict_malformed_name, MU_FAULT_NAME_MALFORMED, "RFC 5280 4.2.1.6"},
    {mu_strict_constraint_in_leaf, MU_FAULT_CONSTRAINT_IN_LEAF, "RFC 5280 4.2.1.10"},
    {mu_strict_malformed_constraint, MU_FAULT_CONSTRAINT_MALFORMED, "RFC 5280 4.2.1.10"},
    {mu_strict_wildcard_over_excluded, MU_FAULT_NAME_CONSTRAINT, "RFC 5280 4.2.1.10"},
    {mu_strict_uri_beyond_constraints, MU_FAULT_NAME_CONSTRAINT, "RFC 5280 4.2.1.10"},
};

void mu_strict_check_path(X509 *const *path, size_t len, mu_strict_fn *tell, void *arg)
{
    ERR_set_mark();
    for (size_t depth = 0; depth < len; depth++) {
        struct mu_strict_link link = {.path = path,
                                      .len = len,
                                      .depth = depth,
                                      .x = path[depth],
                                      .anchor = depth + 1 == len};
        for (size_t i = 0; i < MU_COUNT(link_rules); i++) {
            char detail[MU_STRICT_DETAIL_LEN] = "";
            if (link_rules[i].is_broken(&link, detail))
                tell(link_rules[i].fault, (int)depth, link.x, link_rules[i].section, detail, arg);
        }
    }
    ERR_pop_to_mark();
}

void mu_strict_check_keys(X509 *const *path, size_t len, mu_strict_fn *tell, void *arg)
{
    ERR_set_mark();
    for (size_t depth = 0; depth < len; depth++) {
        EVP_PKEY *key = X509_get0_pubkey(path[depth]);
        if (key != NULL && EVP_PKEY_get_bits(key) <= RSA_BITS_TESTED_MAX &&
            (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "EC")) && !mu_key_is_sound(key))
            tell(MU_FAULT_UNSOUND_KEY, (int)depth, path[depth], "RFC 5280 4.1.2.7", "", arg);
    }
    ERR_pop_to_mark();
}
