#include <openssl/bn.h>
#include <openssl/rsa.h>

#include "make.h"
#include "pki/info.h"
#include "pki/issue.h"

#define DAY ((time_t)86400)
/* clang-format off: its versions do not agree on a macro of two initializers */
#define CA_EXTENSIONS {NID_basic_constraints, "critical,CA:TRUE"}, {NID_subject_key_identifier, "hash"}
/* clang-format on */

/* A throw-away CA that ends in a year, a key, the names of a server, and a fixed clock. */
struct fixture {
    struct mu_key *ca_key, *key;
    struct mu_cert *ca, *cert;
    struct mu_names names;
    struct mu_error err;
    struct mu_cert_info info;
};

static int set_up(void **state)
{
    static struct fixture f;
    unsigned char serial[MU_SERIAL_LEN];
    f = (struct fixture){.ca_key = make_key("p256"), .key = make_key("p256")};
    *state = &f;
    return mu_names_set_main(&f.names, "api.internal", false, &f.err) != 0 ||
           mu_serial_make(serial, &f.err) != 0 ||
           mu_issue_root(f.ca_key, "Home CA", serial, NOW, 365 * DAY, 0, NULL, &f.ca, &f.err) != 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_cert_info_clear(&f->info);
    mu_names_clear(&f->names);
    mu_cert_free(f->cert);
    mu_cert_free(f->ca);
    mu_key_free(f->key);
    mu_key_free(f->ca_key);
    return 0;
}

static int issue(struct fixture *f, enum mu_profile profile, time_t now, int64_t lifetime_s)
{
    struct mu_issue order = {
        .profile = profile,
        .key = f->key,
        .names = &f->names,
        .now = now,
        .lifetime_s = lifetime_s,
    };
    assert_int_equal(mu_serial_make(order.serial, &f->err), 0);
    return mu_issue_leaf(f->ca, f->ca_key, &order, &f->cert, &f->err);
}

static void what_is_told_of_a_certificate_is_what_its_bytes_say(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) wanted = MU_BUF_INIT;
    char sha256[MU_SHA256_LEN];
    struct mu_issue order = {.profile = MU_PROFILE_PEER,
                             .key = f->key,
                             .names = &f->names,
                             .now = NOW,
                             .lifetime_s = DAY};
    assert_int_equal(mu_names_add(&f->names, "10.0.0.1", &f->err), 0);
    assert_int_equal(mu_serial_make(order.serial, &f->err), 0);
    assert_int_equal(mu_issue_make(f->ca, f->ca_key, &order, &issued, &f->err), 0);
    assert_int_equal(mu_issued_cert(&issued, &f->cert, &f->err), 0);
    assert_int_equal(mu_cert_info_read(f->cert, NOW, &f->info, &f->err), 0);
    assert_string_equal(issued.serial, f->info.serial);
    assert_string_equal(issued.subject, f->info.subject);
    assert_string_equal(mu_buf_str(&issued.san), "DNS:api.internal, IP:10.0.0.1");
    assert_string_equal(issued.sha256, mu_cert_fingerprint(f->cert, sha256));
    assert_true(issued.not_before == f->info.not_before && issued.not_after == f->info.not_after);
    mu_issued_to_pem(&issued, &pem);
    mu_cert_to_pem(f->cert, &wanted);
    assert_string_equal(mu_buf_str(&pem), mu_buf_str(&wanted));
}

/* What is in the certificate that was issued. */
static const struct mu_cert_info *issued(struct fixture *f, enum mu_profile profile)
{
    if (issue(f, profile, NOW, 90 * DAY) != 0)
        fail_msg("%s: %s", f->err.what, f->err.cause);
    assert_int_equal(mu_cert_info_read(f->cert, NOW, &f->info, &f->err), 0);
    return &f->info;
}

static void assert_refused(struct fixture *f, enum mu_profile profile, enum mu_code code,
                           const char *part)
{
    assert_int_equal(issue(f, profile, NOW, DAY), -1);
    assert_int_equal(f->err.code, code);
    assert_says(f->err.what, part);
    assert_null(f->cert); /* untouched, as the header promises */
}

