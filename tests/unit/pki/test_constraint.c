#include "../check.h"
#include "make.h"
#include "pki/constraint.h"
#include "pki/info.h"
#include "pki/name.h"

/* A CA under constraints, and who judges whether it may issue for a name. */
struct fixture {
    struct mu_key *key;
    struct mu_cert *ca;
    struct mu_error err;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.key = make_key("p256")};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_cert_free(f->ca);
    mu_key_free(f->key);
    return 0;
}

/* In openssl's own words: "permitted;DNS:example.com,excluded;IP:...". */
static void bind(struct fixture *f, const char *constraints)
{
    mu_cert_free(f->ca);
    f->ca = make_by_hand(&(struct hand_made){.cn = "Bound CA",
                                             .extensions = {{NID_basic_constraints, "CA:TRUE"},
                                                            {NID_name_constraints, constraints}}},
                         f->key, NULL, NULL);
}

static int check(struct fixture *f, const struct mu_certs *above, const char *name, bool free_text)
{
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) san = NULL;
    assert_worked(mu_names_set_main(&names, name, free_text, &f->err), &f->err);
    assert_worked(mu_names_to_x509(&names, &subject, &san, &f->err), &f->err);
    return mu_constraints_check(f->ca, above, subject, san, &f->err);
}

static void assert_permits(struct fixture *f, const char *name)
{
    assert_worked(check(f, NULL, name, false), &f->err);
}

static void assert_forbids(struct fixture *f, const char *name, const char *said)
{
    assert_refused(check(f, NULL, name, false), &f->err, MU_E_CONSTRAINT, said);
    assert_says(f->err.what, "the CA \"Bound CA\" may not issue for");
}

/* --- What they say --- */

static void a_domain_covers_itself_and_all_below_it(void **state)
{
    struct fixture *f = *state;
    bind(f, "critical,permitted;DNS:example.com");
    assert_permits(f, "example.com");
    assert_permits(f, "a.b.EXAMPLE.com");
    assert_permits(f, "*.example.com");
    assert_forbids(f, "notexample.com",
                   "for DNS:notexample.com: its name constraints permit only DNS:example.com");
    assert_forbids(f, "example.com.evil", "DNS:example.com.evil");
    assert_forbids(f, "localhost", "DNS:localhost");
}

static void kinds_of_which_none_is_permitted_are_not_constrained(void **state)
{
    struct fixture *f = *state;
    bind(f, "critical,permitted;DNS:example.com");
    assert_permits(f, "spiffe://elsewhere.example/a");
    assert_permits(f, "alice@elsewhere.example");
}

static void the_excluded_goes_before_the_permitted(void **state)
{
    struct fixture *f = *state;
    bind(f,
         "critical,permitted;DNS:example.com,excluded;DNS:a.example.com,excluded;DNS:vip.example.com");
    assert_forbids(f, "x.vip.example.com",
                   "for DNS:x.vip.example.com: its name constraints exclude DNS:vip.example.com");
    assert_permits(f, "b.example.com");
}

static void a_wildcard_brings_in_nothing_that_is_excluded(void **state)
{
    struct fixture *f = *state;
    bind(f, "critical,permitted;DNS:example.com,excluded;DNS:VIP.example.com");
    assert_forbids(f, "*.example.com",
                   "for DNS:*.example.com: it stands for DNS:VIP.example.com, too");
    assert_permits(f, "*.b.example.com"); /* a star is one label */
    bind(f, "critical,excluded;DNS:a.vip.example.com");
    assert_permits(f, "*.example.com");
}

