#include "authority/choose.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/cert.h"

enum {
    DIGITS_MIN = 4, /* of a beginning: fewer are sooner somebody's name */
    LISTED_MAX = 5, /* in an error */
};

/* --- Copies of records --- */

void mu_choices_clear(struct mu_choices *choices)
{
    for (size_t i = 0; i < choices->count; i++)
        free((char *)choices->at[i].serial); /* where the copy of all its text begins */
    free(choices->at);
    *choices = (struct mu_choices){.at = NULL};
}

/* All text of one record goes into one piece of memory. */
static bool copy_text(struct mu_record *record)
{
    const char **const texts[] = {&record->serial,  &record->name, &record->profile,
                                  &record->subject, &record->san,  &record->issuer,
                                  &record->sha256};
    size_t len = 0;
    for (size_t i = 0; i < MU_COUNT(texts); i++)
        len += strlen(*texts[i]) + 1;
    char *at = malloc(len);
    if (at == NULL)
        return false;
    for (size_t i = 0; i < MU_COUNT(texts); i++) {
        size_t size = strlen(*texts[i]) + 1;
        *texts[i] = memcpy(at, *texts[i], size);
        at += size;
    }
    return true;
}

struct collection {
    struct mu_choices *choices;
    bool no_memory;
};

static bool collect(void *arg, const struct mu_record *record)
{
    struct collection *collection = arg;
    struct mu_choices *choices = collection->choices;
    struct mu_record copy = *record;
    copy.der = NULL;
    copy.der_len = 0;
    struct mu_record *at = realloc(choices->at, (choices->count + 1) * sizeof *at);
    if (at != NULL)
        choices->at = at;
    if (at == NULL || !copy_text(&copy))
        return !(collection->no_memory = true);
    choices->at[choices->count++] = copy;
    return true;
}

/* Add what fits; nothing is no failure. */
static int add(struct mu_store *store, const struct mu_store_filter *filter, struct mu_choices *ret,
               struct mu_error *err)
{
    struct collection collection = {.choices = ret};
    if (mu_store_each(store, filter, collect, &collection, err) != 0)
        return -1;
    return collection.no_memory ? mu_fail_nomem(err) : 0;
}

/* --- What a text may mean --- */

bool mu_choose_digits(const char *text, char ret[MU_DIGITS_LEN])
{
    size_t len = 0;
    ret[0] = '\0';
    if (mu_str_starts_with(text, "0x") || mu_str_starts_with(text, "0X"))
        text += 2;
    for (; *text != '\0'; text++) {
        if (*text == ':')
            continue;
        if (!isxdigit((unsigned char)*text) || len == MU_DIGITS_LEN - 1)
            return false;
        ret[len++] = (char)toupper((unsigned char)*text);
    }
    ret[len] = '\0';
    return len > 0;
}

static bool is_file(const char *text)
{
    struct stat st;
    return stat(text, &st) == 0 && !S_ISDIR(st.st_mode);
}

static int add_file(struct mu_store *store, const char *path, struct mu_choices *ret,
                    struct mu_error *err)
{
    char sha256[MU_SHA256_LEN], label[MU_CERT_LABEL_LEN];
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    if (mu_cert_load(path, &cert, err) != 0)
        return -1;
    struct mu_store_filter filter = {.sha256 = mu_cert_fingerprint(cert, sha256)};
    if (add(store, &filter, ret, err) != 0)
        return -1;
    if (ret->count > 0)
        return 0;
    mu_fail(err, MU_E_NOT_FOUND, "the certificate \"%s\" in %s was not issued by this CA",
            mu_cert_label(cert, label), path);
    return mu_hint(err, "see who issued it with: mutual inspect; or name the CA with --home DIR");
}

/* DNS names are recorded in lower case, however they were written; a person's name as it was. */
static int add_name(struct mu_store *store, const char *text, struct mu_choices *ret,
                    struct mu_error *err)
{
    struct mu_store_filter filter = {.name = text};
    MU_AUTO_CLEAR(mu_buf) lower = MU_BUF_INIT;
    if (add(store, &filter, ret, err) != 0)
        return -1;
    if (ret->count > 0)
        return 0;
    for (const char *p = text; *p != '\0'; p++)
        mu_buf_add(&lower, (char[]){(char)tolower((unsigned char)*p)}, 1);
    if (mu_buf_failed(&lower))
        return mu_fail_nomem(err);
    filter.name = mu_buf_str(&lower);
    return add(store, &filter, ret, err);
}

/* A serial number begins with a zero where its first octet is small, and not everybody writes it. */
static int add_digits(struct mu_store *store, const char *digits, bool whole,
                      struct mu_choices *ret, struct mu_error *err)
{
    char padded[MU_DIGITS_LEN + 1];
    snprintf(padded, sizeof padded, "0%s", digits);
    const char *const serials[] = {digits, padded};
    for (size_t i = 0; i < MU_COUNT(serials) && ret->count == 0; i++) {
        struct mu_store_filter filter = {.serial = serials[i], .serial_is_beginning = !whole};
        if (add(store, &filter, ret, err) != 0)
            return -1;
    }
    struct mu_store_filter filter = {.sha256 = digits, .sha256_is_beginning = !whole};
    size_t by_serial = ret->count;
    if (by_serial > 0 && whole)
        return 0;
    if (add(store, &filter, ret, err) != 0)
        return -1;
    /* One certificate may begin so in both. */
    if (by_serial == 1 && ret->count == 2 && mu_str_equal(ret->at[0].serial, ret->at[1].serial))
        free((char *)ret->at[--ret->count].serial);
    return 0;
}

