#include "base/str.h"
#include "cli/cmd.h"
#include "cli/explain_print.h"

static int run(const struct mu_args *args, struct mu_error *err)
{
    const char *word = mu_args_at(args, 0);
    bool json = mu_args_json(args);
    if (mu_args_given(args, "list")) {
        mu_explain_print_list(json);
        return 0;
    }
    if (word == NULL)
        return mu_usage(err, args, "mutual explain needs something to explain");
    enum mu_cause_id cause = mu_cause_find(word);
    if (cause == MU_CAUSE_COUNT)
        return mu_usage(err, args, "there is no cause \"%s\"", word);
    mu_explain_print_cause(cause, json);
    return 0;
}

static const struct mu_opt opts[] = {
    {"list", 0, NULL, "show every cause that there is", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_explain = {
    .name = "explain",
    .args = "[CAUSE]",
    .summary = "why it does not work, whose move it is, and what mends it",
    .details =
        "Every cause has an id that stays: it stands in logs, in --json and in docs/causes.md.",
    .example = "mutual explain --list\n"
               "mutual explain server_no_san",
    .opts = opts,
    .min_args = 0,
    .max_args = -1,
    .run = run,
};
