#ifndef MU_EXPLAIN_PROBE_URL_H
#define MU_EXPLAIN_PROBE_URL_H

/* A server under its URL, with what is known of both sides: the files are judged first, then the server is called. */

#include <stdbool.h>
#include <stdint.h>

#include "explain/report.h"
#include "explain/sides.h"
#include "http/client.h"

/* All of it is borrowed, and may be absent. */
struct mu_probe_url {
    const struct mu_url *url;
    const struct mu_url *connect; /* go there instead */
    const char *name; /* to ask for in TLS, and to look for in the certificate; NULL: the URL's host */
    const char *alpn;             /* "h2,http/1.1" */
    const struct mu_sides *sides; /* the files of both */
    int64_t max_ms;
};

/* Fails with MU_E_NOMEM, MU_E_CRYPTO, MU_E_NAME. */
MU_CHECK int mu_explain_url(const struct mu_probe_url *what, struct mu_report *report,
                            struct mu_error *err);

#endif
