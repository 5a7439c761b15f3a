/* The configuration's file: what may stand in it. Paths in it are relative to it. */

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/time.h"
#include "front/config_read.h"
#include "front/fetch.h"
#include "tls/names.h"

/* Doors that a person describes need no more; and libyaml takes its time for what does. */
#define CONFIG_FILE_LIMIT ((size_t)1024 * 1024)

/* --- The keys of a door --- */

static int add_listen(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_add_text(yaml, into,
                              mu_config_address(yaml, node, "listen",
                                                "an address such as localhost:8443"));
}

static int add_trust(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_add_text(yaml, into, mu_config_path(yaml, node, "trust"));
}

static int add_crl(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_door_config *door = into;
    const char *text = mu_yaml_text(yaml, node, "crl", "the path of a file, or none");
    if (text == NULL)
        return -1;
    door->crl_none = door->crl_none || mu_str_equal(text, "none");
    return mu_str_equal(text, "none")
               ? 0
               : mu_config_add_text(yaml, &door->crl, mu_config_path(yaml, node, "crl"));
}

static int add_host(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char wanted[] = "HOST, HOST:PORT or all";
    const char *text = mu_yaml_text(yaml, node, "a host", wanted);
    if (text == NULL)
        return -1;
    if (!mu_fetch_host_is_good(text))
        return mu_yaml_fail(yaml, mu_yaml_place(node), "\"%s\" is not %s", text, wanted);
    return mu_config_add_text(yaml, into, mu_yaml_copy(yaml, node, "a host", ""));
}

static int read_fetch_crl(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "fetch_crl", add_host, into);
}

static int read_fetch_ocsp(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "fetch_ocsp", add_host, into);
}

static int read_listen(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "listen", add_listen, into);
}

static int read_trust(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "trust", add_trust, into);
}

static int read_crl(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "crl", add_crl, into);
}

static int add_name(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_error below = MU_ERROR_INIT;
    const char *text = mu_yaml_text(yaml, node, "a name", "a name such as api.example.com");
    if (text == NULL)
        return -1;
    if (mu_tls_name_check(text, &below) != 0)
        return mu_yaml_fail_below(yaml, node, &below);
    return mu_config_add_text(yaml, into, mu_yaml_copy(yaml, node, "a name", ""));
}

static int read_names(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "names", add_name, into);
}

static int add_protocol(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_add_text(yaml, into,
                              mu_yaml_copy(yaml, node, "a protocol", "a protocol such as h2"));
}

static int read_alpn(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "alpn", add_protocol, into);
}

static int read_clients(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"required", "optional", NULL};
    bool *optional = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "clients", words, &word) != 0)
        return -1;
    *optional = word == 1;
    return 0;
}

static int read_tls_min(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"1.2", "1.3", NULL};
    bool *only_tls13 = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "tls_min", words, &word) != 0)
        return -1;
    *only_tls13 = word == 1;
    return 0;
}

static int add_proxy(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_add_text(yaml, into,
                              mu_yaml_copy(yaml, node, "proxy_from",
                                           "addresses such as 10.0.0.0/8"));
}

static int read_proxy_from(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list_or_one(yaml, node, "proxy_from", add_proxy, into);
}

static int read_proxy_protocol(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_bool(yaml, node, "proxy_protocol", into);
}

static int read_send_proxy(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"v2", NULL};
    bool *send = into;
    size_t word;
    *send = true;
    return mu_yaml_word(yaml, node, "send_proxy", words, &word);
}

static int read_certificate(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    return (*path = mu_config_path(yaml, node, "certificate")) == NULL ? -1 : 0;
}

static int read_key(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    return (*path = mu_config_path(yaml, node, "key")) == NULL ? -1 : 0;
}

static int read_files(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    return (*path = mu_config_path(yaml, node, "files")) == NULL ? -1 : 0;
}

static int read_health_check(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    *path = mu_yaml_copy(yaml, node, "health_check", "a path such as /healthz");
    return *path == NULL ? -1 : 0;
}

static int read_health_interval(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "health_interval", into);
}

