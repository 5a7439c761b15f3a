#include "net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "net/internal.h"
#include "net/proxy_header.h"

/* Named for what we wait for, in the order of a life. */
enum conn_state {
    CONN_PROXY,     /* whom does the proxy speak for?                                          */
    CONN_HANDSHAKE, /* TLS and the client's certificate                       [RFC 8446 4.4.2] */
    CONN_IDENTIFY,  /* may this client come in?                                                */
    CONN_VOUCH,     /* what does somebody else say of it?                                      */
    CONN_EXPLAIN,   /* it may not, and has something to ask before it is told why              */
    CONN_SERVE,     /* the protocol has the word, until it is done                             */
    CONN_DRAIN,     /* our last bytes: an answer, an alert, close_notify      [RFC 8446 6.1]   */
    CONN_LINGER,    /* the client's last bytes, so that ours are not lost to a reset           */
    CONN_CLOSED,
};

/* A client that goes on sending after our goodbye is heard out only so far: as much as the kernels at both ends hold, for it may be
 * on its way already. */
enum { DISCARD_LIMIT = 64 * 1024 * 1024, LINGER_READS = 64 /* before others have a turn */ };
/* For the answer under way to a client that may not stay. */
enum { EXPEL_MS = 500 };

/* What a proxy says first. */
struct mu_preface {
    struct mu_buf bytes; /* of a header that has come in pieces */
    struct mu_proxied said;
};

/* --- For protocols --- */

enum mu_io mu_conn_read(struct mu_conn *c, void *ret, size_t cap, size_t *ret_len)
{
    return mu_channel_read(&c->channel, ret, cap, ret_len);
}

enum mu_io mu_conn_write(struct mu_conn *c, const void *data, size_t len, size_t *ret_len)
{
    return mu_channel_write(&c->channel, data, len, ret_len);
}

bool mu_conn_has_input(const struct mu_conn *c)
{
    return mu_channel_has_input(&c->channel);
}

void mu_conn_end(struct mu_conn *c)
{
    mu_channel_end(&c->channel);
}

void mu_conn_fear_loss(struct mu_conn *c)
{
    c->fears_loss = true;
}

struct mu_worker *mu_conn_worker(const struct mu_conn *c)
{
    return c->worker;
}

struct mu_tls_caller *mu_conn_caller(const struct mu_conn *c)
{
    return c->caller;
}

const struct mu_address *mu_conn_peer(const struct mu_conn *c)
{
    return &c->peer;
}

void mu_conn_local(const struct mu_conn *c, struct mu_address *ret)
{
    *ret = (struct mu_address){.len = sizeof ret->sa};
    if (c->preface != NULL && c->preface->said.known)
        *ret = c->preface->said.destination;
    else
        getsockname(c->channel.fd, (struct sockaddr *)&ret->sa, &ret->len);
    mu_address_unmap(ret);
}

bool mu_conn_tls_facts(const struct mu_conn *c, struct mu_tls_facts *ret)
{
    if (c->channel.tls != NULL)
        mu_tls_facts_read(c->channel.tls, ret);
    return c->channel.tls != NULL;
}

struct mu_counters *mu_conn_counters(const struct mu_conn *c)
{
    return &c->worker->counters;
}

const struct mu_cert *mu_conn_client(const struct mu_conn *c)
{
    return c->client;
}

bool mu_conn_chain(const struct mu_conn *c, struct mu_certs *ret)
{
    const struct mu_vetted *vetted = c->channel.tls == NULL ? NULL : mu_tls_vetted(c->channel.tls);
    return vetted != NULL && mu_vetted_chain(vetted, ret);
}

bool mu_conn_leads_here(const struct mu_conn *c, const char *name, size_t len)
{
    if (c->gate->names == NULL)
        return true;
    const struct mu_tls_named *named = mu_tls_names_find(c->gate->names, name, len);
    return named != NULL && ((const struct mu_worker_door *)named->door)->door == c->door &&
           mu_conn_still_leads_to(c, name, len);
}

void mu_conn_refuse(struct mu_conn *c, const struct mu_refusal *refusal)
{
    const struct mu_server_events *events = &c->worker->config->events;
    mu_count_refusal(&c->worker->counters, refusal);
    if (events->refused != NULL && !c->door->quiet)
        events->refused(events->arg, &c->peer, refusal);
}