static void blocks_of_addresses_of_both_families(void **state)
{
    struct fixture *f = *state;
    bind(f,
         "critical,permitted;IP:10.0.0.0/255.0.0.0,permitted;IP:FD00::/FF00::,excluded;IP:10.6.0.0/255.255.0.0");
    assert_permits(f, "fd12::1");
    assert_forbids(f, "fe80::1",
                   "for IP:fe80::1: its name constraints permit only IP:10.0.0.0/8, IP:fd00::/8");
    assert_forbids(f, "10.6.0.9", "for IP:10.6.0.9: its name constraints exclude IP:10.6.0.0/16");
    assert_forbids(f, "11.0.0.1", "for IP:11.0.0.1");
    assert_permits(f, "10.1.2.3");
}

static void a_uri_is_judged_by_its_host(void **state)
{
    struct fixture *f = *state;
    bind(f, "critical,permitted;URI:.example.com");
    assert_permits(f, "spiffe://a.example.com/x");
    assert_forbids(f, "spiffe://example.com/x", "permit only URI:.example.com");
    assert_forbids(f, "urn:a:b", "cannot be applied");
}

/* In each of them an OpenSSL finds a host that is permitted, and others find another one; newer ones see through some of them. */
static void a_uri_under_constraints_names_its_host_plainly(void **state)
{
    static const char *const odd[] = {
        "https://evil.example?.example.com", "https://evil.example#.example.com",
        "https://a@vip.example.com/",        "https://%76ip.example.com/",
        "https://192.0.2.1?.example.com/",
    };
    struct fixture *f = *state;
    bind(f, "critical,permitted;URI:.example.com,excluded;URI:vip.example.com");
    assert_permits(f, "https://a.example.com:8443/x?y#z");
    assert_permits(f, "https://a.example.com:8443");
    for (size_t i = 0; i < MU_COUNT(odd); i++)
        assert_forbids(f, odd[i], "its name constraints");
    bind(f, "critical,excluded;URI:vip.example.com");
    assert_forbids(f, "https://vip.example.com?q", "its name constraints");
    bind(f, "critical,permitted;DNS:example.com");
    assert_permits(f, "https://a@vip.example.com?q");
}

static void mailboxes_hosts_and_domains_of_e_mail(void **state)
{
    struct fixture *f = *state;
    bind(f,
         "critical,permitted;email:boss@example.org,permitted;email:example.com,permitted;email:.example.net");
    assert_permits(f, "boss@example.org");
    assert_permits(f, "any@example.com");
    assert_permits(f, "any@mail.example.net");
    assert_forbids(f, "other@example.org",
                   "for email:other@example.org: its name constraints permit only");
    assert_forbids(f, "any@mail.example.com", "email:any@mail.example.com");
    assert_forbids(f, "any@example.net", "email:any@example.net");
}

/* Where there is no DNS name beside it, verifiers take a common name that looks like one for one. */
static void a_common_name_that_looks_like_a_host_counts(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO(X509_NAME) subject = NULL;
    MU_AUTO(GENERAL_NAMES) san = NULL;
    bind(f, "critical,permitted;DNS:example.com");
    assert_int_equal(mu_names_set_cn(&names, "www.example.org", &f->err), 0);
    assert_int_equal(mu_names_to_x509(&names, &subject, &san, &f->err), 0);
    assert_refused(
        mu_constraints_check(f->ca, NULL, subject, san, &f->err), &f->err, MU_E_CONSTRAINT,
        "for the common name \"www.example.org\": its name constraints permit only DNS:example.com");
    bind(f, "critical,excluded;DNS:example.org");
    assert_refused(mu_constraints_check(f->ca, NULL, subject, san, &f->err), &f->err,
                   MU_E_CONSTRAINT, "exclude DNS:example.org");
    assert_worked(check(f, NULL, "Alice Example", true), &f->err);
}

static void of_many_permitted_some_are_named(void **state)
{
    struct fixture *f = *state;
    bind(f,
         "critical,permitted;DNS:a,permitted;DNS:b,permitted;DNS:c,permitted;DNS:d,permitted;DNS:e,"
         "permitted;DNS:f,permitted;DNS:g,permitted;DNS:h,permitted;IP:10.0.0.0/255.0.0.0");
    assert_forbids(f, "z.example", "only DNS:a, DNS:b, DNS:c, DNS:d, DNS:e, DNS:f and 2 more");
}

