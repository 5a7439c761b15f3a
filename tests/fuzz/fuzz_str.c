/* Foreign text made fit to be shown: one line of well-formed UTF-8 without control characters, in its room. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Is this what a terminal can be given? Not written as mu_str_printable() is, so that they check each other. */
static void check(const unsigned char *s)
{
    while (*s != '\0') {
        uint32_t code = *s;
        int more = code < 0x80 ? 0 : (code & 0xe0) == 0xc0 ? 1 : (code & 0xf0) == 0xe0 ? 2 : 3;
        if (more == 3 && (code & 0xf8) != 0xf0)
            abort();
        code &= more == 0 ? 0x7f : 0x3fu >> more;
        s++;
        for (; more > 0; more--, s++) {
            if ((*s & 0xc0) != 0x80)
                abort();
            code = code << 6 | (*s & 0x3f);
        }
        if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code > 0x10ffff ||
            (code >= 0xd800 && code < 0xe000) || (code >= 0x202a && code <= 0x202e))
            abort();
    }
}

/* The first byte is the room that there is for the result. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t cap = (size_t)data[0] + 1;
    char *text = malloc(cap);
    if (text == NULL)
        return 0;
    mu_str_printable(data + 1, size - 1, text, cap);
    if (strlen(text) >= cap)
        abort();
    check((const unsigned char *)text);
    free(text);
    return 0;
}
