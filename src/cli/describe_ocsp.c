#include "cli/describe_ocsp.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/time.h"
#include "cli/describe.h"
#include "cli/print.h"

#define UNFIT_ID "ocsp_request_refused"
#define OUTDATED_ID "ocsp_answer_outdated"

char *mu_ocsp_words(const struct mu_ocsp_single *single, char ret[MU_OCSP_WORDS_LEN])
{
    char on[MU_DATE_LEN], since[MU_DATE_LEN];
    if (single->state != MU_OCSP_REVOKED)
        snprintf(ret, MU_OCSP_WORDS_LEN, "%s", mu_ocsp_state_name(single->state));
    else if (single->invalid_since != 0)
        snprintf(ret, MU_OCSP_WORDS_LEN, "revoked on %s: %s; not to be believed since %s",
                 mu_date(single->revoked_at, on), mu_reason_name(single->reason),
                 mu_date(single->invalid_since, since));
    else
        snprintf(ret, MU_OCSP_WORDS_LEN, "revoked on %s: %s", mu_date(single->revoked_at, on),
                 mu_reason_name(single->reason));
    return ret;
}

/* --- For people --- */

void mu_describe_ocsp_request(const struct mu_ocsp_request *request)
{
    char nonce[MU_OCSP_NONCE_TEXT_LEN];
    struct mu_error err = MU_ERROR_INIT;
    for (size_t i = 0; i < mu_ocsp_request_count(request); i++) {
        struct mu_ocsp_id id;
        mu_ocsp_request_id(request, i, &id);
        mu_fact("asks for", "%s\nof the CA with name %s\nand key %s (%s)", id.serial,
                id.issuer_name, id.issuer_key, id.hash);
    }
    mu_ocsp_request_nonce(request, nonce);
    mu_fact("nonce", "%s", *nonce == '\0' ? "none: the answer may be an older one" : nonce);
    if (mu_ocsp_request_is_signed(request))
        mu_fact("signed", "yes");
    if (mu_ocsp_request_check(request, &err) != 0)
        mu_describe_problem(UNFIT_ID, err.what);
}

static void describe_times(const struct mu_ocsp_told *told, time_t now)
{
    char from[MU_DATE_LEN], until[MU_DATE_LEN], when[MU_SPAN_LEN];
    if (told->next_update == 0)
        mu_fact("as of", "%s", mu_date(told->this_update, from));
    else
        mu_fact("as of", "%s, until %s (%s)", mu_date(told->this_update, from),
                mu_date(told->next_update, until), mu_relative(told->next_update, now, when));
}

static void describe_told(const struct mu_ocsp_told *told, time_t now)
{
    char words[MU_OCSP_WORDS_LEN];
    struct mu_error err = MU_ERROR_INIT;
    mu_fact("serial", "%s", told->id.serial);
    mu_fact("is", "%s", mu_ocsp_words(&told->single, words));
    describe_times(told, now);
    if (mu_ocsp_told_check(told, now, &err) != 0)
        mu_describe_problem(OUTDATED_ID, err.what);
}

void mu_describe_ocsp_response(const struct mu_ocsp_response *response, time_t now)
{
    char date[MU_DATE_LEN];
    struct mu_ocsp_response_info info;
    mu_ocsp_response_info(response, &info);
    mu_fact("status", "%s", mu_ocsp_status_name(info.status));
    for (size_t i = 0; i < info.count; i++) {
        struct mu_ocsp_told told;
        mu_ocsp_response_told(response, i, &told);
        describe_told(&told, now);
    }
    if (info.count == 0)
        return;
    mu_fact("made", "%s", mu_date(info.produced_at, date));
    mu_fact("responder", "%s", info.responder);
    if (*info.signer != '\0')
        mu_fact("signer", "\"%s\", until %s", info.signer, mu_date(info.signer_not_after, date));
    mu_fact("nonce", "%s", *info.nonce == '\0' ? "none" : info.nonce);
    mu_fact("signature", "%s", info.signature);
}

/* --- For programs --- */

static void set(json_t *to, const char *name, json_t *value)
{
    json_object_set_new(to, name, value);
}

static void set_id(json_t *to, const struct mu_ocsp_id *id)
{
    set(to, "serial", json_string(id->serial));
    set(to, "hash", json_string(id->hash));
    set(to, "issuer_name_hash", json_string(id->issuer_name));
    set(to, "issuer_key_hash", json_string(id->issuer_key));
}

static void add_problem(json_t *to, const char *id, const char *sentence)
{
    json_array_append_new(to, json_pack("{s:s, s:s}", "id", id, "what", sentence));
}

static json_t *time_or_null(time_t t)
{
    return t == 0 ? json_null() : mu_time_json(t);
}

json_t *mu_ocsp_told_json(const struct mu_ocsp_told *told)
{
    const struct mu_ocsp_single *single = &told->single;
    bool revoked = single->state == MU_OCSP_REVOKED;
    json_t *to = json_object();
    set_id(to, &told->id);
    set(to, "state", json_string(mu_ocsp_state_name(single->state)));
    set(to, "revoked_at", revoked ? mu_time_json(single->revoked_at) : json_null());
    set(to, "reason", revoked ? json_string(mu_reason_name(single->reason)) : json_null());
    set(to, "invalid_since", revoked ? time_or_null(single->invalid_since) : json_null());
    set(to, "this_update", mu_time_json(told->this_update));
    set(to, "next_update", time_or_null(told->next_update));
    return to;
}

void mu_ocsp_request_json(json_t *to, const struct mu_ocsp_request *request)
{
    char nonce[MU_OCSP_NONCE_TEXT_LEN];
    struct mu_error err = MU_ERROR_INIT;
    json_t *list = json_array(), *problems = json_array();
    for (size_t i = 0; i < mu_ocsp_request_count(request); i++) {
        struct mu_ocsp_id id;
        json_t *one = json_object();
        mu_ocsp_request_id(request, i, &id);
        set_id(one, &id);
        json_array_append_new(list, one);
    }
    if (mu_ocsp_request_check(request, &err) != 0)
        add_problem(problems, UNFIT_ID, err.what);
    set(to, "certificates", list);
    set(to, "nonce", json_string(mu_ocsp_request_nonce(request, nonce)));
    set(to, "signed", json_boolean(mu_ocsp_request_is_signed(request)));
    set(to, "problems", problems);
}

void mu_ocsp_response_json(json_t *to, const struct mu_ocsp_response *response, time_t now)
{
    struct mu_ocsp_response_info info;
    struct mu_error err = MU_ERROR_INIT;
    json_t *list = json_array(), *problems = json_array();
    mu_ocsp_response_info(response, &info);
    for (size_t i = 0; i < info.count; i++) {
        struct mu_ocsp_told told;
        mu_ocsp_response_told(response, i, &told);
        json_array_append_new(list, mu_ocsp_told_json(&told));
        if (mu_ocsp_told_check(&told, now, &err) != 0)
            add_problem(problems, OUTDATED_ID, err.what);
    }
    set(to, "status", json_string(mu_ocsp_status_name(info.status)));
    set(to, "certificates", list);
    set(to, "produced_at", time_or_null(info.produced_at));
    set(to, "responder", json_string(info.responder));
    set(to, "signer", json_string(info.signer));
    set(to, "nonce", json_string(info.nonce));
    set(to, "signature", json_string(info.signature));
    set(to, "problems", problems);
}
