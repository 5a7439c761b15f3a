/* What OCSP messages say, in words, and whether an answer is to be believed. */

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "pki/ocsp.h"
#include "pki/ossl.h"

MU_AUTO_DEFINE(OCSP_CERTID, OCSP_CERTID_free)

/* --- Words --- */

const char *mu_ocsp_status_name(int status)
{
    switch (status) {
    case OCSP_RESPONSE_STATUS_SUCCESSFUL: return "successful";
    case OCSP_RESPONSE_STATUS_MALFORMEDREQUEST: return "malformedRequest";
    case OCSP_RESPONSE_STATUS_INTERNALERROR: return "internalError";
    case OCSP_RESPONSE_STATUS_TRYLATER: return "tryLater";
    case OCSP_RESPONSE_STATUS_SIGREQUIRED: return "sigRequired";
    case OCSP_RESPONSE_STATUS_UNAUTHORIZED: return "unauthorized";
    default: return "not a status that RFC 6960 has";
    }
}

const char *mu_ocsp_state_name(enum mu_ocsp_state state)
{
    static const char *const names[] =
        {[MU_OCSP_GOOD] = "good", [MU_OCSP_REVOKED] = "revoked", [MU_OCSP_UNKNOWN] = "unknown"};
    return names[state];
}

static void hash_text(const ASN1_OCTET_STRING *hash, char *ret, size_t cap)
{
    mu_fingerprint_text(ASN1_STRING_get0_data(hash), (size_t)ASN1_STRING_length(hash), ret, cap);
}

void mu_ocsp_id_read(const OCSP_CERTID *id, struct mu_ocsp_id *ret)
{
    ASN1_OCTET_STRING *name = NULL, *key = NULL;
    ASN1_OBJECT *hash = NULL;
    ASN1_INTEGER *serial = NULL;
    char text[128] = "";
    OCSP_id_get0_info(&name, &hash, &key, &serial, (OCSP_CERTID *)id);
    OBJ_obj2txt(text, sizeof text, hash, 0);
    mu_str_printable(text, strlen(text), ret->hash, sizeof ret->hash);
    mu_integer_text(serial, ret->serial, sizeof ret->serial);
    hash_text(name, ret->issuer_name, sizeof ret->issuer_name);
    hash_text(key, ret->issuer_key, sizeof ret->issuer_key);
}

char *mu_ocsp_nonce_text(X509_EXTENSION *extension, char ret[MU_OCSP_NONCE_TEXT_LEN])
{
    *ret = '\0';
    if (extension == NULL)
        return ret;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
    const unsigned char *p = ASN1_STRING_get0_data(value);
    ASN1_OCTET_STRING *nonce = d2i_ASN1_OCTET_STRING(NULL, &p, ASN1_STRING_length(value));
    hash_text(nonce != NULL ? nonce : value, ret, MU_OCSP_NONCE_TEXT_LEN);
    ASN1_OCTET_STRING_free(nonce);
    ERR_clear_error();
    return ret;
}

/* --- Answers --- */

struct mu_ocsp_response {
    OCSP_RESPONSE *whole;
    OCSP_BASICRESP *basic; /* NULL where there is only a status */
};

int mu_ocsp_response_wrap(OCSP_RESPONSE *x, struct mu_ocsp_response **ret, struct mu_error *err)
{
    struct mu_ocsp_response *response = x == NULL ? NULL : calloc(1, sizeof *response);
    if (response == NULL) {
        OCSP_RESPONSE_free(x);
        return mu_fail_nomem(err);
    }
    response->whole = x;
    if (OCSP_response_status(x) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        response->basic = OCSP_response_get1_basic(x);
    ERR_clear_error(); /* of another kind than basic, or damaged: it then says nothing */
    *ret = response;
    return 0;
}

OCSP_RESPONSE *mu_ocsp_response_ossl(const struct mu_ocsp_response *response)
{
    return response->whole;
}

void mu_ocsp_response_free(struct mu_ocsp_response *response)
{
    if (response == NULL)
        return;
    OCSP_BASICRESP_free(response->basic);
    OCSP_RESPONSE_free(response->whole);
    free(response);
}

static void read_responder(OCSP_BASICRESP *basic, struct mu_ocsp_response_info *ret)
{
    const ASN1_OCTET_STRING *key = NULL;
    const X509_NAME *name = NULL;
    char hex[96];
    OCSP_resp_get0_id(basic, &key, &name);
    if (name != NULL)
        mu_name_text(name, ret->responder, sizeof ret->responder);
    else if (key != NULL)
        snprintf(ret->responder, sizeof ret->responder, "key %s",
                 mu_fingerprint_text(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key),
                                     hex, sizeof hex));
}

