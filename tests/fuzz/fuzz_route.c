/*
 * A request's target behind up to eight bytes, each of which is something that a backend does to a path before it looks at it,
 * and a NUL. Whatever it does, and in whatever order: it arrives at the route that was chosen, or the request was refused.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mu_route_config routes[] = {
    {.path = (char *)"/admin"},
    {.path = (char *)"/pub"},
    {.path = (char *)"/pub/admin/x"},
    {.path = (char *)"/.well-known"},
};

static int hex(int c)
{
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

static void decode(char *path)
{
    char *out = path;
    for (char *in = path; *in != '\0'; in++) {
        int c = *in;
        if (*in == '%' && hex((unsigned char)in[1]) >= 0 && hex((unsigned char)in[2]) >= 0) {
            c = hex((unsigned char)in[1]) * 16 + hex((unsigned char)in[2]);
            in += 2;
        }
        *out++ = (char)c;
    }
    *out = '\0';
}

/* In each segment what stands behind one of these, or only at its end. */
static void cut(char *path, const char *from, const char *end)
{
    char *out = path;
    for (char *in = path; *in != '\0';) {
        *out++ = *in++;
        size_t len = strcspn(in, "/"), keep = 0;
        while (keep < len && (from == NULL || strchr(from, in[keep]) == NULL))
            keep++;
        while (end != NULL && keep > 0 && strchr(end, in[keep - 1]) != NULL)
            keep--;
        memmove(out, in, keep);
        out += keep;
        in += len;
    }
    *out = '\0';
}

static void merge(char *path)
{
    char *out = path;
    for (char *in = path; *in != '\0'; in++)
        if (*in != '/' || out == path || out[-1] != '/')
            *out++ = *in;
    *out = '\0';
}

/* As RFC 3986 5.2.4 has it. */
static void resolve(char *path)
{
    char *out = path;
    for (char *in = path; *in != '\0';) {
        size_t len = 1 + strcspn(in + 1, "/");
        if (len == 3 && memcmp(in, "/..", 3) == 0)
            while (out > path && *--out != '/')
                continue;
        else if (len != 2 || memcmp(in, "/.", 2) != 0) {
            memmove(out, in, len);
            out += len;
        }
        in += len;
    }
    *out = '\0';
}

/* What is left of a URL without a scheme when its host is taken off. [RFC 3986 4.2] */
static void take_host(char *path)
{
    const size_t slashes = strspn(path, "/");
    const char *rest = path + slashes + strcspn(path + slashes, "/");
    if (slashes < 2)
        return;
    memmove(path, *rest == '\0' ? "/" : rest, strlen(rest) + 1 + (*rest == '\0'));
}

static void apply(char *path, int what)
{
    switch (what % 9) {
    case 0: decode(path); break;
    case 1: cut(path, ";", NULL); break;
    case 2: merge(path); break;
    case 3: resolve(path); break;
    case 4:
        for (char *p = path; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        break;
    case 5:
        for (char *p = path; *p != '\0'; p++)
            *p = *p == '\\' ? '/' : *p;
        break;
    case 6: cut(path, NULL, ". "); break;
    case 8: take_host(path); break;
    default: path[strcspn(path, "?#")] = '\0'; break;
    }
}

static size_t route_of(const char *path)
{
    size_t best = MU_COUNT(routes), longest = 0;
    for (size_t i = 0; i < MU_COUNT(routes); i++) {
        const size_t len = strlen(routes[i].path);
        if (strncmp(path, routes[i].path, len) == 0 && (path[len] == '/' || path[len] == '\0') &&
            len > longest) {
            best = i;
            longest = len;
        }
    }
    return best;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\0', size < 9 ? size : 9);
    if (end == NULL)
        return 0;
    const size_t len = (size_t)(data + size - end - 1);
    char *target = calloc(1, len + 1);
    if (target == NULL)
        return 0;
    memcpy(target, end + 1, len);
    const struct mu_route_request request = {.method = "GET", .target = target};
    const char *why = NULL;
    size_t chosen;
    const bool clear = mu_route_choose(routes, MU_COUNT(routes), &request, &chosen, &why);
    if (!clear && why == NULL)
        abort();
    if (clear && *target == '/') {
        target[strcspn(target, "?#")] = '\0';
        for (const uint8_t *p = data; p < end; p++)
            apply(target, *p);
        if (*target == '/' && route_of(target) != chosen)
            abort();
    }
    free(target);
    return 0;
}
