#include "authority/health.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "authority/audit.h"
#include "authority/backup.h"
#include "authority/crl.h"
#include "authority/former.h"
#include "authority/hierarchy.h"
#include "authority/home.h"
#include "authority/policy.h"
#include "authority/rollover.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/info.h"
#include "pki/object.h"
#include "pki/token.h"
#include "pki/verify.h"

enum {
    CA_SOON_DAYS = 180, /* a CA's successor has to reach everybody before it is needed */
    CERT_SOON_DAYS = 14,
    SOON_PART = 3,             /* ... and less than this part of the whole is left */
    EXPIRED_DAYS = 30,         /* what ended before that is history */
    CRL_SOON_PART = 4,         /* of a list's own time */
    BACKUP_DAYS = 7,           /* with a change since */
    CLOCK_TOLERANCE_S = 120,   /* machines that share a home differ */
    SERVER_LONGEST_DAYS = 825, /* Apple refuses TLS server certificates that are valid for longer */
    NAMED_MAX = 5,             /* in a sentence */
    LOW_MIB = 200,
    FULL_MIB = 20,
};

static const struct {
    const char *id, *remedy;
    enum mu_severity severity;
} table[] = {
#define MU_SYMPTOM(code, id, severity, remedy) {id, remedy, MU_##severity},
#include "authority/health.def"
#undef MU_SYMPTOM
};

const char *mu_severity_name(enum mu_severity severity)
{
    static const char *const names[] = {"ok", "warning", "error"};
    return names[severity];
}

const char *mu_symptom_id(enum mu_symptom_code code)
{
    return table[code].id;
}

enum mu_severity mu_symptom_severity(enum mu_symptom_code code)
{
    return table[code].severity;
}

const char *mu_symptom_remedy(enum mu_symptom_code code)
{
    return table[code].remedy;
}

struct visit {
    const struct mu_health *how;
    struct mu_home home;
    mu_symptom_fn *each;
    void *arg;
    struct mu_cert *cert;   /* NULL: it cannot be read */
    struct mu_store *store; /* NULL: they cannot be read */
};

static void visit_clear(struct visit *v)
{
    mu_cert_free(v->cert);
    mu_store_close(v->store);
}
MU_AUTO_DEFINE_CLEAR(visit, visit_clear)

static void find(const struct visit *v, enum mu_symptom_code code, const char *format, ...)
    MU_PRINTF(3, 4);

static void find(const struct visit *v, enum mu_symptom_code code, const char *format, ...)
{
    char text[MU_ERROR_WHAT_LEN];
    struct mu_symptom finding = {.code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mu_str_printable(text, strlen(text), finding.what, sizeof finding.what);
    v->each(v->arg, &finding);
}

/* The sentence of an error, and its cause, as a finding. */
static void find_error(const struct visit *v, enum mu_symptom_code code, const struct mu_error *err)
{
    find(v, code, "%.500s%s%s", err->what, *err->cause == '\0' ? "" : ": ", err->cause);
}

/* --- The CA's certificate and key --- */

static void judge_ca_dates(struct visit *v, const char *label)
{
    char date[MU_DATE_LEN], when[MU_SPAN_LEN];
    time_t now = v->how->now, from = mu_cert_not_before(v->cert), to = mu_cert_not_after(v->cert);
    int64_t left_s = (int64_t)to - now, whole_s = (int64_t)to - from;
    mu_date(to, date);
    mu_relative(to, now, when);
    if (now > to)
        find(v, MU_F_CA_EXPIRED, "the CA \"%s\" expired on %s, %s", label, date, when);
    else if (now < from)
        find(v, MU_F_CA_NOT_YET_VALID, "the CA \"%s\" is valid only from %s, %s", label,
             mu_date(from, date), mu_relative(from, now, when));
    else if (left_s < CA_SOON_DAYS * MU_DAY_S && left_s < whole_s / SOON_PART)
        find(v, MU_F_CA_EXPIRES, "the CA \"%s\" expires %s, on %s", label, when, date);
    else
        find(v, MU_F_CA_GOOD, "the CA \"%s\" expires %s, on %s", label, when, date);
}

static bool is_about_dates(const char *id)
{
    return mu_str_ends_with(id, "_expired") || mu_str_ends_with(id, "_not_yet_valid") ||
           mu_str_equal(id, "expires_soon");
}

static void look_at_ca(struct visit *v)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_load(v->home.cert, &v->cert, &err) != 0) {
        find_error(v, MU_F_CA_UNREADABLE, &err);
        return;
    }
    mu_cert_label(v->cert, label);
    judge_ca_dates(v, label);
    if (mu_cert_info_read(v->cert, v->how->now, &info, &err) != 0)
        return;
    for (size_t i = 0; i < info.problems.count; i++)
        if (!is_about_dates(info.problem_ids.at[i]))
            find(v, MU_F_CA_WEAK, "the CA \"%s\": %s", label, info.problems.at[i]);
}

