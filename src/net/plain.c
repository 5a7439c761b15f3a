#include "net/plain.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/internal.h"

enum { CONNECTIONS_MAX = 64, LAST_READS = 256 };
enum { ALIVE_MS = 1000, LIFE_MS = 10 * 1000, RETRY_MS = 100 };

/* What one worker has said. */
struct mu_survey_part {
    unsigned number; /* of the question */
    size_t count;
    struct mu_connection_view at[];
};

/* What all have said, for those who waited for it. */
struct survey {
    unsigned users;
    struct mu_survey result;
    struct mu_connection_view *connections;
};

struct listener {
    struct mu_plain *plain;
    const struct mu_plain_config *config;
    struct mu_listener socket;
};

struct client {
    struct listener *at;
    struct client *next, *previous; /* newest first */
    int fd, events, open_handles;
    uv_poll_t poll;
    uv_timer_t life;
    unsigned question;     /* whose answers it waits for */
    struct survey *survey; /* NULL: they have not all come yet */
    void *session;
};

struct mu_plain {
    uv_loop_t *loop;
    struct mu_worker *workers;
    unsigned worker_count;
    const _Atomic int *stop;
    struct listener *listeners;
    size_t listener_count;
    struct client *clients;
    size_t client_count;
    uv_async_t answered;
    uv_timer_t patience; /* with workers that have been asked */
    uv_timer_t retry;
    bool asking;
    struct mu_question question;
};

/* --- In a worker's thread --- */

static void view(const struct mu_worker *worker, const struct mu_conn *conn,
                 struct mu_connection_view *ret)
{
    *ret = (struct mu_connection_view){
        .peer = conn->peer,
        .door = (size_t)(conn->door - conn->hall->house->doors.at),
        .former = conn->hall != worker->hall,
        .client = conn->client == NULL ? NULL : mu_cert_ref(conn->client),
        .age_ms = (uv_hrtime() - conn->began_ns) / 1000000,
        .received = conn->channel.received,
        .sent = conn->channel.sent,
        .admitted = conn->session != NULL,
        .expelled = conn->expelled,
    };
    if (conn->client == NULL || conn->channel.tls == NULL)
        return;
    strncpy(ret->tls, mu_tls_version(conn->channel.tls), sizeof ret->tls - 1);
    ret->resumed = mu_tls_resumed(conn->channel.tls);
}

static void free_part(struct mu_survey_part *part)
{
    for (size_t i = 0; part != NULL && i < part->count; i++)
        mu_cert_free(part->at[i].client);
    free(part);
}

static struct mu_survey_part *survey_worker(const struct mu_worker *worker, bool connections)
{
    const size_t count = connections ? worker->connection_count : 0;
    struct mu_survey_part *part = malloc(sizeof *part + count * sizeof part->at[0]);
    if (part == NULL)
        return NULL;
    part->count = 0;
    for (const struct mu_conn *conn = worker->connections; conn != NULL && part->count < count;
         conn = conn->next)
        view(worker, conn, &part->at[part->count++]);
    return part;
}

static void on_asked(uv_async_t *asked)
{
    struct mu_worker *worker = asked->data;
    const struct mu_question *question = worker->question;
    const unsigned number = atomic_load(&question->number);
    if (number == atomic_load(&worker->answered))
        return;
    struct mu_survey_part *part = survey_worker(worker, atomic_load(&question->wants_connections));
    if (part == NULL)
        return; /* who has no memory is not well */
    part->number = number;
    free_part(atomic_exchange(&worker->part, part));
    atomic_store(&worker->answered, number);
    uv_async_send(question->answered);
}

/* --- In the server's thread: surveys --- */

static void release(struct survey *survey)
{
    if (survey == NULL || --survey->users > 0)
        return;
    for (size_t i = 0; i < survey->result.connection_count; i++)
        mu_cert_free(survey->connections[i].client);
    free(survey->connections);
    free(survey);
}

static void add_part(struct survey *survey, const struct mu_survey_part *part)
{
    const size_t count = survey->result.connection_count;
    if (part->count == 0)
        return;
    struct mu_connection_view *longer =
        realloc(survey->connections, (count + part->count) * sizeof *longer);
    if (longer == NULL)
        return;
    memcpy(longer + count, part->at, part->count * sizeof *longer);
    for (size_t i = 0; i < part->count; i++)
        longer[count + i].client =
            part->at[i].client == NULL ? NULL : mu_cert_ref(part->at[i].client);
    survey->connections = longer;
    survey->result.connection_count += part->count;
}

/* What the workers have said so far. NULL without memory. */
static struct survey *gather(struct mu_plain *plain)
{
    const unsigned number = atomic_load(&plain->question.number);
    struct survey *survey = calloc(1, sizeof *survey);
    if (survey == NULL)
        return NULL;
    survey->users = 1;
    survey->result.workers = plain->worker_count;
    survey->result.stopping = atomic_load(plain->stop) != STOP_NOT;
    for (unsigned i = 0; i < plain->worker_count; i++) {
        struct mu_worker *worker = &plain->workers[i];
        struct mu_survey_part *part = atomic_exchange(&worker->part, NULL);
        if (part != NULL && part->number == number)
            add_part(survey, part);
        if (atomic_load(&worker->ended) || (part != NULL && part->number == number))
            survey->result.alive++;
        free_part(part);
    }
    survey->result.connections = survey->connections;
    return survey;
}

