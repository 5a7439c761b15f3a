#include "authority/rollover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "authority/audit.h"
#include "authority/former.h"
#include "authority/internal.h"
#include "base/time.h"
#include "pki/issue.h"
#include "pki/token.h"

enum { NAMED_MAX = 5 };

/* --- How it stands --- */

void mu_rollover_state_clear(struct mu_rollover_state *state)
{
    mu_cert_free(state->root);
    mu_certs_clear(&state->old);
    mu_strs_clear(&state->names);
}

/* The present root, and what leads to it. */
struct look {
    struct mu_store *store;
    time_t now;
    char sha256[MU_SHA256_LEN]; /* of the first CA certificate under the present root; "": none yet */
    struct mu_strs keys; /* that the present root has certified, as the issuers in the records */
    int64_t seq;         /* of the trail's entry about the first; 0: not looked for yet */
    struct mu_rollover_state *ret;
    int result;
    struct mu_error *err;
};

static void look_clear(struct look *look)
{
    mu_strs_clear(&look->keys);
}
MU_AUTO_DEFINE_CLEAR(look, look_clear)

static bool note_ca(void *arg, const struct mu_ca_record *ca)
{
    struct look *look = arg;
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    if (mu_cert_parse("the CA's records", ca->der, ca->der_len, &cert, &ignored) != 0 ||
        !mu_cert_is_signed_by(cert, look->ret->root))
        return true;
    if (look->sha256[0] == '\0') {
        mu_str_copy(look->sha256, sizeof look->sha256, ca->sha256);
        look->ret->since = ca->since;
    }
    if (mu_strs_add(&look->keys, ca->key) != 0)
        look->result = mu_fail_nomem(look->err);
    return look->result == 0;
}

static bool note_ca_entry(void *arg, const struct mu_trail_entry *entry)
{
    struct look *look = arg;
    if (!mu_str_equal(entry->action, "ca") || !mu_str_equal(entry->sha256, look->sha256))
        return true;
    look->seq = entry->seq;
    return false;
}

static bool note_issue_entry(void *arg, const struct mu_trail_entry *entry)
{
    if (!mu_str_equal(entry->action, "issue") && !mu_str_equal(entry->action, "renew"))
        return true;
    *(int64_t *)arg = entry->seq;
    return false;
}

/* In the second in which the new root came, the trail knows what was first. */
static bool came_after_in_that_second(struct look *look, const struct mu_record *record)
{
    int64_t seq = 0;
    if ((look->seq == 0 &&
         mu_store_trail_each(look->store, 1, note_ca_entry, look, look->err) != 0) ||
        mu_store_trail_about(look->store, record->serial, note_issue_entry, &seq, look->err) != 0) {
        look->result = -1;
        return false;
    }
    return seq > look->seq;
}

/* By a key that the present root has certified, and since then. */
static bool leads_to_present(struct look *look, const struct mu_record *record)
{
    bool certified = false;
    for (size_t i = 0; i < look->keys.count; i++)
        certified = certified || mu_str_equal(look->keys.at[i], record->issuer);
    if (!certified || record->issued_at < look->ret->since)
        return false;
    return record->issued_at > look->ret->since || came_after_in_that_second(look, record);
}

struct succession {
    struct look *look;
    const struct mu_record *record;
    bool found;
};

static bool note_successor(void *arg, const struct mu_record *other)
{
    struct succession *s = arg;
    s->found = mu_str_equal(other->profile, s->record->profile) && leads_to_present(s->look, other);
    return !s->found && s->look->result == 0;
}

static bool has_successor(struct look *look, const struct mu_record *record)
{
    struct succession s = {.look = look, .record = record};
    const struct mu_store_filter same_name = {.now = look->now,
                                              .name = record->name,
                                              .state = MU_STATE_VALID};
    if (mu_store_each(look->store, &same_name, note_successor, &s, look->err) != 0)
        look->result = -1;
    return s.found;
}