static void look_at_key(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (access(v->home.key, R_OK) != 0) {
        if (errno == ENOENT)
            find(v, MU_F_KEY_MISSING, "the CA's key %s is not there", v->home.key);
        else
            find(v, MU_F_KEY_UNSEEN, "the CA's key %s cannot be read by this user", v->home.key);
    } else if (mu_key_load(v->home.key, NULL, &key, &err) != 0) {
        if (err.code == MU_E_PASSPHRASE_NEEDED)
            find(v, MU_F_KEY_GOOD, "the CA's key is %s",
                 mu_token_key_is_named(v->home.key)
                     ? "in a token that is there; without the PIN, nothing more can be said of it"
                     : "protected by a passphrase");
        else
            find_error(v, MU_F_KEY_UNREADABLE, &err);
    } else if (v->cert != NULL &&
               mu_cert_match_key(v->cert, key, v->home.cert, v->home.key, &err) != 0) {
        find_error(v, MU_F_KEY_MISMATCH, &err);
    } else {
        find(v, MU_F_KEY_GOOD, "the CA's key is %s",
             mu_key_is_in_token(key) ? "in a token, and there" : "there, without a passphrase");
    }
}

/* --- The CAs around it --- */

static void judge_root(struct visit *v, const struct mu_cert *root)
{
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN], when[MU_SPAN_LEN];
    time_t now = v->how->now, to = mu_cert_not_after(root);
    int64_t left_s = (int64_t)to - now, whole_s = (int64_t)to - mu_cert_not_before(root);
    mu_cert_label(root, label);
    mu_date(to, date);
    mu_relative(to, now, when);
    if (now > to)
        find(v, MU_F_ROOT_EXPIRED, "the root \"%s\" expired on %s, %s", label, date, when);
    else if (left_s < CA_SOON_DAYS * MU_DAY_S && left_s < whole_s / SOON_PART)
        find(v, MU_F_ROOT_EXPIRES, "the root \"%s\" expires %s, on %s", label, when, date);
    else
        find(v, MU_F_ROOT_GOOD, "the root \"%s\" expires %s, on %s; its key is %s", label, when,
             date, access(v->home.root_key, F_OK) == 0 ? "in the home" : "kept elsewhere");
}

static bool is_end(enum mu_fault fault)
{
    return fault == MU_FAULT_EXPIRED || fault == MU_FAULT_CA_EXPIRED ||
           fault == MU_FAULT_INTERMEDIATE_EXPIRED;
}

/* Do the files fit together? That something has ended is told of where it is looked at by itself. */
static void judge_chain(struct visit *v, const struct mu_hierarchy *ranks)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_verdict verdict;
    MU_AUTO_STRUCT(mu_cert) root = NULL;
    const struct mu_cert *cert = ranks->own.at[0];
    const struct mu_certs anchor = {.at = ranks->trust.at, .count = 1};
    const struct mu_verify how = {.anchors = &anchor,
                                  .untrusted = &ranks->behind,
                                  .at = v->how->now};
    if (mu_cert_load(v->home.root_cert, &root, &err) != 0)
        find_error(v, err.code == MU_E_NOT_FOUND ? MU_F_ROOT_UNKNOWN : MU_F_CHAIN_UNREADABLE, &err);
    else if (!mu_certs_hold(&anchor, root))
        find(v, MU_F_CHAIN_BROKEN, "the first root in %s is not the one in %s", v->home.trust,
             v->home.root_cert);
    else if (!mu_certs_hold(&ranks->behind, cert))
        find(v, MU_F_CHAIN_BROKEN, "the CA's own certificate is not in %s", v->home.chain);
    else if (mu_verify(cert, &how, &verdict, NULL, &err) == 0 && verdict.fault != MU_FAULT_NONE &&
             !is_end(verdict.fault))
        find(v, MU_F_CHAIN_BROKEN, "the CA's chain does not hold: %s", verdict.sentence);
}

