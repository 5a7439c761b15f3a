#ifndef MU_CLI_ISSUING_H
#define MU_CLI_ISSUING_H

/* What the commands that make certificates share: options, file names, and how a result is shown. */

#include <stdint.h>
#include <time.h>

#include "authority/policy.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/cmd.h"
#include "pki/cert.h"
#include "pki/constraint.h"
#include "pki/name.h"
#include "pki/profile.h"

/* The options --days and --lifetime, for a command's table. */
#define MU_LIFETIME_OPTS                                                                           \
    {"days", 0, "N", "how long it is valid, in days [90, or as the policy says]", NULL, false},    \
    {                                                                                              \
        "lifetime", 0, "DURATION", "the same, as 36h, 90d, 1y", NULL, false                        \
    }

/* --days or --lifetime, else 0: what the policy gives. Fails with MU_E_USAGE when both are given, MU_E_LIFETIME. */
MU_CHECK int mu_lifetime(const struct mu_args *args, int64_t *ret_s, struct mu_error *err);

/* NAME... and each --san, as the names of one certificate; localhost brings the loopback addresses. */
MU_CHECK int mu_names_from_args(const struct mu_args *args, int first_word, bool free_text,
                                struct mu_names *ret, struct mu_error *err);

/* Each --permit and --exclude. Fails as mu_constraints_add() does. */
MU_CHECK int mu_constraints_from_args(const struct mu_args *args, struct mu_constraints *ret,
                                      struct mu_error *err);
/* --out PREFIX, else the name with what a file name cannot hold replaced: PREFIX + `ending`. */
MU_CHECK int mu_output_path(const struct mu_args *args, const char *name, const char *ending,
                            char ret[MU_PATH_LEN], struct mu_error *err);

/* Show a certificate that has just been made, and warn of what is wrong with it. `key_path` may be NULL,
 * `next` too. With --json: an object. */
MU_CHECK int mu_show_issued(const struct mu_args *args, const struct mu_cert *cert,
                            const char *profile, const char *cert_path, const char *key_path,
                            const char *next, struct mu_error *err);

/* Append `text` so that a shell takes it for one word, whatever is in it. */
void mu_add_shell_word(struct mu_buf *ret, const char *text);

/* Append " --home DIR" when this command was given one: the next command needs it, too. */
void mu_add_home(struct mu_buf *ret, const struct mu_args *args);

/* Say so if the policy or the CA's own end cut the lifetime short. */
void mu_note_if_cut(const struct mu_cert *cert, const struct mu_policy *policy,
                    const struct mu_ruling *ruling, time_t now);

#endif
