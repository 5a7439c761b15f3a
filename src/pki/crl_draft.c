/*
 * Making a revocation list. libcrypto's X509_CRL keeps an object for each entry, and encodes all of them anew whenever it is
 * signed, verified or written: a fifth of a second for 100,000. Here each entry is encoded when it comes, and the list is
 * described to libcrypto's encoder with what has been encoded already as one of its parts. [RFC 5280 5.1]
 */

#include <limits.h>
#include <openssl/asn1t.h>
#include <stdlib.h>
#include <string.h>

#include "pki/crl.h"
#include "pki/ossl.h"
#include "pki/pointer.h"

MU_AUTO_DEFINE(ASN1_GENERALIZEDTIME, ASN1_GENERALIZEDTIME_free)

/* An element of revokedCertificates. The types are for OpenSSL's macros. */
struct entry {
    ASN1_INTEGER *serial;
    ASN1_TIME *at;
    ASN1_STRING *extensions; /* encoded */
};
typedef struct entry CRL_ENTRY;

/* TBSCertList. */
struct body {
    ASN1_INTEGER *version;
    X509_ALGOR *algorithm;
    X509_NAME *issuer;
    ASN1_TIME *this_update, *next_update;
    ASN1_STRING *entries; /* encoded */
    STACK_OF(X509_EXTENSION) * extensions;
};
typedef struct body CRL_BODY;

/* CertificateList. */
struct list {
    CRL_BODY *body;
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *signature;
};
typedef struct list CRL_LIST;

/* It would take the macros' ends for beginnings of functions. */
/* clang-format off */
ASN1_SEQUENCE(CRL_ENTRY) = {
    ASN1_SIMPLE(CRL_ENTRY, serial, ASN1_INTEGER),
    ASN1_SIMPLE(CRL_ENTRY, at, ASN1_TIME),
    ASN1_OPT(CRL_ENTRY, extensions, ASN1_SEQUENCE),
} static_ASN1_SEQUENCE_END(CRL_ENTRY)

ASN1_SEQUENCE(CRL_BODY) = {
    ASN1_SIMPLE(CRL_BODY, version, ASN1_INTEGER),
    ASN1_SIMPLE(CRL_BODY, algorithm, X509_ALGOR),
    ASN1_SIMPLE(CRL_BODY, issuer, X509_NAME),
    ASN1_SIMPLE(CRL_BODY, this_update, ASN1_TIME),
    ASN1_SIMPLE(CRL_BODY, next_update, ASN1_TIME),
    ASN1_OPT(CRL_BODY, entries, ASN1_SEQUENCE),
    ASN1_EXP_SEQUENCE_OF_OPT(CRL_BODY, extensions, X509_EXTENSION, 0),
} static_ASN1_SEQUENCE_END(CRL_BODY)

