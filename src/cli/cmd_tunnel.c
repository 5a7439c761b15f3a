#include <stdio.h>
#include <stdlib.h>

#include "base/notify.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/credentials.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/serve_log.h"
#include "front/forward.h"
#include "net/worker.h"

enum { MAX_LISTEN = 32, MAX_WORKERS = 256, WRITE_MS = 30 * 1000, LINGER_MS = 3 * 1000 };

/* Everything that is needed, loaded and checked before it is put in force, and how the server is told of it. */
struct tunnel {
    struct mu_certs anchors, chain;
    struct mu_key *key;
    struct mu_backends servers;
    const char **hosts; /* of each server: the name that it must have */
    struct mu_tls_expected expected;
    struct mu_address listen[MAX_LISTEN];
    size_t listen_count;
    unsigned connect_ms, idle_ms, lifetime_ms, stop_ms;
    long workers, max_connections;
    bool log_connections;
    struct mu_tls_calls calls;
    struct mu_forward forward;
    struct mu_server_door door;
};

static void tunnel_free(struct tunnel *tunnel)
{
    mu_certs_clear(&tunnel->anchors);
    mu_certs_clear(&tunnel->chain);
    mu_key_free(tunnel->key);
    mu_backends_clear(&tunnel->servers);
    mu_tls_expected_clear(&tunnel->expected);
    free(tunnel->hosts);
    free(tunnel);
}
MU_AUTO_DEFINE_STRUCT(tunnel, tunnel_free)

/* --- Loading --- */

static int load_listen(const struct mu_args *args, struct tunnel *tunnel, struct mu_error *err)
{
    const char *text;
    for (int i = 0; (text = mu_args_nth(args, "listen", i)) != NULL; i++) {
        size_t count;
        if (mu_address_parse(text, tunnel->listen + tunnel->listen_count,
                             MAX_LISTEN - tunnel->listen_count, &count, err) != 0)
            return -1;
        tunnel->listen_count += count;
    }
    return tunnel->listen_count > 0
               ? 0
               : mu_usage(err, args,
                          "--listen says where programs come in: 127.0.0.1:PORT or unix:PATH");
}

static int load_servers(const struct mu_args *args, struct tunnel *tunnel, struct mu_error *err)
{
    const char *text, *name = mu_args_value(args, "server-name");
    for (int i = 0; (text = mu_args_nth(args, "to", i)) != NULL; i++)
        if (mu_backends_add_server(&tunnel->servers, text, err) != 0)
            return -1;
    if (tunnel->servers.count == 0)
        return mu_usage(err, args, "--to says where the server is: HOST:PORT");
    tunnel->hosts = calloc(tunnel->servers.count, sizeof *tunnel->hosts);
    if (tunnel->hosts == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < tunnel->servers.count; i++) {
        tunnel->hosts[i] = name != NULL ? name : tunnel->servers.at[i].host;
        if (tunnel->hosts[i][0] == '\0')
            return mu_usage(err, args, "the server at %s needs a name: --server-name NAME",
                            tunnel->servers.at[i].name);
    }
    return 0;
}

static int load_expected(const struct mu_args *args, struct mu_tls_expected *ret,
                         struct mu_error *err)
{
    static const struct {
        const char *option;
        int (*expect)(struct mu_tls_expected *expected, const char *text, struct mu_error *err);
    } all[] = {
        {"verify-dns", mu_tls_expect_dns},
        {"verify-uri", mu_tls_expect_uri},
        {"verify-pin", mu_tls_expect_pin},
    };
    bool given = false;
    for (size_t i = 0; i < MU_COUNT(all); i++) {
        const char *text;
        for (int j = 0; (text = mu_args_nth(args, all[i].option, j)) != NULL; j++) {
            given = true;
            if (all[i].expect(ret, text, err) != 0)
                return -1;
        }
    }
    if (!given && mu_args_given(args, "any-name"))
        return mu_usage(err, args,
                        "--any-name needs --verify-dns, --verify-uri or --verify-pin: without any of "
                        "them, every server of the CA would do");
    return 0;
}

