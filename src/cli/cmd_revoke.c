#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "authority/authority.h"
#include "authority/choose.h"
#include "authority/crl.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/progress.h"
#include "cli/print.h"
#include "cli/revocation.h"
#include "cli/signer.h"

struct plan {
    const struct mu_args *args;
    struct mu_revocation revocation; /* at 0: release */
    time_t now;
    struct mu_choices *chosen; /* by each word */
};

static void plan_clear(struct plan *plan)
{
    for (int i = 0; plan->chosen != NULL && i < mu_args_count(plan->args); i++)
        mu_choices_clear(&plan->chosen[i]);
    free(plan->chosen);
}
MU_AUTO_DEFINE_CLEAR(plan, plan_clear)

static int read_plan(const struct mu_args *args, struct plan *ret, struct mu_error *err)
{
    bool release = mu_args_given(args, "release");
    const char *reason = mu_args_value(args, "reason"), *at = mu_args_value(args, "at");
    *ret = (struct plan){.args = args, .now = time(NULL)};
    if (release && (reason != NULL || at != NULL))
        return mu_usage(err, args, "--release takes a hold back, and has no --reason or --at");
    if (release)
        return 0;
    ret->revocation.at = ret->now;
    if (reason != NULL && mu_reason_parse(reason, &ret->revocation.reason, err) != 0)
        return -1;
    return at == NULL ? 0 : mu_date_parse(at, &ret->revocation.invalid_since, err);
}

/* With --all, each certificate of a name in the state that can be changed; else it must be one. */
static int choose(const struct plan *plan, struct mu_store *store, const char *word,
                  struct mu_choices *ret, struct mu_error *err)
{
    enum mu_state wanted = plan->revocation.at == 0 ? MU_STATE_HELD : MU_STATE_VALID;
    return mu_args_given(plan->args, "all")
               ? mu_choose(store, word, ret, err)
               : mu_choose_one(store, word, wanted, plan->now, ret, err);
}

/* What each word means, before anything is changed: whoever mistypes one says all of them again. */
static int choose_all(struct plan *plan, struct mu_store *store, struct mu_error *err)
{
    const int count = mu_args_count(plan->args);
    plan->chosen = calloc((size_t)count, sizeof *plan->chosen);
    if (plan->chosen == NULL)
        return mu_fail_nomem(err);
    for (int i = 0; i < count; i++)
        if (choose(plan, store, mu_args_at(plan->args, i), &plan->chosen[i], err) != 0)
            return -1;
    return 0;
}

static bool is_done(const struct plan *plan, const struct mu_record *record)
{
    enum mu_state state = mu_record_state(record, plan->now);
    return plan->revocation.at == 0 ? state != MU_STATE_HELD : state == MU_STATE_REVOKED;
}

/* Then it is the first that says so. */
static bool are_done(const struct plan *plan, const struct mu_choices *chosen)
{
    for (size_t i = 0; i < chosen->count; i++)
        if (!is_done(plan, &chosen->at[i]))
            return false;
    return true;
}

static int change_one(const struct plan *plan, struct mu_authority *authority,
                      const struct mu_record *record, json_t *list, struct mu_error *err)
{
    bool release = plan->revocation.at == 0;
    if ((release ? mu_authority_release(authority, record->serial, plan->now, err)
                 : mu_authority_revoke(authority, record->serial, &plan->revocation, err)) != 0)
        return -1;
    const char *reason = mu_reason_name(plan->revocation.reason);
    if (mu_args_json(plan->args))
        json_array_append_new(list, mu_pack("{s:s, s:s, s:s, s:s?}", "name", record->name, "serial",
                                            record->serial, "state",
                                            release                                     ? "valid"
                                            : plan->revocation.reason == MU_REASON_HOLD ? "held"
                                                                                        : "revoked",
                                            "reason", release ? NULL : reason));
    else if (release)
        printf("released \"%s\" (serial %s)\n", record->name, record->serial);
    else
        printf("%s \"%s\" (serial %s)%s%s\n",
               plan->revocation.reason == MU_REASON_HOLD ? "put on hold" : "revoked", record->name,
               record->serial, plan->revocation.reason == MU_REASON_UNSPECIFIED ? "" : ": ",
               plan->revocation.reason == MU_REASON_UNSPECIFIED ? "" : reason);
    return 0;
}

