#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "authority/audit.h"
#include "authority/internal.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/info.h"
#include "pki/verify.h"

/* --- A home for a CA --- */

/* Where an authority is to be: as in struct mu_authority_init. */
struct place {
    const char *home, *store;
    bool force;
    time_t now;
    const struct mu_key *key;                 /* the CA's */
    const struct mu_authority_import *import; /* NULL: the CA is a new one */
};

/* Where the records will be, whatever a home that makes way has said. */
static int use_store(const char *store, struct mu_home *home, struct mu_error *err)
{
    const char *where = store;
    char db[MU_PATH_LEN];
    if (store == NULL) {
        if (mu_path_join(home->dir, "mutual.db", db, err) != 0)
            return -1;
        where = db;
    } else if (mu_store_check_url(store, err) != 0)
        return -1;
    return mu_str_copy(home->db, sizeof home->db, where)
               ? 0
               : mu_fail(err, MU_E_USAGE, "the URL of the database is too long");
}

/* To begin anew is to move files aside; a database cannot be moved. */
static int check_room(const struct place *place, const struct mu_home *home, struct mu_error *err)
{
    return place->force ? mu_home_check_database(home, err) : mu_home_check_free(home, err);
}

/* Is there room? Nothing is touched yet. */
static int survey(const struct place *place, struct mu_home *ret, struct mu_error *err)
{
    return mu_home_paths(place->home, ret, err) != 0 || use_store(place->store, ret, err) != 0 ||
                   check_room(place, ret, err) != 0
               ? -1
               : 0;
}

static int stage_files(const struct mu_home *home, const struct mu_ca_files *files,
                       struct mu_stage *stage, struct mu_error *err)
{
    return (mu_store_is_postgres(home->db) &&
            mu_stage_add(stage, home->store, home->db, strlen(home->db), 0600, err) != 0) ||
                   mu_ca_files_stage(home, files, stage, err) != 0
               ? -1
               : 0;
}

/* A new CA brings itself into the trail, as its first change. */
static int note_nothing(struct mu_store *store, void *arg, struct mu_error *err)
{
    (void)store;
    (void)arg;
    (void)err;
    return 0;
}

static int note_import(struct mu_store *store, void *arg, struct mu_error *err)
{
    const struct mu_authority_import *import = arg;
    char sha256[MU_SHA256_LEN], label[MU_CERT_LABEL_LEN], detail[512];
    const struct mu_cert *cert = import->certs->at[0];
    snprintf(detail, sizeof detail, "the CA \"%s\", made elsewhere", mu_cert_label(cert, label));
    const struct mu_act act = {.action = "import",
                               .sha256 = mu_cert_fingerprint(cert, sha256),
                               .detail = detail};
    return mu_audit_add(store, &act, import->now, NULL, err);
}

/*
 * All that takes room comes first, then the records, and the certificate last, because it is the certificate that makes a directory
 * the home of an authority: whatever an init leaves that is killed on the way, the next one may sweep aside.
 */
static int put_in_place(const struct place *place, const struct mu_home *home,
                        const struct mu_ca_files *files, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = {0};
    return stage_files(home, files, &stage, err) != 0 ||
                   mu_home_change(home, files->cert, place->key,
                                  place->import != NULL ? note_import : note_nothing,
                                  (void *)place->import, place->now, err) != 0
               ? -1
               : mu_stage_commit(&stage, err);
}

/* What makes way comes back where nothing takes its place. */
static int move_in(const struct place *place, const struct mu_home *home,
                   const struct mu_ca_files *files, char ret_old[MU_PATH_LEN], struct mu_error *err)
{
    struct mu_error stuck = MU_ERROR_INIT;
    if (check_room(place, home, err) != 0)
        return -1;
    if (mu_home_move_aside(home, place->now, ret_old, err) == 0 &&
        put_in_place(place, home, files, err) == 0)
        return 0;
    if (*ret_old != '\0' && mu_home_move_back(home, ret_old, &stuck) != 0)
        return mu_hint(err, "mend this; the CA that was here is in %s", ret_old);
    ret_old[0] = '\0';
    return -1;
}

static int settle(const struct place *place, const struct mu_home *home,
                  const struct mu_ca_files *files, char ret_old[MU_PATH_LEN], struct mu_error *err)
{
    int lock;
    if (mu_dir_make(place->home, 0700, err) != 0 ||
        mu_home_lock(home, MU_HOME_ALONE, &lock, err) != 0)
        return -1;
    int result = move_in(place, home, files, ret_old, err);
    mu_home_unlock(lock);
    return result;
}

