/* RFC 5280 to the letter: every reason for which a chain can fail, alone and by its name; and what must not fail. */

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509_vfy.h>

#include "odd.h"
#include "pki/verify.h"

/* What is asked, of which chain: leaf, CA and root, with what is odd about them. */
struct reason {
    const char *id;  /* the strict verdict: "ok" or a fault */
    const char *lax; /* the other one; NULL: "ok" */
    struct spec leaf, ca, root;
    bool signs_itself;         /* the leaf; nothing else is given */
    bool stranger;             /* another root is trusted */
    bool rejected;             /* the root is marked as not trusted for servers */
    bool without_ca;           /* the CA is not given */
    bool no_ca;                /* the root has issued the leaf itself */
    struct list_spec lists[2]; /* of the root, of the CA */
    int list_count;
    struct {
        enum mu_purpose purpose;
        const char *host, *email;
        bool limit_depth;
        int depth;
        time_t at;
    } ask;
};

struct chain {
    struct made root, ca, leaf;
    X509_CRL *crls[2];
};

static struct chain make_chain(const struct reason *reason)
{
    struct chain chain = {0};
    struct spec leaf = reason->leaf;
    leaf.no_ca = true;
    chain.root = make(NULL, reason->root);
    if (!reason->no_ca && !reason->signs_itself)
        chain.ca = make(&chain.root, reason->ca);
    chain.leaf = make(reason->signs_itself ? NULL : reason->no_ca ? &chain.root : &chain.ca, leaf);
    if (reason->rejected)
        X509_add1_reject_object(chain.root.x, OBJ_nid2obj(NID_server_auth));
    if (reason->stranger) {
        made_clear(&chain.root);
        chain.root = make(NULL, (struct spec){.cn = "stranger"});
    }
    for (int i = 0; i < reason->list_count; i++) {
        struct list_spec list = reason->lists[i];
        for (int r = 0; r < 2; r++) /* a test names "the leaf" before there is one */
            if (list.revoked[r] == (X509 *)-1)
                list.revoked[r] = chain.leaf.x;
        chain.crls[i] = make_list(i == 0 || reason->no_ca ? &chain.root : &chain.ca, list);
    }
    return chain;
}
#define THE_LEAF ((X509 *)-1)

static void chain_clear(struct chain *chain)
{
    made_clear(&chain->root);
    made_clear(&chain->ca);
    made_clear(&chain->leaf);
    X509_CRL_free(chain->crls[0]);
    X509_CRL_free(chain->crls[1]);
}

static void add(struct mu_certs *list, X509 *x)
{
    struct mu_error err = MU_ERROR_INIT;
    if (x != NULL)
        assert_int_equal(mu_certs_add(list, mu_cert_ref((struct mu_cert *)x), &err), 0);
}

static struct mu_verdict judge(const struct chain *chain, const struct reason *reason, bool strict)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    MU_AUTO_CLEAR(mu_certs) untrusted = {0};
    add(&anchors, chain->root.x);
    add(&untrusted, reason->without_ca ? NULL : chain->ca.x);
    struct mu_verify how = {
        .anchors = &anchors,
        .untrusted = &untrusted,
        .crls = (struct mu_crl *const *)chain->crls,
        .crl_count = (size_t)reason->list_count,
        .purpose = reason->ask.purpose,
        .host = reason->ask.host,
        .emails = &reason->ask.email,
        .email_count = reason->ask.email != NULL,
        .limit_depth = reason->ask.limit_depth,
        .depth = reason->ask.depth,
        .at = reason->ask.at == 0 ? NOW : reason->ask.at,
        .strict = strict,
    };
    if (mu_verify((struct mu_cert *)chain->leaf.x, &how, &verdict, NULL, &err) != 0)
        fail_msg("%s: %s", err.what, err.cause);
    return verdict;
}

static void assert_verdict(const char *which, const struct mu_verdict *verdict, const char *id)
{
    if (strcmp(mu_fault_id(verdict->fault), id) != 0)
        fail_msg("%s verdict is %s, not %s: %s (%s)", which, mu_fault_id(verdict->fault), id,
                 verdict->sentence, verdict->cause);
    assert_null(strchr(verdict->sentence, '{'));
    assert_null(strchr(verdict->hint, '{'));
    if (verdict->fault != MU_FAULT_NONE)
        assert_true(verdict->hint[0] != '\0' && verdict->cause[0] != '\0' &&
                    verdict->openssl_error != X509_V_OK);
}

/* Which faults the strict judge has found in these tests. */
static bool seen[MU_FAULT_COUNT];

