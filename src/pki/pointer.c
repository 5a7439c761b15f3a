#include "pki/pointer.h"

#include <string.h>

#include "base/str.h"
#include "pki/ossl.h"

MU_AUTO_DEFINE(GENERAL_NAME, GENERAL_NAME_free)
MU_AUTO_DEFINE(DIST_POINT_NAME, DIST_POINT_NAME_free)
MU_AUTO_DEFINE(DIST_POINT, DIST_POINT_free)
MU_AUTO_DEFINE(ACCESS_DESCRIPTION, ACCESS_DESCRIPTION_free)
MU_AUTO_DEFINE(AUTHORITY_INFO_ACCESS, AUTHORITY_INFO_ACCESS_free)
MU_AUTO_DEFINE(AUTHORITY_KEYID, AUTHORITY_KEYID_free)

enum { URL_MAX = 1024 };

int mu_pointer_check(const char *url, struct mu_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~:/?#[]@!$&'()*+,;=%";
    size_t len = strlen(url);
    if (mu_str_starts_with(url, "http://") && len > strlen("http://") && len < URL_MAX &&
        url[strspn(url, allowed)] == '\0')
        return 0;
    mu_fail(err, MU_E_USAGE, "\"%s\" is not a URL at which certificates can point", url);
    return mu_hint(
        err,
        "write it as http://HOST/PATH/; not https://, whose certificate would have to be checked first");
}

static GENERAL_NAME *url_name(const char *url)
{
    MU_AUTO(GENERAL_NAME) name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    if (name == NULL || text == NULL || ASN1_STRING_set(text, url, -1) != 1) {
        ASN1_IA5STRING_free(text);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    return mu_take(&name);
}

DIST_POINT_NAME *mu_distribution_point(const char *url)
{
    MU_AUTO(DIST_POINT_NAME) point = DIST_POINT_NAME_new();
    MU_AUTO(GENERAL_NAME) name = url_name(url);
    if (point == NULL || name == NULL)
        return NULL;
    point->type = 0; /* fullName */
    point->name.fullname = GENERAL_NAMES_new();
    if (point->name.fullname == NULL || sk_GENERAL_NAME_push(point->name.fullname, name) <= 0)
        return NULL;
    mu_take(&name);
    return mu_take(&point);
}

STACK_OF(DIST_POINT) * mu_distribution_points(const char *url)
{
    STACK_OF(DIST_POINT) *points = sk_DIST_POINT_new_null();
    MU_AUTO(DIST_POINT) point = DIST_POINT_new();
    if (points != NULL && point != NULL && (point->distpoint = mu_distribution_point(url)) != NULL &&
        sk_DIST_POINT_push(points, point) > 0) {
        mu_take(&point);
        return points;
    }
    sk_DIST_POINT_free(points);
    return NULL;
}

static int add_points(X509 *x, int nid, const char *url)
{
    if (url == NULL)
        return 1;
    STACK_OF(DIST_POINT) *points = mu_distribution_points(url);
    int ok = points != NULL && X509_add1_ext_i2d(x, nid, points, 0, X509V3_ADD_DEFAULT) == 1;
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    return ok;
}

static int push_access(AUTHORITY_INFO_ACCESS *all, int nid, const char *url)
{
    if (url == NULL)
        return 1;
    MU_AUTO(ACCESS_DESCRIPTION) one = ACCESS_DESCRIPTION_new();
    if (one == NULL)
        return 0;
    GENERAL_NAME_free(one->location);
    one->location = url_name(url);
    one->method = OBJ_nid2obj(nid);
    if (one->location == NULL || sk_ACCESS_DESCRIPTION_push(all, one) <= 0)
        return 0;
    mu_take(&one);
    return 1;
}

static int add_access(X509 *x, const struct mu_pointers *pointers)
{
    if (pointers->ocsp_url == NULL && pointers->issuer_url == NULL)
        return 1;
    MU_AUTO(AUTHORITY_INFO_ACCESS) all = AUTHORITY_INFO_ACCESS_new();
    return all != NULL && push_access(all, NID_ad_OCSP, pointers->ocsp_url) &&
           push_access(all, NID_ad_ca_issuers, pointers->issuer_url) &&
           X509_add1_ext_i2d(x, NID_info_access, all, 0, X509V3_ADD_DEFAULT) == 1;
}

int mu_pointers_add(X509 *x, const struct mu_pointers *pointers)
{
    return add_points(x, NID_crl_distribution_points, pointers->crl_url) &&
           add_points(x, NID_freshest_crl, pointers->delta_url) && add_access(x, pointers);
}

/* --- Reading --- */

enum { POINTERS_MAX = 4 };

static int add_url(const GENERAL_NAME *name, size_t most, struct mu_strs *ret)
{
    struct mu_error ignored = MU_ERROR_INIT;
    char url[URL_MAX];
    if (name->type != GEN_URI || ret->count >= most)
        return 0;
    const ASN1_STRING *uri = name->d.uniformResourceIdentifier;
    const size_t len = (size_t)ASN1_STRING_length(uri);
    if (len >= sizeof url)
        return 0;
    memcpy(url, ASN1_STRING_get0_data(uri), len);
    url[len] = '\0';
    return strlen(url) != len || mu_pointer_check(url, &ignored) != 0 ? 0 : mu_strs_add(ret, url);
}

static int add_points_of(const STACK_OF(DIST_POINT) * points, size_t most, struct mu_strs *ret)
{
    for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT *point = sk_DIST_POINT_value(points, i);
        if (point->distpoint == NULL || point->distpoint->type != 0 || point->CRLissuer != NULL)
            continue;
        const GENERAL_NAMES *names = point->distpoint->name.fullname;
        for (int j = 0; j < sk_GENERAL_NAME_num(names); j++)
            if (add_url(sk_GENERAL_NAME_value(names, j), most, ret) != 0)
                return -1;
    }
    return 0;
}

