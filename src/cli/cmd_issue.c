#include <time.h>

#include "authority/authority.h"
#include "base/str.h"
#include "cli/batch.h"
#include "cli/cmd.h"
#include "cli/issuing.h"
#include "cli/passphrase.h"
#include "cli/signer.h"

/* Asked for, and so never left out: without a passphrase there is no key at all. */
static int passphrase_for_key(const struct mu_args *args, struct mu_secret *ret,
                              struct mu_error *err)
{
    if (!mu_args_given(args, "encrypt-key"))
        return 0;
    if (mu_passphrase_for_new_key(args, ret, err) != 0)
        return -1;
    if (ret->data != NULL)
        return 0;
    mu_fail(err, MU_E_PASSPHRASE_NEEDED, "--encrypt-key needs a passphrase");
    return mu_hint(err, "give it with --passphrase-file FILE or MUTUAL_PASSPHRASE_FILE");
}

/* The key is on the disk before anything is issued, so that a name that is taken or a directory that cannot
 * be written costs no certificate. */
static int issue(const struct mu_args *args, enum mu_profile profile, int64_t lifetime_s,
                 const char *cert_path, const char *key_path, struct mu_cert **ret,
                 struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = mu_args_given(args, "force")};
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_CLEAR(mu_buf) key_pem = MU_BUF_INIT_SECRET;
    MU_AUTO_CLEAR(mu_buf) cert_pem = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_ruling) ruling = {0};
    const struct mu_policy *policy = NULL;
    time_t now = time(NULL);

    if (mu_names_from_args(args, 1, mu_profile_rules(profile)->free_text_name, &names, err) != 0 ||
        mu_key_type_check(mu_args_value(args, "key-type"), err) != 0 ||
        mu_open_ca(args, &source, &authority, err) != 0 ||
        mu_authority_policy(authority, &policy, err) != 0 ||
        passphrase_for_key(args, &passphrase, err) != 0 ||
        mu_key_generate(mu_args_value(args, "key-type"), &key, err) != 0 ||
        mu_key_to_pem(key, &passphrase, &key_pem, err) != 0 ||
        mu_stage_add(&stage, key_path, key_pem.data, key_pem.len, 0600, err) != 0 ||
        mu_stage_check(&stage, cert_path, err) != 0)
        return -1;
    struct mu_order order = {
        .profile = profile,
        .key = key,
        .names = &names,
        .now = now,
        .lifetime_s = lifetime_s,
    };
    if (mu_policy_judge(policy, &order, &ruling, err) != 0 ||
        mu_authority_issue(authority, &order, &cert, err) != 0)
        return -1;
    mu_cert_to_pem(cert, &cert_pem);
    mu_certs_to_pem(mu_authority_behind(authority), &cert_pem);
    if (mu_buf_failed(&cert_pem))
        return mu_fail_nomem(err);
    if (mu_stage_add(&stage, cert_path, cert_pem.data, cert_pem.len, 0644, err) != 0 ||
        mu_stage_commit(&stage, err) != 0)
        return -1;
    mu_note_if_cut(cert, policy, &ruling, now);
    *ret = mu_take(&cert);
    return 0;
}

/* What a person is likely to type next, ready to be copied. */
static void suggest(const struct mu_args *args, enum mu_profile profile, const char *cert_path,
                    const char *key_path, struct mu_buf *ret)
{
    mu_buf_adds(ret, profile == MU_PROFILE_CLIENT ? "mutual get" : "mutual serve");
    if (profile == MU_PROFILE_CLIENT || !mu_str_equal(cert_path, "localhost.crt")) {
        mu_buf_adds(ret, " --cert ");
        mu_add_shell_word(ret, cert_path);
        mu_buf_adds(ret, " --key ");
        mu_add_shell_word(ret, key_path);
    }
    if (profile == MU_PROFILE_CLIENT)
        mu_buf_adds(ret, " https://localhost:3000");
    mu_add_home(ret, args);
}

static int issue_one(const struct mu_args *args, enum mu_profile profile, int64_t lifetime_s,
                     struct mu_error *err)
{
    char cert_path[MU_PATH_LEN], key_path[MU_PATH_LEN];
    const char *name = mu_args_at(args, 1);
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_buf) next = MU_BUF_INIT;
    if (mu_output_path(args, name, ".crt", cert_path, err) != 0 ||
        mu_output_path(args, name, ".key", key_path, err) != 0 ||
        issue(args, profile, lifetime_s, cert_path, key_path, &cert, err) != 0)
        return -1;
    suggest(args, profile, cert_path, key_path, &next);
    return mu_show_issued(args, cert, mu_profile_rules(profile)->name, cert_path, key_path,
                          mu_buf_str(&next), err);
}

/* --- Many --- */

