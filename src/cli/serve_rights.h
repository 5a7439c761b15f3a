#ifndef MU_CLI_SERVE_RIGHTS_H
#define MU_CLI_SERVE_RIGHTS_H

/* What `mutual serve` gives up once it has opened what it needs: root's rights (--user), and all that it will never do (--sandbox). */

#include "base/privileges.h"
#include "base/sandbox.h"
#include "cli/cmd.h"
#include "front/serve.h"

/* For --user and --sandbox, before anything is opened. Fails with MU_E_USAGE. */
struct mu_serve_rights {
    bool has_user, sandboxed;
    struct mu_user user;
    struct mu_sandbox_state state;
};
MU_CHECK int mu_serve_rights_read(const struct mu_args *args, const struct mu_config *config,
                                  struct mu_serve_rights *ret, struct mu_error *err);

/* When all is open and no other thread runs yet. Fails with MU_E_SYSTEM, MU_E_NOMEM. */
MU_CHECK int mu_serve_rights_give_up(const struct mu_args *args, const struct mu_front *front,
                                     struct mu_serve_rights *rights, struct mu_error *err);

/* The line that says what is in force. */
void mu_serve_rights_print(const struct mu_serve_rights *rights, bool json);

#endif
