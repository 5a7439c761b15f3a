#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/describe.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "pki/info.h"
#include "pki/object.h"
#include "pki/verify.h"

/* Everything that a verdict rests on, and the verdict. */
struct trial {
    const char *path;
    struct mu_certs given; /* CERT's file: the leaf, then what came along */
    struct mu_certs anchors, untrusted;
    struct mu_crls crls;
    enum mu_purpose purpose;
    const char *host;
    const char **emails;
    size_t email_count;
    bool limit_depth;
    long depth;
    time_t at;
    char at_text[MU_DATE_LEN];
    bool strict, explain;

    struct mu_verdict verdict;
    struct mu_verify_trace trace;
    struct mu_certs chain;      /* as built, leaf first */
    struct mu_cert_info *infos; /* of each in `chain` */
};

static void trial_clear(struct trial *trial)
{
    for (size_t i = 0; trial->infos != NULL && i < trial->chain.count; i++)
        mu_cert_info_clear(&trial->infos[i]);
    free(trial->infos);
    free(trial->emails);
    mu_verify_trace_clear(&trial->trace);
    mu_certs_clear(&trial->given);
    mu_certs_clear(&trial->anchors);
    mu_certs_clear(&trial->untrusted);
    mu_certs_clear(&trial->chain);
    mu_crls_clear(&trial->crls);
}
MU_AUTO_DEFINE_CLEAR(trial, trial_clear)

/* --- Reading --- */

static int load_untrusted(const struct mu_args *args, struct trial *trial, struct mu_error *err)
{
    for (size_t i = 1; i < trial->given.count; i++)
        if (mu_certs_add(&trial->untrusted, mu_cert_ref(trial->given.at[i]), err) != 0)
            return -1;
    struct mu_passphrase_source source = mu_passphrase_source(args);
    const char *path;
    if (mu_load_helpers(args, &trial->untrusted, err) != 0)
        return -1;
    for (int i = 0; (path = mu_args_nth(args, "untrusted", i)) != NULL; i++)
        if (mu_certs_load(path, &source, &trial->untrusted, err) != 0)
            return -1;
    return 0;
}

static int load_lists(const struct mu_args *args, struct trial *trial, struct mu_error *err)
{
    const char *path;
    for (int i = 0; (path = mu_args_nth(args, "crl", i)) != NULL; i++)
        if (mu_crls_load(path, &trial->crls, err) != 0)
            return -1;
    return 0;
}

static int read_purpose(const struct mu_args *args, struct trial *trial, struct mu_error *err)
{
    const char *purpose = mu_args_value(args, "purpose");
    if (purpose ==
        NULL) /* only servers are known by a host name; the strict judge sees to that himself */
        trial->purpose = trial->host == NULL || trial->strict ? MU_PURPOSE_ANY : MU_PURPOSE_SERVER;
    else if (mu_str_equal(purpose, "server"))
        trial->purpose = MU_PURPOSE_SERVER;
    else if (mu_str_equal(purpose, "client"))
        trial->purpose = MU_PURPOSE_CLIENT;
    else
        return mu_usage(err, args, "--purpose is server or client, not \"%s\"", purpose);
    return 0;
}

static int read_emails(const struct mu_args *args, struct trial *trial, struct mu_error *err)
{
    const char *email;
    while ((email = mu_args_nth(args, "email", (int)trial->email_count)) != NULL) {
        const char **at = realloc(trial->emails, (trial->email_count + 1) * sizeof *at);
        if (at == NULL)
            return mu_fail_nomem(err);
        trial->emails = at;
        trial->emails[trial->email_count++] = email;
        if (strchr(email, '@') == NULL)
            return mu_usage(err, args,
                            "--email is an address such as alice@example.com, not \"%s\"", email);
    }
    return 0;
}

static int read_options(const struct mu_args *args, struct trial *trial, struct mu_error *err)
{
    const char *at = mu_args_value(args, "at");
    trial->path = mu_args_at(args, 0);
    trial->host = mu_args_value(args, "host");
    trial->strict = mu_args_given(args, "strict");
    trial->explain = mu_args_given(args, "explain");
    trial->limit_depth = mu_args_given(args, "depth");
    trial->at = time(NULL);
    return read_purpose(args, trial, err) != 0 || read_emails(args, trial, err) != 0 ||
                   (trial->limit_depth &&
                    mu_args_number(args, "depth", 0, 1000, &trial->depth, err) != 0) ||
                   (at != NULL && mu_date_parse(at, &trial->at, err) != 0)
               ? -1
               : 0;
}