static void judge_root_list(struct visit *v, const struct mu_cert *root)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct mu_crl_info info;
    char date[MU_DATE_LEN];
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(v->home.root_crl, &objects, &ignored) != 0)
        return;
    for (size_t i = 0; i < objects.count; i++) {
        if (objects.at[i].crl == NULL || !mu_crl_is_signed_by(objects.at[i].crl, root))
            continue;
        mu_crl_info(objects.at[i].crl, &info);
        if (info.next_update != 0 && v->how->now > info.next_update)
            find(v, MU_F_ROOT_LIST_EXPIRED,
                 "the root's revocation list is out of date since %s: whoever checks whole chains "
                 "refuses everybody",
                 mu_date(info.next_update, date));
    }
}

static void judge_rollover(struct visit *v, const struct mu_hierarchy *ranks)
{
    struct mu_error err = MU_ERROR_INIT;
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN];
    MU_AUTO_CLEAR(mu_rollover_state) state = {0};
    for (size_t i = 1; i < ranks->trust.count; i++)
        if (v->how->now > mu_cert_not_after(ranks->trust.at[i]))
            find(v, MU_F_OLD_ROOT_EXPIRED, "the old root \"%s\" in trust.crt expired on %s",
                 mu_cert_label(ranks->trust.at[i], label),
                 mu_date(mu_cert_not_after(ranks->trust.at[i]), date));
    if (ranks->trust.count < 2 || v->how->quick || v->store == NULL)
        return;
    if (mu_rollover_look(v->how->home, v->how->now, &state, &err) != 0)
        find_error(v, MU_F_RECORDS_DAMAGED, &err);
    else
        find(v, MU_F_ROLLOVER,
             "a rollover is under way: %zu certificate%s in use still chain%s to the old root alone",
             state.in_use, state.in_use == 1 ? "" : "s", state.in_use == 1 ? "s" : "");
}

static void look_at_former_keys(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    const struct mu_passphrase_source none = {.ask = NULL};
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    if (mu_former_certs(&v->home, v->how->now, &certs, &err) != 0)
        find_error(v, MU_F_FORMER_KEY, &err);
    for (size_t i = 0; i < certs.count; i++) {
        char key_sha256[MU_SHA256_LEN];
        MU_AUTO_CLEAR(mu_formers) former = {0};
        mu_cert_key_sha256(certs.at[i], key_sha256);
        err = (struct mu_error)MU_ERROR_INIT;
        if (mu_formers_load(&v->home, key_sha256, &none, v->how->now, &former, &err) != 0 &&
            err.code != MU_E_PASSPHRASE_NEEDED)
            find_error(v, MU_F_FORMER_KEY, &err);
    }
}

static void look_at_hierarchy(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_hierarchy) ranks = {0};
    if (v->cert == NULL)
        return;
    look_at_former_keys(v);
    if (mu_hierarchy_load(&v->home, &ranks, &err) != 0) {
        find_error(v, MU_F_CHAIN_UNREADABLE, &err);
        return;
    }
    if (ranks.trust.count == 0) {
        find(v, MU_F_ROOT_UNKNOWN, "the root above the CA is not known here");
        return;
    }
    judge_rollover(v, &ranks);
    if (mu_is_root(v->cert))
        return; /* it was looked at as the CA */
    judge_root(v, ranks.trust.at[0]);
    judge_chain(v, &ranks);
    judge_root_list(v, ranks.trust.at[0]);
}

static void look_at_policy(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    if (mu_policy_load_or_built_in(v->home.policy, &policy, &err) != 0)
        find_error(v, MU_F_POLICY_UNREADABLE, &err);
    else
        find(v, MU_F_POLICY_GOOD,
             *policy->path == '\0' ? "the built-in rules decide what is issued"
                                   : "policy.yaml decides what is issued");
}

/* --- The records --- */

static void look_at_records(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    if (mu_store_open(v->home.db, MU_STORE_READ, &v->store, &err) != 0)
        find_error(v, MU_F_RECORDS_UNREADABLE, &err);
    else if (v->how->quick)
        find(v, MU_F_RECORDS_GOOD, "the records can be read");
    else if (mu_store_check(v->store, &err) != 0)
        find_error(v, MU_F_RECORDS_DAMAGED, &err);
    else
        find(v, MU_F_RECORDS_GOOD, "the records are whole");
}

