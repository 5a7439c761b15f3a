/* What a pasted message can stand for. */

#include "../check.h"

#include "base/macros.h"
#include "explain/said.h"

static void assert_means(const char *text, enum mu_cause_id first)
{
    struct mu_said said;
    mu_said_find(text, strlen(text), &said);
    if (said.count == 0 || said.causes[0] != first)
        fail_msg("\"%s\" means %s, not %s", text,
                 said.count == 0 ? "nothing" : mu_cause_of(said.causes[0])->id,
                 mu_cause_of(first)->id);
}

static bool can_mean(const char *text, enum mu_cause_id cause)
{
    struct mu_said said;
    mu_said_find(text, strlen(text), &said);
    for (size_t i = 0; i < said.count; i++)
        if (said.causes[i] == cause)
            return true;
    return false;
}

static void one_alert_is_one_in_every_spelling(void **state)
{
    static const char *const unknown_ca[] = {
        "error:0A000418:SSL routines::tlsv1 alert unknown ca:SSL alert number 48",
        "[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl.c:2559)",
        "Error: write EPROTO ... ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
        "javax.net.ssl.SSLHandshakeException: Received fatal alert: unknown_ca",
        "Get \"https://a/\": remote error: tls: unknown certificate authority",
        "received fatal alert: UnknownCA",
        "*** Fatal error: A TLS fatal alert has been received.\n*** Received alert [48]: Unknown CA",
        "SSL_ERROR_UNKNOWN_CA_ALERT",
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(unknown_ca); i++) {
        assert_means(unknown_ca[i], MU_CAUSE_client_untrusted_ca);
        assert_true(can_mean(unknown_ca[i], MU_CAUSE_client_chain_incomplete));
    }
}

static void the_same_alert_in_a_servers_log_is_about_the_server(void **state)
{
    (void)state;
    assert_means(
        "SSL_do_handshake() failed (SSL: error:0A000418:SSL routines::tlsv1 alert unknown ca:SSL alert number 48) "
        "while SSL handshaking, client: 127.0.0.1, server: 0.0.0.0:443",
        MU_CAUSE_server_untrusted_ca);
    assert_means("http: TLS handshake error from 10.0.0.1:5555: remote error: tls: bad certificate",
                 MU_CAUSE_server_untrusted_ca);
}

static void messages_of_each_stack(void **state)
{
    static const struct {
        const char *text;
        enum mu_cause_id cause;
    } messages[] = {
        {"curl: (56) OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0",
         MU_CAUSE_client_cert_not_sent},
        {"curl: (58) unable to set private key file: 'client.key' type PEM", MU_CAUSE_key_mismatch},
        {"curl: (60) SSL: no alternative certificate subject name matches target host name 'a'",
         MU_CAUSE_server_name_mismatch},
        {"nginx: 400 No required SSL certificate was sent", MU_CAUSE_client_cert_not_sent},
        {"x509: certificate relies on legacy Common Name field, use SANs instead",
         MU_CAUSE_server_no_san},
        {"x509: certificate signed by unknown authority (possibly because of \"crypto/rsa: verification error\" while "
         "trying to verify candidate authority certificate \"kubernetes\")",
         MU_CAUSE_ca_rekeyed_same_name},
        {"x509: certificate has expired or is not yet valid: current time 1970-01-01T00:00:05Z is before "
         "2026-01-01T00:00:00Z",
         MU_CAUSE_clock_wrong},
        {"PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid "
         "certification path to requested target",
         MU_CAUSE_server_untrusted_ca},
        {"No subject alternative names matching IP address 127.0.0.1 found",
         MU_CAUSE_server_ip_not_in_san},
        {"Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames",
         MU_CAUSE_server_name_mismatch},
        {"Error: unable to verify the first certificate", MU_CAUSE_server_chain_incomplete},
        {"Error: Unsupported PKCS12 PFX data", MU_CAUSE_pkcs12_legacy},
        {"certificate verify failed: Missing Authority Key Identifier (_ssl.c:1020)",
         MU_CAUSE_ca_not_strict_profile},
        {"ssl.SSLError: [SSL] PEM lib (_ssl.c:3874)", MU_CAUSE_key_mismatch},
        {"net::ERR_CERT_COMMON_NAME_INVALID", MU_CAUSE_server_name_mismatch},
        {"SEC_ERROR_REUSED_ISSUER_AND_SERIAL", MU_CAUSE_duplicate_serial},
        {"The remote certificate is invalid because of errors in the certificate chain: PartialChain",
         MU_CAUSE_server_chain_incomplete},
        {"error:0A00010B:SSL routines::wrong version number", MU_CAUSE_not_tls},
        {"client SSL certificate verify error: (26:unsupported certificate purpose)",
         MU_CAUSE_client_cert_no_clientauth},
        {"invalid peer certificate: UnknownIssuer", MU_CAUSE_server_untrusted_ca},
        {"invalid peer certificate: UnsupportedCertVersion", MU_CAUSE_cert_is_v1},
        {"connect ECONNREFUSED 127.0.0.1:3000", MU_CAUSE_connection_refused},
        {"Status: The certificate is NOT trusted. The certificate issuer is unknown.",
         MU_CAUSE_server_untrusted_ca},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(messages); i++)
        assert_means(messages[i].text, messages[i].cause);
}

