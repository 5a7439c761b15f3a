#include "../check.h"

#include <netinet/in.h>

#include "base/macros.h"
#include "base/str.h"
#include "net/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4_ENDS                                                                                  \
    "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb" /* 192.0.2.1:56324 to 198.51.100.2:443 */
/* A header and what comes behind it, which is not to be taken for a part of it. */
#define BYTES(text) text, sizeof(text) - 1

static struct mu_proxied read_good(const void *data, size_t len, size_t header_len)
{
    struct mu_proxied said;
    size_t ret_len = 0;
    const char *why = "";
    if (mu_proxy_header_read(data, len, &said, &ret_len, &why) != MU_PROXY_HEADER_DONE)
        fail_msg("not taken: %s", why);
    assert_int_equal(ret_len, header_len);
    return said;
}

static void assert_ends(const struct mu_proxied *said, const char *source, const char *destination)
{
    char text[MU_ADDRESS_LEN];
    assert_true(said->known);
    assert_string_equal(mu_address_text(&said->source, text), source);
    assert_string_equal(mu_address_text(&said->destination, text), destination);
}

static void the_line_of_the_specification_is_read(void **state)
{
    (void)state;
    static const char line[] = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
                               "GET / HTTP/1.1\r\n"
                               "Host: 192.168.0.11\r\n"
                               "\r\n";
    struct mu_proxied said = read_good(BYTES(line), 47);
    assert_ends(&said, "192.168.0.1:56324", "192.168.0.11:443");
}

