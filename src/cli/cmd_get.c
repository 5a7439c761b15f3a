#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "explain/cause_of.h"
#include "http/client.h"
#include "http/message.h"
#include "pki/info.h"

/* Where Debian keeps the CAs that everybody trusts. */
#define SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"

struct output {
    FILE *to;
    const char *name; /* of what `to` writes */
    bool headers;     /* -i */
    int failure;      /* errno, when it could not be written */
};

static bool put(struct output *out, const void *data, size_t len)
{
    if (fwrite(data, 1, len, out->to) == len)
        return true;
    out->failure = errno;
    return false;
}

static int fail_output(const struct output *out, int number, struct mu_error *err)
{
    errno = number;
    return mu_fail_errno(err, MU_E_IO, "cannot write %s", out->name);
}

static bool on_header(void *arg, const char *line, size_t len)
{
    struct output *out = arg;
    return !out->headers || put(out, line, len);
}

static bool on_body(void *arg, const void *data, size_t len)
{
    return put(arg, data, len);
}

/* --cacert, else the home CA, else whom the system trusts. */
static int load_trust(const struct mu_args *args, struct mu_certs *ret, struct mu_error *err)
{
    if (mu_load_anchors(args, ret, err) == 0)
        return 0;
    if (err->code != MU_E_NO_CA || access(SYSTEM_CAS, R_OK) != 0)
        return -1;
    return mu_certs_load(SYSTEM_CAS, NULL, ret, err);
}

/* -d DATA, -d @FILE, -d @- */
static int load_body(const struct mu_args *args, struct mu_buf *ret, struct mu_error *err)
{
    const char *data = mu_args_value(args, "data");
    if (data == NULL)
        return 0;
    if (data[0] == '@')
        return mu_file_read(data + 1, MU_FILE_LIMIT, ret, err);
    mu_buf_adds(ret, data);
    return mu_buf_failed(ret) ? mu_fail_nomem(err) : 0;
}

/* libcurl would leave out in silence what is none, and send a second line with the first. As curl has it, "Name:"
 * takes a header away, and "Name;" sends it empty. */
static bool is_header_line(const char *line)
{
    size_t name = strcspn(line, ":;\r\n");
    return name > 0 && (line[name] == ':' || mu_str_equal(line + name, ";")) &&
           line[strcspn(line, "\r\n")] == '\0';
}

/* Works here, fails elsewhere: worth a word, on standard error, where it does not mix with the answer. */
static void warn_about_server(const struct mu_tls_client *tls)
{
    struct mu_error err = MU_ERROR_INIT;
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (tls->presented.count == 0 ||
        mu_cert_info_read(tls->presented.at[0], time(NULL), &info, &err) != 0)
        return;
    for (size_t i = 0; i < info.problems.count; i++)
        mu_warn("the server's certificate \"%s\" is accepted, but %s",
                mu_cert_label(tls->presented.at[0], label), info.problems.at[i]);
}

