/*
 * HTTP/1.1 responses and requests, as a gateway reads them. The first byte says which, and how finely the rest is cut
 * into pieces: whatever the cut, the same must be read, or what goes on behind us would depend on a packet boundary.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/h1_reader.h"
#include "http/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is handed on of a head, and that it says one thing only. */
static void relay(const struct mu_head *head, struct mu_buf *ret)
{
    static const struct mu_relay_response how = {.minor = 1, .keep_alive = true, .date = "now"};
    struct mu_relay_client client;
    struct mu_relay_request request;
    const char *why;
    const size_t before = ret->len;
    mu_relay_client_init(&client, "192.0.2.1");
    if (head->method == NULL)
        mu_relay_response(head, &how, ret);
    else if (!mu_relay_request(head, &client, ret, &request, &why))
        return;
    const char *end = strstr(mu_buf_str(ret) + before, "\r\n\r\n");
    if (end == NULL || end + 4 != mu_buf_str(ret) + ret->len)
        abort();
}

static void step(struct mu_h1_reader *reader, enum mu_read what, const char *data, size_t len,
                 struct mu_buf *ret)
{
    struct mu_head head;
    const struct mu_header *trailers;
    if (what == MU_READ_HEAD && mu_h1_reader_head(reader, &head))
        relay(&head, ret);
    if (what == MU_READ_BODY)
        mu_buf_add(ret, data, len);
    if (what == MU_READ_END) {
        size_t count = mu_h1_reader_trailers(reader, &trailers);
        mu_relay_last_chunk(ret, trailers, count);
    }
}

static void feed(const uint8_t *data, size_t size, size_t piece, bool responses, struct mu_buf *ret)
{
    static const struct mu_h1_limits limits = {.target = 256, .head = 2048};
    struct mu_h1_reader *reader =
        responses ? mu_h1_response_reader(&limits) : mu_h1_request_reader(&limits);
    enum mu_read what = MU_READ_MORE;
    for (size_t at = 0; at < size && what != MU_READ_BROKEN; at += piece) {
        size_t left = size - at < piece ? size - at : piece, taken, len;
        const char *from = (const char *)data + at, *body;
        do {
            what = mu_h1_read(reader, from, left, &taken, &body, &len);
            assert(taken <= left);
            step(reader, what, body, len, ret);
            from += taken;
            left -= taken;
        } while (what != MU_READ_MORE && what != MU_READ_BROKEN);
    }
    if (what != MU_READ_BROKEN)
        step(reader, mu_h1_read_eof(reader), NULL, 0, ret);
    mu_h1_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mu_buf whole = MU_BUF_INIT, cut = MU_BUF_INIT;
    if (size < 2)
        return 0;
    feed(data + 1, size - 1, size, (data[0] & 1) != 0, &whole);
    feed(data + 1, size - 1, 1 + data[0] / 2 % 16, (data[0] & 1) != 0, &cut);
    /* Of a message that is broken, more may have been handed on when it came in pieces; none of it may differ. */
    const size_t same = whole.len < cut.len ? whole.len : cut.len;
    if (same > 0 && memcmp(whole.data, cut.data, same) != 0)
        abort();
    mu_buf_clear(&whole);
    mu_buf_clear(&cut);
    return 0;
}
