/* What a gateway hands on of a message, and what it keeps to itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/h1_reader.h"
#include "http/relay.h"

static const struct mu_h1_limits limits = {.target = 200, .head = 4000};

static struct mu_h1_reader *read_head(bool response, const char *text, struct mu_head *ret)
{
    struct mu_h1_reader *reader =
        response ? mu_h1_response_reader(&limits) : mu_h1_request_reader(&limits);
    size_t taken, len;
    const char *data;
    assert_non_null(reader);
    assert_int_equal(mu_h1_read(reader, text, strlen(text), &taken, &data, &len), MU_READ_HEAD);
    assert_true(mu_h1_reader_head(reader, ret));
    return reader;
}

/* NULL: it was refused. */
static const char *request(const char *text, struct mu_relay_request *ret)
{
    static struct mu_buf out;
    struct mu_relay_client client;
    struct mu_head head;
    const char *why = NULL;
    mu_buf_clear(&out);
    struct mu_h1_reader *reader = read_head(false, text, &head);
    mu_relay_client_init(&client, "192.0.2.1");
    bool good = mu_relay_request(&head, &client, &out, ret, &why);
    mu_h1_reader_free(reader);
    assert_true(good || why != NULL);
    return good ? mu_buf_str(&out) : NULL;
}

#define CLIENT_LINES(host)                                                                         \
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"                                   \
    "Forwarded: for=192.0.2.1;proto=https;host=\"" host "\"\r\nX-Forwarded-Host: " host            \
    "\r\nVia: 1.1 mutual\r\n\r\n"

static void a_request_is_written_anew(void **state)
{
    struct mu_relay_request how;
    (void)state;
    assert_string_equal(
        request("GET /a?b=c HTTP/1.1\r\nAccept:  x\r\nhost: h:1\r\nvia: 1.1 a\r\n\r\n", &how),
        "GET /a?b=c HTTP/1.1\r\nHost: h:1\r\nAccept: x\r\nvia: 1.1 a\r\n" CLIENT_LINES("h:1"));
    assert_true(how.idempotent);
    assert_string_equal(
        request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\nExpect: 100-continue\r\n\r\n",
                &how),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nExpect: 100-continue\r\n" CLIENT_LINES(
            "h"));
    assert_false(how.idempotent);
    assert_true(how.expects_continue);
    assert_string_equal(request("POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: CHUNKED\r\n\r\n",
                                &how),
                        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" CLIENT_LINES(
                            "h"));
    assert_string_equal(request("GET / HTTP/1.0\r\n\r\n", &how),
                        "GET / HTTP/1.1\r\nHost: \r\nX-Forwarded-For: 192.0.2.1\r\n"
                        "X-Forwarded-Proto: https\r\nForwarded: for=192.0.2.1;proto=https\r\n"
                        "Via: 1.0 mutual\r\n\r\n");
}

