#include "explain/probe_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/str.h"

/* More than any handshake and answer that explains something. */
enum { HEARD_MAX = 4 * 1024 * 1024 };

int64_t mu_wire_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int left_ms(int64_t deadline_ms)
{
    int64_t left = deadline_ms - mu_wire_now_ms();
    return left < 0 ? 0 : left > 3600 * 1000 ? 3600 * 1000 : (int)left;
}

/* --- Names --- */

/* The resolver has timeouts of its own, longer than anybody's patience, so it is asked beside us. Whoever of the two is
 * last frees it. */
struct question {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool done, given_up;
    char host[256], port[8];
    int result;
    struct addrinfo *found;
};

static void question_free(struct question *question)
{
    if (question->found != NULL)
        freeaddrinfo(question->found);
    pthread_mutex_destroy(&question->mutex);
    pthread_cond_destroy(&question->answered);
    free(question);
}

static void *ask(void *arg)
{
    struct question *question = arg;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int result = getaddrinfo(question->host, question->port, &hints, &question->found);
    pthread_mutex_lock(&question->mutex);
    question->result = result;
    question->done = true;
    bool alone = question->given_up;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&question->mutex);
    if (alone)
        question_free(question);
    return NULL;
}

static struct question *question_new(const char *host, unsigned port)
{
    pthread_condattr_t attr;
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL)
        return NULL;
    mu_str_copy(question->host, sizeof question->host, host);
    snprintf(question->port, sizeof question->port, "%u", port);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&question->mutex, NULL);
    pthread_cond_init(&question->answered, &attr);
    pthread_condattr_destroy(&attr);
    return question;
}

static void take_addresses(const struct question *question, struct mu_wire_addresses *ret)
{
    if (question->result != 0)
        mu_str_copy(ret->words, sizeof ret->words, gai_strerror(question->result));
    for (const struct addrinfo *at = question->result == 0 ? question->found : NULL;
         at != NULL && ret->count < MU_WIRE_ADDRESSES; at = at->ai_next) {
        struct mu_address *address = &ret->at[ret->count];
        if (at->ai_addrlen > sizeof address->sa)
            continue;
        memcpy(&address->sa, at->ai_addr, at->ai_addrlen);
        address->len = at->ai_addrlen;
        ret->count++;
    }
}

/* Loopback is loopback, for every other command too, on a machine without a resolver as well. [RFC 6761 6.3] */
static bool is_localhost(const char *host, unsigned port, struct mu_wire_addresses *ret)
{
    struct mu_error ignored = MU_ERROR_INIT;
    char text[32];
    if (strcasecmp(host, "localhost") != 0)
        return false;
    snprintf(text, sizeof text, "localhost:%u", port);
    return mu_address_parse_target(text, ret->at, MU_WIRE_ADDRESSES, &ret->count, &ignored) == 0;
}

void mu_wire_resolve(const char *host, unsigned port, int64_t deadline_ms,
                     struct mu_wire_addresses *ret)
{
    *ret = (struct mu_wire_addresses){0};
    if (is_localhost(host, port, ret))
        return;
    struct question *question = question_new(host, port);
    pthread_t thread;
    if (question == NULL || pthread_create(&thread, NULL, ask, question) != 0) {
        mu_str_copy(ret->words, sizeof ret->words, "out of memory");
        if (question != NULL)
            question_free(question);
        return;
    }
    pthread_detach(thread);
    const struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                                   .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    pthread_mutex_lock(&question->mutex);
    while (!question->done &&
           pthread_cond_timedwait(&question->answered, &question->mutex, &until) != ETIMEDOUT)
        continue;
    bool done = question->done;
    question->given_up = !done;
    pthread_mutex_unlock(&question->mutex);
    if (!done) {
        ret->timed_out = true;
        mu_str_copy(ret->words, sizeof ret->words, "the resolver did not answer");
        return;
    }
    take_addresses(question, ret);
    question_free(question);
}

/* --- Sockets --- */

/* Is it ready before the deadline? */
static bool wait_for(const struct mu_wire *wire, short events)
{
    struct pollfd poller = {.fd = wire->fd, .events = events};
    int result;
    do
        result = poll(&poller, 1, left_ms(wire->deadline_ms));
    while (result < 0 && errno == EINTR && left_ms(wire->deadline_ms) > 0);
    return result > 0;
}

void mu_wire_open(struct mu_wire *wire, int fd, int64_t deadline_ms)
{
    const int on = 1;
    *wire = (struct mu_wire){.fd = fd, .deadline_ms = deadline_ms};
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int mu_wire_connect(struct mu_wire *wire, const struct mu_address *address, int64_t deadline_ms)
{
    int fd = socket(address->sa.ss_family, SOCK_STREAM, 0), why = 0;
    socklen_t len = sizeof why;
    if (fd < 0)
        return errno;
    mu_wire_open(wire, fd, deadline_ms);
    if (connect(fd, (const struct sockaddr *)&address->sa, address->len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        why = errno;
    else if (!wait_for(wire, POLLOUT))
        why = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0)
        why = errno;
    if (why != 0)
        mu_wire_close(wire);
    return why;
}

void mu_wire_close(struct mu_wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}

static ssize_t wire_read(void *arg, void *ret, size_t cap)
{
    struct mu_wire *wire = arg;
    errno = EAGAIN;
    if (wire->heard >= HEARD_MAX || !wait_for(wire, POLLIN))
        return -1;
    ssize_t n = recv(wire->fd, ret, cap, 0);
    if (n <= 0)
        return n;
    wire->heard += (size_t)n;
    size_t room = sizeof wire->first - wire->first_len, some = (size_t)n < room ? (size_t)n : room;
    memcpy(wire->first + wire->first_len, ret, some);
    wire->first_len += some;
    return n;
}

static ssize_t wire_write(void *arg, const void *data, size_t len)
{
    struct mu_wire *wire = arg;
    errno = EAGAIN;
    return wait_for(wire, POLLOUT) ? send(wire->fd, data, len, MSG_NOSIGNAL) : -1;
}

struct mu_transport mu_wire_transport(struct mu_wire *wire)
{
    return (struct mu_transport){.read = wire_read, .write = wire_write, .arg = wire};
}

size_t mu_wire_listen(struct mu_wire *wire, void *ret, size_t cap, int quiet_ms)
{
    const int64_t deadline_ms = wire->deadline_ms;
    size_t len = 0;
    ssize_t n = 1;
    while (len < cap && n > 0) {
        int64_t quiet = mu_wire_now_ms() + quiet_ms;
        wire->deadline_ms = quiet < deadline_ms ? quiet : deadline_ms;
        n = wire_read(wire, (char *)ret + len, cap - len);
        len += n > 0 ? (size_t)n : 0;
    }
    wire->deadline_ms = deadline_ms;
    return len;
}
