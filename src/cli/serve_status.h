#ifndef MU_CLI_SERVE_STATUS_H
#define MU_CLI_SERVE_STATUS_H

/* What `mutual serve` answers on its control socket: all that `mutual status` prints, as JSON. */

#include "front/serve.h"

/* For struct mu_front_config. */
void mu_serve_status(const struct mu_front *front, const struct mu_survey *survey,
                     struct mu_buf *ret);

/* Who has come in lately: clients and their chains, and the CAs that are trusted, as JSON. */
void mu_serve_seen(const struct mu_front *front, const struct mu_survey *survey, struct mu_buf *ret);

#endif
