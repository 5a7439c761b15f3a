#ifndef MU_FRONT_BACKEND_H
#define MU_FRONT_BACKEND_H

/* The services behind the door, and which of them is the next one's. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"

/* Of a name that has more addresses, the first ones are enough. */
enum { MU_BACKEND_ADDRESSES = 8, MU_BACKEND_AVOIDED_MS = 10 * 1000 };

/* How many use a backend, and what has been found out about it. Doors that take the place of others share it with these, so that it
 * holds for the connections that stay with the former, too. For any thread. */
struct mu_backend_state {
    _Atomic unsigned users;
    _Atomic unsigned open;            /* connections to it, of all workers */
    _Atomic bool down;                /* it was asked, and is not well */
    _Atomic unsigned failures;        /* requests in a row that it has not answered */
    _Atomic int64_t avoided_until_ms; /* it could not be reached, or failed; of mu_backend_now_ms() */
    _Atomic int64_t told_ms;          /* that this has begun, the last time; 0: never */
    _Atomic bool told;                /* and it has not been told that it is over */
};

struct mu_backend {
    char name[MU_ADDRESS_LEN]; /* as it was written: "tcp://db.example:5432" */
    char host[MU_ADDRESS_LEN]; /* "db.example"; "" of a Unix socket */
    struct mu_address addresses[MU_BACKEND_ADDRESSES];
    size_t address_count;
    struct mu_backend_state *state;
};

struct mu_backends {
    struct mu_backend *at;
    size_t count;
    bool http; /* they all speak it; or else bytes are carried to them */
    bool h2;   /* and that is HTTP/2, from the first byte on */
};

/* Add http://HOST[:PORT], h2c://HOST[:PORT], either with unix:PATH, tcp://HOST:PORT or unix:PATH; a name is looked up now. Fails with MU_E_ADDRESS (it is
 * not written as one, or the host is not known), MU_E_USAGE (some speak HTTP, or another version of it, and some do not). */
MU_CHECK int mu_backends_add(struct mu_backends *list, const char *url, struct mu_error *err);
/* The same for a server as people write it: HOST:PORT, [IPV6]:PORT or unix:PATH. */
MU_CHECK int mu_backends_add_server(struct mu_backends *list, const char *text,
                                    struct mu_error *err);
void mu_backends_clear(struct mu_backends *list);
/* It is the same one as `former`, which may be in use. */
void mu_backend_share(struct mu_backend *backend, const struct mu_backend *former);

int64_t mu_backend_now_ms(void);

/*
 * The one with the fewest connections among those that are well and not avoided, by turns where several have as few; if all are
 * unwell or avoided, among all: it costs little to try.
 * `tried` has a bit for each that is not wanted. NULL: there is no other. For several threads.
 */
struct mu_backend *mu_backends_choose(const struct mu_backends *list, uint64_t tried,
                                      int64_t now_ms);
/* As far as is known: it has not just failed, and is well. */
bool mu_backend_is_up(const struct mu_backend *backend, int64_t now_ms);

/* It could not be reached: leave it in peace for a while. True: that is worth a word, which has not been said for as long. */
bool mu_backend_avoid(struct mu_backend *backend, int64_t now_ms);
/* It has closed, timed out or said nonsense in the place of an answer: with the third time in a row it is left in peace, too. Or
 * it has answered, whatever that was; true: after it was said that it is left in peace. */
bool mu_backend_failed(struct mu_backend *backend, int64_t now_ms);
bool mu_backend_answered(struct mu_backend *backend);

#endif
