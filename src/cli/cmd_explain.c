#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/explain_print.h"
#include "cli/explain_probe.h"
#include "cli/passphrase.h"
#include "explain/set.h"
#include "explain/sides.h"
#include "http/client.h"

/* The values of every option that may be given several times, and the lists that point to them. */
struct lists {
    const char **at;
    size_t count;
};

static void lists_clear(struct lists *lists)
{
    free(lists->at);
}
MU_AUTO_DEFINE_CLEAR(lists, lists_clear)

static const char *const many[] = {"cacert", "server-cacert", "crl", "server-crl", "other"};

static size_t count_given(const struct mu_args *args, const char *option)
{
    size_t count = 0;
    while (mu_args_nth(args, option, (int)count) != NULL)
        count++;
    return count;
}

static int lists_make(const struct mu_args *args, struct lists *ret, struct mu_error *err)
{
    size_t room = (size_t)mu_args_count(args) + 1;
    for (size_t i = 0; i < MU_COUNT(many); i++)
        room += count_given(args, many[i]);
    ret->at = calloc(room, sizeof *ret->at);
    return ret->at == NULL ? mu_fail_nomem(err) : 0;
}

static struct mu_paths list_of(const struct mu_args *args, const char *option, struct lists *lists)
{
    const char **first = lists->at + lists->count;
    size_t count = count_given(args, option);
    for (size_t i = 0; i < count; i++)
        first[i] = mu_args_nth(args, option, (int)i);
    lists->count += count;
    return (struct mu_paths){first, count};
}

/* Where its reader is going to run what a report says. */
static struct mu_here here(const struct mu_args *args)
{
    char ca[MU_PATH_LEN];
    const bool fits = snprintf(ca, sizeof ca, "%s/ca.crt", mu_args_home(args)) < (int)sizeof ca;
    return (struct mu_here){
        .known = true,
        .has_ca = fits && access(ca, F_OK) == 0,
        .home = mu_args_given(args, "home") ? mu_args_home(args) : NULL,
    };
}

/* --- Passphrases: a file is asked, the terminal is not --- */

