#include "authority/health_visit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "authority/crl.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/info.h"
#include "pki/issue.h"
#include "pki/object.h"

enum {
    CRL_SOON_PART = 4, /* of a list's own time */
};

static bool count_revoked(void *arg, const struct mu_revoked *revoked)
{
    (void)revoked;
    ++*(size_t *)arg;
    return true;
}

/* How many were revoked or released behind this entry of the trail, and should be on a list. */
static size_t revoked_since(const struct mu_visit *v, const struct mu_crl_scope *scope, int64_t seq)
{
    struct mu_error ignored = MU_ERROR_INIT;
    size_t count = 0;
    return mu_store_each_revoked(v->store, scope, v->how->now, seq, count_revoked, &count,
                                 &ignored) == 0
               ? count
               : 0;
}

static void judge_list(struct mu_visit *v, const struct mu_crl_info *info,
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
        mu_visit_find(v, MU_F_CRL_OLD,
                      "ca.crl is number %s, but the last list that was made is number %s",
                      *have == '\0' ? "0" : have, number);
    if (info->this_update > now)
        mu_visit_find(v, MU_F_CRL_NOT_YET_VALID,
                      "the revocation list begins on %s, %s: whoever checks it refuses everybody",
                      mu_date(info->this_update, date), mu_relative(info->this_update, now, when));
    else if (info->next_update != 0 && now > info->next_update)
        mu_visit_find(
            v, MU_F_CRL_EXPIRED,
            "the revocation list is out of date since %s, %s: whoever checks it refuses everybody",
            date, when);
    else if (info->next_update != 0 && left_s < whole_s / CRL_SOON_PART)
        mu_visit_find(v, MU_F_CRL_EXPIRES, "the next revocation list is due %s, on %s", when, date);
    else
        mu_visit_find(v, MU_F_CRL_GOOD, "the revocation list has %zu certificate%s%s%s",
                      info->revoked, info->revoked == 1 ? "" : "s",
                      info->next_update == 0 ? "" : "; the next is due ",
                      info->next_update == 0 ? "" : when);
}

/* Certificates point to the list of their partition alone. */
static void look_at_partitions(struct mu_visit *v, const char *issuer)
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
            (last.next_update < v->how->now || last.this_update > v->how->now + MU_BACKDATE_S ||
             !mu_crl_is_in_place(&v->home, &scope, &last)))
            overdue++;
    }
    if (overdue > 0)
        mu_visit_find(v, MU_F_CRL_EXPIRED,
                      "of the lists of %d partitions %d %s out of date or missing", partitions,
                      overdue, overdue == 1 ? "is" : "are");
}

void mu_look_at_crl(struct mu_visit *v)
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
        mu_visit_find(v, MU_F_CRL_LACKS,
                      "%zu certificate%s revoked or released since the last list was made", lacking,
                      lacking == 1 ? " was" : "s were");
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        if (lacking > 0 || last.number != 0)
            mu_visit_find(v, MU_F_CRL_MISSING, "%s, but %s is not there",
                          last.number != 0 ? "a revocation list has been made"
                                           : "certificates are revoked",
                          path);
        else
            mu_visit_find(v, MU_F_CRL_GOOD, "no revocation list has been made; nothing is revoked");
        return;
    }
    struct mu_crl_info info;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, &err) != 0) {
        mu_visit_find_error(v, MU_F_CRL_UNREADABLE, &err);
    } else if (objects.at[0].crl == NULL) {
        mu_visit_find(v, MU_F_CRL_UNREADABLE, "%s holds %s, not a revocation list", path,
                      mu_object_kind_name(objects.at[0].kind));
    } else {
        if (v->cert != NULL && !mu_crl_is_signed_by(objects.at[0].crl, v->cert))
            mu_visit_find(v, MU_F_CRL_OLD, "%s does not begin with a list by the present CA", path);
        mu_crl_info(objects.at[0].crl, &info);
        judge_list(v, &info, &last);
    }
}
