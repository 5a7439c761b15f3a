#include "explain/text.h"

#include <string.h>

static const char begin[] = "-----BEGIN ";

static bool holds(const char *data, size_t len, const char *what)
{
    return memmem(data, len, what, strlen(what)) != NULL;
}

/* 1: little endian, 2: big endian, 0: neither. */
static int utf16_kind(const unsigned char *data, size_t len)
{
    if (len >= 2 && data[0] == 0xff && data[1] == 0xfe)
        return 1;
    if (len >= 2 && data[0] == 0xfe && data[1] == 0xff)
        return 2;
    if (len >= 12 && memcmp(data, "-\0-\0-\0-\0-\0", 10) == 0)
        return 1;
    return len >= 12 && memcmp(data, "\0-\0-\0-\0-\0-", 10) == 0 ? 2 : 0;
}

/* All that stands in PEM is ASCII; the rest cannot matter. */
static void narrow(const unsigned char *data, size_t len, int kind, struct mu_buf *ret)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        unsigned char low = data[i + (kind == 1 ? 0 : 1)], high = data[i + (kind == 1 ? 1 : 0)];
        char c = high == 0 && low < 0x80 ? (char)low : '?';
        bool is_mark = (high == 0xfe && low == 0xff) && i == 0;
        if (!is_mark)
            mu_buf_add(ret, &c, 1);
    }
}

/* Replace each `from` by `to` in place. */
static bool replace(struct mu_buf *text, const char *from, const char *to)
{
    struct mu_buf mended = {.secret = text->secret};
    const char *at = mu_buf_str(text), *end = at + text->len;
    bool found = false;
    for (const char *next; (next = memmem(at, (size_t)(end - at), from, strlen(from))) != NULL;
         at = next + strlen(from)) {
        mu_buf_add(&mended, at, (size_t)(next - at));
        mu_buf_adds(&mended, to);
        found = true;
    }
    mu_buf_add(&mended, at, (size_t)(end - at));
    mended.failed = mended.failed || text->failed;
    mu_buf_clear(text);
    *text = mended;
    return found;
}

void mu_text_mend(const void *data, size_t len, struct mu_text_faults *faults, struct mu_buf *ret)
{
    const unsigned char *bytes = data;
    int kind = utf16_kind(bytes, len);
    const bool marked = kind != 0 && bytes[0] >= 0xfe;
    faults->utf16 = kind == 0 ? NULL : marked ? "UTF-16" : kind == 1 ? "UTF-16LE" : "UTF-16BE";
    faults->mark = kind == 0 && len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0;
    if (faults->utf16 != NULL)
        narrow(bytes, len, kind, ret);
    else
        mu_buf_add(ret, bytes + (faults->mark ? 3 : 0), len - (faults->mark ? 3 : 0));

    const char *text = mu_buf_str(ret);
    faults->wrapped_twice = ret->len > 7 && memcmp(text, "LS0tLS1", 7) == 0;
    if (!holds(text, ret->len, begin))
        return;
    if (memchr(text, '\n', ret->len) == NULL) {
        faults->carriage = memchr(text, '\r', ret->len) != NULL && replace(ret, "\r", "\n");
        faults->written_out = !faults->carriage && replace(ret, "\\n", "\n");
    }
    faults->joined = replace(ret, "----------BEGIN ", "-----\n-----BEGIN ");
}
