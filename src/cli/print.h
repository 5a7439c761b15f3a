#ifndef MU_CLI_PRINT_H
#define MU_CLI_PRINT_H

/*
 * What a person or a program reads. Facts go to standard output, errors and notes to standard error.
 * Colour only on a terminal, and never with NO_COLOR set. [no-color.org]
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

enum mu_style { MU_PLAIN, MU_BOLD, MU_DIM, MU_GOOD, MU_WARN, MU_BAD };

/* Start and end of a style on this stream: escape sequences, or "" where there is no colour. */
const char *mu_style_on(FILE *to, enum mu_style style);
const char *mu_style_off(FILE *to, enum mu_style style);

/*
 * In all that follows control characters and the like, which file names and records may have in them, become \xHH, but
 * for line breaks. printf to standard output in a style.
 */
void mu_say(enum mu_style style, const char *format, ...) MU_PRINTF(2, 3);

/* A labelled fact: "  label       value", the value wrapped under itself at line breaks. */
void mu_fact(const char *label, const char *format, ...) MU_PRINTF(2, 3);
/* The same, and its first `words` in a style. */
void mu_fact_styled(const char *label, enum mu_style style, const char *words, const char *format,
                    ...) MU_PRINTF(4, 5);

/* A note or a warning for a person, on standard error: "mutual: warning: ...". */
void mu_note(const char *format, ...) MU_PRINTF(1, 2);
void mu_warn(const char *format, ...) MU_PRINTF(1, 2);

/* The error as people see it, on standard error: what, cause, hint, and the id of what is really wrong, where there is one
 * (explain/causes.def). With `json`, as one object instead: {"error": {"id", "what", "cause", "hint", "cause_id"}} on standard
 * output. */
void mu_print_error(const struct mu_error *err, bool json);

/* {"id", "what", "cause", "hint", "cause_id"}, fit to be printed. Given. */
json_t *mu_error_json(const struct mu_error *err);

/* Print `value` indented, with a newline, and release it (takes). */
void mu_print_json(json_t *value);

/* The same on one line, for programs that read line by line. */
void mu_print_json_line(json_t *value);

/* Has whoever read our standard output gone away, as `head` does when it has enough? */
bool mu_reader_is_gone(void);

/* Push out what is still buffered. Fails with MU_E_IO if standard output could not take all of it. */
MU_CHECK int mu_print_finish(struct mu_error *err);

#endif
