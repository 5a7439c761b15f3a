/* HTTP/2 as bytes in and bytes out: two machines of ours against each other, and frames made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "http/h2.h"

enum {
    DATA = 0,
    HEADERS = 1,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    WINDOW = 8,
    CONTINUATION = 9
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

/* One end, and what it was told. */
struct end {
    struct mu_h2 *h2;
    struct mu_h2_stream *stream; /* the last */
    struct mu_buf out;           /* that nobody has read yet */
    char told[8192];             /* the heads and trailers, as text */
    int status;                  /* that a request is to be answered with */
    char why[128];
    size_t body_len;
    unsigned heads, ends, closed, rooms;
    enum mu_h2_code code; /* of the last stream that was closed */
    bool takes_in;
    uint64_t now_ms;
};

struct fixture {
    struct end server, client;
};

static uint64_t now_ms(void *arg)
{
    const struct end *end = arg;
    return end->now_ms;
}

static void note(struct end *end, const char *name, const char *value)
{
    size_t len = strlen(end->told);
    snprintf(end->told + len, sizeof end->told - len, "%s: %s\n", name, value);
}

static void on_head(void *arg, struct mu_h2_stream *stream, const struct mu_head *head, int status,
                    const char *why)
{
    static const char *const framings[] = {"none", "length", "chunked", "until close"};
    struct end *end = arg;
    end->stream = stream;
    end->heads++;
    end->status = status;
    snprintf(end->why, sizeof end->why, "%s", why == NULL ? "" : why);
    if (status != 0)
        return;
    if (head->method != NULL)
        note(end, head->method, head->target);
    for (size_t i = 0; i < head->header_count; i++)
        note(end, head->headers[i].name, head->headers[i].value);
    note(end, "body", framings[head->framing]);
}

static void on_body(void *arg, struct mu_h2_stream *stream, const char *data, size_t len)
{
    struct end *end = arg;
    (void)data;
    end->body_len += len;
    if (end->takes_in)
        mu_h2_taken_in(stream, len);
}

static void on_end(void *arg, struct mu_h2_stream *stream, const struct mu_header *trailers,
                   size_t count)
{
    struct end *end = arg;
    (void)stream;
    end->ends++;
    for (size_t i = 0; i < count; i++)
        note(end, trailers[i].name, trailers[i].value);
}

static void on_room(void *arg, struct mu_h2_stream *stream)
{
    struct end *end = arg;
    (void)stream;
    end->rooms++;
}

static void on_closed(void *arg, struct mu_h2_stream *stream, enum mu_h2_code code)
{
    struct end *end = arg;
    end->closed++;
    end->code = code;
    if (end->stream == stream)
        end->stream = NULL;
}

static const struct mu_h2_handler handler = {now_ms, on_head, on_body, on_end, on_room, on_closed};

static const struct mu_h1_limits limits = {.target = 8000, .head = 32 * 1024};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.server = {.takes_in = true}, .client = {.takes_in = true}};
    f.server.h2 = mu_h2_server(&handler, &f.server, &limits, true);
    f.client.h2 = mu_h2_client(&handler, &f.client);
    *state = &f;
    return f.server.h2 == NULL || f.client.h2 == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_h2_free(f->server.h2);
    mu_h2_free(f->client.h2);
    mu_buf_clear(&f->server.out);
    mu_buf_clear(&f->client.out);
    return 0;
}

static void gather(struct end *end)
{
    const char *data;
    for (size_t len; (len = mu_h2_output(end->h2, &data)) > 0;) {
        mu_buf_add(&end->out, data, len);
        mu_h2_taken(end->h2, len);
    }
}

/* Carry what each says to the other, until both are silent. */
static void talk(struct fixture *f)
{
    for (;;) {
        gather(&f->client);
        gather(&f->server);
        if (f->client.out.len == 0 && f->server.out.len == 0)
            return;
        struct mu_buf from_client = f->client.out, from_server = f->server.out;
        f->client.out = f->server.out = (struct mu_buf)MU_BUF_INIT;
        if (from_client.len > 0)
            assert_true(mu_h2_input(f->server.h2, from_client.data, from_client.len));
        if (from_server.len > 0)
            assert_true(mu_h2_input(f->client.h2, from_server.data, from_server.len));
        mu_buf_clear(&from_client);
        mu_buf_clear(&from_server);
    }
}

