#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/control.h"
#include "cli/print.h"
#include "front/access.h"

enum { LONGEST_DAYS = 366 };

/* A bare word is a name, as in `mutual revoke`. */
static int write_term(const char *word, struct mu_buf *ret, struct mu_error *err)
{
    struct mu_access_list list = {.count = 0};
    mu_buf_addf(ret, "%s%s", strchr(word, '=') == NULL ? "cn=" : "", word);
    if (mu_buf_failed(ret))
        return mu_fail_nomem(err);
    const int result = mu_access_list_add(&list, mu_buf_str(ret), err);
    mu_access_list_clear(&list);
    return result;
}

static int add_header(struct mu_strs *headers, const char *name, const char *value,
                      struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    mu_buf_addf(&line, "%s: %s", name, value);
    return mu_buf_failed(&line) || mu_strs_add(headers, mu_buf_str(&line)) != 0 ? mu_fail_nomem(err)
                                                                                : 0;
}

static int ask(const struct mu_args *args, const char *who, int64_t for_s, json_t **ret,
               struct mu_error *err)
{
    char seconds[32];
    MU_AUTO_CLEAR(mu_strs) headers = {0};
    const struct mu_control_call call = {.socket = mu_args_value(args, "socket"),
                                         .method = for_s == 0 ? "DELETE" : "POST",
                                         .path = "/kick",
                                         .headers = &headers};
    snprintf(seconds, sizeof seconds, "%" PRId64, for_s);
    if (add_header(&headers, "Mutual-Client", who, err) != 0 ||
        add_header(&headers, "Mutual-For", seconds, err) != 0)
        return -1;
    return mu_control_ask(&call, ret, err);
}

static int kick(const struct mu_args *args, const char *word, int64_t for_s, struct mu_error *err)
{
    char span[MU_SPAN_LEN];
    json_t *answer = NULL;
    MU_AUTO_CLEAR(mu_buf) who = MU_BUF_INIT;
    if (write_term(word, &who, err) != 0 || ask(args, mu_buf_str(&who), for_s, &answer, err) != 0)
        return -1;
    const json_int_t open = json_integer_value(json_object_get(answer, "connections"));
    json_decref(answer);
    if (mu_args_json(args))
        mu_print_json(json_pack("{s:s, s:b, s:I, s:I}", "client", mu_buf_str(&who), "kicked",
                                for_s > 0, "seconds", (json_int_t)for_s, "connections", open));
    else if (for_s > 0 && open == 0)
        printf("kicked out %s for %s; nobody who is connected is known by that: see mutual status\n",
               mu_buf_str(&who), mu_span(for_s, span));
    else if (for_s > 0)
        printf("kicked out %s for %s; open connections: %" JSON_INTEGER_FORMAT
               ", which are closed\n",
               mu_buf_str(&who), mu_span(for_s, span), open);
    else
        printf("%s may come in again\n", mu_buf_str(&who));
    return 0;
}

static int list(const struct mu_args *args, struct mu_error *err)
{
    size_t i;
    json_t *answer = NULL, *one;
    char until[MU_DATE_LEN];
    const struct mu_control_call call = {.socket = mu_args_value(args, "socket"),
                                         .method = "GET",
                                         .path = "/status"};
    if (mu_control_ask(&call, &answer, err) != 0)
        return -1;
    json_t *kicked = json_object_get(answer, "kicked");
    if (mu_args_json(args))
        mu_print_json(json_incref(kicked));
    else if (json_array_size(kicked) == 0)
        printf("nobody is kicked out\n");
    else
        json_array_foreach(kicked, i, one)
            printf("%s, until %s\n", json_string_value(json_object_get(one, "client")),
                   mu_date((time_t)json_integer_value(json_object_get(one, "until")), until));
    json_decref(answer);
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    int64_t for_s = 0;
    const bool undo = mu_args_given(args, "undo"), lists = mu_args_given(args, "list");
    if (lists)
        return mu_args_count(args) > 0 || undo ? mu_usage(err, args, "--list stands alone")
                                               : list(args, err);
    if (mu_args_count(args) == 0)
        return mu_usage(err, args, "say who: mutual kick NAME, or KIND=PATTERN");
    if (!undo && mu_duration_parse(mu_args_value(args, "for"), &for_s, err) != 0)
        return -1;
    if (for_s > LONGEST_DAYS * MU_DAY_S)
        return mu_usage(err, args, "--for is at most a year; what is for ever is: mutual revoke");
    for (int i = 0; i < mu_args_count(args); i++)
        if (kick(args, mu_args_at(args, i), for_s, err) != 0)
            return -1;
    return 0;
}

static const struct mu_opt opts[] = {
    {"for", 0, "DURATION", "keep them out so long", "1h", false},
    {"undo", 0, NULL, "let them in again", NULL, false},
    {"list", 0, NULL, "show who is kicked out", NULL, false},
    {"socket", 0, "PATH", "the server's control socket [see mutual status --help]", NULL, false},
    {0},
};

const struct mu_cmd mu_cmd_kick = {
    .name = "kick",
    .args = "[CLIENT...]",
    .summary =
        "close a client's connections to a running `mutual serve`, and keep it out for a time",
    .details =
        "CLIENT is a name (the certificate's CN), or KIND=PATTERN: cn, ou, dns, uri, email, ip, fingerprint, pin,\n"
        "issuer or serial, with * and ** in patterns. HTTP answers under way may end, within half a second; all else is\n"
        "cut at once. It needs no revocation list and changes nothing in the CA: it is forgotten when the server is\n"
        "started anew, but neither when it reloads nor by SIGUSR2. To take a certificate back for good: mutual revoke.",
    .example = "mutual kick bob --for 10m\n"
               "mutual kick 'dns=*.old.example.com' serial=1A2B3C\n"
               "mutual kick --undo bob\n"
               "mutual kick --list",
    .opts = opts,
    .max_args = -1,
    .run = run,
};
