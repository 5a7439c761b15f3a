/* Requests, and making answers. */

#include "pki/ocsp.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pki/ossl.h"

MU_AUTO_DEFINE(OCSP_BASICRESP, OCSP_BASICRESP_free)
MU_AUTO_DEFINE(OCSP_CERTID, OCSP_CERTID_free)
MU_AUTO_DEFINE(OCSP_REQUEST, OCSP_REQUEST_free)
MU_AUTO_DEFINE(OCSP_RESPONSE, OCSP_RESPONSE_free)

enum { NONCE_LEN = 32 }; /* of ours [RFC 9654 2.1] */

/* An OCSP_REQUEST by another name, as struct mu_cert is an X509: see cert.c. */
OCSP_REQUEST *mu_ocsp_request_ossl(const struct mu_ocsp_request *request)
{
    return (OCSP_REQUEST *)request;
}

int mu_ocsp_request_wrap(OCSP_REQUEST *x, struct mu_ocsp_request **ret, struct mu_error *err)
{
    if (x == NULL)
        return mu_fail_nomem(err);
    *ret = (struct mu_ocsp_request *)x;
    return 0;
}

void mu_ocsp_request_free(struct mu_ocsp_request *request)
{
    OCSP_REQUEST_free(mu_ocsp_request_ossl(request));
}

/* --- Making requests --- */

static int add_cert(OCSP_REQUEST *request, const EVP_MD *hash, const struct mu_cert *cert,
                    const struct mu_cert *issuer)
{
    MU_AUTO(OCSP_CERTID) id = OCSP_cert_to_id(hash, mu_cert_x509(cert), mu_cert_x509(issuer));
    if (id == NULL || OCSP_request_add0_id(request, id) == NULL)
        return 0;
    mu_take(&id);
    return 1;
}

int mu_ocsp_request_make(const struct mu_certs *certs, const struct mu_cert *issuer,
                         const char *hash, bool nonce, struct mu_ocsp_request **ret,
                         struct mu_error *err)
{
    const EVP_MD *md = mu_str_equal(hash, "sha1")     ? EVP_sha1()
                       : mu_str_equal(hash, "sha256") ? EVP_sha256()
                                                      : NULL;
    if (md == NULL) {
        mu_fail(err, MU_E_UNSUPPORTED, "\"%s\" is not a hash that requests are made with", hash);
        return mu_hint(err, "it is sha1, which every responder knows, or sha256");
    }
    MU_AUTO(OCSP_REQUEST) request = OCSP_REQUEST_new();
    int ok = request != NULL;
    for (size_t i = 0; ok && i < certs->count; i++)
        ok = add_cert(request, md, certs->at[i], issuer);
    if (ok && nonce)
        ok = OCSP_request_add1_nonce(request, NULL, NONCE_LEN);
    if (!ok)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the request could not be made");
    return mu_ocsp_request_wrap(mu_take(&request), ret, err);
}

void mu_ocsp_request_to_der(const struct mu_ocsp_request *request, struct mu_buf *ret)
{
    unsigned char *der = NULL;
    int len = i2d_OCSP_REQUEST(mu_ocsp_request_ossl(request), &der);
    if (len > 0)
        mu_buf_add(ret, der, (size_t)len);
    else
        ret->failed = true;
    OPENSSL_free(der);
}

/* --- Reading requests --- */

/* The octets inside of the n-th extension, which is a nonce; NULL when they are no OCTET STRING. */
static ASN1_OCTET_STRING *read_nonce(OCSP_REQUEST *request, int at)
{
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(request, at));
    const unsigned char *start = ASN1_STRING_get0_data(value), *p = start;
    int len = ASN1_STRING_length(value);
    MU_AUTO(ASN1_OCTET_STRING) nonce = d2i_ASN1_OCTET_STRING(NULL, &p, len);
    return nonce != NULL && p == start + len ? mu_take(&nonce) : NULL;
}

static int check_nonce(OCSP_REQUEST *request, struct mu_error *err)
{
    int at = OCSP_REQUEST_get_ext_by_NID(request, NID_id_pkix_OCSP_Nonce, -1);
    if (at < 0)
        return 0;
    if (OCSP_REQUEST_get_ext_by_NID(request, NID_id_pkix_OCSP_Nonce, at) >= 0)
        return mu_fail(err, MU_E_DAMAGED, "the OCSP request has two nonces");
    MU_AUTO(ASN1_OCTET_STRING) nonce = read_nonce(request, at);
    if (nonce == NULL)
        return mu_fail_openssl(err, MU_E_DAMAGED,
                               "the nonce of the OCSP request is no OCTET STRING");
    int len = ASN1_STRING_length(nonce);
    return len >= 1 && len <= MU_OCSP_NONCE_MAX
               ? 0
               : mu_fail(err, MU_E_DAMAGED,
                         "the nonce of the OCSP request has %d octets; it has 1 to %d [RFC 9654]",
                         len, MU_OCSP_NONCE_MAX);
}

/* What asks for nothing that a responder without it could get wrong. */
static bool is_known_extension(X509_EXTENSION *extension)
{
    int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    return nid == NID_id_pkix_OCSP_Nonce || nid == NID_id_pkix_OCSP_acceptableResponses;
}

