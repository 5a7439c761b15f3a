#ifndef MU_AUTHORITY_HEALTH_H
#define MU_AUTHORITY_HEALTH_H

/*
 * Is all well with an authority, and will it be next week? Looks at everything by itself, and goes on when a part of it
 * is broken or missing; nothing is changed, and the key is used for nothing.
 */

#include <stdbool.h>
#include <time.h>

#include "base/error.h"

enum mu_severity { MU_FINE, MU_WARNING, MU_ERROR }; /* rising */

/* "ok", "warning", "error". */
const char *mu_severity_name(enum mu_severity severity);

enum mu_symptom_code {
#define MU_SYMPTOM(code, id, severity, remedy) MU_F_##code,
#include "authority/health.def"
#undef MU_SYMPTOM
    MU_SYMPTOM_COUNT
};

/* The stable id of a finding, how bad it is, and what to do about it ("" where all is well). */
const char *mu_symptom_id(enum mu_symptom_code code);
enum mu_severity mu_symptom_severity(enum mu_symptom_code code);
const char *mu_symptom_remedy(enum mu_symptom_code code);

struct mu_symptom {
    enum mu_symptom_code code;
    char what[MU_ERROR_WHAT_LEN]; /* one sentence with the names and dates of this case; printable */
};
typedef void mu_symptom_fn(void *arg, const struct mu_symptom *finding);

struct mu_health {
    const char *home;
    time_t now;
    bool quick; /* leave out what takes time with many records: their integrity, the trail, every certificate's form */
};

/* Call `each` with what is found, what is well too. Fails with MU_E_NO_CA (there is nothing in that directory that could
 * be a CA's), MU_E_USAGE, MU_E_NOMEM. */
MU_CHECK int mu_health_check(const struct mu_health *how, mu_symptom_fn *each, void *arg,
                             struct mu_error *err);

/* How much room is left: for mu_health_check(), and for its tests. */
enum mu_symptom_code mu_health_judge_room(unsigned long long free_bytes,
                                          unsigned long long free_files, bool counts_files);

#endif