static void look_at_trail(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_audit_verdict verdict;
    if (v->how->quick || v->cert == NULL || v->store == NULL)
        return;
    if (mu_audit_verify(v->store, v->cert, &verdict, &err) != 0)
        find_error(v, MU_F_RECORDS_DAMAGED, &err);
    else if (verdict.fault[0] != '\0')
        find(v, MU_F_TRAIL_BROKEN, "the audit trail is not what it was: %s", verdict.fault);
    else
        find(v, MU_F_TRAIL_GOOD,
             "the audit trail is whole: %" PRId64 " entries, signed up to number %" PRId64,
             verdict.entries, verdict.signed_up_to);
}

static void look_at_backup(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    char date[MU_DATE_LEN], when[MU_SPAN_LEN];
    time_t at;
    int64_t since;
    if (v->store == NULL || mu_backup_last(v->store, &at, &since, &err) != 0)
        return;
    if (at == 0 && mu_store_is_postgres(v->home.db)) {
        find(v, MU_F_BACKUP_GOOD, "the records are left to the backups of their database");
        return;
    }
    mu_date(at, date);
    mu_relative(at, v->how->now, when);
    if (at == 0)
        find(v, MU_F_BACKUP_NEVER, "no backup has been made");
    else if (since > 0 && v->how->now - at > BACKUP_DAYS * MU_DAY_S)
        find(v, MU_F_BACKUP_OLD, "the last backup was made %s, on %s; %" PRId64 " change%s since",
             when, date, since, since == 1 ? " has been made" : "s have been made");
    else
        find(v, MU_F_BACKUP_GOOD, "the last backup was made %s, on %s", when, date);
}

/* --- The revocation list --- */

static bool count_revoked(void *arg, const struct mu_revoked *revoked)
{
    (void)revoked;
    ++*(size_t *)arg;
    return true;
}

/* How many were revoked or released behind this entry of the trail, and should be on a list. */
static size_t revoked_since(const struct visit *v, const struct mu_crl_scope *scope, int64_t seq)
{
    struct mu_error ignored = MU_ERROR_INIT;
    size_t count = 0;
    return mu_store_each_revoked(v->store, scope, v->how->now, seq, count_revoked, &count,
                                 &ignored) == 0
               ? count
               : 0;
}

static void judge_list(struct visit *v, const struct mu_crl_info *info,
                       const struct mu_crl_record *last)
{
    char number[64], when[MU_SPAN_LEN], date[MU_DATE_LEN];
    time_t now = v->how->now;
    int64_t left_s = (int64_t)info->next_update - now;
    int64_t whole_s = (int64_t)info->next_update - info->this_update;
    snprintf(number, sizeof number, "%" PRIX64, (uint64_t)last->number);
    const char *have = info->number + strspn(info->number, "0");
    mu_date(info->next_update, date);
    mu_relative(info->next_update, now, when);
    if (last->number != 0 && !mu_str_equal(have, number))
        find(v, MU_F_CRL_OLD, "ca.crl is number %s, but the last list that was made is number %s",
             *have == '\0' ? "0" : have, number);
    if (info->next_update != 0 && now > info->next_update)
        find(v, MU_F_CRL_EXPIRED,
             "the revocation list is out of date since %s, %s: whoever checks it refuses everybody",
             date, when);
    else if (info->next_update != 0 && left_s < whole_s / CRL_SOON_PART)
        find(v, MU_F_CRL_EXPIRES, "the next revocation list is due %s, on %s", when, date);
    else
        find(v, MU_F_CRL_GOOD, "the revocation list has %zu certificate%s%s%s", info->revoked,
             info->revoked == 1 ? "" : "s", info->next_update == 0 ? "" : "; the next is due ",
             info->next_update == 0 ? "" : when);
}

