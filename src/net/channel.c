#include "net/channel.h"

#include <errno.h>
#include <sys/socket.h>

/* --- The socket --- */

/* Less than was asked for was all there is; to ask again before the loop says so would be a system call for nothing. */
static ssize_t socket_read(void *arg, void *ret, size_t cap)
{
    struct mu_channel *channel = arg;
    ssize_t n;
    if (!channel->readable && !channel->failed) {
        errno = EAGAIN;
        return -1;
    }
    do
        n = recv(channel->fd, ret, cap, 0);
    while (n < 0 && errno == EINTR);
    channel->readable = n == 0 || (size_t)n == cap;
    if (n > 0) {
        channel->received += (size_t)n;
        if (channel->counters != NULL)
            mu_count(&channel->counters->received, (size_t)n);
    }
    return n;
}

static ssize_t socket_write(void *arg, const void *data, size_t len)
{
    struct mu_channel *channel = arg;
    ssize_t n;
    do
        n = send(channel->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        channel->sent += (size_t)n;
        if (channel->counters != NULL)
            mu_count(&channel->counters->sent, (size_t)n);
    }
    channel->failed = channel->failed || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
    return n;
}

struct mu_transport mu_channel_transport(struct mu_channel *channel)
{
    return (struct mu_transport){.read = socket_read, .write = socket_write, .arg = channel};
}

/* --- As it is, or within TLS --- */

static enum mu_io failed_or(enum mu_io later)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? later : MU_IO_FAILED;
}

enum mu_io mu_channel_read(struct mu_channel *channel, void *ret, size_t cap, size_t *ret_len)
{
    if (channel->tls != NULL)
        return mu_tls_read(channel->tls, ret, cap, ret_len);
    ssize_t n = socket_read(channel, ret, cap);
    *ret_len = n < 0 ? 0 : (size_t)n;
    if (n < 0)
        return failed_or(MU_IO_WANT_READ);
    return n == 0 ? MU_IO_END : MU_IO_DONE;
}

enum mu_io mu_channel_write(struct mu_channel *channel, const void *data, size_t len,
                            size_t *ret_len)
{
    if (channel->tls != NULL)
        return mu_tls_write(channel->tls, data, len, ret_len);
    ssize_t n = socket_write(channel, data, len);
    *ret_len = n < 0 ? 0 : (size_t)n;
    return n < 0 ? failed_or(MU_IO_WANT_WRITE) : MU_IO_DONE;
}

bool mu_channel_has_input(const struct mu_channel *channel)
{
    return channel->readable || channel->failed ||
           (channel->tls != NULL && mu_tls_has_input(channel->tls));
}

void mu_channel_end(struct mu_channel *channel)
{
    if (channel->tls != NULL)
        mu_tls_close(channel->tls);
    else
        shutdown(channel->fd, SHUT_WR);
}

enum mu_io mu_channel_flush(struct mu_channel *channel)
{
    return channel->tls == NULL ? MU_IO_DONE : mu_tls_flush(channel->tls);
}

bool mu_channel_has_output(const struct mu_channel *channel)
{
    return channel->tls != NULL && mu_tls_has_output(channel->tls);
}

void mu_channel_reset(struct mu_channel *channel)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(channel->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}
