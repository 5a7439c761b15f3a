#include "authority/crl.h"

#include <inttypes.h>
#include <stdio.h>

#include "authority/audit.h"
#include "authority/former.h"
#include "authority/internal.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/crl.h"
#include "pki/info.h"
#include "pki/object.h"

/* --- Settings --- */

struct settling {
    struct mu_crl_settings before, after;
    time_t now;
};

static int write_settings(struct mu_store *store, void *arg, struct mu_error *err)
{
    const struct settling *settling = arg;
    char before[MU_URL_LEN], text[MU_URL_LEN], detail[MU_URL_LEN + 64];
    struct mu_act act = {.action = "setting", .detail = detail};
    for (size_t i = 0; i < MU_CRL_SETTINGS; i++) {
        if (mu_str_equal(mu_crl_setting_text(&settling->before, i, before),
                         mu_crl_setting_text(&settling->after, i, text)))
            continue;
        snprintf(detail, sizeof detail, "%s is \"%s\"", mu_crl_setting_name(i), text);
        if (mu_store_set(store, mu_crl_setting_name(i), text, err) != 0 ||
            mu_audit_add(store, &act, settling->now, NULL, err) != 0)
            return -1;
    }
    return 0;
}

int mu_crl_settings_write(struct mu_authority *authority, const struct mu_crl_settings *settings,
                          time_t now, struct mu_error *err)
{
    struct settling settling = {.after = *settings, .now = now};
    if (mu_crl_settings_check(settings, err) != 0 ||
        mu_crl_settings_read(authority->store, &settling.before, err) != 0)
        return -1;
    return mu_crl_settings_same(&settling.before, settings)
               ? 0
               : mu_authority_change(authority, write_settings, &settling, now, err);
}

/* --- Lists --- */

struct publishing {
    struct mu_authority *authority;
    const struct mu_ca *by; /* whose lists are made: the present CA, or a former one */
    struct mu_buf pem;      /* what will be ca.crl */
    enum mu_publish what;
    time_t now;
    struct mu_formers formers;
    struct mu_certs lost; /* former CAs whose keys are not to be had */
    struct mu_error trouble;
    struct mu_crl_settings settings;
    struct mu_stage stage; /* what will be put into home once it is recorded */
    struct mu_published *ret;
};

/* One list: of which scope, complete or adding to which, and up to when. */
struct list {
    struct mu_crl_scope scope;
    struct mu_crl_record record;
    time_t not_ended_at;   /* entries whose certificate ended before are left out */
    int64_t changed_after; /* a delta's beginning in the trail */
    size_t entries;
};

struct drafting {
    struct mu_crl_draft *draft;
    size_t entries;
    int result;
    struct mu_error *err;
};

static bool add_entry(void *arg, const struct mu_revoked *revoked)
{
    struct drafting *d = arg;
    const struct mu_revocation *r = &revoked->revocation;
    bool released = r->at == 0;
    d->entries++;
    d->result =
        mu_crl_add(d->draft, revoked->serial, r->at,
                   released ? MU_REASON_REMOVE_FROM_CRL : r->reason, r->invalid_since, d->err);
    return d->result == 0;
}

static bool is_present(const struct publishing *p)
{
    return p->by->cert == p->authority->cert;
}

static int make(struct publishing *p, struct list *list, struct mu_buf *ret, struct mu_error *err)
{
    struct mu_crl_urls urls;
    struct mu_pointers pointers;
    mu_crl_pointers(&p->settings, p->by->key_sha256, list->scope.partition, &urls, &pointers);
    struct mu_crl_plan plan = {
        .ca = p->by->cert,
        .this_update =
            mu_crl_backdate(p->by->cert, list->record.this_update, list->record.next_update),
        .next_update = list->record.next_update,
        .number = list->record.number,
        .base = list->record.base,
        .only_for_url = list->scope.partition > 0 ? pointers.crl_url : NULL,
        .delta_url = pointers.delta_url,
    };
    MU_AUTO_STRUCT(mu_crl_draft) draft = NULL;
    if (mu_crl_begin(&plan, &draft, err) != 0)
        return -1;
    struct drafting d = {.draft = draft, .err = err};
    if (mu_store_each_revoked(p->authority->store, &list->scope, list->not_ended_at,
                              list->changed_after, add_entry, &d, err) != 0 ||
        d.result != 0)
        return -1;
    list->entries = d.entries;
    return mu_crl_finish(mu_take(&draft), p->by->key, ret, err);
}

