#include "cli/issuing.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/json.h"
#include "cli/print.h"
#include "pki/info.h"

enum { DAYS_MAX = 36500 };

int mu_lifetime(const struct mu_args *args, int64_t *ret_s, struct mu_error *err)
{
    long days;
    const char *lifetime = mu_args_value(args, "lifetime");
    if (lifetime != NULL && mu_args_given(args, "days"))
        return mu_usage(err, args, "--days and --lifetime say the same thing; give one of them");
    if (lifetime != NULL) {
        if (mu_duration_parse(lifetime, ret_s, err) != 0)
            return -1;
        if (*ret_s > DAYS_MAX * MU_DAY_S)
            return mu_fail(err, MU_E_LIFETIME, "a lifetime of %s is longer than %d days", lifetime,
                           (int)DAYS_MAX);
        return 0;
    }
    *ret_s = 0;
    if (!mu_args_given(args, "days"))
        return 0;
    if (mu_args_number(args, "days", 1, DAYS_MAX, &days, err) != 0)
        return -1;
    *ret_s = days * MU_DAY_S;
    return 0;
}

int mu_names_from_args(const struct mu_args *args, int first_word, bool free_text,
                       struct mu_names *ret, struct mu_error *err)
{
    const char *san;
    if (mu_names_set_main(ret, mu_args_at(args, first_word), free_text, err) != 0)
        return -1;
    for (int i = first_word + 1; i < mu_args_count(args); i++)
        if (mu_names_add(ret, mu_args_at(args, i), err) != 0)
            return -1;
    for (int i = 0; (san = mu_args_nth(args, "san", i)) != NULL; i++)
        if (mu_names_add(ret, san, err) != 0)
            return -1;
    return mu_names_add_loopback(ret, err);
}

int mu_constraints_from_args(const struct mu_args *args, struct mu_constraints *ret,
                             struct mu_error *err)
{
    const char *text;
    for (int i = 0; (text = mu_args_nth(args, "permit", i)) != NULL; i++)
        if (mu_constraints_add(ret, false, text, err) != 0)
            return -1;
    for (int i = 0; (text = mu_args_nth(args, "exclude", i)) != NULL; i++)
        if (mu_constraints_add(ret, true, text, err) != 0)
            return -1;
    return 0;
}

int mu_output_path(const struct mu_args *args, const char *name, const char *ending,
                   char ret[MU_PATH_LEN], struct mu_error *err)
{
    char made[MU_FILE_NAME_LEN];
    const char *prefix = mu_args_value(args, "out");
    if (prefix == NULL) {
        mu_file_name(name, made);
        prefix = made;
    }
    int len = snprintf(ret, MU_PATH_LEN, "%s%s", prefix, ending);
    bool empty = *prefix == '\0' && prefix != made; /* an empty name is told as such elsewhere */
    if (empty || len >= MU_PATH_LEN)
        return mu_usage(err, args, "--out takes the beginning of a file name");
    return 0;
}

void mu_add_shell_word(struct mu_buf *ret, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";
    if (*text != '\0' && text[strspn(text, plain)] == '\0') {
        mu_buf_adds(ret, text);
        return;
    }
    mu_buf_adds(ret, "'");
    for (const char *p = text; *p != '\0'; p++)
        mu_buf_add(ret, *p == '\'' ? "'\\''" : p, *p == '\'' ? 4 : 1);
    mu_buf_adds(ret, "'");
}

void mu_add_home(struct mu_buf *ret, const struct mu_args *args)
{
    if (!mu_args_given(args, "home"))
        return;
    mu_buf_adds(ret, " --home ");
    mu_add_shell_word(ret, mu_args_home(args));
}

void mu_note_if_cut(const struct mu_cert *cert, const struct mu_policy *policy,
                    const struct mu_ruling *ruling, time_t now)
{
    char date[MU_DATE_LEN], span[MU_SPAN_LEN], place[MU_PLACE_TEXT_LEN];
    if (ruling->cut)
        mu_note("the lifetime is cut to %s by the policy, %s", mu_span(ruling->lifetime_s, span),
                mu_policy_place(policy, ruling->rules->longest_lifetime_at, place));
    if (mu_cert_not_after(cert) < now + ruling->lifetime_s)
        mu_note("the lifetime is cut to the CA's own end, %s",
                mu_date(mu_cert_not_after(cert), date));
}

static void show_json(const struct mu_cert_info *info, const char *profile, const char *cert_path,
                      const char *key_path)
{
    char from[MU_DATE_LEN], until[MU_DATE_LEN];
    json_t *san = json_array(), *problems = json_array();
    for (size_t i = 0; i < info->san.count; i++)
        json_array_append_new(san, json_string(info->san.at[i]));
    for (size_t i = 0; i < info->problem_ids.count; i++)
        json_array_append_new(problems, json_string(info->problem_ids.at[i]));
    mu_print_json(mu_pack("{s:s, s:s?, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:o}", "cert",
                          cert_path, "key", key_path, "profile", profile, "subject", info->subject,
                          "issuer", info->issuer, "serial", info->serial, "san", san, "not_before",
                          mu_date_rfc3339(info->not_before, from), "not_after",
                          mu_date_rfc3339(info->not_after, until), "sha256", info->sha256,
                          "problems", problems));
}

static void show_text(const struct mu_cert *cert, const struct mu_cert_info *info,
                      const char *profile, const char *cert_path, const char *key_path, time_t now)
{
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN], when[MU_SPAN_LEN];
    MU_AUTO_CLEAR(mu_buf) names = MU_BUF_INIT;
    for (size_t i = 0; i < info->san.count; i++)
        mu_buf_addf(&names, "%s%s", i > 0 ? ", " : "", info->san.at[i]);
    printf("issued \"%s\", a %s certificate\n", mu_cert_label(cert, label),
           mu_cert_is_ca(cert) ? "CA" : profile);
    mu_fact("certificate", "%s", cert_path);
    if (key_path != NULL)
        mu_fact("key", "%s", key_path);
    if (names.len > 0)
        mu_fact("names", "%s", names.data);
    mu_fact("issuer", "%s", info->issuer);
    mu_fact("expires", "%s (%s)", mu_relative(info->not_after, now, when),
            mu_date(info->not_after, date));
}

int mu_show_issued(const struct mu_args *args, const struct mu_cert *cert, const char *profile,
                   const char *cert_path, const char *key_path, const char *next,
                   struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    time_t now = time(NULL);
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(cert, now, &info, err) != 0)
        return -1;
    if (mu_args_json(args)) {
        show_json(&info, profile, cert_path, key_path);
        return 0;
    }
    show_text(cert, &info, profile, cert_path, key_path, now);
    for (size_t i = 0; i < info.problems.count; i++)
        mu_warn("\"%s\": %s", mu_cert_label(cert, label), info.problems.at[i]);
    if (next != NULL)
        printf("next: %s\n", next);
    return 0;
}
