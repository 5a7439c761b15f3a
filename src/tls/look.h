#ifndef MU_TLS_LOOK_H
#define MU_TLS_LOOK_H

/*
 * A client that calls a server to find out what it does: it accepts every certificate, notes everything that explains a
 * failure, and judges nothing. It is for looking only, never for a secret: what it sends is a certificate and a question
 * that anybody may ask. Transports may block; nothing here waits for anything else.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "tls/session.h"
#include "tls/transport.h"

/* How to call. All of it is borrowed until mu_tls_look_new() returns. */
struct mu_tls_looking {
    const struct mu_certs *chain; /* ours, leaf first; NULL or empty: come without a certificate */
    const struct mu_key *key;
    const char *name; /* to ask for [RFC 6066 3]; NULL or an address: none */
    const char *alpn; /* "h2,http/1.1"; NULL or "": none is offered */
    bool only_tls12;  /* no TLS 1.3 */
    bool anything; /* all that this libssl still knows, however old: to learn what the server wants */
};

/* Has the server's list of CAs a place for our certificate? [RFC 8446 4.2.4] */
enum mu_listed { MU_LISTED_NO_LIST, MU_LISTED_YES, MU_LISTED_NOT };

/* What was seen. Text of the server's is printable. */
struct mu_tls_seen {
    bool chosen;        /* a ServerHello has come: version and cipher suite are agreed on */
    bool version_unfit; /* what it chose, or was offered, is a version that this side does not take */
    bool finished;      /* the handshake was over, as this side saw it */
    struct mu_certs presented; /* the server's chain as it was sent, leaf first */
    bool asked;                /* for a client certificate */
    bool asked_late;           /* only after the handshake */
    bool sent;                 /* ours, upon that */
    bool no_scheme;            /* ours cannot sign by any scheme that the server takes */
    struct mu_strs cas;        /* the CAs that it lists, by their labels; a long list is cut off */
    size_t ca_count;           /* how many there are */
    enum mu_listed listed;
    struct mu_certs listed_certs; /* those of `known` that the list names */
    struct mu_certs below_listed; /* those of `known` that a CA of such a name has issued */
    int alert;                    /* the number of a fatal alert from the server; -1: none came */
    bool alert_late;              /* it came when the handshake was over for this side */
    bool name_unknown;            /* the server warned that it does not know the name */
    bool timed_out, reset, ended; /* how the transport went: no answer in time, torn down, closed */
    char version[16], cipher[64], group[32],
        alpn[64];                   /* as agreed on; "" where that is not known */
    char words[MU_ERROR_CAUSE_LEN]; /* libssl's own, or errno's, or "" */
};

struct mu_tls_look;

/* `known` are certificates at hand that the server's list may name; borrowed for the look's life. Fails with MU_E_TLS, MU_E_NOMEM. */
MU_CHECK int mu_tls_look_new(const struct mu_tls_looking *how, const struct mu_certs *known,
                             struct mu_transport transport, struct mu_tls_look **ret,
                             struct mu_error *err);
void mu_tls_look_free(struct mu_tls_look *look);
MU_AUTO_DEFINE_STRUCT(mu_tls_look, mu_tls_look_free)

/* False: it came to nothing; the transport's "not now" counts as no answer in time. */
bool mu_tls_look_handshake(struct mu_tls_look *look);

/* The same for a question, once the handshake is over. */
bool mu_tls_look_write(struct mu_tls_look *look, const void *data, size_t len);

/* The next bytes; 0: no more will come, or none that can be read. In TLS 1.3 a server's refusal comes here. */
size_t mu_tls_look_read(struct mu_tls_look *look, void *ret, size_t cap);

/* Borrowed, for as long as the look lives. */
const struct mu_tls_seen *mu_tls_look_seen(const struct mu_tls_look *look);

/* Take it over, to be cleared with mu_tls_seen_clear(). */
struct mu_tls_seen mu_tls_look_take(struct mu_tls_look *look);
void mu_tls_seen_clear(struct mu_tls_seen *seen);
MU_AUTO_DEFINE_CLEAR(mu_tls_seen, mu_tls_seen_clear)

/* "h2,http/1.1" as the wire has it. False: a name is empty or too long, or it does not fit. */
#define MU_ALPN_LEN 256
bool mu_alpn_encode(const char *list, unsigned char ret[MU_ALPN_LEN], size_t *ret_len);

#endif
