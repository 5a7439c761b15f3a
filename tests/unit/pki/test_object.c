#include <openssl/err.h>
#include <stdlib.h>

#include "base/file.h"
#include "data.h"
#include "pki/issue.h"

/* --- Helpers --- */

static void read_data(const char *name, struct mu_buf *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    if (mu_file_read(data_path(name), MU_FILE_LIMIT, ret, &err) != 0)
        fail_msg("%s: %s", err.what, err.cause);
}

static void load_one(const char *name, enum mu_object_kind kind)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(data_path(name), &objects, &err) != 0)
        fail_msg("%s: %s", err.what, err.cause);
    assert_int_equal(objects.count, 1);
    assert_int_equal(objects.at[0].kind, kind);
    assert_int_equal(objects.at[0].line > 0, objects.at[0].pem);
    assert_int_equal(ERR_peek_error(), 0);
}

static void assert_refused(const void *data, size_t len, enum mu_code code, const char *words)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    assert_int_equal(mu_objects_parse("x", data, len, &objects, &err), -1);
    if (strstr(err.what, words) == NULL || err.code != code)
        fail_msg("\"%s\" (%s), not \"%s\"", err.what, mu_code_id(err.code), words);
    assert_true(err.hint[0] != '\0');
    assert_int_equal(ERR_peek_error(), 0);
}

static void assert_text_refused(const char *text, enum mu_code code, const char *words)
{
    assert_refused(text, strlen(text), code, words);
}

static int give(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    (void)what;
    return mu_secret_set(ret, arg, strlen(arg), err);
}

/* Load `name` and open its first object with `passphrase`; NULL: there is none to ask. */
static int unlock(const char *name, const char *passphrase, struct mu_objects *objects,
                  struct mu_error *err)
{
    struct mu_passphrase_source source = {.ask = give, .arg = (void *)passphrase};
    if (mu_objects_load(data_path(name), objects, err) != 0)
        fail_msg("%s: %s", err->what, err->cause);
    return mu_object_decrypt(name, objects, 0, passphrase == NULL ? NULL : &source, err);
}

/* --- What is understood --- */

static void every_kind_is_recognised_in_pem_and_der(void **state)
{
    (void)state;
    load_one("certs/client.crt", MU_OBJECT_CERT);
    load_one("certs/client.der", MU_OBJECT_CERT);
    load_one("certs/client-trusted.pem", MU_OBJECT_CERT);
    load_one("certs/client.csr", MU_OBJECT_CSR);
    load_one("certs/client-csr.der", MU_OBJECT_CSR);
    load_one("certs/ca.crl", MU_OBJECT_CRL);
    load_one("certs/ca-crl.der", MU_OBJECT_CRL);
    load_one("keys/test-pkcs8.pem", MU_OBJECT_KEY);
    load_one("keys/test-pkcs8.der", MU_OBJECT_KEY);
    load_one("keys/test-sec1.der", MU_OBJECT_KEY);
    load_one("keys/test-rsa-pkcs1.pem", MU_OBJECT_KEY);
    load_one("keys/test-rsa-pkcs1.der", MU_OBJECT_KEY);
    load_one("keys/test-ed25519.pem", MU_OBJECT_KEY);
    load_one("keys/test-p384.pem", MU_OBJECT_KEY);
    load_one("keys/test-p521.pem", MU_OBJECT_KEY);
    load_one("keys/test-public.pem", MU_OBJECT_PUBLIC_KEY);
    load_one("keys/test-public.der", MU_OBJECT_PUBLIC_KEY);
    load_one("keys/test-rsa-public-pkcs1.pem", MU_OBJECT_PUBLIC_KEY);
    load_one("keys/test-pkcs8-encrypted.pem", MU_OBJECT_ENCRYPTED_KEY);
    load_one("keys/test-pkcs8-encrypted.der", MU_OBJECT_ENCRYPTED_KEY);
    load_one("keys/test-sec1-encrypted.pem", MU_OBJECT_ENCRYPTED_KEY);
    load_one("keys/test-client.p12", MU_OBJECT_PKCS12);
}

static void the_parameters_before_an_ec_key_are_passed_over(void **state)
{
    (void)state;
    load_one("keys/test-sec1-with-parameters.pem", MU_OBJECT_KEY);
}

