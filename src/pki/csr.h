#ifndef MU_PKI_CSR_H
#define MU_PKI_CSR_H

/* Certificate signing requests. [RFC 2986] */

#include <openssl/types.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "pki/name.h"

struct mu_csr;

void mu_csr_free(struct mu_csr *csr);
MU_AUTO_DEFINE_STRUCT(mu_csr, mu_csr_free)

/* A request for `names`, signed by `key`: subject CN and subjectAltName, nothing else. */
MU_CHECK int mu_csr_make(const struct mu_key *key, const struct mu_names *names,
                         struct mu_csr **ret, struct mu_error *err);

/* A request for a CA that is to be: `name` as its CN, and that it asks to be a CA. Fails as mu_names_set_cn() does. */
MU_CHECK int mu_csr_make_ca(const struct mu_key *key, const char *name, struct mu_csr **ret,
                            struct mu_error *err);

/* The same for a CA that has a certificate already, with its whole subject. */
MU_CHECK int mu_csr_make_like(const struct mu_key *key, const struct mu_cert *cert,
                              struct mu_csr **ret, struct mu_error *err);

/* The one request in `path` (PEM or DER, "-" for standard input). Fails as mu_key_load() does. */
MU_CHECK int mu_csr_load(const char *path, struct mu_csr **ret, struct mu_error *err);

/* Is the request signed by the key it carries? Fails with MU_E_CSR_SIGNATURE. */
MU_CHECK int mu_csr_verify(const struct mu_csr *csr, struct mu_error *err);

/* The same, and that key, given. Fails as mu_csr_key() does, too. */
MU_CHECK int mu_csr_verified_key(const struct mu_csr *csr, struct mu_key **ret,
                                 struct mu_error *err);

/* Does it ask for the certificate of a CA? [RFC 5280 4.2.1.9] */
bool mu_csr_asks_for_ca(const struct mu_csr *csr);

/* Its names: CN and SANs. Names of kinds that we do not issue (otherName, directoryName, ...), and bytes
 * that cannot stand in such a name (NUL, control characters), fail with MU_E_NAME: never dropped in silence. */
MU_CHECK int mu_csr_names(const struct mu_csr *csr, struct mu_names *ret, struct mu_error *err);

/* The subject as people name it: CN, else the whole subject; printable. "" when there is none. Returns `ret`. */
char *mu_csr_label(const struct mu_csr *csr, char ret[MU_CERT_LABEL_LEN]);

/* Its public key, given. Fails with MU_E_DAMAGED when there is none that can be read. */
MU_CHECK int mu_csr_key(const struct mu_csr *csr, struct mu_key **ret, struct mu_error *err);

void mu_csr_to_pem(const struct mu_csr *csr, struct mu_buf *ret);

/* For pki: wrap (takes, even on failure) and look inside (borrowed). */
MU_CHECK int mu_csr_wrap(X509_REQ *req, struct mu_csr **ret, struct mu_error *err);
X509_REQ *mu_csr_decode(const unsigned char **p, long len); /* as d2i_X509_REQ(), without its key */
X509_REQ *mu_csr_x509(const struct mu_csr *csr);

#endif
