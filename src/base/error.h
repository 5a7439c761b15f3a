#ifndef MU_BASE_ERROR_H
#define MU_BASE_ERROR_H

/*
 * What went wrong, for the person who has to mend it. One type everywhere, on the caller's stack and
 * of a fixed size, so that it works when memory does not. A function that can fail returns 0 or -1
 * and fills `err` before it returns -1; mu_fail() itself returns -1, so a failure is one statement.
 *
 * Secrets never enter an error: not a key, not a passphrase, not a line of a file that may hold one.
 */

#include "base/macros.h"

enum mu_code {
    MU_OK = 0,
#define MU_E(code, id, exit_status, hint) MU_E_##code,
#include "base/errors.def"
#undef MU_E
    MU_CODE_COUNT
};

#define MU_ERROR_WHAT_LEN 768
#define MU_ERROR_CAUSE_LEN 256
#define MU_ERROR_HINT_LEN 512
#define MU_ERROR_WHY_LEN 48

struct mu_error {
    enum mu_code code;
    char what[MU_ERROR_WHAT_LEN];   /* one plain sentence with the names and dates of this case */
    char cause[MU_ERROR_CAUSE_LEN]; /* the lower layer's own words, or "" */
    char hint[MU_ERROR_HINT_LEN]; /* what to do now: the code's default unless the place knew better */
    char why[MU_ERROR_WHY_LEN]; /* the id of what is really wrong (explain/causes.def), or "" */
};

#define MU_ERROR_INIT {.code = MU_OK}

/* Fill `err` with the sentence; clear its cause; take the hint that belongs to `code`. Returns -1. */
int mu_fail(struct mu_error *err, enum mu_code code, const char *format, ...) MU_PRINTF(3, 4);

/* The same, with errno's own words as the cause. `errno` is read first, and is left as it was. */
int mu_fail_errno(struct mu_error *err, enum mu_code code, const char *format, ...) MU_PRINTF(3, 4);

int mu_fail_nomem(struct mu_error *err);

/* Replace the hint (the cause) of an error that has been filled already. Return -1, as mu_fail does. */
int mu_hint(struct mu_error *err, const char *format, ...) MU_PRINTF(2, 3);
int mu_cause(struct mu_error *err, const char *format, ...) MU_PRINTF(2, 3);

/* The stable id, the exit status and the default hint of a code. Never NULL. */
const char *mu_code_id(enum mu_code code);
int mu_code_exit(enum mu_code code);
const char *mu_code_hint(enum mu_code code);

#endif
