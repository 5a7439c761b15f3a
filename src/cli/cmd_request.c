#include <stdio.h>

#include "base/file.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/issuing.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "pki/csr.h"
#include "pki/pkcs11_uri.h"

/* The key that was named, or a new one, which is staged beside the request. `ret_path` says where. */
static int get_key(const struct mu_args *args, struct mu_stage *stage, char ret_path[MU_PATH_LEN],
                   struct mu_key **ret, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    const char *path = mu_args_value(args, "key");
    if (path != NULL && mu_pkcs11_uri_is(path) && mu_args_given(args, "key-type")) {
        MU_AUTO_CLEAR(mu_buf) uri = MU_BUF_INIT;
        snprintf(ret_path, MU_PATH_LEN, "%s", path);
        return mu_load_token_key(args, path, &uri, ret, err);
    }
    if (path != NULL && mu_args_given(args, "key-type"))
        return mu_usage(err, args, "--key names a key that is there; --key-type makes a new one");
    if (path != NULL) {
        snprintf(ret_path, MU_PATH_LEN, "%s", path);
        return mu_key_load(path, &source, ret, err);
    }
    const char *type = mu_args_given(args, "key-type") ? mu_args_value(args, "key-type") : "p256";
    if (mu_output_path(args, mu_args_at(args, 0), ".key", ret_path, err) != 0 ||
        mu_stage_check(stage, ret_path, err) != 0 ||
        mu_passphrase_for_new_key(args, &passphrase, err) != 0 ||
        mu_key_generate(type, ret, err) != 0 || mu_key_to_pem(*ret, &passphrase, &pem, err) != 0)
        return -1;
    return mu_stage_add(stage, ret_path, pem.data, pem.len, 0600, err);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    char csr_path[MU_PATH_LEN], key_path[MU_PATH_LEN];
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = mu_args_given(args, "force")};
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_csr) csr = NULL;
    if (mu_names_from_args(args, 0, true, &names, err) != 0 ||
        mu_output_path(args, mu_args_at(args, 0), ".csr", csr_path, err) != 0 ||
        mu_stage_check(&stage, csr_path, err) != 0 ||
        get_key(args, &stage, key_path, &key, err) != 0 || mu_csr_make(key, &names, &csr, err) != 0)
        return -1;
    mu_csr_to_pem(csr, &pem);
    if (mu_buf_failed(&pem))
        return mu_fail_nomem(err);
    if (mu_stage_add(&stage, csr_path, pem.data, pem.len, 0644, err) != 0 ||
        mu_stage_commit(&stage, err) != 0)
        return -1;

    if (mu_args_json(args)) {
        mu_print_json(mu_pack("{s:s, s:s}", "csr", csr_path, "key", key_path));
        return 0;
    }
    printf("made a signing request for \"%s\"\n", mu_args_at(args, 0));
    mu_fact("request", "%s", csr_path);
    mu_fact("key", "%s", key_path);
    MU_AUTO_CLEAR(mu_buf) word = MU_BUF_INIT;
    mu_add_shell_word(&word, csr_path);
    printf("next: give the request to the CA, which runs: mutual sign %s\n", mu_buf_str(&word));
    return 0;
}

static const struct mu_opt opts[] = {
    {"san", 0, "NAME", "a further name: DNS, IP address, URI or e-mail", NULL, true},
    {"key", 0, "FILE", "use this key instead of a new one; or a PKCS#11 URI", NULL, false},
    {"key-type", 't', "TYPE", "the new key's type [p256]", NULL, false},
    {"out", 'o', "PREFIX", "write PREFIX.csr and PREFIX.key [the name]", NULL, false},
    {"force", 0, NULL, "replace files that are there", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_request = {
    .name = "request",
    .args = "NAME",
    .summary = "make a key and a signing request for a CA elsewhere",
    .details =
        "The key stays here; only the request goes to the CA. Names are guessed as in mutual issue. With a PKCS#11\n"
        "URI and --key-type the key is made in the token.",
    .example = "mutual request my-client\n"
               "mutual request api.internal --san 10.0.0.1 --key api.key",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
