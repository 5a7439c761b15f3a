#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "authority/authority.h"
#include "authority/crl.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/describe.h"
#include "cli/json.h"
#include "cli/passphrase.h"
#include "cli/progress.h"
#include "cli/print.h"
#include "cli/revocation.h"
#include "cli/signer.h"
#include "pki/object.h"

json_t *mu_published_json(const struct mu_published *published)
{
    char number[32], base[32];
    snprintf(number, sizeof number, "%" PRIX64, (uint64_t)published->number);
    snprintf(base, sizeof base, "%" PRIX64, (uint64_t)published->base);
    return mu_pack("{s:s, s:s, s:s?, s:I, s:o, s:I}", "file", published->path, "number", number,
                   "base", published->base == 0 ? NULL : base, "revoked",
                   (json_int_t)published->revoked, "next_update",
                   mu_time_json(published->next_update), "lists", (json_int_t)published->lists);
}

void mu_show_published(const struct mu_published *published, time_t now)
{
    char date[MU_DATE_LEN], when[MU_SPAN_LEN];
    mu_fact("list", "%s", published->path);
    mu_fact("number", "%" PRIX64, (uint64_t)published->number);
    if (published->base != 0)
        mu_fact("adds to", "the complete list %" PRIX64, (uint64_t)published->base);
    mu_fact("entries", "%zu", published->revoked);
    mu_fact("next due", "%s (%s)", mu_relative(published->next_update, now, when),
            mu_date(published->next_update, date));
    if (published->lists > 1)
        mu_fact("lists", "%zu in all", published->lists);
}

int mu_published_status(const struct mu_published *published)
{
    const struct mu_error *trouble = &published->trouble;
    if (trouble->code == MU_OK)
        return 0;
    mu_warn("the lists of a former key stay as they were, the others are made: %s%s%s%s%s",
            trouble->what, *trouble->cause == '\0' ? "" : ": ", trouble->cause,
            *trouble->hint == '\0' ? "" : "; ", trouble->hint);
    return mu_code_exit(trouble->code);
}

/* --- Settings --- */

static int read_switch(const struct mu_args *args, const char *name, bool *ret, struct mu_error *err)
{
    const char *text = mu_args_value(args, name);
    if (text == NULL)
        return 0;
    *ret = mu_str_equal(text, "on");
    return *ret || mu_str_equal(text, "off") ? 0 : mu_usage(err, args, "--%s is on or off", name);
}

static int read_url(const struct mu_args *args, const char *name, char ret[MU_URL_LEN],
                    struct mu_error *err)
{
    const char *text = mu_args_value(args, name);
    return text == NULL || mu_str_copy(ret, MU_URL_LEN, text)
               ? 0
               : mu_usage(err, args, "the URL after --%s is too long", name);
}

static int read_lifetime(const struct mu_args *args, int64_t *ret_s, struct mu_error *err)
{
    long days;
    const char *lifetime = mu_args_value(args, "lifetime");
    if (lifetime != NULL && mu_args_given(args, "days"))
        return mu_usage(err, args, "--days and --lifetime say the same thing; give one of them");
    if (lifetime != NULL && mu_duration_parse(lifetime, ret_s, err) != 0)
        return -1;
    if (!mu_args_given(args, "days"))
        return 0;
    if (mu_args_number(args, "days", 1, 3650, &days, err) != 0)
        return -1;
    *ret_s = days * MU_DAY_S;
    return 0;
}

/* Certificates that are out there go on pointing to where they did when they were issued; some, to a partition that is none any
 * more. */
static void warn_of_those_before(const struct mu_crl_settings *before, int partitions,
                                 const struct mu_crl_settings *after)
{
    if (before->url[0] == '\0' || mu_str_equal(before->url, after->url))
        return;
    if (after->url[0] == '\0')
        mu_warn("certificates that were issued before look for lists at %s, and none are made there "
                "any more",
                before->url);
    else if (partitions > 0)
        mu_warn("a partition's list is for one URL: certificates that were issued before, which point to "
                "%s, have none from now on, and need to be renewed",
                before->url);
    else
        mu_note("certificates that were issued before look for lists at %s: let public/ be there, too, "
                "until the last of them has ended",
                before->url);
}

/* What was given is kept for every list and every certificate to come. */
static int change_settings(const struct mu_args *args, struct mu_authority *authority, time_t now,
                           struct mu_error *err)
{
    struct mu_crl_settings settings, before;
    char key[MU_SHA256_LEN];
    long partitions;
    int partitions_before;
    if (mu_crl_settings_read(mu_authority_store(authority), &settings, err) != 0 ||
        mu_crl_partitions(mu_authority_store(authority), &settings,
                          mu_cert_key_sha256(mu_authority_cert(authority), key), &partitions_before,
                          err) != 0)
        return -1;
    before = settings;
    if (read_url(args, "url", settings.url, err) != 0 ||
        read_url(args, "ocsp-url", settings.ocsp_url, err) != 0 ||
        read_switch(args, "deltas", &settings.deltas, err) != 0 ||
        read_lifetime(args, &settings.lifetime_s, err) != 0)
        return -1;
    if (mu_args_given(args, "partitions")) {
        if (mu_args_number(args, "partitions", 0, MU_CRL_PARTITIONS_MAX, &partitions, err) != 0)
            return -1;
        settings.partitions = (int)partitions;
    }
    if (mu_crl_settings_write(authority, &settings, now, err) != 0)
        return -1;
    warn_of_those_before(&before, partitions_before, &settings);
    return 0;
}

