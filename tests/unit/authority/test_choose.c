#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "authority/choose.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/cert.h"

#define NOW ((time_t)1780272000)
#define A_FILE MU_TEST_DATA "/certs/server.crt"

/* Serial numbers and fingerprints are as long as real ones; what matters is how they begin. */
static const struct {
    const char *name, *serial, *sha256;
    int days;
} known[] = {
    {"api", "0AB1", "AA10", -1},       {"api", "0AB2", "AA20", 10}, {"web", "7C01", "BB10", 10},
    {"web", "7C02", "BB20", 20},       {"7C01", "1D01", "CC10", 5}, {"beef", "2E01", "DD10", 5},
    {"a person/x", "3F01", "EE10", 5}, {"one", "5A001", "FF10", 5}, {"two", "5A002", "FF20", 5},
};

struct fixture {
    struct mu_store *store;
    struct mu_choices choices;
    struct mu_error err;
    char serials[MU_COUNT(known) + 1][40], prints[MU_COUNT(known) + 1][68];
};

static char *fill(char *ret, const char *beginning, size_t len)
{
    memset(ret, '0', len);
    ret[len] = '\0';
    memcpy(ret, beginning, strlen(beginning));
    return ret;
}

static int add_all(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct fixture *f = arg;
    struct mu_record record = {.profile = "server",
                               .subject = "CN=x",
                               .san = "DNS:x",
                               .issuer = "KEY",
                               .not_before = NOW - 30 * MU_DAY_S,
                               .issued_at = NOW - 30 * MU_DAY_S,
                               .der = "\x30\x00",
                               .der_len = 2};
    for (size_t i = 0; i < MU_COUNT(known); i++) {
        record.name = known[i].name;
        record.serial = fill(f->serials[i], known[i].serial, 36);
        record.sha256 = fill(f->prints[i], known[i].sha256, 64);
        record.not_after = NOW + known[i].days * MU_DAY_S;
        if (mu_store_add(store, &record, err) != 0)
            return -1;
    }
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    char sha256[MU_SHA256_LEN];
    if (mu_cert_load(A_FILE, &cert, err) != 0)
        return -1;
    record.name = "in a file";
    record.serial = "4A01"; /* whatever the file says */
    record.sha256 = mu_cert_fingerprint(cert, sha256);
    return mu_store_add(store, &record, err);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    return mu_store_open_memory(&f->store, &f->err) != 0 ||
           mu_store_change(f->store, add_all, f, &f->err) != 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_choices_clear(&f->choices);
    mu_store_close(f->store);
    free(f);
    return 0;
}

/* The names and the first four digits of the serial numbers that are chosen, or the error's id. */
static const char *chosen(struct fixture *f, const char *text)
{
    static char said[256];
    said[0] = '\0';
    mu_choices_clear(&f->choices);
    if (mu_choose(f->store, text, &f->choices, &f->err) != 0)
        return mu_code_id(f->err.code);
    for (size_t i = 0; i < f->choices.count; i++)
        snprintf(said + strlen(said), sizeof said - strlen(said), "%s%s %.4s", i > 0 ? ", " : "",
                 f->choices.at[i].name, f->choices.at[i].serial);
    return said;
}

static void a_name_means_every_certificate_that_has_it(void **state)
{
    assert_string_equal(chosen(*state, "api"), "api 0AB1, api 0AB2");
    assert_string_equal(chosen(*state, "a person/x"), "a person/x 3F01");
    assert_string_equal(chosen(*state, "API"), "api 0AB1, api 0AB2");
    assert_string_equal(chosen(*state, "ap"), "not-found");
    assert_string_equal(chosen(*state, ""), "not-found");
}

static void a_serial_number_is_known_however_it_is_written(void **state)
{
    struct fixture *f = *state;
    char text[128], *to = text;
    assert_string_equal(chosen(f, f->serials[0]), "api 0AB1");
    assert_string_equal(chosen(f, f->serials[0] + 1), "api 0AB1");
    snprintf(text, sizeof text, "0x%s", f->serials[0]);
    assert_string_equal(chosen(f, text), "api 0AB1");
    for (const char *from = f->serials[0]; *from != '\0'; from += 2)
        to += sprintf(to, "%s%c%c", to == text ? "" : ":", tolower(from[0]), tolower(from[1]));
    assert_string_equal(chosen(f, text), "api 0AB1");
}

static void a_beginning_is_enough_where_only_one_has_it(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(chosen(f, "0ab1"), "api 0AB1");
    assert_string_equal(chosen(f, "ab20"), "api 0AB2");
    assert_string_equal(chosen(f, "bb1000"), "web 7C01");
    assert_string_equal(chosen(f, "0ab"), "not-found");
    assert_string_equal(chosen(f, "0000"), "not-found");
    assert_string_equal(chosen(f, "7C0"), "not-found");
    assert_string_equal(chosen(f, "7C00"), "not-found");
}

