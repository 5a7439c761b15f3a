/* What RFC 5280 asks of a revocation list. */

#include <openssl/err.h>
#include <stdio.h>

#include "pki/ossl.h"
#include "pki/strict.h"
#include "pki/strict_rule.h"

typedef bool crl_rule(X509_CRL *crl, char detail[MU_STRICT_DETAIL_LEN]);

static bool no_number(X509_CRL *crl, char *detail)
{
    (void)detail;
    return X509_CRL_get_ext_by_NID(crl, NID_crl_number, -1) < 0;
}

static bool no_v2(X509_CRL *crl, char *detail)
{
    return X509_CRL_get_version(crl) != X509_CRL_VERSION_2 &&
           mu_strict_say(detail, "it is not of version 2");
}

static bool bad_number(X509_CRL *crl, char *detail)
{
    int critical = -1;
    MU_AUTO(ASN1_INTEGER) number = X509_CRL_get_ext_d2i(crl, NID_crl_number, &critical, NULL);
    if (number == NULL)
        return mu_strict_say(detail, "its number cannot be decoded");
    if (critical)
        return mu_strict_say(detail, "its number is critical");
    return (ASN1_STRING_type(number) == V_ASN1_NEG_INTEGER ||
            mu_strict_encoded_len(number) > MU_STRICT_OCTETS_MAX) &&
           mu_strict_say(detail, "its number is negative, or longer than %d octets",
                         MU_STRICT_OCTETS_MAX);
}

static bool no_next_update(X509_CRL *crl, char *detail)
{
    return X509_CRL_get0_nextUpdate(crl) == NULL &&
           mu_strict_say(detail, "it does not say when the next one is due");
}

static bool bad_crl_dates(X509_CRL *crl, char *detail)
{
    return (mu_strict_bad_time(X509_CRL_get0_lastUpdate(crl)) ||
            mu_strict_bad_time(X509_CRL_get0_nextUpdate(crl))) &&
           mu_strict_say(detail, "its dates are not encoded as they have to be");
}

static bool crl_doubles(X509_CRL *crl, char *detail)
{
    return mu_strict_doubled_extension(X509_CRL_get0_extensions(crl), detail);
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
    return doubled && mu_strict_say(detail, "it revokes the same certificate twice");
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
            return mu_strict_say(
                detail, "an entry is about another issuer, and the list is not an indirect one");
        if (complete && takes_back(entry))
            return mu_strict_say(detail,
                                 "an entry takes a revocation back, which only a delta list can");
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