static void replace_names(struct fixture *f, const char *name, bool free_text)
{
    mu_names_clear(&f->names);
    assert_int_equal(mu_names_set_main(&f->names, name, free_text, &f->err), 0);
}

static void replace_key(struct fixture *f, EVP_PKEY *evp)
{
    mu_key_free(f->key);
    f->key = NULL;
    assert_int_equal(mu_key_wrap(evp, &f->key, &f->err), 0);
}

static void replace_ca(struct fixture *f, const struct hand_made *made)
{
    mu_cert_free(f->ca);
    f->ca = make_by_hand(made, f->ca_key, NULL, NULL);
}

/* --- What is issued --- */

static void serials_are_positive_of_one_length_and_never_the_same(void **state)
{
    struct fixture *f = *state;
    unsigned char serials[64][MU_SERIAL_LEN];
    for (size_t i = 0; i < MU_COUNT(serials); i++) {
        assert_int_equal(mu_serial_make(serials[i], &f->err), 0);
        assert_in_range(serials[i][0], 0x01, 0x7f);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(serials[i], serials[j], MU_SERIAL_LEN);
    }
}

static void a_ca_signs_leaves_and_lists_and_no_further_cas(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mu_cert_info_read(f->ca, NOW, &f->info, &f->err), 0);
    assert_true(f->info.is_ca && f->info.basic_constraints_critical);
    assert_int_equal(f->info.path_length, 0);
    assert_true(f->info.self_signed);
    assert_string_equal(f->info.subject, "CN=Home CA");
    assert_int_equal(f->info.key_usage.count, 2);
    assert_false(f->info.has_eku);
    assert_string_equal(f->info.subject_key_id, f->info.authority_key_id);
    assert_int_equal(f->info.problems.count, 0);
}

static void each_profile_serves_its_purpose_and_no_other(void **state)
{
    struct fixture *f = *state;
    const struct mu_cert_info *info = issued(f, MU_PROFILE_SERVER);
    assert_true(info->server_auth && !info->client_auth && info->purposes.count == 1);
    tear_down(state);
    set_up(state);
    info = issued(f, MU_PROFILE_CLIENT);
    assert_true(!info->server_auth && info->client_auth && info->purposes.count == 1);
    tear_down(state);
    set_up(state);
    info = issued(f, MU_PROFILE_PEER);
    assert_true(info->server_auth && info->client_auth && info->purposes.count == 2);
}

static void a_responders_certificate_is_for_answers_whatever_its_key(void **state)
{
    struct fixture *f = *state;
    replace_names(f, "A responder of OCSP", true);
    replace_key(f, EVP_RSA_gen(2048));
    const struct mu_cert_info *info = issued(f, MU_PROFILE_OCSP);
    assert_int_equal(info->purposes.count, 1);
    assert_string_equal(info->purposes.at[0], "OCSP signing");
    assert_int_equal(info->key_usage.count, 1);
    assert_int_equal(info->problems.count, 0);
    assert_true(X509_get_ext_by_NID(mu_cert_x509(f->cert), NID_id_pkix_OCSP_noCheck, -1) >= 0);
}

static void a_leaf_is_no_ca_and_nothing_is_wrong_with_it(void **state)
{
    const struct mu_cert_info *info = issued(*state, MU_PROFILE_SERVER);
    struct fixture *f = *state;
    struct mu_cert_info ca = {0};
    assert_int_equal(mu_cert_info_read(f->ca, NOW, &ca, &f->err), 0);
    assert_int_equal(info->version, 3);
    assert_false(info->is_ca);
    assert_string_equal(info->authority_key_id, ca.subject_key_id);
    assert_string_equal(info->issuer, "CN=Home CA");
    assert_string_equal(info->cn, "api.internal");
    assert_string_equal(info->san.at[0], "DNS:api.internal");
    assert_int_equal(info->problems.count, 0);
    mu_cert_info_clear(&ca);
}

