#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "authority/authority.h"
#include "authority/hierarchy.h"
#include "base/file.h"
#include "base/notify.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/issuing.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/serve_log.h"
#include "front/serve.h"
#include "pki/info.h"

enum {
    MAX_LISTEN = 32,
    MAX_WORKERS = 256,
    FRESH_LIFETIME_DAYS = 30,
    SESSIONS = 8192,
    IDLE_MS = 60000
};

/* Everything the server needs, loaded and checked before it binds anything. */
struct door {
    struct mu_certs anchors, chain;
    struct mu_crls crls;
    struct mu_key *key;
    struct mu_files *files;
    struct mu_backends backends;
    struct mu_address listen[MAX_LISTEN];
    size_t listen_count;
    const char *ca_file; /* for the ready line */
    char home_ca[MU_PATH_LEN];
};

static void door_clear(struct door *door)
{
    mu_certs_clear(&door->anchors);
    mu_certs_clear(&door->chain);
    mu_crls_clear(&door->crls);
    mu_key_free(door->key);
    mu_files_free(door->files);
    mu_backends_clear(&door->backends);
}
MU_AUTO_DEFINE_CLEAR(door, door_clear)

static int load_listen(const struct mu_args *args, struct door *door, struct mu_error *err)
{
    const char *text = mu_args_nth(args, "listen", 0);
    for (int i = 0; i == 0 || text != NULL; text = mu_args_nth(args, "listen", ++i)) {
        size_t count;
        if (mu_address_parse(text == NULL ? "localhost:3000" : text,
                             door->listen + door->listen_count, MAX_LISTEN - door->listen_count,
                             &count, err) != 0)
            return -1;
        door->listen_count += count;
    }
    return 0;
}

static int load_crls(const struct mu_args *args, struct door *door, struct mu_error *err)
{
    const char *path;
    for (int i = 0; (path = mu_args_nth(args, "crl", i)) != NULL; i++)
        if (mu_crls_load(path, &door->crls, err) != 0)
            return -1;
    return 0;
}

static int load_backends(const struct mu_args *args, struct door *door, struct mu_error *err)
{
    const char *url;
    for (int i = 0; (url = mu_args_nth(args, "to", i)) != NULL; i++)
        if (mu_backends_add(&door->backends, url, err) != 0)
            return -1;
    if (door->backends.count > 0 && mu_args_given(args, "files"))
        return mu_usage(err, args,
                        "--to hands everything to a backend, and --files would serve it here");
    return 0;
}

/* No certificate at hand, but the home CA's key: one for localhost, which never touches the disk. */
static int issue_fresh(const struct mu_args *args, struct door *door, struct mu_error *err)
{
    struct mu_home home;
    struct mu_passphrase_source source = mu_passphrase_source(args);
    MU_AUTO_CLEAR(mu_hierarchy) ranks = {0};
    MU_AUTO_STRUCT(mu_key) ca_key = NULL;
    MU_AUTO_STRUCT(mu_policy) policy = NULL;
    MU_AUTO_CLEAR(mu_names) names = {0};
    struct mu_cert *cert = NULL;
    if (access(door->home_ca, F_OK) != 0) {
        mu_fail(err, MU_E_NO_CA,
                "there is no server certificate: neither localhost.crt with localhost.key in this "
                "directory, nor a CA in %s to issue one",
                mu_args_home(args));
        return mu_hint(err, "make a CA with: mutual init, or give --cert FILE and --key FILE");
    }
    if (mu_home_paths(mu_args_home(args), &home, err) != 0 ||
        mu_hierarchy_load(&home, &ranks, err) != 0 ||
        mu_policy_load_or_built_in(home.policy, &policy, err) != 0 ||
        mu_key_load(home.key, &source, &ca_key, err) != 0 ||
        mu_key_generate("p256", &door->key, err) != 0 ||
        mu_names_set_main(&names, "localhost", false, err) != 0 ||
        mu_names_add_loopback(&names, err) != 0)
        return -1;
    const int64_t wanted_s = FRESH_LIFETIME_DAYS * MU_DAY_S;
    const int64_t longest_s = policy->profiles[MU_PROFILE_SERVER].longest_lifetime_s;
    const struct mu_issuer issuer = {.cert = ranks.own.at[0],
                                     .key = ca_key,
                                     .above = &ranks.above,
                                     .policy = policy};
    const struct mu_order order = {
        .profile = MU_PROFILE_SERVER,
        .key = door->key,
        .names = &names,
        .now = time(NULL),
        .lifetime_s = longest_s < wanted_s ? longest_s : wanted_s,
    };
    MU_AUTO_CLEAR(mu_issued) issued = MU_ISSUED_INIT;
    if (mu_issue_by(&issuer, &order, &issued, err) != 0 ||
        mu_issued_cert(&issued, &cert, err) != 0 || mu_certs_add(&door->chain, cert, err) != 0)
        return -1;
    for (size_t i = 0; i < ranks.behind.count; i++)
        if (mu_certs_add(&door->chain, mu_cert_ref(ranks.behind.at[i]), err) != 0)
            return -1;
    return 0;
}