static void what_belongs_to_one_connection_stays_on_it(void **state)
{
    struct mu_relay_request how;
    (void)state;
    assert_string_equal(
        request("GET / HTTP/1.1\r\nHost: h\r\nConnection: close, X-One , x-two\r\nX-One: 1\r\n"
                "X-Two: 2\r\nX-Three: 3\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n"
                "Proxy-Authorization: x\r\nTE: gzip\r\nUpgrade: websocket\r\n\r\n",
                &how),
        "GET / HTTP/1.1\r\nHost: h\r\nX-Three: 3\r\n" CLIENT_LINES("h"));
    assert_string_equal(
        request("GET / HTTP/1.1\r\nHost: h\r\nConnection: TE\r\nTE: gzip, trailers\r\n\r\n", &how),
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: te\r\nTE: trailers\r\n" CLIENT_LINES("h"));
    assert_string_equal(request("GET / HTTP/1.1\r\nHost: h\r\nConnection: host, content-length, "
                                "x-forwarded-for\r\n\r\n",
                                &how),
                        "GET / HTTP/1.1\r\nHost: h\r\n" CLIENT_LINES("h"));
}

static void nobody_else_says_who_the_client_is(void **state)
{
    static const char *const names[] = {
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded_Host",
        "X.Forwarded.Proto",
        "X-FORWARDED-PORT",
        "Forwarded",
        "forwarded",
        "X-Real-IP",
        "X_Real_IP",
        "Client-Cert",
        "Client_Cert",
        "Client-Cert-Chain",
        "X-Client-Cert",
        "X-Client-DN",
        "X_CLIENT_VERIFY",
        "X-Forwarded-Client-Cert",
        "SSL_CLIENT_S_DN",
        "Ssl-Client-Cert",
        "X-SSL-Client-Cert",
        "True-Client-IP",
        "X-Cluster-Client-Ip",
        "X~Client~Id",
        "X-Forwarded-Tls-Client",
        "X-Tls-Client-Cert",
    };
    struct mu_relay_request how;
    (void)state;
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        char text[200];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n%s: evil\r\nX-A: 1\r\n\r\n",
                 names[i]);
        assert_string_equal(request(text, &how),
                            "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n" CLIENT_LINES("h"));
    }
}

static void another_spelling_of_a_name_that_means_something_goes_no_further(void **state)
{
    struct mu_relay_request how;
    (void)state;
    assert_string_equal(
        request("GET / HTTP/1.1\r\nHost: h\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n"
                "ho_st: x\r\nX_Mine: 1\r\n\r\n",
                &how),
        "GET / HTTP/1.1\r\nHost: h\r\nho_st: x\r\nX_Mine: 1\r\n" CLIENT_LINES("h"));
}

static void a_target_says_one_thing(void **state)
{
    static const char *const bad[] = {
        "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",    "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
    };
    struct mu_relay_request how;
    (void)state;
    assert_string_equal(request("GET HTTP://other:8/a?b HTTP/1.1\r\nHost: h\r\n\r\n", &how),
                        "GET /a?b HTTP/1.1\r\nHost: other:8\r\n" CLIENT_LINES("other:8"));
    assert_string_equal(request("GET https://other HTTP/1.1\r\nHost: h\r\n\r\n", &how),
                        "GET / HTTP/1.1\r\nHost: other\r\n" CLIENT_LINES("other"));
    assert_string_equal(request("GET http://other?b HTTP/1.1\r\nHost: h\r\n\r\n", &how),
                        "GET /?b HTTP/1.1\r\nHost: other\r\n" CLIENT_LINES("other"));
    assert_string_equal(request("OPTIONS http://other HTTP/1.1\r\nHost: h\r\n\r\n", &how),
                        "OPTIONS * HTTP/1.1\r\nHost: other\r\n" CLIENT_LINES("other"));
    assert_string_equal(request("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", &how),
                        "OPTIONS * HTTP/1.1\r\nHost: h\r\n" CLIENT_LINES("h"));
    for (size_t i = 0; i < MU_COUNT(bad); i++)
        assert_null(request(bad[i], &how));
}

static void an_upgrade_is_asked_for_unless_it_would_hide_what_follows(void **state)
{
    struct mu_relay_request how;
    (void)state;
    assert_string_equal(
        request("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n"
                "Upgrade: websocket\r\n\r\n",
                &how),
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" CLIENT_LINES(
            "h"));
    assert_string_equal(how.upgrade, "websocket");
    assert_string_equal(
        request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: Upgrade, TE\r\n"
                "TE: trailers\r\nUpgrade: tcp\r\n\r\n",
                &how),
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: upgrade, te\r\n"
        "TE: trailers\r\nUpgrade: tcp\r\n" CLIENT_LINES("h"));
    assert_string_equal(how.upgrade, "tcp");
    static const char *const not_passed_on[] = {
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
         "HTTP2-Settings: AA\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n",
    };
    for (size_t i = 0; i < MU_COUNT(not_passed_on); i++) {
        assert_string_equal(request(not_passed_on[i], &how),
                            "GET / HTTP/1.1\r\nHost: h\r\n" CLIENT_LINES("h"));
        assert_string_equal(how.upgrade, "");
    }
}

