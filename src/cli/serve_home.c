#include "cli/serve_home.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "authority/authority.h"
#include "authority/hierarchy.h"
#include "base/file.h"
#include "base/time.h"
#include "cli/credentials.h"
#include "cli/passphrase.h"

enum { FRESH_LIFETIME_DAYS = 30 };

static int need_home(const struct mu_args *args, struct mu_error *err)
{
    char home_ca[MU_PATH_LEN];
    if (mu_anchor_path(args, home_ca, err) != 0)
        return -1;
    if (access(home_ca, F_OK) == 0)
        return 0;
    mu_fail(err, MU_E_NO_CA,
            "there is no server certificate: neither localhost.crt with localhost.key in this "
            "directory, nor a CA in %s to issue one",
            mu_args_home(args));
    return mu_hint(err, "make a CA with: mutual init, or give --cert FILE and --key FILE");
}

/* A certificate for localhost, which never touches the disk. */
static int issue(void *arg, struct mu_certs *ret_chain, struct mu_key **ret_key,
                 struct mu_error *err)
{
    struct mu_serve_home *from = arg;
    struct mu_home home;
    MU_AUTO_CLEAR(mu_hierarchy) ranks = {0};
    MU_AUTO_STRUCT(mu_key) ca_key = NULL;
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    MU_AUTO_CLEAR(mu_names) names = {0};
    struct mu_cert *cert = NULL;
    if (need_home(from->args, err) != 0 ||
        mu_home_paths(mu_args_home(from->args), &home, err) != 0 ||
        mu_hierarchy_load(&home, &ranks, err) != 0 ||
        mu_policy_load_or_built_in(home.policy, &policy, err) != 0 ||
        mu_key_load(home.key, &from->passphrase, &ca_key, err) != 0 ||
        mu_key_generate("p256", ret_key, err) != 0 ||
        mu_names_set_main(&names, "localhost", false, err) != 0 ||
        mu_names_add_loopback(&names, err) != 0)
        return -1;
    const int64_t wanted_s = FRESH_LIFETIME_DAYS * MU_DAY_S;
    const int64_t longest_s = policy->profiles[MU_PROFILE_SERVER].longest_lifetime_s;
    const struct mu_issuer issuer = {.cert = ranks.own.at[0],
                                     .key = ca_key,
                                     .above = &ranks.above,
                                     .policy = policy};
    const struct mu_order order = {
        .profile = MU_PROFILE_SERVER,
        .key = *ret_key,
        .names = &names,
        .now = time(NULL),
        .lifetime_s = longest_s < wanted_s ? longest_s : wanted_s,
    };
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    if (mu_issue_by(&issuer, &order, &issued, err) != 0 ||
        mu_issued_cert(&issued, &cert, err) != 0 || mu_certs_add(ret_chain, cert, err) != 0)
        return -1;
    for (size_t i = 0; i < ranks.behind.count; i++)
        if (mu_certs_add(ret_chain, mu_cert_ref(ranks.behind.at[i]), err) != 0)
            return -1;
    return 0;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static bool trusts(const struct mu_door_config *door, const struct mu_home *home)
{
    for (size_t i = 0; i < door->trust.count; i++)
        if (is_same_file(door->trust.at[i], home->cert) ||
            is_same_file(door->trust.at[i], home->trust))
            return true;
    return false;
}

/*
 * The complete list is made anew with each revocation, and holds what partitions and deltas do. It is the CA's own last word,
 * so that its age says nothing: unless somebody demands it (crl_grace), an old one counts on.
 */
static int obey(struct mu_door_config *door, const struct mu_home *home, struct mu_error *err)
{
    door->crl_of_home = strdup(home->crl);
    door->ca_of_home = strdup(home->cert);
    if (door->crl_of_home == NULL || door->ca_of_home == NULL ||
        (access(home->crl, F_OK) == 0 && mu_strs_add(&door->crl, home->crl) != 0))
        return mu_fail_nomem(err);
    if (!door->crl_grace_said && door->fetch_crl.count == 0)
        door->crl_grace_s = MU_CRL_GRACE_OPEN;
    return 0;
}

int mu_serve_obey_home(const struct mu_args *args, struct mu_config *config, struct mu_error *err)
{
    struct mu_error none = MU_ERROR_INIT;
    struct mu_home home;
    if (mu_home_paths(mu_args_home(args), &home, &none) != 0)
        return 0;
    for (size_t i = 0; i < config->door_count; i++) {
        struct mu_door_config *door = &config->doors[i];
        if (door->crl.count == 0 && !door->crl_none && trusts(door, &home) &&
            obey(door, &home, err) != 0)
            return -1;
    }
    return 0;
}

int mu_serve_load(const struct mu_args *args, const char *path, struct mu_config **ret,
                  struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_config) config = NULL;
    if (mu_config_load(path, &config, err) != 0 || mu_serve_obey_home(args, config, err) != 0)
        return -1;
    *ret = mu_take(&config);
    return 0;
}

/* Who may not look into the home, by its mode or from a sandbox, serves nothing from it. */
static bool can_look_into(const char *dir)
{
    DIR *opened = opendir(dir);
    if (opened != NULL)
        closedir(opened);
    return opened != NULL || (errno != EACCES && errno != EPERM && errno != ENOENT);
}

/* The home's keys, and the one of the recipes, are for no client, whether they are in use here or not. */
static int may_serve(void *arg, const char *dir, struct mu_error *err)
{
    const struct mu_serve_home *from = arg;
    char path[MU_PATH_LEN];
    struct mu_home home;
    MU_AUTO_CLEAR(mu_strs) names = {0};
    if (mu_door_check_key(dir, "localhost.key", err) != 0 ||
        mu_home_paths(mu_args_home(from->args), &home, err) != 0)
        return -1;
    if (can_look_into(home.dir) && mu_home_list(&home, mu_home_is_key, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (mu_path_join(home.dir, names.at[i], path, err) != 0 ||
            mu_door_check_key(dir, path, err) != 0)
            return -1;
    return 0;
}

/* A server that loads its doors anew must not wait for somebody at a keyboard. */
static int ask(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err)
{
    struct mu_serve_home *from = arg;
    const struct mu_passphrase_source source = mu_passphrase_source(from->args);
    if (mu_passphrase_is_in_file(from->args))
        return source.ask(source.arg, what, ret, err);
    if (from->running && from->typed.len == 0)
        return mu_fail(err, MU_E_PASSPHRASE_NEEDED, "%s is protected by a passphrase", what);
    if (from->running)
        return mu_secret_set(ret, from->typed.data, from->typed.len, err);
    if (source.ask(source.arg, what, ret, err) != 0)
        return -1;
    mu_secret_clear(&from->typed);
    return mu_secret_set(&from->typed, ret->data, ret->len, err);
}

void mu_serve_home_clear(struct mu_serve_home *home)
{
    mu_secret_clear(&home->typed);
}

struct mu_door_loader mu_serve_loader(const struct mu_args *args, struct mu_serve_home *home)
{
    *home = (struct mu_serve_home){.args = args, .passphrase = {.ask = ask, .arg = home}};
    return (struct mu_door_loader){.passphrase = &home->passphrase,
                                   .issue = issue,
                                   .may_serve = may_serve,
                                   .arg = home};
}
