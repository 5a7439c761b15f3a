/* The group `mutual ca`: what is done to the home CA itself, each command in ca_NAME.c. */

#include <stddef.h>

#include "cli/cmd.h"
#include "cli/commands.h" /* made by meson.build: MU_CA_COMMANDS(X) */

#define X(name) extern const struct mu_cmd mu_cmd_ca_##name;
MU_CA_COMMANDS(X)
#undef X

#define X(name) &mu_cmd_ca_##name,
static const struct mu_cmd *const group[] = {MU_CA_COMMANDS(X) NULL};
#undef X

const struct mu_cmd mu_cmd_ca = {
    .name = "ca",
    .summary = "look after the home CA itself",
    .group = group,
};
