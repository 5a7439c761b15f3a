#ifndef MU_CLI_SERVE_HOME_H
#define MU_CLI_SERVE_HOME_H

/* What the doors of `mutual serve` want from the CA's home: a certificate where there is none, and its keys kept in. */

#include "cli/cmd.h"
#include "front/door.h"

struct mu_serve_home {
    const struct mu_args *args;
    struct mu_passphrase_source passphrase;
    bool running;           /* nobody is asked any more: the last answer is given again */
    struct mu_secret typed; /* that answer */
};
void mu_serve_home_clear(struct mu_serve_home *home);
MU_AUTO_DEFINE_CLEAR(mu_serve_home, mu_serve_home_clear)

/* `home` is filled in, and borrowed by the loader that is returned. */
struct mu_door_loader mu_serve_loader(const struct mu_args *args, struct mu_serve_home *home);

/*
 * A door that trusts the CA of this home goes by its revocation list, too, unless it names lists or says that there are none. The
 * home may not have one yet. Fails with MU_E_NOMEM.
 */
MU_CHECK int mu_serve_obey_home(const struct mu_args *args, struct mu_config *config,
                                struct mu_error *err);
/* mu_config_load(), and that. */
MU_CHECK int mu_serve_load(const struct mu_args *args, const char *path, struct mu_config **ret,
                           struct mu_error *err);

#endif
