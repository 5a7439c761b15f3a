#include <openssl/ocsp.h>

#include "base/str.h"
#include "make.h"
#include "pki/issue.h"
#include "pki/ocsp.h"

#define DAY ((time_t)86400)
#define UNKNOWN_EXTENSION "1.3.6.1.4.1.99999.1"

/* A CA, a certificate of it, its responder, and what is asked and answered. */
struct fixture {
    struct mu_key *ca_key, *key;
    struct mu_cert *ca, *cert, *signer;
    struct mu_certs certs, anchors;
    struct mu_ocsp_request *request;
    struct mu_buf der;
    struct mu_ocsp_response *response;
    struct mu_error err;
};

static struct mu_cert *issue(struct fixture *f, enum mu_profile profile, const char *name)
{
    struct mu_cert *cert = NULL;
    MU_AUTO_CLEAR(mu_names) names = {0};
    struct mu_issue order = {.profile = profile,
                             .key = f->key,
                             .names = &names,
                             .now = NOW,
                             .lifetime_s = DAY};
    if (mu_names_set_main(&names, name, true, &f->err) != 0 ||
        mu_serial_make(order.serial, &f->err) != 0 ||
        mu_issue_leaf(f->ca, f->ca_key, &order, &cert, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
    return cert;
}

static int set_up(void **state)
{
    static struct fixture f;
    unsigned char serial[MU_SERIAL_LEN];
    f = (struct fixture){.ca_key = make_key("p256"), .key = make_key("p256"), .der = MU_BUF_INIT};
    *state = &f;
    if (mu_serial_make(serial, &f.err) != 0 ||
        mu_issue_root(f.ca_key, "Home CA", serial, NOW, 365 * DAY, 0, NULL, &f.ca, &f.err) != 0)
        return -1;
    f.cert = issue(&f, MU_PROFILE_CLIENT, "alice");
    f.signer = issue(&f, MU_PROFILE_OCSP, "OCSP responder");
    return mu_certs_add(&f.certs, mu_cert_ref(f.cert), &f.err) != 0 ||
           mu_certs_add(&f.anchors, mu_cert_ref(f.ca), &f.err) != 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_ocsp_response_free(f->response);
    mu_buf_clear(&f->der);
    mu_ocsp_request_free(f->request);
    mu_certs_clear(&f->certs);
    mu_certs_clear(&f->anchors);
    mu_cert_free(f->signer);
    mu_cert_free(f->cert);
    mu_cert_free(f->ca);
    mu_key_free(f->key);
    mu_key_free(f->ca_key);
    return 0;
}

static void ask(struct fixture *f, const char *hash, bool nonce)
{
    if (mu_ocsp_request_make(&f->certs, f->ca, hash, nonce, &f->request, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
}

/* The request as it now is, read from its bytes as a responder would. */
static int reread(struct fixture *f)
{
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    mu_ocsp_request_to_der(f->request, &der);
    assert_false(mu_buf_failed(&der));
    mu_ocsp_request_free(mu_take(&f->request));
    return mu_ocsp_request_parse(der.data, der.len, &f->request, &f->err);
}

static void assert_malformed(struct fixture *f, const char *part)
{
    assert_int_equal(reread(f), -1);
    assert_int_equal(f->err.code, MU_E_DAMAGED);
    assert_says(f->err.what, part);
    assert_null(f->request);
}

/* --- Requests --- */

static void a_request_names_the_certificate_and_has_a_nonce_of_32_octets(void **state)
{
    struct fixture *f = *state;
    struct mu_ocsp_id id;
    char serial[MU_SERIAL_TEXT_LEN], nonce[MU_OCSP_NONCE_TEXT_LEN];
    ask(f, "sha256", true);
    assert_int_equal(reread(f), 0);
    assert_int_equal(mu_ocsp_request_count(f->request), 1);
    mu_ocsp_request_id(f->request, 0, &id);
    assert_string_equal(id.serial, mu_cert_serial(f->cert, serial));
    assert_string_equal(id.hash, "sha256");
    assert_int_equal(strlen(id.issuer_name), 3 * 32 - 1);
    assert_int_equal(strlen(mu_ocsp_request_nonce(f->request, nonce)), 3 * 32 - 1);
    assert_false(mu_ocsp_request_is_signed(f->request));
}

static void a_request_without_a_nonce_says_so(void **state)
{
    struct fixture *f = *state;
    char nonce[MU_OCSP_NONCE_TEXT_LEN];
    ask(f, "sha1", false);
    assert_int_equal(reread(f), 0);
    assert_string_equal(mu_ocsp_request_nonce(f->request, nonce), "");
}

static void requests_are_made_with_hashes_that_responders_know(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mu_ocsp_request_make(&f->certs, f->ca, "md5", true, &f->request, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_UNSUPPORTED);
    assert_says(f->err.hint, "sha256");
}

static void an_issuer_is_known_by_its_name_and_key_under_every_hash(void **state)
{
    struct fixture *f = *state;
    static const char *const hashes[] = {"sha1", "sha256"};
    struct mu_ocsp_issuer *ours = NULL, *other_key = NULL;
    MU_AUTO_STRUCT(mu_cert) same_name = NULL;
    unsigned char serial[MU_SERIAL_LEN];
    assert_int_equal(mu_serial_make(serial, &f->err), 0);
    assert_int_equal(mu_issue_root(f->key, "Home CA", serial, NOW, DAY, 0, NULL, &same_name,
                                   &f->err),
                     0);
    assert_int_equal(mu_ocsp_issuer_new(f->ca, &ours, &f->err), 0);
    assert_int_equal(mu_ocsp_issuer_new(same_name, &other_key, &f->err), 0);
    for (size_t i = 0; i < MU_COUNT(hashes); i++) {
        ask(f, hashes[i], false);
        assert_true(mu_ocsp_request_is_for(f->request, 0, ours));
        assert_false(mu_ocsp_request_is_for(f->request, 0, other_key));
        mu_ocsp_request_free(mu_take(&f->request));
    }
    mu_ocsp_issuer_free(ours);
    mu_ocsp_issuer_free(other_key);
}

/* --- Requests that get no answer --- */

static void what_is_no_request_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *bytes;
        size_t len;
    } foreign[] = {{"", 0}, {"foo", 3}, {"\x30\x00", 2}, {"\x30\x03\x0a\x01\x01", 5}, {"0", 1}};
    for (size_t i = 0; i < MU_COUNT(foreign); i++) {
        assert_int_equal(mu_ocsp_request_parse(foreign[i].bytes, foreign[i].len, &f->request,
                                               &f->err),
                         -1);
        assert_int_equal(f->err.code, MU_E_DAMAGED);
        assert_says(f->err.what, "no OCSP request");
    }
}

static void a_request_that_is_cut_off_anywhere_or_goes_on_is_refused(void **state)
{
    struct fixture *f = *state;
    ask(f, "sha1", true);
    mu_ocsp_request_to_der(f->request, &f->der);
    struct mu_ocsp_request *none = NULL;
    for (size_t len = 0; len < f->der.len; len++)
        assert_int_equal(mu_ocsp_request_parse(f->der.data, len, &none, &f->err), -1);
    mu_buf_adds(&f->der, "x");
    assert_int_equal(mu_ocsp_request_parse(f->der.data, f->der.len, &none, &f->err), -1);
    assert_says(f->err.what, "other octets");
    assert_null(none);
}

static void a_request_longer_than_any_is_refused_unread(void **state)
{
    struct fixture *f = *state;
    static char much[MU_OCSP_REQUEST_LIMIT + 1];
    assert_int_equal(mu_ocsp_request_parse(much, sizeof much, &f->request, &f->err), -1);
    assert_says(f->err.what, "longer than 65536 octets");
}

static void a_request_asks_for_1_to_256_certificates(void **state)
{
    struct fixture *f = *state;
    while (f->certs.count < MU_OCSP_CERTS_MAX)
        assert_int_equal(mu_certs_add(&f->certs, mu_cert_ref(f->cert), &f->err), 0);
    ask(f, "sha1", true);
    assert_int_equal(reread(f), 0);
    mu_ocsp_request_free(mu_take(&f->request));
    assert_int_equal(mu_certs_add(&f->certs, mu_cert_ref(f->cert), &f->err), 0);
    ask(f, "sha1", true);
    assert_malformed(f, "more than 256");
    mu_certs_clear(&f->certs);
    ask(f, "sha1", true);
    assert_malformed(f, "no certificate");
}

/* As it would stand in the request, whether it makes sense or not. */
static X509_EXTENSION *raw_extension(const char *oid, bool critical, const void *value, size_t len)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 0);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    assert_int_equal(ASN1_OCTET_STRING_set(octets, value, (int)len), 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, octets);
    assert_non_null(extension);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(object);
    return extension;
}

