#ifndef MU_EXPLAIN_CAUSE_H
#define MU_EXPLAIN_CAUSE_H

/* What can be really wrong: the table causes.def. */

#include <stdbool.h>
#include <stddef.h>

/* Programs whose rules differ, as flags: who refuses what. */
enum mu_stack {
    MU_STACK_OPENSSL, /* curl, nginx, haproxy, wget, mutual */
    MU_STACK_GO,
    MU_STACK_JAVA,
    MU_STACK_NODE,
    MU_STACK_PYTHON, /* 3.13 and later, which is strict; urllib3 2 */
    MU_STACK_BROWSER,
    MU_STACK_GNUTLS,
    MU_STACK_RUSTLS,
    MU_STACK_COUNT
};

/* "OpenSSL (curl, nginx, haproxy)", for a table. */
const char *mu_stack_name(enum mu_stack stack);

/* Whose move it is. */
enum mu_party { MU_PARTY_CLIENT, MU_PARTY_SERVER, MU_PARTY_CA, MU_PARTY_NETWORK };

/* "client", "server", "ca", "network". */
const char *mu_party_id(enum mu_party party);

enum mu_cause_id {
#define MU_CAUSE(id, whose, refused_by, what, remedy, openssl, written) MU_CAUSE_##id,
#include "explain/causes.def"
#undef MU_CAUSE
    MU_CAUSE_COUNT
};

struct mu_cause {
    const char *id; /* stable */
    enum mu_party whose;
    unsigned refused_by; /* a set of 1u << MU_STACK_... */
    const char *what;
    const char *remedy;  /* commands, with places to fill: see causes.def */
    const char *openssl; /* the same without mutual */
    const char *written; /* "RFC 5280 4.1.2.5", or "" */
};

/* Never NULL. */
const struct mu_cause *mu_cause_of(enum mu_cause_id id);

/* Who refuses, a set as in mu_cause. `of_root`: it is in the certificate that is trusted, of which some take the name and the
 * key alone. [RFC 5280 6.1.1] */
unsigned mu_cause_refused_by(enum mu_cause_id id, bool of_root);

/* MU_CAUSE_COUNT: there is no cause of that id. */
enum mu_cause_id mu_cause_find(const char *id);

#endif
