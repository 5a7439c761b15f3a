#include "cli/signer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/credentials.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "pki/info.h"

/* A CA from elsewhere may work here and fail in the eyes of others. */
static void warn_about_ca(const struct mu_cert *ca, const char *path)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(ca, time(NULL), &info, &ignored) != 0)
        return;
    for (size_t i = 0; i < info.problems.count; i++)
        mu_warn("the CA in %s: %s", path, info.problems.at[i]);
}

int mu_open_ca(const struct mu_args *args, const struct mu_passphrase_source *source,
               struct mu_authority **ret, struct mu_error *err)
{
    mu_progress_begin("waiting for the CA");
    const int result = mu_authority_open(mu_args_home(args), source, ret, err);
    mu_progress_end();
    return result;
}

void mu_signer_clear(struct mu_signer *signer)
{
    mu_authority_free(signer->authority);
    mu_certs_clear(&signer->chain);
    mu_key_free(signer->key);
    mu_policy_free(signer->own_policy);
    *signer = (struct mu_signer){.authority = NULL};
}

/* A policy lies beside its CA's certificate, so that a home's own files, given by name, are no way round it. */
static int load_policy_beside(const char *ca_path, struct mu_policy **ret, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    char *real =
        realpath(ca_path, NULL); /* NULL: standard input, say, which has nothing beside it */
    char *slash = real == NULL ? NULL : strrchr(real, '/');
    if (slash == NULL)
        return mu_policy_new(ret, err);
    *slash = '\0';
    int result = mu_path_join(real, "policy.yaml", path, err) != 0
                     ? -1
                     : mu_policy_load_or_built_in(path, ret, err);
    free(real);
    return result;
}

int mu_signer_open(const struct mu_args *args, struct mu_signer *ret, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    const char *ca_path = mu_args_value(args, "cacert");
    const char *key_path = mu_args_value(args, "cakey");
    if (ca_path == NULL && key_path != NULL)
        return mu_usage(err, args, "--cakey needs --cacert");
    if (ca_path == NULL)
        return mu_open_ca(args, &source, &ret->authority, err) != 0
                   ? -1
                   : mu_authority_policy(ret->authority, &ret->policy, err);
    /* The root comes along: names that it forbids bind what is signed below it. */
    const struct mu_pair_files files = {.cert = ca_path,
                                        .key = key_path,
                                        .key_opt = "--cakey",
                                        .with_root = true};
    if (mu_load_pair(args, &files, &ret->chain, &ret->key, err) != 0 ||
        load_policy_beside(ca_path, &ret->own_policy, err) != 0)
        return -1;
    ret->policy = ret->own_policy;
    warn_about_ca(ret->chain.at[0], ca_path);
    return 0;
}

const struct mu_cert *mu_signer_cert(const struct mu_signer *signer)
{
    return signer->authority != NULL ? mu_authority_cert(signer->authority) : signer->chain.at[0];
}

static int add_all(const struct mu_certs *from, struct mu_certs *ret, struct mu_error *err)
{
    for (size_t i = 0; i < from->count; i++)
        if (mu_certs_add(ret, mu_cert_ref(from->at[i]), err) != 0)
            return -1;
    return 0;
}

int mu_signer_chain(const struct mu_signer *signer, struct mu_cert *cert, struct mu_certs *ret,
                    struct mu_error *err)
{
    bool with_root = mu_cert_is_ca(cert);
    if (signer->authority == NULL)
        return mu_certs_add_chain(cert, &signer->chain, with_root, ret, err);
    return mu_certs_add(ret, mu_cert_ref(cert), err) != 0 ||
                   add_all(mu_authority_behind(signer->authority), ret, err) != 0 ||
                   (with_root && add_all(mu_authority_trust(signer->authority), ret, err) != 0)
               ? -1
               : 0;
}

int mu_signer_behind_to_pem(const struct mu_signer *signer, struct mu_buf *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) behind = {0};
    struct mu_cert *ca = signer->authority != NULL ? NULL : signer->chain.at[0];
    if (ca != NULL && !mu_cert_is_signed_by(ca, ca) &&
        mu_certs_add_chain(ca, &signer->chain, false, &behind, err) != 0)
        return -1;
    mu_certs_to_pem(ca != NULL ? &behind : mu_authority_behind(signer->authority), ret);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

static int issue_by_other(const struct mu_signer *signer, const struct mu_order *order,
                          struct mu_issued *ret, struct mu_error *err)
{
    const struct mu_issuer issuer = {
        .cert = signer->chain.at[0],
        .key = signer->key,
        .above = &signer->chain,
        .policy = signer->policy,
    };
    return mu_issue_by(&issuer, order, ret, err);
}

int mu_signer_issue(const struct mu_signer *signer, const struct mu_order *order,
                    struct mu_cert **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    if (signer->authority != NULL)
        return mu_authority_issue(signer->authority, order, ret, err);
    return issue_by_other(signer, order, &issued, err) != 0 ? -1
                                                            : mu_issued_cert(&issued, ret, err);
}

int mu_signer_issue_each(const struct mu_signer *signer, const struct mu_order *orders, size_t count,
                         struct mu_issued *ret, struct mu_error *ret_whys, struct mu_error *err)
{
    if (signer->authority != NULL)
        return mu_authority_issue_each(signer->authority, orders, count, ret, ret_whys, err);
    for (size_t i = 0; i < count; i++)
        if (issue_by_other(signer, &orders[i], &ret[i], &ret_whys[i]) != 0)
            continue; /* its place tells */
    return 0;
}