static void add_extension(struct fixture *f, const char *oid, bool critical, const void *value,
                          size_t len)
{
    MU_AUTO(X509_EXTENSION) extension = raw_extension(oid, critical, value, len);
    assert_int_equal(OCSP_REQUEST_add_ext(mu_ocsp_request_ossl(f->request), extension, -1), 1);
}

static void a_nonce_has_1_to_128_octets(void **state)
{
    struct fixture *f = *state;
    unsigned char octets[132] = {0x04, 0x01};
    char text[MU_OCSP_NONCE_TEXT_LEN];
    ask(f, "sha1", false);
    add_extension(f, "Nonce", false, octets, 3);
    assert_int_equal(reread(f), 0);
    assert_string_equal(mu_ocsp_request_nonce(f->request, text), "00");

    mu_ocsp_request_free(mu_take(&f->request));
    ask(f, "sha1", false);
    memcpy(octets, "\x04\x81\x80", 3);
    add_extension(f, "Nonce", true, octets, 3 + 128);
    assert_int_equal(reread(f), 0);
    assert_int_equal(strlen(mu_ocsp_request_nonce(f->request, text)), 3 * 128 - 1);

    mu_ocsp_request_free(mu_take(&f->request));
    ask(f, "sha1", false);
    memcpy(octets, "\x04\x81\x81", 3);
    add_extension(f, "Nonce", false, octets, 3 + 129);
    assert_malformed(f, "has 129 octets");
    ask(f, "sha1", false);
    add_extension(f, "Nonce", false, "\x04\x00", 2);
    assert_malformed(f, "has 0 octets");
}

