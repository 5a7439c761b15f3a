#ifndef MU_TLS_INTERNAL_H
#define MU_TLS_INTERNAL_H

/* Between the files of this room only. */

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/buf.h"
#include "pki/verify.h"
#include "tls/lists.h"
#include "tls/names.h"
#include "tls/remembered.h"
#include "tls/session.h"
#include "tls/sessions.h"
#include "tls/vetted.h"

/* One connection: the server's side, or, if there is a `caller`, the client's. */
struct mu_tls {
    SSL *ssl;
    struct mu_transport transport;
    struct mu_buf out; /* written by libssl, not yet by us */
    bool closing;      /* the goodbye is gathered, however much there is before it */
    bool broken;       /* the transport failed: nothing more goes out */
    int why;           /* errno of the transport's failure; 0: none */
    bool ended;        /* the transport will give no more */
    bool failed; /* libssl failed: it has said its alert, and must not be asked to say goodbye */
    unsigned char first[8];
    size_t first_len;
    struct mu_refusal refusal;
    const struct mu_tls_names *names; /* NULL on the client's side */
    const void *door;
    char *asked;                      /* the name that the client has asked for; NULL: none */
    struct mu_vetted *vetted;         /* the client, if it has shown its certificate */
    struct mu_tls_sessions *sessions; /* NULL: none are kept */
    struct mu_vetted *of_session;     /* the client, if it comes with a session */
    time_t proven;                    /* likewise: when it last showed its certificate */
    struct mu_tls_caller *caller;
    size_t target; /* of the caller's */
};

/* NULL without memory. `ctx` is borrowed. */
struct mu_tls *mu_tls_make(SSL_CTX *ctx, struct mu_transport transport);

/* The cipher suites of TLS 1.2 that a door takes. */
extern const char mu_tls_door_ciphers[];

/* What both sides have in common. False: libssl's queue tells. */
bool mu_tls_set_common(SSL_CTX *ctx);

/* Certificate, chain and key of a client. Fails with MU_E_TLS. */
MU_CHECK int mu_tls_use_client_certificate(SSL_CTX *ctx, const struct mu_certs *chain,
                                           const struct mu_key *key, struct mu_error *err);

/*
 * Judge the chain that a server has sent, leaf first; NULL: it has sent none. `host` NULL: any name. `ret_presented` gets the
 * chain. False: there is nothing to judge, or no memory.
 */
bool mu_tls_judge_server(STACK_OF(X509) * sent, const struct mu_certs *anchors, const char *host,
                         struct mu_certs *ret_presented, struct mu_verdict *ret);

/* The server that has resumed a session is judged anew, by today's date. False: the refusal says why. */
bool mu_tls_rejudge_server(struct mu_tls *tls);
/* The handshake is over. */
void mu_tls_called(struct mu_tls *tls);

/* What a chain was built to, as a SHA-256 of all the anchors there were. */
struct mu_anchored {
    unsigned char sha256[32];
};

/* In one thread. */
struct mu_vetted {
    unsigned users;
    struct mu_presented presented;
    X509 *leaf;
    unsigned char sha256[32]; /* of it */
    STACK_OF(X509) * sent;    /* as it was presented, leaf first */
    STACK_OF(X509) * chain;   /* as it was built, the anchor last */
    struct mu_anchored anchored;
    time_t from, until; /* when it was built, and when its first certificate ends */
    uint64_t good_in; /* the epoch of the context that was the last to find it good, and for how long that holds */
    time_t good_from, good_until;
};

/* One user; nothing but these two is known of it yet. NULL without memory. */
struct mu_vetted *mu_vetted_new(const struct mu_presented *presented, X509 *leaf);
/* Another one, for another thread, with one user; the certificates are the same. NULL: of nobody, or without memory. */
struct mu_vetted *mu_vetted_copy(const struct mu_vetted *vetted);

/* Those of this issuer, each with a reference more; NULL: there are none. */
STACK_OF(X509_CRL) * mu_tls_lists_of(const struct mu_tls_lists *lists, const X509_NAME *issuer);
/* May this list, which libcrypto has chosen for the certificate in question, be gone by? As X509_STORE_CTX_check_crl_fn. */
int mu_tls_lists_check(struct mu_tls_lists *lists, X509_STORE_CTX *ctx, X509_CRL *crl,
                       X509_STORE_CTX_check_crl_fn by_libcrypto);
/* Is it all the same, since somebody has chosen so, that a list is out of date or missing? */
bool mu_tls_lists_forgive(const struct mu_tls_lists *lists, int error, const X509_CRL *crl,
                          time_t now);
/* When the first of those that count now does so no more; 0: none ends. */
time_t mu_tls_lists_until(const struct mu_tls_lists *lists, time_t now);
bool mu_tls_lists_any(const struct mu_tls_lists *lists);
/* Is there anywhere that a list which lacks may yet come from? */
bool mu_tls_lists_may_come(const struct mu_tls_lists *lists);
/* Tell where lists come from, if that is anywhere. */
void mu_tls_lists_meet(const struct mu_tls_lists *lists, STACK_OF(X509) * chain,
                       char ret_why[MU_ERROR_CAUSE_LEN]);

/* Let the clients of this context be judged by its store and the door's lists, and remember whom it has found good. False:
 * no memory. */
bool mu_tls_judge_clients(SSL_CTX *ctx, const struct mu_tls_door *door);

/* sessions.c: libssl asks for one, and hands over a new one. */
SSL_SESSION *mu_tls_on_session_wanted(SSL *ssl, const unsigned char *id, int len, int *ret_copy);
int mu_tls_on_session_made(SSL *ssl, SSL_SESSION *session);
/* For how long clients of this context may come back without showing their certificates again, in seconds. */
time_t mu_tls_session_age(const SSL_CTX *ctx);

/* Must each client of this context have a certificate? And is one that is turned away to hear why? */
bool mu_tls_requires_clients(const SSL_CTX *ctx);
bool mu_tls_explains(const SSL_CTX *ctx);

/* libssl asks this before it looks at anything else that a client says: which door? */
int mu_tls_on_client_hello(SSL *ssl, int *ret_alert, void *arg);

#endif
