#ifndef MU_CLI_RECORDS_H
#define MU_CLI_RECORDS_H

/* What the commands that show the CA's records share. */

#include <jansson.h>
#include <time.h>

#include "cli/cmd.h"
#include "store/store.h"

/* The records of the home CA, to be read. Fails as mu_store_open() does; MU_E_NO_CA when there are none. */
MU_CHECK int mu_records_open(const struct mu_args *args, struct mu_store **ret,
                             struct mu_error *err);

/* Text out of the records, which may be damaged: shown as any foreign text is, but whole. Given. NULL without memory. */
json_t *mu_record_text_json(const char *text);

/* One record under names that stay. Given. NULL without memory. */
json_t *mu_record_json(const struct mu_record *record, time_t now);

/* The style in which a state is shown. */
#define MU_STATE_STYLE(state) ((state) == MU_STATE_VALID ? MU_GOOD : MU_BAD)

#endif
