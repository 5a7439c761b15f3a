#include "pki/crl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "pki/info.h"
#include "pki/object.h"
#include "pki/ossl.h"
#include "pki/pointer.h"

/* An X509_CRL by another name, as struct mu_cert is an X509: see cert.c. */
X509_CRL *mu_crl_x509(const struct mu_crl *crl)
{
    return (X509_CRL *)crl;
}

int mu_crl_wrap(X509_CRL *x, struct mu_crl **ret, struct mu_error *err)
{
    if (x == NULL)
        return mu_fail_nomem(err);
    *ret = (struct mu_crl *)x;
    return 0;
}

void mu_crl_free(struct mu_crl *crl)
{
    X509_CRL_free(mu_crl_x509(crl));
}

void mu_crls_clear(struct mu_crls *list)
{
    for (size_t i = 0; i < list->count; i++)
        mu_crl_free(list->at[i]);
    free(list->at);
    *list = (struct mu_crls){0};
}

int mu_crls_load(const char *path, struct mu_crls *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, err) != 0)
        return -1;
    struct mu_crl **longer = realloc(ret->at, (ret->count + objects.count) * sizeof *longer);
    if (longer == NULL)
        return mu_fail_nomem(err);
    ret->at = longer;
    const size_t before = ret->count;
    for (size_t i = 0; i < objects.count; i++)
        if (objects.at[i].crl != NULL)
            ret->at[ret->count++] = mu_take(&objects.at[i].crl);
    return ret->count > before
               ? 0
               : mu_objects_fail_without(path, &objects, "certificate revocation list", err);
}

static void read_scope(const X509_CRL *x, unsigned char ret[32])
{
    const int at = X509_CRL_get_ext_by_NID(x, NID_issuing_distribution_point, -1);
    if (at < 0)
        return;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_CRL_get_ext(x, at));
    (void)EVP_Digest(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), ret, NULL,
                     EVP_sha256(), NULL);
}

void mu_crl_info(const struct mu_crl *crl, struct mu_crl_info *ret)
{
    X509_CRL *x = mu_crl_x509(crl);
    const X509_ALGOR *algorithm = NULL;
    X509_CRL_get0_signature(x, NULL, &algorithm);
    MU_AUTO(ASN1_INTEGER) number = X509_CRL_get_ext_d2i(x, NID_crl_number, NULL, NULL);
    int revoked = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(x));

    *ret = (struct mu_crl_info){
        .this_update = mu_time_from_asn1(X509_CRL_get0_lastUpdate(x)),
        .next_update = mu_time_from_asn1(X509_CRL_get0_nextUpdate(x)),
        .revoked = revoked < 0 ? 0 : (size_t)revoked,
        .delta = X509_CRL_get_ext_by_NID(x, NID_delta_crl, -1) >= 0,
    };
    read_scope(x, ret->scope);
    mu_name_text(X509_CRL_get_issuer(x), ret->issuer, sizeof ret->issuer);
    mu_integer_text(number, ret->number, sizeof ret->number);
    mu_signature_text(X509_CRL_get_signature_nid(x), algorithm, ret->signature,
                      sizeof ret->signature);
    ERR_clear_error();
}

bool mu_crl_has(const struct mu_crl *crl, const struct mu_cert *cert)
{
    X509_REVOKED *entry;
    return X509_CRL_get0_by_cert(mu_crl_x509(crl), &entry, mu_cert_x509(cert)) ==
           1; /* 2: taken off */
}

bool mu_crl_names(const struct mu_crl *crl, const struct mu_cert *ca)
{
    return X509_NAME_cmp(X509_CRL_get_issuer(mu_crl_x509(crl)),
                         X509_get_subject_name(mu_cert_x509(ca))) == 0;
}

bool mu_crl_is_signed_by(const struct mu_crl *crl, const struct mu_cert *ca)
{
    X509_CRL *x = mu_crl_x509(crl);
    EVP_PKEY *key = X509_get0_pubkey(mu_cert_x509(ca));
    bool is = mu_crl_names(crl, ca) && key != NULL && X509_CRL_verify(x, key) == 1;
    ERR_clear_error();
    return is;
}

/* --- Making one --- */

