#include <stdio.h>

#include "base/notify.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/commands.h" /* made by meson.build: MU_VERSION */
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/rights.h"
#include "cli/serve_log.h"
#include "cli/tunnel.h"
#include "front/probe.h"
#include "net/watch.h"
#include "pki/token.h"

/* The most addresses that a name stands for where it is told how it is. */
enum { STATUS_MAX = 8 };

struct running {
    const struct mu_args *args;
    struct mu_serve_log *log;
    struct mu_server_config config;
    struct mu_server *server;
    const struct mu_tunnel *tunnel; /* in force; the server's */
    struct mu_watch *watch;
    struct mu_rights rights;
    struct mu_probe probe;
    struct mu_plain_config plain[STATUS_MAX];
    time_t started;
    uint64_t reloads_done, reloads_failed;
    bool replacing;                       /* the workers are taking it over */
    char last_failure[MU_ERROR_WHAT_LEN]; /* so that it is told once */
};

static void running_clear(struct running *r)
{
    mu_server_free(r->server);
    mu_watch_free(r->watch);
    mu_serve_log_free(r->log);
}
MU_AUTO_DEFINE_CLEAR(running, running_clear)

/* --- The line that says that it is ready --- */

/* The certificate opens the server's door, and this one has no lock. */
static void warn_about_listening(const struct running *r)
{
    char text[MU_ADDRESS_LEN], label[MU_CERT_LABEL_LEN];
    for (size_t i = 0; i < mu_server_address_count(r->server); i++) {
        const struct mu_address *address = mu_server_address(r->server, i);
        if (!mu_address_is_local(address))
            mu_warn("whoever can reach %s from the network acts with the certificate \"%s\"",
                    mu_address_text(address, text), mu_cert_label(r->tunnel->chain.at[0], label));
    }
}

static void print_ready_json(const struct running *r)
{
    char text[MU_ADDRESS_LEN];
    const struct mu_backends *servers = &r->tunnel->servers;
    json_t *listen = json_array(), *to = json_array();
    for (size_t i = 0; i < mu_server_address_count(r->server); i++)
        json_array_append_new(listen,
                              json_string(mu_address_text(mu_server_address(r->server, i), text)));
    for (size_t i = 0; i < servers->count; i++)
        json_array_append_new(to, json_string(servers->at[i].name));
    mu_print_json_line(json_pack("{s:s, s:o, s:o, s:o*}", "event", "ready", "listen", listen, "to",
                                 to, "status",
                                 r->config.plain_count == 0
                                     ? NULL
                                     : json_string(mu_address_text(&r->plain[0].address, text))));
}

static void print_ready(const struct running *r)
{
    char text[MU_ADDRESS_LEN];
    printf("ready: %s, to %s\n", mu_address_text(mu_server_address(r->server, 0), text),
           r->tunnel->servers.at[0].name);
    if (r->config.plain_count > 0)
        printf("status: %s%s\n", mu_address_path(&r->plain[0].address) == NULL ? "http://" : "",
               mu_address_text(&r->plain[0].address, text));
}