static bool note_known(void *arg, const struct mu_ca_record *ca)
{
    (void)ca;
    *(bool *)arg = true;
    return false;
}

/* A database that knows the certificate is its own, filled by one that got no further. */
static int check_free(const struct mu_home *home, const struct mu_cert *cert, struct mu_error *err)
{
    char sha256[MU_SHA256_LEN];
    bool known = false;
    struct mu_error ignored = MU_ERROR_INIT, why = MU_ERROR_INIT;
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (mu_home_check_free(home, &why) == 0)
        return 0;
    if (mu_store_is_postgres(home->db) && access(home->key, F_OK) != 0 &&
        access(home->cert, F_OK) != 0 &&
        mu_store_open(home->db, MU_STORE_READ, &store, &ignored) == 0 &&
        mu_store_ca_each(store, mu_cert_fingerprint(cert, sha256), note_known, &known, &ignored) ==
            0 &&
        known)
        return 0;
    *err = why;
    return -1;
}

/* Whatever is in the way has been left by one that was killed: there is no authority. As above, the certificate is the last to come. */
int mu_found_in(struct mu_home *home, const struct mu_founding *how, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_store) store = NULL;
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    return use_store(how->store, home, err) != 0 || check_free(home, how->files->cert, err) != 0 ||
                   mu_store_open(home->db, MU_STORE_WRITE, &store, err) != 0 ||
                   stage_files(home, how->files, &stage, err) != 0 ||
                   mu_home_change(home, how->files->cert, how->key, how->note, how->arg, how->now,
                                  err) != 0
               ? -1
               : mu_stage_commit(&stage, err);
}

/* --- A new one --- */

/* What an init makes. */
struct made {
    struct mu_cert *cert, *root;
    const struct mu_key *key; /* that, or one in a token */
    struct mu_key *made_key, *root_key;
    struct mu_buf root_list;
};

static void made_clear(struct made *made)
{
    mu_cert_free(made->cert);
    mu_cert_free(made->root);
    mu_key_free(made->made_key);
    mu_key_free(made->root_key);
    mu_buf_clear(&made->root_list);
}
MU_AUTO_DEFINE_CLEAR(made, made_clear)

static int make_alone(const struct mu_authority_init *init, struct made *ret, struct mu_error *err)
{
    unsigned char serial[MU_SERIAL_LEN];
    return mu_serial_make(serial, err) != 0 ||
                   mu_issue_root(ret->key, init->name, serial, init->now, init->lifetime_s,
                                 init->path_length, init->constraints, &ret->cert, err) != 0
               ? -1
               : 0;
}

/* The root is bound to no names, so that it may make a CA for others later; its key lies elsewhere. */
static int make_below_root(const struct mu_authority_init *init, struct made *ret,
                           struct mu_error *err)
{
    char root_name[128];
    unsigned char serial[MU_SERIAL_LEN];
    MU_AUTO_CLEAR(mu_names) names = {0};
    const struct mu_below below = {.path_length = 0, .constraints = init->constraints};
    struct mu_issue issue = {
        .profile = MU_PROFILE_CA,
        .key = ret->key,
        .names = &names,
        .now = init->now,
        .lifetime_s = init->lifetime_s,
        .below = &below,
    };
    snprintf(root_name, sizeof root_name, "%.100s Root", init->name);
    return mu_names_set_cn(&names, init->name, err) != 0 || mu_serial_make(serial, err) != 0 ||
                   mu_serial_make(issue.serial, err) != 0 ||
                   mu_key_generate(init->key_type, &ret->root_key, err) != 0 ||
                   mu_issue_root(ret->root_key, root_name, serial, init->now, init->root_lifetime_s,
                                 init->path_length, NULL, &ret->root, err) != 0 ||
                   mu_issue_leaf(ret->root, ret->root_key, &issue, &ret->cert, err) != 0 ||
                   mu_root_list(ret->root, ret->root_key, init->now, &ret->root_list, err) != 0
               ? -1
               : 0;
}

