#include "pki/crl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
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

struct mu_crl *mu_crl_ref(struct mu_crl *crl)
{
    X509_CRL_up_ref(mu_crl_x509(crl));
    return crl;
}

int mu_crls_add(struct mu_crls *list, struct mu_crl *crl, struct mu_error *err)
{
    struct mu_crl **longer = realloc(list->at, (list->count + 1) * sizeof *longer);
    if (longer == NULL) {
        mu_crl_free(crl);
        return mu_fail_nomem(err);
    }
    list->at = longer;
    list->at[list->count++] = crl;
    return 0;
}

int mu_crls_load(const char *path, struct mu_crls *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, err) != 0)
        return -1;
    const size_t before = ret->count;
    for (size_t i = 0; i < objects.count; i++)
        if (objects.at[i].crl != NULL && mu_crls_add(ret, mu_take(&objects.at[i].crl), err) != 0)
            return -1;
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

char *mu_crl_maker(const struct mu_crl *crl, char ret[MU_SHA256_LEN])
{
    X509_CRL *x = mu_crl_x509(crl);
    const int at = X509_CRL_get_ext_by_NID(x, NID_authority_key_identifier, -1);
    const ASN1_OCTET_STRING *id = X509_EXTENSION_get_data(X509_CRL_get_ext(x, at));
    const unsigned char *name;
    size_t len;
    MU_AUTO_CLEAR(mu_buf) both = MU_BUF_INIT;
    if (X509_NAME_get0_der(X509_CRL_get_issuer(x), &name, &len) == 1)
        mu_buf_add(&both, name, len);
    if (id != NULL)
        mu_buf_add(&both, ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id));
    return mu_sha256(both.data, both.len, ret);
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

static bool is_anothers(const X509_REVOKED *entry, const X509_NAME *issuer)
{
    MU_AUTO(GENERAL_NAMES) names =
        X509_REVOKED_get_ext_d2i(entry, NID_certificate_issuer, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DIRNAME || X509_NAME_cmp(name->d.directoryName, issuer) != 0)
            return true;
    }
    return false;
}

bool mu_crl_names_others(const struct mu_crl *crl)
{
    X509_CRL *x = mu_crl_x509(crl);
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(x);
    MU_AUTO(ISSUING_DIST_POINT)
    scope = X509_CRL_get_ext_d2i(x, NID_issuing_distribution_point, NULL, NULL);
    bool found = false;
    if (scope == NULL || scope->indirectCRL <= 0)
        return false;
    for (int i = 0; !found && i < sk_X509_REVOKED_num(entries); i++)
        found = is_anothers(sk_X509_REVOKED_value(entries, i), X509_CRL_get_issuer(x));
    ERR_clear_error();
    return found;
}

bool mu_crl_may_be_by(const struct mu_cert *ca)
{
    return (X509_get_key_usage(mu_cert_x509(ca)) & KU_CRL_SIGN) != 0; /* all bits without it */
}

bool mu_crl_same(const struct mu_crl *a, const struct mu_crl *b)
{
    return X509_CRL_match(mu_crl_x509(a), mu_crl_x509(b)) == 0;
}

/* --- Writing one --- */

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

/* --- One behind another --- */

/* Of numbers in hexadecimal: below, equal to or above 0, as strcmp(). */
static int compare_numbers(const char *a, const char *b)
{
    a += strspn(a, "0");
    b += strspn(b, "0");
    if (strlen(a) != strlen(b))
        return strlen(a) < strlen(b) ? -1 : 1;
    return strcmp(a, b);
}

static bool is_older(const struct mu_crl_info *list, const struct mu_crl_info *before)
{
    if (list->number[0] != '\0' && before->number[0] != '\0') {
        const int order = compare_numbers(list->number, before->number);
        if (order != 0)
            return order < 0;
    }
    return list->this_update < before->this_update;
}

static bool is_past(const struct mu_crl_info *list, time_t now)
{
    return list->next_update != 0 && list->next_update <= now;
}

int mu_crl_check_age(const char *name, const struct mu_crl_info *list,
                     const struct mu_crl_info *before, time_t now, struct mu_error *err)
{
    char date[MU_DATE_LEN], date_before[MU_DATE_LEN];
    if (is_older(list, before))
        return mu_fail(err, MU_E_LIST,
                       "%s: the revocation list of \"%s\" of %s is older than the one before, of %s",
                       name, list->issuer, mu_date(list->this_update, date),
                       mu_date(before->this_update, date_before));
    if (is_past(list, now) && !is_past(before, now))
        return mu_fail(
            err, MU_E_LIST,
            "%s: the revocation list of \"%s\" is out of date since %s, and the one before is not",
            name, list->issuer, mu_date(list->next_update, date));
    return 0;
}