static int load_certificate(const struct mu_args *args, struct door *door, struct mu_error *err)
{
    bool named = mu_args_given(args, "cert") || mu_args_given(args, "key");
    bool here = access("localhost.crt", F_OK) == 0 && access("localhost.key", F_OK) == 0;
    if (!named && !here)
        return issue_fresh(args, door, err);
    const struct mu_identity who = {.name = named ? NULL : "localhost"};
    return mu_load_identity(args, &who, &door->chain, &door->key, err);
}

/* Works here, fails elsewhere. */
static void warn_about_certificate(const struct door *door)
{
    struct mu_error err = MU_ERROR_INIT;
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(door->chain.at[0], time(NULL), &info, &err) != 0)
        return;
    for (size_t i = 0; i < info.problems.count; i++)
        mu_warn("the server certificate \"%s\": %s", mu_cert_label(door->chain.at[0], label),
                info.problems.at[i]);
    if (info.has_eku && !info.server_auth && !info.any_purpose)
        mu_warn("the certificate \"%s\" is not for servers: clients will refuse it", label);
}

static bool has_list(const struct door *door, const struct mu_cert *ca)
{
    for (size_t i = 0; i < door->crls.count; i++)
        if (mu_crl_is_signed_by(door->crls.at[i], ca))
            return true;
    return false;
}

/* What turns every client of a CA away is better known now than when they come. */
static void warn_about_lists(const struct door *door)
{
    char label[MU_CERT_LABEL_LEN];
    for (size_t i = 0; door->crls.count > 0 && i < door->anchors.count; i++)
        if (!has_list(door, door->anchors.at[i]))
            mu_warn("no --crl is from the CA \"%s\": all its clients will be refused",
                    mu_cert_label(door->anchors.at[i], label));
    for (size_t i = 0; i < door->crls.count; i++) {
        struct mu_crl_info info;
        mu_crl_info(door->crls.at[i], &info);
        if (info.next_update != 0 && info.next_update < time(NULL))
            mu_warn("the revocation list of \"%s\" is out of date: all its clients will be refused",
                    info.issuer);
    }
}

/* Does `path` lie below `dir`, when all links are followed? */
static bool lies_below(const char *dir, const char *path)
{
    char real_dir[PATH_MAX], real_path[PATH_MAX];
    if (realpath(dir, real_dir) == NULL || realpath(path, real_path) == NULL)
        return false;
    size_t len = strlen(real_dir);
    return strncmp(real_dir, real_path, len) == 0 &&
           (real_path[len] == '/' || mu_str_equal(real_dir, "/"));
}

