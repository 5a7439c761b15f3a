#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "base/str.h"
#include "pki/info.h"

static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const char v1_start[] = "PROXY";

enum { V1_MAX = 107, V2_START = 16 };
enum { VERSION_2 = 2, COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_UNSPEC = 0, FAMILY_INET = 1, FAMILY_INET6 = 2, FAMILY_UNIX = 3 };
enum { TRANSPORT_STREAM = 1, TRANSPORT_DGRAM = 2 };

enum {
    TLV_ALPN = 0x01,
    TLV_AUTHORITY = 0x02,
    TLV_CRC32C = 0x03,
    TLV_SSL = 0x20,
    TLV_SSL_VERSION = 0x21,
    TLV_SSL_CN = 0x22,
    TLV_SSL_CIPHER = 0x23,
    TLV_SSL_SIG_ALG = 0x24,
    TLV_SSL_KEY_ALG = 0x25,
    TLV_SSL_CLIENT_CERT = 0x28,
};
enum { CLIENT_SSL = 1, CLIENT_CERT_CONN = 2, CLIENT_CERT_SESS = 4 };

static unsigned read_16(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void set_inet(struct mu_address *ret, const void *address, const void *port)
{
    struct sockaddr_in *sa = (struct sockaddr_in *)&ret->sa;
    *ret = (struct mu_address){.len = sizeof *sa};
    sa->sin_family = AF_INET;
    memcpy(&sa->sin_addr, address, sizeof sa->sin_addr);
    memcpy(&sa->sin_port, port, sizeof sa->sin_port);
}

static void set_inet6(struct mu_address *ret, const void *address, const void *port)
{
    struct sockaddr_in6 *sa = (struct sockaddr_in6 *)&ret->sa;
    *ret = (struct mu_address){.len = sizeof *sa};
    sa->sin6_family = AF_INET6;
    memcpy(&sa->sin6_addr, address, sizeof sa->sin6_addr);
    memcpy(&sa->sin6_port, port, sizeof sa->sin6_port);
}

/* --- Version 1: a line --- */

/* The next word, up to one space or the end; false: it is empty, too long, or no text. */
static bool take_word(const char **line, const char *end, char *ret, size_t cap)
{
    const char *space = memchr(*line, ' ', (size_t)(end - *line));
    const char *word_end = space == NULL ? end : space;
    size_t len = (size_t)(word_end - *line);
    if (len == 0 || len >= cap)
        return false;
    memcpy(ret, *line, len);
    ret[len] = '\0';
    *line = space == NULL ? end : space + 1;
    return strlen(ret) == len;
}

static bool parse_port(const char *text, in_port_t *ret)
{
    unsigned number = 0;
    size_t len = strlen(text);
    if (len > 5 || (len > 1 && text[0] == '0') || strspn(text, "0123456789") != len)
        return false;
    for (const char *p = text; *p != '\0'; p++)
        number = number * 10 + (unsigned)(*p - '0');
    *ret = htons((uint16_t)number);
    return number <= UINT16_MAX;
}

static bool parse_ends(const char *line, const char *end, int family, struct mu_proxied *ret)
{
    char words[4][INET6_ADDRSTRLEN];
    unsigned char addresses[2][sizeof(struct in6_addr)];
    in_port_t ports[2];
    struct mu_address *const ends[2] = {&ret->source, &ret->destination};
    for (size_t i = 0; i < MU_COUNT(words); i++)
        if (!take_word(&line, end, words[i], sizeof words[i]))
            return false;
    if (line != end || end[-1] == ' ')
        return false;
    for (size_t i = 0; i < MU_COUNT(ends); i++) {
        if (inet_pton(family, words[i], addresses[i]) != 1 || !parse_port(words[2 + i], &ports[i]))
            return false;
        if (family == AF_INET)
            set_inet(ends[i], addresses[i], &ports[i]);
        else
            set_inet6(ends[i], addresses[i], &ports[i]);
    }
    return true;
}

static bool starts_with(const char *line, const char *end, const char *start)
{
    size_t len = strlen(start);
    return (size_t)(end - line) >= len && memcmp(line, start, len) == 0;
}

static bool parse_line(const char *line, const char *end, struct mu_proxied *ret)
{
    static const char unknown[] = "PROXY UNKNOWN", tcp4[] = "PROXY TCP4 ", tcp6[] = "PROXY TCP6 ";
    const char *after = line + sizeof unknown - 1;
    if (starts_with(line, end, unknown))
        return after == end || *after == ' ';
    ret->known = true;
    if (starts_with(line, end, tcp4))
        return parse_ends(line + sizeof tcp4 - 1, end, AF_INET, ret);
    return starts_with(line, end, tcp6) && parse_ends(line + sizeof tcp6 - 1, end, AF_INET6, ret);
}

static enum mu_proxy_header read_v1(const char *data, size_t len, struct mu_proxied *ret,
                                    size_t *ret_len, const char **ret_why)
{
    const char *end = memchr(data, '\n', len < V1_MAX ? len : V1_MAX);
    if (end == NULL && len < V1_MAX)
        return MU_PROXY_HEADER_MORE;
    *ret_why = "its line is longer than 107 bytes";
    if (end == NULL)
        return MU_PROXY_HEADER_BAD;
    *ret_why = "its line is not PROXY, TCP4, TCP6 or UNKNOWN, two addresses and two ports";
    if (end[-1] != '\r' || !parse_line(data, end - 1, ret))
        return MU_PROXY_HEADER_BAD;
    *ret_len = (size_t)(end + 1 - data);
    return MU_PROXY_HEADER_DONE;
}

/* --- Version 2: binary --- */

/* [RFC 4960 appendix B] */
static uint32_t crc32c(uint32_t crc, const unsigned char *data, size_t len)
{
    const uint32_t reversed_polynomial = 0x82f63b78;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (reversed_polynomial & -(crc & 1));
    }
    return crc;
}

