/* HTTP/1.1 as bytes in and bytes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/h1.h"

struct fixture {
    struct mu_h1 *h1;
    struct mu_buf out;
    int status; /* of the last answer */
    int answers;
    char target[256]; /* of the last request */
    char told[256];   /* the last answer's request: method and target, or "-" */
    int refuse_with;  /* the handler's answer, if not 200 */
};

static time_t fixed_now(void *arg)
{
    (void)arg;
    return 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's own example */
}

static void respond(void *arg, const struct mu_request *request, struct mu_response *ret)
{
    struct fixture *f = arg;
    snprintf(f->target, sizeof f->target, "%s", request->target);
    if (f->refuse_with != 0) {
        mu_response_sentence(ret, f->refuse_with, "no");
        return;
    }
    ret->status = 200;
    ret->content_type = "text/plain";
    ret->body = "Hello World";
}

static void responded(void *arg, const struct mu_request *request, int status)
{
    struct fixture *f = arg;
    snprintf(f->told, sizeof f->told, "%s %s", request == NULL ? "-" : request->method,
             request == NULL ? "-" : request->target);
    f->status = status;
    f->answers++;
}

static const struct mu_h1_handler handler = {fixed_now, respond, responded};
static const struct mu_h1_limits limits = {.target = 100, .head = 1000, .body = 64};

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){.out = MU_BUF_INIT};
    f.h1 = mu_h1_new(&handler, &f, &limits);
    *state = &f;
    return f.h1 == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mu_h1_free(f->h1);
    mu_buf_clear(&f->out);
    return 0;
}

static void take_output(struct fixture *f)
{
    const char *data;
    for (size_t len; (len = mu_h1_output(f->h1, &data)) > 0;) {
        mu_buf_add(&f->out, data, len);
        mu_h1_taken(f->h1, len);
    }
}

static void send_bytes(struct fixture *f, const char *text, size_t len)
{
    assert_true(mu_h1_input(f->h1, text, len));
    take_output(f);
}

static void send_text(struct fixture *f, const char *text)
{
    send_bytes(f, text, strlen(text));
}

/* What one request that stands alone is answered. */
static int status_of(const char *request)
{
    struct fixture f = {.out = MU_BUF_INIT};
    f.h1 = mu_h1_new(&handler, &f, &limits);
    assert_non_null(f.h1);
    send_text(&f, request);
    int status = f.answers == 0 ? 0 : f.status;
    mu_h1_free(f.h1);
    mu_buf_clear(&f.out);
    return status;
}

static void a_request_is_answered_and_the_connection_kept(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_string_equal(mu_buf_str(&f->out),
                        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                        "Content-Type: text/plain\r\nContent-Length: 11\r\n\r\nHello World");
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_IDLE);
}

static void bytes_may_come_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    const char *text =
        "GET /a?b HTTP/1.1\r\nHost: h\r\nX:  y \r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n";
    for (const char *p = text; *p != '\0'; p++)
        send_bytes(f, p, 1);
    assert_int_equal(f->answers, 2);
    assert_string_equal(f->target, "/c");
    assert_int_equal(f->status, 200);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    send_text(
        f,
        "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: h\r\n\r\n"
        "POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET /4 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->answers, 4);
    assert_string_equal(f->target, "/4");
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_IDLE);
}

