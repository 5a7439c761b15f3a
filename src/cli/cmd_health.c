#include <stdio.h>
#include <time.h>

#include "authority/health.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/progress.h"

enum { EXIT_WARNING = 3 };

struct report {
    const struct mu_args *args;
    json_t *json; /* NULL: as text */
    enum mu_severity worst;
};

static bool is_ignored(const struct mu_args *args, const char *id)
{
    const char *ignored;
    for (int i = 0; (ignored = mu_args_nth(args, "ignore", i)) != NULL; i++)
        if (mu_str_equal(ignored, id))
            return true;
    return false;
}

static void show(void *arg, const struct mu_symptom *finding)
{
    static const enum mu_style styles[] = {MU_GOOD, MU_WARN, MU_BAD};
    struct report *report = arg;
    const char *id = mu_symptom_id(finding->code), *remedy = mu_symptom_remedy(finding->code);
    enum mu_severity severity = mu_symptom_severity(finding->code);
    if (is_ignored(report->args, id))
        return;
    if (severity > report->worst)
        report->worst = severity;
    if (report->json != NULL) {
        json_array_append_new(report->json, json_pack("{s:s, s:s, s:s, s:s}", "id", id, "severity",
                                                      mu_severity_name(severity), "what",
                                                      finding->what, "hint", remedy));
        return;
    }
    mu_progress_hide();
    mu_say(styles[severity], "%-8s", mu_severity_name(severity));
    printf(" %s%s%s%s\n", finding->what, *remedy == '\0' ? "" : " [", *remedy == '\0' ? "" : id,
           *remedy == '\0' ? "" : "]");
    if (*remedy != '\0')
        printf("%-8s hint: %s\n", "", remedy);
    fflush(stdout);
    mu_progress_show();
}

/* A misspelt id would silence nothing, and nobody would notice. */
static int check_ignored(const struct mu_args *args, struct mu_error *err)
{
    const char *id;
    for (int i = 0; (id = mu_args_nth(args, "ignore", i)) != NULL; i++) {
        int code = 0;
        while (code < MU_SYMPTOM_COUNT && !mu_str_equal(mu_symptom_id(code), id))
            code++;
        if (code == MU_SYMPTOM_COUNT)
            return mu_usage(err, args, "--ignore takes the id of a finding, not \"%s\"", id);
    }
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct report report = {.args = args, .worst = MU_FINE};
    struct mu_health how = {.home = mu_args_home(args),
                            .now = time(NULL),
                            .quick = mu_args_given(args, "quick")};
    if (check_ignored(args, err) != 0)
        return -1;
    if (mu_args_json(args))
        report.json = json_array();
    mu_progress_begin("looking at the CA");
    if (mu_health_check(&how, show, &report, err) != 0) {
        json_decref(report.json);
        return -1;
    }
    mu_progress_end();
    if (report.json != NULL)
        mu_print_json(json_pack("{s:s, s:o}", "status", mu_severity_name(report.worst), "findings",
                                report.json));
    return report.worst == MU_ERROR ? 1 : report.worst == MU_WARNING ? EXIT_WARNING : 0;
}

static const struct mu_opt opts[] = {
    {"quick", 0, NULL, "leave out what takes long with many records", NULL, false},
    {"ignore", 0, "ID", "pass over this finding", NULL, true},
    {0},
};

const struct mu_cmd mu_cmd_health = {
    .name = "health",
    .args = "",
    .summary = "say whether all is well with the CA, for people and for monitoring",
    .details =
        "Looks at the CA's certificate and key, the revocation list, certificates that end soon without a\n"
        "successor or are weak or overlong, the integrity of the records and of the audit trail, backups,\n"
        "permissions, the clock and the disk. What is broken is told, and the rest looked at all the same.\n"
        "Nothing is changed, and no passphrase is needed. With --quick the integrity of the records, the trail\n"
        "and the form of each certificate are left out, which take time where there are many.\n"
        "\n"
        "Exit status: 0 all is well, 3 there are warnings, 1 something does not work, 2 used wrongly.",
    .example = "mutual health\n"
               "mutual health --quick --json --ignore certificates_expire",
    .opts = opts,
    .run = run,
};
