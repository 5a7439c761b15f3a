#ifndef MU_PKI_CERT_H
#define MU_PKI_CERT_H

/* Certificates, and lists of them: a chain is a list with the leaf first. [RFC 5280] */

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"
#include "pki/key.h"

struct mu_cert; /* immutable; shared by counting */

struct mu_cert *mu_cert_ref(struct mu_cert *cert);
void mu_cert_free(struct mu_cert *cert);
MU_AUTO_DEFINE_STRUCT(mu_cert, mu_cert_free)

/* All zero is an empty list. The list holds a count on each. */
struct mu_certs {
    struct mu_cert **at;
    size_t count;
};

/* Takes `cert`, even on failure. Fails with MU_E_NOMEM. */
MU_CHECK int mu_certs_add(struct mu_certs *list, struct mu_cert *cert, struct mu_error *err);
/* Those of `more` that are not in it yet; NULL: none. Fails with MU_E_NOMEM. */
MU_CHECK int mu_certs_add_new(struct mu_certs *list, const struct mu_certs *more,
                              struct mu_error *err);
void mu_certs_clear(struct mu_certs *list);

/* Is this very certificate among them? */
bool mu_certs_hold(const struct mu_certs *list, const struct mu_cert *cert);
MU_AUTO_DEFINE_CLEAR(mu_certs, mu_certs_clear)

/*
 * Add every certificate in `path` ("-": standard input) to `ret`, in the file's order: PEM, DER or
 * PKCS#12 (for which `source` may be asked for a passphrase; NULL: none). Other things in the file are
 * passed over. Fails as mu_key_load() does; MU_E_WRONG_KIND when there is no certificate in it.
 */
MU_CHECK int mu_certs_load(const char *path, const struct mu_passphrase_source *source,
                           struct mu_certs *ret, struct mu_error *err);

/* The same for a file of CAs. Fails with MU_E_CA_UNFIT, too, when it holds no certificate that could be a CA's. */
MU_CHECK int mu_cas_load(const char *path, const struct mu_passphrase_source *source,
                         struct mu_certs *ret, struct mu_error *err);

/* The same from what has been read already, of which `name` is the name. */
struct mu_objects;
MU_CHECK int mu_certs_pick(const char *name, struct mu_objects *objects,
                           const struct mu_passphrase_source *source, struct mu_certs *ret,
                           struct mu_error *err);

/*
 * Add `leaf`, and after it each issuer in turn, as far as `pool` has them: the issuer by name, by key identifier and
 * by its signature. A root, which is signed by its own key, is left out unless `with_root`.
 */
MU_CHECK int mu_certs_add_chain(struct mu_cert *leaf, const struct mu_certs *pool, bool with_root,
                                struct mu_certs *ret, struct mu_error *err);

/* Does a CA's certificate come first though a leaf follows? Programs take the first one for the leaf. */
bool mu_certs_misordered(const struct mu_certs *list);

/* The first certificate of a file, alone. */
MU_CHECK int mu_cert_load(const char *path, struct mu_cert **ret, struct mu_error *err);

/* One certificate from bytes, PEM or DER; `name` is for errors. Fails with MU_E_EMPTY, MU_E_DAMAGED, MU_E_WRONG_KIND. */
MU_CHECK int mu_cert_parse(const char *name, const void *data, size_t len, struct mu_cert **ret,
                           struct mu_error *err);

/* The same from DER alone, three times as fast: its key is not looked at, so that it is of no use but to be read. Fails with
 * MU_E_DAMAGED. */
MU_CHECK int mu_cert_decode(const void *data, size_t len, struct mu_cert **ret,
                            struct mu_error *err);

/* Append it as PEM, as DER. Failure shows in mu_buf_failed(). */
void mu_cert_to_pem(const struct mu_cert *cert, struct mu_buf *ret);
void mu_certs_to_pem(const struct mu_certs *list, struct mu_buf *ret);
void mu_cert_to_der(const struct mu_cert *cert, struct mu_buf *ret);

/* What other code asks most; mu_cert_info (info.h) has all the rest. */
time_t mu_cert_not_before(const struct mu_cert *cert);
time_t mu_cert_not_after(const struct mu_cert *cert);
bool mu_cert_is_ca(const struct mu_cert *cert); /* basicConstraints says CA:TRUE, or a v1 root */
void mu_cert_sha256(const struct mu_cert *cert, unsigned char ret[32]);

/* The same in upper-case hexadecimal, as the records have it; and of its public key alone. Return `ret`. */
char *mu_cert_fingerprint(const struct mu_cert *cert, char ret[MU_SHA256_LEN]);
char *mu_cert_key_sha256(const struct mu_cert *cert, char ret[MU_SHA256_LEN]);

/* Does it name `issuer` as its issuer, and does that one's key verify it? */
bool mu_cert_is_signed_by(const struct mu_cert *cert, const struct mu_cert *issuer);

/* Does it name `issuer` as its issuer, whichever key signed it? */
bool mu_cert_names_issuer(const struct mu_cert *cert, const struct mu_cert *issuer);
/* The same, and the key identifier that it names, if it does, is that of this issuer. */
bool mu_cert_names_issuer_key(const struct mu_cert *cert, const struct mu_cert *issuer);

/* Have both the same subject? The same issuer? And the same public key? */
bool mu_cert_same_subject(const struct mu_cert *a, const struct mu_cert *b);
bool mu_cert_same_issuer(const struct mu_cert *a, const struct mu_cert *b);
bool mu_cert_same_key(const struct mu_cert *a, const struct mu_cert *b);

/* Its public key, given. Fails with MU_E_DAMAGED when there is none that can be read. */
MU_CHECK int mu_cert_key(const struct mu_cert *cert, struct mu_key **ret, struct mu_error *err);

/* The subject as people name it: CN, else the first SAN, else the whole subject; printable. Returns `ret`. */
#define MU_CERT_LABEL_LEN 256
char *mu_cert_label(const struct mu_cert *cert, char ret[MU_CERT_LABEL_LEN]);

/* For pki: the same for a name alone, such as an issuer's; and its CN, false when it has none. */
char *mu_name_label(const X509_NAME *name, char ret[MU_CERT_LABEL_LEN]);
bool mu_name_cn(const X509_NAME *name, char ret[MU_CERT_LABEL_LEN]);

/* Fails with MU_E_KEY_MISMATCH, naming both, unless `key` is the private half of `cert`'s key. */
MU_CHECK int mu_cert_match_key(const struct mu_cert *cert, const struct mu_key *key,
                               const char *cert_path, const char *key_path, struct mu_error *err);

/* For pki and tls: wrap (takes `x`, even on failure), and look inside (borrowed). */
MU_CHECK int mu_cert_wrap(X509 *x, struct mu_cert **ret, struct mu_error *err);
X509 *mu_cert_x509(const struct mu_cert *cert);

#endif
