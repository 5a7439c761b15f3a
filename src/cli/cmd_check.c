#include <stdio.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/check_running.h"
#include "cli/check_who.h"
#include "cli/cmd.h"
#include "cli/passphrase.h"
#include "cli/print.h"
#include "cli/serve_home.h"
#include "front/serve.h"

/* --- For people --- */

static void add_word(struct mu_buf *list, const char *word)
{
    mu_buf_addf(list, "%s%s", list->len > 0 ? ", " : "", word);
}

static void print_words(const char *label, const struct mu_strs *words)
{
    MU_AUTO_CLEAR(mu_buf) list = MU_BUF_INIT;
    for (size_t i = 0; i < words->count; i++)
        add_word(&list, words->at[i]);
    if (list.len > 0)
        mu_fact(label, "%s", mu_buf_str(&list));
}

/* Not what was written, but where it leads: "localhost" is two addresses. */
static void print_listen(const struct mu_door *door)
{
    char text[MU_ADDRESS_LEN];
    MU_AUTO_CLEAR(mu_buf) list = MU_BUF_INIT;
    for (size_t i = 0; i < door->listen_count; i++)
        add_word(&list, mu_address_text(&door->listen[i], text));
    for (size_t i = 0; i < door->config->listen.count; i++)
        if (mu_str_starts_with(door->config->listen.at[i], "systemd:"))
            add_word(&list, door->config->listen.at[i]);
    mu_fact("listen", "%s", mu_buf_str(&list));
}

static void print_certificate(const struct mu_door *door)
{
    char label[MU_CERT_LABEL_LEN], until[MU_DATE_LEN];
    mu_fact("certificate", "%s: \"%s\", until %s", door->config->certificate,
            mu_cert_label(door->chain.at[0], label),
            mu_date(mu_cert_not_after(door->chain.at[0]), until));
}

static void print_clients(const struct mu_door *door)
{
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_buf) list = MU_BUF_INIT;
    for (size_t i = 0; i < door->anchors.count; i++)
        add_word(&list, mu_cert_label(door->anchors.at[i], label));
    mu_fact("clients of", "%s%s", mu_buf_str(&list),
            door->config->clients_optional ? ", and whoever has no certificate" : "");
    print_words("trust", &door->config->trust);
    print_words("crl", &door->config->crl);
    print_words("fetch crl from", &door->config->fetch_crl);
    print_words("ask ocsp at", &door->config->fetch_ocsp);
}

static void print_terms(const char *label, const struct mu_access_list *list)
{
    char text[1024];
    if (list->count > 0)
        mu_fact(label, "%s", mu_access_list_text(list, text, sizeof text));
}

static void print_route(const struct mu_route_config *route)
{
    mu_fact("route", "%s%s%s", route->id, route->path == NULL ? "" : ": ",
            route->path == NULL ? "" : route->path);
    print_words("  method", &route->methods);
    print_words("  host", &route->hosts);
    print_terms("  allow", &route->access.allow);
    print_terms("  deny", &route->access.deny);
    print_words("  to", &route->to);
}

static void print_access(const struct mu_door *door)
{
    print_terms("allow", &door->config->access.allow);
    print_terms("deny", &door->config->access.deny);
    for (size_t i = 0; i < door->config->route_count; i++)
        print_route(&door->config->routes[i]);
}

static const char *unit_of(const struct mu_rate *rate)
{
    return rate->per_s == 1 ? "s" : rate->per_s == 60 ? "m" : "h";
}

static void print_limits(const struct mu_front_limits *limits)
{
    if (limits->rate.count > 0)
        mu_fact("rate", "%u/%s of each client", limits->rate.count, unit_of(&limits->rate));
    if (limits->address_rate.count > 0)
        mu_fact("rate", "%u/%s of each address", limits->address_rate.count,
                unit_of(&limits->address_rate));
    if (limits->header_size > 0)
        mu_fact("headers", "%u bytes at most", limits->header_size);
    if (limits->body_size > 0)
        mu_fact("bodies", "%u bytes at most", limits->body_size);
    if (limits->connections > 0)
        mu_fact("connections", "%u at most", limits->connections);
}

static void print_told(const struct mu_door *door)
{
    MU_AUTO_CLEAR(mu_strs) told = {0};
    if (mu_told_list(door->config->tell, &told))
        print_words("tell", &told);
}

static void print_content(const struct mu_door *door)
{
    if (door->backends.count > 0)
        print_words("to", &door->config->to);
    else if (door->files != NULL)
        mu_fact("files", "%s", door->config->files);
    else
        mu_fact("answer", "Hello World");
}

