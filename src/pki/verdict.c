/* From X509_verify_cert()'s number to a fault, and from a fault to words with the names and dates of the case. */

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "pki/info.h"
#include "pki/name.h"
#include "pki/ossl.h"
#include "pki/verify.h"

static const struct fault_words {
    const char *id, *cause, *sentence, *hint;
} faults[MU_FAULT_COUNT] = {
    [MU_FAULT_NONE] = {"ok", "ok", "the certificate \"{subject}\" is good", ""},
#define MU_FAULT(code, id, cause, sentence, hint) [MU_FAULT_##code] = {id, cause, sentence, hint},
#include "pki/faults.def"
#undef MU_FAULT
};

static const struct fault_words *words_of(enum mu_fault fault)
{
    return &faults[(unsigned)fault < MU_FAULT_COUNT ? fault : MU_FAULT_OTHER];
}

const char *mu_fault_id(enum mu_fault fault)
{
    return words_of(fault)->id;
}

char *mu_fault_cause(enum mu_fault fault, enum mu_purpose side, char ret[MU_CAUSE_LEN])
{
    const char *cause = words_of(fault)->cause;
    const char *clients = strchr(cause, '|');
    if (clients != NULL && side == MU_PURPOSE_CLIENT)
        cause = clients + 1;
    mu_str_copy(ret, MU_CAUSE_LEN, cause);
    ret[strcspn(ret, "|")] = '\0';
    return ret;
}

/* --- The case at hand, and the places in a sentence that it fills --- */

struct matter {
    X509 *cert;    /* the certificate that is at fault, or NULL; borrowed */
    X509_CRL *crl; /* the list that said so, or NULL; borrowed */
    bool rekeyed;  /* a trusted CA has its issuer's name, and another key */
    struct mu_cert_info info;
    time_t at;
    const char *host;    /* may be NULL */
    const char *openssl; /* what X509_verify_cert_error_string() says */
    const char *detail;  /* more about it; NULL: OpenSSL's words have to do */
};

typedef void fill_fn(const struct matter *matter, char *ret, size_t cap);

static void fill_subject(const struct matter *matter, char *ret, size_t cap)
{
    char label[MU_CERT_LABEL_LEN] = "(unknown)";
    if (matter->cert != NULL)
        mu_cert_label((const struct mu_cert *)matter->cert, label);
    mu_str_copy(ret, cap, label);
}

static void fill_issuer(const struct matter *matter, char *ret, size_t cap)
{
    char label[MU_CERT_LABEL_LEN] = "(unknown)";
    if (matter->cert != NULL)
        mu_name_label(X509_get_issuer_name(matter->cert), label);
    mu_str_copy(ret, cap, label);
}

static void fill_serial(const struct matter *matter, char *ret, size_t cap)
{
    mu_str_copy(ret, cap, matter->info.serial);
}

static void fill_date(time_t t, char *ret, size_t cap)
{
    char date[MU_DATE_LEN];
    mu_str_copy(ret, cap, mu_date(t, date));
}

static void fill_relative(time_t t, time_t at, char *ret, size_t cap)
{
    char span[MU_SPAN_LEN];
    mu_str_copy(ret, cap, mu_relative(t, at, span));
}

static void fill_not_before(const struct matter *matter, char *ret, size_t cap)
{
    fill_date(matter->info.not_before, ret, cap);
}

static void fill_not_after(const struct matter *matter, char *ret, size_t cap)
{
    fill_date(matter->info.not_after, ret, cap);
}

static void fill_valid_in(const struct matter *matter, char *ret, size_t cap)
{
    fill_relative(matter->info.not_before, matter->at, ret, cap);
}

static void fill_expired_ago(const struct matter *matter, char *ret, size_t cap)
{
    fill_relative(matter->info.not_after, matter->at, ret, cap);
}

