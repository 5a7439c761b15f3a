#include "explain/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "http/h1_reader.h"

/* What a client that is not told otherwise offers. */
#define ALPN_USUAL "h2,http/1.1"
/* A server that speaks first does so at once; one that was asked needs its time. */
enum { BANNER_MS = 400, ANSWER_MS = 700, REST_MS = 150 };
enum { HEAD_MAX = 32 * 1024, ANSWER_MAX = 64 * 1024 };

static void call_clear(struct mu_probe_call *call)
{
    mu_tls_seen_clear(&call->seen);
}

void mu_probe_facts_clear(struct mu_probe_facts *facts)
{
    call_clear(&facts->ours);
    call_clear(&facts->http1);
    call_clear(&facts->bare);
    call_clear(&facts->nameless);
    call_clear(&facts->no_alpn);
    call_clear(&facts->anything);
}

/* --- HTTP --- */

/* Headers by which a load balancer, a CDN or a gateway makes itself known. */
static bool is_edge_header(const struct mu_header *header)
{
    static const char *const names[] =
        {"via",         "cf-ray",      "x-amz-cf-id",
         "x-cache",     "x-served-by", "x-envoy-upstream-service-time",
         "x-azure-ref", "x-iinfo",     "x-kong-proxy-latency",
         "x-varnish",   "x-sucuri-id"};
    static const char *const servers[] = {"cloudflare", "awselb",          "cloudfront", "akamai",
                                          "envoy",      "google frontend", "squid",      "varnish",
                                          "bigip",      "zscaler"};
    for (size_t i = 0; i < MU_COUNT(names); i++)
        if (strcasecmp(header->name, names[i]) == 0)
            return true;
    for (size_t i = 0; strcasecmp(header->name, "server") == 0 && i < MU_COUNT(servers); i++)
        if (strncasecmp(header->value, servers[i], strlen(servers[i])) == 0)
            return true;
    return false;
}

static void note_head(const struct mu_head *head, struct mu_probe_http *ret)
{
    ret->status = head->status;
    mu_str_printable(head->reason, strlen(head->reason), ret->reason, sizeof ret->reason);
    bool cached = false; /* the date is then that of another day [RFC 9111 5.1] */
    for (size_t i = 0; i < head->header_count; i++) {
        const struct mu_header *header = &head->headers[i];
        cached = cached || strcasecmp(header->name, "age") == 0;
        size_t len = strlen(header->value);
        ret->edge = ret->edge || is_edge_header(header);
        if (strcasecmp(header->name, "server") == 0)
            mu_str_printable(header->value, len, ret->server, sizeof ret->server);
        else if (strcasecmp(header->name, "via") == 0)
            mu_str_printable(header->value, len, ret->via, sizeof ret->via);
        else if (strcasecmp(header->name, "date") == 0 &&
                 !mu_http_date_parse(header->value, &ret->date))
            ret->date = 0;
    }
    if (cached)
        ret->date = 0;
}

/* Take in some bytes. False: there is no more to learn. */
static bool take_in(struct mu_h1_reader *reader, const char *data, size_t len, size_t *body_len,
                    struct mu_probe_http *ret)
{
    enum mu_read what;
    do {
        struct mu_head head;
        const char *body;
        size_t taken, body_part;
        const char *why;
        what = mu_h1_read(reader, data, len, &taken, &body, &body_part);
        data += taken;
        len -= taken;
        if (what == MU_READ_HEAD && mu_h1_reader_head(reader, &head))
            note_head(&head, ret);
        if (what == MU_READ_BODY) {
            mu_str_printable(body, body_part, ret->body + *body_len, sizeof ret->body - *body_len);
            *body_len += strlen(ret->body + *body_len);
        }
        if (what == MU_READ_BROKEN)
            ret->too_much = mu_h1_reader_fault(reader, &why) == 431;
    } while (what == MU_READ_HEAD || what == MU_READ_BODY);
    return what == MU_READ_MORE && *body_len + 1 < sizeof ret->body;
}

static int read_answer(struct mu_tls_look *look, struct mu_probe_http *ret, struct mu_error *err)
{
    static const struct mu_h1_limits limits = {.target = 4096, .head = HEAD_MAX};
    struct mu_h1_reader *reader = mu_h1_response_reader(&limits);
    char data[4096];
    size_t len, all = 0, body_len = 0;
    if (reader == NULL)
        return mu_fail_nomem(err);
    while (all < ANSWER_MAX && (len = mu_tls_look_read(look, data, sizeof data)) > 0) {
        ret->answered = true;
        all += len;
        if (!take_in(reader, data, len, &body_len, ret))
            break;
    }
    mu_h1_reader_free(reader);
    return 0;
}

