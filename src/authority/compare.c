#include "authority/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority/crl_settings.h"
#include "base/time.h"
#include "pki/issue.h"

struct comparison {
    struct mu_store *store;
    time_t begins;
    struct mu_certs cas; /* that have signed here */
    struct mu_strs keys; /* the SHA-256 of the key of each */
    char *fault;
    int result;
    struct mu_error *err;
};

static void comparison_clear(struct comparison *c)
{
    mu_certs_clear(&c->cas);
    mu_strs_clear(&c->keys);
}
MU_AUTO_DEFINE_CLEAR(comparison, comparison_clear)

/* No database takes half a character for text. */
char *mu_revocation_detail(const char *name, const struct mu_revocation *revocation,
                           char ret[MU_DETAIL_LEN])
{
    enum { NAME_MAX_LEN = 250 };
    char since[MU_DATE_LEN];
    const bool is = revocation->at != 0, hold = revocation->reason == MU_REASON_HOLD;
    int len =
        snprintf(ret, MU_DETAIL_LEN, "\"%.*s\"%s%s", (int)mu_str_fit(name, NAME_MAX_LEN), name,
                 is && !hold ? ": " : "", is && !hold ? mu_reason_name(revocation->reason) : "");
    if (is && revocation->invalid_since != 0)
        snprintf(ret + len, MU_DETAIL_LEN - (size_t)len, ", not to be believed since %s",
                 mu_date_rfc3339(revocation->invalid_since, since));
    return ret;
}

/* The words are the caller's: what stands in the records is foreign, and made fit to be shown. */
static bool differs(struct comparison *c, const char *kind, const char *which, const char *what)
{
    char printable[256];
    mu_str_printable(which, strlen(which), printable, sizeof printable);
    snprintf(c->fault, MU_ERROR_WHAT_LEN, "the %s %s %s", kind, printable, what);
    return false;
}

static bool note_difference(void *arg, const char *kind, const char *which, const char *what)
{
    return differs(arg, kind, which, what);
}

/* --- Settings --- */

void mu_settings_told_clear(struct mu_settings_told *told)
{
    mu_strs_clear(&told->names);
    mu_strs_clear(&told->details);
}

static const char *detail_of(const struct mu_settings_told *told, const char *name)
{
    for (size_t i = told->names.count; i > 0; i--)
        if (mu_str_equal(told->names.at[i - 1], name))
            return told->details.at[i - 1];
    return NULL;
}

/* `NAME is "VALUE"`; settings change a few times in years. */
int mu_settings_note(struct mu_settings_told *told, const struct mu_trail_entry *entry,
                     struct mu_error *err)
{
    char name[64];
    if (mu_str_equal(entry->action, "policy"))
        mu_str_copy(told->policy, sizeof told->policy, entry->sha256);
    if (!mu_str_equal(entry->action, "setting"))
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(entry->detail, " "), entry->detail);
    return mu_strs_add(&told->names, name) != 0 || mu_strs_add(&told->details, entry->detail) != 0
               ? mu_fail_nomem(err)
               : 0;
}

static int compare_settings(struct comparison *c, const struct mu_settings_told *told)
{
    static const char other[] = "is not what the trail says that it is";
    char value[MU_URL_LEN], detail[MU_URL_LEN + 64];
    for (size_t i = 0; i < MU_CRL_SETTINGS; i++) {
        const char *name = mu_crl_setting_name(i), *said = detail_of(told, name);
        if (mu_store_setting(c->store, name, value, sizeof value, c->err) != 0)
            return -1;
        snprintf(detail, sizeof detail, "%s is \"%s\"", name, value);
        if (said == NULL ? *value != '\0' : !mu_str_equal(said, detail))
            return differs(c, "setting", name, other);
    }
    if (mu_store_setting(c->store, "policy", value, sizeof value, c->err) != 0)
        return -1;
    if (!mu_str_equal(value, told->policy))
        differs(c, "setting", "policy", other);
    return 0;
}

/* --- Revocations --- */

static bool look_at_revocation(void *arg, const char *serial, const char *name,
                               const struct mu_revocation *revocation, const char *detail,
                               bool at_is_told)
{
    char expected[MU_DETAIL_LEN];
    if (!mu_str_equal(mu_revocation_detail(name, revocation, expected), detail))
        return differs(arg, "certificate", serial,
                       "has another reason, time or name in the records than in the trail");
    return at_is_told || revocation->at == 0 ||
           differs(arg, "certificate", serial,
                   "is revoked since another time in the records than in the trail");
}

