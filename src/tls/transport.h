#ifndef MU_TLS_TRANSPORT_H
#define MU_TLS_TRANSPORT_H

/*
 * What TLS runs over: two functions with the manners of read(2) and write(2). Both return the number of
 * bytes, or -1 with errno (EAGAIN: not now); `read` returns 0 when the peer will send no more.
 */

#include <stddef.h>
#include <sys/types.h>

struct mu_transport {
    ssize_t (*read)(void *arg, void *ret, size_t cap);
    ssize_t (*write)(void *arg, const void *data, size_t len);
    void *arg;
};

#endif