static void check_each(const struct reason *reasons, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct reason *reason = &reasons[i];
        struct chain chain = make_chain(reason);
        struct mu_verdict strict = judge(&chain, reason, true);
        struct mu_verdict lax = judge(&chain, reason, false);
        char which[64];
        snprintf(which, sizeof which, "reason %zu (%s): the strict", i, reason->id);
        assert_verdict(which, &strict, reason->id);
        seen[strict.fault] = true;
        snprintf(which, sizeof which, "reason %zu (%s): the other", i, reason->id);
        assert_verdict(which, &lax, reason->lax == NULL ? "ok" : reason->lax);
        chain_clear(&chain);
    }
}
#define CHECK_EACH(...)                                                                            \
    do {                                                                                           \
        const struct reason reasons[] = {__VA_ARGS__};                                             \
        check_each(reasons, MU_COUNT(reasons));                                                    \
    } while (0)

#define WITHOUT_BASIC                                                                              \
    "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"
#define WITH_BASIC(value)                                                                          \
    "basicConstraints=" value "\nkeyUsage=critical,keyCertSign,cRLSign\n"                          \
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"
#define NO_AUTHORITY                                                                               \
    "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\n" \
    "subjectAltName=DNS:www.example.org"
/* An identifier all the same, for an issuer that has none. */
#define SOME_AUTHORITY NO_AUTHORITY "\nauthorityKeyIdentifier=DER:3006800401020304"
#define NO_SUBJECT_ID "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign"
#define CONSTRAINED(constraints) {.more = "nameConstraints=" constraints}
#define USAGE(key, extended)                                                                       \
    "keyUsage=" key "\nextendedKeyUsage=" extended "\nsubjectKeyIdentifier=hash\n"                 \
    "authorityKeyIdentifier=keyid:always\nsubjectAltName=DNS:www.example.org"
#define NAMED(names) LEAF_WITHOUT_NAMES "\nsubjectAltName=" names

static void a_chain_by_the_rules_is_good(void **state)
{
    (void)state;
    CHECK_EACH({.id = "ok"}, {.id = "ok", .no_ca = true},
               {.id = "ok", .ask = {.host = "www.example.org", .purpose = MU_PURPOSE_SERVER}},
               {.id = "ok", .ask = {.host = "www.example.org"}},
               {.id = "ok", .list_count = 2, .lists = {{0}, {0}}},
               {.id = "ok", .ca = {.more = "nameConstraints=critical,permitted;DNS:example.org"}},
               {.id = "ok",
                .leaf = {.extensions = NAMED(
                             "DNS:*.example.org,IP:192.0.2.1,email:a@example.org,URI:spiffe://a/b")}},
               {.id = "ok", .leaf = {.serial = "7F000000000000000000000000000000000000FF"}});
}

static void a_date_out_of_time_is_refused_and_the_second_of_its_end_is_not(void **state)
{
    (void)state;
    CHECK_EACH({.id = "ok", .lax = "expired", .leaf = {.to = NOW}},
               {.id = "ok", .lax = "ca-expired", .ca = {.to = NOW}},
               {.id = "ok", .lax = "ca-expired", .root = {.to = NOW}},
               {.id = "ok", .leaf = {.from = NOW}},
               {.id = "expired", .lax = "expired", .leaf = {.to = NOW - 1}},
               {.id = "ca-expired", .lax = "ca-expired", .ca = {.to = NOW - 1}},
               {.id = "ca-expired", .lax = "ca-expired", .root = {.to = NOW - 1}},
               {.id = "not-yet-valid", .lax = "not-yet-valid", .leaf = {.from = NOW + 1}},
               {.id = "ca-not-yet-valid", .lax = "ca-not-yet-valid", .ca = {.from = NOW + 1}},
               {.id = "malformed", .leaf = {.from_text = "20260501000000Z"}});
}

static void serials_are_positive_and_of_twenty_octets_at_most(void **state)
{
    (void)state;
    CHECK_EACH({.id = "serial", .leaf = {.serial = "0"}}, {.id = "serial", .leaf = {.serial = "-5"}},
               {.id = "serial", .leaf = {.serial = "010000000000000000000000000000000000000000"}},
               {.id = "serial", .leaf = {.serial = "8000000000000000000000000000000000000000"}},
               {.id = "serial", .ca = {.serial = "0"}}, {.id = "serial", .root = {.serial = "-1"}});
}