static void read_signer(OCSP_BASICRESP *basic, struct mu_ocsp_response_info *ret)
{
    X509 *signer = NULL;
    if (OCSP_resp_get0_signer(basic, &signer, NULL) != 1 || signer == NULL)
        return;
    const struct mu_cert *cert = (const struct mu_cert *)signer;
    mu_cert_label(cert, ret->signer);
    ret->signer_not_after = mu_cert_not_after(cert);
}

void mu_ocsp_response_info(const struct mu_ocsp_response *response,
                           struct mu_ocsp_response_info *ret)
{
    OCSP_BASICRESP *basic = response->basic;
    const ASN1_OBJECT *algorithm = NULL;
    *ret = (struct mu_ocsp_response_info){.status = OCSP_response_status(response->whole)};
    if (basic == NULL)
        return;
    int nonce = OCSP_BASICRESP_get_ext_by_NID(basic, NID_id_pkix_OCSP_Nonce, -1);
    const X509_ALGOR *signature = OCSP_resp_get0_tbs_sigalg(basic);
    X509_ALGOR_get0(&algorithm, NULL, NULL, signature);
    read_responder(basic, ret);
    read_signer(basic, ret);
    ret->produced_at = mu_time_from_asn1(OCSP_resp_get0_produced_at(basic));
    mu_ocsp_nonce_text(nonce < 0 ? NULL : OCSP_BASICRESP_get_ext(basic, nonce), ret->nonce);
    mu_signature_text(OBJ_obj2nid(algorithm), signature, ret->signature, sizeof ret->signature);
    int count = OCSP_resp_count(basic);
    ret->count = count < 0 ? 0 : (size_t)count;
    ERR_clear_error();
}

static void read_single(OCSP_SINGLERESP *single, struct mu_ocsp_told *ret)
{
    ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;
    int reason = OCSP_REVOKED_STATUS_NOSTATUS;
    int state = OCSP_single_get0_status(single, &reason, &revoked, &this_update, &next_update);
    ASN1_GENERALIZEDTIME *invalid =
        OCSP_SINGLERESP_get1_ext_d2i(single, NID_invalidity_date, NULL, NULL);
    *ret = (struct mu_ocsp_told){
        .single = {.state = state == V_OCSP_CERTSTATUS_GOOD      ? MU_OCSP_GOOD
                            : state == V_OCSP_CERTSTATUS_REVOKED ? MU_OCSP_REVOKED
                                                                 : MU_OCSP_UNKNOWN,
                   .revoked_at = mu_time_from_asn1(revoked),
                   .reason = reason == OCSP_REVOKED_STATUS_NOSTATUS ? MU_REASON_UNSPECIFIED
                                                                    : (enum mu_reason)reason,
                   .invalid_since = mu_time_from_asn1(invalid)},
        .this_update = mu_time_from_asn1(this_update),
        .next_update = mu_time_from_asn1(next_update),
    };
    ASN1_GENERALIZEDTIME_free(invalid);
    mu_ocsp_id_read(OCSP_SINGLERESP_get0_id(single), &ret->id);
    ERR_clear_error();
}

void mu_ocsp_response_told(const struct mu_ocsp_response *response, size_t i,
                           struct mu_ocsp_told *ret)
{
    read_single(OCSP_resp_get0(response->basic, (int)i), ret);
}

int mu_ocsp_response_find(const struct mu_ocsp_response *response, const struct mu_cert *cert,
                          const struct mu_cert *issuer, struct mu_ocsp_told *ret,
                          struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    const EVP_MD *const hashes[] = {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()};
    for (size_t i = 0; response->basic != NULL && i < MU_COUNT(hashes); i++) {
        MU_AUTO(OCSP_CERTID) id =
            OCSP_cert_to_id(hashes[i], mu_cert_x509(cert), mu_cert_x509(issuer));
        int at = id == NULL ? -1 : OCSP_resp_find(response->basic, id, -1);
        if (at < 0)
            continue;
        mu_ocsp_response_told(response, (size_t)at, ret);
        return 0;
    }
    mu_fail(err, MU_E_NOT_FOUND, "the OCSP answer says nothing about \"%s\"",
            mu_cert_label(cert, label));
    return mu_hint(err, "ask anew: mutual ocsp request makes a request for it");
}

/* --- Is it to be believed? --- */

