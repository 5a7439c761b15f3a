#include "front/site.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

enum { OPEN_TRIES = 8 };

struct mu_files {
    int root;
};

/* Every name is resolved by the kernel, which refuses to leave `root`, whatever links or ".." say. */
static int open_beneath(int root, const char *path)
{
    struct open_how how = {
        /* A FIFO without a writer must not hold up the thread. */
        .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = -1;
    errno = EAGAIN;
    /* A rename during the walk makes the kernel unsure, and it says so with EAGAIN. So it does of a file that
     * somebody holds a lease on, for up to a minute: then it is for the client to ask again. */
    for (int tries = 0; fd < 0 && (errno == EAGAIN || errno == EINTR) && tries < OPEN_TRIES; tries++)
        fd = (int)syscall(SYS_openat2, root, *path == '\0' ? "." : path, &how, sizeof how);
    return fd;
}

int mu_files_open(const char *dir, struct mu_files **ret, struct mu_error *err)
{
    int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return mu_fail_errno(err, errno == ENOTDIR ? MU_E_WRONG_KIND : MU_E_NOT_FOUND,
                             "cannot serve files from %s", dir);
    int probe = open_beneath(root, "");
    if (probe < 0) {
        mu_fail_errno(err, MU_E_SYSTEM, "cannot serve files from %s safely", dir);
        if (errno == ENOSYS)
            mu_hint(err, "--files needs Linux 5.6 or newer (openat2)");
        close(root);
        return -1;
    }
    close(probe);
    struct mu_files *files = malloc(sizeof *files);
    if (files == NULL) {
        close(root);
        return mu_fail_nomem(err);
    }
    files->root = root;
    *ret = files;
    return 0;
}

void mu_files_free(struct mu_files *files)
{
    if (files == NULL)
        return;
    close(files->root);
    free(files);
}

/* --- From target to path --- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One octet of the path at *p, decoded; -1 when it cannot stand there. [RFC 3986 2.1] */
static int next_octet(const char **p)
{
    if (**p != '%')
        return (unsigned char)*(*p)++;
    int high = hex_digit((*p)[1]);
    int low = high < 0 ? -1 : hex_digit((*p)[2]);
    if (low < 0 || (high == 0 && low == 0))
        return -1;
    *p += 3;
    return high << 4 | low;
}

const char *mu_target_origin(const char *target)
{
    if (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0)
        return target;
    const char *authority = strchr(target, ':') + 3;
    const char *path = authority + strcspn(authority, "/?#");
    return *path == '/' ? path : "/"; /* "http://host?a=b" has the empty path */
}

bool mu_target_path(const char *target, char *ret)
{
    const char *p = mu_target_origin(target);
    if (*p != '/')
        return false;
    char *out = ret;
    while (*p != '\0' && *p != '?' && *p != '#') {
        int c = next_octet(&p);
        if (c < 0)
            return false;
        if (c == '/' &&
            (out == ret || out[-1] == '/')) /* relative to the root, and no empty segments */
            continue;
        *out++ = (char)c;
    }
    *out = '\0';
    for (const char *segment = ret; segment != NULL; segment = strchr(segment, '/')) {
        segment += *segment == '/';
        if (strncmp(segment, "..", 2) == 0 && (segment[2] == '/' || segment[2] == '\0'))
            return false;
    }
    return true;
}

/* --- Headers --- */

static const char *type_of(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".htm", "text/html; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".xml", "application/xml"},
        {".md", "text/markdown; charset=utf-8"},
        {".csv", "text/csv; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".pdf", "application/pdf"},
        {".wasm", "application/wasm"},
        {".woff2", "font/woff2"},
        {".mp4", "video/mp4"},
        {".webm", "video/webm"},
        {".mp3", "audio/mpeg"},
        {".gz", "application/gzip"},
        {".zip", "application/zip"},
        {".crt", "application/x-x509-ca-cert"},
        {".crl", "application/pkix-crl"},
    };
    size_t len = strlen(path);
    for (size_t i = 0; i < MU_COUNT(types); i++) {
        size_t ending = strlen(types[i].ending);
        if (len >= ending && strcasecmp(path + len - ending, types[i].ending) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

/* Is our tag in this list of entity tags? Weak ones count only where `weak` allows. [RFC 9110 8.8.3.2] */
static bool etag_listed(const char *list, const char *etag, bool weak)
{
    size_t len = strlen(etag);
    if (mu_str_equal(list, "*"))
        return true;
    for (const char *p = list; *p != '\0';) {
        p += strspn(p, " \t,");
        bool is_weak = strncmp(p, "W/", 2) == 0;
        if (is_weak)
            p += 2;
        size_t this_len = *p == '"' ? strcspn(p + 1, "\"") + 2 : strcspn(p, ",");
        if (this_len == len && strncmp(p, etag, len) == 0 && (weak || !is_weak))
            return true;
        p += strnlen(p, this_len);
    }
    return false;
}

struct validators {
    char etag[48];
    char date[MU_HTTP_DATE_LEN];
    time_t modified;
};

static void make_validators(const struct stat *st, struct validators *ret)
{
    snprintf(ret->etag, sizeof ret->etag, "\"%jx.%lx-%jx\"", (uintmax_t)st->st_mtim.tv_sec,
             (unsigned long)st->st_mtim.tv_nsec, (uintmax_t)st->st_size);
    ret->modified = st->st_mtim.tv_sec;
    mu_http_date(ret->modified, ret->date);
}

/* 412, 304, or 0 to go on; in the order that RFC 9110 13.2.2 gives. */
static int judge_conditions(const struct mu_request *request, const struct validators *v)
{
    time_t date;
    const char *match = mu_request_header(request, "If-Match");
    const char *unmodified = mu_request_header(request, "If-Unmodified-Since");
    const char *none_match = mu_request_header(request, "If-None-Match");
    const char *modified = mu_request_header(request, "If-Modified-Since");

    if (match != NULL && !etag_listed(match, v->etag, false))
        return 412;
    if (match == NULL && unmodified != NULL && mu_http_date_parse(unmodified, &date) &&
        v->modified > date)
        return 412;
    if (none_match != NULL)
        return etag_listed(none_match, v->etag, true) ? 304 : 0;
    if (modified != NULL && mu_http_date_parse(modified, &date) && v->modified <= date)
        return 304;
    return 0;
}

/* Is the file still the one whose rest the client wants? [RFC 9110 13.1.5] */
static bool range_applies(const struct mu_request *request, const struct validators *v)
{
    const char *if_range = mu_request_header(request, "If-Range");
    return if_range == NULL || mu_str_equal(if_range, v->etag) || mu_str_equal(if_range, v->date);
}

enum range { RANGE_NONE, RANGE_GOOD, RANGE_BAD };

static bool take_number(const char **p, uint64_t *ret)
{
    if (!isdigit((unsigned char)**p))
        return false;
    char *end;
    errno = 0;
    *ret = strtoull(*p, &end, 10);
    *p = end;
    return errno == 0;
}

/* One range of bytes; what we do not understand (other units, several ranges) is as if it had not been
 * asked for, which a server may do. [RFC 9110 14.1.2, 14.2] */
static enum range parse_range(const char *text, uint64_t size, uint64_t *ret_first,
                              uint64_t *ret_length)
{
    uint64_t first, last;
    const char *p = text;
    if (strncasecmp(p, "bytes=", 6) != 0)
        return RANGE_NONE;
    p += 6;
    if (*p == '-') {
        p++;
        if (!take_number(&p, &last) || *p != '\0')
            return RANGE_NONE;
        if (last == 0 || size == 0)
            return RANGE_BAD;
        *ret_length = last < size ? last : size;
        *ret_first = size - *ret_length;
        return RANGE_GOOD;
    }
    if (!take_number(&p, &first) || *p++ != '-')
        return RANGE_NONE;
    last = UINT64_MAX;
    if (*p != '\0' && (!take_number(&p, &last) || *p != '\0' || last < first))
        return RANGE_NONE;
    if (first >= size)
        return RANGE_BAD;
    *ret_first = first;
    *ret_length = (last < size - 1 ? last : size - 1) - first + 1;
    return RANGE_GOOD;
}

/* --- The answer --- */

static void apply_range(const struct mu_request *request, const struct validators *v, uint64_t size,
                        struct mu_response *ret)
{
    uint64_t first = 0;
    const char *range = mu_request_header(request, "Range");
    if (range == NULL || !mu_request_is(request, "GET") || !range_applies(request, v))
        return;
    switch (parse_range(range, size, &first, &ret->length)) {
    case RANGE_NONE: break;
    case RANGE_GOOD:
        ret->status = 206;
        ret->offset = (off_t)first;
        mu_buf_addf(&ret->headers, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
                    first, first + ret->length - 1, size);
        break;
    case RANGE_BAD:
        mu_response_clear(ret);
        mu_response_sentence(ret, 416, "the file has no such range of bytes");
        mu_buf_addf(&ret->headers, "Content-Range: bytes */%" PRIu64 "\r\n", size);
        break;
    }
}

static void send_file(int fd, const struct stat *st, const char *path,
                      const struct mu_request *request, struct mu_response *ret)
{
    struct validators v;
    make_validators(st, &v);
    int condition = judge_conditions(request, &v);
    if (condition == 412) {
        close(fd);
        mu_response_sentence(ret, 412, "the file is not the one that the request expects");
        return;
    }
    mu_buf_addf(&ret->headers,
                "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n"
                "X-Content-Type-Options: nosniff\r\n",
                v.date, v.etag);
    if (condition == 304) {
        close(fd);
        ret->status = 304;
        return;
    }
    ret->status = 200;
    ret->content_type = type_of(path);
    ret->fd = fd;
    ret->length = (uint64_t)st->st_size;
    apply_range(request, &v, (uint64_t)st->st_size, ret);
}

/* A directory is named with a slash at its end, or relative links on its page would lead astray. */
static void redirect_to_slash(const struct mu_request *request, struct mu_response *ret)
{
    const char *path = mu_target_origin(request->target);
    /* Two slashes at the start would name another host: //evil.example/. [RFC 3986 4.2] */
    while (path[0] == '/' && path[1] == '/')
        path++;
    size_t len = strcspn(path, "?#");
    mu_response_sentence(ret, 301, "this is a directory, and its name ends with a slash");
    mu_buf_addf(&ret->headers, "Location: %.*s/%s\r\n", (int)len, path, path + len);
}

/* Nothing of the reason is told: whether a name exists outside the tree is not for clients to learn. */
static void not_found(struct mu_response *ret)
{
    mu_response_sentence(ret, 404, "there is no such file here");
}

/* Is it the machine that cannot open anything now, whatever the name? */
static bool is_for_now(int number)
{
    return number == EMFILE || number == ENFILE || number == ENOMEM || number == EAGAIN;
}

/* Open the regular file that `path` stands for: itself, or the index of a directory. -1: errno says why. */
static int open_regular(const struct mu_files *files, char *path, struct stat *ret_st,
                        bool *ret_is_dir)
{
    int fd = open_beneath(files->root, path);
    *ret_is_dir = fd >= 0 && fstat(fd, ret_st) == 0 && S_ISDIR(ret_st->st_mode);
    if (*ret_is_dir) {
        close(fd);
        strcat(path, "index.html"); /* the caller has left room */
        fd = open_beneath(files->root, path);
    }
    if (fd >= 0 && fstat(fd, ret_st) == 0 && S_ISREG(ret_st->st_mode))
        return fd;
    if (fd >= 0) {
        close(fd);
        errno = ENOENT;
    }
    return -1;
}

static void respond_at(const struct mu_files *files, char *path, const struct mu_request *request,
                       struct mu_response *ret)
{
    struct stat st;
    bool is_dir;
    size_t path_len = strlen(path);
    bool has_slash = path_len == 0 || path[path_len - 1] == '/';
    int fd = open_regular(files, path, &st, &is_dir);
    if (is_dir && !has_slash) {
        if (fd >= 0)
            close(fd);
        redirect_to_slash(request, ret);
    } else if (fd < 0 && is_for_now(errno)) {
        mu_response_sentence(ret, 503, "this cannot be opened now; ask again later");
    } else if (fd < 0) {
        not_found(ret);
    } else {
        send_file(fd, &st, path, request, ret);
    }
}

void mu_files_respond(const struct mu_files *files, const struct mu_request *request,
                      struct mu_response *ret)
{
    if (!mu_request_is(request, "GET") && !mu_request_is(request, "HEAD")) {
        mu_response_sentence(ret, 405, "only GET and HEAD are answered here");
        mu_buf_adds(&ret->headers, "Allow: GET, HEAD\r\n");
        return;
    }
    char *path = malloc(strlen(request->target) + sizeof "index.html");
    if (path == NULL)
        mu_response_sentence(ret, 500, "there is not enough memory");
    else if (!mu_target_path(request->target, path))
        mu_response_sentence(ret, 400, "this is not a path");
    else
        respond_at(files, path, request, ret);
    free(path);
}