static int prepare(const struct mu_args *args, struct trial *trial, struct mu_error *err)
{
    struct mu_passphrase_source source = mu_passphrase_source(args);
    if (read_options(args, trial, err) != 0 ||
        mu_certs_load(trial->path, &source, &trial->given, err) != 0 ||
        (trial->strict ? mu_load_any_anchors(args, &trial->anchors, err)
                       : mu_load_anchors(args, &trial->anchors, err)) != 0)
        return -1;
    mu_date_rfc3339(trial->at, trial->at_text);
    return load_untrusted(args, trial, err) != 0 || load_lists(args, trial, err) != 0 ? -1 : 0;
}

/* --- Judging --- */

static int judge(struct trial *trial, struct mu_error *err)
{
    struct mu_verify how = {
        .anchors = &trial->anchors,
        .untrusted = &trial->untrusted,
        .crls = trial->crls.at,
        .crl_count = trial->crls.count,
        .purpose = trial->purpose,
        .host = trial->host,
        .emails = trial->emails,
        .email_count = trial->email_count,
        .limit_depth = trial->limit_depth,
        .depth = (int)trial->depth,
        .at = trial->at,
        .strict = trial->strict,
        .trace = &trial->trace,
    };
    if (mu_verify(trial->given.at[0], &how, &trial->verdict, &trial->chain, err) != 0)
        return -1;
    trial->infos = calloc(trial->chain.count + 1, sizeof *trial->infos);
    if (trial->infos == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < trial->chain.count; i++)
        if (mu_cert_info_read(trial->chain.at[i], trial->at, &trial->infos[i], err) != 0)
            return -1;
    return 0;
}

/* Whose certificate it is, for the cause: as asked, else by what it says itself. */
static enum mu_purpose side_of(const struct trial *trial)
{
    if (trial->purpose != MU_PURPOSE_ANY || trial->chain.count == 0)
        return trial->purpose;
    return trial->infos[0].client_auth && !trial->infos[0].server_auth ? MU_PURPOSE_CLIENT
                                                                       : MU_PURPOSE_SERVER;
}

/* Is this finding about one certificate of the chain what the verdict has just said? */
static bool is_the_verdict(const struct trial *trial, size_t depth, const char *id)
{
    char cause[MU_CAUSE_LEN];
    return trial->verdict.fault != MU_FAULT_NONE && (size_t)trial->verdict.depth == depth &&
           mu_str_equal(id, mu_fault_cause(trial->verdict.fault, side_of(trial), cause));
}

/* --- Printing --- */

static const char *use_asked(enum mu_purpose purpose)
{
    return purpose == MU_PURPOSE_SERVER   ? " as a TLS server's"
           : purpose == MU_PURPOSE_CLIENT ? " as a TLS client's"
                                          : "";
}

static void print_good(const struct trial *trial)
{
    char root[MU_CERT_LABEL_LEN];
    mu_cert_label(trial->chain.at[trial->chain.count - 1], root);
    mu_say(MU_GOOD, "good");
    printf(": \"%s\" is valid%s", trial->verdict.subject, use_asked(trial->purpose));
    if (trial->host != NULL)
        printf(" for %s", trial->host);
    for (size_t i = 0; i < trial->email_count; i++)
        printf("%s%s", trial->host == NULL && i == 0 ? " for " : " and ", trial->emails[i]);
    printf(", by the trusted %s \"%s\"%s%s\n", trial->chain.count > 1 ? "CA" : "certificate", root,
           trial->crls.count > 0 ? ", and not revoked" : "",
           trial->strict ? ", strictly by RFC 5280" : "");
}

/* A verdict's ground is OpenSSL's, or a rule of an RFC that OpenSSL does not know. */
static bool is_rule(const struct mu_verdict *verdict)
{
    return mu_str_starts_with(verdict->cause, "RFC ");
}

