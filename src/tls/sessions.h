#ifndef MU_TLS_SESSIONS_H
#define MU_TLS_SESSIONS_H

/*
 * The sessions of clients that may come back, to whichever thread. They belong to no context, so that they outlive a reload;
 * what a ticket or a session id names is here, and nothing of it is in the client's hands. With each is kept who it is from and
 * when that was proven. At resumption the client is judged by what holds today at the door it has come to; in doubt it gets a
 * full handshake, which is no failure.
 */

#include <stddef.h>

#include "base/macros.h"

struct mu_tls_sessions;

/* Room for so many, about 11 KB each; a new one takes the place of an old one. NULL without memory. */
struct mu_tls_sessions *mu_tls_sessions_new(size_t limit);
void mu_tls_sessions_free(struct mu_tls_sessions *sessions);
MU_AUTO_DEFINE_STRUCT(mu_tls_sessions, mu_tls_sessions_free)

#endif
