#include "../check.h"

#include "front/access.h"

static char *names_cn[] = {(char *)"web-1"}, *names_ou[] = {(char *)"ops", (char *)"night"},
            *names_dns[] = {(char *)"web.example.com", (char *)"*.wild.example.com"},
            *names_uri[] = {(char *)"spiffe://example.org/ns/prod/web"},
            *names_email[] = {(char *)"me@mail.example.com"}, *names_ip[] = {(char *)"10.1.2.3"};

/* Digests of 00 01 02 ... and of 80 81 82 ... */
static struct mu_identity who = {
    .subject = (char *)"CN=web-1",
    .issuer = (char *)"CN=Home CA,O=Example",
    .issuer_cn = (char *)"Home CA",
    .cn = {names_cn, 1},
    .ou = {names_ou, 2},
    .dns = {names_dns, 2},
    .uri = {names_uri, 1},
    .email = {names_email, 1},
    .ip = {names_ip, 1},
    .serial = "1A2B",
};

static int fill_digests(void **state)
{
    (void)state;
    for (int i = 0; i < 32; i++) {
        who.sha256[i] = (unsigned char)i;
        who.key_sha256[i] = (unsigned char)(0x80 + i);
    }
    return 0;
}

static void add(struct mu_access_list *list, const char *text)
{
    struct mu_error err = MU_ERROR_INIT;
    assert_worked(mu_access_list_add(list, text, &err), &err);
}

static bool lets_in(const char *term)
{
    struct mu_access access = {.id = "door"};
    struct mu_access_verdict verdict;
    add(&access.allow, term);
    const bool result = mu_access_judge(&access, &who, &verdict);
    assert_int_equal(verdict.reason, result ? MU_ACCESS_YES : MU_ACCESS_NOT_ALLOWED);
    mu_access_list_clear(&access.allow);
    return result;
}

static void what_a_term_matches(void **state)
{
    static const char *const terms[] = {
        "all",
        "cn=web-1",
        "cn=web-*",
        "cn=*",
        "ou=night",
        "dns=web.example.com",
        "dns=WEB.example.com",
        "dns=*.example.com",
        "dns=.example.com",
        "dns=**",
        "dns=*.wild.example.com",
        "uri=spiffe://example.org/ns/prod/web",
        "uri=spiffe://example.org/ns/*/web",
        "uri=spiffe://example.org/**",
        "email=me@mail.example.com",
        "email=*@*.example.com",
        "ip=10.0.0.0/8",
        "ip=10.1.2.3",
        "issuer=Home CA",
        "issuer=CN=Home CA,O=*",
        "serial=1a2b",
        "serial=1A:2B",
        "serial=00001A2B",
        "fingerprint=000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F",
        ("fingerprint=00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:"
         "1A:1B:1C:1D:1E:1F"),
        "pin=sha256//gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=",
        "pin=808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9F",
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(terms); i++)
        if (!lets_in(terms[i]))
            fail_msg("%s does not match", terms[i]);
}

static void what_a_term_leaves_out(void **state)
{
    static const char *const terms[] = {
        "anonymous",
        "cn=web",
        "cn=WEB-1",
        "ou=op",
        "cn=ops", /* which is a unit */
        "dns=example.com",
        "dns=*.com",
        "dns=api.wild.example.com", /* a wildcard's holder is not each of its names */
        "uri=spiffe://example.org/ns/*",
        "uri=spiffe://example.org/ns/prod/web/",
        "uri=spiffe://example.org.evil/**",
        "email=*@example.com",
        "email=you@mail.example.com",
        "ip=10.2.0.0/16",
        "issuer=Home",
        "issuer=CN=Home CA",
        "serial=1A2B00",
        "serial=1A2",
        "fingerprint=808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9F",
        "pin=000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F",
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(terms); i++)
        if (lets_in(terms[i]))
            fail_msg("%s matches", terms[i]);
}

