#include <openssl/x509v3.h>

#include "make.h"
#include "pki/crl.h"
#include "pki/issue.h"

static void read_list(const char *name, struct mu_crl_info *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    assert_int_equal(mu_objects_load(data_path(name), &objects, &err), 0);
    assert_int_equal(objects.count, 1);
    assert_non_null(objects.at[0].crl);
    mu_crl_info(objects.at[0].crl, ret);
}

static void a_list_is_told_with_its_issuer_dates_and_size(void **state)
{
    (void)state;
    struct mu_crl_info info;
    read_list("certs/ca.crl", &info);
    assert_string_equal(info.issuer, "CN=Test CA, O=mutual test data");
    assert_string_equal(info.signature, "ecdsa-with-SHA256");
    assert_int_equal(info.this_update, 1767225600);
    assert_int_equal(info.next_update, 4922899200);
    assert_int_equal(info.revoked, 1);
    assert_false(info.delta);
}

static void a_list_without_entries_revokes_none(void **state)
{
    (void)state;
    struct mu_crl_info info;
    read_list("certs/new-ca.crl", &info);
    assert_int_equal(info.revoked, 0);
}

/* --- Making one --- */

struct maker {
    struct mu_key *key;
    struct mu_cert *ca;
};

static int set_up(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    unsigned char serial[MU_SERIAL_LEN];
    struct maker *m = calloc(1, sizeof *m);
    *state = m;
    m->key = make_key("p256");
    return mu_serial_make(serial, &err) != 0 ||
           mu_issue_root(m->key, "CA", serial, NOW, 86400 * 365, 0, NULL, &m->ca, &err) != 0;
}

static int tear_down(void **state)
{
    struct maker *m = *state;
    mu_cert_free(m->ca);
    mu_key_free(m->key);
    free(m);
    return 0;
}

static struct mu_crl_plan plan_of(struct maker *m)
{
    return (struct mu_crl_plan){.ca = m->ca,
                                .this_update = NOW,
                                .next_update = NOW + 86400,
                                .number = 0x1A2B};
}

struct entry {
    const char *serial;
    enum mu_reason reason;
    time_t invalid_since;
};

static struct mu_crl *make_list(struct maker *m, const struct mu_crl_plan *plan,
                                const struct entry *entries, size_t count)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_crl_draft *draft = NULL;
    struct mu_crl *crl = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    assert_int_equal(mu_crl_begin(plan, &draft, &err), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mu_crl_add(draft, entries[i].serial, NOW, entries[i].reason,
                                    entries[i].invalid_since, &err),
                         0);
    assert_int_equal(mu_crl_finish(draft, m->key, &der, &err), 0);
    const unsigned char *at = (const unsigned char *)der.data;
    assert_int_equal(mu_crl_wrap(d2i_X509_CRL(NULL, &at, (long)der.len), &crl, &err), 0);
    assert_ptr_equal(at, der.data + der.len);
    assert_true(mu_crl_is_signed_by(crl, m->ca));
    return crl;
}

static X509_REVOKED *entry_of(const struct mu_crl *crl, const char *serial)
{
    X509_REVOKED *entry = NULL;
    BIGNUM *number = NULL;
    BN_hex2bn(&number, serial);
    ASN1_INTEGER *integer = BN_to_ASN1_INTEGER(number, NULL);
    int found = X509_CRL_get0_by_serial(mu_crl_x509(crl), &entry, integer);
    ASN1_INTEGER_free(integer);
    BN_free(number);
    return found > 0 ? entry : NULL;
}

static void a_list_of_ours_is_version_2_with_its_number_and_the_key_that_signed_it(void **state)
{
    struct maker *m = *state;
    struct mu_crl_plan plan = plan_of(m);
    struct mu_crl_info info;
    MU_AUTO_STRUCT(mu_crl) crl = make_list(m, &plan, NULL, 0);
    X509_CRL *x = mu_crl_x509(crl);
    mu_crl_info(crl, &info);
    assert_string_equal(info.issuer, "CN=CA");
    assert_string_equal(info.number, "1A2B");
    assert_int_equal(info.this_update, NOW);
    assert_int_equal(info.next_update, NOW + 86400);
    assert_int_equal(info.revoked, 0);
    assert_int_equal(X509_CRL_get_version(x), X509_CRL_VERSION_2);
    AUTHORITY_KEYID *id = X509_CRL_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
    assert_non_null(id);
    assert_int_equal(ASN1_OCTET_STRING_cmp(id->keyid, X509_get0_subject_key_id(mu_cert_x509(m->ca))),
                     0);
    AUTHORITY_KEYID_free(id);
    /* Nothing else, and nothing that a verifier could stumble over. */
    assert_int_equal(X509_CRL_get_ext_count(x), 2);
    assert_int_equal(X509_CRL_get_ext_by_critical(x, 1, -1), -1);
}

