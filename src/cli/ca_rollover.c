#include <stdio.h>
#include <time.h>

#include "authority/rollover.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/describe.h"
#include "cli/issuing.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/progress.h"

/* --- Telling --- */

static json_t *root_json(const struct mu_cert *cert)
{
    char label[MU_CERT_LABEL_LEN], sha256[MU_SHA256_LEN], date[MU_DATE_LEN];
    return mu_pack("{s:s, s:s, s:s}", "name", mu_cert_label(cert, label), "sha256",
                   mu_cert_fingerprint(cert, sha256), "not_after",
                   mu_date_rfc3339(mu_cert_not_after(cert), date));
}

static json_t *time_json(time_t t)
{
    return t == 0 ? json_null() : mu_time_json(t);
}

static int show_json(const struct mu_rollover_state *state, bool under_way, const char *trust)
{
    json_t *old = json_array();
    for (size_t i = 0; i < state->old.count; i++)
        json_array_append_new(old, root_json(state->old.at[i]));
    mu_print_json(mu_pack("{s:b, s:o, s:o, s:s, s:o, s:I, s:I, s:o, s:o}", "under_way",
                          (int)under_way, "root", root_json(state->root), "old_roots", old, "trust",
                          trust, "since", time_json(state->since), "in_use",
                          (json_int_t)state->in_use, "moved", (json_int_t)state->moved, "names",
                          mu_strs_json(&state->names), "last_end", time_json(state->last_end)));
    return 0;
}

static void show_root(const char *label, const struct mu_cert *cert, time_t now)
{
    char name[MU_CERT_LABEL_LEN], sha256[MU_SHA256_LEN], when[MU_SPAN_LEN];
    mu_fact(label, "\"%s\", expires %s, SHA-256 %.16s...", mu_cert_label(cert, name),
            mu_relative(mu_cert_not_after(cert), now, when), mu_cert_fingerprint(cert, sha256));
}

static void show_certificates(const struct mu_rollover_state *state, time_t now)
{
    char when[MU_SPAN_LEN];
    MU_AUTO_CLEAR(mu_buf) names = MU_BUF_INIT;
    for (size_t i = 0; i < state->names.count; i++)
        mu_buf_addf(&names, "%s%.60s", i > 0 ? ", " : "", state->names.at[i]);
    mu_fact("moved", "%zu valid certificate%s chain%s to the new root", state->moved,
            state->moved == 1 ? "" : "s", state->moved == 1 ? "s" : "");
    if (state->in_use == 0)
        mu_fact("not moved", "none that is in use");
    else
        mu_fact("not moved", "%zu in use, to the old root alone (the last ends %s): %s%s",
                state->in_use, mu_relative(state->last_end, now, when), mu_buf_str(&names),
                state->in_use > state->names.count ? ", ..." : "");
}

static void show_state(const struct mu_args *args, const struct mu_rollover_state *state,
                       const char *trust, time_t now)
{
    MU_AUTO_CLEAR(mu_buf) home = MU_BUF_INIT;
    mu_add_home(&home, args);
    show_root("new root", state->root, now);
    for (size_t i = 0; i < state->old.count; i++)
        show_root("old root", state->old.at[i], now);
    mu_fact("trust", "%s (both: give it to all who verify)", trust);
    show_certificates(state, now);
    if (state->in_use > 0)
        printf("next: renew what is not moved (mutual renew), or revoke it; see: mutual ca rollover status%s\n",
               mu_buf_str(&home));
    else
        printf("next: when all who verify have trust.crt: mutual ca rollover finish%s\n",
               mu_buf_str(&home));
}