static void print_refused(const struct trial *trial)
{
    char cause[MU_CAUSE_LEN];
    mu_say(MU_BAD, "refused");
    printf(": %s\n", trial->verdict.sentence);
    mu_fact("hint", "%s", trial->verdict.hint);
    mu_fact("cause", "%s (%s%s)", mu_fault_cause(trial->verdict.fault, side_of(trial), cause),
            is_rule(&trial->verdict) ? "" : "OpenSSL: ", trial->verdict.cause);
}

/* What a strict judge would have said, or said besides. */
static void print_strict(const struct trial *trial)
{
    char cause[MU_CAUSE_LEN];
    for (size_t i = 0; i < trial->trace.strict_count; i++) {
        const struct mu_verdict *verdict = &trial->trace.strict[i];
        mu_fact_styled(trial->strict ? "also" : "not strict", MU_WARN, verdict->sentence, " [%s]",
                       mu_fault_cause(verdict->fault, side_of(trial), cause));
    }
}

/* Where the chain as built stands, and where it fails. */
static void explain_link(const struct trial *trial, size_t i)
{
    const struct mu_cert_info *info = &trial->infos[i];
    const struct mu_verdict *verdict = &trial->verdict;
    char from[MU_DATE_LEN], to[MU_DATE_LEN];
    bool last = i + 1 == trial->chain.count;
    mu_fact("", "%zu  %s", i, *info->subject == '\0' ? "(no subject)" : info->subject);
    mu_fact("", "   %s, serial %s",
            i == 0        ? "the leaf"
            : info->is_ca ? "a CA"
                          : "no CA",
            info->serial);
    mu_fact("", "   from %s to %s", mu_date(info->not_before, from), mu_date(info->not_after, to));
    if (verdict->fault != MU_FAULT_NONE && (size_t)verdict->depth == i)
        mu_fact_styled("", MU_BAD, "   wrong here:", " %s", verdict->sentence);
    if (!last)
        mu_fact("", "   signed by:");
    else if (mu_certs_hold(&trial->anchors, trial->chain.at[i]))
        mu_fact("", "   trusted: the chain ends here");
    else
        mu_fact("", "   its issuer %s is not among the certificates given", info->issuer);
}

static void print_explanation(const struct trial *trial)
{
    mu_fact("explained", "the chain as built, leaf first, judged as of %s", trial->at_text);
    for (size_t i = 0; i < trial->chain.count; i++)
        explain_link(trial, i);
    if (trial->strict)
        mu_fact("ways", "%zu tried, with %zu signatures to find them", trial->trace.ways,
                trial->trace.signatures);
}

/* What the leaf would lack in the other role is no matter when one was asked about. */
static bool is_beside_the_point(const struct trial *trial, size_t i, const char *id)
{
    return i == 0 && ((trial->purpose == MU_PURPOSE_CLIENT && mu_str_starts_with(id, "server_")) ||
                      (trial->purpose == MU_PURPOSE_SERVER && mu_str_starts_with(id, "client_")));
}

static void print_chain(const struct trial *trial)
{
    char line[MU_SUMMARY_LEN];
    for (size_t i = 0; i < trial->chain.count; i++)
        mu_fact(i == 0 ? "chain" : "", "%s", mu_summarise_cert(&trial->infos[i], trial->at, line));
    for (size_t i = 0; i < trial->chain.count; i++)
        for (size_t p = 0; p < trial->infos[i].problems.count; p++) {
            char label[MU_CERT_LABEL_LEN];
            const char *id = trial->infos[i].problem_ids.at[p];
            if (is_the_verdict(trial, i, id) || is_beside_the_point(trial, i, id))
                continue;
            snprintf(line, sizeof line, "\"%s\": %s", mu_cert_label(trial->chain.at[i], label),
                     trial->infos[i].problems.at[p]);
            mu_describe_problem(id, line);
        }
    if (mu_certs_misordered(&trial->given))
        mu_describe_problem(MU_ORDER_ID, MU_ORDER_SENTENCE);
}

static json_t *strict_json(const struct trial *trial)
{
    json_t *list = json_array();
    for (size_t i = 0; i < trial->trace.strict_count; i++) {
        char cause[MU_CAUSE_LEN];
        const struct mu_verdict *verdict = &trial->trace.strict[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i}", "id",
                                              mu_fault_id(verdict->fault), "cause",
                                              mu_fault_cause(verdict->fault, side_of(trial), cause),
                                              "what", verdict->sentence, "depth", verdict->depth));
    }
    return list;
}