static int explain_files(const struct mu_args *args, time_t at,
                         const struct mu_passphrase_source *source, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_report) report = {.here = here(args)};
    MU_AUTO_CLEAR(lists) lists = {0};
    size_t count = (size_t)mu_args_count(args);
    if (lists_make(args, &lists, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        lists.at[i] = mu_args_at(args, (int)i);
    if (mu_explain_files(lists.at, count, at, source, &report, err) != 0)
        return -1;
    return mu_explain_print(&report, mu_args_json(args));
}

/* --- Both sides --- */

static int read_asks(const struct mu_args *args, enum mu_asks *ret, struct mu_error *err)
{
    const char *asks = mu_args_value(args, "server-clients");
    if (asks == NULL)
        *ret = MU_ASKS_UNKNOWN;
    else if (mu_str_equal(asks, "require"))
        *ret = MU_ASKS_AND_REQUIRES;
    else if (mu_str_equal(asks, "request"))
        *ret = MU_ASKS;
    else if (mu_str_equal(asks, "none"))
        *ret = MU_ASKS_NOT;
    else
        return mu_usage(err, args, "--server-clients is require, request or none, not \"%s\"", asks);
    return 0;
}

int mu_explain_crl_scope(const struct mu_args *args, bool *ret, struct mu_error *err)
{
    const char *scope = mu_args_value(args, "server-crl-scope");
    *ret = scope != NULL && mu_str_equal(scope, "leaf");
    return scope == NULL || *ret || mu_str_equal(scope, "all")
               ? 0
               : mu_usage(err, args, "--server-crl-scope is leaf or all, not \"%s\"", scope);
}

static int read_versions(const struct mu_args *args, bool *ret, struct mu_error *err)
{
    const char *newest = mu_args_value(args, "tls-max");
    *ret = newest != NULL && mu_str_equal(newest, "1.2");
    return newest == NULL || *ret || mu_str_equal(newest, "1.3")
               ? 0
               : mu_usage(err, args, "--tls-max is 1.2 or 1.3, not \"%s\"", newest);
}

/* What a certificate has to be for: no part of a URL but the host. */
static int check_host(const struct mu_args *args, const char *option, struct mu_error *err)
{
    const char *host = mu_args_value(args, option);
    const char *colon = host == NULL ? NULL : strchr(host, ':');
    if (host != NULL && strchr(host, '/') != NULL)
        return mu_usage(err, args, "--%s takes a name or an address, not \"%s\"", option, host);
    if (host != NULL && mu_host_check(host, err) != 0)
        return -1;
    return colon == NULL || strchr(colon + 1, ':') != NULL
               ? 0
               : mu_usage(err, args, "--%s takes a name or an address without a port, not \"%s\"",
                          option, host);
}

/* From the files, or, by URL, from the running server too. */
static int explain_sides(const struct mu_args *args, bool by_url, time_t at,
                         const struct mu_passphrase_source *source, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_report) report = {.here = here(args)};
    MU_AUTO_CLEAR(lists) lists = {0};
    long depth = 0;
    if (lists_make(args, &lists, err) != 0)
        return -1;
    struct mu_sides sides = {
        .client = {.cert = mu_args_value(args, "cert"),
                   .key = mu_args_value(args, "key"),
                   .cas = list_of(args, "cacert", &lists),
                   .crls = list_of(args, "crl", &lists)},
        .server = {.cert = mu_args_value(args, "server-cert"),
                   .key = mu_args_value(args, "server-key"),
                   .cas = list_of(args, "server-cacert", &lists),
                   .crls = list_of(args, "server-crl", &lists)},
        .others = list_of(args, "other", &lists),
        .ca_key = mu_args_value(args, "cakey"),
        .host = mu_args_value(args, "host"),
        .ciphers = mu_args_value(args, "server-ciphers"),
        .limit_depth = mu_args_given(args, "server-depth"),
        .source = source,
        .at = at,
    };
    if (check_host(args, "host", err) != 0 || check_host(args, "servername", err) != 0 ||
        read_asks(args, &sides.asks, err) != 0 ||
        mu_explain_crl_scope(args, &sides.crl_leaf_only, err) != 0 ||
        read_versions(args, &sides.tls12_only, err) != 0 ||
        (sides.limit_depth && mu_args_number(args, "server-depth", 0, 1000, &depth, err) != 0))
        return -1;
    sides.depth = (int)depth;
    if ((by_url ? mu_explain_probe(args, &sides, &report, err)
                : mu_explain_sides(&sides, &report, err)) != 0)
        return -1;
    return mu_explain_print(&report, mu_args_json(args));
}

/* --- What is to be explained --- */

static bool any_side_given(const struct mu_args *args)
{
    static const char *const options[] = {
        "cert",         "key",
        "cacert",       "crl",
        "host",         "server-cert",
        "server-key",   "server-cacert",
        "server-crl",   "server-clients",
        "server-depth", "server-ciphers",
        "other",        "cakey",
    };
    for (size_t i = 0; i < MU_COUNT(options); i++)
        if (mu_args_given(args, options[i]))
            return true;
    return false;
}

/* "-": from standard input, where a message of several lines is no trouble. */
static int explain_error(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_buf) input = MU_BUF_INIT_SECRET, kept = MU_BUF_INIT;
    const char *text = mu_args_value(args, "error");
    size_t len = strlen(text);
    struct mu_said said;
    if (mu_str_equal(text, "-")) {
        if (mu_file_read("-", MU_FILE_LIMIT, &input, err) != 0)
            return -1;
        text = mu_buf_str(&input);
        len = input.len;
    }
    mu_said_without_keys(text, len, &kept);
    if (mu_buf_failed(&kept))
        return mu_fail_nomem(err);
    if (mu_said_find(mu_buf_str(&kept), kept.len, &said, err) != 0)
        return -1;
    return mu_explain_print_said(&said, mu_args_json(args));
}

