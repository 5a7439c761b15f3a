#include "authority/authority.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "authority/audit.h"
#include "authority/internal.h"
#include "base/str.h"
#include "base/time.h"
#include "pki/issue.h"

/* --- Making one --- */

/* The key itself, or where it is. */
static int write_key(const struct mu_authority_init *init, const struct mu_key *key,
                     struct mu_buf *ret, struct mu_error *err)
{
    if (init->key == NULL)
        return mu_key_to_pem(key, init->passphrase, ret, err);
    mu_buf_addf(ret, "%s\n", init->key_uri);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

static int write_files(const struct mu_authority_init *init, const struct mu_home *home,
                       const struct mu_key *key, const struct mu_cert *cert, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = MU_STAGE_INIT;
    MU_AUTO_CLEAR(mu_buf) key_pem = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_buf) cert_pem = MU_BUF_INIT;
    mu_cert_to_pem(cert, &cert_pem);
    if (mu_buf_failed(&cert_pem))
        return mu_fail_nomem(err);
    if (write_key(init, key, &key_pem, err) != 0 ||
        (mu_store_is_postgres(home->db) &&
         mu_stage_add(&stage, home->store, home->db, strlen(home->db), 0600, err) != 0) ||
        mu_stage_add(&stage, home->key, key_pem.data, key_pem.len, 0600, err) != 0 ||
        mu_stage_add(&stage, home->cert, cert_pem.data, cert_pem.len, 0644, err) != 0)
        return -1;
    return mu_stage_commit(&stage, err);
}

/*
 * The records come first and the certificate last, because it is the certificate that makes a directory the
 * home of an authority: whatever an init leaves that is killed on the way, the next one may sweep aside.
 */
static int settle(const struct mu_authority_init *init, const struct mu_home *home,
                  const struct mu_key *key, const struct mu_cert *cert, char ret_old[MU_PATH_LEN],
                  struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (!init->force && mu_home_check_free(home, err) != 0)
        return -1;
    if (mu_home_move_aside(home, init->now, ret_old, err) != 0 ||
        mu_store_open(home->db, MU_STORE_WRITE, &store, err) != 0)
        return -1;
    return write_files(init, home, key, cert, err);
}

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

int mu_authority_init(const struct mu_authority_init *init, struct mu_cert **ret_cert,
                      char ret_old[MU_PATH_LEN], struct mu_error *err)
{
    struct mu_home home;
    int lock;
    unsigned char serial[MU_SERIAL_LEN];
    MU_AUTO_STRUCT(mu_key) made = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    ret_old[0] = '\0';

    /* Everything that can fail without touching the disk comes first. */
    if (mu_home_paths(init->home, &home, err) != 0 || use_store(init->store, &home, err) != 0 ||
        (!init->force && mu_home_check_free(&home, err) != 0) ||
        (init->key == NULL && mu_key_generate(init->key_type, &made, err) != 0))
        return -1;
    const struct mu_key *key = init->key != NULL ? init->key : made;
    if (mu_serial_make(serial, err) != 0 ||
        mu_issue_ca(key, init->name, serial, init->now, init->lifetime_s, init->constraints, &cert,
                    err) != 0 ||
        mu_dir_make(init->home, 0700, err) != 0 ||
        mu_home_lock(&home, MU_HOME_ALONE, &lock, err) != 0)
        return -1;
    int result = settle(init, &home, key, cert, ret_old, err);
    mu_home_unlock(lock);
    if (result == 0)
        *ret_cert = mu_take(&cert);
    return result;
}

/* --- Using it --- */

int mu_authority_open(const char *dir, const struct mu_passphrase_source *source,
                      struct mu_authority **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_authority) authority = calloc(1, sizeof *authority);
    if (authority == NULL)
        return mu_fail_nomem(err);
    authority->lock = -1;
    struct mu_home *home = &authority->home;
    if (mu_home_paths(dir, home, err) != 0)
        return -1;
    if (access(home->cert, F_OK) != 0 && errno == ENOENT)
        return mu_fail(err, MU_E_NO_CA, "there is no CA in %s", dir);
    if (mu_home_lock(home, MU_HOME_SHARED, &authority->lock, err) != 0 ||
        mu_certs_load(home->cert, NULL, &authority->chain, err) != 0 ||
        mu_key_load(home->key, source, &authority->key, err) != 0)
        return -1;
    authority->cert = mu_cert_ref(authority->chain.at[0]);
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
    mu_certs_clear(&authority->chain);
    mu_home_unlock(authority->lock);
    free(authority);
}

const struct mu_cert *mu_authority_cert(const struct mu_authority *authority)
{
    return authority->cert;
}

struct mu_store *mu_authority_store(struct mu_authority *authority)
{
    return authority->store;
}

int mu_authority_policy(struct mu_authority *authority, const struct mu_policy **ret,
                        struct mu_error *err)
{
    if (authority->policy == NULL &&
        mu_policy_load_or_built_in(authority->home.policy, &authority->policy, err) != 0)
        return -1;
    *ret = authority->policy;
    return 0;
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