static void on_timer(uv_timer_t *timer);

/*
 * Deadlines are set far more often than they pass (with each request on a connection that is kept), so
 * a later deadline only notes its time; the timer finds out when it fires early, and sets itself anew.
 */
void mu_conn_set_deadline(struct mu_conn *c, unsigned deadline_ms)
{
    uint64_t now_ms = uv_now(&c->worker->loop);
    if (c->expelled && now_ms + deadline_ms > c->gone_by_ms)
        deadline_ms = c->gone_by_ms > now_ms ? (unsigned)(c->gone_by_ms - now_ms) : 0;
    c->deadline_ms = now_ms + deadline_ms;
    if (!uv_is_active((uv_handle_t *)&c->timer) || uv_timer_get_due_in(&c->timer) > deadline_ms)
        uv_timer_start(&c->timer, on_timer, deadline_ms, 0);
}

void mu_conn_clear_deadline(struct mu_conn *c)
{
    if (c->expelled)
        mu_conn_set_deadline(c, EXPEL_MS);
    else
        uv_timer_stop(&c->timer);
}

/* --- A life, in order --- */

/* Whoever speaks plain HTTP is answered in plain HTTP, once, without a byte from behind the door. */
static void answer_plainly(struct mu_conn *c)
{
    const char *answer = c->door->plain_http_answer;
    /* If it does not fit at once, so be it. */
    if (answer != NULL)
        (void)send(c->channel.fd, answer, strlen(answer), MSG_NOSIGNAL);
}

static enum conn_state finish(struct mu_conn *c)
{
    mu_channel_end(&c->channel);
    return CONN_DRAIN;
}

/* The client has asked for a name, perhaps, and so for a door. */
static void note_door(struct mu_conn *c)
{
    const struct mu_worker_door *door = mu_tls_door(c->channel.tls);
    c->door = door->door;
    c->caller = door->caller;
}

/* By the address of the client, which a proxy has told, perhaps. */
static bool may_be_one_more(struct mu_conn *c)
{
    struct mu_refusal refusal;
    const uint64_t key = c->worker->crowd == NULL ? 0 : mu_crowd_key(&c->peer);
    if (key == 0 || mu_crowd_enter(c->worker->crowd, key)) {
        c->crowd_key = key;
        return true;
    }
    mu_refusal_set(&refusal, MU_REFUSAL_ADDRESS_FULL);
    mu_conn_refuse(c, &refusal);
    return false;
}

static enum conn_state refuse_proxy(struct mu_conn *c, enum mu_refusal_code code, const char *why)
{
    struct mu_refusal refusal;
    mu_refusal_set(&refusal, code);
    mu_str_copy(refusal.cause, sizeof refusal.cause, why);
    mu_conn_refuse(c, &refusal);
    return CONN_CLOSED;
}

/* Whoever may not speak for others could say that it is anybody. Who connects to a Unix socket is let in by its mode. */
static bool is_trusted_proxy(const struct mu_conn *c)
{
    return c->peer.sa.ss_family == AF_UNIX ||
           mu_address_is_in(&c->peer, c->door->proxies, c->door->proxy_count);
}

/*
 * What comes behind the header is TLS's, so no more is taken from the socket than belongs to it: a look first; then all
 * that was seen, if that is not yet the whole header, or else the header's own bytes.
 */
