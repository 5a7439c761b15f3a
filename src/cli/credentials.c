#include "cli/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/passphrase.h"
#include "pki/object.h"
#include "pki/pkcs11_uri.h"
#include "pki/token.h"

int mu_load_pair(const struct mu_args *args, const struct mu_pair_files *files,
                 struct mu_certs *ret_chain, struct mu_key **ret_key, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    return mu_pair_load(files, &source, ret_chain, ret_key, err);
}

int mu_load_self(const struct mu_args *args, const struct mu_self *who, struct mu_certs *ret_chain,
                 struct mu_key **ret_key, struct mu_error *err)
{
    char cert_file[MU_PATH_LEN], key_file[MU_PATH_LEN];
    const char *name = who->name;
    struct mu_pair_files files = {
        .cert = mu_args_value(args, "cert"),
        .key = mu_args_value(args, "key"),
        .key_opt = "--key",
        .with_root = who->with_root,
    };
    if (name != NULL && (files.cert != NULL || files.key != NULL))
        return mu_usage(err, args, "%s stands for --cert and --key; give one or the other",
                        who->name_opt);
    if (files.cert == NULL && files.key != NULL)
        return mu_usage(err, args, "--key needs --cert");
    if (files.cert != NULL)
        return mu_load_pair(args, &files, ret_chain, ret_key, err);
    if (name == NULL)
        return 0;

    if (snprintf(cert_file, sizeof cert_file, "%s.crt", name) >= (int)sizeof cert_file ||
        snprintf(key_file, sizeof key_file, "%s.key", name) >= (int)sizeof key_file)
        return mu_usage(err, args, "the name given with %s is too long", who->name_opt);
    if (access(cert_file, F_OK) != 0 && errno == ENOENT) {
        mu_fail(err, MU_E_NOT_FOUND, "there is no %s here for %s %s", cert_file, who->name_opt,
                name);
        return mu_hint(err, "make it with: mutual issue client %s", name);
    }
    files.cert = cert_file;
    files.key = key_file;
    return mu_load_pair(args, &files, ret_chain, ret_key, err);
}

int mu_anchor_path(const struct mu_args *args, char ret[MU_PATH_LEN], struct mu_error *err)
{
    if (mu_path_join(mu_args_home(args), "trust.crt", ret, err) != 0)
        return -1;
    return access(ret, F_OK) == 0 ? 0 : mu_path_join(mu_args_home(args), "ca.crt", ret, err);
}

int mu_need_anchor_path(const struct mu_args *args, char ret[MU_PATH_LEN], struct mu_error *err)
{
    if (mu_anchor_path(args, ret, err) != 0)
        return -1;
    if (access(ret, F_OK) == 0)
        return 0;
    mu_fail(err, MU_E_NO_CA, "there is no CA in %s, and no --cacert was given", mu_args_home(args));
    return mu_hint(err, "name a CA certificate with --cacert FILE, or make a CA: mutual init");
}

int mu_load_helpers(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err)
{
    static const char *const names[] = {"ca.crt", "ca-chain.crt"};
    char path[MU_PATH_LEN];
    if (mu_args_given(args, "cacert"))
        return 0;
    for (size_t i = 0; i < MU_COUNT(names); i++)
        if (mu_path_join(mu_args_home(args), names[i], path, err) != 0 ||
            (access(path, F_OK) == 0 && mu_certs_load(path, NULL, ret, err) != 0))
            return -1;
    return 0;
}

static int load_anchors(const struct mu_args *args, bool any, struct mu_certs *ret,
                        struct mu_error *err)
{
    char home_ca[MU_PATH_LEN];
    const char *path;
    struct mu_passphrase_source source = mu_passphrase_source(args);
    int (*load)(const char *, const struct mu_passphrase_source *, struct mu_certs *,
                struct mu_error *) = any ? mu_certs_load : mu_cas_load;
    for (int i = 0; (path = mu_args_nth(args, "cacert", i)) != NULL; i++)
        if (load(path, &source, ret, err) != 0)
            return -1;
    if (mu_args_given(args, "cacert"))
        return 0;
    return mu_need_anchor_path(args, home_ca, err) != 0 ? -1 : load(home_ca, &source, ret, err);
}

int mu_load_anchors(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err)
{
    return load_anchors(args, false, ret, err);
}

int mu_load_any_anchors(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err)
{
    return load_anchors(args, true, ret, err);
}

static int fail_without_uri(const char *where, const char *what, struct mu_error *err)
{
    mu_fail(err, MU_E_WRONG_KIND, "%s holds %s; this takes the name of a private key in a token",
            where, what);
    return mu_hint(err, "name it by its PKCS#11 URI: \"pkcs11:token=NAME;object=NAME\"");
}

int mu_load_token_key(const struct mu_args *args, const char *where, struct mu_buf *ret_uri,
                      struct mu_key **ret, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    const char *type = mu_args_given(args, "key-type") ? mu_args_value(args, "key-type") : NULL;
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    MU_AUTO_CLEAR(mu_pkcs11_uri) uri = {0};
    if (type != NULL && !mu_pkcs11_uri_is(where))
        return mu_usage(err, args, "--key names a key that is there; --key-type makes a new one");
    if (mu_objects_load(where, &objects, err) != 0)
        return -1;
    const struct mu_object *object = &objects.at[0];
    if (object->kind != MU_OBJECT_TOKEN_KEY)
        return fail_without_uri(where, mu_object_kind_name(object->kind), err);
    mu_buf_add(ret_uri, object->raw, object->raw_len);
    if (mu_buf_failed(ret_uri))
        return mu_fail_nomem(err);
    if (mu_pkcs11_uri_parse((const char *)object->raw, object->raw_len, &uri, err) != 0)
        return -1;
    return type == NULL ? mu_token_key_open(&uri, &source, ret, err)
                        : mu_token_key_make(&uri, type, &source, ret, err);
}

int mu_find_issuer(const struct mu_cert *cert, const struct mu_certs *among,
                   const struct mu_cert **ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    for (size_t i = 0; i < among->count; i++)
        if (mu_cert_is_signed_by(cert, among->at[i])) {
            *ret = among->at[i];
            return 0;
        }
    mu_fail(err, MU_E_NOT_FOUND, "\"%s\" was not issued by any CA that is known here",
            mu_cert_label(cert, label));
    return mu_hint(err, "name the certificate of its CA with --cacert FILE");
}
