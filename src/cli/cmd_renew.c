#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "cli/issuing.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/renewal.h"

enum { EXIT_FAILED = 1, EXIT_NOTHING_DUE = 3 };

/* The work on all of them, and what has become of it. */
struct work {
    const struct mu_args *args;
    time_t now;
    bool has_due;
    struct mu_due due;
    struct mu_signer signer;
    struct mu_buf done; /* the files that were renewed, one a line: for --exec */
    size_t renewed, failed;
    json_t *renewed_json, *not_due_json, *failed_json;
};

/* --- What is told --- */

static void show_renewed_json(struct work *work, const struct mu_renewed *one)
{
    static const char *const not_yet[] = {"serial", "sha256", "sha1"}; /* of a draft */
    char until[MU_DATE_LEN];
    bool has_key_file = one->key_path[0] != '\0', dry = mu_args_given(work->args, "dry-run");
    json_t *cert = mu_cert_json(&one->new);
    for (size_t i = 0; dry && i < MU_COUNT(not_yet); i++)
        json_object_del(cert, not_yet[i]);
    json_array_append_new(work->renewed_json,
                          mu_pack("{s:s, s:s?, s:b, s:s, s:{s:s, s:s}, s:o}", "cert",
                                  one->cert_path, "key", has_key_file ? one->key_path : NULL,
                                  "new_key", one->new_key != NULL, "profile",
                                  mu_profile_rules(one->renewal.profile)->name, "replaces",
                                  "serial", one->old.serial, "not_after",
                                  mu_date_rfc3339(one->old.not_after, until), "certificate", cert));
}

static void show_key(const struct mu_renewed *one)
{
    const char *where = one->key_path[0] != '\0' ? one->key_path : one->cert_path;
    if (one->new_key == NULL)
        mu_fact("key", "the same as before");
    else
        mu_fact("key", "%s (new: %s)", where, one->new.key);
}

static void show_renewed_text(const struct work *work, const struct mu_renewed *one, bool dry)
{
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN], when[MU_SPAN_LEN], before[MU_SPAN_LEN];
    MU_AUTO_CLEAR(mu_buf) names = MU_BUF_INIT;
    for (size_t i = 0; i < one->new.san.count; i++)
        mu_buf_addf(&names, "%s%s", i > 0 ? ", " : "", one->new.san.at[i]);
    printf("%s \"%s\", a %s certificate\n", dry ? "would renew" : "renewed",
           mu_cert_label(one->cert, label), mu_profile_rules(one->renewal.profile)->name);
    mu_fact("certificate", "%s", one->cert_path);
    show_key(one);
    if (names.len > 0)
        mu_fact("names", "%s", names.data);
    mu_fact("issuer", "%s", one->new.issuer);
    mu_fact("expires", "%s (%s); the old one: %s", mu_relative(one->new.not_after, work->now, when),
            mu_date(one->new.not_after, date), mu_relative(one->old.not_after, work->now, before));
}

static void show_renewed(struct work *work, const struct mu_renewed *one)
{
    char label[MU_CERT_LABEL_LEN];
    bool dry = mu_args_given(work->args, "dry-run");
    work->renewed++;
    if (!dry)
        mu_buf_addf(&work->done, "%s%s", work->done.len > 0 ? "\n" : "", one->cert_path);
    if (mu_args_json(work->args))
        show_renewed_json(work, one);
    else
        show_renewed_text(work, one, dry);
    mu_cert_label(one->cert, label);
    if (!mu_str_equal(one->old.subject, one->new.subject))
        mu_note("\"%s\": its subject was \"%s\", and is \"%s\" now", label, one->old.subject,
                one->new.subject);
    mu_note_if_cut(one->cert, work->signer.policy, &one->ruling, work->now);
    for (size_t i = 0; i < one->new.problems.count; i++)
        mu_warn("\"%s\": %s", label, one->new.problems.at[i]);
}

static void show_not_due(struct work *work, const struct mu_renewed *one, time_t from)
{
    char label[MU_CERT_LABEL_LEN], when[MU_SPAN_LEN], end[MU_SPAN_LEN], date[MU_DATE_LEN],
        until[MU_DATE_LEN];
    if (mu_args_json(work->args)) {
        json_array_append_new(work->not_due_json,
                              mu_pack("{s:s, s:s, s:s}", "cert", one->given, "due",
                                      mu_date_rfc3339(from, date), "not_after",
                                      mu_date_rfc3339(one->old.not_after, until)));
        return;
    }
    printf("not due: \"%s\" (%s) expires %s, and is due %s (%s)\n",
           mu_cert_label(one->cert_bundle.leaf->cert, label), one->given,
           mu_relative(one->old.not_after, work->now, end), mu_relative(from, work->now, when),
           mu_date(from, date));
}

