#ifndef MU_EXPLAIN_PROBE_H
#define MU_EXPLAIN_PROBE_H

/*
 * A server looked at over the network, from where a client stands. First the facts are gathered, by calling it as the
 * client would, and, where that fails, in some other way that tells the possible reasons apart. Whoever judges
 * (probe_judge.h) has these facts and no network.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "explain/probe_plain.h"
#include "explain/probe_wire.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "tls/look.h"

/* Where to look, and as whom. Borrowed. */
struct mu_probe {
    const char *host; /* of the URL: a name or an address */
    unsigned port;
    const char *path;         /* "/" and what follows, as it goes into a request */
    const char *name;         /* to ask for in TLS: the host, unless another is meant */
    const char *connect_host; /* to go there instead; NULL: where the host is */
    unsigned connect_port;
    const struct mu_certs *chain; /* ours, leaf first; empty: none */
    const struct mu_key *key;     /* NULL: come without a certificate, whatever `chain` holds */
    const struct mu_certs *known; /* certificates at hand that the server's list of CAs may name */
    const char *alpn;             /* "h2,http/1.1"; NULL: as most clients do */
    bool only_tls12;
    int64_t max_ms; /* for all of it */
};

/* What HTTP said. Text is printable. */
struct mu_probe_http {
    bool asked;    /* the request went out */
    bool answered; /* some byte came back over TLS, of whatever protocol */
    int status;    /* 0: that was no HTTP */
    char reason[64], server[96], via[96];
    bool edge;       /* a header that only something in front of a server puts there */
    time_t date;     /* the server's clock; 0: it did not tell */
    char body[2048]; /* its beginning */
    bool too_much;   /* headers without end */
};

/* One connection. */
struct mu_probe_call {
    bool made;
    int connect_error; /* errno; 0: it was open */
    struct mu_tls_seen seen;
    struct mu_probe_http http;
    struct mu_plain plain; /* what came first */
    int64_t took_ms;       /* to its end */
};

struct mu_probe_facts {
    time_t now;   /* by which certificates are judged */
    time_t clock; /* this machine's */
    struct mu_wire_addresses addresses;
    int errors[MU_WIRE_ADDRESSES]; /* errno of each address that was tried; 0: it answers */
    size_t tried;
    const struct mu_address *address; /* the one that answers; NULL: none does */

    struct mu_probe_call ours; /* as the client does it */
    struct mu_probe_call http1; /* the same with HTTP/1.1, where a request over HTTP/2 came to nothing */
    struct mu_probe_call bare; /* without a certificate */
    struct mu_probe_call
        mute; /* with it, and without a question: made where the question was answered by an end */
    struct mu_probe_call nameless; /* without a server name */
    struct mu_probe_call no_alpn;  /* without protocols */
    struct mu_probe_call anything; /* with all that this libssl knows, old and new */
    struct mu_plain
        plain; /* what it speaks in clear; MU_SPOKEN_NOTHING: it was not asked, or is silent */
    char unusable[MU_ERROR_WHAT_LEN]; /* why our certificate cannot be used in TLS; "": it can */
    bool unsure;      /* there was no time to see whether `mute` would have been closed upon, too */
    bool out_of_time; /* not all was looked at that would have been */
};
void mu_probe_facts_clear(struct mu_probe_facts *facts);
MU_AUTO_DEFINE_CLEAR(mu_probe_facts, mu_probe_facts_clear)

/* Gather. A server that misbehaves is no error, it is a fact. Fails with MU_E_NOMEM, MU_E_TLS. */
MU_CHECK int mu_probe_gather(const struct mu_probe *probe, struct mu_probe_facts *ret,
                             struct mu_error *err);

/* One call over a transport, for tests: the handshake, the wait for what a server says after it, and the request. */
MU_CHECK int mu_probe_talk(const struct mu_probe *probe, const struct mu_tls_looking *how,
                           struct mu_transport transport, struct mu_probe_call *ret,
                           struct mu_error *err);

#endif