static void the_longest_lines_are_read(void **state)
{
    (void)state;
    static const char tcp4[] = "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    static const char tcp6[] = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    static const char unknown[] = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    struct mu_proxied said = read_good(BYTES(tcp4), 56);
    assert_ends(&said, "255.255.255.255:65535", "255.255.255.255:65535");
    said = read_good(BYTES(tcp6), 104);
    assert_ends(&said, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    said = read_good(BYTES(unknown), 107);
    assert_false(said.known);
    said = read_good(BYTES("PROXY UNKNOWN\r\n"), 15);
    assert_false(said.known);
}

static void binary_headers_are_read(void **state)
{
    (void)state;
    struct mu_proxied said =
        read_good(BYTES(SIGNATURE "\x21\x11\x00\x0c" TCP4_ENDS "\x16\x03\x01"), 28);
    assert_ends(&said, "192.0.2.1:56324", "198.51.100.2:443");
    said = read_good(BYTES(SIGNATURE "\x21\x21\x00\x24"
                                     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
                                     "\x00\x01\x00\x02"),
                     52);
    assert_ends(&said, "[2001:db8::1]:1", "[2001:db8::2]:2");
}

static void a_proxy_may_speak_for_itself_or_not_know(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
    } cases[] = {
        {BYTES(SIGNATURE "\x20\x00\x00\x00")},             /* LOCAL */
        {BYTES(SIGNATURE "\x20\x11\x00\x0c" TCP4_ENDS)},   /* LOCAL: what it says is discarded */
        {BYTES(SIGNATURE "\x20\xff\x00\x03\xff\xff\xff")}, /* whatever it is */
        {BYTES(SIGNATURE "\x21\x00\x00\x00")},             /* unspecified */
        {BYTES(SIGNATURE "\x21\x12\x00\x0c" TCP4_ENDS)},   /* UDP */
        {BYTES(SIGNATURE "\x21\x10\x00\x0c" TCP4_ENDS)},   /* IPv4, and some protocol */
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        assert_false(read_good(cases[i].data, cases[i].len, cases[i].len).known);

    char unix_socket[16 + 216] = SIGNATURE "\x21\x31\x00\xd8/run/client.sock";
    assert_false(read_good(unix_socket, sizeof unix_socket, sizeof unix_socket).known);
}

static void what_stands_behind_the_addresses_is_skipped(void **state)
{
    (void)state;
    static const char data[] = SIGNATURE "\x21\x11\x00\x1f" TCP4_ENDS "\x02\x00\x0b"
                                         "example.org"
                                         "\xe0\x00\x02??";
    struct mu_proxied said = read_good(BYTES(data), sizeof data - 1);
    assert_ends(&said, "192.0.2.1:56324", "198.51.100.2:443");
}

static void a_checksum_has_to_be_right(void **state)
{
    (void)state;
    unsigned char data[] = SIGNATURE "\x21\x11\x00\x13" TCP4_ENDS "\x03\x00\x04\x20\xec\x95\x49";
    struct mu_proxied said;
    size_t len;
    const char *why = "";
    read_good(data, sizeof data - 1, sizeof data - 1);
    for (size_t i = 16; i < sizeof data - 1; i++) {
        data[i] ^= 1;
        if (mu_proxy_header_read(data, sizeof data - 1, &said, &len, &why) != MU_PROXY_HEADER_BAD &&
            i != 28) /* there it is a field of another kind */
            fail_msg("octet %zu may be wrong", i);
        data[i] ^= 1;
    }
}

static void what_is_no_header_is_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        const char *why;
    } cases[] = {
        {BYTES("GET / HTTP/1.1\r\n"), "there is none"},
        {BYTES("\x16\x03\x01\x02"), "there is none"},
        {BYTES("\n"), "there is none"},
        {BYTES("PROXIES"), "there is none"},
        {BYTES("\r\n\r\n\0\r\nQUIT\r"), "there is none"},
        {BYTES("PROXY\n"), "its line is not"},
        {BYTES("PROXY \r\n"), "its line is not"},
        {BYTES("PROXY UNKNOWNS\r\n"), "its line is not"},
        {BYTES("PROXY UNKNOWN\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.4 1.2.3.5 1 2\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.4 1.2.3.5 1 \r\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.4 1.2.3.5 1 2 \r\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.4 1.2.3.5 1 2 3\r\n"), "its line is not"},
        {BYTES("PROXY TCP4  1.2.3.4 1.2.3.5 1 2\r\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.4 1.2.3.5 1 65536\r\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.4 1.2.3.5 01 2\r\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.4 1.2.3.5 -1 2\r\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.04 1.2.3.5 1 2\r\n"), "its line is not"},
        {BYTES("PROXY TCP4 ::1 ::2 1 2\r\n"), "its line is not"},
        {BYTES("PROXY TCP6 1.2.3.4 1.2.3.5 1 2\r\n"), "its line is not"},
        {BYTES("PROXY TCP4 1.2.3.4\0 1.2.3.5 1 2\r\n"), "its line is not"},
        {BYTES("PROXY UDP4 1.2.3.4 1.2.3.5 1 2\r\n"), "its line is not"},
        {BYTES("PROXY UNKNOWN ................................................................"
               ".............................\r\n"),
         "longer than 107 bytes"},
        {BYTES(SIGNATURE "\x11\x11\x00\x0c" TCP4_ENDS), "neither 1 nor 2"},
        {BYTES(SIGNATURE "\x31\x11\x00\x0c" TCP4_ENDS), "neither 1 nor 2"},
        {BYTES(SIGNATURE "\x22\x11\x00\x0c" TCP4_ENDS), "neither LOCAL nor PROXY"},
        {BYTES(SIGNATURE "\x21\x41\x00\x0c" TCP4_ENDS), "does not exist"},
        {BYTES(SIGNATURE "\x21\x13\x00\x0c" TCP4_ENDS), "does not exist"},
        {BYTES(SIGNATURE "\x21\x11\x00\x0b" TCP4_ENDS), "too short for its addresses"},
        {BYTES(SIGNATURE "\x21\x21\x00\x0c" TCP4_ENDS), "too short for its addresses"},
        {BYTES(SIGNATURE "\x21\x11\x00\x0e" TCP4_ENDS "\x01\x00"), "longer than the header"},
        {BYTES(SIGNATURE "\x21\x11\x00\x10" TCP4_ENDS "\x01\x00\x02h"), "longer than the header"},
        {BYTES(SIGNATURE "\x21\x11\x00\x10" TCP4_ENDS "\x03\x00\x01?"), "checksum"},
        {BYTES(SIGNATURE "\x21\x11\xff\xff" TCP4_ENDS), "longer than 16384"},
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        struct mu_proxied said;
        size_t len;
        const char *why = "nothing";
        if (mu_proxy_header_read(cases[i].data, cases[i].len, &said, &len, &why) !=
            MU_PROXY_HEADER_BAD)
            fail_msg("case %zu is taken", i);
        assert_says(why, cases[i].why);
    }
}

static void until_it_is_whole_more_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
    } cases[] = {
        {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n")},
        {BYTES("PROXY UNKNOWN\r\n")},
        {BYTES(SIGNATURE "\x21\x11\x00\x0c" TCP4_ENDS)},
        {BYTES(SIGNATURE "\x20\x00\x00\x00")},
    };
    struct mu_proxied said;
    size_t len;
    const char *why;
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        for (size_t have = 0; have < cases[i].len; have++)
            assert_int_equal(mu_proxy_header_read(cases[i].data, have, &said, &len, &why),
                             MU_PROXY_HEADER_MORE);
}

