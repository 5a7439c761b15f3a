#include "pki/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* No name is longer; and a pattern has to be readable. */
enum { NAME_MAX_LEN = 2048, PATTERN_MAX = 1024 };

void mu_pattern_clear(struct mu_pattern *pattern)
{
    free(pattern->mailbox);
    free(pattern->glob);
    *pattern = (struct mu_pattern){0};
}

/* --- Matching --- */

static size_t character_len(const char *text)
{
    size_t len = 1;
    while (((unsigned char)text[len] & 0xc0) == 0x80)
        len++;
    return len;
}

/*
 * One turn for each piece of the pattern: `now[i]` says whether the pieces so far can match the first i bytes of the
 * name. No name and no pattern makes this slow, as trying and going back would be.
 */
static bool turn(const char **glob, const char *name, size_t len, char stop, const bool *now,
                 bool *next)
{
    bool any = false, many = (*glob)[0] == '*', far = many && (*glob)[1] == '*';
    memset(next, 0, (len + 1) * sizeof *next);
    for (size_t i = 0; i <= len; i++) {
        if (many)
            next[i] = now[i] || (i > 0 && next[i - 1] && (far || name[i - 1] != stop));
        else if (i == len || !now[i])
            continue;
        else if (**glob == '?' && name[i] != stop && name[i] != '*')
            next[i + character_len(name + i)] = true;
        else if (**glob == name[i])
            next[i + 1] = true;
    }
    for (size_t i = 0; i <= len; i++)
        any = any || next[i];
    *glob += far ? 2 : 1;
    return any;
}

static bool matches(const char *glob, const char *name, char stop)
{
    bool rows[2][NAME_MAX_LEN + 1] = {{true}};
    size_t len = strlen(name);
    int row = 0;
    if (len > NAME_MAX_LEN)
        return false;
    while (*glob != '\0') {
        if (!turn(&glob, name, len, stop, rows[row], rows[1 - row]))
            return false;
        row = 1 - row;
    }
    return rows[row][len];
}

/* Below a domain is what ends in it behind a dot. */
static bool matches_host(const struct mu_pattern *pattern, const char *host)
{
    if (matches(pattern->glob, host, '.'))
        return true;
    for (const char *dot = strchr(host, '.'); pattern->domain && dot != NULL;
         dot = strchr(dot + 1, '.'))
        if (matches(pattern->glob, dot + 1, '.'))
            return true;
    return false;
}

static bool matches_email(const struct mu_pattern *pattern, const char *address)
{
    char mailbox[NAME_MAX_LEN + 1], host[NAME_MAX_LEN + 1];
    const char *at = strchr(address, '@');
    if (at == NULL || strlen(address) > NAME_MAX_LEN)
        return false;
    memcpy(mailbox, address, (size_t)(at - address));
    mailbox[at - address] = '\0';
    mu_str_copy(host, sizeof host, at + 1);
    for (char *p = host; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return (pattern->mailbox == NULL || matches(pattern->mailbox, mailbox, '\0')) &&
           matches_host(pattern, host);
}

bool mu_pattern_admits(const struct mu_pattern *pattern, int kind, const char *name)
{
    if (kind != pattern->kind)
        return false;
    switch (kind) {
    case MU_SAN_DNS: return matches_host(pattern, name);
    case MU_SAN_IP: return mu_cidr_has(&pattern->cidr, name);
    case MU_SAN_EMAIL: return matches_email(pattern, name);
    case MU_SAN_URI: return matches(pattern->glob, name, '/');
    default: return matches(pattern->glob, name, '\0');
    }
}

/* --- Reading --- */

static int fail_pattern(struct mu_error *err, const char *text, const char *why)
{
    char shown[256];
    mu_str_printable(text, strlen(text), shown, sizeof shown);
    mu_fail(err, MU_E_NAME, "\"%s\" is not a pattern of names: %s", shown, why);
    return mu_hint(err,
                   "write DNS:*.example.com, DNS:.example.com, IP:10.0.0.0/8, email:*@example.com, "
                   "URI:spiffe://example.com/* or CN:*");
}

static bool take_prefix(const char **text, const char *kind)
{
    size_t len = strlen(kind);
    if (strncasecmp(*text, kind, len) != 0 || (*text)[len] != ':')
        return false;
    *text += len + 1;
    return true;
}

static int take_kind(const char **text)
{
    struct mu_cidr cidr;
    struct mu_error ignored = MU_ERROR_INIT;
    for (int kind = MU_SAN_DNS; kind <= MU_SAN_EMAIL; kind++)
        if (take_prefix(text, mu_san_kind_name((enum mu_san_kind)kind)))
            return kind;
    if (take_prefix(text, "CN"))
        return MU_PATTERN_CN;
    if (mu_cidr_parse(*text, &cidr, &ignored) == 0)
        return MU_SAN_IP;
    if (strstr(*text, "://") != NULL || strncasecmp(*text, "urn:", 4) == 0)
        return MU_SAN_URI;
    return strchr(*text, '@') != NULL   ? MU_SAN_EMAIL
           : strchr(*text, '/') != NULL ? MU_SAN_IP
                                        : MU_SAN_DNS;
}

static const char *host_fault(const char *host)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*?";
    if (*host == '\0')
        return "there is no name in it";
    if (host[strspn(host, plain)] != '\0')
        return "a host is made of letters, digits, hyphens, dots, * and ?";
    if (*host == '.' || strstr(host, "..") != NULL || host[strlen(host) - 1] == '.')
        return "there is an empty label in it";
    return NULL;
}