static enum conn_state proxy(struct mu_conn *c)
{
    static _Thread_local char seen[MU_PROXY_HEADER_MAX];
    struct mu_buf *bytes = &c->preface->bytes;
    const char *why = "the connection ended";
    size_t header_len = 0;
    if (c->expired)
        return refuse_proxy(c, MU_REFUSAL_TIMEOUT, "");
    if (!is_trusted_proxy(c))
        return refuse_proxy(c, MU_REFUSAL_PROXY_UNTRUSTED, "");
    ssize_t n = recv(c->channel.fd, seen, sizeof seen, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return CONN_PROXY;
    if (n <= 0)
        return refuse_proxy(c, MU_REFUSAL_PROXY_HEADER, why);
    const size_t before = bytes->len;
    mu_buf_add(bytes, seen, (size_t)n);
    if (mu_buf_failed(bytes))
        return CONN_CLOSED;
    enum mu_proxy_header result =
        mu_proxy_header_read(bytes->data, bytes->len, &c->preface->said, &header_len, &why);
    if (result == MU_PROXY_HEADER_BAD)
        return refuse_proxy(c, MU_REFUSAL_PROXY_HEADER, why);
    if (recv(c->channel.fd, seen, result == MU_PROXY_HEADER_DONE ? header_len - before : (size_t)n,
             0) < 0)
        return CONN_CLOSED;
    if (result == MU_PROXY_HEADER_MORE)
        return CONN_PROXY;
    mu_buf_clear(bytes);
    if (c->preface->said.known)
        c->peer = c->preface->said.source;
    mu_address_unmap(&c->peer);
    if (!may_be_one_more(c))
        return CONN_CLOSED;
    return c->channel.tls == NULL ? CONN_IDENTIFY : CONN_HANDSHAKE;
}

static void count_handshake(struct mu_conn *c)
{
    mu_count_handshake(&c->worker->counters, (uv_hrtime() - c->began_ns) / 1000);
}

static enum conn_state handshake(struct mu_conn *c)
{
    struct mu_refusal timeout;
    if (c->expired) {
        count_handshake(c);
        mu_refusal_set(&timeout, MU_REFUSAL_TIMEOUT);
        mu_conn_refuse(c, &timeout);
        return CONN_CLOSED;
    }
    mu_turn_finish(&c->worker->turn); /* nobody's answer waits for somebody else's handshake */
    const enum mu_io io = mu_tls_handshake(c->channel.tls);
    note_door(c);
    switch (io) {
    case MU_IO_WANT_READ:
    case MU_IO_WANT_WRITE: return CONN_HANDSHAKE;
    case MU_IO_DONE: count_handshake(c); return CONN_IDENTIFY;
    default:
        count_handshake(c);
        mu_conn_refuse(c, mu_tls_refusal(c->channel.tls));
        if (mu_tls_refusal(c->channel.tls)->code == MU_REFUSAL_PLAIN_HTTP) {
            answer_plainly(c); /* and libssl's alert would be noise behind it */
            mu_tls_discard_output(c->channel.tls);
        }
        return finish(c);
    }
}

static enum conn_state begin(struct mu_conn *c)
{
    const struct mu_server_door *door = c->door;
    const bool h2 =
        door->h2 != NULL && c->channel.tls != NULL && mu_tls_speaks(c->channel.tls, "h2");
    c->protocol = h2 ? door->h2 : door->protocol;
    c->session = c->protocol->open(h2 ? door->h2_arg : door->protocol_arg, c);
    c->wants = MU_SERVE_READ;
    if (c->session != NULL)
        return CONN_SERVE;
    mu_channel_reset(&c->channel); /* whatever is missed must not look like an empty answer */
    return CONN_CLOSED;
}

static enum conn_state refuse(struct mu_conn *c, const struct mu_refusal *refusal)
{
    mu_conn_refuse(c, refusal);
    return finish(c);
}

static enum conn_state admit(struct mu_conn *c)
{
    const struct mu_server_events *events = &c->worker->config->events;
    mu_count(&c->worker->counters.admitted, 1);
    mu_count(&c->worker->counters.resumed, mu_tls_resumed(c->channel.tls) ? 1 : 0);
    c->client = mu_tls_peer_cert(c->channel.tls);
    if (events->admitted != NULL && c->client != NULL && !c->door->quiet)
        events->admitted(events->arg, &c->peer, c->client);
    if (events->met != NULL && mu_tls_vetted(c->channel.tls) != NULL)
        events->met(events->reload_arg, mu_tls_vetted(c->channel.tls), c->door->rules,
                    mu_tls_asked(c->channel.tls));
    if (c->hall != c->worker->hall)
        mu_conn_ask_about(c);
    mu_review_join(c);
    return begin(c);
}

static void on_vouched(void *c)
{
    mu_conn_wake(c);
}

static enum conn_state identify(struct mu_conn *c)
{
    struct mu_refusal refusal;
    if (c->channel.tls == NULL)
        return begin(c);
    if (!mu_tls_admit(c->channel.tls)) {
        mu_conn_refuse(c, mu_tls_refusal(c->channel.tls));
        return c->door->explain == NULL ? finish(c) : CONN_EXPLAIN;
    }
    if (!mu_conn_is_welcome(c, &refusal))
        return refuse(c, &refusal);
    const struct mu_voucher *voucher = c->door->voucher;
    if (voucher == NULL || mu_tls_vetted(c->channel.tls) == NULL)
        return admit(c);
    c->leave_asked = voucher->leave;
    c->asked = voucher->ask(voucher->arg, c->worker, mu_tls_vetted(c->channel.tls), on_vouched, c);
    return c->asked == NULL ? finish(c) : CONN_VOUCH;
}

/* It has shaken hands, and may have sent its first request, which nobody reads. The doors may have become others meanwhile. */
static enum conn_state vouch(struct mu_conn *c)
{
    const struct mu_voucher *voucher = c->door->voucher;
    struct mu_refusal refusal;
    if (c->expired)
        voucher->give_up(c->asked);
    const enum mu_vouch answer = voucher->answer(c->asked, &refusal);
    if (answer == MU_VOUCH_WAIT)
        return CONN_VOUCH;
    if (answer == MU_VOUCH_BAD || !mu_conn_is_welcome(c, &refusal))
        return refuse(c, &refusal);
    return admit(c);
}

/* Whatever it asks, the answer is why it is not let in. Nothing behind the door hears of it. */
static enum conn_state explain(struct mu_conn *c)
{
    char scrap[4096];
    size_t len;
    MU_AUTO_CLEAR(mu_buf) answer = MU_BUF_INIT;
    const enum mu_io io =
        c->expired ? MU_IO_END : mu_channel_read(&c->channel, scrap, sizeof scrap, &len);
    if (io == MU_IO_WANT_READ)
        return CONN_EXPLAIN;
    if (io == MU_IO_DONE) {
        c->door->explain(mu_tls_refusal(c->channel.tls), &answer);
        (void)mu_channel_write(&c->channel, answer.data, answer.len, &len);
    }
    return finish(c);
}

static enum conn_state serve(struct mu_conn *c)
{
    const struct mu_protocol *protocol = c->protocol;
    if (c->expired)
        c->wants = protocol->expire(c->session);
    else if (c->expelled && !c->told_expelled)
        c->wants = (protocol->expel == NULL ? protocol->stop : protocol->expel)(c->session);
    else if (c->stopping && !c->told)
        c->wants = protocol->stop(c->session);
    else
        c->wants = protocol->serve(c->session);
    c->told = c->stopping;
    c->told_expelled = c->expelled;
    if (c->wants == MU_SERVE_RESET)
        mu_channel_reset(&c->channel);
    if (c->wants == MU_SERVE_ABORT || c->wants == MU_SERVE_RESET)
        return CONN_CLOSED;
    return c->wants == MU_SERVE_CLOSE ? finish(c) : CONN_SERVE;
}

static enum conn_state drain(struct mu_conn *c)
{
    if (c->expired)
        return CONN_CLOSED;
    switch (mu_channel_flush(&c->channel)) {
    case MU_IO_WANT_WRITE: /* whoever takes some gets time to take more */
        mu_conn_set_deadline(c, c->door->deadlines.write_ms);
        return CONN_DRAIN;
    case MU_IO_DONE: shutdown(c->channel.fd, SHUT_WR); return CONN_LINGER;
    default: return CONN_CLOSED;
    }
}

/*
 * Closing a socket with unread bytes sends a reset, and a reset makes the client's kernel throw away what
 * it had received and not yet read: our alert, the one thing that tells the client why. In TLS 1.3 a client
 * that is refused has sent its request already, so this is the common case. [RFC 9112 9.6]
 */
static enum conn_state linger(struct mu_conn *c)
{
    const struct mu_transport transport = mu_channel_transport(&c->channel);
    char scrap[4096];
    if (c->expired)
        return CONN_CLOSED;
    for (int reads = 0; reads < LINGER_READS && c->discarded < DISCARD_LIMIT; reads++) {
        ssize_t n = transport.read(transport.arg, scrap, sizeof scrap);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return CONN_LINGER;
        if (n <= 0)
            return CONN_CLOSED;
        c->discarded += (size_t)n;
    }
    return c->discarded < DISCARD_LIMIT ? CONN_LINGER : CONN_CLOSED;
}

/* One connection's table of contents. A function that returns its own state is saying "not yet". */
static enum conn_state step(struct mu_conn *c)
{
    switch ((enum conn_state)c->state) {
    case CONN_PROXY: return proxy(c);
    case CONN_HANDSHAKE: return handshake(c);
    case CONN_IDENTIFY: return identify(c);
    case CONN_VOUCH: return vouch(c);
    case CONN_EXPLAIN: return explain(c);
    case CONN_SERVE: return serve(c);
    case CONN_DRAIN: return drain(c);
    case CONN_LINGER: return linger(c);
    case CONN_CLOSED: break;
    }
    return CONN_CLOSED;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct mu_conn *c = handle->data;
    if (--c->open_handles == 0)
        free(c);
}

static void close_handles(struct mu_conn *c)
{
    mu_conn_leave_track(c);
    mu_review_leave(c);
    if (c->session != NULL)
        c->protocol->close(c->session);
    if (c->asked != NULL)
        c->leave_asked(c->asked);
    uv_close((uv_handle_t *)&c->poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    mu_count(&c->worker->counters.closed, 1);
    if (c->crowd_key != 0)
        mu_crowd_leave(c->worker->crowd, c->crowd_key);
    mu_channel_clear(&c->channel);
    mu_cert_free(c->client);
    mu_hall_leave(c->hall);
    if (c->preface != NULL)
        mu_buf_clear(&c->preface->bytes);
    free(c->preface);
    close(c->channel.fd);
    mu_worker_remove(c->worker, c);
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* Watch for what this state waits for, and for nothing else: libuv's polls fire for as long as it holds. */
static void watch(struct mu_conn *c)
{
    bool reads = c->state == CONN_PROXY || c->state == CONN_HANDSHAKE || c->state == CONN_EXPLAIN ||
                 c->state == CONN_LINGER ||
                 (c->state == CONN_SERVE && (c->wants & MU_SERVE_READ) != 0);
    bool writes = c->state == CONN_DRAIN || mu_channel_has_output(&c->channel) ||
                  (c->state == CONN_SERVE && (c->wants & MU_SERVE_WRITE) != 0);
    /* TLS has nothing urgent, but libuv tells of a reset only where it watches for something. */
    int events = (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0) |
                 (c->fears_loss ? UV_PRIORITIZED : 0);
    if (events == c->events)
        return;
    c->events = events;
    uv_poll_start(&c->poll, events, on_poll);
}

static void enter(struct mu_conn *c, enum conn_state state)
{
    mu_shaking_note(c, state == CONN_PROXY || state == CONN_HANDSHAKE || state == CONN_VOUCH ||
                           state == CONN_EXPLAIN);
    const struct mu_deadlines *deadlines = &c->door->deadlines;
    c->state = state;
    c->expired = false;
    /* A proxy's header and the handshake behind it have one deadline. */
    if (state == CONN_PROXY || state == CONN_VOUCH || state == CONN_EXPLAIN ||
        (state == CONN_HANDSHAKE && c->preface == NULL))
        mu_conn_set_deadline(c, c->gate->entrance->handshake_ms);
    else if (state == CONN_LINGER)
        mu_conn_set_deadline(c, deadlines->linger_ms);
}

/* What is to leave has left, or waits for room. */
static void rest(struct mu_conn *c)
{
    if (c->state == CONN_SERVE || c->state == CONN_HANDSHAKE || c->state == CONN_VOUCH ||
        c->state == CONN_EXPLAIN)
        if (mu_channel_flush(&c->channel) == MU_IO_FAILED)
            enter(c, CONN_CLOSED);
    if (c->state == CONN_CLOSED)
        close_handles(c);
    else
        watch(c);
}

static void on_turn_end(void *owner)
{
    struct mu_conn *c = owner;
    if (c->state != CONN_CLOSED)
        rest(c);
}

/* The only place where a state changes. */
static void advance(struct mu_conn *c)
{
    if (c->state == CONN_CLOSED)
        return; /* a late callback */
    for (enum conn_state next = step(c); (int)next != c->state; next = step(c))
        enter(c, next);
    if (c->state == CONN_SERVE && mu_channel_has_output(&c->channel))
        mu_turn_add(&c->worker->turn, &c->sending);
    else
        rest(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct mu_conn *c = poll->data;
    if ((events & UV_READABLE) != 0 || status < 0)
        c->channel.readable = true;
    if ((events & UV_PRIORITIZED) != 0)
        c->fears_loss = false; /* of urgent data, which nobody reads, there would be no end */
    advance(c);
    /* The socket has failed, and libuv watches it no more. What had arrived before has been read above. */
    if (status < 0)
        mu_conn_abort(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct mu_conn *c = timer->data;
    uint64_t now_ms = uv_now(&c->worker->loop);
    if (now_ms < c->deadline_ms) {
        uv_timer_start(&c->timer, on_timer, c->deadline_ms - now_ms, 0);
        return;
    }
    if (c->expelled && now_ms >= c->gone_by_ms) {
        mu_channel_reset(&c->channel); /* what was sent is not all there was to be */
        mu_conn_abort(c);
        return;
    }
    c->expired = true;
    advance(c);
    c->expired = false;
}

/* False without memory. */
static bool equip(struct mu_conn *c)
{
    if (c->door->proxied && (c->preface = calloc(1, sizeof *c->preface)) == NULL)
        return false;
    if (c->door->plain)
        return true;
    c->channel.tls =
        mu_tls_new(c->gate->names, c->worker->sessions, mu_channel_transport(&c->channel));
    return c->channel.tls != NULL;
}

static enum conn_state first_state(const struct mu_conn *c)
{
    if (c->preface != NULL)
        return CONN_PROXY;
    return c->channel.tls == NULL ? CONN_IDENTIFY : CONN_HANDSHAKE;
}

static void make_room(struct mu_worker *worker)
{
    struct mu_refusal refusal;
    if (!mu_shaking_is_full(worker))
        return;
    struct mu_conn *other = mu_shaking_first_to_go(worker);
    mu_refusal_set(&refusal, MU_REFUSAL_CROWDED);
    if (other->state != CONN_EXPLAIN) { /* it has been refused already */
        if (other->state != CONN_VOUCH)
            count_handshake(other);
        mu_conn_refuse(other, &refusal);
    }
    mu_conn_abort(other);
}

void mu_conn_start(struct mu_listener *listener, int fd, const struct mu_address *peer)
{
    struct mu_worker *worker = listener->worker;
    make_room(worker);
    struct mu_conn *c = calloc(1, sizeof *c);
    if (c == NULL || uv_poll_init(&worker->loop, &c->poll, fd) != 0) {
        free(c);
        close(fd);
        return;
    }
    uv_timer_init(&worker->loop, &c->timer);
    c->poll.data = c->timer.data = c;
    c->open_handles = 2;
    c->sending = (struct mu_turn_part){.due = on_turn_end, .owner = c};
    c->channel.fd = fd;
    c->channel.readable = true; /* the client's first bytes are often here already */
    c->channel.counters = &worker->counters;
    c->peer = *peer;
    c->began_ns = uv_hrtime();
    c->worker = worker;
    c->stopping = worker->stopping; /* another worker has handed it over just then */
    mu_count(&worker->counters.accepted, 1);
    c->hall = mu_hall_enter(worker->hall);
    c->gate = listener->gate;
    c->door = c->gate->first->door;
    c->caller = c->gate->first->caller;
    mu_worker_add(worker, c);
    const bool equipped = equip(c);
    enter(c, first_state(c));
    if (equipped && (c->preface != NULL || may_be_one_more(c)))
        advance(c);
    else
        mu_conn_abort(c);
}

void mu_conn_wake(struct mu_conn *c)
{
    advance(c);
}

void mu_conn_stop(struct mu_conn *c)
{
    c->stopping = true;
    if (c->state == CONN_SERVE)
        advance(c);
}

void mu_conn_expel(struct mu_conn *c, const struct mu_refusal *refusal)
{
    const struct mu_server_events *events = &c->worker->config->events;
    mu_count_expelled(&c->worker->counters, refusal);
    if (events->expelled != NULL && !c->door->quiet)
        events->expelled(events->arg, &c->peer, c->client, refusal);
    c->expelled = true;
    c->gone_by_ms = uv_now(&c->worker->loop) + EXPEL_MS;
    mu_conn_set_deadline(c, EXPEL_MS);
    if (c->state == CONN_SERVE)
        advance(c);
}

void mu_conn_abort(struct mu_conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    /* A FIN would be taken for the end; within TLS, a close_notify is missed. */
    if (c->channel.tls == NULL)
        mu_channel_reset(&c->channel);
    enter(c, CONN_CLOSED);
    close_handles(c);
}
