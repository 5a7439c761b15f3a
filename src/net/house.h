#ifndef MU_NET_HOUSE_H
#define MU_NET_HOUSE_H

/*
 * The doors that are in force, and the addresses at which they are. A house is the set, shared by all workers and never
 * changed; a hall is what one worker has of it: TLS contexts of its own, so that nothing is shared while it serves. New doors
 * make a new house; the old one is there for as long as a connection that came by it. For this room only.
 */

#include <stdatomic.h>

#include "net/server.h"
#include "tls/names.h"

/* An address. The doors there are told apart by the server's name that a client asks for. */
struct mu_entrance {
    struct mu_address wanted;  /* as it was asked for */
    struct mu_address address; /* as it is, with the port that the kernel chose */
    bool open; /* nothing is to be opened: the house before this one has, or nobody comes any more */
    unsigned handshake_ms; /* the shortest: which door is meant, the handshake will show */
};

struct mu_house {
    struct mu_server_doors doors;
    struct mu_entrance *entrances;
    size_t entrance_count;
    _Atomic unsigned users;
};

/* The doors at their addresses, none of which is claimed yet. Takes `doors` when it succeeds; given, with
 * one user. Fails with MU_E_NOMEM. */
MU_CHECK int mu_house_new(const struct mu_server_doors *doors, struct mu_house **ret,
                          struct mu_error *err);
/* Do clients find this door, of the house's, at that entrance? */
bool mu_door_is_at(const struct mu_server_door *door, const struct mu_entrance *entrance);
/*
 * Find out which addresses there are before any worker listens: one that a name brought along (::1 for localhost) may be
 * missing here, and addresses of one name without a port get the same port. What `before` has already, it keeps; it may
 * be NULL. Fails with MU_E_LISTEN.
 */
MU_CHECK int mu_house_claim(struct mu_house *house, const struct mu_house *before,
                            struct mu_error *err);
/* Nobody is to listen at what `before` has not: it is for those who are in already. */
void mu_house_close(struct mu_house *house, const struct mu_house *before);
bool mu_entrance_is_at(const struct mu_entrance *entrance, const struct mu_address *wanted);
bool mu_entrance_same(const struct mu_entrance *a, const struct mu_entrance *b);
/* One user less; the last one gives the doors back. NULL is nobody. */
void mu_house_leave(struct mu_house *house);

struct mu_worker_door {
    const struct mu_server_door *door;
    struct mu_tls_context *tls;   /* NULL: its clients come without */
    struct mu_tls_caller *caller; /* NULL: there is nobody to call within TLS */
};

/* A worker's side of an entrance. */
struct mu_gate {
    const struct mu_entrance *entrance;
    const struct mu_worker_door *first; /* where a connection begins, before it has asked for any name */
    struct mu_tls_names *names;         /* NULL: without TLS there are none */
};

struct mu_hall {
    struct mu_house *house;
    unsigned users; /* the worker, and each connection that came by it; in one thread */
    struct mu_worker_door *doors;
    size_t door_count;
    struct mu_gate *gates; /* one an entrance, in the same order */
    size_t gate_count;
    void *task; /* what mu_server_doors.begun gave */
};

/* Becomes a user of `house`. Given, with one user. Fails with MU_E_TLS, MU_E_EXISTS (clients could not tell two doors
 * apart), MU_E_NOMEM. */
MU_CHECK int mu_hall_new(struct mu_house *house, struct mu_hall **ret, struct mu_error *err);
/* What is done for its doors, by the first worker; `hall` may be NULL for the second one. */
void mu_hall_begin_task(struct mu_hall *hall, struct mu_worker *worker);
void mu_hall_end_task(struct mu_hall *hall);
struct mu_hall *mu_hall_enter(struct mu_hall *hall);
/* To which door of `hall` would a client come now who came to `gate`, of an earlier one perhaps, and asked for this name? NULL:
 * to none. */
const struct mu_worker_door *mu_hall_door(const struct mu_hall *hall, const struct mu_gate *gate,
                                          const char *name, size_t len);
/* It is in force no more: handshakes that have begun there go by the lists of those doors that are now. */
void mu_hall_retire(struct mu_hall *hall, const struct mu_hall *present);
void mu_hall_leave(struct mu_hall *hall);

#endif
