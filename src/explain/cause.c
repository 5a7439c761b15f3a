#include "explain/cause.h"

#include "base/str.h"
#include "explain/commands.h"

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
    ALL_BUT_RUSTLS = ALL & ~RUSTLS,
    LOOKS_INTO_ROOTS = ALL & ~(JAVA | RUSTLS),
};

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

unsigned mu_cause_refused_by(enum mu_cause_id id, bool of_root)
{
    switch (id) {
    case MU_CAUSE_ca_cert_expired:
    case MU_CAUSE_ca_cert_not_yet_valid:
    case MU_CAUSE_pathlen_exceeded: return of_root ? LOOKS_INTO_ROOTS : ALL;
    case MU_CAUSE_issuer_not_ca: return of_root ? ALL & ~(GNUTLS | RUSTLS) : ALL;
    default: return mu_cause_of(id)->refused_by;
    }
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