/* Certificates point to the list of their partition alone. */
static void look_at_partitions(struct visit *v, const char *issuer)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct mu_crl_settings settings;
    struct mu_crl_record last;
    int partitions, overdue = 0;
    if (mu_crl_settings_read(v->store, &settings, &ignored) != 0 ||
        mu_crl_partitions(v->store, &settings, issuer, &partitions, &ignored) != 0)
        return;
    for (int i = 1; i <= partitions; i++) {
        struct mu_crl_scope scope = {.issuer = issuer, .partition = i};
        if (mu_store_last_crl(v->store, &scope, true, &last, &ignored) == 0 &&
            (last.next_update < v->how->now || !mu_crl_is_in_place(&v->home, &scope, &last)))
            overdue++;
    }
    if (overdue > 0)
        find(v, MU_F_CRL_EXPIRED, "of the lists of %d partitions %d %s out of date or missing",
             partitions, overdue, overdue == 1 ? "is" : "are");
}

static void look_at_crl(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    char key[MU_SHA256_LEN] = "";
    const char *path = v->home.crl;
    struct mu_crl_record last = {.number = 0}, any = {.number = 0};
    size_t lacking = 0;
    if (v->cert != NULL && v->store != NULL) {
        struct mu_crl_scope scope = {.issuer = mu_cert_key_sha256(v->cert, key)};
        if (mu_store_last_crl(v->store, &scope, true, &last, &err) == 0 &&
            mu_store_last_crl(v->store, &scope, false, &any, &err) == 0)
            lacking = revoked_since(v, &scope, any.number == 0 ? MU_CHANGED_EVER : any.seq);
        look_at_partitions(v, key);
    }
    if (lacking > 0 && any.number != 0)
        find(v, MU_F_CRL_LACKS, "%zu certificate%s revoked or released since the last list was made",
             lacking, lacking == 1 ? " was" : "s were");
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        if (lacking > 0 || last.number != 0)
            find(v, MU_F_CRL_MISSING, "%s, but %s is not there",
                 last.number != 0 ? "a revocation list has been made" : "certificates are revoked",
                 path);
        else
            find(v, MU_F_CRL_GOOD, "no revocation list has been made; nothing is revoked");
        return;
    }
    struct mu_crl_info info;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, &err) != 0) {
        find_error(v, MU_F_CRL_UNREADABLE, &err);
    } else if (objects.at[0].crl == NULL) {
        find(v, MU_F_CRL_UNREADABLE, "%s holds %s, not a revocation list", path,
             mu_object_kind_name(objects.at[0].kind));
    } else {
        mu_crl_info(objects.at[0].crl, &info);
        judge_list(v, &info, &last);
    }
}

/* --- What was issued --- */

/* A few names, and how many there are. */
struct tally {
    size_t count;
    struct mu_buf names;
};

static void tally_clear(struct tally *tally)
{
    mu_buf_clear(&tally->names);
}

static void tally_add(struct tally *tally, const char *name)
{
    if (tally->count < NAMED_MAX)
        mu_buf_addf(&tally->names, "%s%.80s", tally->count > 0 ? ", " : "", name);
    else if (tally->count == NAMED_MAX)
        mu_buf_adds(&tally->names, ", ...");
    tally->count++;
}

static void find_tally(struct visit *v, enum mu_symptom_code code, const struct tally *tally,
                       const char *one, const char *many)
{
    if (tally->count > 0)
        find(v, code, "%zu %s: %s", tally->count, tally->count == 1 ? one : many,
             mu_buf_str(&tally->names));
}

struct certificates {
    struct visit *visit;
    size_t valid;
    struct tally expiring, expired, weak, overlong;
};

struct succession {
    const struct mu_record *record;
    bool found;
};

static bool is_successor(void *arg, const struct mu_record *other)
{
    struct succession *s = arg;
    s->found =
        mu_str_equal(other->profile, s->record->profile) && other->not_after > s->record->not_after;
    return !s->found;
}

/* Has somebody renewed it already? */
static bool has_successor(struct visit *v, const struct mu_record *record)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct succession s = {.record = record};
    struct mu_store_filter filter = {.now = v->how->now,
                                     .name = record->name,
                                     .state = MU_STATE_VALID};
    return mu_store_each(v->store, &filter, is_successor, &s, &ignored) == 0 && s.found;
}

/* One that ends soon, or has ended not long ago. */
static bool look_at_end(void *arg, const struct mu_record *record)
{
    struct certificates *c = arg;
    time_t now = c->visit->how->now;
    int64_t left_s = (int64_t)record->not_after - now;
    int64_t whole_s = (int64_t)record->not_after - record->not_before;
    if (left_s >= whole_s / SOON_PART || has_successor(c->visit, record))
        return true;
    tally_add(left_s < 0 ? &c->expired : &c->expiring, record->name);
    return true;
}

