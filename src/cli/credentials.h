#ifndef MU_CLI_CREDENTIALS_H
#define MU_CLI_CREDENTIALS_H

/* The certificate, key and trusted CAs that a command was pointed to. */

#include "base/error.h"
#include "base/file.h"
#include "cli/cmd.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "pki/pair.h"

/* mu_pair_load(), with the passphrase that the options name. */
MU_CHECK int mu_load_pair(const struct mu_args *args, const struct mu_pair_files *files,
                          struct mu_certs *ret_chain, struct mu_key **ret_key, struct mu_error *err);

/* What a command is to use as itself: a name (NAME.crt and NAME.key), or --cert and --key. */
struct mu_self {
    const char *name;     /* or NULL */
    const char *name_opt; /* how the command calls it: "--as", "NAME" */
    bool with_root;       /* as in struct mu_pair_files */
};

/* mu_load_pair() for it; nothing is loaded where neither a name nor --cert is given. Fails with MU_E_USAGE, too. */
MU_CHECK int mu_load_self(const struct mu_args *args, const struct mu_self *who,
                          struct mu_certs *ret_chain, struct mu_key **ret_key, struct mu_error *err);

/* Every --cacert given; without one, the home's trust.crt, or ca.crt where that is a root itself. Fails with MU_E_NO_CA when there is neither,
 * and with MU_E_CA_UNFIT when a file holds no certificate that could be a CA's. */
MU_CHECK int mu_load_anchors(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err);

/* The home's file that others have to trust: trust.crt, or ca.crt. It need not be there. */
MU_CHECK int mu_anchor_path(const struct mu_args *args, char ret[MU_PATH_LEN], struct mu_error *err);

/* The same where it is needed. Fails with MU_E_NO_CA when it is not there. */
MU_CHECK int mu_need_anchor_path(const struct mu_args *args, char ret[MU_PATH_LEN],
                                 struct mu_error *err);

/* The CAs in between that the home knows of, and its own, where no --cacert says that another is meant: they help to
 * build a chain. No home is no failure. */
MU_CHECK int mu_load_helpers(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err);

/* The same for a strict judge, to whom each certificate is an anchor: leaves are welcome. */
MU_CHECK int mu_load_any_anchors(const struct mu_args *args, struct mu_certs *ret,
                                 struct mu_error *err);

/*
 * A key in a token that is there already; with --key-type, one that is made there. `where` is its PKCS#11 URI; where
 * none is made, a file that holds one will do. `ret_uri` is the URI.
 * Fails with MU_E_WRONG_KIND (it is no such key), MU_E_USAGE and as mu_token_key_open() and mu_token_key_make() do.
 */
MU_CHECK int mu_load_token_key(const struct mu_args *args, const char *where,
                               struct mu_buf *ret_uri, struct mu_key **ret, struct mu_error *err);

/* The issuer of `cert` among these, borrowed. Fails with MU_E_NOT_FOUND. */
MU_CHECK int mu_find_issuer(const struct mu_cert *cert, const struct mu_certs *among,
                            const struct mu_cert **ret, struct mu_error *err);

#endif
