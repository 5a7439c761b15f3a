#include <stdio.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "pki/key.h"

static int run(const struct mu_args *args, struct mu_error *err)
{
    char kind[MU_KEY_DESCRIPTION_LEN], pin_text[3 * 32 + 1];
    unsigned char pin[32];
    const char *path = mu_args_at(args, 0);
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = mu_args_given(args, "force")};
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT_SECRET;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    if (mu_stage_check(&stage, path, err) != 0 ||
        mu_passphrase_for_new_key(args, &passphrase, err) != 0 ||
        mu_key_generate(mu_args_value(args, "key-type"), &key, err) != 0 ||
        mu_key_pin(key, pin, err) != 0 || mu_key_to_pem(key, &passphrase, &pem, err) != 0 ||
        mu_stage_add(&stage, path, pem.data, pem.len, 0600, err) != 0 ||
        mu_stage_commit(&stage, err) != 0)
        return -1;

    bool encrypted = passphrase.data != NULL;
    mu_key_describe(key, kind);
    mu_str_hex(pin, sizeof pin, '\0', pin_text);
    if (mu_args_json(args))
        mu_print_json(mu_pack("{s:s, s:s, s:b, s:s}", "key", path, "key_type", kind, "encrypted",
                              (int)encrypted, "public_key_sha256", pin_text));
    else
        mu_say(MU_PLAIN, "made the private key %s: %s%s\n", path, kind,
               encrypted ? ", protected by the passphrase" : "");
    return 0;
}

static const struct mu_opt opts[] = {
    {"key-type", 't', "TYPE", mu_key_types, "p256", false},
    {"force", 0, NULL, "replace a file that is there", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_key = {
    .name = "key",
    .args = "FILE",
    .summary = "make a private key alone",
    .details =
        "The file is PEM (PKCS#8), readable by its owner only; encrypted with --passphrase-file.\n"
        "ML-DSA, whose signatures a quantum computer does not forge, needs OpenSSL 3.5, and TLS 1.3 on both sides.",
    .example = "mutual key my-client.key --key-type p256",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