static void only_rsa_keys_of_servers_may_encipher_keys(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(issued(f, MU_PROFILE_SERVER)->key_usage.count, 1);
    mu_cert_info_clear(&f->info);
    mu_cert_free(f->cert);
    replace_key(f, EVP_RSA_gen(2048));
    assert_int_equal(issued(f, MU_PROFILE_SERVER)->key_usage.count, 2);
    mu_cert_info_clear(&f->info);
    mu_cert_free(f->cert);
    assert_int_equal(issued(f, MU_PROFILE_CLIENT)->key_usage.count, 1);
}

static void a_lifetime_begins_five_minutes_ago(void **state)
{
    const struct mu_cert_info *info = issued(*state, MU_PROFILE_SERVER);
    assert_int_equal(info->not_before, NOW - 300);
    assert_int_equal(info->not_after, NOW + 90 * DAY);
}

static void no_leaf_lives_outside_its_cas_own_time(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(issue(f, MU_PROFILE_SERVER, NOW, 366 * DAY), 0);
    assert_int_equal(mu_cert_not_after(f->cert), NOW + 365 * DAY);
    assert_int_equal(mu_cert_not_before(f->cert), NOW - 300);
    mu_cert_free(f->cert);
    f->cert = NULL;
    assert_int_equal(issue(f, MU_PROFILE_SERVER, NOW - 200, DAY), 0);
    assert_int_equal(mu_cert_not_before(f->cert), NOW - 300);
}

static void times_beyond_2049_are_written_as_they_must_be(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_cert) ca = NULL;
    unsigned char serial[MU_SERIAL_LEN];
    assert_int_equal(mu_serial_make(serial, &f->err), 0);
    assert_int_equal(mu_issue_root(f->ca_key, "Long CA", serial, NOW, 36500 * DAY, 0, NULL, &ca,
                                   &f->err),
                     0);
    assert_int_equal(ASN1_STRING_type(X509_get0_notAfter(mu_cert_x509(ca))), V_ASN1_GENERALIZEDTIME);
    assert_int_equal(ASN1_STRING_type(X509_get0_notBefore(mu_cert_x509(ca))), V_ASN1_UTCTIME);
}

static void a_name_without_a_common_name_makes_the_alternative_names_critical(void **state)
{
    struct fixture *f = *state;
    replace_names(f, "spiffe://example.org/api", false);
    const struct mu_cert_info *info = issued(f, MU_PROFILE_PEER);
    X509 *x = mu_cert_x509(f->cert);
    int at = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);
    assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(x, at)), 1);
    assert_string_equal(info->cn, "");
}

static void a_person_may_be_a_client_but_no_server(void **state)
{
    struct fixture *f = *state;
    replace_names(f, "Alice Example", true);
    assert_refused(f, MU_PROFILE_SERVER, MU_E_PROFILE, "needs at least one DNS name");
    assert_string_equal(issued(f, MU_PROFILE_CLIENT)->cn, "Alice Example");
    assert_int_equal(f->info.san.count, 0);
}

static void every_kind_of_ca_key_can_sign(void **state)
{
    static const char *const types[] = {"p384", "p521", "rsa2048", "ed25519"};
    struct fixture *f = *state;
    unsigned char serial[MU_SERIAL_LEN];
    for (size_t i = 0; i < MU_COUNT(types); i++) {
        mu_key_free(f->ca_key);
        mu_cert_free(f->ca);
        mu_cert_free(f->cert);
        f->ca = f->cert = NULL;
        f->ca_key = make_key(types[i]);
        assert_int_equal(mu_serial_make(serial, &f->err), 0);
        assert_int_equal(mu_issue_root(f->ca_key, "CA", serial, NOW, DAY, 0, NULL, &f->ca, &f->err),
                         0);
        if (issue(f, MU_PROFILE_SERVER, NOW, DAY) != 0)
            fail_msg("%s: %s", types[i], f->err.what);
    }
}

/* --- What is refused --- */

