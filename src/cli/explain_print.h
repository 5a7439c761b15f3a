#ifndef MU_CLI_EXPLAIN_PRINT_H
#define MU_CLI_EXPLAIN_PRINT_H

/* What `mutual explain` has to say, in words and as JSON. */

#include <jansson.h>
#include <stdbool.h>

#include "explain/report.h"
#include "explain/said.h"

/* The verdict, whose move it is, what mends it, the cause, all else that was found, what was checked, the peers' table
 * and the raw error. Returns the exit status: 0, 1, 3. */
int mu_explain_print(const struct mu_report *report, bool json);

/* The same as an object. Given. */
json_t *mu_explain_json(const struct mu_report *report);

/* One cause, and all of them. */
void mu_explain_print_cause(enum mu_cause_id cause, bool json);
void mu_explain_print_list(bool json);

/* What a pasted message can stand for. Returns the exit status: 1, for a message is a fault. */
int mu_explain_print_said(const struct mu_said *said, bool json);

/* "your move", "the server's operator", as seen from that chair. */
const char *mu_explain_whose(enum mu_view view, enum mu_party party);

#endif
