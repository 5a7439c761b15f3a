#ifndef MU_PKI_NAME_H
#define MU_PKI_NAME_H

/*
 * The names that a certificate is for: a common name, and subject alternative names whose kind is guessed
 * from the text. [RFC 5280 4.2.1.6, RFC 6125, RFC 9525]
 */

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/macros.h"
#include "pki/cert.h"

/* RFC 5280 appendix A: ub-common-name. */
#define MU_CN_MAX 64

enum mu_san_kind { MU_SAN_DNS, MU_SAN_IP, MU_SAN_URI, MU_SAN_EMAIL };

struct mu_san {
    enum mu_san_kind kind;
    char *value; /* DNS in lower case; IP in its shortest text form */
};

/* All zero is "no names". */
struct mu_names {
    char *cn; /* NULL: none */
    struct mu_san *san;
    size_t count;
};
void mu_names_clear(struct mu_names *names);
MU_AUTO_DEFINE_CLEAR(mu_names, mu_names_clear)

/* "DNS", "IP", "URI", "email": as openssl prints them. */
const char *mu_san_kind_name(enum mu_san_kind kind);

/*
 * Add one alternative name; a second time changes nothing. Guessed: an IP address (brackets around IPv6
 * allowed), scheme:// or urn:/spiffe: a URI, one @ an e-mail address, else a DNS name (a wildcard only as
 * the whole first label). "DNS:", "IP:", "URI:", "email:" in front say it outright. Names that are not ASCII
 * are refused with the advice to write their A-label (xn--...).
 * Fails with MU_E_NAME, saying what is wrong with this one.
 */
MU_CHECK int mu_names_add(struct mu_names *names, const char *text, struct mu_error *err);

/*
 * The main NAME of a certificate: added as above, and CN if it is a DNS name, IP address or e-mail address
 * of at most MU_CN_MAX characters. With `free_text` (client certificates), text that is none of these, such
 * as "Alice Example", becomes the CN alone; UTF-8 is welcome, control characters are not.
 */
MU_CHECK int mu_names_set_main(struct mu_names *names, const char *text, bool free_text,
                               struct mu_error *err);

/* Free text as the CN, and nothing else: a CA's name, a person's. Fails with MU_E_NAME. */
MU_CHECK int mu_names_set_cn(struct mu_names *names, const char *text, struct mu_error *err);

/* What people call the holder: the CN, else the first alternative name; "" without any. Borrowed. */
const char *mu_names_main(const struct mu_names *names);

/* "localhost" brings 127.0.0.1 and ::1 along. */
MU_CHECK int mu_names_add_loopback(struct mu_names *names, struct mu_error *err);

/* For pki: is this text, of a name in a certificate, a DNS name (a wildcard only as the whole first label), an
 * e-mail address (local-part@domain), a URI (absolute; with a host, if it has an authority)? */
bool mu_name_is_dns(const char *text);
bool mu_name_is_email(const char *text);
bool mu_name_is_uri(const char *text);

/* For pki: a URI that has a DNS name for its host, and says so in the one way that nobody reads otherwise:
 * scheme://HOST[:PORT], and then a "/" or nothing. */
bool mu_name_is_uri_of_host(const char *text);

/* Is a word in a CA's name by which people call those that stand below a root: "Example Issuing CA"? */
bool mu_name_sounds_intermediate(const char *name);

/* For pki: as a subject and as a subjectAltName; and back. `ret_san` is NULL when there are no SANs. */
MU_CHECK int mu_names_to_x509(const struct mu_names *names, X509_NAME **ret_subject,
                              GENERAL_NAMES **ret_san, struct mu_error *err);
MU_CHECK int mu_names_from_x509(const X509_NAME *subject, const GENERAL_NAMES *san,
                                struct mu_names *ret, struct mu_error *err);

/* The names of a certificate. Fails with MU_E_NAME where it has one of a kind that is not issued here. */
MU_CHECK int mu_names_from_cert(const struct mu_cert *cert, struct mu_names *ret,
                                struct mu_error *err);

#endif