static int read_health_count(struct mu_yaml *yaml, const struct mu_yaml_node *node, const char *key,
                             unsigned *ret)
{
    long number;
    if (mu_yaml_number(yaml, node, key, 1, MU_HEALTH_COUNT_MAX, &number) != 0)
        return -1;
    *ret = (unsigned)number;
    return 0;
}

static int read_health_fall(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_health_count(yaml, node, "health_fall", into);
}

static int read_health_rise(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return read_health_count(yaml, node, "health_rise", into);
}

static int read_handshake(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "handshake_timeout", into);
}

static int read_header(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "header_timeout", into);
}

static int read_body(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "body_timeout", into);
}

static int read_idle(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "idle_timeout", into);
}

static int read_lifetime(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "max_lifetime", into);
}

static int read_connect(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "connect_timeout", into);
}

static int read_write(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "write_timeout", into);
}

static int read_read(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_ms(yaml, node, "read_timeout", into);
}

static int read_crl_grace(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char wanted[] = "closed, open or a duration such as 12h";
    struct mu_door_config *door = into;
    const char *text = mu_yaml_text(yaml, node, "crl_grace", wanted);
    if (text == NULL)
        return -1;
    door->crl_grace_said = true;
    if (!mu_crl_grace_parse(text, &door->crl_grace_s))
        return mu_yaml_fail(yaml, mu_yaml_place(node), "crl_grace is %s, not \"%s\"", wanted, text);
    return 0;
}

static int read_session_lifetime(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    int64_t seconds;
    unsigned *ret_s = into;
    if (mu_yaml_duration(yaml, node, "session_lifetime", 7 * MU_DAY_S, "a week", &seconds) != 0)
        return -1;
    *ret_s = (unsigned)seconds;
    return 0;
}

static int read_explain(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"off", "http", NULL};
    bool *explains = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "explain_refusals", words, &word) != 0)
        return -1;
    *explains = word == 1;
    return 0;
}

static int read_door_log(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_door_config *door = into;
    door->has_log = true;
    return mu_config_log(yaml, node, &door->log);
}

#define OF_DOOR(field) offsetof(struct mu_door_config, field)

static const struct mu_yaml_key door_keys[] = {
    {"listen", read_listen, OF_DOOR(listen)},
    {"names", read_names, OF_DOOR(names)},
    {"certificate", read_certificate, OF_DOOR(certificate)},
    {"key", read_key, OF_DOOR(key)},
    {"trust", read_trust, OF_DOOR(trust)},
    {"crl", read_crl, 0},
    {"crl_grace", read_crl_grace, 0},
    {"fetch_crl", read_fetch_crl, OF_DOOR(fetch_crl)},
    {"fetch_ocsp", read_fetch_ocsp, OF_DOOR(fetch_ocsp)},
    {"session_lifetime", read_session_lifetime, OF_DOOR(session_age_s)},
    {"clients", read_clients, OF_DOOR(clients_optional)},
    {"tls_min", read_tls_min, OF_DOOR(only_tls13)},
    {"to", mu_config_to, OF_DOOR(to)},
    {"health_check", read_health_check, OF_DOOR(health_check)},
    {"health_interval", read_health_interval, OF_DOOR(health_ms)},
    {"health_fall", read_health_fall, OF_DOOR(health_fall)},
    {"health_rise", read_health_rise, OF_DOOR(health_rise)},
    {"files", read_files, OF_DOOR(files)},
    {"allow", mu_config_allow, OF_DOOR(access.allow)},
    {"deny", mu_config_deny, OF_DOOR(access.deny)},
    {"routes", mu_config_routes, 0},
    {"tell", mu_config_tell, OF_DOOR(tell)},
    {"limits", mu_config_limits, OF_DOOR(limits)},
    {"log", read_door_log, 0},
    {"explain_refusals", read_explain, OF_DOOR(explains)},
    {"proxy_protocol", read_proxy_protocol, OF_DOOR(proxy_protocol)},
    {"proxy_from", read_proxy_from, OF_DOOR(proxy_from)},
    {"alpn", read_alpn, OF_DOOR(alpn)},
    {"send_proxy", read_send_proxy, OF_DOOR(send_proxy)},
    {"handshake_timeout", read_handshake, OF_DOOR(deadlines.handshake_ms)},
    {"header_timeout", read_header, OF_DOOR(deadlines.header_ms)},
    {"body_timeout", read_body, OF_DOOR(deadlines.body_ms)},
    {"idle_timeout", read_idle, OF_DOOR(deadlines.idle_ms)},
    {"max_lifetime", read_lifetime, OF_DOOR(deadlines.lifetime_ms)},
    {"connect_timeout", read_connect, OF_DOOR(deadlines.connect_ms)},
    {"write_timeout", read_write, OF_DOOR(deadlines.write_ms)},
    {"read_timeout", read_read, OF_DOOR(deadlines.read_ms)},
};

