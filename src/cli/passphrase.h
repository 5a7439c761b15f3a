#ifndef MU_CLI_PASSPHRASE_H
#define MU_CLI_PASSPHRASE_H

/* Where a command gets passphrases from: --passphrase-file, $MUTUAL_PASSPHRASE_FILE, or the terminal. */

#include <stdbool.h>

#include "base/secret.h"
#include "cli/cmd.h"

/* The option, for a command's table. */
#define MU_PASSPHRASE_OPT                                                                          \
    {"passphrase-file", 0, "FILE", "read the key's passphrase from FILE (first line)", NULL, false}

/* For what gets a passphrase that it did not have before. */
#define MU_NEW_PASSPHRASE_OPT                                                                      \
    {"new-passphrase-file", 0, "FILE", "read the new passphrase from FILE (first line)", NULL, false}

/*
 * A source for mu_key_load() and its like. On a terminal it asks without echo; elsewhere, with no file
 * named, it fails with MU_E_PASSPHRASE_NEEDED. Borrows `args` as long as it is used.
 */
struct mu_passphrase_source mu_passphrase_source(const struct mu_args *args);

/* Does that source ask nobody, because a file is named? */
bool mu_passphrase_is_in_file(const struct mu_args *args);

/* The same, but the file is named by the option `opt` alone, where that is given. `opt` is borrowed, too. */
struct mu_passphrase_option {
    const struct mu_args *args;
    const char *opt;
};
struct mu_passphrase_source mu_passphrase_source_of(const struct mu_passphrase_option *option);

/*
 * A passphrase for a new key: empty (`ret->data` NULL) unless a file is named. Never asks: a key without
 * a passphrase is the default. Fails when the file cannot be read or its first line is empty.
 */
MU_CHECK int mu_passphrase_for_new_key(const struct mu_args *args, struct mu_secret *ret,
                                       struct mu_error *err);

/*
 * A source for the passphrase that something is to have from now on: --new-passphrase-file, else the terminal,
 * asked twice. An empty one is refused. Elsewhere it fails with MU_E_PASSPHRASE_NEEDED. Borrows `args`.
 */
struct mu_passphrase_source mu_new_passphrase_source(const struct mu_args *args);

#endif
