#include "cli/check_running.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/print.h"
#include "cli/seen.h"
#include "cli/serve_home.h"
#include "front/door.h"
#include "front/serve.h"
#include "tls/lists.h"
#include "tls/names.h"
#include "tls/vetted.h"

/* What a client is judged by. `lax`: where the options name lists, a CA without one lets in everybody, and so does one whose list is
 * out of date, which `context` is asked about. */
struct rules {
    struct mu_tls_context *context, *lax; /* lax NULL: there is nothing to forgive */
    const struct mu_door *door;           /* whose rules count, too; NULL: none's */
};

struct others {
    struct mu_doors *doors; /* NULL: `one` is for all */
    struct rules one, *of_doors;
};

static void clear_rules(struct rules *rules)
{
    mu_tls_context_free(rules->context);
    mu_tls_context_free(rules->lax);
}

static void clear_others(struct others *others)
{
    clear_rules(&others->one);
    for (size_t i = 0; others->of_doors != NULL && i < others->doors->count; i++)
        clear_rules(&others->of_doors[i]);
    free(others->of_doors);
    mu_doors_free(others->doors);
}
MU_AUTO_DEFINE_CLEAR(others, clear_others)

bool mu_check_is_running(const struct mu_args *args)
{
    return mu_args_count(args) == 0 && !mu_args_given(args, "who") &&
           (mu_args_given(args, "trust") || mu_args_given(args, "crl") ||
            mu_args_given(args, "config"));
}

/* --- Loading --- */

static int load_doors(const struct mu_args *args, struct others *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_serve_home) home = {0};
    struct mu_door_loader loader = mu_serve_loader(args, &home);
    struct mu_config *config = NULL;
    loader.only_look = true;
    if (mu_serve_load(args, mu_args_value(args, "config"), &config, err) != 0 ||
        mu_doors_load(config, &loader, &ret->doors, err) != 0)
        return -1;
    ret->of_doors = calloc(ret->doors->count, sizeof *ret->of_doors);
    if (ret->of_doors == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < ret->doors->count; i++) {
        const struct mu_door *door = &ret->doors->at[i];
        ret->of_doors[i].door = door;
        if (mu_tls_context_to_judge(&door->anchors, door->revoked, &ret->of_doors[i].context,
                                    err) != 0)
            return -1;
    }
    return 0;
}

static int make_context(const struct mu_certs *trust, const struct mu_crls *crls, int64_t grace_s,
                        struct mu_tls_context **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_tls_lists) lists = NULL;
    return mu_tls_lists_new(crls, trust, grace_s, NULL, &lists, err) != 0
               ? -1
               : mu_tls_context_to_judge(trust, lists, ret, err);
}

/* Of the server, what is not named here stays: its CAs, and their lists, of which we know nothing. */
static int load_options(const struct mu_args *args, const struct mu_certs *present,
                        struct rules *ret, struct mu_error *err)
{
    const char *text, *grace = mu_args_value(args, "crl-grace");
    MU_AUTO_CLEAR(mu_certs) trust = {0};
    MU_AUTO_CLEAR(mu_crls) crls = {0};
    int64_t grace_s = MU_CRL_GRACE_CLOSED;
    if (grace != NULL && !mu_crl_grace_parse(grace, &grace_s))
        return mu_usage(err, args, "--crl-grace is closed, open or a duration, not \"%s\"", grace);
    for (int i = 0; (text = mu_args_nth(args, "trust", i)) != NULL; i++)
        if (mu_cas_load(text, NULL, &trust, err) != 0)
            return -1;
    for (int i = 0; (text = mu_args_nth(args, "crl", i)) != NULL; i++)
        if (mu_crls_load(text, &crls, err) != 0)
            return -1;
    const struct mu_certs *anchors = trust.count > 0 ? &trust : present;
    return make_context(anchors, &crls, MU_CRL_GRACE_OPEN, &ret->lax, err) != 0
               ? -1
               : make_context(anchors, &crls, grace_s, &ret->context, err);
}

static int load(const struct mu_args *args, const struct mu_certs *present, struct others *ret,
                struct mu_error *err)
{
    if (!mu_args_given(args, "config"))
        return load_options(args, present, &ret->one, err);
    if (mu_args_given(args, "trust") || mu_args_given(args, "crl") ||
        mu_args_given(args, "crl-grace"))
        return mu_usage(err, args,
                        "--config describes whole doors; give --trust, --crl and --crl-grace "
                        "without it");
    return load_doors(args, ret, err);
}

/* --- Judging --- */