MU_AUTO_DEFINE(X509_REVOKED, X509_REVOKED_free)
MU_AUTO_DEFINE(ASN1_GENERALIZEDTIME, ASN1_GENERALIZEDTIME_free)

struct mu_crl_draft {
    X509_CRL *x;
    const struct mu_cert *ca; /* borrowed */
    ASN1_TIME *at;            /* used again for each entry */
};

void mu_crl_draft_free(struct mu_crl_draft *draft)
{
    if (draft == NULL)
        return;
    X509_CRL_free(draft->x);
    ASN1_TIME_free(draft->at);
    free(draft);
}

static int add_number(X509_CRL *x, int nid, int64_t number)
{
    MU_AUTO(ASN1_INTEGER) integer = ASN1_INTEGER_new();
    return integer != NULL && ASN1_INTEGER_set_int64(integer, number) == 1 &&
           X509_CRL_add1_ext_i2d(x, nid, integer, nid == NID_delta_crl, X509V3_ADD_DEFAULT) == 1;
}

static int add_scope(X509_CRL *x, const char *url)
{
    MU_AUTO(ISSUING_DIST_POINT) scope = ISSUING_DIST_POINT_new();
    return scope != NULL && (scope->distpoint = mu_distribution_point(url)) != NULL &&
           X509_CRL_add1_ext_i2d(x, NID_issuing_distribution_point, scope, 1, X509V3_ADD_DEFAULT) ==
               1;
}

/* keyid of the CA's certificate, as its own certificates have it. */
static int add_issuer_key_id(X509_CRL *x, const struct mu_cert *ca)
{
    AUTHORITY_KEYID *id = mu_issuer_key_id(mu_cert_x509(ca));
    int ok = id != NULL &&
             X509_CRL_add1_ext_i2d(x, NID_authority_key_identifier, id, 0, X509V3_ADD_DEFAULT) == 1;
    AUTHORITY_KEYID_free(id);
    return ok;
}

static int add_freshest(X509_CRL *x, const char *url)
{
    STACK_OF(DIST_POINT) *points = mu_distribution_points(url);
    int ok = points != NULL &&
             X509_CRL_add1_ext_i2d(x, NID_freshest_crl, points, 0, X509V3_ADD_DEFAULT) == 1;
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    return ok;
}

static int set_up(struct mu_crl_draft *draft, const struct mu_crl_plan *plan)
{
    X509_CRL *x = draft->x;
    return X509_CRL_set_version(x, X509_CRL_VERSION_2) == 1 &&
           X509_CRL_set_issuer_name(x, X509_get_subject_name(mu_cert_x509(plan->ca))) == 1 &&
           ASN1_TIME_set(draft->at, plan->this_update) != NULL &&
           X509_CRL_set1_lastUpdate(x, draft->at) == 1 &&
           ASN1_TIME_set(draft->at, plan->next_update) != NULL &&
           X509_CRL_set1_nextUpdate(x, draft->at) == 1 && add_issuer_key_id(x, plan->ca) &&
           add_number(x, NID_crl_number, plan->number) &&
           (plan->base == 0 || add_number(x, NID_delta_crl, plan->base)) &&
           (plan->only_for_url == NULL || add_scope(x, plan->only_for_url)) &&
           (plan->delta_url == NULL || plan->base != 0 || add_freshest(x, plan->delta_url));
}

int mu_crl_begin(const struct mu_crl_plan *plan, struct mu_crl_draft **ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    if ((X509_get_key_usage(mu_cert_x509(plan->ca)) & KU_CRL_SIGN) == 0) /* all bits without it */
        return mu_fail(err, MU_E_CA_UNFIT,
                       "the CA \"%s\" may not sign revocation lists: its keyUsage lacks cRLSign",
                       mu_cert_label(plan->ca, label));
    MU_AUTO_STRUCT(mu_crl_draft) draft = calloc(1, sizeof *draft);
    if (draft == NULL)
        return mu_fail_nomem(err);
    draft->ca = plan->ca;
    draft->x = X509_CRL_new();
    draft->at = ASN1_TIME_new();
    if (draft->x == NULL || draft->at == NULL || !set_up(draft, plan))
        return mu_fail_openssl(err, MU_E_CRYPTO, "the revocation list could not be made");
    *ret = mu_take(&draft);
    return 0;
}

