#ifndef MU_STORE_STORE_H
#define MU_STORE_STORE_H

/*
 * The certificates that an authority has issued. Which engine keeps them (engine.h) is decided when a store
 * is opened, and shows nowhere else. Times are UTC seconds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "base/macros.h"

struct mu_store;

struct mu_record {       /* all of it borrowed; no pointer is NULL but `der` in mu_store_each() */
    const char *serial;  /* upper-case hexadecimal; unique */
    const char *name;    /* the main name */
    const char *profile; /* "server", "client", "peer" */
    const char *state;   /* "valid" or "revoked"; that one has expired, its dates say */
    const char *subject;
    const char *san; /* comma-separated, as inspect shows them; "" */
    time_t not_before, not_after, issued_at;
    const char *sha256; /* fingerprint, upper-case hexadecimal; unique */
    const void *der;    /* the certificate */
    size_t der_len;
};

enum mu_store_mode {
    MU_STORE_WRITE, /* it is made, with mode 0600, if it is not there */
    MU_STORE_READ,  /* it must be there, and may lie where nothing can be written */
};

/*
 * Open the SQLite store at `path`. A schema of an older version is brought up to date in one transaction; in
 * MU_STORE_READ it is only read.
 * Fails with MU_E_STORE, MU_E_STORE_NEWER, MU_E_WRONG_KIND (another program's database); MU_E_NOT_FOUND in
 * MU_STORE_READ.
 */
MU_CHECK int mu_store_open(const char *path, enum mu_store_mode mode, struct mu_store **ret,
                           struct mu_error *err);

/* One that lasts as long as it is open, for tests. */
MU_CHECK int mu_store_open_memory(struct mu_store **ret, struct mu_error *err);

void mu_store_close(struct mu_store *store);
MU_AUTO_DEFINE_STRUCT(mu_store, mu_store_close)

/* Durable when it returns, or not there at all. Fails with MU_E_EXISTS when the serial or the fingerprint is
 * taken, MU_E_STORE. */
MU_CHECK int mu_store_add(struct mu_store *store, const struct mu_record *record,
                          struct mu_error *err);

/* Handed one record at a time, which is borrowed until it returns; false: that was enough. */
typedef bool mu_record_fn(void *arg, const struct mu_record *record);

/* Call `each` with the record of this serial number, certificate and all. Fails with MU_E_NOT_FOUND,
 * MU_E_STORE. */
MU_CHECK int mu_store_find(struct mu_store *store, const char *serial, mu_record_fn *each,
                           void *arg, struct mu_error *err);

struct mu_store_filter {
    const char *name_glob; /* NULL: any; `*`, `?` and [...] as in a shell, `*` taking slashes too */
    time_t expiring_before; /* 0: any; those still valid at `now` that end before this */
    time_t now;
};

/* Call `each` with every record that fits, without its certificate (`der` is NULL): oldest first, or with
 * `expiring_before` what ends first. Fails with MU_E_STORE. */
MU_CHECK int mu_store_each(struct mu_store *store, const struct mu_store_filter *filter,
                           mu_record_fn *each, void *arg, struct mu_error *err);

#endif
