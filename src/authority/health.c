#include "authority/health.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "authority/audit.h"
#include "authority/backup.h"
#include "authority/health_visit.h"
#include "authority/home.h"
#include "authority/policy.h"
#include "base/str.h"
#include "base/time.h"

enum {
    BACKUP_DAYS = 7,         /* with a change since */
    CLOCK_TOLERANCE_S = 120, /* machines that share a home differ */
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

static void visit_clear(struct mu_visit *v)
{
    mu_cert_free(v->cert);
    mu_store_close(v->store);
}
MU_AUTO_DEFINE_CLEAR(mu_visit, visit_clear)

void mu_visit_find(const struct mu_visit *v, enum mu_symptom_code code, const char *format, ...)
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

void mu_visit_find_error(const struct mu_visit *v, enum mu_symptom_code code,
                         const struct mu_error *err)
{
    mu_visit_find(v, code, "%.500s%s%s", err->what, *err->cause == '\0' ? "" : ": ", err->cause);
}

/* --- The policy and the records --- */

static void look_at_policy(struct mu_visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    if (mu_policy_load_or_built_in(v->home.policy, &policy, &err) != 0)
        mu_visit_find_error(v, MU_F_POLICY_UNREADABLE, &err);
    else
        mu_visit_find(v, MU_F_POLICY_GOOD,
                      *policy->path == '\0' ? "the built-in rules decide what is issued"
                                            : "policy.yaml decides what is issued");
}

static void look_at_records(struct mu_visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    if (mu_store_open(v->home.db, MU_STORE_READ, &v->store, &err) != 0)
        mu_visit_find_error(v, MU_F_RECORDS_UNREADABLE, &err);
    else if (v->how->quick)
        mu_visit_find(v, MU_F_RECORDS_GOOD, "the records can be read");
    else if (mu_store_check(v->store, &err) != 0)
        mu_visit_find_error(v, MU_F_RECORDS_DAMAGED, &err);
    else
        mu_visit_find(v, MU_F_RECORDS_GOOD, "the records are whole");
}

static void look_at_trail(struct mu_visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    struct mu_audit_verdict verdict;
    if (v->how->quick || v->cert == NULL || v->store == NULL)
        return;
    if (mu_audit_verify(v->store, v->cert, &verdict, &err) != 0)
        mu_visit_find_error(v, MU_F_RECORDS_DAMAGED, &err);
    else if (verdict.fault[0] != '\0')
        mu_visit_find(v, MU_F_TRAIL_BROKEN, "the audit trail is not what it was: %s", verdict.fault);
    else
        mu_visit_find(v, MU_F_TRAIL_GOOD,
                      "the audit trail is whole: %" PRId64 " entries, signed up to number %" PRId64,
                      verdict.entries, verdict.signed_up_to);
}

static void look_at_backup(struct mu_visit *v)
{
    struct mu_error err = MU_ERROR_INIT;
    char date[MU_DATE_LEN], when[MU_SPAN_LEN];
    time_t at;
    int64_t since;
    if (v->store == NULL || mu_backup_last(v->store, &at, &since, &err) != 0)
        return;
    if (at == 0 && mu_store_is_postgres(v->home.db)) {
        mu_visit_find(v, MU_F_BACKUP_GOOD, "the records are left to the backups of their database");
        return;
    }
    mu_date(at, date);
    mu_relative(at, v->how->now, when);
    if (at == 0)
        mu_visit_find(v, MU_F_BACKUP_NEVER, "no backup has been made");
    else if (since > 0 && v->how->now - at > BACKUP_DAYS * MU_DAY_S)
        mu_visit_find(v, MU_F_BACKUP_OLD,
                      "the last backup was made %s, on %s; %" PRId64 " change%s since", when, date,
                      since, since == 1 ? " has been made" : "s have been made");
    else
        mu_visit_find(v, MU_F_BACKUP_GOOD, "the last backup was made %s, on %s", when, date);
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
static void look_at_clock(struct mu_visit *v)
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
        mu_visit_find(
            v, MU_F_CLOCK_BEHIND,
            "this machine's clock says %s, but the CA was in use at %s: it is behind by %s or more",
            date, mu_date(newest, newest_date), mu_span(newest - v->how->now, span));
    else
        mu_visit_find(v, MU_F_CLOCK_GOOD,
                      "the clock says %s, and is not behind what was done before", date);
}

/* Files that others must not even read. In `store` somebody may have written a password. */
static bool is_secret(const char *name)
{
    return mu_home_is_key(name) || mu_str_starts_with(name, "mutual.db") ||
           mu_str_equal(name, "store");
}

/* What a link leads to may be anybody's, but for what is secret, and the directory itself, whose name is "". */
static size_t judge_mode(struct mu_visit *v, const char *name, const char *path, uid_t owner)
{
    struct stat st;
    size_t found = 0;
    bool secret = is_secret(name);
    bool is_link = *name != '\0' && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    if (stat(path, &st) != 0 || (is_link && !secret))
        return 0;
    if ((st.st_mode & 0022) != 0 && ++found > 0)
        mu_visit_find(v, MU_F_WRITABLE_BY_OTHERS,
                      "%s can be written to by others than its owner (mode %04o)", path,
                      (unsigned)st.st_mode & 07777);
    else if (S_ISREG(st.st_mode) && secret && (st.st_mode & 0077) != 0 && ++found > 0)
        mu_visit_find(v, MU_F_SECRET_OPEN, "%s can be read by others than its owner (mode %04o)",
                      path, (unsigned)st.st_mode & 07777);
    if (st.st_uid != owner && !is_link && ++found > 0)
        mu_visit_find(v, MU_F_OWNER, "%s belongs to user %lu, the directory to user %lu", path,
                      (unsigned long)st.st_uid, (unsigned long)owner);
    return found;
}

static void look_at_permissions(struct mu_visit *v)
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
        mu_visit_find(v, MU_F_PERMISSIONS_GOOD,
                      "nobody else can read what is secret, or change anything");
}

enum mu_symptom_code mu_health_judge_room(unsigned long long free_bytes,
                                          unsigned long long free_files, bool counts_files)
{
    const unsigned long long mib = 1024 * 1024;
    if (free_bytes < FULL_MIB * mib || (counts_files && free_files < 10))
        return MU_F_DISK_FULL;
    return free_bytes < LOW_MIB * mib ? MU_F_DISK_LOW : MU_F_DISK_GOOD;
}

static void look_at_disk(struct mu_visit *v)
{
    struct statvfs fs;
    if (statvfs(v->home.dir, &fs) != 0)
        return;
    unsigned long long room = (unsigned long long)fs.f_bavail * fs.f_frsize;
    mu_visit_find(v, mu_health_judge_room(room, fs.f_favail, fs.f_files > 0),
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
    static void (*const looks[])(struct mu_visit *) = {
        mu_look_at_ca,  mu_look_at_key,       look_at_policy,          look_at_records,
        look_at_trail,  mu_look_at_hierarchy, mu_look_at_certificates, mu_look_at_crl,
        look_at_backup, look_at_permissions,  look_at_clock,           look_at_disk,
    };
    MU_AUTO_CLEAR(mu_visit) v = {.how = how, .each = each, .arg = arg};
    if (mu_home_paths(how->home, &v.home, err) != 0)
        return -1;
    if (!is_there(v.home.cert) && !is_there(v.home.key) && !is_there(v.home.db))
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", how->home);
    for (size_t i = 0; i < MU_COUNT(looks); i++)
        looks[i](&v);
    return 0;
}