/* A responder's certificate renews itself. */
static bool count(void *arg, const struct mu_record *record)
{
    struct look *look = arg;
    struct mu_rollover_state *ret = look->ret;
    if (mu_str_equal(record->profile, mu_profile_rules(MU_PROFILE_OCSP)->name))
        return true;
    bool moved = leads_to_present(look, record);
    ret->moved += moved;
    if (look->result != 0 || moved || has_successor(look, record))
        return look->result == 0;
    ret->in_use++;
    if (record->not_after > ret->last_end)
        ret->last_end = record->not_after;
    if (ret->in_use <= NAMED_MAX && mu_strs_add(&ret->names, record->name) != 0)
        look->result = mu_fail_nomem(look->err);
    return look->result == 0;
}

static int look_at(const struct mu_home *home, const struct mu_hierarchy *ranks, time_t now,
                   struct mu_rollover_state *ret, struct mu_error *err)
{
    const struct mu_store_filter valid = {.now = now, .state = MU_STATE_VALID};
    MU_AUTO_CLEAR(look) look = {.now = now, .ret = ret, .err = err};
    if (ranks->trust.count == 0)
        return mu_fail(err, MU_E_NOT_FOUND, "the root of the CA in %s is not known", home->dir);
    ret->root = mu_cert_ref(ranks->trust.at[0]);
    for (size_t i = 1; i < ranks->trust.count; i++)
        if (mu_certs_add(&ret->old, mu_cert_ref(ranks->trust.at[i]), err) != 0)
            return -1;
    ret->under_way = ret->old.count > 0;
    if (!ret->under_way)
        return 0;
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (mu_store_open(home->db, MU_STORE_READ, &store, err) != 0)
        return -1;
    look.store = store;
    return mu_store_ca_each(store, NULL, note_ca, &look, err) != 0 || look.result != 0 ||
                   mu_store_each(store, &valid, count, &look, err) != 0
               ? -1
               : look.result;
}

static int load(const char *dir, struct mu_home *ret_home, struct mu_hierarchy *ret,
                struct mu_error *err)
{
    if (mu_home_paths(dir, ret_home, err) != 0)
        return -1;
    if (access(ret_home->cert, F_OK) != 0 && errno == ENOENT)
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", dir);
    return mu_hierarchy_load(ret_home, ret, err);
}

int mu_rollover_look(const char *dir, time_t now, struct mu_rollover_state *ret,
                     struct mu_error *err)
{
    struct mu_home home;
    MU_AUTO_CLEAR(mu_hierarchy) ranks = {0};
    return load(dir, &home, &ranks, err) != 0 ? -1 : look_at(&home, &ranks, now, ret, err);
}

/* --- Start --- */

/* What is needed on the way. The keys of an authority that is a root itself are its own. */
struct work {
    const struct mu_rollover *how;
    struct mu_home home;
    struct mu_hierarchy before;
    bool alone; /* the CA is the root */
    struct mu_key *key, *old_root_key;
    struct mu_secret passphrase; /* of the old root's key */
    struct mu_key *new_root_key;
    struct mu_cert *root, *cert, *new_by_old, *old_by_new;
    struct mu_buf root_lists;
};

static void work_clear(struct work *work)
{
    mu_hierarchy_clear(&work->before);
    mu_key_free(work->key);
    mu_key_free(work->old_root_key);
    mu_secret_clear(&work->passphrase);
    mu_key_free(work->new_root_key);
    mu_cert_free(work->root);
    mu_cert_free(work->cert);
    mu_cert_free(work->new_by_old);
    mu_cert_free(work->old_by_new);
    mu_buf_clear(&work->root_lists);
}
MU_AUTO_DEFINE_CLEAR(work, work_clear)

static const struct mu_cert *old_root(const struct work *work)
{
    return work->before.trust.at[0];
}

