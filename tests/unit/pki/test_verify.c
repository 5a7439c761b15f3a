#include <openssl/x509_vfy.h>

#include "data.h"
#include "pki/verify.h"

/* A question to the judge, by the names of the files in tests/data/certs. */
struct question {
    const char *leaf;
    const char *anchors[3]; /* none: "ca" */
    const char *untrusted[3];
    const char *crls[3];
    enum mu_purpose purpose;
    const char *host;
    time_t at; /* 0: NOW */
};

static void load_all(const char *const names[3], struct mu_certs *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    for (int i = 0; i < 3 && names[i] != NULL; i++)
        assert_int_equal(mu_certs_add(ret, load_cert(names[i]), &err), 0);
}

static struct mu_verdict judge(struct question q)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    MU_AUTO_CLEAR(mu_certs) untrusted = {0};
    MU_AUTO_CLEAR(mu_objects) lists = {0};
    MU_AUTO_STRUCT(mu_cert) leaf = load_cert(q.leaf);
    struct mu_crl *crls[3];

    if (q.anchors[0] == NULL)
        q.anchors[0] = "ca";
    load_all(q.anchors, &anchors);
    load_all(q.untrusted, &untrusted);
    for (int i = 0; i < 3 && q.crls[i] != NULL; i++) {
        char file[128];
        snprintf(file, sizeof file, "certs/%s.crl", q.crls[i]);
        assert_int_equal(mu_objects_load(data_path(file), &lists, &err), 0);
    }
    for (size_t i = 0; i < lists.count; i++)
        crls[i] = lists.at[i].crl;

    struct mu_verify how = {
        .anchors = &anchors,
        .untrusted = &untrusted,
        .crls = crls,
        .crl_count = lists.count,
        .purpose = q.purpose,
        .host = q.host,
        .at = q.at == 0 ? NOW : q.at,
    };
    assert_int_equal(mu_verify(leaf, &how, &verdict, NULL, &err), 0);
    return verdict;
}

#define JUDGE(...) judge((struct question){.leaf = __VA_ARGS__})

static void assert_fault(struct mu_verdict verdict, enum mu_fault fault, const char *sentence)
{
    if (verdict.fault != fault)
        fail_msg("the verdict is %s: %s (%s)", mu_fault_id(verdict.fault), verdict.sentence,
                 verdict.cause);
    assert_string_equal(verdict.sentence, sentence);
    assert_true(verdict.hint[0] != '\0');
    assert_true(verdict.cause[0] != '\0');
    assert_int_not_equal(verdict.openssl_error, X509_V_OK);
    assert_null(strchr(verdict.sentence, '{'));
    assert_null(strchr(verdict.hint, '{'));
}

static void assert_good(struct mu_verdict verdict)
{
    if (verdict.fault != MU_FAULT_NONE)
        fail_msg("the verdict is %s: %s (%s)", mu_fault_id(verdict.fault), verdict.sentence,
                 verdict.cause);
    assert_int_equal(verdict.openssl_error, X509_V_OK);
}

static void a_good_certificate_is_good(void **state)
{
    (void)state;
    assert_good(JUDGE("client", .purpose = MU_PURPOSE_CLIENT));
    assert_good(JUDGE("server", .purpose = MU_PURPOSE_SERVER, .host = "localhost"));
    assert_good(JUDGE("server", .purpose = MU_PURPOSE_SERVER, .host = "LOCALHOST."));
    assert_good(JUDGE("server", .purpose = MU_PURPOSE_SERVER, .host = "127.0.0.1"));
    assert_good(JUDGE("server", .purpose = MU_PURPOSE_SERVER, .host = "[::1]"));
    assert_good(JUDGE("wildcard", .purpose = MU_PURPOSE_SERVER, .host = "api.example.com"));
    assert_good(JUDGE("no-purpose", .purpose = MU_PURPOSE_CLIENT));
    assert_good(JUDGE("client", .crls = {"ca"}));
}

