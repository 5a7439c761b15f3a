#ifndef MU_STORE_STORE_H
#define MU_STORE_STORE_H

/* The certificates that an authority has issued. Times are UTC seconds. */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "base/macros.h"

struct mu_store;

struct mu_record {       /* all text borrowed */
    const char *serial;  /* upper-case hexadecimal; unique */
    const char *name;    /* what it was asked for */
    const char *profile; /* "server" */
    const char *subject;
    const char *san; /* comma-separated, as inspect shows them; "" */
    time_t not_before, not_after, issued_at;
    const char *sha256; /* fingerprint, upper-case hexadecimal */
    const void *der;    /* the certificate */
    size_t der_len;
};

/*
 * Open the store at `path`, making it (0600) if it is not there; ":memory:" is one for tests. With
 * `read_only` it must exist, and may lie where nothing can be written. Schemas of older versions are
 * brought up to date in one transaction.
 * Fails with MU_E_STORE, MU_E_STORE_NEWER, MU_E_NOT_FOUND.
 */
MU_CHECK int mu_store_open(const char *path, bool read_only, struct mu_store **ret,
                           struct mu_error *err);
void mu_store_close(struct mu_store *store);
MU_AUTO_DEFINE_STRUCT(mu_store, mu_store_close)

/* Durable when it returns. Fails with MU_E_EXISTS when the serial is taken, MU_E_STORE. */
MU_CHECK int mu_store_add(struct mu_store *store, const struct mu_record *record,
                          struct mu_error *err);

struct mu_store_filter {
    const char *name_glob;  /* NULL: any; `*`, `?` and [...] as in a shell */
    time_t expiring_before; /* 0: any; those still valid at `now` that end before this */
    time_t now;
};

/* Call `each` for every record, oldest first, until it returns false. `der` is not filled in. */
MU_CHECK int mu_store_each(struct mu_store *store, const struct mu_store_filter *filter,
                           bool (*each)(void *arg, const struct mu_record *record), void *arg,
                           struct mu_error *err);

#endif
