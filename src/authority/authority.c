#include "authority/authority.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "authority/audit.h"
#include "authority/crl.h"
#include "authority/internal.h"
#include "authority/renew.h"

#include "base/str.h"
#include "base/time.h"
#include "pki/info.h"

/* What goes into the records about one certificate, and the memory behind it. */
struct paper {
    struct mu_cert_info info;
    struct mu_buf san, der;
    char sha256[MU_SHA256_LEN];
    struct mu_record record;
};

static void paper_clear(struct paper *paper)
{
    mu_cert_info_clear(&paper->info);
    mu_buf_clear(&paper->san);
    mu_buf_clear(&paper->der);
}

MU_AUTO_DEFINE_CLEAR(paper, paper_clear)

/* --- Using it --- */

int mu_authority_open(const char *dir, const struct mu_passphrase_source *source,
                      struct mu_authority **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_authority) authority = calloc(1, sizeof *authority);
    if (authority == NULL)
        return mu_fail_nomem(err);
    authority->lock = -1;
    if (source != NULL)
        authority->source = *source;
    struct mu_home *home = &authority->home;
    if (mu_home_paths(dir, home, err) != 0)
        return -1;
    if (access(home->cert, F_OK) != 0 && errno == ENOENT)
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", dir);
    if (mu_home_lock(home, MU_HOME_SHARED, &authority->lock, err) != 0 ||
        mu_hierarchy_load(home, &authority->ranks, err) != 0 ||
        mu_key_load(home->key, source, &authority->key, err) != 0)
        return -1;
    authority->cert = mu_cert_ref(authority->ranks.own.at[0]);
    if (mu_cert_match_key(authority->cert, authority->key, home->cert, home->key, err) != 0 ||
        mu_store_open(home->db, MU_STORE_WRITE, &authority->store, err) != 0)
        return -1;
    mu_cert_fingerprint(authority->cert, authority->sha256);
    mu_cert_key_sha256(authority->cert, authority->key_sha256);
    *ret = mu_take(&authority);
    return 0;
}

void mu_authority_free(struct mu_authority *authority)
{
    if (authority == NULL)
        return;
    mu_store_close(authority->store);
    mu_key_free(authority->key);
    mu_policy_free(authority->policy);
    mu_cert_free(authority->cert);
    mu_hierarchy_clear(&authority->ranks);
    mu_home_unlock(authority->lock);
    free(authority);
}

const struct mu_cert *mu_authority_cert(const struct mu_authority *authority)
{
    return authority->cert;
}

const struct mu_certs *mu_authority_behind(const struct mu_authority *authority)
{
    return &authority->ranks.behind;
}

const struct mu_certs *mu_authority_trust(const struct mu_authority *authority)
{
    return &authority->ranks.trust;
}

struct mu_store *mu_authority_store(struct mu_authority *authority)
{
    return authority->store;
}

/* --- Changing what it remembers --- */

static bool note_ca(void *arg, const struct mu_ca_record *ca)
{
    (void)ca;
    *(bool *)arg = true;
    return false;
}

/* The first change that is made under a CA certificate records it: after init, after an import, and in a home of
 * the time before there was a trail. What the CA signs with is proved by the signature at once. */
static int introduce_ca(struct mu_authority *authority, time_t now, struct mu_error *err)
{
    bool known = false;
    struct mu_store *store = authority->store;
    if (mu_store_ca_each(store, authority->sha256, note_ca, &known, err) != 0)
        return -1;
    if (known)
        return 0;
    char label[MU_CERT_LABEL_LEN], until[MU_DATE_LEN], detail[512];
    snprintf(detail, sizeof detail, "the CA \"%s\", until %s", mu_cert_label(authority->cert, label),
             mu_date(mu_cert_not_after(authority->cert), until));
    struct mu_act act = {.action = "ca", .sha256 = authority->sha256, .detail = detail};
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    mu_cert_to_der(authority->cert, &der);
    if (mu_buf_failed(&der))
        return mu_fail_nomem(err);
    struct mu_ca_record ca = {.sha256 = authority->sha256,
                              .key = authority->key_sha256,
                              .since = now,
                              .der = der.data,
                              .der_len = der.len};
    if (mu_store_ca_add(store, &ca, err) != 0 || mu_audit_add(store, &act, now, NULL, err) != 0)
        return -1;
    return mu_audit_sign(store, MU_AUDIT_NOW, authority->cert, authority->key, now, err);
}