static bool all_have_answered(const struct mu_plain *plain)
{
    const unsigned number = atomic_load(&plain->question.number);
    for (unsigned i = 0; i < plain->worker_count; i++)
        if (!atomic_load(&plain->workers[i].ended) &&
            atomic_load(&plain->workers[i].answered) != number)
            return false;
    return true;
}

static void ask(struct mu_plain *plain);
static void advance(struct client *client);

static void finish_survey(struct mu_plain *plain)
{
    plain->asking = false;
    uv_timer_stop(&plain->patience);
    struct survey *survey = gather(plain);
    bool others =
        false; /* who came when it was under way, and are to hear of what was after that */
    const unsigned number = atomic_load(&plain->question.number);
    for (struct client *client = plain->clients, *next; client != NULL; client = next) {
        next = client->next;
        others = others || client->question > number;
        if (client->survey != NULL || client->question != number)
            continue;
        client->survey = survey;
        if (survey != NULL)
            survey->users++;
        advance(client);
    }
    release(survey);
    if (others)
        ask(plain);
}

static void on_answered(uv_async_t *answered)
{
    struct mu_plain *plain = answered->data;
    if (plain->asking && all_have_answered(plain))
        finish_survey(plain);
}

static void on_out_of_patience(uv_timer_t *patience)
{
    finish_survey(patience->data);
}

static void ask(struct mu_plain *plain)
{
    bool connections = false;
    for (struct client *client = plain->clients; client != NULL; client = client->next)
        connections =
            connections || (client->survey == NULL && client->at->config->wants_connections);
    plain->asking = true;
    atomic_store(&plain->question.wants_connections, connections);
    atomic_fetch_add(&plain->question.number, 1);
    uv_timer_start(&plain->patience, on_out_of_patience, ALIVE_MS, 0);
    for (unsigned i = 0; i < plain->worker_count; i++)
        uv_async_send(&plain->workers[i].asked);
    if (all_have_answered(plain)) /* all have ended */
        uv_async_send(&plain->answered);
}

/* --- Clients --- */

static void on_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    if (--client->open_handles == 0)
        free(client);
}

/* What is left unread would make the kernel take back what we have said. But not all of a client
   that pours and pours: this is the thread that hears signals. */
static void read_rest(int fd)
{
    char scrap[4096];
    int reads = 0;
    while (reads++ < LAST_READS && recv(fd, scrap, sizeof scrap, MSG_DONTWAIT) > 0)
        ;
}

static void hang_up(struct client *client)
{
    struct mu_plain *plain = client->at->plain;
    if (client->fd < 0)
        return;
    if (client->session != NULL)
        client->at->config->handler->close(client->session);
    release(client->survey);
    if (client->next != NULL)
        client->next->previous = client->previous;
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        plain->clients = client->next;
    plain->client_count--;
    uv_close((uv_handle_t *)&client->poll, on_closed);
    uv_close((uv_handle_t *)&client->life, on_closed);
    read_rest(client->fd);
    close(client->fd);
    client->fd = -1;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    advance(poll->data);
}

static void watch(struct client *client, int events)
{
    if (client->events == events)
        return;
    client->events = events;
    uv_poll_start(&client->poll, events, on_poll);
}

/* False: not all of it has left. */
static bool write_out(struct client *client)
{
    const struct mu_plain_handler *handler = client->at->config->handler;
    const char *data;
    for (size_t len; (len = handler->output(client->session, &data)) > 0;) {
        ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        handler->taken(client->session, (size_t)n);
    }
    return true;
}

static void advance(struct client *client)
{
    const struct mu_plain_config *config = client->at->config;
    char data[4096];
    if (client->session == NULL && client->survey != NULL)
        client->session = config->handler->open(config->arg, &client->survey->result);
    if (client->session == NULL) {
        hang_up(client);
        return;
    }
    for (;;) {
        if (!write_out(client)) {
            errno == EAGAIN ? watch(client, UV_WRITABLE) : hang_up(client);
            return;
        }
        if (config->handler->done(client->session))
            break;
        ssize_t n = recv(client->fd, data, sizeof data, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            watch(client, UV_READABLE);
            return;
        }
        if (n <= 0 || !config->handler->input(client->session, data, (size_t)n))
            break;
    }
    hang_up(client);
}

static void on_old(uv_timer_t *life)
{
    hang_up(life->data);
}

static void greet(struct listener *listener, int fd)
{
    struct mu_plain *plain = listener->plain;
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL || uv_poll_init(plain->loop, &client->poll, fd) != 0) {
        free(client);
        close(fd);
        return;
    }
    uv_timer_init(plain->loop, &client->life);
    client->poll.data = client->life.data = client;
    client->open_handles = 2;
    client->fd = fd;
    client->at = listener;
    client->next = plain->clients;
    if (client->next != NULL)
        client->next->previous = client;
    plain->clients = client;
    plain->client_count++;
    uv_timer_start(&client->life, on_old, LIFE_MS, 0);
    client->question = atomic_load(&plain->question.number) + 1;
    if (!plain->asking)
        ask(plain);
}

