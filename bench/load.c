/*
 * The load for bench/run: many clients of one mutual-TLS server, in one thread.
 *
 *   load --port N --cacert FILE [--cert FILE --key FILE] [--connections C] [--lockstep] --handshakes N
 *   load --port N --cacert FILE [--cert FILE --key FILE] [--connections C] [--lockstep] --resumed N
 *   load --port N --cacert FILE [--cert FILE --key FILE] [--connections C] [--lockstep] --requests N
 *   load --port N --cacert FILE [--cert FILE --key FILE] [--connections C] --bulk BYTES
 *
 * --handshakes makes N connections, C at a time, each with a full TLS 1.3 handshake and one GET.
 * --resumed does the same with C clients who have been there before, and come back with their sessions.
 * --requests makes C connections and sends N GETs on each, one after the other.
 * --bulk makes C connections and gets /big, which has so many bytes, once on each.
 *
 * Every client verifies the server's certificate and name, resumes a session when it is to and never otherwise, and accepts
 * nothing but status 200 and the body `Hello World`: a server cannot be fast by being wrong. Of /big the
 * length is checked.
 *
 * --lockstep: nobody sends before everybody has something to send. A client with libssl computes for
 * longer than a fast server does, so the server would doze off and be woken for every message, which
 * costs it more than it costs a slow server that always finds the next message waiting. In lockstep
 * the clients compute while the server has nothing to do, and then send all at once.
 *
 * The load and whoever reads the server's CPU clock take turns. The load prints "ready" once all that
 * is not to be counted is done, and waits for a line on stdin. It then works, prints one line of
 * name=value results, and waits again, its connections open, until it is told to leave.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

static const int silence_ms = 10000; /* a server that says nothing for so long has failed */

/* In the order of a connection's life; each lasts until what it is named for is done. */
enum conn_state {
    CONN_IDLE,      /* nothing to do; the connection may be open */
    CONN_HANDSHAKE, /* TCP and TLS */
    CONN_ANSWER,    /* the whole answer to our GET has come */
    CONN_LEAVE,     /* our close_notify is sent */
};

struct conn {
    enum conn_state state;
    int fd;
    SSL *ssl;             /* over two memory BIOs, so that we choose when to send; NULL: none */
    SSL_SESSION *session; /* the last that the server has given; NULL: none */
    bool holds;           /* it has something to send */
    uint64_t began_ns;    /* when this exchange began, with its handshake if it has one */
    long gets_left;       /* to be sent on this connection */
    long body_left;       /* of /big */
    size_t answer_len;
    char answer[4096];
};

struct load {
    struct sockaddr_in server;
    SSL_CTX *tls;
    int epoll;
    char get[64];
    long bulk;   /* the length of /big, when that is asked for */
    bool resume; /* clients come back with their sessions */
    int get_len;

    struct conn *conns;
    int conn_count;
    int busy;    /* connections that are not idle */
    int holding; /* connections that hold something to send */
    bool lockstep;

    long connections_left; /* to be opened */
    long gets_each;        /* on each connection opened */
    bool keep_open;        /* leave a connection open after its last GET */

    long done, failed;
    uint32_t *took_us; /* by each exchange that is done */
    char agreed[128];  /* what the first handshake agreed on */
};

static _Noreturn void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    ERR_print_errors_fp(stderr);
    exit(2);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- the socket's side of a connection --- */

static void open_socket(struct load *load, struct conn *c)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd == -1)
        die("socket: %s", strerror(errno));

    /* Without this our second flight could wait for the server's kernel to acknowledge the first. */
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

    /* On the loopback this returns at once, unless the server does not accept and its queue is full. */
    struct timeval patience = {.tv_sec = silence_ms / 1000};
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(c->fd, (struct sockaddr *)&load->server, sizeof load->server) != 0)
        die("connect: %s", strerror(errno));

    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