/* Over HTTP/2 a client has no opening handshake, so whatever it says of one is not its business. [RFC 8441 5] */
static void a_websocket_is_asked_for_by_us_where_the_client_speaks_http_2(void **state)
{
    MU_AUTO_CLEAR(mu_buf) out = MU_BUF_INIT;
    struct mu_relay_request how;
    const char *why;
    const struct mu_header headers[] = {{"host", "h"},
                                        {"sec-websocket-key", "mine"},
                                        {"sec-websocket-accept", "mine"},
                                        {"sec-websocket-version", "13"}};
    const struct mu_head head = {.method = "GET",
                                 .target = "/",
                                 .minor = 1,
                                 .h2 = true,
                                 .upgrade = "websocket",
                                 .headers = headers,
                                 .header_count = MU_COUNT(headers)};
    (void)state;
    assert_true(mu_relay_request(&head, NULL, &out, &how, &why));
    char *key = strstr(mu_buf_str(&out), "Sec-WebSocket-Key: ");
    assert_non_null(key);
    assert_int_equal(strspn(key + 19,
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="),
                     24);
    assert_string_equal(key + 19 + 24, "\r\n\r\n");
    *key = '\0';
    assert_string_equal(out.data, "GET / HTTP/1.1\r\nHost: h\r\nsec-websocket-version: 13\r\n"
                                  "Connection: upgrade\r\nUpgrade: websocket\r\n");
}

static void only_what_was_asked_for_is_switched_to(void **state)
{
    static const struct mu_relay_request nobody, client = {.upgrade = "websocket"},
                                                 ours = {.upgrade = "websocket", .accept = "yes"};
    struct mu_header headers[] = {{"Upgrade", "WebSocket"},
                                  {"Connection", "x, Upgrade"},
                                  {"Sec-WebSocket-Accept", "yes"},
                                  {"Sec-WebSocket-Protocol", "chat"}};
    struct mu_header shown[MU_HEADERS_MAX];
    char number[MU_RELAY_NUMBER_LEN];
    struct mu_head head = {.status = 101, .headers = headers, .header_count = MU_COUNT(headers)};
    const struct mu_relay_response as = {.framing = MU_BODY_NONE};
    (void)state;
    assert_null(mu_relay_switches(&head, &nobody));
    assert_non_null(mu_relay_switches(&head, &client));
    assert_non_null(mu_relay_switches(&head, &ours));
    assert_int_equal(mu_relay_response_fields(&head, &as, number, shown), 1);
    assert_string_equal(shown[0].value, "chat");
    for (size_t i = 0; i < 3; i++) { /* each of them is needed */
        const struct mu_header good = headers[i];
        headers[i].value = "no";
        assert_null(mu_relay_switches(&head, &ours));
        headers[i].value = "";
        assert_null(mu_relay_switches(&head, &ours));
        headers[i] = good;
    }
    assert_non_null(mu_relay_switches(&head, &ours));
}

static void of_what_is_offered_the_backend_chooses(void **state)
{
    struct mu_header chosen = {"Upgrade", ""};
    const struct mu_head head = {.status = 101, .headers = &chosen, .header_count = 1};
    const struct mu_relay_request offer = {.upgrade = "foo/2, WebSocket"};
    const struct {
        const char *said, *switches_to;
    } cases[] = {{"websocket", "websocket"},
                 {"foo/2", "foo/2"},
                 {"foo/1", NULL},
                 {"h2c", NULL},
                 {"", NULL}};
    (void)state;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        chosen.value = cases[i].said;
        const char *to = mu_relay_switches(&head, &offer);
        assert_true(to == NULL ? cases[i].switches_to == NULL
                               : strcmp(to, cases[i].switches_to) == 0);
    }
    const struct mu_head silent = {.status = 101};
    const struct mu_relay_request only = {.upgrade = "tcp"};
    assert_null(mu_relay_switches(&silent, &offer));
    assert_string_equal(mu_relay_switches(&silent, &only), "tcp");
}