/* --- Listening --- */

static void hang_up_oldest(struct mu_plain *plain)
{
    struct client *oldest = plain->clients;
    while (oldest != NULL && oldest->next != NULL)
        oldest = oldest->next;
    if (oldest != NULL)
        hang_up(oldest);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *retry)
{
    struct mu_plain *plain = retry->data;
    for (size_t i = 0; i < plain->listener_count; i++)
        uv_poll_start(&plain->listeners[i].socket.poll, UV_READABLE, on_connection);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    struct mu_plain *plain = listener->plain;
    (void)events;
    if (status < 0)
        return;
    int fd = accept4(listener->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (plain->client_count == CONNECTIONS_MAX)
            hang_up_oldest(plain);
        greet(listener, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        uv_poll_stop(poll); /* instead of spinning */
        uv_timer_start(&plain->retry, on_retry, RETRY_MS, 0);
    }
}

static int miss(struct mu_plain_config *config, struct mu_error *err)
{
    config->missing = errno;
    if (config->optional)
        return 0;
    return config->hint == NULL ? -1 : mu_hint(err, "%s", config->hint);
}

/* Of the addresses of one name, those that this machine lacks are left out, and the others get the same port. */
static int open_listener(struct mu_plain *plain, struct mu_plain_config *config,
                         struct mu_error *err)
{
    struct listener *listener = &plain->listeners[plain->listener_count];
    const bool optional = config->address.optional;
    *listener = (struct listener){.plain = plain, .config = config};
    if (optional && plain->listener_count > 0 && mu_address_port(&config->address) == 0)
        mu_address_set_port(&config->address, mu_address_port(&listener[-1].config->address));
    if (mu_listener_claim(&config->address, err) != 0)
        return optional && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) ? 0
                                                                             : miss(config, err);
    /* So that nobody else can connect before it is narrowed. No other thread runs yet. */
    const mode_t before = umask(0177);
    if (!config->owner_only)
        umask(before);
    int result = mu_listener_open(&config->address, &listener->socket, NULL, err);
    umask(before);
    if (result != 0)
        return miss(config, err);
    plain->listener_count++;
    uv_poll_init(plain->loop, &listener->socket.poll, listener->socket.fd);
    listener->socket.poll.data = listener;
    uv_poll_start(&listener->socket.poll, UV_READABLE, on_connection);
    return 0;
}

void mu_plain_join(struct mu_plain *plain, struct mu_worker *worker)
{
    worker->question = &plain->question;
    uv_async_init(&worker->loop, &worker->asked, on_asked);
    worker->asked.data = worker;
}

void mu_plain_meet(struct mu_plain *plain, struct mu_worker *workers, unsigned count)
{
    plain->workers = workers;
    plain->worker_count = count;
}

int mu_plain_new(uv_loop_t *loop, struct mu_plain_config *configs, size_t count,
                 const _Atomic int *stop, struct mu_plain **ret, struct mu_error *err)
{
    struct mu_plain *plain = calloc(1, sizeof *plain);
    if (plain == NULL)
        return mu_fail_nomem(err);
    *ret = plain;
    plain->loop = loop;
    plain->stop = stop;
    uv_async_init(loop, &plain->answered, on_answered);
    uv_timer_init(loop, &plain->patience);
    uv_timer_init(loop, &plain->retry);
    plain->answered.data = plain->patience.data = plain->retry.data = plain;
    plain->question.answered = &plain->answered;
    plain->listeners = calloc(count + 1, sizeof *plain->listeners);
    if (plain->listeners == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        if (open_listener(plain, &configs[i], err) != 0)
            return -1;
    return 0;
}

size_t mu_plain_count(const struct mu_plain *plain)
{
    return plain->listener_count;
}

void mu_plain_sockets(const struct mu_plain *plain, int *ret)
{
    for (size_t i = 0; i < plain->listener_count; i++)
        ret[i] = plain->listeners[i].socket.fd;
}

void mu_plain_hand_on(struct mu_plain *plain)
{
    uv_timer_stop(&plain->retry);
    for (size_t i = 0; i < plain->listener_count; i++) {
        uv_poll_stop(&plain->listeners[i].socket.poll);
        plain->listeners[i].socket.inode = 0; /* its name is another's now */
    }
}

void mu_plain_close(struct mu_plain *plain)
{
    while (plain != NULL && plain->clients != NULL)
        hang_up(plain->clients);
}

void mu_plain_free(struct mu_plain *plain)
{
    if (plain == NULL)
        return;
    for (size_t i = 0; i < plain->listener_count; i++) {
        struct listener *listener = &plain->listeners[i];
        mu_listener_remove_name(&listener->socket, &listener->config->address);
        close(listener->socket.fd);
    }
    for (unsigned i = 0; i < plain->worker_count; i++)
        free_part(atomic_load(&plain->workers[i].part));
    free(plain->listeners);
    free(plain);
}