/* Send what the connection holds. If the server has left, what we read next will say so. */
static void send_held(struct load *load, struct conn *c)
{
    if (!c->holds)
        return;
    if (c->fd == -1)
        open_socket(load, c);

    BIO *out = SSL_get_wbio(c->ssl);
    char *data;
    long len = BIO_get_mem_data(out, &data);
    (void)!write(c->fd, data, (size_t)len); /* a few kilobytes: they fit into the socket's buffer */
    (void)BIO_reset(out);

    c->holds = false;
    load->holding--;
}

static void receive(struct conn *c)
{
    char data[16384];
    ssize_t len = read(c->fd, data, sizeof data);
    if (len > 0)
        BIO_write(SSL_get_rbio(c->ssl), data, (int)len);
    else
        BIO_set_mem_eof_return(SSL_get_rbio(c->ssl), 0); /* the end, no longer "not yet" */
}

/* --- the life of a connection: a function that returns its own state is saying "not yet" --- */

static enum conn_state drop(struct load *load, struct conn *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->fd != -1)
        close(c->fd); /* which takes it out of epoll, too */
    c->fd = -1;

    load->holding -= c->holds;
    c->holds = false;
    return CONN_IDLE;
}

/* The first failure is told; the others are only counted. */
static enum conn_state fail(struct load *load, struct conn *c, const char *why)
{
    if (load->failed++ == 0) {
        unsigned long error = ERR_peek_last_error();
        fprintf(stderr, "load: %s%s%s\n", why, error != 0 ? ": " : "",
                error != 0 ? ERR_reason_error_string(error) : "");
    }
    ERR_clear_error();
    return drop(load, c);
}

static enum conn_state wait_or_fail(struct load *load, struct conn *c, int result, const char *why)
{
    if (SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ)
        return c->state;
    return fail(load, c, why);
}

static enum conn_state ask(struct load *load, struct conn *c)
{
    if (SSL_write(c->ssl, load->get, load->get_len) != load->get_len)
        return fail(load, c, "cannot send the request");
    c->answer_len = 0;
    c->answer[0] = '\0';
    c->body_left = load->bulk;
    return CONN_ANSWER;
}

static enum conn_state begin(struct load *load, struct conn *c)
{
    bool connect = c->ssl == NULL && load->connections_left > 0;
    if (!connect && (c->ssl == NULL || c->gets_left == 0))
        return CONN_IDLE;

    c->began_ns = clock_ns(CLOCK_MONOTONIC);
    if (!connect)
        return ask(load, c);

    load->connections_left--;
    c->gets_left = load->gets_each;
    c->ssl = SSL_new(load->tls);
    if (c->ssl == NULL || SSL_set1_host(c->ssl, "localhost") != 1 ||
        SSL_set_tlsext_host_name(c->ssl, "localhost") != 1)
        die("cannot make a TLS client");
    SSL_set_bio(c->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_app_data(c->ssl, c);
    if (load->resume && SSL_set_session(c->ssl, c->session) != 1)
        die("cannot use a session");
    return CONN_HANDSHAKE;
}

static enum conn_state handshake(struct load *load, struct conn *c)
{
    int result = SSL_connect(c->ssl);
    if (result != 1)
        return wait_or_fail(load, c, result, "handshake failed");
    if (SSL_session_reused(c->ssl) != load->resume)
        return fail(load, c, load->resume ? "no session was resumed" : "the session was resumed");

    if (load->agreed[0] == '\0')
        snprintf(load->agreed, sizeof load->agreed, "tls=%s cipher=%s group=%s chain=%d",
                 SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl),
                 SSL_group_to_name(c->ssl, (int)SSL_get_negotiated_group(c->ssl)),
                 sk_X509_num(SSL_get_peer_cert_chain(c->ssl)));
    return ask(load, c);
}

enum verdict { ANSWER_PART, ANSWER_WHOLE, ANSWER_WRONG };