static void what_says_nobody_is_refused_with_examples(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "no KIND="},
        {"web-1", "no KIND="},
        {"ALL", "no KIND="},
        {"CN=web", "no such kind"},
        {"subject=x", "no such kind"},
        {"=x", "no such kind"},
        {"cn=", "nothing behind"},
        {"dns=a b", "letters, digits"},
        {"dns=a..b", "empty label"},
        {"uri=web", "scheme"},
        {"ip=10.0.0.1/8", ""},
        {"ip=lots", ""},
        {"email=me@", "no name"},
        {"serial=xyz", "hexadecimal"},
        {"serial=:", "hexadecimal"},
        {"serial=0", ""},
        {"fingerprint=AB:CD", "64"},
        {"fingerprint=sha256//gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=", "64"},
        {"pin=sha256//AAAA", "64"},
        {"cn=\x1b[31m", "control"},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        struct mu_error err = MU_ERROR_INIT;
        struct mu_access_list list = {0};
        if (mu_str_equal(bad[i].text, "serial=0")) { /* is a number, and no certificate's */
            add(&list, bad[i].text);
            mu_access_list_clear(&list);
            continue;
        }
        assert_refused(mu_access_list_add(&list, bad[i].text, &err), &err, MU_E_USAGE, bad[i].why);
        assert_says(err.hint, "dns=*.example.com");
        assert_int_equal(list.count, 0);
        mu_access_list_clear(&list);
    }
}

static void assert_judged(const struct mu_access *access, const struct mu_identity *client,
                          enum mu_access_reason reason, const char *rule)
{
    struct mu_access_verdict verdict;
    char id[MU_ACCESS_ID_LEN];
    assert_int_equal(mu_access_judge(access, client, &verdict), reason == MU_ACCESS_YES);
    assert_int_equal(verdict.reason, reason);
    assert_string_equal(mu_access_rule_id(&verdict, id), rule);
}

static void without_rules_a_certificate_is_enough_and_needed(void **state)
{
    const struct mu_access none = {.id = NULL};
    (void)state;
    assert_judged(&none, &who, MU_ACCESS_YES, "door");
    assert_judged(&none, NULL, MU_ACCESS_NO_CERTIFICATE, "door");
}

static void one_term_is_enough_and_deny_comes_first(void **state)
{
    struct mu_access door = {.id = "door"};
    (void)state;
    add(&door.allow, "cn=other");
    assert_judged(&door, &who, MU_ACCESS_NOT_ALLOWED, "door.allow");
    add(&door.allow, "ou=ops");
    assert_judged(&door, &who, MU_ACCESS_YES, "door.allow.2");
    add(&door.deny, "cn=other");
    assert_judged(&door, &who, MU_ACCESS_YES, "door.allow.2");
    add(&door.deny, "serial=1A2B");
    assert_judged(&door, &who, MU_ACCESS_DENIED, "door.deny.2");
    mu_access_list_clear(&door.allow);
    mu_access_list_clear(&door.deny);
}

static void a_route_has_its_own_allow_or_its_doors_and_every_deny(void **state)
{
    struct mu_access door = {.id = "door"}, route = {.id = "admin", .above = &door};
    (void)state;
    assert_judged(&route, &who, MU_ACCESS_YES, "door");
    add(&door.allow, "cn=other");
    assert_judged(&route, &who, MU_ACCESS_NOT_ALLOWED, "door.allow");
    add(&route.allow, "ou=ops");
    assert_judged(&route, &who, MU_ACCESS_YES, "admin.allow.1");
    assert_judged(&door, &who, MU_ACCESS_NOT_ALLOWED, "door.allow");
    add(&route.deny, "ou=night");
    assert_judged(&route, &who, MU_ACCESS_DENIED, "admin.deny.1");
    add(&door.deny, "all");
    assert_judged(&route, &who, MU_ACCESS_DENIED, "door.deny.1");
    mu_access_list_clear(&door.allow);
    mu_access_list_clear(&door.deny);
    mu_access_list_clear(&route.allow);
    mu_access_list_clear(&route.deny);
}

