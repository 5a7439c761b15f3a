#ifndef MU_CLI_EXPLAIN_PROBE_H
#define MU_CLI_EXPLAIN_PROBE_H

/* The parts of `mutual explain` that use the network: a URL, and a door of its own. */

#include <stdbool.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "explain/report.h"
#include "explain/sides.h"

/* "https://host": is that to be called? */
bool mu_explain_is_url(const char *word);

/* Look at the server, from what the options say of both sides. The report is finished. Fails with MU_E_USAGE, too. */
MU_CHECK int mu_explain_probe(const struct mu_args *args, const struct mu_sides *sides,
                              struct mu_report *report, struct mu_error *err);

/* --server-crl-scope: are the clients alone looked up, not their CAs? Fails with MU_E_USAGE. */
MU_CHECK int mu_explain_crl_scope(const struct mu_args *args, bool *ret, struct mu_error *err);

/* Stand in the place of a server, with --listen. Returns the exit status. Fails with MU_E_USAGE, MU_E_LISTEN and as loading the
 * files does. */
MU_CHECK int mu_explain_listen(const struct mu_args *args, struct mu_error *err);

#endif