static enum verdict judge(const struct conn *c)
{
    const char *head_end = strstr(c->answer, "\r\n\r\n");
    if (head_end == NULL)
        return c->answer_len < sizeof c->answer - 1 ? ANSWER_PART : ANSWER_WRONG;
    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0)
        return ANSWER_WRONG;

    /* Node, called as the recipe calls it, does not know the length in time and sends one chunk. */
    const char *expected;
    if (strcasestr(c->answer, "\r\nContent-Length: 11\r\n") != NULL)
        expected = "Hello World";
    else if (strcasestr(c->answer, "\r\nTransfer-Encoding: chunked\r\n") != NULL)
        expected = "b\r\nHello World\r\n0\r\n\r\n";
    else
        return ANSWER_WRONG;

    const char *body = head_end + 4;
    if (strcmp(body, expected) == 0)
        return ANSWER_WHOLE;
    return strncmp(body, expected, strlen(body)) == 0 ? ANSWER_PART : ANSWER_WRONG;
}

/* /big: its head, and then as many bytes as there should be. */
static enum conn_state answer_bulk(struct load *load, struct conn *c)
{
    static char data[64 * 1024];
    while (strstr(c->answer, "\r\n\r\n") == NULL) {
        int room = (int)(sizeof c->answer - 1 - c->answer_len);
        int result = room == 0 ? 0 : SSL_read(c->ssl, c->answer + c->answer_len, room);
        if (result <= 0)
            return wait_or_fail(load, c, result, "no answer");
        c->answer_len += (size_t)result;
        c->answer[c->answer_len] = '\0';
        const char *head_end = strstr(c->answer, "\r\n\r\n");
        if (head_end != NULL)
            c->body_left -= c->answer + c->answer_len - (head_end + 4);
    }
    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0)
        return fail(load, c, "the answer is not status 200");
    while (c->body_left > 0) {
        int result = SSL_read(c->ssl, data, sizeof data);
        if (result <= 0)
            return wait_or_fail(load, c, result, "/big is shorter than it should be");
        c->body_left -= result;
    }
    if (c->body_left < 0)
        return fail(load, c, "/big is longer than it should be");
    load->took_us[load->done++] = (uint32_t)((clock_ns(CLOCK_MONOTONIC) - c->began_ns) / 1000);
    c->gets_left--;
    return CONN_IDLE;
}

static enum conn_state answer(struct load *load, struct conn *c)
{
    enum verdict verdict;
    do {
        int room = (int)(sizeof c->answer - 1 - c->answer_len);
        int result = SSL_read(c->ssl, c->answer + c->answer_len, room);
        if (result <= 0) /* in TLS 1.3 a refusal of our certificate comes only now */
            return wait_or_fail(load, c, result, "no answer");
        c->answer_len += (size_t)result;
        c->answer[c->answer_len] = '\0';
        verdict = judge(c);
    } while (verdict == ANSWER_PART);

    if (verdict == ANSWER_WRONG)
        return fail(load, c, "the answer is not status 200 and `Hello World`");

    load->took_us[load->done++] = (uint32_t)((clock_ns(CLOCK_MONOTONIC) - c->began_ns) / 1000);
    if (--c->gets_left > 0 || load->keep_open)
        return CONN_IDLE;
    SSL_shutdown(c->ssl); /* our close_notify, and no waiting for theirs: as curl leaves */
    return CONN_LEAVE;
}

static enum conn_state leave(struct load *load, struct conn *c)
{
    return c->holds ? CONN_LEAVE : drop(load, c);
}

/* Take the connection as far as it gets without hearing from the server. */
static void advance(struct load *load, struct conn *c)
{
    enum conn_state was;
    do {
        was = c->state;
        switch (was) {
        case CONN_IDLE: c->state = begin(load, c); break;
        case CONN_HANDSHAKE: c->state = handshake(load, c); break;
        case CONN_ANSWER: c->state = load->bulk > 0 ? answer_bulk(load, c) : answer(load, c); break;
        case CONN_LEAVE: c->state = leave(load, c); break;
        }
        load->busy += (was == CONN_IDLE) - (c->state == CONN_IDLE);

        if (c->ssl != NULL && !c->holds && BIO_ctrl_pending(SSL_get_wbio(c->ssl)) > 0) {
            c->holds = true;
            load->holding++;
        }
        if (!load->lockstep)
            send_held(load, c);
    } while (c->state != was);
}

/* --- all of them --- */