static struct mu_h2_stream *ask(struct fixture *f, const char *method, bool ended)
{
    const struct mu_header fields[] = {{":method", method},
                                       {":scheme", "https"},
                                       {":path", "/a?b"},
                                       {":authority", "localhost:3000"},
                                       {"Accept", "*/*"}};
    struct mu_h2_stream *stream =
        mu_h2_request(f->client.h2, fields, MU_COUNT(fields), ended, &f->client);
    assert_non_null(stream);
    talk(f);
    return stream;
}

/* --- Frames by hand, to the server --- */

static void frame(struct mu_buf *out, int type, int flags, uint32_t stream, const void *data,
                  size_t len)
{
    const unsigned char head[9] =
        {(unsigned char)(len >> 16),    (unsigned char)(len >> 8),    (unsigned char)len,
         (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
         (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream};
    mu_buf_add(out, head, sizeof head);
    mu_buf_add(out, data, len);
}

/* A literal field, neither indexed nor compressed. [RFC 7541 6.2.2] */
static void field(struct mu_buf *out, const char *name, const char *value, size_t value_len)
{
    const char name_head[2] = {0, (char)strlen(name)}, value_head = (char)value_len;
    assert_true(strlen(name) < 127 && value_len < 127);
    mu_buf_add(out, name_head, 2);
    mu_buf_adds(out, name);
    mu_buf_add(out, &value_head, 1);
    mu_buf_add(out, value, value_len);
}

static void begin(struct mu_buf *out)
{
    mu_buf_adds(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(out, SETTINGS, 0, 0, "", 0);
}

static bool send_to_server(struct fixture *f, struct mu_buf *bytes)
{
    const bool goes_on = mu_h2_input(f->server.h2, bytes->data, bytes->len);
    mu_buf_clear(bytes);
    gather(&f->server);
    return goes_on;
}

/* The payload of the last frame of this kind that the server has sent; NULL: there was none. */
static const unsigned char *sent_frame(const struct fixture *f, int type, int *ret_count)
{
    const unsigned char *found = NULL;
    size_t at = 0;
    *ret_count = 0;
    while (at + 9 <= f->server.out.len) {
        const unsigned char *head = (const unsigned char *)f->server.out.data + at;
        if (head[3] == type) {
            found = head + 9;
            (*ret_count)++;
        }
        at += 9 + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
    }
    return found;
}

static uint32_t number_at(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A request with one more field, or two; the usual ones can be left out with `method` NULL. */
static void request(struct mu_buf *out, uint32_t id, int flags, const char *method,
                    const char *name, const char *value, size_t value_len)
{
    MU_AUTO_CLEAR(mu_buf) block = MU_BUF_INIT;
    field(&block, ":method", method, strlen(method));
    field(&block, ":scheme", "https", 5);
    field(&block, ":path", "/", 1);
    field(&block, ":authority", "localhost", 9);
    if (name != NULL)
        field(&block, name, value, value_len);
    frame(out, HEADERS, flags | END_HEADERS, id, block.data, block.len);
}

/* --- Messages --- */

static void a_request_and_its_answer_go_through_with_bodies_and_trailers(void **state)
{
    struct fixture *f = *state;
    const struct mu_header fields[] = {{"Content-Type", "application/grpc"}};
    const struct mu_header trailers[] = {{"Grpc-Status", "0"}, {"grpc-message", ""}};
    const struct mu_header asked[] = {{"x-sum", "12"}};
    struct mu_h2_stream *stream = ask(f, "POST", false);
    mu_h2_send(stream, "question", 8);
    mu_h2_send_end(stream, asked, 1);
    talk(f);
    assert_string_equal(f->server.told, "POST: /a?b\nhost: localhost:3000\naccept: */*\n"
                                        "body: chunked\nx-sum: 12\n");
    assert_int_equal(f->server.body_len, 8);
    assert_int_equal(f->server.ends, 1);

    mu_h2_respond(f->server.stream, 100, NULL, 0, false);
    mu_h2_respond(f->server.stream, 200, fields, 1, false);
    mu_h2_send(f->server.stream, "an answer", 9);
    mu_h2_send_end(f->server.stream, trailers, 2);
    talk(f);
    assert_int_equal(f->client.heads, 2); /* one of them interim */
    assert_string_equal(f->client.told, "body: none\ncontent-type: application/grpc\nbody: chunked\n"
                                        "grpc-status: 0\ngrpc-message: \n");
    assert_int_equal(f->client.body_len, 9);
    assert_int_equal(f->server.closed, 1);
    assert_int_equal(f->client.closed, 1);
    assert_int_equal(f->client.code, MU_H2_NO_ERROR);
    assert_int_equal(mu_h2_stream_count(f->server.h2), 0);
}

static void a_request_without_a_body_ends_with_its_head(void **state)
{
    struct fixture *f = *state;
    const struct mu_header fields[] = {{"content-length", "11"}};
    (void)ask(f, "HEAD", true);
    assert_non_null(strstr(f->server.told, "body: none"));
    assert_int_equal(f->server.ends, 1);
    mu_h2_respond(f->server.stream, 200, fields, 1, true);
    talk(f);
    assert_string_equal(f->client.told, "content-length: 11\nbody: none\n");
    assert_int_equal(f->client.ends, 1);
}

/* Whether a body would be empty was not known when its head was sent: the end is a frame without a byte. */
static void a_body_that_turns_out_to_be_empty_ends_all_the_same(void **state)
{
    struct fixture *f = *state;
    (void)ask(f, "GET", true);
    mu_h2_respond(f->server.stream, 200, NULL, 0, false);
    talk(f);
    mu_h2_send_end(f->server.stream, NULL, 0);
    talk(f);
    assert_int_equal(f->client.ends, 1);
    assert_int_equal(f->client.body_len, 0);
    assert_int_equal(f->client.closed, 1);
    assert_int_equal(f->client.code, MU_H2_NO_ERROR);
}

static void an_answer_that_is_over_before_its_request_tells_the_client_to_stop(void **state)
{
    struct fixture *f = *state;
    struct mu_h2_stream *stream = ask(f, "POST", false);
    mu_h2_send(stream, "some", 4);
    talk(f);
    mu_h2_respond(f->server.stream, 413, NULL, 0, false);
    mu_h2_send(f->server.stream, "too much", 8);
    mu_h2_send_end(f->server.stream, NULL, 0);
    talk(f);
    assert_int_equal(f->client.ends, 1); /* the answer was not cut off */
    assert_int_equal(f->client.body_len, 8);
    assert_int_equal(f->client.closed, 1);
    assert_int_equal(f->client.code, MU_H2_NO_ERROR);
    assert_int_equal(f->server.closed, 1);
}

static void pieces_of_a_cookie_arrive_as_one(void **state)
{
    struct fixture *f = *state;
    const struct mu_header fields[] = {{":method", "GET"},    {":scheme", "https"},
                                       {":path", "/"},        {":authority", "a"},
                                       {"cookie", "a=1"},     {"x-between", "them"},
                                       {"cookie", "b=2; c=3"}};
    assert_non_null(mu_h2_request(f->client.h2, fields, MU_COUNT(fields), true, NULL));
    talk(f);
    assert_string_equal(f->server.told,
                        "GET: /\nhost: a\nx-between: them\ncookie: a=1; b=2; c=3\nbody: none\n");
}

/* --- Streams that become something else --- */

static void ask_to_switch(struct fixture *f, uint32_t id, const char *protocol)
{
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    if (id == 1)
        begin(&bytes);
    request(&bytes, id, 0, "CONNECT", ":protocol", protocol, strlen(protocol));
    (void)mu_h2_input(f->server.h2, bytes.data, bytes.len);
    gather(&f->server);
}

static void a_stream_that_is_upgraded_has_two_ends(void **state)
{
    struct fixture *f = *state;
    struct mu_head head;
    int count;
    ask_to_switch(f, 1, "websocket");
    assert_string_equal(f->server.told, "GET: /\nhost: localhost\nbody: none\n");
    assert_true(mu_h2_stream_head(f->server.stream, &head));
    assert_string_equal(head.upgrade, "websocket");
    mu_h2_respond(f->server.stream, 200, NULL, 0, false);
    mu_h2_send_end(f->server.stream, NULL, 0);
    gather(&f->server);
    assert_non_null(sent_frame(f, DATA, &count));
    assert_null(sent_frame(f, RST_STREAM, &count)); /* the client may go on */
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    frame(&bytes, DATA, END_STREAM, 1, "bye", 3);
    assert_true(send_to_server(f, &bytes));
    assert_int_equal(f->server.body_len, 3);
    assert_int_equal(f->server.closed, 1);
    assert_int_equal(f->server.code, MU_H2_NO_ERROR);
}

static void an_upgrade_that_is_refused_is_an_answer(void **state)
{
    struct fixture *f = *state;
    int count;
    ask_to_switch(f, 1, "websocket");
    mu_h2_respond(f->server.stream, 403, NULL, 0, true);
    gather(&f->server);
    assert_non_null(sent_frame(f, RST_STREAM, &count)); /* nobody wants the rest */
    ask_to_switch(f, 3, "connect-udp");
    assert_int_equal(f->server.status, 501);
    assert_non_null(strstr(f->server.why, "protocol"));
}

static void what_is_not_offered_is_not_asked_for(void **state)
{
    struct fixture *f = *state;
    int count;
    mu_h2_free(f->server.h2);
    f->server.h2 = mu_h2_server(&handler, &f->server, &limits, false);
    assert_non_null(f->server.h2);
    ask_to_switch(f, 1, "websocket");
    assert_non_null(sent_frame(f, RST_STREAM, &count));
    assert_int_equal(f->server.heads, 0);
}

/* --- What is refused --- */

/* nghttp2 1.64 closes the stream before it comes to us; 1.52 leaves it to us. */
static void an_authority_with_a_user_in_it_is_no_host(void **state)
{
    struct fixture *f = *state;
    const struct mu_header fields[] = {{":method", "GET"},
                                       {":scheme", "https"},
                                       {":path", "/"},
                                       {":authority", "a@b"}};
    assert_non_null(mu_h2_request(f->client.h2, fields, MU_COUNT(fields), true, NULL));
    talk(f);
    if (f->server.heads == 0) {
        assert_int_equal(f->client.closed, 1);
        assert_int_equal(f->client.code, MU_H2_PROTOCOL_ERROR);
        return;
    }
    assert_int_equal(f->server.status, 400);
    assert_non_null(strstr(f->server.why, "authority is not a host"));
}

static void a_plain_program_within_tls_may_say_http(void **state)
{
    struct fixture *f = *state;
    static const struct mu_header fields[] = {{":method", "GET"},
                                              {":scheme", "http"},
                                              {":path", "/"},
                                              {":authority", "a"}};
    assert_non_null(mu_h2_request(f->client.h2, fields, MU_COUNT(fields), true, NULL));
    talk(f);
    assert_int_equal(f->server.heads, 1);
    assert_int_equal(f->server.status, 0);
}

static void requests_that_could_be_read_in_two_ways_are_answered_with_a_refusal(void **state)
{
    struct fixture *f = *state;
    char long_path[9000] = "/", long_value[40000] = "";
    memset(long_path + 1, 'a', sizeof long_path - 2);
    memset(long_value, 'a', sizeof long_value - 1);
    const struct {
        const char *method, *scheme, *path, *authority, *name, *value;
        int status;
        const char *why;
    } cases[] = {
        {"GET", "ftp", "/", "a", "x", "y", 400, "scheme"},
        {"GET", "https", "/a#b", "a", "x", "y", 400, "target"},
        {"GET", "https", "/a\xff", "a", "x", "y", 400, "target"},
        {"GET", "https", "/", "a", "host", "b", 400, "differ"},
        {"BREW", "https", "/", "a", "x", "y", 501, "method"},
        {"GET", "https", long_path, "a", "x", "y", 414, "too long"},
        {"GET", "https", "/", "a", "x", long_value, 431, "too long"},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        const struct mu_header fields[] = {{":method", cases[i].method},
                                           {":scheme", cases[i].scheme},
                                           {":path", cases[i].path},
                                           {":authority", cases[i].authority},
                                           {cases[i].name, cases[i].value}};
        assert_non_null(mu_h2_request(f->client.h2, fields, MU_COUNT(fields), true, NULL));
        talk(f);
        assert_int_equal(f->server.heads, i + 1);
        assert_int_equal(f->server.status, cases[i].status);
        assert_non_null(strstr(f->server.why, cases[i].why));
    }
    const struct mu_header tunnel[] = {{":method", "CONNECT"}, {":authority", "a:443"}};
    assert_non_null(mu_h2_request(f->client.h2, tunnel, MU_COUNT(tunnel), false, NULL));
    talk(f);
    assert_int_equal(f->server.status, 501);
    assert_string_equal(f->server.told, "");
}

static void a_malformed_request_is_reset_and_never_told(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *name, *value;
        size_t len;
    } cases[] = {
        {"Upper", "case", 4},
        {"connection", "close", 5},
        {"keep-alive", "1", 1},
        {"proxy-connection", "close", 5},
        {"upgrade", "h2c", 3},
        {"transfer-encoding", "chunked", 7},
        {"te", "gzip", 4},
        {"x", "a\r\nb: c", 7},
        {"x", "a\nb", 3},
        {"x", "a\0b", 3},
        {"x\r\ny", "a", 1},
        {"x y", "a", 1},
        {"", "a", 1},
        {":path", "/again", 6},
        {":odd", "a", 1},
        {"content-length", "7", 1}, /* and there is no body */
        {"content-length", "1, 1", 4},
        {"content-length", "-1", 2},
        {"content-length", "+1", 2},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        int count;
        MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
        if (i == 0)
            begin(&bytes);
        request(&bytes, (uint32_t)(2 * i + 1), END_STREAM, "GET", cases[i].name, cases[i].value,
                cases[i].len);
        assert_true(send_to_server(f, &bytes));
        assert_non_null(sent_frame(f, RST_STREAM, &count));
        assert_int_equal(count, i + 1);
        assert_int_equal(f->server.closed, i + 1);
    }
    assert_int_equal(f->server.heads, 0);
}

static void a_body_that_is_not_as_long_as_was_said_is_reset(void **state)
{
    struct fixture *f = *state;
    int count;
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    begin(&bytes);
    request(&bytes, 1, 0, "POST", "content-length", "5", 1);
    frame(&bytes, DATA, END_STREAM, 1, "four", 4);
    request(&bytes, 3, 0, "POST", "content-length", "5", 1);
    frame(&bytes, DATA, 0, 3, "four", 4);
    frame(&bytes, DATA, 0, 3, "GET /", 5);
    assert_true(send_to_server(f, &bytes));
    assert_non_null(sent_frame(f, RST_STREAM, &count));
    assert_int_equal(count, 2);
    assert_int_equal(f->server.ends, 0);
    assert_int_equal(f->server.code, MU_H2_PROTOCOL_ERROR);
}

static void what_is_no_http2_at_all_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    const char *why;
    assert_false(mu_h2_input(f->server.h2, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27));
    assert_string_equal(mu_h2_fault(f->server.h2, &why), "h2-broken");
    gather(&f->server);
    assert_true(mu_h2_is_done(f->server.h2));
}

/* --- Flow --- */

static void a_body_that_is_not_taken_in_stops_its_sender(void **state)
{
    struct fixture *f = *state;
    static const char piece[1000 * 1000];
    f->server.takes_in = false;
    struct mu_h2_stream *stream = ask(f, "POST", false);
    mu_h2_send(stream, piece, sizeof piece);
    mu_h2_send_end(stream, NULL, 0);
    assert_false(mu_h2_has_room(stream));
    talk(f);
    assert_int_equal(f->server.body_len, 128 * 1024);
    assert_false(mu_h2_has_room(stream));
    assert_int_equal(f->client.rooms, 0);

    f->server.takes_in = true;
    mu_h2_taken_in(f->server.stream, f->server.body_len);
    talk(f);
    assert_int_equal(f->server.body_len, sizeof piece);
    assert_int_equal(f->server.ends, 1);
    assert_true(f->client.rooms > 0);
    assert_int_equal(mu_h2_unsent(stream), 0);
}

static void all_streams_together_hold_no_more_than_the_connection_s_window(void **state)
{
    struct fixture *f = *state;
    static const char piece[128 * 1024];
    f->server.takes_in = false;
    for (int i = 0; i < 12; i++)
        mu_h2_send(ask(f, "POST", false), piece, sizeof piece);
    talk(f);
    assert_int_equal(f->server.body_len, 1024 * 1024);
}

static void answers_that_a_client_does_not_take_in_hold_up_no_other(void **state)
{
    struct fixture *f = *state;
    static const char piece[128 * 1024];
    f->client.takes_in = false;
    for (int i = 0; i < 40; i++) {
        (void)ask(f, "GET", true);
        mu_h2_respond(f->server.stream, 200, NULL, 0, false);
        mu_h2_send(f->server.stream, piece, sizeof piece);
        mu_h2_send_end(f->server.stream, NULL, 0);
        talk(f);
    }
    assert_int_equal(f->client.body_len, 40 * 64 * 1024); /* each its own window */
}

/* --- Ends --- */

static void a_stop_says_so_twice_and_lets_what_is_under_way_finish(void **state)
{
    struct fixture *f = *state;
    int count;
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    begin(&bytes);
    request(&bytes, 1, END_STREAM, "GET", NULL, NULL, 0);
    assert_true(send_to_server(f, &bytes));
    mu_h2_stop(f->server.h2);
    gather(&f->server);
    const unsigned char *goaway = sent_frame(f, GOAWAY, &count);
    assert_int_equal(count, 1);
    assert_int_equal(number_at(goaway), 0x7fffffff);
    assert_int_equal(number_at(goaway + 4), MU_H2_NO_ERROR);

    /* What was on its way when that was said is served. */
    request(&bytes, 3, END_STREAM, "GET", NULL, NULL, 0);
    unsigned char heard[8];
    memcpy(heard, sent_frame(f, PING, &count), sizeof heard);
    frame(&bytes, PING, ACK, 0, heard, sizeof heard);
    assert_true(send_to_server(f, &bytes));
    assert_int_equal(f->server.heads, 2);
    goaway = sent_frame(f, GOAWAY, &count);
    assert_int_equal(count, 2);
    assert_int_equal(number_at(goaway), 3);

    /* What comes now is not. */
    request(&bytes, 5, END_STREAM, "GET", NULL, NULL, 0);
    assert_true(send_to_server(f, &bytes));
    assert_int_equal(f->server.heads, 2);
    assert_false(mu_h2_is_done(f->server.h2));
    mu_h2_respond(f->server.stream, 204, NULL, 0, true);
    gather(&f->server);
    assert_false(mu_h2_is_done(f->server.h2)); /* stream 1 */
    frame(&bytes, RST_STREAM, 0, 1, "\0\0\0\x8", 4);
    assert_true(send_to_server(f, &bytes));
    assert_int_equal(f->server.code, MU_H2_CANCEL);
    assert_true(mu_h2_is_done(f->server.h2));
}

static void a_client_that_hears_goaway_asks_no_more_and_hears_what_was_not_done(void **state)
{
    struct fixture *f = *state;
    (void)ask(f, "GET", true);
    assert_true(mu_h2_takes_requests(f->client.h2));
    mu_h2_stop(f->server.h2);
    mu_h2_stop(f->server.h2);
    const struct mu_header fields[] = {{":method", "GET"},
                                       {":scheme", "https"},
                                       {":path", "/"},
                                       {":authority", "a"}};
    gather(&f->server); /* the client has not heard it when it asks */
    assert_non_null(mu_h2_request(f->client.h2, fields, MU_COUNT(fields), true, &f->client));
    talk(f);
    assert_false(mu_h2_takes_requests(f->client.h2));
    assert_null(mu_h2_request(f->client.h2, fields, MU_COUNT(fields), true, NULL));
    assert_int_equal(f->server.heads, 1);
    assert_int_equal(f->client.closed, 1);
    assert_int_equal(f->client.code, MU_H2_REFUSED);
}

static void a_connection_that_ends_tells_of_each_stream(void **state)
{
    struct fixture *f = *state;
    (void)ask(f, "POST", false);
    (void)ask(f, "GET", true);
    mu_h2_free(f->server.h2);
    f->server.h2 = NULL;
    assert_int_equal(f->server.closed, 2);
}

static void more_streams_than_are_allowed_are_refused_untouched(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    int count;
    begin(&bytes);
    for (uint32_t i = 0; i < MU_H2_STREAMS + 1; i++)
        request(&bytes, 2 * i + 1, END_STREAM, "GET", NULL, NULL, 0);
    assert_true(send_to_server(f, &bytes));
    assert_int_equal(f->server.heads, MU_H2_STREAMS);
    const unsigned char *reset = sent_frame(f, RST_STREAM, &count);
    assert_int_equal(count, 1);
    assert_int_equal(number_at(reset), MU_H2_REFUSED);
}

/* --- Floods --- */

/* How many of these frames go in before the server breaks the connection off; -1: all. */
static int flood(struct fixture *f, const struct mu_buf *one, int times, bool reads)
{
    for (int i = 0; i < times; i++) {
        if (!mu_h2_input(f->server.h2, one->data, one->len))
            return i;
        if (reads) {
            gather(&f->server);
            mu_buf_reset(&f->server.out);
        }
    }
    return -1;
}

static void frames_by_which_nothing_comes_forward_end_the_connection(void **state)
{
    const struct {
        int type, flags;
        uint32_t stream;
        const char *data;
        size_t len;
    } cases[] = {
        {PING, 0, 0, "12345678", 8},
        {SETTINGS, 0, 0, "", 0},
        {DATA, 0, 1, "", 0},
        {2 /* PRIORITY */, 0, 1, "\0\0\0\0\0", 5},
        {WINDOW, 0, 0, "\0\0\0\x1", 4},

        {WINDOW, 0, 1, "\0\0\0\x1", 4},
    };
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        const char *why;
        void *fresh;
        assert_int_equal(set_up(&fresh), 0);
        struct fixture *f = fresh;
        MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
        begin(&bytes);
        request(&bytes, 1, 0, "POST", NULL, NULL, 0);
        assert_true(send_to_server(f, &bytes));
        frame(&bytes, cases[i].type, cases[i].flags, cases[i].stream, cases[i].data, cases[i].len);
        assert_in_range(flood(f, &bytes, 20000, true), 4000, 6000);
        assert_string_equal(mu_h2_fault(f->server.h2, &why), "h2-flood");
        tear_down(&fresh);
    }
}

static void whoever_pings_now_and_then_may_do_so_for_ever(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    begin(&bytes);
    assert_true(send_to_server(f, &bytes));
    frame(&bytes, PING, 0, 0, "12345678", 8);
    for (int i = 0; i < 20000; i++) {
        f->server.now_ms += 10;
        assert_int_equal(flood(f, &bytes, 1, true), -1);
        mu_buf_reset(&f->server.out);
    }
}

static void answers_that_nobody_reads_do_not_pile_up(void **state)
{
    struct fixture *f = *state;
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    begin(&bytes);
    assert_true(send_to_server(f, &bytes));
    frame(&bytes, PING, 0, 0, "12345678", 8);
    assert_in_range(flood(f, &bytes, 20000, false), 900, 1100);
}

static void requests_that_are_taken_back_at_once_end_the_connection(void **state)
{
    struct fixture *f = *state;
    bool goes_on = true;
    uint32_t id = 1;
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    begin(&bytes);
    for (; goes_on && id < 10000; id += 2) {
        request(&bytes, id, END_STREAM, "GET", NULL, NULL, 0);
        frame(&bytes, RST_STREAM, 0, id, "\0\0\0\x8", 4);
        goes_on = send_to_server(f, &bytes);
        mu_buf_reset(&f->server.out);
    }
    assert_false(goes_on);
    assert_in_range(f->server.heads, 400, 800);
    assert_int_equal(mu_h2_stream_count(f->server.h2), 0);
}

/* Each is good until its body is not as long as was said, or its window wider than any. */
static void requests_that_are_made_to_be_broken_off_end_the_connection(void **state)
{
    (void)state;
    for (int by_window = 0; by_window < 2; by_window++) {
        const char *why;
        void *fresh;
        bool goes_on = true;
        assert_int_equal(set_up(&fresh), 0);
        struct fixture *f = fresh;
        MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
        begin(&bytes);
        for (uint32_t id = 1; goes_on && id < 10000; id += 2) {
            request(&bytes, id, 0, "POST", "content-length", "5", 1);
            frame(&bytes, DATA, by_window ? 0 : END_STREAM, id, "four", 4);
            if (by_window)
                frame(&bytes, WINDOW, 0, id, "\x7f\xff\xff\xff", 4);
            goes_on = send_to_server(f, &bytes);
            mu_buf_reset(&f->server.out);
        }
        assert_false(goes_on);
        assert_in_range(f->server.heads, 400, 800);
        assert_int_equal(f->server.ends, 0);
        assert_string_equal(mu_h2_fault(f->server.h2, &why), "h2-flood");
        tear_down(&fresh);
    }
}

static void a_head_that_does_not_end_is_not_gathered_for_ever(void **state)
{
    struct fixture *f = *state;
    bool goes_on = true;
    int pieces = 0;
    MU_AUTO_CLEAR(mu_buf) bytes = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) block = MU_BUF_INIT;
    begin(&bytes);
    field(&block, ":method", "GET", 3);
    frame(&bytes, HEADERS, 0, 1, block.data, block.len);
    for (; goes_on && pieces < 1000; pieces++) {
        frame(&bytes, CONTINUATION, 0, 1, "", 0);
        goes_on = send_to_server(f, &bytes);
    }
    assert_false(goes_on);
    assert_true(pieces < 100);
    assert_int_equal(f->server.heads, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_request_and_its_answer_go_through_with_bodies_and_trailers),
        TEST(a_request_without_a_body_ends_with_its_head),
        TEST(a_body_that_turns_out_to_be_empty_ends_all_the_same),
        TEST(an_answer_that_is_over_before_its_request_tells_the_client_to_stop),
        TEST(pieces_of_a_cookie_arrive_as_one),
        TEST(a_stream_that_is_upgraded_has_two_ends),
        TEST(an_upgrade_that_is_refused_is_an_answer),
        TEST(what_is_not_offered_is_not_asked_for),
        TEST(an_authority_with_a_user_in_it_is_no_host),
        TEST(a_plain_program_within_tls_may_say_http),
        TEST(requests_that_could_be_read_in_two_ways_are_answered_with_a_refusal),
        TEST(a_malformed_request_is_reset_and_never_told),
        TEST(a_body_that_is_not_as_long_as_was_said_is_reset),
        TEST(what_is_no_http2_at_all_ends_the_connection),
        TEST(a_body_that_is_not_taken_in_stops_its_sender),
        TEST(all_streams_together_hold_no_more_than_the_connection_s_window),
        TEST(answers_that_a_client_does_not_take_in_hold_up_no_other),
        TEST(a_stop_says_so_twice_and_lets_what_is_under_way_finish),
        TEST(a_client_that_hears_goaway_asks_no_more_and_hears_what_was_not_done),
        TEST(a_connection_that_ends_tells_of_each_stream),
        TEST(more_streams_than_are_allowed_are_refused_untouched),
        TEST(whoever_pings_now_and_then_may_do_so_for_ever),
        TEST(answers_that_nobody_reads_do_not_pile_up),
        TEST(requests_that_are_taken_back_at_once_end_the_connection),
        cmocka_unit_test(requests_that_are_made_to_be_broken_off_end_the_connection),
        TEST(a_head_that_does_not_end_is_not_gathered_for_ever),
        cmocka_unit_test(frames_by_which_nothing_comes_forward_end_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
