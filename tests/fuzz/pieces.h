#ifndef MU_FUZZ_PIECES_H
#define MU_FUZZ_PIECES_H

/* The hostile end of a connection, in memory: it says its bytes a piece at a time, then ends, and takes whatever it is told. */

#include <stdint.h>
#include <string.h>

#include "tls/transport.h"

struct pieces {
    const uint8_t *data;
    size_t size, piece;
};

static inline ssize_t pieces_read(void *arg, void *ret, size_t cap)
{
    struct pieces *pieces = arg;
    size_t len = pieces->size < pieces->piece ? pieces->size : pieces->piece;
    len = len < cap ? len : cap;
    memcpy(ret, pieces->data, len);
    pieces->data += len;
    pieces->size -= len;
    return (ssize_t)len;
}

static inline ssize_t pieces_write(void *arg, const void *data, size_t len)
{
    (void)arg, (void)data;
    return (ssize_t)len;
}

static inline struct mu_transport pieces_transport(struct pieces *pieces)
{
    return (struct mu_transport){.read = pieces_read, .write = pieces_write, .arg = pieces};
}

#endif
