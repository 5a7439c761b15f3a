#include "net/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/str.h"
#include "pki/cidr.h"

const char *mu_address_path(const struct mu_address *address)
{
    return address->sa.ss_family == AF_UNIX ? ((const struct sockaddr_un *)&address->sa)->sun_path
                                            : NULL;
}

bool mu_address_same(const struct mu_address *a, const struct mu_address *b)
{
    return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

void mu_address_unmap(struct mu_address *address)
{
    const struct sockaddr_in6 *mapped = (const struct sockaddr_in6 *)&address->sa;
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (address->sa.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&mapped->sin6_addr))
        return;
    in.sin_port = mapped->sin6_port;
    memcpy(&in.sin_addr, mapped->sin6_addr.s6_addr + 12, sizeof in.sin_addr);
    memset(&address->sa, 0, sizeof address->sa);
    memcpy(&address->sa, &in, sizeof in);
    address->len = sizeof in;
}

bool mu_address_is_local(const struct mu_address *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->sa;
    switch (address->sa.ss_family) {
    case AF_UNIX: return true;
    case AF_INET: return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6: return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    default: return false;
    }
}

bool mu_address_is_in(const struct mu_address *address, const struct mu_cidr *blocks, size_t count)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->sa;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->sa;
    const int family = address->sa.ss_family;
    char text[INET6_ADDRSTRLEN];
    if (family != AF_INET && family != AF_INET6)
        return false;
    inet_ntop(family, family == AF_INET ? (const void *)&in->sin_addr : &in6->sin6_addr, text,
              sizeof text);
    for (size_t i = 0; i < count; i++)
        if (mu_cidr_has(&blocks[i], text))
            return true;
    return false;
}

unsigned mu_address_port(const struct mu_address *address)
{
    if (address->sa.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->sa)->sin_port);
    if (address->sa.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address->sa)->sin6_port);
    return 0;
}

void mu_address_set_port(struct mu_address *address, unsigned port)
{
    if (address->sa.ss_family == AF_INET)
        ((struct sockaddr_in *)&address->sa)->sin_port = htons((unsigned short)port);
    else if (address->sa.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&address->sa)->sin6_port = htons((unsigned short)port);
}

char *mu_address_text(const struct mu_address *address, char ret[MU_ADDRESS_LEN])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->sa.ss_family == AF_UNIX) {
        snprintf(ret, MU_ADDRESS_LEN, "unix:%s", mu_address_path(address));
    } else if (address->sa.ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)&address->sa)->sin_addr, host, sizeof host);
        snprintf(ret, MU_ADDRESS_LEN, "%s:%u", host, mu_address_port(address));
    } else {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&address->sa)->sin6_addr, host,
                  sizeof host);
        snprintf(ret, MU_ADDRESS_LEN, "[%s]:%u", host, mu_address_port(address));
    }
    return ret;
}

/* Split at the last colon outside brackets. A bare number is a port on the loopback addresses. */
static bool split(const char *text, char *host, size_t cap, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        *host = '\0';
        *ret_port = text;
        return true;
    }
    *ret_port = colon + 1;
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len) != NULL) {
        return false; /* an IPv6 address without brackets: which colon is which? */
    }
    if (len >= cap)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return true;
}

static int resolve(const char *host, const char *port, int flags, struct mu_address *ret,
                   size_t cap, size_t *ret_count)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return result;
    for (struct addrinfo *a = found; a != NULL && *ret_count < cap; a = a->ai_next) {
        struct mu_address *address = &ret[(*ret_count)++];
        memcpy(&address->sa, a->ai_addr, a->ai_addrlen);
        address->len = a->ai_addrlen;
        address->optional = *ret_count > 1;
    }
    freeaddrinfo(found);
    return 0;
}

static bool is_port(const char *text)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    return isdigit((unsigned char)*text) && *end == '\0' && number <= 65535; /* no space, no sign */
}

/* Not by way of /etc/hosts: loopback is loopback, on a machine without a resolver too. */
static int resolve_loopback(const char *port, struct mu_address *ret, size_t cap, size_t *ret_count)
{
    int result = resolve("127.0.0.1", port, AI_NUMERICHOST, ret, cap, ret_count);
    return result != 0 ? result : resolve("::1", port, AI_NUMERICHOST, ret, cap, ret_count);
}

static int fail_unknown(const char *host, int result, enum mu_code code, struct mu_error *err)
{
    mu_fail(err, code, "the host \"%s\" cannot be found", host);
    return mu_cause(err, "%s", gai_strerror(result));
}

static int parse_unix(const char *path, struct mu_address *ret, struct mu_error *err)
{
    struct sockaddr_un *sa = (struct sockaddr_un *)&ret->sa;
    *ret = (struct mu_address){.len = sizeof *sa};
    sa->sun_family = AF_UNIX;
    if (*path == '\0')
        return mu_fail(err, MU_E_ADDRESS, "\"unix:\" has no path behind it");
    if (!mu_str_copy(sa->sun_path, sizeof sa->sun_path, path))
        return mu_fail(err, MU_E_ADDRESS, "the path of a Unix socket has %zu bytes at most: \"%s\"",
                       sizeof sa->sun_path - 1, path);
    return 0;
}

int mu_address_parse(const char *text, struct mu_address *ret, size_t cap, size_t *ret_count,
                     struct mu_error *err)
{
    char host[256];
    const char *port;
    *ret_count = 0;
    if (mu_str_starts_with(text, "unix:")) {
        *ret_count = 1;
        return parse_unix(text + strlen("unix:"), ret, err);
    }
    if (mu_str_starts_with(text, "systemd:"))
        return mu_address_inherit(text + strlen("systemd:"), ret, cap, ret_count, err);
    if (!split(text, host, sizeof host, &port))
        return mu_fail(err, MU_E_ADDRESS, "\"%s\" is not an address to listen on", text);
    if (!is_port(port))
        return mu_fail(err, MU_E_ADDRESS, "\"%s\" has no port between 0 and 65535", text);
    int result =
        *host == '\0' || mu_str_equal(host, "localhost")
            ? resolve_loopback(port, ret, cap, ret_count)
            : resolve(mu_str_equal(host, "*") ? NULL : host, port, AI_PASSIVE, ret, cap, ret_count);
    if (result == 0)
        return 0;
    fail_unknown(host, result, MU_E_LISTEN, err);
    return mu_hint(err, "name an address of this machine, or a host that this machine knows");
}

int mu_address_parse_target(const char *text, struct mu_address *ret, size_t cap, size_t *ret_count,
                            struct mu_error *err)
{
    char host[256];
    const char *port;
    *ret_count = 0;
    if (mu_str_starts_with(text, "unix:")) {
        *ret_count = 1;
        return parse_unix(text + strlen("unix:"), ret, err);
    }
    if (strchr(text, ':') == NULL || !split(text, host, sizeof host, &port) || *host == '\0')
        return mu_fail(err, MU_E_ADDRESS, "\"%s\" is not an address to connect to", text);
    if (!is_port(port) || strtoul(port, NULL, 10) == 0)
        return mu_fail(err, MU_E_ADDRESS, "\"%s\" has no port between 1 and 65535", text);
    int result = mu_str_equal(host, "localhost") ? resolve_loopback(port, ret, cap, ret_count)
                                                 : resolve(host, port, 0, ret, cap, ret_count);
    if (result == 0)
        return 0;
    fail_unknown(host, result, MU_E_ADDRESS, err);
    return mu_hint(err, "name a host that this machine knows, or an IP address");
}
