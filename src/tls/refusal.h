#ifndef MU_TLS_REFUSAL_H
#define MU_TLS_REFUSAL_H

/* A connection that was turned away, by us or by a server: one line for the log, which a person understands. */

#include "base/error.h"
#include "pki/verify.h"

enum mu_refusal_code {
    MU_REFUSAL_NONE,
#define MU_REFUSAL(code, id, sentence, hint) MU_REFUSAL_##code,
#include "tls/refusal.def"
#undef MU_REFUSAL
    MU_REFUSAL_CERT, /* a fault from pki/faults.def */
    MU_REFUSAL_COUNT
};

/* The id of a code, "tls-version"; that of MU_REFUSAL_CERT is its fault's, see mu_refusal_from_verdict(). */
const char *mu_refusal_id(enum mu_refusal_code code);

struct mu_refusal {
    enum mu_refusal_code code;
    enum mu_fault fault;  /* of MU_REFUSAL_CERT */
    bool only_lacks_list; /* of MU_REFUSAL_CERT: all else was asked about, and is good */
    int alert;            /* of MU_REFUSAL_CLIENT_ALERT: its number */
    char id[64];
    char sentence[MU_ERROR_WHAT_LEN];
    char hint[MU_ERROR_HINT_LEN];
    char cause[MU_ERROR_CAUSE_LEN]; /* libssl's own words, or "" */
};

void mu_refusal_set(struct mu_refusal *ret, enum mu_refusal_code code);
void mu_refusal_from_verdict(struct mu_refusal *ret, const struct mu_verdict *verdict);

/* This client's certificate has been revoked, as somebody else says than a list. */
void mu_refusal_revoked(struct mu_refusal *ret, const struct mu_cert *client);

/* From the oldest entry of this thread's OpenSSL error queue after a failed handshake; empties the queue. */
void mu_refusal_from_openssl(struct mu_refusal *ret);

/* The same two where the peer is a server: the verdict is on its certificate, an alert is about ours. */
void mu_refusal_of_server(struct mu_refusal *ret, const struct mu_verdict *verdict);
void mu_refusal_by_server_from_openssl(struct mu_refusal *ret);

#endif
