#include "make.h"
#include "pki/profile.h"

static struct mu_key *ca_key, *key;
static struct mu_cert *ca;

static int set_up_group(void **state)
{
    (void)state;
    ca_key = make_key("p256");
    key = make_key("p256");
    ca = make_by_hand(
        &(struct hand_made){
            .cn = "Home CA",
            .extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                           {NID_key_usage, "critical,keyCertSign,cRLSign"},
                           {NID_subject_key_identifier, "hash"},
                           {NID_authority_key_identifier, "keyid:always"}},
        },
        ca_key, NULL, NULL);
    return 0;
}

static int tear_down_group(void **state)
{
    (void)state;
    mu_cert_free(ca);
    mu_key_free(key);
    mu_key_free(ca_key);
    return 0;
}

/* A server certificate as it should be. */
enum { BASIC, USAGE, PURPOSE, SAN, SKI, AKI };
static struct hand_made good(void)
{
    return (struct hand_made){
        .cn = "api.internal",
        .extensions = {[BASIC] = {NID_basic_constraints, "critical,CA:FALSE"},
                       [USAGE] = {NID_key_usage, "critical,digitalSignature"},
                       [PURPOSE] = {NID_ext_key_usage, "serverAuth"},
                       [SAN] = {NID_subject_alt_name, "DNS:api.internal"},
                       [SKI] = {NID_subject_key_identifier, "hash"},
                       [AKI] = {NID_authority_key_identifier, "keyid:always"}},
    };
}

static void assert_keeps(enum mu_profile profile, const struct hand_made *made)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = make_by_hand(made, key, ca, ca_key);
    if (mu_profile_check(profile, cert, ca, &err) != 0)
        fail_msg("%s", err.what);
}

static void assert_breaks(enum mu_profile profile, const struct hand_made *made, const char *rule)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = make_by_hand(made, key, ca, ca_key);
    assert_int_equal(mu_profile_check(profile, cert, ca, &err), -1);
    assert_int_equal(err.code, MU_E_PROFILE);
    assert_says(err.what, rule);
}

/* The good one, with one extension changed (NULL: left out). */
static void assert_breaks_with(int which, const char *text, const char *rule)
{
    struct hand_made made = good();
    made.extensions[which].text = text;
    if (text == NULL) {
        made.extensions[which] = made.extensions[AKI];
        made.extensions[AKI].nid = 0;
    }
    assert_breaks(MU_PROFILE_SERVER, &made, rule);
}

static void a_certificate_as_it_should_be_keeps_all_rules(void **state)
{
    struct hand_made made = good();
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    assert_keeps(MU_PROFILE_SERVER, &made);
    made.extensions[PURPOSE].text = "clientAuth";
    assert_keeps(MU_PROFILE_CLIENT, &made);
    made.extensions[PURPOSE].text = "serverAuth,clientAuth";
    assert_keeps(MU_PROFILE_PEER, &made);
    assert_int_equal(mu_profile_check(MU_PROFILE_CA, ca, ca, &err), 0);
}

static void each_rule_that_is_broken_is_named(void **state)
{
    (void)state;
    assert_breaks_with(BASIC, NULL, "basicConstraints is critical");
    assert_breaks_with(BASIC, "CA:FALSE", "basicConstraints is critical");
    assert_breaks_with(BASIC, "critical,CA:TRUE", "CA:TRUE exactly for a CA");
    assert_breaks_with(USAGE, NULL, "keyUsage is there and critical");
    assert_breaks_with(USAGE, "digitalSignature", "keyUsage is there and critical");
    assert_breaks_with(USAGE, "critical,keyAgreement", "keyUsage is what the profile says");
    assert_breaks_with(USAGE, "critical,digitalSignature,keyEncipherment",
                       "keyUsage is what the profile says");
    assert_breaks_with(PURPOSE, NULL, "extKeyUsage is there");
    assert_breaks_with(PURPOSE, "clientAuth", "extKeyUsage is what the profile says");
    assert_breaks_with(PURPOSE, "serverAuth,clientAuth", "extKeyUsage is what the profile says");
    assert_breaks_with(PURPOSE, "anyExtendedKeyUsage", "extKeyUsage is what the profile says");
    assert_breaks_with(PURPOSE, "serverAuth,1.3.6.1.4.1.99999.1",
                       "extKeyUsage is what the profile says");
    assert_breaks_with(SAN, NULL, "there is a subjectAltName");
    assert_breaks_with(SAN, "DNS:other.internal", "the common name is one of the alternative");
    assert_breaks_with(SKI, NULL, "key identifiers are there");
}

static void the_serial_is_long_enough_to_be_random(void **state)
{
    struct hand_made made = good();
    (void)state;
    made.serial = "01";
    assert_breaks(MU_PROFILE_SERVER, &made, "serial number");
    made.serial = "-0123456789ABCDEF0123456789ABCDEF0123";
    assert_breaks(MU_PROFILE_SERVER, &made, "serial number");
}