static int issue_many(const struct mu_args *args, enum mu_profile profile, int64_t lifetime_s,
                      struct mu_error *err)
{
    static const char *const of_keys[] = {"key-type", "encrypt-key"};
    const char *from = mu_args_value(args, "batch");
    bool requests = mu_is_dir(from);
    MU_AUTO_CLEAR(mu_secret) passphrase = MU_SECRET_INIT;
    MU_AUTO_CLEAR(mu_signer) signer = {0};
    MU_AUTO_STRUCT(mu_batch) batch = NULL;
    struct mu_batch_settings settings = {
        .profile = profile,
        .lifetime_s = lifetime_s,
        .key_type = requests ? NULL : mu_args_value(args, "key-type"),
        .passphrase = &passphrase,
    };
    for (size_t i = 0; i < MU_COUNT(of_keys) && requests; i++)
        if (mu_args_given(args, of_keys[i]))
            return mu_usage(err, args, "--%s is for new keys, and requests have theirs", of_keys[i]);
    if (mu_signer_open(args, &signer, err) != 0 || passphrase_for_key(args, &passphrase, err) != 0 ||
        mu_batch_open(args, &signer, &settings, &batch, err) != 0)
        return -1;
    return mu_batch_finish(batch,
                           requests ? mu_batch_requests(batch, from, err)
                                    : mu_batch_names(batch, from, err),
                           err);
}

/* What makes sense for one, or for many alone. */
static int check_options(const struct mu_args *args, bool many, struct mu_error *err)
{
    static const char *const of_one[] = {"san", "out"};
    static const char *const of_many[] = {"out-dir", "missing"};
    for (size_t i = 0; many && i < MU_COUNT(of_one); i++)
        if (mu_args_given(args, of_one[i]))
            return mu_usage(err, args, "--%s is for one certificate", of_one[i]);
    for (size_t i = 0; !many && i < MU_COUNT(of_many); i++)
        if (mu_args_given(args, of_many[i]))
            return mu_usage(err, args, "--%s is for --batch", of_many[i]);
    if (many == (mu_args_count(args) > 1))
        return many ? mu_usage(err, args, "with --batch the names are read from its FILE")
                    : mu_usage(err, args, "there is no NAME");
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    enum mu_profile profile;
    int64_t lifetime_s;
    bool many = mu_args_given(args, "batch");
    if (check_options(args, many, err) != 0 ||
        mu_profile_parse(mu_args_at(args, 0), &profile, err) != 0 ||
        mu_lifetime(args, &lifetime_s, err) != 0)
        return -1;
    return many ? issue_many(args, profile, lifetime_s, err)
                : issue_one(args, profile, lifetime_s, err);
}

static const struct mu_opt opts[] = {
    {"san", 0, "NAME", "a further name: DNS, IP address, URI or e-mail", NULL, true},
    MU_LIFETIME_OPTS,
    {"key-type", 't', "TYPE", mu_key_types, "p256", false},
    {"out", 'o', "PREFIX", "write PREFIX.crt and PREFIX.key [the name]", NULL, false},
    {"batch", 0, "FILE|DIR", "issue many: for each line of FILE, or each request in DIR", NULL,
     false},
    MU_BATCH_OPTS,
    {"force", 0, NULL, "replace files that are there", NULL, false},
    {"encrypt-key", 0, NULL, "protect the new key, too, with the passphrase of --passphrase-file",
     NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_issue = {
    .name = "issue",
    .args = "server|client|peer [NAME...]",
    .summary = "issue keys and certificates from your private CA",
    .details =
        "NAME.crt and NAME.key appear in the current directory. The first NAME is the main one, all are names\n"
        "that the certificate is for; what kind each is (DNS, IP, URI, e-mail) is guessed, or said: DNS:x, IP:x,\n"
        "URI:x, email:x. localhost brings 127.0.0.1 and ::1 along. A client may be a person: \"Alice Example\".\n"
        "server is for TLS servers, client for TLS clients, peer for programs that are both.\n"
        "\n"
        "With --batch each line of FILE (\"-\": standard input) is one certificate: NAME, or NAME, SAN, SAN... with commas;\n"
        "empty lines and those that begin with # are none. DIR holds requests, as for mutual sign. They are made in groups,\n"
        "each of which is on the disk and on record before the next begins. What cannot be issued is told of, and the\n"
        "others go on; the exit status is 1 then. --missing goes on where a run was cut off: what has its certificate is\n"
        "passed over, and a key that lies there without one gets it.\n"
        "\n"
        "What is issued, and for how long, is bound by policy.yaml in the home directory: see mutual policy.",
    .example = "mutual issue server localhost\n"
               "mutual issue client my-client --lifetime 36h\n"
               "mutual issue peer node1.internal 10.0.0.1 --out node1\n"
               "mutual issue server --batch names.txt --out-dir certs",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
