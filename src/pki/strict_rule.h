#ifndef MU_PKI_STRICT_RULE_H
#define MU_PKI_STRICT_RULE_H

/* For the files of strict.h: what a rule is handed, and what several of them ask. */

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "pki/strict.h"

enum { MU_STRICT_OCTETS_MAX = 20 }; /* of a serial number, or a list's */

/* A certificate in its place on the path. */
struct mu_strict_link {
    X509 *const *path; /* leaf first */
    size_t len, depth;
    X509 *x;
    bool anchor; /* trusted as it is: its own names are nobody's claim */
};

/* Does it break the rule? Then `detail` may say more. */
typedef bool mu_strict_rule(const struct mu_strict_link *link, char detail[MU_STRICT_DETAIL_LEN]);

/* Fill in `detail`; true, so that a rule can end with it. */
bool mu_strict_say(char detail[MU_STRICT_DETAIL_LEN], const char *format, ...) MU_PRINTF(2, 3);

bool mu_strict_is_ca(const struct mu_strict_link *link);
bool mu_strict_is_zero(const ASN1_INTEGER *number);
int mu_strict_encoded_len(const ASN1_INTEGER *number);
bool mu_strict_bad_time(const ASN1_TIME *time);
bool mu_strict_doubled_extension(const STACK_OF(X509_EXTENSION) * extensions, char *detail);

/* Names, and constraints on them (strict_names.c). */
mu_strict_rule mu_strict_malformed_name, mu_strict_constraint_in_leaf,
    mu_strict_malformed_constraint, mu_strict_wildcard_over_excluded,
    mu_strict_uri_beyond_constraints;

#endif