/* One that fails does not keep the others from being renewed. */
static void show_failed(struct work *work, const char *given, const struct mu_error *err)
{
    char shown[2 * MU_ERROR_WHAT_LEN], what[2 * MU_ERROR_WHAT_LEN], cause[2 * MU_ERROR_CAUSE_LEN],
        hint[2 * MU_ERROR_HINT_LEN];
    work->failed++;
    if (!mu_args_json(work->args)) {
        mu_print_error(err, false);
        return;
    }
    json_array_append_new(
        work->failed_json,
        mu_pack("{s:s, s:{s:s, s:s, s:s, s:s}}", "cert",
                mu_str_printable(given, strlen(given), shown, sizeof shown), "error", "id",
                mu_code_id(err->code), "what",
                mu_str_printable(err->what, strlen(err->what), what, sizeof what), "cause",
                mu_str_printable(err->cause, strlen(err->cause), cause, sizeof cause), "hint",
                mu_str_printable(err->hint, strlen(err->hint), hint, sizeof hint)));
}

/* --- What is done --- */

static int check_args(const struct mu_args *args, struct mu_error *err)
{
    bool several = mu_args_count(args) > 1;
    if (mu_args_given(args, "profile") && !mu_args_given(args, "cacert"))
        return mu_usage(err, args,
                        "the CA's records say what it is for: --profile goes with --cacert");
    if (several && (mu_args_given(args, "key") || mu_args_given(args, "out")))
        return mu_usage(err, args, "--%s is for one certificate, not for %d",
                        mu_args_given(args, "key") ? "key" : "out", mu_args_count(args));
    if (mu_args_given(args, "keep-key") &&
        (mu_args_given(args, "key-type") || mu_args_given(args, "key")))
        return mu_usage(err, args, "with --keep-key the key is neither changed nor looked at");
    for (int i = 0; i < mu_args_count(args); i++)
        if (mu_str_equal(mu_args_at(args, i), "-"))
            return mu_usage(err, args, "what comes from standard input cannot be replaced");
    const char *type = mu_args_value(args, "key-type");
    return type == NULL ? 0 : mu_key_type_check(type, err);
}

/* Returns -1 only for what concerns all of them: there is no CA to renew by. */
static int renew_one(struct work *work, const char *given, struct mu_error *err)
{
    struct mu_error failure = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_renewed) one = {.cert_bundle = MU_BUNDLE_INIT, .key_bundle = MU_BUNDLE_INIT};
    if (mu_renewed_load(work->args, given, work->now, &one, &failure) != 0) {
        show_failed(work, given, &failure);
        return 0;
    }
    time_t from =
        work->has_due ? mu_due_from(&work->due, one.old.not_before, one.old.not_after) : 0;
    if (from > work->now) {
        show_not_due(work, &one, from);
        return 0;
    }
    if (work->signer.policy == NULL && mu_signer_open(work->args, &work->signer, err) != 0)
        return -1;
    if (mu_renewed_carry_out(work->args, &work->signer, work->now, &one, &failure) != 0)
        show_failed(work, given, &failure);
    else
        show_renewed(work, &one);
    return 0;
}

/* Once, behind all; without any lock of ours, as it may be mutual itself. Returns the exit status. */
static int run_after(struct work *work, json_t **ret_json)
{
    const char *command = mu_args_value(work->args, "exec");
    struct mu_error err = MU_ERROR_INIT;
    int status = 0;
    if (command == NULL || work->done.len == 0)
        return 0;
    mu_signer_clear(&work->signer);
    if (mu_buf_failed(&work->done))
        mu_fail_nomem(&err);
    else if (mu_command_run(command, "MUTUAL_RENEWED", work->done.data, &status, &err) == 0)
        err = (struct mu_error)MU_ERROR_INIT;
    bool failed = err.code != MU_OK;
    *ret_json = mu_pack("{s:i, s:s?}", "status", status, "error", failed ? err.what : NULL);
    if (failed && !mu_args_json(work->args)) {
        char what[MU_ERROR_WHAT_LEN];
        mu_str_copy(what, sizeof what, err.what);
        snprintf(err.what, sizeof err.what, "%zu renewed, but %.600s", work->renewed, what);
        mu_print_error(&err, false);
    }
    return failed ? EXIT_FAILED : 0;
}

