#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/internal.h"

/* Of each worker. Whoever closes what is needed again in a moment pays for each request as for a first one, so the bound is far away: what nobody
 * has needed for a while goes by its age, for its other end is likely to close it soon. */
enum { KEPT_MAX = 1024, KEPT_MS = 60 * 1000 };

struct mu_stream {
    uv_poll_t poll;
    struct mu_worker *worker;
    struct mu_address address;
    struct mu_stream *next, *previous; /* of those that are kept */
    uint64_t kept_since_ms;
    uint64_t owner; /* whom it is kept for; 0: anybody */
    struct mu_channel channel;
    struct mu_turn_part sending;
    bool reads, writes;           /* what it is to watch for */
    int events;                   /* what the poll handle watches for now */
    struct mu_tls_caller *caller; /* NULL: without TLS */
    size_t target;
    uint64_t began_ns;
    bool connected; /* and the handshake is over, if there is one */
    bool given_up;  /* libuv watches it no more */
    bool freed;
    bool refused; /* and it has been counted */
    void (*wake)(void *arg);
    void (*dropped)(void *arg); /* while it rests */
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

static void on_turn_end(void *owner);

struct mu_stream *mu_stream_connect(struct mu_worker *worker, const struct mu_address *address,
                                    struct mu_tls_caller *caller, size_t target,
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
    stream->sending = (struct mu_turn_part){.due = on_turn_end, .owner = stream};
    stream->worker = worker;
    stream->address = *address;
    stream->caller = caller;
    stream->target = target;
    stream->began_ns = caller == NULL ? 0 : uv_hrtime();
    stream->wake = wake;
    stream->arg = arg;
    return stream;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* What is not taken at once is lost, which only a goodbye can be: for all else, its owner has waited. */
static void take_leave(struct mu_channel *channel)
{
    if (channel->tls != NULL)
        mu_channel_end(channel);
    (void)mu_channel_flush(channel);
}

void mu_stream_free(struct mu_stream *stream, bool reset)
{
    if (stream == NULL)
        return;
    if (reset)
        mu_channel_reset(&stream->channel);
    else
        take_leave(&stream->channel);
    mu_channel_clear(&stream->channel);
    stream->freed = true;
    uv_close((uv_handle_t *)&stream->poll, on_closed);
    close(stream->channel.fd);
}

/* --- Watching --- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct mu_stream *stream = poll->data;
    if (status < 0) {
        stream->given_up = true;
        stream->channel.failed = EPIPE; /* until reading says more */
        stream->events = 0;
    }
    if ((events & UV_READABLE) != 0)
        stream->channel.readable = true;
    if ((events & UV_WRITABLE) != 0)
        (void)mu_channel_flush(&stream->channel); /* if that fails, the channel knows */
    stream->wake(stream->arg);
}

/* What is sent at the end of the turn needs no watching until then. */
static void watch(struct mu_stream *stream)
{
    const bool held = mu_channel_has_output(&stream->channel) && !stream->sending.waits;
    int events = (stream->reads ? UV_READABLE : 0) | (stream->writes || held ? UV_WRITABLE : 0);
    if (events == stream->events || stream->given_up)
        return;
    stream->events = events;
    uv_poll_start(&stream->poll, events, on_poll);
}

void mu_stream_watch(struct mu_stream *stream, bool reads, bool writes)
{
    stream->reads = reads;
    stream->writes = writes;
    watch(stream);
}

static void on_turn_end(void *owner)
{
    struct mu_stream *stream = owner;
    if (stream->freed)
        return;
    if (mu_channel_flush(&stream->channel) == MU_IO_FAILED)
        stream->wake(stream->arg);
    else
        watch(stream);
}

/* --- Between uses --- */

static void take_out(struct mu_stream *stream)
{
    struct mu_worker *worker = stream->worker;
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    else
        worker->kept_longest = stream->previous;
    if (stream->previous != NULL)
        stream->previous->next = stream->next;
    else
        worker->kept = stream->next;
    worker->kept_count--;
    stream->next = stream->previous = NULL;
}

static void put_in(struct mu_stream *stream)
{
    struct mu_worker *worker = stream->worker;
    stream->kept_since_ms = uv_now(&worker->loop);
    stream->next = worker->kept;
    if (stream->next != NULL)
        stream->next->previous = stream;
    else
        worker->kept_longest = stream;
    worker->kept = stream;
    worker->kept_count++;
}

static void drop(struct mu_stream *stream)
{
    take_out(stream);
    if (stream->dropped != NULL)
        stream->dropped(stream->arg);
    else
        mu_stream_free(stream, false);
}

/* Its other end has closed it, or says what nobody has asked for. */
static void on_kept_event(void *arg)
{
    drop(arg);
}

static void on_kept_clock(uv_timer_t *clock);

/* There may be no next one to be kept. */
static void drop_stale(struct mu_worker *worker)
{
    const uint64_t now_ms = uv_now(&worker->loop);
    const struct mu_stream *oldest;
    while ((oldest = worker->kept_longest) != NULL &&
           (worker->kept_count > KEPT_MAX || now_ms - oldest->kept_since_ms >= KEPT_MS))
        drop(worker->kept_longest);
    if (oldest != NULL && !uv_is_active((uv_handle_t *)&worker->kept_clock))
        uv_timer_start(&worker->kept_clock, on_kept_clock, oldest->kept_since_ms + KEPT_MS - now_ms,
                       0);
}

static void on_kept_clock(uv_timer_t *clock)
{
    drop_stale(clock->data);
}

void mu_streams_init(struct mu_worker *worker)
{
    uv_timer_init(&worker->loop, &worker->kept_clock);
    worker->kept_clock.data = worker;
}