/* --- Writing --- */

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    static const char start[] = SIGNATURE "\x21\x11";
    struct mu_error err = MU_ERROR_INIT;
    struct mu_address source, destination;
    size_t count;
    const struct mu_tls_facts facts = {.version = "TLSv1.3",
                                       .cipher = "TLS_AES_256_GCM_SHA384",
                                       .server_name = "db.example",
                                       .alpn = (const unsigned char *)"h2",
                                       .alpn_len = 2,
                                       .signature = "ecdsa-with-SHA256",
                                       .key = "EC256"};
    MU_AUTO_CLEAR(mu_buf) written = MU_BUF_INIT;
    assert_worked(mu_address_parse("192.0.2.1:56324", &source, 1, &count, &err), &err);
    assert_worked(mu_address_parse("198.51.100.2:443", &destination, 1, &count, &err), &err);
    mu_proxy_header_write(&source, &destination, &facts, NULL, &written);
    assert_false(mu_buf_failed(&written));
    assert_memory_equal(written.data, start, sizeof start - 1);
    assert_memory_equal(written.data + 16, TCP4_ENDS, 12);
    assert_memory_equal(written.data + 28,
                        "\x01\x00\x02h2\x02\x00\x0a"
                        "db.example\x20",
                        19);
    assert_memory_equal(written.data + 49, "\x01\x00\x00\x00\x01", 5); /* TLS, and not verified */
    struct mu_proxied said = read_good(written.data, written.len, written.len);
    assert_ends(&said, "192.0.2.1:56324", "198.51.100.2:443");
}

static void ends_that_have_no_address_are_said_to_be_here(void **state)
{
    (void)state;
    struct mu_error err = MU_ERROR_INIT;
    struct mu_address end;
    size_t count;
    const struct mu_tls_facts facts = {.version = "TLSv1.2"};
    MU_AUTO_CLEAR(mu_buf) written = MU_BUF_INIT;
    assert_worked(mu_address_parse("unix:/run/door", &end, 1, &count, &err), &err);
    mu_proxy_header_write(&end, &end, &facts, NULL, &written);
    assert_int_equal(written.data[13], 0x31);
    assert_false(read_good(written.data, written.len, written.len).known);
}

/* Its length has two octets: what is behind them would be read as the client's own words. */
static void what_does_not_fit_is_not_written(void **state)
{
    (void)state;
    static char text[UINT16_MAX + 10];
    struct mu_error err = MU_ERROR_INIT;
    struct mu_address end;
    size_t count;
    assert_worked(mu_address_parse("192.0.2.1:1", &end, 1, &count, &err), &err);
    memset(text, 'a', sizeof text - 1);
    /* Too long for a header; for a field; for the field around it alone, or not. */
    const size_t lens[] = {UINT16_MAX - 20, UINT16_MAX, UINT16_MAX + 1, UINT16_MAX + 9};
    for (size_t i = 0; i < MU_COUNT(lens); i++) {
        MU_AUTO_CLEAR(mu_buf) written = MU_BUF_INIT;
        MU_AUTO_CLEAR(mu_buf) nested = MU_BUF_INIT;
        text[lens[i]] = '\0';
        const struct mu_tls_facts by_name = {.version = "TLSv1.3", .server_name = text};
        const struct mu_tls_facts by_cipher = {.version = "TLSv1.3", .cipher = text};
        mu_proxy_header_write(&end, &end, &by_name, NULL, &written);
        mu_proxy_header_write(&end, &end, &by_cipher, NULL, &nested);
        text[lens[i]] = 'a';
        assert_true(mu_buf_failed(&written));
        assert_true(mu_buf_failed(&nested));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_of_the_specification_is_read),
        cmocka_unit_test(the_longest_lines_are_read),
        cmocka_unit_test(binary_headers_are_read),
        cmocka_unit_test(a_proxy_may_speak_for_itself_or_not_know),
        cmocka_unit_test(what_stands_behind_the_addresses_is_skipped),
        cmocka_unit_test(a_checksum_has_to_be_right),
        cmocka_unit_test(what_is_no_header_is_refused_in_words),
        cmocka_unit_test(until_it_is_whole_more_is_asked_for),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(ends_that_have_no_address_are_said_to_be_here),
        cmocka_unit_test(what_does_not_fit_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