static void print_warning(void *arg, const char *sentence)
{
    (void)arg;
    mu_warn("%s", sentence);
}

static void print_text(const struct mu_doors *doors)
{
    const struct mu_config *config = doors->config;
    mu_say(MU_GOOD, "%s would be served: %zu door%s, %u workers, %u connections at most\n",
           config->file, doors->count, doors->count == 1 ? "" : "s", config->workers,
           config->max_connections);
    for (size_t i = 0; i < doors->count; i++) {
        const struct mu_door *door = &doors->at[i];
        mu_say(MU_BOLD, "door %zu (line %d)\n", i + 1, door->config->at.line);
        print_listen(door);
        print_words("names", &door->config->names);
        print_certificate(door);
        print_clients(door);
        print_access(door);
        print_content(door);
        print_told(door);
        print_limits(&door->config->limits);
    }
    for (size_t i = 0; i < doors->count; i++)
        mu_door_warn(&doors->at[i], print_warning, NULL);
}

/* --- For programs --- */

static json_t *words_json(const struct mu_strs *words)
{
    json_t *list = json_array();
    for (size_t i = 0; i < words->count; i++)
        json_array_append_new(list, json_string(words->at[i]));
    return list;
}

static json_t *addresses_json(const struct mu_door *door)
{
    char text[MU_ADDRESS_LEN];
    json_t *list = json_array();
    for (size_t i = 0; i < door->listen_count; i++)
        json_array_append_new(list, json_string(mu_address_text(&door->listen[i], text)));
    return list;
}

static json_t *terms_json(const struct mu_access_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, json_string(list->at[i].text));
    return array;
}

static json_t *routes_json(const struct mu_door_config *config)
{
    json_t *array = json_array();
    for (size_t i = 0; i < config->route_count; i++) {
        const struct mu_route_config *route = &config->routes[i];
        json_array_append_new(array, json_pack("{s:i, s:s, s:s?, s:o, s:o, s:o, s:o, s:o}", "line",
                                               route->at.line, "id", route->id, "path", route->path,
                                               "method", words_json(&route->methods), "host",
                                               words_json(&route->hosts), "allow",
                                               terms_json(&route->access.allow), "deny",
                                               terms_json(&route->access.deny), "to",
                                               words_json(&route->to)));
    }
    return array;
}

static json_t *told_json(const struct mu_door_config *config)
{
    MU_AUTO_CLEAR(mu_strs) told = {0};
    (void)mu_told_list(config->tell, &told);
    return words_json(&told);
}

static json_t *limits_json(const struct mu_front_limits *limits)
{
    char rate[32], address_rate[32];
    snprintf(rate, sizeof rate, "%u/%s", limits->rate.count, unit_of(&limits->rate));
    snprintf(address_rate, sizeof address_rate, "%u/%s", limits->address_rate.count,
             unit_of(&limits->address_rate));
    return json_pack("{s:s?, s:s?, s:I, s:I, s:I}", "rate", limits->rate.count > 0 ? rate : NULL,
                     "rate_per_address", limits->address_rate.count > 0 ? address_rate : NULL,
                     "max_header_size", (json_int_t)limits->header_size, "max_body_size",
                     (json_int_t)limits->body_size, "max_connections",
                     (json_int_t)limits->connections);
}

static void add_warning(void *arg, const char *sentence)
{
    json_array_append_new(arg, json_string(sentence));
}

static json_t *door_json(const struct mu_door *door)
{
    char label[MU_CERT_LABEL_LEN], until[MU_DATE_LEN];
    json_t *warnings = json_array();
    mu_door_warn(door, add_warning, warnings);
    return json_pack(
        "{s:i, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}",
        "line", door->config->at.line, "listen", words_json(&door->config->listen), "addresses",
        addresses_json(door), "names", words_json(&door->config->names), "clients",
        door->config->clients_optional ? "optional" : "required", "tls_min",
        door->config->only_tls13 ? "1.3" : "1.2", "certificate", door->config->certificate,
        "subject", mu_cert_label(door->chain.at[0], label), "not_after",
        mu_date_rfc3339(mu_cert_not_after(door->chain.at[0]), until), "trust",
        words_json(&door->config->trust), "crl", words_json(&door->config->crl), "fetch_crl",
        words_json(&door->config->fetch_crl), "fetch_ocsp", words_json(&door->config->fetch_ocsp),
        "to", words_json(&door->config->to), "files", door->config->files, "warnings", warnings,
        "allow", terms_json(&door->config->access.allow), "deny",
        terms_json(&door->config->access.deny), "routes", routes_json(door->config), "tell",
        told_json(door->config), "limits", limits_json(&door->config->limits));
}

