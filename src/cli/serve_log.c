#include "cli/serve_log.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/log_sink.h"
#include "explain/cause_of.h"
#include "pki/info.h"

/* Clients whose certificates have been looked over for faults; when full, it begins anew. */
enum { SEEN_SLOTS = 4096 };

struct mu_serve_log {
    bool json;
    struct mu_log_sink *sink;
    int64_t warning_s;    /* before the end of a client's certificate */
    pthread_mutex_t lock; /* on `seen` */
    unsigned char seen[SEEN_SLOTS][32];
};

static size_t write_lost(void *arg, uint64_t count, char *ret, size_t cap);

int mu_serve_log_new(bool json, struct mu_serve_log **ret, struct mu_error *err)
{
    struct mu_serve_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return mu_fail_nomem(err);
    log->json = json;
    if (mu_log_sink_new(write_lost, log, &log->sink, err) != 0) {
        free(log);
        return -1;
    }
    pthread_mutex_init(&log->lock, NULL);
    *ret = log;
    return 0;
}

void mu_serve_log_free(struct mu_serve_log *log)
{
    if (log == NULL)
        return;
    mu_log_sink_free(log->sink);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static void add_json(struct mu_buf *line, json_t *object)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    if (text != NULL)
        mu_buf_addf(line, "%s\n", text);
    free(text);
    json_decref(object);
}

static void put(struct mu_serve_log *log, const struct mu_buf *line)
{
    mu_log_sink_put(log->sink, mu_buf_str(line), line->len);
}

static void put_json(struct mu_serve_log *log, json_t *object)
{
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    add_json(&line, object);
    put(log, &line);
}

/* The words that every event has: when, who, what, why, what to do. */
static void add_event(struct mu_buf *line, bool json, const char *event, const char *from,
                      const char *id, const char *sentence, const char *hint, const char *cause,
                      const char *cause_id)
{
    char when[MU_DATE_LEN];
    mu_date_rfc3339(time(NULL), when);
    if (json)
        add_json(line, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "time", when, "event",
                                 event, "peer", from, "id", id, "sentence", sentence, "hint", hint,
                                 "cause", cause, "cause_id", cause_id));
    else
        mu_buf_addf(line, "%s %s %s %s: %s%s%s%s%s%s%s%s\n", when, from, event, id, sentence,
                    *cause != '\0' ? " (" : "", cause, *cause != '\0' ? ")" : "",
                    *hint != '\0' ? "; hint: " : "", hint, *cause_id != '\0' ? "; cause: " : "",
                    cause_id);
}

static void tell(struct mu_serve_log *log, const char *event, const struct mu_address *peer,
                 const char *id, const char *sentence, const char *hint, const char *cause,
                 const char *cause_id)
{
    char from[MU_ADDRESS_LEN] = "-";
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    if (peer != NULL)
        mu_address_text(peer, from);
    add_event(&line, log->json, event, from, id, sentence, hint, cause, cause_id);
    put(log, &line);
}

static size_t write_lost(void *arg, uint64_t count, char *ret, size_t cap)
{
    const struct mu_serve_log *log = arg;
    char sentence[128];
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    snprintf(sentence, sizeof sentence, "%" PRIu64 " line%s of this log could not be written",
             count, count == 1 ? "" : "s");
    add_event(&line, log->json, "trouble", "-", "log-lost", sentence,
              "look at what takes standard error: a full disk, or a reader that does not keep up",
              "", "");
    return mu_str_copy(ret, cap, mu_buf_str(&line)) ? line.len : 0;
}

/* As `mutual explain` has it; "" where there is nothing to explain. */
static const char *id_of_cause(enum mu_cause_id cause)
{
    return cause == MU_CAUSE_COUNT || cause == MU_CAUSE_other ? "" : mu_cause_of(cause)->id;
}

