#include <inttypes.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/control.h"
#include "cli/print.h"
#include "cli/seen.h"
#include "pki/info.h"

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

/* --- Whose certificates end --- */

static int by_end(const void *a, const void *b)
{
    const time_t one = mu_cert_not_after((*(struct mu_seen_chain *const *)a)->chain.at[0]);
    const time_t other = mu_cert_not_after((*(struct mu_seen_chain *const *)b)->chain.at[0]);
    return one < other ? -1 : one > other;
}

static void show_ending(const struct mu_args *args, const struct mu_seen_chain *client, json_t *list)
{
    char label[MU_CERT_LABEL_LEN], serial[MU_SERIAL_TEXT_LEN], date[MU_DATE_LEN], in[MU_SPAN_LEN];
    const struct mu_cert *cert = client->chain.at[0];
    const time_t end = mu_cert_not_after(cert);
    mu_cert_label(cert, label);
    mu_cert_serial(cert, serial);
    if (mu_args_json(args))
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:I, s:s}", "client", label,
                                              "serial", serial, "listen", client->listen,
                                              "connected", client->connected, "last_seen",
                                              (json_int_t)client->last_seen, "not_after",
                                              mu_date_rfc3339(end, date)));
    else
        printf("%s %-22s \"%s\" (serial number %s)%s\n", mu_date(end, date),
               mu_relative(end, time(NULL), in), label, serial,
               client->connected ? ", connected" : "");
}

static int show_expiring(const struct mu_args *args, struct mu_error *err)
{
    int64_t within_s;
    size_t count = 0;
    MU_AUTO_CLEAR(mu_seen_answer) seen = {0};
    if (mu_duration_parse(mu_args_value(args, "within"), &within_s, err) != 0 ||
        mu_seen_ask(mu_args_value(args, "socket"), 0, &seen, err) != 0)
        return -1;
    struct mu_seen_chain **ending = calloc(seen.count + 1, sizeof(struct mu_seen_chain *));
    if (ending == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < seen.count; i++)
        if (!seen.at[i].again && mu_cert_not_after(seen.at[i].chain.at[0]) < time(NULL) + within_s)
            ending[count++] = &seen.at[i];
    qsort(ending, count, sizeof(struct mu_seen_chain *), by_end);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        show_ending(args, ending[i], list);
    free(ending);
    if (mu_args_json(args)) {
        mu_print_json(list);
        return 0;
    }
    json_decref(list);
    if (count == 0)
        printf("no client that has come in has a certificate that ends so soon\n");
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    if (mu_args_given(args, "expiring"))
        return show_expiring(args, err);

    json_t *answer = NULL;
    const struct mu_control_call call = {.socket = mu_args_value(args, "socket"),
                                         .method = "GET",
                                         .path = "/status"};
    if (mu_control_ask(&call, &answer, err) != 0)
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
    {"expiring", 0, NULL, "show instead whose certificates end soon, of those who came in", NULL,
     false},
    {"within", 0, "DURATION", "how soon", "14d", false},
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
        "--expiring shows instead whose certificates end within --within, of some 16,000 clients who came in lately.\n"
        "Ages count from the connection's beginning; bytes are those on the wire.",
    .example = "mutual status",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
