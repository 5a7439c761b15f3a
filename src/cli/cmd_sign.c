#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "authority/authority.h"
#include "base/str.h"
#include "cli/batch.h"
#include "cli/cmd.h"
#include "cli/describe.h"
#include "cli/issuing.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/requested.h"
#include "cli/signer.h"
#include "pki/csr.h"
#include "pki/info.h"

/* --out FILE, else the request's name with .crt for .csr; a request from standard input goes to standard
 * output. */
static int output_path(const struct mu_args *args, char ret[MU_PATH_LEN], struct mu_error *err)
{
    const char *out = mu_args_value(args, "out");
    const char *in = mu_args_at(args, 0);
    size_t len = strlen(in);
    int made;
    if (out != NULL)
        made = snprintf(ret, MU_PATH_LEN, "%s", out);
    else if (mu_str_equal(in, "-"))
        made = snprintf(ret, MU_PATH_LEN, "-");
    else
        made = snprintf(ret, MU_PATH_LEN, "%.*s.crt",
                        (int)(mu_str_ends_with(in, ".csr") ? len - 4 : len), in);
    return made < MU_PATH_LEN ? 0 : mu_usage(err, args, "the name of the output file is too long");
}

/* A CA has its whole subject from the request, which the root's operator has seen; no alternative names, for it is no
 * host. */
static int settle_ca_name(const struct mu_csr *csr, struct mu_names *ret, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_error unread = MU_ERROR_INIT; /* what is left out need not be understood */
    MU_AUTO_CLEAR(mu_names) asked = {0};
    if (*mu_csr_label(csr, label) == '\0') {
        mu_fail(err, MU_E_NAME, "the request has no name");
        return mu_hint(err, "have it made again with: mutual ca request NAME");
    }
    if (mu_csr_names(csr, &asked, &unread) == 0 && asked.count > 0)
        mu_note("the alternative names are left out: a CA is no host");
    return mu_names_set_cn(ret, label, err);
}

static int read_ca_request(const char *path, struct mu_csr **ret, struct mu_names *ret_names,
                           struct mu_key **ret_key, struct mu_error *err)
{
    return mu_csr_load(path, ret, err) != 0 || mu_csr_verified_key(*ret, ret_key, err) != 0
               ? -1
               : settle_ca_name(*ret, ret_names, err);
}

/* What is said of a CA below, and only of one. */
static int read_below(const struct mu_args *args, bool is_ca, struct mu_constraints *ret_bounds,
                      struct mu_below *ret, struct mu_error *err)
{
    static const char *const only_for_ca[] = {"path-length", "permit", "exclude"};
    long path_length = 0;
    for (size_t i = 0; i < MU_COUNT(only_for_ca) && !is_ca; i++)
        if (mu_args_given(args, only_for_ca[i]))
            return mu_usage(err, args, "--%s is for --profile ca", only_for_ca[i]);
    if (mu_constraints_from_args(args, ret_bounds, err) != 0 ||
        (mu_args_given(args, "path-length") &&
         mu_args_number(args, "path-length", 0, 16, &path_length, err) != 0))
        return -1;
    *ret = (struct mu_below){.path_length = (int)path_length, .constraints = ret_bounds};
    return 0;
}

static int read_profile(const struct mu_args *args, enum mu_profile *ret, struct mu_error *err)
{
    if (mu_str_equal(mu_args_value(args, "profile"), mu_profile_rules(MU_PROFILE_CA)->name)) {
        *ret = MU_PROFILE_CA;
        return 0;
    }
    return mu_profile_parse(mu_args_value(args, "profile"), ret, err);
}

/* --- Whether it would --- */

static void show_finding(const struct mu_finding *finding, const struct mu_policy *policy)
{
    char place[MU_PLACE_TEXT_LEN];
    const char *verb = finding->allowed         ? "allowed by"
                       : *finding->text == '\0' ? "not listed in"
                                                : "refused by";
    mu_fact(finding->kind, "%s: %s %s%s%s%s (%s)", finding->about, verb, finding->rule,
            *finding->text == '\0' ? "" : ", \"", finding->text, *finding->text == '\0' ? "" : "\"",
            mu_policy_place(policy, finding->at, place));
}

