/*
 * Listening sockets: one a worker and address, all on the same port by SO_REUSEPORT. A Unix socket knows no such thing,
 * and one that was handed to us is there once: these the workers share.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/internal.h"
#include "net/successor.h"

enum { BACKLOG = 1024, ACCEPT_BATCH = 32, RETRY_MS = 100 };

static int bind_to(const struct mu_address *address, bool shared)
{
    const int on = 1;
    int fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* What is set here is inherited by each accepted socket, which saves it a system call. */
    if (address->sa.ss_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    if (address->sa.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
        close(fd);
        return -1;
    }
    if (bind(fd, (const struct sockaddr *)&address->sa, address->len) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int fail_listen(const struct mu_address *address, struct mu_error *err)
{
    char text[MU_ADDRESS_LEN];
    mu_fail_errno(err, MU_E_LISTEN, "cannot listen on %s", mu_address_text(address, text));
    if (errno == EACCES && address->sa.ss_family != AF_UNIX)
        mu_hint(err, "ports below 1024 are for root: choose one from 1024 up with --listen");
    return -1;
}

/* A server that was killed leaves its socket's name behind: nobody answers there. Whatever else has the name, keeps it. */
static int claim_unix(const struct mu_address *address, struct mu_error *err)
{
    struct stat st;
    if (lstat(mu_address_path(address), &st) != 0)
        return errno == ENOENT ? 0 : fail_listen(address, err);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool abandoned = S_ISSOCK(st.st_mode) && fd >= 0 &&
                     connect(fd, (const struct sockaddr *)&address->sa, address->len) != 0 &&
                     errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (abandoned && unlink(mu_address_path(address)) == 0)
        return 0;
    errno = EADDRINUSE;
    return fail_listen(address, err);
}

/*
 * With SO_REUSEPORT a second server of the same user would quietly take half of the first one's clients.
 * A socket without it is refused where anybody listens already, so this one asks, and lets go again.
 */
int mu_listener_claim(struct mu_address *address, struct mu_error *err)
{
    if (address->inherited != 0 || mu_predecessor_claim(address))
        return 0;
    if (address->sa.ss_family == AF_UNIX)
        return claim_unix(address, err);
    int fd = bind_to(address, false);
    if (fd < 0)
        return fail_listen(address, err);
    getsockname(fd, (struct sockaddr *)&address->sa, &address->len);
    close(fd);
    return 0;
}

int mu_listener_open(const struct mu_address *address, struct mu_listener *ret,
                     const struct mu_listener *first, struct mu_error *err)
{
    const bool inherited = address->inherited != 0, is_unix = address->sa.ss_family == AF_UNIX;
    struct stat st;
    if (inherited || (is_unix && first != NULL))
        ret->fd = fcntl(inherited ? address->inherited : first->fd, F_DUPFD_CLOEXEC, 0);
    else if ((ret->fd = mu_predecessor_take(address)) < 0)
        ret->fd = bind_to(address, !is_unix);
    if (ret->fd < 0)
        return fail_listen(address, err);
    if (listen(ret->fd, BACKLOG) != 0) {
        fail_listen(address, err);
        close(ret->fd);
        ret->fd = -1;
        return -1;
    }
    if (is_unix && !inherited && first == NULL && lstat(mu_address_path(address), &st) == 0) {
        ret->device = st.st_dev;
        ret->inode = st.st_ino;
    }
    return 0;
}

void mu_listener_remove_name(const struct mu_listener *listener, const struct mu_address *address)
{
    struct stat st;
    const char *path = mu_address_path(address);
    if (listener->inode != 0 && lstat(path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode)
        unlink(path);
}

static void on_retry(uv_timer_t *timer)
{
    mu_listeners_start(timer->data);
}

/* Out of descriptors or memory: leave clients in the kernel's queue for a moment instead of spinning. */
static void pause_accepting(struct mu_worker *worker)
{
    mu_count(&worker->counters.accept_pauses, 1);
    mu_listeners_stop(worker);
    uv_timer_start(&worker->retry, on_retry, RETRY_MS, 0);
    mu_worker_trouble(worker, "accept-paused",
                      "there are no file descriptors or no memory left for new connections; they wait",
                      "raise the limit on open files (ulimit -n, LimitNOFILE=), or have fewer "
                      "connections");
}

/* False: whoever comes waits in the kernel's queue, until somebody has come in or been too long about it. */
static bool has_room(struct mu_worker *worker)
{
    unsigned wait_ms;
    if (mu_shaking_may_start(worker, &wait_ms))
        return true;
    mu_listeners_stop(worker);
    uv_timer_start(&worker->retry, on_retry, wait_ms, 0);
    return false;
}

/* True: there may be more. */
static bool accept_one(struct mu_listener *listener)
{
    struct mu_address peer = {.len = sizeof peer.sa};
    int fd =
        accept4(listener->fd, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        mu_address_unmap(&peer);
        if (!mu_share_give(listener, fd, &peer))
            mu_conn_start(listener, fd, &peer);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        if (mu_streams_drop(listener->worker) > 0)
            return true; /* there may be room now */
        pause_accepting(listener->worker);
        return false;
    }
    /* This client gave up in the queue; the next one is not to suffer for it. */
    return errno != EAGAIN && errno != EWOULDBLOCK;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct mu_listener *listener = poll->data;
    (void)events;
    struct mu_worker *worker = listener->worker;
    for (int i = 0; status == 0 && i < ACCEPT_BATCH && worker->accepting && has_room(worker); i++)
        if (!accept_one(listener))
            return;
}

void mu_listener_accept(struct mu_listener *listener)
{
    for (int i = 0; i < BACKLOG && accept_one(listener); i++)
        ;
}

void mu_listener_start(struct mu_listener *listener)
{
    uv_poll_start(&listener->poll, UV_READABLE, on_connection);
}

void mu_listeners_start(struct mu_worker *worker)
{
    if (worker->accepting || worker->stopping ||
        worker->connection_count >= worker->connection_limit)
        return;
    worker->accepting = true;
    for (struct mu_listener *listener = worker->listeners; listener != NULL;
         listener = listener->next)
        mu_listener_start(listener);
}

void mu_listeners_stop(struct mu_worker *worker)
{
    if (!worker->accepting)
        return;
    worker->accepting = false;
    for (struct mu_listener *listener = worker->listeners; listener != NULL;
         listener = listener->next)
        uv_poll_stop(&listener->poll);
}
