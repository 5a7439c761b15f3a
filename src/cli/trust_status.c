#include "cli/cmd.h"
#include "cli/trusting.h"

enum { EXIT_NOT_TRUSTED = 3 };

/* Nobody trusts it where there is no store to do so. */
static bool is_trusted_everywhere(const struct mu_trusting *trusting)
{
    bool somewhere = false;
    for (size_t i = 0; i < trusting->count; i++) {
        const struct mu_standing *standing = &trusting->standings[i];
        if (standing->is_here && !mu_standing_is_trusted(standing))
            return false;
        somewhere = somewhere || standing->is_here;
    }
    return somewhere;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_trusting) trusting = {0};
    if (mu_trusting_load(args, &trusting, err) != 0)
        return -1;
    if (mu_trusting_finish(args, &trusting) != 0)
        return 1;
    return is_trusted_everywhere(&trusting) ? 0 : EXIT_NOT_TRUSTED;
}

static const struct mu_opt opts[] = {MU_TRUST_OPTS, {0}};

const struct mu_cmd mu_cmd_trust_status = {
    .name = "trust status",
    .args = "",
    .summary = "show whether the programs of this machine trust the CA",
    .details =
        "Looks for the system's list of CAs, for NSS databases in the home directory (Firefox, Chromium) and for\n"
        "Java's keystores. A certificate is known by its fingerprint: another CA of the same name is told apart.\n"
        "Exit status: 0 trusted in every list that is here, 3 not in one of them, 1 one could not be read.",
    .example = "mutual trust status\n"
               "mutual trust status --only nss --json",
    .opts = opts,
    .run = run,
};
