#ifndef MU_NET_ADDRESS_H
#define MU_NET_ADDRESS_H

/* Where to listen, and who is at the other end. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/error.h"

struct mu_address {
    struct sockaddr_storage sa;
    socklen_t len;
    int inherited; /* to listen there: the socket that is open already; 0: there is none */
    bool optional; /* one of several that a name stands for: fine if this machine lacks its family */
};

/* "[::1]:3000", "127.0.0.1:54321", "unix:/run/door". Returns `ret`. */
#define MU_ADDRESS_LEN 128
char *mu_address_text(const struct mu_address *address, char ret[MU_ADDRESS_LEN]);

/* The path of a Unix socket; NULL for other addresses. Borrowed. */
const char *mu_address_path(const struct mu_address *address);

/* The same one, to connect to. */
bool mu_address_same(const struct mu_address *a, const struct mu_address *b);

/* A socket that takes both families, as systemd makes them, has IPv4 addresses as those of IPv6 (::ffff:192.0.2.7): make it what it
 * is. [RFC 4291 2.5.5.2] */
void mu_address_unmap(struct mu_address *address);

/* Can only this machine reach it? A Unix socket, or loopback. */
bool mu_address_is_local(const struct mu_address *address);

/* Its IP address in one of these blocks? Never for what has none. */
struct mu_cidr;
bool mu_address_is_in(const struct mu_address *address, const struct mu_cidr *blocks, size_t count);

/* The port, in host order; 0 for what has none. */
unsigned mu_address_port(const struct mu_address *address);
void mu_address_set_port(struct mu_address *address, unsigned port);

/*
 * HOST:PORT, [IPV6]:PORT, :PORT or PORT (both: loopback), unix:PATH, or systemd:NAME as the addresses to listen on: "localhost" and an
 * empty host are 127.0.0.1 and ::1, "*" is every address of this machine. Writes at most `cap`.
 * Fails with MU_E_ADDRESS (it is not written as one), MU_E_LISTEN (no such host).
 */
MU_CHECK int mu_address_parse(const char *text, struct mu_address *ret, size_t cap,
                              size_t *ret_count, struct mu_error *err);

/* The listening sockets called `name` that systemd has handed to this process; all of them if it is "". Fails with
 * MU_E_LISTEN: there is none, or it is no listening socket. [sd_listen_fds(3)] */
MU_CHECK int mu_address_inherit(const char *name, struct mu_address *ret, size_t cap,
                                size_t *ret_count, struct mu_error *err);

/* mu_address_parse() for an address to connect to: HOST:PORT, [IPV6]:PORT or unix:PATH. Fails with MU_E_ADDRESS, also when there
 * is no such host. */
MU_CHECK int mu_address_parse_target(const char *text, struct mu_address *ret, size_t cap,
                                     size_t *ret_count, struct mu_error *err);

#endif
