#include "cli/serve_describe.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/control.h"
#include "cli/credentials.h"
#include "cli/rights.h"
#include "cli/serve_home.h"
#include "front/fetch.h"

/* Every value of an option that may be given several times. */
static int read_all(const struct mu_args *args, const char *option, struct mu_strs *ret,
                    struct mu_error *err)
{
    const char *text;
    for (int i = 0; (text = mu_args_nth(args, option, i)) != NULL; i++)
        if (mu_strs_add(ret, text) != 0)
            return mu_fail_nomem(err);
    return 0;
}

static int copy(const char *text, char **ret, struct mu_error *err)
{
    *ret = text == NULL ? NULL : strdup(text);
    return text != NULL && *ret == NULL ? mu_fail_nomem(err) : 0;
}

static int read_listen(const struct mu_args *args, struct mu_door_config *door, struct mu_error *err)
{
    if (!mu_args_given(args, "listen"))
        return mu_strs_add(&door->listen, "localhost:3000") != 0 ? mu_fail_nomem(err) : 0;
    return read_all(args, "listen", &door->listen, err);
}

/* Without options it is the pair of the recipes, where that is here; else one is made in memory. */
static int read_certificate(const struct mu_args *args, struct mu_door_config *door,
                            struct mu_error *err)
{
    const char *cert = mu_args_value(args, "cert"), *key = mu_args_value(args, "key");
    if (cert == NULL && key != NULL)
        return mu_usage(err, args, "--key needs --cert");
    if (cert == NULL && access("localhost.crt", F_OK) == 0 && access("localhost.key", F_OK) == 0) {
        cert = "localhost.crt";
        key = "localhost.key";
    }
    return copy(cert, &door->certificate, err) != 0 || copy(key, &door->key, err) != 0 ? -1 : 0;
}

static int read_session_lifetime(const struct mu_args *args, struct mu_door_config *door,
                                 struct mu_error *err)
{
    int64_t seconds;
    const char *text = mu_args_value(args, "session-lifetime");
    if (text == NULL)
        return 0;
    if (mu_duration_parse(text, &seconds, err) != 0)
        return -1;
    if (seconds > 7 * MU_DAY_S)
        return mu_usage(err, args, "--session-lifetime is at most a week");
    door->session_age_s = (unsigned)seconds;
    return 0;
}

static int read_lists(const struct mu_args *args, struct mu_door_config *door, struct mu_error *err)
{
    const char *first = mu_args_nth(args, "crl", 0);
    door->crl_none = first != NULL && mu_str_equal(first, "none");
    if (!door->crl_none)
        return read_all(args, "crl", &door->crl, err);
    return mu_args_nth(args, "crl", 1) == NULL
               ? 0
               : mu_usage(err, args, "--crl none stands alone; name lists, or none");
}

static int read_grace(const struct mu_args *args, struct mu_door_config *door, struct mu_error *err)
{
    const char *grace = mu_args_value(args, "crl-grace");
    door->crl_grace_said = grace != NULL;
    if (grace != NULL && !mu_crl_grace_parse(grace, &door->crl_grace_s))
        return mu_usage(err, args, "--crl-grace is closed, open or a duration, not \"%s\"", grace);
    return 0;
}

static int read_hosts(const struct mu_args *args, const char *option, struct mu_strs *ret,
                      struct mu_error *err)
{
    const char *host;
    for (int i = 0; (host = mu_args_nth(args, option, i)) != NULL; i++)
        if (!mu_fetch_host_is_good(host))
            return mu_usage(err, args, "--%s takes HOST, HOST:PORT or all, not \"%s\"", option,
                            host);
    return read_all(args, option, ret, err);
}

static int read_sources(const struct mu_args *args, struct mu_door_config *door,
                        struct mu_error *err)
{
    return read_hosts(args, "fetch-crl", &door->fetch_crl, err) != 0
               ? -1
               : read_hosts(args, "fetch-ocsp", &door->fetch_ocsp, err);
}

