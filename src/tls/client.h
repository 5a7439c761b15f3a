#ifndef MU_TLS_CLIENT_H
#define MU_TLS_CLIENT_H

/*
 * The client's side of TLS, attached to an SSL_CTX that somebody else (libcurl) drives: our trust, our
 * certificate, and an ear for everything that explains a failure afterwards.
 */

#include <stdbool.h>

#include "base/error.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "pki/verify.h"

struct mu_tls_client {
    /* What to use; borrowed. */
    const struct mu_certs *anchors;
    const struct mu_certs *chain; /* ours, leaf first; NULL: come without a certificate */
    const struct mu_key *key;
    const char *host; /* the name or address that the server's certificate must have; NULL: any */
    bool only_look;   /* accept every server: to see what it presents, never to talk to it */

    /* What happened. Clear it afterwards. */
    struct mu_certs presented; /* the server's chain as it was sent, leaf first */
    struct mu_verdict verdict; /* on that chain */
    bool asked;                /* the server asked for a client certificate */
    bool finished;             /* the handshake was over, as this side saw it */
    int alert;                 /* the number of a fatal alert from the server; -1: none came */
    char version[16];          /* "TLSv1.3" once that is known */
};

#define MU_TLS_CLIENT_INIT {.alert = -1}

/* `ssl_ctx` is the SSL_CTX; it borrows `client` for its whole life. Fails with MU_E_TLS. */
MU_CHECK int mu_tls_client_attach(struct mu_tls_client *client, void *ssl_ctx, struct mu_error *err);
void mu_tls_client_clear(struct mu_tls_client *client);
MU_AUTO_DEFINE_CLEAR(mu_tls_client, mu_tls_client_clear)

#endif