static void print_json(const struct mu_doors *doors)
{
    const struct mu_config *config = doors->config;
    json_t *list = json_array();
    for (size_t i = 0; i < doors->count; i++)
        json_array_append_new(list, door_json(&doors->at[i]));
    mu_print_json(json_pack("{s:s, s:I, s:I, s:o}", "file", config->file, "workers",
                            (json_int_t)config->workers, "max_connections",
                            (json_int_t)config->max_connections, "doors", list));
}

/* Options that describe a door are in the place of the file, and all of them are about somebody. */
static int check_options(const struct mu_args *args, bool who, struct mu_error *err)
{
    static const char *const of_door[] = {"cacert", "crl", "crl-grace", "allow", "deny"};
    static const char *const of_who[] = {"path", "method", "host"};
    const bool file = mu_args_count(args) > 0;
    if (!file && !who)
        return mu_usage(err, args,
                        "name the file that describes the doors, or a certificate with --who");
    for (size_t i = 0; i < MU_COUNT(of_door); i++)
        if (file && mu_args_given(args, of_door[i]))
            return mu_usage(err, args, "--%s describes a door, and so does the file", of_door[i]);
    for (size_t i = 0; i < MU_COUNT(of_who); i++)
        if (!who && mu_args_given(args, of_who[i]))
            return mu_usage(err, args, "--%s is of a request, and nobody makes one without --who",
                            of_who[i]);
    return 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_serve_home) home = {0};
    struct mu_door_loader loader = mu_serve_loader(args, &home);
    struct mu_config *config = NULL;
    MU_AUTO_STRUCT(mu_doors) doors = NULL;
    const bool who = mu_args_given(args, "who");
    if (mu_check_is_running(args))
        return mu_check_running(args, err);
    if (check_options(args, who, err) != 0)
        return -1;
    if (mu_args_count(args) == 0)
        return mu_check_who_flags(args, err);
    loader.only_look = true;
    if (mu_serve_load(args, mu_args_at(args, 0), &config, err) != 0 ||
        mu_doors_load(config, &loader, &doors, err) != 0 || mu_front_check(doors, err) != 0)
        return -1;
    if (who)
        return mu_check_who(args, doors, err);
    mu_args_json(args) ? print_json(doors) : print_text(doors);
    return 0;
}