static void on_refused(void *arg, const struct mu_address *peer, const struct mu_refusal *refusal)
{
    tell(arg, "refused", peer, refusal->id, refusal->sentence, refusal->hint, refusal->cause,
         id_of_cause(mu_cause_of_refusal(refusal)));
}

/* Who, before why: the reason may be another certificate of the chain. */
static void on_expelled(void *arg, const struct mu_address *peer, const struct mu_cert *client,
                        const struct mu_refusal *refusal)
{
    char label[MU_CERT_LABEL_LEN], serial[MU_SERIAL_TEXT_LEN], sentence[2 * MU_ERROR_WHAT_LEN];
    if (client == NULL)
        mu_str_copy(sentence, sizeof sentence, refusal->sentence);
    else
        snprintf(sentence, sizeof sentence, "\"%s\" (serial number %s) has to leave: %s",
                 mu_cert_label(client, label), mu_cert_serial(client, serial), refusal->sentence);
    tell(arg, "expelled", peer, refusal->id, sentence, refusal->hint, refusal->cause,
         id_of_cause(mu_cause_of_refusal(refusal)));
}

static void on_trouble(void *arg, const char *id, const char *sentence, const char *hint)
{
    tell(arg, "trouble", NULL, id, sentence, hint, "", "");
}

static bool seen_before(struct mu_serve_log *log, const struct mu_cert *client)
{
    unsigned char sha256[32];
    unsigned slot;
    mu_cert_sha256(client, sha256);
    memcpy(&slot, sha256, sizeof slot);
    unsigned char *at = log->seen[slot % SEEN_SLOTS];
    pthread_mutex_lock(&log->lock);
    bool seen = memcmp(at, sha256, sizeof sha256) == 0;
    if (!seen)
        memcpy(at, sha256, sizeof sha256);
    pthread_mutex_unlock(&log->lock);
    return seen;
}

void mu_serve_log_warn_before(struct mu_serve_log *log, int64_t warning_s)
{
    log->warning_s = warning_s;
}

/* In the last quarter of its time, as far as that is near. */
static void warn_of_end(struct mu_serve_log *log, const struct mu_address *peer,
                        const struct mu_cert *client)
{
    char label[MU_CERT_LABEL_LEN], serial[MU_SERIAL_TEXT_LEN], span[MU_SPAN_LEN];
    char sentence[MU_ERROR_WHAT_LEN];
    const struct mu_seen_client ends = {.from = mu_cert_not_before(client),
                                        .until = mu_cert_not_after(client)};
    const time_t now = time(NULL);
    if (!mu_seen_ends_soon(&ends, now, log->warning_s))
        return;
    snprintf(sentence, sizeof sentence,
             "the client certificate \"%s\" (serial number %s) is let in, but it expires in %s",
             mu_cert_label(client, label), mu_cert_serial(client, serial),
             mu_span(ends.until - now, span));
    tell(log, "warning", peer, "expires_soon", sentence, "renew it: mutual renew NAME", "",
         "expires_soon");
}

/* Certificates that work here and would not elsewhere (no SAN, X.509 v1, about to expire): said once for
 * each, when it is first seen. */
static void on_admitted(void *arg, const struct mu_address *peer, const struct mu_cert *client)
{
    struct mu_serve_log *log = arg;
    struct mu_error err = MU_ERROR_INIT;
    char label[MU_CERT_LABEL_LEN], sentence[MU_ERROR_WHAT_LEN];
    if (seen_before(log, client))
        return;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    warn_of_end(log, peer, client);
    if (mu_cert_info_read(client, time(NULL), &info, &err) != 0)
        return;
    for (size_t i = 0; i < info.problems.count; i++) {
        if (mu_str_starts_with(info.problem_ids.at[i], "server_") ||
            mu_str_equal(info.problem_ids.at[i], "expires_soon"))
            continue; /* what it would lack as a server's is no matter here; and what is soon, somebody has chosen */
        snprintf(sentence, sizeof sentence, "the client certificate \"%s\" is let in, but %s",
                 mu_cert_label(client, label), info.problems.at[i]);
        tell(log, "warning", peer, info.problem_ids.at[i], sentence,
             "issue a new one: mutual issue client NAME", "", info.problem_ids.at[i]);
    }
}

