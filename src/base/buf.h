#ifndef MU_BASE_BUF_H
#define MU_BASE_BUF_H

/*
 * A growable run of bytes, always followed by a NUL that is not counted, so that text in it can be
 * used as a string. Failure to grow is remembered instead of returned: add what you have to add, then
 * ask mu_buf_failed() once at the end.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct mu_buf {
    char *data; /* NULL until something is added */
    size_t len;
    size_t cap;
    bool failed;
    bool secret; /* wipe what is left behind when growing and freeing: set it before adding */
};

#define MU_BUF_INIT {.data = NULL}
#define MU_BUF_INIT_SECRET {.data = NULL, .secret = true}

void mu_buf_add(struct mu_buf *buf, const void *data, size_t len);
void mu_buf_adds(struct mu_buf *buf, const char *text);
void mu_buf_addu(struct mu_buf *buf, uint64_t number); /* in decimal */
void mu_buf_addf(struct mu_buf *buf, const char *format, ...) MU_PRINTF(2, 3);
void mu_buf_vaddf(struct mu_buf *buf, const char *format, va_list args) MU_PRINTF(2, 0);

/* Room for `len` more bytes at the end: write them, then add what was written to buf->len. Or NULL. */
char *mu_buf_reserve(struct mu_buf *buf, size_t len);

/* Forget the first `len` bytes; those behind move to the front. */
void mu_buf_consume(struct mu_buf *buf, size_t len);

/* The text so far, "" when there is none. Borrowed, until the next change. */
const char *mu_buf_str(const struct mu_buf *buf);

bool mu_buf_failed(const struct mu_buf *buf);

/* Keep the memory, forget the contents. */
void mu_buf_reset(struct mu_buf *buf);
void mu_buf_clear(struct mu_buf *buf);

MU_AUTO_DEFINE_CLEAR(mu_buf, mu_buf_clear)

#endif
