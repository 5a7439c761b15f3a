#include "net/channel.h"

#include <errno.h>
#include <sys/socket.h>

/* So much is copied rather than sent by itself. */
enum { HELD_MAX = 4096 };

/* --- The socket --- */

/* Less than was asked for was all there is; to ask again before the loop says so would be a system call for nothing. */
static ssize_t socket_read(void *arg, void *ret, size_t cap)
{
    struct mu_channel *channel = arg;
    ssize_t n;
    if (!channel->readable && channel->failed == 0) {
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
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        channel->failed = errno;
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

static enum mu_io send_held(struct mu_channel *channel)
{
    while (channel->held.len > 0) {
        ssize_t n = socket_write(channel, channel->held.data, channel->held.len);
        if (n < 0)
            return failed_or(MU_IO_WANT_WRITE);
        mu_buf_consume(&channel->held, (size_t)n);
    }
    mu_buf_clear(&channel->held); /* a connection at rest should hold no memory */
    return MU_IO_DONE;
}

static enum mu_io hold(struct mu_channel *channel, const void *data, size_t len, size_t *ret_len)
{
    mu_buf_add(&channel->held, data, len);
    if (mu_buf_failed(&channel->held)) {
        errno = ENOMEM;
        return MU_IO_FAILED;
    }
    *ret_len = len;
    return MU_IO_DONE;
}

enum mu_io mu_channel_write(struct mu_channel *channel, const void *data, size_t len,
                            size_t *ret_len)
{
    if (channel->tls != NULL)
        return mu_tls_write(channel->tls, data, len, ret_len);
    *ret_len = 0;
    if (channel->failed != 0) {
        errno = channel->failed;
        return MU_IO_FAILED;
    }
    if (channel->held.len + len <= HELD_MAX)
        return hold(channel, data, len, ret_len);
    enum mu_io io = send_held(channel);
    if (io != MU_IO_DONE)
        return io;
    ssize_t n = socket_write(channel, data, len);
    *ret_len = n < 0 ? 0 : (size_t)n;
    return n < 0 ? failed_or(MU_IO_WANT_WRITE) : MU_IO_DONE;
}

bool mu_channel_has_input(const struct mu_channel *channel)
{
    return channel->readable || channel->failed != 0 ||
           (channel->tls != NULL && mu_tls_has_input(channel->tls));
}

void mu_channel_end(struct mu_channel *channel)
{
    channel->ending = true;
    if (channel->tls != NULL)
        mu_tls_close(channel->tls);
    else if (channel->held.len == 0)
        shutdown(channel->fd, SHUT_WR);
}

enum mu_io mu_channel_flush(struct mu_channel *channel)
{
    if (channel->tls != NULL)
        return mu_tls_flush(channel->tls);
    if (channel->held.len == 0)
        return MU_IO_DONE;
    enum mu_io io = send_held(channel);
    if (io == MU_IO_DONE && channel->ending)
        shutdown(channel->fd, SHUT_WR);
    return io;
}

bool mu_channel_has_output(const struct mu_channel *channel)
{
    if (channel->tls != NULL)
        return mu_tls_has_output(channel->tls);
    return channel->held.len > 0 && channel->failed == 0;
}

void mu_channel_reset(struct mu_channel *channel)
{
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(channel->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void mu_channel_clear(struct mu_channel *channel)
{
    mu_tls_free(channel->tls);
    channel->tls = NULL;
    mu_buf_clear(&channel->held);
}
