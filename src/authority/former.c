#include "authority/former.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void mu_formers_clear(struct mu_formers *formers)
{
    for (size_t i = 0; i < formers->count; i++) {
        mu_cert_free(formers->at[i].cert);
        mu_key_free(formers->at[i].key);
    }
    free(formers->at);
    *formers = (struct mu_formers){0};
}

int mu_former_paths(const struct mu_home *home, const struct mu_cert *cert,
                    char ret_cert[MU_PATH_LEN], char ret_key[MU_PATH_LEN], struct mu_error *err)
{
    char key_sha256[MU_SHA256_LEN], name[MU_KEY_PART + 16];
    mu_cert_key_sha256(cert, key_sha256);
    snprintf(name, sizeof name, "ca-%.*s.crt", MU_KEY_PART, key_sha256);
    if (mu_path_join(home->dir, name, ret_cert, err) != 0)
        return -1;
    snprintf(name, sizeof name, "ca-%.*s.key", MU_KEY_PART, key_sha256);
    return mu_path_join(home->dir, name, ret_key, err);
}

static int add(struct mu_formers *formers, const struct mu_former *former, struct mu_error *err)
{
    struct mu_former *at = realloc(formers->at, (formers->count + 1) * sizeof *at);
    if (at == NULL) {
        mu_cert_free(former->cert);
        mu_key_free(former->key);
        return mu_fail_nomem(err);
    }
    formers->at = at;
    at[formers->count++] = *former;
    return 0;
}

static bool is_cert_of_one(const char *name)
{
    return mu_str_starts_with(name, "ca-") && mu_str_ends_with(name, ".crt") &&
           strlen(name) == strlen("ca-.crt") + MU_KEY_PART;
}

static int consider(const struct mu_home *home, const char *name, const struct mu_cert *present,
                    time_t now, struct mu_certs *ret, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    if (mu_path_join(home->dir, name, path, err) != 0 || mu_cert_load(path, &cert, err) != 0)
        return -1;
    return now > mu_cert_not_after(cert) || mu_cert_same_key(cert, present)
               ? 0
               : mu_certs_add(ret, mu_take(&cert), err);
}

int mu_former_certs(const struct mu_home *home, time_t now, struct mu_certs *ret,
                    struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_strs) names = {0};
    MU_AUTO_STRUCT(mu_cert) present = NULL;
    if (mu_cert_load(home->cert, &present, err) != 0 ||
        mu_home_list(home, is_cert_of_one, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (consider(home, names.at[i], present, now, ret, err) != 0)
            return -1;
    return 0;
}

static int load_one(const struct mu_home *home, const struct mu_passphrase_source *source,
                    struct mu_cert *cert, struct mu_formers *ret, struct mu_error *err)
{
    char cert_path[MU_PATH_LEN], key_path[MU_PATH_LEN];
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (mu_former_paths(home, cert, cert_path, key_path, err) != 0 ||
        mu_key_load(key_path, source->ask == NULL ? NULL : source, &key, err) != 0 ||
        mu_cert_match_key(cert, key, cert_path, key_path, err) != 0)
        return -1;
    struct mu_former former = {.cert = mu_cert_ref(cert), .key = mu_take(&key)};
    mu_cert_key_sha256(cert, former.key_sha256);
    return add(ret, &former, err);
}

static bool is_wanted(const struct mu_cert *cert, const char *only)
{
    char key_sha256[MU_SHA256_LEN];
    mu_cert_key_sha256(cert, key_sha256);
    return only == NULL || mu_str_equal(key_sha256, only);
}

int mu_formers_load(const struct mu_home *home, const char *only,
                    const struct mu_passphrase_source *source, time_t now, struct mu_formers *ret,
                    struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    int result = mu_former_certs(home, now, &certs, err);
    for (size_t i = 0; result == 0 && i < certs.count; i++)
        if (is_wanted(certs.at[i], only))
            result = load_one(home, source, certs.at[i], ret, err);
    for (size_t i = 0; i < ret->count; i++) {
        struct mu_former *former = &ret->at[i];
        former->ca = (struct mu_ca){former->cert, former->key, former->key_sha256};
    }
    return result;
}

/* The key as it is, protected or not; the certificate last, which makes it one of them. */
int mu_former_keep(const struct mu_home *home, struct mu_error *err)
{
    char cert_path[MU_PATH_LEN], key_path[MU_PATH_LEN];
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    if (mu_cert_load(home->cert, &cert, err) != 0 ||
        mu_former_paths(home, cert, cert_path, key_path, err) != 0)
        return -1;
    mu_cert_to_pem(cert, &pem);
    if (mu_buf_failed(&pem))
        return mu_fail_nomem(err);
    return mu_stage_copy(&stage, key_path, home->key, 0600, err) != 0 ||
                   mu_stage_add(&stage, cert_path, pem.data, pem.len, 0644, err) != 0
               ? -1
               : mu_stage_commit(&stage, err);
}
