#ifndef MU_CLI_CONTROL_H
#define MU_CLI_CONTROL_H

/* Where a running `mutual serve` is asked for its status: a Unix socket that only its user may connect to. */

#include <jansson.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

/*
 * Where it is when nobody says: mutual.sock in $RUNTIME_DIRECTORY, which systemd sets, or in $XDG_RUNTIME_DIR. False:
 * neither is set.
 */
bool mu_control_default(char ret[MU_PATH_LEN]);

/* Where to look for one when nobody says: there, or at /run/mutual/mutual.sock. Fails with MU_E_NOT_FOUND. */
MU_CHECK int mu_control_find(char ret[MU_PATH_LEN], struct mu_error *err);

/* A question to it. */
struct mu_control_call {
    const char *socket; /* NULL: see mu_control_find() */
    const char *method, *path;
    const struct mu_strs *headers; /* "Name: value" lines; NULL: none */
};

/* What it answers, given. Fails with MU_E_NOT_FOUND (no socket, or what is asked for is not there), MU_E_CONNECT, MU_E_USAGE (it
 * says what is wrong with the question), MU_E_HTTP. */
MU_CHECK int mu_control_ask(const struct mu_control_call *call, json_t **ret, struct mu_error *err);

#endif
