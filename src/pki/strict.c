#include "pki/strict.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "pki/constraint.h"
#include "pki/key.h"
#include "pki/name.h"
#include "pki/ossl.h"

MU_AUTO_DEFINE(NAME_CONSTRAINTS, NAME_CONSTRAINTS_free)

/* Longer keys are not checked for soundness: 24 ms at 4096 bits, and eight times that for twice as many. */
enum { SERIAL_OCTETS_MAX = 20, RSA_BITS_TESTED_MAX = 4096, UTC_TIME_ENDS = 2050 };

/* A certificate in its place on the path. */
struct link {
    X509 *const *path; /* leaf first */
    size_t len, depth;
    X509 *x;
    bool anchor; /* trusted as it is: its own names are nobody's claim */
};

/* Does it break the rule? Then `detail` may say more. */
typedef bool link_rule(const struct link *link, char detail[MU_STRICT_DETAIL_LEN]);

static bool say(char detail[MU_STRICT_DETAIL_LEN], const char *format, ...) MU_PRINTF(2, 3);

static bool say(char detail[MU_STRICT_DETAIL_LEN], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(detail, MU_STRICT_DETAIL_LEN, format, args);
    va_end(args);
    return true;
}

static bool is_ca(const struct link *link)
{
    return (X509_get_extension_flags(link->x) & EXFLAG_CA) != 0;
}

static bool is_self_issued(const struct link *link)
{
    return (X509_get_extension_flags(link->x) & EXFLAG_SI) != 0;
}

/* --- Fields --- */

static bool no_v3(const struct link *link, char *detail)
{
    (void)detail;
    return X509_get_version(link->x) != X509_VERSION_3;
}

/* By the length of its encoding, which for a number with its highest bit set is one more than its octets. */
static int encoded_len(const ASN1_INTEGER *number)
{
    const unsigned char *octets = ASN1_STRING_get0_data(number);
    int len = ASN1_STRING_length(number);
    return len + (len > 0 && octets[0] >= 0x80);
}

static bool is_zero(const ASN1_INTEGER *number)
{
    const unsigned char *octets = ASN1_STRING_get0_data(number);
    for (int i = 0; i < ASN1_STRING_length(number); i++)
        if (octets[i] != 0)
            return false;
    return true;
}

static bool bad_serial(const struct link *link, char *detail)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(link->x);
    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        return say(detail, "negative");
    if (is_zero(serial))
        return say(detail, "zero");
    int len = encoded_len(serial);
    return len > SERIAL_OCTETS_MAX &&
           say(detail, "%d octets long, and may have %d", len, SERIAL_OCTETS_MAX);
}

static bool two_algorithms(const struct link *link, char *detail)
{
    const X509_ALGOR *outer = NULL;
    X509_get0_signature(NULL, &outer, link->x);
    return X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(link->x)) != 0 &&
           say(detail, "it names two different signature algorithms");
}

/* Seconds, Greenwich, no fractions; UTCTime through 2049 and GeneralizedTime from then on. */
static bool bad_time(const ASN1_TIME *time)
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

static bool bad_dates(const struct link *link, char *detail)
{
    return (bad_time(X509_get0_notBefore(link->x)) || bad_time(X509_get0_notAfter(link->x))) &&
           say(detail, "its dates are not encoded as they have to be");
}

static bool unique_ids(const struct link *link, char *detail)
{
    const ASN1_BIT_STRING *issuer = NULL, *subject = NULL;
    X509_get0_uids(link->x, &issuer, &subject);
    return (issuer != NULL || subject != NULL) && say(detail, "it has a unique identifier");
}

/* --- Extensions --- */

static void extension_name(X509_EXTENSION *extension, char *ret, int cap)
{
    char text[80] = "";
    OBJ_obj2txt(text, sizeof text, X509_EXTENSION_get_object(extension), 0);
    mu_str_printable(text, strlen(text), ret, (size_t)cap);
}

static bool doubled_extension(const STACK_OF(X509_EXTENSION) * extensions, char *detail)
{
    char name[80];
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
        X509_EXTENSION *extension = sk_X509_EXTENSION_value(extensions, i);
        if (X509v3_get_ext_by_OBJ(extensions, X509_EXTENSION_get_object(extension), i) < 0)
            continue;
        extension_name(extension, name, sizeof name);
        return say(detail, "the extension %s stands in it twice", name);
    }
    return false;
}