/* " on 2026-01-02 00:00 UTC, 3 days ago (keyCompromise)"; nothing without the list. [RFC 5280 5.3.1] */
static void fill_revoked_on(const struct matter *matter, char *ret, size_t cap)
{
    X509_REVOKED *entry = NULL;
    if (matter->crl == NULL || X509_CRL_get0_by_cert(matter->crl, &entry, matter->cert) != 1)
        return;
    char date[MU_DATE_LEN], ago[MU_SPAN_LEN];
    time_t t = mu_time_from_asn1(X509_REVOKED_get0_revocationDate(entry));
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, NULL, NULL);
    static const char *const reasons[] = {
        NULL,
        "its key was exposed",
        "its CA's key was exposed",
        "its holder's affiliation changed",
        "superseded",
        "no longer in use",
        "on hold",
    };
    long code = reason == NULL ? 0 : ASN1_ENUMERATED_get(reason);
    const char *why = code >= 0 && code < (long)MU_COUNT(reasons) ? reasons[code] : NULL;
    snprintf(ret, cap, " on %s, %s%s%s", mu_date(t, date), mu_relative(t, matter->at, ago),
             why == NULL ? "" : ": ", why == NULL ? "" : why);
    ASN1_ENUMERATED_free(reason);
}

/* " on 2026-01-02 00:00 UTC, 3 days ago"; nothing without the list. */
static void fill_crl_due(const struct matter *matter, char *ret, size_t cap)
{
    if (matter->crl == NULL)
        return;
    char date[MU_DATE_LEN], ago[MU_SPAN_LEN];
    time_t t = mu_time_from_asn1(X509_CRL_get0_nextUpdate(matter->crl));
    snprintf(ret, cap, " on %s, %s", mu_date(t, date), mu_relative(t, matter->at, ago));
}

static void fill_host(const struct matter *matter, char *ret, size_t cap)
{
    const char *host = matter->host == NULL ? "" : matter->host;
    mu_str_printable(host, strlen(host), ret, cap);
}

/* "a, b, c and 4 more"; `nothing` when the list is empty. */
static void fill_list(const struct mu_strs *list, const char *nothing, char *ret, size_t cap)
{
    const size_t shown = 4;
    struct mu_buf text = MU_BUF_INIT;
    for (size_t i = 0; i < list->count && i < shown; i++)
        mu_buf_addf(&text, "%s%.64s", i > 0 ? ", " : "", list->at[i]);
    if (list->count > shown)
        mu_buf_addf(&text, " and %zu more", list->count - shown);
    const char *all = list->count == 0 ? nothing : mu_buf_str(&text);
    mu_str_printable(all, strlen(all), ret, cap); /* mends a character that was cut in two */
    mu_buf_clear(&text);
}

/* The CN counts as a name only when there is no alternative name at all. [RFC 6125 6.4.4] */
static void fill_names(const struct matter *matter, char *ret, size_t cap)
{
    char cn[MU_CERT_LABEL_LEN + 8] = "no name at all";
    if (*matter->info.cn != '\0')
        snprintf(cn, sizeof cn, "CN:%s", matter->info.cn);
    fill_list(&matter->info.san, cn, ret, cap);
}

static void fill_purposes(const struct matter *matter, char *ret, size_t cap)
{
    fill_list(&matter->info.purposes, "no purpose that it names", ret, cap);
}

static void fill_key(const struct matter *matter, char *ret, size_t cap)
{
    mu_str_copy(ret, cap, matter->info.key);
}

static void fill_signature(const struct matter *matter, char *ret, size_t cap)
{
    mu_str_copy(ret, cap, matter->info.signature);
}

static void fill_openssl(const struct matter *matter, char *ret, size_t cap)
{
    mu_str_copy(ret, cap, matter->openssl);
}

static void fill_detail(const struct matter *matter, char *ret, size_t cap)
{
    mu_str_copy(ret, cap, matter->detail == NULL ? matter->openssl : matter->detail);
}

