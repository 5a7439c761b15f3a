/* The group `mutual ca`: what is done to the home CA itself, each command in ca_NAME.c. */

#include <stddef.h>

#include "cli/cmd.h"
#include "cli/commands.h" /* made by meson.build: MU_CA_COMMANDS(X) */

#define X(name) extern const struct mu_cmd mu_cmd_ca_##name;
MU_CA_COMMANDS(X)
#undef X

static const struct mu_cmd *const group[] = {
#define X(name) &mu_cmd_ca_##name,
    MU_CA_COMMANDS(X)
#undef X
        NULL,
};

const struct mu_cmd mu_cmd_ca = {
    .name = "ca",
    .summary = "look after the home CA itself",
    .group = group,
};
