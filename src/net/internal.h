#ifndef MU_NET_INTERNAL_H
#define MU_NET_INTERNAL_H

/* What a worker and its connections know of each other. For this room only. */

#include <sys/types.h>
#include <uv.h>

#include "net/channel.h"
#include "net/crowd.h"
#include "net/house.h"
#include "net/server.h"
#include "net/turn.h"
#include "net/worker.h"

/* What the main thread has asked of the workers; each looks when it is woken. */
enum stop { STOP_NOT, STOP_GENTLY, STOP_NOW };

/* What the workers are asked for whoever has come to a plain listener: plain.c. */
struct mu_question {
    _Atomic unsigned number;
    _Atomic bool wants_connections;
    uv_async_t *answered;
};

struct mu_survey_part; /* one worker's answer */

/* review.c: whether those who are in may still be. */
struct mu_review {
    uv_idle_t idle;
    uv_timer_t clock;        /* until the first certificate ends */
    struct mu_conn *next;    /* to be looked at; NULL: all have been */
    bool of_all;             /* not only of those whose time is up */
    uint64_t untracked_told; /* so many connections, the last time */
    time_t first_end;        /* of a certificate, of those who are in; 0: nobody is */
    _Atomic bool asked;      /* from another thread: see mu_server_review() */
};

struct mu_listener {
    uv_poll_t poll;
    struct mu_listener *next; /* of the worker's */
    struct mu_worker *worker;
    const struct mu_gate *gate; /* NULL: it went when this was closed already */
    int fd;                     /* -1: closed, since the worker stops */
    /* Of a Unix socket's name, in the worker that made it: another server may have taken the name since. */
    dev_t device;
    ino_t inode;
};

/* share.c: whom the kernel gives to a worker that has more connections than another one. */
struct mu_share {
    struct mu_worker *all;
    unsigned count;
    const _Atomic unsigned *moving; /* the server's: workers that have not taken over the latest doors */
    /* Connections, and those of them that have not come in; both with those who are handed to it and not yet taken. */
    _Atomic unsigned load, shaking;
    bool ending;                        /* who is let in now is the last to be */
    _Atomic(struct mu_handed *) handed; /* to this worker, newest first */
};

struct mu_worker {
    const struct mu_server_config *config;
    const _Atomic int *stop;       /* enum stop, the server's */
    const _Atomic unsigned *pulse; /* the server's: counts its questions whether we are alive */
    _Atomic unsigned pulse_seen;
    _Atomic bool ended; /* the loop, when there was nothing left to do */
    struct mu_question *question;
    _Atomic unsigned answered; /* the number of the last question */
    _Atomic(struct mu_survey_part *) part;
    struct mu_counters counters;
    struct mu_hall *hall; /* the doors in force */
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t wake;
    uv_async_t asked;
    uv_timer_t patience;            /* runs out some time after a request to stop */
    uv_timer_t retry;               /* accepting is paused until then */
    _Atomic(struct mu_move *) move; /* to make at the next turn; of whoever takes it */
    struct mu_listener *listeners;
    struct mu_tls_sessions *sessions; /* the server's */
    struct mu_conn *connections;      /* a list, newest first */
    struct mu_review review;
    struct mu_share share;
    struct mu_stream *kept, *kept_longest; /* likewise, and its end: for whoever needs one */
    unsigned kept_count;
    uv_timer_t kept_clock;  /* until the one that has been kept for longest is too old */
    void *common;           /* of protocols */
    struct mu_crowd *crowd; /* the server's; NULL: nobody counts */
    struct mu_conn *shaking_oldest, *shaking_newest; /* who has not come in yet */
    unsigned shaking_count, shaking_limit;           /* 0: no limit */
    struct mu_turn turn;
    unsigned connection_count, connection_limit;
    bool has_loop;
    bool is_first; /* what is to be done once, it does */
    _Atomic bool accepting;
    bool stopping;
    uint64_t trouble_told_ms; /* so that trouble is told, but does not flood the log */
};

/* listener.c: may we have this address? The port that the kernel chose for port 0 is written back. Fails
 * with MU_E_LISTEN, and errno tells. */