static int load_time(const struct mu_args *args, const char *option, unsigned *ret_ms,
                     struct mu_error *err)
{
    int64_t seconds;
    const char *text = mu_args_value(args, option);
    if (text == NULL)
        return 0;
    if (mu_duration_parse(text, &seconds, err) != 0)
        return -1;
    if (seconds > MU_DAY_S)
        return mu_usage(err, args, "--%s is at most a day", option);
    *ret_ms = (unsigned)seconds * 1000;
    return 0;
}

static int load_limits(const struct mu_args *args, struct tunnel *tunnel, struct mu_error *err)
{
    const char *log = mu_args_value(args, "log");
    tunnel->workers = mu_server_cores();
    tunnel->log_connections = mu_str_equal(log, "connections");
    if (!tunnel->log_connections && !mu_str_equal(log, "failures"))
        return mu_usage(err, args, "--log takes \"failures\" or \"connections\", not \"%s\"", log);
    if ((mu_args_given(args, "workers") &&
         mu_args_number(args, "workers", 1, MAX_WORKERS, &tunnel->workers, err) != 0) ||
        mu_args_number(args, "max-connections", 1, 10000000, &tunnel->max_connections, err) != 0 ||
        load_time(args, "connect-timeout", &tunnel->connect_ms, err) != 0 ||
        load_time(args, "idle-timeout", &tunnel->idle_ms, err) != 0 ||
        load_time(args, "max-lifetime", &tunnel->lifetime_ms, err) != 0 ||
        load_time(args, "stop-timeout", &tunnel->stop_ms, err) != 0)
        return -1;
    return 0;
}

static int load_tunnel(const struct mu_args *args, struct tunnel *tunnel, struct mu_error *err)
{
    const struct mu_identity who = {.name = mu_args_value(args, "as"), .name_opt = "--as"};
    if (load_limits(args, tunnel, err) != 0 || load_listen(args, tunnel, err) != 0 ||
        load_servers(args, tunnel, err) != 0 || load_expected(args, &tunnel->expected, err) != 0 ||
        mu_load_identity(args, &who, &tunnel->chain, &tunnel->key, err) != 0)
        return -1;
    if (tunnel->chain.count == 0)
        return mu_usage(err, args, "the server wants a certificate: --as NAME, or --cert and --key");
    return mu_load_anchors(args, &tunnel->anchors, err);
}

/* --- Running --- */

struct ready {
    const struct mu_args *args;
    const struct tunnel *tunnel;
    const struct mu_server *server;
};

/* The certificate opens the server's door, and this one has no lock. */
static void warn_about_listening(const struct ready *ready)
{
    char text[MU_ADDRESS_LEN], label[MU_CERT_LABEL_LEN];
    for (size_t i = 0; i < mu_server_address_count(ready->server); i++) {
        const struct mu_address *address = mu_server_address(ready->server, i);
        if (!mu_address_is_local(address))
            mu_warn("whoever can reach %s from the network acts with the certificate \"%s\"",
                    mu_address_text(address, text),
                    mu_cert_label(ready->tunnel->chain.at[0], label));
    }
}

static void print_ready_json(const struct ready *ready)
{
    char text[MU_ADDRESS_LEN];
    const struct mu_backends *servers = &ready->tunnel->servers;
    json_t *listen = json_array(), *to = json_array();
    for (size_t i = 0; i < mu_server_address_count(ready->server); i++)
        json_array_append_new(listen,
                              json_string(
                                  mu_address_text(mu_server_address(ready->server, i), text)));
    for (size_t i = 0; i < servers->count; i++)
        json_array_append_new(to, json_string(servers->at[i].name));
    mu_print_json_line(json_pack("{s:s, s:o, s:o}", "event", "ready", "listen", listen, "to", to));
}