static void a_pkcs7_bundle_is_the_certificates_in_it(void **state)
{
    (void)state;
    const char *const names[] = {"certs/bundle.p7b", "certs/bundle.der"};
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        struct mu_error err = MU_ERROR_INIT;
        char label[MU_CERT_LABEL_LEN];
        MU_AUTO_CLEAR(mu_objects) objects = {0};
        assert_int_equal(mu_objects_load(data_path(names[i]), &objects, &err), 0);
        assert_int_equal(objects.count, 2);
        assert_string_equal(mu_cert_label(objects.at[0].cert, label), "alice");
        assert_string_equal(mu_cert_label(objects.at[1].cert, label), "Test CA");
    }
}

static void several_blocks_with_text_around_them_are_found_with_their_lines(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    mu_buf_adds(&text, "\xef\xbb\xbf# a remark\r\nBag Attributes\r\n");
    read_data("certs/client.crt", &text);
    mu_buf_adds(&text, "between -----BEGIN them-----\n");
    read_data("keys/test-client.pem", &text);
    mu_buf_adds(&text, "behind, without a line break");

    assert_int_equal(mu_objects_parse("x", text.data, text.len, &objects, &err), 0);
    assert_int_equal(objects.count, 2);
    assert_int_equal(objects.at[0].kind, MU_OBJECT_CERT);
    assert_string_equal(objects.at[0].label, "CERTIFICATE");
    assert_int_equal(objects.at[0].line, 3);
    assert_int_equal(objects.at[1].kind, MU_OBJECT_KEY);
}

static void lines_may_end_in_crlf_and_the_last_one_in_nothing(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) crlf = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    read_data("certs/client.crt", &text);
    for (size_t i = 0; i + 1 < text.len; i++)
        mu_buf_adds(&crlf, text.data[i] == '\n' ? "\r\n" : (char[2]){text.data[i], '\0'});
    assert_int_equal(mu_objects_parse("x", crlf.data, crlf.len, &objects, &err), 0);
    assert_int_equal(objects.count, 1);
}

/* --- What is damaged --- */

static void a_file_that_is_cut_anywhere_is_refused_and_never_misread(void **state)
{
    (void)state;
    static const char *const names[] = {"certs/client.crt",     "certs/client.der",
                                        "keys/test-pkcs8.pem",  "keys/test-pkcs8.der",
                                        "keys/test-client.p12", "certs/ca-crl.der"};
    for (size_t n = 0; n < MU_COUNT(names); n++) {
        MU_AUTO_CLEAR(mu_buf) data = MU_BUF_INIT;
        read_data(names[n], &data);
        bool pem = data.data[0] == '-';
        for (size_t len = 0; len < data.len - pem; len += 7) {
            struct mu_error err = MU_ERROR_INIT;
            MU_AUTO_CLEAR(mu_objects) objects = {0};
            char *copy = malloc(len + 1); /* exactly sized, for the sanitizer to watch */
            memcpy(copy, data.data, len);
            assert_int_equal(mu_objects_parse("x", copy, len, &objects, &err), -1);
            assert_int_equal(objects.count, 0);
            free(copy);
        }
    }
}

static void what_is_cut_off_is_said_to_be(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    read_data("certs/client.crt", &pem);
    read_data("certs/client.der", &der);
    assert_refused(pem.data, 300, MU_E_DAMAGED,
                   "x: the block CERTIFICATE that begins in line 1 is cut off: it has no END line");
    assert_refused(pem.data + 100, pem.len - 100, MU_E_DAMAGED, "x has lost its beginning");
    assert_refused(der.data, 300, MU_E_DAMAGED, "x is cut off");
}

static void der_with_something_behind_it_is_damaged(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    read_data("certs/client.der", &der);
    mu_buf_adds(&der, "\n");
    assert_refused(der.data, der.len, MU_E_DAMAGED,
                   "x holds a certificate in DER, but does not end with it (bytes left: 1)");
}

static void two_blocks_joined_on_one_line_are_named(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    read_data("certs/client.crt", &text);
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    text.len--; /* the last line break, as an editor or `echo -n` leaves it out */
    read_data("certs/ca.crt", &text);
    char words[128];
    snprintf(words, sizeof words, "x: in line %zu one block ends and the next begins", lines);
    assert_refused(text.data, text.len, MU_E_DAMAGED, words);
}

