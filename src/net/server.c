#include "net/server.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "net/internal.h"
#include "net/succession.h"

struct mu_server {
    const struct mu_server_config *config;
    struct mu_worker *workers;
    unsigned worker_count, thread_count;
    struct mu_house *house; /* in force */
    uv_loop_t loop;         /* the main thread's, for signals and plain listeners */
    struct mu_plain *plain;
    struct mu_crowd *crowd; /* NULL: nobody counts */
    struct mu_tls_sessions *sessions;
    uv_signal_t signals[4];
    struct mu_succession succession;
    bool upgrades; /* as soon as no worker is moving */
    bool is_empty; /* the workers have ended */
    uv_timer_t heart;
    bool has_loop;
    _Atomic int stop;
    _Atomic unsigned pulse;
    _Atomic unsigned moving; /* workers that have not taken over the latest doors */
    uv_async_t moved;        /* that was the last of them */
};

/* --- Setting up --- */

unsigned mu_server_cores(void)
{
    return uv_available_parallelism();
}

/* What it shares with the others is the server's. */
static int make_worker(struct mu_server *server, struct mu_worker *worker, struct mu_error *err)
{
    *worker = (struct mu_worker){
        .config = server->config,
        .is_first = worker == server->workers,
        .stop = &server->stop,
        .pulse = &server->pulse,
        .share = {.all = server->workers,
                  .count = server->config->workers,
                  .moving = &server->moving},
        .sessions = server->sessions,
        .crowd = server->crowd,
    };
    if (mu_worker_begin(worker, err) != 0)
        return -1;
    mu_plain_join(server->plain, worker);
    return 0;
}

static void wake_all(struct mu_server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++)
        uv_async_send(&server->workers[i].wake);
}

static void upgrade(struct mu_server *server);

static void on_moved(uv_async_t *moved)
{
    struct mu_server *server = moved->data;
    const struct mu_server_events *events = &server->config->events;
    if (events->moved != NULL)
        events->moved(events->reload_arg);
    if (server->upgrades && !mu_server_is_stopping(server))
        upgrade(server);
}

/* A move for each worker, or for none. */
static int make_moves(struct mu_server *server, struct mu_house *house, struct mu_move **ret,
                      struct mu_error *err)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (mu_move_new(house, i == 0 ? NULL : ret[0], &ret[i], err) == 0)
            continue;
        while (i > 0)
            mu_move_free(ret[--i]);
        return -1;
    }
    if (mu_move_add_rest(ret[0], err) == 0)
        return 0;
    for (unsigned i = 0; i < server->worker_count; i++)
        mu_move_free(ret[i]);
    return -1;
}

/* Whoever stops listens nowhere anew. */
static int settle(const struct mu_server *server, struct mu_house *house, struct mu_error *err)
{
    if (!mu_server_is_stopping(server))
        return mu_house_claim(house, server->house, err);
    mu_house_close(house, server->house);
    return 0;
}

static int move_in(struct mu_server *server, const struct mu_server_doors *doors,
                   struct mu_error *err)
{
    const struct mu_server_doors not_yet_ours = {.at = doors->at, .count = doors->count};
    struct mu_house *house = NULL;
    struct mu_move **moves = calloc(server->worker_count, sizeof(struct mu_move *));
    if (moves == NULL)
        return mu_fail_nomem(err);
    if (mu_house_new(&not_yet_ours, &house, err) != 0 || settle(server, house, err) != 0 ||
        make_moves(server, house, moves, err) != 0) {
        mu_house_leave(house);
        free(moves);
        return -1;
    }
    house->doors = *doors; /* from here on the house gives them back */
    atomic_store(&server->moving, server->worker_count);
    for (unsigned i = 0; i < server->worker_count; i++) {
        moves[i]->left = &server->moving;
        moves[i]->done = &server->moved;
        mu_worker_give(&server->workers[i], moves[i]);
    }
    free(moves);
    mu_house_leave(server->house);
    server->house = house;
    wake_all(server);
    return 0;
}

int mu_server_replace(struct mu_server *server, const struct mu_server_doors *doors,
                      struct mu_error *err)
{
    if (atomic_load(&server->moving) > 0)
        return mu_fail(err, MU_E_BUSY, "a worker has not taken over the doors before these");
    return move_in(server, doors, err);
}

bool mu_server_is_stopping(const struct mu_server *server)
{
    return atomic_load(&server->stop) != STOP_NOT;
}

void mu_server_review(struct mu_server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++)
        atomic_store(&server->workers[i].review.asked, true);
    wake_all(server);
}

void mu_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* if not, accepting pauses when they run out */
}

