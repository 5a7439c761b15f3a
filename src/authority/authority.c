#include "authority/authority.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "pki/info.h"
#include "pki/issue.h"

struct mu_authority {
    struct mu_home home;
    int lock;
    struct mu_cert *cert;
    struct mu_key *key;
    struct mu_store *store;
};

/* --- Making one --- */

static int write_files(const struct mu_home *home, const struct mu_key *key,
                       const struct mu_cert *cert, const struct mu_secret *passphrase,
                       struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = MU_STAGE_INIT;
    MU_AUTO_CLEAR(mu_buf) key_pem = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_buf) cert_pem = MU_BUF_INIT;
    mu_cert_to_pem(cert, &cert_pem);
    if (mu_buf_failed(&cert_pem))
        return mu_fail_nomem(err);
    if (mu_key_to_pem(key, passphrase, &key_pem, err) != 0 ||
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
    return write_files(home, key, cert, init->passphrase, err);
}

int mu_authority_init(const struct mu_authority_init *init, struct mu_cert **ret_cert,
                      char ret_old[MU_PATH_LEN], struct mu_error *err)
{
    struct mu_home home;
    int lock;
    unsigned char serial[MU_SERIAL_LEN];
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    ret_old[0] = '\0';

    /* Everything that can fail without touching the disk comes first. */
    if (mu_home_paths(init->home, &home, err) != 0 ||
        (!init->force && mu_home_check_free(&home, err) != 0) ||
        mu_key_generate(init->key_type, &key, err) != 0 || mu_serial_make(serial, err) != 0 ||
        mu_issue_ca(key, init->name, serial, init->now, init->lifetime_s, &cert, err) != 0 ||
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
        mu_cert_load(home->cert, &authority->cert, err) != 0 ||
        mu_key_load(home->key, source, &authority->key, err) != 0 ||
        mu_cert_match_key(authority->cert, authority->key, home->cert, home->key, err) != 0 ||
        mu_store_open(home->db, MU_STORE_WRITE, &authority->store, err) != 0)
        return -1;
    *ret = mu_take(&authority);
    return 0;
}

void mu_authority_free(struct mu_authority *authority)
{
    if (authority == NULL)
        return;
    mu_store_close(authority->store);
    mu_key_free(authority->key);
    mu_cert_free(authority->cert);
    mu_home_unlock(authority->lock);
    free(authority);
}

const struct mu_cert *mu_authority_cert(const struct mu_authority *authority)
{
    return authority->cert;
}

/* --- Issuing --- */

int mu_issue_by(const struct mu_cert *ca, const struct mu_key *ca_key, const struct mu_order *order,
                struct mu_cert **ret, struct mu_error *err)
{
    struct mu_issue issue = {
        .profile = order->profile,
        .key = order->key,
        .names = order->names,
        .now = order->now,
        .lifetime_s = order->lifetime_s,
    };
    if (mu_serial_make(issue.serial, err) != 0)
        return -1;
    return mu_issue_leaf(ca, ca_key, &issue, ret, err);
}

static void strip_colons(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++)
        if (*from != ':')
            *to++ = *from;
    *to = '\0';
}

static int record(struct mu_authority *authority, const struct mu_order *order,
                  const struct mu_cert *cert, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    MU_AUTO_CLEAR(mu_buf) san = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    if (mu_cert_info_read(cert, order->now, &info, err) != 0)
        return -1;
    for (size_t i = 0; i < info.san.count; i++)
        mu_buf_addf(&san, "%s%s", i > 0 ? ", " : "", info.san.at[i]);
    mu_cert_to_der(cert, &der);
    if (mu_buf_failed(&san) || mu_buf_failed(&der))
        return mu_fail_nomem(err);
    strip_colons(info.sha256);
    struct mu_record record = {
        .serial = info.serial,
        .name = mu_names_main(order->names),
        .profile = mu_profile_rules(order->profile)->name,
        .state = "valid",
        .subject = info.subject,
        .san = mu_buf_str(&san),
        .not_before = info.not_before,
        .not_after = info.not_after,
        .issued_at = order->now,
        .sha256 = info.sha256,
        .der = der.data,
        .der_len = der.len,
    };
    return mu_store_add(authority->store, &record, err);
}

int mu_authority_issue(struct mu_authority *authority, const struct mu_order *order,
                       struct mu_cert **ret, struct mu_error *err)
{
    /* 135 random bits do not meet twice; but if they do, the store says so, and we draw again. */
    for (int tries = 0; tries < 3; tries++) {
        MU_AUTO_STRUCT(mu_cert) cert = NULL;
        if (mu_issue_by(authority->cert, authority->key, order, &cert, err) != 0)
            return -1;
        if (record(authority, order, cert, err) == 0) {
            *ret = mu_take(&cert);
            return 0;
        }
        if (err->code != MU_E_EXISTS)
            return -1;
    }
    return -1;
}
