#ifndef MU_FRONT_WHO_H
#define MU_FRONT_WHO_H

/* Who a client is, for a log: printable. */

#include "pki/cert.h"

struct mu_who {
    char subject[512]; /* "CN=alice, O=Example" */
    char san[256];     /* its first SAN, "DNS:alice.example"; "" when there is none */
};

/* Reading a certificate takes longer than answering a request: once a connection is enough. NULL: nobody. */
void mu_who_read(const struct mu_cert *client, struct mu_who *ret);
/* Read when it is first asked for: *kept, NULL before that, is the caller's to free(). NULL without memory. */
const struct mu_who *mu_who_keep(struct mu_who **kept, const struct mu_cert *client);

#endif