static void print_json(const struct trial *trial)
{
    char cause[MU_CAUSE_LEN];
    const struct mu_verdict *verdict = &trial->verdict;
    json_t *chain = json_array(), *problems = json_array();
    const char *rule = is_rule(verdict) ? verdict->cause : "";
    for (size_t i = 0; i < trial->chain.count; i++)
        json_array_append_new(chain, mu_cert_json(&trial->infos[i]));
    if (mu_certs_misordered(&trial->given))
        json_array_append_new(problems, json_pack("{s:s, s:s}", "id", MU_ORDER_ID, "what",
                                                  MU_ORDER_SENTENCE));
    mu_print_json(
        json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:o, s:b, s:o, s:o, s:o, s:I, s:I}",
                  "good", verdict->fault == MU_FAULT_NONE, "id", mu_fault_id(verdict->fault),
                  "cause", mu_fault_cause(verdict->fault, side_of(trial), cause), "what",
                  verdict->sentence, "hint", verdict->hint, "openssl",
                  is_rule(verdict) ? "" : verdict->cause, "rule", rule, "depth", verdict->depth,
                  "subject", verdict->subject, "at", mu_time_json(trial->at), "strict",
                  trial->strict, "not_strict", strict_json(trial), "problems", problems, "chain",
                  chain, "ways", (json_int_t)trial->trace.ways, "signatures",
                  (json_int_t)trial->trace.signatures));
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(trial) trial = {0};
    if (prepare(args, &trial, err) != 0 || judge(&trial, err) != 0)
        return -1;
    bool good = trial.verdict.fault == MU_FAULT_NONE;
    if (mu_args_json(args)) {
        print_json(&trial);
    } else {
        good ? print_good(&trial) : print_refused(&trial);
        print_chain(&trial);
        print_strict(&trial);
        if (trial.explain)
            print_explanation(&trial);
    }
    return good ? 0 : 1;
}

static const struct mu_opt opts[] = {
    {"cacert", 0, "FILE", "CAs to trust, instead of the home CA", NULL, true},
    {"untrusted", 0, "FILE", "certificates that may stand between CERT and the CA", NULL, true},
    {"strict", 0, NULL, "by RFC 5280 to the letter; without it, what that refuses is a warning",
     NULL, false},
    {"explain", 0, NULL, "show the chain as it was built, and where it fails", NULL, false},
    {"purpose", 'p', "USE", "server or client: what it is to be used as", NULL, false},
    {"host", 0, "NAME", "the host name or IP address that a client connects to", NULL, false},
    {"email", 0, "NAME", "an e-mail address that it must be for", NULL, true},
    {"depth", 0, "N", "at most so many CAs between CERT and the trusted one", NULL, false},
    {"at", 0, "TIME", "judge as of then: 2031-01-01, 2031-01-01T12:00:00Z", NULL, false},
    {"crl", 0, "FILE", "revocation lists: then every certificate must be on none", NULL, true},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_verify = {
    .name = "verify",
    .args = "CERT",
    .summary = "judge a certificate: is it good, and if not, why not",
    .details =
        "CERT may hold a chain: the leaf first, then what stands between it and the CA. --host asks for a\n"
        "server's certificate unless --purpose says otherwise. A file may hold many certificates or lists.\n"
        "\n"
        "Without --strict it judges as \"mutual serve\" and \"mutual get\" do: a certificate in --cacert is\n"
        "trusted if it signs itself, so that an intermediate there needs its root beside it. With --strict\n"
        "every certificate in --cacert is trusted as it is, a leaf too; all ways from CERT to one are tried;\n"
        "names count as alternative names only; and certificates and lists must keep RFC 5280's rules.\n"
        "\n"
        "The verdict is what was asked for, so it goes to standard output, good or not. Standard error is for\n"
        "what kept mutual from judging, such as a file that cannot be read.\n"
        "Exit status: 0 good, 1 refused or not judged, 2 used wrongly.",
    .example = "mutual verify my-client.crt --purpose client\n"
               "mutual verify localhost.crt --host localhost\n"
               "mutual verify localhost.crt --host ::1 --strict --explain",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