static void a_nonce_is_one_octet_string_and_there_is_only_one(void **state)
{
    struct fixture *f = *state;
    ask(f, "sha1", false);
    add_extension(f, "Nonce", false, "raw octets", 10);
    assert_malformed(f, "no OCTET STRING");
    ask(f, "sha1", false);
    add_extension(f, "Nonce", false, "\x04\x01xy", 4);
    assert_malformed(f, "no OCTET STRING");
    ask(f, "sha1", true);
    add_extension(f, "Nonce", false, "\x04\x01x", 3);
    assert_malformed(f, "two nonces");
}

static void an_unknown_extension_is_passed_over_unless_it_is_critical(void **state)
{
    struct fixture *f = *state;
    ask(f, "sha1", true);
    add_extension(f, UNKNOWN_EXTENSION, false, "\x05", 2);
    assert_int_equal(reread(f), 0);
    add_extension(f, UNKNOWN_EXTENSION, true, "\x05", 2);
    assert_malformed(f, "critical extension that is not known here: " UNKNOWN_EXTENSION);
}

static void a_critical_extension_about_one_certificate_is_refused_too(void **state)
{
    struct fixture *f = *state;
    ask(f, "sha1", true);
    OCSP_ONEREQ *one = OCSP_request_onereq_get0(mu_ocsp_request_ossl(f->request), 0);
    MU_AUTO(X509_EXTENSION) extension = raw_extension(UNKNOWN_EXTENSION, true, "\x05", 2);
    assert_int_equal(OCSP_ONEREQ_add_ext(one, extension, -1), 1);
    assert_malformed(f, "critical extension");
}

