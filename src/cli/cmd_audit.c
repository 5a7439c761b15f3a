#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "authority/audit.h"
#include "authority/home.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/describe.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/records.h"

static bool show_text(void *arg, const struct mu_trail_entry *entry)
{
    char date[MU_DATE_LEN];
    (void)arg;
    mu_say(MU_PLAIN, "%6" PRId64 " %s %s %s@%s %s%s%s\n", entry->seq,
           mu_date_rfc3339(entry->at, date), entry->action, entry->who, entry->host, entry->serial,
           *entry->serial == '\0' ? "" : " ", entry->detail);
    return !ferror(stdout);
}

static bool show_json(void *arg, const struct mu_trail_entry *entry)
{
    (void)arg;
    mu_print_json_line(
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "seq", (json_int_t)entry->seq,
                  "at", mu_time_json(entry->at), "who", mu_record_text_json(entry->who), "host",
                  mu_record_text_json(entry->host), "action", mu_record_text_json(entry->action),
                  "serial", mu_record_text_json(entry->serial), "sha256",
                  mu_record_text_json(entry->sha256), "detail", mu_record_text_json(entry->detail),
                  "hash", mu_record_text_json(entry->hash)));
    return !ferror(stdout);
}

static int print(const struct mu_args *args, struct mu_store *store, struct mu_error *err)
{
    long from;
    if (mu_args_number(args, "from", 1, 2147483647, &from, err) != 0)
        return -1;
    return mu_store_trail_each(store, from, mu_args_json(args) ? show_json : show_text, NULL, err);
}

static int fail(const struct mu_audit_verdict *verdict, struct mu_error *err)
{
    return mu_fail(err, MU_E_AUDIT, "the audit trail is not whole: %s", verdict->fault);
}

static int verify(const struct mu_args *args, struct mu_store *store, const struct mu_home *home,
                  struct mu_error *err)
{
    struct mu_audit_verdict verdict;
    char date[MU_DATE_LEN];
    MU_AUTO_STRUCT(mu_cert) ca = NULL;
    mu_progress_begin("walking the trail");
    if (mu_cert_load(home->cert, &ca, err) != 0 || mu_audit_verify(store, ca, &verdict, err) != 0)
        return -1;
    mu_progress_end();
    if (verdict.fault[0] != '\0')
        return fail(&verdict, err);
    if (mu_args_json(args)) {
        mu_print_json(
            json_pack("{s:b, s:I, s:I, s:I, s:o}", "whole", 1, "entries",
                      (json_int_t)verdict.entries, "signatures", (json_int_t)verdict.signatures,
                      "signed_up_to", (json_int_t)verdict.signed_up_to, "signed_at",
                      verdict.signed_at == 0 ? json_null() : mu_time_json(verdict.signed_at)));
        return 0;
    }
    printf("whole: %" PRId64
           " %s, each following from the one before, and the records say the same\n",
           verdict.entries, verdict.entries == 1 ? "entry" : "entries");
    mu_fact("signed", "%" PRId64 " %s by the CA's key, last on %s, up to entry %" PRId64,
            verdict.signatures, verdict.signatures == 1 ? "time" : "times",
            mu_date(verdict.signed_at, date), verdict.signed_up_to);
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct mu_home home;
    MU_AUTO_STRUCT(mu_store) store = NULL;
    const char *word = mu_args_count(args) > 0 ? mu_args_at(args, 0) : "";
    if (*word != '\0' && !mu_str_equal(word, "verify"))
        return mu_usage(err, args,
                        "there is no \"audit %s\"; audit alone prints, audit verify proves", word);
    if (mu_home_paths(mu_args_home(args), &home, err) != 0 ||
        mu_records_open(args, &store, err) != 0)
        return -1;
    return *word == '\0' ? print(args, store, err) : verify(args, store, &home, err);
}

static const struct mu_opt opts[] = {
    {"from", 0, "N", "begin with entry N", "1", false},
    {0},
};

const struct mu_cmd mu_cmd_audit = {
    .name = "audit",
    .args = "[verify]",
    .summary = "print the trail of what was done, or prove that it is whole",
    .details =
        "Each change that the CA made is an entry: when, what, who and where, and which certificate. An entry\n"
        "holds the SHA-256 of itself and of the one before, and every day and at each revocation list the\n"
        "last one is signed by the CA's key. \"verify\" finds an entry that was changed, dropped or moved, and\n"
        "certificates, revocations, lists and settings of which the records say something else than the trail.\n"
        "Entries behind the last signature could still be rewritten by whoever can write to the records, and all\n"
        "of it put back to an earlier state: keep copies elsewhere. With --json: an object a line.",
    .example = "mutual audit\n"
               "mutual audit verify",
    .opts = opts,
    .max_args = 1,
    .run = run,
};
