#ifndef MU_CLI_RIGHTS_H
#define MU_CLI_RIGHTS_H

/* What a server gives up once it has opened what it needs: root's rights (--user), and all that it will never do (--sandbox). */

#include "base/privileges.h"
#include "base/sandbox.h"
#include "base/str.h"
#include "cli/cmd.h"

struct mu_rights {
    bool has_user, sandboxed;
    struct mu_user user;
    struct mu_sandbox_state state;
};

/* --sandbox, which must have a default. Fails with MU_E_USAGE. */
MU_CHECK int mu_rights_read_sandbox(const struct mu_args *args, bool *ret_on, struct mu_error *err);

/* Before anything is opened. `user` may be NULL. `succeeded`: another program may be put in the place of this one, for which a process
 * stands by (net/standby). Fails with MU_E_USAGE, MU_E_SYSTEM. */
MU_CHECK int mu_rights_read(const struct mu_args *args, const char *user, bool sandboxed,
                            bool succeeded, struct mu_rights *ret, struct mu_error *err);

/*
 * The directories that are needed to read a file again when it has changed. It may be replaced by another of its name, and may be a
 * link into another directory, where that happens. If a directory on the way is a link, the next one may point to a neighbour of
 * where it points now. Not 0 without memory, as mu_strs_add().
 */
MU_CHECK int mu_rights_add_directory(struct mu_strs *list, const char *path);
/* That of the file with passphrases, if one is named. Likewise. */
MU_CHECK int mu_rights_add_passphrase(struct mu_strs *list, const struct mu_args *args);
/* What the C library reads to look a name up again, and what it and libcrypto may load then. Likewise. */
MU_CHECK int mu_rights_add_system(struct mu_strs *list);

/* When all is open and no other thread runs yet. Fails with MU_E_SYSTEM. */
MU_CHECK int mu_rights_give_up(struct mu_rights *rights, const struct mu_sandbox *sandbox,
                               struct mu_error *err);

/* The line that says what is in force. */
void mu_rights_print(const struct mu_rights *rights, bool json);

#endif
