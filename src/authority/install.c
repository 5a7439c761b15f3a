#include "authority/install.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "authority/audit.h"
#include "authority/crl.h"
#include "authority/former.h"
#include "authority/internal.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/csr.h"
#include "pki/token.h"

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* --- Asking --- */

static int write_key(const struct mu_ca_request *how, const char *path, const struct mu_key *key,
                     struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    return mu_key_to_pem(key, how->passphrase, &pem, err) != 0
               ? -1
               : mu_file_write(path, pem.data, pem.len, 0600, true, err);
}

static int make_key(const struct mu_ca_request *how, const struct mu_key *like, struct mu_key **ret,
                    struct mu_error *err)
{
    if (how->key_type == NULL && like != NULL)
        return mu_key_generate_like(like, ret, err);
    return mu_key_generate(how->key_type == NULL ? "p256" : how->key_type, ret, err);
}

/* The key that waits already, or a new one. What is installed as the key of `present` waits no more: it was left behind
 * by an install that was killed at its end. */
static int get_waiting_key(const struct mu_ca_request *how, const struct mu_home *home,
                           const struct mu_cert *present, const struct mu_key *like,
                           struct mu_key **ret, struct mu_error *err)
{
    struct mu_error other = MU_ERROR_INIT;
    if (is_there(home->request_key) && !how->force) {
        if (mu_key_load(home->request_key, how->source, ret, err) != 0)
            return -1;
        if (present == NULL ||
            mu_cert_match_key(present, *ret, home->cert, home->request_key, &other) != 0)
            return 0;
        mu_key_free(mu_take(ret));
    }
    return make_key(how, like, ret, err) != 0 ? -1 : write_key(how, home->request_key, *ret, err);
}

static int ask_first(const struct mu_ca_request *how, const struct mu_home *home,
                     struct mu_csr **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (how->name == NULL) {
        mu_fail(err, MU_E_USAGE, "there is no CA in %s yet, so that it needs a name", how->home);
        return mu_hint(err, "mutual ca request \"NAME\"");
    }
    return mu_home_check_free(home, err) != 0 ||
                   get_waiting_key(how, home, NULL, NULL, &key, err) != 0
               ? -1
               : mu_csr_make_ca(key, how->name, ret, err);
}

static int ask_again(const struct mu_ca_request *how, const struct mu_home *home,
                     struct mu_csr **ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_STRUCT(mu_key) present = NULL;
    MU_AUTO_STRUCT(mu_key) fresh = NULL;
    if (mu_cert_load(home->cert, &cert, err) != 0 ||
        mu_key_load(home->key, how->source, &present, err) != 0)
        return -1;
    if (mu_is_root(cert)) {
        mu_fail(err, MU_E_USAGE, "\"%s\" is a root itself, and asks nobody",
                mu_cert_label(cert, label));
        return mu_hint(err, "its successor is made with: mutual ca rollover start");
    }
    if (how->name != NULL) {
        mu_fail(err, MU_E_USAGE, "the CA in %s is \"%s\", and keeps its name", how->home,
                mu_cert_label(cert, label));
        return mu_hint(err, "leave the name out, or say --home DIR for another CA");
    }
    if (how->new_key && how->key_type == NULL && mu_token_key_is_named(home->key)) {
        mu_fail(err, MU_E_UNSUPPORTED,
                "the CA's key lies in a token, and the new one would lie in a file");
        return mu_hint(err, "say so with --key-type TYPE, if that is meant");
    }
    if (how->new_key && get_waiting_key(how, home, cert, present, &fresh, err) != 0)
        return -1;
    return mu_csr_make_like(how->new_key ? fresh : present, cert, ret, err);
}

