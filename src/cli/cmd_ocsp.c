/* The group `mutual ocsp`: whether certificates are revoked, asked and answered; each command in ocsp_NAME.c. */

#include <stddef.h>

#include "cli/cmd.h"
#include "cli/commands.h" /* made by meson.build: MU_OCSP_COMMANDS(X) */

#define X(name) extern const struct mu_cmd mu_cmd_ocsp_##name;
MU_OCSP_COMMANDS(X)
#undef X

static const struct mu_cmd *const group[] = {
#define X(name) &mu_cmd_ocsp_##name,
    MU_OCSP_COMMANDS(X)
#undef X
        NULL,
};

const struct mu_cmd mu_cmd_ocsp = {
    .name = "ocsp",
    .summary = "ask whether a certificate is revoked, and answer (OCSP)",
    .group = group,
};
