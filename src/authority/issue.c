/* Certificates by the authority: each has passed the policy, and is on record before it is given. */

#include <stdio.h>
#include <string.h>

#include "authority/audit.h"
#include "authority/crl.h"
#include "authority/internal.h"
#include "authority/renew.h"
#include "base/time.h"
#include "pki/issue.h"

/* --- By the policy --- */

/* The one gate: whatever is issued has passed the policy here. */
static int issue_by(const struct mu_issuer *issuer, const struct mu_order *order,
                    const unsigned char serial[MU_SERIAL_LEN], const struct mu_pointers *pointers,
                    struct mu_issued *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_ruling) ruling = {0};
    if (mu_policy_judge(issuer->policy, order, &ruling, err) != 0 ||
        mu_ruling_check(&ruling, issuer->policy, order, err) != 0)
        return -1;
    struct mu_issue issue = {
        .profile = order->profile,
        .key = order->key,
        .names = order->names,
        .now = order->now,
        .lifetime_s = ruling.lifetime_s,
        .pointers = *pointers,
        .extensions = ruling.rules->made,
        .extension_count = ruling.rules->extension_count,
        .proven = issuer->proven,
        .draft = order->draft,
        .above = issuer->above,
        .below = order->below,
    };
    memcpy(issue.serial, serial, sizeof issue.serial);
    return mu_issue_make(issuer->cert, issuer->key, &issue, ret, err);
}

int mu_issue_by(const struct mu_issuer *issuer, const struct mu_order *order, struct mu_issued *ret,
                struct mu_error *err)
{
    const struct mu_pointers nowhere = {0};
    unsigned char serial[MU_SERIAL_LEN];
    return mu_serial_make(serial, err) != 0 ? -1
                                            : issue_by(issuer, order, serial, &nowhere, ret, err);
}

/* What has a home also points to where it is told whether it is still good; but whoever tells it is not asked about. */
static int issue_at_home(struct mu_authority *authority, const struct mu_ca *by,
                         const struct mu_crl_settings *settings, const struct mu_order *order,
                         bool proven, struct mu_issued *ret, struct mu_error *err)
{
    struct mu_crl_urls urls;
    struct mu_pointers pointers;
    unsigned char serial[MU_SERIAL_LEN];
    char text[2 * MU_SERIAL_LEN + 1];
    struct mu_issuer issuer = {
        .cert = by->cert,
        .key = by->key,
        .above = &authority->ranks.above,
        .proven = proven,
    };
    if (mu_authority_policy(authority, &issuer.policy, err) != 0 || mu_serial_make(serial, err) != 0)
        return -1;
    for (size_t i = 0; i < MU_SERIAL_LEN; i++)
        snprintf(text + 2 * i, 3, "%02X", serial[i]);
    mu_crl_pointers(settings, by->key_sha256, mu_crl_partition(text, settings->partitions), &urls,
                    &pointers);
    if (order->profile == MU_PROFILE_OCSP)
        pointers = (struct mu_pointers){0};
    return issue_by(&issuer, order, serial, &pointers, ret, err);
}

static int record_one(struct mu_store *store, const struct mu_record *record, const char *renews,
                      struct mu_error *err)
{
    char until[MU_DATE_LEN], detail[512];
    snprintf(detail, sizeof detail, "%s \"%s\", until %s%s%s", record->profile, record->name,
             mu_date(record->not_after, until), renews == NULL ? "" : ", in the place of ",
             renews == NULL ? "" : renews);
    if (renews != NULL && mu_renewal_check(store, renews, err) != 0)
        return -1;
    struct mu_act act = {.action = renews == NULL ? "issue" : "renew",
                         .serial = record->serial,
                         .sha256 = record->sha256,
                         .detail = detail};
    return mu_store_add(store, record, err) != 0
               ? -1
               : mu_audit_add(store, &act, record->issued_at, NULL, err);
}

struct batch {
    struct mu_authority *authority;
    struct mu_ca by;
    const struct mu_order *orders;
    size_t count;
    struct mu_issued *issued; /* nothing in it: this one cannot be issued */
    struct mu_error *whys;
    struct mu_crl_settings settings;
};