static void a_stale_list_hides_behind_an_expired_certificate(void **state)
{
    (void)state;
    assert_true(can_mean("tlsv1 alert certificate expired", MU_CAUSE_crl_expired));
    assert_false(can_mean("certificate has expired", MU_CAUSE_crl_expired));
}

static void what_nobody_says_means_nothing(void **state)
{
    static const char *const texts[] = {"", "hello", "HTTP/1.1 200 OK", "geofence", "typeof x"};
    struct mu_said said;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(texts); i++) {
        mu_said_find(texts[i], strlen(texts[i]), &said);
        assert_int_equal(said.count, 0);
        assert_null(said.who);
    }
}

/* A pattern that could not be found in any text, and a cause that is misspelt, would be dead. */
static void every_line_of_the_table_works(void **state)
{
    static const struct {
        const char *pattern, *causes;
    } lines[] = {
#define MU_SAYS(who, pattern, causes) {pattern, causes},
#include "explain/says.def"
#undef MU_SAYS
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(lines); i++) {
        char text[256], causes[1024], *save = NULL;
        snprintf(text, sizeof text, "%s", lines[i].pattern);
        for (char *star; (star = strchr(text, '*')) != NULL;)
            *star = ' ';
        struct mu_said said;
        mu_said_find(text, strlen(text), &said);
        if (said.count == 0)
            fail_msg("\"%s\" is not found in itself", lines[i].pattern);
        snprintf(causes, sizeof causes, "%s", lines[i].causes);
        for (char *id = strtok_r(causes, " |", &save); id != NULL; id = strtok_r(NULL, " |", &save))
            if (mu_cause_find(id) == MU_CAUSE_COUNT)
                fail_msg("there is no cause \"%s\"", id);
    }
}

/* What another program has printed, if the line says so: "  client curl with nginx, 400: WORDS". NULL: it does not. */
static const char *words_of(const char *line)
{
    static const char judged[] = " side refused by ";
    const char *found = strstr(line, judged), *words = strstr(line, ": ");
    const char *tool = found != NULL ? found + strlen(judged)
                       : strncmp(line, "  client ", 9) == 0 || strncmp(line, "  server ", 9) == 0
                           ? line + 9
                           : NULL;
    bool ours =
        tool != NULL && (strncmp(tool, "mutual", 6) == 0 || strncmp(tool, "explain", 7) == 0);
    return tool == NULL || ours || words == NULL ? NULL : words + 2;
}

/* Returns how many lines of a record are known neither by their cause nor as such that do not say which. */
static size_t count_unknown(const char *path, size_t *ret_count)
{
    char line[2048], id[64] = "", seen[64] = "";
    size_t unknown = 0;
    FILE *record = fopen(path, "r");
    assert_non_null(record);
    while (fgets(line, sizeof line, record) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *words = words_of(line);
        if (sscanf(line, "case %63[^:]: %63s", seen, id) == 2 || words == NULL ||
            strcmp(id, "ok") == 0)
            continue;
        ++*ret_count;
        if (can_mean(words, mu_cause_find(id)) || can_mean(words, MU_CAUSE_other))
            continue;
        print_error("%s (%s): \"%s\"\n", id, seen, words);
        unknown++;
    }
    fclose(record);
    return unknown;
}

/* What tests/interop/observe.py has seen. */
static void what_was_seen_is_known_by_its_cause(void **state)
{
    enum { FEW = 1000 };
    size_t count = 0;
    (void)state;
    assert_int_equal(count_unknown(MU_TEST_DATA "/causes/observed.txt", &count), 0);
    assert_int_equal(count_unknown(MU_TEST_DATA "/causes/observed-debian13.txt", &count), 0);
    assert_true(count > FEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alert_is_one_in_every_spelling),
        cmocka_unit_test(the_same_alert_in_a_servers_log_is_about_the_server),
        cmocka_unit_test(messages_of_each_stack),
        cmocka_unit_test(a_stale_list_hides_behind_an_expired_certificate),
        cmocka_unit_test(what_nobody_says_means_nothing),
        cmocka_unit_test(every_line_of_the_table_works),
        cmocka_unit_test(what_was_seen_is_known_by_its_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
