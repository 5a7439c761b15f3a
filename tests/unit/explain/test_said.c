/* What a pasted message can stand for. */

#include "../check.h"

#include "base/macros.h"
#include "explain/said.h"

static struct mu_said find(const char *text)
{
    struct mu_said said;
    struct mu_error err = MU_ERROR_INIT;
    assert_int_equal(mu_said_find(text, strlen(text), &said, &err), 0);
    return said;
}

static void assert_means(const char *text, enum mu_cause_id first)
{
    struct mu_said said = find(text);
    if (said.count == 0 || said.causes[0] != first)
        fail_msg("\"%s\" means %s, not %s", text,
                 said.count == 0 ? "nothing" : mu_cause_of(said.causes[0])->id,
                 mu_cause_of(first)->id);
}

static bool can_mean(const char *text, enum mu_cause_id cause)
{
    struct mu_said said = find(text);
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
        {"NS_ERROR_ABORT", MU_CAUSE_client_cert_not_sent},
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
    static const char *const texts[] = {"",         "hello",    "HTTP/1.1 200 OK",
                                        "geofence", "typeof x", "496 bytes"};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(texts); i++) {
        struct mu_said said = find(texts[i]);
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
        const bool own_alert = strchr(lines[i].pattern, '_') != NULL;
        snprintf(text, sizeof text, "%s%s", own_alert ? "alert write:fatal:" : "", lines[i].pattern);
        for (char *star; (star = strchr(text, '*')) != NULL;)
            *star = ' ';
        if (find(text).count == 0)
            fail_msg("\"%s\" is not found in itself", lines[i].pattern);
        snprintf(causes, sizeof causes, "%s", lines[i].causes);
        for (char *id = strtok_r(causes, " |", &save); id != NULL; id = strtok_r(NULL, " |", &save))
            if (mu_cause_find(id) == MU_CAUSE_COUNT)
                fail_msg("there is no cause \"%s\"", id);
    }
}

/* Returns how much is told otherwise, and says so. */
static size_t count_wrong(const char *expected, const char *text)
{
    size_t wrong = 0;
    char ids[256], *save = NULL;
    struct mu_said said = find(text);
    const bool nothing = strcmp(expected, "nothing") == 0;
    if (nothing && said.count > 0) {
        print_error("%s is found in:\n%s", mu_cause_of(said.causes[0])->id, text);
        wrong++;
    }
    snprintf(ids, sizeof ids, "%s", nothing ? "" : expected);
    for (char *id = strtok_r(ids, " ", &save); id != NULL; id = strtok_r(NULL, " ", &save)) {
        const bool unwanted = *id == '!';
        enum mu_cause_id cause = mu_cause_find(id + unwanted);
        bool found =
            said.count > 0 && (id == ids ? said.causes[0] == cause : can_mean(text, cause));
        assert_int_not_equal(cause, MU_CAUSE_COUNT);
        if (unwanted == found) {
            print_error("%s: %s is %s%s:\n%s", expected, id, found ? "named" : "not named",
                        id == ids ? " first" : "", text);
            wrong++;
        }
    }
    return wrong;
}

/* "^[" and "^M" stand for what cannot be seen. */
static void put_controls(char *line)
{
    for (char *p = line; (p = strchr(p, '^')) != NULL; p++)
        if (p[1] == '[' || p[1] == 'M') {
            *p = p[1] == '[' ? '\x1b' : '\r';
            memmove(p + 1, p + 2, strlen(p + 2) + 1);
        }
}

/* Returns how many messages there are. */
static size_t assert_pasted(const char *path)
{
    char line[2048], expected[256] = "";
    static char text[16384];
    size_t count = 0, wrong = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, file) != NULL;
        if (more && strncmp(line, "===", 3) != 0) {
            put_controls(line);
            strncat(text, line, sizeof text - strlen(text) - 1);
            continue;
        }
        if (*expected != '\0') {
            wrong += count_wrong(expected, text);
            count++;
        }
        *text = '\0';
        line[strcspn(line, "\n")] = '\0';
        snprintf(expected, sizeof expected, "%.255s", line + 4);
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    return count;
}

/* Stack traces, colours, prefixes, line ends. */
static void whole_logs_are_read_as_they_are_pasted(void **state)
{
    enum { MANY = 200 };
    (void)state;
    assert_true(assert_pasted(MU_TEST_DATA "/causes/pasted.txt") > MANY);
    assert_true(assert_pasted(MU_TEST_DATA "/causes/pasted-programs.txt") > MANY);
}