/* What a door cannot do without has no default: nobody is let in by something that was not written. */
static int check_door(struct mu_yaml *yaml, const struct mu_door_config *door)
{
    const struct {
        bool missing;
        const char *what;
    } needs[] = {
        {door->listen.count == 0, "listen: where do its clients come to?"},
        {door->certificate == NULL, "certificate: what does it show to its clients?"},
        {door->trust.count == 0, "trust: whose clients may come in?"},
    };
    for (size_t i = 0; i < MU_COUNT(needs); i++)
        if (needs[i].missing)
            return mu_yaml_fail(yaml, door->at, "this door has no %s", needs[i].what);
    if (door->to.count > 0 && door->files != NULL)
        return mu_yaml_fail(yaml, door->at,
                            "this door hands everything to a backend (to), and would serve it here "
                            "(files)");
    if (door->to.count > 0 && door->access.allow.count == 0)
        return mu_yaml_fail(
            yaml, door->at,
            "this door hands its clients on to a backend (to), and does not say which of "
            "them: allow: all, if every client of its CAs is meant, or who is, such as allow: "
            "dns=*.example.com");
    if (door->clients_optional && mu_door_config_bars_anonymous(door))
        return mu_yaml_fail(
            yaml, door->at,
            "clients need no certificate at this door (clients: optional), but nothing lets in "
            "who has none: say allow: [all, anonymous], or so on the routes that are for "
            "everybody");
    if (!door->clients_optional && !mu_door_config_bars_anonymous(door))
        return mu_yaml_fail(
            yaml, door->at,
            "a rule lets in who has no certificate (anonymous), and nobody gets that far: say "
            "clients: optional");
    if (door->crl_none && door->crl.count > 0)
        return mu_yaml_fail(yaml, door->at, "crl: none stands alone; this door names a list, too");
    if (door->proxy_from.count > 0 && !door->proxy_protocol)
        return mu_yaml_fail(yaml, door->at,
                            "this door believes proxies (proxy_from), but not that there is one "
                            "(proxy_protocol)");
    return 0;
}

static int read_door(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_door_config *door = mu_config_add_door(into);
    if (door == NULL)
        return mu_fail_nomem(mu_yaml_err(yaml));
    door->at = mu_yaml_place(node);
    if (mu_yaml_mapping(yaml, node, "a door", door_keys, MU_COUNT(door_keys), door) != 0)
        return -1;
    return check_door(yaml, door);
}

/* --- The keys of the file --- */

static int read_doors(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_list(yaml, node, "doors", read_door, into);
}

static int read_workers(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_config *config = into;
    long number;
    if (mu_yaml_number(yaml, node, "workers", 1, MU_WORKERS_MAX, &number) != 0)
        return -1;
    config->workers = (unsigned)number;
    return 0;
}

static int read_max_connections(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_count(yaml, node, "max_connections", into);
}

static int read_max_from_address(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_count(yaml, node, "max_connections_per_address", into);
}

static int read_max_handshakes(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_config_count(yaml, node, "max_handshakes", into);
}

static int read_stop_timeout(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    struct mu_config *config = into;
    return mu_config_ms(yaml, node, "stop_timeout", &config->stop_ms);
}

