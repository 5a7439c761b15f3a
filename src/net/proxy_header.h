#ifndef MU_NET_PROXY_HEADER_H
#define MU_NET_PROXY_HEADER_H

/*
 * The PROXY protocol: what a proxy says of a connection, before anything else, about the client that it speaks for. Both
 * versions are read, the second is written. [haproxy's doc/proxy-protocol.txt] Pure: bytes in, bytes out.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "net/address.h"
#include "pki/cert.h"
#include "tls/session.h"

enum mu_proxy_header {
    MU_PROXY_HEADER_MORE, /* the header, as far as it is here, is not the whole of it */
    MU_PROXY_HEADER_DONE,
    MU_PROXY_HEADER_BAD,
};

struct mu_proxied {
    bool known; /* who is at the ends; else the proxy speaks for itself, or does not know */
    struct mu_address source, destination;
};

/* Longer than any that a proxy has a reason to send; a client's certificate in it can take some thousand bytes. */
enum { MU_PROXY_HEADER_MAX = 16 * 1024 };

/*
 * MU_PROXY_HEADER_DONE: `ret_len` bytes of `data` are the header. MU_PROXY_HEADER_BAD: `ret_why` is a sentence. What a
 * header says beside the addresses is skipped, but a checksum has to be right.
 */
enum mu_proxy_header mu_proxy_header_read(const void *data, size_t len, struct mu_proxied *ret,
                                          size_t *ret_len, const char **ret_why);

/*
 * Append a header of version 2, with what is known of TLS: ALPN, server name, version, cipher suite, the algorithms of the
 * server's certificate, and of the client's certificate the common name and the whole in DER (PP2_SUBTYPE_SSL_CLIENT_CERT).
 * `client` NULL: it has none, which is then said in `verify`. Failure, also that all of it is longer than
 * 65535 octets, shows in mu_buf_failed().
 */
void mu_proxy_header_write(const struct mu_address *source, const struct mu_address *destination,
                           const struct mu_tls_facts *facts, const struct mu_cert *client,
                           struct mu_buf *ret);

#endif