/* Hands on what it is told, and keeps it for the successor: a passphrase, not the PIN of a token. */
static int overhear(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    struct work *work = arg;
    const struct mu_passphrase_source *source = work->how->source;
    if (source->ask(source->arg, what, ret, err) != 0)
        return -1;
    mu_secret_clear(&work->passphrase);
    return mu_secret_set(&work->passphrase, ret->data, ret->len, err);
}

static int load_old_root_key(struct work *work, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    const char *path = work->alone                   ? work->home.key
                       : work->how->root_key != NULL ? work->how->root_key
                                                     : work->home.root_key;
    const bool in_token = mu_token_key_is_named(path);
    const struct mu_passphrase_source overheard = {.ask = overhear, .arg = work};
    if (!work->alone && work->how->root_key == NULL && access(path, F_OK) != 0) {
        mu_fail(err, MU_E_NOT_FOUND, "the key of the root \"%s\" is not in %s",
                mu_cert_label(old_root(work), label), work->how->home);
        return mu_hint(err,
                       "name it with --root-key FILE; if it is on another machine, begin there, and "
                       "then renew this CA: mutual ca request");
    }
    if (work->how->key_type == NULL && in_token) {
        mu_fail(err, MU_E_UNSUPPORTED,
                "the root's key lies in a token, and its successor would lie in a file");
        return mu_hint(
            err,
            "say so with --key-type TYPE, if that is meant; then protect it with: mutual ca passwd");
    }
    if (mu_key_load(path, in_token ? work->how->source : &overheard, &work->old_root_key, err) != 0)
        return -1;
    return mu_cert_match_key(old_root(work), work->old_root_key,
                             work->alone ? work->home.cert : work->home.root_cert, path, err);
}

static int check(const struct work *work, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN];
    const struct mu_rollover *how = work->how;
    if (work->before.trust.count > 1) {
        mu_fail(err, MU_E_EXISTS, "a rollover is under way already: trust.crt has %zu roots",
                work->before.trust.count);
        return mu_hint(err,
                       "see mutual ca rollover status, and end it with: mutual ca rollover finish");
    }
    if (work->before.trust.count == 0)
        return mu_fail(err, MU_E_NOT_FOUND, "the root of the CA in %s is not known", how->home);
    mu_cert_label(old_root(work), label);
    if (how->now > mu_cert_not_after(old_root(work))) {
        mu_fail(err, MU_E_CA_EXPIRED, "the root \"%s\" expired on %s, and certifies no successor",
                label, mu_date(mu_cert_not_after(old_root(work)), date));
        return mu_hint(err, "make a new CA with: mutual init --force");
    }
    if (work->alone && (how->root_key != NULL || how->root_key_out != NULL))
        return mu_fail(err, MU_E_USAGE, "\"%s\" is the root itself: its key is ca.key", label);
    if (!work->alone && how->root_key != NULL && how->root_key_out == NULL) {
        mu_fail(err, MU_E_USAGE,
                "the old root's key is not in the home, and the new one's is not to be");
        return mu_hint(err, "say where it goes: --root-key-out FILE");
    }
    if (work->alone || mu_cert_is_signed_by(work->before.own.at[0], old_root(work)))
        return 0;
    mu_fail(err, MU_E_UNSUPPORTED, "there are other CAs between \"%s\" and this one", label);
    return mu_hint(err, "begin where the root is, and then renew this CA: mutual ca request");
}

/* Subject, path length and constraints are the old one's. */
static int make_root(struct work *work, struct mu_error *err)
{
    const struct mu_rollover *how = work->how;
    const struct mu_cert *old = old_root(work);
    int64_t whole_s = (int64_t)mu_cert_not_after(old) - mu_cert_not_before(old) - MU_BACKDATE_S;
    if ((how->key_type != NULL
             ? mu_key_generate(how->key_type, &work->new_root_key, err)
             : mu_key_generate_like(work->old_root_key, &work->new_root_key, err)) != 0)
        return -1;
    const struct mu_reissue again = {
        .like = old,
        .key = work->new_root_key,
        .now = how->now,
        .not_after = how->now + (how->lifetime_s > 0 ? how->lifetime_s : whole_s),
    };
    return mu_issue_again(&again, &work->root, err);
}