int mu_serve_read_trust(const struct mu_args *args, struct mu_door_config *door,
                        struct mu_error *err)
{
    char home_ca[MU_PATH_LEN];
    if (read_lists(args, door, err) != 0 || read_grace(args, door, err) != 0)
        return -1;
    if (mu_args_given(args, "cacert"))
        return read_all(args, "cacert", &door->trust, err);
    if (mu_need_anchor_path(args, home_ca, err) != 0)
        return -1;
    return mu_strs_add(&door->trust, home_ca) != 0 ? mu_fail_nomem(err) : 0;
}

static int read_content(const struct mu_args *args, struct mu_door_config *door,
                        struct mu_error *err)
{
    if (read_all(args, "to", &door->to, err) != 0 ||
        copy(mu_args_value(args, "health-check"), &door->health_check, err) != 0 ||
        copy(mu_args_value(args, "files"), &door->files, err) != 0)
        return -1;
    if (door->to.count > 0 && door->files != NULL)
        return mu_usage(err, args,
                        "--to hands everything to a backend, and --files would serve it here");
    return 0;
}

int mu_serve_read_rules(const struct mu_args *args, const char *option, struct mu_access_list *ret,
                        struct mu_error *err)
{
    const char *text;
    for (int i = 0; (text = mu_args_nth(args, option, i)) != NULL; i++)
        if (mu_access_list_add(ret, text, err) != 0)
            return -1;
    return 0;
}

/* A backend has its reasons to be behind a door; that all who hold a certificate of the CA may come through is one to be said. */
static int read_access(const struct mu_args *args, struct mu_door_config *door, struct mu_error *err)
{
    if (mu_serve_read_rules(args, "allow", &door->access.allow, err) != 0 ||
        mu_serve_read_rules(args, "deny", &door->access.deny, err) != 0)
        return -1;
    if (!mu_door_config_bars_anonymous(door))
        return mu_usage(
            err, args,
            "--allow anonymous lets in who has no certificate, and here everybody needs one; a door "
            "for both is described in a file (clients: optional)");
    if (door->to.count == 0 || door->access.allow.count > 0)
        return 0;
    mu_fail(err, MU_E_USAGE,
            "--to hands clients on to a backend, and nothing says which of them: a certificate of the CA "
            "alone is not yet a reason");
    return mu_hint(err,
                   "add --allow all if every client of the CA may come in, or say who may, such as "
                   "--allow 'dns=*.example.com' or --allow 'cn=alice'; several may be given");
}

static int read_tell(const struct mu_args *args, struct mu_door_config *door, struct mu_error *err)
{
    const char *text;
    for (int i = 0; (text = mu_args_nth(args, "tell", i)) != NULL; i++) {
        unsigned one;
        if (!mu_told_parse(text, &one))
            return mu_usage(err, args, "--tell takes %s, not \"%s\"", mu_told_names, text);
        door->tell |= one;
    }
    return 0;
}

static int read_explain(const struct mu_args *args, struct mu_door_config *door,
                        struct mu_error *err)
{
    const char *text = mu_args_value(args, "explain-refusals");
    door->explains = mu_str_equal(text, "http");
    return door->explains || mu_str_equal(text, "off")
               ? 0
               : mu_usage(err, args, "--explain-refusals is http or off, not \"%s\"", text);
}

static int read_sizes(const struct mu_args *args, struct mu_front_limits *limits,
                      struct mu_error *err)
{
    const struct {
        const char *option;
        unsigned low, high, *ret;
    } all[] = {
        {"max-header-size", MU_HEADER_SIZE_MIN, MU_HEADER_SIZE_MAX, &limits->header_size},
        {"max-body-size", 1, UINT_MAX, &limits->body_size},
    };
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        const char *text = mu_args_value(args, all[i].option);
        if (text != NULL && (!mu_size_parse(text, all[i].ret) || *all[i].ret < all[i].low ||
                             *all[i].ret > all[i].high))
            return mu_usage(err, args,
                            "--%s takes a size such as 32KiB, of at least %u and at most %u bytes, not "
                            "\"%s\"",
                            all[i].option, all[i].low, all[i].high, text);
    }
    return 0;
}

