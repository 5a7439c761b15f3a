/* Taking a certificate back, and giving back one that was only on hold. */

#include <stdio.h>

#include "authority/audit.h"
#include "authority/compare.h"
#include "authority/internal.h"
#include "base/str.h"
#include "base/time.h"

struct taking_back {
    const char *serial;
    struct mu_revocation wanted; /* at 0: release */
    time_t now;
    struct mu_revocation present;
    char name[MU_CERT_LABEL_LEN];
};

static bool note_present(void *arg, const struct mu_record *record)
{
    struct taking_back *t = arg;
    t->present = record->revocation;
    mu_str_copy(t->name, sizeof t->name, record->name);
    return false;
}

/* Does this change make sense? What is on hold may be released or revoked for good; nothing else changes. */
static int check(const struct taking_back *t, struct mu_error *err)
{
    bool revoke = t->wanted.at != 0, is = t->present.at != 0;
    bool on_hold = is && t->present.reason == MU_REASON_HOLD;
    char date[MU_DATE_LEN];
    mu_date(t->present.at, date);
    if (!revoke && !is)
        return mu_fail(err, MU_E_NOT_REVOKED, "\"%s\" (%s) is not revoked", t->name, t->serial);
    if (!revoke && !on_hold) {
        mu_fail(err, MU_E_NOT_REVOKED, "\"%s\" (%s) was revoked on %s for good: %s", t->name,
                t->serial, date, mu_reason_name(t->present.reason));
        return mu_hint(err, "issue a new certificate: mutual issue");
    }
    if (revoke && on_hold && t->wanted.reason == MU_REASON_HOLD) {
        mu_fail(err, MU_E_REVOKED, "\"%s\" (%s) is on hold already, since %s", t->name, t->serial,
                date);
        return mu_hint(
            err, "take the hold back with --release, or revoke it for good with another --reason");
    }
    if (revoke && is && !on_hold)
        return mu_fail(err, MU_E_REVOKED, "\"%s\" (%s) is revoked already, since %s: %s", t->name,
                       t->serial, date, mu_reason_name(t->present.reason));
    return 0;
}

static int take_back(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct taking_back *t = arg;
    struct mu_revocation revocation = t->wanted;
    bool hold = revocation.reason == MU_REASON_HOLD;
    char detail[MU_DETAIL_LEN];
    int64_t seq;
    if (mu_store_find(store, t->serial, note_present, t, err) != 0 || check(t, err) != 0)
        return -1;
    if (revocation.at != 0 && t->present.at != 0)
        revocation.at = t->present.at; /* it has not been good since it was put on hold */
    struct mu_act act = {.action = revocation.at == 0 ? "release"
                                   : hold             ? "hold"
                                                      : "revoke",
                         .serial = t->serial,
                         .detail = mu_revocation_detail(t->name, &revocation, detail)};
    if (mu_audit_add(store, &act, t->now, &seq, err) != 0)
        return -1;
    return mu_store_revoke(store, t->serial, &revocation, seq, err);
}

int mu_authority_revoke(struct mu_authority *authority, const char *serial,
                        const struct mu_revocation *revocation, struct mu_error *err)
{
    struct taking_back t = {.serial = serial, .wanted = *revocation, .now = revocation->at};
    if (revocation->invalid_since > revocation->at) {
        mu_fail(err, MU_E_USAGE, "a certificate cannot be revoked from a time in the future on");
        return mu_hint(err, "leave --at out to revoke it now");
    }
    return mu_authority_change(authority, take_back, &t, t.now, err);
}

int mu_authority_release(struct mu_authority *authority, const char *serial, time_t now,
                         struct mu_error *err)
{
    struct taking_back t = {.serial = serial, .now = now};
    return mu_authority_change(authority, take_back, &t, now, err);
}
