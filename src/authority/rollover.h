#ifndef MU_AUTHORITY_ROLLOVER_H
#define MU_AUTHORITY_ROLLOVER_H

/*
 * A new root in the place of the old one, with time for both. From the start on trust.crt has both, and what is issued
 * leads to the new one; each has certified the other, so that who knows only one can follow. At the end the old one is
 * taken out of trust.crt, if nothing that is in use still needs it.
 *
 * That it is under way is seen from trust.crt alone, so that no file and no record can tell otherwise. An authority whose
 * root is on another machine comes into it by mu_authority_install().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/str.h"
#include "pki/cert.h"

struct mu_rollover {
    const char *home;
    const char *root_key;     /* where the old root's key is; NULL: in the home */
    const char *root_key_out; /* where the new one's goes; NULL: into the home */
    const char *key_type;     /* NULL: as the old one's */
    int64_t lifetime_s;       /* of the new root; 0: as long as the old one's */
    const struct mu_passphrase_source
        *source; /* a key that was protected has a successor that is, by the same */
    bool force;  /* finish: leave behind what still needs the old root */
    time_t now;
};

struct mu_rollover_state {
    bool under_way;
    struct mu_cert *root; /* the present one */
    struct mu_certs old;  /* those that are trusted beside it */
    time_t since;         /* when the first certificate under the present root came; 0: none has */
    size_t in_use,
        moved; /* certificates in use that lead to an old root alone, and to the present one */
    struct mu_strs names; /* of some of the former */
    time_t last_end;      /* when the last of those ends */
};
void mu_rollover_state_clear(struct mu_rollover_state *state);
MU_AUTO_DEFINE_CLEAR(mu_rollover_state, mu_rollover_state_clear)

/* A certificate is in use while it is valid, and has no valid successor of its name and profile under the present
 * root. Fails with MU_E_NO_CA, MU_E_STORE and as the loaders do. */
MU_CHECK int mu_rollover_look(const char *home, time_t now, struct mu_rollover_state *ret,
                              struct mu_error *err);

/*
 * Begin. `ret` is how things stand afterwards. All files change in one step. Fails with MU_E_EXISTS (one is under way),
 * MU_E_NOT_FOUND (the old root's key is not at hand), MU_E_KEY_MISMATCH, MU_E_CA_EXPIRED (the old root), MU_E_UNSUPPORTED
 * (other CAs stand in between), MU_E_IO, MU_E_STORE.
 */
MU_CHECK int mu_rollover_start(const struct mu_rollover *how, struct mu_rollover_state *ret,
                               struct mu_error *err);

/* End it. `ret` is how things stood before. Fails with MU_E_IN_USE (and nothing has changed), MU_E_NOT_FOUND (none is under
 * way). */
MU_CHECK int mu_rollover_finish(const struct mu_rollover *how, struct mu_rollover_state *ret,
                                struct mu_error *err);

#endif