static void on_ready(void *arg)
{
    const struct running *r = arg;
    warn_about_listening(r);
    if (mu_args_json(r->args))
        print_ready_json(r);
    else
        print_ready(r);
    fflush(stdout);
    mu_rights_print(&r->rights, mu_args_json(r->args));
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

/* --- What is told of it, without TLS --- */

static bool measure(void *arg, const struct mu_survey *survey, struct mu_measured *ret)
{
    const struct running *r = arg;
    const struct mu_tunnel *tunnel = r->tunnel;
    struct mu_metrics *metrics = &ret->metrics;
    if (!mu_measured_init(ret, r->server, survey, tunnel->chain.count + tunnel->anchors.count,
                          tunnel->servers.count))
        return false;
    metrics->calls = true;
    metrics->version = MU_VERSION;
    metrics->started = r->started;
    metrics->log_lines_lost = mu_serve_log_lines_lost(r->log);
    metrics->reloads_done = r->reloads_done;
    metrics->reloads_failed = r->reloads_failed;
    metrics->max_connections = r->config.max_connections;
    mu_measured_add_backends(ret, &tunnel->servers);
    mu_measured_add_certs(ret, &tunnel->chain);
    metrics->certificates = mu_measured_since(ret, 0);
    mu_measured_add_certs(ret, &tunnel->anchors);
    metrics->trust = mu_measured_since(ret, tunnel->chain.count);
    return true;
}

static int add_status(struct running *r, struct mu_error *err)
{
    struct mu_address addresses[STATUS_MAX] = {0};
    const char *text = mu_args_value(r->args, "status");
    if (text == NULL)
        return 0;
    if (mu_address_parse(text, addresses, MU_COUNT(addresses), &r->config.plain_count, err) != 0)
        return -1;
    r->probe = (struct mu_probe){.measure = measure, .arg = r};
    for (size_t i = 0; i < r->config.plain_count; i++)
        r->plain[i] = (struct mu_plain_config){.address = addresses[i],
                                               .hint = MU_STATUS_HINT,
                                               .handler = &mu_probe_handler,
                                               .arg = &r->probe};
    r->config.plain = r->plain;
    return 0;
}

/* --- Putting in force --- */

/* No connection goes by it any more. */
static void on_released(void *tunnel)
{
    mu_tunnel_free(tunnel);
}

/* At the start, and when it may have become another. What fails changes nothing. The files are looked at before they are read, so
 * that a change meanwhile is seen as one. */
static int renew(struct running *r, struct mu_error *err)
{
    MU_AUTO_STRUCT(mu_tunnel) tunnel = NULL;
    MU_AUTO_CLEAR(mu_strs) paths = {0};
    MU_AUTO_CLEAR(mu_strs) changed = {0};
    mu_watch_look(r->watch, &changed);
    if (mu_tunnel_paths(r->args, &paths, err) != 0 || mu_watch_set(r->watch, &paths, err) != 0 ||
        mu_tunnel_load(r->args, &tunnel, err) != 0)
        return -1;
    mu_serve_log_attach_tunnel(r->log, tunnel->log, &tunnel->forward);
    mu_serve_log_attach_server(r->log, tunnel->log, &r->config.events);
    r->config.workers = (unsigned)tunnel->workers;
    r->config.max_connections = (unsigned)tunnel->max_connections;
    r->config.stop_ms = tunnel->stop_ms;
    const struct mu_server_doors doors = {.at = &tunnel->door,
                                          .count = 1,
                                          .released = on_released,
                                          .arg = tunnel};
    if ((r->server == NULL ? mu_server_new(&r->config, &doors, &r->server, err)
                           : mu_server_replace(r->server, &doors, err)) != 0)
        return -1;
    r->tunnel = mu_take(&tunnel);
    return 0;
}

static void tell(struct running *r, const char *id, const char *sentence, const char *hint,
                 const struct mu_error *err)
{
    const struct mu_reload_event event = {id, sentence, hint, err == NULL ? "" : err->cause, err};
    if (r->tunnel->log != 0)
        mu_serve_log_reload(r->log, &event);
}

static void tell_done(struct running *r)
{
    const struct mu_cert *own = r->tunnel->chain.at[0];
    char label[MU_CERT_LABEL_LEN], until[MU_DATE_LEN], sentence[MU_ERROR_WHAT_LEN];
    snprintf(sentence, sizeof sentence, "the certificate \"%s\" is presented, until %s",
             mu_cert_label(own, label), mu_date(mu_cert_not_after(own), until));
    tell(r, "reloaded", sentence, "", NULL);
}

/* One file of a pair comes before the other, so that for a while they are none. */
static void tell_failure(struct running *r, const struct mu_error *err)
{
    tell(r, err->code == MU_E_KEY_MISMATCH ? "reload-waiting" : "reload-failed", err->what,
         "what was before stays in force; it is tried again when a file changes, or on SIGHUP", err);
}

static void reload(struct running *r, bool asked)
{
    struct mu_error err = MU_ERROR_INIT;
    if (renew(r, &err) == 0) {
        r->last_failure[0] = '\0';
        r->replacing = true;
    } else if (err.code == MU_E_BUSY) {
        mu_watch_again(r->watch, MU_WATCH_SOON_MS);
    } else {
        if (err.code != MU_E_KEY_MISMATCH)
            r->reloads_failed++;
        if (asked || !mu_str_equal(r->last_failure, err.what))
            tell_failure(r, &err);
        mu_str_copy(r->last_failure, sizeof r->last_failure, err.what);
    }
}

static void on_moved(void *arg)
{
    struct running *r = arg;
    if (r->replacing) {
        r->reloads_done++;
        tell_done(r);
    }
    r->replacing = false;
}

static void on_hangup(void *arg)
{
    reload(arg, true);
}

static void on_change(void *arg)
{
    reload(arg, false);
}

/* --json is for all that is printed, unless the log has a format of its own. */
static int make_log(struct running *r, struct mu_error *err)
{
    const char *text = mu_args_value(r->args, "log-format");
    enum mu_log_format format = mu_args_json(r->args) ? MU_LOG_JSON : MU_LOG_TEXT;
    if (text != NULL && !mu_log_format_parse(text, &format))
        return mu_usage(err, r->args, "--log-format takes text or json, not \"%s\"", text);
    return mu_serve_log_new(format == MU_LOG_JSON, &r->log, err);
}

/* --- Giving up what it does not need --- */

static int add_socket(struct mu_strs *list, const struct mu_address *address)
{
    const char *path = mu_address_path(address);
    return path == NULL ? 0 : mu_rights_add_directory(list, path);
}

static int add_sockets(struct mu_strs *list, const struct running *r)
{
    for (size_t i = 0; i < mu_server_address_count(r->server); i++)
        if (add_socket(list, mu_server_address(r->server, i)) != 0)
            return -1;
    for (size_t i = 0; i < r->config.plain_count; i++)
        if (add_socket(list, &r->plain[i].address) != 0)
            return -1;
    return 0;
}

static int give_up(struct running *r, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_strs) paths = {0};
    MU_AUTO_CLEAR(mu_sandbox) sandbox = {.leave_files = mu_key_is_in_token(r->tunnel->key)};
    if (mu_tunnel_paths(r->args, &paths, err) != 0)
        return -1;
    bool ok = mu_rights_add_passphrase(&sandbox.readable, r->args) == 0 &&
              mu_rights_add_system(&sandbox.readable) == 0 && add_sockets(&sandbox.sockets, r) == 0;
    for (size_t i = 0; ok && i < paths.count; i++)
        ok = mu_rights_add_directory(&sandbox.readable, paths.at[i]) == 0;
    return ok ? mu_rights_give_up(&r->rights, &sandbox, err) : mu_fail_nomem(err);
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    bool sandboxed;
    MU_AUTO_CLEAR(running) r = {
        .args = args,
        .started = time(NULL),
        .config = {.alive_ms = mu_notify_watchdog_ms() / 3, /* late once is not yet too late */
                   .events = {.alive = on_alive,
                              .stopping = on_stopping,
                              .hangup = on_hangup,
                              .moved = on_moved,
                              .reload_arg = &r}},
    };
    if (mu_rights_read_sandbox(args, &sandboxed, err) != 0 ||
        mu_rights_read(args, mu_args_value(args, "user"), sandboxed, false, &r.rights, err) != 0)
        return -1;
    if (make_log(&r, err) != 0 || add_status(&r, err) != 0 ||
        mu_watch_new(on_change, &r, &r.watch, err) != 0)
        return -1;
    if (renew(&r, err) != 0)
        return -1;
    if (give_up(&r, err) != 0)
        return -1;
    mu_watch_start(r.watch, r.server);
    return mu_server_run(r.server, on_ready, &r, err);
}