/* Of the whole header, with zeros in place of the sum, which stands at `at`. */
static bool sum_is_right(const unsigned char *header, size_t len, const unsigned char *at)
{
    static const unsigned char zeros[4];
    uint32_t said, crc = UINT32_MAX;
    memcpy(&said, at, sizeof said);
    crc = crc32c(crc, header, (size_t)(at - header));
    crc = crc32c(crc, zeros, sizeof zeros);
    crc = crc32c(crc, at + sizeof zeros, len - (size_t)(at - header) - sizeof zeros);
    return ntohl(said) == ~crc;
}

/* NULL: they are whole, and a checksum among them is right. */
static const char *check_tlvs(const unsigned char *header, size_t len, size_t at)
{
    while (at < len) {
        if (len - at < 3 || len - at - 3 < read_16(header + at + 1))
            return "a field behind its addresses is longer than the header";
        const size_t value_len = read_16(header + at + 1);
        const unsigned char *value = header + at + 3;
        if (header[at] == TLV_CRC32C && (value_len != 4 || !sum_is_right(header, len, value)))
            return "its checksum is wrong";
        at += 3 + value_len;
    }
    return NULL;
}

/* Which protocols there are, and how much room their addresses take; -1: there is no such one. */
static int addresses_len(unsigned family, unsigned transport)
{
    static const int lens[] =
        {[FAMILY_UNSPEC] = 0, [FAMILY_INET] = 12, [FAMILY_INET6] = 36, [FAMILY_UNIX] = 216};
    if (family > FAMILY_UNIX || transport > TRANSPORT_DGRAM)
        return -1;
    return transport == 0 ? 0 : lens[family];
}

static void read_ends(const unsigned char *at, unsigned family, struct mu_proxied *ret)
{
    ret->known = true;
    if (family == FAMILY_INET) {
        set_inet(&ret->source, at, at + 8);
        set_inet(&ret->destination, at + 4, at + 10);
    } else {
        set_inet6(&ret->source, at, at + 32);
        set_inet6(&ret->destination, at + 16, at + 34);
    }
}

static const char *check_v2(const unsigned char *header, size_t len, struct mu_proxied *ret)
{
    const unsigned command = header[12] & 15, family = header[13] >> 4, transport = header[13] & 15;
    const int ends_len = addresses_len(family, transport);
    if (command > COMMAND_PROXY)
        return "its command is neither LOCAL nor PROXY";
    if (command == COMMAND_LOCAL)
        return NULL; /* "discard the protocol block including the family" */
    if (ends_len < 0)
        return "its address family or protocol does not exist";
    if ((size_t)ends_len > len - V2_START)
        return "it is too short for its addresses";
    const bool is_ip = family == FAMILY_INET || family == FAMILY_INET6;
    if (is_ip && transport == TRANSPORT_STREAM)
        read_ends(header + V2_START, family, ret);
    /* Where only one of the two is specified, nobody knows how much room the addresses take. */
    const bool vague = (family == FAMILY_UNSPEC) != (transport == 0);
    return vague ? NULL : check_tlvs(header, len, V2_START + (size_t)ends_len);
}

static enum mu_proxy_header read_v2(const unsigned char *data, size_t len, struct mu_proxied *ret,
                                    size_t *ret_len, const char **ret_why)
{
    if (len < V2_START)
        return MU_PROXY_HEADER_MORE;
    *ret_why = "its version is neither 1 nor 2";
    if (data[12] >> 4 != VERSION_2)
        return MU_PROXY_HEADER_BAD;
    *ret_len = V2_START + (size_t)read_16(data + 14);
    *ret_why = "it is longer than 16384 bytes";
    if (*ret_len > MU_PROXY_HEADER_MAX)
        return MU_PROXY_HEADER_BAD;
    if (len < *ret_len)
        return MU_PROXY_HEADER_MORE;
    *ret_why = check_v2(data, *ret_len, ret);
    return *ret_why == NULL ? MU_PROXY_HEADER_DONE : MU_PROXY_HEADER_BAD;
}

static bool may_start(const void *data, size_t len, const void *start, size_t start_len)
{
    return memcmp(data, start, len < start_len ? len : start_len) == 0;
}

