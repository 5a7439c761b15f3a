#ifndef MU_CLI_PASSPHRASE_H
#define MU_CLI_PASSPHRASE_H

/* Where a command gets passphrases from: --passphrase-file, $MUTUAL_PASSPHRASE_FILE, or the terminal. */

#include "base/secret.h"
#include "cli/cmd.h"

/* The option, for a command's table. */
#define MU_PASSPHRASE_OPT                                                                          \
    {"passphrase-file", 0, "FILE", "read the key's passphrase from FILE (first line)", NULL, false}

/*
 * A source for mu_key_load() and its like. On a terminal it asks without echo; elsewhere, with no file
 * named, it fails with MU_E_PASSPHRASE_NEEDED. Borrows `args` as long as it is used.
 */
struct mu_passphrase_source mu_passphrase_source(const struct mu_args *args);

/*
 * A passphrase for a new key: empty (`ret->data` NULL) unless a file is named. Never asks: a key without
 * a passphrase is the default. Fails when the file cannot be read or its first line is empty.
 */
MU_CHECK int mu_passphrase_for_new_key(const struct mu_args *args, struct mu_secret *ret,
                                       struct mu_error *err);

#endif