static void send_all_held(struct load *load)
{
    /* Two loops, because what follows a close_notify, a new ClientHello, takes time to compute. */
    for (int i = 0; i < load->conn_count; i++)
        send_held(load, &load->conns[i]);
    for (int i = 0; i < load->conn_count; i++)
        if (load->conns[i].state == CONN_LEAVE)
            advance(load, &load->conns[i]);
}

static void work_until_idle(struct load *load)
{
    for (int i = 0; i < load->conn_count; i++)
        advance(load, &load->conns[i]);

    while (load->busy > 0) {
        if (load->holding == load->busy) { /* never, unless in lockstep */
            send_all_held(load);
            continue;
        }
        struct epoll_event events[256];
        int n = epoll_wait(load->epoll, events, 256, silence_ms);
        if (n == 0)
            die("the server has been silent for %d s", silence_ms / 1000);
        for (int i = 0; i < n; i++) {
            receive(events[i].data.ptr);
            advance(load, events[i].data.ptr);
        }
    }
}

static void wait_for_a_line(void)
{
    int c;
    fflush(stdout);
    while ((c = getchar()) != '\n' && c != EOF)
        ;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void measure(struct load *load, const char *unit)
{
    puts("ready");
    wait_for_a_line();

    uint64_t wall_ns = clock_ns(CLOCK_MONOTONIC);
    uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    work_until_idle(load);
    wall_ns = clock_ns(CLOCK_MONOTONIC) - wall_ns;
    cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;

    size_t done = (size_t)load->done;
    qsort(load->took_us, done, sizeof *load->took_us, by_value);
    printf("%s=%zu failed=%ld wall_us=%llu cpu_us=%llu p50_us=%u p99_us=%u %s\n", unit, done,
           load->failed, (unsigned long long)wall_ns / 1000, (unsigned long long)cpu_ns / 1000,
           done > 0 ? load->took_us[done / 2] : 0, done > 0 ? load->took_us[done * 99 / 100] : 0,
           load->agreed);
    wait_for_a_line();
}

static void measure_handshakes(struct load *load, long count)
{
    load->connections_left = count;
    load->gets_each = 1;
    measure(load, "handshakes");
}

/* Each client connects and asks once, which is not counted. */
static void introduce(struct load *load, bool keep_open)
{
    load->connections_left = load->conn_count;
    load->gets_each = 1;
    load->keep_open = keep_open;
    work_until_idle(load);
    if (load->failed > 0)
        die("%ld of %d connections failed", load->failed, load->conn_count);
    load->done = 0;
}

static void measure_resumed(struct load *load, long count)
{
    introduce(load, false);
    load->resume = true;
    load->connections_left = count;
    measure(load, "resumed");
}

static void measure_bulk(struct load *load, long bytes, const char *get)
{
    introduce(load, true);
    load->bulk = bytes;
    load->get_len = snprintf(load->get, sizeof load->get, "%s", get);
    for (int i = 0; i < load->conn_count; i++)
        load->conns[i].gets_left = 1;
    measure(load, "bulk");
}

static void measure_requests(struct load *load, long count_each)
{
    introduce(load, true);
    for (int i = 0; i < load->conn_count; i++)
        load->conns[i].gets_left = count_each;
    measure(load, "requests");
}

/*
 * Verify a server's certificate in full when it is first seen, and know it by its bytes afterwards:
 * the chain's verification would cost a load that shares a small machine more than a fast server
 * spends on the whole handshake. That the server holds the key is checked every time, by libssl.
 */
static int verify(X509_STORE_CTX *ctx, void *unused)
{
    static unsigned char known[4096];
    static int known_len;

    (void)unused;
    X509 *cert = X509_STORE_CTX_get0_cert(ctx);
    unsigned char der[sizeof known], *end = der;
    int len = i2d_X509(cert, NULL);
    if (len <= 0 || (size_t)len > sizeof der || i2d_X509(cert, &end) != len)
        return 0;
    if (len == known_len && memcmp(der, known, (size_t)len) == 0)
        return 1;

    if (X509_verify_cert(ctx) != 1)
        return 0;
    memcpy(known, der, (size_t)len);
    known_len = len;
    return 1;
}

/* The newest takes the place of the one before: in TLS 1.3 each is used once. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct conn *c = SSL_get_app_data(ssl);
    SSL_SESSION_free(c->session);
    c->session = session;
    return 1;
}

static SSL_CTX *make_tls(const char *cacert, const char *cert, const char *key, const char *groups,
                         const char *ciphersuites)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(tls, groups) != 1 ||
        SSL_CTX_set_ciphersuites(tls, ciphersuites) != 1 ||
        SSL_CTX_load_verify_locations(tls, cacert, NULL) != 1)
        die("cannot set up TLS");
    if (cert != NULL && (SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
                         SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1))
        die("cannot use %s and %s", cert, key);

    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(tls, verify, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_NO_AUTO_CHAIN); /* send our certificate, not the CA's as well */
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
    return tls;
}