static void an_expired_ca_refuses_and_says_when_it_expired(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(issue(f, MU_PROFILE_SERVER, NOW + 365 * DAY, DAY), 0);
    mu_cert_free(f->cert);
    f->cert = NULL;
    assert_int_equal(issue(f, MU_PROFILE_SERVER, NOW + 365 * DAY + 1, DAY), -1);
    assert_int_equal(f->err.code, MU_E_CA_EXPIRED);
    assert_says(f->err.what, "\"Home CA\" expired on 2027-06-01 00:00 UTC");
    assert_null(f->cert);
}

static void a_ca_from_the_future_refuses(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(issue(f, MU_PROFILE_SERVER, NOW - 301, DAY), -1);
    assert_int_equal(f->err.code, MU_E_CLOCK);
}

static void a_key_of_another_ca_is_refused(void **state)
{
    struct fixture *f = *state;
    mu_key_free(f->ca_key);
    f->ca_key = make_key("p256");
    assert_refused(f, MU_PROFILE_SERVER, MU_E_KEY_MISMATCH, "does not belong");
}

static void a_leaf_issues_nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(issue(f, MU_PROFILE_SERVER, NOW, DAY), 0);
    mu_cert_free(f->ca);
    f->ca = f->cert;
    f->cert = NULL;
    mu_key_free(f->ca_key);
    f->ca_key = f->key;
    f->key = make_key("p256");
    assert_refused(f, MU_PROFILE_SERVER, MU_E_CA_UNFIT, "is not a CA");
}

static void the_hand_made_recipes_cas_can_issue(void **state)
{
    static const struct hand_made cas[] = {
        {.v1 = true, .cn = "my-ca"},
        {.cn = "my-ca", .extensions = {CA_EXTENSIONS}}, /* no keyUsage */
        {.cn = "my-ca", .extensions = {{NID_basic_constraints, "CA:TRUE"}}},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < MU_COUNT(cas); i++) {
        replace_ca(f, &cas[i]);
        if (issue(f, MU_PROFILE_SERVER, NOW, DAY) != 0)
            fail_msg("%zu: %s", i, f->err.what);
        assert_non_null(X509_get0_authority_key_id(mu_cert_x509(f->cert)));
        mu_cert_free(f->cert);
        f->cert = NULL;
    }
}

static void a_ca_that_may_not_sign_certificates_issues_nothing(void **state)
{
    struct fixture *f = *state;
    replace_ca(f, &(struct hand_made){
                      .cn = "Lists Only",
                      .extensions = {CA_EXTENSIONS, {NID_key_usage, "critical,cRLSign"}},
                  });
    assert_refused(f, MU_PROFILE_SERVER, MU_E_CA_UNFIT, "keyCertSign");
}

static void a_ca_bound_to_servers_issues_servers_only(void **state)
{
    struct fixture *f = *state;
    replace_ca(f, &(struct hand_made){
                      .cn = "Servers Only",
                      .extensions = {CA_EXTENSIONS, {NID_ext_key_usage, "serverAuth"}},
                  });
    assert_refused(f, MU_PROFILE_CLIENT, MU_E_CA_UNFIT, "may not issue client certificates");
    assert_refused(f, MU_PROFILE_PEER, MU_E_CA_UNFIT, "may not issue peer certificates");
    assert_refused(f, MU_PROFILE_OCSP, MU_E_CA_UNFIT, "may not issue ocsp certificates");
    assert_int_equal(issue(f, MU_PROFILE_SERVER, NOW, DAY), 0);
}

static void a_ca_bound_to_a_domain_issues_for_that_only(void **state)
{
    struct fixture *f = *state;
    replace_ca(f, &(struct hand_made){
                      .cn = "Example Only",
                      .extensions = {CA_EXTENSIONS,
                                     {NID_name_constraints, "critical,permitted;DNS:example.org"}},
                  });
    assert_refused(
        f, MU_PROFILE_SERVER, MU_E_CONSTRAINT,
        "may not issue for DNS:api.internal: its name constraints permit only DNS:example.org");
    replace_names(f, "api.example.org", false);
    assert_int_equal(issue(f, MU_PROFILE_SERVER, NOW, DAY), 0);
}

