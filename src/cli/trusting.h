#ifndef MU_CLI_TRUSTING_H
#define MU_CLI_TRUSTING_H

/* What the commands of `mutual trust` share: which roots, which stores, and how both are told. */

#include <jansson.h>

#include "cli/cmd.h"
#include "pki/cert.h"
#include "trust/store.h"

#define MU_TRUST_OPTS                                                                              \
    {"cacert", 0, "FILE", "the root, instead of the home CA's", NULL, true},                       \
    {                                                                                              \
        "only", 0, "STORE", "only system, nss or java", NULL, true                                 \
    }

/* How one store stands to one anchor. */
struct mu_standing {
    struct mu_trust_store *store; /* borrowed */
    struct mu_cert *anchor;       /* borrowed */
    char sha256[MU_SHA256_LEN];   /* of the anchor */
    bool is_here;                 /* there is such a store, and its program */
    bool is_unreadable;           /* then there is no state */
    enum mu_trust_state state;
    const struct mu_trust_entry
        *entry;   /* that decided; borrowed from the store until it is read anew; or NULL */
    bool changed; /* by us, just now */
    struct mu_error failure; /* MU_OK: there is none */
};

struct mu_trusting {
    struct mu_certs anchors;
    struct mu_trust_stores stores;
    struct mu_standing *standings; /* each store with each anchor: those of one store stand together */
    size_t count;
};

void mu_trusting_clear(struct mu_trusting *trusting);
MU_AUTO_DEFINE_CLEAR(mu_trusting, mu_trusting_clear)

/*
 * Anchors and stores, as options name them, and how they stand. A store that cannot be read is told in its standings.
 * Fails with MU_E_USAGE, MU_E_NO_CA, MU_E_CA_UNFIT for what is no root, and as mu_certs_load() does.
 */
MU_CHECK int mu_trusting_load(const struct mu_args *args, struct mu_trusting *ret,
                              struct mu_error *err);

/* Read the store of this one anew. A failure goes into `failure`. */
void mu_standing_read(const struct mu_trusting *trusting, struct mu_standing *standing);

/* Do programs trust it, by whatever entry? */
bool mu_standing_is_trusted(const struct mu_standing *standing);

/* "system", "NSS", "Java": for people. */
const char *mu_standing_label(const struct mu_standing *standing);

/* What a step does, in lines to be shown, on standard error: "write FILE", "run PROGRAM ...". */
void mu_trust_step_show(const struct mu_trust_step *step);

/* May it be changed by us? Where it may not, `failure` says why, and which command with root's rights may: `verb` is
 * ours. */
bool mu_standing_may_change(const struct mu_args *args, const char *verb,
                            struct mu_standing *standing);

/* Carry out a step on its store, and read that anew. False on failure, which goes into `failure`. */
bool mu_standing_change(const struct mu_trusting *trusting, struct mu_standing *standing,
                        const struct mu_trust_step *step);

/* Tell how all of it stands, and what has failed. Returns the exit status: 1 if something has. */
int mu_trusting_finish(const struct mu_args *args, const struct mu_trusting *trusting);

#endif
