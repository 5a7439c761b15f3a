#ifndef MU_NET_STREAM_H
#define MU_NET_STREAM_H

/*
 * A connection from a worker to a service behind the door: TCP, or a Unix socket; plain, or within TLS. Nothing here
 * blocks; what is waited for is told by `wake`, on the worker's thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"
#include "net/worker.h"
#include "tls/caller.h"
#include "tls/session.h"

struct mu_stream;
struct mu_worker;

/*
 * `wake` may free the stream. Begins to connect; then, unless `caller` is NULL, to shake hands with its server number
 * `target`. NULL, with errno, when that fails at once.
 */
struct mu_stream *mu_stream_connect(struct mu_worker *worker, const struct mu_address *address,
                                    struct mu_tls_caller *caller, size_t target,
                                    void (*wake)(void *arg), void *arg);

/* `reset`: so that the other end learns that it has not seen all there was to be. */
void mu_stream_free(struct mu_stream *stream, bool reset);

/*
 * Instead of freeing it: takes a connection without TLS that is connected, and on which nobody owes anybody a byte, and keeps it for
 * a while, for whoever asks for the same address next; unless `owner` is 0, for that one alone. If its other end says anything
 * meanwhile, or goodbye, it is closed.
 */
void mu_stream_keep(struct mu_stream *stream, uint64_t owner);
/* One that has been kept for `owner`, and is silent; `wake` as in mu_stream_connect(). NULL: there is none. */
struct mu_stream *mu_stream_kept(struct mu_worker *worker, const struct mu_address *address,
                                 uint64_t owner, void (*wake)(void *arg), void *arg);

/*
 * Nobody needs it at present. It goes on as it is, but may be dropped: when it has rested for long, when there are too many, or
 * when the worker ends, perhaps before this returns. `dropped`, with the stream's `arg`, has to free it.
 */
void mu_stream_rest(struct mu_stream *stream, void (*dropped)(void *arg));
/* Somebody needs it again. */
void mu_stream_need(struct mu_stream *stream);

/* MU_IO_WANT_READ, MU_IO_WANT_WRITE: not yet. MU_IO_FAILED, here and below: mu_stream_refusal() says why, or else errno. */
enum mu_io mu_stream_connected(struct mu_stream *stream);

/* Why there is no TLS with the server, or none any more: it, or we, refused. NULL: that is not the reason. It may change
 * errno. */
const struct mu_refusal *mu_stream_refusal(struct mu_stream *stream);

/* As mu_tls_read() and mu_tls_write(); what is written leaves by itself at the end of the loop's turn, or when there is room. */
enum mu_io mu_stream_read(struct mu_stream *stream, void *ret, size_t cap, size_t *ret_len);
enum mu_io mu_stream_write(struct mu_stream *stream, const void *data, size_t len, size_t *ret_len);
/* MU_IO_DONE: all of it has left. MU_IO_WANT_WRITE: not yet. */
enum mu_io mu_stream_flushed(const struct mu_stream *stream);
/* Say that no more will be written; reading goes on. */
void mu_stream_end(struct mu_stream *stream);

/* Call `wake` when there is something to read, when there is room to write (for more than has been written), or never; when
 * sending fails, always. */
void mu_stream_watch(struct mu_stream *stream, bool reads, bool writes);

#endif