static struct mu_record record_of(const struct batch *batch, size_t i)
{
    const struct mu_order *order = &batch->orders[i];
    const struct mu_issued *issued = &batch->issued[i];
    return (struct mu_record){
        .serial = issued->serial,
        .name = mu_names_main(order->names),
        .profile = mu_profile_rules(order->profile)->name,
        .subject = issued->subject,
        .san = mu_buf_str(&issued->san),
        .issuer = batch->by.key_sha256,
        .not_before = issued->not_before,
        .not_after = issued->not_after,
        .issued_at = order->now,
        .sha256 = issued->sha256,
        .partition = mu_crl_partition(issued->serial, batch->settings.partitions),
        .der = issued->der.data,
        .der_len = issued->der.len,
    };
}

static int record_all(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct batch *batch = arg;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->issued[i].der.len == 0 || batch->orders[i].draft)
            continue;
        const struct mu_record record = record_of(batch, i);
        if (record_one(store, &record, batch->orders[i].renews, err) != 0)
            return -1;
    }
    return 0;
}

static void forget_all(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        mu_issued_clear(&batch->issued[i]);
        batch->issued[i] = (struct mu_issued)MU_ISSUED_INIT;
    }
}

/* Sign first, which takes time, and then record all at once: what was not recorded is thrown away unseen. That the
 * key signs as the CA's certificate says is seen at the first. */
static int issue_once(struct batch *batch, struct mu_error *err)
{
    struct mu_authority *authority = batch->authority;
    time_t now = 0;
    bool any = false;
    if (mu_crl_settings_read(authority->store, &batch->settings, err) != 0)
        return -1;
    for (size_t i = 0; i < batch->count; i++) {
        const struct mu_order *order = &batch->orders[i];
        if (issue_at_home(authority, &batch->by, &batch->settings, order, any, &batch->issued[i],
                          &batch->whys[i]) != 0)
            continue;
        now = order->now;
        any = any || !order->draft;
    }
    return any ? mu_authority_change(authority, record_all, batch, now, err) : 0;
}

static int issue_each(struct mu_authority *authority, const struct mu_ca *by,
                      const struct mu_order *orders, size_t count, struct mu_issued *ret,
                      struct mu_error *ret_whys, struct mu_error *err)
{
    struct batch batch = {.authority = authority,
                          .by = *by,
                          .orders = orders,
                          .count = count,
                          .issued = ret,
                          .whys = ret_whys};
    /* 135 random bits do not meet twice; but if they do, the store says so, and we draw again. */
    for (int tries = 0; tries < 3; tries++) {
        if (issue_once(&batch, err) == 0)
            return 0;
        forget_all(&batch);
        if (err->code != MU_E_EXISTS)
            return -1;
    }
    return -1;
}

static struct mu_ca present(const struct mu_authority *authority)
{
    return (struct mu_ca){authority->cert, authority->key, authority->key_sha256};
}

int mu_authority_issue_each(struct mu_authority *authority, const struct mu_order *orders,
                            size_t count, struct mu_issued *ret, struct mu_error *ret_whys,
                            struct mu_error *err)
{
    const struct mu_ca by = present(authority);
    return issue_each(authority, &by, orders, count, ret, ret_whys, err);
}

int mu_authority_issue(struct mu_authority *authority, const struct mu_order *order,
                       struct mu_cert **ret, struct mu_error *err)
{
    const struct mu_ca by = present(authority);
    return mu_issue_as(authority, &by, order, ret, err);
}

int mu_issue_as(struct mu_authority *authority, const struct mu_ca *by,
                const struct mu_order *order, struct mu_cert **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    struct mu_error why = MU_ERROR_INIT;
    if (issue_each(authority, by, order, 1, &issued, &why, err) != 0)
        return -1;
    if (issued.der.len > 0)
        return mu_issued_cert(&issued, ret, err);
    *err = why;
    return -1;
}
