#ifndef MU_PKI_STRICT_H
#define MU_PKI_STRICT_H

/*
 * What RFC 5280 asks of the certificates of a path and of a revocation list, and OpenSSL does not look at, not with
 * X509_V_FLAG_X509_STRICT either. One rule, one function; see the tables at the end of strict.c and strict_crl.c.
 */

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "pki/verify.h"

#define MU_STRICT_DETAIL_LEN 256

/* `rule` is the RFC's section, `detail` is for the words of the fault; both are gone after the call. */
typedef void mu_strict_fn(enum mu_fault fault, int depth, X509 *cert, const char *rule,
                          const char *detail, void *arg);

/* Tell of every rule that `path` (leaf first, anchor last) breaks. */
void mu_strict_check_path(X509 *const *path, size_t len, mu_strict_fn *tell, void *arg);

/* The same for the soundness of its keys, which takes long: for a path with which all else is well. */
void mu_strict_check_keys(X509 *const *path, size_t len, mu_strict_fn *tell, void *arg);

/* MU_FAULT_NONE, or the first rule that the list breaks. `rule` and `detail` as above; `ret_rule` is static. */
enum mu_fault mu_strict_check_crl(X509_CRL *crl, const char **ret_rule,
                                  char ret_detail[MU_STRICT_DETAIL_LEN]);

#endif