static bool certificate_doubles(const struct link *link, char *detail)
{
    return doubled_extension(X509_get0_extensions(link->x), detail);
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

static bool damaged_extension(const struct link *link, char *detail)
{
    char name[80];
    for (int i = 0; i < X509_get_ext_count(link->x); i++) {
        X509_EXTENSION *extension = X509_get_ext(link->x, i);
        if (can_be_decoded(extension))
            continue;
        extension_name(extension, name, sizeof name);
        return say(detail, "the extension %s cannot be decoded", name);
    }
    return false;
}

/* OpenSSL refuses what is critical and must not be; this is the other half. [4.2.1.11, 4.2.1.14] */
static bool wrongly_not_critical(const struct link *link, char *detail)
{
    static const int critical[] = {NID_policy_constraints, NID_inhibit_any_policy};
    for (size_t i = 0; i < MU_COUNT(critical); i++) {
        int at = X509_get_ext_by_NID(link->x, critical[i], -1);
        if (at >= 0 && !X509_EXTENSION_get_critical(X509_get_ext(link->x, at)))
            return say(detail, "the extension %s has to be critical", OBJ_nid2ln(critical[i]));
    }
    return false;
}

/* A key usage has a bit that is set, and a list has something on it. [4.2.1.3, 4.2.1.12, 4.2.1.13, 4.2.2.1] */
static bool empty_extension(const struct link *link, char *detail)
{
    static const int lists[] = {NID_ext_key_usage, NID_crl_distribution_points, NID_freshest_crl,
                                NID_info_access, NID_sinfo_access};
    if (X509_get_ext_by_NID(link->x, NID_key_usage, -1) >= 0 && X509_get_key_usage(link->x) == 0)
        return say(detail, "its key usage has nothing that the key may be used for");
    for (size_t i = 0; i < MU_COUNT(lists); i++) {
        static const unsigned char empty[] = {0x30, 0x00}; /* SEQUENCE of nothing */
        int at = X509_get_ext_by_NID(link->x, lists[i], -1);
        if (at < 0)
            continue;
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(link->x, at));
        if (ASN1_STRING_length(value) == (int)sizeof empty &&
            memcmp(ASN1_STRING_get0_data(value), empty, sizeof empty) == 0)
            return say(detail, "the extension %s is empty", OBJ_nid2ln(lists[i]));
    }
    return false;
}

/* A root that signs itself may leave it out, another anchor may not. OpenSSL asks all but the last. */
static bool no_authority_key(const struct link *link, char *detail)
{
    (void)detail;
    return link->depth + 1 == link->len && !is_self_issued(link) &&
           X509_get0_authority_key_id(link->x) == NULL;
}

/* --- Names --- */

/* As text, if it has no NUL in it, which would hide the rest. */
static bool as_text(const ASN1_STRING *string, char *ret, size_t cap)
{
    int len = ASN1_STRING_length(string);
    if (len < 0 || (size_t)len >= cap ||
        memchr(ASN1_STRING_get0_data(string), 0, (size_t)len) != NULL)
        return false;
    memcpy(ret, ASN1_STRING_get0_data(string), (size_t)len);
    ret[len] = '\0';
    return true;
}

static bool text_is(const ASN1_STRING *string, bool (*kind)(const char *))
{
    char text[1024];
    return as_text(string, text, sizeof text) && kind(text);
}

static bool is_sound_name(const GENERAL_NAME *name)
{
    int kind;
    const ASN1_STRING *text = GENERAL_NAME_get0_value(name, &kind);
    switch (kind) {
    case GEN_DNS: return text_is(text, mu_name_is_dns);
    case GEN_EMAIL: return text_is(text, mu_name_is_email);
    case GEN_URI: return text_is(text, mu_name_is_uri);
    case GEN_IPADD: return ASN1_STRING_length(text) == 4 || ASN1_STRING_length(text) == 16;
    default: return true;
    }
}

