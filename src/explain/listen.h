#ifndef MU_EXPLAIN_LISTEN_H
#define MU_EXPLAIN_LISTEN_H

/*
 * In the place of the server: what a client offers and presents, whether and why a door would turn it away, and what its
 * owner should do. First the facts, then the judgement, which has no network.
 */

#include <stdbool.h>
#include <time.h>

#include "explain/probe_plain.h"
#include "explain/report.h"
#include "pki/cert.h"
#include "pki/crl.h"
#include "pki/key.h"
#include "tls/hear.h"

/* What the server is, and whom it trusts. All of it is borrowed. */
struct mu_listen_case {
    const struct mu_certs *chain; /* what it presents, leaf first */
    const struct mu_key *key;
    bool made_up;     /* that is a certificate for the occasion, which no client trusts */
    const char *file; /* that it is in; NULL: none */
    const struct mu_certs *trusted;
    const char *trust_file;
    struct mu_crl *const *crls;
    size_t crl_count;
    const char *crl_file;
    bool crl_leaf_only; /* the CAs above a client are not looked up */
    bool limit_depth;
    int depth;      /* how many CAs may stand between a client and the root */
    const char *at; /* where clients come to, HOST:PORT, for the words; NULL: not known */
};

struct mu_listen_facts {
    time_t now;
    struct mu_tls_heard heard;
    struct mu_plain plain; /* what came first, if that was no TLS */
};
void mu_listen_facts_clear(struct mu_listen_facts *facts);
MU_AUTO_DEFINE_CLEAR(mu_listen_facts, mu_listen_facts_clear)

/* Hear one client. What it asks is answered with the verdict, in plain words. `unlisted`: it has sent no certificate before,
 * and is asked for one without a list of CAs, to see whether it has one. Fails with MU_E_NOMEM. */
MU_CHECK int mu_listen_hear(const struct mu_listen_case *of, struct mu_tls_ear *ear,
                            struct mu_transport transport, bool unlisted,
                            struct mu_listen_facts *ret, struct mu_error *err);

/* The report is finished afterwards. Fails with MU_E_NOMEM, MU_E_CRYPTO. */
MU_CHECK int mu_listen_judge(const struct mu_listen_case *of, const struct mu_listen_facts *facts,
                             struct mu_report *report, struct mu_error *err);

#endif
