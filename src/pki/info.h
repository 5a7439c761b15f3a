#ifndef MU_PKI_INFO_H
#define MU_PKI_INFO_H

/* Everything about one certificate that a person or a policy asks for, as plain fields of printable text. */

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/str.h"
#include "pki/cert.h"

#define MU_SERIAL_TEXT_LEN 128

struct mu_cert_info {
    int version;                     /* 1 or 3 */
    char subject[512], issuer[512];  /* in the order of the encoding: "O=Example, CN=api" */
    char cn[MU_CERT_LABEL_LEN];      /* "" when there is none */
    char serial[MU_SERIAL_TEXT_LEN]; /* upper-case hexadecimal, as openssl prints it */
    time_t not_before, not_after;
    bool self_issued, self_signed; /* subject equals issuer; and its own key verifies it */
    bool is_ca, has_basic_constraints, basic_constraints_critical;
    int path_length; /* -1: none given */
    bool server_auth, client_auth, any_purpose, has_eku;
    struct mu_strs purposes; /* extKeyUsage: "TLS server", "TLS client", "code signing", or an OID */
    struct mu_strs key_usage;         /* "digital signature", "certificate signing" ... */
    struct mu_strs san;               /* "DNS:localhost", "IP:127.0.0.1", "URI:...", "email:..." */
    char key[MU_KEY_DESCRIPTION_LEN]; /* "EC P-256" */
    char signature[64];               /* "ecdsa-with-SHA256" */
    char sha256[96], sha1[64];        /* fingerprints: AB:CD:... */
    char key_sha256[96];              /* of the SubjectPublicKeyInfo */
    char subject_key_id[96], authority_key_id[96]; /* AB:CD:..., or "" */
    struct mu_strs crl_urls, ocsp_urls;
    struct mu_strs permitted, excluded; /* nameConstraints: "DNS:example.com", "IP:10.0.0.0/8" */
    struct mu_strs extensions;  /* those that no field here tells of: "1.2.3.4 (critical): text" */
    struct mu_strs problems;    /* what is wrong with it, as sentences, worst first */
    struct mu_strs problem_ids; /* the same, as stable ids: "server_no_san", "cert_is_v1", ... */
};

/* `now` judges dates. Clear `ret` afterwards, even on failure. Fails with MU_E_NOMEM. */
MU_CHECK int mu_cert_info_read(const struct mu_cert *cert, time_t now, struct mu_cert_info *ret,
                               struct mu_error *err);
void mu_cert_info_clear(struct mu_cert_info *info);
MU_AUTO_DEFINE_CLEAR(mu_cert_info, mu_cert_info_clear)

/* The serial number alone, as it stands in `serial`. Returns `ret`. */
char *mu_cert_serial(const struct mu_cert *cert, char ret[MU_SERIAL_TEXT_LEN]);

/* "AB:CD:EF" of as many octets as fit. Returns `ret`. */
char *mu_fingerprint_text(const unsigned char *data, size_t len, char *ret, size_t cap);

/* For pki: the part of mu_cert_info_read() that judges what it has read. Returns 0, or -1 without memory. */
MU_CHECK int mu_cert_find_problems(const struct mu_cert *cert, time_t now,
                                   struct mu_cert_info *info);

/* For pki: printable text of OpenSSL's types. A name is "O=Example, CN=api"; a number is upper-case
 * hexadecimal, "" for NULL; `nid` of a signature is NID_undef where OpenSSL does not know it. */
void mu_name_text(const X509_NAME *name, char *ret, size_t cap);
void mu_general_name_text(const GENERAL_NAME *name, char *ret, size_t cap); /* "DNS:localhost" */
void mu_integer_text(const ASN1_INTEGER *number, char *ret, size_t cap);
void mu_signature_text(int nid, const X509_ALGOR *algorithm, char *ret, size_t cap);

#endif