static int read_rates(const struct mu_args *args, struct mu_front_limits *limits,
                      struct mu_error *err)
{
    const struct {
        const char *option;
        struct mu_rate *ret;
    } all[] = {{"rate", &limits->rate}, {"rate-per-address", &limits->address_rate}};
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        const char *text = mu_args_value(args, all[i].option);
        if (text != NULL && !mu_rate_parse(text, all[i].ret))
            return mu_usage(err, args, "--%s takes a rate such as 100/s, 10/m or 1000/h, not \"%s\"",
                            all[i].option, text);
    }
    return 0;
}

static int read_proxy(const struct mu_args *args, struct mu_door_config *door, struct mu_error *err)
{
    const char *send = mu_args_value(args, "send-proxy");
    door->proxy_protocol = mu_args_given(args, "proxy-protocol");
    door->send_proxy = send != NULL;
    if (read_all(args, "proxy-from", &door->proxy_from, err) != 0 ||
        read_all(args, "alpn", &door->alpn, err) != 0)
        return -1;
    if (door->proxy_from.count > 0 && !door->proxy_protocol)
        return mu_usage(err, args, "--proxy-from says whose --proxy-protocol to believe; give both");
    if (send != NULL && !mu_str_equal(send, "v2"))
        return mu_usage(err, args, "--send-proxy takes v2, not \"%s\"", send);
    return 0;
}

static int read_deadlines(const struct mu_args *args, struct mu_config *config,
                          struct mu_door_config *door, struct mu_error *err)
{
    struct mu_front_deadlines *deadlines = &door->deadlines;
    const struct {
        const char *option;
        unsigned *ret_ms;
    } all[] = {
        {"handshake-timeout", &deadlines->handshake_ms},
        {"header-timeout", &deadlines->header_ms},
        {"body-timeout", &deadlines->body_ms},
        {"idle-timeout", &deadlines->idle_ms},
        {"write-timeout", &deadlines->write_ms},
        {"connect-timeout", &deadlines->connect_ms},
        {"read-timeout", &deadlines->read_ms},
        {"stop-timeout", &config->stop_ms},
        {"max-lifetime", &deadlines->lifetime_ms},
        {"health-interval", &door->health_ms},
    };
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        int64_t seconds;
        const char *text = mu_args_value(args, all[i].option);
        if (text == NULL)
            continue;
        if (mu_duration_parse(text, &seconds, err) != 0)
            return -1;
        if (seconds > MU_DAY_S)
            return mu_usage(err, args, "--%s is at most a day", all[i].option);
        *all[i].ret_ms = (unsigned)seconds * 1000;
    }
    return 0;
}

static int read_limits(const struct mu_args *args, struct mu_config *config,
                       struct mu_door_config *door, struct mu_error *err)
{
    const struct {
        const char *option;
        long most;
        unsigned *ret;
    } all[] = {
        {"workers", MU_WORKERS_MAX, &config->workers},
        {"max-connections", MU_CONNECTIONS_MAX, &config->max_connections},
        {"max-connections-per-address", MU_CONNECTIONS_MAX, &config->max_from_address},
        {"max-handshakes", MU_CONNECTIONS_MAX, &config->max_handshakes},
        {"health-fall", MU_HEALTH_COUNT_MAX, &door->health_fall},
        {"health-rise", MU_HEALTH_COUNT_MAX, &door->health_rise},
    };
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        long number;
        if (mu_args_value(args, all[i].option) == NULL)
            continue;
        if (mu_args_number(args, all[i].option, 1, all[i].most, &number, err) != 0)
            return -1;
        *all[i].ret = (unsigned)number;
    }
    return 0;
}

static int read_expiry_warning(const struct mu_args *args, struct mu_config *config,
                               struct mu_error *err)
{
    const char *text = mu_args_value(args, "expiry-warning");
    return text == NULL ? 0 : mu_duration_parse(text, &config->expiry_warning_s, err);
}

static int read_log(const struct mu_args *args, struct mu_config *config, struct mu_error *err)
{
    const char *what = mu_args_value(args, "log"), *format = mu_args_value(args, "log-format");
    if (!mu_log_classes_parse(what, &config->log))
        return mu_usage(err, args,
                        "--log takes refusals, troubles, requests and connections, with commas between "
                        "them, or all, or none, not \"%s\"",
                        what);
    if (format != NULL && !mu_log_format_parse(format, &config->log_format))
        return mu_usage(err, args, "--log-format takes text or json, not \"%s\"", format);
    return 0;
}