static int make(const struct mu_authority_init *init, struct made *ret, struct mu_error *err)
{
    if (init->key == NULL && mu_key_generate(init->key_type, &ret->made_key, err) != 0)
        return -1;
    ret->key = init->key != NULL ? init->key : ret->made_key;
    return init->issuing ? make_below_root(init, ret, err) : make_alone(init, ret, err);
}

int mu_authority_init(const struct mu_authority_init *init, struct mu_cert **ret_cert,
                      char ret_old[MU_PATH_LEN], struct mu_error *err)
{
    struct mu_home home;
    struct place place = {init->home, init->store, init->force, init->now, NULL, NULL};
    const struct mu_stage stage = MU_STAGE_INIT;
    MU_AUTO_CLEAR(made) made = {.root_list = MU_BUF_INIT};
    ret_old[0] = '\0';

    /* Everything that can fail without touching the disk comes first. */
    if (survey(&place, &home, err) != 0 ||
        (init->root_key_path != NULL && mu_stage_check(&stage, init->root_key_path, err) != 0) ||
        make(init, &made, err) != 0)
        return -1;
    place.key = made.key;
    const struct mu_certs behind = {.at = &made.cert, .count = init->issuing};
    const struct mu_certs trust = {.at = &made.root, .count = init->issuing};
    const struct mu_ca_files files = {
        .cert = made.cert,
        .root = made.root,
        .key = made.made_key,
        .key_uri = init->key == NULL ? NULL : init->key_uri,
        .root_key = made.root_key,
        .root_key_path = init->root_key_path != NULL ? init->root_key_path : home.root_key,
        .behind = &behind,
        .trust = &trust,
        .root_crl = init->issuing ? mu_buf_str(&made.root_list) : NULL,
        .passphrase = init->passphrase,
    };
    if (settle(&place, &home, &files, ret_old, err) != 0)
        return -1;
    *ret_cert = mu_take(&made.cert);
    return 0;
}

/* --- One made elsewhere --- */

/* What every verifier would say of the CA itself. A root is what others decide to trust, or not. */
static int check_chain(const struct mu_certs *chain, time_t now, struct mu_error *err)
{
    struct mu_verdict verdict;
    const struct mu_certs anchor = {.at = &chain->at[chain->count - 1], .count = 1};
    const struct mu_verify how = {.anchors = &anchor, .untrusted = chain, .at = now};
    if (mu_verify(chain->at[0], &how, &verdict, NULL, err) != 0)
        return -1;
    if (verdict.fault == MU_FAULT_NONE)
        return 0;
    mu_fail(err, MU_E_CA_UNFIT, "%s", verdict.sentence);
    return mu_hint(err, "%s", verdict.hint);
}

int mu_ca_chain_up(const struct mu_cert *cert, const struct mu_certs *pool, time_t now,
                   struct mu_certs *ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    if (mu_certs_add_chain((struct mu_cert *)cert, pool, true, ret, err) != 0)
        return -1;
    const struct mu_cert *last = ret->at[ret->count - 1];
    if (mu_is_root(last))
        return ret->count == 1 ? 0 : check_chain(ret, now, err);
    mu_fail(err, MU_E_NOT_FOUND, "the certificate of the CA above \"%s\" is missing",
            mu_cert_label(last, label));
    return mu_hint(err, "give the certificates up to the root: --chain FILE");
}

int mu_authority_import(const struct mu_authority_import *import, char ret_old[MU_PATH_LEN],
                        struct mu_error *err)
{
    struct mu_home home;
    const struct place place = {import->home, import->store, import->force,
                                import->now,  import->key,   import};
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    const struct mu_cert *cert = import->certs->at[0];
    ret_old[0] = '\0';
    if (survey(&place, &home, err) != 0 ||
        mu_issue_check_ca(cert, import->key, import->now, err) != 0 ||
        mu_ca_chain_up(cert, import->certs, import->now, &chain, err) != 0)
        return -1;
    const size_t above = chain.count - 1;
    const struct mu_certs behind = {.at = chain.at, .count = above};
    const struct mu_certs trust = {.at = chain.at + above, .count = above > 0};
    const struct mu_ca_files files = {
        .cert = cert,
        .root = above > 0 ? chain.at[above] : NULL,
        .key = import->key_uri == NULL ? import->key : NULL,
        .key_uri = import->key_uri,
        .behind = &behind,
        .trust = &trust,
        .passphrase = import->passphrase,
    };
    return settle(&place, &home, &files, ret_old, err);
}
