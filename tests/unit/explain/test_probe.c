/* What a server speaks by its first bytes, and what facts mean: no socket is opened. */
#include "../check.h"

#include <errno.h>

#include "base/str.h"
#include "explain/probe_judge.h"

static const struct mu_certs none;

static void recognised(const void *data, size_t len, unsigned port, enum mu_spoken spoken,
                       const char *name, const char *starttls)
{
    struct mu_plain plain;
    mu_plain_recognise(data, len, port, &plain);
    assert_int_equal(plain.spoken, spoken);
    assert_string_equal(plain.name, name);
    if (starttls == NULL)
        assert_null(plain.starttls);
    else
        assert_string_equal(plain.starttls, starttls);
}

#define RECOGNISED(text, port, spoken, name, starttls)                                             \
    recognised(text, sizeof text - 1, port, spoken, name, starttls)

static void a_protocol_is_known_by_its_first_bytes(void **state)
{
    (void)state;
    RECOGNISED("", 443, MU_SPOKEN_NOTHING, "", NULL);
    RECOGNISED("\x15\3\1\0\2\2\x28", 443, MU_SPOKEN_TLS, "TLS", NULL);
    RECOGNISED("\x16\3\3\0\x40", 443, MU_SPOKEN_TLS, "TLS", NULL);
    RECOGNISED("HTTP/1.0 200 OK\r\n", 443, MU_SPOKEN_HTTP, "HTTP", NULL);
    RECOGNISED("<!doctype html>", 443, MU_SPOKEN_HTTP, "HTTP", NULL);
    RECOGNISED("SSH-2.0-dropbear\r\n", 22, MU_SPOKEN_SSH, "SSH", NULL);
    RECOGNISED("220 a.example ESMTP\r\n", 443, MU_SPOKEN_STARTTLS, "SMTP", "smtp");
    RECOGNISED("220 ready\r\n", 21, MU_SPOKEN_STARTTLS, "FTP", "ftp");
    RECOGNISED("220 ready\r\n", 25, MU_SPOKEN_STARTTLS, "SMTP", "smtp");
    RECOGNISED("* OK IMAP4\r\n", 143, MU_SPOKEN_STARTTLS, "IMAP", "imap");
    RECOGNISED("+OK\r\n", 110, MU_SPOKEN_STARTTLS, "POP3", "pop3");
    RECOGNISED("<stream:error>", 5222, MU_SPOKEN_STARTTLS, "XMPP", "xmpp");
    RECOGNISED("\x4a\0\0\0\x0a"
               "5.7\0",
               3306, MU_SPOKEN_STARTTLS, "MySQL", "mysql");
    RECOGNISED("\x30\x0c\2\1\1\x78\7\x0a\1\0\4\0\4\0", 389, MU_SPOKEN_STARTTLS, "LDAP", "ldap");
    RECOGNISED("hello", 443, MU_SPOKEN_UNKNOWN, "", NULL);
    RECOGNISED("\x16\1\1", 443, MU_SPOKEN_UNKNOWN, "", NULL);
}

static void what_it_says_is_fit_to_be_shown(void **state)
{
    (void)state;
    struct mu_plain plain;
    mu_plain_recognise("a\x1b[2J\0b\r\nc", 10, 443, &plain);
    assert_string_equal(plain.line, "a\\x1b[2J b");
}

static void postgres_answers_its_own_question_in_one_byte(void **state)
{
    (void)state;
    struct mu_plain plain;
    const struct mu_plain_question *first = mu_plain_question_at(5432, 0);
    assert_string_equal(first->name, "PostgreSQL");
    assert_true(mu_plain_answers(first, "S", 1, &plain));
    assert_int_equal(plain.spoken, MU_SPOKEN_STARTTLS);
    assert_true(mu_plain_answers(first, "N", 1, &plain));
    assert_int_equal(plain.spoken, MU_SPOKEN_OTHER);
    assert_false(mu_plain_answers(first, "SSH-2.0-x", 9, &plain));
    assert_false(mu_plain_answers(first, "", 0, &plain));
}

static void every_question_is_asked_once(void **state)
{
    (void)state;
    static const unsigned ports[] = {443, 5432, 389, 5222};
    for (size_t p = 0; p < MU_COUNT(ports); p++) {
        size_t count = 0;
        const struct mu_plain_question *seen[8], *question;
        while ((question = mu_plain_question_at(ports[p], count)) != NULL) {
            for (size_t i = 0; i < count; i++)
                assert_ptr_not_equal(seen[i], question);
            seen[count++] = question;
        }
        assert_int_equal(count, 4);
    }
}

static void protocols_are_written_as_the_wire_has_them(void **state)
{
    (void)state;
    unsigned char wire[MU_ALPN_LEN];
    size_t len;
    assert_true(mu_alpn_encode("h2,http/1.1", wire, &len));
    assert_int_equal(len, 12);
    assert_memory_equal(wire, "\2h2\x08http/1.1", 12);
    assert_true(mu_alpn_encode("", wire, &len));
    assert_int_equal(len, 0);
    assert_false(mu_alpn_encode("a,,b", wire, &len));
    assert_false(mu_alpn_encode(",a", wire, &len));
}