/* What differs between this draft and what would be signed next time is left out. */
static int read_draft(const struct mu_cert *draft, time_t now, struct mu_cert_info *ret,
                      struct mu_error *err)
{
    if (mu_cert_info_read(draft, now, ret, err) != 0)
        return -1;
    ret->serial[0] = ret->sha256[0] = ret->sha1[0] = '\0';
    return 0;
}

static json_t *findings_json(const struct mu_ruling *ruling, const struct mu_policy *policy)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ruling->count; i++) {
        const struct mu_finding *found = &ruling->findings[i];
        bool built_in = found->at.line == 0;
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:b, s:s, s:s, s:s?, s:o, s:o}", "kind",
                                        found->kind, "about", found->about, "allowed",
                                        found->allowed, "rule", found->rule, "text", found->text,
                                        "file", built_in ? NULL : policy->path, "line",
                                        built_in ? json_null() : json_integer(found->at.line),
                                        "column",
                                        built_in ? json_null() : json_integer(found->at.column)));
    }
    return list;
}

static void show_dry_run_json(const struct mu_ruling *ruling, const struct mu_policy *policy,
                              const char *profile, const struct mu_cert_info *info,
                              const struct mu_error *why_not)
{
    static const char *const left_out[] = {"serial", "sha256", "sha1"};
    json_t *cert = info == NULL ? json_null() : mu_cert_json(info);
    for (size_t i = 0; info != NULL && i < MU_COUNT(left_out); i++)
        json_object_del(cert, left_out[i]);
    mu_print_json(json_pack("{s:b, s:s, s:s?, s:o, s:o, s:o}", "would_sign", info != NULL, "profile",
                            profile, "policy", *policy->path == '\0' ? NULL : policy->path, "rules",
                            findings_json(ruling, policy), "certificate", cert, "error",
                            why_not == NULL ? json_null() : mu_error_json(why_not)));
}

static void show_dry_run(const struct mu_ruling *ruling, const struct mu_policy *policy,
                         const struct mu_names *names, const char *profile,
                         const struct mu_cert_info *info, time_t now)
{
    printf("%s: \"%s\" would %sbe signed as a %s certificate\n", info != NULL ? "yes" : "no",
           mu_names_main(names), info != NULL ? "" : "not ", profile);
    for (size_t i = 0; i < ruling->count; i++)
        show_finding(&ruling->findings[i], policy);
    if (info == NULL)
        return;
    printf("this would be the certificate, with a serial number and a signature:\n");
    mu_describe_cert(info, now);
}

/* All but the signature that counts, and without a trace. */
static int dry_run(const struct mu_args *args, const struct mu_signer *signer,
                   const struct mu_order *order, const struct mu_ruling *ruling,
                   struct mu_error *err)
{
    const char *profile = mu_profile_rules(order->profile)->name;
    MU_AUTO_STRUCT(mu_cert) draft = NULL;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    bool would = mu_signer_issue(signer, order, &draft, err) == 0;
    if (would && read_draft(draft, order->now, &info, err) != 0)
        return -1;
    if (mu_args_json(args)) {
        show_dry_run_json(ruling, signer->policy, profile, would ? &info : NULL, would ? NULL : err);
        return would ? 0 : mu_code_exit(err->code);
    }
    show_dry_run(ruling, signer->policy, order->names, profile, would ? &info : NULL, order->now);
    if (!would)
        return -1;
    mu_note_if_cut(draft, signer->policy, ruling, order->now);
    return 0;
}

/* --- Doing it --- */

/* Opened before anything is signed, so that a directory that cannot be written costs no certificate. `ret_fd` is
 * -1 for standard output. */
static int open_output(const char *path, struct mu_stage *stage, int *ret_fd, struct mu_error *err)
{
    *ret_fd = -1;
    return mu_str_equal(path, "-") ? 0 : mu_stage_open(stage, path, 0644, ret_fd, err);
}

