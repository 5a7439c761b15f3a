#ifndef MU_TLS_HEAR_H
#define MU_TLS_HEAR_H

/*
 * A server that hears a client out, to tell what it offers and presents: it lets every certificate pass, and judges
 * nothing. It serves nothing, either. What it takes and offers itself is what a front door does. Transports may block.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "tls/transport.h"

/* The same for all clients; borrowed until mu_tls_ear_new() returns. */
struct mu_tls_hearing {
    const struct mu_certs *chain; /* what is presented, leaf first */
    const struct mu_key *key;
    const struct mu_certs *anchors; /* the list of CAs that clients are sent */
};

/* What was heard. Lists are in the client's order, printable, and cut off where they are long. */
struct mu_tls_heard {
    bool hello;      /* a ClientHello has come */
    bool new_enough; /* it offers TLS 1.2 or 1.3 */
    char server_name[256], alpn[128], versions[64], groups[256], schemes[512], ciphers[512];
    size_t cipher_count;
    bool protocol_fits;        /* it offers http/1.1, or no protocols at all */
    bool unlisted;             /* it was asked for a certificate without a list of CAs */
    struct mu_certs presented; /* its chain as it was sent, leaf first */
    bool finished;             /* and its signature with the certificate's key was good */
    bool asked;                /* a request came, or whatever the client had to say */
    char version[16], cipher[64];
    int alert; /* the number of a fatal alert from the client; -1: none came */
    bool timed_out, reset, ended, closed; /* silent, torn down, gone; gone with a goodbye */
    char words[MU_ERROR_CAUSE_LEN];       /* libssl's own, or errno's, or "" */
    int reason;                           /* libssl's number for it; 0: none */
};
void mu_tls_heard_clear(struct mu_tls_heard *heard);
MU_AUTO_DEFINE_CLEAR(mu_tls_heard, mu_tls_heard_clear)

struct mu_tls_ear;

/* Shared by all connections and threads. Fails with MU_E_TLS, MU_E_NOMEM. */
MU_CHECK int mu_tls_ear_new(const struct mu_tls_hearing *how, struct mu_tls_ear **ret,
                            struct mu_error *err);
void mu_tls_ear_free(struct mu_tls_ear *ear);
MU_AUTO_DEFINE_STRUCT(mu_tls_ear, mu_tls_ear_free)

/*
 * Hear one client: shake hands, read what it says first, and send it `answer` for that, which is made when all else is
 * known. `on_request` appends it. Fails with MU_E_NOMEM.
 */
struct mu_buf;
MU_CHECK int mu_tls_hear(struct mu_tls_ear *ear, struct mu_transport transport, bool unlisted,
                         void (*on_request)(void *arg, const struct mu_tls_heard *heard,
                                            struct mu_buf *answer),
                         void *arg, struct mu_tls_heard *ret, struct mu_error *err);

/* Why the handshake failed at the client's first message, by what libssl says. */
enum mu_tls_lack { MU_TLS_LACK_NONE, MU_TLS_LACK_VERSION, MU_TLS_LACK_SUITE };
enum mu_tls_lack mu_tls_heard_lack(const struct mu_tls_heard *heard);

/* The client could not prove that it has the key of the certificate that it sent. */
bool mu_tls_heard_bad_proof(const struct mu_tls_heard *heard);

#endif