static void an_entry_has_its_reason_and_when_it_became_invalid_unless_there_is_nothing_to_say(
    void **state)
{
    static const struct entry entries[] = {
        {"0F", MU_REASON_KEY_COMPROMISE, NOW - 3600},
        {"0102030405060708090A0B0C0D0E0F101112", MU_REASON_UNSPECIFIED, 0},
        {"7F00", MU_REASON_HOLD, 0},
    };
    struct maker *m = *state;
    struct mu_crl_plan plan = plan_of(m);
    MU_AUTO_STRUCT(mu_crl) crl = make_list(m, &plan, entries, MU_COUNT(entries));
    ASN1_ENUMERATED *reason =
        X509_REVOKED_get_ext_d2i(entry_of(crl, "0F"), NID_crl_reason, NULL, NULL);
    assert_int_equal(ASN1_ENUMERATED_get(reason), 1);
    ASN1_ENUMERATED_free(reason);
    ASN1_GENERALIZEDTIME *since =
        X509_REVOKED_get_ext_d2i(entry_of(crl, "0F"), NID_invalidity_date, NULL, NULL);
    assert_int_equal(mu_time_from_asn1(since), NOW - 3600);
    ASN1_GENERALIZEDTIME_free(since);
    reason = X509_REVOKED_get_ext_d2i(entry_of(crl, "7F00"), NID_crl_reason, NULL, NULL);
    assert_int_equal(ASN1_ENUMERATED_get(reason), 6);
    ASN1_ENUMERATED_free(reason);
    assert_int_equal(X509_REVOKED_get_ext_count(
                         entry_of(crl, "0102030405060708090A0B0C0D0E0F101112")),
                     0);
    assert_null(entry_of(crl, "0E"));
}

/* The extensions of one entry are none of the next one's; and the whole is what libcrypto itself would write of it. */
static void entries_with_and_without_extensions_follow_each_other_in_canonical_encoding(void **state)
{
    static const struct entry entries[] = {
        {"7F03", MU_REASON_KEY_COMPROMISE, 0},     {"7F02", MU_REASON_KEY_COMPROMISE, 0},
        {"7F01", MU_REASON_UNSPECIFIED, 0},        {"0081", MU_REASON_UNSPECIFIED, 0},
        {"7F05", MU_REASON_UNSPECIFIED, NOW - 60}, {"7F06", MU_REASON_HOLD, NOW - 60},
    };
    static const int extensions[] = {1, 1, 0, 0, 1, 2};
    struct maker *m = *state;
    struct mu_crl_plan plan = plan_of(m);
    unsigned char *again = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    MU_AUTO_STRUCT(mu_crl) crl = make_list(m, &plan, entries, MU_COUNT(entries));
    for (size_t i = 0; i < MU_COUNT(entries); i++)
        assert_int_equal(X509_REVOKED_get_ext_count(entry_of(crl, entries[i].serial)),
                         extensions[i]);
    mu_crl_to_der(crl, &der);
    X509_CRL *copy = X509_CRL_dup(mu_crl_x509(crl));
    const int tbs =
        i2d_re_X509_CRL_tbs(copy, &again); /* encoded anew, with the signature of before */
    assert_true(tbs > 0 && (size_t)tbs < der.len);
    assert_memory_equal(again, der.data + (der.len > 255 ? 4 : 3), (size_t)tbs);
    OPENSSL_free(again);
    X509_CRL_free(copy);
}

static bool is_critical(const struct mu_crl *crl, int nid)
{
    X509_CRL *x = mu_crl_x509(crl);
    int at = X509_CRL_get_ext_by_NID(x, nid, -1);
    return at >= 0 && X509_EXTENSION_get_critical(X509_CRL_get_ext(x, at)) == 1;
}

static void a_partial_or_delta_list_says_so_in_critical_extensions(void **state)
{
    struct maker *m = *state;
    struct mu_crl_plan plan = plan_of(m);
    struct mu_crl_info info;
    plan.base = 0x1A00;
    plan.only_for_url = "http://pki.example.com/ca-3.crl";
    plan.delta_url = "http://pki.example.com/ca-delta.crl";
    MU_AUTO_STRUCT(mu_crl) delta = make_list(m, &plan, NULL, 0);
    assert_true(is_critical(delta, NID_delta_crl));
    assert_true(is_critical(delta, NID_issuing_distribution_point));
    assert_int_equal(X509_CRL_get_ext_by_NID(mu_crl_x509(delta), NID_freshest_crl, -1), -1);
    mu_crl_info(delta, &info);
    assert_true(info.delta);

    plan.base = 0;
    MU_AUTO_STRUCT(mu_crl) complete = make_list(m, &plan, NULL, 0);
    assert_true(X509_CRL_get_ext_by_NID(mu_crl_x509(complete), NID_freshest_crl, -1) >= 0);
    assert_false(is_critical(complete, NID_freshest_crl));
}

