#ifndef MU_EXPLAIN_CAUSE_OF_H
#define MU_EXPLAIN_CAUSE_OF_H

/* The cause behind what other rooms report in their own ids: an error, a refusal at the door, the end of a call. */

#include <time.h>

#include "base/error.h"
#include "explain/cause.h"
#include "tls/client.h"
#include "tls/refusal.h"

/* MU_CAUSE_COUNT: it is about none of these, a command line for instance. */
enum mu_cause_id mu_cause_of_error(const struct mu_error *err);

/* What a client's alert says of the certificate of its server. [RFC 8446 6.2] */
enum mu_cause_id mu_cause_of_client_alert(int alert);

enum mu_cause_id mu_cause_of_refusal(const struct mu_refusal *refusal);

/* Why this call came to nothing, as far as this side can know: what the server said, held against what was presented. `err`
 * is what the call failed with. */
enum mu_cause_id mu_cause_of_call(const struct mu_tls_client *tls, const struct mu_error *err,
                                  time_t now);

/* The same where TLS went well, and HTTP answered with a status of 400 or more. */
enum mu_cause_id mu_cause_of_status(const struct mu_tls_client *tls, long status, time_t now);

#endif
