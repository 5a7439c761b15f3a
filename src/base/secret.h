#ifndef MU_BASE_SECRET_H
#define MU_BASE_SECRET_H

/* A passphrase: bytes that are wiped when they are let go, and that nothing prints. */

#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"

struct mu_secret {
    char *data; /* ends with a NUL that `len` does not count; NULL when there is none */
    size_t len;
};

#define MU_SECRET_INIT {.data = NULL}

/* Make `ret` a copy of these bytes. `ret` must be empty. Fails with MU_E_NOMEM. */
MU_CHECK int mu_secret_set(struct mu_secret *ret, const void *data, size_t len,
                           struct mu_error *err);
void mu_secret_clear(struct mu_secret *secret);

MU_AUTO_DEFINE_CLEAR(mu_secret, mu_secret_clear)

/*
 * Where a passphrase comes from, asked only when one is needed. `what` names the thing it opens, for a
 * prompt ("ca.key"). A source without a passphrase fails with MU_E_PASSPHRASE_NEEDED.
 */
struct mu_passphrase_source {
    int (*ask)(void *arg, const char *what, struct mu_secret *ret, struct mu_error *err);
    void *arg;
};

#endif