static int set_serial(X509_REVOKED *entry, const char *serial)
{
    BIGNUM *number = NULL;
    if (*serial == '\0' || BN_hex2bn(&number, serial) != (int)strlen(serial)) {
        BN_free(number);
        return 0;
    }
    MU_AUTO(ASN1_INTEGER) integer = BN_to_ASN1_INTEGER(number, NULL);
    BN_free(number);
    return integer != NULL && X509_REVOKED_set_serialNumber(entry, integer) == 1;
}

/* "unspecified" is said by saying nothing. [5.3.1] */
static int add_reason(X509_REVOKED *entry, enum mu_reason reason)
{
    if (reason == MU_REASON_UNSPECIFIED)
        return 1;
    MU_AUTO(ASN1_ENUMERATED) code = ASN1_ENUMERATED_new();
    return code != NULL && ASN1_ENUMERATED_set(code, (long)reason) == 1 &&
           X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, X509V3_ADD_DEFAULT) == 1;
}

static int add_invalidity_date(X509_REVOKED *entry, time_t since)
{
    if (since == 0)
        return 1;
    MU_AUTO(ASN1_GENERALIZEDTIME) date = ASN1_GENERALIZEDTIME_set(NULL, since);
    return date != NULL &&
           X509_REVOKED_add1_ext_i2d(entry, NID_invalidity_date, date, 0, X509V3_ADD_DEFAULT) == 1;
}

int mu_crl_add(struct mu_crl_draft *draft, const char *serial, time_t at, enum mu_reason reason,
               time_t invalid_since, struct mu_error *err)
{
    MU_AUTO(X509_REVOKED) entry = X509_REVOKED_new();
    if (entry == NULL)
        return mu_fail_nomem(err);
    if (!set_serial(entry, serial))
        return mu_fail(err, MU_E_DAMAGED, "\"%s\" is not a serial number", serial);
    if (ASN1_TIME_set(draft->at, at) == NULL ||
        X509_REVOKED_set_revocationDate(entry, draft->at) != 1 || !add_reason(entry, reason) ||
        !add_invalidity_date(entry, invalid_since) || X509_CRL_add0_revoked(draft->x, entry) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the revocation list could not be made");
    mu_take(&entry);
    return 0;
}

int mu_crl_finish(struct mu_crl_draft *taken, const struct mu_key *ca_key, struct mu_crl **ret,
                  struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_crl_draft) draft = taken;
    if (mu_cert_match_key(draft->ca, ca_key, "the CA's file", "the CA's key file", err) != 0)
        return -1;
    if (X509_CRL_sort(draft->x) != 1 ||
        X509_CRL_sign(draft->x, mu_key_evp(ca_key), mu_digest_for(ca_key)) == 0 ||
        X509_CRL_verify(draft->x, X509_get0_pubkey(mu_cert_x509(draft->ca))) != 1)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the CA could not sign the revocation list");
    return mu_crl_wrap(mu_take(&draft->x), ret, err);
}

void mu_crl_to_der(const struct mu_crl *crl, struct mu_buf *ret)
{
    unsigned char *der = NULL;
    int len = i2d_X509_CRL(mu_crl_x509(crl), &der);
    if (len > 0)
        mu_buf_add(ret, der, (size_t)len);
    else
        ret->failed = true;
    OPENSSL_free(der);
}

void mu_crl_der_to_pem(const struct mu_buf *der, struct mu_buf *ret)
{
    char *text = NULL;
    MU_AUTO(BIO) bio = BIO_new(BIO_s_mem());
    if (mu_buf_failed(der) || bio == NULL ||
        PEM_write_bio(bio, PEM_STRING_X509_CRL, "", (const unsigned char *)der->data,
                      (long)der->len) <= 0) {
        ret->failed = true;
        return;
    }
    long len = BIO_get_mem_data(bio, &text);
    mu_buf_add(ret, text, (size_t)len);
}

void mu_crl_to_pem(const struct mu_crl *crl, struct mu_buf *ret)
{
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    mu_crl_to_der(crl, &der);
    mu_crl_der_to_pem(&der, ret);
}
