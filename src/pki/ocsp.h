#ifndef MU_PKI_OCSP_H
#define MU_PKI_OCSP_H

/*
 * Asking whether certificates are revoked, and answering: requests and answers as bytes. What is known of a
 * certificate, and what the time is, are arguments. [RFC 6960; RFC 5019 for answers that may be kept; RFC 9654 for
 * nonces]
 */

#include <openssl/ocsp.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "base/error.h"
#include "pki/cert.h"
#include "pki/info.h"
#include "pki/key.h"
#include "pki/reason.h"

/* A request is no longer than this, and asks for no more certificates: each costs a look at the records. */
#define MU_OCSP_REQUEST_LIMIT ((size_t)64 * 1024)
#define MU_OCSP_CERTS_MAX 256

#define MU_OCSP_NONCE_MAX 128 /* octets; there is at least one [RFC 9654 2.1] */
#define MU_OCSP_NONCE_TEXT_LEN (3 * MU_OCSP_NONCE_MAX + 1)

/* How a certificate is named: its issuer by hashes, and its serial number. [4.1.1] Text is printable. */
struct mu_ocsp_id {
    char serial[MU_SERIAL_TEXT_LEN];              /* upper-case hexadecimal, as in the records */
    char hash[32];                                /* "sha1", "sha256" */
    char issuer_name[3 * 64], issuer_key[3 * 64]; /* AB:CD:... */
};

/* --- Requests --- */

struct mu_ocsp_request; /* OpenSSL's under another name, as struct mu_cert is */

void mu_ocsp_request_free(struct mu_ocsp_request *request);
MU_AUTO_DEFINE_STRUCT(mu_ocsp_request, mu_ocsp_request_free)

/* A request for `certs`, all of them issued by `issuer`, with a nonce of 32 random octets if wanted. `hash` names the
 * issuer: "sha1", which every responder knows, or "sha256". Fails with MU_E_UNSUPPORTED, MU_E_CRYPTO. */
MU_CHECK int mu_ocsp_request_make(const struct mu_certs *certs, const struct mu_cert *issuer,
                                  const char *hash, bool nonce, struct mu_ocsp_request **ret,
                                  struct mu_error *err);

/*
 * The request in these bytes (DER), if a responder may answer it. Fails with MU_E_DAMAGED: it is no request, or has
 * something behind it; it asks for nothing, or too much; its nonce is empty, too long, or there twice; it has a
 * critical extension that is not known here.
 */
MU_CHECK int mu_ocsp_request_parse(const void *der, size_t len, struct mu_ocsp_request **ret,
                                   struct mu_error *err);
MU_CHECK int mu_ocsp_request_check(const struct mu_ocsp_request *request, struct mu_error *err);

void mu_ocsp_request_to_der(const struct mu_ocsp_request *request, struct mu_buf *ret);

size_t mu_ocsp_request_count(const struct mu_ocsp_request *request);
void mu_ocsp_request_id(const struct mu_ocsp_request *request, size_t i, struct mu_ocsp_id *ret);
bool mu_ocsp_request_is_signed(const struct mu_ocsp_request *request);
/* AB:CD:..., or "" when there is none. Returns `ret`. */
char *mu_ocsp_request_nonce(const struct mu_ocsp_request *request, char ret[MU_OCSP_NONCE_TEXT_LEN]);

/* All the ways in which a request may name one issuer. */
struct mu_ocsp_issuer;
MU_CHECK int mu_ocsp_issuer_new(const struct mu_cert *ca, struct mu_ocsp_issuer **ret,
                                struct mu_error *err);
void mu_ocsp_issuer_free(struct mu_ocsp_issuer *issuer);
bool mu_ocsp_request_is_for(const struct mu_ocsp_request *request, size_t i,
                            const struct mu_ocsp_issuer *issuer);

/* --- Answers --- */

/* What an answer as a whole says; only the first comes with states and a signature. [4.2.1] */
enum mu_ocsp_status {
    MU_OCSP_SUCCESSFUL = OCSP_RESPONSE_STATUS_SUCCESSFUL,
    MU_OCSP_MALFORMED = OCSP_RESPONSE_STATUS_MALFORMEDREQUEST,
    MU_OCSP_INTERNAL_ERROR = OCSP_RESPONSE_STATUS_INTERNALERROR,
    MU_OCSP_TRY_LATER = OCSP_RESPONSE_STATUS_TRYLATER,
    MU_OCSP_UNAUTHORIZED = OCSP_RESPONSE_STATUS_UNAUTHORIZED,
};
const char *mu_ocsp_status_name(int status); /* "malformedRequest". Never NULL. */