/* "DNS:.example.com", as OpenSSL prints it. */
static void name_text(GENERAL_NAME *name, char *ret, size_t cap)
{
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    mu_str_copy(ret, cap, "(unknown)");
    if (bio == NULL || GENERAL_NAME_print(bio, name) != 1)
        return;
    long len = BIO_get_mem_data(bio, &text);
    mu_str_printable(text, len < 0 ? 0 : (size_t)len, ret, cap);
}

static bool malformed_name(const struct link *link, char *detail)
{
    char text[160];
    if (link->anchor && link->depth > 0)
        return false;
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(link->x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (is_sound_name(name))
            continue;
        name_text(name, text, sizeof text);
        return say(detail, "\"%s\"", text);
    }
    return false;
}

/* --- Name constraints --- */

static bool constraint_in_leaf(const struct link *link, char *detail)
{
    (void)detail;
    return !is_ca(link) && X509_get_ext_by_NID(link->x, NID_name_constraints, -1) >= 0;
}

/* A host, or everything: no wildcard, and no leading dot, which only URIs and e-mail addresses have. */
static bool is_dns_constraint(const char *text)
{
    return *text == '\0' || (*text != '*' && mu_name_is_dns(text));
}

/* A mailbox, a host, or with a leading dot all hosts of a domain. */
static bool is_email_constraint(const char *text)
{
    return strchr(text, '@') != NULL ? mu_name_is_email(text)
                                     : is_dns_constraint(*text == '.' ? text + 1 : text);
}

static bool is_uri_constraint(const char *text)
{
    return is_dns_constraint(*text == '.' ? text + 1 : text);
}

/* An address and a mask that is a prefix. */
static bool is_ip_constraint(const ASN1_STRING *range)
{
    const unsigned char *octets = ASN1_STRING_get0_data(range);
    int len = ASN1_STRING_length(range);
    if (len != 8 && len != 32)
        return false;
    bool ended = false;
    for (int bit = 0; bit < len * 4; bit++) {
        bool set = (octets[len / 2 + bit / 8] & (0x80 >> bit % 8)) != 0;
        if (set && ended)
            return false;
        ended = !set;
    }
    return true;
}

static bool is_sound_constraint(const GENERAL_NAME *base)
{
    int kind;
    const ASN1_STRING *text = GENERAL_NAME_get0_value(base, &kind);
    switch (kind) {
    case GEN_DNS: return text_is(text, is_dns_constraint);
    case GEN_EMAIL: return text_is(text, is_email_constraint);
    case GEN_URI: return text_is(text, is_uri_constraint);
    case GEN_IPADD: return is_ip_constraint(text);
    default: return true;
    }
}

static bool bad_subtree(const STACK_OF(GENERAL_SUBTREE) * trees, char *detail)
{
    char text[160];
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++) {
        const GENERAL_SUBTREE *tree = sk_GENERAL_SUBTREE_value(trees, i);
        if (tree->maximum != NULL || (tree->minimum != NULL && !is_zero(tree->minimum)))
            return say(detail, "a minimum or a maximum is set");
        if (is_sound_constraint(tree->base))
            continue;
        name_text(tree->base, text, sizeof text);
        return say(detail, "\"%s\" is none that can be", text);
    }
    return false;
}

static bool malformed_constraint(const struct link *link, char *detail)
{
    int critical = -1;
    MU_AUTO(NAME_CONSTRAINTS)
    constraints = X509_get_ext_d2i(link->x, NID_name_constraints, &critical, NULL);
    if (constraints == NULL)
        return false; /* there are none, or they cannot be decoded, which another rule tells */
    if (!critical)
        return say(detail, "they are not critical");
    if (sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees) <= 0 &&
        sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees) <= 0)
        return say(detail, "they are empty");
    return bad_subtree(constraints->permittedSubtrees, detail) ||
           bad_subtree(constraints->excludedSubtrees, detail);
}

/* Would "*.example.org" let its holder be the excluded "api.example.org"? */
static bool wildcard_covers(const char *wildcard, const char *host)
{
    const char *dot = strchr(host, '.');
    return wildcard[0] == '*' && dot != NULL && strcasecmp(wildcard + 1, dot) == 0;
}