static int take_points(STACK_OF(DIST_POINT) * points, size_t most, struct mu_strs *ret)
{
    const int result = add_points_of(points, most, ret);
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    return result;
}

int mu_pointers_to_lists(const struct mu_cert *cert, struct mu_strs *ret)
{
    const X509 *x = mu_cert_x509(cert);
    const size_t most = ret->count + POINTERS_MAX;
    return take_points(X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL), most, ret) != 0
               ? -1
               : take_points(X509_get_ext_d2i(x, NID_freshest_crl, NULL, NULL), most, ret);
}

bool mu_pointers_name_another(const struct mu_cert *cert)
{
    STACK_OF(DIST_POINT) *points =
        X509_get_ext_d2i(mu_cert_x509(cert), NID_crl_distribution_points, NULL, NULL);
    bool found = false;
    for (int i = 0; !found && i < sk_DIST_POINT_num(points); i++)
        found = sk_DIST_POINT_value(points, i)->CRLissuer != NULL;
    sk_DIST_POINT_pop_free(points, DIST_POINT_free);
    return found;
}

int mu_pointers_to_changes(const struct mu_crl *crl, struct mu_strs *ret)
{
    return take_points(X509_CRL_get_ext_d2i(mu_crl_x509(crl), NID_freshest_crl, NULL, NULL),
                       ret->count + POINTERS_MAX, ret);
}

int mu_pointers_to_ocsp(const struct mu_cert *cert, struct mu_strs *ret)
{
    MU_AUTO(AUTHORITY_INFO_ACCESS)
    all = X509_get_ext_d2i(mu_cert_x509(cert), NID_info_access, NULL, NULL);
    const size_t most = ret->count + POINTERS_MAX;
    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(all); i++) {
        const ACCESS_DESCRIPTION *one = sk_ACCESS_DESCRIPTION_value(all, i);
        if (OBJ_obj2nid(one->method) == NID_ad_OCSP && add_url(one->location, most, ret) != 0)
            return -1;
    }
    return 0;
}

AUTHORITY_KEYID *mu_issuer_key_id(X509 *issuer)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(issuer);
    MU_AUTO(AUTHORITY_KEYID) id = AUTHORITY_KEYID_new();
    if (id == NULL)
        return NULL;
    if (own != NULL)
        id->keyid = ASN1_OCTET_STRING_dup(own);
    else if (X509_pubkey_digest(issuer, EVP_sha1(), digest, &len) == 1 &&
             (id->keyid = ASN1_OCTET_STRING_new()) != NULL &&
             ASN1_OCTET_STRING_set(id->keyid, digest, (int)len) != 1)
        return NULL;
    return id->keyid == NULL ? NULL : mu_take(&id);
}