static void an_ipv6_client_is_quoted(void **state)
{
    struct mu_relay_client client;
    (void)state;
    mu_relay_client_init(&client, "2001:db8::1");
    assert_string_equal(client.lines, "X-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n"
                                      "Forwarded: for=\"[2001:db8::1]\";proto=https");
    mu_relay_client_init(&client, NULL);
    assert_string_equal(client.lines,
                        "X-Forwarded-Proto: https\r\nForwarded: for=unknown;proto=https");
}

static const char *response(const char *text, const struct mu_relay_response *how)
{
    static struct mu_buf out;
    struct mu_head head;
    mu_buf_clear(&out);
    struct mu_h1_reader *reader = read_head(true, text, &head);
    mu_relay_response(&head, how, &out);
    mu_h1_reader_free(reader);
    return mu_buf_str(&out);
}

/* "name: value|" of each. */
static const char *shown(const struct mu_header *fields, size_t count)
{
    static struct mu_buf text;
    mu_buf_reset(&text);
    for (size_t i = 0; i < count; i++)
        mu_buf_addf(&text, "%s: %s|", fields[i].name, fields[i].value);
    return mu_buf_str(&text);
}

static void a_request_is_the_same_in_http_2(void **state)
{
    struct mu_relay_request how;
    struct mu_header fields[64];
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    (void)state;
    mu_buf_adds(&text,
                request("POST /a?b HTTP/1.1\r\nHost: h:1\r\nX-A: b: c\r\nEmpty:\r\nTE: trailers\r\n"
                        "Connection: te, x-hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                        &how));
    assert_string_equal(
        shown(fields, mu_relay_request_fields(&text, fields, 64)),
        ":method: POST|:scheme: http|:path: /a?b|:authority: h:1|X-A: b: c|Empty: |TE: trailers|"
        "X-Forwarded-For: 192.0.2.1|X-Forwarded-Proto: https|"
        "Forwarded: for=192.0.2.1;proto=https;host=\"h:1\"|X-Forwarded-Host: h:1|Via: 1.1 mutual|");
    mu_buf_clear(&text);
    mu_buf_adds(&text, request("GET / HTTP/1.0\r\n\r\n", &how));
    assert_int_equal(mu_relay_request_fields(&text, fields, 5), 5);
    assert_string_equal(fields[3].value, "localhost");
}

static void a_response_is_the_same_in_http_2(void **state)
{
    const struct mu_relay_response how = {.framing = MU_BODY_LENGTH, .date = "today"};
    const struct mu_relay_response chunked = {.framing = MU_BODY_CHUNKED, .date = "today"};
    struct mu_header fields[MU_HEADERS_MAX + 2];
    char number[MU_RELAY_NUMBER_LEN];
    struct mu_head head;
    (void)state;
    struct mu_h1_reader *reader =
        read_head(true,
                  "HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: x-hop\r\nX-Hop: 1\r\n"
                  "Keep-Alive: 1\r\nUpgrade: a\r\nContent-Length: 3\r\n\r\n",
                  &head);
    assert_string_equal(shown(fields, mu_relay_response_fields(&head, &how, number, fields)),
                        "X-A: b|date: today|content-length: 3|");
    assert_string_equal(shown(fields, mu_relay_response_fields(&head, &chunked, number, fields)),
                        "X-A: b|date: today|");
    mu_h1_reader_free(reader);
    reader = read_head(true, "HTTP/1.1 200 OK\r\nGrpc-Status: 5\r\n\r\n", &head);
    assert_string_equal(shown(fields, mu_relay_response_fields(&head, &how, number, fields)),
                        "Grpc-Status: 5|date: today|");
    mu_h1_reader_free(reader);
}

static void a_response_is_written_anew(void **state)
{
    (void)state;
    struct mu_relay_response how = {.minor = 1,
                                    .framing = MU_BODY_LENGTH,
                                    .keep_alive = true,
                                    .date = "D"};
    assert_string_equal(
        response("HTTP/1.1 299 So it is\r\nContent-Length: 05\r\nX-A: 1\r\nSet-Cookie: a\r\n"
                 "Set-Cookie: b\r\nConnection: close, x-b\r\nX-B: 2\r\nKeep-Alive: 1\r\n\r\n",
                 &how),
        "HTTP/1.1 299 So it is\r\nX-A: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDate: D\r\n"
        "Content-Length: 5\r\n\r\n");
    how.framing = MU_BODY_CHUNKED;
    assert_string_equal(response("HTTP/1.1 200 OK\r\nDate: E\r\nTransfer-Encoding: chunked\r\n\r\n",
                                 &how),
                        "HTTP/1.1 200 OK\r\nDate: E\r\nTransfer-Encoding: chunked\r\n\r\n");
    how.framing = MU_BODY_NONE;
    assert_string_equal(response("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", &how),
                        "HTTP/1.1 304 Not Modified\r\nDate: D\r\nContent-Length: 9\r\n\r\n");
    assert_string_equal(response("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", &how),
                        "HTTP/1.1 204 No Content\r\nDate: D\r\n\r\n");
    assert_string_equal(response("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", &how),
                        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
    how.upgrade = "websocket";
    assert_string_equal(response("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: x\r\n\r\n",
                                 &how),
                        "HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: x\r\nConnection: upgrade\r\n"
                        "Upgrade: websocket\r\n\r\n");
    how = (struct mu_relay_response){.minor = 0, .framing = MU_BODY_UNTIL_CLOSE};
    assert_string_equal(response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &how),
                        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    how = (struct mu_relay_response){.minor = 0, .framing = MU_BODY_LENGTH, .keep_alive = true};
    assert_string_equal(response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", &how),
                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n");
}

static void a_trailer_is_nothing_that_had_to_be_said_before(void **state)
{
    static const struct mu_header trailers[] = {
        {"Grpc-Status", "0"}, {"Content-Length", "1"}, {"X-Forwarded-For", "1"},
        {"Host", "h"},        {"Authorization", "x"},  {"Transfer_Encoding", "x"},
        {"Set-Cookie", "a"},  {"X-Checksum", "1"},
    };
    MU_AUTO_CLEAR(mu_buf) out = MU_BUF_INIT;
    (void)state;
    mu_relay_chunk(&out, "", 0);
    mu_relay_chunk(&out, "0123456789abcdef", 16);
    mu_relay_last_chunk(&out, trailers, MU_COUNT(trailers));
    assert_string_equal(mu_buf_str(&out), "10\r\n0123456789abcdef\r\n0\r\nGrpc-Status: 0\r\n"
                                          "X-Checksum: 1\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_written_anew),
        cmocka_unit_test(what_belongs_to_one_connection_stays_on_it),
        cmocka_unit_test(nobody_else_says_who_the_client_is),
        cmocka_unit_test(another_spelling_of_a_name_that_means_something_goes_no_further),
        cmocka_unit_test(a_target_says_one_thing),
        cmocka_unit_test(an_upgrade_is_asked_for_unless_it_would_hide_what_follows),
        cmocka_unit_test(a_websocket_is_asked_for_by_us_where_the_client_speaks_http_2),
        cmocka_unit_test(only_what_was_asked_for_is_switched_to),
        cmocka_unit_test(of_what_is_offered_the_backend_chooses),
        cmocka_unit_test(an_ipv6_client_is_quoted),
        cmocka_unit_test(a_request_is_the_same_in_http_2),
        cmocka_unit_test(a_response_is_the_same_in_http_2),
        cmocka_unit_test(a_response_is_written_anew),
        cmocka_unit_test(a_trailer_is_nothing_that_had_to_be_said_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
