#ifndef MU_PKI_CONSTRAINT_H
#define MU_PKI_CONSTRAINT_H

/*
 * Name constraints: for which names a CA, and all CAs below it, may issue. Of a kind of names of which none is
 * permitted by name, all are permitted that are not excluded. [RFC 5280 4.2.1.10]
 */

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"
#include "pki/cert.h"
#include "pki/name.h"

/* All zero is "no constraints". */
struct mu_constraints {
    struct mu_constraint *at;
    size_t count;
};
void mu_constraints_clear(struct mu_constraints *constraints);
MU_AUTO_DEFINE_CLEAR(mu_constraints, mu_constraints_clear)

/*
 * Permit or exclude KIND:VALUE:
 *   DNS:example.com         that name and everything below it
 *   IP:10.0.0.0/8           a block of addresses, or one
 *   email:a@example.com     one mailbox; email:example.com all of that host, email:.example.com of all hosts below
 *   URI:example.com         URIs with that host; URI:.example.com with all hosts below
 * Without KIND: an IP address or block, one with @ an e-mail address, else a DNS name. A second time changes nothing.
 * Fails with MU_E_NAME, saying what is wrong with this one.
 */
MU_CHECK int mu_constraints_add(struct mu_constraints *constraints, bool excluded, const char *text,
                                struct mu_error *err);

/* The first DNS name that is permitted, as a name to show in an example; NULL: none is. Borrowed. */
const char *mu_constraints_example(const struct mu_constraints *constraints);

/* Does it say anything about names of this kind? If not, all of them are permitted. */
bool mu_constraints_concern(const struct mu_constraints *constraints, enum mu_san_kind kind);

/* For pki: add them to `x` as a critical extension. */
MU_CHECK int mu_constraints_to_x509(const struct mu_constraints *constraints, X509 *x,
                                    struct mu_error *err);

/*
 * For pki: can these constraints be applied to this URI? If they are about hosts, it has to name one, plainly. OpenSSL
 * looks for a host behind "://" and before the next ":" or "/", whatever stands there: in https://evil.example?.example.com
 * it finds one of example.com, and in https://a@vip.example.com one that nobody has excluded.
 */
bool mu_constraints_fit_uri(const NAME_CONSTRAINTS *constraints, const ASN1_IA5STRING *uri);

/*
 * For pki: may `ca` issue for this subject and these names (NULL: none)? Judged by OpenSSL, as its verifiers do: where
 * there is no DNS name among `san`, a common name that looks like one counts. `above` (NULL: none) may hold
 * certificates of CAs above `ca`, in any order: the constraints of those count too.
 * Fails with MU_E_CONSTRAINT, naming the CA, the name and the constraint; MU_E_CA_UNFIT when the constraints cannot be
 * read.
 */
MU_CHECK int mu_constraints_check(const struct mu_cert *ca, const struct mu_certs *above,
                                  const X509_NAME *subject, const GENERAL_NAMES *san,
                                  struct mu_error *err);

#endif