static int change_all(const struct plan *plan, struct mu_authority *authority, json_t *list,
                      size_t *ret_changed, struct mu_error *err)
{
    for (int i = 0; i < mu_args_count(plan->args); i++) {
        const struct mu_choices *chosen = &plan->chosen[i];
        const bool some = mu_args_given(plan->args, "all") && !are_done(plan, chosen);
        for (size_t n = 0; n < chosen->count; n++) {
            if (some && is_done(plan, &chosen->at[n]))
                continue;
            if (change_one(plan, authority, &chosen->at[n], list, err) != 0)
                return -1;
            ++*ret_changed;
        }
    }
    return 0;
}

/* Who is told that it is done already may have been cut off before the list had it. */
static bool is_unfinished(struct mu_authority *authority, const struct mu_error *refused)
{
    return (refused->code == MU_E_REVOKED || refused->code == MU_E_NOT_REVOKED) &&
           mu_authority_lists_lag(authority);
}

/* The list follows also when a later one was refused: what has been revoked must be known. */
static int run_plan(const struct plan *plan, struct mu_authority *authority, json_t *list,
                    struct mu_error *err)
{
    struct mu_published published;
    struct mu_error unpublished = MU_ERROR_INIT;
    size_t changed = 0;
    int result = change_all(plan, authority, list, &changed, err);
    if (changed == 0 && !is_unfinished(authority, err))
        return result;
    mu_progress_begin("making the revocation list");
    if (mu_authority_publish(authority, MU_PUBLISH_CHANGED, plan->now, &published, &unpublished) !=
        0) {
        *err = unpublished;
        return mu_hint(err,
                       "it is on record, but not yet in the revocation list: mend this, then run: "
                       "mutual crl");
    }
    mu_progress_end();
    if (mu_args_json(plan->args) && result == 0)
        mu_print_json(mu_pack("{s:O, s:o}", "changed", list, "crl", mu_published_json(&published)));
    else if (!mu_args_json(plan->args))
        mu_show_published(&published, plan->now);
    return result != 0 ? result : mu_published_status(&published);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(plan) plan = {.args = args};
    struct mu_passphrase_source source = mu_passphrase_source(args);
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    if (read_plan(args, &plan, err) != 0 || mu_open_ca(args, &source, &authority, err) != 0 ||
        choose_all(&plan, mu_authority_store(authority), err) != 0)
        return -1;
    json_t *list = json_array();
    int result = run_plan(&plan, authority, list, err);
    json_decref(list);
    return result;
}

static const struct mu_opt opts[] = {
    {"reason", 'r', "REASON", "why: keyCompromise, superseded, cessationOfOperation, hold, ...",
     NULL, false},
    {"at", 0, "TIME", "since when it is not to be believed, if earlier than now", NULL, false},
    {"release", 0, NULL, "take a hold back", NULL, false},
    {"all", 0, NULL, "every certificate of that name", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_revoke = {
    .name = "revoke",
    .args = "NAME|SERIAL|FILE.crt...",
    .summary = "take a certificate back, or put it on hold",
    .details =
        "Names one certificate by its name, its serial number, its fingerprint or its file, and refreshes the\n"
        "revocation list ca.crl in the home directory. REASON is one of RFC 5280's: unspecified, keyCompromise,\n"
        "cACompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn, or hold, the\n"
        "only one that --release can take back. A mutual serve with this home that trusts this CA and has no list of its\n"
        "own (--crl) learns of it within a second; other servers do by the list: see mutual crl --help.",
    .example = "mutual revoke my-client --reason keyCompromise\n"
               "mutual revoke localhost --reason hold\n"
               "mutual revoke localhost --release",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