static long number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > 1 << 30)
        die("\"%s\" is not a number from 1 to 2^30", text);
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"cacert", required_argument, NULL, 'a'},
        {"cert", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"groups", required_argument, NULL, 'g'},
        {"ciphersuites", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'n'},
        {"handshakes", required_argument, NULL, 'h'},
        {"resumed", required_argument, NULL, 'u'},
        {"bulk", required_argument, NULL, 'b'},
        {"requests", required_argument, NULL, 'r'},
        {"lockstep", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    const char *cacert = NULL, *cert = NULL, *key = NULL;
    const char *groups = "X25519", *ciphersuites = "TLS_AES_128_GCM_SHA256";
    long port = 0, handshakes = 0, resumed = 0, requests = 0, bulk = 0, connections = 16;
    bool lockstep = false;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p': port = number(optarg); break;
        case 'a': cacert = optarg; break;
        case 'c': cert = optarg; break;
        case 'k': key = optarg; break;
        case 'g': groups = optarg; break;
        case 's': ciphersuites = optarg; break;
        case 'n': connections = number(optarg); break;
        case 'h': handshakes = number(optarg); break;
        case 'u': resumed = number(optarg); break;
        case 'b': bulk = number(optarg); break;
        case 'r': requests = number(optarg); break;
        case 'l': lockstep = true; break;
        default: return 2;
        }
    }
    if (port == 0 || port > 65535 || cacert == NULL || (cert == NULL) != (key == NULL) ||
        (handshakes > 0) + (resumed > 0) + (requests > 0) + (bulk > 0) != 1)
        die("wants --port, --cacert, --cert with --key or neither, and one of --handshakes, --resumed, --requests, --bulk");

    signal(SIGPIPE, SIG_IGN); /* a server that leaves early is a failure to count, not our end */

    struct load load = {
        .server = {.sin_family = AF_INET,
                   .sin_port = htons((uint16_t)port),
                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .tls = make_tls(cacert, cert, key, groups, ciphersuites),
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .lockstep = lockstep,
        .conn_count = (int)connections,
        .conns = calloc((size_t)connections, sizeof *load.conns),
        .took_us = calloc((size_t)(handshakes + resumed + connections * (requests + 2)),
                          sizeof *load.took_us),
    };
    if (load.epoll == -1 || load.conns == NULL || load.took_us == NULL)
        die("cannot begin: %s", strerror(errno));
    for (int i = 0; i < load.conn_count; i++)
        load.conns[i].fd = -1;
    load.get_len = snprintf(load.get, sizeof load.get,
                            "GET / HTTP/1.1\r\nHost: localhost:%ld\r\nAccept: */*\r\n\r\n", port);

    if (handshakes > 0)
        measure_handshakes(&load, handshakes);
    else if (resumed > 0)
        measure_resumed(&load, resumed);
    else if (bulk > 0)
        measure_bulk(&load, bulk, "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    else
        measure_requests(&load, requests);

    for (int i = 0; i < load.conn_count; i++) {
        drop(&load, &load.conns[i]);
        SSL_SESSION_free(load.conns[i].session);
    }
    free(load.conns);
    free(load.took_us);
    close(load.epoll);
    SSL_CTX_free(load.tls);
    return load.failed > 0 ? 1 : 0;
}
