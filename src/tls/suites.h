#ifndef MU_TLS_SUITES_H
#define MU_TLS_SUITES_H

/* Which cipher suites a server's list leaves, for the key that it has. */

#include <stdbool.h>

#include "base/error.h"
#include "pki/cert.h"

struct mu_suites {
    bool tls13; /* something is left for TLS 1.3: its suites go with every key */
    bool tls12; /* something is left for TLS 1.2 that today's clients offer and this key can sign for */
    bool about_tls12; /* the list has names that are not TLS 1.3's */
    bool unknown;     /* and OpenSSL finds no suite by any of them: no server starts with it */
};

/*
 * `list` as openssl and nginx have it, with TLS 1.3's names among the others or not at all, which means all of them.
 * `leaf` is the server's certificate; NULL: any key. Fails with MU_E_NOMEM.
 */
MU_CHECK int mu_tls_suites(const char *list, const struct mu_cert *leaf, struct mu_suites *ret,
                           struct mu_error *err);

#endif
