#ifndef MU_EXPLAIN_SIDES_H
#define MU_EXPLAIN_SIDES_H

/* Both sides' files, and no network: would they come together, and who else would not? */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/secret.h"
#include "explain/report.h"

struct mu_paths {
    const char *const *at;
    size_t count;
};

struct mu_side {
    const char *cert, *key; /* NULL: not given */
    struct mu_paths cas, crls;
};

/* Does the server ask clients for a certificate? */
enum mu_asks { MU_ASKS_UNKNOWN, MU_ASKS_NOT, MU_ASKS, MU_ASKS_AND_REQUIRES };

/* Everything is borrowed, and everything but `at` may be absent. */
struct mu_sides {
    struct mu_side client, server;
    struct mu_paths others; /* further certificates at hand */
    const char *ca_key;
    const char *host; /* that the client asks for */
    enum mu_asks asks;
    bool limit_depth; /* the server's, for clients' chains */
    int depth;
    const char *ciphers; /* the server's list */
    bool crl_leaf_only;  /* the server looks up the leaf alone */
    bool tls12_only;     /* one side speaks nothing newer */
    const struct mu_passphrase_source *source;
    time_t at;
};

/* Fails with MU_E_NOMEM, MU_E_CRYPTO, MU_E_NAME. */
MU_CHECK int mu_explain_sides(const struct mu_sides *sides, struct mu_report *report,
                              struct mu_error *err);

#endif
