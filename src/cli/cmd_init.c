#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "authority/authority.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/issuing.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "pki/info.h"

static int show(const struct mu_args *args, const struct mu_cert *cert, const char *old,
                struct mu_error *err)
{
    struct mu_home paths;
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN], when[MU_SPAN_LEN];
    time_t now = time(NULL);
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_home_paths(mu_args_home(args), &paths, err) != 0 ||
        mu_cert_info_read(cert, now, &info, err) != 0)
        return -1;
    if (mu_args_json(args)) {
        mu_print_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?}", "name", info.cn,
                                "home", mu_args_home(args), "cert", paths.cert, "key", paths.key,
                                "sha256", info.sha256, "key_type", info.key, "not_after",
                                mu_date_rfc3339(info.not_after, date), "old",
                                *old == '\0' ? NULL : old));
        return 0;
    }
    printf("made the certificate authority \"%s\"\n", mu_cert_label(cert, label));
    mu_fact("certificate", "%s", paths.cert);
    mu_fact("key", "%s (keep it secret, keep a copy)", paths.key);
    mu_fact("records", "%s", paths.db);
    mu_fact("key type", "%s", info.key);
    mu_fact("expires", "%s (%s)", mu_relative(info.not_after, now, when),
            mu_date(info.not_after, date));
    mu_fact("SHA-256", "%s", info.sha256);
    if (*old != '\0')
        mu_note("what was there has been moved to %s", old);
    MU_AUTO_CLEAR(mu_buf) home = MU_BUF_INIT;
    mu_add_home(&home, args);
    printf("next: mutual issue server localhost%s\n", mu_buf_str(&home));
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    char old[MU_PATH_LEN];
    long days;
    const char *name = mu_args_count(args) > 0 ? mu_args_at(args, 0) : "my-ca";
    if (mu_args_number(args, "days", 1, 36500, &days, err) != 0 ||
        mu_passphrase_for_new_key(args, &passphrase, err) != 0)
        return -1;
    struct mu_authority_init init = {
        .home = mu_args_home(args),
        .name = name,
        .key_type = mu_args_value(args, "key-type"),
        .lifetime_s = days * MU_DAY_S,
        .passphrase = &passphrase,
        .store = mu_args_value(args, "store"),
        .force = mu_args_given(args, "force"),
        .now = time(NULL),
    };
    if (mu_authority_init(&init, &cert, old, err) != 0)
        return -1;
    return show(args, cert, old, err);
}

static const struct mu_opt opts[] = {
    {"key-type", 't', "TYPE", mu_key_types, "p256", false},
    {"days", 0, "N", "how long it is valid, in days", "3650", false},
    {"store", 0, "URL", "keep the records in PostgreSQL: postgresql://HOST/DATABASE", NULL, false},
    {"force", 0, NULL, "begin anew; a CA that is there is moved aside", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_init = {
    .name = "init",
    .args = "[NAME]",
    .summary = "make a private certificate authority",
    .details =
        "Makes ca.crt, ca.key and mutual.db (the records) in the home directory. NAME is my-ca if not given.\n"
        "Whoever has ca.key can be anybody; whoever trusts ca.crt believes it. With --passphrase-file,\n"
        "ca.key is encrypted. With --store the records are in a PostgreSQL database, for several machines that\n"
        "each have a copy of ca.crt, ca.key and the file store.",
    .example = "mutual init\n"
               "mutual init \"Example CA\" --key-type p384 --days 1825",
    .opts = opts,
    .max_args = 1,
    .run = run,
};