static void the_line_that_says_it_is_found(void **state)
{
    static const char text[] =
        "* Connected to host\r\n* \x1b[31mTLSv1 alert\x1b[0m unknown CA\r\n* Closing\r\n";
    static const char apart[] = "certificate has\nexpired";
    struct mu_said said = find(text);
    (void)state;
    assert_int_equal(said.causes[0], MU_CAUSE_client_untrusted_ca);
    assert_memory_equal(said.line, strstr(text, "* \x1b"), said.line_len);
    assert_ptr_equal(said.line + said.line_len, strstr(text, "\n* Closing"));
    said = find(apart);
    assert_int_equal(said.causes[0], MU_CAUSE_server_cert_expired);
    assert_int_equal(said.line_len, strlen(apart));
}

static void what_came_through_other_hands_is_read(void **state)
{
    static const char utf16[] = "\xff\xfe"
                                "u\0n\0k\0n\0o\0w\0n\0 \0c\0a\0\r\0\n";
    struct mu_said said;
    struct mu_error err = MU_ERROR_INIT;
    (void)state;
    assert_int_equal(mu_said_find(utf16, sizeof utf16, &said, &err), 0);
    assert_int_equal(said.causes[0], MU_CAUSE_client_untrusted_ca);
    assert_means("Safari can\xe2\x80\x99t establish a secure connection",
                 MU_CAUSE_server_untrusted_ca);
    assert_means("{\"error\":\"tls: client didn\\'t provide\\na certificate\"}",
                 MU_CAUSE_client_cert_not_sent);
    assert_means("client didn&#39;t provide a certificate", MU_CAUSE_client_cert_not_sent);
}

static void our_own_words_are_known(void **state)
{
    static const char text[] =
        "tls: unknown ca\nrefused ...; cause: crl_expired\nconnection closed";
    struct mu_said said = find(text);
    (void)state;
    assert_int_equal(said.causes[0], MU_CAUSE_crl_expired);
    assert_ptr_equal(said.line, strstr(text, "refused"));
    assert_ptr_equal(said.line + said.line_len, strstr(text, "\nconnection"));
    assert_means("127.0.0.1:4000 refused crl-stale: ...; hint: ...; cause: crl_expired",
                 MU_CAUSE_crl_expired);
    assert_means("{\"error\": {\"cause_id\": \"client_cert_revoked\"}}",
                 MU_CAUSE_client_cert_revoked);
    assert_means("mutual: no\n  cause: server_cert_expired\n", MU_CAUSE_server_cert_expired);
    assert_string_equal(find("cause: crl_missing").who, "mutual");
    assert_string_equal(find("{\\\"cause\\\": \\\"crl_missing\\\"}").who, "mutual");
    assert_means("{\"client\":1,\"cause\":\"not_authorized\"}", MU_CAUSE_not_authorized);
    assert_means("door-1  |   cause: server_name_mismatch", MU_CAUSE_server_name_mismatch);
}

static void what_others_call_a_cause_is_not_ours(void **state)
{
    struct mu_said said = find("Root cause: crl_expired, says unknown ca");
    (void)state;
    assert_string_equal(said.who, "an alert of the other side (48)");
    assert_int_equal(find("Root cause: not_tls").count, 0);
    assert_int_equal(find("probable_cause: \"server_no_san\"").count, 0);
    assert_int_equal(find("cause: ok").count, 0);
}

/* Who asks for an address by a name's words is told of the address. */
static void an_address_is_no_name(void **state)
{
    (void)state;
    assert_means(
        "curl: (60) SSL: no alternative certificate subject name matches target host name '10.0.0.5'",
        MU_CAUSE_server_ip_not_in_san);
    assert_means("x509: certificate is valid for a.example, not 2001:db8::7",
                 MU_CAUSE_server_ip_not_in_san);
    assert_means("x509: certificate is valid for 10.0.0.5, not a.example (10.0.0.6)",
                 MU_CAUSE_server_name_mismatch);
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
    assert_int_equal(count_unknown(MU_TEST_DATA "/causes/observed-browsers.txt", &count), 0);
    assert_true(count > FEW);
}

static void assert_kept(const char *text, size_t len, const char *expected)
{
    MU_AUTO_CLEAR(mu_buf) kept = MU_BUF_INIT;
    mu_said_without_keys(text, len, &kept);
    assert_string_equal(mu_buf_str(&kept), expected);
}