/* No certificate says more than the one that it is about. */
static int certify(const struct work *work, const struct mu_cert *like, bool by_new,
                   struct mu_cert **ret, struct mu_error *err)
{
    const struct mu_reissue again = {
        .like = like,
        .issuer = by_new ? work->root : old_root(work),
        .issuer_key = by_new ? work->new_root_key : work->old_root_key,
        .now = work->how->now,
        .not_after = mu_cert_not_after(like),
    };
    return mu_issue_again(&again, ret, err);
}

/* The new root's list, and behind it the old one's, which is still needed. */
static int make_root_lists(struct work *work, struct mu_error *err)
{
    struct mu_error why = MU_ERROR_INIT;
    if (mu_root_list(work->root, work->new_root_key, work->how->now, &work->root_lists, err) != 0)
        return -1;
    if (mu_file_read(work->home.root_crl, MU_FILE_LIMIT, &work->root_lists, &why) == 0 ||
        why.code == MU_E_NOT_FOUND)
        return 0;
    *err = why;
    return -1;
}

static int make(struct work *work, struct mu_error *err)
{
    if (make_root(work, err) != 0 || certify(work, work->root, false, &work->new_by_old, err) != 0 ||
        certify(work, old_root(work), true, &work->old_by_new, err) != 0)
        return -1;
    if (!work->alone)
        return certify(work, work->before.own.at[0], true, &work->cert, err) != 0
                   ? -1
                   : make_root_lists(work, err);
    work->cert = mu_cert_ref(work->root);
    return 0;
}

static int note_start(struct mu_store *store, void *arg, struct mu_error *err)
{
    const struct work *work = arg;
    char sha256[MU_SHA256_LEN], label[MU_CERT_LABEL_LEN], until[MU_DATE_LEN], detail[512];
    snprintf(detail, sizeof detail, "begun: the root \"%s\" has a successor, until %s",
             mu_cert_label(work->root, label), mu_date(mu_cert_not_after(work->root), until));
    const struct mu_act act = {.action = "rollover",
                               .sha256 = mu_cert_fingerprint(work->cert, sha256),
                               .detail = detail};
    return mu_audit_add(store, &act, work->how->now, NULL, err);
}

/* A root's key that lies in the home makes way under a name of its own. */
static int keep_root_key(const struct work *work, struct mu_error *err)
{
    char key_sha256[MU_SHA256_LEN], name[64], path[MU_PATH_LEN];
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    mu_cert_key_sha256(old_root(work), key_sha256);
    snprintf(name, sizeof name, "root-%.*s.key", MU_KEY_PART, key_sha256);
    return mu_path_join(work->home.dir, name, path, err) != 0 ||
                   mu_stage_copy(&stage, path, work->home.root_key, 0600, err) != 0
               ? -1
               : mu_stage_commit(&stage, err);
}

static int keep_old_key(const struct work *work, struct mu_error *err)
{
    if (work->alone)
        return mu_former_keep(&work->home, err);
    return work->how->root_key != NULL || access(work->home.root_key, F_OK) != 0
               ? 0
               : keep_root_key(work, err);
}

/* On a stick, maybe: another file system has no part in what changes in one step. */
static int write_key_elsewhere(const struct work *work, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    if (work->how->root_key_out == NULL)
        return 0;
    return mu_key_to_pem(work->new_root_key, &work->passphrase, &pem, err) != 0
               ? -1
               : mu_file_write(work->how->root_key_out, pem.data, pem.len, 0600, false, err);
}

