#include "explain/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "explain/probe_ask.h"

/* What a client that is not told otherwise offers. */
#define ALPN_USUAL "h2,http/1.1"
/* A server that speaks first does so at once; one that was asked needs its time. */
enum { BANNER_MS = 400, ANSWER_MS = 700, REST_MS = 150 };
/* For a handshake, and for a server to end what it does not want, without being asked anything: beyond twice what it took to end
 * the call in which it was asked. */
enum { MUTE_MS = 1500 };

static void call_clear(struct mu_probe_call *call)
{
    mu_tls_seen_clear(&call->seen);
}

void mu_probe_facts_clear(struct mu_probe_facts *facts)
{
    call_clear(&facts->ours);
    call_clear(&facts->http1);
    call_clear(&facts->bare);
    call_clear(&facts->mute);
    call_clear(&facts->nameless);
    call_clear(&facts->no_alpn);
    call_clear(&facts->anything);
}

/* --- One call --- */

static bool speaks_h2(const struct mu_tls_seen *seen)
{
    return mu_str_equal(seen->alpn, "h2");
}

int mu_probe_talk(const struct mu_probe *probe, const struct mu_tls_looking *how,
                  struct mu_transport transport, struct mu_probe_call *ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_tls_look) look = NULL;
    ret->made = true;
    if (mu_tls_look_new(how, probe->known, transport, &look, err) != 0)
        return -1;
    int result = mu_tls_look_handshake(look) ? mu_probe_ask(probe, look, &ret->http, err) : 0;
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
    const int64_t begun_ms = mu_wire_now_ms();
    if (begun_ms >= end_ms) {
        facts->out_of_time = true;
        return 0;
    }
    ret->made = true;
    ret->seen.alert = -1;
    ret->connect_error = mu_wire_connect(&wire, facts->address, until(probe, end_ms));
    if (ret->connect_error != 0)
        return 0;
    int result = mu_probe_talk(probe, how, mu_wire_transport(&wire), ret, err);
    ret->took_ms = mu_wire_now_ms() - begun_ms;
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

/* Was it our certificate that it did not want, or our question? A server of another protocol closes, too, when it is asked in HTTP.
 * Who has to be asked by it whom to refuse is slow: its patience with a silent client is measured by that with ours. */
static int say_nothing(const struct mu_probe *probe, const struct mu_tls_looking *how,
                       int64_t end_ms, struct mu_probe_facts *facts, struct mu_error *err)
{
    const struct mu_probe_call *ours = &facts->ours;
    struct mu_probe_call *mute = &facts->mute;
    const int64_t enough_ms = mu_wire_now_ms() + MUTE_MS + 2 * ours->took_ms;
    const int64_t until_ms = enough_ms < end_ms ? enough_ms : end_ms;
    MU_AUTO_CLEAR(mu_wire) wire = MU_WIRE_INIT;
    MU_AUTO_STRUCT(mu_tls_look) look = NULL;
    char scrap[64];
    if (!ours->seen.finished || !ours->seen.sent || ours->seen.alert >= 0)
        return 0;
    facts->unsure = mu_wire_connect(&wire, facts->address, until_ms) != 0;
    if (facts->unsure)
        return 0;
    if (mu_tls_look_new(how, probe->known, mu_wire_transport(&wire), &look, err) != 0)
        return -1;
    mute->made = true;
    if (mu_tls_look_handshake(look))
        mute->http.answered = mu_tls_look_read(look, scrap, sizeof scrap) > 0;
    mute->seen = mu_tls_look_take(look);
    facts->unsure = mute->seen.timed_out && (!mute->seen.finished || until_ms < enough_ms);
    return 0;
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
    if (say_nothing(probe, as_ours, end_ms, facts, err) != 0)
        return -1;
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
    if (probe->alpn != NULL || !speaks_h2(&ret->ours.seen) || ret->ours.http.status != 0)
        return 0;
    how.alpn = "http/1.1";
    return call(probe, &how, end_ms, ret, &ret->http1, err);
}