int mu_ca_request_make(const struct mu_ca_request *how, struct mu_buf *ret,
                       char ret_key[MU_PATH_LEN], struct mu_error *err)
{
    struct mu_home home;
    int lock;
    MU_AUTO_STRUCT(mu_csr) csr = NULL;
    if (mu_home_paths(how->home, &home, err) != 0 || mu_dir_make(how->home, 0700, err) != 0 ||
        mu_home_lock(&home, MU_HOME_ALONE, &lock, err) != 0)
        return -1;
    bool again = is_there(home.cert);
    int result = again ? ask_again(how, &home, &csr, err) : ask_first(how, &home, &csr, err);
    mu_home_unlock(lock);
    if (result != 0)
        return -1;
    mu_str_copy(ret_key, MU_PATH_LEN, again && !how->new_key ? home.key : home.request_key);
    mu_csr_to_pem(csr, ret);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

/* --- Installing --- */

void mu_installed_clear(struct mu_installed *installed)
{
    mu_cert_free(installed->cert);
    mu_cert_free(installed->root);
    mu_cert_free(installed->before);
}

/* What is needed on the way. */
struct work {
    const struct mu_install *how;
    struct mu_home home;
    const struct mu_cert *cert;    /* the new one */
    struct mu_hierarchy before;    /* empty when this is the first */
    struct mu_objects lists;       /* the roots' own, as they were before */
    bool same;                     /* it is there already; a newer list has come along */
    struct mu_key *before_key;     /* NULL: the same */
    struct mu_key *key;            /* of the new one */
    const char *key_path;          /* where that lies */
    struct mu_certs behind, trust; /* as they are to be */
    struct mu_cert *root;          /* borrowed from `trust` */
};

static void work_clear(struct work *work)
{
    mu_hierarchy_clear(&work->before);
    mu_objects_clear(&work->lists);
    mu_key_free(work->before_key);
    mu_key_free(work->key);
    mu_certs_clear(&work->behind);
    mu_certs_clear(&work->trust);
}
MU_AUTO_DEFINE_CLEAR(work, work_clear)

static int try_key(struct work *work, const char *path, struct mu_error *err)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (!is_there(path))
        return 0;
    if (mu_key_load(path, work->how->source, &key, err) != 0)
        return -1;
    if (mu_cert_match_key(work->cert, key, "", "", &ignored) != 0) {
        if (path == work->home.key)
            work->before_key = mu_take(&key); /* nobody is asked for its passphrase twice */
        return 0;
    }
    work->key = mu_take(&key);
    work->key_path = path;
    return 0;
}

static int find_key(struct work *work, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    if (try_key(work, work->home.key, err) != 0 ||
        (work->key == NULL && try_key(work, work->home.request_key, err) != 0))
        return -1;
    if (work->key != NULL)
        return 0;
    mu_fail(err, MU_E_KEY_MISMATCH,
            "the key of the certificate of \"%s\" is not in %s, neither as ca.key nor as "
            "ca-request.key",
            mu_cert_label(work->cert, label), work->how->home);
    return mu_hint(err, "install it where it was asked for with mutual ca request, and first comes "
                        "the CA's own certificate in the file");
}

static const struct mu_crl *list_of(const struct mu_objects *objects, const struct mu_cert *root)
{
    for (size_t i = 0; objects != NULL && i < objects->count; i++)
        if (objects->at[i].crl != NULL && mu_crl_is_signed_by(objects->at[i].crl, root))
            return objects->at[i].crl;
    return NULL;
}

/* Several may be made within a second. */
static bool is_newer(const struct mu_crl_info *a, const struct mu_crl_info *b)
{
    const char *a_number = a->number + strspn(a->number, "0");
    const char *b_number = b->number + strspn(b->number, "0");
    if (a->this_update != b->this_update)
        return a->this_update > b->this_update;
    return strlen(a_number) != strlen(b_number) ? strlen(a_number) > strlen(b_number)
                                                : strcmp(a_number, b_number) > 0;
}

/* What came along of this root, if it is not what is there, or older. */
static const struct mu_crl *newer_list(const struct work *work, const struct mu_cert *root)
{
    struct mu_crl_info there, new;
    const struct mu_crl *came = list_of(work->how->others, root);
    const struct mu_crl *present = list_of(&work->lists, root);
    if (came == NULL || present == NULL)
        return came;
    mu_crl_info(came, &new);
    mu_crl_info(present, &there);
    return is_newer(&new, &there) ? came : NULL;
}

static bool brings_a_list(const struct work *work)
{
    for (size_t i = 0; i < work->before.trust.count; i++)
        if (newer_list(work, work->before.trust.at[i]) != NULL)
            return true;
    return false;
}

