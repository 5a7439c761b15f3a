#include <stdio.h>
#include <time.h>

#include "authority/passwd.h"
#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"

static void show_json(const struct mu_strs *keys, bool encrypted)
{
    json_t *list = json_array();
    for (size_t i = 0; i < keys->count; i++)
        json_array_append_new(list, mu_text_json(keys->at[i]));
    mu_print_json(mu_pack("{s:o, s:b}", "keys", list, "encrypted", (int)encrypted));
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    bool removing = mu_args_given(args, "remove");
    struct mu_passphrase_source old = mu_passphrase_source(args);
    struct mu_passphrase_source fresh = mu_new_passphrase_source(args);
    MU_AUTO_CLEAR(mu_strs) keys = {0};
    if (removing && mu_args_given(args, "new-passphrase-file"))
        return mu_usage(err, args, "--remove leaves no passphrase; --new-passphrase-file sets one");
    if (mu_authority_passwd(mu_args_home(args), &old, removing ? NULL : &fresh, time(NULL), &keys,
                            err) != 0)
        return -1;
    if (mu_args_json(args)) {
        show_json(&keys, !removing);
        return 0;
    }
    for (size_t i = 0; i < keys.count; i++)
        mu_say(MU_PLAIN, "%s is %s\n", keys.at[i],
               removing ? "no longer protected by a passphrase" : "protected by the new passphrase");
    if (!removing)
        mu_note(
            "copies made before, such as backups, still open with the old passphrase, or with none");
    return 0;
}

static const struct mu_opt opts[] = {
    {"passphrase-file", 0, "FILE", "read the passphrase that it has now from FILE (first line)",
     NULL, false},
    MU_NEW_PASSPHRASE_OPT,
    {"remove", 0, NULL, "leave the key without a passphrase", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_ca_passwd = {
    .name = "ca passwd",
    .args = "",
    .summary = "set, change or remove the passphrase of the CA's key",
    .details =
        "For ca.key in the home directory, and root.key, former keys and one that waits, where there are.\n"
        "Passphrases that no option names are asked for on the terminal, a new one twice. The keys stay the same,\n"
        "and so does every certificate; a file is replaced only when the new one has been read back and holds the\n"
        "same key.",
    .example = "mutual ca passwd --new-passphrase-file new.txt\n"
               "mutual ca passwd --passphrase-file new.txt --remove",
    .opts = opts,
    .run = run,
};
