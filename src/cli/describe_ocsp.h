#ifndef MU_CLI_DESCRIBE_OCSP_H
#define MU_CLI_DESCRIBE_OCSP_H

/* OCSP messages as people read them, and as programs do. */

#include <jansson.h>
#include <time.h>

#include "pki/ocsp.h"

void mu_describe_ocsp_request(const struct mu_ocsp_request *request);
void mu_describe_ocsp_response(const struct mu_ocsp_response *response, time_t now);

/* What an answer says of one certificate, in one line: "revoked on 2026-06-01 00:00 UTC: keyCompromise". Returns
 * `ret`. */
#define MU_OCSP_WORDS_LEN 256
char *mu_ocsp_words(const struct mu_ocsp_single *single, char ret[MU_OCSP_WORDS_LEN]);

/* Their fields into `to`, under names that stay; and what is said of one certificate. */
void mu_ocsp_request_json(json_t *to, const struct mu_ocsp_request *request);
void mu_ocsp_response_json(json_t *to, const struct mu_ocsp_response *response, time_t now);
json_t *mu_ocsp_told_json(const struct mu_ocsp_told *told);

#endif
