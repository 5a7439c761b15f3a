#include <stdio.h>
#include <time.h>

#include "authority/ocsp.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/describe.h"
#include "cli/json.h"
#include "cli/ocsp_files.h"
#include "cli/passphrase.h"
#include "cli/print.h"

/* One answer, and where it went. */
struct done {
    const char *in;
    char out[MU_PATH_LEN];
    struct mu_ocsp_reply reply;
    struct mu_error err; /* internalError, or not answered at all; MU_OK: neither */
};

static bool is_refusal(const struct mu_ocsp_reply *reply)
{
    return reply->status != MU_OCSP_SUCCESSFUL;
}

/* The answer is written whatever it is: whoever asked waits for one. */
static int answer(const struct mu_args *args, struct mu_responder *responder, struct done *done,
                  struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) request = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_buf) der = MU_BUF_INIT;
    if (mu_ocsp_output_path(args, done->in, ".req", ".resp", done->out, err) != 0 ||
        mu_ocsp_output_check(args, done->out, err) != 0 ||
        mu_file_read(done->in, MU_FILE_LIMIT, &request, err) != 0)
        return -1;
    int result = mu_responder_answer(responder, mu_buf_str(&request), request.len, time(NULL), &der,
                                     &done->reply, err);
    struct mu_error unwritten = MU_ERROR_INIT;
    if (der.len == 0 || mu_ocsp_write(args, done->out, &der, &unwritten) == 0)
        return result;
    *err = unwritten;
    return -1;
}

/* --- What was done --- */

static int fail_refused(const struct done *done, struct mu_error *err)
{
    bool malformed = done->reply.status == MU_OCSP_MALFORMED;
    mu_fail(err, malformed ? MU_E_DAMAGED : MU_E_NOT_FOUND, "%s: %s (answered with %s)",
            mu_str_equal(done->in, "-") ? "standard input" : done->in, done->reply.why,
            mu_ocsp_status_name(done->reply.status));
    return mu_hint(err, malformed ? "a request is DER; make one with: mutual ocsp request FILE.crt"
                                  : "ask the CA that has issued the certificate; what is asked for "
                                    "shows: mutual inspect FILE");
}

static void show_counts(const struct mu_ocsp_reply *reply)
{
    const struct {
        size_t count;
        enum mu_ocsp_state state;
    } counts[] = {{reply->good, MU_OCSP_GOOD},
                  {reply->revoked, MU_OCSP_REVOKED},
                  {reply->unknown, MU_OCSP_UNKNOWN}};
    const char *separator = "";
    for (size_t i = 0; i < MU_COUNT(counts); i++)
        if (counts[i].count > 0) {
            printf("%s%zu %s", separator, counts[i].count, mu_ocsp_state_name(counts[i].state));
            separator = ", ";
        }
}

static void show(const struct done *done)
{
    char until[MU_DATE_LEN];
    struct mu_error err = done->err;
    if (err.code == MU_OK && is_refusal(&done->reply))
        fail_refused(done, &err);
    if (err.code != MU_OK) {
        mu_print_error(&err, false);
        return;
    }
    if (mu_str_equal(done->out, "-"))
        return;
    mu_say(MU_PLAIN, "%s: ", done->out);
    show_counts(&done->reply);
    printf(", until %s\n", mu_date(done->reply.next_update, until));
}

static json_t *done_json(const struct done *done)
{
    const struct mu_ocsp_reply *reply = &done->reply;
    if (done->err.code != MU_OK)
        return mu_pack("{s:s, s:{s:s, s:s, s:s, s:s}}", "file", done->in, "error", "id",
                       mu_code_id(done->err.code), "what", done->err.what, "cause", done->err.cause,
                       "hint", done->err.hint);
    if (is_refusal(reply))
        return mu_pack("{s:s, s:s, s:s, s:s}", "file", done->in, "out", done->out, "status",
                       mu_ocsp_status_name(reply->status), "why", reply->why);
    return mu_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:o, s:o}", "file", done->in, "out",
                   done->out, "status", mu_ocsp_status_name(reply->status), "good",
                   (json_int_t)reply->good, "revoked", (json_int_t)reply->revoked, "unknown",
                   (json_int_t)reply->unknown, "nonce", (int)reply->nonce, "this_update",
                   mu_time_json(reply->this_update), "next_update",
                   mu_time_json(reply->next_update));
}

