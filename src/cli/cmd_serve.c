#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/notify.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/commands.h" /* made by meson.build: MU_VERSION */
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/serve_describe.h"
#include "cli/serve_home.h"
#include "cli/serve_log.h"
#include "cli/serve_ready.h"
#include "cli/serve_rights.h"
#include "cli/serve_status.h"
#include "front/serve.h"

struct ready {
    const struct mu_args *args;
    struct mu_front *front;
    const struct mu_rights *rights;
};

/* Two servers of one user are nothing wrong; only one of them is found without being named. */
static void note_control(const struct mu_front *front)
{
    int missing;
    if (mu_front_control(front, &missing) == NULL && missing != 0)
        mu_note("there is no control socket for `mutual status`: %s; give this server one of its own "
                "with --control PATH",
                missing == EADDRINUSE ? "another server has it" : strerror(missing));
}

static void on_ready(void *arg)
{
    const struct ready *ready = arg;
    note_control(ready->front);
    mu_serve_ready(ready->front, mu_args_json(ready->args));
    mu_rights_print(ready->rights, mu_args_json(ready->args));
    mu_notify("READY=1");
}

static void on_stopping(void *arg)
{
    (void)arg;
    mu_notify("STOPPING=1");
}

/* The manager would take our end for the service's. */
static void on_succeeded(void *arg, pid_t successor)
{
    char state[32];
    snprintf(state, sizeof state, "MAINPID=%ld", (long)successor);
    mu_notify(state);
    mu_serve_log_succeeded(arg, successor);
}

static void on_alive(void *arg)
{
    (void)arg;
    mu_notify("WATCHDOG=1");
}

static void warn(void *arg, const char *sentence)
{
    (void)arg;
    mu_warn("%s", sentence);
}

static int configure(void *arg, struct mu_config **ret, struct mu_error *err)
{
    return mu_serve_describe(arg, ret, err);
}

/* --json is for all that is printed, unless the log has a format of its own. */
static bool logs_json(const struct mu_args *args, const struct mu_config *config)
{
    return config->log_format == MU_LOG_FORMAT_DEFAULT ? mu_args_json(args)
                                                       : config->log_format == MU_LOG_JSON;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_serve_home) home = {0};
    MU_AUTO_STRUCT(mu_config) described = NULL; /* the log is there before the doors */
    MU_AUTO_STRUCT(mu_serve_log) log = NULL;
    MU_AUTO_STRUCT(mu_front) front = NULL;
    struct mu_rights rights;
    if (mu_serve_describe(args, &described, err) != 0 ||
        mu_rights_read(args, described->user, !described->no_sandbox, true, &rights, err) != 0 ||
        mu_serve_log_new(logs_json(args, described), &log, err) != 0)
        return -1;
    struct mu_front_config config = {
        .version = MU_VERSION,
        .describe = mu_serve_status,
        .describe_seen = mu_serve_seen,
        .expiry_warning_s = described->expiry_warning_s,
        .configure = configure,
        .configure_arg = (void *)args,
        .loader = mu_serve_loader(args, &home),
        .warned = warn,
        .alive_ms = mu_notify_watchdog_ms() / 3, /* late once is not yet too late */
    };
    mu_serve_log_attach(log, described->log, &config);
    mu_serve_log_warn_before(log, described->expiry_warning_s);
    config.server_events.stopping = on_stopping;
    config.server_events.alive = on_alive;
    config.server_events.succeeded = on_succeeded;
    if (mu_front_new(&config, &front, err) != 0)
        return -1;
    home.running = true;
    if (mu_serve_rights_give_up(args, front, &rights, err) != 0)
        return -1;
    struct ready ready = {.args = args, .front = front, .rights = &rights};
    return mu_server_run(mu_front_server(front), on_ready, &ready, err);
}

