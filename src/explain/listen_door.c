#include "explain/listen_door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "explain/probe_wire.h"

enum { AT_ONCE = 64, BACKLOG = 64, REST_MS = 150, PAUSE_MS = 100 };

/* --- Sockets --- */

static int open_one(struct mu_address *address, int *ret, struct mu_error *err)
{
    char text[MU_ADDRESS_LEN];
    const int on = 1, is_v6 = address->sa.ss_family == AF_INET6;
    int fd = socket(address->sa.ss_family, SOCK_STREAM, 0);
    if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(fd, (const struct sockaddr *)&address->sa, address->len) != 0 ||
        listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address->sa, &address->len) != 0) {
        mu_fail_errno(err, MU_E_LISTEN, "cannot listen on %s", mu_address_text(address, text));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *ret = fd;
    return 0;
}

int mu_listen_open(const char *address, struct mu_listeners *ret, char ret_place[MU_ADDRESS_LEN],
                   struct mu_error *err)
{
    struct mu_address found[MU_COUNT(ret->at)];
    size_t count;
    *ret = (struct mu_listeners){0};
    if (mu_address_parse(address, found, MU_COUNT(found), &count, err) != 0)
        return -1;
    if (mu_address_path(&found[0]) != NULL) {
        mu_fail(err, MU_E_ADDRESS, "\"%s\" is not where TLS clients come to", address);
        return mu_hint(err, "listen on HOST:PORT, such as localhost:8443");
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && mu_address_port(&found[i]) == 0) /* all of a name's addresses have one port */
            mu_address_set_port(&found[i], mu_address_port(&found[0]));
        if (open_one(&found[i], &ret->at[ret->count], err) == 0)
            ret->count++;
        else if (!found[i].optional) {
            mu_listen_close(ret);
            return -1;
        }
    }
    mu_address_text(&found[0], ret_place);
    return ret->count > 0 ? 0 : -1;
}

void mu_listen_close(struct mu_listeners *listeners)
{
    while (listeners->count > 0)
        close(listeners->at[--listeners->count]);
}

/* --- Clients --- */

struct room;

struct client {
    struct room *room;
    unsigned long number;
    pthread_t thread;
    bool taken, done; /* the place; and its thread is to be joined */
    bool unlisted;    /* from there somebody has come without a certificate */
    int fd;           /* -1: closed */
    struct mu_address from;
};

struct room {
    const struct mu_listen_door *door;
    pthread_mutex_t mutex;
    pthread_cond_t left;
    struct client clients[AT_ONCE];
    struct mu_address without[AT_ONCE]; /* from where clients came that sent no certificate */
    size_t without_count;
    bool failed;
    struct mu_error why;
};

/* With the room's mutex held. */
static void note_failure(struct room *room, const struct mu_error *err)
{
    room->failed = true;
    room->why = *err;
}

/* A client has another port each time. */
static struct mu_address host_of(const struct mu_address *from)
{
    struct mu_address host = *from;
    mu_address_set_port(&host, 0);
    return host;
}

/* With the room's mutex held. The oldest make room. */
static void note_without(struct room *room, const struct client *client)
{
    if (!client->unlisted)
        room->without[room->without_count++ % AT_ONCE] = host_of(&client->from);
}

/* With the room's mutex held. */
static bool came_without(const struct room *room, const struct mu_address *from)
{
    const struct mu_address host = host_of(from);
    for (size_t i = 0; i < room->without_count && i < AT_ONCE; i++)
        if (mu_address_same(&room->without[i], &host))
            return true;
    return false;
}

static void tell(struct client *client, const struct mu_listen_facts *facts)
{
    struct room *room = client->room;
    const struct mu_listen_door *door = room->door;
    struct mu_error err = MU_ERROR_INIT;
    char from[MU_ADDRESS_LEN];
    MU_AUTO_CLEAR(mu_report) report = {0};
    int result = mu_listen_judge(door->of, facts, &report, &err);
    pthread_mutex_lock(&room->mutex);
    if (facts->heard.finished && facts->heard.presented.count == 0)
        note_without(room, client);
    if (result == 0)
        door->on_client(door->arg, client->number, mu_address_text(&client->from, from), facts,
                        &report);
    else
        note_failure(room, &err);
    pthread_mutex_unlock(&room->mutex);
}