static void a_ca_without_constraints_issues_for_all(void **state)
{
    struct fixture *f = *state;
    f->ca = make_by_hand(&(struct hand_made){.cn = "Free CA"}, f->key, NULL, NULL);
    assert_permits(f, "anything.example");
}

static void constraints_that_cannot_be_read_permit_nothing(void **state)
{
    struct fixture *f = *state;
    bind(f, "critical,DER:30:03:02:01:01");
    assert_refused(check(f, NULL, "example.com", false), &f->err, MU_E_CA_UNFIT, "cannot be read");
}

static void the_constraints_of_every_ca_above_count(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_certs) above = {0};
    const struct hand_made free_ca = {.cn = "Issuing CA",
                                      .extensions = {{NID_basic_constraints, "CA:TRUE"}}};
    const struct hand_made middle_ca = {.cn = "Middle CA",
                                        .extensions = {{NID_basic_constraints, "CA:TRUE"}}};
    const struct hand_made other_ca = {.cn = "Other CA",
                                       .extensions = {{NID_name_constraints,
                                                       "critical,permitted;DNS:nowhere"}}};
    bind(f, "critical,permitted;DNS:example.com");
    struct mu_cert *root = f->ca;
    struct mu_cert *middle = make_by_hand(&middle_ca, f->key, root, f->key);
    f->ca = make_by_hand(&free_ca, f->key, middle, f->key);
    struct mu_cert *other = make_by_hand(&other_ca, f->key, NULL, NULL);
    assert_worked(check(f, NULL, "example.org", false),
                  &f->err);                                    /* nothing is known of those above */
    assert_int_equal(mu_certs_add(&above, other, &f->err), 0); /* no CA of ours: it does not count */
    assert_int_equal(mu_certs_add(&above, root, &f->err), 0);
    assert_worked(check(f, &above, "example.org", false), &f->err); /* the way up is not known */
    assert_int_equal(mu_certs_add(&above, middle, &f->err), 0);
    assert_refused(check(f, &above, "example.org", false), &f->err, MU_E_CONSTRAINT,
                   "the CA \"Bound CA\" may not issue for DNS:example.org");
    assert_worked(check(f, &above, "example.com", false), &f->err);
}

/* --- How they are said --- */

/* What stands in a CA's certificate that was told this; or NULL, and why it was not taken. */
static void assert_written(struct fixture *f, const char *text, const char *as)
{
    MU_AUTO_CLEAR(mu_constraints) constraints = {0};
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    MU_AUTO(X509) x = X509_dup(mu_cert_x509(f->ca));
    struct mu_cert *cert = NULL;
    assert_worked(mu_constraints_add(&constraints, false, text, &f->err), &f->err);
    assert_worked(mu_constraints_add(&constraints, true, text, &f->err), &f->err);
    assert_worked(mu_constraints_add(&constraints, true, text, &f->err), &f->err); /* again */
    assert_worked(mu_constraints_to_x509(&constraints, x, &f->err), &f->err);
    int at = X509_get_ext_by_NID(x, NID_name_constraints, -1);
    assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(x, at)), 1);
    assert_int_equal(mu_cert_wrap(mu_take(&x), &cert, &f->err), 0);
    assert_int_equal(mu_cert_info_read(cert, NOW, &info, &f->err), 0);
    mu_cert_free(cert);
    assert_int_equal(info.permitted.count, 1);
    assert_int_equal(info.excluded.count, 1);
    assert_string_equal(info.permitted.at[0], as);
    assert_string_equal(info.excluded.at[0], as);
}