static int deliver(const struct mu_certs *chain, const char *path, struct mu_stage *stage, int fd,
                   struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    mu_certs_to_pem(chain, &pem);
    if (mu_buf_failed(&pem))
        return mu_fail_nomem(err);
    if (fd < 0) {
        fputs(pem.data, stdout);
        return 0;
    }
    if (dprintf(fd, "%s", pem.data) < 0)
        return mu_fail_errno(err, MU_E_IO, "cannot write %s", path);
    return mu_stage_commit(stage, err);
}

/* Sign, deliver, tell. */
static int carry_out(const struct mu_args *args, const struct mu_signer *signer,
                     const struct mu_order *order, const struct mu_ruling *ruling,
                     struct mu_error *err)
{
    char path[MU_PATH_LEN], label[MU_CERT_LABEL_LEN];
    int fd;
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = mu_args_given(args, "force")};
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    if (output_path(args, path, err) != 0 || open_output(path, &stage, &fd, err) != 0 ||
        mu_signer_issue(signer, order, &cert, err) != 0 ||
        mu_signer_chain(signer, cert, &chain, err) != 0 ||
        deliver(&chain, path, &stage, fd, err) != 0)
        return -1;
    mu_note_if_cut(cert, signer->policy, ruling, order->now);
    if (mu_str_equal(path, "-")) {
        mu_note("signed \"%s\"", mu_cert_label(cert, label));
        return 0;
    }
    MU_AUTO_CLEAR(mu_buf) next = MU_BUF_INIT;
    mu_buf_adds(&next, "take it back to the CA's machine, which runs: mutual ca install ");
    mu_add_shell_word(&next, path);
    return mu_show_issued(args, cert, mu_profile_rules(order->profile)->name, path, NULL,
                          order->profile == MU_PROFILE_CA ? mu_buf_str(&next) : NULL, err);
}

static int sign_one(const struct mu_args *args, enum mu_profile profile, int64_t lifetime_s,
                    struct mu_error *err)
{
    bool dry = mu_args_given(args, "dry-run");
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_CLEAR(mu_names) names = {0};
    MU_AUTO_CLEAR(mu_signer) signer = {0};
    MU_AUTO_CLEAR(mu_ruling) ruling = {0};
    MU_AUTO_CLEAR(mu_constraints) bounds = {0};
    MU_AUTO_STRUCT(mu_csr) csr = NULL;
    struct mu_below below;
    const char *path = mu_args_at(args, 0);
    bool is_ca = profile == MU_PROFILE_CA;
    if (read_below(args, is_ca, &bounds, &below, err) != 0 ||
        (is_ca ? read_ca_request(path, &csr, &names, &key, err)
               : mu_request_read(path, profile, &names, &key, err)) != 0 ||
        mu_signer_open(args, &signer, err) != 0)
        return -1;
    below.request = csr;
    const struct mu_order order = {
        .profile = profile,
        .key = key,
        .names = &names,
        .now = time(NULL),
        .lifetime_s = lifetime_s,
        .below = profile == MU_PROFILE_CA ? &below : NULL,
        .draft = dry,
    };
    if (mu_policy_judge(signer.policy, &order, &ruling, err) != 0)
        return -1;
    return dry ? dry_run(args, &signer, &order, &ruling, err)
               : carry_out(args, &signer, &order, &ruling, err);
}

/* --- Many --- */