/* Copies of old keys first, the trail second, and then all files at once. */
static int put_in_place(struct work *work, struct mu_error *err)
{
    struct mu_cert *behind[] = {work->alone ? work->new_by_old : work->cert, work->new_by_old};
    struct mu_cert *trust[] = {work->root, (struct mu_cert *)old_root(work)};
    const struct mu_certs behind_list = {.at = behind, .count = work->alone ? 1 : 2};
    const struct mu_certs trust_list = {.at = trust, .count = 2};
    const bool key_stays = work->how->root_key_out == NULL;
    const struct mu_ca_files files = {
        .cert = work->cert,
        .root = work->alone ? NULL : work->root,
        .key = work->alone ? work->new_root_key : NULL,
        .root_key = work->alone || !key_stays ? NULL : work->new_root_key,
        .root_key_path = work->home.root_key,
        .cross = work->old_by_new,
        .behind = &behind_list,
        .trust = &trust_list,
        .root_crl = work->root_lists.len > 0 ? mu_buf_str(&work->root_lists) : NULL,
        .passphrase = &work->passphrase,
    };
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    const struct mu_key *key = work->alone ? work->old_root_key : work->key;
    if (keep_old_key(work, err) != 0 || mu_ca_files_stage(&work->home, &files, &stage, err) != 0 ||
        write_key_elsewhere(work, err) != 0)
        return -1;
    if (mu_home_change(&work->home, work->before.own.at[0], key, note_start, work, work->how->now,
                       err) == 0 &&
        mu_stage_commit(&stage, err) == 0) {
        if (!key_stays &&
            !work->alone) /* what has that name is of the present root; the old one's is kept above */
            unlink(work->home.root_key);
        return 0;
    }
    if (!key_stays)
        unlink(work->how->root_key_out); /* of a root that has not come about */
    return -1;
}

static int start(struct work *work, struct mu_error *err)
{
    work->alone = mu_is_root(work->before.own.at[0]);
    const struct mu_stage stage = MU_STAGE_INIT;
    return check(work, err) != 0 ||
                   (work->how->root_key_out != NULL &&
                    mu_stage_check(&stage, work->how->root_key_out, err) != 0) ||
                   load_old_root_key(work, err) != 0 ||
                   (!work->alone &&
                    mu_key_load(work->home.key, work->how->source, &work->key, err) != 0) ||
                   make(work, err) != 0
               ? -1
               : put_in_place(work, err);
}

/* Nobody is at work in the home meanwhile. */
static int alone_in(const struct mu_rollover *how, struct work *work,
                    int (*step)(struct work *, struct mu_error *), struct mu_error *err)
{
    int lock;
    if (mu_home_paths(how->home, &work->home, err) != 0)
        return -1;
    if (access(work->home.cert, F_OK) != 0 && errno == ENOENT)
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", how->home);
    if (mu_home_lock(&work->home, MU_HOME_ALONE, &lock, err) != 0)
        return -1;
    int result = mu_hierarchy_load(&work->home, &work->before, err) != 0 ? -1 : step(work, err);
    mu_home_unlock(lock);
    return result;
}

int mu_rollover_start(const struct mu_rollover *how, struct mu_rollover_state *ret,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(work) work = {.how = how, .root_lists = MU_BUF_INIT};
    return alone_in(how, &work, start, err) != 0 ||
                   mu_ca_take_up(how->home, how->source, how->now, err) != 0
               ? -1
               : mu_rollover_look(how->home, how->now, ret, err);
}

/* --- Finish --- */

struct ending {
    struct work work; /* the first, by which it is found again */
    struct mu_rollover_state *state;
};

