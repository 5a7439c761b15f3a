#include <stdio.h>
#include <time.h>

#include "authority/install.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/issuing.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "pki/info.h"
#include "pki/object.h"

/* The certificates of a file, in order. Another one may hold nothing but the root's revocation list. */
static int load(const char *path, bool first, struct mu_certs *ret_certs,
                struct mu_objects *ret_all, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    if (mu_objects_load(path, &objects, err) != 0)
        return -1;
    bool list = !first && objects.at[0].crl != NULL;
    if (!list && mu_certs_pick(path, &objects, NULL, ret_certs, err) != 0)
        return -1;
    for (size_t i = 0; i < objects.count; i++) {
        struct mu_object object = objects.at[i];
        objects.at[i] = (struct mu_object){.kind = MU_OBJECT_OTHER};
        if (mu_objects_add(ret_all, &object, err) != 0)
            return -1;
    }
    return 0;
}

/* Who signed it anew may have forgotten what it was bound to. */
static int warn_if_freed(const struct mu_cert_info *info, const struct mu_cert *before, time_t now,
                         struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_cert_info) old = {0};
    if (before == NULL)
        return 0;
    if (mu_cert_info_read(before, now, &old, err) != 0)
        return -1;
    if (old.permitted.count + old.excluded.count > 0 &&
        info->permitted.count + info->excluded.count == 0)
        mu_warn("the certificate before was bound to names (%s), and this one is not",
                old.permitted.count > 0 ? old.permitted.at[0] : old.excluded.at[0]);
    return 0;
}

static int show(const struct mu_args *args, const struct mu_installed *installed,
                struct mu_error *err)
{
    struct mu_home paths;
    char label[MU_CERT_LABEL_LEN], root_label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN],
        when[MU_SPAN_LEN];
    time_t now = time(NULL);
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    MU_AUTO_CLEAR(mu_cert_info) root = {0};
    if (mu_home_paths(mu_args_home(args), &paths, err) != 0 ||
        mu_cert_info_read(installed->cert, now, &info, err) != 0 ||
        mu_cert_info_read(installed->root, now, &root, err) != 0)
        return -1;
    mu_cert_label(installed->cert, label);
    mu_cert_label(installed->root, root_label);
    if (mu_args_json(args)) {
        mu_print_json(mu_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b}", "name", label,
                              "cert", paths.cert, "sha256", info.sha256, "not_after",
                              mu_date_rfc3339(info.not_after, date), "trust", paths.trust,
                              "root_sha256", root.sha256, "first", (int)(installed->before == NULL),
                              "same", (int)installed->same, "new_key", (int)installed->new_key,
                              "new_root", (int)installed->new_root));
        return warn_if_freed(&info, installed->before, now, err);
    }
    if (installed->same)
        printf("installed the revocation list of the root \"%s\"\n", root_label);
    else
        printf("installed the certificate of the CA \"%s\"\n", label);
    mu_fact("certificate", "%s", paths.cert);
    mu_fact("expires", "%s (%s)", mu_relative(info.not_after, now, when),
            mu_date(info.not_after, date));
    mu_fact("root", "\"%s\" (what others trust: %s)", root_label, paths.trust);
    mu_fact("SHA-256", "%s (of the root: compare it with what its machine shows)", root.sha256);
    if (installed->new_key)
        mu_note("the CA has another key; the former one stays, for the revocation lists of what it "
                "has issued");
    if (installed->new_root)
        mu_note("the root is another one; the former stays in trust.crt until you say: "
                "mutual ca rollover finish");
    MU_AUTO_CLEAR(mu_buf) home = MU_BUF_INIT;
    mu_add_home(&home, args);
    if (installed->before == NULL)
        printf("next: mutual issue server localhost%s\n", mu_buf_str(&home));
    else if (installed->new_root)
        printf("next: give trust.crt to all who verify, renew what was issued, and see: "
               "mutual ca rollover status%s\n",
               mu_buf_str(&home));
    return warn_if_freed(&info, installed->before, now, err);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    MU_AUTO_CLEAR(mu_certs) certs = {0};
    MU_AUTO_CLEAR(mu_objects) all = {0};
    MU_AUTO_CLEAR(mu_installed) installed = {0};
    const char *chain;
    if (load(mu_args_at(args, 0), true, &certs, &all, err) != 0)
        return -1;
    for (int i = 0; (chain = mu_args_nth(args, "chain", i)) != NULL; i++)
        if (load(chain, false, &certs, &all, err) != 0)
            return -1;
    struct mu_install how = {
        .home = mu_args_home(args),
        .store = mu_args_value(args, "store"),
        .certs = &certs,
        .others = &all,
        .source = &source,
        .now = time(NULL),
    };
    mu_progress_begin("installing");
    if (mu_authority_install(&how, &installed, err) != 0)
        return -1;
    mu_progress_end();
    return show(args, &installed, err);
}

static const struct mu_opt opts[] = {
    {"chain", 0, "FILE", "the CAs above it, if FILE lacks them; the root's revocation list", NULL,
     true},
    {"store", 0, "URL", "keep a new CA's records in PostgreSQL: postgresql://HOST/DATABASE", NULL,
     false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_ca_install = {
    .name = "ca install",
    .args = "FILE.crt",
    .summary = "install the CA's certificate, which came back from the root",
    .details =
        "FILE.crt is what mutual sign --profile ca has made, or any other CA: the CA's certificate first, then those\n"
        "above it. The key waits in the home directory since mutual ca request. ca.crt, ca-chain.crt, root.crt and\n"
        "trust.crt change in one step, and revocation lists are made anew. With --chain the root's revocation list\n"
        "(mutual crl --days 365, there) comes along: whoever checks whole chains needs it, and it becomes part of\n"
        "ca.crl; a newer one can be brought alone, with FILE.crt as it was. Whoever can put a root into FILE is trusted:\n"
        "compare its fingerprint.",
    .example = "mutual ca install online.crt --home online\n"
               "mutual ca install online.crt --chain root.crl --home online",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