static void a_chain_is_built_from_what_came_along(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    MU_AUTO_CLEAR(mu_certs) untrusted = {0};
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    MU_AUTO_STRUCT(mu_cert) leaf = load_cert("under-intermediate");
    load_all((const char *const[3]){"ca"}, &anchors);
    load_all((const char *const[3]){"client", "intermediate"}, &untrusted);
    struct mu_verify how = {.anchors = &anchors, .untrusted = &untrusted, .at = NOW};
    char label[MU_CERT_LABEL_LEN];

    assert_int_equal(mu_verify(leaf, &how, &verdict, &chain, &err), 0);
    assert_good(verdict);
    assert_int_equal(chain.count, 3);
    assert_string_equal(mu_cert_label(chain.at[0], label), "carol");
    assert_string_equal(mu_cert_label(chain.at[1], label), "Test Issuing CA");
    assert_string_equal(mu_cert_label(chain.at[2], label), "Test CA");
}

static void the_hand_made_recipe_works_for_its_common_name(void **state)
{
    (void)state;
    const time_t later = NOW + 365 * 86400;
    assert_good(JUDGE("recipe-v1", .anchors = {"recipe-ca"}, .purpose = MU_PURPOSE_SERVER,
                      .host = "localhost", .at = later));
    assert_good(
        JUDGE("recipe-v1", .anchors = {"recipe-ca"}, .purpose = MU_PURPOSE_CLIENT, .at = later));
    assert_fault(JUDGE("recipe-v1", .anchors = {"recipe-ca"}, .host = "example.com", .at = later),
                 MU_FAULT_NAME_MISMATCH,
                 "the certificate \"localhost\" is not for \"example.com\": it is for CN:localhost");
}

static void an_unknown_ca_is_named(void **state)
{
    (void)state;
    const char *sentence =
        "\"stranger\" was issued by \"Other Root\", which is not among the trusted CAs";
    assert_fault(JUDGE("stranger"), MU_FAULT_UNTRUSTED, sentence);
    assert_fault(JUDGE("stranger", .untrusted = {"other-ca"}), MU_FAULT_UNTRUSTED, sentence);
    assert_fault(JUDGE("under-intermediate"), MU_FAULT_ISSUER_NOT_SENT,
                 "\"carol\" was issued by \"Test Issuing CA\", by its name an intermediate CA, which was "
                 "not sent along and is not among the trusted CAs");
}

static void a_ca_made_anew_under_the_same_name_is_told_apart(void **state)
{
    (void)state;
    assert_fault(JUDGE("client", .anchors = {"new-ca"}), MU_FAULT_REKEYED,
                 "\"alice\" was issued by a CA named \"Test CA\", but the trusted CA of that name "
                 "has another key: one of the two was made anew");
    assert_int_equal(JUDGE("client", .anchors = {"new-ca"}, .untrusted = {"ca"}).fault,
                     MU_FAULT_REKEYED);
}

static void a_self_signed_certificate_is_told_from_one_named_like_its_ca(void **state)
{
    (void)state;
    assert_fault(JUDGE("self-signed"), MU_FAULT_SELF_SIGNED,
                 "\"lonely\" is signed by itself and not among the trusted CAs");
    assert_good(JUDGE("self-signed", .anchors = {"self-signed"}));
    /* Its key identifiers tell OpenSSL that it is not self-signed, so it passes here. */
    assert_good(JUDGE("same-name"));
}

static void a_trust_file_without_the_root_is_named(void **state)
{
    (void)state;
    assert_fault(JUDGE("under-intermediate", .anchors = {"intermediate"}), MU_FAULT_CHAIN_INCOMPLETE,
                 "the chain stops at the intermediate CA \"Test Issuing CA\": its issuer \"Test CA\" "
                 "is not among the trusted CAs");
    assert_fault(JUDGE("client", .anchors = {"client"}), MU_FAULT_LEAF_TRUSTED,
                 "\"alice\" itself is in the CA file, where its issuer \"Test CA\" should be");
}

static void times_are_told_with_dates(void **state)
{
    (void)state;
    assert_fault(JUDGE("expired"), MU_FAULT_EXPIRED,
                 "the certificate \"expired\" expired on 2026-05-20 00:00 UTC, 12 days ago");
    assert_fault(JUDGE("future"), MU_FAULT_NOT_YET_VALID,
                 "the certificate \"future\" is valid only from 2027-01-01 00:00 UTC, in 214 days");
    assert_fault(JUDGE("under-expired-ca", .anchors = {"expired-ca"}), MU_FAULT_CA_EXPIRED,
                 "the CA certificate \"Ended CA\" expired on 2026-05-20 00:00 UTC, 12 days ago");
    assert_fault(JUDGE("under-expired-intermediate", .untrusted = {"expired-intermediate"}),
                 MU_FAULT_INTERMEDIATE_EXPIRED,
                 "the intermediate CA certificate \"Old Issuing CA\" expired on 2026-05-20 00:00 UTC, "
                 "12 days ago");
    assert_int_equal(JUDGE("client", .at = NOW - 365 * 86400).fault, MU_FAULT_CA_NOT_YET_VALID);
}