static int read_expiry_warning(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    return mu_yaml_duration(yaml, node, "expiry_warning", 366 * MU_DAY_S, "a year", into);
}

static int read_status(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **address = into;
    *address = mu_config_address(yaml, node, "status", "an address such as localhost:9090");
    return *address == NULL ? -1 : 0;
}

static int read_crl_cache(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **path = into;
    return (*path = mu_config_path(yaml, node, "crl_cache")) == NULL ? -1 : 0;
}

static int read_control(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char wanted[] = "the path of a socket, or none";
    char **path = into;
    const char *text = mu_yaml_text(yaml, node, "control", wanted);
    if (text == NULL)
        return -1;
    *path = mu_str_equal(text, "none") ? mu_yaml_copy(yaml, node, "control", wanted)
                                       : mu_config_path(yaml, node, "control");
    return *path == NULL ? -1 : 0;
}

static int read_user(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    char **user = into;
    *user = mu_yaml_copy(yaml, node, "user", "NAME or NAME:GROUP");
    return *user == NULL ? -1 : 0;
}

static int read_sandbox(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"on", "off", NULL};
    bool *off = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "sandbox", words, &word) != 0)
        return -1;
    *off = word == 1;
    return 0;
}

static int read_log_format(struct mu_yaml *yaml, const struct mu_yaml_node *node, void *into)
{
    static const char *const words[] = {"text", "json", NULL};
    struct mu_config *config = into;
    size_t word;
    if (mu_yaml_word(yaml, node, "log_format", words, &word) != 0)
        return -1;
    config->log_format = word == 0 ? MU_LOG_TEXT : MU_LOG_JSON;
    return 0;
}

static const struct mu_yaml_key file_keys[] = {
    {"doors", read_doors, 0},
    {"workers", read_workers, 0},
    {"max_connections", read_max_connections, offsetof(struct mu_config, max_connections)},
    {"max_connections_per_address", read_max_from_address,
     offsetof(struct mu_config, max_from_address)},
    {"max_handshakes", read_max_handshakes, offsetof(struct mu_config, max_handshakes)},
    {"stop_timeout", read_stop_timeout, 0},
    {"expiry_warning", read_expiry_warning, offsetof(struct mu_config, expiry_warning_s)},
    {"status", read_status, offsetof(struct mu_config, status)},
    {"control", read_control, offsetof(struct mu_config, control)},
    {"crl_cache", read_crl_cache, offsetof(struct mu_config, crl_cache)},
    {"user", read_user, offsetof(struct mu_config, user)},
    {"sandbox", read_sandbox, offsetof(struct mu_config, no_sandbox)},
    {"log", mu_config_log, offsetof(struct mu_config, log)},
    {"log_format", read_log_format, 0},
};

int mu_config_parse(const char *path, const char *text, size_t len, struct mu_config **ret,
                    struct mu_error *err)
{
    char shown[MU_PATH_LEN];
    MU_AUTO_STRUCT(mu_config) config = NULL;
    if (mu_config_new(&config, err) != 0)
        return -1;
    config->file = strdup(path);
    if (config->file == NULL)
        return mu_fail_nomem(err);
    const struct mu_yaml_file file = {
        .path = mu_str_printable(path, strlen(path), shown, sizeof shown),
        .code = MU_E_CONFIG_FILE,
        .what = "a configuration",
        .if_empty = "",
        .keys = file_keys,
        .key_count = MU_COUNT(file_keys),
        .arg = config,
    };
    if (mu_yaml_read(&file, text, len, config, err) != 0)
        return -1;
    if (config->door_count == 0)
        return mu_fail(err, MU_E_CONFIG_FILE,
                       "%s describes no door: its key doors is missing or empty", file.path);
    *ret = mu_take(&config);
    return 0;
}

int mu_config_load(const char *path, struct mu_config **ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) text = MU_BUF_INIT;
    if (mu_file_read(path, CONFIG_FILE_LIMIT, &text, err) != 0)
        return -1;
    return mu_config_parse(path, mu_buf_str(&text), text.len, ret, err);
}