static int finish(struct work *work)
{
    json_t *exec = NULL;
    int status = run_after(work, &exec);
    if (mu_args_json(work->args))
        mu_print_json(mu_pack("{s:b, s:O, s:O, s:O, s:o?}", "dry_run",
                              mu_args_given(work->args, "dry-run"), "renewed", work->renewed_json,
                              "not_due", work->not_due_json, "failed", work->failed_json, "exec",
                              exec));
    else
        json_decref(exec);
    if (work->failed > 0 || status != 0)
        return EXIT_FAILED;
    return work->renewed > 0 ? 0 : EXIT_NOTHING_DUE;
}

static int renew_all(struct work *work, struct mu_error *err)
{
    const char *due = mu_args_value(work->args, "due");
    work->has_due = due != NULL && !mu_args_given(work->args, "force");
    int64_t unused_s;
    if (check_args(work->args, err) != 0 || mu_lifetime(work->args, &unused_s, err) != 0 ||
        (due != NULL && mu_due_parse(due, &work->due, err) != 0))
        return -1;
    for (int i = 0; i < mu_args_count(work->args); i++)
        if (renew_one(work, mu_args_at(work->args, i), err) != 0)
            return -1;
    return finish(work);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct work work = {
        .args = args,
        .now = time(NULL),
        .done = MU_BUF_INIT,
        .renewed_json = json_array(),
        .not_due_json = json_array(),
        .failed_json = json_array(),
    };
    int result = renew_all(&work, err);
    mu_signer_clear(&work.signer);
    mu_buf_clear(&work.done);
    json_decref(work.renewed_json);
    json_decref(work.not_due_json);
    json_decref(work.failed_json);
    return result;
}

static const struct mu_opt opts[] = {
    {"due", 0, "PART", "only what has less than so much left: 33% of its lifetime, or 30d", NULL,
     false},
    {"keep-key", 0, NULL, "certify the same key again, instead of a new one like it", NULL, false},
    {"key-type", 't', "TYPE", "the new key's type [that of the old one]", NULL, false},
    {"key", 0, "FILE", "the key's file [NAME.key for NAME.crt]", NULL, false},
    {"days", 0, "N", "how long it is valid, in days [as long as before]", NULL, false},
    {"lifetime", 0, "DURATION", "the same, as 36h, 90d, 1y", NULL, false},
    {"exec", 0, "COMMAND", "run this by /bin/sh -c, once, after what was renewed", NULL, false},
    {"dry-run", 'n', NULL, "only say what would be done", NULL, false},
    {"force", 0, NULL, "also what is not due, or ends no later; and replace files of --out", NULL,
     false},
    {"out", 'o', "PREFIX", "leave the old ones, and write PREFIX.crt and PREFIX.key", NULL, false},
    {"cacert", 0, "FILE", "renew by this CA instead of the home CA", NULL, false},
    {"cakey", 0, "FILE", "its key, if it is not in the same file; or a PKCS#11 URI", NULL, false},
    {"profile", 'p', "NAME", "with --cacert, if it does not say it: server, client or peer", NULL,
     false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_renew = {
    .name = "renew",
    .args = "FILE.crt...",
    .summary = "renew certificates in their files, with new keys",
    .details =
        "Each gets the same names and purpose, as long a time as before from now on, and a new key of the same kind\n"
        "in NAME.key, or in FILE.crt where that holds the key, too. The file may be a PKCS#12 container, which keeps its\n"
        "passphrase, its algorithms and all else that is in it. The pair changes in one step: whoever opens both\n"
        "files, at any moment, finds the old pair or the new one, also when this program is killed on the way.\n"
        "Owners, permissions and the rest of a file (its chain, say) stay; a key with a passphrase keeps it. What\n"
        "is revoked, on hold or from another CA is refused. The old certificate stays valid until its own end.\n"
        "\n"
        "For a timer: with --due nothing happens before it is time, and the exit status is 0: renewed, 3: nothing is\n"
        "due, 1: one or more failed, or COMMAND did. COMMAND runs once, if something was renewed; MUTUAL_RENEWED\n"
        "in its environment has the files, one a line. Its output goes to standard error. If it fails, the new\n"
        "certificates stay, and it is not run again by itself. A systemd service (where % is written %%):\n"
        "  ExecStart=mutual renew --due 33%% --exec 'systemctl reload nginx' /etc/nginx/tls/api.crt\n"
        "  SuccessExitStatus=3\n"
        "and a timer for it with OnCalendar=hourly and Persistent=true.\n"
        "\n"
        "With --cacert and --cakey there are no records, so nothing is known of revocation.",
    .example = "mutual renew localhost.crt\n"
               "mutual renew my-client.crt localhost.crt --due 33% --force\n"
               "mutual renew my-client.crt --keep-key --days 30\n"
               "mutual renew localhost.crt --dry-run --json",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