/* --- Answers --- */

static void answer(struct fixture *f, const struct mu_ocsp_single *single)
{
    struct mu_ocsp_answer made = {.request = f->request,
                                  .singles = single,
                                  .now = NOW,
                                  .next_update = NOW + 3600,
                                  .signer = f->signer,
                                  .key = f->key};
    mu_buf_reset(&f->der);
    mu_ocsp_response_free(mu_take(&f->response));
    if (mu_ocsp_answer_make(&made, &f->der, &f->err) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
    const unsigned char *p = (const unsigned char *)f->der.data;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)f->der.len);
    assert_non_null(response);
    assert_int_equal(mu_ocsp_response_wrap(response, &f->response, &f->err), 0);
}

static struct mu_ocsp_told told_of(struct fixture *f, const struct mu_ocsp_single *single)
{
    struct mu_ocsp_told told;
    if (f->request == NULL)
        ask(f, "sha1", true);
    answer(f, single);
    if (mu_ocsp_response_find(f->response, f->cert, f->ca, &told, &f->err) != 0)
        fail_msg("%s", f->err.what);
    return told;
}

static int verify(struct fixture *f, time_t now)
{
    return mu_ocsp_response_verify(f->response, &f->anchors, NULL, f->request, now, &f->err);
}

static void each_state_arrives_as_it_was_meant(void **state)
{
    struct fixture *f = *state;
    static const enum mu_ocsp_state states[] = {MU_OCSP_GOOD, MU_OCSP_UNKNOWN};
    for (size_t i = 0; i < MU_COUNT(states); i++) {
        struct mu_ocsp_told told = told_of(f, &(struct mu_ocsp_single){.state = states[i]});
        assert_int_equal(told.single.state, states[i]);
        assert_int_equal(told.this_update, NOW);
        assert_int_equal(told.next_update, NOW + 3600);
        assert_int_equal(verify(f, NOW), 0);
    }
}

static void revocation_comes_with_its_time_its_reason_and_since_when(void **state)
{
    struct fixture *f = *state;
    struct mu_ocsp_single known = {.state = MU_OCSP_REVOKED,
                                   .revoked_at = NOW - DAY,
                                   .reason = MU_REASON_KEY_COMPROMISE,
                                   .invalid_since = NOW - 2 * DAY};
    struct mu_ocsp_told told = told_of(f, &known);
    assert_int_equal(told.single.state, MU_OCSP_REVOKED);
    assert_int_equal(told.single.revoked_at, NOW - DAY);
    assert_int_equal(told.single.reason, MU_REASON_KEY_COMPROMISE);
    assert_int_equal(told.single.invalid_since, NOW - 2 * DAY);
    known.reason = MU_REASON_HOLD;
    known.invalid_since = 0;
    told = told_of(f, &known);
    assert_int_equal(told.single.reason, MU_REASON_HOLD);
    assert_int_equal(told.single.invalid_since, 0);
}

static void a_reason_that_is_not_specified_is_left_out(void **state)
{
    struct fixture *f = *state;
    int reason = 0;
    told_of(f, &(struct mu_ocsp_single){.state = MU_OCSP_REVOKED, .revoked_at = NOW - DAY});
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(mu_ocsp_response_ossl(f->response));
    OCSP_single_get0_status(OCSP_resp_get0(basic, 0), &reason, NULL, NULL, NULL);
    OCSP_BASICRESP_free(basic);
    assert_int_equal(reason, OCSP_REVOKED_STATUS_NOSTATUS);
}