void mu_stream_keep(struct mu_stream *stream, uint64_t owner)
{
    struct mu_worker *worker = stream->worker;
    if (worker->stopping || stream->caller != NULL || stream->given_up ||
        stream->channel.failed != 0 || mu_channel_has_output(&stream->channel)) {
        mu_stream_free(stream, false);
        return;
    }
    stream->owner = owner;
    stream->wake = on_kept_event;
    stream->arg = stream;
    put_in(stream);
    mu_stream_watch(stream, true, false);
    drop_stale(worker);
}

void mu_stream_rest(struct mu_stream *stream, void (*dropped)(void *arg))
{
    struct mu_worker *worker = stream->worker;
    stream->dropped = dropped;
    put_in(stream);
    if (worker->stopping)
        drop(stream);
    else
        drop_stale(worker);
}

void mu_stream_need(struct mu_stream *stream)
{
    take_out(stream);
    stream->dropped = NULL;
}

/* The loop may not have told us yet. */
static bool is_silent(const struct mu_stream *stream)
{
    char scrap;
    return recv(stream->channel.fd, &scrap, 1, MSG_PEEK) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

struct mu_stream *mu_stream_kept(struct mu_worker *worker, const struct mu_address *address,
                                 uint64_t owner, void (*wake)(void *arg), void *arg)
{
    for (struct mu_stream *stream = worker->kept, *next; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->dropped != NULL || stream->owner != owner ||
            !mu_address_same(&stream->address, address))
            continue;
        if (!is_silent(stream)) {
            drop(stream);
            continue;
        }
        take_out(stream);
        stream->wake = wake;
        stream->arg = arg;
        return stream;
    }
    return NULL;
}

unsigned mu_streams_drop(struct mu_worker *worker)
{
    const unsigned count = worker->kept_count;
    while (worker->kept != NULL)
        drop(worker->kept);
    return count;
}

void **mu_worker_common(struct mu_worker *worker)
{
    return &worker->common;
}

/* --- Data --- */

static enum mu_io socket_connected(const struct mu_channel *channel)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    int why = 0;
    socklen_t why_len = sizeof why;
    getsockopt(channel->fd, SOL_SOCKET, SO_ERROR, &why, &why_len);
    if (why != 0) {
        errno = why;
        return MU_IO_FAILED;
    }
    return getpeername(channel->fd, (struct sockaddr *)&peer, &len) == 0 ? MU_IO_DONE
                                                                         : MU_IO_WANT_WRITE;
}

static enum mu_io shake_hands(struct mu_channel *channel)
{
    enum mu_io io = mu_tls_handshake(channel->tls);
    if (io == MU_IO_DONE && !mu_tls_admit(channel->tls))
        io = MU_IO_FAILED;
    (void)mu_channel_flush(channel); /* if that fails, reading does next */
    return io;
}

static void count_call(const struct mu_stream *stream, bool done)
{
    struct mu_counters *counters = &stream->worker->counters;
    mu_count_handshake(counters, (uv_hrtime() - stream->began_ns) / 1000);
    mu_count(&counters->called, done ? 1 : 0);
    mu_count(&counters->called_again, done && mu_tls_resumed(stream->channel.tls) ? 1 : 0);
}

enum mu_io mu_stream_connected(struct mu_stream *stream)
{
    struct mu_channel *channel = &stream->channel;
    enum mu_io io = MU_IO_DONE;
    if (stream->connected)
        return MU_IO_DONE;
    if (channel->tls == NULL)
        io = socket_connected(channel);
    if (io == MU_IO_DONE && stream->caller != NULL && channel->tls == NULL) {
        channel->tls = mu_tls_call(stream->caller, stream->target, mu_channel_transport(channel));
        if (channel->tls == NULL)
            return MU_IO_FAILED;
    }
    if (io == MU_IO_DONE && channel->tls != NULL)
        io = shake_hands(channel);
    if (channel->tls != NULL && (io == MU_IO_DONE || io == MU_IO_FAILED))
        count_call(stream, io == MU_IO_DONE);
    stream->connected = io == MU_IO_DONE;
    return io;
}

const struct mu_refusal *mu_stream_refusal(struct mu_stream *stream)
{
    struct mu_tls *tls = stream->channel.tls;
    if (tls == NULL)
        return NULL;
    mu_tls_hear_out(tls);
    if (mu_tls_refusal(tls)->code == MU_REFUSAL_NONE)
        return NULL;
    if (!stream->refused)
        mu_count_refusal(&stream->worker->counters, mu_tls_refusal(tls));
    stream->refused = true;
    return mu_tls_refusal(tls);
}

enum mu_io mu_stream_read(struct mu_stream *stream, void *ret, size_t cap, size_t *ret_len)
{
    return mu_channel_read(&stream->channel, ret, cap, ret_len);
}

enum mu_io mu_stream_write(struct mu_stream *stream, const void *data, size_t len, size_t *ret_len)
{
    enum mu_io io = mu_channel_write(&stream->channel, data, len, ret_len);
    if (mu_channel_has_output(&stream->channel))
        mu_turn_add(&stream->worker->turn, &stream->sending);
    return io;
}

enum mu_io mu_stream_flushed(const struct mu_stream *stream)
{
    if (stream->channel.failed != 0) {
        errno = stream->channel.failed;
        return MU_IO_FAILED;
    }
    return mu_channel_has_output(&stream->channel) ? MU_IO_WANT_WRITE : MU_IO_DONE;
}

void mu_stream_end(struct mu_stream *stream)
{
    mu_channel_end(&stream->channel);
    if (mu_channel_has_output(&stream->channel))
        mu_turn_add(&stream->worker->turn, &stream->sending);
}