static void a_block_that_lost_its_line_breaks_is_named_by_how(void **state)
{
    (void)state;
    assert_text_refused("-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n",
                        MU_E_DAMAGED, "are written as \\n");
    assert_text_refused("-----BEGIN CERTIFICATE-----\rMIIB\r-----END CERTIFICATE-----\r",
                        MU_E_DAMAGED, "end in carriage returns alone");
    assert_text_refused("-----BEGIN CERTIFICATE----- MIIB -----END CERTIFICATE-----", MU_E_DAMAGED,
                        "has lost its line breaks");
    assert_text_refused("tls:\n  -----BEGIN CERTIFICATE-----\n  MIIB\n  -----END CERTIFICATE-----\n",
                        MU_E_DAMAGED, "the block in line 2 is indented");
    assert_text_refused("{\"cert\": \"-----BEGIN CERTIFICATE-----\\nMIIB\"}", MU_E_WRONG_KIND,
                        "x is JSON");
    assert_text_refused("cert = -----BEGIN CERTIFICATE-----\nMIIB\n", MU_E_DAMAGED,
                        "no line starts with -----BEGIN");
}

static void a_block_that_does_not_fit_together_is_named(void **state)
{
    (void)state;
    assert_text_refused("-----BEGIN CERTIFICATE----\nMIIB\n-----END CERTIFICATE-----\n",
                        MU_E_DAMAGED, "line 1 begins a block, but does not end in five dashes");
    assert_text_refused("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----\n",
                        MU_E_DAMAGED, "line 3 ends a block, but not in five dashes");
    assert_text_refused("-----BEGIN CERTIFICATE-----\nMIIB\n-----END PRIVATE KEY-----\n",
                        MU_E_DAMAGED,
                        "begins as CERTIFICATE in line 1 ends as PRIVATE KEY in line 3");
    assert_text_refused("-----BEGIN CERTIFICATE-----\nMII*\n-----END CERTIFICATE-----\n",
                        MU_E_DAMAGED,
                        "line 2, in the certificate that begins in line 1, holds a character");
    assert_text_refused("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
                        MU_E_DAMAGED, "the certificate in line 1 cannot be decoded");
    assert_text_refused("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", MU_E_DAMAGED,
                        "the certificate in line 1 is empty");
}

static void what_came_before_the_damage_is_kept(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    read_data("certs/client.crt", &text);
    mu_buf_adds(&text, "-----BEGIN CERTIFICATE-----\n");
    assert_int_equal(mu_objects_parse("x", text.data, text.len, &objects, &err), -1);
    assert_int_equal(objects.count, 1);
}

/* --- What is something else --- */

static void nothing_is_said_to_be_nothing(void **state)
{
    (void)state;
    assert_text_refused("", MU_E_EMPTY, "x is empty");
    assert_text_refused(" \r\n\t\n", MU_E_EMPTY, "x holds nothing but blanks");
    assert_text_refused("\xef\xbb\xbf", MU_E_EMPTY, "x is empty");
}

static void utf16_is_named(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) wide = MU_BUF_INIT;
    read_data("certs/client.crt", &text);
    for (size_t i = 0; i < text.len; i++)
        mu_buf_add(&wide, (char[2]){text.data[i], '\0'}, 2);
    assert_refused(wide.data, wide.len, MU_E_WRONG_KIND, "x is text in UTF-16");
    assert_refused("\xff\xfe-\0-\0", 6, MU_E_WRONG_KIND, "x is text in UTF-16");
}

