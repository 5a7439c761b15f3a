/* The commands that mend a cause fit whose certificate it is about, and have all their places filled. */

#include "../check.h"

#include "base/macros.h"
#include "base/str.h"
#include "explain/report.h"

static const char *fill(const char *remedy, const struct mu_places *places)
{
    static char text[MU_FINDING_COMMAND_LEN];
    return mu_remedy_fill(remedy, places, text, sizeof text);
}

static struct mu_places known(enum mu_holder holder, enum mu_party whose)
{
    return (struct mu_places){
        .holder = holder,
        .whose = whose,
        .file = "own.crt",
        .key = "own.key",
        .name = "alice",
        .host = "api.example",
        .at = "api.example:8443",
    };
}

/* A word of the other side's in a command that is about this one. */
static const char *stranger_in(const char *command, enum mu_holder holder)
{
    static const char *const of_clients[] = {"issue client", "client.key", "clientAuth",
                                             "profile client"};
    static const char *const of_servers[] = {"issue server", "server.key", "serverAuth",
                                             "profile server"};
    for (size_t i = 0; i < MU_COUNT(of_clients); i++) {
        if (holder != MU_HOLDER_CLIENT && strstr(command, of_clients[i]) != NULL)
            return of_clients[i];
        if (holder != MU_HOLDER_SERVER && strstr(command, of_servers[i]) != NULL)
            return of_servers[i];
    }
    return NULL;
}

static void check_command(const struct mu_cause *cause, const char *remedy, enum mu_holder holder)
{
    const bool held = cause->whose == MU_PARTY_CLIENT;
    const struct mu_places places = known(holder, held ? mu_holder_party(holder) : cause->whose);
    const char *command = fill(remedy, &places), *stranger = stranger_in(command, holder);
    static const char *const unfilled[] = {"{", "FILE", "HOST", "URL"};
    if (stranger != NULL)
        fail_msg("%s, at the %s: \"%s\" in %s", cause->id, mu_holder_id(holder), stranger, command);
    for (size_t i = 0; i < MU_COUNT(unfilled); i++)
        if (strstr(command, unfilled[i]) != NULL)
            fail_msg("%s, at the %s: %s", cause->id, mu_holder_id(holder), command);
    if (strlen(command) + 100 > MU_FINDING_COMMAND_LEN)
        fail_msg("%s: no room for longer names: %s", cause->id, command);
    /* Whoever reads it has just asked that. */
    if (mu_str_equal(command, "mutual explain https://api.example:8443"))
        fail_msg("%s: goes in a circle", cause->id);
}

static void every_cause_names_what_fits_each_holder(void **state)
{
    (void)state;
    for (unsigned i = 1; i < MU_CAUSE_COUNT; i++) {
        const struct mu_cause *cause = mu_cause_of(i);
        const bool varies = mu_remedy_varies(cause->remedy) || mu_remedy_varies(cause->openssl);
        for (unsigned holder = 0; holder < MU_HOLDER_COUNT; holder++) {
            if (!varies && holder != mu_remedy_holder(i))
                continue;
            check_command(cause, cause->remedy, holder);
            check_command(cause, cause->openssl, holder);
        }
    }
}

/* What is found at either end, or at a CA, cannot have one remedy for all of them. */
static void what_is_found_anywhere_varies(void **state)
{
    static const enum mu_cause_id anywhere[] = {MU_CAUSE_key_too_small,
                                                MU_CAUSE_signature_too_weak,
                                                MU_CAUSE_unsupported_key_type,
                                                MU_CAUSE_expires_soon,
                                                MU_CAUSE_cert_is_v1,
                                                MU_CAUSE_subject_equals_issuer,
                                                MU_CAUSE_ca_not_strict_profile};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(anywhere); i++) {
        const char *remedy = mu_cause_of(anywhere[i])->remedy;
        char said[MU_HOLDER_COUNT][MU_FINDING_COMMAND_LEN];
        for (unsigned holder = 0; holder < MU_HOLDER_COUNT; holder++) {
            const struct mu_places places = known(holder, mu_holder_party(holder));
            mu_remedy_fill(remedy, &places, said[holder], sizeof said[holder]);
        }
        assert_string_not_equal(said[MU_HOLDER_CLIENT], said[MU_HOLDER_ROOT]);
        assert_true(strstr(said[MU_HOLDER_CLIENT], "server") == NULL);
        assert_true(strstr(said[MU_HOLDER_SERVER], "client") == NULL);
    }
}

