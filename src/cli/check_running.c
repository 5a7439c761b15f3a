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
#include "pki/verify.h"
#include "tls/names.h"

/* What a client is judged by. */
struct rules {
    struct mu_certs trust;
    struct mu_crls lists;
    const struct mu_door *door; /* whose rules count, too; NULL: none's */
};

struct others {
    struct mu_doors *doors; /* NULL: `one` is for all */
    struct rules one, *of_doors;
};

static void clear_rules(struct rules *rules)
{
    mu_certs_clear(&rules->trust);
    mu_crls_clear(&rules->lists);
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

static int load_rules(const struct mu_strs *trust, const struct mu_strs *crl, struct rules *ret,
                      struct mu_error *err)
{
    for (size_t i = 0; i < trust->count; i++)
        if (mu_cas_load(trust->at[i], NULL, &ret->trust, err) != 0)
            return -1;
    for (size_t i = 0; i < crl->count; i++)
        if (mu_crls_load(crl->at[i], &ret->lists, err) != 0)
            return -1;
    return 0;
}

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
        if (load_rules(&door->config->trust, &door->config->crl, &ret->of_doors[i], err) != 0)
            return -1;
    }
    return 0;
}

static int read_all(const struct mu_args *args, const char *option, struct mu_strs *ret,
                    struct mu_error *err)
{
    const char *text;
    for (int i = 0; (text = mu_args_nth(args, option, i)) != NULL; i++)
        if (mu_strs_add(ret, text) != 0)
            return mu_fail_nomem(err);
    return 0;
}

static int load(const struct mu_args *args, struct others *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_strs) trust = {0};
    MU_AUTO_CLEAR(mu_strs) crl = {0};
    if (mu_args_given(args, "config") &&
        (mu_args_given(args, "trust") || mu_args_given(args, "crl")))
        return mu_usage(err, args,
                        "--config describes whole doors; give --trust and --crl without it");
    if (mu_args_given(args, "config"))
        return load_doors(args, ret, err);
    return read_all(args, "trust", &trust, err) != 0 || read_all(args, "crl", &crl, err) != 0
               ? -1
               : load_rules(&trust, &crl, &ret->one, err);
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

/* By a list that its issuer has signed; other lists are as if they were not there. */
static bool is_revoked(const struct rules *rules, const struct mu_certs *chain)
{
    for (size_t i = 0; i + 1 < chain->count; i++)
        for (size_t j = 0; j < rules->lists.count; j++) {
            const struct mu_crl *crl = rules->lists.at[j];
            if (mu_crl_names(crl, chain->at[i + 1]) && mu_crl_has(crl, chain->at[i]) &&
                mu_crl_is_signed_by(crl, chain->at[i + 1]))
                return true;
        }
    return false;
}

static int judge(const struct rules *rules, const struct mu_certs *trust,
                 const struct mu_seen_chain *client, char ret[MU_ERROR_WHAT_LEN],
                 struct mu_error *err)
{
    struct mu_verdict verdict;
    struct mu_refusal refusal;
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    MU_AUTO_STRUCT(mu_identity) who = NULL;
    const struct mu_verify how = {.anchors = rules->trust.count > 0 ? &rules->trust : trust,
                                  .untrusted = &client->chain,
                                  .purpose = MU_PURPOSE_CLIENT,
                                  .at = time(NULL)};
    *ret = '\0';
    if (mu_verify(client->chain.at[0], &how, &verdict, &chain, err) != 0 ||
        mu_identity_read(client->chain.at[0], &who, err) != 0)
        return -1;
    if (verdict.fault != MU_FAULT_NONE)
        mu_str_copy(ret, MU_ERROR_WHAT_LEN, verdict.sentence);
    else if (is_revoked(rules, &chain))
        mu_str_copy(ret, MU_ERROR_WHAT_LEN, "it is revoked");
    else if (rules->door != NULL && !mu_door_admits(rules->door, who)) {
        struct mu_access_verdict access;
        (void)mu_access_judge(&rules->door->config->access, who, &access);
        mu_access_refusal(&access, who, &refusal);
        mu_str_copy(ret, MU_ERROR_WHAT_LEN, refusal.sentence);
    }
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

int mu_check_running(const struct mu_args *args, struct mu_error *err)
{
    int64_t within_s;
    size_t locked_out = 0;
    MU_AUTO_CLEAR(others) others = {0};
    MU_AUTO_CLEAR(mu_seen_answer) seen = {0};
    if (mu_duration_parse(mu_args_value(args, "within"), &within_s, err) != 0 ||
        load(args, &others, err) != 0 ||
        mu_seen_ask(mu_args_value(args, "socket"), time(NULL) - (time_t)within_s, &seen, err) != 0)
        return -1;
    json_t *list = json_array();
    for (size_t i = 0; i < seen.count; i++) {
        char why[MU_ERROR_WHAT_LEN] = "no door would be where it comes to";
        const struct rules *rules = rules_for(&others, &seen.at[i]);
        if (rules != NULL && judge(rules, &seen.trust, &seen.at[i], why, err) != 0) {
            json_decref(list);
            return -1;
        }
        if (why[0] == '\0')
            continue;
        show(args, &seen.at[i], why, list);
        locked_out++;
    }
    if (mu_args_json(args))
        mu_print_json(json_pack("{s:i, s:o}", "clients", (int)seen.count, "locked_out", list));
    else {
        json_decref(list);
        printf("%zu of %zu clients would be locked out\n", locked_out, seen.count);
    }
    return locked_out > 0 ? 1 : 0;
}