static const struct mu_opt opts[] = {
    {"config", 'c', "FILE", "the doors that this file describes, instead of all that follows", NULL,
     false},
    {"listen", 'l', "HOST:PORT", "listen here, at unix:PATH, or on systemd:NAME [localhost:3000]",
     NULL, true},
    {"cert", 'E', "FILE", "the server's certificate, with its chain behind it", NULL, false},
    {"key", 0, "FILE", "its key, if it is not in the same file; or a PKCS#11 URI", NULL, false},
    {"cacert", 0, "FILE", "admit clients of this CA [the home CA]", NULL, true},
    {"crl", 0, "FILE", "refuse clients that this revocation list names, or none [the home CA's]",
     NULL, true},
    {"crl-grace", 0, "WHAT",
     "what a list out of date means: closed, open, or for so long what it meant [closed]", NULL,
     false},
    {"fetch-crl", 0, "HOST", "fetch lists from where certificates say, at HOST[:PORT]; or all",
     NULL, true},
    {"fetch-ocsp", 0, "HOST", "ask the responders that certificates name, likewise", NULL, true},
    {"crl-cache", 0, "DIR", "keep the lists that are fetched there, for the next start", NULL,
     false},
    {"session-lifetime", 0, "TIME", "clients may come back without showing their certificates",
     "1h", false},
    {"expiry-warning", 0, "TIME", "speak of a client's certificate so long before its end", "14d",
     false},
    {"files", 0, "DIR", "serve the files below DIR instead of \"Hello World\"", NULL, false},
    {"to", 0, "URL", "to http://HOST:PORT (or unix:PATH), h2c://, tcp:// or unix:PATH", NULL, true},
    {"allow", 0, "WHO", "let in whom this names, KIND=PATTERN; see above. Needed with --to", NULL,
     true},
    {"deny", 0, "WHO", "keep out whom this names, whatever else does", NULL, true},
    {"tell", 0, "HEADER", "tell an http: backend of the client by this header; see above", NULL,
     true},
    {"explain-refusals", 0, "HTTP|OFF", "tell who has no good certificate why, to find a mistake",
     "off", false},
    {"health-check", 0, "PATH",
     "ask http: backends for PATH; who does not answer 2xx or 3xx is left alone", NULL, false},
    {"health-interval", 0, "TIME", "how often", "5s", false},
    {"health-fall", 0, "N", "so many bad answers in a row, and it is left alone", "3", false},
    {"health-rise", 0, "N", "so many good ones in a row, and it is not any more", "2", false},
    {"alpn", 0, "PROTOCOL", "agree on this in TLS, for a tcp: or unix: backend: h2, postgresql",
     NULL, true},
    {"send-proxy", 0, "v2",
     "tell a tcp: or unix: backend who the client is, by a PROXY protocol header", NULL, false},
    {"proxy-protocol", 0, NULL, "clients come through a proxy, which says so by such a header",
     NULL, false},
    {"proxy-from", 0, "CIDR", "the proxies' addresses; from others nobody is let in", NULL, true},
    {"workers", 'w', "N", "worker threads [one a core]", NULL, false},
    {"max-connections", 0, "N", "open connections, in all", "10000", false},
    {"max-connections-per-address", 0, "N", "of them from one address (IPv6: /64) [any number]",
     NULL, false},
    {"max-handshakes", 0, "N", "at once; beyond that who is silent or slow makes room", "1000",
     false},
    {"rate", 0, "N/s", "requests of each client, or connections to tcp:; N/m, N/h [any number]",
     NULL, false},
    {"rate-per-address", 0, "N/s", "the same of each IPv4 address or IPv6 /64", NULL, false},
    {"max-header-size", 0, "SIZE", "of a request's headers and target, such as 8KiB [32KiB]", NULL,
     false},
    {"max-body-size", 0, "SIZE", "of a request [1MiB; to http:, any]", NULL, false},
    {"status", 0, "HOST:PORT",
     "tell /metrics, /healthz and /readyz there, without TLS, or at unix:PATH", NULL, false},
    {"control", 0, "PATH",
     "the socket for `mutual status`, or none [mutual.sock in $XDG_RUNTIME_DIR]", NULL, false},
    {"user", 0, "NAME", "become this user (NAME:GROUP) once all is open, for good", NULL, false},
    {"sandbox", 0, "ON|OFF", "give up what it never needs: see above", "on", false},
    {"log", 0, "WHAT", "what to log on standard error; see above", "refusals,troubles", false},
    {"log-format", 0, "FORMAT", "text or json [text; with --json: json]", NULL, false},
    {"handshake-timeout", 0, "TIME", "for TLS and the client's certificate", "10s", false},
    {"header-timeout", 0, "TIME", "from a request's first byte to the end of its headers", "10s",
     false},
    {"body-timeout", 0, "TIME", "for a client to send some more of a request's body", "60s", false},
    {"idle-timeout", 0, "TIME",
     "between requests on a connection [60s]; without a byte to tcp: [none]", NULL, false},
    {"max-lifetime", 0, "TIME", "of a connection to tcp: or unix:, whatever it does [no limit]",
     NULL, false},
    {"connect-timeout", 0, "TIME", "to reach an address of a backend", "5s", false},
    {"write-timeout", 0, "TIME", "for a client to take some more of an answer", "30s", false},
    {"read-timeout", 0, "TIME", "for an http: backend to say some more of an answer", "60s", false},
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
        "Clients speak HTTP/1.1 or, if they ask for it in TLS (ALPN), HTTP/2.\n"
        "With --to http:, each request goes to that backend over HTTP/1.1, and its answer comes back; with\n"
        "--to h2c:, over HTTP/2 without TLS, many at once on a connection, as gRPC demands it. What a\n"
        "client says of who it is (X-Forwarded-For, Forwarded, Client-Cert and the like) is replaced by what is so.\n"
        "With --to tcp: or unix:, the bytes of each client go to that backend and back, as they are, whatever\n"
        "they speak. Of several backends, the one with the least to do is next. A door that trusts the home\n"
        "CA goes by its list, ca.crl in the home: mutual revoke takes effect within a second. Its age does not matter\n"
        "unless --crl-grace is given; --crl none leaves it alone. With --crl FILE (PEM or DER), each CA that issued a\n"
        "client must have a list, and one that is not out of date. --fetch-crl fetches the lists that the certificates\n"
        "of good chains point to (http, nothing else), and again before they are out of date; all: from any host that is\n"
        "not in a private network. What it means that a list has not come, --crl-grace says. --fetch-ocsp asks the\n"
        "client's OCSP responder before its first byte is read, and again while it is connected; where its CA has a list,\n"
        "only that it says \"revoked\" counts. When a list, a CA or the time says that a client who is connected would\n"
        "not be let in any more, its connection is closed: HTTP when the answer under way is out, within half a second,\n"
        "all else at once.\n"
        "--allow says who comes in, and may be given several times: one that fits is enough. all: every client of the\n"
        "CA; or by what is in the certificate: dns=*.example.com, uri=spiffe://example.org/ns/**, email=*@example.com,\n"
        "ip=10.0.0.0/8, cn=web-*, ou=ops, issuer=NAME, serial=HEX, fingerprint=SHA256, pin=sha256//BASE64 (of the\n"
        "public key). * is any text within a label or a segment of a path, ** any text, ? one character. --deny is\n"
        "asked first. Who is not let in gets 403 and the reason, or at tcp: a reset. A door that hands nothing on lets\n"
        "in every client of the CA where nobody says more. By path, method and host: see mutual check --help.\n"
        "--tell names what an http: backend hears of the certificate: Client-Cert, Client-Cert-Chain (RFC 9440),\n"
        "X-Forwarded-Client-Cert (as Envoy writes it; with +Cert behind it, also the certificates), X-Client-Subject,\n"
        "X-Client-Fingerprint, X-Client-URI, X-Client-Thumbprint (x5t#S256). A client's own are never passed on.\n"
        "With --proxy-protocol every connection must begin with a PROXY protocol header, version 1 or 2, and come\n"
        "from an address of --proxy-from or by a Unix socket; the client's address is the one that it names. With\n"
        "--send-proxy v2 a tcp: or unix: backend gets one, with what is known of TLS and with the client's certificate.\n"
        "--log lists what has a line on standard error: refusals (who was turned away, and why), troubles (of the\n"
        "server and its backends), requests, connections (carried to a backend, when they end), all, or none. No\n"
        "client waits for a log that nobody takes: lines are lost then, and the next one says how many.\n"
        "When a certificate, key, CA, list or the file of the doors changes on disk, and on SIGHUP, all of them are\n"
        "loaded anew: as a whole or not at all, and no connection is dropped for it.\n"
        "Once all is open it gives up, for good, what a server has no use for: other programs and processes, dozens\n"
        "of system calls (seccomp), and all files but those that it was told of, with their directories (Landlock). A\n"
        "line says what is in force: it does without what the kernel does not have.\n"
        "SIGUSR2 starts the program that is at its place by now, which takes the sockets over; this one ends when its\n"
        "clients have, or when --stop-timeout is over. For that, a process waits outside of the sandbox.\n"
        "SIGTERM or SIGINT (Ctrl-C) ends it when the answers under way are out; a second one at once.",
    .example = "mutual serve\n"
               "mutual serve --listen 127.0.0.1:8443 --files /srv/www --log requests\n"
               "mutual serve --listen '*:443' --to http://127.0.0.1:8080 --allow all\n"
               "mutual serve --listen '*:5433' --to tcp://127.0.0.1:5432 --allow cn=my-client",
    .opts = opts,
    .max_args = 0,
    .run = run,
};