MU_CHECK int mu_listener_claim(struct mu_address *address, struct mu_error *err);
/* Bind and listen, beside the other workers' sockets on the same address; `first` is the first worker's, NULL for that
 * one itself. Fails with MU_E_LISTEN. */
MU_CHECK int mu_listener_open(const struct mu_address *address, struct mu_listener *ret,
                              const struct mu_listener *first, struct mu_error *err);
/* Remove the name of a Unix socket, if it is still this one's. */
void mu_listener_remove_name(const struct mu_listener *listener, const struct mu_address *address);
void mu_listener_start(struct mu_listener *listener);
/* Let in whoever waits. */
void mu_listener_accept(struct mu_listener *listener);
/* Begin (again) and cease to accept on all of a worker's listeners. */
void mu_listeners_start(struct mu_worker *worker);
void mu_listeners_stop(struct mu_worker *worker);

/* Has another worker, that has less to do, taken the connection? Not while doors are changing, when the two may have others. */
bool mu_share_give(const struct mu_listener *listener, int fd, const struct mu_address *peer);
/* Let in whom other workers have handed on. */
void mu_share_take(struct mu_worker *worker);
/* Nobody is to hand on anything any more; whoever has been is let in. */
void mu_share_end(struct mu_worker *worker);

/* move.c: new doors for a worker, and listeners for those of their addresses that nobody has listened at before. */
struct mu_move {
    struct mu_hall *hall;
    struct mu_listener *opened;
    _Atomic unsigned *left; /* to move, of all workers */
    uv_async_t *done;       /* the last one says so */
};

/* `first` is the first worker's, NULL for that one itself. Given. Fails as mu_hall_new() and mu_listener_open() do. */
MU_CHECK int mu_move_new(struct mu_house *house, const struct mu_move *first, struct mu_move **ret,
                         struct mu_error *err);
/* Sockets that were handed on and that no worker has taken, since there are fewer of them now: whom the kernel gives to one of
 * these is not to wait for ever. Fails with MU_E_NOMEM. */
MU_CHECK int mu_move_add_rest(struct mu_move *move, struct mu_error *err);
/* It is not going to be made. */
void mu_move_free(struct mu_move *move);
/* Make it, in the worker's thread. Takes `move`. */
void mu_worker_make(struct mu_worker *worker, struct mu_move *move);

/* server.c: the loop of the thread that runs the server. */
uv_loop_t *mu_server_loop(struct mu_server *server);

/* worker.c: to be made in its thread, by and by; by one that has ended it is but counted. Takes `move`. */
void mu_worker_give(struct mu_worker *worker, struct mu_move *move);
/* Make ready what is the worker's own; what it shares with others is there. Fails with MU_E_SYSTEM. */
MU_CHECK int mu_worker_begin(struct mu_worker *worker, struct mu_error *err);
/* A thread's function: serve until the server stops. `worker` is a struct mu_worker. */
void mu_worker_run(void *worker);
/* Its thread has ended. The names of its Unix sockets stay, if they were handed on. */
void mu_worker_end(struct mu_worker *worker, bool handed_on);
/* Close what is left in a loop and let it see its handles go. */
void mu_loop_take_down(uv_loop_t *loop);

/* shaking.c: the connection stands among those who have not come in yet, or does so no more. */
void mu_shaking_note(struct mu_conn *conn, bool shaking);
/* Is there room for one more of them? Otherwise there may be after `ret_wait_ms`, or when one of them has come in. */
bool mu_shaking_may_start(struct mu_worker *worker, unsigned *ret_wait_ms);
/* There is not unless this one goes. */
bool mu_shaking_is_full(const struct mu_worker *worker);
struct mu_conn *mu_shaking_first_to_go(const struct mu_worker *worker);

/* stay.c: may the client whose handshake is over come in, by the doors of now? `ret` says why not. */
bool mu_conn_is_welcome(struct mu_conn *conn, struct mu_refusal *ret);
/* May the client of this connection stay, by what holds now? False: `ret` says why not; if it is but that a list lacks
 * (only_lacks_list), rules have been asked, too. */
