#ifndef MU_BASE_STR_H
#define MU_BASE_STR_H

/* Small questions about text, and lists of strings. */

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

static inline bool mu_str_equal(const char *a, const char *b)
{
    return __builtin_strcmp(a, b) == 0;
}

/* The same for texts that may be NULL, which is like nothing but itself. */
static inline bool mu_str_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : mu_str_equal(a, b);
}
bool mu_str_starts_with(const char *text, const char *start);
bool mu_str_ends_with(const char *text, const char *end);

/* Copy at most cap-1 bytes and always end with NUL. True if all of it fitted. */
bool mu_str_copy(char *ret, size_t cap, const char *text);

/* How much of `text` fits into `max` bytes without a character of UTF-8 being cut in two. */
size_t mu_str_fit(const char *text, size_t max);

/* `len` bytes with a NUL behind them; given, for free(). Nothing behind `len` is read, as strndup() may (and as AddressSanitizer takes
 * it to). NULL without memory. */
char *mu_str_of(const void *data, size_t len);

/*
 * Make foreign text fit to be shown on a terminal and in a log: control characters, DEL, broken UTF-8
 * and the C1 range become \xHH, so that neither a line nor an escape sequence can be forged. `ret` is
 * always ended with NUL; what does not fit is left out after "...". Returns `ret`.
 */
char *mu_str_printable(const void *data, size_t len, char *ret, size_t cap);

/* Lower-case hexadecimal of `len` bytes; `separator` between the octets, '\0' for none. Returns `ret`,
 * which has room for 3 * len + 1 bytes. */
char *mu_str_hex(const void *data, size_t len, char separator, char *ret);

/* A list of strings that it owns. All zero is an empty list. */
struct mu_strs {
    char **at;
    size_t count;
};

/* Add a copy. Returns 0, or -1 without memory. */
MU_CHECK int mu_strs_add(struct mu_strs *list, const char *text);
void mu_strs_clear(struct mu_strs *list);
/* The same texts in the same order? */
bool mu_strs_same(const struct mu_strs *a, const struct mu_strs *b);

MU_AUTO_DEFINE_CLEAR(mu_strs, mu_strs_clear)

#endif