/* A name that another CA certified may hold spaces, and behind them what looks like the rest of the line. */
static void add_word(struct mu_buf *line, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        *p == ' ' ? mu_buf_adds(line, "\\x20") : mu_buf_add(line, p, 1);
}

static void add_who(struct mu_buf *line, const struct mu_who *who)
{
    mu_buf_addf(line, "\"%s\" ", who->subject);
    add_word(line, who->san[0] == '\0' ? "-" : who->san);
    mu_buf_adds(line, " ");
}

static json_t *request_object(const struct mu_request_event *event, const char *when,
                              const char *from, const char *target)
{
    const char *method = event->method == NULL ? "-" : event->method;
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "time", when, "event", "request",
                  "peer", from, "subject", event->who->subject, "san", event->who->san, "method",
                  method, "path", target, "protocol", event->protocol, "status", event->status);
    if (object != NULL && event->backend != NULL)
        json_object_update_new(object,
                               json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "backend",
                                         event->backend, "id", event->id, "cause", event->cause,
                                         "received", (json_int_t)event->received, "sent",
                                         (json_int_t)event->sent, "milliseconds",
                                         (json_int_t)event->ms));
    return object;
}

static void on_requested(void *arg, const struct mu_request_event *event)
{
    struct mu_serve_log *log = arg;
    char when[MU_DATE_LEN], from[MU_ADDRESS_LEN], target[1024] = "-";
    mu_date_rfc3339(time(NULL), when);
    mu_address_text(event->peer, from);
    if (event->target != NULL)
        mu_str_printable(event->target, strlen(event->target), target, sizeof target);
    if (log->json) {
        put_json(log, request_object(event, when, from, target));
        return;
    }
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    mu_buf_addf(&line, "%s %s request ", when, from);
    add_who(&line, event->who);
    mu_buf_addf(&line, "%s %s %d %s", event->method == NULL ? "-" : event->method, target,
                event->status, event->protocol);
    if (event->backend != NULL)
        mu_buf_addf(&line, " %s%s%s%s%s%s, received %" PRIu64 ", sent %" PRIu64 ", %" PRIu64 " ms",
                    event->backend[0] == '\0' ? "-" : event->backend,
                    event->id[0] == '\0' ? "" : " ", event->id, event->cause[0] == '\0' ? "" : " (",
                    event->cause, event->cause[0] == '\0' ? "" : ")", event->received, event->sent,
                    event->ms);
    mu_buf_adds(&line, "\n");
    put(log, &line);
}

/* There was no TLS with the backend, or no more of it: the words are those of a refusal. */
static void tell_failure(struct mu_serve_log *log, const struct mu_forward_event *event)
{
    const struct mu_refusal *refusal = event->refusal;
    const char *cause_id = id_of_cause(mu_cause_of_refusal(refusal));
    char when[MU_DATE_LEN], from[MU_ADDRESS_LEN];
    mu_date_rfc3339(time(NULL), when);
    mu_address_text(event->peer, from);
    if (log->json) {
        put_json(log, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "time", when,
                                "event", "failed", "peer", from, "backend", event->backend, "id",
                                refusal->id, "sentence", refusal->sentence, "hint", refusal->hint,
                                "cause", refusal->cause, "cause_id", cause_id));
        return;
    }
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    mu_buf_addf(&line, "%s %s failed %s %s: %s%s%s%s; hint: %s%s%s\n", when, from, event->backend,
                refusal->id, refusal->sentence, refusal->cause[0] == '\0' ? "" : " (",
                refusal->cause, refusal->cause[0] == '\0' ? "" : ")", refusal->hint,
                cause_id[0] == '\0' ? "" : "; cause: ", cause_id);
    put(log, &line);
}

