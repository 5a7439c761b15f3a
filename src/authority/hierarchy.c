#include "authority/hierarchy.h"

#include <string.h>
#include <sys/stat.h>

#include "authority/crl_settings.h"
#include "pki/crl.h"

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool mu_is_root(const struct mu_cert *cert)
{
    return mu_cert_is_signed_by(cert, cert);
}

void mu_hierarchy_clear(struct mu_hierarchy *hierarchy)
{
    mu_certs_clear(&hierarchy->own);
    mu_certs_clear(&hierarchy->behind);
    mu_certs_clear(&hierarchy->above);
    mu_certs_clear(&hierarchy->trust);
}

static int add_all(const struct mu_certs *from, struct mu_certs *ret, struct mu_error *err)
{
    for (size_t i = 0; i < from->count; i++)
        if (!mu_certs_hold(ret, from->at[i]) &&
            mu_certs_add(ret, mu_cert_ref(from->at[i]), err) != 0)
            return -1;
    return 0;
}

/* Homes that were put together by hand may have the CAs above in ca.crt. */
static int load_behind(const struct mu_home *home, struct mu_hierarchy *ret, struct mu_error *err)
{
    if (is_there(home->chain))
        return mu_certs_load(home->chain, NULL, &ret->behind, err);
    if (mu_is_root(ret->own.at[0]))
        return 0;
    return mu_certs_add_chain(ret->own.at[0], &ret->own, false, &ret->behind, err);
}

static int load_trust(const struct mu_home *home, struct mu_hierarchy *ret, struct mu_error *err)
{
    if (is_there(home->trust))
        return mu_certs_load(home->trust, NULL, &ret->trust, err);
    for (size_t i = 0; i < ret->own.count; i++)
        if (mu_is_root(ret->own.at[i]))
            return mu_certs_add(&ret->trust, mu_cert_ref(ret->own.at[i]), err);
    return 0;
}

int mu_hierarchy_load(const struct mu_home *home, struct mu_hierarchy *ret, struct mu_error *err)
{
    return mu_certs_load(home->cert, NULL, &ret->own, err) != 0 ||
                   load_behind(home, ret, err) != 0 || load_trust(home, ret, err) != 0 ||
                   add_all(&ret->own, &ret->above, err) != 0 ||
                   add_all(&ret->behind, &ret->above, err) != 0 ||
                   add_all(&ret->trust, &ret->above, err) != 0
               ? -1
               : 0;
}

int mu_root_list(const struct mu_cert *root, const struct mu_key *key, time_t now,
                 struct mu_buf *ret, struct mu_error *err)
{
    const struct mu_crl_plan plan = {
        .ca = root,
        .this_update = mu_crl_backdate(root, now, mu_cert_not_after(root)),
        .next_update = mu_cert_not_after(root),
        .number = (int64_t)now * 1000,
    };
    MU_AUTO_STRUCT(mu_crl_draft) draft = NULL;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    if (mu_crl_begin(&plan, &draft, err) != 0 || mu_crl_finish(mu_take(&draft), key, &der, err) != 0)
        return -1;
    mu_crl_der_to_pem(&der, ret);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

static int stage_key(const struct mu_key *key, const char *path, const struct mu_ca_files *files,
                     struct mu_stage *stage, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    if (key == NULL)
        return 0;
    return mu_key_to_pem(key, files->passphrase, &pem, err) != 0
               ? -1
               : mu_stage_add(stage, path, pem.data, pem.len, 0600, err);
}

/* Where the key is, instead of the key. */
static int stage_uri(const char *uri, const char *path, struct mu_stage *stage, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    if (uri == NULL)
        return 0;
    mu_buf_addf(&line, "%s\n", uri);
    return mu_buf_failed(&line) ? mu_fail_nomem(err)
                                : mu_stage_add(stage, path, line.data, line.len, 0600, err);
}

static int stage_certs(const struct mu_certs *certs, const char *path, struct mu_stage *stage,
                       struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    if (certs == NULL || certs->count == 0)
        return 0;
    mu_certs_to_pem(certs, &pem);
    return mu_buf_failed(&pem) ? mu_fail_nomem(err)
                               : mu_stage_add(stage, path, pem.data, pem.len, 0644, err);
}

static int stage_cert(const struct mu_cert *cert, const char *path, struct mu_stage *stage,
                      struct mu_error *err)
{
    struct mu_cert *one[] = {(struct mu_cert *)cert};
    return stage_certs(&(struct mu_certs){.at = one, .count = cert != NULL}, path, stage, err);
}

int mu_ca_files_stage(const struct mu_home *home, const struct mu_ca_files *files,
                      struct mu_stage *stage, struct mu_error *err)
{
    return stage_key(files->root_key, files->root_key_path, files, stage, err) != 0 ||
                   stage_key(files->key, home->key, files, stage, err) != 0 ||
                   stage_uri(files->key_uri, home->key, stage, err) != 0 ||
                   (files->key_from != NULL &&
                    mu_stage_copy(stage, home->key, files->key_from, 0600, err) != 0) ||
                   stage_cert(files->root, home->root_cert, stage, err) != 0 ||
                   stage_cert(files->cross, home->cross, stage, err) != 0 ||
                   stage_certs(files->trust, home->trust, stage, err) != 0 ||
                   (files->root_crl != NULL &&
                    mu_stage_add(stage, home->root_crl, files->root_crl, strlen(files->root_crl),
                                 0644, err) != 0) ||
                   stage_certs(files->behind, home->chain, stage, err) != 0 ||
                   stage_cert(files->cert, home->cert, stage, err) != 0
               ? -1
               : 0;
}