static void no_ca_is_made_anew_for_what_it_has_issued(void **state)
{
    static const enum mu_cause_id issued[] = {MU_CAUSE_cert_is_v1, MU_CAUSE_signature_too_weak,
                                              MU_CAUSE_unknown_critical_extension,
                                              MU_CAUSE_certificate_altered, MU_CAUSE_san_malformed};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(issued); i++)
        assert_int_equal(mu_remedy_holder(issued[i]), MU_HOLDER_SERVER);
    assert_int_equal(mu_remedy_holder(MU_CAUSE_issuer_not_ca), MU_HOLDER_ROOT);
    assert_int_equal(mu_remedy_holder(MU_CAUSE_ca_not_strict_profile), MU_HOLDER_ROOT);
}

static void whose_move_it_is_goes_with_who_has_it(void **state)
{
    MU_AUTO_CLEAR(mu_report) report = {0};
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    struct mu_finding finding = mu_finding_of(MU_CAUSE_key_too_small, MU_GRAVITY_FAULT,
                                              MU_PHASE_SERVER, "s.crt", "api.example", NULL);
    mu_finding_hold(&finding, MU_HOLDER_SERVER);
    assert_worked(mu_report_add(&report, &finding, &err, "x"), &err);
    assert_int_equal(report.findings[0].whose, MU_PARTY_SERVER);
    assert_string_equal(report.findings[0].remedy, "mutual issue server api.example");
    assert_non_null(strstr(report.findings[0].openssl, "subjectAltName=DNS:api.example"));

    finding = mu_finding_of(MU_CAUSE_key_too_small, MU_GRAVITY_FAULT, MU_PHASE_SERVER, "ca.crt",
                            "Example Root", NULL);
    mu_finding_hold(&finding, MU_HOLDER_ROOT);
    assert_worked(mu_report_add(&report, &finding, &err, "x"), &err);
    assert_int_equal(report.findings[1].whose, MU_PARTY_CA);
    assert_string_equal(report.findings[1].remedy, "mutual init 'Example Root'");
}

/* Whoever adds a finding may still change its mind on all of it; where the server is, the report knows. */
static void places_are_filled_last(void **state)
{
    MU_AUTO_CLEAR(mu_report) report = {.at = "[::1]:443"};
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    struct mu_finding finding =
        mu_finding_of(MU_CAUSE_alpn_mismatch, MU_GRAVITY_FAULT, MU_PHASE_HELLO, NULL, NULL, NULL);
    finding.whose = MU_PARTY_CLIENT;
    mu_str_copy(finding.openssl, sizeof finding.openssl, "nc {apart}; {at} {port} {key}");
    mu_str_copy(finding.key, sizeof finding.key, "a key");
    assert_worked(mu_report_add(&report, &finding, &err, "x"), &err);
    assert_string_equal(report.findings[0].remedy, "mutual get --as NAME https://[::1]:443");
    assert_string_equal(report.findings[0].openssl, "nc [::1] 443; [::1]:443 443 'a key'");
}

static void a_name_that_a_shell_would_obey_is_left_out_of_a_command(void **state)
{
    (void)state;
    struct mu_places places = {.file = "my file.crt", .name = "a;reboot", .host = "-o"};
    assert_string_equal(fill("x {file} {name} {host}", &places), "x 'my file.crt' NAME HOST");
    places = (struct mu_places){.file = "a'b", .name = "$(reboot)", .host = "a.example"};
    assert_string_equal(fill("x {file} {name} {host}", &places), "x FILE NAME a.example");
    places = (struct mu_places){.file = "{file}", .at = "x;y:1"};
    assert_string_equal(fill("x {file} {at} {url}", &places), "x '{file}' HOST:PORT URL");
    places = (struct mu_places){.name = "Alice Example", .host = "::1"};
    assert_string_equal(fill("{name} {cn} {san}", &places),
                        "'Alice Example' 'Alice Example' IP:::1");
    places = (struct mu_places){.name = "spiffe://a/b"};
    assert_string_equal(fill("{name} {cn} {file}{", &places), "spiffe://a/b NAME FILE{");
    places = (struct mu_places){.name = "a,b"};
    assert_string_equal(fill("{name}", &places), "NAME");
    places = (struct mu_places){.holder = MU_HOLDER_SERVER, .name = "My Server"};
    assert_string_equal(fill("{name} {host}", &places), "NAME HOST");
    char text[8];
    places = (struct mu_places){.name = "abcdefghij"};
    assert_string_equal(mu_remedy_fill("{name}{name}", &places, text, sizeof text), "abcdefg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cause_names_what_fits_each_holder),
        cmocka_unit_test(what_is_found_anywhere_varies),
        cmocka_unit_test(no_ca_is_made_anew_for_what_it_has_issued),
        cmocka_unit_test(whose_move_it_is_goes_with_who_has_it),
        cmocka_unit_test(places_are_filled_last),
        cmocka_unit_test(a_name_that_a_shell_would_obey_is_left_out_of_a_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