static const struct place {
    const char *name;
    fill_fn *fill;
} places[] = {
    {"{subject}", fill_subject},
    {"{issuer}", fill_issuer},
    {"{serial}", fill_serial},
    {"{not_before}", fill_not_before},
    {"{not_after}", fill_not_after},
    {"{valid_in}", fill_valid_in},
    {"{expired_ago}", fill_expired_ago},
    {"{revoked_on}", fill_revoked_on},
    {"{crl_due}", fill_crl_due},
    {"{host}", fill_host},
    {"{names}", fill_names},
    {"{purposes}", fill_purposes},
    {"{key}", fill_key},
    {"{signature}", fill_signature},
    {"{openssl}", fill_openssl},
    {"{detail}", fill_detail},
};

static const struct place *place_at(const char *text)
{
    for (size_t i = 0; i < MU_COUNT(places); i++)
        if (mu_str_starts_with(text, places[i].name))
            return &places[i];
    return NULL;
}

static void fill_in(const char *text, const struct matter *matter, char *ret, size_t cap)
{
    size_t len = 0;
    while (*text != '\0' && len + 1 < cap) {
        const struct place *place = *text == '{' ? place_at(text) : NULL;
        if (place == NULL) {
            ret[len++] = *text++;
            continue;
        }
        ret[len] = '\0';
        place->fill(matter, ret + len, cap - len);
        len += strlen(ret + len);
        text += strlen(place->name);
    }
    ret[len] = '\0';
}

/* --- Which fault it is --- */

static enum mu_fault purpose_fault(X509 *cert, const struct mu_cert_info *info, int depth)
{
    if (depth > 0)
        return MU_FAULT_CA_PURPOSE;
    /* OpenSSL has one number for both; it is the key usage if extKeyUsage allows what keyUsage does not. */
    uint32_t usage = X509_get_key_usage(cert);
    bool as_client = !info->has_eku || info->client_auth;
    bool as_server = !info->has_eku || info->server_auth;
    bool client_usage = (usage & (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT)) != 0;
    bool server_usage = client_usage || (usage & KU_KEY_ENCIPHERMENT) != 0;
    return (as_client && !client_usage) || (as_server && !server_usage) ? MU_FAULT_KEY_USAGE
                                                                        : MU_FAULT_PURPOSE;
}

/* OpenSSL takes a key that it cannot read, because it came after it (ML-DSA before 3.5), for one without strength. */
static enum mu_fault weak_key_fault(X509 *cert)
{
    return cert != NULL && X509_get0_pubkey(cert) == NULL ? MU_FAULT_UNSUPPORTED_KEY
                                                          : MU_FAULT_WEAK_KEY;
}

static enum mu_fault self_signed_fault(X509 *cert)
{
    /* By names alone a certificate named like its CA looks the same; its signature tells. */
    return X509_self_signed(cert, 1) == 1 ? MU_FAULT_SELF_SIGNED : MU_FAULT_SAME_NAME;
}

static enum mu_fault expired_fault(const struct mu_cert_info *info, int depth)
{
    return depth == 0          ? MU_FAULT_EXPIRED
           : info->self_issued ? MU_FAULT_CA_EXPIRED
                               : MU_FAULT_INTERMEDIATE_EXPIRED;
}

static enum mu_fault no_ca_fault(X509 *cert, const struct mu_cert_info *info)
{
    /* OpenSSL takes a CA that may not sign certificates for no CA. */
    bool says_ca = (X509_get_extension_flags(cert) & EXFLAG_CA) != 0;
    bool may_sign = (X509_get_key_usage(cert) & KU_KEY_CERT_SIGN) != 0;
    return says_ca && !may_sign ? MU_FAULT_CA_KEY_USAGE
           : info->version < 3  ? MU_FAULT_CA_VERSION
                                : MU_FAULT_CA_INVALID;
}

/* The chain ends in the trust file, at a certificate that is not its own issuer. */
static enum mu_fault no_root_fault(int depth)
{
    return depth == 0 ? MU_FAULT_LEAF_TRUSTED : MU_FAULT_CHAIN_INCOMPLETE;
}