/* "localhost:3000" is a server, without the scheme that would say so. */
static bool is_place(const char *word)
{
    const char *colon = strrchr(word, ':');
    return colon != NULL && colon > word && colon[1] != '\0' &&
           colon[1 + strspn(colon + 1, "0123456789")] == '\0' && strchr(word, '/') == NULL &&
           access(word, F_OK) != 0;
}

static int run(const struct mu_args *args, struct mu_error *err)
{
    const char *word = mu_args_at(args, 0), *at_text = mu_args_value(args, "at");
    bool json = mu_args_json(args);
    struct mu_passphrase_source from_file = mu_passphrase_source(args);
    const struct mu_passphrase_source *source = mu_passphrase_is_in_file(args) ? &from_file : NULL;
    time_t at = time(NULL);
    if (mu_args_given(args, "list")) {
        mu_explain_print_list(json);
        return 0;
    }
    if (mu_args_given(args, "error"))
        return explain_error(args, err);
    if (at_text != NULL && mu_date_parse(at_text, &at, err) != 0)
        return -1;
    if (mu_args_given(args, "listen") && word != NULL)
        return mu_usage(err, args, "--listen waits for clients; \"%s\" is one thing too many", word);
    if (mu_args_given(args, "listen"))
        return mu_explain_listen(args, err);
    if (word != NULL && mu_explain_is_url(word) && mu_args_count(args) == 1)
        return explain_sides(args, true, at, source, err);
    if (word != NULL && is_place(word))
        return mu_usage(err, args, "a server is named by its URL: https://%s", word);
    if (word != NULL && any_side_given(args))
        return mu_usage(err, args,
                        "\"%s\" is one thing too many: name files, or both sides' with options",
                        word);
    if (word == NULL && any_side_given(args))
        return explain_sides(args, false, at, source, err);
    if (word == NULL)
        return mu_usage(err, args, "mutual explain needs something to explain");
    enum mu_cause_id cause = mu_cause_find(word);
    bool is_file = strpbrk(word, "./") != NULL || access(word, F_OK) == 0;
    if (!is_file && cause == MU_CAUSE_COUNT && mu_args_count(args) == 1)
        return mu_usage(err, args, "there is neither a file nor a cause \"%s\"", word);
    if (is_file || cause == MU_CAUSE_COUNT)
        return explain_files(args, at, source, err);
    mu_explain_print_cause(cause, json);
    return 0;
}