static int show(const struct mu_args *args, const char *what, const struct mu_rollover_state *state,
                time_t now, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], trust[MU_PATH_LEN];
    bool finished = mu_str_equal(what, "finish");
    bool under_way = state->under_way && !finished;
    if (mu_anchor_path(args, trust, err) != 0)
        return -1;
    if (mu_args_json(args))
        return show_json(state, under_way, trust);
    mu_cert_label(state->root, label);
    if (finished) {
        printf("the rollover is finished: \"%s\" is trusted alone\n", label);
        show_root("root", state->root, now);
        mu_fact("trust", "%s (give it to all who verify)", trust);
        if (state->in_use > 0)
            mu_warn("%zu certificate%s in use %s left behind, and will be refused by who trusts the new "
                    "root alone",
                    state->in_use, state->in_use == 1 ? "" : "s", state->in_use == 1 ? "is" : "are");
    } else if (!under_way) {
        printf("no rollover is under way\n");
        show_root("root", state->root, now);
    } else {
        printf(mu_str_equal(what, "start")
                   ? "the rollover has begun: there is a new root beside the old one\n"
                   : "a rollover is under way\n");
        show_state(args, state, trust, now);
    }
    return 0;
}

/* --- Doing --- */

static int run(const struct mu_args *args, struct mu_error *err)
{
    static const char *const for_start[] = {"root-key", "root-key-out", "key-type", "days"};
    const char *what = mu_args_at(args, 0);
    bool starts = mu_str_equal(what, "start"), finishes = mu_str_equal(what, "finish");
    struct mu_passphrase_source source = mu_passphrase_source(args);
    MU_AUTO_CLEAR(mu_rollover_state) state = {0};
    long days = 0;
    if (!starts && !finishes && !mu_str_equal(what, "status"))
        return mu_usage(err, args, "say start, status or finish, not \"%s\"", what);
    for (size_t i = 0; i < MU_COUNT(for_start) && !starts; i++)
        if (mu_args_given(args, for_start[i]))
            return mu_usage(err, args, "--%s is for start", for_start[i]);
    if (mu_args_given(args, "force") && !finishes)
        return mu_usage(err, args, "--force is for finish");
    if (mu_args_given(args, "days") && mu_args_number(args, "days", 1, 36500, &days, err) != 0)
        return -1;
    const struct mu_rollover how = {
        .home = mu_args_home(args),
        .root_key = mu_args_value(args, "root-key"),
        .root_key_out = mu_args_value(args, "root-key-out"),
        .key_type = mu_args_value(args, "key-type"),
        .lifetime_s = days * MU_DAY_S,
        .source = &source,
        .force = mu_args_given(args, "force"),
        .now = time(NULL),
    };
    mu_progress_begin(starts || finishes ? "changing the root" : "looking at what is in use");
    if ((how.key_type != NULL && mu_key_type_check(how.key_type, err) != 0) ||
        (starts     ? mu_rollover_start(&how, &state, err)
         : finishes ? mu_rollover_finish(&how, &state, err)
                    : mu_rollover_look(how.home, how.now, &state, err)) != 0)
        return -1;
    mu_progress_end();
    return show(args, what, &state, how.now, err);
}

static const struct mu_opt opts[] = {
    {"root-key", 0, "FILE", "start: the old root's key, if it is not in the home", NULL, false},
    {"root-key-out", 0, "FILE", "start: put the new root's key there", NULL, false},
    {"key-type", 't', "TYPE", "start: the new key's type [as the old one's]", NULL, false},
    {"days", 0, "N", "start: how long the new root is valid [as long as the old one]", NULL, false},
    {"force", 0, NULL, "finish: leave behind what still needs the old root", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_ca_rollover = {
    .name = "ca rollover",
    .args = "start|status|finish",
    .summary = "put a new root in the place of the old one, with time for both",
    .details =
        "start makes a new root of the same name with another key. From then on it is what new certificates chain to,\n"
        "and trust.crt has both: whoever has that file accepts what was issued before and after. Each root certifies\n"
        "the other, so that who trusts one alone can follow, too: what is issued carries the new root as certified by\n"
        "the old one, and cross.crt is the reverse. Go and GnuTLS count such certificates in path lengths and may\n"
        "refuse them: give trust.crt to those first.\n"
        "\n"
        "status counts what is in use and chains to the old root alone; finish takes the old root out of trust.crt, and\n"
        "refuses while there is any, unless --force is given. Where the root is on another machine, start there, and\n"
        "renew this CA (mutual ca request): finish is then said on both.",
    .example = "mutual ca rollover start\n"
               "mutual ca rollover status\n"
               "mutual ca rollover finish --force",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
