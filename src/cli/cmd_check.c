#include <stdio.h>

#include "base/str.h"
#include "base/time.h"
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
        print_content(door);
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

static void add_warning(void *arg, const char *sentence)
{
    json_array_append_new(arg, json_string(sentence));
}

static json_t *door_json(const struct mu_door *door)
{
    char label[MU_CERT_LABEL_LEN], until[MU_DATE_LEN];
    json_t *warnings = json_array();
    mu_door_warn(door, add_warning, warnings);
    return json_pack("{s:i, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s?, s:o}",
                     "line", door->config->at.line, "listen", words_json(&door->config->listen),
                     "addresses", addresses_json(door), "names", words_json(&door->config->names),
                     "clients", door->config->clients_optional ? "optional" : "required", "tls_min",
                     door->config->only_tls13 ? "1.3" : "1.2", "certificate",
                     door->config->certificate, "subject", mu_cert_label(door->chain.at[0], label),
                     "not_after", mu_date_rfc3339(mu_cert_not_after(door->chain.at[0]), until),
                     "trust", words_json(&door->config->trust), "crl",
                     words_json(&door->config->crl), "to", words_json(&door->config->to), "files",
                     door->config->files, "warnings", warnings);
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

static int run(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_serve_home) home = {0};
    struct mu_door_loader loader = mu_serve_loader(args, &home);
    struct mu_config *config = NULL;
    MU_AUTO_STRUCT(mu_doors) doors = NULL;
    loader.only_look = true;
    if (mu_config_load(mu_args_at(args, 0), &config, err) != 0 ||
        mu_doors_load(config, &loader, &doors, err) != 0 || mu_front_check(doors, err) != 0)
        return -1;
    mu_args_json(args) ? print_json(doors) : print_text(doors);
    return 0;
}

static const struct mu_opt opts[] = {
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_check = {
    .name = "check",
    .args = "FILE",
    .summary = "say what mutual serve --config FILE would do, without doing it",
    .details =
        "Reads the file and every file that it names, looks every address up, and sets TLS up, as a server that\n"
        "starts or reloads does. Nothing is opened to clients: whether an address is free shows at the start.\n"
        "Exit status 1: it would not start, and why, with line and column.\n"
        "\n"
        "  workers: 4                     # threads [one a core]\n"
        "  max_connections: 10000         # in all; also max_connections_per_address, max_handshakes\n"
        "  stop_timeout: 10s              # for answers under way when told to stop\n"
        "  log: [refusals, requests]      # troubles, connections; all, none\n"
        "  log_format: json               # or text\n"
        "  user: mutual:mutual            # become this one when all is open\n"
        "  sandbox: on                    # or off: keep what a server never needs\n"
        "  status: localhost:9090         # /metrics, /healthz and /readyz, without TLS; or unix:PATH\n"
        "  control: /run/mutual.sock      # for mutual status; or none\n"
        "  doors:\n"
        "    - listen: [\"*:8443\", \"unix:/run/door\"]    # or systemd:NAME; localhost:PORT is this machine alone\n"
        "      names: [api.example.com, \"*.api.example.com\"]   # needed where doors share an address; without: all others\n"
        "      certificate: api.crt       # with its chain behind it; paths are relative to this file\n"
        "      key: api.key               # not needed if it is in the same file; or a PKCS#11 URI\n"
        "      trust: ca.crt              # the CAs whose clients come in; like crl and to, one or a list\n"
        "      crl: ca.crl                # each CA of a client needs one that is not out of date\n"
        "      crl_grace: closed          # or open, or how long a list that is out of date still counts\n"
        "      session_lifetime: 1h       # clients may come back so long without showing their certificates\n"
        "      clients: required          # or optional: who has no certificate comes in where a rule says anonymous\n"
        "      tls_min: \"1.2\"             # or \"1.3\"\n"
        "      to: http://127.0.0.1:8080  # or http://unix:PATH: requests go there\n"
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
        "      log: [refusals, requests]  # of this door, in the place of the file's\n"
        "      files: /srv/www            # instead of to: files are served; without both, \"Hello World\"\n"
        "      send_proxy: v2             # tell the backend who the client is by a PROXY protocol header\n"
        "      proxy_protocol: true       # clients come through a proxy, which says so by such a header\n"
        "      proxy_from: 10.0.0.0/8     # the proxies' addresses\n"
        "      max_lifetime: 12h          # of a connection that is carried to a backend\n"
        "      handshake_timeout: 10s     # also header_timeout, idle_timeout, write_timeout, connect_timeout,\n"
        "                                 # read_timeout",
    .example = "mutual check mutual.yaml",
    .opts = opts,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