/* OpenSSL looks for no issuer of a certificate whose extensions it cannot read, and says that it found none. */
static bool has_damaged_extension(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_INVALID) != 0;
}

/* Every number of <openssl/x509_vfy.h>, of 3.0 to 3.5; a newer one is a fault too. */
static enum mu_fault fault_of(int error, int depth, const struct matter *matter)
{
    const struct mu_cert_info *info = &matter->info;
    if (error == X509_V_OK)
        return MU_FAULT_NONE;
    if (matter->cert == NULL)
        return MU_FAULT_OTHER;
    if (matter->rekeyed)
        return MU_FAULT_REKEYED;
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
    case X509_V_ERR_AKID_SKID_MISMATCH:
    case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
        return has_damaged_extension(matter->cert)         ? MU_FAULT_MALFORMED
               : mu_name_sounds_intermediate(info->issuer) ? MU_FAULT_ISSUER_NOT_SENT
                                                           : MU_FAULT_UNTRUSTED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return MU_FAULT_UNTRUSTED_ROOT;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: return no_root_fault(depth);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return self_signed_fault(matter->cert);
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_REJECTED: return MU_FAULT_REJECTED;

    case X509_V_ERR_CERT_HAS_EXPIRED: return expired_fault(info, depth);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return depth == 0 ? MU_FAULT_NOT_YET_VALID : MU_FAULT_CA_NOT_YET_VALID;
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD: return MU_FAULT_BAD_DATE;

    case X509_V_ERR_CERT_REVOKED: return MU_FAULT_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE: return MU_FAULT_CRL_MISSING;
    case X509_V_ERR_CRL_HAS_EXPIRED: return MU_FAULT_CRL_EXPIRED;
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR: return MU_FAULT_CRL_INVALID;

    case X509_V_ERR_EMAIL_MISMATCH: return MU_FAULT_EMAIL_MISMATCH;
    case X509_V_ERR_HOSTNAME_MISMATCH: return MU_FAULT_NAME_MISMATCH;
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return MU_FAULT_IP_MISMATCH;
    case X509_V_ERR_INVALID_PURPOSE: return purpose_fault(matter->cert, info, depth);
    case X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE: return MU_FAULT_KEY_USAGE;

    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA: return no_ca_fault(matter->cert, info);
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN: return MU_FAULT_CA_KEY_USAGE;
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED: return MU_FAULT_PATH_LENGTH;
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION:
    case X509_V_ERR_SUBTREE_MINMAX:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
    case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
    case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX: return MU_FAULT_NAME_CONSTRAINT;
    case X509_V_ERR_NO_EXPLICIT_POLICY: return MU_FAULT_POLICY;
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION: return MU_FAULT_CRITICAL_EXTENSION;
    case X509_V_ERR_CERT_CHAIN_TOO_LONG: return MU_FAULT_TOO_DEEP;

    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return MU_FAULT_BAD_SIGNATURE;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL: return weak_key_fault(matter->cert);
    case X509_V_ERR_CA_MD_TOO_WEAK: return MU_FAULT_WEAK_SIGNATURE;
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
    case X509_V_ERR_NO_ISSUER_PUBLIC_KEY:
    case X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM:
    case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS: return MU_FAULT_UNSUPPORTED_KEY;
    case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER: return MU_FAULT_AUTHORITY_KEY_ID;
    case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER: return MU_FAULT_SUBJECT_KEY_ID;
    case X509_V_ERR_CA_BCONS_NOT_CRITICAL: return MU_FAULT_BASIC_CONSTRAINTS;
    case X509_V_ERR_INVALID_EXTENSION:
    case X509_V_ERR_INVALID_POLICY_EXTENSION:
    case X509_V_ERR_UNSUPPORTED_EXTENSION_FEATURE:
    case X509_V_ERR_UNNESTED_RESOURCE:
    case X509_V_ERR_SIGNATURE_ALGORITHM_MISMATCH:
    case X509_V_ERR_SIGNATURE_ALGORITHM_INCONSISTENCY:
    case X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA:
    case X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN:
    case X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA:
    case X509_V_ERR_ISSUER_NAME_EMPTY:
    case X509_V_ERR_SUBJECT_NAME_EMPTY:
    case X509_V_ERR_EMPTY_SUBJECT_ALT_NAME:
    case X509_V_ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL:
    case X509_V_ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL:
    case X509_V_ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL:
    case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
    case X509_V_ERR_EXTENSIONS_REQUIRE_VERSION_3: return MU_FAULT_MALFORMED;

