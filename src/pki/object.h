#ifndef MU_PKI_OBJECT_H
#define MU_PKI_OBJECT_H

/*
 * What is in these bytes? Recognises, by content and never by file name, everything that people keep in
 * certificate files: PEM (several blocks, text around them), DER, and the PKCS#11 URI of a key that is elsewhere. The one door through which foreign
 * bytes become certificates, keys, requests and CRLs, so the one that is fuzzed hardest. [RFC 7468]
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/secret.h"
#include "pki/cert.h"
#include "pki/crl.h"
#include "pki/csr.h"
#include "pki/key.h"
#include "pki/ocsp.h"

enum mu_object_kind {
    MU_OBJECT_CERT,
    MU_OBJECT_CSR,
    MU_OBJECT_KEY,           /* a private key, readable */
    MU_OBJECT_ENCRYPTED_KEY, /* a private key that a passphrase protects: see mu_object_decrypt() */
    MU_OBJECT_TOKEN_KEY, /* the PKCS#11 URI of a private key in a token: see mu_object_decrypt() */
    MU_OBJECT_PUBLIC_KEY,
    MU_OBJECT_CRL,
    MU_OBJECT_OCSP_REQUEST,
    MU_OBJECT_OCSP_RESPONSE,
    MU_OBJECT_PKCS12, /* opened by mu_object_decrypt() too */
    MU_OBJECT_OTHER,  /* a PEM block of another kind; `label` says which */
};

struct mu_object {
    enum mu_object_kind kind;
    bool pem;             /* else DER */
    char label[64];       /* the PEM label, printable; "" for DER */
    int line;             /* where the PEM block begins, from 1; 0 for DER */
    struct mu_cert *cert; /* the one that fits the kind; the others are NULL */
    struct mu_csr *csr;
    struct mu_key *
        key; /* KEY: with its private half; PUBLIC_KEY: without; TOKEN_KEY: NULL until it is opened */
    struct mu_crl *crl;
    struct mu_ocsp_request *ocsp_request;
    struct mu_ocsp_response *ocsp_response;
    unsigned char
        *raw; /* ENCRYPTED_KEY, TOKEN_KEY (a text) and PKCS12: what mu_object_decrypt() works on */
    size_t raw_len;
    bool opened; /* PKCS12: what was in it stands at the end of the list */
};

struct mu_objects {
    struct mu_object *at;
    size_t count;
};
void mu_objects_clear(struct mu_objects *objects);
MU_AUTO_DEFINE_CLEAR(mu_objects, mu_objects_clear)

/* Takes what `object` points to, even on failure. Fails with MU_E_NOMEM. */
MU_CHECK int mu_objects_add(struct mu_objects *objects, const struct mu_object *object,
                            struct mu_error *err);

/* "a certificate", "a certificate request", "an encrypted private key" ... */
const char *mu_object_kind_name(enum mu_object_kind kind);

/* Fail with MU_E_WRONG_KIND: there is no `wanted` ("private key") among what `name` holds. */
int mu_objects_fail_without(const char *name, const struct mu_objects *objects, const char *wanted,
                            struct mu_error *err);

/*
 * Recognise everything in `data`. `name` (a path) is for errors. Adds to `ret`, which keeps what was
 * understood even on failure. Fails with MU_E_EMPTY, MU_E_DAMAGED (a block is cut off or does not decode:
 * says which and where), MU_E_WRONG_KIND (nothing in it is of any kind known here; the sentence says what
 * it looks like instead: text, HTML, UTF-16, a Java keystore, an SSH key, ...), MU_E_NOMEM.
 */
MU_CHECK int mu_objects_parse(const char *name, const void *data, size_t len,
                              struct mu_objects *ret, struct mu_error *err);

/* The same for a file, "-" being standard input, or for a PKCS#11 URI itself, which is not opened yet.
 * Fails with MU_E_NOT_FOUND, MU_E_IO, MU_E_TOO_LARGE too. */
MU_CHECK int mu_objects_load(const char *path, struct mu_objects *ret, struct mu_error *err);

/*
 * Open an ENCRYPTED_KEY, TOKEN_KEY or PKCS12 with a passphrase from `source`: an empty one is tried first for
 * PKCS#12. The first turns into a KEY; the second gets its key; from the third, its key and certificates are added
 * behind it in `objects` (index `i` stays what it was). A container that is open is not asked for again. Fails with
 * MU_E_PASSPHRASE_NEEDED, MU_E_PASSPHRASE_WRONG, MU_E_DAMAGED, MU_E_UNSUPPORTED (an algorithm of
 * old, such as RC2, or one that came after this libcrypto; says what to do), and as mu_token_key_open() does.
 */
MU_CHECK int mu_object_decrypt(const char *name, struct mu_objects *objects, size_t i,
                               const struct mu_passphrase_source *source, struct mu_error *err);

/*
 * The full text that `openssl x509 -text` and its like print, appended: of a key only the public half, and
 * nothing of what is still locked. Lines are OpenSSL's own; control characters in foreign names show as '?'.
 */
void mu_object_text(const struct mu_object *object, struct mu_buf *ret);

#endif
