/* HTTP/1.1 messages, requests and responses, out of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/h1_reader.h"

static const struct mu_h1_limits limits = {.target = 100, .head = 2000};

/* What was read, step by step, in words: "head 200 length 5, body hello, end". */
static void tell(struct mu_h1_reader *reader, enum mu_read step, const char *data, size_t len,
                 struct mu_buf *ret)
{
    static const char *const framings[] = {[MU_BODY_NONE] = "none",
                                           [MU_BODY_LENGTH] = "length",
                                           [MU_BODY_CHUNKED] = "chunked",
                                           [MU_BODY_UNTIL_CLOSE] = "until-close"};
    static _Thread_local bool in_body;
    struct mu_head head;
    const struct mu_header *trailers;
    const char *why;
    if (step != MU_READ_BODY && step != MU_READ_MORE)
        in_body = false;
    switch (step) {
    case MU_READ_MORE: break;
    case MU_READ_HEAD:
        assert_true(mu_h1_reader_head(reader, &head));
        if (head.method != NULL)
            mu_buf_addf(ret, "head %s %s %s", head.method, head.target, framings[head.framing]);
        else
            mu_buf_addf(ret, "head %d %s", head.status, framings[head.framing]);
        for (size_t i = 0; i < head.header_count; i++)
            if (head.headers[i].name[0] == 'X')
                mu_buf_addf(ret, " %s=%s", head.headers[i].name, head.headers[i].value);
        mu_buf_adds(ret, ", ");
        break;
    case MU_READ_BODY:
        if (!in_body)
            mu_buf_adds(ret, "body ");
        in_body = true;
        mu_buf_add(ret, data, len);
        break;
    case MU_READ_END:
        mu_buf_adds(ret, " end");
        for (size_t i = 0, n = mu_h1_reader_trailers(reader, &trailers); i < n; i++)
            mu_buf_addf(ret, " %s=%s", trailers[i].name, trailers[i].value);
        mu_buf_adds(ret, mu_h1_reader_keeps_alive(reader) ? " keep, " : " close, ");
        break;
    case MU_READ_BROKEN: mu_buf_addf(ret, " broken %d", mu_h1_reader_fault(reader, &why)); break;
    }
}

/* The whole text, `piece` bytes at a time. */
static void read_pieces(struct mu_h1_reader *reader, const char *text, size_t piece,
                        struct mu_buf *ret)
{
    const size_t len = strlen(text);
    for (size_t at = 0; at < len; at += piece) {
        size_t left = len - at < piece ? len - at : piece, taken, data_len;
        const char *data, *from = text + at;
        enum mu_read step;
        do {
            step = mu_h1_read(reader, from, left, &taken, &data, &data_len);
            tell(reader, step, data, data_len, ret);
            from += taken;
            left -= taken;
        } while (step != MU_READ_MORE && step != MU_READ_BROKEN);
        if (step == MU_READ_BROKEN)
            return;
    }
}

enum kind { REQUESTS, RESPONSES, RESPONSES_TO_HEAD, RESPONSES_AND_EOF };

static void expect(enum kind kind, const char *text, const char *wanted)
{
    for (size_t piece = 1; piece <= strlen(text); piece += piece < 4 ? 1 : 37) {
        MU_AUTO_CLEAR(mu_buf) said = MU_BUF_INIT;
        struct mu_h1_reader *reader =
            kind == REQUESTS ? mu_h1_request_reader(&limits) : mu_h1_response_reader(&limits);
        assert_non_null(reader);
        if (kind == RESPONSES_TO_HEAD)
            mu_h1_reader_expect(reader, true);
        read_pieces(reader, text, piece, &said);
        if (kind == RESPONSES_AND_EOF) {
            enum mu_read step = mu_h1_read_eof(reader);
            if (step == MU_READ_BROKEN)
                mu_buf_adds(&said, " cut off");
            else
                tell(reader, step, NULL, 0, &said);
        }
        mu_h1_reader_free(reader);
        assert_string_equal(mu_buf_str(&said), wanted);
    }
}

