#ifndef MU_TLS_INTERNAL_H
#define MU_TLS_INTERNAL_H

/* Between the files of this room only. */

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/buf.h"
#include "pki/verify.h"
#include "tls/names.h"
#include "tls/session.h"

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
    struct mu_tls_caller *caller;
    size_t target; /* of the caller's */
};

/* NULL without memory. `ctx` is borrowed. */
struct mu_tls *mu_tls_make(SSL_CTX *ctx, struct mu_transport transport);

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

/*
 * Let the clients of this context be judged by its store, and remember whom it has found good. `crls` are those in the
 * store. False: no memory.
 */
bool mu_tls_judge_clients(SSL_CTX *ctx, const struct mu_crls *crls);

/* The client that has resumed a session is judged anew, by today's date. False: the refusal says why, or libssl's queue. */
bool mu_tls_rejudge_client(SSL *ssl);

/* libssl asks this before it looks at anything else that a client says: which door? */
int mu_tls_on_client_hello(SSL *ssl, int *ret_alert, void *arg);

#endif
