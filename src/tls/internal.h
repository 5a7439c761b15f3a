#ifndef MU_TLS_INTERNAL_H
#define MU_TLS_INTERNAL_H

/* Between the files of this room only. */

#include <openssl/x509_vfy.h>

/* libssl asks this about each certificate of a client's chain; it notes the first fault for the log. */
int mu_tls_on_client_cert(int ok, X509_STORE_CTX *store_ctx);

#endif