/* The list goes into the trail and among the lists; complete ones of all into ca.crl, those with a URL into public/. */
static int keep(struct publishing *p, struct list *list, const struct mu_buf *der, bool record,
                struct mu_error *err)
{
    struct mu_authority *authority = p->authority;
    struct mu_store *store = authority->store;
    char detail[256], until[MU_DATE_LEN], path[MU_PATH_LEN], file[MU_CRL_FILE_LEN];
    char slice[32] = "";
    bool delta = list->record.base != 0;
    if (!delta && list->scope.partition == 0)
        mu_crl_der_to_pem(der, &p->pem);
    if (mu_buf_failed(&p->pem))
        return mu_fail_nomem(err);

    mu_sha256(der->data, der->len, list->record.sha256);
    if (list->scope.partition > 0)
        snprintf(slice, sizeof slice, " of partition %d", list->scope.partition);
    snprintf(detail, sizeof detail, "%s list %" PRId64 "%s, %zu revoked, until %s",
             delta ? "delta" : "complete", list->record.number, slice, list->entries,
             mu_date(list->record.next_update, until));
    struct mu_act act = {.action = "crl", .sha256 = list->record.sha256, .detail = detail};
    if (record && (mu_audit_add(store, &act, p->now, &list->record.seq, err) != 0 ||
                   mu_store_add_crl(store, &list->scope, &list->record, err) != 0))
        return -1;
    p->ret->lists++;
    if (p->settings.url[0] == '\0')
        return 0;
    mu_crl_file_name(p->by->key_sha256, list->scope.partition, delta ? "-delta.crl" : ".crl", file);
    if (mu_path_join(authority->home.public, file, path, err) != 0 ||
        mu_stage_add(&p->stage, path, der->data, der->len, 0644, err) != 0)
        return -1;
    if (p->what == MU_PUBLISH_DELTA && list->scope.partition == 0 && is_present(p))
        mu_str_copy(p->ret->path, sizeof p->ret->path, path);
    return 0;
}

static int make_and_keep(struct publishing *p, struct list *list, bool record, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    return make(p, list, &der, err) != 0 ? -1 : keep(p, list, &der, record, err);
}

static bool note_change(void *arg, const struct mu_revoked *revoked)
{
    (void)revoked;
    *(bool *)arg = true;
    return false;
}

/* Which entries a list that follows this one may leave out. A clock that was ahead for once has seen no certificate end. */
static time_t not_ended_at(const struct publishing *p, const struct mu_crl_record *before)
{
    return before->this_update < p->now ? before->this_update : p->now;
}

/* Behind a revocation, a partition in which nothing changed keeps its list; one that has none, one that begins later than now,
 * or another than the one that was recorded, gets one. */
static int is_up_to_date(struct publishing *p, const struct mu_crl_scope *scope,
                         const struct mu_crl_record *complete, bool *ret, struct mu_error *err)
{
    bool changed = false;
    *ret = false;
    if (p->what != MU_PUBLISH_CHANGED || scope->partition == 0 || complete->number == 0 ||
        complete->next_update <= p->now || complete->this_update > p->now ||
        !mu_crl_is_in_place(&p->authority->home, scope, complete))
        return 0;
    if (mu_store_each_revoked(p->authority->store, scope, 0, complete->seq, note_change, &changed,
                              err) != 0)
        return -1;
    *ret = !changed;
    return 0;
}

/* What the caller hears of is the list of all certificates. */
static void tell(struct publishing *p, const struct list *list)
{
    if (list->scope.partition != 0)
        return;
    p->ret->revoked += list->entries; /* ca.crl has those of former keys, too */
    if (!is_present(p))
        return;
    p->ret->number = list->record.number;
    p->ret->base = list->record.base;
    p->ret->next_update = list->record.next_update;
}

/* A delta adds to the oldest complete list that somebody may still hold. Made together with a complete list it has
 * that one's number, and is no list of its own in the records. [RFC 5280 5.2.3, 5.2.4] */
static int publish_delta(struct publishing *p, const struct mu_crl_scope *scope, int64_t number,
                         bool alone, struct mu_error *err)
{
    struct mu_crl_record base;
    if (mu_store_base_crl(p->authority->store, scope, p->now, &base, err) != 0)
        return -1;
    if (base.number == 0) {
        mu_fail(err, MU_E_USAGE,
                "there is no complete revocation list that has not run out, to add to");
        return mu_hint(err, "make one first: mutual crl");
    }
    struct list list = {
        .scope = *scope,
        .record = {.number = number,
                   .base = base.number,
                   .this_update = p->now,
                   .next_update = p->now + MU_CRL_DELTA_LIFETIME_S},
        .not_ended_at = not_ended_at(p, &base),
        .changed_after = base.seq,
    };
    if (make_and_keep(p, &list, alone, err) != 0)
        return -1;
    if (alone)
        tell(p, &list);
    return 0;
}