/* Verifiers take such a common name for a DNS name, which no constraint permits. */
static void a_host_known_by_its_address_alone_gets_no_common_name_where_that_would_be_refused(
    void **state)
{
    struct fixture *f = *state;
    replace_names(f, "10.0.0.1", false);
    assert_string_equal(issued(f, MU_PROFILE_SERVER)->cn, "10.0.0.1");
    mu_cert_info_clear(&f->info);
    mu_cert_free(f->cert);
    f->cert = NULL;
    replace_ca(f, &(struct hand_made){
                      .cn = "Example Only",
                      .extensions =
                          {CA_EXTENSIONS,
                           {NID_name_constraints,
                            "critical,permitted;DNS:example.org,permitted;IP:10.0.0.0/255.0.0.0"}},
                  });
    assert_string_equal(issued(f, MU_PROFILE_SERVER)->cn, "");
    assert_string_equal(f->info.san.at[0], "IP:10.0.0.1");
    mu_cert_free(f->cert);
    f->cert = NULL;
    replace_names(f, "11.0.0.1", false);
    assert_refused(f, MU_PROFILE_SERVER, MU_E_CONSTRAINT, "for IP:11.0.0.1");
}

static void a_ca_with_a_weak_key_issues_nothing(void **state)
{
    struct fixture *f = *state;
    mu_key_free(f->ca_key);
    assert_int_equal(mu_key_wrap(EVP_RSA_gen(1024), &f->ca_key, &f->err), 0);
    replace_ca(f, &(struct hand_made){.cn = "Weak", .extensions = {CA_EXTENSIONS}});
    assert_refused(f, MU_PROFILE_SERVER, MU_E_CA_UNFIT, "too weak");
}

static void nobody_gets_the_cas_own_name(void **state)
{
    struct fixture *f = *state;
    replace_names(f, "Home CA", true);
    assert_refused(f, MU_PROFILE_CLIENT, MU_E_PROFILE, "looks self-signed");
    assert_says(f->err.hint, "--san");
}

static void a_server_without_a_name_is_refused(void **state)
{
    struct fixture *f = *state;
    mu_names_clear(&f->names);
    assert_refused(f, MU_PROFILE_SERVER, MU_E_PROFILE, "needs at least one DNS name");
    assert_refused(f, MU_PROFILE_CLIENT, MU_E_PROFILE, "needs at least one");
}

static void weak_keys_and_keys_that_tls_cannot_use_are_refused(void **state)
{
    static const char *const curves[][2] = {{"P-192", "too weak"},
                                            {"secp256k1", "TLS 1.3"},
                                            {"brainpoolP256r1", "TLS 1.3"}};
    struct fixture *f = *state;
    replace_key(f, EVP_RSA_gen(1024));
    assert_refused(f, MU_PROFILE_SERVER, MU_E_PROFILE, "RSA 1024");
    assert_says(f->err.hint, "p256");
    replace_key(f, EVP_RSA_gen(2047));
    assert_refused(f, MU_PROFILE_SERVER, MU_E_PROFILE, "too weak");
    for (size_t i = 0; i < MU_COUNT(curves); i++) {
        replace_key(f, EVP_EC_gen(curves[i][0]));
        assert_refused(f, MU_PROFILE_SERVER, MU_E_PROFILE, curves[i][1]);
    }
    replace_key(f, EVP_PKEY_Q_keygen(NULL, NULL, "X25519"));
    assert_refused(f, MU_PROFILE_SERVER, MU_E_PROFILE, "TLS 1.3");
}

/* A public RSA key from its two numbers. */
static EVP_PKEY *rsa_public(const BIGNUM *n, unsigned long e)
{
    EVP_PKEY *evp = NULL;
    MU_AUTO(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    unsigned char number[256];
    BN_bn2nativepad(n, number, sizeof number);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_BN("n", number, sizeof number),
        OSSL_PARAM_construct_ulong("e", &e),
        OSSL_PARAM_construct_end(),
    };
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &evp, EVP_PKEY_PUBLIC_KEY, params), 1);
    return evp;
}