/* The same list, with this of one entry and of the whole. */
static struct mu_crl *with(struct mu_crl *crl, const X509_NAME *issuer, bool indirect)
{
    X509_REVOKED *entry = sk_X509_REVOKED_value(X509_CRL_get_REVOKED(mu_crl_x509(crl)), 1);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ISSUING_DIST_POINT *scope = ISSUING_DIST_POINT_new();
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, X509_NAME_dup(issuer));
    sk_GENERAL_NAME_push(names, name);
    scope->indirectCRL = indirect ? 0xff : 0;
    assert_int_equal(X509_REVOKED_add1_ext_i2d(entry, NID_certificate_issuer, names, 1,
                                               X509V3_ADD_REPLACE),
                     1);
    assert_int_equal(X509_CRL_add1_ext_i2d(mu_crl_x509(crl), NID_issuing_distribution_point, scope,
                                           1, X509V3_ADD_REPLACE),
                     1);
    GENERAL_NAMES_free(names);
    ISSUING_DIST_POINT_free(scope);
    return crl;
}

static void an_indirect_list_is_one_that_names_certificates_of_other_issuers(void **state)
{
    struct maker *m = *state;
    const struct entry entries[] = {{.serial = "0A"}, {.serial = "0B"}};
    const struct mu_crl_plan plan = plan_of(m);
    MU_AUTO_STRUCT(mu_crl) crl = make_list(m, &plan, entries, MU_COUNT(entries));
    X509_NAME *other = X509_NAME_new();
    const X509_NAME *own = X509_get_subject_name(mu_cert_x509(m->ca));
    X509_NAME_add_entry_by_txt(other, "CN", MBSTRING_ASC, (const unsigned char *)"other", -1, -1, 0);
    assert_false(mu_crl_names_others(crl));
    assert_true(mu_crl_names_others(with(crl, other, true)));
    assert_false(mu_crl_names_others(with(crl, own, true)));
    assert_false(mu_crl_names_others(with(crl, other, false)));
    X509_NAME_free(other);
}

static void what_is_no_serial_number_is_refused(void **state)
{
    struct maker *m = *state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_crl_plan plan = plan_of(m);
    MU_AUTO_STRUCT(mu_crl_draft) draft = NULL;
    assert_int_equal(mu_crl_begin(&plan, &draft, &err), 0);
    assert_int_equal(mu_crl_add(draft, "", NOW, MU_REASON_UNSPECIFIED, 0, &err), -1);
    assert_int_equal(mu_crl_add(draft, "12 34", NOW, MU_REASON_UNSPECIFIED, 0, &err), -1);
    assert_int_equal(err.code, MU_E_DAMAGED);
}

static void a_ca_that_may_not_sign_lists_and_a_key_that_is_not_its_own_sign_none(void **state)
{
    struct maker *m = *state;
    struct mu_error err = MU_ERROR_INIT;
    struct hand_made made = {.cn = "No lists",
                             .extensions = {{NID_basic_constraints, "critical,CA:TRUE"},
                                            {NID_key_usage, "critical,keyCertSign"}}};
    MU_AUTO_STRUCT(mu_cert) no_lists = make_by_hand(&made, m->key, NULL, NULL);
    MU_AUTO_STRUCT(mu_key) other = make_key("p256");
    struct mu_crl_plan plan = plan_of(m);
    struct mu_crl_draft *draft = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    plan.ca = no_lists;
    assert_int_equal(mu_crl_begin(&plan, &draft, &err), -1);
    assert_int_equal(err.code, MU_E_CA_UNFIT);
    plan.ca = m->ca;
    assert_int_equal(mu_crl_begin(&plan, &draft, &err), 0);
    assert_int_equal(mu_crl_finish(draft, other, &der, &err), -1);
    assert_int_equal(err.code, MU_E_KEY_MISMATCH);
    assert_int_equal(der.len, 0);
}

#define MAKING(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_told_with_its_issuer_dates_and_size),
        cmocka_unit_test(a_list_without_entries_revokes_none),
        MAKING(a_list_of_ours_is_version_2_with_its_number_and_the_key_that_signed_it),
        MAKING(an_entry_has_its_reason_and_when_it_became_invalid_unless_there_is_nothing_to_say),
        MAKING(entries_with_and_without_extensions_follow_each_other_in_canonical_encoding),
        MAKING(a_partial_or_delta_list_says_so_in_critical_extensions),
        MAKING(an_indirect_list_is_one_that_names_certificates_of_other_issuers),
        MAKING(what_is_no_serial_number_is_refused),
        MAKING(a_ca_that_may_not_sign_lists_and_a_key_that_is_not_its_own_sign_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
