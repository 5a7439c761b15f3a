#ifndef MU_NET_CONN_H
#define MU_NET_CONN_H

/*
 * One connection, first byte to last. A protocol (HTTP, later TCP forwarding) is called back only between
 * the moment its client's certificate has been verified, if it comes with TLS, and the moment the connection ends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"
#include "net/counters.h"
#include "tls/caller.h"
#include "tls/session.h"

struct mu_conn;
struct mu_listener;
struct mu_worker;

/* What a protocol says when it has done what it can for now. */
enum mu_serve {
    MU_SERVE_WAIT = 0,  /* not this client's turn: mu_conn_wake() will be called */
    MU_SERVE_READ = 1,  /* call me when there is something to read */
    MU_SERVE_WRITE = 2, /* call me when what I wrote has left; do not read meanwhile */
    MU_SERVE_BOTH = MU_SERVE_READ | MU_SERVE_WRITE,
    MU_SERVE_CLOSE = 4, /* I am done: send what is left and close */
    MU_SERVE_ABORT = 8, /* close without more words */
    MU_SERVE_RESET =
        16, /* the same by a reset: what was sent is not to be taken for all there was */
};

struct mu_protocol {
    /* The client has been admitted. NULL ends the connection, by a reset. */
    void *(*open)(void *arg, struct mu_conn *conn);
    /* Something may be read or written. Also called once right after open. */
    enum mu_serve (*serve)(void *session);
    /* The deadline set by mu_conn_set_deadline() has passed. */
    enum mu_serve (*expire)(void *session);
    /* The server is stopping: finish what is under way, start nothing new. */
    enum mu_serve (*stop)(void *session);
    /* The client may not stay: finish what is under way, for which there is little time, and start nothing new; where there is
     * nothing to be finished, end at once. NULL: as `stop`. */
    enum mu_serve (*expel)(void *session);
    void (*close)(void *session);
};

/* For protocols. Reading and writing never block; see tls/session.h. */
enum mu_io mu_conn_read(struct mu_conn *conn, void *ret, size_t cap, size_t *ret_len);
enum mu_io mu_conn_write(struct mu_conn *conn, const void *data, size_t len, size_t *ret_len);
/* Reading would find something, as far as is known before it is tried. */
bool mu_conn_has_input(const struct mu_conn *conn);
/* Say that no more will be written; reading goes on. */
void mu_conn_end(struct mu_conn *conn);
/* The client has said all, and nothing more will be read. If it has gone altogether, which what is sent to it finds out, the
 * connection ends by itself. */
void mu_conn_fear_loss(struct mu_conn *conn);
void mu_conn_set_deadline(struct mu_conn *conn, unsigned deadline_ms);
void mu_conn_clear_deadline(struct mu_conn *conn);
/* What the protocol waited for elsewhere has happened: it is called again, and may be gone when this returns. */
void mu_conn_wake(struct mu_conn *conn);

struct mu_worker *mu_conn_worker(const struct mu_conn *conn);
/* For calls to the servers behind its door; NULL where there are none. */
struct mu_tls_caller *mu_conn_caller(const struct mu_conn *conn);
/* Who it is from: as the proxy says, if one speaks for it. */
const struct mu_address *mu_conn_peer(const struct mu_conn *conn);
/* Who it came to: the address of this machine, or of the proxy that speaks for it. */
void mu_conn_local(const struct mu_conn *conn, struct mu_address *ret);
/* False: it came without TLS. */
bool mu_conn_tls_facts(const struct mu_conn *conn, struct mu_tls_facts *ret);
/* Those of its worker: only for this thread to change. */
struct mu_counters *mu_conn_counters(const struct mu_conn *conn);
/* The client's certificate; NULL: it has none, and this door does not insist. Borrowed, there for as long as the protocol's session. NULL: it came without TLS. */
const struct mu_cert *mu_conn_client(const struct mu_conn *conn);
/* By which the client's certificate was found good: see mu_vetted_chain(). False also where there is none. */
MU_CHECK bool mu_conn_chain(const struct mu_conn *conn, struct mu_certs *ret);
/* It has come in, and is turned away after all: count that, and tell it. What becomes of the connection is the caller's affair;
 * NULL from `open` resets it. */
void mu_conn_refuse(struct mu_conn *conn, const struct mu_refusal *refusal);
/* Would a client who asks for this server by name, at the same address, have come to this door? `len` 0: for none. */
bool mu_conn_leads_here(const struct mu_conn *conn, const char *name, size_t len);

/* For the worker: take over a connected, non-blocking socket; speed up the end; end now. */
void mu_conn_start(struct mu_listener *listener, int fd, const struct mu_address *peer);
void mu_conn_stop(struct mu_conn *conn);
/* End it, within a bounded time, because of its client; it is told and counted. */
void mu_conn_expel(struct mu_conn *conn, const struct mu_refusal *refusal);
void mu_conn_abort(struct mu_conn *conn);

#endif