static int check_not_below(const char *dir, const char *key, struct mu_error *err)
{
    if (key == NULL || !lies_below(dir, key))
        return 0;
    mu_fail(err, MU_E_USAGE, "every client could fetch the private key %s from %s", key, dir);
    return mu_hint(err, "serve another directory, or keep the key elsewhere");
}

/* Clients are admitted, not trusted with keys: neither this server's nor any of the home's. */
static int check_no_key_is_served(const struct mu_args *args, const char *dir, struct mu_error *err)
{
    const char *key = mu_args_value(args, "key");
    char path[MU_PATH_LEN];
    struct mu_home home;
    MU_AUTO_CLEAR(mu_strs) names = {0};
    if (check_not_below(dir, key != NULL ? key : mu_args_value(args, "cert"), err) != 0 ||
        check_not_below(dir, "localhost.key", err) != 0 ||
        mu_home_paths(mu_args_home(args), &home, err) != 0)
        return -1;
    /* Who may not look into it is not asked to serve from it. */
    if (access(home.dir, R_OK) == 0 && mu_home_list(&home, mu_home_is_key, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (mu_path_join(home.dir, names.at[i], path, err) != 0 ||
            check_not_below(dir, path, err) != 0)
            return -1;
    return 0;
}

static int load_door(const struct mu_args *args, struct door *door, struct mu_error *err)
{
    const char *files = mu_args_value(args, "files");
    if (mu_anchor_path(args, door->home_ca, err) != 0 || load_listen(args, door, err) != 0 ||
        load_backends(args, door, err) != 0 || load_certificate(args, door, err) != 0 ||
        mu_load_anchors(args, &door->anchors, err) != 0 || load_crls(args, door, err) != 0)
        return -1;
    const char *ca_file = mu_args_nth(args, "cacert", 0);
    door->ca_file = ca_file == NULL ? door->home_ca : ca_file;
    if (files == NULL)
        return 0;
    return check_no_key_is_served(args, files, err) != 0 ? -1
                                                         : mu_files_open(files, &door->files, err);
}

/* --- The line that says that it is ready --- */

struct ready {
    const struct mu_args *args;
    const struct door *door;
    struct mu_front *front;
};

static bool is_for_localhost(const struct mu_cert *cert)
{
    struct mu_error err = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(cert, time(NULL), &info, &err) != 0)
        return false;
    for (size_t i = 0; i < info.san.count; i++)
        if (mu_str_equal(info.san.at[i], "DNS:localhost"))
            return true;
    return info.san.count == 0 && mu_str_equal(info.cn, "localhost");
}

/* A name to connect to: localhost if the certificate is for it, else the address. */
static void make_url(const struct ready *ready, char *ret, size_t cap)
{
    const struct mu_address *address = mu_server_address(mu_front_server(ready->front), 0);
    char text[MU_ADDRESS_LEN];
    if (mu_address_path(address) != NULL)
        snprintf(ret, cap, "https://localhost");
    else if (is_for_localhost(ready->door->chain.at[0]))
        snprintf(ret, cap, "https://localhost:%u", mu_address_port(address));
    else
        snprintf(ret, cap, "https://%s", mu_address_text(address, text));
}

/* A client's files for the line that people copy: those of the recipes, if they are here. */
static const char *client_at_hand(void)
{
    static const char *const names[] = {"my-client", "client"};
    char cert[32], key[32];
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        snprintf(cert, sizeof cert, "%s.crt", names[i]);
        snprintf(key, sizeof key, "%s.key", names[i]);
        if (access(cert, F_OK) == 0 && access(key, F_OK) == 0)
            return names[i];
    }
    return "CLIENT";
}