static void a_body_ends_where_its_head_says(void **state)
{
    (void)state;
    expect(REQUESTS, "GET /a HTTP/1.1\r\nHost: h\r\nX-A:  b c \r\n\r\n",
           "head GET /a none X-A=b c,  end keep, ");
    expect(REQUESTS, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
           "head POST /a length, body hello end keep, ");
    expect(REQUESTS,
           "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nhel\r\n2;x=\"y\"\r\nlo\r\n0\r\nX-T: 1\r\n\r\n"
           "GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
           "head POST /a chunked, body hello end X-T=1 keep, head GET /b none,  end close, ");
    expect(RESPONSES, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
           "head 200 length,  end keep, ");
    expect(RESPONSES, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
           "head 200 chunked, body a end keep, ");
    expect(RESPONSES_AND_EOF, "HTTP/1.1 200 OK\r\nX-A: \r\n\r\nhello",
           "head 200 until-close X-A=, body hello end close, ");
    expect(RESPONSES_AND_EOF, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
           "head 200 length, body hello cut off");
    expect(RESPONSES_AND_EOF, "HTTP/1.1 200 OK\r\nConte", " cut off");
}

static void some_responses_have_no_body_whatever_they_say(void **state)
{
    (void)state;
    expect(RESPONSES_TO_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
           "head 200 none,  end keep, ");
    expect(RESPONSES_TO_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
           "head 200 none,  end keep, ");
    expect(RESPONSES,
           "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
           "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"
           "HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n"
           "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Now\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
           "head 304 none,  end keep, head 204 none,  end keep, head 103 none X-A=1,  end keep, "
           "head 100 none,  end keep, head 101 none,  end keep, ");
}

/* Each of these is read differently by some program, so it is read by none. */
static void what_has_two_readings_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        int status;
    } all[] = {
        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
        {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
        {"Content-Length: 5\r\nContent-Length: 6\r\n", 400},
        {"Content-Length: 5, 5\r\n", 400},
        {"Content-Length: +5\r\n", 400},
        {"Content-Length: -5\r\n", 400},
        {"Content-Length: 0x5\r\n", 400},
        {"Content-Length: 5 5\r\n", 400},
        {"Content-Length:\r\n", 400},
        {"Content-Length: 99999999999999999999\r\n", 400},
        {"Transfer-Encoding : chunked\r\n", 400},
        {"Transfer-Encoding:\r\n chunked\r\n", 400},
        {"Transfer-Encoding: chunked, chunked\r\n", 400},
        {"Transfer-Encoding: gzip, chunked\r\n", 501},
        {"Transfer-Encoding: identity\r\n", 400},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: \x0b"
         "chunked\r\n",
         400},
        {"Transfer-Encoding: \"chunked\"\r\n", 400},
        {"X-A: b\r\n c\r\n", 400},
        {"X-A: b\r\n\tc\r\n", 400},
        {"X-A: b\nX-B: c\r\n", 400},
        {"X-A: b\rX-B: c\r\n", 400},
        {"X-A: b\r\rX-B: c\r\n", 400},
        {" X-A: b\r\n", 400},
        {"X A: b\r\n", 400},
        {": b\r\n", 400},
        {"X-A\r\n", 400},
        {"X-A: b\x01"
         "c\r\n",
         400},
        {"X-A: b\x7f"
         "c\r\n",
         400},
    };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        for (int response = 0; response <= 1; response++) {
            MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
            MU_AUTO_CLEAR(mu_buf) said = MU_BUF_INIT;
            struct mu_h1_reader *reader =
                response ? mu_h1_response_reader(&limits) : mu_h1_request_reader(&limits);
            mu_buf_addf(&text, "%s\r\n%s\r\nabcde",
                        response ? "HTTP/1.1 200 OK" : "POST / HTTP/1.1\r\nHost: h", all[i].headers);
            read_pieces(reader, mu_buf_str(&text), text.len, &said);
            if (strstr(mu_buf_str(&said), "broken") == NULL ||
                strstr(mu_buf_str(&said), "body") != NULL)
                fail_msg("%s: %s", all[i].headers, mu_buf_str(&said));
            mu_h1_reader_free(reader);
        }
}

