/*
 * Put before libc by LD_PRELOAD, this gives a server the time that a scenario wants: it is another time of day for it, and the time
 * by which its timers go stands still, or is ahead. All is told in a file that the scenario has, too: see clock.py.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

struct told {
    _Atomic int64_t ahead_s; /* of the real time of day */
    _Atomic int64_t stands;  /* not 0: the timers' time */
    _Atomic int64_t at_ns;   /* where it stands; 0: nobody has asked since */
    _Atomic int64_t gone_s;  /* what the timers' time is ahead */
};

typedef int clock_fn(clockid_t, struct timespec *);

int clock_gettime(clockid_t id, struct timespec *ret);
time_t time(time_t *ret);

static struct told none, *told = &none;
static clock_fn *real;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("TEST_CLOCK");
    const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *at =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        abort();
    told = at;
}

static int64_t stand_at(int64_t now_ns)
{
    int64_t at_ns = 0;
    return atomic_compare_exchange_strong(&told->at_ns, &at_ns, now_ns) ? now_ns : at_ns;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    const int result = real(id, ret);
    if (result != 0)
        return result;
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        ret->tv_sec += (time_t)told->ahead_s;
    if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
        return 0;
    ret->tv_sec += (time_t)told->gone_s;
    if (told->stands != 0) {
        const int64_t at_ns = stand_at(ret->tv_sec * INT64_C(1000000000) + ret->tv_nsec);
        *ret = (struct timespec){at_ns / 1000000000, at_ns % 1000000000};
    }
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}
