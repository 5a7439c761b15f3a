#include "authority/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "authority/compare.h"
#include "base/str.h"
#include "base/time.h"

/* --- Entries --- */

/* Who does what this process does, and where: the same for all of its entries, of which there may be a million. */
static struct {
    pthread_once_t once;
    char user[192], host[256];
} actor = {.once = PTHREAD_ONCE_INIT};

static void name_user(void)
{
    char name[128] = "uid", text[1024];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(geteuid(), &entry, text, sizeof text, &found) == 0 && found != NULL)
        mu_str_printable(entry.pw_name, strlen(entry.pw_name), name, sizeof name);
    snprintf(actor.user, sizeof actor.user, "%s (%lu)", name, (unsigned long)geteuid());
}

static void name_host(void)
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = '\0';
    mu_str_printable(name, strlen(name), actor.host, sizeof actor.host);
}

static void name_actor(void)
{
    name_user();
    name_host();
}

/* Each part with its length in front: no two entries have the same text, whatever is in their parts. */
static void add_part(struct mu_buf *buf, const char *part)
{
    mu_buf_addf(buf, "%zu:%s,", strlen(part), part);
}

static int hash_entry(const struct mu_trail_entry *entry, const char *before,
                      char ret[MU_SHA256_LEN], struct mu_error *err)
{
    char seq[32], at[32];
    const char *const parts[] = {before,        seq,           at,
                                 entry->who,    entry->host,   entry->action,
                                 entry->serial, entry->sha256, entry->detail};
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    snprintf(seq, sizeof seq, "%" PRId64, entry->seq);
    snprintf(at, sizeof at, "%" PRId64, (int64_t)entry->at);
    for (size_t i = 0; i < MU_COUNT(parts); i++)
        add_part(&text, parts[i]);
    if (mu_buf_failed(&text))
        return mu_fail_nomem(err);
    if (*mu_sha256(text.data, text.len, ret) == '\0')
        return mu_fail(err, MU_E_CRYPTO, "the audit trail's entry could not be hashed");
    return 0;
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

int mu_audit_add(struct mu_store *store, const struct mu_act *act, time_t now, int64_t *ret_seq,
                 struct mu_error *err)
{
    char before[MU_HASH_LEN + 1], hash[MU_SHA256_LEN];
    int64_t tip;
    pthread_once(&actor.once, name_actor);
    if (mu_store_trail_tip(store, &tip, before, err) != 0)
        return -1;
    struct mu_trail_entry entry = {
        .seq = tip + 1,
        .at = now,
        .who = actor.user,
        .host = actor.host,
        .action = act->action,
        .serial = or_empty(act->serial),
        .sha256 = or_empty(act->sha256),
        .detail = or_empty(act->detail),
        .hash = hash,
    };
    if (ret_seq != NULL)
        *ret_seq = entry.seq;
    return hash_entry(&entry, before, hash, err) != 0 ? -1 : mu_store_trail_add(store, &entry, err);
}

/* --- Signatures --- */

/* What is signed begins with words of its own: no certificate and no list does. */
static void signed_text(int64_t seq, const char *hash, time_t at, char *ret, size_t cap)
{
    snprintf(ret, cap, "mutual audit trail\nentry %" PRId64 "\nhash %s\nat %" PRId64 "\n", seq,
             hash, (int64_t)at);
}

int mu_audit_sign(struct mu_store *store, enum mu_audit_signing when, const struct mu_cert *ca,
                  const struct mu_key *key, time_t now, struct mu_error *err)
{
    char hash[MU_HASH_LEN + 1], signer[MU_SHA256_LEN], text[256];
    int64_t seq, last_seq;
    time_t last;
    if (mu_store_head_last(store, &last, &last_seq, err) != 0)
        return -1;
    /* One of a clock that was far ahead must not stand for all the days until then. */
    if (when == MU_AUDIT_DAILY && last != 0 && now - last < MU_DAY_S && last - now < MU_DAY_S)
        return 0;
    if (mu_store_trail_tip(store, &seq, hash, err) != 0)
        return -1;
    if (seq == last_seq)
        return 0;
    MU_AUTO_CLEAR(mu_buf) signature = MU_BUF_INIT;
    signed_text(seq, hash, now, text, sizeof text);
    if (mu_key_sign(key, text, strlen(text), &signature, err) != 0)
        return -1;
    struct mu_trail_head head = {
        .seq = seq,
        .at = now,
        .hash = hash,
        .signer = mu_cert_fingerprint(ca, signer),
        .signature = signature.data,
        .signature_len = signature.len,
    };
    return mu_store_head_add(store, &head, err);
}

/* --- Is it whole? --- */

struct head {
    int64_t seq;
    time_t at;
    char hash[MU_HASH_LEN + 1], signer[MU_HASH_LEN + 1];
    struct mu_buf signature;
};

struct check {
    struct mu_store *store;
    struct mu_audit_verdict *verdict;
    char present[MU_SHA256_LEN]; /* the certificate that the last signature has to be by */
    bool announced;              /* the entry of the last signature says that it takes over */
    bool has_signed;             /* it has signed, whoever did last */
    struct head *heads;
    size_t head_count, next_head;
    char before[MU_SHA256_LEN]; /* the hash of the entry that was looked at last */
    time_t begins;
    struct mu_key *signer; /* the key of the certificate that signed the head looked at */
    struct mu_settings_told settings;
    bool no_memory;
};

static bool MU_PRINTF(3, 4) wrong(struct check *check, int64_t seq, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    check->verdict->bad = seq;
    vsnprintf(check->verdict->fault, sizeof check->verdict->fault, format, args);
    va_end(args);
    return false;
}

static bool keep_head(void *arg, const struct mu_trail_head *head)
{
    struct check *check = arg;
    struct head *at = realloc(check->heads, (check->head_count + 1) * sizeof *at);
    if (at == NULL)
        return !(check->no_memory = true);
    check->heads = at;
    at = &check->heads[check->head_count++];
    *at = (struct head){.seq = head->seq, .at = head->at, .signature = MU_BUF_INIT};
    mu_str_copy(at->hash, sizeof at->hash, head->hash);
    mu_str_copy(at->signer, sizeof at->signer, head->signer);
    mu_buf_add(&at->signature, head->signature, head->signature_len);
    return !(check->no_memory = mu_buf_failed(&at->signature));
}

/* Whatever the records hold is looked at as what it is: foreign bytes. */
static bool read_signer(void *arg, const struct mu_ca_record *ca)
{
    struct check *check = arg;
    struct mu_error ignored = MU_ERROR_INIT;
    char sha256[MU_SHA256_LEN];
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    if (mu_str_equal(mu_sha256(ca->der, ca->der_len, sha256), ca->sha256) &&
        mu_cert_parse("the CA's records", ca->der, ca->der_len, &cert, &ignored) == 0 &&
        mu_cert_key(cert, &check->signer, &ignored) != 0)
        check->signer = NULL;
    return false;
}

static bool head_is_good(struct check *check, const struct head *head)
{
    char text[256], date[MU_DATE_LEN];
    struct mu_error ignored = MU_ERROR_INIT;
    mu_key_free(mu_take(&check->signer));
    mu_date(head->at, date);
    if (mu_store_ca_each(check->store, head->signer, read_signer, check, &ignored) != 0 ||
        check->signer == NULL)
        return wrong(check, head->seq,
                     "the signature of %s over entry %" PRId64
                     " is by a certificate that this CA has not used",
                     date, head->seq);
    signed_text(head->seq, head->hash, head->at, text, sizeof text);
    if (!mu_key_verify(check->signer, text, strlen(text), head->signature.data, head->signature.len))
        return wrong(check, head->seq,
                     "the signature of %s over entry %" PRId64 " is not from the CA's key", date,
                     head->seq);
    check->has_signed = check->has_signed || mu_str_equal(head->signer, check->present);
    check->verdict->signatures++;
    check->verdict->signed_up_to = head->seq;
    check->verdict->signed_at = head->at;
    return true;
}

/* Who takes over signs nothing until its files are in place, and a kill may come before that. */
static bool announces(const struct mu_trail_entry *entry, const char *sha256)
{
    return (mu_str_equal(entry->action, "install") || mu_str_equal(entry->action, "rollover")) &&
           mu_str_equal(entry->sha256, sha256);
}

/* Entries that follow one from the other may all have been written anew; a signature tells. */
static bool head_fits(struct check *check, const struct mu_trail_entry *entry)
{
    int64_t good = check->verdict->signed_up_to;
    if (check->next_head == check->head_count || check->heads[check->next_head].seq != entry->seq)
        return true;
    const struct head *head = &check->heads[check->next_head++];
    check->announced = announces(entry, check->present);
    char date[MU_DATE_LEN];
    if (!mu_str_equal(head->hash, entry->hash))
        return wrong(check, good + 1,
                     "of the entries %" PRId64 " to %" PRId64
                     " one or more are not what they were when they were signed on %s",
                     good + 1, entry->seq, mu_date(head->at, date));
    return head_is_good(check, head);
}

static bool look_at_entry(void *arg, const struct mu_trail_entry *entry)
{
    struct check *check = arg;
    struct mu_error ignored = MU_ERROR_INIT;
    char hash[MU_SHA256_LEN];
    int64_t expected = check->verdict->entries + 1;
    if (entry->seq != expected)
        return wrong(check, expected, "entry %" PRId64 " is missing: %" PRId64 " comes in its place",
                     expected, entry->seq);
    if (hash_entry(entry, check->before, hash, &ignored) != 0)
        return !(check->no_memory = true);
    if (!mu_str_equal(hash, entry->hash))
        return wrong(check, entry->seq,
                     "entry %" PRId64 " (%s) was changed, or does not follow the entry before it",
                     entry->seq, entry->action);
    if (entry->seq == 1)
        check->begins = entry->at;
    mu_str_copy(check->before, sizeof check->before, hash);
    check->verdict->entries++;
    if (mu_settings_note(&check->settings, entry, &ignored) != 0)
        return !(check->no_memory = true);
    return head_fits(check, entry);
}

static int look_at_all(struct check *check, struct mu_error *err)
{
    struct mu_audit_verdict *verdict = check->verdict;
    if (mu_store_head_each(check->store, keep_head, check, err) != 0 ||
        mu_store_trail_each(check->store, 1, look_at_entry, check, err) != 0)
        return -1;
    if (check->no_memory)
        return mu_fail_nomem(err);
    if (verdict->fault[0] != '\0')
        return 0;
    if (check->next_head < check->head_count)
        wrong(check, verdict->entries + 1,
              "the entries from %" PRId64
              " on are missing: the trail was signed up to entry %" PRId64,
              verdict->entries + 1, check->heads[check->head_count - 1].seq);
    else if (check->head_count > 0 && !check->announced &&
             !mu_str_equal(check->heads[check->head_count - 1].signer, check->present))
        wrong(check, verdict->signed_up_to,
              "the last signature, over entry %" PRId64 ", is not by the present CA certificate%s",
              verdict->signed_up_to,
              check->has_signed ? ", but by another of this CA: all machines that have its records "
                                  "need the same files of the CA"
                                : "");
    else if (verdict->entries == 0)
        wrong(check, 1, "it is empty: not even that the CA was made is in it");
    else if (check->head_count == 0)
        wrong(check, 0, "no entry of the trail is signed: its signatures are missing");
    else
        return mu_records_compare(check->store, check->begins, &check->settings, verdict->fault,
                                  err);
    return 0;
}

int mu_audit_verify(struct mu_store *store, const struct mu_cert *ca, struct mu_audit_verdict *ret,
                    struct mu_error *err)
{
    *ret = (struct mu_audit_verdict){.entries = 0};
    struct check check = {.store = store, .verdict = ret};
    mu_cert_fingerprint(ca, check.present);
    int result = look_at_all(&check, err);
    for (size_t i = 0; i < check.head_count; i++)
        mu_buf_clear(&check.heads[i].signature);
    free(check.heads);
    mu_settings_told_clear(&check.settings);
    mu_key_free(check.signer);
    return result;
}
