#include "cli/log_sink.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Of a pipe, poll(2) says that there is room when as much as this goes in without waiting. [pipe(7)]
 * PATIENCE_S is what is left to write when the server ends.
 */
enum { CHUNK = 4096, CAPACITY = 256 * 1024, LOOK_MS = 100, PATIENCE_S = 1, LOST_LINE = 512 };

struct mu_log_sink {
    size_t (*lost_line)(void *arg, uint64_t count, char *ret, size_t cap);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* on all that follows; never held while writing */
    pthread_cond_t something;
    bool running, ending;
    uint64_t lost, told; /* lines; of how many somebody has heard */
    uint64_t telling;    /* of how many the chunk that is being written tells */
    size_t len;
    char data[CAPACITY];
};

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t lines = 0;
    for (const char *end = data + len; (data = memchr(data, '\n', (size_t)(end - data))) != NULL;
         data++)
        lines++;
    return lines;
}

/* Whole lines, as many as fit. With the lock. */
static size_t take_lines(struct mu_log_sink *sink, char *ret, size_t cap)
{
    size_t len = sink->len < cap ? sink->len : cap;
    const char *end = memrchr(sink->data, '\n', len);
    len = end == NULL ? len : (size_t)(end - sink->data) + 1;
    memcpy(ret, sink->data, len);
    sink->len -= len;
    memmove(sink->data, sink->data + len, sink->len);
    return len;
}

/* What is next to be written, and before it, how many lines have been lost. 0: the end. */
static size_t wait_for_chunk(struct mu_log_sink *sink, char ret[CHUNK])
{
    size_t len = 0;
    pthread_mutex_lock(&sink->lock);
    while (sink->len == 0 && !sink->ending)
        pthread_cond_wait(&sink->something, &sink->lock);
    sink->telling = sink->lost - sink->told;
    if (sink->len > 0 && sink->telling > 0)
        len = sink->lost_line(sink->arg, sink->telling, ret, LOST_LINE);
    len += take_lines(sink, ret + len, CHUNK - len);
    pthread_mutex_unlock(&sink->lock);
    return len;
}

/* False: nobody takes it, and it is time to end. */
static bool wait_for_room(struct mu_log_sink *sink)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    for (int waited_ms = 0; waited_ms < PATIENCE_S * 1000;) {
        if (poll(&room, 1, LOOK_MS) != 0)
            return true; /* to fail is to be ready, too */
        pthread_mutex_lock(&sink->lock);
        waited_ms = sink->ending ? waited_ms + LOOK_MS : 0;
        pthread_mutex_unlock(&sink->lock);
    }
    return false;
}

/* What the line in front of the others was to tell is still to be told. */
static void note_failure(struct mu_log_sink *sink, uint64_t lines)
{
    pthread_mutex_lock(&sink->lock);
    sink->lost += lines - (sink->telling > 0 && lines > 0 ? 1 : 0);
    pthread_mutex_unlock(&sink->lock);
}

static void note_success(struct mu_log_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->told += sink->telling;
    pthread_mutex_unlock(&sink->lock);
}

static bool write_chunk(struct mu_log_sink *sink, const char *data, size_t len)
{
    while (len > 0) {
        if (!wait_for_room(sink))
            return false;
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) { /* a full disk, or nobody who listens: the next line may fare better */
            note_failure(sink, count_lines(data, len));
            return true;
        }
        data += n;
        len -= (size_t)n;
    }
    note_success(sink);
    return true;
}

static void *run(void *arg)
{
    struct mu_log_sink *sink = arg;
    char chunk[CHUNK];
    for (size_t len; (len = wait_for_chunk(sink, chunk)) > 0;)
        if (!write_chunk(sink, chunk, len))
            break;
    return NULL;
}

int mu_log_sink_new(size_t (*lost)(void *arg, uint64_t count, char *ret, size_t cap), void *arg,
                    struct mu_log_sink **ret, struct mu_error *err)
{
    struct mu_log_sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL)
        return mu_fail_nomem(err);
    sink->lost_line = lost;
    sink->arg = arg;
    pthread_mutex_init(&sink->lock, NULL);
    pthread_cond_init(&sink->something, NULL);
    *ret = sink;
    return 0;
}

void mu_log_sink_free(struct mu_log_sink *sink)
{
    if (sink == NULL)
        return;
    pthread_mutex_lock(&sink->lock);
    sink->ending = true;
    pthread_cond_signal(&sink->something);
    pthread_mutex_unlock(&sink->lock);
    if (sink->running)
        pthread_join(sink->thread, NULL);
    pthread_cond_destroy(&sink->something);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
}

/* When there is something to write, and not before: until then nothing else runs beside whoever sets the server up, and what
 * that one gives up for itself, its threads have never had. */
static bool start(struct mu_log_sink *sink)
{
    sink->running = sink->running || pthread_create(&sink->thread, NULL, run, sink) == 0;
    return sink->running;
}

void mu_log_sink_put(struct mu_log_sink *sink, const char *line, size_t len)
{
    pthread_mutex_lock(&sink->lock);
    if (len > CHUNK - LOST_LINE || len > CAPACITY - sink->len || !start(sink)) {
        sink->lost++;
    } else {
        memcpy(sink->data + sink->len, line, len);
        sink->len += len;
        if (sink->len == len)
            pthread_cond_signal(&sink->something);
    }
    pthread_mutex_unlock(&sink->lock);
}

uint64_t mu_log_sink_lost(struct mu_log_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    uint64_t lost = sink->lost;
    pthread_mutex_unlock(&sink->lock);
    return lost;
}
