#include "cli/credentials.h"

#include <unistd.h>

#include "base/file.h"
#include "cli/passphrase.h"

int mu_load_pair(const struct mu_args *args, const char *cert_path, const char *key_path,
                 struct mu_certs *ret_chain, struct mu_key **ret_key, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    if (key_path == NULL)
        key_path = cert_path;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (mu_certs_load(cert_path, &source, ret_chain, err) != 0 ||
        mu_key_load(key_path, &source, &key, err) != 0 ||
        mu_cert_match_key(ret_chain->at[0], key, cert_path, key_path, err) != 0)
        return -1;
    *ret_key = mu_take(&key);
    return 0;
}

/* A leaf in the place of a CA is the commonest mistake with this option, and TLS would only say that
 * nobody is trusted. */
static int load_ca_file(const char *path, bool any, struct mu_certs *ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    size_t first = ret->count;
    if (mu_certs_load(path, NULL, ret, err) != 0)
        return -1;
    for (size_t i = first; i < ret->count; i++)
        if (any || mu_cert_is_ca(ret->at[i]))
            return 0;
    mu_fail(err, MU_E_CA_UNFIT, "%s holds the certificate of \"%s\", which is not a CA", path,
            mu_cert_label(ret->at[first], label));
    return mu_hint(err, "give the certificate of the CA that issued it, not the issued one");
}

static int load_anchors(const struct mu_args *args, bool any, struct mu_certs *ret,
                        struct mu_error *err)
{
    char home_ca[MU_PATH_LEN];
    const char *path;
    for (int i = 0; (path = mu_args_nth(args, "cacert", i)) != NULL; i++)
        if (load_ca_file(path, any, ret, err) != 0)
            return -1;
    if (ret->count > 0)
        return 0;
    if (mu_path_join(mu_args_home(args), "ca.crt", home_ca, err) != 0)
        return -1;
    if (access(home_ca, F_OK) != 0) {
        mu_fail(err, MU_E_NO_CA, "there is no CA in %s, and no --cacert was given",
                mu_args_home(args));
        return mu_hint(err, "name a CA certificate with --cacert FILE, or make a CA: mutual init");
    }
    return load_ca_file(home_ca, any, ret, err);
}

int mu_load_anchors(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err)
{
    return load_anchors(args, false, ret, err);
}

int mu_load_any_anchors(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err)
{
    return load_anchors(args, true, ret, err);
}

int mu_find_issuer(const struct mu_cert *cert, const struct mu_certs *among,
                   const struct mu_cert **ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    for (size_t i = 0; i < among->count; i++)
        if (mu_cert_issued_by(cert, among->at[i])) {
            *ret = among->at[i];
            return 0;
        }
    mu_fail(err, MU_E_NOT_FOUND, "\"%s\" was not issued by any CA that is known here",
            mu_cert_label(cert, label));
    return mu_hint(err, "name the certificate of its CA with --cacert FILE");
}