static void warn_of_trouble(const struct mu_error *trouble)
{
    if (trouble->code != MU_OK)
        mu_warn("the responder's certificate ends soon, and cannot be renewed: %s", trouble->what);
}

/* --- The command --- */

static bool uses_stdout(const struct mu_args *args)
{
    const char *out = mu_args_value(args, "out");
    if (out != NULL || mu_args_count(args) == 0)
        return out == NULL || mu_str_equal(out, "-");
    for (int i = 0; i < mu_args_count(args); i++)
        if (mu_str_equal(mu_args_at(args, i), "-"))
            return true;
    return false;
}

static int check_usage(const struct mu_args *args, struct mu_error *err)
{
    if (mu_args_count(args) > 1 && mu_args_given(args, "out"))
        return mu_usage(err, args, "--out names one file, and there are %d requests",
                        mu_args_count(args));
    if (mu_args_json(args) && uses_stdout(args))
        return mu_usage(err, args, "--json tells of answers that go to files: say --out FILE");
    return 0;
}

static int worse(int a, int b)
{
    return a > b ? a : b;
}

/* Each by itself: one that fails keeps nobody else from an answer. */
static int answer_all(const struct mu_args *args, struct mu_responder *responder)
{
    json_t *list = json_array();
    int count = mu_args_count(args), failed = 0;
    for (int i = 0; i < (count == 0 ? 1 : count); i++) {
        struct done done = {.in = count == 0 ? "-" : mu_args_at(args, i), .err = MU_ERROR_INIT};
        if (answer(args, responder, &done, &done.err) != 0)
            failed = worse(failed, mu_code_exit(done.err.code));
        else if (is_refusal(&done.reply))
            failed = worse(failed, 1);
        if (mu_args_json(args))
            json_array_append_new(list, done_json(&done));
        else
            show(&done);
        warn_of_trouble(&done.reply.trouble);
    }
    if (mu_args_json(args))
        mu_print_json(list);
    else
        json_decref(list);
    return failed;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    int64_t valid_s;
    struct mu_passphrase_source source = mu_passphrase_source(args);
    MU_AUTO_STRUCT(mu_responder) responder = NULL;
    if (check_usage(args, err) != 0 ||
        mu_duration_parse(mu_args_value(args, "valid"), &valid_s, err) != 0 ||
        mu_responder_open(mu_args_home(args), &source, valid_s, &responder, err) != 0)
        return -1;
    return answer_all(args, responder);
}

static const struct mu_opt opts[] = {
    {"valid", 0, "DURATION", "how long an answer may be kept: 10m, 1h, 2d", "1h", false},
    {"out", 'o', "FILE", "write the answer here [FILE.resp for FILE.req]", NULL, false},
    {"force", 0, NULL, "replace a file that is there", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_ocsp_answer = {
    .name = "ocsp answer",
    .args = "[FILE.req]...",
    .summary = "answer requests, in the CA's name",
    .details =
        "Reads a request (DER) from standard input and writes the answer to standard output, or answers each\n"
        "FILE.req in FILE.resp. A certificate is good when the CA has it on record and has not revoked it, and\n"
        "unknown when it is not on record. One that is on hold is revoked, with that reason.\n"
        "\n"
        "Answers are signed by a certificate of the CA's that is made for it, ocsp.crt and ocsp.key in the home\n"
        "directory: for 7 days, and renewed by itself when a third of them is left. Only then the CA's key is\n"
        "opened, and its passphrase needed. An answer is never good for longer than that certificate.\n"
        "\n"
        "Exit status: 0 answered, 1 refused (malformedRequest, unauthorized, internalError). A refusal is\n"
        "written, too.",
    .example = "mutual ocsp answer my-client.req\n"
               "mutual ocsp answer my-client.req --out - --valid 10m",
    .opts = opts,
    .min_args = 0,
    .max_args = -1,
    .run = run,
};
