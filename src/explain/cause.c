#include "explain/cause.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"

enum {
    NOBODY = 0,
    OPENSSL = 1u << MU_STACK_OPENSSL,
    GO = 1u << MU_STACK_GO,
    JAVA = 1u << MU_STACK_JAVA,
    NODE = 1u << MU_STACK_NODE,
    PYTHON = 1u << MU_STACK_PYTHON,
    BROWSER = 1u << MU_STACK_BROWSER,
    GNUTLS = 1u << MU_STACK_GNUTLS,
    RUSTLS = 1u << MU_STACK_RUSTLS,
    ALL = (1u << MU_STACK_COUNT) - 1,
    ALL_BUT_JAVA = ALL & ~JAVA,
};

/* A certificate made again with openssl alone, with what it lacked. */
#define REQUEST(who, extensions)                                                                   \
    "openssl req -new -key " who ".key " extensions " -out " who                                   \
    ".csr && openssl x509 -req -in " who                                                           \
    ".csr -copy_extensions copy -CA ca.crt -CAkey ca.key -days 90 -out NEW.crt"
#define SERVER_ANEW                                                                                \
    REQUEST("server",                                                                              \
            "-subj /CN={host} -addext 'subjectAltName=DNS:{host}' "                                \
            "-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth")
#define CLIENT_ANEW                                                                                \
    REQUEST("client", "-subj /CN={name} -addext keyUsage=critical,digitalSignature "               \
                      "-addext extendedKeyUsage=clientAuth")
#define CA_ANEW                                                                                        \
    "openssl req -x509 -new -key ca.key -subj /CN=NAME -addext keyUsage=critical,keyCertSign,cRLSign " \
    "-days 3650 -out ca.crt"

static const struct mu_cause causes[MU_CAUSE_COUNT] = {
#define MU_CAUSE(id, whose, refused_by, what, remedy, openssl, written)                            \
    {#id, MU_PARTY_##whose, refused_by, what, remedy, openssl, written},
#include "explain/causes.def"
#undef MU_CAUSE
};

const struct mu_cause *mu_cause_of(enum mu_cause_id id)
{
    return &causes[(unsigned)id < MU_CAUSE_COUNT ? id : MU_CAUSE_other];
}

enum mu_cause_id mu_cause_find(const char *id)
{
    for (unsigned i = 0; i < MU_CAUSE_COUNT; i++)
        if (mu_str_equal(causes[i].id, id))
            return (enum mu_cause_id)i;
    return MU_CAUSE_COUNT;
}

const char *mu_stack_name(enum mu_stack stack)
{
    static const char *const names[MU_STACK_COUNT] = {
        [MU_STACK_OPENSSL] = "OpenSSL (curl, nginx, haproxy)",
        [MU_STACK_GO] = "Go",
        [MU_STACK_JAVA] = "Java",
        [MU_STACK_NODE] = "Node.js",
        [MU_STACK_PYTHON] = "Python 3.13 and later",
        [MU_STACK_BROWSER] = "browsers",
        [MU_STACK_GNUTLS] = "GnuTLS",
        [MU_STACK_RUSTLS] = "rustls",
    };
    return names[stack];
}

const char *mu_party_id(enum mu_party party)
{
    static const char *const ids[] = {
        [MU_PARTY_CLIENT] = "client",
        [MU_PARTY_SERVER] = "server",
        [MU_PARTY_CA] = "ca",
        [MU_PARTY_NETWORK] = "network",
    };
    return ids[party];
}

/* Commands are copied into a shell, and a name in a certificate is whatever its maker wanted it to be. */
static bool is_safe(const char *value)
{
    static const char safe[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@:/+%,-";
    return value != NULL && *value != '\0' && *value != '-' && value[strspn(value, safe)] == '\0';
}

/* Where names are listed, a comma would bring a second one in. */
static bool is_one_name(const char *value)
{
    return is_safe(value) && strchr(value, ',') == NULL;
}

/* A file's name is the reader's own, and may have blanks in it. */
static const char *quoted(const char *file, char *ret, size_t cap)
{
    if (file == NULL || is_safe(file))
        return file;
    bool fits = *file != '-' && strchr(file, '\'') == NULL && strchr(file, '\n') == NULL &&
                snprintf(ret, cap, "'%s'", file) < (int)cap;
    return fits && *file != '\0' ? ret : NULL;
}

char *mu_cause_fill(const char *remedy, const char *file, const char *name, const char *host,
                    char *ret, size_t cap)
{
    char file_quoted[300];
    file = quoted(file, file_quoted, sizeof file_quoted);
    const struct {
        const char *place, *value;
    } places[] = {{"{file}", file != NULL ? file : "FILE"},
                  {"{name}", is_one_name(name) ? name : "NAME"},
                  {"{host}", is_one_name(host) ? host : "HOST"}};
    size_t len = 0;
    while (*remedy != '\0' && len + 1 < cap) {
        size_t i = 0;
        while (i < MU_COUNT(places) && !mu_str_starts_with(remedy, places[i].place))
            i++;
        if (i == MU_COUNT(places)) {
            ret[len++] = *remedy++;
            continue;
        }
        mu_str_copy(ret + len, cap - len, places[i].value);
        len += strlen(ret + len);
        remedy += strlen(places[i].place);
    }
    ret[len] = '\0';
    return ret;
}