static void hear(struct client *client)
{
    const struct mu_listen_door *door = client->room->door;
    struct mu_error err = MU_ERROR_INIT;
    char rest[MU_WIRE_FIRST];
    struct mu_wire wire; /* the socket stays the client's, to be shut down when we leave */
    MU_AUTO_CLEAR(mu_listen_facts) facts = {.now = time(NULL)};
    mu_wire_open(&wire, client->fd, mu_wire_now_ms() + door->patience_ms);
    if (mu_listen_hear(door->of, door->ear, mu_wire_transport(&wire), client->unlisted, &facts,
                       &err) != 0) {
        pthread_mutex_lock(&client->room->mutex);
        note_failure(client->room, &err);
        pthread_mutex_unlock(&client->room->mutex);
        return;
    }
    if (!facts.heard.hello && wire.first_len > 0)
        (void)mu_wire_listen(&wire, rest, sizeof rest, REST_MS);
    mu_plain_recognise(wire.first, wire.first_len, 0, &facts.plain);
    tell(client, &facts);
}

static void *thread_of(void *arg)
{
    struct client *client = arg;
    struct room *room = client->room;
    hear(client);
    pthread_mutex_lock(&room->mutex);
    close(client->fd);
    client->fd = -1;
    client->done = true;
    pthread_cond_signal(&room->left);
    pthread_mutex_unlock(&room->mutex);
    return NULL;
}

/* With the room's mutex held. NULL: it is full. */
static struct client *free_place(struct room *room)
{
    for (size_t i = 0; i < AT_ONCE; i++) {
        struct client *client = &room->clients[i];
        if (client->taken && !client->done)
            continue;
        if (client->taken)
            pthread_join(client->thread, NULL);
        return client;
    }
    return NULL;
}

/* Let one in; waits while the room is full. False: nobody was there. */
static bool let_in(struct room *room, int listener, unsigned long number)
{
    struct mu_address from = {.len = sizeof from.sa};
    int fd = accept(listener, (struct sockaddr *)&from.sa, &from.len);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            (void)poll(NULL, 0, PAUSE_MS); /* somebody will leave; until then there is no place */
        return false;
    }
    pthread_mutex_lock(&room->mutex);
    struct client *client;
    while ((client = free_place(room)) == NULL)
        pthread_cond_wait(&room->left, &room->mutex);
    *client = (struct client){.room = room,
                              .number = number,
                              .fd = fd,
                              .from = from,
                              .unlisted = came_without(room, &from)};
    client->taken = pthread_create(&client->thread, NULL, thread_of, client) == 0;
    if (!client->taken)
        close(fd);
    const bool started = client->taken;
    pthread_mutex_unlock(&room->mutex);
    return started;
}

/* Who is told to stop hears nobody out: what was said until then is judged. */
static void wait_for_all(struct room *room, bool in_a_hurry)
{
    pthread_mutex_lock(&room->mutex);
    for (size_t i = 0; in_a_hurry && i < AT_ONCE; i++)
        if (room->clients[i].taken && room->clients[i].fd >= 0)
            shutdown(room->clients[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&room->mutex);
    for (size_t i = 0; i < AT_ONCE; i++)
        if (room->clients[i].taken)
            pthread_join(room->clients[i].thread, NULL);
}

int mu_listen_run(const struct mu_listen_door *door, const struct mu_listeners *listeners,
                  const volatile sig_atomic_t *stop, const sigset_t *unblocked, struct mu_error *err)
{
    struct pollfd pollers[MU_COUNT(listeners->at)];
    struct room room = {.door = door};
    unsigned long number = 0;
    pthread_mutex_init(&room.mutex, NULL);
    pthread_cond_init(&room.left, NULL);
    for (size_t i = 0; i < listeners->count; i++)
        pollers[i] = (struct pollfd){.fd = listeners->at[i], .events = POLLIN};
    while (!*stop && (door->count == 0 || number < door->count)) {
        if (ppoll(pollers, listeners->count, NULL, unblocked) < 0 && errno != EINTR)
            break;
        for (size_t i = 0; i < listeners->count && !*stop; i++)
            if ((pollers[i].revents & POLLIN) != 0 && (door->count == 0 || number < door->count) &&
                let_in(&room, listeners->at[i], number + 1))
                number++;
    }
    wait_for_all(&room, *stop);
    pthread_mutex_destroy(&room.mutex);
    pthread_cond_destroy(&room.left);
    if (room.failed)
        *err = room.why;
    return room.failed ? -1 : 0;
}
