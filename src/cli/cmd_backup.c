#include <stdio.h>
#include <time.h>

#include "authority/backup.h"
#include "cli/cmd.h"
#include "cli/describe.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/progress.h"

static void show(const struct mu_args *args, const char *path, bool sealed,
                 const struct mu_backup_made *made)
{
    MU_AUTO_CLEAR(mu_buf) files = MU_BUF_INIT;
    if (mu_args_json(args)) {
        mu_print_json(mu_pack("{s:s, s:I, s:s, s:o, s:o, s:b, s:b, s:b}", "file", path, "size",
                              (json_int_t)made->size, "sha256", made->sha256, "files",
                              mu_strs_json(&made->files), "left_out", mu_strs_json(&made->left_out),
                              "key_open", (int)(made->keys_open.count > 0), "key_in_token",
                              (int)made->key_in_token, "encrypted", (int)sealed));
        return;
    }
    mu_buf_adds(&files, "mutual.db");
    for (size_t i = 0; i < made->files.count; i++)
        mu_buf_addf(&files, ", %s", made->files.at[i]);
    printf("made the backup %s\n", path);
    mu_fact("holds", "%s", mu_buf_str(&files));
    if (sealed)
        mu_fact("protected", "by the passphrase, without which nobody opens it");
    mu_fact("size", "%lld bytes", (long long)made->size);
    mu_fact("SHA-256", "%s", made->sha256);
}

/* Whoever has the backup has these. */
static void note_open(const struct mu_strs *keys)
{
    MU_AUTO_CLEAR(mu_buf) names = MU_BUF_INIT;
    for (size_t i = 0; i < keys->count; i++)
        mu_buf_addf(&names, "%s%s", i > 0 ? ", " : "", keys->at[i]);
    mu_note("it holds the CA's key without a passphrase: keep it as you keep the key (%s)",
            mu_buf_str(&names));
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    bool sealed = mu_args_given(args, "passphrase-file");
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    if (sealed && mu_passphrase_for_new_key(args, &passphrase, err) != 0)
        return -1;
    struct mu_backup how = {.home = mu_args_home(args),
                            .path = mu_args_at(args, 0),
                            .passphrase = &passphrase,
                            .force = mu_args_given(args, "force"),
                            .now = time(NULL)};
    MU_AUTO_CLEAR(mu_backup_made) made = {.size = 0};
    mu_progress_begin("making the backup");
    if (mu_authority_backup(&how, &made, err) != 0)
        return -1;
    mu_progress_end();
    show(args, how.path, sealed, &made);
    for (size_t i = 0; i < made.left_out.count; i++)
        mu_warn("%s is not in it: only files are, of up to 16 MiB", made.left_out.at[i]);
    if (made.keys_open.count > 0 && !sealed)
        note_open(&made.keys_open);
    if (made.key_in_token)
        mu_note(
            "the CA's key is not in it, but where it is: a copy of the token itself is made by the token's means");
    return 0;
}

static const struct mu_opt opts[] = {
    {"passphrase-file", 0, "FILE", "put it under the passphrase in FILE (first line)", NULL, false},
    {"force", 0, NULL, "replace a file that is there", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_backup = {
    .name = "backup",
    .args = "FILE",
    .summary = "put the whole CA into one file, while it is in use",
    .details =
        "The records as of one moment, and the other files of the home directory: certificates, keys as they\n"
        "are, policy. Others may issue and revoke meanwhile. The file (an SQLite database, also where the\n"
        "records are in PostgreSQL) is readable by its\n"
        "owner only; it holds the CA's key, protected if the key is: see mutual ca passwd, whose passphrase is not\n"
        "needed. With --passphrase-file the whole file is encrypted under a passphrase of its own (CMS with\n"
        "AES-256-GCM, which openssl cms reads, too). mutual restore makes a CA of it again.",
    .example = "mutual backup my-ca.backup\n"
               "mutual backup my-ca.backup --force --json",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