static void a_purpose_that_does_not_fit_is_told_with_what_there_is(void **state)
{
    (void)state;
    assert_fault(JUDGE("server", .purpose = MU_PURPOSE_CLIENT), MU_FAULT_PURPOSE,
                 "the certificate \"localhost\" is not made for this use: it is for TLS server");
    assert_fault(JUDGE("client", .purpose = MU_PURPOSE_SERVER), MU_FAULT_PURPOSE,
                 "the certificate \"alice\" is not made for this use: it is for TLS client");
    assert_good(JUDGE("server"));
    assert_fault(JUDGE("no-signature", .purpose = MU_PURPOSE_CLIENT), MU_FAULT_KEY_USAGE,
                 "the key usage of \"agree\" lacks digital signature, which TLS needs");
    assert_fault(
        JUDGE("under-server-only-ca", .untrusted = {"server-only-ca"}, .purpose = MU_PURPOSE_CLIENT),
        MU_FAULT_CA_PURPOSE,
        "the CA \"Servers only\" may not issue certificates for this use: it is for TLS server");
}

static void a_wrong_name_is_told_beside_the_right_ones(void **state)
{
    (void)state;
    assert_fault(JUDGE("server", .host = "example.com"), MU_FAULT_NAME_MISMATCH,
                 "the certificate \"localhost\" is not for \"example.com\": it is for DNS:localhost, "
                 "IP:127.0.0.1, IP:::1");
    assert_fault(
        JUDGE("server", .host = "192.0.2.7"), MU_FAULT_IP_MISMATCH,
        "the certificate \"localhost\" is not for the address 192.0.2.7: it is for DNS:localhost, "
        "IP:127.0.0.1, IP:::1");
    assert_int_equal(JUDGE("wildcard", .host = "a.b.example.com").fault, MU_FAULT_NAME_MISMATCH);
    assert_int_equal(JUDGE("wildcard", .host = "example.com").fault, MU_FAULT_NAME_MISMATCH);
    assert_int_equal(JUDGE("ip-as-dns", .host = "192.0.2.7").fault, MU_FAULT_IP_MISMATCH);
    assert_int_equal(JUDGE("server", .host = "localhost\n").fault, MU_FAULT_NAME_MISMATCH);
}

static void an_empty_host_name_does_not_mean_any(void **state)
{
    (void)state;
    MU_AUTO_STRUCT(mu_cert) leaf = load_cert("server");
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    load_all((const char *const[3]){"ca"}, &anchors);
    for (int i = 0; i < 3; i++) {
        struct mu_error err = MU_ERROR_INIT;
        struct mu_verdict verdict;
        const char *const empty[] = {"", ".", "[]"};
        struct mu_verify how = {.anchors = &anchors, .host = empty[i], .at = NOW};
        assert_int_equal(mu_verify(leaf, &how, &verdict, NULL, &err), -1);
        assert_int_equal(err.code, MU_E_NAME);
    }
}

static void what_is_no_ca_cannot_issue(void **state)
{
    (void)state;
    assert_fault(JUDGE("under-not-a-ca", .untrusted = {"not-a-ca"}), MU_FAULT_CA_INVALID,
                 "\"not a CA\" issued a certificate, but is no CA itself: basicConstraints CA:TRUE is "
                 "missing");
    assert_fault(JUDGE("under-mute-ca", .anchors = {"mute-ca"}), MU_FAULT_CA_KEY_USAGE,
                 "the key usage of the CA \"Mute CA\" lacks certificate signing");
    assert_fault(JUDGE("under-too-deep", .untrusted = {"too-deep-ca", "intermediate"}),
                 MU_FAULT_PATH_LENGTH,
                 "the CA \"Test Issuing CA\" allows fewer CAs below it than this chain has");
    assert_fault(JUDGE("outside-constraint", .untrusted = {"constrained-ca"}),
                 MU_FAULT_NAME_CONSTRAINT,
                 "\"www.example.com\" has a name that a CA above it may not certify: it is for "
                 "DNS:www.example.com");
}

