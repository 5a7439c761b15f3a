#include "cli/explain_probe.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/credentials.h"
#include "explain/probe_url.h"
#include "http/client.h"
#include "tls/look.h"

bool mu_explain_is_url(const char *word)
{
    return strstr(word, "://") != NULL;
}

/* HOST:PORT is a URL's beginning, and is read as one. */
static int read_connect(const struct mu_args *args, struct mu_url *ret, struct mu_error *err)
{
    char url[400];
    struct mu_error why = MU_ERROR_INIT;
    const char *text = mu_args_value(args, "connect");
    const char *colon = strrchr(text, ':');
    snprintf(url, sizeof url, "https://%.380s", text);
    if (colon == NULL || colon[1] == '\0' || strpbrk(text, "/?#@") != NULL ||
        mu_url_read(url, ret, &why) != 0)
        return mu_usage(err, args, "--connect takes HOST:PORT, not \"%s\"", text);
    return 0;
}

static int check_alpn(const struct mu_args *args, struct mu_error *err)
{
    unsigned char wire[MU_ALPN_LEN];
    size_t len;
    const char *list = mu_args_value(args, "alpn");
    return list == NULL || mu_alpn_encode(list, wire, &len)
               ? 0
               : mu_usage(err, args, "--alpn takes names with commas between them, not \"%s\"",
                          list);
}

int mu_explain_probe(const struct mu_args *args, const struct mu_sides *sides,
                     struct mu_report *report, struct mu_error *err)
{
    struct mu_url url, connect;
    struct mu_sides both = *sides;
    char home_ca[MU_PATH_LEN], cert[MU_PATH_LEN], key[MU_PATH_LEN];
    const char *paths[1] = {home_ca}, *as = mu_args_value(args, "as");
    const char *name = mu_args_given(args, "servername") ? mu_args_value(args, "servername")
                                                         : mu_args_value(args, "host");
    long max_s = 0;
    if (mu_url_read(mu_args_at(args, 0), &url, err) != 0 || check_alpn(args, err) != 0 ||
        mu_args_number(args, "max-time", 1, 3600, &max_s, err) != 0 ||
        (mu_args_given(args, "connect") && read_connect(args, &connect, err) != 0))
        return -1;
    if (as != NULL && (both.client.cert != NULL || both.client.key != NULL))
        return mu_usage(err, args, "--as stands for --cert and --key; give one or the other");
    if (as != NULL && (snprintf(cert, sizeof cert, "%s.crt", as) >= (int)sizeof cert ||
                       snprintf(key, sizeof key, "%s.key", as) >= (int)sizeof key))
        return mu_usage(err, args, "the name given with --as is too long");
    if (as != NULL) {
        both.client.cert = cert;
        both.client.key = key;
    }
    if (mu_anchor_path(args, home_ca, err) != 0)
        return -1;
    if (both.client.cas.count == 0 && access(home_ca, R_OK) == 0)
        both.client.cas = (struct mu_paths){paths, 1};
    both.host = name != NULL ? name : url.host;
    if (strncasecmp(mu_args_at(args, 0), "http:", 5) == 0 &&
        mu_report_check(report, MU_MARK_ODD, err,
                        "the URL says http: who takes it at its word speaks no TLS; it is looked at as "
                        "https") != 0)
        return -1;
    const struct mu_probe_url what = {
        .url = &url,
        .connect = mu_args_given(args, "connect") ? &connect : NULL,
        .name = name,
        .alpn = mu_args_value(args, "alpn"),
        .sides = &both,
        .max_ms = max_s * 1000,
    };
    return mu_explain_url(&what, report, err);
}
