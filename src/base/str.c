#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mu_str_starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool mu_str_ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

bool mu_str_copy(char *ret, size_t cap, const char *text)
{
    size_t len = strlen(text);
    bool fits = len < cap;
    if (!fits)
        len = cap - 1;
    memcpy(ret, text, len);
    ret[len] = '\0';
    return fits;
}

size_t mu_str_fit(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

char *mu_str_of(const void *data, size_t len)
{
    char *text = malloc(len + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

/* The length of the well-formed, printable UTF-8 sequence at `s`, or 0. [RFC 3629 4] */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
    size_t need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || need > len)
        return 0;
    unsigned code = s[0] & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    bool overlong = (need == 3 && code < 0x800) || (need == 4 && code < 0x10000);
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    bool control = code < 0xa0;
    /* Marks that reorder or hide the text around them would let a name imitate another. */
    bool reorders = (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                    (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
    return overlong || surrogate || control || reorders || code > 0x10ffff ? 0 : need;
}

char *mu_str_printable(const void *data, size_t len, char *ret, size_t cap)
{
    const unsigned char *s = data;
    size_t out = 0, keep = 0; /* up to `keep`, there is room for dots behind it */
    for (size_t i = 0; i < len;) {
        size_t good = utf8_length(s + i, len - i);
        char piece[5];
        size_t piece_len = good;
        if (good > 0)
            memcpy(piece, s + i, good);
        else
            piece_len = (size_t)snprintf(piece, sizeof piece, "\\x%02x", s[i]);
        if (out + piece_len + 1 > cap) {
            out = keep;
            for (int dots = 0; dots < 3 && out + 1 < cap; dots++)
                ret[out++] = '.';
            break;
        }
        memcpy(ret + out, piece, piece_len);
        out += piece_len;
        if (out + sizeof "..." <= cap)
            keep = out;
        i += good > 0 ? good : 1;
    }
    ret[out] = '\0';
    return ret;
}

char *mu_str_hex(const void *data, size_t len, char separator, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *s = data;
    char *out = ret;
    for (size_t i = 0; i < len; i++) {
        if (separator != '\0' && i > 0)
            *out++ = separator;
        *out++ = digits[s[i] >> 4];
        *out++ = digits[s[i] & 15];
    }
    *out = '\0';
    return ret;
}

int mu_strs_add(struct mu_strs *list, const char *text)
{
    char **at = realloc(list->at, (list->count + 1) * sizeof *at);
    if (at == NULL)
        return -1;
    list->at = at;
    at[list->count] = strdup(text);
    if (at[list->count] == NULL)
        return -1;
    list->count++;
    return 0;
}

void mu_strs_clear(struct mu_strs *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i]);
    free(list->at);
    *list = (struct mu_strs){0};
}

bool mu_strs_same(const struct mu_strs *a, const struct mu_strs *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = mu_str_equal(a->at[i], b->at[i]);
    return same;
}