static void version_1_is_no_certificate_of_ours(void **state)
{
    (void)state;
    assert_breaks(MU_PROFILE_SERVER, &(struct hand_made){.v1 = true, .cn = "a"}, "version 3");
}

static void without_a_subject_the_alternative_names_are_critical(void **state)
{
    struct hand_made made = good();
    (void)state;
    made.cn = NULL;
    assert_breaks(MU_PROFILE_SERVER, &made, "subjectAltName is critical");
    made.extensions[SAN].text = "critical,DNS:api.internal";
    assert_keeps(MU_PROFILE_SERVER, &made);
}

static void a_person_needs_a_name(void **state)
{
    struct hand_made made = good();
    (void)state;
    made.cn = "Alice Example";
    made.extensions[PURPOSE].text = "clientAuth";
    assert_keeps(MU_PROFILE_CLIENT, &made);
    made.extensions[SAN] = made.extensions[AKI];
    made.extensions[AKI].nid = 0;
    assert_keeps(MU_PROFILE_CLIENT, &made);
    made.cn = NULL;
    assert_breaks(MU_PROFILE_CLIENT, &made, "there is a name");
}

static void nothing_outlives_its_issuer(void **state)
{
    struct hand_made made = good();
    (void)state;
    made.not_after = mu_cert_not_after(ca) + 1;
    assert_breaks(MU_PROFILE_SERVER, &made, "does not outlive its issuer");
}

static void the_issuer_is_the_one_who_signed(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    struct hand_made made = good();
    (void)state;
    MU_AUTO_STRUCT(mu_cert) cert = make_by_hand(&made, key, ca, key);
    assert_int_equal(mu_profile_check(MU_PROFILE_SERVER, cert, ca, &err), -1);
    assert_says(err.what, "its issuer's key verifies it");
    MU_AUTO_STRUCT(mu_cert) stranger = load_cert("other-ca");
    assert_int_equal(mu_profile_check(MU_PROFILE_SERVER, cert, stranger, &err), -1);
    assert_says(err.what, "names its issuer");
}

static void a_ca_says_how_long_the_chain_below_it_may_be(void **state)
{
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    MU_AUTO_STRUCT(mu_cert) unbounded =
        make_by_hand(&(struct hand_made){.cn = "CA",
                                         .extensions = {{NID_basic_constraints,
                                                         "critical,CA:TRUE"}}},
                     key, NULL, NULL);
    assert_int_equal(mu_profile_check(MU_PROFILE_CA, unbounded, unbounded, &err), -1);
    assert_says(err.what, "explicit path length");
}

static void a_responder_signs_answers_and_nothing_else_and_is_not_asked_about(void **state)
{
    (void)state;
    struct hand_made made = good();
    made.cn = "OCSP responder";
    made.extensions[PURPOSE].text = "OCSPSigning";
    made.extensions[SAN].nid = NID_id_pkix_OCSP_noCheck;
    made.extensions[SAN].text = "NULL";
    assert_keeps(MU_PROFILE_OCSP, &made);
    made.extensions[PURPOSE].text = "OCSPSigning,serverAuth";
    assert_breaks(MU_PROFILE_OCSP, &made, "extKeyUsage is what the profile says");
    made.extensions[PURPOSE].text = "OCSPSigning";
    made.extensions[SAN].nid = NID_subject_alt_name;
    made.extensions[SAN].text = "DNS:api.internal";
    assert_breaks(MU_PROFILE_OCSP, &made, "ocsp-nocheck");
}

static void profiles_have_names_and_a_ca_is_none_to_ask_for(void **state)
{
    static const char *const names[] = {"server", "client", "peer"};
    enum mu_profile profile;
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        assert_int_equal(mu_profile_parse(names[i], &profile, &err), 0);
        assert_string_equal(mu_profile_rules(profile)->name, names[i]);
    }
    assert_int_equal(mu_profile_parse("ocsp", &profile, &err), -1);
    assert_int_equal(mu_profile_parse("ca", &profile, &err), -1);
    assert_int_equal(err.code, MU_E_USAGE);
    assert_says(err.hint, "server, client or peer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_as_it_should_be_keeps_all_rules),
        cmocka_unit_test(each_rule_that_is_broken_is_named),
        cmocka_unit_test(the_serial_is_long_enough_to_be_random),
        cmocka_unit_test(version_1_is_no_certificate_of_ours),
        cmocka_unit_test(without_a_subject_the_alternative_names_are_critical),
        cmocka_unit_test(a_person_needs_a_name),
        cmocka_unit_test(nothing_outlives_its_issuer),
        cmocka_unit_test(the_issuer_is_the_one_who_signed),
        cmocka_unit_test(a_ca_says_how_long_the_chain_below_it_may_be),
        cmocka_unit_test(a_responder_signs_answers_and_nothing_else_and_is_not_asked_about),
        cmocka_unit_test(profiles_have_names_and_a_ca_is_none_to_ask_for),
    };
    return cmocka_run_group_tests_name("profile", tests, set_up_group, tear_down_group);
}
