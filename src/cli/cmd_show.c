#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "authority/choose.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/describe.h"
#include "cli/print.h"
#include "cli/records.h"
#include "pki/info.h"

struct showing {
    struct mu_store *store;
    time_t now;
    bool json, pem;
    size_t count; /* shown so far */
    int result;
    struct mu_error *err;
};

/* --- What the trail tells of it --- */

struct history {
    json_t *json; /* NULL: as text */
    bool issued;  /* does it tell that it was issued? */
    size_t count;
};

static const char *printable(const char *text, char *ret, size_t cap)
{
    return mu_str_printable(text, strlen(text), ret, cap);
}

static bool add_entry(void *arg, const struct mu_trail_entry *entry)
{
    struct history *history = arg;
    char date[MU_DATE_LEN], who[256], host[256], action[64], detail[512];
    printable(entry->who, who, sizeof who);
    printable(entry->host, host, sizeof host);
    printable(entry->action, action, sizeof action);
    printable(entry->detail, detail, sizeof detail);
    history->issued =
        history->issued || mu_str_equal(action, "issue") || mu_str_equal(action, "renew");
    if (history->json != NULL)
        json_array_append_new(history->json, json_pack("{s:I, s:o, s:s, s:s, s:s, s:s}", "entry",
                                                       (json_int_t)entry->seq, "at",
                                                       mu_time_json(entry->at), "action", action,
                                                       "who", who, "host", host, "detail", detail));
    else
        mu_fact(history->count == 0 ? "history" : "", "%s: %s, by %s on %s (entry %" PRId64 ")",
                mu_date(entry->at, date), action, who, host, entry->seq);
    history->count++;
    return true;
}

static int show_history(const struct showing *showing, const struct mu_record *record,
                        struct mu_error *err)
{
    char date[MU_DATE_LEN];
    struct history history = {.json = NULL};
    if (mu_store_trail_about(showing->store, record->serial, add_entry, &history, err) != 0)
        return -1;
    if (!history.issued)
        mu_fact("issued", "%s, by whom the audit trail does not tell",
                mu_date(record->issued_at, date));
    return 0;
}

/* --- One record --- */

static void show_state(const struct mu_record *record, time_t now)
{
    const struct mu_revocation *revocation = &record->revocation;
    char date[MU_DATE_LEN], when[MU_SPAN_LEN];
    enum mu_state state = mu_record_state(record, now);
    const enum mu_style style = MU_STATE_STYLE(state);
    if (revocation->at == 0)
        mu_fact_styled("state", style, mu_state_name(state), "%s", "");
    else
        mu_fact_styled("state", style, mu_state_name(state), " %s, on %s: %s",
                       mu_relative(revocation->at, now, when), mu_date(revocation->at, date),
                       mu_reason_name(revocation->reason));
    if (revocation->invalid_since != 0)
        mu_fact("not believed", "from %s on", mu_date(revocation->invalid_since, date));
}

static int show_text(const struct showing *showing, const struct mu_record *record,
                     const struct mu_cert *cert, struct mu_error *err)
{
    char name[1024], profile[64];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(cert, showing->now, &info, err) != 0)
        return -1;
    if (showing->count > 0)
        printf("\n");
    mu_say(MU_BOLD, "%s", printable(record->name, name, sizeof name));
    printf(": a %s certificate\n", printable(record->profile, profile, sizeof profile));
    show_state(record, showing->now);
    if (show_history(showing, record, err) != 0)
        return -1;
    mu_describe_cert(&info, showing->now);
    return 0;
}

static int pem_of(const struct mu_cert *cert, struct mu_buf *ret, struct mu_error *err)
{
    mu_cert_to_pem(cert, ret);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

static int show_pem(const struct mu_cert *cert, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    if (pem_of(cert, &pem, err) != 0)
        return -1;
    fputs(mu_buf_str(&pem), stdout);
    return 0;
}

static int show_json(const struct showing *showing, const struct mu_record *record,
                     const struct mu_cert *cert, struct mu_error *err)
{
    struct history history = {.json = json_array()};
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    MU_AUTO_CLEAR(mu_buf) pem = MU_BUF_INIT;
    if (mu_cert_info_read(cert, showing->now, &info, err) != 0 || pem_of(cert, &pem, err) != 0 ||
        mu_store_trail_about(showing->store, record->serial, add_entry, &history, err) != 0) {
        json_decref(history.json);
        return -1;
    }
    json_t *to = mu_record_json(record, showing->now);
    json_object_set_new(to, "certificate", mu_cert_json(&info));
    json_object_set_new(to, "history", history.json);
    if (showing->pem)
        json_object_set_new(to, "pem", json_string(mu_buf_str(&pem)));
    mu_print_json_line(to);
    return 0;
}

static bool show(void *arg, const struct mu_record *record)
{
    struct showing *showing = arg;
    MU_AUTO_STRUCT(mu_cert) cert = NULL;
    showing->result =
        mu_cert_parse("the CA's records", record->der, record->der_len, &cert, showing->err) != 0
            ? -1
        : showing->json ? show_json(showing, record, cert, showing->err)
        : showing->pem  ? show_pem(cert, showing->err)
                        : show_text(showing, record, cert, showing->err);
    showing->count++;
    return false;
}

static int show_chosen(struct showing *showing, const char *text, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_choices) choices = {.at = NULL};
    if (mu_choose(showing->store, text, &choices, err) != 0)
        return -1;
    for (size_t i = 0; i < choices.count; i++)
        if (mu_store_find(showing->store, choices.at[i].serial, show, showing, err) != 0 ||
            showing->result != 0)
            return -1;
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_store) store = NULL;
    if (mu_records_open(args, &store, err) != 0)
        return -1;
    struct showing showing = {.store = store,
                              .now = time(NULL),
                              .json = mu_args_json(args),
                              .pem = mu_args_given(args, "pem"),
                              .err = err};
    for (int i = 0; i < mu_args_count(args); i++)
        if (show_chosen(&showing, mu_args_at(args, i), err) != 0)
            return -1;
    return 0;
}

static const struct mu_opt opts[] = {
    {"pem", 0, NULL, "print the certificate itself instead; with --json, too", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_show = {
    .name = "show",
    .args = "NAME|SERIAL|FINGERPRINT|FILE.crt...",
    .summary = "show all that the CA knows of a certificate that it has issued",
    .details =
        "Its state, who issued, revoked and released it when, and the certificate as inspect shows it. A NAME\n"
        "shows every certificate that has it, oldest first. Of a SERIAL number or a SHA-256 FINGERPRINT the\n"
        "beginning is enough, four digits at least, where only one begins so.\n"
        "With --json: one object a line.",
    .example = "mutual show my-client\n"
               "mutual show my-client.crt --json\n"
               "mutual show my-client --pem",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