static void whoever_issues_says_that_it_may(void **state)
{
    (void)state;
    CHECK_EACH(
        {.id = "ca-invalid", .lax = "ca-invalid", .ca = {.extensions = WITHOUT_BASIC}},
        {.id = "ca-invalid",
         .lax = "ca-invalid",
         .ca = {.extensions = WITH_BASIC("critical,CA:FALSE")}},
        {.id = "ca-invalid", .root = {.extensions = WITHOUT_BASIC}},
        {.id = "ca-invalid", .root = {.extensions = WITHOUT_BASIC}, .no_ca = true},
        {.id = "basic-constraints", .ca = {.extensions = WITH_BASIC("CA:TRUE")}},
        {.id = "basic-constraints", .root = {.extensions = WITH_BASIC("CA:TRUE")}},
        {.id = "ca-v1",
         .lax = "ca-v1",
         .ca = {.version = 1, .extensions = ""},
         .leaf = {.extensions = NO_AUTHORITY}},
        {.id = "cert-version", .leaf = {.version = 1, .extensions = ""}},
        {.id = "path-length",
         .lax = "path-length",
         .root = {.extensions = WITH_BASIC("critical,CA:TRUE,pathlen:0")}},
        {.id = "ok", .ca = {.extensions = WITH_BASIC("critical,CA:TRUE,pathlen:0")}},
        {.id = "ca-key-usage",
         .lax = "ca-key-usage",
         .root =
             {.extensions =
                  "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\nsubjectKeyIdentifier=hash"},
         .no_ca = true});
}

static void a_ca_without_key_usage_may_issue_certificates_and_lists(void **state)
{
    (void)state;
    const struct spec no_usage = {
        .extensions =
            "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"};
    CHECK_EACH({.id = "ok", .ca = no_usage}, {.id = "ok", .root = no_usage},
               {.id = "ok", .ca = no_usage, .root = no_usage, .list_count = 2});
}

static void keys_are_named_by_their_identifiers(void **state)
{
    (void)state;
    CHECK_EACH({.id = "authority-key-id", .leaf = {.extensions = NO_AUTHORITY}},
               {.id = "authority-key-id",
                .ca = {.extensions = NO_SUBJECT_ID "\nsubjectKeyIdentifier=hash"}},
               {.id = "subject-key-id",
                .root = {.extensions = NO_SUBJECT_ID},
                .no_ca = true,
                .leaf = {.extensions = SOME_AUTHORITY}},
               {.id = "subject-key-id",
                .ca = {.extensions = NO_SUBJECT_ID "\nauthorityKeyIdentifier=keyid:always"},
                .leaf = {.extensions = SOME_AUTHORITY}},
               {.id = "critical-extension",
                .lax = "critical-extension",
                .root = {.extensions = NO_SUBJECT_ID "\nsubjectKeyIdentifier=critical,hash"}},
               {.id = "ok", .root = {.extensions = NO_SUBJECT_ID "\nsubjectKeyIdentifier=hash"}});
}

static void weak_keys_and_signatures_are_refused_wherever_they_are(void **state)
{
    (void)state;
    CHECK_EACH({.id = "weak-key", .lax = "weak-key", .leaf = {.key_type = "RSA-1024"}},
               {.id = "weak-key", .lax = "weak-key", .ca = {.key_type = "RSA-1024"}},
               {.id = "weak-key", .lax = "weak-key", .root = {.key_type = "RSA-1024"}},
               {.id = "weak-key", .lax = "weak-key", .leaf = {.key_type = "P-192"}},
               {.id = "weak-signature", .lax = "weak-signature", .leaf = {.digest = EVP_sha1()}},
               {.id = "weak-signature", .lax = "weak-signature", .ca = {.digest = EVP_sha1()}},
               {.id = "ok", .root = {.digest = EVP_sha1()}},
               {.id = "ok", .leaf = {.key_type = "RSA-2048"}});
}

