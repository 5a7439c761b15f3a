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
#include "pki/info.h"

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
    enum mu_audit_signing signing;
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
    return mu_audit_sign(store, c->signing, c->authority->cert, c->authority->key, c->now, err);
}

int mu_authority_change(struct mu_authority *authority, mu_change_fn *change, void *arg, time_t now,
                        struct mu_error *err)
{
    struct change c = {authority, MU_AUDIT_DAILY, change, arg, now};
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
    struct change c = {&authority, MU_AUDIT_NOW, change, arg, now};
    return mu_store_change(store, run_change, &c, err);
}