enum mu_ocsp_state { MU_OCSP_GOOD, MU_OCSP_REVOKED, MU_OCSP_UNKNOWN };
const char *mu_ocsp_state_name(enum mu_ocsp_state state); /* "good" */

/* What is known of one certificate. */
struct mu_ocsp_single {
    enum mu_ocsp_state state;
    time_t revoked_at;
    enum mu_reason reason;
    time_t invalid_since; /* 0: not known */
};

struct mu_ocsp_answer {
    const struct mu_ocsp_request *request;
    const struct mu_ocsp_single *singles; /* one for each certificate of the request */
    time_t now, next_update;
    const struct mu_cert *signer; /* goes with the answer, which is by its key */
    const struct mu_key *key;
};

/* The signed answer in DER, with the request's nonce, appended. Fails with MU_E_CRYPTO. */
MU_CHECK int mu_ocsp_answer_make(const struct mu_ocsp_answer *answer, struct mu_buf *ret,
                                 struct mu_error *err);
/* The answer that says no more than why there is none. Failure shows in mu_buf_failed(). */
void mu_ocsp_refusal_make(enum mu_ocsp_status status, struct mu_buf *ret);

/* --- Reading answers --- */

struct mu_ocsp_response;

void mu_ocsp_response_free(struct mu_ocsp_response *response);
MU_AUTO_DEFINE_STRUCT(mu_ocsp_response, mu_ocsp_response_free)

struct mu_ocsp_response_info {
    int status;          /* mu_ocsp_status; what follows is empty unless it is MU_OCSP_SUCCESSFUL */
    char responder[512]; /* its name, or "key AB:CD:..." */
    char signer[MU_CERT_LABEL_LEN]; /* of the certificate that comes with it, or "" */
    time_t signer_not_after;
    time_t produced_at;
    char nonce[MU_OCSP_NONCE_TEXT_LEN]; /* or "" */
    char signature[64];                 /* "ecdsa-with-SHA256" */
    size_t count;
};
void mu_ocsp_response_info(const struct mu_ocsp_response *response,
                           struct mu_ocsp_response_info *ret);

struct mu_ocsp_told { /* about one certificate */
    struct mu_ocsp_id id;
    struct mu_ocsp_single single;
    time_t this_update, next_update; /* next_update is 0 when there is none */
};
void mu_ocsp_response_told(const struct mu_ocsp_response *response, size_t i,
                           struct mu_ocsp_told *ret);

/*
 * Is the answer signed by one of `anchors`, or by whom one of them lets sign answers (`untrusted` may help to find the
 * way; NULL: none) at `now`; and if `request` is not NULL, does it carry that one's nonce, and tell
 * of all that it asks for? Fails with
 * MU_E_NOT_VERIFIED, saying why.
 */
MU_CHECK int mu_ocsp_response_verify(const struct mu_ocsp_response *response,
                                     const struct mu_certs *anchors,
                                     const struct mu_certs *untrusted,
                                     const struct mu_ocsp_request *request, time_t now,
                                     struct mu_error *err);

/* What it says of `cert`, issued by `issuer`. Fails with MU_E_NOT_FOUND when it says nothing. */
MU_CHECK int mu_ocsp_response_find(const struct mu_ocsp_response *response,
                                   const struct mu_cert *cert, const struct mu_cert *issuer,
                                   struct mu_ocsp_told *ret, struct mu_error *err);

/* Is it about `now`? Fails with MU_E_NOT_VERIFIED when it is out of date, or from the future. */
MU_CHECK int mu_ocsp_told_check(const struct mu_ocsp_told *told, time_t now, struct mu_error *err);

/* For pki: wrap (takes, even on failure), and look inside (borrowed). */
MU_CHECK int mu_ocsp_request_wrap(OCSP_REQUEST *x, struct mu_ocsp_request **ret,
                                  struct mu_error *err);
OCSP_REQUEST *mu_ocsp_request_ossl(const struct mu_ocsp_request *request);
MU_CHECK int mu_ocsp_response_wrap(OCSP_RESPONSE *x, struct mu_ocsp_response **ret,
                                   struct mu_error *err);
OCSP_RESPONSE *mu_ocsp_response_ossl(const struct mu_ocsp_response *response);
void mu_ocsp_id_read(const OCSP_CERTID *id, struct mu_ocsp_id *ret);
char *mu_ocsp_nonce_text(X509_EXTENSION *extension, char ret[MU_OCSP_NONCE_TEXT_LEN]); /* NULL: "" */

#endif