static void who_has_no_certificate_comes_in_only_where_a_rule_says_so(void **state)
{
    struct mu_access door = {.id = "door"};
    (void)state;
    add(&door.allow, "all");
    assert_judged(&door, NULL, MU_ACCESS_NO_CERTIFICATE, "door.allow");
    add(&door.allow, "anonymous");
    assert_judged(&door, NULL, MU_ACCESS_YES, "door.allow.2");
    assert_true(mu_access_list_has(&door.allow, MU_ACCESS_ANONYMOUS));
    add(&door.deny, "anonymous");
    assert_judged(&door, NULL, MU_ACCESS_DENIED, "door.deny.1");
    assert_judged(&door, &who, MU_ACCESS_YES, "door.allow.1");
    mu_access_list_clear(&door.allow);
    mu_access_list_clear(&door.deny);
}

static void what_cannot_be_read_may_be_what_is_denied(void **state)
{
    struct mu_access door = {.id = "door"};
    struct mu_identity unclear = who;
    unclear.unclear = 1;
    (void)state;
    add(&door.allow, "all");
    assert_judged(&door, &unclear, MU_ACCESS_YES, "door.allow.1");
    add(&door.deny, "serial=FF"); /* a number is always clear */
    assert_judged(&door, &unclear, MU_ACCESS_YES, "door.allow.1");
    add(&door.deny, "dns=evil.example.com");
    assert_judged(&door, &unclear, MU_ACCESS_UNCLEAR, "door.deny");
    assert_judged(&door, &who, MU_ACCESS_YES, "door.allow.1");
    mu_access_list_clear(&door.allow);
    mu_access_list_clear(&door.deny);
}

static void a_refusal_says_who_it_was_and_who_would_not_have_been(void **state)
{
    struct mu_access door = {.id = "door"};
    struct mu_access_verdict verdict;
    struct mu_refusal refusal;
    (void)state;
    add(&door.allow, "dns=api.example.com");
    add(&door.allow, "ou=day");
    mu_access_judge(&door, &who, &verdict);
    mu_access_refusal(&verdict, &who, &refusal);
    assert_int_equal(refusal.code, MU_REFUSAL_ACCESS_NOT_ALLOWED);
    assert_says(refusal.sentence, "known as uri=spiffe://example.org/ns/prod/web");
    assert_says(refusal.sentence, "; allowed are dns=api.example.com, ou=day (door.allow)");
    assert_true(refusal.hint[0] != '\0');
    mu_access_judge(&door, NULL, &verdict);
    mu_access_refusal(&verdict, NULL, &refusal);
    assert_string_equal(refusal.id, "access-no-certificate");
    add(&door.deny, "ou=ops");
    mu_access_judge(&door, &who, &verdict);
    mu_access_refusal(&verdict, &who, &refusal);
    assert_string_equal(refusal.id, "access-denied");
    assert_says(refusal.sentence, "; denied is ou=ops (door.deny.1)");
    mu_access_list_clear(&door.allow);
    mu_access_list_clear(&door.deny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_term_matches),
        cmocka_unit_test(what_a_term_leaves_out),
        cmocka_unit_test(what_says_nobody_is_refused_with_examples),
        cmocka_unit_test(without_rules_a_certificate_is_enough_and_needed),
        cmocka_unit_test(one_term_is_enough_and_deny_comes_first),
        cmocka_unit_test(a_route_has_its_own_allow_or_its_doors_and_every_deny),
        cmocka_unit_test(who_has_no_certificate_comes_in_only_where_a_rule_says_so),
        cmocka_unit_test(what_cannot_be_read_may_be_what_is_denied),
        cmocka_unit_test(a_refusal_says_who_it_was_and_who_would_not_have_been),
    };
    return cmocka_run_group_tests_name("access", tests, fill_digests, NULL);
}