static const struct mu_opt opts[] = {
    {"listen", 'l', "HOST:PORT", "let programs in here, at unix:PATH, or on systemd:NAME", NULL,
     true},
    {"to", 0, "HOST:PORT", "the server; of several, the one with the fewest connections", NULL,
     true},
    {"as", 0, "NAME", "present NAME.crt with NAME.key", NULL, false},
    {"cert", 'E', "FILE", "present this certificate (PEM, DER or PKCS#12)", NULL, false},
    {"key", 0, "FILE", "its key, if it is not in the same file; or a PKCS#11 URI", NULL, false},
    {"cacert", 0, "FILE", "trust servers of this CA [the home CA]", NULL, true},
    {"server-name", 0, "NAME", "the name that the server must have, if not HOST", NULL, false},
    {"verify-dns", 0, "NAME", "the server must also have this name", NULL, true},
    {"verify-uri", 0, "URI", "or this URI, such as spiffe://example.org/db", NULL, true},
    {"verify-pin", 0, "PIN", "or the public key with this hash: sha256//BASE64", NULL, true},
    {"any-name", 0, NULL, "the server needs no name but what --verify-... asks for", NULL, false},
    {"alpn", 0, "PROTOCOL", "offer this protocol in TLS: h2, for gRPC, or postgresql", NULL, true},
    {"workers", 'w', "N", "worker threads [one a core]", NULL, false},
    {"max-connections", 0, "N", "open connections, in all", "10000", false},
    {"status", 0, "HOST:PORT",
     "tell /metrics, /healthz and /readyz there, without TLS, or at unix:PATH", NULL, false},
    {"user", 0, "NAME", "become this user (NAME:GROUP) once all is open, for good", NULL, false},
    {"sandbox", 0, "ON|OFF", "give up what it never needs: see above", "on", false},
    {"log", 0, "WHAT", "what to log on standard error: troubles, connections, all or none",
     "troubles", false},
    {"log-format", 0, "FORMAT", "text or json [text; with --json: json]", NULL, false},
    {"connect-timeout", 0, "TIME", "for the server to be reached; it is tried again meanwhile",
     "10s", false},
    {"idle-timeout", 0, "TIME", "without a byte either way [none]", NULL, false},
    {"max-lifetime", 0, "TIME", "of a connection, whatever it does [no limit]", NULL, false},
    {"stop-timeout", 0, "TIME", "for connections that are open when told to stop", "10s", false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_tunnel = {
    .name = "tunnel",
    .args = "",
    .summary = "carry plain programs to a server that wants a client certificate",
    .details =
        "Each connection that comes in plainly is carried to the server within mutual TLS, as it is, whatever it\n"
        "speaks. Whoever can connect acts with the certificate: listen on loopback or on a Unix socket.\n"
        "The server must be of the CA and have the name HOST, or --server-name. With --verify-dns, --verify-uri\n"
        "and --verify-pin it must also have any one of what they name (each may be given several times); with\n"
        "--any-name, that is asked instead of the name. Some protocols are spoken only where they were offered in TLS\n"
        "(ALPN), of which a plain program does not know: --alpn h2 is for HTTP/2 and gRPC.\n"
        "A server that cannot be reached is tried again, and the others meanwhile, until --connect-timeout is over.\n"
        "Who was refused gets a reset, never an empty answer, and standard error a line: time, client, server, id,\n"
        "reason, hint. A certificate, key or CA that changes on disk is taken over, and on SIGHUP, too; then names are\n"
        "looked up anew. Once all is open it gives up what it has no use for, for good, as `mutual serve` does; a line says\n"
        "what is in force. SIGTERM or SIGINT (Ctrl-C) ends it when the connections have ended; a second one at once.",
    .example =
        "mutual tunnel --as my-client --listen 127.0.0.1:5432 --to db.example:5433\n"
        "mutual tunnel --as my-client --listen unix:db.sock --to 10.0.0.7:5433 --server-name db.example",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