static void a_beginning_of_several_is_refused_and_they_are_named(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(chosen(f, "5a00"), "ambiguous");
    assert_non_null(strstr(f->err.what, f->serials[7]));
    assert_non_null(strstr(f->err.what, f->serials[8]));
    assert_string_equal(chosen(f, "5a001"), "one 5A00");
}

static void a_name_does_not_stand_in_the_way_of_a_whole_serial_number(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(chosen(f, "7C01"), "7C01 1D01"); /* as a beginning it gives way to a name */
    assert_string_equal(chosen(f, "beef"), "beef 2E01");
    assert_string_equal(chosen(f, f->serials[2]), "web 7C01");
    assert_string_equal(chosen(f, f->prints[2]), "web 7C01");
}

static void a_file_means_the_certificate_in_it(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(chosen(f, A_FILE), "in a file 4A01");
    assert_string_equal(chosen(f, MU_TEST_DATA "/certs/ca.crt"), "not-found");
    assert_non_null(strstr(f->err.what, "was not issued by this CA"));
    assert_string_equal(chosen(f, MU_TEST_DATA "/make.sh"), "wrong-kind");
    assert_string_equal(chosen(f, "/nowhere/a.crt"), "not-found");
}

static void where_it_has_to_be_one_the_state_decides(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mu_choose_one(f->store, "api", MU_STATE_VALID, NOW, &f->choices, &f->err), 0);
    assert_int_equal(f->choices.count, 1);
    assert_string_equal(f->choices.at[0].serial, f->serials[1]);

    mu_choices_clear(&f->choices);
    assert_int_equal(mu_choose_one(f->store, "web", MU_STATE_VALID, NOW, &f->choices, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_AMBIGUOUS);
    assert_non_null(strstr(f->err.what, f->serials[2]));
    assert_non_null(strstr(f->err.what, f->serials[3]));

    mu_choices_clear(&f->choices);
    assert_int_equal(mu_choose_one(f->store, "beef", MU_STATE_HELD, NOW, &f->choices, &f->err), 0);
    assert_string_equal(f->choices.at[0].name, "beef"); /* one alone, whatever its state */
}

static int add_ca(struct mu_store *store, void *arg, struct mu_error *err)
{
    return mu_store_ca_add(store, arg, err);
}

static void an_issuer_is_meant_by_its_name_its_fingerprint_or_its_certificate(void **state)
{
    struct fixture *f = *state;
    const char *path = MU_TEST_DATA "/certs/ca.crt";
    char label[MU_CERT_LABEL_LEN], sha256[MU_SHA256_LEN], key[MU_SHA256_LEN], got[MU_SHA256_LEN];
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    assert_int_equal(mu_cert_load(path, &cert, &f->err), 0);
    mu_cert_to_der(cert, &der);
    mu_cert_label(cert, label);
    struct mu_ca_record ca = {.sha256 = mu_cert_fingerprint(cert, sha256),
                              .key = mu_cert_key_sha256(cert, key),
                              .since = NOW,
                              .der = der.data,
                              .der_len = der.len};
    assert_int_equal(mu_store_change(f->store, add_ca, &ca, &f->err), 0);
    const char *const texts[] = {label, sha256, key, path};
    for (size_t i = 0; i < MU_COUNT(texts); i++) {
        assert_int_equal(mu_choose_issuer(f->store, texts[i], got, &f->err), 0);
        assert_string_equal(got, key);
    }
    assert_int_equal(mu_choose_issuer(f->store, "nobody", got, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_NOT_FOUND);

    ca.sha256 = "A second certificate of the same name under another key, as it is";
    char second[MU_SHA256_LEN];
    memcpy(second, ca.sha256, sizeof second - 1);
    second[sizeof second - 1] = '\0';
    ca.sha256 = second;
    ca.key = "another";
    assert_int_equal(mu_store_change(f->store, add_ca, &ca, &f->err), 0);
    assert_int_equal(mu_choose_issuer(f->store, label, got, &f->err), -1);
    assert_int_equal(f->err.code, MU_E_AMBIGUOUS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_name_means_every_certificate_that_has_it),
        T(a_serial_number_is_known_however_it_is_written),
        T(a_beginning_is_enough_where_only_one_has_it),
        T(a_beginning_of_several_is_refused_and_they_are_named),
        T(a_name_does_not_stand_in_the_way_of_a_whole_serial_number),
        T(a_file_means_the_certificate_in_it),
        T(where_it_has_to_be_one_the_state_decides),
        T(an_issuer_is_meant_by_its_name_its_fingerprint_or_its_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