    /* Proxy certificates, Suite B, DANE, transparency, OCSP and the library's own troubles:
     * nothing that we ask for, so OpenSSL's words have to do. */
    default: return MU_FAULT_OTHER;
    }
}

static void read_matter(struct matter *matter)
{
    struct mu_error ignored = MU_ERROR_INIT; /* without memory the sentence has gaps */
    if (matter->cert != NULL && mu_cert_info_read((const struct mu_cert *)matter->cert, matter->at,
                                                  &matter->info, &ignored) != 0)
        mu_cert_info_clear(&matter->info);
}

static void put_in_words(struct mu_verdict *ret, const struct matter *matter)
{
    const struct fault_words *words = words_of(ret->fault);
    fill_subject(matter, ret->subject, sizeof ret->subject);
    fill_in(words->sentence, matter, ret->sentence, sizeof ret->sentence);
    fill_in(words->hint, matter, ret->hint, sizeof ret->hint);
}

static void judge(struct mu_verdict *ret, int error, int depth, struct matter *matter)
{
    matter->openssl = X509_verify_cert_error_string(error);
    if (error != X509_V_OK)
        read_matter(matter);
    enum mu_fault fault = fault_of(error, depth, matter);
    *ret = (struct mu_verdict){.fault = fault, .openssl_error = error, .depth = depth};
    if (fault == MU_FAULT_MALFORMED && has_damaged_extension(matter->cert))
        matter->detail = "an extension in it cannot be decoded";
    put_in_words(ret, matter);
    if (error != X509_V_OK)
        mu_str_copy(ret->cause, sizeof ret->cause, matter->openssl);
    mu_cert_info_clear(&matter->info);
}

void mu_verdict_set_fault(struct mu_verdict *ret, enum mu_fault fault, int depth, X509 *cert,
                          time_t at, const char *rule, const char *detail)
{
    struct matter matter = {.cert = cert, .at = at, .openssl = "", .detail = detail};
    ERR_set_mark();
    *ret = (struct mu_verdict){.fault = fault,
                               .openssl_error = X509_V_ERR_APPLICATION_VERIFICATION,
                               .depth = depth};
    read_matter(&matter);
    put_in_words(ret, &matter);
    mu_cert_info_clear(&matter.info);
    mu_str_copy(ret->cause, sizeof ret->cause, rule);
    ERR_pop_to_mark();
}

void mu_verdict_set(struct mu_verdict *ret, int error, int depth, X509 *cert, time_t at,
                    const char *host)
{
    struct matter matter = {.cert = cert, .at = at, .host = host};
    ERR_set_mark(); /* libssl may have called us, and reads the queue afterwards */
    judge(ret, error, depth, &matter);
    ERR_pop_to_mark();
}

void mu_verdict_of_dates(const struct mu_cert *cert, int depth, time_t at, struct mu_verdict *ret)
{
    int error = at < mu_cert_not_before(cert)  ? X509_V_ERR_CERT_NOT_YET_VALID
                : at > mu_cert_not_after(cert) ? X509_V_ERR_CERT_HAS_EXPIRED
                                               : X509_V_OK;
    mu_verdict_set(ret, error, depth, mu_cert_x509(cert), at, NULL);
}

/* --- What only the verifier's context can tell --- */

