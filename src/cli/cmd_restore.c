#include <stdio.h>
#include <time.h>

#include "authority/backup.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/describe.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/progress.h"

static void show(const struct mu_args *args, const struct mu_restored *restored, time_t now)
{
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN], when[MU_SPAN_LEN];
    mu_cert_label(restored->cert, label);
    if (mu_args_json(args)) {
        mu_print_json(mu_pack("{s:s, s:s, s:o, s:I, s:s?, s:s?}", "name", label, "home",
                              mu_args_home(args), "taken_at", mu_time_json(restored->taken_at),
                              "records", (json_int_t)restored->records, "old",
                              *restored->old == '\0' ? NULL : restored->old, "trail_fault",
                              *restored->trail_fault == '\0' ? NULL : restored->trail_fault));
        return;
    }
    printf("restored the certificate authority \"%s\"\n", label);
    mu_fact("home", "%s", mu_args_home(args));
    mu_fact("as of", "%s (%s)", mu_date(restored->taken_at, date),
            mu_relative(restored->taken_at, now, when));
    mu_fact("records", "%zu certificate%s", restored->records, restored->records == 1 ? "" : "s");
}

/* A revocation list's number is never below its second, times a thousand. So that none comes again that was given out
 * just before a restore, this begins in a second in which none can have been. */
static time_t next_second(void)
{
    const struct timespec moment = {.tv_nsec = 10 * 1000 * 1000};
    time_t begun = time(NULL), now;
    while ((now = time(NULL)) == begun)
        nanosleep(&moment, NULL);
    return now;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    char date[MU_DATE_LEN];
    const struct mu_passphrase_option key_option = {args, "key-passphrase-file"};
    struct mu_passphrase_source source = mu_passphrase_source(args);
    struct mu_passphrase_source key_source = mu_passphrase_source_of(&key_option);
    struct mu_restore how = {.path = mu_args_at(args, 0),
                             .home = mu_args_home(args),
                             .source = &source,
                             .key_source = &key_source,
                             .store = mu_args_value(args, "store"),
                             .force = mu_args_given(args, "force"),
                             .now = next_second()};
    MU_AUTO_CLEAR(mu_restored) restored = {.cert = NULL};
    mu_progress_begin("restoring");
    if (mu_authority_restore(&how, &restored, err) != 0)
        return -1;
    mu_progress_end();
    show(args, &restored, how.now);
    if (*restored.old != '\0')
        mu_note("what was there has been moved to %s", restored.old);
    if (*restored.trail_fault != '\0')
        mu_warn("the audit trail in the backup is not whole: %s", restored.trail_fault);
    mu_note("what was issued or revoked after %s is not known to it: revoke again what was revoked "
            "since; what was issued since stays good, but cannot be listed or revoked here",
            mu_date(restored.taken_at, date));
    if (!mu_args_json(args))
        printf("next: mutual crl, which makes the revocation lists anew\n");
    return 0;
}

static const struct mu_opt opts[] = {
    {"store", 0, "URL", "keep the records in PostgreSQL: postgresql://HOST/DATABASE", NULL, false},
    {"force", 0, NULL, "a CA that is there already is moved aside", NULL, false},
    {"passphrase-file", 0, "FILE",
     "read the passphrase from FILE (first line): the backup's, the key's", NULL, false},
    {"key-passphrase-file", 0, "FILE", "read the CA key's from another one", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_restore = {
    .name = "restore",
    .args = "FILE",
    .summary = "make the CA again from a backup",
    .details =
        "Nothing is put into the home directory before all of it has been checked: the records are whole, and\n"
        "the key is the certificate's, for which its passphrase is needed if it has one, besides the backup's. A CA that\n"
        "is there already is refused, or with --force moved aside into old-<date>/. The restored CA uses no serial\n"
        "number and no revocation list number again. Its records are in mutual.db, whatever database they were in,\n"
        "or with --store in a PostgreSQL database that has none yet.",
    .example = "mutual restore my-ca.backup --home restored\n"
               "mutual restore my-ca.backup --force",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