/* The policy is a file that its owner edits; that it is another one is noted with the next change. */
static int note_policy(struct mu_authority *authority, time_t now, struct mu_error *err)
{
    char known[MU_SHA256_LEN], present[MU_SHA256_LEN] = "";
    struct mu_store *store = authority->store;
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    struct mu_error ignored = MU_ERROR_INIT;
    if (mu_store_setting(store, "policy", known, sizeof known, err) != 0)
        return -1;
    /* One that cannot be read stops what needs it, which is issuing; a revocation goes on. */
    if (mu_file_read(authority->home.policy, MU_FILE_LIMIT, &text, &ignored) == 0)
        mu_sha256(text.data, text.len, present);
    if (mu_str_equal(known, present))
        return 0;
    struct mu_act act = {.action = "policy",
                         .sha256 = present,
                         .detail = *present == '\0' ? "policy.yaml is gone; the built-in rules hold"
                                                    : "policy.yaml is a new one"};
    return mu_store_set(store, "policy", present, err) != 0
               ? -1
               : mu_audit_add(store, &act, now, NULL, err);
}

struct change {
    struct mu_authority *authority;
    mu_change_fn *change;
    void *arg;
    time_t now;
};

static int run_change(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct change *c = arg;
    if (introduce_ca(c->authority, c->now, err) != 0 ||
        note_policy(c->authority, c->now, err) != 0 || c->change(store, c->arg, err) != 0)
        return -1;
    return mu_audit_sign(store, MU_AUDIT_DAILY, c->authority->cert, c->authority->key, c->now, err);
}

int mu_authority_change(struct mu_authority *authority, mu_change_fn *change, void *arg, time_t now,
                        struct mu_error *err)
{
    struct change c = {authority, change, arg, now};
    return mu_store_change(authority->store, run_change, &c, err);
}

int mu_home_change(const struct mu_home *home, const struct mu_cert *cert, const struct mu_key *key,
                   mu_change_fn *change, void *arg, time_t now, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (mu_store_open(home->db, MU_STORE_WRITE, &store, err) != 0)
        return -1;
    struct mu_authority authority = {.home = *home,
                                     .lock = -1,
                                     .cert = (struct mu_cert *)cert,
                                     .key = (struct mu_key *)key,
                                     .store = store};
    mu_cert_fingerprint(cert, authority.sha256);
    mu_cert_key_sha256(cert, authority.key_sha256);
    return mu_authority_change(&authority, change, arg, now, err);
}

/* --- Issuing --- */

int mu_authority_policy(struct mu_authority *authority, const struct mu_policy **ret,
                        struct mu_error *err)
{
    if (authority->policy == NULL &&
        mu_policy_load_or_built_in(authority->home.policy, &authority->policy, err) != 0)
        return -1;
    *ret = authority->policy;
    return 0;
}

/* The one gate: whatever is issued has passed the policy here. */
static int issue_by(const struct mu_issuer *issuer, const struct mu_order *order,
                    const unsigned char serial[MU_SERIAL_LEN], const struct mu_pointers *pointers,
                    struct mu_cert **ret, struct mu_error *err)
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
        .draft = order->draft,
        .above = issuer->above,
        .below = order->below,
    };
    memcpy(issue.serial, serial, sizeof issue.serial);
    return mu_issue_leaf(issuer->cert, issuer->key, &issue, ret, err);
}

