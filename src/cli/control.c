#include "cli/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/client.h"

enum { TIMEOUT_S = 15, ANSWER_MAX = 1 << 30 };
#define SYSTEM_SOCKET "/run/mutual/mutual.sock" /* of packaging/mutual.service */

bool mu_control_default(char ret[MU_PATH_LEN])
{
    const char *dir = getenv("RUNTIME_DIRECTORY");
    if (dir == NULL || *dir == '\0')
        dir = getenv("XDG_RUNTIME_DIR");
    if (dir == NULL || *dir != '/')
        return false;
    /* systemd may name several, with colons between them. */
    int len = snprintf(ret, MU_PATH_LEN, "%.*s/mutual.sock", (int)strcspn(dir, ":"), dir);
    return len < MU_PATH_LEN;
}

int mu_control_find(char ret[MU_PATH_LEN], struct mu_error *err)
{
    if (mu_control_default(ret) && access(ret, F_OK) == 0)
        return 0;
    mu_str_copy(ret, MU_PATH_LEN, SYSTEM_SOCKET);
    if (access(ret, F_OK) == 0)
        return 0;
    mu_fail(err, MU_E_NOT_FOUND,
            "no server with a control socket was found, neither in $XDG_RUNTIME_DIR nor at %s",
            SYSTEM_SOCKET);
    return mu_hint(err,
                   "name it: --socket PATH; a server has one with: mutual serve --control PATH");
}

/* --- Asking --- */

static bool on_body(void *arg, const void *data, size_t len)
{
    struct mu_buf *answer = arg;
    mu_buf_add(answer, data, len);
    return !mu_buf_failed(answer) && answer->len <= ANSWER_MAX;
}

/* "400 Bad Request: the sentence", and perhaps "hint: what to do" in a line of its own. */
static int fail_as_told(const struct mu_control_call *how, const char *path, long status,
                        struct mu_buf *answer, struct mu_error *err)
{
    char *text = strstr(mu_buf_str(answer), ": ");
    if ((status == 400 || status == 404) && text != NULL && !mu_str_equal(how->method, "GET")) {
        char *hint = strstr(text, "\nhint: ");
        if (hint != NULL) {
            hint += strlen("\nhint: ");
            hint[strcspn(hint, "\n")] = '\0';
        }
        text[strcspn(text, "\n")] = '\0';
        mu_fail(err, status == 404 ? MU_E_NOT_FOUND : MU_E_USAGE, "%s", text + 2);
        return hint == NULL ? -1 : mu_hint(err, "%s", hint);
    }
    mu_fail(err, MU_E_HTTP, "what answers at %s is not a server's control socket", path);
    return mu_hint(err, "name the one that it was given: mutual serve --control PATH");
}

int mu_control_ask(const struct mu_control_call *how, json_t **ret, struct mu_error *err)
{
    long status = 0;
    json_error_t why;
    char found[MU_PATH_LEN], url[64];
    const char *path = how->socket == NULL ? found : how->socket;
    MU_AUTO_CLEAR(mu_tls_client) tls = MU_TLS_CLIENT_INIT;
    MU_AUTO_CLEAR(mu_buf) answer = MU_BUF_INIT;
    if (how->socket == NULL && mu_control_find(found, err) != 0)
        return -1;
    snprintf(url, sizeof url, "http://localhost%s", how->path);
    const struct mu_http_call call = {.url = url,
                                      .unix_socket = path,
                                      .method = how->method,
                                      .headers = how->headers,
                                      .timeout_s = TIMEOUT_S,
                                      .tls = &tls,
                                      .arg = &answer,
                                      .on_body = on_body};
    struct mu_error cause = MU_ERROR_INIT;
    if (mu_http_call(&call, &status, &cause) != 0) {
        mu_fail(err, cause.code, "the server at %s does not answer", path);
        mu_cause(err, "%s", cause.cause);
        return cause.code != MU_E_CONNECT
                   ? -1
                   : mu_hint(err, "check that it runs, and that this is its user: the control "
                                  "socket is for nobody else");
    }
    *ret = status == 200 ? json_loadb(mu_buf_str(&answer), answer.len, 0, &why) : NULL;
    return *ret != NULL ? 0 : fail_as_told(how, path, status, &answer, err);
}