/* --- Which of several --- */

static int fail_ambiguous(const char *text, const char *has, const struct mu_choices *choices,
                          enum mu_state wanted, time_t now, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) list = MU_BUF_INIT;
    char date[MU_DATE_LEN];
    size_t count = 0;
    for (size_t i = 0; i < choices->count; i++) {
        const struct mu_record *record = &choices->at[i];
        if (wanted != MU_STATE_ANY && mu_record_state(record, now) != wanted)
            continue;
        if (count++ < LISTED_MAX)
            mu_buf_addf(&list, "%s%s (%.60s, until %.10s)", list.len > 0 ? ", " : "",
                        record->serial, record->name, mu_date(record->not_after, date));
    }
    if (count > LISTED_MAX)
        mu_buf_adds(&list, ", ...");
    mu_fail(err, MU_E_AMBIGUOUS, "%zu certificates %s \"%.200s\": %s", count, has, text,
            mu_buf_str(&list));
    return mu_hint(err, "give the serial number of the one that is meant, or the beginning of it");
}

static int fail_not_found(const char *text, struct mu_error *err)
{
    mu_fail(err, MU_E_NOT_FOUND,
            "no certificate that this CA has issued has the name, serial number or fingerprint "
            "\"%.300s\", and there is no such file",
            text);
    return mu_hint(err, "see what has been issued with: mutual list");
}

int mu_choose(struct mu_store *store, const char *text, struct mu_choices *ret, struct mu_error *err)
{
    char digits[MU_DIGITS_LEN];
    bool is_digits = mu_choose_digits(text, digits);

    if (strchr(text, '/') != NULL && is_file(text))
        return add_file(store, text, ret, err);
    if (is_digits && add_digits(store, digits, true, ret, err) != 0)
        return -1;
    if (ret->count == 0 && add_name(store, text, ret, err) != 0)
        return -1;
    if (ret->count > 0)
        return 0;
    if (is_digits && strlen(digits) >= DIGITS_MIN && add_digits(store, digits, false, ret, err) != 0)
        return -1;
    if (ret->count > 1)
        return fail_ambiguous(text, "have a serial number or fingerprint that begins with", ret,
                              MU_STATE_ANY, 0, err);
    if (ret->count == 1)
        return 0;
    return is_file(text) ? add_file(store, text, ret, err) : fail_not_found(text, err);
}

int mu_choose_one(struct mu_store *store, const char *text, enum mu_state wanted, time_t now,
                  struct mu_choices *ret, struct mu_error *err)
{
    size_t fitting = 0, which = 0;
    if (mu_choose(store, text, ret, err) != 0)
        return -1;
    for (size_t i = 0; i < ret->count; i++)
        if (mu_record_state(&ret->at[i], now) == wanted && fitting++ == 0)
            which = i;
    if (fitting > 1 || (fitting == 0 && ret->count > 1))
        return fail_ambiguous(text, "have the name", ret, fitting > 1 ? wanted : MU_STATE_ANY, now,
                              err);
    struct mu_record first = ret->at[0];
    ret->at[0] = ret->at[which];
    ret->at[which] = first;
    while (ret->count > 1)
        free((char *)ret->at[--ret->count].serial);
    return 0;
}

/* --- Which issuer --- */

struct issuer_search {
    const char *text, *digits; /* digits may be NULL */
    char *key;                 /* "" until one is found */
    bool several;
};

static bool fits_ca(const struct issuer_search *search, const struct mu_ca_record *ca)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    if (search->digits != NULL && (mu_str_starts_with(ca->sha256, search->digits) ||
                                   mu_str_starts_with(ca->key, search->digits)))
        return true;
    return mu_cert_parse("the CA's records", ca->der, ca->der_len, &cert, &ignored) == 0 &&
           mu_str_equal(mu_cert_label(cert, label), search->text);
}

static bool look_at_ca(void *arg, const struct mu_ca_record *ca)
{
    struct issuer_search *search = arg;
    if (!fits_ca(search, ca))
        return true;
    search->several = *search->key != '\0' && !mu_str_equal(search->key, ca->key);
    mu_str_copy(search->key, MU_SHA256_LEN, ca->key);
    return !search->several;
}

int mu_choose_issuer(struct mu_store *store, const char *text, char ret[MU_SHA256_LEN],
                     struct mu_error *err)
{
    char digits[MU_DIGITS_LEN];
    struct issuer_search search = {.text = text, .key = ret};
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    ret[0] = '\0';
    if (mu_choose_digits(text, digits) && strlen(digits) >= DIGITS_MIN)
        search.digits = digits;
    if (mu_store_ca_each(store, NULL, look_at_ca, &search, err) != 0)
        return -1;
    if (search.several) {
        mu_fail(err, MU_E_AMBIGUOUS, "several CA keys that have issued here fit \"%.200s\"", text);
        return mu_hint(err, "give the CA's certificate: FILE.crt, or its SHA-256 fingerprint");
    }
    if (*ret != '\0')
        return 0;
    if (is_file(text)) {
        if (mu_cert_load(text, &cert, err) != 0)
            return -1;
        mu_cert_key_sha256(cert, ret);
        return 0;
    }
    mu_fail(err, MU_E_NOT_FOUND,
            "no CA that has issued here has the name or fingerprint \"%.200s\"", text);
    return mu_hint(err, "give the CA's certificate: FILE.crt, or its name, or its fingerprint");
}