/* A line to copy: what a person does first. */
static void add_curl(const struct ready *ready, const char *url, struct mu_buf *ret)
{
    const char *client = client_at_hand();
    const char *path = mu_address_path(mu_server_address(mu_front_server(ready->front), 0));
    mu_buf_adds(ret, "curl --cacert ");
    mu_add_shell_word(ret, ready->door->ca_file);
    mu_buf_addf(ret, " --cert %s.crt --key %s.key ", client, client);
    if (path != NULL) {
        mu_buf_adds(ret, "--unix-socket ");
        mu_add_shell_word(ret, path);
        mu_buf_adds(ret, " ");
    }
    mu_buf_adds(ret, url);
}

static void print_ready_json(const struct ready *ready, const char *url)
{
    char text[MU_ADDRESS_LEN];
    struct mu_server *server = mu_front_server(ready->front);
    const struct mu_backends *backends = &ready->door->backends;
    json_t *listen = json_array(), *to = json_array();
    for (size_t i = 0; i < mu_server_address_count(server); i++)
        json_array_append_new(listen,
                              json_string(mu_address_text(mu_server_address(server, i), text)));
    for (size_t i = 0; i < backends->count; i++)
        json_array_append_new(to, json_string(backends->at[i].name));
    mu_print_json_line(json_pack("{s:s, s:s?, s:o, s:o, s:s}", "event", "ready", "url",
                                 backends->count > 0 ? NULL : url, "listen", listen, "to", to,
                                 "cacert", ready->door->ca_file));
}

static void on_ready(void *arg)
{
    const struct ready *ready = arg;
    char url[256], text[MU_ADDRESS_LEN];
    MU_AUTO_CLEAR(mu_buf) line = MU_BUF_INIT;
    make_url(ready, url, sizeof url);
    if (mu_args_json(ready->args)) {
        print_ready_json(ready, url);
    } else if (ready->door->backends.count > 0) {
        mu_address_text(mu_server_address(mu_front_server(ready->front), 0), text);
        printf("ready: %s, in front of %s\n", text, ready->door->backends.at[0].name);
    } else {
        add_curl(ready, url, &line);
        printf("ready: %s, try: %s\n", url, mu_buf_str(&line));
    }
    fflush(stdout);
    mu_notify("READY=1");
}

static void on_stopping(void *arg)
{
    (void)arg;
    mu_notify("STOPPING=1");
}

static void on_alive(void *arg)
{
    (void)arg;
    mu_notify("WATCHDOG=1");
}

