#ifndef MU_NET_SERVER_H
#define MU_NET_SERVER_H

/*
 * Worker threads, each with its own loop, listeners, TLS context and connections; and the thread that
 * started them, which waits for signals.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"
#include "net/address.h"
#include "net/conn.h"
#include "pki/cidr.h"
#include "net/counters.h"
#include "net/plain.h"
#include "tls/caller.h"
#include "tls/context.h"

struct mu_server;

/* How many processor cores this process may use: a good number of workers. */
unsigned mu_server_cores(void);

struct mu_deadlines { /* milliseconds */
    unsigned handshake_ms;
    unsigned write_ms;  /* for a client to take some more of our last bytes */
    unsigned linger_ms; /* for the client's last bytes, when ours are out */
};

/* Called from worker threads, several at once; those from `alive` on from the thread that runs the server. */
struct mu_server_events {
    void *arg;
    void (*refused)(void *arg, const struct mu_address *peer, const struct mu_refusal *refusal);
    /* Admitted by its certificate, before the protocol hears of it. */
    void (*admitted)(void *arg, const struct mu_address *peer, const struct mu_cert *client);
    /* The connection of a client that was admitted is ended, because it would not be let in any more. `client` NULL: it has no
     * certificate. */
    void (*expelled)(void *arg, const struct mu_address *peer, const struct mu_cert *client,
                     const struct mu_refusal *refusal);
    /* Something that is not about one connection; told at most every ten seconds by each worker. */
    void (*trouble)(void *arg, const char *id, const char *sentence, const char *hint);
    /* Every worker has turned its loop since the last time; see `alive_ms`. */
    void (*alive)(void *arg);
    /* The server has been told to stop. */
    void (*stopping)(void *arg);
    /* SIGUSR2: a new process of the same command line has been started, and serves at the same sockets; this one stops. NULL: the
     * signal is left as it is. */
    void (*succeeded)(void *arg, pid_t successor);
    /* SIGHUP. NULL: the signal is left as it is. */
    void (*hangup)(void *arg);
    /* Every worker has taken over the doors that mu_server_new() or mu_server_replace() was given. NULL: nobody asks. */
    void (*moved)(void *arg);
    /* Is this client, whose certificate is good, to be kept out all the same? `ret` says why. From worker threads. NULL: nobody
     * is. */
    bool (*barred)(void *arg, const struct mu_cert *client, struct mu_refusal *ret);
    /* A client with a certificate has come in, to the door of these `rules`, and has asked for that name (""). From worker
     * threads. NULL: nobody asks. */
    void (*met)(void *arg, const struct mu_vetted *client, const void *rules, const char *name);
    /* The process that takes this one's place serves, and whatever it has to know is said now, by mu_server_pass_on(). NULL:
     * nothing is. */
    void (*introduce)(void *arg);
    /* By the process that has taken this one's place, or whose place this one has taken: mu_server_pass_on(). NULL: nobody asks. */
    void (*told)(void *arg, const char *text);
    void *reload_arg; /* of these six */
};

/*
 * Somebody else is asked about a client whose certificate is good, before a byte of it is read: nobody is let in until it is answered. In
 * the worker's thread.
 */
struct mu_voucher {
    /* What comes of it is for `answer`, `give_up` and `leave`. `wake` is called once if the answer is yet to come. NULL without memory. */
    void *(*ask)(void *arg, struct mu_worker *worker, const struct mu_vetted *client,
                 void (*wake)(void *arg), void *wake_arg);
    /* MU_VOUCH_BAD: `ret` says why it is not let in. */
    enum mu_vouch {
        MU_VOUCH_WAIT,
        MU_VOUCH_GOOD,
        MU_VOUCH_BAD
    } (*answer)(void *asked, struct mu_refusal *ret);
    void (*give_up)(void *asked); /* do not wait any longer: there is an answer now, whichever */
    /* A client that is in already is asked about from now on, like those who came by `ask`; nobody waits for it. What comes of it
     * is for `leave`. NULL without memory. */
    void *(*join)(void *arg, const struct mu_vetted *client);
    void (*leave)(void *asked); /* the connection ends; the voucher may be gone by then */
    void *arg;
};