static void an_answer_names_its_signer_by_key_and_repeats_the_nonce(void **state)
{
    struct fixture *f = *state;
    struct mu_ocsp_response_info info;
    char nonce[MU_OCSP_NONCE_TEXT_LEN];
    told_of(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    mu_ocsp_response_info(f->response, &info);
    assert_int_equal(info.status, MU_OCSP_SUCCESSFUL);
    assert_int_equal(strncmp(info.responder, "key ", 4), 0);
    assert_string_equal(info.signer, "OCSP responder");
    assert_int_equal(info.produced_at, NOW);
    assert_string_equal(info.nonce, mu_ocsp_request_nonce(f->request, nonce));
    assert_string_equal(info.signature, "ecdsa-with-SHA256");
}

static void without_a_nonce_an_answer_has_no_extensions_and_may_be_kept(void **state)
{
    struct fixture *f = *state;
    ask(f, "sha1", false);
    answer(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(mu_ocsp_response_ossl(f->response));
    assert_int_equal(OCSP_BASICRESP_get_ext_count(basic), 0);
    OCSP_BASICRESP_free(basic);
    assert_int_equal(verify(f, NOW), 0);
}

static void a_refusal_is_its_status_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum mu_ocsp_status status;
        const char *name;
    } refusals[] = {{MU_OCSP_MALFORMED, "malformedRequest"},
                    {MU_OCSP_INTERNAL_ERROR, "internalError"},
                    {MU_OCSP_TRY_LATER, "tryLater"},
                    {MU_OCSP_UNAUTHORIZED, "unauthorized"}};
    for (size_t i = 0; i < MU_COUNT(refusals); i++) {
        const char der[] = {0x30, 3, 0x0a, 1, (char)refusals[i].status};
        mu_buf_reset(&f->der);
        mu_ocsp_refusal_make(refusals[i].status, &f->der);
        assert_int_equal(f->der.len, sizeof der);
        assert_memory_equal(f->der.data, der, sizeof der);
        assert_string_equal(mu_ocsp_status_name(refusals[i].status), refusals[i].name);
    }
}

/* --- What is to be believed --- */

