#ifndef MU_CLI_RENEWAL_H
#define MU_CLI_RENEWAL_H

/* The renewal of one certificate in its files: what it is now, and what comes in its place. */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "authority/authority.h"
#include "authority/renew.h"
#include "base/file.h"
#include "cli/cmd.h"
#include "cli/signer.h"
#include "pki/bundle.h"
#include "pki/info.h"

struct mu_renewed {
    const char *given; /* as the command line has it */
    char cert_path[MU_PATH_LEN],
        key_path[MU_PATH_LEN]; /* as they are shown; key "": no file of its own */
    char cert_file[MU_PATH_LEN], key_file[MU_PATH_LEN]; /* behind symbolic links */
    struct mu_bundle cert_bundle, key_bundle;
    struct mu_cert_info old;
    struct mu_renewal renewal;
    struct mu_names names;
    const struct mu_key *old_key;
    struct mu_key *new_key, *kept_key; /* one of them */
    struct mu_secret passphrase;       /* of the old key, and so of the new one */
    int64_t lifetime_s;
    struct mu_ruling ruling; /* of the CA's policy */
    struct mu_cert *cert;    /* the new one */
    struct mu_cert_info new;
};

void mu_renewed_clear(struct mu_renewed *renewed);
MU_AUTO_DEFINE_CLEAR(mu_renewed, mu_renewed_clear)

/* What is in the file `given`. Fails as mu_bundle_load() does, and with MU_E_PROFILE (a CA's certificate). */
MU_CHECK int mu_renewed_load(const struct mu_args *args, const char *given, time_t now,
                             struct mu_renewed *ret, struct mu_error *err);

/* Make the new certificate, and put it, with its key, in place of the old; with --dry-run only go as far as can be
 * gone without a trace. Fails in every way in which a certificate can be refused, with nothing changed. */
MU_CHECK int mu_renewed_carry_out(const struct mu_args *args, const struct mu_signer *signer,
                                  time_t now, struct mu_renewed *renewed, struct mu_error *err);

#endif
