#ifndef MU_PKI_FOREIGN_H
#define MU_PKI_FOREIGN_H

/* Files that hold no certificate, key, request or CRL in a form known here: what they are instead. */

#include <stddef.h>

#include "base/error.h"

/*
 * Fail with MU_E_WRONG_KIND, saying what these bytes look like and how to get at what is meant. `name` is
 * for the error. For bytes in which nothing was recognised.
 */
int mu_foreign_fail(const char *name, const void *data, size_t len, struct mu_error *err);

/* The same for a PEM block with a label that is not ours: an SSH key, a PGP key, parameters ... */
int mu_foreign_fail_label(const char *name, const char *label, struct mu_error *err);

/* Fails with MU_E_WRONG_KIND if this is UTF-16, in which every search for ASCII would be in vain. */
MU_CHECK int mu_foreign_check_utf16(const char *name, const void *data, size_t len,
                                    struct mu_error *err);

#endif
