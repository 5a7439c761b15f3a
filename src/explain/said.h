#ifndef MU_EXPLAIN_SAID_H
#define MU_EXPLAIN_SAID_H

/* A message that somebody pastes: which causes it can stand for. The table is says.def. */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"
#include "base/buf.h"
#include "explain/cause.h"

enum { MU_SAID_CAUSES_MAX = 24, MU_SAID_TEXT_MAX = 65536 };

struct mu_said {
    const char *who; /* prints that: "Go, as a server"; NULL: nothing is known of such a message */
    bool at_server;  /* it is the server that tells of it */
    enum mu_cause_id causes[MU_SAID_CAUSES_MAX]; /* the likeliest first */
    size_t count;
    const char *
        line; /* of the text (borrowed), the one that says it; the whole text where none does by itself */
    size_t line_len;
};

/*
 * Read a message, or a whole log with one in it, as it was pasted: with colours, quotes, line ends and escapes of any kind, in
 * UTF-8 or UTF-16. Of a longer text than MU_SAID_TEXT_MAX bytes the rest is not looked at. Fails with MU_E_NOMEM.
 */
MU_CHECK int mu_said_find(const char *text, size_t len, struct mu_said *ret, struct mu_error *err);

/* What was pasted, as far as it is looked at, in ASCII where it was UTF-16, without the private keys in it: it is shown again.
 * Failure to grow shows in mu_buf_failed(). */
void mu_said_without_keys(const char *text, size_t len, struct mu_buf *ret);

/* Who prints what for a cause, in the table's order: the i-th, or false past the end. `ret_pattern` is as said.c reads it. */
bool mu_said_of_cause(enum mu_cause_id cause, size_t i, const char **ret_who,
                      const char **ret_pattern);

#endif