/* An RSA key whose exponent is 1: what it "encrypts" is not. */
static EVP_PKEY *new_unsound_key(void)
{
    EVP_PKEY *good = EVP_RSA_gen(2048), *bad = NULL;
    BIGNUM *n = NULL, *e = BN_new();
    BN_one(e);
    assert_int_equal(EVP_PKEY_get_bn_param(good, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &bad, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    EVP_PKEY_free(good);
    return bad;
}

static void a_key_that_is_not_sound_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = new_unsound_key();
    CHECK_EACH({.id = "unsound-key", .leaf = {.key = key}});
    EVP_PKEY_free(key);
}

static void form_is_kept(void **state)
{
    (void)state;
    CHECK_EACH({.id = "critical-extension",
                .lax = "critical-extension",
                .leaf = {.more = "1.2.3.4=critical,ASN1:NULL"}},
               {.id = "critical-extension",
                .lax = "critical-extension",
                .ca = {.more = "1.2.3.4=critical,ASN1:NULL"}},
               {.id = "critical-extension",
                .lax = "critical-extension",
                .root = {.more = "1.2.3.4=critical,ASN1:NULL"}},
               {.id = "ok", .leaf = {.more = "1.2.3.4=ASN1:NULL"}},
               {.id = "critical-extension",
                .lax = "critical-extension",
                .leaf = {.more = "authorityInfoAccess=critical,OCSP;URI:http://ocsp.example.org"}},
               {.id = "malformed", .leaf = {.more = "1.2.3.4=ASN1:NULL\n1.2.3.4=ASN1:NULL"}},
               {.id = "malformed", .leaf = {.more = "authorityInfoAccess=DER:0101"}},
               {.id = "malformed",
                .ca = {.more = "certificatePolicies=DER:300830060604551D2000\n"
                               "policyConstraints=requireExplicitPolicy:3"}},
               {.id = "malformed",
                .lax = "malformed",
                .leaf = {.extensions = USAGE("critical,DER:03020700", "serverAuth")}},
               {.id = "malformed",
                .leaf = {.extensions = USAGE("critical,digitalSignature", "DER:3000")}},
               {.id = "malformed", .leaf = {.more = "crlDistributionPoints=DER:3000"}},
               {.id = "malformed", .leaf = {.more = "authorityInfoAccess=DER:3000"}},
               {.id = "malformed",
                .leaf = {.cn = ""}}, /* then its alternative names have to be critical */
               {.id = "ok",
                .leaf = {.cn = "",
                         .extensions =
                             LEAF_WITHOUT_NAMES "\nsubjectAltName=critical,DNS:www.example.org"}});
}

static void policies_are_processed(void **state)
{
    (void)state;
    /* Each CA with policyConstraints has policies: where it has none, OpenSSL 3.0 forgets to free the constraints. */
#define POLICIES(der) .more = "certificatePolicies=DER:" der
#define ONE "3007300506032A0304" /* 1.2.3.4, and another, and anyPolicy */
#define TWO "3007300506032A0305"
#define ANY "300830060604551D2000"
    CHECK_EACH({.id = "ok", .leaf = {POLICIES(ONE)}, .ca = {POLICIES(TWO)}},
               {.id = "policy",
                .ca = {POLICIES(ONE "\npolicyConstraints=critical,requireExplicitPolicy:0")}},
               {.id = "policy",
                .leaf = {POLICIES(ONE)},
                .ca = {POLICIES(TWO "\npolicyConstraints=critical,requireExplicitPolicy:0")}},
               {.id = "ok",
                .leaf = {POLICIES(ONE)},
                .ca = {POLICIES(ONE "\npolicyConstraints=critical,requireExplicitPolicy:0")}},
               {.id = "ok",
                .leaf = {POLICIES(ONE)},
                .ca = {POLICIES(ANY "\npolicyConstraints=critical,requireExplicitPolicy:0")}},
               {.id = "policy",
                .leaf = {POLICIES(ANY)},
                .ca = {POLICIES(ANY "\npolicyConstraints=critical,requireExplicitPolicy:0\n"
                                    "inhibitAnyPolicy=critical,0")}},
               {.id = "policy",
                .ca = {POLICIES(ONE "\npolicyConstraints=critical,requireExplicitPolicy:1")}},
               /* The path ends before. */
               {.id = "ok",
                .ca = {POLICIES(ONE "\npolicyConstraints=critical,requireExplicitPolicy:2")}},
               /* The anchor is no part of the path. [6.1] */
               {.id = "ok",
                .root = {POLICIES(ONE "\npolicyConstraints=critical,requireExplicitPolicy:0")}},
               {.id = "malformed",
                .leaf = {POLICIES(ONE)},
                .ca = {POLICIES(ANY "\npolicyMappings=critical,2.5.29.32.0:1.2.3.4")}},
               {.id = "malformed", .leaf = {POLICIES("300E300506032A0304300506032A0304")}});
#undef POLICIES
#undef ONE
#undef TWO
#undef ANY
}

static void names_are_well_formed(void **state)
{
    (void)state;
    CHECK_EACH({.id = "name-malformed",
                .leaf = {.extensions = NAMED("DNS:.example.org,DNS:www.example.org")}},
               {.id = "name-malformed", .leaf = {.extensions = NAMED("DNS:www..example.org")}},
               {.id = "name-malformed", .leaf = {.extensions = NAMED("DNS:192.0.2.7")}},
               {.id = "name-malformed", .leaf = {.extensions = NAMED("DNS:a*.example.org")}},
               {.id = "name-malformed", .leaf = {.extensions = NAMED("email:a@b@example.org")}},
               {.id = "name-malformed", .leaf = {.extensions = NAMED("email:example.org")}},
               {.id = "name-malformed", .leaf = {.extensions = NAMED("URI:example.org")}},
               {.id = "name-malformed",
                .leaf = {.extensions = NAMED("DER:300a8708c0000200ffffff00")}},
               /* ... under name constraints too, which OpenSSL alone lets pass */
               {.id = "name-malformed",
                .ca = CONSTRAINED("critical,permitted;DNS:example.org"),
                .leaf = {.extensions = NAMED("DNS:.example.org,DNS:www.example.org")}},
               {.id = "name-malformed",
                .ca = CONSTRAINED("critical,permitted;email:example.org"),
                .leaf = {.extensions = NAMED("email:good@example.org,email:a@b@example.org")}});
}

static void name_constraints_are_kept_and_are_well_formed(void **state)
{
    (void)state;
    CHECK_EACH(
        {.id = "name-constraint",
         .lax = "name-constraint",
         .ca = CONSTRAINED("critical,permitted;DNS:example.com")},
        {.id = "name-constraint",
         .lax = "name-constraint",
         .root = CONSTRAINED("critical,excluded;DNS:example.org")},
        {.id = "name-constraint",
         .ca = CONSTRAINED("critical,excluded;DNS:bar.example.org"),
         .leaf = {.extensions = NAMED("DNS:*.example.org")}},
        {.id = "ok",
         .ca = CONSTRAINED("critical,excluded;DNS:bar.foo.example.org"),
         .leaf = {.extensions = NAMED("DNS:*.example.org")}},
        {.id = "ok", .ca = CONSTRAINED("critical,permitted;IP:192.0.2.0/255.255.255.0")},
        /* A CN is nobody's claim to a host. */
        {.id = "ok",
         .lax = "name-constraint",
         .ca = CONSTRAINED("critical,permitted;DNS:example.org"),
         .leaf = {.cn = "www.example.com", .extensions = NAMED("email:a@example.com")}},
        {.id = "name-constraint",
         .lax = "name-constraint",
         .ca = CONSTRAINED("critical,permitted;IP:192.0.2.0/255.255.255.0"),
         .leaf = {.extensions = NAMED("IP:2001:db8::1")}},
        {.id = "name-constraint",
         .lax = "name-constraint",
         .ca = CONSTRAINED("critical,permitted;URI:.example.org"),
         .leaf = {.extensions = NAMED("URI:https://192.0.2.1/")}},
        /* A constraint on hosts, and a URI that has none that could be judged. */
        {.id = "name-constraint",
         .ca = CONSTRAINED("critical,excluded;URI:.example.com"),
         .leaf = {.extensions = NAMED("URI:https://192.0.2.1/")}},
        {.id = "name-constraint",
         .ca = CONSTRAINED("critical,excluded;URI:.example.com"),
         .leaf = {.extensions = NAMED("URI:https://[2001:db8::1]:8443/")}},
        {.id = "name-constraint", /* which others may take to be v.example.com */
         .ca = CONSTRAINED("critical,permitted;URI:.example.com"),
         .leaf = {.extensions = NAMED("URI:https://%76.example.com/")}},
        {.id = "name-constraint",
         .lax = "name-constraint",
         .ca = CONSTRAINED("critical,excluded;URI:.example.com"),
         .leaf = {.extensions = NAMED("URI:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")}},
        {.id = "ok",
         .ca = CONSTRAINED("critical,excluded;URI:.example.com"),
         .leaf = {.extensions = NAMED("URI:https://a.example.org/b")}},
        {.id = "ok",
         .ca = CONSTRAINED("critical,permitted;email:.example.org,permitted;email:a@example.org")},
        {.id = "constraint-in-leaf", .leaf = {.more = "nameConstraints=permitted;DNS:example.org"}},
        {.id = "constraint-in-leaf",
         .leaf = {.more = "nameConstraints=critical,permitted;DNS:example.org"}},
        {.id = "constraint-malformed", .ca = CONSTRAINED("permitted;DNS:example.org")},
        {.id = "constraint-malformed", .ca = CONSTRAINED("critical,permitted;DNS:.example.org")},
        {.id = "constraint-malformed", .ca = CONSTRAINED("critical,excluded;DNS:*.example.com")},
        {.id = "constraint-malformed", .ca = CONSTRAINED("critical,excluded;email:a@b@example.org")},
        {.id = "constraint-malformed",
         .ca = CONSTRAINED("critical,permitted;IP:192.0.2.0/255.0.255.0")},
        {.id = "constraint-malformed", .ca = CONSTRAINED("critical,DER:300aa0083006870400000001")},
        {.id = "constraint-malformed", .ca = CONSTRAINED("critical,DER:3000")});
}

static void names_and_uses_are_as_asked(void **state)
{
    (void)state;
    CHECK_EACH(
        {.id = "name-mismatch", .lax = "name-mismatch", .ask = {.host = "example.com"}},
        {.id = "ip-mismatch", .lax = "ip-mismatch", .ask = {.host = "192.0.2.1"}},
        {.id = "ok", .ask = {.host = "2001:db8::1"}, .leaf = {.extensions = NAMED("IP:2001:db8::1")}},
        {.id = "ok",
         .ask = {.host = "[2001:db8::1]"},
         .leaf = {.extensions = NAMED("IP:2001:db8::1")}},
        {.id = "name-in-cn",
         .ask = {.host = "www.example.org"},
         .leaf = {.cn = "www.example.org", .extensions = LEAF_WITHOUT_NAMES}},
        {.id = "email-mismatch", .lax = "email-mismatch", .ask = {.email = "a@example.org"}},
        {.id = "ok",
         .ask = {.email = "a@EXAMPLE.org"},
         .leaf = {.extensions = NAMED("email:b@example.org,email:a@example.org")}},
        {.id = "email-mismatch",
         .lax = "email-mismatch",
         .ask = {.email = "A@example.org"},
         .leaf = {.extensions = NAMED("email:a@example.org")}},
        {.id = "purpose", .lax = "purpose", .ask = {.purpose = MU_PURPOSE_CLIENT}},
        {.id = "purpose",
         .ask = {.host = "www.example.org"},
         .leaf = {.extensions =
                      "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectKeyIdentifier=hash\n"
                      "authorityKeyIdentifier=keyid:always\nsubjectAltName=DNS:www.example.org"}},
        {.id = "ca-purpose",
         .lax = "ca-purpose",
         .ask = {.purpose = MU_PURPOSE_SERVER},
         .ca = {.more = "extendedKeyUsage=clientAuth"}},
        /* A CA may stand in the leaf's place. */
        {.id = "ok",
         .ask = {.host = "ca.example.org"},
         .leaf = {.extensions = CA_EXTENSIONS "\nsubjectAltName=DNS:ca.example.org"}},
        {.id = "too-deep", .lax = "too-deep", .ask = {.limit_depth = true, .depth = 0}},
        {.id = "ok", .ask = {.limit_depth = true, .depth = 1}},
        {.id = "ok", .no_ca = true, .ask = {.limit_depth = true, .depth = 0}});
}

static void lists_keep_the_rules_too(void **state)
{
    (void)state;
    const struct list_spec good = {0};
    const char *aki = "authorityKeyIdentifier=keyid:always";
    CHECK_EACH({.id = "revoked",
                .lax = "revoked",
                .list_count = 2,
                .lists = {good, {.revoked = {THE_LEAF}}}},
               {.id = "crl-missing", .lax = "crl-missing", .list_count = 1, .lists = {good}},
               {.id = "crl-expired",
                .lax = "crl-expired",
                .list_count = 2,
                .lists = {good, {.to = NOW - 1}}},
               {.id = "ok", .lax = "crl-expired", .list_count = 2, .lists = {good, {.to = NOW}}},
               {.id = "crl-invalid",
                .lax = "crl-invalid",
                .list_count = 2,
                .lists = {good, {.from = NOW + 1}}},
               {.id = "crl-number", .list_count = 2, .lists = {good, {.extensions = aki}}},
               {.id = "crl-number",
                .list_count = 1,
                .no_ca = true,
                .lists = {{.extensions = "", .version = 1}}},
               {.id = "crl-malformed",
                .lax = "crl-invalid",
                .list_count = 2,
                .lists = {good, {.extensions = "crlNumber=critical,DER:020107"}}},
               {.id = "crl-malformed",
                .list_count = 2,
                .lists = {good, {.extensions = "crlNumber=DER:0201ff"}}},
               {.id = "crl-malformed", .list_count = 2, .lists = {good, {.to = -1}}},
               {.id = "crl-malformed",
                .list_count = 2,
                .lists = {good, {.revoked = {THE_LEAF, THE_LEAF}}},
                .lax = "revoked"},
               {.id = "crl-invalid",
                .lax = "crl-invalid",
                .list_count = 2,
                .lists = {good,
                          {.extensions = "crlNumber=DER:020107\n1.2.3.4=critical,ASN1:NULL"}}});
}

#define AKI "authorityKeyIdentifier=keyid:always"
#define DELTA "crlNumber=DER:020109\ndeltaCRL=critical,DER:020107\n" AKI
#define DISTRIBUTED(der) "crlNumber=DER:020107\nissuingDistributionPoint=critical,DER:" der "\n" AKI
#define TO_DELTAS                                                                                  \
    "crlNumber=DER:020107\nfreshestCRL=DER:30123010A00EA00C860A687474703A2F2F782F79\n" AKI

static void a_list_says_no_more_than_it_is_about(void **state)
{
    (void)state;
    EVP_PKEY *stranger = new_key("P-256");
    CHECK_EACH(
        /* A delta list alone is none that could say "good". */
        {.id = "crl-missing",
         .lax = "crl-missing",
         .no_ca = true,
         .list_count = 1,
         .lists = {{.extensions = DELTA}}},
        {.id = "revoked",
         .lax = "revoked",
         .no_ca = true,
         .list_count = 2,
         .lists = {{.extensions = TO_DELTAS}, {.extensions = DELTA, .revoked = {THE_LEAF}}}},
        {.id = "ok",
         .no_ca = true,
         .list_count = 2,
         .lists = {{.extensions = TO_DELTAS, .revoked = {THE_LEAF}},
                   {.extensions = DELTA, .revoked = {THE_LEAF}, .entry = "CRLReason=DER:0A0108"}}},
        {.id = "crl-malformed",
         .no_ca = true,
         .list_count = 1,
         .lists = {{.revoked = {THE_LEAF}, .entry = "CRLReason=DER:0A0108"}}},
        {.id = "crl-malformed",
         .no_ca = true,
         .list_count = 1,
         .lists = {{.revoked = {THE_LEAF},
                    .entry =
                        "certificateIssuer=critical,DER:3011A40F300D310B3009060355040313025859"}}},
        {.id = "ok",
         .lax = "crl-missing", /* it is not about the root */
         .no_ca = true,
         .list_count = 1,
         .lists = {{.extensions = DISTRIBUTED("30038101FF")}}},
        {.id = "crl-missing",
         .lax = "crl-missing",
         .no_ca = true,
         .list_count = 1,
         .lists = {{.extensions = DISTRIBUTED("30038201FF")}}}, /* of CAs only */
        {.id = "crl-missing",
         .lax = "crl-missing",
         .no_ca = true,
         .list_count = 1,
         .lists = {{.extensions = DISTRIBUTED("3004830206C0")}}}, /* of some reasons only */
        /* One by another CA of the name is passed over, for one that is the CA's own. */
        {.id = "ok",
         .lax = "crl-invalid",
         .no_ca = true,
         .list_count = 2,
         .lists = {{.extensions = "crlNumber=DER:020107", .key = stranger, .from = NOW - 1}, {0}}},
        {.id = "revoked",
         .lax = "crl-invalid",
         .no_ca = true,
         .list_count = 2,
         .lists = {{.extensions = "crlNumber=DER:020107", .key = stranger, .from = NOW - 1},
                   {.revoked = {THE_LEAF}}}},
        {.id = "crl-invalid",
         .lax = "crl-invalid",
         .no_ca = true,
         .list_count = 1,
         .lists = {{.extensions = "crlNumber=DER:020107", .key = stranger}}});
    EVP_PKEY_free(stranger);
}

/* A list that another than the CA signs, for certificates that name him. [4.2.1.13, 5.2.5, 6.3.3] */
#define BY_THE_SIGNER                                                                              \
    "crlDistributionPoints=DER:30193017A215A4133011310F300D06035504030C067369676E6572"
#define ABOUT_XY "certificateIssuer=critical,DER:3011A40F300D310B3009060355040313025859"

static const char *verdict_by_a_signers_list(struct spec signer_spec, struct list_spec list)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    MU_AUTO_CLEAR(mu_certs) untrusted = {0};
    struct made root = make(NULL, (struct spec){.cn = "XY"});
    struct made leaf = make(&root, (struct spec){.no_ca = true, .more = BY_THE_SIGNER});
    signer_spec.cn = "signer";
    struct made signer = make(&root, signer_spec);
    if (list.revoked[0] == THE_LEAF)
        list.revoked[0] = leaf.x;
    list.extensions = DISTRIBUTED("30038401FF"); /* an indirect one */
    X509_CRL *crls[] = {make_list(&signer, list),
                        make_list(&root, (struct list_spec){
                                             /* about the signer only */
                                             .extensions = DISTRIBUTED(
                                                 "3014A012A010860E687474703A2F2F782F312E63726C")})};
    add(&anchors, root.x);
    add(&untrusted, signer.x);
    const struct mu_verify how = {.anchors = &anchors,
                                  .untrusted = &untrusted,
                                  .crls = (struct mu_crl *const *)crls,
                                  .crl_count = MU_COUNT(crls),
                                  .host = "www.example.org",
                                  .at = NOW,
                                  .strict = true};
    assert_int_equal(mu_verify((struct mu_cert *)leaf.x, &how, &verdict, NULL, &err), 0);
    made_clear(&root);
    made_clear(&leaf);
    made_clear(&signer);
    X509_CRL_free(crls[0]);
    X509_CRL_free(crls[1]);
    return mu_fault_id(verdict.fault);
}