int mu_issue_by(const struct mu_issuer *issuer, const struct mu_order *order, struct mu_cert **ret,
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
                         struct mu_cert **ret, struct mu_error *err)
{
    struct mu_crl_urls urls;
    struct mu_pointers pointers;
    unsigned char serial[MU_SERIAL_LEN];
    char text[2 * MU_SERIAL_LEN + 1];
    struct mu_issuer issuer = {
        .cert = by->cert,
        .key = by->key,
        .above = &authority->ranks.above,
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
    struct mu_cert **certs;
    struct mu_crl_settings settings;
};

/* The certificate as a record. What `info` and the buffers hold is borrowed by it. */
static int describe(const struct batch *batch, size_t i, struct paper *ret, struct mu_error *err)
{
    const struct mu_order *order = &batch->orders[i];
    const struct mu_cert *cert = batch->certs[i];
    struct mu_cert_info *info = &ret->info;
    if (mu_cert_info_read(cert, order->now, info, err) != 0)
        return -1;
    for (size_t n = 0; n < info->san.count; n++)
        mu_buf_addf(&ret->san, "%s%s", n > 0 ? ", " : "", info->san.at[n]);
    mu_cert_to_der(cert, &ret->der);
    if (mu_buf_failed(&ret->san) || mu_buf_failed(&ret->der))
        return mu_fail_nomem(err);
    ret->record = (struct mu_record){
        .serial = info->serial,
        .name = mu_names_main(order->names),
        .profile = mu_profile_rules(order->profile)->name,
        .subject = info->subject,
        .san = mu_buf_str(&ret->san),
        .issuer = batch->by.key_sha256,
        .not_before = info->not_before,
        .not_after = info->not_after,
        .issued_at = order->now,
        .sha256 = mu_cert_fingerprint(cert, ret->sha256),
        .partition = mu_crl_partition(info->serial, batch->settings.partitions),
        .der = ret->der.data,
        .der_len = ret->der.len,
    };
    return 0;
}

static int record_all(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct batch *batch = arg;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->orders[i].draft)
            continue;
        MU_AUTO_CLEAR(paper) paper = {.san = MU_BUF_INIT, .der = MU_BUF_INIT};
        if (describe(batch, i, &paper, err) != 0 ||
            record_one(store, &paper.record, batch->orders[i].renews, err) != 0)
            return -1;
    }
    return 0;
}

static void free_all(struct mu_cert **certs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mu_cert_free(mu_take(&certs[i]));
}

/* Sign first, which takes time, and then record all at once: what was not recorded is thrown away unseen. */
static int issue_once(struct batch *batch, struct mu_error *err)
{
    struct mu_authority *authority = batch->authority;
    time_t now = 0;
    bool drafts_only = true;
    if (mu_crl_settings_read(authority->store, &batch->settings, err) != 0)
        return -1;
    for (size_t i = 0; i < batch->count; i++) {
        if (issue_at_home(authority, &batch->by, &batch->settings, &batch->orders[i],
                          &batch->certs[i], err) != 0)
            return -1;
        now = batch->orders[i].now;
        drafts_only = drafts_only && batch->orders[i].draft;
    }
    return drafts_only ? 0 : mu_authority_change(authority, record_all, batch, now, err);
}

static int issue_all(struct mu_authority *authority, const struct mu_ca *by,
                     const struct mu_order *orders, size_t count, struct mu_cert **ret,
                     struct mu_error *err)
{
    struct batch batch = {
        .authority = authority,
        .by = *by,
        .orders = orders,
        .count = count,
        .certs = ret,
    };
    for (size_t i = 0; i < count; i++)
        ret[i] = NULL;
    /* 135 random bits do not meet twice; but if they do, the store says so, and we draw again. */
    for (int tries = 0; tries < 3; tries++) {
        if (issue_once(&batch, err) == 0)
            return 0;
        free_all(ret, count);
        if (err->code != MU_E_EXISTS)
            return -1;
    }
    return -1;
}

int mu_authority_issue_all(struct mu_authority *authority, const struct mu_order *orders,
                           size_t count, struct mu_cert **ret, struct mu_error *err)
{
    const struct mu_ca present = {authority->cert, authority->key, authority->key_sha256};
    return issue_all(authority, &present, orders, count, ret, err);
}

int mu_authority_issue(struct mu_authority *authority, const struct mu_order *order,
                       struct mu_cert **ret, struct mu_error *err)
{
    const struct mu_ca present = {authority->cert, authority->key, authority->key_sha256};
    return mu_issue_as(authority, &present, order, ret, err);
}

int mu_issue_as(struct mu_authority *authority, const struct mu_ca *by,
                const struct mu_order *order, struct mu_cert **ret, struct mu_error *err)
{
    struct mu_cert *cert = NULL;
    if (issue_all(authority, by, order, 1, &cert, err) != 0)
        return -1;
    *ret = cert;
    return 0;
}