/* Where clients come to, who of them is let in, and what they get. */
struct mu_server_door {
    bool plain; /* clients come without TLS, whoever they are: there is no `tls` */
    struct mu_tls_door tls;
    bool proxied; /* each connection begins with a PROXY protocol header, from a proxy that is trusted: */
    const struct mu_cidr *proxies; /* by its address; or because it comes to a Unix socket */
    size_t proxy_count;
    const struct mu_tls_calls *calls; /* to servers behind the door, within TLS; or NULL */
    const struct mu_address *listen;
    size_t listen_count;
    struct mu_deadlines deadlines;
    const struct mu_protocol *protocol;
    void *protocol_arg;
    const struct mu_protocol
        *h2; /* for clients that agree on it in TLS [RFC 9113 3.2]; NULL: like the others */
    void *h2_arg;
    /* Would this door let in a client (NULL: it has no certificate) to all that `former`, whose connection it is, let it in to?
     * False: `ret` says why not. Both are `rules` of doors. NULL: there is nothing but certificates to be judged. */
    bool (*admits)(const void *rules, const void *former, const struct mu_cert *client,
                   struct mu_refusal *ret);
    const void *rules;
    const struct mu_voucher *voucher; /* of clients with a certificate; NULL: nobody else is asked */
    /* What a client that has no good certificate hears within TLS, before the end; see struct mu_tls_door. NULL: nothing. */
    void (*explain)(const struct mu_refusal *refusal, struct mu_buf *ret);
    bool quiet; /* who is let in and who is not is not told */
    const struct mu_strs *
        names; /* by which clients ask for it, where doors share an address: see mu_tls_names_add() */
    const char *
        plain_http_answer; /* sent as it is to whoever speaks plain HTTP to the TLS port; or NULL */
};

/* Those that are in force together. */
struct mu_server_doors {
    const struct mu_server_door *at;
    size_t count;
    /* On the first worker's thread, while they are in force there, something may be done for them: what `begun` gives, `ended`
     * takes. NULL: nothing is. */
    void *(*begun)(void *arg, struct mu_worker *worker);
    void (*ended)(void *task);
    /* They are needed no more, with all that they point to; called from any thread. NULL: nobody asks. */
    void (*released)(void *arg);
    void *arg;
};

struct mu_server_config {
    unsigned workers;
    unsigned max_connections;  /* in all */
    unsigned max_from_address; /* of them; 0: as many as there are in all */
    unsigned max_handshakes;   /* at once: beyond that who is silent or slow makes room; 0: any */
    unsigned sessions;         /* for clients that come back, in all */
    unsigned stop_ms;          /* for connections that are open when the server is told to stop */
    uint64_t alive_ms;         /* how often `alive` is told; 0: never */
    struct mu_server_events events;
    struct mu_plain_config
        *plain; /* listeners without TLS; ports that the kernel chose are written back */
    size_t plain_count;
};

/*
 * Bind and listen, and make the workers; none runs yet. The config is borrowed for the server's life. When this succeeds, the
 * doors are borrowed until they are released; clients that ask for a name that no door at their address has are refused, unless
 * a door there has no names. Fails with MU_E_LISTEN, MU_E_TLS, MU_E_SYSTEM, MU_E_EXISTS (two doors at an address cannot be
 * told apart).
 */
MU_CHECK int mu_server_new(const struct mu_server_config *config,
                           const struct mu_server_doors *doors, struct mu_server **ret,
                           struct mu_error *err);

/*
 * Other doors, without a connection dropped: addresses that are new are listened at, those that are gone no more, the others keep
 * their sockets; connections stay with the doors that they came by. While it stops they are for those who are in, who are judged
 * by them. Only in the thread that runs the server, or before.
 * Fails as mu_server_new() does, and then nothing has changed; with MU_E_BUSY, a worker is not yet done with the last change.
 */
MU_CHECK int mu_server_replace(struct mu_server *server, const struct mu_server_doors *doors,
                               struct mu_error *err);

/* Has it been told to stop? */
bool mu_server_is_stopping(const struct mu_server *server);

/* Would mu_server_new() take them, as far as that shows without an address? */
MU_CHECK int mu_server_check(const struct mu_server_doors *doors, struct mu_error *err);

/* Look again at each client who is in, whether it may stay: what decides that has changed elsewhere. From the thread that runs
 * the server. */
void mu_server_review(struct mu_server *server);

/* Say this to the process whose place this one has taken and to the one that takes its place, as long as they are there: what one is
 * asked for is meant for all. From the thread that runs the server. */
void mu_server_pass_on(struct mu_server *server, const char *text);

/* The addresses it listens on, with the ports that the kernel chose. */
size_t mu_server_address_count(const struct mu_server *server);
const struct mu_address *mu_server_address(const struct mu_server *server, size_t i);
/* Is the door of this place in the set in force at the address `i`? */
bool mu_server_door_is_at(const struct mu_server *server, size_t door, size_t i);

/* What all workers have counted so far. Call it from the thread that runs the server. */
void mu_server_count(const struct mu_server *server, struct mu_counters *ret);

/*
 * Serve until SIGTERM or SIGINT: then stop listening, let connections finish within stop_ms, and return. A
 * second signal ends them at once. `ready` is called when connections are being accepted.
 */
MU_CHECK int mu_server_run(struct mu_server *server, void (*ready)(void *arg), void *ready_arg,
                           struct mu_error *err);
void mu_server_free(struct mu_server *server);
MU_AUTO_DEFINE_STRUCT(mu_server, mu_server_free)

#endif
