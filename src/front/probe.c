#include "front/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "front/internal.h"
#include "http/h1.h"

static const struct mu_h1_limits limits = {.target = 1024, .head = 8 * 1024, .body = 1024};

struct session {
    const struct mu_probe *probe;
    const struct mu_survey *survey;
    struct mu_h1 *h1;
};

/* --- Metrics --- */

static void tell_metrics(const struct session *s, struct mu_response *ret)
{
    MU_AUTO_CLEAR(mu_measured) measured = {0};
    if (!s->probe->measure(s->probe->arg, s->survey, &measured)) {
        mu_response_sentence(ret, 503, "there is not enough memory");
        return;
    }
    ret->status = 200;
    ret->content_type = MU_METRICS_TYPE;
    mu_metrics_write(&measured.metrics, &ret->text);
}

/* --- The others --- */

static void tell_health(const struct session *s, struct mu_response *ret)
{
    if (s->survey->alive == s->survey->workers)
        mu_response_sentence(ret, 200, "all workers answer");
    else
        mu_response_sentence(ret, 503, "a worker thread does not answer");
}

static void tell_readiness(const struct session *s, struct mu_response *ret)
{
    if (s->survey->stopping)
        mu_response_sentence(ret, 503, "it is stopping, and takes no more clients");
    else if (s->survey->alive == s->survey->workers)
        mu_response_sentence(ret, 200, "clients are being admitted");
    else
        tell_health(s, ret);
}

static void tell_status(const struct session *s, struct mu_response *ret)
{
    const struct mu_front *front = s->probe->front;
    ret->status = 200;
    ret->content_type = "application/json";
    front->config.describe(front, s->survey, &ret->text);
}

/* --- Kicking out --- */

enum { FOR_MAX_S = 366 * 24 * 3600 };

static size_t count_hits(const struct session *s, time_t now)
{
    struct mu_kicks *kicks = s->probe->front->kicks;
    size_t count = 0;
    for (size_t i = 0; i < s->survey->connection_count; i++) {
        struct mu_error ignored = MU_ERROR_INIT;
        MU_AUTO_STRUCT(mu_identity) who = NULL;
        const struct mu_connection_view *view = &s->survey->connections[i];
        if (view->client != NULL && view->admitted && !view->expelled &&
            mu_identity_read(view->client, &who, &ignored) == 0)
            count += mu_kicks_hit(kicks, who, now, NULL) ? 1 : 0;
    }
    return count;
}

static void kick(const struct session *s, const char *who, const char *for_s,
                 struct mu_response *ret)
{
    struct mu_error err = MU_ERROR_INIT;
    const time_t now = time(NULL);
    char *end = NULL;
    const long seconds = for_s == NULL ? 0 : strtol(for_s, &end, 10);
    if (end == NULL || *end != '\0' || seconds < 1 || seconds > FOR_MAX_S) {
        mu_response_sentence(ret, 400, "Mutual-For is how many seconds, a year of them at most");
        return;
    }
    if (mu_front_kick(s->probe->front, who, now + seconds, &err) != 0) {
        mu_response_sentence(ret, 400, err.what);
        mu_buf_addf(&ret->text, "hint: %s\n", err.hint);
        return;
    }
    ret->status = 200;
    ret->content_type = "application/json";
    mu_buf_addf(&ret->text, "{\"connections\": %zu}\n", count_hits(s, now));
}

static void undo_kick(const struct session *s, const char *who, struct mu_response *ret)
{
    if (!mu_front_undo_kick(s->probe->front, who)) {
        mu_response_sentence(ret, 404, "nobody is kicked out under this name");
        mu_buf_adds(&ret->text, "hint: see who is: mutual kick --list\n");
        return;
    }
    ret->status = 200;
    ret->content_type = "application/json";
    mu_buf_adds(&ret->text, "{}\n");
}

/* POST and DELETE of /kick; whom and for how long is in header lines of their own. False: it is something else. */
static bool changes_kicks(const struct session *s, const struct mu_request *request,
                          struct mu_response *ret)
{
    const char *who = mu_request_header(request, "Mutual-Client");
    if (s->probe->front == NULL || !mu_str_equal(mu_target_origin(request->target), "/kick") ||
        who == NULL)
        return false;
    if (mu_request_is(request, "POST"))
        kick(s, who, mu_request_header(request, "Mutual-For"), ret);
    else if (mu_request_is(request, "DELETE"))
        undo_kick(s, who, ret);
    else
        return false;
    return true;
}

static void tell_seen(const struct session *s, struct mu_response *ret)
{
    const struct mu_front *front = s->probe->front;
    ret->status = 200;
    ret->content_type = "application/json";
    front->config.describe_seen(front, s->survey, &ret->text);
}

static const struct {
    const char *path;
    bool only_control;
    void (*tell)(const struct session *s, struct mu_response *ret);
} pages[] = {
    {"/metrics", false, tell_metrics},  {"/healthz", false, tell_health},
    {"/readyz", false, tell_readiness}, {"/status", true, tell_status},
    {"/seen", true, tell_seen},
};

static void find_page(const struct session *s, const char *path, struct mu_response *ret)
{
    size_t len = strcspn(path, "?");
    for (size_t i = 0; i < MU_COUNT(pages); i++)
        if (strlen(pages[i].path) == len && strncmp(pages[i].path, path, len) == 0 &&
            (s->probe->front != NULL || !pages[i].only_control)) {
            pages[i].tell(s, ret);
            return;
        }
    mu_response_sentence(ret, 404, "there are /metrics, /healthz and /readyz");
}

static void respond(void *arg, const struct mu_request *request, struct mu_response *ret)
{
    struct session *s = arg;
    mu_h1_stop(
        s->h1); /* the next question wants new answers of the workers: on another connection */
    if (mu_request_is(request, "GET") || mu_request_is(request, "HEAD")) {
        find_page(s, mu_target_origin(request->target), ret);
        return;
    }
    if (changes_kicks(s, request, ret))
        return;
    mu_response_sentence(ret, 405, "only GET and HEAD are answered here");
    mu_buf_adds(&ret->headers, "Allow: GET, HEAD\r\n");
}

static time_t now(void *arg)
{
    (void)arg;
    return time(NULL);
}

static void responded(void *arg, const struct mu_request *request, int status)
{
    (void)arg;
    (void)request;
    (void)status;
}

static const struct mu_h1_handler handler = {.now = now, .respond = respond, .responded = responded};

/* --- What net asks --- */

static void *session_open(void *arg, const struct mu_survey *survey)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->probe = arg;
    s->survey = survey;
    s->h1 = mu_h1_new(&handler, s, &limits);
    if (s->h1 != NULL)
        return s;
    free(s);
    return NULL;
}

static bool session_input(void *arg, const void *data, size_t len)
{
    struct session *s = arg;
    return mu_h1_input(s->h1, data, len);
}

static size_t session_output(void *arg, const char **ret)
{
    struct session *s = arg;
    return mu_h1_output(s->h1, ret);
}

static void session_taken(void *arg, size_t len)
{
    struct session *s = arg;
    mu_h1_taken(s->h1, len);
}

static bool session_done(void *arg)
{
    struct session *s = arg;
    return mu_h1_phase(s->h1) == MU_H1_DONE;
}

static void session_close(void *arg)
{
    struct session *s = arg;
    mu_h1_free(s->h1);
    free(s);
}

const struct mu_plain_handler mu_probe_handler = {
    .open = session_open,
    .input = session_input,
    .output = session_output,
    .taken = session_taken,
    .done = session_done,
    .close = session_close,
};