static void der_with_the_bytes_of_a_wide_dash_is_no_utf16(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    unsigned char serial[MU_SERIAL_LEN] = {1, '-', 0, '-', 0, '-', 0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    assert_int_equal(mu_key_generate("p256", &key, &err), 0);
    assert_int_equal(mu_issue_root(key, "CA", serial, 1780272000, 86400, 0, NULL, &cert, &err), 0);
    mu_cert_to_der(cert, &der);
    if (mu_objects_parse("x", der.data, der.len, &objects, &err) != 0)
        fail_msg("%s: %s", err.what, err.cause);
    assert_int_equal(objects.at[0].kind, MU_OBJECT_CERT);
}

static void files_of_other_programs_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } files[] = {
        {"<!DOCTYPE html>\n<html>", "x is an HTML page"},
        {"\n<HTML><body>", "x is an HTML page"},
        {"<?xml version=\"1.0\"?>", "x is XML"},
        {"\xfe\xed\xfe\xed....", "x is a Java keystore (JKS)"},
        {"\xce\xce\xce\xce....", "x is a Java keystore (JCEKS)"},
        {"ssh-ed25519 AAAA me@here", "x is an SSH public key"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
         "x is an OpenSSH private key"},
        {"PuTTY-User-Key-File-3: ssh-ed25519\n", "x is a PuTTY key"},
        {"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
         "x is a PGP file"},
        {"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n",
         "x holds only parameters (DH PARAMETERS)"},
        {"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
         "x holds only parameters (EC PARAMETERS)"},
        {"-----BEGIN A\x1b[31m-----\nAAAA\n-----END A\x1b[31m-----\n", "x holds \"A\\x1b[31m\""},
        {"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "x is PEM wrapped in base64 once more"},
        {"MIIBszCCAVmgAwIBAgIU\n", "x is base64 without the BEGIN and END lines"},
        {"\x7f"
         "ELF",
         "x is a program"},
        {"hello", "x is text without a PEM block"},
        {"0123456789", "x is text without a PEM block"},
        {"\x01\x02\x03", "x is binary data"},
        {"\x30\x03\x02\x01\x00", "x is DER (ASN.1), but no certificate"},
    };
    for (size_t i = 0; i < MU_COUNT(files); i++) {
        size_t len = strlen(files[i].text);
        assert_refused(files[i].text, len == 4 && files[i].text[0] == '\x30' ? 5 : len,
                       MU_E_WRONG_KIND, files[i].words);
    }
}

/* --- What is locked --- */

static void an_encrypted_key_opens_with_its_passphrase(void **state)
{
    (void)state;
    static const char *const names[] = {"keys/test-pkcs8-encrypted.pem",
                                        "keys/test-pkcs8-encrypted.der",
                                        "keys/test-sec1-encrypted.pem"};
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) plain = {0};
    assert_int_equal(mu_objects_load(data_path("keys/test-pkcs8.pem"), &plain, &err), 0);
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        MU_AUTO_CLEAR(mu_objects) objects = {0};
        if (unlock(names[i], "secret", &objects, &err) != 0)
            fail_msg("%s: %s", err.what, err.cause);
        assert_int_equal(objects.at[0].kind, MU_OBJECT_KEY);
        assert_true(mu_key_same_public(objects.at[0].key, plain.at[0].key));
    }
}

static void a_wrong_passphrase_is_told_from_a_missing_one(void **state)
{
    (void)state;
    static const char *const names[] = {"keys/test-pkcs8-encrypted.pem",
                                        "keys/test-pkcs8-encrypted.der",
                                        "keys/test-sec1-encrypted.pem", "keys/test-client.p12"};
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        struct mu_error err = MU_ERROR_INIT;
        MU_AUTO_CLEAR(mu_objects) with_wrong = {0};
        MU_AUTO_CLEAR(mu_objects) with_none = {0};
        assert_int_equal(unlock(names[i], "wrong-passphrase", &with_wrong, &err), -1);
        assert_int_equal(err.code, MU_E_PASSPHRASE_WRONG);
        assert_null(strstr(err.what, "wrong-passphrase"));
        assert_null(strstr(err.cause, "wrong-passphrase"));
        assert_int_equal(with_wrong.count, 1);
        assert_int_equal(unlock(names[i], NULL, &with_none, &err), -1);
        assert_int_equal(err.code, MU_E_PASSPHRASE_NEEDED);
    }
}

static void an_algorithm_of_old_is_named_with_the_way_to_convert_it(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) key = {0};
    MU_AUTO_CLEAR(mu_objects) container = {0};
    assert_int_equal(unlock("keys/test-pkcs8-of-old.pem", "secret", &key, &err), -1);
    assert_int_equal(err.code, MU_E_UNSUPPORTED);
    assert_says(err.hint, "openssl pkcs8 -provider legacy");
    assert_int_equal(unlock("keys/test-client-of-old.p12", "secret", &container, &err), -1);
    assert_int_equal(err.code, MU_E_UNSUPPORTED);
    assert_says(err.hint, "openssl pkcs12 -legacy");
}