static void a_list_may_be_signed_by_another_for_the_ca(void **state)
{
    (void)state;
#define SIGNER .more = "crlDistributionPoints=URI:http://x/1.crl"
    const struct list_spec of_nobody = {0},
                           of_the_leaf = {.revoked = {THE_LEAF}, .entry = ABOUT_XY},
                           of_another = {.revoked = {THE_LEAF}};
    assert_string_equal(verdict_by_a_signers_list((struct spec){SIGNER}, of_nobody), "ok");
    assert_string_equal(verdict_by_a_signers_list((struct spec){SIGNER}, of_the_leaf), "revoked");
    /* The same number, of a certificate that the signer has issued himself. */
    assert_string_equal(verdict_by_a_signers_list((struct spec){SIGNER}, of_another), "ok");
    assert_string_equal(verdict_by_a_signers_list((struct spec){SIGNER, .to = NOW - 1}, of_nobody),
                        "crl-invalid");
    assert_string_equal(verdict_by_a_signers_list((struct spec){SIGNER,
                                                                .extensions = LEAF_EXTENSIONS},
                                                  of_nobody),
                        "crl-invalid");
    /* Nobody says whether the signer himself is revoked. */
    assert_string_equal(verdict_by_a_signers_list((struct spec){0}, of_nobody), "crl-invalid");
#undef SIGNER
}

