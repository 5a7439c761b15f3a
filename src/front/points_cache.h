#ifndef MU_FRONT_POINTS_CACHE_H
#define MU_FRONT_POINTS_CACHE_H

/* Fetched revocation lists in a directory: a file for each place that they come from and each CA, which names the place in its first
 * line, with the list in PEM behind that. */

#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"
#include "pki/crl.h"

/* May this process keep lists there? What root is asked, is no answer for whom it becomes. Fails with MU_E_IO. */
MU_CHECK int mu_points_cache_check(const char *dir, struct mu_error *err);

/* Hand over each list that is there: `crl` is given. Other files are passed over, and what a killed process has left is removed. Fails
 * with MU_E_IO (there is no such directory), and as `each` does. */
MU_CHECK int mu_points_cache_read(const char *dir,
                                  int (*each)(void *arg, const char *url, struct mu_crl *crl,
                                              size_t size),
                                  void *arg, struct mu_error *err);

/* In the place of what was there from this URL by the same CA, whole and for good. Fails with MU_E_IO, MU_E_NOMEM. */
MU_CHECK int mu_points_cache_write(const char *dir, const char *url, const struct mu_crl *crl,
                                   struct mu_error *err);
void mu_points_cache_remove(const char *dir, const char *url, const struct mu_crl *crl);

#endif
