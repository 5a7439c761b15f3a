#ifndef MU_CLI_TUNNEL_H
#define MU_CLI_TUNNEL_H

/* A tunnel as options describe it. */

#include <stdbool.h>

#include "base/str.h"
#include "cli/cmd.h"
#include "front/forward.h"
#include "net/server.h"
#include "tls/alpn.h"

enum { MU_TUNNEL_ADDRESSES = 32 };

/* Everything that is needed, loaded and checked before it is put in force, and how the server is told of it. */
struct mu_tunnel {
    struct mu_certs anchors, chain;
    struct mu_key *key;
    struct mu_backends servers;
    const char **hosts; /* of each server: the name that it must have */
    struct mu_tls_expected expected;
    char alpn[MU_TLS_ALPN_LEN];
    struct mu_address listen[MU_TUNNEL_ADDRESSES];
    size_t listen_count;
    unsigned connect_ms, idle_ms, lifetime_ms, stop_ms;
    long workers, max_connections;
    unsigned log; /* enum mu_log_class, together */
    struct mu_tls_calls calls;
    struct mu_forward forward;
    struct mu_server_door door;
};
void mu_tunnel_free(struct mu_tunnel *tunnel);
MU_AUTO_DEFINE_STRUCT(mu_tunnel, mu_tunnel_free)

/* Read every file, look every name up, now. Given. Fails with MU_E_USAGE and as what it calls. */
MU_CHECK int mu_tunnel_load(const struct mu_args *args, struct mu_tunnel **ret,
                            struct mu_error *err);

/* The files that it is read from. Fails with MU_E_NOMEM. */
MU_CHECK int mu_tunnel_paths(const struct mu_args *args, struct mu_strs *ret, struct mu_error *err);

#endif