bool mu_conn_may_stay(struct mu_conn *conn, struct mu_refusal *ret);
/* Would a client who asks for this name come to the same door as this connection's would, by the doors of now? */
bool mu_conn_still_leads_to(const struct mu_conn *conn, const char *name, size_t len);
/* It stays, and if the door to which it would come asks somebody else about clients, it is asked about from now on. */
void mu_conn_ask_about(struct mu_conn *conn);
/* The connection ends, and is not one of the untracked any more. */
void mu_conn_leave_track(struct mu_conn *conn);
/* review.c: make the handles; look at all, from the beginning; and what a connection brings about when its client is let in, and
 * when it ends. */
void mu_review_init(struct mu_worker *worker);
void mu_review_begin(struct mu_worker *worker);
void mu_review_join(struct mu_conn *conn);
void mu_review_leave(struct mu_conn *conn);

/* worker.c: the soft limit on open files is low for the sake of select(2), which is not used here: raise it to the hard one, if that
 * can be. */
void mu_raise_file_limit(void);
/* A connection has begun or ended. */
void mu_worker_add(struct mu_worker *worker, struct mu_conn *conn);
void mu_worker_remove(struct mu_worker *worker, struct mu_conn *conn);
void mu_worker_trouble(struct mu_worker *worker, const char *id, const char *sentence,
                       const char *hint);

/* plain.c: the plain listeners, on the server's own loop. Their ports are written back. `ret` is given even on failure: first
 * close it, then take down the loop, then free it. Fails with MU_E_LISTEN. */
struct mu_plain;
MU_CHECK int mu_plain_new(uv_loop_t *loop, struct mu_plain_config *configs, size_t count,
                          const _Atomic int *stop, struct mu_plain **ret, struct mu_error *err);
/* All the workers there will be; and each of them, when it has its loop. */
void mu_plain_meet(struct mu_plain *plain, struct mu_worker *workers, unsigned count);
void mu_plain_join(struct mu_plain *plain, struct mu_worker *worker);
void mu_plain_close(struct mu_plain *plain);
void mu_plain_free(struct mu_plain *plain);
/* stream.c: make the handle; close those that are kept. Returns how many there were. */
void mu_streams_init(struct mu_worker *worker);
unsigned mu_streams_drop(struct mu_worker *worker);

struct mu_conn {
    struct mu_worker *worker;
    struct mu_hall *hall; /* by which it came */
    const struct mu_gate *gate;
    const struct mu_server_door *door; /* until the client has asked for a name, the gate's first */
    struct mu_conn *next, *previous;   /* in the worker's list */
    struct mu_conn *shaking_before, *shaking_behind; /* likewise, of those who have not come in */
    bool shaking;
    uint64_t crowd_key; /* under which it is counted; 0: it is not */
    int state;          /* enum conn_state: conn.c */
    struct mu_channel channel;
    struct mu_turn_part sending;
    int events; /* what the poll handle watches for now */
    int open_handles;
    bool fears_loss; /* see mu_conn_fear_loss() */
    enum mu_serve wants;
    bool expired;  /* the deadline of this state has passed */
    bool stopping; /* the server is stopping; the protocol is told once */
    bool told;
    bool expelled, told_expelled; /* likewise: the client may not stay */
    bool untracked;               /* by what holds now nobody could say whether it may */
    uint64_t gone_by_ms;          /* in loop time: if it is expelled */
    uint64_t deadline_ms;         /* likewise */
    uint64_t began_ns;            /* of uv_hrtime() */
    size_t discarded;
    uv_poll_t poll;
    uv_timer_t timer;
    struct mu_tls_caller *caller; /* the door's */
    struct mu_cert *client;
    void *asked; /* of the door's voucher; NULL: it has not been */
    void (*leave_asked)(void *asked);
    const struct mu_protocol *protocol; /* once it is known */
    void *session;                      /* the protocol's */
    struct mu_address peer;
    struct mu_preface *preface; /* of a proxy; NULL: there is none */
};

/* plain.c: add its sockets to a list of descriptors; and leave them to another process from now on. */
size_t mu_plain_count(const struct mu_plain *plain);
void mu_plain_sockets(const struct mu_plain *plain, int *ret);
void mu_plain_hand_on(struct mu_plain *plain);

#endif
