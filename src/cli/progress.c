#include "cli/progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

enum { PATIENCE_MS = 1000, INTERVAL_MS = 200, MS_IN_S = 1000, NS_IN_MS = 1000000 };

/* All of it behind the lock, which the thread that draws and the one that works share. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended; /* by the clock that does not jump */
    pthread_t drawer;
    const char *what; /* NULL: nothing is being done */
    struct timespec began;
    size_t done;
    int hidden; /* how often mu_progress_hide() is still to be answered */
    bool drawn;
} progress = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool has_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term != NULL && !mu_str_equal(term, "dumb");
}

static void erase(void)
{
    if (progress.drawn)
        fputs("\r\033[K", stderr);
    progress.drawn = false;
}

static void draw(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long seconds = now.tv_sec - progress.began.tv_sec;
    fprintf(stderr, "\r\033[K%s: %lld s", progress.what, seconds);
    if (progress.done > 0 && seconds > 0)
        fprintf(stderr, ", %zu done, %lld a second", progress.done,
                (long long)progress.done / seconds);
    fflush(stderr);
    progress.drawn = true;
}

static struct timespec later(struct timespec t, long ms)
{
    long ns = t.tv_nsec + ms % MS_IN_S * NS_IN_MS;
    return (struct timespec){.tv_sec = t.tv_sec + ms / MS_IN_S + ns / (MS_IN_S * NS_IN_MS),
                             .tv_nsec = ns % (MS_IN_S * NS_IN_MS)};
}

static void *draw_until_ended(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&progress.lock);
    struct timespec next = later(progress.began, PATIENCE_MS);
    while (progress.what != NULL) {
        if (pthread_cond_timedwait(&progress.ended, &progress.lock, &next) == 0)
            continue;
        if (progress.what != NULL && progress.hidden == 0)
            draw();
        next = later(next, INTERVAL_MS);
    }
    pthread_mutex_unlock(&progress.lock);
    return NULL;
}

/* Signals are the business of the thread that works. */
static int start_drawer(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&progress.drawer, NULL, draw_until_ended, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

void mu_progress_begin(const char *what)
{
    pthread_condattr_t monotonic;
    if (progress.what != NULL || !has_terminal() || pthread_condattr_init(&monotonic) != 0)
        return;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int result = pthread_cond_init(&progress.ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (result != 0)
        return;
    progress.what = what;
    progress.done = 0;
    clock_gettime(CLOCK_MONOTONIC, &progress.began);
    if (start_drawer() == 0)
        return;
    progress.what = NULL; /* then without it */
    pthread_cond_destroy(&progress.ended);
}

void mu_progress_count(size_t done)
{
    pthread_mutex_lock(&progress.lock);
    progress.done = done;
    pthread_mutex_unlock(&progress.lock);
}

void mu_progress_end(void)
{
    pthread_mutex_lock(&progress.lock);
    bool began = progress.what != NULL;
    erase();
    progress.what = NULL;
    if (began)
        pthread_cond_signal(&progress.ended);
    pthread_mutex_unlock(&progress.lock);
    if (!began)
        return;
    pthread_join(progress.drawer, NULL);
    pthread_cond_destroy(&progress.ended);
}

void mu_progress_hide(void)
{
    pthread_mutex_lock(&progress.lock);
    erase();
    progress.hidden++;
    pthread_mutex_unlock(&progress.lock);
}

void mu_progress_show(void)
{
    pthread_mutex_lock(&progress.lock);
    progress.hidden--;
    pthread_mutex_unlock(&progress.lock);
}