int mu_server_new(const struct mu_server_config *config, const struct mu_server_doors *doors,
                  struct mu_server **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_server) server = calloc(1, sizeof *server);
    if (server == NULL)
        return mu_fail_nomem(err);
    server->config = config;
    mu_raise_file_limit();
    mu_memory_keep_little();
    if (uv_loop_init(&server->loop) != 0)
        return mu_fail_errno(err, MU_E_SYSTEM, "cannot make an event loop");
    server->has_loop = true;
    uv_async_init(&server->loop, &server->moved, on_moved);
    server->moved.data = server;
    if (config->max_from_address > 0 &&
        mu_crowd_new(config->max_from_address, &server->crowd, err) != 0)
        return -1;
    server->sessions = mu_tls_sessions_new(config->sessions);
    server->workers = calloc(config->workers, sizeof *server->workers);
    if (server->sessions == NULL || server->workers == NULL)
        return mu_fail_nomem(err);
    if (mu_plain_new(&server->loop, config->plain, config->plain_count, &server->stop,
                     &server->plain, err) != 0)
        return -1;
    for (; server->worker_count < config->workers; server->worker_count++)
        if (make_worker(server, &server->workers[server->worker_count], err) != 0) {
            server->worker_count++; /* what was made of it is taken down with the rest */
            return -1;
        }
    if (move_in(server, doors, err) != 0)
        return -1;
    mu_plain_meet(server->plain, server->workers, server->worker_count);
    *ret = mu_take(&server);
    return 0;
}

int mu_server_check(const struct mu_server_doors *doors, struct mu_error *err)
{
    struct mu_house *house = NULL;
    struct mu_hall *hall = NULL;
    if (mu_house_new(&(struct mu_server_doors){.at = doors->at, .count = doors->count}, &house,
                     err) != 0)
        return -1;
    int result = mu_hall_new(house, &hall, err);
    mu_hall_leave(hall);
    mu_house_leave(house);
    return result;
}

void mu_server_count(const struct mu_server *server, struct mu_counters *ret)
{
    *ret = (struct mu_counters){0};
    for (unsigned i = 0; i < server->worker_count; i++)
        mu_counters_add(ret, &server->workers[i].counters);
}

uv_loop_t *mu_server_loop(struct mu_server *server)
{
    return &server->loop;
}

size_t mu_server_address_count(const struct mu_server *server)
{
    return server->house->entrance_count;
}

const struct mu_address *mu_server_address(const struct mu_server *server, size_t i)
{
    return &server->house->entrances[i].address;
}

bool mu_server_door_is_at(const struct mu_server *server, size_t door, size_t i)
{
    const struct mu_house *house = server->house;
    return mu_door_is_at(&house->doors.at[door], &house->entrances[i]);
}

/* --- Running --- */

static void ask_to_stop(struct mu_server *server, enum stop how)
{
    atomic_store(&server->stop, how);
    wake_all(server);
}

/* A worker that hangs does not answer, and then nobody is told that all is well. */
static void on_heartbeat(uv_timer_t *heart)
{
    struct mu_server *server = heart->data;
    const struct mu_server_events *events = &server->config->events;
    bool all = true;
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct mu_worker *worker = &server->workers[i];
        all = all && (atomic_load(&worker->ended) ||
                      atomic_load(&worker->pulse_seen) == atomic_load(&server->pulse));
    }
    if (all) {
        atomic_fetch_add(&server->pulse, 1);
        events->alive(events->arg);
    }
    wake_all(server);
}

static void join_threads(struct mu_server *server)
{
    for (; server->thread_count > 0; server->thread_count--)
        uv_thread_join(&server->workers[server->thread_count - 1].thread);
}

static int start_threads(struct mu_server *server, struct mu_error *err)
{
    for (; server->thread_count < server->worker_count; server->thread_count++) {
        struct mu_worker *worker = &server->workers[server->thread_count];
        if (uv_thread_create(&worker->thread, mu_worker_run, worker) == 0)
            continue;
        mu_fail_errno(err, MU_E_SYSTEM, "cannot start a worker thread");
        for (unsigned i = server->thread_count; i < server->worker_count; i++)
            atomic_store(&server->workers[i].ended, true); /* it is waited for by the first */
        ask_to_stop(server, STOP_NOW);
        join_threads(server);
        return -1;
    }
    return 0;
}

static void end_when_free(struct mu_server *server)
{
    if (server->is_empty &&
        (!mu_succession_needs_us(&server->succession) || atomic_load(&server->stop) == STOP_NOW))
        uv_stop(&server->loop);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct mu_server *server = signal->data;
    const struct mu_server_events *events = &server->config->events;
    (void)number;
    const bool again = mu_server_is_stopping(server);
    if (!again && events->stopping != NULL)
        events->stopping(events->arg);
    ask_to_stop(server, again ? STOP_NOW : STOP_GENTLY);
    end_when_free(server);
}

static void on_hangup(uv_signal_t *signal, int number)
{
    struct mu_server *server = signal->data;
    const struct mu_server_events *events = &server->config->events;
    (void)number;
    events->hangup(events->reload_arg);
}

/* --- Making way for another process --- */

/* Systemd's sockets go by themselves, and a Unix socket is the same one for all workers. */
static bool is_handed_on(const struct mu_address *address, unsigned worker)
{
    return address->inherited == 0 && (mu_address_path(address) == NULL || worker == 0);
}

