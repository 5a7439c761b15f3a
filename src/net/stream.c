#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/internal.h"

struct mu_stream {
    uv_poll_t poll;
    struct mu_channel channel;
    int events; /* what the poll handle watches for now */
    bool connected;
    bool failed; /* libuv watches it no more; reading tells the rest, and why */
    void (*wake)(void *arg);
    void *arg;
};

/* --- Life --- */

static int open_socket(const struct mu_address *address)
{
    const int on = 1;
    int fd = socket(address->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (address->sa.ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    /* A Unix socket whose queue is full says EAGAIN and would not tell when there is room: that is a failure. */
    if (connect(fd, (const struct sockaddr *)&address->sa, address->len) == 0 ||
        errno == EINPROGRESS)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

struct mu_stream *mu_stream_connect(struct mu_worker *worker, const struct mu_address *address,
                                    void (*wake)(void *arg), void *arg)
{
    struct mu_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->channel.fd = open_socket(address);
    if (stream->channel.fd < 0 ||
        uv_poll_init(&worker->loop, &stream->poll, stream->channel.fd) != 0) {
        int saved = errno;
        if (stream->channel.fd >= 0)
            close(stream->channel.fd);
        free(stream);
        errno = saved;
        return NULL;
    }
    stream->poll.data = stream;
    stream->wake = wake;
    stream->arg = arg;
    return stream;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void mu_stream_free(struct mu_stream *stream, bool reset)
{
    if (stream == NULL)
        return;
    if (reset)
        mu_channel_reset(&stream->channel);
    uv_close((uv_handle_t *)&stream->poll, on_closed);
    close(stream->channel.fd);
}

/* --- Watching --- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct mu_stream *stream = poll->data;
    if (status < 0) {
        stream->failed = true;
        stream->events = 0;
    }
    if ((events & UV_READABLE) != 0)
        stream->channel.readable = true;
    stream->wake(stream->arg);
}

void mu_stream_watch(struct mu_stream *stream, bool reads, bool writes)
{
    int events = (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);
    if (events == stream->events || stream->failed)
        return;
    stream->events = events;
    uv_poll_start(&stream->poll, events, on_poll);
}

/* --- Data --- */

enum mu_io mu_stream_connected(struct mu_stream *stream)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    if (stream->connected)
        return MU_IO_DONE;
    int why = 0;
    socklen_t why_len = sizeof why;
    getsockopt(stream->channel.fd, SOL_SOCKET, SO_ERROR, &why, &why_len);
    if (why != 0) {
        errno = why;
        return MU_IO_FAILED;
    }
    stream->connected = getpeername(stream->channel.fd, (struct sockaddr *)&peer, &len) == 0;
    return stream->connected ? MU_IO_DONE : MU_IO_WANT_WRITE;
}

enum mu_io mu_stream_read(struct mu_stream *stream, void *ret, size_t cap, size_t *ret_len)
{
    if (stream->failed)
        stream->channel.readable = true;
    return mu_channel_read(&stream->channel, ret, cap, ret_len);
}

enum mu_io mu_stream_write(struct mu_stream *stream, const void *data, size_t len, size_t *ret_len)
{
    return mu_channel_write(&stream->channel, data, len, ret_len);
}

void mu_stream_end(struct mu_stream *stream)
{
    mu_channel_end(&stream->channel);
}
