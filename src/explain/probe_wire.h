#ifndef MU_EXPLAIN_PROBE_WIRE_H
#define MU_EXPLAIN_PROBE_WIRE_H

/* A socket that waits for its answers, up to a point in time; and the addresses of a name, likewise. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"
#include "tls/transport.h"

/* Milliseconds of a clock that only goes forward. */
int64_t mu_wire_now_ms(void);

enum { MU_WIRE_ADDRESSES = 16 };

struct mu_wire_addresses {
    struct mu_address at[MU_WIRE_ADDRESSES];
    size_t count;
    bool timed_out;                 /* the resolver did not answer */
    char words[MU_ERROR_CAUSE_LEN]; /* the resolver's own, where there is none */
};

/* The addresses of a host name or of an address in text. None is not an error, see `ret`. */
void mu_wire_resolve(const char *host, unsigned port, int64_t deadline_ms,
                     struct mu_wire_addresses *ret);

enum { MU_WIRE_FIRST = 512 };

struct mu_wire {
    int fd;                             /* -1: none */
    int64_t deadline_ms;                /* when waiting ends */
    unsigned char first[MU_WIRE_FIRST]; /* what the far end said first */
    size_t first_len;
    size_t heard; /* all in all */
};

#define MU_WIRE_INIT {.fd = -1}

/* 0, or errno; ETIMEDOUT when nothing answered before `deadline_ms`. */
int mu_wire_connect(struct mu_wire *wire, const struct mu_address *address, int64_t deadline_ms);

/* The same for a socket that is open already: takes `fd`. */
void mu_wire_open(struct mu_wire *wire, int fd, int64_t deadline_ms);
void mu_wire_close(struct mu_wire *wire);
MU_AUTO_DEFINE_CLEAR(mu_wire, mu_wire_close)

/* Waits; "not now" (EAGAIN) means that the deadline has passed. Who is sent megabytes hears no more. */
struct mu_transport mu_wire_transport(struct mu_wire *wire);

/* Read until `cap` bytes are there, the far end is silent for `quiet_ms`, or it ends. Returns how many. */
size_t mu_wire_listen(struct mu_wire *wire, void *ret, size_t cap, int quiet_ms);

#endif
