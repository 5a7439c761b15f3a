#include "net/watch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/internal.h"

enum {
    REST_MS = 50, /* a file that is being written changes many times; and one seldom comes alone */
    LOOK_MS = 2000, /* where the kernel says nothing */
    RESTLESS_MAX = 20,
    LINKS_MAX = 8 /* that are followed to find the directories to listen to */
};

/* What a file is, as far as it shows without reading it. All zero: there is none. */
struct identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct file {
    char *path;
    struct identity known;  /* to whoever reads it */
    struct identity latest; /* at our last look */
};

struct ear {
    uv_fs_event_t event;
    struct mu_watch *watch;
    struct ear *next;
    char dir[];
};

struct mu_watch {
    uv_loop_t *loop; /* NULL: not started */
    struct file *files;
    size_t count;
    struct ear *ears;
    uv_timer_t timer;
    uint64_t again_at; /* of uv_now(); 0: never */
    unsigned restless; /* looks in a row at which something had moved since the one before */
    void (*changed)(void *arg);
    void *arg;
};

/* --- Looking --- */

static struct identity look_at(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return (struct identity){0};
    return (struct identity){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

/* Has anything moved since our last look? */
static bool look(struct mu_watch *watch)
{
    bool moved = false;
    for (size_t i = 0; i < watch->count; i++) {
        const struct identity now = look_at(watch->files[i].path);
        moved = moved || !same(&now, &watch->files[i].latest);
        watch->files[i].latest = now;
    }
    return moved;
}

static bool has_changed(const struct mu_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        if (!same(&watch->files[i].latest, &watch->files[i].known))
            return true;
    return false;
}

void mu_watch_look(struct mu_watch *watch, struct mu_strs *ret_changed)
{
    (void)look(watch);
    watch->again_at = 0;
    /* One that cannot be named for want of memory is new next time, too. */
    for (size_t i = 0; i < watch->count; i++)
        if (!same(&watch->files[i].latest, &watch->files[i].known) &&
            mu_strs_add(ret_changed, watch->files[i].path) == 0)
            watch->files[i].known = watch->files[i].latest;
}

static uint64_t until_again(const struct mu_watch *watch)
{
    const uint64_t now = uv_now(watch->loop);
    return watch->again_at == 0 ? UINT64_MAX : watch->again_at > now ? watch->again_at - now : 0;
}

/* Files come one after the other, and each in pieces. Whoever never rests is not waited for for ever. */
static void on_look(uv_timer_t *timer)
{
    struct mu_watch *watch = timer->data;
    const bool waits = look(watch) && ++watch->restless < RESTLESS_MAX;
    const uint64_t again_ms = until_again(watch);
    uv_timer_start(&watch->timer, on_look,
                   waits                                ? REST_MS
                   : again_ms > 0 && again_ms < LOOK_MS ? again_ms
                                                        : LOOK_MS,
                   0);
    if (waits)
        return;
    watch->restless = 0;
    if (again_ms == 0)
        watch->again_at = 0;
    if (again_ms == 0 || has_changed(watch))
        watch->changed(watch->arg);
}

/* --- Listening --- */

static void on_event(uv_fs_event_t *event, const char *name, int what, int status)
{
    struct mu_watch *watch = ((struct ear *)event->data)->watch;
    const bool soon = uv_timer_get_due_in(&watch->timer) <= REST_MS;
    (void)name, (void)status;
    if (soon &&
        (what & UV_RENAME) == 0) /* a file that is being written, and perhaps not one of ours */
        return;
    const bool waits = look(watch) && ++watch->restless < RESTLESS_MAX;
    if (waits || !soon)
        uv_timer_start(&watch->timer, on_look, REST_MS, 0);
}

static void on_ear_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_ears(struct mu_watch *watch)
{
    for (struct ear *ear = watch->ears, *next; ear != NULL; ear = next) {
        next = ear->next;
        uv_close((uv_handle_t *)&ear->event, on_ear_closed);
    }
    watch->ears = NULL;
}

/* Where it cannot be listened, there are the looks. */
static void listen_to(struct mu_watch *watch, const char *dir)
{
    for (const struct ear *ear = watch->ears; ear != NULL; ear = ear->next)
        if (mu_str_equal(ear->dir, dir))
            return;
    struct ear *ear = calloc(1, sizeof *ear + strlen(dir) + 1);
    if (ear == NULL)
        return;
    strcpy(ear->dir, dir);
    ear->watch = watch;
    uv_fs_event_init(watch->loop, &ear->event);
    ear->event.data = ear;
    ear->next = watch->ears;
    watch->ears = ear;
    (void)uv_fs_event_start(&ear->event, on_event, dir, 0);
}

/* "a/b" to "a/", "b" to "./" */
static void dir_of(const char *path, char ret[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(ret, PATH_MAX, "%.*s", slash == NULL ? 2 : (int)(slash - path) + 1,
             slash == NULL ? "./" : path);
}

/* The directory that a file is in, and, where it is a link, those that the link leads through. */
static void listen_for(struct mu_watch *watch, const char *path)
{
    char at[PATH_MAX], target[PATH_MAX], dir[PATH_MAX];
    if (!mu_str_copy(at, sizeof at, path))
        return;
    for (int i = 0; i < LINKS_MAX; i++) {
        dir_of(at, dir);
        listen_to(watch, dir);
        ssize_t len = readlink(at, target, sizeof target - 1);
        if (len < 0)
            return;
        target[len] = '\0';
        if (*target == '/')
            *dir = '\0';
        if (strlen(dir) + strlen(target) >= sizeof at)
            return;
        strcpy(at, dir);
        strcat(at, target);
    }
}

/* --- Life --- */

int mu_watch_new(void (*changed)(void *arg), void *arg, struct mu_watch **ret, struct mu_error *err)
{
    struct mu_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return mu_fail_nomem(err);
    watch->changed = changed;
    watch->arg = arg;
    *ret = watch;
    return 0;
}

static void listen_for_all(struct mu_watch *watch)
{
    close_ears(watch);
    for (size_t i = 0; watch->loop != NULL && i < watch->count; i++)
        listen_for(watch, watch->files[i].path);
}

void mu_watch_start(struct mu_watch *watch, struct mu_server *server)
{
    watch->loop = mu_server_loop(server);
    uv_timer_init(watch->loop, &watch->timer);
    watch->timer.data = watch;
    uv_timer_start(&watch->timer, on_look, LOOK_MS, 0);
    listen_for_all(watch);
}

static void free_files(struct file *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files[i].path);
    free(files);
}

void mu_watch_free(struct mu_watch *watch)
{
    if (watch == NULL)
        return;
    for (struct ear *ear = watch->ears, *next; ear != NULL; ear = next) {
        next = ear->next;
        free(ear);
    }
    free_files(watch->files, watch->count);
    free(watch);
}

static const struct file *find(const struct mu_watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->count; i++)
        if (mu_str_equal(watch->files[i].path, path))
            return &watch->files[i];
    return NULL;
}

int mu_watch_set(struct mu_watch *watch, const struct mu_strs *paths, struct mu_error *err)
{
    struct file *files = calloc(paths->count + 1, sizeof *files);
    if (files == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < paths->count; i++) {
        const struct file *known = find(watch, paths->at[i]);
        files[i].known = known != NULL ? known->known : look_at(paths->at[i]);
        files[i].latest = files[i].known;
        files[i].path = strdup(paths->at[i]);
        if (files[i].path == NULL) {
            free_files(files, paths->count);
            return mu_fail_nomem(err);
        }
    }
    free_files(watch->files, watch->count);
    watch->files = files;
    watch->count = paths->count;
    listen_for_all(watch);
    return 0;
}

void mu_watch_again(struct mu_watch *watch, unsigned after_ms)
{
    if (until_again(watch) > after_ms)
        watch->again_at = uv_now(watch->loop) + after_ms;
    if (uv_timer_get_due_in(&watch->timer) > after_ms)
        uv_timer_start(&watch->timer, on_look, after_ms, 0);
}