static int fetch(const struct mu_args *args, struct output *out, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) anchors = {0};
    MU_AUTO_CLEAR(mu_certs) chain = {0};
    MU_AUTO_STRUCT(mu_key) key = NULL;
    MU_AUTO_CLEAR(mu_strs) headers = {0};
    MU_AUTO_CLEAR(mu_buf) body = MU_BUF_INIT;
    MU_AUTO_CLEAR(mu_tls_client) tls = MU_TLS_CLIENT_INIT;
    const char *url = mu_args_at(args, 0), *header;
    const struct mu_self who = {.name = mu_args_value(args, "as"), .name_opt = "--as"};
    char host[256];
    long status = 0, timeout_s = 0;

    if (mu_url_host(url, host, sizeof host, err) != 0 ||
        mu_load_self(args, &who, &chain, &key, err) != 0 || load_trust(args, &anchors, err) != 0 ||
        load_body(args, &body, err) != 0)
        return -1;
    if (mu_args_given(args, "max-time") &&
        mu_args_number(args, "max-time", 1, 86400, &timeout_s, err) != 0)
        return -1;
    for (int i = 0; (header = mu_args_nth(args, "header", i)) != NULL; i++) {
        if (!is_header_line(header))
            return mu_usage(err, args, "--header takes \"Name: value\", not \"%s\"", header);
        if (mu_strs_add(&headers, header) != 0)
            return mu_fail_nomem(err);
    }

    tls.anchors = &anchors;
    tls.chain = chain.count > 0 ? &chain : NULL;
    tls.key = key;
    tls.host = host;
    struct mu_http_call call = {
        .url = url,
        .method = mu_args_value(args, "request"),
        .headers = &headers,
        .body = mu_args_given(args, "data") ? mu_buf_str(&body) : NULL,
        .body_len = body.len,
        .timeout_s = timeout_s,
        .tls = &tls,
        .arg = out,
        .on_header = on_header,
        .on_body = on_body,
    };
    if (mu_http_call(&call, &status, err) != 0 && out->failure != 0)
        return fail_output(out, out->failure, err);
    if (err->code != MU_OK) {
        enum mu_cause_id cause = mu_cause_of_call(&tls, err, time(NULL));
        mu_str_copy(err->why, sizeof err->why,
                    cause == MU_CAUSE_COUNT ? "" : mu_cause_of(cause)->id);
        return -1;
    }
    warn_about_server(&tls);
    if (status < 400)
        return 0;
    mu_note("the server answered %ld %s", status, mu_http_reason((int)status));
    if (status == 400 && tls.asked && tls.chain == NULL)
        mu_note("it asked for a client certificate and got none: --as NAME, or --cert and --key");
    else if (status == 400 && tls.asked)
        mu_note(
            "some servers, nginx among them, refuse a certificate in this way: see what the answer says");
    enum mu_cause_id cause = mu_cause_of_status(&tls, status, time(NULL));
    if (cause != MU_CAUSE_COUNT)
        mu_note("cause: %s", mu_cause_of(cause)->id);
    return 1;
}

/* Into a file that appears whole or not at all, unless it is a device or a pipe. */
static int fetch_to_file(const struct mu_args *args, const char *path, struct output *out,
                         struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_stage) stage = {.replace = true};
    struct stat st;
    bool special = stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
    int fd;
    if (special) {
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            return mu_fail_errno(err, MU_E_IO, "cannot write %s", path);
    } else {
        if (mu_stage_open(&stage, path, 0644, &fd, err) != 0)
            return -1;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    out->name = path;
    out->to = fd < 0 ? NULL : fdopen(fd, "w");
    if (out->to == NULL)
        return fail_output(out, errno, err);
    int result = fetch(args, out, err);
    if (fclose(out->to) != 0 && result >= 0)
        result = fail_output(out, errno, err);
    if (result < 0 || special)
        return result;
    return mu_stage_commit(&stage, err) != 0 ? -1 : result;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct output out = {.to = stdout,
                         .name = "standard output",
                         .headers = mu_args_given(args, "include")};
    const char *path = mu_args_value(args, "output");
    if (path == NULL || mu_str_equal(path, "-"))
        return fetch(args, &out, err);
    return fetch_to_file(args, path, &out, err);
}

static const struct mu_opt opts[] = {
    {"as", 0, "NAME", "present NAME.crt with NAME.key", NULL, false},
    {"cert", 'E', "FILE", "present this certificate (PEM, DER or PKCS#12)", NULL, false},
    {"key", 0, "FILE", "its key, if it is not in the same file; or a PKCS#11 URI", NULL, false},
    {"cacert", 0, "FILE", "trust servers of this CA", NULL, true},
    {"include", 'i', NULL, "print the response's headers, too", NULL, false},
    {"output", 'o', "FILE", "write the answer to FILE", NULL, false},
    {"request", 'X', "METHOD", "the method, if not GET (with -d: POST)", NULL, false},
    {"header", 'H', "LINE", "send this header: \"Name: value\"", NULL, true},
    {"data", 'd', "DATA", "send DATA, or @FILE as it is (@- for standard input)", NULL, false},
    {"max-time", 'm', "SECONDS", "give up after so long", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_get = {
    .name = "get",
    .args = "URL",
    .summary = "fetch from a server that wants a client certificate",
    .details =
        "Without --cacert, servers of the home CA are trusted; without a home CA, those that the\n"
        "system trusts. Exit status 1 also when the server answers with a status of 400 or more.",
    .example = "mutual get --as my-client https://localhost:3000",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