static void what_is_too_weak_is_refused(void **state)
{
    (void)state;
    assert_fault(JUDGE("weak-key"), MU_FAULT_WEAK_KEY, "the key of \"weak\" is too weak: RSA 1024");
    assert_fault(JUDGE("weak-signature"), MU_FAULT_WEAK_SIGNATURE,
                 "\"sha1\" is signed with ecdsa-with-SHA1, which is too weak");
}

static void an_unknown_critical_extension_is_refused(void **state)
{
    (void)state;
    assert_fault(JUDGE("critical"), MU_FAULT_CRITICAL_EXTENSION,
                 "\"strange\" has a critical extension that nobody here understands");
}

static void a_revocation_is_told_with_its_date_and_reason(void **state)
{
    (void)state;
    struct mu_verdict verdict = JUDGE("revoked", .crls = {"ca"});
    assert_int_equal(verdict.fault, MU_FAULT_REVOKED);
    assert_says(verdict.sentence, "the certificate \"mallory\" (serial ");
    assert_says(verdict.sentence, ") was revoked on 2026-");
    assert_says(verdict.sentence, ": its key was exposed");
    assert_good(JUDGE("revoked"));
}

static void a_list_that_is_stale_or_missing_is_named(void **state)
{
    (void)state;
    assert_fault(JUDGE("client", .crls = {"ca-stale"}), MU_FAULT_CRL_EXPIRED,
                 "the revocation list of \"Test CA\" is out of date: the next one was due on "
                 "2026-05-01 00:00 UTC, 31 days ago");
    assert_fault(
        JUDGE("under-intermediate", .untrusted = {"intermediate"}, .crls = {"ca"}),
        MU_FAULT_CRL_MISSING,
        "there is no revocation list from \"Test Issuing CA\", so \"carol\" cannot be checked");
    assert_int_equal(JUDGE("client", .crls = {"new-ca"}).fault, MU_FAULT_CRL_INVALID);
}

static void the_cause_says_whose_certificate_it_is(void **state)
{
    (void)state;
    char cause[MU_CAUSE_LEN];
    assert_string_equal(mu_fault_cause(MU_FAULT_EXPIRED, MU_PURPOSE_CLIENT, cause),
                        "client_cert_expired");
    assert_string_equal(mu_fault_cause(MU_FAULT_EXPIRED, MU_PURPOSE_SERVER, cause),
                        "server_cert_expired");
    assert_string_equal(mu_fault_cause(MU_FAULT_PURPOSE, MU_PURPOSE_CLIENT, cause),
                        "client_cert_no_clientauth");
    assert_string_equal(mu_fault_cause(MU_FAULT_REKEYED, MU_PURPOSE_CLIENT, cause),
                        "ca_rekeyed_same_name");
}