static bool covers_any(const char *wildcard, const STACK_OF(GENERAL_SUBTREE) * excluded)
{
    char host[1024];
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(excluded); i++) {
        const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(excluded, i)->base;
        if (base->type == GEN_DNS && as_text(base->d.dNSName, host, sizeof host) &&
            wildcard_covers(wildcard, host))
            return true;
    }
    return false;
}

static bool is_excluded_above(const struct link *link, const char *wildcard)
{
    for (size_t i = link->depth + 1; i < link->len; i++) {
        MU_AUTO(NAME_CONSTRAINTS)
        constraints = X509_get_ext_d2i(link->path[i], NID_name_constraints, NULL, NULL);
        if (constraints != NULL && covers_any(wildcard, constraints->excludedSubtrees))
            return true;
    }
    return false;
}

/* The constraints are on names, and a wildcard is many: OpenSSL takes it for one that is called "*". */
static bool wildcard_over_excluded(const struct link *link, char *detail)
{
    char text[1024];
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(link->x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS && as_text(name->d.dNSName, text, sizeof text) &&
            text[0] == '*' && is_excluded_above(link, text))
            return say(detail, "a wildcard covers a name that is excluded");
    }
    return false;
}

static bool fits_above(const struct link *link, const ASN1_IA5STRING *uri)
{
    for (size_t i = link->depth + 1; i < link->len; i++) {
        MU_AUTO(NAME_CONSTRAINTS)
        constraints = X509_get_ext_d2i(link->path[i], NID_name_constraints, NULL, NULL);
        if (constraints != NULL && !mu_constraints_fit_uri(constraints, uri))
            return false;
    }
    return true;
}

/* A constraint on hosts cannot be kept by an address, or by what each program reads as another host. */
static bool uri_beyond_constraints(const struct link *link, char *detail)
{
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(link->x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI && !fits_above(link, name->d.uniformResourceIdentifier))
            return say(detail, "a URI does not name its host plainly, for which a constraint asks");
    }
    return false;
}

/* --- Paths --- */

static const struct {
    link_rule *is_broken;
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
    {malformed_name, MU_FAULT_NAME_MALFORMED, "RFC 5280 4.2.1.6"},
    {constraint_in_leaf, MU_FAULT_CONSTRAINT_IN_LEAF, "RFC 5280 4.2.1.10"},
    {malformed_constraint, MU_FAULT_CONSTRAINT_MALFORMED, "RFC 5280 4.2.1.10"},
    {wildcard_over_excluded, MU_FAULT_NAME_CONSTRAINT, "RFC 5280 4.2.1.10"},
    {uri_beyond_constraints, MU_FAULT_NAME_CONSTRAINT, "RFC 5280 4.2.1.10"},
};