static int fail_critical(X509_EXTENSION *extension, struct mu_error *err)
{
    char text[128] = "", shown[128];
    OBJ_obj2txt(text, sizeof text, X509_EXTENSION_get_object(extension), 0);
    return mu_fail(err, MU_E_DAMAGED,
                   "the OCSP request has a critical extension that is not known here: %s",
                   mu_str_printable(text, strlen(text), shown, sizeof shown));
}

static int check_extensions(OCSP_REQUEST *request, struct mu_error *err)
{
    for (int at = -1; (at = OCSP_REQUEST_get_ext_by_critical(request, 1, at)) >= 0;)
        if (!is_known_extension(OCSP_REQUEST_get_ext(request, at)))
            return fail_critical(OCSP_REQUEST_get_ext(request, at), err);
    for (int i = 0; i < OCSP_request_onereq_count(request); i++) {
        OCSP_ONEREQ *one = OCSP_request_onereq_get0(request, i);
        int at = OCSP_ONEREQ_get_ext_by_critical(one, 1, -1);
        if (at >= 0)
            return fail_critical(OCSP_ONEREQ_get_ext(one, at), err);
    }
    return 0;
}

int mu_ocsp_request_check(const struct mu_ocsp_request *request, struct mu_error *err)
{
    OCSP_REQUEST *x = mu_ocsp_request_ossl(request);
    int count = OCSP_request_onereq_count(x);
    if (count < 1)
        return mu_fail(err, MU_E_DAMAGED, "the OCSP request asks for no certificate");
    if (count > MU_OCSP_CERTS_MAX)
        return mu_fail(err, MU_E_DAMAGED, "the OCSP request asks for %d certificates, more than %d",
                       count, MU_OCSP_CERTS_MAX);
    return check_nonce(x, err) != 0 ? -1 : check_extensions(x, err);
}

int mu_ocsp_request_parse(const void *der, size_t len, struct mu_ocsp_request **ret,
                          struct mu_error *err)
{
    const unsigned char *p = der;
    if (len > MU_OCSP_REQUEST_LIMIT)
        return mu_fail(err, MU_E_DAMAGED, "the OCSP request is longer than %zu octets",
                       MU_OCSP_REQUEST_LIMIT);
    MU_AUTO(OCSP_REQUEST) request = d2i_OCSP_REQUEST(NULL, &p, (long)len);
    if (request == NULL)
        return mu_fail_openssl(err, MU_E_DAMAGED, "this is no OCSP request, or a damaged one");
    if (p != (const unsigned char *)der + len)
        return mu_fail(err, MU_E_DAMAGED, "behind the OCSP request there are other octets");
    MU_AUTO_STRUCT(mu_ocsp_request) wrapped = NULL;
    if (mu_ocsp_request_wrap(mu_take(&request), &wrapped, err) != 0 ||
        mu_ocsp_request_check(wrapped, err) != 0)
        return -1;
    *ret = mu_take(&wrapped);
    return 0;
}

size_t mu_ocsp_request_count(const struct mu_ocsp_request *request)
{
    int count = OCSP_request_onereq_count(mu_ocsp_request_ossl(request));
    return count < 0 ? 0 : (size_t)count;
}

static OCSP_CERTID *id_at(const struct mu_ocsp_request *request, size_t i)
{
    return OCSP_onereq_get0_id(OCSP_request_onereq_get0(mu_ocsp_request_ossl(request), (int)i));
}

void mu_ocsp_request_id(const struct mu_ocsp_request *request, size_t i, struct mu_ocsp_id *ret)
{
    mu_ocsp_id_read(id_at(request, i), ret);
}

bool mu_ocsp_request_is_signed(const struct mu_ocsp_request *request)
{
    return OCSP_request_is_signed(mu_ocsp_request_ossl(request)) == 1;
}

char *mu_ocsp_request_nonce(const struct mu_ocsp_request *request, char ret[MU_OCSP_NONCE_TEXT_LEN])
{
    OCSP_REQUEST *x = mu_ocsp_request_ossl(request);
    int at = OCSP_REQUEST_get_ext_by_NID(x, NID_id_pkix_OCSP_Nonce, -1);
    return mu_ocsp_nonce_text(at < 0 ? NULL : OCSP_REQUEST_get_ext(x, at), ret);
}

/* --- Whose certificates are asked for --- */

enum { HASHES = 4 };

struct mu_ocsp_issuer {
    OCSP_CERTID *ids[HASHES]; /* without a serial number */
};

int mu_ocsp_issuer_new(const struct mu_cert *ca, struct mu_ocsp_issuer **ret, struct mu_error *err)
{
    const EVP_MD *const hashes[HASHES] = {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()};
    struct mu_ocsp_issuer *issuer = calloc(1, sizeof *issuer);
    if (issuer == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < HASHES; i++)
        if ((issuer->ids[i] = OCSP_cert_to_id(hashes[i], NULL, mu_cert_x509(ca))) == NULL) {
            mu_ocsp_issuer_free(issuer);
            return mu_fail_openssl(err, MU_E_CRYPTO, "the CA's name and key could not be hashed");
        }
    *ret = issuer;
    return 0;
}