static int load_before(struct work *work, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], present[MU_CERT_LABEL_LEN];
    if (!is_there(work->home.cert)) {
        mu_key_free(mu_take(&work->before_key));
        return 0;
    }
    if (mu_hierarchy_load(&work->home, &work->before, err) != 0 ||
        (is_there(work->home.root_crl) &&
         mu_objects_load(work->home.root_crl, &work->lists, err) != 0))
        return -1;
    const struct mu_cert *before = work->before.own.at[0];
    if (!mu_cert_same_subject(before, work->cert)) {
        mu_fail(err, MU_E_NAME, "the certificate is for a CA \"%s\", but the one here is \"%s\"",
                mu_cert_label(work->cert, label), mu_cert_label(before, present));
        return mu_hint(err, "have it signed by: mutual sign FILE.csr --profile ca");
    }
    work->same = mu_certs_hold(&work->before.own, work->cert);
    if (work->same && !brings_a_list(work)) {
        mu_fail(err, MU_E_EXISTS, "this certificate is installed already");
        return mu_hint(err,
                       "nothing is left to do; lists that it was cut off from making are made by: "
                       "mutual crl");
    }
    return work->key_path == work->home.key || work->before_key != NULL
               ? 0
               : mu_key_load(work->home.key, work->how->source, &work->before_key, err);
}

static int add_once(struct mu_certs *list, const struct mu_cert *cert, struct mu_error *err)
{
    return mu_certs_hold(list, cert) ? 0
                                     : mu_certs_add(list, mu_cert_ref((struct mu_cert *)cert), err);
}

static int add_if(struct mu_certs *to, const struct mu_certs *from, bool roots, struct mu_error *err)
{
    for (size_t i = 0; i < from->count; i++)
        if (mu_is_root(from->at[i]) == roots && add_once(to, from->at[i], err) != 0)
            return -1;
    return 0;
}

/* A root that others have certified leads to itself: the roots come first in the search. */
static int find_chain(struct work *work, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) pool = {0};
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    const struct mu_certs *came = work->how->certs;
    if (add_if(&pool, came, true, err) != 0 || add_if(&pool, &work->before.trust, true, err) != 0 ||
        add_if(&pool, came, false, err) != 0 ||
        add_if(&pool, &work->before.behind, false, err) != 0 ||
        mu_ca_chain_up(work->cert, &pool, work->how->now, &chain, err) != 0)
        return -1;
    if (chain.count == 1)
        return mu_fail(err, MU_E_CA_UNFIT,
                       "the certificate is that of a root, which is not installed so");
    for (size_t i = 0; i + 1 < chain.count; i++)
        if (add_once(&work->behind, chain.at[i], err) != 0)
            return -1;
    /* What other roots say of this one helps whoever trusts those alone. */
    const struct mu_cert *root = chain.at[chain.count - 1];
    for (size_t i = 0; i < pool.count; i++)
        if (!mu_is_root(pool.at[i]) && mu_cert_same_subject(pool.at[i], root) &&
            mu_cert_same_key(pool.at[i], root) && add_once(&work->behind, pool.at[i], err) != 0)
            return -1;
    if (add_once(&work->trust, root, err) != 0 || add_if(&work->trust, came, true, err) != 0 ||
        add_if(&work->trust, &work->before.trust, true, err) != 0)
        return -1;
    work->root = work->trust.at[0];
    return 0;
}

static int note_install(struct mu_store *store, void *arg, struct mu_error *err)
{
    const struct work *work = arg;
    char sha256[MU_SHA256_LEN], label[MU_CERT_LABEL_LEN], root[MU_CERT_LABEL_LEN];
    char until[MU_DATE_LEN], detail[768];
    mu_cert_label(work->root, root);
    if (work->same)
        snprintf(detail, sizeof detail, "a revocation list of \"%s\"", root);
    else
        snprintf(detail, sizeof detail, "the CA \"%s\" below \"%s\", until %s%s",
                 mu_cert_label(work->cert, label), root,
                 mu_date(mu_cert_not_after(work->cert), until),
                 work->before_key != NULL ? ", with another key" : "");
    const struct mu_act act = {.action = "install",
                               .sha256 = mu_cert_fingerprint(work->cert, sha256),
                               .detail = detail};
    return mu_audit_add(store, &act, work->how->now, NULL, err);
}

/* In the trail first: a change that it tells of may then not have come about, but none goes untold. */
static int replace_files(struct work *work, const struct mu_ca_files *files, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    const struct mu_cert *before = work->before.own.at[0];
    const struct mu_key *key = work->before_key != NULL ? work->before_key : work->key;
    if ((work->before_key != NULL && mu_former_keep(&work->home, err) != 0) ||
        mu_ca_files_stage(&work->home, files, &stage, err) != 0 ||
        mu_home_change(&work->home, before, key, note_install, work, work->how->now, err) != 0)
        return -1;
    return mu_stage_commit(&stage, err);
}

