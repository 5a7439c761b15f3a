#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "authority/authority.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/issuing.h"
#include "cli/passphrase.h"
#include "cli/print.h"
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

static bool has_san(const struct mu_names *names, const char *text)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcasecmp(names->san[i].value, text) == 0)
            return true;
    return false;
}

/*
 * The names of the certificate: those of the request. One with a CN alone, as hand-made requests are, gets
 * that name as a SAN, too. A CN that is not among the SANs would be a second, unchecked name for a server, and
 * is left out there.
 */
static int settle_names(const struct mu_csr *csr, enum mu_profile profile, struct mu_names *ret,
                        struct mu_error *err)
{
    bool free_text = mu_profile_rules(profile)->free_text_name;
    MU_AUTO_CLEAR(mu_names) asked = {0};
    if (mu_csr_names(csr, &asked, err) != 0)
        return -1;
    if (asked.count == 0 && asked.cn == NULL) {
        mu_fail(err, MU_E_NAME, "the request has no name");
        return mu_hint(err, "have it made again with: mutual request NAME");
    }
    if (asked.count == 0) {
        if (mu_names_set_main(ret, asked.cn, free_text, err) == 0)
            return 0;
        return mu_hint(err,
                       "a %s needs a DNS name or an IP address; for a person, say --profile client",
                       mu_profile_rules(profile)->name);
    }
    if (asked.cn != NULL && !free_text && !has_san(&asked, asked.cn)) {
        mu_note("the common name \"%s\" is not among the alternative names, and is left out",
                asked.cn);
        free(asked.cn);
        asked.cn = NULL;
    }
    *ret = asked;
    asked = (struct mu_names){0};
    return 0;
}

/* A CA from elsewhere may work here and fail in the eyes of others. */
static void warn_about_ca(const struct mu_cert *ca, const char *path)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(ca, time(NULL), &info, &ignored) != 0)
        return;
    for (size_t i = 0; i < info.problems.count; i++)
        mu_warn("the CA in %s: %s", path, info.problems.at[i]);
}

/* By the home CA, or by the one given with --cacert and --cakey. */
static int sign(const struct mu_args *args, const struct mu_order *order, struct mu_cert **ret,
                struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    const char *ca_path = mu_args_value(args, "cacert");
    const char *key_path = mu_args_value(args, "cakey");
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    MU_AUTO_STRUCT(mu_key) ca_key = NULL;
    if ((ca_path == NULL) != (key_path == NULL))
        return mu_usage(err, args, "--cacert and --cakey go together");
    if (ca_path == NULL)
        return mu_authority_open(mu_args_home(args), &source, &authority, err) != 0
                   ? -1
                   : mu_authority_issue(authority, order, ret, err);
    if (mu_certs_load(ca_path, NULL, &chain, err) != 0 ||
        mu_key_load(key_path, &source, &ca_key, err) != 0 ||
        mu_cert_match_key(chain.at[0], ca_key, ca_path, key_path, err) != 0)
        return -1;
    warn_about_ca(chain.at[0], ca_path);
    const struct mu_issuer issuer = {.cert = chain.at[0], .key = ca_key, .above = &chain};
    return mu_issue_by(&issuer, order, ret, err);
}

/* Opened before anything is signed, so that a directory that cannot be written costs no certificate. `ret_fd` is
 * -1 for standard output. */
static int open_output(const char *path, struct mu_stage *stage, int *ret_fd, struct mu_error *err)
{
    *ret_fd = -1;
    return mu_str_equal(path, "-") ? 0 : mu_stage_open(stage, path, 0644, ret_fd, err);
}

static int deliver(const struct mu_cert *cert, const char *path, struct mu_stage *stage, int fd,
                   struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    mu_cert_to_pem(cert, &pem);
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

static int run(const struct mu_args *args, struct mu_error *err)
{
    char path[MU_PATH_LEN], label[MU_CERT_LABEL_LEN];
    enum mu_profile profile;
    int64_t lifetime_s;
    time_t now = time(NULL);
    int fd;
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = mu_args_given(args, "force")};
    MU_AUTO_STRUCT(mu_csr) csr = NULL;
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    MU_AUTO_CLEAR(mu_names) names = {0};
    if (mu_profile_parse(mu_args_value(args, "profile"), &profile, err) != 0 ||
        mu_lifetime(args, mu_profile_rules(profile)->default_lifetime_s, &lifetime_s, err) != 0 ||
        output_path(args, path, err) != 0 || mu_csr_load(mu_args_at(args, 0), &csr, err) != 0 ||
        mu_csr_verify(csr, err) != 0 || mu_csr_key(csr, &key, err) != 0 ||
        settle_names(csr, profile, &names, err) != 0 || open_output(path, &stage, &fd, err) != 0)
        return -1;
    struct mu_order order = {
        .profile = profile,
        .key = key,
        .names = &names,
        .now = now,
        .lifetime_s = lifetime_s,
    };
    if (sign(args, &order, &cert, err) != 0 || deliver(cert, path, &stage, fd, err) != 0)
        return -1;
    mu_note_if_cut(cert, now, lifetime_s);
    if (mu_str_equal(path, "-")) {
        mu_note("signed \"%s\"", mu_cert_label(cert, label));
        return 0;
    }
    return mu_show_issued(args, cert, mu_profile_rules(profile)->name, path, NULL, NULL, err);
}

static const struct mu_opt opts[] = {
    {"profile", 'p', "NAME", "what it is for: server, client or peer", "server", false},
    MU_LIFETIME_OPTS,
    {"cacert", 0, "FILE", "sign by this CA instead of the home CA", NULL, false},
    {"cakey", 0, "FILE", "its key", NULL, false},
    {"out", 'o', "FILE", "write the certificate here [FILE.crt for FILE.csr]", NULL, false},
    {"force", 0, NULL, "replace a file that is there", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_sign = {
    .name = "sign",
    .args = "FILE.csr",
    .summary = "sign a request",
    .details =
        "The request's own signature is checked; only its names and its public key are taken, everything else\n"
        "comes from the profile. With --cacert and --cakey any CA can sign, one made by openssl, too; its serial\n"
        "numbers are random, and what it signs is not recorded here; CAs above it may follow in its file, and their\n"
        "name constraints count. FILE.crt lies beside FILE.csr. \"-\" reads\n"
        "the request from standard input and writes the certificate to standard output.",
    .example = "mutual sign my-client.csr --profile client\n"
               "mutual sign api.csr --cacert ca.crt --cakey ca.key --days 365",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
