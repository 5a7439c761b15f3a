#ifndef MU_CLI_SIGNER_H
#define MU_CLI_SIGNER_H

/* Who signs: the home CA, or the one given with --cacert and --cakey; and its policy. */

#include "authority/authority.h"
#include "cli/cmd.h"

/* mu_authority_open() of the home that is meant. While another command is at work there alone it waits, and says so on a terminal. */
MU_CHECK int mu_open_ca(const struct mu_args *args, const struct mu_passphrase_source *source,
                        struct mu_authority **ret, struct mu_error *err);

struct mu_signer {                  /* all zero before it is opened */
    struct mu_authority *authority; /* NULL: the other */
    struct mu_certs chain;
    struct mu_key *key;
    struct mu_policy *own_policy;
    const struct mu_policy *policy; /* borrowed from one of them */
};

/* Fails as mu_authority_open(), the loaders and mu_policy_load() do, and with MU_E_USAGE. */
MU_CHECK int mu_signer_open(const struct mu_args *args, struct mu_signer *ret, struct mu_error *err);
void mu_signer_clear(struct mu_signer *signer);
MU_AUTO_DEFINE_CLEAR(mu_signer, mu_signer_clear)

/* The CA's certificate. Borrowed. */
const struct mu_cert *mu_signer_cert(const struct mu_signer *signer);

/* What is handed out for a certificate that was just issued: itself, and the CAs up to the root; that one, too, for
 * a CA's, which has to know whom others are to trust. */
MU_CHECK int mu_signer_chain(const struct mu_signer *signer, struct mu_cert *cert,
                             struct mu_certs *ret, struct mu_error *err);

/* What follows a leaf, as PEM, appended: the CAs up to the root. */
MU_CHECK int mu_signer_behind_to_pem(const struct mu_signer *signer, struct mu_buf *ret,
                                     struct mu_error *err);

/* Issue, and record it where there are records. Fails as mu_authority_issue() does. */
MU_CHECK int mu_signer_issue(const struct mu_signer *signer, const struct mu_order *order,
                             struct mu_cert **ret, struct mu_error *err);

/* The same for many: see mu_authority_issue_each(). */
MU_CHECK int mu_signer_issue_each(const struct mu_signer *signer, const struct mu_order *orders,
                                  size_t count, struct mu_issued *ret, struct mu_error *ret_whys,
                                  struct mu_error *err);

#endif