static void a_key_that_others_could_break_is_refused(void **state)
{
    struct fixture *f = *state;
    MU_AUTO(EVP_PKEY) good = EVP_RSA_gen(2048);
    MU_AUTO(BIGNUM) n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(good, "n", &n), 1);
    replace_key(f, rsa_public(n, 1)); /* everybody's signature fits */
    assert_refused(f, MU_PROFILE_SERVER, MU_E_PROFILE, "not a sound one");
    BN_sub_word(n, 1); /* even */
    replace_key(f, rsa_public(n, 65537));
    assert_refused(f, MU_PROFILE_SERVER, MU_E_PROFILE, "not a sound one");
}

static const struct mu_cert_info *told(struct fixture *f)
{
    assert_int_equal(mu_cert_info_read(f->cert, NOW, &f->info, &f->err), 0);
    return &f->info;
}

/* The CA that is to be below, named "Issuing CA", as an order; `below` is used as long as the order is. */
static struct mu_issue order_below(struct fixture *f, const struct mu_below *below)
{
    struct mu_issue order = {
        .profile = MU_PROFILE_CA,
        .key = f->key,
        .names = &f->names,
        .now = NOW,
        .lifetime_s = 3650 * DAY,
        .below = below,
    };
    mu_names_clear(&f->names);
    assert_int_equal(mu_names_set_cn(&f->names, "Issuing CA", &f->err), 0);
    assert_int_equal(mu_serial_make(order.serial, &f->err), 0);
    return order;
}

static void replace_root(struct fixture *f, int path_length)
{
    unsigned char serial[MU_SERIAL_LEN];
    mu_cert_free(mu_take(&f->ca));
    assert_int_equal(mu_serial_make(serial, &f->err), 0);
    assert_int_equal(mu_issue_root(f->ca_key, "Home CA", serial, NOW, 365 * DAY, path_length, NULL,
                                   &f->ca, &f->err),
                     0);
}

static void a_ca_below_another_is_bound_by_path_length_and_end(void **state)
{
    struct fixture *f = *state;
    const struct mu_below below = {.path_length = 1}, deepest = {.path_length = 2};
    struct mu_issue order = order_below(f, &below);
    assert_int_equal(mu_issue_leaf(f->ca, f->ca_key, &order, &f->cert, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_CA_UNFIT);
    assert_non_null(strstr(f->err.what, "path length is 0"));
    assert_non_null(strstr(f->err.hint, "--path-length 1"));
    replace_root(f, 2);
    order.below = &deepest;
    assert_int_equal(mu_issue_leaf(f->ca, f->ca_key, &order, &f->cert, &f->err), -1);
    assert_non_null(strstr(f->err.what, "at most 1"));
    order.below = &below;
    assert_int_equal(mu_issue_leaf(f->ca, f->ca_key, &order, &f->cert, &f->err), 0);
    assert_int_equal(X509_get_pathlen(mu_cert_x509(f->cert)), 1);
    assert_true(mu_cert_is_ca(f->cert) && mu_cert_is_signed_by(f->cert, f->ca));
    assert_int_equal(mu_cert_not_after(f->cert), mu_cert_not_after(f->ca));
    assert_null(told(f)->problems.at);
}

static void a_ca_below_another_may_be_bound_to_names(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_constraints) bounds = {0};
    assert_int_equal(mu_constraints_add(&bounds, false, "DNS:internal.example", &f->err), 0);
    const struct mu_below below = {.constraints = &bounds};
    replace_root(f, 1);
    struct mu_issue order = order_below(f, &below);
    assert_int_equal(mu_issue_leaf(f->ca, f->ca_key, &order, &f->cert, &f->err), 0);
    assert_string_equal(told(f)->permitted.at[0], "DNS:internal.example");
}