static void a_head_request_gets_the_headers_alone(void **state)
{
    struct fixture *f = *state;
    send_text(f, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(strstr(mu_buf_str(&f->out), "Content-Length: 11\r\n"));
    assert_null(strstr(mu_buf_str(&f->out), "Hello"));
}

static void connection_close_ends_it_after_the_answer(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(mu_buf_str(&f->out), "Connection: close\r\n"));
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

static void http_1_0_closes_unless_asked_to_keep(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_non_null(strstr(mu_buf_str(&f->out), "Connection: keep-alive\r\n"));
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_IDLE);
    send_text(f, "GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

static void exactly_one_host_is_required(void **state)
{
    (void)state;
    assert_int_equal(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
    assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: [::1]:3000\r\n\r\n"), 200);
    assert_int_equal(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
}

static void a_message_with_two_readings_is_refused(void **state)
{
    (void)state;
    static const char *const ambiguous[] = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n X: folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof ambiguous / sizeof *ambiguous; i++) {
        int status = status_of(ambiguous[i]);
        if (status < 400 || (status == 200))
            fail_msg("answered %d to: %s", status, ambiguous[i]);
    }
}

static void an_unknown_transfer_coding_is_not_implemented(void **state)
{
    (void)state;
    assert_int_equal(status_of(
                         "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
                     501);
}

static void a_nul_in_a_header_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\0x\r\n\r\n";
    send_bytes(f, text, sizeof text - 1);
    assert_int_equal(f->status, 400);
}

static void each_limit_has_its_status(void **state)
{
    (void)state;
    char text[4096];
    snprintf(text, sizeof text, "GET /%0200d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
    assert_int_equal(status_of(text), 414);
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nX: %02000d\r\n\r\n", 0);
    assert_int_equal(status_of(text), 431);
    assert_int_equal(status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 65\r\n\r\n"), 413);
    snprintf(
        text, sizeof text,
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n%065d\r\n0\r\n\r\n",
        0);
    assert_int_equal(status_of(text), 413);
    assert_int_equal(
        status_of("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        400);
}

static void too_many_headers_are_refused(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 200; i++)
        send_text(f, "a:b\r\n");
    assert_int_equal(f->status, 431);
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

static void an_unknown_method_is_not_implemented_and_noise_is_bad(void **state)
{
    (void)state;
    assert_int_equal(status_of("BREW / HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
    assert_int_equal(status_of("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
    assert_int_equal(status_of("\x16\x03\x01garbage\r\n\r\n"), 400);
    assert_int_equal(status_of("get / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
}

static void other_versions_are_told_so(void **state)
{
    (void)state;
    assert_int_equal(status_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
    assert_int_equal(status_of("GET / HTTP/9.9\r\nHost: h\r\n\r\n"), 505);
}

static void a_client_that_expects_continue_is_told_to_go_on(void **state)
{
    struct fixture *f = *state;
    send_text(f, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(mu_buf_str(&f->out), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_BODY);
    send_text(f, "ab");
    assert_non_null(strstr(mu_buf_str(&f->out), "Hello World"));
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_IDLE);
}

static void or_that_its_body_is_not_wanted(void **state)
{
    struct fixture *f = *state;
    f->refuse_with = 405;
    send_text(f, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_null(strstr(mu_buf_str(&f->out), "100 Continue"));
    assert_non_null(strstr(mu_buf_str(&f->out), "HTTP/1.1 405 "));
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

/* What one request is told as, once. */
static void check_told(const char *text, int status, const char *told)
{
    struct fixture f = {.out = MU_BUF_INIT};
    f.h1 = mu_h1_new(&handler, &f, &limits);
    assert_non_null(f.h1);
    send_text(&f, text);
    if (mu_h1_phase(f.h1) < MU_H1_WRITE)
        mu_h1_expire(f.h1);
    take_output(&f);
    assert_int_equal(f.answers, 1);
    assert_int_equal(f.status, status);
    assert_string_equal(f.told, told);
    mu_h1_free(f.h1);
    mu_buf_clear(&f.out);
}

static void an_answer_is_told_once_with_the_status_that_is_sent(void **state)
{
    char text[256];
    (void)state;
    snprintf(text, sizeof text,
             "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n%065d\r\n", 0);
    check_told(text, 413, "POST /a");
    check_told("POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
               "POST /b");
    check_told("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab", 408, "POST /c");
    check_told("POST /d HTTP/1.1\r\nHost: h\r\nContent-Length: 65\r\n\r\n", 413, "POST /d");
    check_told("GET /e HTTP/1.1\r\n\r\n", 400, "GET /e");
    check_told("GET /f HTTP/1.1\r\nHo", 408, "- -");
    check_told("noise\r\n\r\n", 400, "- -");
}

static void noise_behind_a_request_is_not_told_as_that_request(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_string_equal(f->told, "GET /a");
    send_text(f, "noise\r\n\r\n");
    assert_int_equal(f->answers, 2);
    assert_string_equal(f->told, "- -");
}

static void an_upgrade_is_not_taken_up(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
                 "GET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->answers, 2);
    assert_string_equal(f->target, "/next");
    assert_int_equal(f->status, 200);
}

static void a_slow_request_is_answered_408(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET / HTTP/1.1\r\nHo");
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_HEAD);
    mu_h1_expire(f->h1);
    take_output(f);
    assert_int_equal(f->status, 408);
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

static void a_connection_at_rest_expires_without_a_word(void **state)
{
    struct fixture *f = *state;
    mu_h1_expire(f->h1);
    take_output(f);
    assert_int_equal(f->out.len, 0);
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

static void stopping_finishes_the_request_under_way(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET / HTTP/1.1\r\n");
    mu_h1_stop(f->h1);
    send_text(f, "Host: h\r\n\r\nGET /not HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->answers, 1);
    assert_string_equal(f->target, "/");
    assert_non_null(strstr(mu_buf_str(&f->out), "Connection: close\r\n"));
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

static void stopping_waits_for_one_more_request_and_for_no_other(void **state)
{
    struct fixture *f = *state;
    send_text(f, "GET /before HTTP/1.1\r\nHost: h\r\n\r\n");
    take_output(f);
    f->answers = 0;
    mu_h1_stop(f->h1);
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_IDLE);
    send_text(f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->answers, 1);
    assert_non_null(strstr(mu_buf_str(&f->out), "Connection: close\r\n"));
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

static void an_end_lets_out_what_is_said_and_begins_nothing(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 2000 };
    MU_AUTO_CLEAR(mu_buf) all = MU_BUF_INIT;
    for (int i = 0; i < MANY; i++)
        mu_buf_adds(&all, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(mu_h1_input(f->h1, all.data, all.len));
    const int said = f->answers;
    assert_in_range(said, 1, MANY - 1);
    mu_h1_end(f->h1);
    take_output(f);
    assert_int_equal(f->answers, said);
    assert_int_equal(mu_h1_phase(f->h1), MU_H1_DONE);
}

static void trailers_are_read_and_dropped(void **state)
{
    struct fixture *f = *state;
    send_text(f, "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "2\r\nab\r\n0\r\nX-Trailer: y\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->answers, 2);
    assert_string_equal(f->target, "/b");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_request_is_answered_and_the_connection_kept),
        T(bytes_may_come_one_at_a_time),
        T(pipelined_requests_are_answered_in_order),
        T(a_head_request_gets_the_headers_alone),
        T(connection_close_ends_it_after_the_answer),
        T(http_1_0_closes_unless_asked_to_keep),
        T(exactly_one_host_is_required),
        T(a_message_with_two_readings_is_refused),
        T(an_unknown_transfer_coding_is_not_implemented),
        T(a_nul_in_a_header_is_refused),
        T(each_limit_has_its_status),
        T(too_many_headers_are_refused),
        T(an_unknown_method_is_not_implemented_and_noise_is_bad),
        T(other_versions_are_told_so),
        T(a_client_that_expects_continue_is_told_to_go_on),
        T(or_that_its_body_is_not_wanted),
        T(an_answer_is_told_once_with_the_status_that_is_sent),
        T(noise_behind_a_request_is_not_told_as_that_request),
        T(an_upgrade_is_not_taken_up),
        T(a_slow_request_is_answered_408),
        T(a_connection_at_rest_expires_without_a_word),
        T(stopping_finishes_the_request_under_way),
        T(stopping_waits_for_one_more_request_and_for_no_other),
        T(an_end_lets_out_what_is_said_and_begins_nothing),
        T(trailers_are_read_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