static int note_finish(struct mu_store *store, void *arg, struct mu_error *err)
{
    const struct ending *ending = arg;
    char sha256[MU_SHA256_LEN], label[MU_CERT_LABEL_LEN], detail[512];
    const struct mu_cert *root = ending->state->root;
    int len = snprintf(detail, sizeof detail, "finished: \"%s\" is trusted alone",
                       mu_cert_label(root, label));
    if (ending->state->in_use > 0)
        snprintf(detail + len, sizeof detail - (size_t)len, "; %zu in use left behind",
                 ending->state->in_use);
    const struct mu_act act = {.action = "rollover",
                               .sha256 = mu_cert_fingerprint(root, sha256),
                               .detail = detail};
    return mu_audit_add(store, &act, ending->work.how->now, NULL, err);
}

static int check_unused(const struct ending *ending, struct mu_error *err)
{
    const struct mu_rollover_state *state = ending->state;
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_buf) names = MU_BUF_INIT;
    if (!state->under_way) {
        mu_fail(err, MU_E_NOT_FOUND, "no rollover is under way: trust.crt has one root");
        return mu_hint(err, "begin one with: mutual ca rollover start");
    }
    if (state->in_use == 0 || ending->work.how->force)
        return 0;
    for (size_t i = 0; i < state->names.count; i++)
        mu_buf_addf(&names, "%s%.60s", i > 0 ? ", " : "", state->names.at[i]);
    return mu_fail(err, MU_E_IN_USE,
                   "%zu certificate%s still in use chain%s only to the old root \"%s\": %s%s",
                   state->in_use, state->in_use == 1 ? " that is" : "s that are",
                   state->in_use == 1 ? "s" : "", mu_cert_label(state->old.at[0], label),
                   mu_buf_str(&names), state->in_use > state->names.count ? ", ..." : "");
}

/* What other roots say of the present one goes, too. */
static int keep_behind(const struct ending *ending, struct mu_certs *ret, struct mu_error *err)
{
    const struct mu_certs *before = &ending->work.before.behind;
    const struct mu_cert *root = ending->state->root;
    for (size_t i = 0; i < before->count; i++)
        if (!(mu_cert_same_subject(before->at[i], root) && mu_cert_same_key(before->at[i], root)) &&
            mu_certs_add(ret, mu_cert_ref(before->at[i]), err) != 0)
            return -1;
    return 0;
}

static int remove_file(const char *path, struct mu_error *err)
{
    return unlink(path) == 0 || errno == ENOENT
               ? 0
               : mu_fail_errno(err, MU_E_IO, "cannot remove %s", path);
}

static int finish(struct work *work, struct mu_error *err)
{
    struct ending *ending = (struct ending *)work;
    struct mu_rollover_state *state = ending->state;
    MU_AUTO_CLEAR(mu_certs) behind = {0};
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    const struct mu_cert *cert = work->before.own.at[0];
    if (look_at(&work->home, &work->before, work->how->now, state, err) != 0 ||
        check_unused(ending, err) != 0 || keep_behind(ending, &behind, err) != 0 ||
        mu_key_load(work->home.key, work->how->source, &work->key, err) != 0)
        return -1;
    const struct mu_certs trust = {.at = &state->root, .count = 1};
    const struct mu_ca_files files = {.behind = &behind, .trust = &trust};
    if (mu_ca_files_stage(&work->home, &files, &stage, err) != 0 ||
        mu_home_change(&work->home, cert, work->key, note_finish, ending, work->how->now, err) != 0)
        return -1;
    /* First what is only of use while there are two roots: that trust.crt has both is what says so. */
    if ((behind.count == 0 && remove_file(work->home.chain, err) != 0) ||
        remove_file(work->home.cross, err) != 0)
        return -1;
    return mu_stage_commit(&stage, err);
}

int mu_rollover_finish(const struct mu_rollover *how, struct mu_rollover_state *ret,
                       struct mu_error *err)
{
    struct ending ending = {.work = {.how = how, .root_lists = MU_BUF_INIT}, .state = ret};
    int result = alone_in(how, &ending.work, finish, err);
    work_clear(&ending.work);
    return result;
}
