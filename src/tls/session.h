#ifndef MU_TLS_SESSION_H
#define MU_TLS_SESSION_H

/*
 * One TLS connection, from the server's side; for the client's, see tls/caller.h. Nothing here blocks and nothing here knows a socket: it reads
 * and writes through the transport that it was handed. What it writes is gathered until
 * mu_tls_flush(), so that a handshake's flight, or several small answers, leave in one write.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "pki/cert.h"
#include "tls/context.h"
#include "tls/refusal.h"
#include "tls/sessions.h"
#include "tls/transport.h"
#include "tls/vetted.h"

struct mu_tls;
struct mu_tls_names;

enum mu_io {
    MU_IO_DONE,       /* it went through */
    MU_IO_WANT_READ,  /* not yet: call again when the peer has sent something */
    MU_IO_WANT_WRITE, /* not yet: call again when what is gathered has left */
    MU_IO_END,        /* the peer will send no more */
    MU_IO_FAILED,     /* the connection is of no use any more */
};

/* The client's ClientHello chooses among the doors that have these names, before anything else of it counts. `names` is
 * borrowed, with the contexts in it, and `sessions`; NULL: nobody comes back with one. All must outlive
 * the session. NULL without memory. */
struct mu_tls *mu_tls_new(const struct mu_tls_names *names, struct mu_tls_sessions *sessions,
                          struct mu_transport transport);
void mu_tls_free(struct mu_tls *tls);

/*
 * Shake hands, as far as it goes. After MU_IO_FAILED, mu_tls_refusal() says why, and the alert for the
 * peer waits to be flushed. MU_IO_DONE does not yet mean that the peer is welcome: see mu_tls_admit().
 */
enum mu_io mu_tls_handshake(struct mu_tls *tls);

/*
 * The peer's certificate has been verified for this connection, today: in the handshake just done, or, when a session was
 * resumed, by judging its certificate again before that. False: mu_tls_refusal() says why.
 */
bool mu_tls_admit(struct mu_tls *tls);

/* The client that was admitted, to be judged again; NULL: it has no certificate. Borrowed. */
struct mu_vetted *mu_tls_vetted(const struct mu_tls *tls);
/* The server that the client has asked for by name, as it wrote it; "": none. Borrowed. */
const char *mu_tls_asked(const struct mu_tls *tls);

/* What the door that was chosen stands for (struct mu_tls_named); before one is, the first. */
const void *mu_tls_door(const struct mu_tls *tls);

const struct mu_refusal *mu_tls_refusal(const struct mu_tls *tls);

enum mu_io mu_tls_read(struct mu_tls *tls, void *ret, size_t cap, size_t *ret_len);

/* Something has been taken from the transport that mu_tls_read() has not given yet. */
bool mu_tls_has_input(const struct mu_tls *tls);

/* May take less than all: `ret_len` says how much. MU_IO_FAILED, of both: errno says why if it was the transport, else 0. */
enum mu_io mu_tls_write(struct mu_tls *tls, const void *data, size_t len, size_t *ret_len);

/*
 * After a write or a flush has failed, on our side of a call: take in what the server said before it closed its socket.
 * If there is an alert in it, mu_tls_refusal() tells; it is what made the server close.
 */
void mu_tls_hear_out(struct mu_tls *tls);

/* Say close_notify. [RFC 8446 6.1] */
void mu_tls_close(struct mu_tls *tls);

/* Send what is gathered. MU_IO_WANT_WRITE: some is left. */
enum mu_io mu_tls_flush(struct mu_tls *tls);
bool mu_tls_has_output(const struct mu_tls *tls);

/* Forget what is gathered: it is not to be sent. */
void mu_tls_discard_output(struct mu_tls *tls);

/* The client's certificate, given; NULL before the handshake is done. */
struct mu_cert *mu_tls_peer_cert(const struct mu_tls *tls);

/* What a service behind the door may want to know of a connection; the texts are borrowed, for as long as it lives. */
struct mu_tls_facts {
    const char *version, *cipher; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
    const char *server_name;      /* that the client asked for; or NULL */
    const unsigned char *alpn;    /* the protocol that was agreed on */
    unsigned alpn_len;
    bool resumed;
    char signature[48]; /* of the server's certificate: "ecdsa-with-SHA256" */
    char key[24];       /* and its key: "EC256", "RSA2048" */
};
void mu_tls_facts_read(const struct mu_tls *tls, struct mu_tls_facts *ret);
bool mu_tls_resumed(const struct mu_tls *tls);
/* Both ends have agreed on this protocol: "h2". [RFC 7301] */
bool mu_tls_speaks(const struct mu_tls *tls, const char *protocol);
const char *mu_tls_version(const struct mu_tls *tls); /* "TLSv1.3" */

#endif