void mu_strict_check_path(X509 *const *path, size_t len, mu_strict_fn *tell, void *arg)
{
    ERR_set_mark();
    for (size_t depth = 0; depth < len; depth++) {
        struct link link = {.path = path,
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

/* --- Revocation lists --- */

typedef bool crl_rule(X509_CRL *crl, char detail[MU_STRICT_DETAIL_LEN]);

static bool no_number(X509_CRL *crl, char *detail)
{
    (void)detail;
    return X509_CRL_get_ext_by_NID(crl, NID_crl_number, -1) < 0;
}

static bool no_v2(X509_CRL *crl, char *detail)
{
    return X509_CRL_get_version(crl) != X509_CRL_VERSION_2 && say(detail, "it is not of version 2");
}

static bool bad_number(X509_CRL *crl, char *detail)
{
    int critical = -1;
    MU_AUTO(ASN1_INTEGER) number = X509_CRL_get_ext_d2i(crl, NID_crl_number, &critical, NULL);
    if (number == NULL)
        return say(detail, "its number cannot be decoded");
    if (critical)
        return say(detail, "its number is critical");
    return (ASN1_STRING_type(number) == V_ASN1_NEG_INTEGER ||
            encoded_len(number) > SERIAL_OCTETS_MAX) &&
           say(detail, "its number is negative, or longer than %d octets", SERIAL_OCTETS_MAX);
}

static bool no_next_update(X509_CRL *crl, char *detail)
{
    return X509_CRL_get0_nextUpdate(crl) == NULL &&
           say(detail, "it does not say when the next one is due");
}

static bool bad_crl_dates(X509_CRL *crl, char *detail)
{
    return (bad_time(X509_CRL_get0_lastUpdate(crl)) || bad_time(X509_CRL_get0_nextUpdate(crl))) &&
           say(detail, "its dates are not encoded as they have to be");
}

static bool crl_doubles(X509_CRL *crl, char *detail)
{
    return doubled_extension(X509_CRL_get0_extensions(crl), detail);
}

static int by_serial(const X509_REVOKED *const *a, const X509_REVOKED *const *b)
{
    return ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(*a), X509_REVOKED_get0_serialNumber(*b));
}

/* An indirect list may have the same number of two issuers. [5.3.3] */
static bool doubled_entry(X509_CRL *crl, char *detail)
{
    if (X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) >= 0)
        return false;
    STACK_OF(X509_REVOKED) *entries = sk_X509_REVOKED_dup(X509_CRL_get_REVOKED(crl));
    if (entries == NULL)
        return false;
    sk_X509_REVOKED_set_cmp_func(entries, by_serial);
    sk_X509_REVOKED_sort(entries);
    bool doubled = false;
    for (int i = 1; !doubled && i < sk_X509_REVOKED_num(entries); i++) {
        const X509_REVOKED *one = sk_X509_REVOKED_value(entries, i - 1);
        const X509_REVOKED *next = sk_X509_REVOKED_value(entries, i);
        doubled = by_serial(&one, &next) == 0;
    }
    sk_X509_REVOKED_free(entries);
    return doubled && say(detail, "it revokes the same certificate twice");
}

static bool is_indirect(X509_CRL *crl)
{
    MU_AUTO(ISSUING_DIST_POINT)
    point = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
    return point != NULL && point->indirectCRL > 0;
}

static bool takes_back(const X509_REVOKED *entry)
{
    MU_AUTO(ASN1_ENUMERATED) reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    return reason != NULL && ASN1_ENUMERATED_get(reason) == CRL_REASON_REMOVE_FROM_CRL;
}

/* OpenSSL takes both for "this one is not revoked", in whatever list they stand. [5.3.1, 5.3.3] */
static bool misplaced_entry(X509_CRL *crl, char *detail)
{
    bool complete = X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0;
    bool direct = !is_indirect(crl);
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
    for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);
        if (direct && X509_REVOKED_get_ext_by_NID(entry, NID_certificate_issuer, -1) >= 0)
            return say(detail,
                       "an entry is about another issuer, and the list is not an indirect one");
        if (complete && takes_back(entry))
            return say(detail, "an entry takes a revocation back, which only a delta list can");
    }
    return false;
}

static const struct {
    crl_rule *is_broken;
    enum mu_fault fault;
    const char *section;
} crl_rules[] = {
    {no_number, MU_FAULT_CRL_NUMBER, "RFC 5280 5.2.3"},
    {no_v2, MU_FAULT_CRL_MALFORMED, "RFC 5280 5.1.2.1"},
    {bad_number, MU_FAULT_CRL_MALFORMED, "RFC 5280 5.2.3"},
    {no_next_update, MU_FAULT_CRL_MALFORMED, "RFC 5280 5.1.2.5"},
    {bad_crl_dates, MU_FAULT_CRL_MALFORMED, "RFC 5280 5.1.2.4"},
    {crl_doubles, MU_FAULT_CRL_MALFORMED, "RFC 5280 5.2"},
    {doubled_entry, MU_FAULT_CRL_MALFORMED, "RFC 5280 5.1.2.6"},
    {misplaced_entry, MU_FAULT_CRL_MALFORMED, "RFC 5280 5.3"},
};

enum mu_fault mu_strict_check_crl(X509_CRL *crl, const char **ret_rule,
                                  char ret_detail[MU_STRICT_DETAIL_LEN])
{
    enum mu_fault fault = MU_FAULT_NONE;
    ERR_set_mark();
    for (size_t i = 0; fault == MU_FAULT_NONE && i < MU_COUNT(crl_rules); i++) {
        ret_detail[0] = '\0';
        if (!crl_rules[i].is_broken(crl, ret_detail))
            continue;
        fault = crl_rules[i].fault;
        *ret_rule = crl_rules[i].section;
    }
    ERR_pop_to_mark();
    return fault;
}
