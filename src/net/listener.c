/* Listening sockets: one a worker and address, all on the same port by SO_REUSEPORT. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/internal.h"

enum { BACKLOG = 1024, ACCEPT_BATCH = 32, RETRY_MS = 100 };

static int bind_to(const struct mu_address *address, bool shared)
{
    const int on = 1;
    int fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* What is set here is inherited by each accepted socket, which saves it a system call. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
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
    if (errno == EACCES)
        mu_hint(err, "ports below 1024 are for root: choose one from 1024 up with --listen");
    return -1;
}

/*
 * With SO_REUSEPORT a second server of the same user would quietly take half of the first one's clients.
 * A socket without it is refused where anybody listens already, so this one asks, and lets go again.
 */
int mu_listener_claim(struct mu_address *address, struct mu_error *err)
{
    int fd = bind_to(address, false);
    if (fd < 0)
        return fail_listen(address, err);
    getsockname(fd, (struct sockaddr *)&address->sa, &address->len);
    close(fd);
    return 0;
}

int mu_listener_open(const struct mu_address *address, int *ret_fd, struct mu_error *err)
{
    int fd = bind_to(address, true);
    if (fd >= 0 && listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return 0;
    }
    fail_listen(address, err);
    if (fd >= 0)
        close(fd);
    return -1;
}

static void on_retry(uv_timer_t *timer)
{
    mu_listeners_start(timer->data);
}

/* Out of descriptors or memory: leave clients in the kernel's queue for a moment instead of spinning. */
static void pause_accepting(struct mu_worker *worker)
{
    mu_listeners_stop(worker);
    uv_timer_start(&worker->retry, on_retry, RETRY_MS, 0);
    mu_worker_trouble(worker, "accept-paused",
                      "there are no file descriptors or no memory left for new connections; they wait",
                      "raise the limit on open files (ulimit -n, LimitNOFILE=), or have fewer "
                      "connections");
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct mu_listener *listener = poll->data;
    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < ACCEPT_BATCH && listener->worker->accepting; i++) {
        struct mu_address peer = {.len = sizeof peer.sa};
        int fd = accept4(listener->fd, (struct sockaddr *)&peer.sa, &peer.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            mu_conn_start(listener->worker, fd, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(listener->worker);
        else if (errno != EAGAIN && errno != EWOULDBLOCK)
            continue; /* this client gave up in the queue; the next one is not to suffer for it */
        return;
    }
}

void mu_listeners_start(struct mu_worker *worker)
{
    if (worker->accepting || worker->stopping ||
        worker->connection_count >= worker->connection_limit)
        return;
    worker->accepting = true;
    for (size_t i = 0; i < worker->listener_count; i++)
        uv_poll_start(&worker->listeners[i].poll, UV_READABLE, on_connection);
}

void mu_listeners_stop(struct mu_worker *worker)
{
    worker->accepting = false;
    for (size_t i = 0; i < worker->listener_count; i++)
        uv_poll_stop(&worker->listeners[i].poll);
}