ASN1_SEQUENCE(CRL_LIST) = {
    ASN1_SIMPLE(CRL_LIST, body, CRL_BODY),
    ASN1_SIMPLE(CRL_LIST, algorithm, X509_ALGOR),
    ASN1_SIMPLE(CRL_LIST, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(CRL_LIST)

struct mu_crl_draft {
    CRL_LIST *list;
    const struct mu_cert *ca; /* borrowed */
    CRL_ENTRY *entry;         /* the last one: what the next one has of it stays */
    time_t at;
    enum mu_reason reason;
    time_t invalid_since;
    struct mu_buf entries; /* encoded, one after the other */
};
/* clang-format on */

void mu_crl_draft_free(struct mu_crl_draft *draft)
{
    if (draft == NULL)
        return;
    ASN1_item_free((ASN1_VALUE *)draft->list, ASN1_ITEM_rptr(CRL_LIST));
    ASN1_item_free((ASN1_VALUE *)draft->entry, ASN1_ITEM_rptr(CRL_ENTRY));
    mu_buf_clear(&draft->entries);
    free(draft);
}

/* --- What is fixed before the first entry --- */

static bool add_extension(STACK_OF(X509_EXTENSION) * *to, int nid, void *value, bool critical)
{
    return value != NULL && X509V3_add1_i2d(to, nid, value, critical, X509V3_ADD_DEFAULT) == 1;
}

static bool add_number(struct body *body, int nid, int64_t number)
{
    MU_AUTO(ASN1_INTEGER) integer = ASN1_INTEGER_new();
    return integer != NULL && ASN1_INTEGER_set_int64(integer, number) == 1 &&
           add_extension(&body->extensions, nid, integer, nid == NID_delta_crl);
}

static bool add_scope(struct body *body, const char *url)
{
    MU_AUTO(ISSUING_DIST_POINT) scope = ISSUING_DIST_POINT_new();
    return scope != NULL && (scope->distpoint = mu_distribution_point(url)) != NULL &&
           add_extension(&body->extensions, NID_issuing_distribution_point, scope, true);
}

/* keyid of the CA's certificate, as its own certificates have it. */
static bool add_issuer_key_id(struct body *body, const struct mu_cert *ca)
{
    AUTHORITY_KEYID *id = mu_issuer_key_id(mu_cert_x509(ca));
    const bool ok = add_extension(&body->extensions, NID_authority_key_identifier, id, false);
    AUTHORITY_KEYID_free(id);
    return ok;
}

static bool add_freshest(struct body *body, const char *url)
{
    STACK_OF(DIST_POINT) *points = mu_distribution_points(url);
    const bool ok = add_extension(&body->extensions, NID_freshest_crl, points, false);
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    return ok;
}

static bool set_up(struct body *body, const struct mu_crl_plan *plan)
{
    return ASN1_INTEGER_set(body->version, X509_CRL_VERSION_2) == 1 &&
           X509_NAME_set(&body->issuer, X509_get_subject_name(mu_cert_x509(plan->ca))) == 1 &&
           ASN1_TIME_set(body->this_update, plan->this_update) != NULL &&
           ASN1_TIME_set(body->next_update, plan->next_update) != NULL &&
           add_issuer_key_id(body, plan->ca) && add_number(body, NID_crl_number, plan->number) &&
           (plan->base == 0 || add_number(body, NID_delta_crl, plan->base)) &&
           (plan->only_for_url == NULL || add_scope(body, plan->only_for_url)) &&
           (plan->delta_url == NULL || plan->base != 0 || add_freshest(body, plan->delta_url));
}

int mu_crl_begin(const struct mu_crl_plan *plan, struct mu_crl_draft **ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    if (!mu_crl_may_be_by(plan->ca))
        return mu_fail(err, MU_E_CA_UNFIT,
                       "the CA \"%s\" may not sign revocation lists: its keyUsage lacks cRLSign",
                       mu_cert_label(plan->ca, label));
    MU_AUTO_STRUCT(mu_crl_draft) draft = calloc(1, sizeof *draft);
    if (draft == NULL)
        return mu_fail_nomem(err);
    draft->ca = plan->ca;
    draft->list = (CRL_LIST *)ASN1_item_new(ASN1_ITEM_rptr(CRL_LIST));
    draft->entry = (CRL_ENTRY *)ASN1_item_new(ASN1_ITEM_rptr(CRL_ENTRY));
    if (draft->list == NULL || draft->entry == NULL || !set_up(draft->list->body, plan))
        return mu_fail_openssl(err, MU_E_CRYPTO, "the revocation list could not be made");
    *ret = mu_take(&draft);
    return 0;
}

/* --- Entries --- */

static bool set_serial(struct entry *entry, const char *serial)
{
    BIGNUM *number = NULL;
    const bool ok = *serial != '\0' && BN_hex2bn(&number, serial) == (int)strlen(serial) &&
                    BN_to_ASN1_INTEGER(number, entry->serial) != NULL;
    BN_free(number);
    return ok;
}

static bool set_time(struct mu_crl_draft *draft, time_t at)
{
    if (draft->at == at && draft->at != 0)
        return true;
    draft->at = at;
    return ASN1_TIME_set(draft->entry->at, at) != NULL;
}

/* "unspecified" is said by saying nothing. [5.3.1] */
static bool add_reason(STACK_OF(X509_EXTENSION) * *to, enum mu_reason reason)
{
    if (reason == MU_REASON_UNSPECIFIED)
        return true;
    MU_AUTO(ASN1_ENUMERATED) code = ASN1_ENUMERATED_new();
    return code != NULL && ASN1_ENUMERATED_set(code, (long)reason) == 1 &&
           add_extension(to, NID_crl_reason, code, false);
}

static bool add_invalidity_date(STACK_OF(X509_EXTENSION) * *to, time_t since)
{
    if (since == 0)
        return true;
    MU_AUTO(ASN1_GENERALIZEDTIME) date = ASN1_GENERALIZEDTIME_set(NULL, since);
    return add_extension(to, NID_invalidity_date, date, false);
}

static bool encode_extensions(const STACK_OF(X509_EXTENSION) * extensions, ASN1_STRING **ret)
{
    unsigned char *der = NULL;
    const int len = i2d_X509_EXTENSIONS(extensions, &der);
    if (len <= 0 || (*ret = ASN1_STRING_type_new(V_ASN1_SEQUENCE)) == NULL) {
        OPENSSL_free(der);
        return false;
    }
    ASN1_STRING_set0(*ret, der, len);
    return true;
}

static bool set_extensions(struct mu_crl_draft *draft, enum mu_reason reason, time_t invalid_since)
{
    if (draft->reason == reason && draft->invalid_since == invalid_since)
        return true;
    STACK_OF(X509_EXTENSION) *all = NULL;
    ASN1_STRING_free(draft->entry->extensions);
    draft->entry->extensions = NULL;
    draft->reason = reason;
    draft->invalid_since = invalid_since;
    const bool ok = add_reason(&all, reason) && add_invalidity_date(&all, invalid_since) &&
                    (all == NULL || encode_extensions(all, &draft->entry->extensions));
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    return ok;
}

/* Append it. */
static bool encode(const ASN1_VALUE *value, const ASN1_ITEM *kind, struct mu_buf *ret)
{
    const int len = ASN1_item_i2d(value, NULL, kind);
    unsigned char *at = len <= 0 ? NULL : (unsigned char *)mu_buf_reserve(ret, (size_t)len);
    if (at == NULL || ASN1_item_i2d(value, &at, kind) != len)
        return false;
    ret->len += (size_t)len;
    return true;
}

int mu_crl_add(struct mu_crl_draft *draft, const char *serial, time_t at, enum mu_reason reason,
               time_t invalid_since, struct mu_error *err)
{
    if (!set_serial(draft->entry, serial))
        return mu_fail(err, MU_E_DAMAGED, "\"%s\" is not a serial number", serial);
    if (!set_time(draft, at) || !set_extensions(draft, reason, invalid_since) ||
        !encode((const ASN1_VALUE *)draft->entry, ASN1_ITEM_rptr(CRL_ENTRY), &draft->entries))
        return mu_fail_openssl(err, MU_E_CRYPTO, "the revocation list could not be made");
    return 0;
}

/* --- The whole --- */

/* Without any, the field is left out. [5.1.2.6] */
static bool put_in_entries(struct mu_crl_draft *draft)
{
    const size_t len = draft->entries.len;
    if (len == 0)
        return true;
    if (mu_buf_failed(&draft->entries) || len > INT_MAX / 2)
        return false;
    const int size = ASN1_object_size(1, (int)len, V_ASN1_SEQUENCE);
    ASN1_STRING *entries = draft->list->body->entries = ASN1_STRING_type_new(V_ASN1_SEQUENCE);
    if (entries == NULL || ASN1_STRING_set(entries, NULL, size) != 1)
        return false;
    unsigned char *at = (unsigned char *)ASN1_STRING_get0_data(entries);
    ASN1_put_object(&at, 1, (int)len, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(at, draft->entries.data, len);
    mu_buf_clear(&draft->entries);
    return true;
}

/* What the CA's key has made is looked at with the certificate that everybody else has. */
static bool sign(struct list *list, const struct mu_cert *ca, const struct mu_key *key)
{
    return ASN1_item_sign(ASN1_ITEM_rptr(CRL_BODY), list->body->algorithm, list->algorithm,
                          list->signature, list->body, mu_key_evp(key), mu_digest_for(key)) > 0 &&
           ASN1_item_verify(ASN1_ITEM_rptr(CRL_BODY), list->algorithm, list->signature, list->body,
                            X509_get0_pubkey(mu_cert_x509(ca))) == 1;
}

int mu_crl_finish(struct mu_crl_draft *taken, const struct mu_key *ca_key, struct mu_buf *ret,
                  struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_crl_draft) draft = taken;
    if (mu_cert_match_key(draft->ca, ca_key, "the CA's file", "the CA's key file", err) != 0)
        return -1;
    if (!put_in_entries(draft))
        return mu_fail_nomem(err);
    if (!sign(draft->list, draft->ca, ca_key))
        return mu_fail_openssl(err, MU_E_CRYPTO, "the CA could not sign the revocation list");
    return encode((const ASN1_VALUE *)draft->list, ASN1_ITEM_rptr(CRL_LIST), ret)
               ? 0
               : mu_fail_nomem(err);
}
