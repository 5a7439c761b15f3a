#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *mu_buf_reserve(struct mu_buf *buf, size_t len)
{
    if (buf->failed || len > SIZE_MAX / 4 - buf->len) {
        buf->failed = true;
        return NULL;
    }
    if (buf->len + len + 1 > buf->cap) {
        size_t cap = buf->cap < 64 ? 64 : buf->cap;
        while (cap < buf->len + len + 1)
            cap *= 2;
        char *data = buf->secret ? malloc(cap) : realloc(buf->data, cap);
        if (data == NULL) {
            buf->failed = true;
            return NULL;
        }
        if (buf->secret && buf->data != NULL) {
            memcpy(data, buf->data, buf->len); /* realloc would leave a copy of the secret behind */
            explicit_bzero(buf->data, buf->cap);
            free(buf->data);
        }
        buf->data = data;
        buf->cap = cap;
    }
    buf->data[buf->len] = '\0';
    return buf->data + buf->len;
}

void mu_buf_add(struct mu_buf *buf, const void *data, size_t len)
{
    char *end = mu_buf_reserve(buf, len);
    if (end == NULL)
        return;
    if (len > 0)
        memcpy(end, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void mu_buf_adds(struct mu_buf *buf, const char *text)
{
    mu_buf_add(buf, text, strlen(text));
}

void mu_buf_vaddf(struct mu_buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char *end = mu_buf_reserve(buf, 0);
    int len = end == NULL ? -1 : vsnprintf(end, buf->cap - buf->len, format, args);
    if (len >= 0 && (size_t)len >= buf->cap - buf->len) { /* it is in two only if it has to be */
        end = mu_buf_reserve(buf, (size_t)len);
        if (end != NULL)
            vsnprintf(end, (size_t)len + 1, format, again);
    }
    if (end != NULL && len > 0)
        buf->len += (size_t)len;
    va_end(again);
}

void mu_buf_addu(struct mu_buf *buf, uint64_t number)
{
    char digits[20], *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    mu_buf_add(buf, first, (size_t)(digits + sizeof digits - first));
}

void mu_buf_addf(struct mu_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mu_buf_vaddf(buf, format, args);
    va_end(args);
}

void mu_buf_consume(struct mu_buf *buf, size_t len)
{
    if (len >= buf->len) {
        mu_buf_reset(buf);
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
    buf->data[buf->len] = '\0';
}

const char *mu_buf_str(const struct mu_buf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

bool mu_buf_failed(const struct mu_buf *buf)
{
    return buf->failed;
}

void mu_buf_reset(struct mu_buf *buf)
{
    if (buf->secret && buf->data != NULL)
        explicit_bzero(buf->data, buf->cap);
    buf->len = 0;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

void mu_buf_clear(struct mu_buf *buf)
{
    if (buf->secret && buf->data != NULL)
        explicit_bzero(buf->data, buf->cap);
    free(buf->data);
    *buf = (struct mu_buf){.secret = buf->secret};
}
