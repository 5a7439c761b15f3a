#include "cli/check_who.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/credentials.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/serve_describe.h"
#include "cli/serve_home.h"
#include "tls/names.h"
#include "tls/vetted.h"

struct who {
    struct mu_certs given;        /* as a client would present them */
    struct mu_identity *identity; /* NULL: a client without a certificate */
};

static void who_clear(struct who *who)
{
    mu_certs_clear(&who->given);
    mu_identity_free(who->identity);
}
MU_AUTO_DEFINE_CLEAR(who, who_clear)

/* What is asked for; NULL path: nothing in particular. */
struct asked {
    const char *method, *path, *host;
};

/* What would become of it at one door. */
struct outcome {
    bool let_in;
    const char *id;    /* "access-not-allowed", "client-cert-untrusted"; "" */
    const char *route; /* or NULL */
    char rule[MU_ACCESS_ID_LEN];
    char term[256];
    char sentence[MU_ERROR_WHAT_LEN];
    char refusal_id[64];
};

/* --- Judging --- */

static int read_who(const struct mu_args *args, struct who *ret, struct mu_error *err)
{
    const char *path = mu_args_value(args, "who");
    struct mu_passphrase_source source = mu_passphrase_source(args);
    if (mu_str_equal(path, "anonymous"))
        return 0;
    return mu_certs_load(path, &source, &ret->given, err) != 0
               ? -1
               : mu_identity_read(ret->given.at[0], &ret->identity, err);
}

/* A path is needed to choose among routes; without one it is "/", which everybody tries first. */
static int read_asked(const struct mu_args *args, struct asked *ret, struct mu_error *err)
{
    const char *method = mu_args_value(args, "method"), *path = mu_args_value(args, "path");
    *ret = (struct asked){.method = method == NULL ? "GET" : method,
                          .path = path == NULL ? "/" : path,
                          .host = mu_args_value(args, "host")};
    if (*ret->path != '/')
        return mu_usage(err, args, "--path takes a path as it is sent, such as /admin, not \"%s\"",
                        ret->path);
    return 0;
}

static void refuse(struct outcome *ret, const struct mu_refusal *refusal)
{
    mu_str_copy(ret->refusal_id, sizeof ret->refusal_id, refusal->id);
    mu_str_copy(ret->sentence, sizeof ret->sentence, refusal->sentence);
    ret->id = ret->refusal_id;
}

/* As TLS finds it. Where it is not, `ret` says why. */
static int is_authentic(const struct mu_door *door, const struct who *who, bool *ret_is,
                        struct outcome *ret, struct mu_error *err)
{
    struct mu_refusal refusal;
    MU_AUTO_STRUCT(mu_tls_context) context = NULL;
    if (who->identity == NULL) {
        *ret_is = door->config->clients_optional;
        mu_refusal_set(&refusal, MU_REFUSAL_CERT_MISSING);
    } else {
        if (mu_tls_context_to_judge(&door->anchors, door->revoked, &context, err) != 0)
            return -1;
        *ret_is = mu_tls_would_vet(context, &who->given, &refusal);
    }
    if (!*ret_is)
        refuse(ret, &refusal);
    return 0;
}

static const struct mu_access *rules_for(const struct mu_door *door, const struct asked *asked,
                                         struct outcome *ret)
{
    const struct mu_door_config *config = door->config;
    const struct mu_route_request request = {.method = asked->method,
                                             .target = asked->path,
                                             .host = asked->host,
                                             .host_len =
                                                 asked->host == NULL ? 0 : strlen(asked->host)};
    const char *why;
    size_t i;
    if (!mu_route_choose(config->routes, config->route_count, &request, &i, &why)) {
        ret->id = "ambiguous-request";
        mu_str_copy(ret->sentence, sizeof ret->sentence, why);
        return NULL;
    }
    if (i == config->route_count)
        return &config->access;
    ret->route = config->routes[i].id;
    return &config->routes[i].access;
}

static int judge(const struct mu_door *door, const struct who *who, const struct asked *asked,
                 struct outcome *ret, struct mu_error *err)
{
    struct mu_access_verdict verdict;
    struct mu_refusal refusal;
    bool is;
    *ret = (struct outcome){.id = ""};
    if (is_authentic(door, who, &is, ret, err) != 0)
        return -1;
    const struct mu_access *access = is ? rules_for(door, asked, ret) : NULL;
    if (access == NULL)
        return 0;
    ret->let_in = mu_access_judge(access, who->identity, &verdict);
    mu_access_rule_id(&verdict, ret->rule);
    if (verdict.term != NULL)
        mu_str_printable(verdict.term->text, strlen(verdict.term->text), ret->term,
                         sizeof ret->term);
    if (ret->let_in)
        return 0;
    mu_access_refusal(&verdict, who->identity, &refusal);
    refuse(ret, &refusal);
    return 0;
}

/* --- Which doors --- */

/* By the name that a client asks for; doors without names are for those that no other door has. */
static bool is_asked_for(const struct mu_doors *doors, const struct mu_door *door, const char *host)
{
    bool any = false;
    if (host == NULL)
        return true;
    for (size_t i = 0; i < doors->count; i++)
        any = any || mu_tls_name_leads(&doors->at[i].config->names, host);
    return any ? mu_tls_name_leads(&door->config->names, host) : door->config->names.count == 0;
}

/* --- In words --- */