static void a_pkcs12_container_gives_its_key_and_certificates(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    assert_int_equal(unlock("keys/test-client.p12", "secret", &objects, &err), 0);
    assert_int_equal(objects.count, 4);
    assert_int_equal(objects.at[0].kind, MU_OBJECT_PKCS12);
    assert_int_equal(objects.at[1].kind, MU_OBJECT_KEY);
    assert_string_equal(mu_cert_label(objects.at[2].cert, label), "alice");
    assert_string_equal(mu_cert_label(objects.at[3].cert, label), "Test CA");
    assert_int_equal(mu_cert_match_key(objects.at[2].cert, objects.at[1].key, "", "", &err), 0);
}

static void a_pkcs12_container_without_a_passphrase_opens_by_itself(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    assert_int_equal(unlock("keys/test-no-key-no-passphrase.p12", NULL, &objects, &err), 0);
    assert_int_equal(objects.count, 2);
    assert_int_equal(objects.at[1].kind, MU_OBJECT_CERT);
}

/* --- The full text --- */

static void the_full_text_of_a_key_has_its_public_half_only(void **state)
{
    (void)state;
    static const char *const names[] = {"keys/test-pkcs8.pem", "keys/test-rsa-pkcs1.pem",
                                        "keys/test-ed25519.pem"};
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        struct mu_error err = MU_ERROR_INIT;
        MU_AUTO_CLEAR(mu_objects) objects = {0};
        MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
        assert_int_equal(mu_objects_load(data_path(names[i]), &objects, &err), 0);
        mu_object_text(&objects.at[0], &text);
        assert_true(text.len > 0);
        assert_null(strstr(mu_buf_str(&text), "priv"));
        assert_null(strstr(mu_buf_str(&text), "prime1"));
    }
}

static void the_full_text_of_a_certificate_is_openssls(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    assert_int_equal(mu_objects_load(data_path("certs/client.crt"), &objects, &err), 0);
    mu_object_text(&objects.at[0], &text);
    assert_says(mu_buf_str(&text), "X509v3 Subject Alternative Name");
    assert_says(mu_buf_str(&text), "Subject: CN = alice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_recognised_in_pem_and_der),
        cmocka_unit_test(the_parameters_before_an_ec_key_are_passed_over),
        cmocka_unit_test(a_pkcs7_bundle_is_the_certificates_in_it),
        cmocka_unit_test(several_blocks_with_text_around_them_are_found_with_their_lines),
        cmocka_unit_test(lines_may_end_in_crlf_and_the_last_one_in_nothing),
        cmocka_unit_test(a_file_that_is_cut_anywhere_is_refused_and_never_misread),
        cmocka_unit_test(what_is_cut_off_is_said_to_be),
        cmocka_unit_test(der_with_something_behind_it_is_damaged),
        cmocka_unit_test(two_blocks_joined_on_one_line_are_named),
        cmocka_unit_test(a_block_that_lost_its_line_breaks_is_named_by_how),
        cmocka_unit_test(a_block_that_does_not_fit_together_is_named),
        cmocka_unit_test(what_came_before_the_damage_is_kept),
        cmocka_unit_test(nothing_is_said_to_be_nothing),
        cmocka_unit_test(utf16_is_named),
        cmocka_unit_test(der_with_the_bytes_of_a_wide_dash_is_no_utf16),
        cmocka_unit_test(files_of_other_programs_are_named),
        cmocka_unit_test(an_encrypted_key_opens_with_its_passphrase),
        cmocka_unit_test(a_wrong_passphrase_is_told_from_a_missing_one),
        cmocka_unit_test(an_algorithm_of_old_is_named_with_the_way_to_convert_it),
        cmocka_unit_test(a_pkcs12_container_gives_its_key_and_certificates),
        cmocka_unit_test(a_pkcs12_container_without_a_passphrase_opens_by_itself),
        cmocka_unit_test(the_full_text_of_a_key_has_its_public_half_only),
        cmocka_unit_test(the_full_text_of_a_certificate_is_openssls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