/* Between requests nothing is owed to a client; what it means that a carried connection is silent, only its ends know. */
static int read_deadlines(const struct mu_args *args, bool forwards, struct mu_front_deadlines *ret,
                          struct mu_error *err)
{
    *ret = (struct mu_front_deadlines){.idle_ms = forwards ? 0 : IDLE_MS};
    const struct {
        const char *option;
        unsigned *ret_ms;
    } all[] = {
        {"handshake-timeout", &ret->handshake_ms}, {"header-timeout", &ret->header_ms},
        {"idle-timeout", &ret->idle_ms},           {"write-timeout", &ret->write_ms},
        {"stop-timeout", &ret->stop_ms},           {"connect-timeout", &ret->connect_ms},
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

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct mu_front_deadlines deadlines;
    MU_AUTO_CLEAR(door) door = {0};
    MU_AUTO_STRUCT(mu_serve_log) log = NULL;
    MU_AUTO_STRUCT(mu_front) front = NULL;
    long workers = mu_server_cores(), max_connections = 0;
    const char *log_what = mu_args_value(args, "log");

    if (mu_args_given(args, "workers") &&
        mu_args_number(args, "workers", 1, MAX_WORKERS, &workers, err) != 0)
        return -1;
    if (mu_args_number(args, "max-connections", 1, 10000000, &max_connections, err) != 0)
        return -1;
    if (log_what != NULL && !mu_str_equal(log_what, "requests") &&
        !mu_str_equal(log_what, "refusals"))
        return mu_usage(err, args, "--log takes \"refusals\" or \"requests\", not \"%s\"", log_what);
    if (load_door(args, &door, err) != 0 ||
        read_deadlines(args, door.backends.count > 0, &deadlines, err) != 0 ||
        mu_serve_log_new(mu_args_json(args), &log, err) != 0)
        return -1;
    warn_about_certificate(&door);
    warn_about_lists(&door);

    struct mu_front_config config = {
        .door = {.chain = &door.chain,
                 .key = door.key,
                 .anchors = &door.anchors,
                 .crls = &door.crls,
                 .sessions = SESSIONS / (unsigned)workers + 1},
        .listen = door.listen,
        .listen_count = door.listen_count,
        .workers = (unsigned)workers,
        .max_connections = (unsigned)max_connections,
        .deadlines = deadlines,
        .alive_ms = mu_notify_watchdog_ms() / 3, /* late once is not yet too late */
        .files = door.files,
        .backends = &door.backends,
    };
    mu_serve_log_attach(log, log_what != NULL && mu_str_equal(log_what, "requests"), &config);
    config.events.stopping = on_stopping;
    config.events.alive = on_alive;
    if (mu_front_new(&config, &front, err) != 0)
        return -1;
    struct ready ready = {.args = args, .door = &door, .front = front};
    return mu_server_run(mu_front_server(front), on_ready, &ready, err);
}

static const struct mu_opt opts[] = {
    {"listen", 'l', "HOST:PORT", "listen here, at unix:PATH, or on systemd:NAME [localhost:3000]",
     NULL, true},
    {"cert", 'E', "FILE", "the server's certificate, with its chain behind it", NULL, false},
    {"key", 0, "FILE", "its key, if it is not in the same file; or a PKCS#11 URI", NULL, false},
    {"cacert", 0, "FILE", "admit clients of this CA [the home CA]", NULL, true},
    {"crl", 0, "FILE", "refuse clients that this revocation list names (PEM or DER)", NULL, true},
    {"files", 0, "DIR", "serve the files below DIR instead of \"Hello World\"", NULL, false},
    {"to", 0, "URL", "carry each connection to tcp://HOST:PORT or unix:PATH instead", NULL, true},
    {"workers", 'w', "N", "worker threads [one a core]", NULL, false},
    {"max-connections", 0, "N", "open connections, in all", "10000", false},
    {"log", 0, "WHAT", "what to log on standard error: refusals, or requests too", "refusals",
     false},
    {"handshake-timeout", 0, "TIME", "for TLS and the client's certificate", "10s", false},
    {"header-timeout", 0, "TIME", "from a request's first byte to the end of its headers", "10s",
     false},
    {"idle-timeout", 0, "TIME", "between requests on a connection [60s; with --to: none]", NULL,
     false},
    {"connect-timeout", 0, "TIME", "to reach an address of a backend", "5s", false},
    {"write-timeout", 0, "TIME", "for a client to take some more of an answer", "30s", false},
    {"stop-timeout", 0, "TIME", "for answers under way when told to stop", "10s", false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_serve = {
    .name = "serve",
    .args = "",
    .summary = "admit clients of your CA, and nobody else, to HTTPS or to a service behind it",
    .details =
        "Without --cert, localhost.crt and localhost.key of the current directory are used; without those,\n"
        "the home CA issues a certificate for localhost that lives in memory only.\n"
        "With --to, the bytes of each client go to that backend and back, as they are, whatever they speak; of\n"
        "several backends, the one with the fewest connections is next. With --crl, each CA that issued a\n"
        "client must have a list, and one that is not out of date.\n"
        "Each refusal is one line on standard error: time, client, id, reason, hint.\n"
        "SIGTERM or SIGINT (Ctrl-C) ends it when the answers under way are out; a second one at once.",
    .example = "mutual serve\n"
               "mutual serve --listen 127.0.0.1:8443 --files /srv/www --log requests\n"
               "mutual serve --listen '*:5433' --to tcp://127.0.0.1:5432",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