static void a_key_that_was_pasted_along_is_left_out(void **state)
{
    static const char *const texts[][2] = {
        {"x -----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\ny",
         "x (a key, left out)\ny"},
        {"-----BEGIN PRIVATE KEY-----\\nMHcC cut", "(a key, left out)"},
        {"tls.key: LS0tLS1CRUdJTiBQUklW done", "tls.key: (a key, left out) done"},
        {"tls.key: LS0tLS1CRUdJTiBQUklW\n  QVRFIEtFWS0t\r\n  LS0K\r\nnot a digit",
         "tls.key: (a key, left out)\r\nnot a digit"},
        {"tls.crt: LS0tLS1CRUdJTiBDRVJUSUZJ", "tls.crt: LS0tLS1CRUdJTiBDRVJUSUZJ"},
        {"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClRRCi0tLS0tQkVHSU4gUFJJVkFURSBLRVktLS0tLQpNSGM=",
         "(a key, left out)"},
        {"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClRXRgotLS0tLUJFR0lOIFBSSVZBVEUgS0VZLS0tLS0KTUhj",
         "(a key, left out)"},
        {"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClRXRnUKLS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1IYw==",
         "(a key, left out)"},
        {"-----BEGIN CERTIFICATE----- no key", "-----BEGIN CERTIFICATE----- no key"},
        /* Without its BEGIN: PKCS#8 of RSA, of P-256, of Ed25519; PKCS#1; SEC 1; PBES2; OpenSSH. */
        {"key MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA\nAoIBAQC3\nand so on",
         "key (a key, left out)\nand so on"},
        {"key=MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIB", "key=(a key, left out)"},
        {"MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF", "(a key, left out)"},
        {"\"key\": \"MIIEpAIBAAKCAQEAtwrx4bTbU0J5q8iHhYcXmXyW\\nAAAA\\nBBBB\"}",
         "\"key\": \"(a key, left out)\"}"},
        {"MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoG", "(a key, left out)"},
        {"MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgR", "(a key, left out)"},
        {"MIGxMBwGCiqGSIb3DQEMAQMwDgQIKmXUXvWD0MgCAggABIGQ", "(a key, left out)"},
        {"MIIE6jAcBgoqhkiG9w0BDAEDMA4ECGoUzAmQ3LRZAgIIAASC", "(a key, left out)"},
        {"MFgwHAYKKoZIhvcNAQwBAzAOBAj7mquUAMwnHwICCAAEOFVy", "(a key, left out)"},
        {"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAA x", "(a key, left out) x"},
        {"why?\nMHcCAQ\nsome words\nQFaA2Hwf1duRSxKtLYX5\nzg==\n-----END EC PRIVATE KEY-----\n",
         "why?\nMHcCAQ\nsome words\n(a key, left out)EC PRIVATE KEY-----\n"},
        {"priv:\n    5c:3f:00:\n    aa:bb\npub:\n    04:11", "(a key, left out)\npub:\n    04:11"},
        {"prime1:\r\n    00:c1:\r\nexponent2:\n    11:22\n",
         "(a key, left out)\n(a key, left out)\n"},
        /* Certificates, their public keys and signatures, requests; and words. */
        {"MIIBszCCAVmgAwIBAgIUPG5WnS0mJ3cX1V9pQ3o5dXQ3b2swCgYIKoZIzj0EAwIw", NULL},
        {"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtwrx4bTbU0J5q8iHhYcX", NULL},
        {"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5c9AeT4Yw5d0wqJ2r3b1m8v4XcG7", NULL},
        {"MEUCIQDx4bTbU0J5q8iHhYcXmXyWtwrx4bTbU0J5q8iHhYcXmXyW", NULL},
        {"SHA256 Fingerprint=AA:BB:CC:DD\nserial:\n    4f:3a:11:22", NULL},
    };
    static const char wide[] =
        "-\0-\0-\0-\0-\0B\0E\0G\0I\0N\0 \0P\0R\0I\0V\0A\0T\0E\0 \0K\0E\0Y\0-\0-\0-\0-\0-\0M\0";
    (void)state;
    for (size_t i = 0; i < MU_COUNT(texts); i++)
        assert_kept(texts[i][0], strlen(texts[i][0]),
                    texts[i][1] != NULL ? texts[i][1] : texts[i][0]);
    assert_kept(wide, sizeof wide - 1, "(a key, left out)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_was_pasted_along_is_left_out),
        cmocka_unit_test(one_alert_is_one_in_every_spelling),
        cmocka_unit_test(the_same_alert_in_a_servers_log_is_about_the_server),
        cmocka_unit_test(messages_of_each_stack),
        cmocka_unit_test(a_stale_list_hides_behind_an_expired_certificate),
        cmocka_unit_test(what_nobody_says_means_nothing),
        cmocka_unit_test(every_line_of_the_table_works),
        cmocka_unit_test(whole_logs_are_read_as_they_are_pasted),
        cmocka_unit_test(the_line_that_says_it_is_found),
        cmocka_unit_test(what_came_through_other_hands_is_read),
        cmocka_unit_test(our_own_words_are_known),
        cmocka_unit_test(what_others_call_a_cause_is_not_ours),
        cmocka_unit_test(an_address_is_no_name),
        cmocka_unit_test(what_was_seen_is_known_by_its_cause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