static int sign_many(const struct mu_args *args, enum mu_profile profile, int64_t lifetime_s,
                     struct mu_error *err)
{
    static const char *const of_one[] = {"out", "dry-run", "path-length", "permit", "exclude"};
    const struct mu_batch_settings settings = {.profile = profile, .lifetime_s = lifetime_s};
    MU_AUTO_CLEAR(mu_signer) signer = {0};
    MU_AUTO_STRUCT(mu_batch) batch = NULL;
    int result = 0;
    if (profile == MU_PROFILE_CA)
        return mu_usage(err, args, "--profile ca is for one request");
    for (size_t i = 0; i < MU_COUNT(of_one); i++)
        if (mu_args_given(args, of_one[i]))
            return mu_usage(err, args, "--%s is for one request", of_one[i]);
    for (int i = 0; i < mu_args_count(args); i++)
        if (mu_str_equal(mu_args_at(args, i), "-"))
            return mu_usage(err, args, "\"-\", standard input, is for one request");
    if (mu_signer_open(args, &signer, err) != 0 ||
        mu_batch_open(args, &signer, &settings, &batch, err) != 0)
        return -1;
    for (int i = 0; result == 0 && i < mu_args_count(args); i++)
        result = mu_batch_requests(batch, mu_args_at(args, i), err);
    return mu_batch_finish(batch, result, err);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    enum mu_profile profile;
    int64_t lifetime_s;
    bool many = mu_args_count(args) > 1 || mu_is_dir(mu_args_at(args, 0)) ||
                mu_args_given(args, "out-dir") || mu_args_given(args, "missing");
    if (read_profile(args, &profile, err) != 0 || mu_lifetime(args, &lifetime_s, err) != 0)
        return -1;
    return many ? sign_many(args, profile, lifetime_s, err)
                : sign_one(args, profile, lifetime_s, err);
}

static const struct mu_opt opts[] = {
    {"profile", 'p', "NAME", "what it is for: server, client, peer, or ca", "server", false},
    MU_LIFETIME_OPTS,
    {"path-length", 0, "N", "how many CAs may stand below this CA [0]", NULL, false},
    {"permit", 0, "KIND:VALUE", "let this CA issue only for these names: see mutual init", NULL,
     true},
    {"exclude", 0, "KIND:VALUE", "let it issue for all names but these", NULL, true},
    {"cacert", 0, "FILE", "sign by this CA instead of the home CA", NULL, false},
    {"cakey", 0, "FILE", "its key, if it is not in the same file; or a PKCS#11 URI", NULL, false},
    {"out", 'o', "FILE", "write the certificate here [FILE.crt for FILE.csr]", NULL, false},
    MU_BATCH_OPTS,
    {"force", 0, NULL, "replace a file that is there", NULL, false},
    {"dry-run", 'n', NULL,
     "only say whether it would be signed, by which rules, and what would result", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_sign = {
    .name = "sign",
    .args = "FILE.csr|DIR...",
    .summary = "sign requests",
    .details =
        "The request's own signature is checked; only its names and its public key are taken, everything else\n"
        "comes from the profile. With --cacert and --cakey any CA can sign, one made by openssl, too; its serial\n"
        "numbers are random, and what it signs is not recorded here; CAs above it may follow in its file, and their\n"
        "name constraints count. FILE.crt lies beside FILE.csr. \"-\" reads\n"
        "the request from standard input and writes the certificate to standard output.\n"
        "\n"
        "--profile ca signs a CA, which mutual ca request has asked for: by a root whose path length leaves room for it\n"
        "(init --issuing, init --path-length 1). The roots are in FILE.crt, too, for mutual ca install. Of what a CA's\n"
        "request says, the whole subject counts. --path-length, --permit and --exclude bind it.\n"
        "\n"
        "Several FILEs, or a DIR, of which every *.csr counts, are signed in groups, each of which is on the disk and on\n"
        "record before the next begins. A request that cannot be signed is told of, and the others go on; the exit status\n"
        "is 1 then. --missing goes on where a run was cut off.\n"
        "\n"
        "What is signed, and for how long, is bound by policy.yaml beside the CA's certificate: see mutual policy.\n"
        "--dry-run goes the whole way, writes and records nothing, and exits with 0 if it would be signed, else 1.",
    .example = "mutual sign my-client.csr --profile client\n"
               "mutual sign api.csr --dry-run\n"
               "mutual sign requests/ --out-dir certs\n"
               "mutual sign api.csr --cacert ca.crt --cakey ca.key --days 365",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