/* A host, or a domain with a dot in front. */
static int read_host(const char *whole, const char *host, struct mu_pattern *ret,
                     struct mu_error *err)
{
    ret->domain = *host == '.' && host[1] != '.';
    const char *fault = host_fault(host + ret->domain);
    if (fault != NULL)
        return fail_pattern(err, whole, fault);
    ret->glob = strdup(host + ret->domain);
    if (ret->glob == NULL)
        return mu_fail_nomem(err);
    for (char *p = ret->glob; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return 0;
}

static int read_email(const char *whole, const char *text, struct mu_pattern *ret,
                      struct mu_error *err)
{
    const char *at = strchr(text, '@');
    if (at == NULL)
        return read_host(whole, text, ret, err);
    if (at == text || strchr(at + 1, '@') != NULL)
        return fail_pattern(err, whole, "an e-mail address is mailbox@host");
    ret->mailbox = strndup(text, (size_t)(at - text));
    return ret->mailbox == NULL ? mu_fail_nomem(err) : read_host(whole, at + 1, ret, err);
}

static int read_text(const char *whole, const char *text, struct mu_pattern *ret,
                     struct mu_error *err)
{
    if (*text == '\0')
        return fail_pattern(err, whole, "there is no name in it");
    if (ret->kind == MU_SAN_URI && strchr(text, ':') == NULL && strncmp(text, "**", 2) != 0)
        return fail_pattern(err, whole, "a URI begins with its scheme, such as spiffe://");
    ret->glob = strdup(text);
    return ret->glob == NULL ? mu_fail_nomem(err) : 0;
}

int mu_pattern_parse(const char *text, struct mu_pattern *ret, struct mu_error *err)
{
    char shown[4 * PATTERN_MAX + 1];
    const char *rest = text;
    *ret = (struct mu_pattern){0};
    if (strlen(text) > PATTERN_MAX)
        return fail_pattern(err, text, "it is too long");
    if (!mu_str_equal(mu_str_printable(text, strlen(text), shown, sizeof shown), text))
        return fail_pattern(err, text, "it has control characters, or is not UTF-8");
    if (*text != '\0' && text[strspn(text, "*?")] == '\0')
        return fail_pattern(err, text, "say of which kind: DNS:**, email:**, URI:**, CN:*");
    ret->kind = take_kind(&rest);
    switch (ret->kind) {
    case MU_SAN_DNS: return read_host(text, rest, ret, err);
    case MU_SAN_IP: return mu_cidr_parse(rest, &ret->cidr, err);
    case MU_SAN_EMAIL: return read_email(text, rest, ret, err);
    default: return read_text(text, rest, ret, err);
    }
}