static void two_roots_can_certify_each_other(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_cert) fresh = NULL;
    MU_AUTO_STRUCT(mu_cert) crossed = NULL;
    MU_AUTO_STRUCT(mu_cert) strange = NULL;
    struct mu_reissue anew = {.like = f->ca, .key = f->key, .now = NOW, .not_after = NOW + 700 * DAY};
    assert_int_equal(mu_issue_again(&anew, &fresh, &f->err), 0);
    assert_true(mu_cert_is_signed_by(fresh, fresh));
    assert_int_equal(mu_cert_not_after(fresh), NOW + 700 * DAY);
    struct mu_reissue cross = {.like = fresh,
                               .issuer = f->ca,
                               .issuer_key = f->ca_key,
                               .now = NOW,
                               .not_after = NOW + 700 * DAY};
    assert_int_equal(mu_issue_again(&cross, &crossed, &f->err), 0);
    assert_true(mu_cert_is_signed_by(crossed, f->ca) && !mu_cert_is_signed_by(crossed, crossed));
    assert_int_equal(mu_cert_not_after(crossed), mu_cert_not_after(f->ca));
    assert_int_equal(X509_get_pathlen(mu_cert_x509(crossed)), 0);
    assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(mu_cert_x509(crossed)),
                                           X509_get0_subject_key_id(mu_cert_x509(f->ca))),
                     0);
    cross.issuer_key = f->key;
    assert_int_equal(mu_issue_again(&cross, &strange, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_KEY_MISMATCH);
}

static void a_ca_of_the_time_before_x509_v3_becomes_one_of_today(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_STRUCT(mu_cert) old =
        make_by_hand(&(struct hand_made){.v1 = true, .cn = "Old CA"}, f->ca_key, NULL, f->ca_key);
    struct mu_reissue anew = {.like = old, .key = f->key, .now = NOW, .not_after = NOW + 700 * DAY};
    assert_int_equal(mu_issue_again(&anew, &f->cert, &f->err), 0);
    assert_null(told(f)->problems.at);
    assert_int_equal(mu_profile_check(MU_PROFILE_CA, f->cert, f->cert, &f->err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(serials_are_positive_of_one_length_and_never_the_same),
        TEST(a_ca_signs_leaves_and_lists_and_no_further_cas),
        TEST(what_is_told_of_a_certificate_is_what_its_bytes_say),
        TEST(each_profile_serves_its_purpose_and_no_other),
        TEST(a_responders_certificate_is_for_answers_whatever_its_key),
        TEST(a_leaf_is_no_ca_and_nothing_is_wrong_with_it),
        TEST(only_rsa_keys_of_servers_may_encipher_keys),
        TEST(a_lifetime_begins_five_minutes_ago),
        TEST(no_leaf_lives_outside_its_cas_own_time),
        TEST(times_beyond_2049_are_written_as_they_must_be),
        TEST(a_name_without_a_common_name_makes_the_alternative_names_critical),
        TEST(a_person_may_be_a_client_but_no_server),
        TEST(every_kind_of_ca_key_can_sign),
        TEST(an_expired_ca_refuses_and_says_when_it_expired),
        TEST(a_ca_from_the_future_refuses),
        TEST(a_key_of_another_ca_is_refused),
        TEST(a_leaf_issues_nothing),
        TEST(the_hand_made_recipes_cas_can_issue),
        TEST(a_ca_that_may_not_sign_certificates_issues_nothing),
        TEST(a_ca_bound_to_servers_issues_servers_only),
        TEST(a_ca_bound_to_a_domain_issues_for_that_only),
        TEST(a_host_known_by_its_address_alone_gets_no_common_name_where_that_would_be_refused),
        TEST(a_ca_with_a_weak_key_issues_nothing),
        TEST(nobody_gets_the_cas_own_name),
        TEST(a_server_without_a_name_is_refused),
        TEST(weak_keys_and_keys_that_tls_cannot_use_are_refused),
        TEST(a_key_that_others_could_break_is_refused),
        TEST(a_ca_below_another_is_bound_by_path_length_and_end),
        TEST(a_ca_below_another_may_be_bound_to_names),
        TEST(two_roots_can_certify_each_other),
        TEST(a_ca_of_the_time_before_x509_v3_becomes_one_of_today),
    };
    return cmocka_run_group_tests_name("issue", tests, NULL, NULL);
}