static int read_rights(const struct mu_args *args, struct mu_config *config, struct mu_error *err)
{
    bool sandboxed;
    if (mu_rights_read_sandbox(args, &sandboxed, err) != 0)
        return -1;
    config->no_sandbox = !sandboxed;
    return copy(mu_args_value(args, "user"), &config->user, err);
}

static int from_options(const struct mu_args *args, struct mu_config **ret, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_config) config = NULL;
    if (mu_config_new(&config, err) != 0)
        return -1;
    struct mu_door_config *door = mu_config_add_door(config);
    if (door == NULL)
        return mu_fail_nomem(err);
    if (read_limits(args, config, door, err) != 0 || read_log(args, config, err) != 0 ||
        read_expiry_warning(args, config, err) != 0 || read_listen(args, door, err) != 0 ||
        read_content(args, door, err) != 0 || read_certificate(args, door, err) != 0 ||
        read_proxy(args, door, err) != 0 || read_access(args, door, err) != 0 ||
        read_tell(args, door, err) != 0 || read_explain(args, door, err) != 0 ||
        read_sizes(args, &door->limits, err) != 0 || read_rates(args, &door->limits, err) != 0 ||
        mu_serve_read_trust(args, door, err) != 0 || read_sources(args, door, err) != 0 ||
        read_session_lifetime(args, door, err) != 0 ||
        read_deadlines(args, config, door, err) != 0 || read_rights(args, config, err) != 0 ||
        copy(mu_args_value(args, "crl-cache"), &config->crl_cache, err) != 0 ||
        copy(mu_args_value(args, "status"), &config->status, err) != 0 ||
        copy(mu_args_value(args, "control"), &config->control, err) != 0)
        return -1;
    *ret = mu_take(&config);
    return mu_serve_obey_home(args, *ret, err);
}

/* One way to say a thing: an option beside the file would have to win or to lose. */
static int check_alone(const struct mu_args *args, struct mu_error *err)
{
    static const char *const all[] = {
        "listen",
        "cert",
        "key",
        "cacert",
        "crl",
        "crl-grace",
        "fetch-crl",
        "crl-cache",
        "fetch-ocsp",
        "session-lifetime",
        "expiry-warning",
        "files",
        "to",
        "allow",
        "deny",
        "tell",
        "explain-refusals",
        "max-header-size",
        "max-body-size",
        "rate",
        "rate-per-address",
        "alpn",
        "send-proxy",
        "proxy-protocol",
        "proxy-from",
        "workers",
        "max-connections",
        "max-connections-per-address",
        "max-handshakes",
        "user",
        "sandbox",
        "status",
        "control",
        "log",
        "log-format",
        "handshake-timeout",
        "header-timeout",
        "body-timeout",
        "idle-timeout",
        "connect-timeout",
        "write-timeout",
        "read-timeout",
        "health-check",
        "health-interval",
        "health-fall",
        "health-rise",
        "stop-timeout",
        "max-lifetime",
    };
    for (size_t i = 0; i < MU_COUNT(all); i++)
        if (mu_args_given(args, all[i]))
            return mu_usage(err, args, "--config describes everything; --%s belongs into that file",
                            all[i]);
    return 0;
}

/* Where nobody says, it is where `mutual status` looks for it. */
static int settle_control(struct mu_config *config, struct mu_error *err)
{
    char path[MU_PATH_LEN];
    if (config->control == NULL && mu_control_default(path)) {
        config->control_by_default = true;
        return copy(path, &config->control, err);
    }
    if (config->control != NULL && mu_str_equal(config->control, "none")) {
        free(config->control);
        config->control = NULL;
    }
    return 0;
}

int mu_serve_describe(const struct mu_args *args, struct mu_config **ret, struct mu_error *err)
{
    const char *path = mu_args_value(args, "config");
    MU_AUTO_STRUCT(mu_config) config = NULL;
    const int result = path == NULL                  ? from_options(args, &config, err)
                       : check_alone(args, err) != 0 ? -1
                                                     : mu_serve_load(args, path, &config, err);
    if (result != 0 || settle_control(config, err) != 0)
        return -1;
    *ret = mu_take(&config);
    return 0;
}