/* The door of the new ones to which a client would come. */
static const struct rules *rules_for(const struct others *others, const struct mu_seen_chain *client)
{
    char listen[MU_PATH_LEN];
    const struct rules *for_all = NULL;
    if (others->doors == NULL)
        return &others->one;
    for (size_t i = 0; i < others->doors->count; i++) {
        const struct mu_door_config *config = others->doors->at[i].config;
        bool here = false;
        for (size_t j = 0; j < config->listen.count; j++)
            here =
                here || mu_str_equal(mu_listen_whole(config->listen.at[j], listen), client->listen);
        if (here && config->names.count == 0)
            for_all = &others->of_doors[i];
        if (here && mu_tls_name_leads(&config->names, client->name))
            return &others->of_doors[i];
    }
    return for_all;
}

static bool is_authentic(const struct rules *rules, const struct mu_seen_chain *client,
                         struct mu_refusal *ret)
{
    if (rules->lax == NULL)
        return mu_tls_would_vet(rules->context, &client->chain, ret);
    return mu_tls_would_vet(rules->lax, &client->chain, ret) &&
           (mu_tls_would_vet(rules->context, &client->chain, ret) ||
            ret->fault != MU_FAULT_CRL_EXPIRED);
}

static int judge(const struct rules *rules, const struct mu_seen_chain *client,
                 char ret[MU_ERROR_WHAT_LEN], struct mu_error *err)
{
    struct mu_refusal refusal = {.sentence = ""};
    MU_AUTO_STRUCT(mu_identity) who = NULL;
    if (mu_identity_read(client->chain.at[0], &who, err) != 0)
        return -1;
    const bool authentic = is_authentic(rules, client, &refusal);
    if (authentic && (rules->door == NULL || mu_door_admits(rules->door, who))) {
        *ret = '\0';
        return 0;
    }
    if (authentic) {
        struct mu_access_verdict access;
        (void)mu_access_judge(&rules->door->config->access, who, &access);
        mu_access_refusal(&access, who, &refusal);
    }
    mu_str_copy(ret, MU_ERROR_WHAT_LEN, refusal.sentence);
    return 0;
}

/* --- Showing --- */

static void show(const struct mu_args *args, const struct mu_seen_chain *client, const char *why,
                 json_t *list)
{
    char label[MU_CERT_LABEL_LEN], serial[MU_SERIAL_TEXT_LEN], when[MU_SPAN_LEN];
    const struct mu_cert *cert = client->chain.at[0];
    mu_cert_label(cert, label);
    mu_cert_serial(cert, serial);
    if (mu_args_json(args))
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:s}", "client", label,
                                        "serial", serial, "listen", client->listen, "name",
                                        client->name, "connected", client->connected, "last_seen",
                                        (json_int_t)client->last_seen, "why", why));
    else
        printf("\"%s\" (serial number %s, at %s, %s) would be locked out: %s\n", label, serial,
               client->listen,
               client->connected ? "connected" : mu_relative(client->last_seen, time(NULL), when),
               why);
}

/* After a start, or SIGUSR2, that nobody would be locked out means little. */
static void note_age(const struct mu_seen_answer *seen, int64_t within_s)
{
    char span[MU_SPAN_LEN];
    if (seen->age_s < within_s)
        mu_note("this server process began %s ago, and knows of nobody who came before",
                mu_span(seen->age_s, span));
}

int mu_check_running(const struct mu_args *args, struct mu_error *err)
{
    int64_t within_s;
    size_t clients = 0, locked_out = 0;
    bool counted = false;
    MU_AUTO_CLEAR(others) others = {0};
    MU_AUTO_CLEAR(mu_seen_answer) seen = {0};
    if (mu_duration_parse(mu_args_value(args, "within"), &within_s, err) != 0 ||
        mu_seen_ask(mu_args_value(args, "socket"), time(NULL) - (time_t)within_s, &seen, err) != 0 ||
        load(args, &seen.trust, &others, err) != 0)
        return -1;
    note_age(&seen, within_s);
    json_t *list = json_array();
    for (size_t i = 0; i < seen.count; i++) {
        char why[MU_ERROR_WHAT_LEN] = "no door would be where it comes to";
        const struct rules *rules = rules_for(&others, &seen.at[i]);
        clients += !seen.at[i].again;
        counted = counted && seen.at[i].again;
        if (rules != NULL && judge(rules, &seen.at[i], why, err) != 0) {
            json_decref(list);
            return -1;
        }
        if (why[0] == '\0')
            continue;
        show(args, &seen.at[i], why, list);
        locked_out += !counted;
        counted = true;
    }
    if (mu_args_json(args))
        mu_print_json(json_pack("{s:i, s:o}", "clients", (int)clients, "locked_out", list));
    else {
        json_decref(list);
        printf("%zu of %zu clients would be locked out\n", locked_out, clients);
    }
    return locked_out > 0 ? 1 : 0;
}