/* The roots' own lists. A root that was renewed with its key is not asked twice. */
static int pick_lists(const struct work *work, struct mu_buf *ret, struct mu_error *err)
{
    const struct mu_certs *roots = &work->trust;
    for (size_t i = 0; i < roots->count; i++) {
        bool again = false;
        const struct mu_crl *came = newer_list(work, roots->at[i]);
        const struct mu_crl *list = came != NULL ? came : list_of(&work->lists, roots->at[i]);
        for (size_t k = 0; k < i; k++)
            again = again || mu_cert_same_key(roots->at[k], roots->at[i]);
        if (list != NULL && !again)
            mu_crl_to_pem(list, ret);
    }
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

static int put_in_place(struct work *work, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) lists = MU_BUF_INIT;
    if (pick_lists(work, &lists, err) != 0)
        return -1;
    bool waiting = work->key_path == work->home.request_key;
    const struct mu_ca_files files = {
        .cert = work->cert,
        .root = work->root,
        .key_from = waiting ? work->home.request_key : NULL,
        .behind = &work->behind,
        .trust = &work->trust,
        .root_crl = lists.len > 0 ? mu_buf_str(&lists) : NULL,
    };
    const struct mu_founding founding = {.store = work->how->store,
                                         .files = &files,
                                         .key = work->key,
                                         .note = note_install,
                                         .arg = work,
                                         .now = work->how->now};
    int result = work->before.own.count > 0 ? replace_files(work, &files, err)
                                            : mu_found_in(&work->home, &founding, err);
    if (result == 0 && waiting)
        unlink(work->home.request_key);
    return result;
}

static int install(struct work *work, struct mu_installed *ret, struct mu_error *err)
{
    if (find_key(work, err) != 0 || load_before(work, err) != 0 ||
        mu_issue_check_ca(work->cert, work->key, work->how->now, err) != 0 ||
        find_chain(work, err) != 0 || put_in_place(work, err) != 0)
        return -1;
    *ret = (struct mu_installed){
        .cert = mu_cert_ref((struct mu_cert *)work->cert),
        .root = mu_cert_ref(work->root),
        .before = work->before.own.count == 0 ? NULL : mu_cert_ref(work->before.own.at[0]),
        .new_key = work->before_key != NULL,
        .same = work->same,
        .new_root = work->before.trust.count > 0 && !mu_certs_hold(&work->before.trust, work->root),
    };
    return 0;
}

static int nothing(struct mu_store *store, void *arg, struct mu_error *err)
{
    (void)store;
    (void)arg;
    (void)err;
    return 0;
}

static int take_up(const char *home, const struct mu_passphrase_source *source, time_t now,
                   struct mu_published *published, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    if (mu_authority_open(home, source, &authority, err) != 0 ||
        mu_authority_change(authority, nothing, NULL, now, err) != 0)
        return -1;
    return !is_there(authority->home.crl) && !is_there(authority->home.public)
               ? 0
               : mu_authority_publish(authority, MU_PUBLISH_ALL, now, published, err);
}

/* The files are in place: what has come about is not to be tried again. */
int mu_ca_take_up(const char *home, const struct mu_passphrase_source *source, time_t now,
                  struct mu_error *err)
{
    struct mu_published published = {.trouble = MU_ERROR_INIT};
    if (take_up(home, source, now, &published, err) != 0)
        return mu_hint(err,
                       "the CA's new certificates are in place; mend this, then let the records "
                       "and the lists follow with: mutual crl");
    if (published.trouble.code == MU_OK)
        return 0;
    *err = published.trouble;
    return -1;
}

int mu_authority_install(const struct mu_install *how, struct mu_installed *ret,
                         struct mu_error *err)
{
    int lock;
    MU_AUTO_CLEAR(work) work = {.how = how, .cert = how->certs->at[0]};
    if (mu_home_paths(how->home, &work.home, err) != 0)
        return -1;
    if (access(how->home, F_OK) != 0 && errno == ENOENT)
        return mu_fail(err, MU_E_NO_CA, "nothing has been asked for in %s", how->home);
    if (mu_home_lock(&work.home, MU_HOME_ALONE, &lock, err) != 0)
        return -1;
    int result = install(&work, ret, err);
    mu_home_unlock(lock);
    return result != 0 ? -1 : mu_ca_take_up(how->home, how->source, how->now, err);
}