static void a_bare_line_feed_ends_no_line(void **state)
{
    (void)state;
    expect(REQUESTS, "GET / HTTP/1.1\nHost: h\r\n\r\n", " broken 400");
    expect(REQUESTS, "GET / HTTP/1.1\r\nHost: h\n\r\n", " broken 400");
    expect(REQUESTS, "GET / HTTP/1.1\r\nHost: h\r\n\n", " broken 400");
    expect(RESPONSES, "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", " broken 400");
}

static void a_nul_is_in_no_header(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nX-A: b\0c\r\n\r\n";
    struct mu_h1_reader *reader = mu_h1_request_reader(&limits);
    size_t taken, len;
    const char *data;
    assert_int_equal(mu_h1_read(reader, text, sizeof text - 1, &taken, &data, &len), MU_READ_BROKEN);
    mu_h1_reader_free(reader);
}

static void bad_chunks_are_refused(void **state)
{
    (void)state;
    static const char *const all[] = {
        "5\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "-1\r\n\r\n",
        "fffffffffffffffff\r\nx\r\n",
        "0\r\nX-T : a\r\n\r\n",
    };
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
        MU_AUTO_CLEAR(mu_buf) said = MU_BUF_INIT;
        struct mu_h1_reader *reader = mu_h1_request_reader(&limits);
        mu_buf_addf(&text, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                    all[i]);
        read_pieces(reader, mu_buf_str(&text), text.len, &said);
        if (strstr(mu_buf_str(&said), "broken 400") == NULL)
            fail_msg("%s: %s", all[i], mu_buf_str(&said));
        mu_h1_reader_free(reader);
    }
}

static void there_are_limits(void **state)
{
    (void)state;
    MU_AUTO_CLEAR(mu_buf) said = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) many = MU_BUF_INIT;
    mu_buf_adds(&many, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < MU_HEADERS_MAX; i++)
        mu_buf_adds(&many, "A:b\r\n");
    struct mu_h1_reader *reader = mu_h1_request_reader(&limits);
    read_pieces(reader, mu_buf_str(&many), many.len, &said);
    assert_string_equal(mu_buf_str(&said), " broken 431");
    mu_h1_reader_free(reader);

    mu_buf_reset(&said);
    mu_buf_reset(&many);
    mu_buf_adds(&many, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    for (int i = 0; i < 5000; i++)
        mu_buf_adds(&many, "x");
    reader = mu_h1_request_reader(&limits);
    read_pieces(reader, mu_buf_str(&many), 100, &said);
    assert_non_null(strstr(mu_buf_str(&said), "broken 413"));
    mu_h1_reader_free(reader);

    mu_buf_reset(&said);
    mu_buf_reset(&many);
    mu_buf_adds(&many, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: ");
    for (int i = 0; i < 2000; i++)
        mu_buf_adds(&many, "x");
    reader = mu_h1_request_reader(&limits);
    read_pieces(reader, mu_buf_str(&many), 100, &said);
    assert_non_null(strstr(mu_buf_str(&said), "broken 431"));
    mu_h1_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_ends_where_its_head_says),
        cmocka_unit_test(some_responses_have_no_body_whatever_they_say),
        cmocka_unit_test(what_has_two_readings_is_refused),
        cmocka_unit_test(a_bare_line_feed_ends_no_line),
        cmocka_unit_test(a_nul_is_in_no_header),
        cmocka_unit_test(bad_chunks_are_refused),
        cmocka_unit_test(there_are_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
