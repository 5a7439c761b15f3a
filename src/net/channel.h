#ifndef MU_NET_CHANNEL_H
#define MU_NET_CHANNEL_H

/*
 * Bytes over a connected, non-blocking socket: as they are, or within TLS. Both ends of a connection that is carried
 * are one, whichever of them is the plain one. For this room only.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "net/counters.h"
#include "tls/session.h"

struct mu_channel {
    int fd;
    bool readable; /* as far as we know: something to read, or the end */
    int failed; /* errno: it takes no more, and reading tells the rest without waiting; 0: it has not */
    bool ending;        /* no more will be written */
    struct mu_buf held; /* without TLS, which gathers by itself: written, but not yet sent */
    uint64_t received, sent;
    struct mu_counters *counters; /* that count these bytes, too; or NULL */
    struct mu_tls *tls;           /* NULL: the bytes go as they are */
};

/* For TLS: how it reaches the socket. `channel` must stay where it is. */
struct mu_transport mu_channel_transport(struct mu_channel *channel);

/* As mu_tls_read() and mu_tls_write(). Without TLS, MU_IO_FAILED means that errno says why; and what is small is held back,
 * as it is within TLS, until mu_channel_flush(). */
enum mu_io mu_channel_read(struct mu_channel *channel, void *ret, size_t cap, size_t *ret_len);
enum mu_io mu_channel_write(struct mu_channel *channel, const void *data, size_t len,
                            size_t *ret_len);

/* There is something to read, or may be: one way to learn is to try. */
bool mu_channel_has_input(const struct mu_channel *channel);

/* Say that no more will be written, by close_notify or by a FIN; reading goes on. */
void mu_channel_end(struct mu_channel *channel);

/* As mu_tls_flush() and mu_tls_has_output(). */
enum mu_io mu_channel_flush(struct mu_channel *channel);
bool mu_channel_has_output(const struct mu_channel *channel);

/* Let the close(2) that follows send a reset: what was sent is not to be taken for all there was. */
void mu_channel_reset(struct mu_channel *channel);

/* Give back what it holds. The socket stays the caller's. */
void mu_channel_clear(struct mu_channel *channel);

#endif
