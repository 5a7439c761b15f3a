#include <stdio.h>

#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/trusting.h"

/*
 * Is this entry to go? Only one that we have made; or one without a name, which the system's list has kept though its
 * file is gone. With --older those of other CAs of the same name, and not the root itself.
 */
static bool is_due(const struct mu_args *args, const struct mu_trusting *trusting,
                   const struct mu_trust_entry *entry)
{
    bool older = mu_args_given(args, "older");
    return (mu_trust_is_ours(entry) || (entry->name[0] == '\0' && !older)) &&
           mu_certs_hold(&trusting->anchors, entry->cert) != older;
}

/* The next entry of its store that is to go, or NULL. */
static const struct mu_trust_entry *next_due(const struct mu_args *args,
                                             const struct mu_trusting *trusting,
                                             const struct mu_standing *standing, size_t *at)
{
    const struct mu_trust_store *store = standing->store;
    for (; *at < store->entry_count; ++*at)
        if (is_due(args, trusting, &store->entries[*at]))
            return &store->entries[(*at)++];
    return NULL;
}

/* Each store once: by the first of its standings. */
static bool is_first(const struct mu_trusting *trusting, size_t i)
{
    return trusting->standings[i].is_here &&
           (i == 0 || trusting->standings[i - 1].store != trusting->standings[i].store);
}

/* --- Asking --- */

static int show_steps(const struct mu_args *args, const struct mu_trusting *trusting,
                      const struct mu_standing *standing, struct mu_error *err)
{
    const struct mu_trust_entry *entry;
    for (size_t at = 0; (entry = next_due(args, trusting, standing, &at)) != NULL;) {
        MU_AUTO_CLEAR(mu_trust_step) step = {.pem = MU_BUF_INIT};
        if (mu_trust_step_out(standing->store, entry->name, &step, err) != 0)
            return -1;
        fprintf(stderr, "  %s\n", mu_standing_label(standing));
        mu_trust_step_show(&step);
    }
    return 0;
}

static int ask(const struct mu_args *args, const struct mu_trusting *trusting, struct mu_error *err)
{
    fprintf(stderr, "mutual trust uninstall would do this:\n");
    for (size_t i = 0; i < trusting->count; i++)
        if (is_first(trusting, i) && trusting->standings[i].failure.code == MU_OK &&
            show_steps(args, trusting, &trusting->standings[i], err) != 0)
            return -1;
    return mu_ask("Have these programs trust it no longer?",
                  "nothing was changed: there is no terminal to ask on, and no --yes was given",
                  err);
}

/* --- Doing --- */

/* Each change reads the store anew, so the search begins anew; one that does not go is not tried again. */
static void uninstall(const struct mu_args *args, const struct mu_trusting *trusting,
                      struct mu_standing *standing)
{
    size_t at = 0, before = standing->store->entry_count + 1;
    const struct mu_trust_entry *entry;
    while (standing->failure.code == MU_OK && standing->store->entry_count < before &&
           (entry = next_due(args, trusting, standing, &at)) != NULL) {
        MU_AUTO_CLEAR(mu_trust_step) step = {.pem = MU_BUF_INIT};
        before = standing->store->entry_count;
        if (mu_trust_step_out(standing->store, entry->name, &step, &standing->failure) != 0 ||
            !mu_standing_change(trusting, standing, &step))
            return;
        at = 0;
    }
}

static void uninstall_all(const struct mu_args *args, const struct mu_trusting *trusting)
{
    bool system_changed = false;
    for (size_t i = 0; i < trusting->count; i++) {
        struct mu_standing *standing = &trusting->standings[i];
        if (!is_first(trusting, i))
            continue;
        if (standing->store->kind == MU_TRUST_JAVA && system_changed)
            mu_standing_read(trusting, standing);
        uninstall(args, trusting, standing);
        system_changed =
            system_changed || (standing->changed && standing->store->kind == MU_TRUST_SYSTEM);
    }
}

/* Whoever takes a root out has to know where it is still trusted. */
static void blame_others(const struct mu_args *args, const struct mu_trusting *trusting)
{
    for (size_t i = 0; i < trusting->count && !mu_args_given(args, "older"); i++) {
        struct mu_standing *standing = &trusting->standings[i];
        const char *name = standing->entry != NULL ? standing->entry->name : "";
        if (standing->failure.code != MU_OK || !mu_standing_is_trusted(standing))
            continue;
        mu_fail(&standing->failure, MU_E_NOT_CONFIRMED,
                "%s still trusts it as \"%s\", which mutual has not put there",
                standing->store->place, *name != '\0' ? name : standing->store->bundle);
        mu_hint(&standing->failure, "take it out by the way on which it came in");
    }
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_trusting) trusting = {0};
    size_t due = 0;
    if (mu_trusting_load(args, &trusting, err) != 0)
        return -1;
    for (size_t i = 0; i < trusting.count; i++) {
        size_t at = 0;
        if (is_first(&trusting, i) &&
            next_due(args, &trusting, &trusting.standings[i], &at) != NULL &&
            mu_standing_may_change(args, "uninstall", &trusting.standings[i]))
            due++;
    }
    if (due > 0 && !mu_args_given(args, "yes") && ask(args, &trusting, err) != 0)
        return -1;
    uninstall_all(args, &trusting);
    blame_others(args, &trusting);
    return mu_trusting_finish(args, &trusting);
}

static const struct mu_opt opts[] = {
    MU_TRUST_OPTS,
    {"older", 0, NULL,
     "take out older CAs of the same name that mutual has installed, not this one", NULL, false},
    {"yes", 'y', NULL, "do not ask", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_trust_uninstall = {
    .name = "trust uninstall",
    .args = "",
    .summary = "take the root out of the lists of the system, of browsers and of Java",
    .details =
        "Takes out what mutual trust install has put in, and nothing else: a certificate goes only if its\n"
        "fingerprint is the root's and the entry has the name that mutual gives. What would be done is shown, and\n"
        "asked about on the terminal. Where the root is trusted by an entry of somebody else, that is told.\n"
        "Exit status: 0 trusted in none of the lists that are here, 1 one of them failed, or still trusts it.",
    .example = "mutual trust uninstall --only nss --yes\n"
               "mutual trust uninstall --older --only nss --yes",
    .opts = opts,
    .run = run,
};
