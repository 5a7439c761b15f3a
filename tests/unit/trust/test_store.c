#include "../check.h"

#include "../pki/data.h"
#include "trust/backend.h"

static void a_name_is_plain_and_ends_in_the_fingerprint(void **state)
{
    (void)state;
    static const char *const files[] = {"ca", "new-ca", "odd-names", "other-ca"};
    for (size_t i = 0; i < MU_COUNT(files); i++) {
        MU_AUTO_STRUCT(mu_cert) cert = load_cert(files[i]);
        char name[MU_TRUST_NAME_LEN], sha256[MU_SHA256_LEN];
        mu_trust_name(cert, name);
        assert_true(mu_str_starts_with(name, "mutual-"));
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name));
        mu_cert_fingerprint(cert, sha256);
        sha256[16] = '\0';
        assert_int_equal(strcasecmp(name + strlen(name) - 16, sha256), 0);
    }
}

/* One entry each, with the state that it makes of "ca". */
static void what_a_store_has_of_an_anchor_is_known_by_its_fingerprint(void **state)
{
    (void)state;
    MU_AUTO_STRUCT(mu_cert) ca = load_cert("ca");
    MU_AUTO_STRUCT(mu_cert) anew = load_cert("new-ca"); /* the same name, another key */
    MU_AUTO_STRUCT(mu_cert) other = load_cert("other-ca");
    char ours[MU_TRUST_NAME_LEN], of_anew[MU_TRUST_NAME_LEN];
    mu_trust_name(ca, ours);
    mu_trust_name(anew, of_anew);
    const struct {
        const char *name;
        struct mu_cert *cert;
        bool in_force, is_ours;
        enum mu_trust_state state;
    } cases[] = {
        {ours, ca, true, true, MU_TRUST_INSTALLED},
        {ours, ca, false, true, MU_TRUST_IDLE},
        {"by hand", ca, true, false, MU_TRUST_OTHERWISE},
        {"", ca, true, false, MU_TRUST_OTHERWISE},
        {of_anew, anew, true, true, MU_TRUST_OTHER_CA},
        {ours, anew, true, false, MU_TRUST_OTHER_CA}, /* our name on something else */
        {of_anew, anew, false, true, MU_TRUST_ABSENT},
        {"other", other, true, false, MU_TRUST_ABSENT},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        MU_AUTO_CLEAR(mu_trust_stores) stores = {0};
        struct mu_error err = MU_ERROR_INIT;
        struct mu_trust_store *store = mu_trust_add_store(&stores, MU_TRUST_NSS);
        assert_non_null(store);
        assert_worked(mu_trust_add_entry(store, cases[i].name, cases[i].cert, cases[i].in_force,
                                         &err),
                      &err);
        assert_int_equal(mu_trust_state(store, ca, NULL), cases[i].state);
        assert_int_equal(mu_trust_is_ours(&store->entries[0]), cases[i].is_ours);
    }
}

static void the_best_entry_decides(void **state)
{
    (void)state;
    MU_AUTO_STRUCT(mu_cert) ca = load_cert("ca");
    MU_AUTO_STRUCT(mu_cert) anew = load_cert("new-ca");
    MU_AUTO_CLEAR(mu_trust_stores) stores = {0};
    struct mu_error err = MU_ERROR_INIT;
    const struct mu_trust_entry *entry = NULL;
    char ours[MU_TRUST_NAME_LEN];
    struct mu_trust_store *store = mu_trust_add_store(&stores, MU_TRUST_JAVA);
    assert_worked(mu_trust_add_entry(store, "old", anew, true, &err), &err);
    assert_worked(mu_trust_add_entry(store, "by hand", ca, true, &err), &err);
    assert_worked(mu_trust_add_entry(store, mu_trust_name(ca, ours), ca, true, &err), &err);
    assert_int_equal(mu_trust_state(store, ca, &entry), MU_TRUST_INSTALLED);
    assert_string_equal(entry->name, ours);
}

static void certificates_are_picked_out_of_any_text(void **state)
{
    (void)state;
    static const char broken[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                      cut[] = "-----BEGIN CERTIFICATE-----\nMIIB";
    MU_AUTO_STRUCT(mu_cert) ca = load_cert("ca");
    MU_AUTO_CLEAR(mu_certs) found = {0};
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    struct mu_error err = MU_ERROR_INIT;
    mu_buf_adds(&text, "Alias name: a\n");
    mu_buf_add(&text, "\0", 1);
    mu_buf_adds(&text, broken);
    mu_cert_to_pem(ca, &text);
    mu_buf_adds(&text, cut);
    assert_worked(mu_trust_pick_certs(text.data, text.len, &found, &err), &err);
    assert_int_equal(found.count, 1);
    assert_true(mu_certs_hold(&found, ca));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_plain_and_ends_in_the_fingerprint),
        cmocka_unit_test(what_a_store_has_of_an_anchor_is_known_by_its_fingerprint),
        cmocka_unit_test(the_best_entry_decides),
        cmocka_unit_test(certificates_are_picked_out_of_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
