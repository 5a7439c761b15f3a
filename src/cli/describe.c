#include "cli/describe.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "cli/json.h"
#include "cli/print.h"

static void fact_list(const char *label, const struct mu_strs *list, const char *separator)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    for (size_t i = 0; i < list->count; i++)
        mu_buf_addf(&text, "%s%s", i > 0 ? separator : "", list->at[i]);
    if (list->count > 0)
        mu_fact(label, "%s", mu_buf_str(&text));
}

static void fact_unless_empty(const char *label, const char *text)
{
    if (*text != '\0')
        mu_fact(label, "%s", text);
}

static void fact_validity(const struct mu_cert_info *info, time_t now)
{
    char from[MU_DATE_LEN], to[MU_DATE_LEN], when[MU_SPAN_LEN];
    mu_date(info->not_before, from);
    mu_date(info->not_after, to);
    if (now > info->not_after)
        mu_fact("valid", "expired %s, on %s (it was valid from %s)",
                mu_relative(info->not_after, now, when), to, from);
    else if (now < info->not_before)
        mu_fact("valid", "not yet: %s, from %s to %s", mu_relative(info->not_before, now, when),
                from, to);
    else
        mu_fact("valid", "expires %s, on %s (valid from %s)",
                mu_relative(info->not_after, now, when), to, from);
}

/* What it may be used for, in a few words. */
static void use_of(const struct mu_cert_info *info, char *ret, size_t cap)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (info->is_ca)
        mu_buf_adds(&text, "a CA: issues certificates");
    if (info->is_ca && info->path_length == 0)
        mu_buf_adds(&text, ", but no further CAs");
    else if (info->is_ca && info->path_length > 0)
        mu_buf_addf(&text, ", and CAs down to %d below it", info->path_length);
    for (size_t i = 0; i < info->purposes.count; i++)
        mu_buf_addf(&text, "%s%s", text.len > 0 ? ", " : "", info->purposes.at[i]);
    if (text.len == 0)
        mu_buf_adds(&text, "any use (it names none)");
    mu_str_copy(ret, cap, mu_buf_str(&text));
}

static void fact_issuer(const struct mu_cert_info *info)
{
    if (info->self_signed)
        mu_fact("issuer", "itself");
    else
        mu_fact("issuer", "%s", info->issuer);
}

void mu_describe_problem(const char *id, const char *sentence)
{
    mu_fact_styled("problem", MU_WARN, sentence, " [%s]", id);
}

void mu_describe_cert(const struct mu_cert_info *info, time_t now)
{
    char use[256];
    use_of(info, use, sizeof use);
    mu_fact("subject", "%s", *info->subject == '\0' ? "(empty)" : info->subject);
    fact_list("names", &info->san, "\n");
    mu_fact("for", "%s", use);
    fact_validity(info, now);
    fact_issuer(info);
    mu_fact("key", "%s", info->key);
    fact_list("key usage", &info->key_usage, ", ");
    mu_fact("signature", "%s", info->signature);
    mu_fact("version", "X.509 v%d", info->version);
    fact_unless_empty("serial", info->serial);
    fact_unless_empty("SHA-256", info->sha256);
    fact_unless_empty("SHA-1", info->sha1);
    mu_fact("key SHA-256", "%s", info->key_sha256);
    fact_unless_empty("key id", info->subject_key_id);
    fact_unless_empty("issuer's id", info->authority_key_id);
    fact_list("permitted", &info->permitted, "\n");
    fact_list("excluded", &info->excluded, "\n");
    fact_list("CRL at", &info->crl_urls, "\n");
    fact_list("OCSP at", &info->ocsp_urls, "\n");
    fact_list("extensions", &info->extensions, "\n");
    for (size_t i = 0; i < info->problems.count; i++)
        mu_describe_problem(info->problem_ids.at[i], info->problems.at[i]);
    if (info->problems.count == 0)
        mu_fact("problems", "none found");
}

char *mu_summarise_cert(const struct mu_cert_info *info, time_t now, char ret[MU_SUMMARY_LEN])
{
    char use[256], when[MU_SPAN_LEN];
    const char *name = *info->cn != '\0'     ? info->cn
                       : info->san.count > 0 ? info->san.at[0]
                                             : info->subject;
    use_of(info, use, sizeof use);
    snprintf(ret, MU_SUMMARY_LEN, "\"%.100s\", %.200s, %s %s", name, use,
             now > info->not_after ? "expired" : "expires", mu_relative(info->not_after, now, when));
    return ret;
}

json_t *mu_strs_json(const struct mu_strs *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, mu_text_json(list->at[i]));
    return array;
}

json_t *mu_problems_json(const struct mu_strs *ids, const struct mu_strs *sentences)
{
    json_t *array = json_array();
    for (size_t i = 0; i < ids->count; i++)
        json_array_append_new(array,
                              json_pack("{s:s, s:s}", "id", ids->at[i], "what", sentences->at[i]));
    return array;
}

json_t *mu_time_json(time_t t)
{
    char date[MU_DATE_LEN];
    return json_string(mu_date_rfc3339(t, date));
}

json_t *mu_cert_json(const struct mu_cert_info *info)
{
    const struct {
        const char *name;
        json_t *value;
    } fields[] = {
        {"version", json_integer(info->version)},
        {"subject", json_string(info->subject)},
        {"common_name", json_string(info->cn)},
        {"names", mu_strs_json(&info->san)},
        {"issuer", json_string(info->issuer)},
        {"serial", json_string(info->serial)},
        {"not_before", mu_time_json(info->not_before)},
        {"not_after", mu_time_json(info->not_after)},
        {"ca", json_boolean(info->is_ca)},
        {"path_length", info->path_length < 0 ? json_null() : json_integer(info->path_length)},
        {"self_signed", json_boolean(info->self_signed)},
        {"purposes", mu_strs_json(&info->purposes)},
        {"key_usage", mu_strs_json(&info->key_usage)},
        {"key", json_string(info->key)},
        {"signature", json_string(info->signature)},
        {"sha256", json_string(info->sha256)},
        {"sha1", json_string(info->sha1)},
        {"key_sha256", json_string(info->key_sha256)},
        {"subject_key_id", json_string(info->subject_key_id)},
        {"authority_key_id", json_string(info->authority_key_id)},
        {"permitted_names", mu_strs_json(&info->permitted)},
        {"excluded_names", mu_strs_json(&info->excluded)},
        {"crl_urls", mu_strs_json(&info->crl_urls)},
        {"ocsp_urls", mu_strs_json(&info->ocsp_urls)},
        {"extensions", mu_strs_json(&info->extensions)},
        {"problems", mu_problems_json(&info->problem_ids, &info->problems)},
    };
    json_t *object = json_object();
    for (size_t i = 0; i < MU_COUNT(fields); i++)
        json_object_set_new(object, fields[i].name, fields[i].value);
    return object;
}
