#include <stdio.h>

#include "authority/install.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/issuing.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "pki/key.h"

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    const char *path = mu_args_value(args, "out");
    bool to_stdout = mu_str_equal(path, "-");
    char key[MU_PATH_LEN];
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = mu_args_given(args, "force")};
    const char *key_type = mu_args_value(args, "key-type");
    struct mu_ca_request how = {
        .home = mu_args_home(args),
        .name = mu_args_at(args, 0),
        .key_type = key_type,
        .new_key = mu_args_given(args, "new-key") || key_type != NULL,
        .force = mu_args_given(args, "force"),
        .source = &source,
        .passphrase = &passphrase,
    };
    if ((key_type != NULL && mu_key_type_check(key_type, err) != 0) ||
        (!to_stdout && mu_stage_check(&stage, path, err) != 0) ||
        mu_passphrase_for_new_key(args, &passphrase, err) != 0 ||
        mu_ca_request_make(&how, &pem, key, err) != 0)
        return -1;
    if (to_stdout) {
        fputs(mu_buf_str(&pem), stdout);
        return 0;
    }
    if (mu_stage_add(&stage, path, pem.data, pem.len, 0644, err) != 0 ||
        mu_stage_commit(&stage, err) != 0)
        return -1;
    if (mu_args_json(args)) {
        mu_print_json(mu_pack("{s:s, s:s}", "csr", path, "key", key));
        return 0;
    }
    MU_AUTO_CLEAR(mu_buf) word = MU_BUF_INIT;
    mu_add_shell_word(&word, path);
    printf("made a request for the CA's certificate\n");
    mu_fact("request", "%s", path);
    mu_fact("key", "%s (it stays here)", key);
    printf("next: take the request to the root's machine, which runs: mutual sign %s --profile ca\n",
           mu_buf_str(&word));
    return 0;
}

static const struct mu_opt opts[] = {
    {"new-key", 0, NULL, "for another key than the CA has now", NULL, false},
    {"key-type", 't', "TYPE", "the new key's type [p256, or as it was]", NULL, false},
    {"out", 'o', "FILE", "write the request here", "ca.csr", false},
    {"force", 0, NULL, "replace the file, and a key that waits for its certificate", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_ca_request = {
    .name = "ca request",
    .args = "[NAME]",
    .summary = "ask the root, on another machine, for the CA's certificate",
    .details =
        "With NAME, for a CA that is to be in the home directory; its new key waits there as ca-request.key. Without\n"
        "it, for the CA that is there, to have its certificate renewed: with the key that it has, or another.\n"
        "Only the request leaves: mutual sign --profile ca signs it where the root is, and mutual ca install takes\n"
        "what comes back.",
    .example = "mutual ca request \"Example CA\" --home online --out online.csr",
    .opts = opts,
    .max_args = 1,
    .run = run,
};