static bool ask(const struct mu_probe *probe, struct mu_tls_look *look)
{
    char host[300];
    MU_AUTO_CLEAR(mu_buf) request = MU_BUF_INIT;
    const bool v6 = strchr(probe->host, ':') != NULL;
    snprintf(host, sizeof host, "%s%.255s%s", v6 ? "[" : "", probe->host, v6 ? "]" : "");
    mu_buf_addf(&request, "GET %s HTTP/1.1\r\nHost: %s", probe->path, host);
    if (probe->port != 443)
        mu_buf_addf(&request, ":%u", probe->port);
    mu_buf_adds(&request, "\r\nUser-Agent: mutual\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    return !mu_buf_failed(&request) && mu_tls_look_write(look, request.data, request.len);
}

/* --- One call --- */

/* How a client of HTTP/2 begins: the server says something to that, or we are not let in. [RFC 9113 3.4] */
static const char h2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static bool speaks_h2(const struct mu_tls_seen *seen)
{
    return mu_str_equal(seen->alpn, "h2");
}

static bool speaks_http1(const struct mu_tls_seen *seen)
{
    return *seen->alpn == '\0' || mu_str_starts_with(seen->alpn, "http/1.");
}

int mu_probe_talk(const struct mu_probe *probe, const struct mu_tls_looking *how,
                  struct mu_transport transport, struct mu_probe_call *ret, struct mu_error *err)
{
    char scrap[64];
    MU_AUTO_STRUCT(mu_tls_look) look = NULL;
    ret->made = true;
    if (mu_tls_look_new(how, probe->known, transport, &look, err) != 0)
        return -1;
    int result = 0;
    if (mu_tls_look_handshake(look)) {
        const struct mu_tls_seen *seen = mu_tls_look_seen(look);
        if (speaks_http1(seen)) {
            ret->http.asked = ask(probe, look);
            result = read_answer(look, &ret->http, err);
        } else if (!speaks_h2(seen) || mu_tls_look_write(look, h2_preface, sizeof h2_preface - 1)) {
            ret->http.answered = mu_tls_look_read(look, scrap, sizeof scrap) > 0;
        }
    }
    ret->seen = mu_tls_look_take(look);
    return result;
}

/* A part of what is left, so that one silent answer does not use up everything. */
static int64_t until(const struct mu_probe *probe, int64_t end_ms)
{
    int64_t part = mu_wire_now_ms() + probe->max_ms / 2;
    return part < end_ms ? part : end_ms;
}

static int call(const struct mu_probe *probe, const struct mu_tls_looking *how, int64_t end_ms,
                struct mu_probe_facts *facts, struct mu_probe_call *ret, struct mu_error *err)
{
    char rest[MU_WIRE_FIRST];
    MU_AUTO_CLEAR(mu_wire) wire = MU_WIRE_INIT;
    if (mu_wire_now_ms() >= end_ms) {
        facts->out_of_time = true;
        return 0;
    }
    ret->made = true;
    ret->seen.alert = -1;
    ret->connect_error = mu_wire_connect(&wire, facts->address, until(probe, end_ms));
    if (ret->connect_error != 0)
        return 0;
    int result = mu_probe_talk(probe, how, mu_wire_transport(&wire), ret, err);
    mu_plain_recognise(wire.first, wire.first_len, probe->port, &ret->plain);
    /* libssl stops at the five bytes that would be a record's header. */
    if (ret->plain.spoken != MU_SPOKEN_TLS && wire.first_len > 0)
        (void)mu_wire_listen(&wire, rest, sizeof rest, REST_MS);
    mu_plain_recognise(wire.first, wire.first_len, probe->port, &ret->plain);
    return result;
}

/* --- In clear --- */

static void ask_in_clear(const struct mu_plain_question *question, struct mu_wire *wire,
                         unsigned port, struct mu_plain *ret)
{
    char answer[MU_WIRE_FIRST];
    const struct mu_transport transport = mu_wire_transport(wire);
    if (transport.write(transport.arg, question->bytes, question->len) != (ssize_t)question->len)
        return;
    size_t len = mu_wire_listen(wire, answer, sizeof answer, ANSWER_MS);
    if (!mu_plain_answers(question, answer, len, ret))
        mu_plain_recognise(answer, len, port, ret);
}

/* Nothing came back that would tell what it speaks: wait for a greeting, then ask in several tongues. */
static void listen_in_clear(const struct mu_probe *probe, int64_t end_ms,
                            struct mu_probe_facts *facts)
{
    const struct mu_plain_question *question;
    for (size_t i = 0; (question = mu_plain_question_at(probe->port, i)) != NULL; i++) {
        char greeting[MU_WIRE_FIRST];
        MU_AUTO_CLEAR(mu_wire) wire = MU_WIRE_INIT;
        if (mu_wire_now_ms() >= end_ms) {
            facts->out_of_time = true;
            return;
        }
        if (mu_wire_connect(&wire, facts->address, until(probe, end_ms)) != 0)
            return;
        size_t len = i == 0 ? mu_wire_listen(&wire, greeting, sizeof greeting, BANNER_MS) : 0;
        if (len > 0)
            mu_plain_recognise(greeting, len, probe->port, &facts->plain);
        else
            ask_in_clear(question, &wire, probe->port, &facts->plain);
        if (facts->plain.spoken != MU_SPOKEN_NOTHING && facts->plain.spoken != MU_SPOKEN_UNKNOWN)
            return;
    }
}

/* --- All of it --- */

static void reach(const struct mu_probe *probe, int64_t end_ms, struct mu_probe_facts *facts)
{
    const char *host = probe->connect_host != NULL ? probe->connect_host : probe->host;
    unsigned port = probe->connect_host != NULL ? probe->connect_port : probe->port;
    mu_wire_resolve(host, port, until(probe, end_ms), &facts->addresses);
    for (size_t i = 0; i < facts->addresses.count && facts->address == NULL; i++) {
        MU_AUTO_CLEAR(mu_wire) wire = MU_WIRE_INIT;
        int64_t share = (end_ms - mu_wire_now_ms()) / (int64_t)(facts->addresses.count - i);
        facts->errors[i] =
            mu_wire_connect(&wire, &facts->addresses.at[i], mu_wire_now_ms() + share);
        facts->tried++;
        if (facts->errors[i] == 0)
            facts->address = &facts->addresses.at[i];
    }
}

/* The server has said no, or nothing. */
static bool came_to_nothing(const struct mu_probe_call *call)
{
    return !call->seen.finished || call->seen.alert >= 0 ||
           (!call->http.answered && (call->seen.ended || call->seen.reset));
}

/* The server said no before it had chosen anything: it is something in the first message. */
static int try_other_hellos(const struct mu_probe *probe, const struct mu_tls_looking *as_ours,
                            int64_t end_ms, struct mu_probe_facts *facts, struct mu_error *err)
{
    struct mu_tls_looking how = *as_ours;
    how.name = NULL;
    if (call(probe, &how, end_ms, facts, &facts->nameless, err) != 0)
        return -1;
    how = *as_ours;
    how.alpn = NULL;
    if (call(probe, &how, end_ms, facts, &facts->no_alpn, err) != 0)
        return -1;
    how = *as_ours;
    how.only_tls12 = false;
    how.anything = true;
    return call(probe, &how, end_ms, facts, &facts->anything, err);
}

static int tell_apart(const struct mu_probe *probe, const struct mu_tls_looking *as_ours,
                      int64_t end_ms, struct mu_probe_facts *facts, struct mu_error *err)
{
    const struct mu_probe_call *ours = &facts->ours;
    struct mu_tls_looking how = *as_ours;
    enum mu_spoken spoken = ours->plain.spoken;
    if (spoken == MU_SPOKEN_NOTHING)
        listen_in_clear(probe, end_ms, facts);
    else if (spoken != MU_SPOKEN_TLS)
        facts->plain = ours->plain;
    if ((spoken == MU_SPOKEN_TLS && (!ours->seen.chosen || ours->seen.version_unfit)) ||
        (spoken == MU_SPOKEN_NOTHING && facts->plain.spoken == MU_SPOKEN_NOTHING &&
         ours->connect_error == 0 && !ours->seen.timed_out))
        return try_other_hellos(probe, as_ours, end_ms, facts, err);
    if (!ours->seen.asked || as_ours->chain == NULL)
        return 0;
    how.chain = NULL;
    return call(probe, &how, end_ms, facts, &facts->bare, err);
}

/* As the client does it; without its certificate, if TLS has no use for that. */
static int call_first(const struct mu_probe *probe, struct mu_tls_looking *how, int64_t end_ms,
                      struct mu_probe_facts *facts, struct mu_error *err)
{
    if (call(probe, how, end_ms, facts, &facts->ours, err) == 0)
        return 0;
    if (how->chain == NULL || err->code != MU_E_TLS)
        return -1;
    mu_str_copy(facts->unusable, sizeof facts->unusable, err->what);
    how->chain = NULL;
    return call(probe, how, end_ms, facts, &facts->ours, err);
}

int mu_probe_gather(const struct mu_probe *probe, struct mu_probe_facts *ret, struct mu_error *err)
{
    const int64_t end_ms = mu_wire_now_ms() + probe->max_ms;
    struct mu_tls_looking how = {
        .chain = probe->key != NULL && probe->chain->count > 0 ? probe->chain : NULL,
        .key = probe->key,
        .name = probe->name,
        .alpn = probe->alpn != NULL ? probe->alpn : ALPN_USUAL,
        .only_tls12 = probe->only_tls12,
    };
    *ret = (struct mu_probe_facts){.now = time(NULL), .clock = time(NULL)};
    reach(probe, end_ms, ret);
    if (ret->address == NULL)
        return 0;
    if (call_first(probe, &how, end_ms, ret, err) != 0)
        return -1;
    if (came_to_nothing(&ret->ours))
        return tell_apart(probe, &how, end_ms, ret, err);
    if (probe->alpn != NULL || !speaks_h2(&ret->ours.seen))
        return 0;
    how.alpn = "http/1.1";
    return call(probe, &how, end_ms, ret, &ret->http1, err);
}