static void every_kind_is_written_as_it_is_said(void **state)
{
    static const struct {
        const char *text, *as;
    } cases[] = {
        {"DNS:Internal.Example", "DNS:internal.example"},
        {"internal.example", "DNS:internal.example"},
        {"dns:local", "DNS:local"},
        {"IP:10.0.0.0/8", "IP:10.0.0.0/8"},
        {"10.0.0.0/8", "IP:10.0.0.0/8"},
        {"192.0.2.1", "IP:192.0.2.1/32"},
        {"IP:fd00::/8", "IP:fd00::/8"},
        {"fd00::/8", "IP:fd00::/8"},
        {"IP:0.0.0.0/0", "IP:0.0.0.0/0"},
        {"IP:::/0", "IP:::/0"},
        {"email:example.com", "email:example.com"},
        {"email:.example.com", "email:.example.com"},
        {"boss@example.com", "email:boss@example.com"},
        {"URI:.example.com", "URI:.example.com"},
        {"URI:example.com", "URI:example.com"},
    };
    struct fixture *f = *state;
    f->ca = make_by_hand(&(struct hand_made){.cn = "CA"}, f->key, NULL, NULL);
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_written(f, cases[i].text, cases[i].as);
}

static void what_cannot_be_a_constraint_is_refused_with_advice(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", "empty"},
        {"DNS:", "empty"},
        {"DNS:.example.com", "without a dot"},
        {"*.example.com", "no wildcards"},
        {"email:*@example.com", "no wildcards"},
        {"DNS:exa mple", "a space"},
        {"DNS:ex\xc3\xa4mple", "outside ASCII"},
        {"email:a@b@c", "local-part@domain"},
        {"email:..example", "not a DNS name"},
        {"URI:https://example.com/", "not a DNS name"},
        {"URI:10.0.0.1", "IP address"},
        {"IP:10.0.0.1/8", "goes on"},
        {"IP:example.com", "no block"},
        {"IP:10.0.0.0/33", "0 to 32"},
        {"dirName:CN=a", "not a DNS name"},
    };
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_constraints) constraints = {0};
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_refused(mu_constraints_add(&constraints, false, cases[i].text, &f->err), &f->err,
                       MU_E_NAME, cases[i].said);
    assert_int_equal(constraints.count, 0);
}

static void a_domain_is_an_example_and_a_kind_is_concerned_that_is_named(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_constraints) constraints = {0};
    assert_null(mu_constraints_example(&constraints));
    assert_int_equal(mu_constraints_add(&constraints, true, "DNS:a.example", &f->err), 0);
    assert_null(mu_constraints_example(&constraints));
    assert_int_equal(mu_constraints_add(&constraints, false, "DNS:example", &f->err), 0);
    assert_string_equal(mu_constraints_example(&constraints), "example");
    assert_true(mu_constraints_concern(&constraints, MU_SAN_DNS));
    assert_false(mu_constraints_concern(&constraints, MU_SAN_IP));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_domain_covers_itself_and_all_below_it),
        TEST(kinds_of_which_none_is_permitted_are_not_constrained),
        TEST(the_excluded_goes_before_the_permitted),
        TEST(a_wildcard_brings_in_nothing_that_is_excluded),
        TEST(blocks_of_addresses_of_both_families),
        TEST(a_uri_is_judged_by_its_host),
        TEST(a_uri_under_constraints_names_its_host_plainly),
        TEST(mailboxes_hosts_and_domains_of_e_mail),
        TEST(a_common_name_that_looks_like_a_host_counts),
        TEST(of_many_permitted_some_are_named),
        TEST(a_ca_without_constraints_issues_for_all),
        TEST(constraints_that_cannot_be_read_permit_nothing),
        TEST(the_constraints_of_every_ca_above_count),
        TEST(every_kind_is_written_as_it_is_said),
        TEST(what_cannot_be_a_constraint_is_refused_with_advice),
        TEST(a_domain_is_an_example_and_a_kind_is_concerned_that_is_named),
    };
    return cmocka_run_group_tests_name("constraint", tests, NULL, NULL);
}