static void an_answer_from_a_strangers_responder_is_not_believed(void **state)
{
    struct fixture *f = *state;
    unsigned char serial[MU_SERIAL_LEN];
    told_of(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    mu_certs_clear(&f->anchors);
    MU_AUTO_STRUCT(mu_cert) stranger = NULL;
    assert_int_equal(mu_serial_make(serial, &f->err), 0);
    assert_int_equal(mu_issue_root(f->key, "Home CA", serial, NOW, DAY, 0, NULL, &stranger, &f->err),
                     0);
    assert_int_equal(mu_certs_add(&f->anchors, mu_cert_ref(stranger), &f->err), 0);
    assert_int_equal(verify(f, NOW), -1);
    assert_int_equal(f->err.code, MU_E_NOT_VERIFIED);
    assert_says(f->err.what, "not signed by the CA");
}

static void a_certificate_of_the_ca_that_is_no_responder_cannot_answer(void **state)
{
    struct fixture *f = *state;
    mu_cert_free(f->signer);
    f->signer = issue(f, MU_PROFILE_SERVER, "api.internal");
    told_of(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    assert_int_equal(verify(f, NOW), -1);
    assert_int_equal(f->err.code, MU_E_NOT_VERIFIED);
}

static void an_answer_to_another_request_is_not_believed(void **state)
{
    struct fixture *f = *state;
    told_of(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    mu_ocsp_request_free(mu_take(&f->request));
    ask(f, "sha1", true);
    assert_int_equal(verify(f, NOW), -1);
    assert_says(f->err.what, "another request");
    mu_ocsp_request_free(mu_take(&f->request));
    ask(f, "sha1", false);
    answer(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    mu_ocsp_request_free(mu_take(&f->request));
    ask(f, "sha1", true);
    assert_int_equal(verify(f, NOW), -1);
    assert_says(f->err.what, "no nonce");
}

static void an_answer_signed_after_the_responders_end_is_not_believed(void **state)
{
    struct fixture *f = *state;
    told_of(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    assert_int_equal(verify(f, NOW + DAY - 1), 0);
    assert_int_equal(verify(f, NOW + DAY + 1), -1);
    assert_says(f->err.cause, "expired");
}

static void a_refusal_is_no_answer(void **state)
{
    struct fixture *f = *state;
    struct mu_ocsp_told told;
    assert_int_equal(mu_ocsp_response_wrap(OCSP_response_create(MU_OCSP_TRY_LATER, NULL),
                                           &f->response, &f->err),
                     0);
    assert_int_equal(verify(f, NOW), -1);
    assert_says(f->err.what, "tryLater");
    assert_int_equal(mu_ocsp_response_find(f->response, f->cert, f->ca, &told, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NOT_FOUND);
}

static void an_answer_about_another_certificate_says_nothing_about_this_one(void **state)
{
    struct fixture *f = *state;
    struct mu_ocsp_told told;
    told_of(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    assert_int_equal(mu_ocsp_response_find(f->response, f->signer, f->ca, &told, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NOT_FOUND);
    assert_says(f->err.what, "nothing about \"OCSP responder\"");
}

static void an_answer_is_good_for_its_time_and_five_minutes_for_clocks(void **state)
{
    struct fixture *f = *state;
    struct mu_ocsp_told told = told_of(f, &(struct mu_ocsp_single){.state = MU_OCSP_GOOD});
    assert_int_equal(mu_ocsp_told_check(&told, NOW - 300, &f->err), 0);
    assert_int_equal(mu_ocsp_told_check(&told, NOW + 3600 + 300, &f->err), 0);
    assert_int_equal(mu_ocsp_told_check(&told, NOW - 301, &f->err), -1);
    assert_says(f->err.what, "in the future");
    assert_int_equal(mu_ocsp_told_check(&told, NOW + 3600 + 301, &f->err), -1);
    assert_says(f->err.what, "out of date");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_names_the_certificate_and_has_a_nonce_of_32_octets),
        TEST(a_request_without_a_nonce_says_so),
        TEST(requests_are_made_with_hashes_that_responders_know),
        TEST(an_issuer_is_known_by_its_name_and_key_under_every_hash),
        TEST(what_is_no_request_is_refused),
        TEST(a_request_that_is_cut_off_anywhere_or_goes_on_is_refused),
        TEST(a_request_longer_than_any_is_refused_unread),
        TEST(a_request_asks_for_1_to_256_certificates),
        TEST(a_nonce_has_1_to_128_octets),
        TEST(a_nonce_is_one_octet_string_and_there_is_only_one),
        TEST(an_unknown_extension_is_passed_over_unless_it_is_critical),
        TEST(a_critical_extension_about_one_certificate_is_refused_too),
        TEST(each_state_arrives_as_it_was_meant),
        TEST(revocation_comes_with_its_time_its_reason_and_since_when),
        TEST(a_reason_that_is_not_specified_is_left_out),
        TEST(an_answer_names_its_signer_by_key_and_repeats_the_nonce),
        TEST(without_a_nonce_an_answer_has_no_extensions_and_may_be_kept),
        TEST(a_refusal_is_its_status_and_nothing_else),
        TEST(an_answer_from_a_strangers_responder_is_not_believed),
        TEST(a_certificate_of_the_ca_that_is_no_responder_cannot_answer),
        TEST(an_answer_to_another_request_is_not_believed),
        TEST(an_answer_signed_after_the_responders_end_is_not_believed),
        TEST(a_refusal_is_no_answer),
        TEST(an_answer_about_another_certificate_says_nothing_about_this_one),
        TEST(an_answer_is_good_for_its_time_and_five_minutes_for_clocks),
    };
    return cmocka_run_group_tests_name("ocsp", tests, NULL, NULL);
}
