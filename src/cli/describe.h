#ifndef MU_CLI_DESCRIBE_H
#define MU_CLI_DESCRIBE_H

/* A certificate as people read it, and as programs do. */

#include <jansson.h>
#include <time.h>

#include "pki/info.h"

/* The facts, one a line; then what is wrong with it, judged by `now`. */
void mu_describe_cert(const struct mu_cert_info *info, time_t now);

/* One line: its name, what it is for, until when. Returns `ret`. */
#define MU_SUMMARY_LEN 512
char *mu_summarise_cert(const struct mu_cert_info *info, time_t now, char ret[MU_SUMMARY_LEN]);

/* What is said of a file in which a CA's certificate stands before the leaf. */
#define MU_ORDER_ID "bundle_wrong_order"
#define MU_ORDER_SENTENCE                                                                          \
    "a CA's certificate stands before the leaf: programs that load this as a chain take it for the leaf"

/* A finding with its stable id, as mu_describe_cert() prints it. */
void mu_describe_problem(const char *id, const char *sentence);

/* Everything, under names that stay. Given. NULL without memory. */
json_t *mu_cert_json(const struct mu_cert_info *info);
json_t *mu_strs_json(const struct mu_strs *list);
json_t *mu_time_json(time_t t); /* RFC 3339 */

/* [{"id", "what"}, ...] */
json_t *mu_problems_json(const struct mu_strs *ids, const struct mu_strs *sentences);

#endif
