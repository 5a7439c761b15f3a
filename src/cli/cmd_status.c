#include <inttypes.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/control.h"
#include "cli/print.h"
#include "http/client.h"

enum { TIMEOUT_S = 15, ANSWER_MAX = 1 << 30 };

/* --- Asking --- */

static bool on_body(void *arg, const void *data, size_t len)
{
    struct mu_buf *answer = arg;
    mu_buf_add(answer, data, len);
    return !mu_buf_failed(answer) && answer->len <= ANSWER_MAX;
}

static int ask(const char *path, json_t **ret, struct mu_error *err)
{
    long status = 0;
    json_error_t why;
    MU_AUTO_CLEAR(mu_tls_client) tls = MU_TLS_CLIENT_INIT;
    MU_AUTO_CLEAR(mu_buf) answer = MU_BUF_INIT;
    const struct mu_http_call call = {.url = "http://localhost/status",
                                      .unix_socket = path,
                                      .timeout_s = TIMEOUT_S,
                                      .tls = &tls,
                                      .arg = &answer,
                                      .on_body = on_body};
    struct mu_error cause = MU_ERROR_INIT;
    if (mu_http_call(&call, &status, &cause) != 0) {
        mu_fail(err, cause.code, "the server at %s does not answer", path);
        mu_cause(err, "%s", cause.cause);
        return cause.code != MU_E_CONNECT
                   ? -1
                   : mu_hint(err, "check that it runs, and that this is its user: the control "
                                  "socket is for nobody else");
    }
    *ret = status == 200 ? json_loadb(mu_buf_str(&answer), answer.len, 0, &why) : NULL;
    if (*ret != NULL)
        return 0;
    mu_fail(err, MU_E_HTTP, "what answers at %s is not a server's control socket", path);
    return mu_hint(err, "name the one that it was given: mutual serve --control PATH");
}

/* --- Showing --- */

static json_int_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value == NULL ? "" : value;
}

/* "3.1 MiB": three digits are enough for people. */
#define SIZE_LEN 16
static const char *size_text(json_int_t bytes, char ret[SIZE_LEN])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    size_t unit = 0;
    for (; n >= 1000 && unit + 1 < MU_COUNT(units); unit++)
        n /= 1024;
    snprintf(ret, SIZE_LEN, unit > 0 && n < 10 ? "%.1f %s" : "%.0f %s", n, units[unit]);
    return ret;
}

static void show_door(const json_t *door)
{
    size_t i;
    json_t *one;
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    json_array_foreach(json_object_get(door, "listen"), i, one)
        mu_buf_addf(&line, "%s%s", i > 0 ? ", " : "", json_string_value(one));
    json_array_foreach(json_object_get(door, "to"), i, one)
        mu_buf_addf(&line, "%s%s (%" JSON_INTEGER_FORMAT " open)", i > 0 ? ", " : ", in front of ",
                    text(one, "url"), number(one, "connections"));
    mu_fact("door", "%s", mu_buf_str(&line));
}

static void show_connection(const json_t *connection)
{
    char age[MU_SPAN_LEN], received[SIZE_LEN], sent[SIZE_LEN];
    const bool admitted = json_is_true(json_object_get(connection, "admitted"));
    mu_span(number(connection, "age_milliseconds") / 1000, age);
    printf("%-24s %-20s %10s %10s  %s%s\n", text(connection, "peer"), age,
           size_text(number(connection, "received"), received),
           size_text(number(connection, "sent"), sent),
           admitted ? text(connection, "subject") : "(not admitted)",
           json_is_true(json_object_get(connection, "resumed")) ? " (resumed)" : "");
}

static void show(const json_t *answer)
{
    char age[MU_SPAN_LEN], received[SIZE_LEN], sent[SIZE_LEN];
    size_t i;
    json_t *one;
    const json_t *totals = json_object_get(answer, "totals");
    const json_t *connections = json_object_get(answer, "connections");
    const json_int_t workers = number(answer, "workers"), alive = number(answer, "workers_alive");
    mu_say(MU_BOLD, "mutual %s, process %" JSON_INTEGER_FORMAT ", up %s%s\n",
           text(answer, "version"), number(answer, "process"),
           mu_span(number(answer, "age_seconds"), age),
           json_is_true(json_object_get(answer, "stopping")) ? ", stopping" : "");
    json_array_foreach(json_object_get(answer, "doors"), i, one) show_door(one);
    mu_fact("workers", "%" JSON_INTEGER_FORMAT, workers);
    if (alive < workers)
        mu_warn("%" JSON_INTEGER_FORMAT " of the workers do not answer, and their connections are "
                "not shown",
                workers - alive);
    mu_fact("open", "%zu", json_array_size(connections));
    mu_fact("so far",
            "%" JSON_INTEGER_FORMAT " admitted (%" JSON_INTEGER_FORMAT
            " resumed), %" JSON_INTEGER_FORMAT " refused, %" JSON_INTEGER_FORMAT " requests",
            number(totals, "admitted"), number(totals, "resumed"), number(totals, "refused"),
            number(totals, "requests"));
    mu_fact("bytes", "%s from clients, %s to them", size_text(number(totals, "received"), received),
            size_text(number(totals, "sent"), sent));
    if (json_array_size(connections) > 0)
        mu_say(MU_BOLD, "%-24s %-20s %10s %10s  %s\n", "CLIENT", "AGE", "RECEIVED", "SENT",
               "IDENTITY");
    json_array_foreach(connections, i, one) show_connection(one);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    char found[MU_PATH_LEN];
    json_t *answer = NULL;
    const char *path = mu_args_value(args, "socket");
    if (path == NULL && mu_control_find(found, err) != 0)
        return -1;
    if (ask(path == NULL ? found : path, &answer, err) != 0)
        return -1;
    if (mu_args_json(args)) {
        mu_print_json(answer);
        return 0;
    }
    show(answer);
    json_decref(answer);
    return 0;
}

static const struct mu_opt opts[] = {
    {"socket", 0, "PATH", "the server's control socket [see below]", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_status = {
    .name = "status",
    .args = "",
    .summary = "show what a running `mutual serve` does, and who is connected",
    .details =
        "It is asked on its control socket, `mutual serve --control PATH`, which only its own user (and root) may\n"
        "use. Without --socket that is mutual.sock in $XDG_RUNTIME_DIR, where a server of the same user has it\n"
        "unless told otherwise, or else /run/mutual/mutual.sock, that of the service.\n"
        "Ages count from the connection's beginning; bytes are those on the wire.",
    .example = "mutual status",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
