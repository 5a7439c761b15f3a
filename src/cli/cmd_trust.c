/* The group `mutual trust`: the root in other programs' lists of trusted CAs, each command in trust_NAME.c. */

#include <stddef.h>

#include "cli/cmd.h"
#include "cli/commands.h" /* made by meson.build: MU_TRUST_COMMANDS(X) */

#define X(name) extern const struct mu_cmd mu_cmd_trust_##name;
MU_TRUST_COMMANDS(X)
#undef X

#define X(name) &mu_cmd_trust_##name,
static const struct mu_cmd *const group[] = {MU_TRUST_COMMANDS(X) NULL};
#undef X

const struct mu_cmd mu_cmd_trust = {
    .name = "trust",
    .summary = "have the programs of this machine trust the CA, and stop them",
    .group = group,
};