/* --- Certificates --- */

/* By its key the lists are found on which its certificates stand. */
static bool note_ca(void *arg, const struct mu_ca_record *ca)
{
    struct comparison *c = arg;
    struct mu_error ignored = MU_ERROR_INIT;
    char sha256[MU_SHA256_LEN], key[MU_SHA256_LEN];
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    if (mu_cert_parse("the CA's records", ca->der, ca->der_len, &cert, &ignored) != 0 ||
        !mu_str_equal(mu_cert_fingerprint(cert, sha256), ca->sha256) ||
        !mu_str_equal(mu_cert_key_sha256(cert, key), ca->key))
        return differs(c, "CA certificate", ca->sha256, "is not the one that its record tells of");
    if (mu_certs_add(&c->cas, mu_take(&cert), c->err) != 0)
        c->result = -1;
    else if (mu_strs_add(&c->keys, ca->key) != 0)
        c->result = mu_fail_nomem(c->err);
    return c->result == 0;
}

/* By the key of which the record says so. One that was issued before there was a trail is looked at to the signature. */
static bool is_by_its_issuer(const struct comparison *c, const struct mu_record *record,
                             const struct mu_cert *cert)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) whole = NULL;
    const bool untold = record->issued_at < c->begins;
    if (untold &&
        mu_cert_parse("the CA's records", record->der, record->der_len, &whole, &ignored) != 0)
        return false;
    for (size_t i = 0; i < c->cas.count; i++)
        if ((*record->issuer == '\0' || mu_str_equal(c->keys.at[i], record->issuer)) &&
            (untold ? mu_cert_is_signed_by(whole, c->cas.at[i])
                    : mu_cert_names_issuer_key(cert, c->cas.at[i])))
            return true;
    return false;
}

static const char *difference(const struct comparison *c, const struct mu_record *record,
                              const struct mu_cert *cert, const struct mu_issued *issued)
{
    const int partition = mu_crl_partition_of(cert);
    if (!mu_str_equal(record->sha256, issued->sha256))
        return "is not the one that was recorded";
    if (!mu_str_equal(record->serial, issued->serial))
        return "has another serial number than its record";
    if (record->not_before != issued->not_before || record->not_after != issued->not_after)
        return "has another beginning or end than its record";
    if (!mu_str_equal(record->subject, issued->subject) ||
        !mu_str_equal(record->san, mu_buf_str(&issued->san)))
        return "has other names than its record";
    if (partition >= 0 && partition != record->partition)
        return "points to another revocation list than its record";
    if (!is_by_its_issuer(c, record, cert))
        return "is by another CA than its record says, or by none that has signed here";
    return NULL;
}

static bool look_at_record(void *arg, const struct mu_record *record)
{
    struct comparison *c = arg;
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    const char *what = mu_cert_decode(record->der, record->der_len, &cert, &ignored) != 0 ||
                               mu_issued_read(cert, &issued, &ignored) != 0
                           ? "cannot be read"
                           : difference(c, record, cert, &issued);
    return what == NULL || differs(c, "certificate", record->serial, what);
}

int mu_records_compare(struct mu_store *store, time_t begins, const struct mu_settings_told *told,
                       char ret[MU_ERROR_WHAT_LEN], struct mu_error *err)
{
    const struct mu_store_filter all = {.now = begins, .with_certificates = true};
    MU_AUTO_CLEAR(comparison) c = {.store = store, .begins = begins, .fault = ret, .err = err};
    ret[0] = '\0';
    if (compare_settings(&c, told) != 0)
        return -1;
    if (*ret == '\0' && mu_store_trail_compare(store, begins, note_difference, &c, err) != 0)
        return -1;
    if (*ret == '\0' && mu_store_trail_each_revocation(store, look_at_revocation, &c, err) != 0)
        return -1;
    if (*ret == '\0' && (mu_store_ca_each(store, NULL, note_ca, &c, err) != 0 || c.result != 0))
        return -1;
    return *ret == '\0' ? mu_store_each(store, &all, look_at_record, &c, err) : 0;
}
