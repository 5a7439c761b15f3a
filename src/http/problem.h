#ifndef MU_HTTP_PROBLEM_H
#define MU_HTTP_PROBLEM_H

/* Why a request is not answered as was asked, for programs: application/problem+json. [RFC 9457] */

#include "base/buf.h"

extern const char mu_problem_type[]; /* "application/problem+json" */

struct mu_problem {
    int status;
    const char *id;     /* stable: "access-not-allowed" */
    const char *detail; /* a sentence about this case */
    const char *rule;   /* of the door that decided it; or NULL */
    const char *client; /* who it is known as; or NULL */
};

/* Add it, as one line of JSON. Text that is not UTF-8 leaves only what is the same for all. */
void mu_problem_write(const struct mu_problem *problem, struct mu_buf *ret);

#endif