/* --- The list itself --- */

/* A copy of what was made, as PEM or DER. */
static int write_copy(const struct mu_args *args, const char *path, const char *out,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_objects) objects = {0};
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (mu_objects_load(path, &objects, err) != 0)
        return -1;
    if (objects.count == 0 || objects.at[0].crl == NULL)
        return mu_fail(err, MU_E_DAMAGED, "%s is no revocation list any more", path);
    if (mu_args_given(args, "der")) /* which holds one: the present CA's own */
        mu_crl_to_der(objects.at[0].crl, &text);
    for (size_t i = 0; i < objects.count && !mu_args_given(args, "der"); i++)
        if (objects.at[i].crl != NULL)
            mu_crl_to_pem(objects.at[i].crl, &text);
    if (mu_buf_failed(&text))
        return mu_fail_nomem(err);
    if (!mu_str_equal(out, "-"))
        return mu_file_write(out, text.data, text.len, 0644, mu_args_given(args, "force"), err);
    fwrite(text.data, 1, text.len, stdout);
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct mu_published published;
    time_t now = time(NULL);
    const char *out = mu_args_value(args, "out");
    bool delta = mu_args_given(args, "delta");
    struct mu_passphrase_source source = mu_passphrase_source(args);
    MU_AUTO_STRUCT(mu_authority) authority = NULL;
    MU_AUTO_CLEAR(mu_stage) stage = {.first = NULL, .replace = mu_args_given(args, "force")};
    if (mu_args_given(args, "der") && out == NULL)
        return mu_usage(err, args, "--der is about the file that --out names");
    if (out != NULL && !mu_str_equal(out, "-") && mu_stage_check(&stage, out, err) != 0)
        return -1;
    if (mu_open_ca(args, &source, &authority, err) != 0 ||
        change_settings(args, authority, now, err) != 0)
        return -1;
    mu_progress_begin("making the revocation list");
    if (mu_authority_publish(authority, delta ? MU_PUBLISH_DELTA : MU_PUBLISH_ALL, now, &published,
                             err) != 0 ||
        (out != NULL && write_copy(args, published.path, out, err) != 0))
        return -1;
    mu_progress_end();
    const int status = mu_published_status(&published);
    if (out != NULL && mu_str_equal(out, "-"))
        return status;
    if (mu_args_json(args)) {
        mu_print_json(mu_published_json(&published));
        return status;
    }
    printf("made a %srevocation list\n", delta ? "delta " : "");
    mu_show_published(&published, now);
    if (out != NULL)
        mu_fact("copy", "%s", out);
    return status;
}

static const struct mu_opt opts[] = {
    {"out", 'o', "FILE", "write a copy to FILE (\"-\": standard output)", NULL, false},
    {"der", 0, NULL, "that copy in DER instead of PEM", NULL, false},
    {"force", 0, NULL, "replace FILE if it is there", NULL, false},
    {"delta", 0, NULL, "only what has changed since the complete lists that are out", NULL, false},
    {"days", 0, "N", "how long a list is good, in days [7]; kept", NULL, false},
    {"lifetime", 0, "DURATION", "the same, as 36h or 7d; kept", NULL, false},
    {"url", 0, "URL", "where the world finds what is in public/, for certificates to come; kept",
     NULL, false},
    {"ocsp-url", 0, "URL", "where it finds an OCSP responder; kept", NULL, false},
    {"partitions", 0, "N", "spread certificates to come over N lists; 0: none; kept", NULL, false},
    {"deltas", 0, "on|off", "make delta lists, and point to them; kept", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_crl = {
    .name = "crl",
    .args = "",
    .summary = "make the list of revoked certificates",
    .details =
        "Writes ca.crl (PEM) in the home directory: for nginx, haproxy, curl --crlfile, openssl -CRLfile. It is\n"
        "refreshed by every mutual revoke, and has to be again before it is due, by a timer for instance.\n"
        "With --url, certificates issued from then on say where the list is: let a web server show the\n"
        "directory public/ there, which has it in DER, with the CA's certificate, delta lists, and the\n"
        "partitions: lists of which each certificate needs only one. What is marked \"kept\" holds for all\n"
        "lists and certificates to come, until it is changed; an empty URL (--url \"\") takes it back.",
    .example = "mutual crl\n"
               "mutual crl --days 3 --out ca-list.pem\n"
               "mutual crl --url http://pki.example.com/ --deltas on\n"
               "mutual crl --delta",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