/* Does `cert` name the key of `ca` as its issuer's? [RFC 5280 4.2.1.1] */
static bool names_this_key(X509 *cert, X509 *ca)
{
    const ASN1_OCTET_STRING *wanted = X509_get0_authority_key_id(cert);
    const ASN1_OCTET_STRING *has = X509_get0_subject_key_id(ca);
    return wanted != NULL && has != NULL && ASN1_OCTET_STRING_cmp(wanted, has) == 0;
}

/* Has `ca` the name of `cert`'s issuer, but a key that did not sign it and that it does not mean? */
static bool is_namesake(X509 *cert, X509 *ca)
{
    if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(ca)) != 0 ||
        names_this_key(cert, ca))
        return false;
    EVP_PKEY *key = X509_get0_pubkey(ca);
    return key != NULL && X509_verify(cert, key) != 1;
}

static bool has_namesake(X509 *cert, STACK_OF(X509) * among)
{
    for (int i = 0; i < sk_X509_num(among); i++)
        if (is_namesake(cert, sk_X509_value(among, i)))
            return true;
    return false;
}

/* The right CA, but one that may not sign certificates: OpenSSL passes over it, and finds none. */
static X509 *find_unfit_issuer(X509 *cert, STACK_OF(X509) * among)
{
    for (int i = 0; i < sk_X509_num(among); i++)
        if (X509_check_issued(sk_X509_value(among, i), cert) == X509_V_ERR_KEYUSAGE_NO_CERTSIGN)
            return sk_X509_value(among, i);
    return NULL;
}

static bool holds(STACK_OF(X509) * among, X509 *cert)
{
    for (int i = 0; i < sk_X509_num(among); i++)
        if (X509_cmp(sk_X509_value(among, i), cert) == 0)
            return true;
    return false;
}

static bool is_about_the_issuer(int error)
{
    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           error == X509_V_ERR_CERT_SIGNATURE_FAILURE;
}

/*
 * Look among the trusted CAs for what says more than "the issuer was not found": returns the error whose words
 * fit the case, and may find the fault in another certificate.
 */
static int look_closer(int error, int depth, X509_STORE_CTX *ctx, STACK_OF(X509) * trusted,
                       struct matter *matter)
{
    X509 *unfit = find_unfit_issuer(matter->cert, trusted);
    if (unfit == NULL)
        unfit = find_unfit_issuer(matter->cert, X509_STORE_CTX_get0_untrusted(ctx));
    if (unfit != NULL) {
        matter->cert = unfit;
        return X509_V_ERR_KEYUSAGE_NO_CERTSIGN;
    }
    matter->rekeyed = has_namesake(matter->cert, trusted);
    if (depth == 0 && holds(trusted, matter->cert))
        return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT;
    if (error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN && depth > 0) {
        /* A root that came along: people know the certificate that it issued better. */
        matter->cert = sk_X509_value(X509_STORE_CTX_get0_chain(ctx), depth - 1);
        return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    }
    return error;
}

void mu_verdict_from_ctx(struct mu_verdict *ret, X509_STORE_CTX *ctx, time_t at, const char *host)
{
    int error = X509_STORE_CTX_get_error(ctx);
    int depth = X509_STORE_CTX_get_error_depth(ctx);
    int words_for = error;
    struct matter matter = {
        .cert = X509_STORE_CTX_get_current_cert(ctx),
        .crl = X509_STORE_CTX_get0_current_crl(ctx),
        .at = at,
        .host = host,
    };
    ERR_set_mark();
    STACK_OF(X509) *trusted = X509_STORE_get1_all_certs(X509_STORE_CTX_get0_store(ctx));
    if (is_about_the_issuer(error) && matter.cert != NULL)
        words_for = look_closer(error, depth, ctx, trusted, &matter);
    judge(ret, words_for, depth, &matter);
    ret->openssl_error = error;
    mu_str_copy(ret->cause, sizeof ret->cause, X509_verify_cert_error_string(error));
    sk_X509_pop_free(trusted, X509_free);
    ERR_pop_to_mark();
}