static void trust_comes_from_an_anchor_alone(void **state)
{
    (void)state;
    CHECK_EACH(
        {.id = "untrusted", .lax = "untrusted", .stranger = true},
        {.id = "untrusted", .lax = "untrusted", .without_ca = true},
        {.id = "self-signed",
         .lax = "self-signed",
         .signs_itself = true,
         .leaf = {.extensions = NO_AUTHORITY}},
        {.id = "bad-signature", .lax = "bad-signature", .leaf = {.damaged = true}},
        {.id = "bad-signature", .lax = "bad-signature", .no_ca = true, .leaf = {.damaged = true}},
        {.id = "rejected",
         .lax = "rejected",
         .rejected = true,
         .ask = {.purpose = MU_PURPOSE_SERVER}},
        {.id = "unsupported-key", .lax = "unsupported-key", .ca = {.explicit_curve = true}},
        {.id = "key-usage",
         .lax = "key-usage",
         .ask = {.purpose = MU_PURPOSE_SERVER},
         .leaf = {
             .extensions =
                 "keyUsage=critical,dataEncipherment\nextendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\n"
                 "authorityKeyIdentifier=keyid:always\nsubjectAltName=DNS:www.example.org"}});
}

/* OpenSSL 3.5 does not even read such a certificate, 3.0 does. */
static void a_date_that_is_none_is_refused(void **state)
{
    (void)state;
    const struct reason reason = {.leaf = {.from_text = "2026010100000", .unreadable = true}};
    struct chain chain = make_chain(&reason);
    if (chain.leaf.x != NULL) {
        struct mu_verdict verdict = judge(&chain, &reason, true);
        assert_verdict("the strict", &verdict, "bad-date");
    }
    seen[MU_FAULT_BAD_DATE] = true;
    chain_clear(&chain);
}