enum mu_proxy_header mu_proxy_header_read(const void *data, size_t len, struct mu_proxied *ret,
                                          size_t *ret_len, const char **ret_why)
{
    *ret = (struct mu_proxied){.known = false};
    if (len == 0)
        return MU_PROXY_HEADER_MORE;
    if (may_start(data, len, v1_start, sizeof v1_start - 1))
        return read_v1(data, len, ret, ret_len, ret_why);
    if (may_start(data, len, signature, sizeof signature))
        return read_v2(data, len, ret, ret_len, ret_why);
    *ret_why = "there is none";
    return MU_PROXY_HEADER_BAD;
}

/* --- Writing --- */

static void add_16(struct mu_buf *ret, size_t number)
{
    const unsigned char octets[2] = {(unsigned char)(number >> 8), (unsigned char)number};
    mu_buf_add(ret, octets, sizeof octets);
}

static void add_tlv(struct mu_buf *ret, unsigned char type, const void *value, size_t len)
{
    mu_buf_add(ret, &type, 1);
    add_16(ret, len);
    mu_buf_add(ret, value, len);
}

static void add_text(struct mu_buf *ret, unsigned char type, const char *text)
{
    if (text != NULL && text[0] != '\0')
        add_tlv(ret, type, text, strlen(text));
}

static void add_client(struct mu_buf *ret, const struct mu_cert *client)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    if (mu_cert_info_read(client, time(NULL), &info, &ignored) == 0)
        add_text(ret, TLV_SSL_CN, info.cn);
    mu_cert_to_der(client, &der);
    ret->failed = ret->failed || mu_buf_failed(&der);
    add_tlv(ret, TLV_SSL_CLIENT_CERT, mu_buf_str(&der), der.len);
}

static void add_ssl(struct mu_buf *ret, const struct mu_tls_facts *facts,
                    const struct mu_cert *client)
{
    MU_AUTO_CLEAR(mu_buf) value = MU_BUF_INIT;
    const int seen = CLIENT_CERT_SESS | (facts->resumed ? 0 : CLIENT_CERT_CONN);
    const unsigned char start[5] = {(unsigned char)(CLIENT_SSL | (client == NULL ? 0 : seen)), 0, 0,
                                    0, client == NULL}; /* its last four: verify, 0 if all is well */
    mu_buf_add(&value, start, sizeof start);
    add_text(&value, TLV_SSL_VERSION, facts->version);
    add_text(&value, TLV_SSL_CIPHER, facts->cipher);
    add_text(&value, TLV_SSL_SIG_ALG, facts->signature);
    add_text(&value, TLV_SSL_KEY_ALG, facts->key);
    if (client != NULL)
        add_client(&value, client);
    ret->failed = ret->failed || mu_buf_failed(&value);
    add_tlv(ret, TLV_SSL, mu_buf_str(&value), value.len);
}

/* Both ends are of one family; of a Unix socket's ends nobody knows more than that they are here. */
static unsigned char add_ends(struct mu_buf *ret, const struct mu_address *source,
                              const struct mu_address *destination)
{
    static const unsigned char nowhere[216];
    const struct sockaddr_in *in[] = {(const void *)&source->sa, (const void *)&destination->sa};
    const struct sockaddr_in6 *in6[] = {(const void *)&source->sa, (const void *)&destination->sa};
    const int family = source->sa.ss_family;
    if (family != destination->sa.ss_family || (family != AF_INET && family != AF_INET6)) {
        mu_buf_add(ret, nowhere, sizeof nowhere);
        return FAMILY_UNIX << 4 | TRANSPORT_STREAM;
    }
    for (size_t i = 0; i < 2; i++)
        family == AF_INET ? mu_buf_add(ret, &in[i]->sin_addr, sizeof in[i]->sin_addr)
                          : mu_buf_add(ret, &in6[i]->sin6_addr, sizeof in6[i]->sin6_addr);
    add_16(ret, mu_address_port(source));
    add_16(ret, mu_address_port(destination));
    return (unsigned char)((family == AF_INET ? FAMILY_INET : FAMILY_INET6) << 4 | TRANSPORT_STREAM);
}

void mu_proxy_header_write(const struct mu_address *source, const struct mu_address *destination,
                           const struct mu_tls_facts *facts, const struct mu_cert *client,
                           struct mu_buf *ret)
{
    MU_AUTO_CLEAR(mu_buf) rest = MU_BUF_INIT;
    unsigned char start[2] = {VERSION_2 << 4 | COMMAND_PROXY, 0};
    start[1] = add_ends(&rest, source, destination);
    if (facts->alpn_len > 0)
        add_tlv(&rest, TLV_ALPN, facts->alpn, facts->alpn_len);
    add_text(&rest, TLV_AUTHORITY, facts->server_name);
    add_ssl(&rest, facts, client);
    /* A client's certificate may be as long as that; half of it would leave the other half to be taken for what the client
     * says. Whatever is too long within it makes it too long as a whole. */
    if (mu_buf_failed(&rest) || rest.len > UINT16_MAX) {
        ret->failed = true;
        return;
    }
    mu_buf_add(ret, signature, sizeof signature);
    mu_buf_add(ret, start, sizeof start);
    add_16(ret, rest.len);
    mu_buf_add(ret, mu_buf_str(&rest), rest.len);
}