/* --- Facts --- */

struct fixture {
    struct mu_probe probe;
    struct mu_probe_facts facts;
    struct mu_report report;
};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){
        .probe = {.host = "a.example",
                  .port = 8443,
                  .path = "/",
                  .name = "a.example",
                  .chain = &none,
                  .known = &none,
                  .max_ms = 10000},
        .facts = {.now = 1000000, .clock = 1000000},
    };
    f.facts.addresses.count = 1;
    f.facts.address = &f.facts.addresses.at[0];
    f.facts.tried = 1;
    f.facts.ours = (struct mu_probe_call){.made = true, .seen = {.alert = -1}};
    f.facts.ours.plain.spoken = MU_SPOKEN_TLS;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_report_clear(&f->report);
    return 0;
}

static void found(struct fixture *f, enum mu_cause_id cause, const char *word)
{
    struct mu_error err = MU_ERROR_INIT;
    const struct mu_probe_case of = {.probe = &f->probe, .facts = &f->facts};
    assert_worked(mu_probe_judge(&of, &f->report, &err), &err);
    mu_report_finish(&f->report);
    assert_int_equal(mu_report_cause(&f->report), cause);
    assert_says(f->report.count > 0 ? f->report.findings[0].sentence : f->report.good, word);
}

static void finish_handshake(struct fixture *f)
{
    struct mu_tls_seen *seen = &f->facts.ours.seen;
    seen->chosen = seen->finished = true;
    mu_str_copy(seen->version, sizeof seen->version, "TLSv1.3");
    f->facts.ours.http = (struct mu_probe_http){.asked = true, .answered = true, .status = 200};
}

static void a_name_without_an_address_is_told(void **state)
{
    struct fixture *f = *state;
    f->facts.addresses.count = 0;
    f->facts.address = NULL;
    found(f, MU_CAUSE_host_not_found, "a.example");
}

static void a_host_that_is_silent_is_another_thing_than_one_that_refuses(void **state)
{
    struct fixture *f = *state;
    f->facts.address = NULL;
    f->facts.errors[0] = ETIMEDOUT;
    found(f, MU_CAUSE_connection_timed_out, "nothing answers at a.example:8443");
}

static void a_second_address_that_answers_is_enough(void **state)
{
    struct fixture *f = *state;
    f->facts.addresses.count = f->facts.tried = 2;
    f->facts.errors[0] = ECONNREFUSED;
    f->facts.address = &f->facts.addresses.at[1];
    finish_handshake(f);
    found(f, MU_CAUSE_ok, "Nothing is wrong");
}

static void a_server_that_stops_half_way_is_told(void **state)
{
    struct fixture *f = *state;
    f->facts.ours.seen.chosen = true;
    f->facts.ours.seen.ended = true;
    found(f, MU_CAUSE_connection_cut_off, "in the middle of the handshake");
}

static void a_clock_is_off_only_by_minutes(void **state)
{
    struct fixture *f = *state;
    finish_handshake(f);
    f->facts.ours.http.date = f->facts.clock + 299;
    found(f, MU_CAUSE_ok, "200");
    mu_report_clear(&f->report);
    f->facts.ours.http.date = f->facts.clock + 301;
    found(f, MU_CAUSE_server_clock_wrong, "clocks differ");
}

static void a_certificate_that_tls_cannot_use_comes_first(void **state)
{
    struct fixture *f = *state;
    finish_handshake(f);
    f->facts.ours.seen.asked = true;
    f->facts.ours.seen.alert = 116;
    mu_str_copy(f->facts.unusable, sizeof f->facts.unusable,
                "TLS cannot use the client certificate");
    found(f, MU_CAUSE_unsupported_key_type, "cannot use");
}

static void an_alert_before_anything_was_chosen_is_about_the_first_message(void **state)
{
    struct fixture *f = *state;
    f->facts.ours.seen.alert = 40;
    f->facts.no_alpn = (struct mu_probe_call){.made = true, .seen = {.chosen = true, .alert = -1}};
    found(f, MU_CAUSE_alpn_mismatch, "h2, http/1.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_protocol_is_known_by_its_first_bytes),
        cmocka_unit_test(what_it_says_is_fit_to_be_shown),
        cmocka_unit_test(postgres_answers_its_own_question_in_one_byte),
        cmocka_unit_test(every_question_is_asked_once),
        cmocka_unit_test(protocols_are_written_as_the_wire_has_them),
        cmocka_unit_test_setup_teardown(a_name_without_an_address_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_host_that_is_silent_is_another_thing_than_one_that_refuses,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_address_that_answers_is_enough, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_server_that_stops_half_way_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_that_tls_cannot_use_comes_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_clock_is_off_only_by_minutes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            an_alert_before_anything_was_chosen_is_about_the_first_message, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