static const struct mu_opt opts[] = {
    {"as", 0, "NAME", "with URL: be NAME: short for --cert NAME.crt --key NAME.key", NULL, false},
    {"cert", 0, "FILE", "the client's certificate", NULL, false},
    {"key", 0, "FILE", "the client's key", NULL, false},
    {"cacert", 0, "FILE", "CAs that the client trusts", NULL, true},
    {"crl", 0, "FILE", "revocation lists that the client has", NULL, true},
    {"server-cert", 0, "FILE", "the server's certificate", NULL, false},
    {"server-key", 0, "FILE", "the server's key", NULL, false},
    {"server-cacert", 0, "FILE", "CAs whose clients the server lets in", NULL, true},
    {"server-crl", 0, "FILE", "revocation lists that the server has", NULL, true},
    {"server-crl-scope", 0, "SCOPE", "leaf: it looks up the client alone; all: its CAs, too [all]",
     NULL, false},
    {"server-clients", 0, "HOW", "require, request or none: does it ask for a certificate?", NULL,
     false},
    {"server-depth", 0, "N", "it allows so many CAs between a client and the root", NULL, false},
    {"server-ciphers", 0, "LIST", "its cipher suites, as openssl and nginx have them", NULL, false},
    {"tls-max", 0, "VERSION", "1.2: one side speaks nothing newer", NULL, false},
    {"alpn", 0, "LIST", "with URL: offer these protocols (h2,http/1.1)", NULL, false},
    {"servername", 0, "NAME", "with URL: ask for this host, and not for the URL's", NULL, false},
    {"connect", 0, "HOST:PORT", "with URL: go there, and not where the URL's host is", NULL, false},
    {"listen", 0, "HOST:PORT", "stand in the place of a server and look at each client that comes",
     NULL, false},
    {"count", 0, "N", "with --listen: leave after so many clients", NULL, false},
    {"once", 0, NULL, "with --listen: leave after the first one", NULL, false},
    {"max-time", 0, "SECONDS", "with URL: give up after so long; with --listen: on one client",
     "10", false},
    {"host", 0, "NAME", "the name or address that the client connects to", NULL, false},
    {"other", 0, "FILE", "certificates that are at hand, and nobody's", NULL, true},
    {"cakey", 0, "FILE", "the CA's key: does it belong to the CA's certificate?", NULL, false},
    {"at", 0, "TIME", "judge as of then: 2031-01-01, 2031-01-01T12:00:00Z", NULL, false},
    {"error", 0, "TEXT", "a message of any program, or - to read it: what can it mean?", NULL,
     false},
    {"list", 0, NULL, "show every cause that there is", NULL, false},
    MU_PASSPHRASE_OPT,
    {0},
};

const struct mu_cmd mu_cmd_explain = {
    .name = "explain",
    .args = "[URL|FILE...|CAUSE]",
    .summary = "why it does not work, whose move it is, and what mends it",
    .details =
        "URL: calls the server as the client would, with --cert, --key and --cacert (or --as), makes one request, and\n"
        "tells what is wrong; where the reason can lie only at the server, what its operator should run. What is known\n"
        "of the server's side (--server-cert ...) helps. Your certificate is shown to whoever answers, your key to nobody.\n"
        "\n"
        "--listen HOST:PORT: waits for clients, in any language, with the server's --cert and --key and the CAs of --cacert\n"
        "(and its --crl, --server-depth), and tells of each what it offers and presents, whether and why a door would refuse\n"
        "it, and what its owner should do. The client gets the verdict as its answer. Whoever comes from where a client has\n"
        "sent no certificate is asked for one without a list of CAs: Go, Java and browsers then show what they kept back.\n"
        "An interrupt ends it with a summary; --json has a line a client.\n"
        "\n"
        "FILE...: what each file is, what is wrong with it, what does not belong together, what will fail later.\n"
        "Without FILE, both sides' files by options, as many as are known: would the two come together, and which\n"
        "other programs would refuse? Nothing is sent anywhere. --error takes a message pasted from any program\n"
        "(OpenSSL, curl, Node.js, Go, Java, Python, nginx, haproxy, browsers, .NET, GnuTLS, rustls) and says what\n"
        "it can stand for. CAUSE: one of the ids that --list shows.\n"
        "\n"
        "The first line is the verdict; then come whose move it is, the commands that mend it (mutual's, and\n"
        "openssl's), the id of the cause, all else that was found, and what was checked.\n"
        "Exit status: 0 nothing is wrong, 1 a fault was found, 2 used wrongly, 3 it works, but something is\n"
        "suspicious or would be refused by other programs, or not all was judged, for want of a key or a passphrase.",
    .example =
        "mutual explain --as my-client https://localhost:3000\n"
        "mutual explain my-client.crt my-client.key ca.crt\n"
        "mutual explain --cert my-client.crt --key my-client.key --server-cert localhost.crt --server-cacert ca.crt\n"
        "mutual explain --list\n"
        "mutual explain server_no_san",
    .opts = opts,
    .min_args = 0,
    .max_args = -1,
    .run = run,
};
