#ifndef MU_EXPLAIN_PROBE_ASK_H
#define MU_EXPLAIN_PROBE_ASK_H

/* One request, in the protocol that the handshake has agreed on: a server that refuses a client in HTTP, or, in TLS 1.3, only after
 * the handshake, says so upon that. */

#include "explain/probe.h"

/* Ask for the probe's path, and read what comes until it says no more that is of use. Where neither HTTP/1.1 nor HTTP/2 was
 * agreed on, nothing is asked. A bad answer is no error. Fails with MU_E_NOMEM. */
MU_CHECK int mu_probe_ask(const struct mu_probe *probe, struct mu_tls_look *look,
                          struct mu_probe_http *ret, struct mu_error *err);

#endif
