#ifndef MU_CLI_CREDENTIALS_H
#define MU_CLI_CREDENTIALS_H

/* The certificate, key and trusted CAs that a command was pointed to. */

#include "base/error.h"
#include "cli/cmd.h"
#include "pki/cert.h"
#include "pki/key.h"

/* --cert FILE, or FILE that holds both: load chain and key, and check that they belong together. With
 * `key_path` NULL the key is looked for in the certificate's file. */
MU_CHECK int mu_load_pair(const struct mu_args *args, const char *cert_path, const char *key_path,
                          struct mu_certs *ret_chain, struct mu_key **ret_key, struct mu_error *err);

/* Every --cacert given; without one, the home CA's certificate. Fails with MU_E_NO_CA when there is neither,
 * and with MU_E_CA_UNFIT when a file holds no certificate that could be a CA's. */
MU_CHECK int mu_load_anchors(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err);

/* The same for a strict judge, to whom each certificate is an anchor: leaves are welcome. */
MU_CHECK int mu_load_any_anchors(const struct mu_args *args, struct mu_certs *ret,
                                 struct mu_error *err);

/* The issuer of `cert` among these, borrowed. Fails with MU_E_NOT_FOUND. */
MU_CHECK int mu_find_issuer(const struct mu_cert *cert, const struct mu_certs *among,
                            const struct mu_cert **ret, struct mu_error *err);

#endif