static bool is_weakness(const char *id)
{
    static const char *const ids[] = {"key_too_small", "signature_too_weak", "unsupported_key_type",
                                      "certificate_malformed", "cert_is_v1"};
    for (size_t i = 0; i < MU_COUNT(ids); i++)
        if (mu_str_equal(ids[i], id))
            return true;
    return false;
}

static bool is_weak(const struct mu_record *record, time_t now)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_parse("the CA's records", record->der, record->der_len, &cert, &ignored) != 0 ||
        mu_cert_info_read(cert, now, &info, &ignored) != 0)
        return true;
    for (size_t i = 0; i < info.problem_ids.count; i++)
        if (is_weakness(info.problem_ids.at[i]))
            return true;
    return false;
}

static bool look_at_form(void *arg, const struct mu_record *record)
{
    struct certificates *c = arg;
    int64_t whole_s = (int64_t)record->not_after - record->not_before;
    c->valid++;
    if (whole_s > SERVER_LONGEST_DAYS * MU_DAY_S && !mu_str_equal(record->profile, "ca"))
        tally_add(&c->overlong, record->name);
    if (is_weak(record, c->visit->how->now))
        tally_add(&c->weak, record->name);
    return true;
}

static void look_at_certificates(struct visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    time_t now = v->how->now;
    if (v->store == NULL)
        return;
    struct certificates c = {.visit = v};
    struct mu_store_filter ends = {.now = now - EXPIRED_DAYS * MU_DAY_S,
                                   .expiring_before = now + CERT_SOON_DAYS * MU_DAY_S};
    struct mu_store_filter valid = {.now = now, .state = MU_STATE_VALID, .with_certificates = true};
    if (mu_store_each(v->store, &ends, look_at_end, &c, &err) != 0 ||
        (!v->how->quick && mu_store_each(v->store, &valid, look_at_form, &c, &err) != 0))
        find_error(v, MU_F_RECORDS_DAMAGED, &err);
    find_tally(v, MU_F_CERTS_EXPIRE, &c.expiring, "certificate ends soon and has no successor",
               "certificates end soon and have no successor");
    find_tally(v, MU_F_CERTS_EXPIRED, &c.expired, "certificate has expired and has no successor",
               "certificates have expired and have no successor");
    find_tally(v, MU_F_CERTS_WEAK, &c.weak, "certificate is too weak or malformed",
               "certificates are too weak or malformed");
    find_tally(v, MU_F_CERTS_OVERLONG, &c.overlong, "certificate is valid for more than 825 days",
               "certificates are valid for more than 825 days");
    if (c.expiring.count + c.expired.count + c.weak.count + c.overlong.count == 0) {
        if (v->how->quick)
            find(v, MU_F_CERTS_GOOD, "no certificate ends soon without a successor");
        else
            find(v, MU_F_CERTS_GOOD, "%zu valid certificate%s, none of which ends soon or is weak",
                 c.valid, c.valid == 1 ? "" : "s");
    }
    tally_clear(&c.expiring);
    tally_clear(&c.expired);
    tally_clear(&c.weak);
    tally_clear(&c.overlong);
}

/* --- The machine --- */

static bool note_time(void *arg, const struct mu_trail_entry *entry)
{
    time_t *newest = arg;
    if (entry->at > *newest)
        *newest = entry->at;
    return true;
}

/* A clock that is behind what has been done already is wrong, and dates certificates wrongly. */
static void look_at_clock(struct visit *v)
{
    const char *const paths[] = {v->home.cert, v->home.key, v->home.db};
    char hash[MU_HASH_LEN + 1], date[MU_DATE_LEN], newest_date[MU_DATE_LEN], span[MU_SPAN_LEN];
    struct mu_error ignored = MU_ERROR_INIT;
    struct stat st;
    time_t newest = 0;
    int64_t tip;
    if (v->store != NULL && mu_store_trail_tip(v->store, &tip, hash, &ignored) == 0 && tip > 0 &&
        mu_store_trail_each(v->store, tip, note_time, &newest, &ignored) != 0)
        newest = 0;
    for (size_t i = 0; i < MU_COUNT(paths); i++)
        if (stat(paths[i], &st) == 0 && st.st_mtime > newest)
            newest = st.st_mtime;
    mu_date(v->how->now, date);
    if (newest > v->how->now + CLOCK_TOLERANCE_S)
        find(v, MU_F_CLOCK_BEHIND,
             "this machine's clock says %s, but the CA was in use at %s: it is behind by %s or more",
             date, mu_date(newest, newest_date), mu_span(newest - v->how->now, span));
    else
        find(v, MU_F_CLOCK_GOOD, "the clock says %s, and is not behind what was done before", date);
}