/* NULL without memory. The workers' lists are theirs, but they change only when they move. */
static int *sockets_of(const struct mu_server *server, size_t *ret_count)
{
    size_t count = mu_plain_count(server->plain);
    for (unsigned i = 0; i < server->worker_count; i++)
        for (const struct mu_listener *l = server->workers[i].listeners; l != NULL; l = l->next)
            count++;
    int *fds = calloc(count + 1, sizeof *fds);
    if (fds == NULL)
        return NULL;
    mu_plain_sockets(server->plain, fds);
    *ret_count = mu_plain_count(server->plain);
    for (unsigned i = 0; i < server->worker_count; i++)
        for (const struct mu_listener *l = server->workers[i].listeners; l != NULL; l = l->next)
            if (is_handed_on(&l->gate->entrance->address, i))
                fds[(*ret_count)++] = l->fd;
    return fds;
}

static void on_handed_on(void *arg, pid_t successor)
{
    struct mu_server *server = arg;
    const struct mu_server_events *events = &server->config->events;
    mu_plain_hand_on(server->plain);
    events->succeeded(events->arg, successor);
    if (events->introduce != NULL)
        events->introduce(events->reload_arg);
    if (!mu_server_is_stopping(server))
        ask_to_stop(server, STOP_GENTLY);
}

static void on_succession_failed(void *arg, const char *sentence, const char *hint)
{
    const struct mu_server *server = arg;
    const struct mu_server_events *events = &server->config->events;
    if (events->trouble != NULL)
        events->trouble(events->arg, "upgrade-failed", sentence, hint);
}

static void on_told(void *arg, const char *text)
{
    const struct mu_server *server = arg;
    const struct mu_server_events *events = &server->config->events;
    if (events->told != NULL)
        events->told(events->reload_arg, text);
}

static void on_succession_changed(void *arg)
{
    end_when_free(arg);
}

void mu_server_pass_on(struct mu_server *server, const char *text)
{
    mu_succession_say(&server->succession, text);
}

static void upgrade(struct mu_server *server)
{
    size_t count = 0;
    server->upgrades = false;
    int *fds = sockets_of(server, &count);
    mu_succession_start(&server->succession, fds, count);
    free(fds);
}

/* Which sockets there are is known between moves only. */
static void on_upgrade(uv_signal_t *signal, int number)
{
    struct mu_server *server = signal->data;
    (void)number;
    if (mu_server_is_stopping(server) || server->succession.successor != 0)
        return;
    server->upgrades = true;
    if (atomic_load(&server->moving) == 0)
        upgrade(server);
}

/* In a thread of libuv's pool, so that a second signal can hurry the workers while this one waits. */
static void wait_for_workers(uv_work_t *work)
{
    join_threads(work->data);
}

static void on_workers_done(uv_work_t *work, int status)
{
    struct mu_server *server = work->data;
    (void)status;
    server->is_empty = true;
    end_when_free(server);
}

int mu_server_run(struct mu_server *server, void (*ready)(void *arg), void *ready_arg,
                  struct mu_error *err)
{
    const struct {
        int number;
        uv_signal_cb act;
    } all[] = {{SIGTERM, on_signal}, {SIGINT, on_signal}, {SIGHUP, on_hangup}, {SIGUSR2, on_upgrade}};
    const struct mu_server_events *events = &server->config->events;
    uv_work_t work = {.data = server};
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        if ((all[i].number == SIGHUP && events->hangup == NULL) ||
            (all[i].number == SIGUSR2 && events->succeeded == NULL))
            continue;
        uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
        uv_signal_start(&server->signals[i], all[i].act, all[i].number);
    }
    mu_succession_init(&server->succession, &server->loop,
                       &(struct mu_succession_events){on_handed_on, on_succession_failed, on_told,
                                                      on_succession_changed, server});
    uv_timer_init(&server->loop, &server->heart);
    server->heart.data = server;
    if (start_threads(server, err) != 0)
        return -1;
    if (server->config->alive_ms > 0)
        uv_timer_start(&server->heart, on_heartbeat, 0, server->config->alive_ms);
    if (ready != NULL)
        ready(ready_arg);
    mu_succession_take_over(&server->succession);
    uv_queue_work(&server->loop, &work, wait_for_workers, on_workers_done);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    return 0;
}

/* --- Taking down --- */

void mu_server_free(struct mu_server *server)
{
    if (server == NULL)
        return;
    for (unsigned i = 0; i < server->worker_count; i++)
        mu_worker_end(&server->workers[i], server->succession.handed_on);
    mu_plain_close(server->plain);
    mu_succession_end(&server->succession);
    if (server->has_loop)
        mu_loop_take_down(&server->loop);
    mu_plain_free(server->plain);
    mu_crowd_free(server->crowd);
    mu_tls_sessions_free(server->sessions);
    free(server->workers);
    mu_house_leave(server->house);
    free(server);
}