static int publish_scope(struct publishing *p, int partition, struct mu_error *err)
{
    struct mu_store *store = p->authority->store;
    struct mu_crl_scope scope = {.issuer = p->by->key_sha256, .partition = partition};
    struct mu_crl_record last, complete;
    bool up_to_date;
    if (mu_store_last_crl(store, &scope, false, &last, err) != 0 ||
        mu_store_last_crl(store, &scope, true, &complete, err) != 0 ||
        is_up_to_date(p, &scope, &complete, &up_to_date, err) != 0)
        return -1;
    if (up_to_date)
        return 0;
    int64_t number = (int64_t)p->now * 1000;
    if (number <= last.number)
        number = last.number + 1;
    if (p->what == MU_PUBLISH_DELTA)
        return publish_delta(p, &scope, number, true, err);

    struct list list = {
        .scope = scope,
        .record = {.number = number,
                   .this_update = p->now,
                   .next_update = p->now + p->settings.lifetime_s},
        .not_ended_at = not_ended_at(p, &complete),
        .changed_after = MU_CHANGED_EVER,
    };
    if (make_and_keep(p, &list, true, err) != 0)
        return -1;
    tell(p, &list);
    return p->settings.deltas ? publish_delta(p, &scope, number, false, err) : 0;
}

/* The certificate as the world fetches it. */
static int publish_cert(struct publishing *p, struct mu_error *err)
{
    struct mu_authority *authority = p->authority;
    char path[MU_PATH_LEN], file[MU_CRL_FILE_LEN];
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    if (p->settings.url[0] == '\0')
        return 0;
    mu_cert_to_der(p->by->cert, &der);
    if (mu_buf_failed(&der))
        return mu_fail_nomem(err);
    mu_crl_file_name(p->by->key_sha256, 0, ".crt", file);
    if (mu_dir_make(authority->home.public, 0755, err) != 0 ||
        mu_path_join(authority->home.public, file, path, err) != 0)
        return -1;
    return mu_stage_add(&p->stage, path, der.data, der.len, 0644, err);
}

static int publish_by(struct publishing *p, const struct mu_ca *by, struct mu_error *err)
{
    int partitions;
    p->by = by;
    if (publish_cert(p, err) != 0 ||
        mu_crl_partitions(p->authority->store, &p->settings, by->key_sha256, &partitions, err) != 0)
        return -1;
    for (int partition = 0; partition <= partitions; partition++)
        if (publish_scope(p, partition, err) != 0)
            return -1;
    return 0;
}

/* What ca.crl says for former CAs whose keys are not to be had goes on being said. */
static int keep_lost(struct publishing *p, struct mu_error *err)
{
    struct mu_error why = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_crls) before = {0};
    if (p->lost.count == 0 || p->pem.len == 0)
        return 0;
    if (mu_crls_load(p->authority->home.crl, &before, &why) != 0 && why.code != MU_E_NOT_FOUND) {
        *err = why;
        return -1;
    }
    for (size_t i = 0; i < p->lost.count; i++)
        for (size_t k = 0; k < before.count; k++)
            if (mu_crl_is_signed_by(before.at[k], p->lost.at[i]))
                mu_crl_to_pem(before.at[k], &p->pem);
    return mu_buf_failed(&p->pem) ? mu_fail_nomem(err) : 0;
}

/* The present CA's list comes first in ca.crl. Whoever checks all of a chain needs the root's, too, which is not ours to
 * make; that it is not there is no failure. */
static int stage_pem(struct publishing *p, struct mu_error *err)
{
    struct mu_error why = MU_ERROR_INIT;
    const struct mu_home *home = &p->authority->home;
    if (p->pem.len == 0)
        return 0;
    if (mu_file_read(home->root_crl, MU_FILE_LIMIT, &p->pem, &why) != 0 &&
        why.code != MU_E_NOT_FOUND) {
        *err = why;
        return -1;
    }
    return mu_stage_add(&p->stage, home->crl, p->pem.data, p->pem.len, 0644, err);
}

