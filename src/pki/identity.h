#ifndef MU_PKI_IDENTITY_H
#define MU_PKI_IDENTITY_H

/*
 * Who a certificate says that its holder is: what rules are matched with, and what backends are told. It is only worth
 * something once the certificate has been verified; here it is read, and nothing is judged.
 *
 * What stands in a certificate is what a CA was brought to sign. A name is taken only if it can mean one thing: no NUL and
 * no control character in it, ASCII in alternative names, UTF-8 in a subject, well-formed for its kind, not too long; CN
 * only if there is one of them; at most MU_IDENTITY_NAMES_MAX in all. One that is not taken is as good as absent, and
 * counted in `unclear`, so that whoever is kept out by name does not come in because that name could not be read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/str.h"
#include "pki/cert.h"
#include "pki/info.h"

enum { MU_IDENTITY_NAMES_MAX = 64, MU_IDENTITY_TEXT_MAX = 2048 };

struct mu_identity {
    char *subject,
        *issuer; /* RFC 4514: "CN=api,O=Example"; ASCII, others as \C3\A9. "" when it is too long */
    char *issuer_cn;       /* "" when there is none */
    struct mu_strs cn, ou; /* of the subject: UTF-8, printable; `cn` has one at most */
    struct mu_strs dns;    /* lower case */
    struct mu_strs uri; /* as they stand there; spiffe: only as the SPIFFE specifications have it */
    struct mu_strs email;                     /* the host in lower case */
    struct mu_strs ip;                        /* the shortest text */
    char serial[MU_SERIAL_TEXT_LEN];          /* upper-case hexadecimal */
    unsigned char sha256[32], key_sha256[32]; /* of the certificate, of its public key (SPKI) */
    time_t not_before, not_after;
    size_t unclear; /* names that are there and were not taken, but for those that came twice */
};

/* Pure. Given: free it with mu_identity_free(). Fails with MU_E_NOMEM. */
MU_CHECK int mu_identity_read(const struct mu_cert *cert, struct mu_identity **ret,
                              struct mu_error *err);
void mu_identity_free(struct mu_identity *identity);
MU_AUTO_DEFINE_STRUCT(mu_identity, mu_identity_free)

/*
 * The same, read when it is first asked for and kept with the certificate: all connections of a client whose chain is
 * remembered (tls/remembered.h) share it. Borrowed from the certificate, which is borrowed; NULL without memory, and for
 * NULL. Only for the thread whose connections have the certificate; others use mu_identity_read().
 */
const struct mu_identity *mu_identity_of(const struct mu_cert *cert);

/* "uri=spiffe://example.org/web, dns=web.example.org, cn=web", as rules name it and as much as fits, for people; "nobody"
 * for NULL. Printable. Returns `ret`. */
char *mu_identity_text(const struct mu_identity *identity, char *ret, size_t cap);

/* A SHA-256 in base64url without padding: of a certificate, that is x5t#S256. [RFC 8705 3.1, RFC 7515 2] Returns `ret`. */
enum { MU_THUMBPRINT_LEN = 48 };
char *mu_thumbprint(const unsigned char sha256[32], char ret[MU_THUMBPRINT_LEN]);

/*
 * "spiffe://trust-domain/path": a lower-case scheme; a trust domain of lower-case letters, digits, dots, hyphens and
 * underscores; segments of letters, digits and these, none empty, "." or ".."; nothing else, and at most 2048 bytes.
 * [SPIFFE-ID 2] `ret_path` (may be NULL) gets what follows the trust domain, "" when there is nothing.
 */
bool mu_name_is_spiffe(const char *text, const char **ret_path);

#endif