static void on_ready(void *arg)
{
    const struct ready *ready = arg;
    char text[MU_ADDRESS_LEN];
    warn_about_listening(ready);
    if (mu_args_json(ready->args))
        print_ready_json(ready);
    else
        printf("ready: %s, to %s\n", mu_address_text(mu_server_address(ready->server, 0), text),
               ready->tunnel->servers.at[0].name);
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

static void describe(const struct mu_args *args, struct tunnel *tunnel)
{
    tunnel->calls = (struct mu_tls_calls){
        .anchors = &tunnel->anchors,
        .chain = &tunnel->chain,
        .key = tunnel->key,
        .hosts = tunnel->hosts,
        .host_count = tunnel->servers.count,
        .any_name = mu_args_given(args, "any-name"),
        .expected = &tunnel->expected,
    };
    tunnel->forward = (struct mu_forward){
        .backends = &tunnel->servers,
        .connect_ms =
            tunnel->connect_ms / 2, /* so that one that is silent leaves time for another */
        .retry_ms = tunnel->connect_ms,
        .idle_ms = tunnel->idle_ms,
        .lifetime_ms = tunnel->lifetime_ms,
    };
    tunnel->door = (struct mu_server_door){
        .plain = true,
        .calls = &tunnel->calls,
        .listen = tunnel->listen,
        .listen_count = tunnel->listen_count,
        .deadlines = {.write_ms = WRITE_MS, .linger_ms = LINGER_MS},
        .protocol = &mu_forward_protocol,
        .protocol_arg = &tunnel->forward,
    };
}

static int make_tunnel(const struct mu_args *args, struct mu_serve_log *log, struct tunnel **ret,
                       struct mu_error *err)
{
    MU_AUTO_STRUCT(tunnel) tunnel = calloc(1, sizeof *tunnel);
    if (tunnel == NULL)
        return mu_fail_nomem(err);
    if (load_tunnel(args, tunnel, err) != 0)
        return -1;
    describe(args, tunnel);
    mu_serve_log_attach_tunnel(log, tunnel->log_connections, &tunnel->forward);
    *ret = mu_take(&tunnel);
    return 0;
}

/* No connection goes by it any more. */
static void on_released(void *tunnel)
{
    tunnel_free(tunnel);
}

static struct mu_server_doors doors_of(struct tunnel *tunnel)
{
    return (struct mu_server_doors){.at = &tunnel->door,
                                    .count = 1,
                                    .released = on_released,
                                    .arg = tunnel};
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    struct mu_server_config config = {
        .alive_ms = mu_notify_watchdog_ms() / 3, /* late once is not yet too late */
        .events = {.stopping = on_stopping, .alive = on_alive},
    };
    MU_AUTO_STRUCT(mu_serve_log) log = NULL;
    MU_AUTO_STRUCT(tunnel) tunnel = NULL;
    MU_AUTO_STRUCT(mu_server) server = NULL;
    if (mu_serve_log_new(mu_args_json(args), &log, err) != 0 ||
        make_tunnel(args, log, &tunnel, err) != 0)
        return -1;
    config.workers = (unsigned)tunnel->workers;
    config.max_connections = (unsigned)tunnel->max_connections;
    config.stop_ms = tunnel->stop_ms;
    mu_serve_log_attach_server(log, &config.events);
    const struct mu_server_doors doors = doors_of(tunnel);
    if (mu_server_new(&config, &doors, &server, err) != 0)
        return -1;
    struct ready ready = {.args = args, .tunnel = mu_take(&tunnel), .server = server};
    return mu_server_run(server, on_ready, &ready, err);
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
    {"workers", 'w', "N", "worker threads [one a core]", NULL, false},
    {"max-connections", 0, "N", "open connections, in all", "10000", false},
    {"log", 0, "WHAT", "what to log on standard error: failures, or connections", "failures", false},
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
        "--any-name, that is asked instead of the name.\n"
        "A server that cannot be reached is tried again, and the others meanwhile, until --connect-timeout is over.\n"
        "Who was refused gets a reset, never an empty answer, and standard error a line: time, client, server, id,\n"
        "reason, hint. SIGTERM or SIGINT (Ctrl-C) ends it when the connections have ended; a second one at once.",
    .example =
        "mutual tunnel --as my-client --listen 127.0.0.1:5432 --to db.example:5433\n"
        "mutual tunnel --as my-client --listen unix:db.sock --to 10.0.0.7:5433 --server-name db.example",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