static int publish_all(struct mu_store *store, void *arg, struct mu_error *err)
{
    struct publishing *p = arg;
    const struct mu_authority *authority = p->authority;
    const struct mu_ca present = {authority->cert, authority->key, authority->key_sha256};
    mu_stage_clear(&p->stage); /* of an attempt that collided with another change */
    mu_buf_clear(&p->pem);
    p->stage.replace = p->stage.apart = true;
    *p->ret = (struct mu_published){.number = 0, .trouble = p->trouble};
    mu_str_copy(p->ret->path, sizeof p->ret->path, authority->home.crl);
    if (mu_crl_settings_read(store, &p->settings, err) != 0)
        return -1;
    if (p->what == MU_PUBLISH_DELTA && !p->settings.deltas) {
        mu_fail(err, MU_E_USAGE, "this CA makes no delta lists, and no certificate points to one");
        return mu_hint(err, "turn them on with: mutual crl --deltas on");
    }
    if (publish_by(p, &present, err) != 0)
        return -1;
    for (size_t i = 0; i < p->formers.count; i++)
        if (publish_by(p, &p->formers.at[i].ca, err) != 0)
            return -1;
    return keep_lost(p, err) != 0 || stage_pem(p, err) != 0
               ? -1
               : mu_audit_sign(store, MU_AUDIT_NOW, authority->cert, authority->key, p->now, err);
}

static int load_formers(struct publishing *p, struct mu_error *err)
{
    const struct mu_home *home = &p->authority->home;
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    if (mu_former_certs(home, p->now, &certs, err) != 0)
        return -1;
    for (size_t i = 0; i < certs.count; i++) {
        struct mu_error why = MU_ERROR_INIT;
        char key_sha256[MU_SHA256_LEN];
        mu_cert_key_sha256(certs.at[i], key_sha256);
        if (mu_formers_load(home, key_sha256, &p->authority->source, p->now, &p->formers, &why) == 0)
            continue;
        p->trouble = why;
        if (mu_certs_add(&p->lost, mu_cert_ref(certs.at[i]), err) != 0)
            return -1;
    }
    return 0;
}

int mu_authority_publish(struct mu_authority *authority, enum mu_publish what, time_t now,
                         struct mu_published *ret, struct mu_error *err)
{
    int lock = -1;
    struct publishing p = {.authority = authority,
                           .what = what,
                           .now = now,
                           .pem = MU_BUF_INIT,
                           .stage = MU_STAGE_INIT,
                           .trouble = MU_ERROR_INIT,
                           .ret = ret};
    /* Before the lock: it may ask for a passphrase, and nobody should wait for the answer. */
    int result = load_formers(&p, err);
    /* The lists are whole on the disk, without names yet, when they are recorded, and get their names at once behind
     * that; nobody else puts lists into this home meanwhile, so that an older one never takes a newer one's place. */
    if (result == 0)
        result = mu_home_lock_files(&authority->home, &lock, err);
    if (result == 0)
        result = mu_authority_change(authority, publish_all, &p, now, err);
    if (result == 0)
        result = mu_stage_commit(&p.stage, err);
    mu_stage_clear(&p.stage);
    mu_buf_clear(&p.pem);
    mu_formers_clear(&p.formers);
    mu_certs_clear(&p.lost);
    mu_home_unlock(lock);
    return result;
}

/* --- Whether they follow --- */

struct lag {
    struct mu_store *store;
    bool found;
};

static bool look_behind_list(void *arg, const struct mu_ca_record *ca)
{
    struct lag *lag = arg;
    const struct mu_crl_scope scope = {.issuer = ca->key};
    struct mu_crl_record last;
    struct mu_error ignored = MU_ERROR_INIT;
    if (mu_store_last_crl(lag->store, &scope, true, &last, &ignored) != 0 ||
        mu_store_each_revoked(lag->store, &scope, 0, last.number == 0 ? MU_CHANGED_EVER : last.seq,
                              note_change, &lag->found, &ignored) != 0)
        lag->found = true;
    return !lag->found;
}

static bool is_in_place(const struct mu_authority *authority)
{
    const struct mu_crl_scope scope = {.issuer = authority->key_sha256};
    char number[32];
    struct mu_crl_record last;
    struct mu_crl_info info;
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_store_last_crl(authority->store, &scope, true, &last, &ignored) != 0 ||
        (last.number != 0 && (mu_objects_load(authority->home.crl, &objects, &ignored) != 0 ||
                              objects.at[0].crl == NULL)))
        return false;
    if (last.number == 0)
        return true;
    mu_crl_info(objects.at[0].crl, &info);
    snprintf(number, sizeof number, "%" PRIX64, (uint64_t)last.number);
    return mu_str_equal(info.number + strspn(info.number, "0"), number);
}

bool mu_authority_lists_lag(struct mu_authority *authority)
{
    struct mu_error ignored = MU_ERROR_INIT;
    struct lag lag = {.store = authority->store};
    return mu_store_ca_each(authority->store, NULL, look_behind_list, &lag, &ignored) != 0 ||
           lag.found || !is_in_place(authority);
}
