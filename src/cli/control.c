#include "cli/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define SYSTEM_SOCKET "/run/mutual/mutual.sock" /* of packaging/mutual.service */

bool mu_control_default(char ret[MU_PATH_LEN])
{
    const char *dir = getenv("RUNTIME_DIRECTORY");
    if (dir == NULL || *dir == '\0')
        dir = getenv("XDG_RUNTIME_DIR");
    if (dir == NULL || *dir != '/')
        return false;
    /* systemd may name several, with colons between them. */
    int len = snprintf(ret, MU_PATH_LEN, "%.*s/mutual.sock", (int)strcspn(dir, ":"), dir);
    return len < MU_PATH_LEN;
}

int mu_control_find(char ret[MU_PATH_LEN], struct mu_error *err)
{
    if (mu_control_default(ret) && access(ret, F_OK) == 0)
        return 0;
    mu_str_copy(ret, MU_PATH_LEN, SYSTEM_SOCKET);
    if (access(ret, F_OK) == 0)
        return 0;
    mu_fail(err, MU_E_NOT_FOUND,
            "no server with a control socket was found, neither in $XDG_RUNTIME_DIR nor at %s",
            SYSTEM_SOCKET);
    return mu_hint(err, "name the server's, which it has with: mutual serve --control PATH");
}
