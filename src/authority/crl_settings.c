#include "authority/crl_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pki/issue.h"

/* --- Settings --- */

static int read_number(struct mu_store *store, const char *name, int64_t fallback, int64_t *ret,
                       struct mu_error *err)
{
    char text[32];
    if (mu_store_setting(store, name, text, sizeof text, err) != 0)
        return -1;
    *ret = *text == '\0' ? fallback : strtoll(text, NULL, 10);
    return 0;
}

int mu_crl_settings_read(struct mu_store *store, struct mu_crl_settings *ret, struct mu_error *err)
{
    int64_t partitions, deltas;
    if (mu_store_setting(store, "url", ret->url, sizeof ret->url, err) != 0 ||
        mu_store_setting(store, "ocsp-url", ret->ocsp_url, sizeof ret->ocsp_url, err) != 0 ||
        read_number(store, "crl-partitions", 0, &partitions, err) != 0 ||
        read_number(store, "crl-deltas", 0, &deltas, err) != 0 ||
        read_number(store, "crl-lifetime", MU_CRL_LIFETIME_S, &ret->lifetime_s, err) != 0)
        return -1;
    ret->partitions = (int)partitions;
    ret->deltas = deltas != 0;
    return 0;
}

int mu_crl_settings_check(const struct mu_crl_settings *settings, struct mu_error *err)
{
    if ((settings->url[0] != '\0' && mu_pointer_check(settings->url, err) != 0) ||
        (settings->ocsp_url[0] != '\0' && mu_pointer_check(settings->ocsp_url, err) != 0))
        return -1;
    if (settings->url[0] != '\0' && !mu_str_ends_with(settings->url, "/")) {
        mu_fail(err, MU_E_USAGE, "the URL \"%s\" is not that of a directory", settings->url);
        return mu_hint(err,
                       "let it end with a slash: the files of public/ will be looked for below it");
    }
    if (settings->url[0] == '\0' && (settings->partitions > 0 || settings->deltas)) {
        mu_fail(
            err, MU_E_USAGE,
            "partitions and delta lists are found by the URLs in certificates, and there is no URL");
        return mu_hint(err, "say where public/ will be served: --url http://HOST/PATH/");
    }
    return 0;
}

const char *mu_crl_setting_name(size_t i)
{
    static const char *const names[MU_CRL_SETTINGS] = {"url", "ocsp-url", "crl-partitions",
                                                       "crl-deltas", "crl-lifetime"};
    return names[i];
}

const char *mu_crl_setting_text(const struct mu_crl_settings *settings, size_t i,
                                char ret[MU_URL_LEN])
{
    switch (i) {
    case 0: snprintf(ret, MU_URL_LEN, "%s", settings->url); break;
    case 1: snprintf(ret, MU_URL_LEN, "%s", settings->ocsp_url); break;
    case 2: snprintf(ret, MU_URL_LEN, "%d", settings->partitions); break;
    case 3: snprintf(ret, MU_URL_LEN, "%d", settings->deltas); break;
    default: snprintf(ret, MU_URL_LEN, "%" PRId64, settings->lifetime_s); break;
    }
    return ret;
}

bool mu_crl_settings_same(const struct mu_crl_settings *a, const struct mu_crl_settings *b)
{
    char text[MU_URL_LEN], other[MU_URL_LEN];
    for (size_t i = 0; i < MU_CRL_SETTINGS; i++)
        if (!mu_str_equal(mu_crl_setting_text(a, i, text), mu_crl_setting_text(b, i, other)))
            return false;
    return true;
}

/* --- Partitions --- */

int mu_crl_partition(const char *serial, int partitions)
{
    size_t len = strlen(serial);
    if (partitions <= 0)
        return 0;
    return 1 + (int)(strtoul(serial + (len > 6 ? len - 6 : 0), NULL, 16) % (unsigned)partitions);
}

int mu_crl_partitions(struct mu_store *store, const struct mu_crl_settings *settings,
                      const char *issuer, int *ret, struct mu_error *err)
{
    if (mu_store_last_partition(store, issuer, ret, err) != 0)
        return -1;
    if (*ret < settings->partitions || settings->url[0] == '\0')
        *ret = settings->partitions;
    return 0;
}

int mu_crl_partition_of(const struct mu_cert *cert)
{
    MU_AUTO_CLEAR(mu_strs) urls = {0};
    if (mu_pointers_to_lists(cert, &urls) != 0 || urls.count == 0)
        return -1;
    const char *file = strrchr(urls.at[0], '/'), *slice = file == NULL ? NULL : strchr(file, '-');
    return slice == NULL ? 0 : atoi(slice + 1);
}

/* --- Names --- */

void mu_crl_file_name(const char *key_sha256, int partition, const char *ending,
                      char ret[MU_CRL_FILE_LEN])
{
    char slice[16] = "";
    if (partition > 0)
        snprintf(slice, sizeof slice, "-%d", partition);
    snprintf(ret, MU_CRL_FILE_LEN, "%.*s%s%s", MU_KEY_PART, key_sha256, slice, ending);
}

static void url_of(const struct mu_crl_settings *settings, const char *key_sha256, int partition,
                   const char *ending, char ret[MU_URL_LEN + 64])
{
    char file[MU_CRL_FILE_LEN];
    mu_crl_file_name(key_sha256, partition, ending, file);
    snprintf(ret, MU_URL_LEN + 64, "%s%s", settings->url, file);
}

void mu_crl_pointers(const struct mu_crl_settings *settings, const char *key_sha256, int partition,
                     struct mu_crl_urls *urls, struct mu_pointers *ret)
{
    *ret =
        (struct mu_pointers){.ocsp_url = settings->ocsp_url[0] != '\0' ? settings->ocsp_url : NULL};
    if (settings->url[0] == '\0')
        return;
    url_of(settings, key_sha256, partition, ".crl", urls->crl);
    url_of(settings, key_sha256, partition, "-delta.crl", urls->delta);
    url_of(settings, key_sha256, 0, ".crt", urls->issuer);
    ret->crl_url = urls->crl;
    ret->issuer_url = urls->issuer;
    if (settings->deltas)
        ret->delta_url = urls->delta;
}

bool mu_crl_is_in_place(const struct mu_home *home, const struct mu_crl_scope *scope,
                        const struct mu_crl_record *complete)
{
    const size_t any_size = SIZE_MAX / 2;
    char file[MU_CRL_FILE_LEN], path[MU_PATH_LEN], sha256[MU_SHA256_LEN];
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    mu_crl_file_name(scope->issuer, scope->partition, ".crl", file);
    return mu_path_join(home->public, file, path, &ignored) == 0 &&
           mu_file_read(path, any_size, &der, &ignored) == 0 &&
           mu_str_equal(mu_sha256(der.data, der.len, sha256), complete->sha256);
}

/* --- Times --- */

time_t mu_crl_backdate(const struct mu_cert *ca, time_t now, time_t next_update)
{
    const int64_t lasts_s = (int64_t)(next_update - now);
    const time_t from = now - (time_t)(lasts_s < MU_BACKDATE_S ? lasts_s : MU_BACKDATE_S);
    const time_t ca_from = mu_cert_not_before(ca);
    return from > ca_from ? from : ca_from < now ? ca_from : now;
}