static void print_outcome(const char *where, const struct outcome *outcome)
{
    if (outcome->let_in)
        mu_say(MU_GOOD, "%s: let in by %s%s%s%s\n", where, outcome->rule,
               outcome->term[0] == '\0' ? "" : " (", outcome->term,
               outcome->term[0] == '\0' ? "" : ")");
    else
        mu_say(MU_BAD, "%s: not let in, %s%s%s\n", where, outcome->id,
               outcome->id[0] == '\0' ? "" : ": ", outcome->sentence);
}

static void print_who(const struct who *who)
{
    char text[1024];
    mu_fact("known as", "%s", mu_identity_text(who->identity, text, sizeof text));
    if (who->identity != NULL && who->identity->unclear > 0)
        mu_fact("unclear", "%zu name%s that cannot be read, or not in one way only",
                who->identity->unclear, who->identity->unclear == 1 ? "" : "s");
}

static json_t *strings(const struct mu_strs *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, json_string(list->at[i]));
    return array;
}

static json_t *who_json(const struct who *who)
{
    const struct mu_identity *id = who->identity;
    char from[MU_DATE_LEN], until[MU_DATE_LEN], sha256[65], pin[MU_THUMBPRINT_LEN], hex[97];
    if (id == NULL)
        return json_null();
    mu_str_hex(id->sha256, sizeof id->sha256, '\0', hex);
    mu_str_copy(sha256, sizeof sha256, hex);
    mu_thumbprint(id->sha256, pin);
    mu_str_hex(id->key_sha256, sizeof id->key_sha256, '\0', hex);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:i}",
                     "subject", id->subject, "issuer", id->issuer, "serial", id->serial, "cn",
                     strings(&id->cn), "ou", strings(&id->ou), "dns", strings(&id->dns), "uri",
                     strings(&id->uri), "email", strings(&id->email), "ip", strings(&id->ip),
                     "fingerprint", sha256, "x5t#S256", pin, "pin", hex, "not_before",
                     mu_date_rfc3339(id->not_before, from), "not_after",
                     mu_date_rfc3339(id->not_after, until), "unclear", (int)id->unclear);
}

static json_t *outcome_json(const struct mu_door *door, const struct outcome *outcome)
{
    return json_pack("{s:i, s:o, s:b, s:s, s:s?, s:s, s:s, s:s}", "line", door->config->at.line,
                     "listen", strings(&door->config->listen), "let_in", outcome->let_in, "rule",
                     outcome->rule, "route", outcome->route, "term", outcome->term, "id",
                     outcome->id, "sentence", outcome->sentence);
}

/* --- All of it --- */

static void describe_place(const struct mu_doors *doors, size_t i, const struct outcome *outcome,
                           char *ret, size_t cap)
{
    const struct mu_door_config *config = doors->at[i].config;
    char line[48] = "";
    if (config->at.line > 0)
        snprintf(line, sizeof line, " %zu (line %d)", i + 1, config->at.line);
    snprintf(ret, cap, "door%s%s%s%s", line, config->listen.count > 0 ? " at " : "",
             config->listen.count > 0 ? config->listen.at[0] : "",
             outcome->route != NULL ? ", route " : "");
    const size_t len = strlen(ret);
    if (outcome->route != NULL)
        mu_str_copy(ret + len, cap - len, outcome->route);
}

int mu_check_who(const struct mu_args *args, const struct mu_doors *doors, struct mu_error *err)
{
    MU_AUTO_CLEAR(who) who = {.identity = NULL};
    struct asked asked;
    bool any = false;
    size_t judged = 0;
    if (read_who(args, &who, err) != 0 || read_asked(args, &asked, err) != 0)
        return -1;
    json_t *list = json_array();
    if (!mu_args_json(args))
        print_who(&who);
    for (size_t i = 0; i < doors->count; i++) {
        struct outcome outcome;
        char where[256];
        if (!is_asked_for(doors, &doors->at[i], asked.host))
            continue;
        if (judge(&doors->at[i], &who, &asked, &outcome, err) != 0) {
            json_decref(list);
            return -1;
        }
        any = any || outcome.let_in;
        judged++;
        describe_place(doors, i, &outcome, where, sizeof where);
        if (mu_args_json(args))
            json_array_append_new(list, outcome_json(&doors->at[i], &outcome));
        else
            print_outcome(where, &outcome);
    }
    if (mu_args_json(args))
        mu_print_json(json_pack("{s:o, s:s, s:s, s:s?, s:b, s:O}", "who", who_json(&who), "method",
                                asked.method, "path", asked.path, "host", asked.host, "let_in", any,
                                "doors", list));
    else if (judged == 0)
        mu_say(MU_BAD, "no door has the name %s\n", asked.host);
    json_decref(list);
    return any ? 0 : 1;
}

int mu_check_who_flags(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_config) config = NULL;
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    if (mu_config_new(&config, err) != 0)
        return -1;
    struct mu_door_config *described = mu_config_add_door(config);
    if (described == NULL)
        return mu_fail_nomem(err);
    if (mu_serve_read_rules(args, "allow", &described->access.allow, err) != 0 ||
        mu_serve_read_rules(args, "deny", &described->access.deny, err) != 0 ||
        mu_serve_read_trust(args, described, err) != 0 ||
        mu_serve_obey_home(args, config, err) != 0 || mu_load_anchors(args, &anchors, err) != 0)
        return -1;
    struct mu_door door = {.config = described, .anchors = anchors};
    const struct mu_doors doors = {.config = config, .at = &door, .count = 1};
    const int result =
        mu_door_load_lists(&door, NULL, err) != 0 ? -1 : mu_check_who(args, &doors, err);
    mu_door_clear_lists(&door);
    return result;
}