static int fill_store(X509_STORE *store, const struct mu_certs *anchors, time_t now)
{
    int ok = store != NULL;
    for (size_t i = 0; ok && i < anchors->count; i++)
        ok = X509_STORE_add_cert(store, mu_cert_x509(anchors->at[i])) == 1;
    if (!ok)
        return 0;
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
    X509_VERIFY_PARAM_set_time(param, now);
    return X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
}

/* Borrowed certificates as a list of OpenSSL's; freed with sk_X509_free(). */
static STACK_OF(X509) * stack_of(const struct mu_certs *anchors, const struct mu_certs *untrusted)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (size_t i = 0; stack != NULL && i < anchors->count; i++)
        sk_X509_push(stack, mu_cert_x509(anchors->at[i]));
    for (size_t i = 0; stack != NULL && untrusted != NULL && i < untrusted->count; i++)
        sk_X509_push(stack, mu_cert_x509(untrusted->at[i]));
    return stack;
}

static int check_signature(OCSP_BASICRESP *basic, const struct mu_certs *anchors,
                           const struct mu_certs *untrusted, time_t now, struct mu_error *err)
{
    MU_AUTO(X509_STORE) store = X509_STORE_new();
    STACK_OF(X509) *others = stack_of(anchors, untrusted);
    bool good = others != NULL && fill_store(store, anchors, now) &&
                OCSP_basic_verify(basic, others, store, 0) == 1;
    sk_X509_free(others);
    if (good)
        return 0;
    mu_fail_openssl(err, MU_E_NOT_VERIFIED,
                    "the OCSP answer is not signed by the CA, or by whom it lets answer for it");
    return mu_hint(err, "name the CA whose certificates it is about with --cacert FILE");
}

static int check_nonce(OCSP_BASICRESP *basic, const struct mu_ocsp_request *request,
                       struct mu_error *err)
{
    int result = OCSP_check_nonce(mu_ocsp_request_ossl(request), basic);
    if (result == 0)
        return mu_fail(err, MU_E_NOT_VERIFIED,
                       "the OCSP answer is to another request: its nonce "
                       "is not the request's");
    if (result == -1)
        return mu_fail(err, MU_E_NOT_VERIFIED,
                       "the OCSP answer has no nonce, and so may be an old one; the request has one");
    return 0;
}

/* Without a nonce, what is asked for is all that tells whose answer it is. */
static int check_asked(OCSP_BASICRESP *basic, const struct mu_ocsp_request *request,
                       struct mu_error *err)
{
    OCSP_REQUEST *asked = mu_ocsp_request_ossl(request);
    for (int i = 0; i < OCSP_request_onereq_count(asked); i++)
        if (OCSP_resp_find(basic, OCSP_onereq_get0_id(OCSP_request_onereq_get0(asked, i)), -1) < 0)
            return mu_fail(err, MU_E_NOT_VERIFIED,
                           "the OCSP answer is to another request: it does not tell of all that this "
                           "one asks for");
    return 0;
}

int mu_ocsp_response_verify(const struct mu_ocsp_response *response, const struct mu_certs *anchors,
                            const struct mu_certs *untrusted, const struct mu_ocsp_request *request,
                            time_t now, struct mu_error *err)
{
    int status = OCSP_response_status(response->whole);
    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return mu_fail(err, MU_E_NOT_VERIFIED, "the responder gave no answer: %s",
                       mu_ocsp_status_name(status));
    if (response->basic == NULL)
        return mu_fail(err, MU_E_NOT_VERIFIED,
                       "the OCSP answer is damaged, or not of the basic kind");
    if (check_signature(response->basic, anchors, untrusted, now, err) != 0)
        return -1;
    return request != NULL && (check_nonce(response->basic, request, err) != 0 ||
                               check_asked(response->basic, request, err) != 0)
               ? -1
               : 0;
}

/* Clocks differ. */
enum { SKEW_S = 300 };

int mu_ocsp_told_check(const struct mu_ocsp_told *told, time_t now, struct mu_error *err)
{
    char date[MU_DATE_LEN];
    if (told->this_update > now + SKEW_S)
        return mu_fail(err, MU_E_NOT_VERIFIED, "the OCSP answer is of %s, which is in the future",
                       mu_date(told->this_update, date));
    if (told->next_update != 0 && told->next_update < now - SKEW_S) {
        mu_fail(err, MU_E_NOT_VERIFIED, "the OCSP answer is out of date: it was good until %s",
                mu_date(told->next_update, date));
        return mu_hint(err, "ask anew: mutual ocsp request makes a request");
    }
    return 0;
}
