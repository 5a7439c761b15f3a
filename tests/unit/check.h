#ifndef TEST_CHECK_H
#define TEST_CHECK_H

/* cmocka with what it needs, and assertions about errors. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static inline void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static inline void assert_worked(int result, const struct mu_error *err)
{
    if (result != 0)
        fail_msg("%s: %s (%s)", err->what, err->cause, mu_code_id(err->code));
}

/* It failed with this code, said `what`, and has something to advise. */
static inline void assert_refused(int result, const struct mu_error *err, enum mu_code code,
                                  const char *what)
{
    assert_int_equal(result, -1);
    if (err->code != code)
        fail_msg("%s, not %s: %s: %s", mu_code_id(err->code), mu_code_id(code), err->what,
                 err->cause);
    assert_says(err->what, what);
    assert_true(err->hint[0] != '\0');
}

#endif