/* The last of these tests: no fault is left out but those that take more than one chain, which test_path.c has,
 * and those that a strict judge never finds. */
static void every_reason_was_among_these(void **state)
{
    (void)state;
    static const enum mu_fault elsewhere[] = {
        MU_FAULT_REKEYED,
        MU_FAULT_ISSUER_NOT_SENT,
        MU_FAULT_TOO_MUCH_WORK,
        MU_FAULT_INTERMEDIATE_EXPIRED,
        MU_FAULT_CHAIN_INCOMPLETE,
        MU_FAULT_LEAF_TRUSTED, /* each anchor is one */
        MU_FAULT_UNTRUSTED_ROOT,
        MU_FAULT_SAME_NAME, /* others tell more */
        MU_FAULT_OTHER,
    };
    for (size_t i = 0; i < MU_COUNT(elsewhere); i++)
        seen[elsewhere[i]] = true;
    for (int fault = 0; fault < MU_FAULT_COUNT; fault++)
        if (!seen[fault])
            fail_msg("no test has found %s", mu_fault_id((enum mu_fault)fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_by_the_rules_is_good),
        cmocka_unit_test(a_date_out_of_time_is_refused_and_the_second_of_its_end_is_not),
        cmocka_unit_test(serials_are_positive_and_of_twenty_octets_at_most),
        cmocka_unit_test(whoever_issues_says_that_it_may),
        cmocka_unit_test(a_ca_without_key_usage_may_issue_certificates_and_lists),
        cmocka_unit_test(keys_are_named_by_their_identifiers),
        cmocka_unit_test(weak_keys_and_signatures_are_refused_wherever_they_are),
        cmocka_unit_test(a_key_that_is_not_sound_is_refused),
        cmocka_unit_test(form_is_kept),
        cmocka_unit_test(policies_are_processed),
        cmocka_unit_test(names_are_well_formed),
        cmocka_unit_test(name_constraints_are_kept_and_are_well_formed),
        cmocka_unit_test(names_and_uses_are_as_asked),
        cmocka_unit_test(lists_keep_the_rules_too),
        cmocka_unit_test(a_list_says_no_more_than_it_is_about),
        cmocka_unit_test(a_list_may_be_signed_by_another_for_the_ca),
        cmocka_unit_test(trust_comes_from_an_anchor_alone),
        cmocka_unit_test(a_date_that_is_none_is_refused),
        cmocka_unit_test(every_reason_was_among_these),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