static json_t *carried_object(const struct mu_forward_event *event, const char *when,
                              const char *from)
{
    const struct mu_who *who = event->who;
    return json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s, s:s, s:s, s:I, s:I, s:I}", "time", when,
                     "event", "connection", "peer", from, "subject",
                     who == NULL ? NULL : who->subject, "san", who == NULL ? NULL : who->san,
                     "backend", event->backend, "id", event->id, "cause", event->cause, "received",
                     (json_int_t)event->received, "sent", (json_int_t)event->sent, "milliseconds",
                     (json_int_t)event->ms);
}

static void on_forwarded(void *arg, const struct mu_forward_event *event)
{
    struct mu_serve_log *log = arg;
    char when[MU_DATE_LEN], from[MU_ADDRESS_LEN];
    if (event->refusal != NULL) {
        tell_failure(log, event);
        return;
    }
    mu_date_rfc3339(time(NULL), when);
    mu_address_text(event->peer, from);
    if (log->json) {
        put_json(log, carried_object(event, when, from));
        return;
    }
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    mu_buf_addf(&line, "%s %s connection ", when, from);
    if (event->who != NULL)
        add_who(&line, event->who);
    mu_buf_addf(&line, "%s %s%s%s%s, received %" PRIu64 ", sent %" PRIu64 ", %" PRIu64 " ms\n",
                event->backend[0] == '\0' ? "-" : event->backend, event->id,
                event->cause[0] == '\0' ? "" : " (", event->cause,
                event->cause[0] == '\0' ? "" : ")", event->received, event->sent, event->ms);
    put(log, &line);
}

void mu_serve_log_reload(struct mu_serve_log *log, const struct mu_reload_event *event)
{
    enum mu_cause_id cause = event->err == NULL ? MU_CAUSE_COUNT : mu_cause_of_error(event->err);
    tell(log, "reload", NULL, event->id, event->sentence, event->hint, event->cause,
         id_of_cause(cause));
}

static void on_reloaded(void *arg, const struct mu_reload_event *event)
{
    mu_serve_log_reload(arg, event);
}

void mu_serve_log_succeeded(struct mu_serve_log *log, pid_t successor)
{
    char sentence[128];
    snprintf(
        sentence, sizeof sentence,
        "process %ld has taken over; this one ends when its clients have, or when stop_timeout is over",
        (long)successor);
    tell(log, "upgrade", NULL, "handed-on", sentence, "", "", "");
}

uint64_t mu_serve_log_lines_lost(void *arg)
{
    const struct mu_serve_log *log = arg;
    return mu_log_sink_lost(log->sink);
}

void mu_serve_log_attach(struct mu_serve_log *log, unsigned classes, struct mu_front_config *config)
{
    config->server_events =
        (struct mu_server_events){.arg = log,
                                  .refused = on_refused,
                                  .admitted = on_admitted,
                                  .expelled = on_expelled,
                                  .trouble = (classes & MU_LOG_TROUBLES) != 0 ? on_trouble : NULL};
    config->events = (struct mu_front_events){.arg = log,
                                              .requested = on_requested,
                                              .failed = on_requested,
                                              .forwarded = on_forwarded,
                                              .lines_lost = mu_serve_log_lines_lost};
    config->log = classes;
    config->reloaded = classes != 0 ? on_reloaded : NULL;
}

void mu_serve_log_attach_server(struct mu_serve_log *log, unsigned classes,
                                struct mu_server_events *events)
{
    events->arg = log;
    events->trouble = (classes & MU_LOG_TROUBLES) != 0 ? on_trouble : NULL;
}

void mu_serve_log_attach_tunnel(struct mu_serve_log *log, unsigned classes,
                                struct mu_forward *forward)
{
    const bool connections = (classes & MU_LOG_CONNECTIONS) != 0;
    forward->forwarded = connections || (classes & MU_LOG_TROUBLES) != 0 ? on_forwarded : NULL;
    forward->only_failed = !connections;
    forward->arg = log;
}