static void every_fault_has_an_id_and_a_cause_of_plain_letters(void **state)
{
    (void)state;
    for (int fault = MU_FAULT_NONE + 1; fault < MU_FAULT_COUNT; fault++)
        for (int side = MU_PURPOSE_ANY; side <= MU_PURPOSE_CLIENT; side++) {
            char cause[MU_CAUSE_LEN];
            const char *id = mu_fault_id((enum mu_fault)fault);
            mu_fault_cause((enum mu_fault)fault, (enum mu_purpose)side, cause);
            assert_true(strlen(id) > 0 &&
                        strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(id));
            assert_true(strlen(cause) > 0 &&
                        strspn(cause, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(cause));
        }
}

static void every_error_of_openssl_is_a_fault_with_words(void **state)
{
    (void)state;
    MU_AUTO_STRUCT(mu_cert) cert = load_cert("client");
    for (int error = 1; error <= 200; error++)
        for (int depth = 0; depth < 3; depth++) {
            struct mu_verdict verdict;
            mu_verdict_set(&verdict, error, depth, mu_cert_x509(cert), NOW, NULL);
            assert_int_not_equal(verdict.fault, MU_FAULT_NONE);
            assert_int_equal(verdict.openssl_error, error);
            assert_true(verdict.sentence[0] != '\0' && verdict.hint[0] != '\0');
            assert_null(strchr(verdict.sentence, '{'));
            assert_null(strchr(verdict.hint, '{'));
            mu_verdict_set(&verdict, error, depth, NULL, NOW, NULL);
            assert_int_not_equal(verdict.fault, MU_FAULT_NONE);
        }
}

static void only_what_we_never_ask_for_has_no_fault_of_its_own(void **state)
{
    (void)state;
    static const int without[] = {
        X509_V_ERR_UNSPECIFIED,
        X509_V_ERR_OUT_OF_MEM,
        X509_V_ERR_PROXY_CERTIFICATES_NOT_ALLOWED,
        X509_V_ERR_APPLICATION_VERIFICATION,
        X509_V_ERR_PATH_LOOP,
        X509_V_ERR_SUITE_B_INVALID_VERSION,
        X509_V_ERR_SUITE_B_INVALID_ALGORITHM,
        X509_V_ERR_SUITE_B_INVALID_CURVE,
        X509_V_ERR_SUITE_B_INVALID_SIGNATURE_ALGORITHM,
        X509_V_ERR_SUITE_B_LOS_NOT_ALLOWED,
        X509_V_ERR_SUITE_B_CANNOT_SIGN_P_384_WITH_P_256,
        X509_V_ERR_DANE_NO_MATCH,
        X509_V_ERR_INVALID_CALL,
        X509_V_ERR_STORE_LOOKUP,
        X509_V_ERR_NO_VALID_SCTS,
        X509_V_ERR_PROXY_SUBJECT_NAME_VIOLATION,
        X509_V_ERR_OCSP_VERIFY_NEEDED,
        X509_V_ERR_OCSP_VERIFY_FAILED,
        X509_V_ERR_OCSP_CERT_UNKNOWN,
    };
    MU_AUTO_STRUCT(mu_cert) cert = load_cert("client");
    for (int error = 1; error <= X509_V_ERR_EC_KEY_EXPLICIT_PARAMS; error++) {
        struct mu_verdict verdict;
        bool expected = false;
        for (size_t i = 0; i < MU_COUNT(without); i++)
            expected = expected || without[i] == error;
        mu_verdict_set(&verdict, error, 0, mu_cert_x509(cert), NOW, NULL);
        if ((verdict.fault == MU_FAULT_OTHER) != expected)
            fail_msg("error %d (%s) is a fault %s", error, verdict.cause,
                     mu_fault_id(verdict.fault));
    }
}

static void names_from_outside_cannot_forge_a_line(void **state)
{
    (void)state;
    struct mu_verdict verdict = JUDGE("odd-names", .anchors = {"other-ca"}, .host = "a\nb");
    assert_null(strchr(verdict.sentence, '\x1b'));
    verdict = JUDGE("server", .host = "a\nb");
    assert_says(verdict.sentence, "a\\x0ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_certificate_is_good),
        cmocka_unit_test(a_chain_is_built_from_what_came_along),
        cmocka_unit_test(the_hand_made_recipe_works_for_its_common_name),
        cmocka_unit_test(an_unknown_ca_is_named),
        cmocka_unit_test(a_ca_made_anew_under_the_same_name_is_told_apart),
        cmocka_unit_test(a_self_signed_certificate_is_told_from_one_named_like_its_ca),
        cmocka_unit_test(a_trust_file_without_the_root_is_named),
        cmocka_unit_test(times_are_told_with_dates),
        cmocka_unit_test(a_purpose_that_does_not_fit_is_told_with_what_there_is),
        cmocka_unit_test(a_wrong_name_is_told_beside_the_right_ones),
        cmocka_unit_test(an_empty_host_name_does_not_mean_any),
        cmocka_unit_test(what_is_no_ca_cannot_issue),
        cmocka_unit_test(what_is_too_weak_is_refused),
        cmocka_unit_test(an_unknown_critical_extension_is_refused),
        cmocka_unit_test(a_revocation_is_told_with_its_date_and_reason),
        cmocka_unit_test(a_list_that_is_stale_or_missing_is_named),
        cmocka_unit_test(the_cause_says_whose_certificate_it_is),
        cmocka_unit_test(every_fault_has_an_id_and_a_cause_of_plain_letters),
        cmocka_unit_test(every_error_of_openssl_is_a_fault_with_words),
        cmocka_unit_test(only_what_we_never_ask_for_has_no_fault_of_its_own),
        cmocka_unit_test(names_from_outside_cannot_forge_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
