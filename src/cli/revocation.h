#ifndef MU_CLI_REVOCATION_H
#define MU_CLI_REVOCATION_H

/* How a revocation list that was just made is shown. */

#include <jansson.h>
#include <time.h>

#include "authority/crl.h"

/* Warns where a list could not be made. Returns the exit status that this is worth, 0 for none. */
int mu_published_status(const struct mu_published *published);
void mu_show_published(const struct mu_published *published, time_t now);

/* Given. NULL without memory. */
json_t *mu_published_json(const struct mu_published *published);

#endif
