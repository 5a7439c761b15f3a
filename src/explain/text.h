#ifndef MU_EXPLAIN_TEXT_H
#define MU_EXPLAIN_TEXT_H

/* Text that programs trip over: what is the matter with it, and the same text without that. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct mu_text_faults {
    const char *utf16;  /* PowerShell's >: what iconv calls it; NULL: it is none */
    bool mark;          /* a byte order mark before UTF-8 */
    bool carriage;      /* lines end in CR alone */
    bool joined;        /* an END and a BEGIN on one line */
    bool written_out;   /* line breaks as the two characters \n, as in JSON */
    bool wrapped_twice; /* base64 around PEM */
};

/* `ret` gets the text mended. Failure to grow shows in mu_buf_failed(). */
void mu_text_mend(const void *data, size_t len, struct mu_text_faults *faults, struct mu_buf *ret);

#endif