/* Files that others must not even read. In `store` somebody may have written a password. */
static bool is_secret(const char *name)
{
    return mu_home_is_key(name) || mu_str_starts_with(name, "mutual.db") ||
           mu_str_equal(name, "store");
}

/* What a link leads to may be anybody's, but for what is secret, and the directory itself, whose name is "". */
static size_t judge_mode(struct visit *v, const char *name, const char *path, uid_t owner)
{
    struct stat st;
    size_t found = 0;
    bool secret = is_secret(name);
    bool is_link = *name != '\0' && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    if (stat(path, &st) != 0 || (is_link && !secret))
        return 0;
    if ((st.st_mode & 0022) != 0 && ++found > 0)
        find(v, MU_F_WRITABLE_BY_OTHERS, "%s can be written to by others than its owner (mode %04o)",
             path, (unsigned)st.st_mode & 07777);
    else if (S_ISREG(st.st_mode) && secret && (st.st_mode & 0077) != 0 && ++found > 0)
        find(v, MU_F_SECRET_OPEN, "%s can be read by others than its owner (mode %04o)", path,
             (unsigned)st.st_mode & 07777);
    if (st.st_uid != owner && !is_link && ++found > 0)
        find(v, MU_F_OWNER, "%s belongs to user %lu, the directory to user %lu", path,
             (unsigned long)st.st_uid, (unsigned long)owner);
    return found;
}

static void look_at_permissions(struct visit *v)
{
    char path[MU_PATH_LEN];
    struct mu_error ignored = MU_ERROR_INIT;
    struct stat st;
    if (stat(v->home.dir, &st) != 0)
        return;
    size_t found = judge_mode(v, "", v->home.dir, st.st_uid);
    DIR *dir = opendir(v->home.dir);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.' && !mu_home_is_aside(entry->d_name) &&
            mu_path_join(v->home.dir, entry->d_name, path, &ignored) == 0)
            found += judge_mode(v, entry->d_name, path, st.st_uid);
    if (dir != NULL)
        closedir(dir);
    if (found == 0)
        find(v, MU_F_PERMISSIONS_GOOD, "nobody else can read what is secret, or change anything");
}

enum mu_symptom_code mu_health_judge_room(unsigned long long free_bytes,
                                          unsigned long long free_files, bool counts_files)
{
    const unsigned long long mib = 1024 * 1024;
    if (free_bytes < FULL_MIB * mib || (counts_files && free_files < 10))
        return MU_F_DISK_FULL;
    return free_bytes < LOW_MIB * mib ? MU_F_DISK_LOW : MU_F_DISK_GOOD;
}

static void look_at_disk(struct visit *v)
{
    struct statvfs fs;
    if (statvfs(v->home.dir, &fs) != 0)
        return;
    unsigned long long room = (unsigned long long)fs.f_bavail * fs.f_frsize;
    find(v, mu_health_judge_room(room, fs.f_favail, fs.f_files > 0),
         "%llu MiB are free on the disk of %s", room / (1024 * 1024), v->home.dir);
}

/* --- All of it --- */

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

int mu_health_check(const struct mu_health *how, mu_symptom_fn *each, void *arg,
                    struct mu_error *err)
{
    /* The records are opened early: what they know is asked for by most of the others. */
    static void (*const looks[])(struct visit *) = {
        look_at_ca,     look_at_key,         look_at_policy,       look_at_records,
        look_at_trail,  look_at_hierarchy,   look_at_certificates, look_at_crl,
        look_at_backup, look_at_permissions, look_at_clock,        look_at_disk,
    };
    MU_AUTO_CLEAR(visit) v = {.how = how, .each = each, .arg = arg};
    if (mu_home_paths(how->home, &v.home, err) != 0)
        return -1;
    if (!is_there(v.home.cert) && !is_there(v.home.key) && !is_there(v.home.db))
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", how->home);
    for (size_t i = 0; i < MU_COUNT(looks); i++)
        looks[i](&v);
    return 0;
}