static const struct mu_opt opts[] = {
    {"who", 0, "CERT", "would this certificate be let in, and by which rule? or: anonymous", NULL,
     false},
    {"path", 0, "PATH", "to what: a path as it is sent [/]", NULL, false},
    {"method", 0, "M", "and by which method [GET]", NULL, false},
    {"host", 0, "H", "asking for this host, which also chooses among doors [any]", NULL, false},
    {"allow", 0, "WHO", "instead of FILE: a door that lets in whom this names", NULL, true},
    {"deny", 0, "WHO", "and that keeps out whom this names", NULL, true},
    {"cacert", 0, "FILE", "of clients of this CA [the home CA]", NULL, true},
    {"crl", 0, "FILE", "and whom this list does not name; without --who: of a running server", NULL,
     true},
    {"crl-grace", 0, "WHAT",
     "what a list out of date means: closed, open, or for so long what it meant [closed]", NULL,
     false},
    MU_CHECK_RUNNING_OPTS,
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_check = {
    .name = "check",
    .args = "[FILE]",
    .summary = "say what mutual serve --config FILE would do, without doing it",
    .details =
        "Reads the file and every file that it names, looks every address up, and sets TLS up, as a server that\n"
        "starts or reloads does. Nothing is opened to clients: whether an address is free shows at the start.\n"
        "Exit status 1: it would not start, and why, with line and column.\n"
        "With --who it says who that certificate is known as, and of each door whether it would come in and by which\n"
        "rule; exit status 1: nowhere. The door of options needs no file: --allow, --deny, --cacert, --crl, --crl-grace.\n"
        "With --crl, --trust or --config and neither of these, a running server is asked who is connected or has come in\n"
        "lately, and these clients are judged by that list, those CAs or doors: exit status 1, and who, if somebody\n"
        "would be locked out. Nothing changes at the server, which remembers some 16,000 clients.\n"
        "\n"
        "  workers: 4                     # threads [one a core]\n"
        "  max_connections: 10000         # in all; also max_connections_per_address, max_handshakes\n"
        "  expiry_warning: 14d            # speak of a client's certificate so long before its end\n"
        "  stop_timeout: 10s              # for answers under way when told to stop\n"
        "  log: [refusals, requests]      # troubles, connections; all, none\n"
        "  log_format: json               # or text\n"
        "  user: mutual:mutual            # become this one when all is open\n"
        "  sandbox: on                    # or off: keep what a server never needs\n"
        "  status: localhost:9090         # /metrics, /healthz and /readyz, without TLS; or unix:PATH\n"
        "  control: /run/mutual.sock      # for mutual status; or none\n"
        "  crl_cache: /var/cache/mutual   # a directory in which lists that are fetched outlive a restart\n"
        "  doors:\n"
        "    - listen: [\"*:8443\", \"unix:/run/door\"]    # or systemd:NAME; localhost:PORT is this machine alone\n"
        "      names: [api.example.com, \"*.api.example.com\"]   # needed where doors share an address; without: all others\n"
        "      certificate: api.crt       # with its chain behind it; paths are relative to this file\n"
        "      key: api.key               # not needed if it is in the same file; or a PKCS#11 URI\n"
        "      trust: ca.crt              # the CAs whose clients come in; like crl and to, one or a list\n"
        "      crl: ca.crl                # each CA of a client needs one that is not out of date; or none.\n"
        "                                 # without it: the home CA's own list, if that CA is trusted here\n"
        "      fetch_crl: crl.example.com # lists are fetched from where certificates say, at HOST or HOST:PORT; or all\n"
        "      fetch_ocsp: ocsp.example.com   # the responders of clients' certificates are asked, likewise\n"
        "      crl_grace: closed          # or open, or how long a list that is out of date still counts\n"
        "      session_lifetime: 1h       # clients may come back so long without showing their certificates\n"
        "      clients: required          # or optional: who has no certificate comes in where a rule says anonymous\n"
        "      tls_min: \"1.2\"             # or \"1.3\"\n"
        "      to: http://127.0.0.1:8080  # or http://unix:PATH: requests go there, over HTTP/1.1\n"
        "      to: h2c://127.0.0.1:50051  # or h2c://unix:PATH: over HTTP/2, as for gRPC\n"
        "      health_check: /healthz     # http: backends are asked for it, every health_interval (5s);\n"
        "                                 # health_fall (3) and health_rise (2) answers in a row change what we think\n"
        "      to: tcp://127.0.0.1:5432   # or unix:PATH: what clients send goes there as it is\n"
        "      allow: [\"dns=*.example.com\", ou=ops]   # who comes in: one is enough; all: every client of the CAs.\n"
        "                                 # needed with to; the kinds are those of mutual serve --allow\n"
        "      deny: [serial=1A2B]        # who does not, whatever allows it\n"
        "      routes:                    # the most specific one counts: by host, then path, then method\n"
        "        - path: /admin           # it and all below it\n"
        "          method: [GET, POST]    # GET is HEAD, too\n"
        "          host: admin.example.com   # or *.example.com\n"
        "          allow: ou=admins       # in the place of the door's; its deny counts, too\n"
        "          deny: cn=trainee\n"
        "          to: http://127.0.0.1:9000   # another backend\n"
        "          id: admin              # what logs and answers call it [route-1]\n"
        "      tell: [Client-Cert]        # what an http: backend hears of the certificate: mutual serve --tell\n"
        "      limits:\n"
        "        rate: 100/s              # requests of each client, or connections to tcp:; also N/m, N/h\n"
        "        rate_per_address: 200/s\n"
        "        max_header_size: 16KiB\n"
        "        max_body_size: 10MiB\n"
        "        max_connections: 1000    # at this door\n"
        "      explain_refusals: http     # tell who has no good certificate why, in HTTP: only to look for a mistake [off]\n"
        "      log: [refusals, requests]  # of this door, in the place of the file's\n"
        "      files: /srv/www            # instead of to: files are served; without both, \"Hello World\"\n"
        "      alpn: [h2]                 # what a tcp: or unix: backend speaks, for clients that want to agree on it in TLS\n"
        "      send_proxy: v2             # tell the backend who the client is by a PROXY protocol header\n"
        "      proxy_protocol: true       # clients come through a proxy, which says so by such a header\n"
        "      proxy_from: 10.0.0.0/8     # the proxies' addresses\n"
        "      max_lifetime: 12h          # of a connection that is carried to a backend\n"
        "      handshake_timeout: 10s     # also header_timeout, body_timeout, idle_timeout, write_timeout,\n"
        "                                 # connect_timeout, read_timeout",
    .example = "mutual check mutual.yaml\n"
               "mutual check --who my-client.crt --path /admin mutual.yaml\n"
               "mutual check --who my-client.crt --allow 'cn=my-*'",
    .opts = opts,
    .max_args = 1,
    .run = run,
};