void mu_ocsp_issuer_free(struct mu_ocsp_issuer *issuer)
{
    for (size_t i = 0; issuer != NULL && i < HASHES; i++)
        OCSP_CERTID_free(issuer->ids[i]);
    free(issuer);
}

bool mu_ocsp_request_is_for(const struct mu_ocsp_request *request, size_t i,
                            const struct mu_ocsp_issuer *issuer)
{
    for (size_t h = 0; h < HASHES; h++)
        if (OCSP_id_issuer_cmp(id_at(request, i), issuer->ids[h]) == 0)
            return true;
    return false;
}

/* --- Answers --- */

void mu_ocsp_refusal_make(enum mu_ocsp_status status, struct mu_buf *ret)
{
    unsigned char *der = NULL;
    MU_AUTO(OCSP_RESPONSE) response = OCSP_response_create(status, NULL);
    int len = response == NULL ? 0 : i2d_OCSP_RESPONSE(response, &der);
    if (len > 0)
        mu_buf_add(ret, der, (size_t)len);
    else
        ret->failed = true;
    OPENSSL_free(der);
}

/* A list of revocations would have this as the entry's extension; an answer may have it, too. [4.4.5] */
static int add_invalidity_date(OCSP_SINGLERESP *single, time_t since)
{
    MU_AUTO(ASN1_TIME) time = ASN1_GENERALIZEDTIME_set(NULL, since);
    return time != NULL &&
           OCSP_SINGLERESP_add1_ext_i2d(single, NID_invalidity_date, time, 0, 0) == 1;
}

static int add_single(OCSP_BASICRESP *basic, OCSP_CERTID *id, const struct mu_ocsp_single *known,
                      ASN1_TIME *now, ASN1_TIME *next)
{
    static const int states[] = {[MU_OCSP_GOOD] = V_OCSP_CERTSTATUS_GOOD,
                                 [MU_OCSP_REVOKED] = V_OCSP_CERTSTATUS_REVOKED,
                                 [MU_OCSP_UNKNOWN] = V_OCSP_CERTSTATUS_UNKNOWN};
    bool revoked = known->state == MU_OCSP_REVOKED;
    /* "Unspecified" is said by leaving the reason out. [RFC 5280 5.3.1] */
    int reason =
        known->reason == MU_REASON_UNSPECIFIED ? OCSP_REVOKED_STATUS_NOSTATUS : (int)known->reason;
    MU_AUTO(ASN1_TIME) at = ASN1_TIME_set(NULL, known->revoked_at);
    if (at == NULL)
        return 0;
    OCSP_SINGLERESP *single =
        OCSP_basic_add1_status(basic, id, states[known->state], reason, at, now, next);
    return single != NULL && (!revoked || known->invalid_since == 0 ||
                              add_invalidity_date(single, known->invalid_since));
}

static int add_singles(OCSP_BASICRESP *basic, const struct mu_ocsp_answer *answer)
{
    MU_AUTO(ASN1_TIME) now = ASN1_TIME_set(NULL, answer->now);
    MU_AUTO(ASN1_TIME) next = ASN1_TIME_set(NULL, answer->next_update);
    int ok = now != NULL && next != NULL;
    for (size_t i = 0; ok && i < mu_ocsp_request_count(answer->request); i++)
        ok = add_single(basic, id_at(answer->request, i), &answer->singles[i], now, next);
    return ok;
}

/* OpenSSL would take the machine's clock; the time is an argument here, and this is the one way to set it. */
static int set_produced_at(OCSP_BASICRESP *basic, time_t now)
{
    ASN1_GENERALIZEDTIME *at = (ASN1_GENERALIZEDTIME *)OCSP_resp_get0_produced_at(basic);
    return at != NULL && ASN1_GENERALIZEDTIME_set(at, now) != NULL;
}

static OCSP_RESPONSE *sign(const struct mu_ocsp_answer *answer)
{
    MU_AUTO(OCSP_BASICRESP) basic = OCSP_BASICRESP_new();
    if (basic == NULL || !add_singles(basic, answer) || !set_produced_at(basic, answer->now) ||
        OCSP_copy_nonce(basic, mu_ocsp_request_ossl(answer->request)) < 1 ||
        OCSP_basic_sign(basic, mu_cert_x509(answer->signer), mu_key_evp(answer->key),
                        mu_digest_for(answer->key), NULL, OCSP_RESPID_KEY | OCSP_NOTIME) != 1)
        return NULL;
    return OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
}

int mu_ocsp_answer_make(const struct mu_ocsp_answer *answer, struct mu_buf *ret,
                        struct mu_error *err)
{
    unsigned char *der = NULL;
    MU_AUTO(OCSP_RESPONSE) response = sign(answer);
    int len = response == NULL ? 0 : i2d_OCSP_RESPONSE(response, &der);
    if (len <= 0)
        return mu_fail_openssl(err, MU_E_CRYPTO, "the OCSP answer could not be signed");
    mu_buf_add(ret, der, (size_t)len);
    OPENSSL_free(der);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}
