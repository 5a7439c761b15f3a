/* What RFC 5280 asks of names, and of constraints on them. */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "pki/constraint.h"
#include "pki/name.h"
#include "pki/ossl.h"
#include "pki/strict_rule.h"

MU_AUTO_DEFINE(NAME_CONSTRAINTS, NAME_CONSTRAINTS_free)

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

bool mu_strict_malformed_name(const struct mu_strict_link *link, char *detail)
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
        return mu_strict_say(detail, "\"%s\"", text);
    }
    return false;
}

/* --- Name constraints --- */

bool mu_strict_constraint_in_leaf(const struct mu_strict_link *link, char *detail)
{
    (void)detail;
    return !mu_strict_is_ca(link) && X509_get_ext_by_NID(link->x, NID_name_constraints, -1) >= 0;
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
        if (tree->maximum != NULL || (tree->minimum != NULL && !mu_strict_is_zero(tree->minimum)))
            return mu_strict_say(detail, "a minimum or a maximum is set");
        if (is_sound_constraint(tree->base))
            continue;
        name_text(tree->base, text, sizeof text);
        return mu_strict_say(detail, "\"%s\" is none that can be", text);
    }
    return false;
}

bool mu_strict_malformed_constraint(const struct mu_strict_link *link, char *detail)
{
    int critical = -1;
    MU_AUTO(NAME_CONSTRAINTS)
    constraints = X509_get_ext_d2i(link->x, NID_name_constraints, &critical, NULL);
    if (constraints == NULL)
        return false; /* there are none, or they cannot be decoded, which another rule tells */
    if (!critical)
        return mu_strict_say(detail, "they are not critical");
    if (sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees) <= 0 &&
        sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees) <= 0)
        return mu_strict_say(detail, "they are empty");
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

static bool is_excluded_above(const struct mu_strict_link *link, const char *wildcard)
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
bool mu_strict_wildcard_over_excluded(const struct mu_strict_link *link, char *detail)
{
    char text[1024];
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(link->x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS && as_text(name->d.dNSName, text, sizeof text) &&
            text[0] == '*' && is_excluded_above(link, text))
            return mu_strict_say(detail, "a wildcard covers a name that is excluded");
    }
    return false;
}

static bool fits_above(const struct mu_strict_link *link, const ASN1_IA5STRING *uri)
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
bool mu_strict_uri_beyond_constraints(const struct mu_strict_link *link, char *detail)
{
    MU_AUTO(GENERAL_NAMES) names = X509_get_ext_d2i(link->x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI && !fits_above(link, name->d.uniformResourceIdentifier))
            return mu_strict_say(detail,
                                 "a URI does not name its host plainly, for which a constraint asks");
    }
    return false;
}
