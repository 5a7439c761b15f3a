#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/credentials.h"
#include "cli/explain_print.h"
#include "cli/explain_probe.h"
#include "cli/print.h"
#include "explain/listen_door.h"
#include "pki/issue.h"

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* What has been seen, for the summary. */
struct tally {
    bool json;
    unsigned long clients, refused, suspicious;
    unsigned long causes[MU_CAUSE_COUNT];
};

/* The server's side, loaded. */
struct side {
    struct mu_certs chain, trusted;
    struct mu_key *key;
    struct mu_crls crls;
};

static void side_clear(struct side *side)
{
    mu_certs_clear(&side->chain);
    mu_certs_clear(&side->trusted);
    mu_key_free(side->key);
    mu_crls_clear(&side->crls);
}
MU_AUTO_DEFINE_CLEAR(side, side_clear)

/* --- Telling --- */

static json_t *presented_json(const struct mu_certs *presented)
{
    json_t *list = json_array();
    for (size_t i = 0; i < presented->count; i++) {
        char label[MU_CERT_LABEL_LEN], sha256[MU_SHA256_LEN];
        json_array_append_new(list, json_pack("{s:s, s:s}", "name",
                                              mu_cert_label(presented->at[i], label), "sha256",
                                              mu_cert_fingerprint(presented->at[i], sha256)));
    }
    return list;
}

static void print_line(unsigned long number, const char *from, const struct mu_listen_facts *facts,
                       const struct mu_report *report)
{
    const struct mu_tls_heard *heard = &facts->heard;
    json_t *line = mu_explain_json(report);
    json_t *facts_of =
        json_pack("{s:I, s:s, s:{s:s, s:s, s:s, s:s, s:s, s:s}, s:o, s:s, s:s, s:i}", "client",
                  (json_int_t)number, "from", from, "offered", "versions", heard->versions,
                  "server_name", heard->server_name, "alpn", heard->alpn, "ciphers", heard->ciphers,
                  "groups", heard->groups, "schemes", heard->schemes, "presented",
                  presented_json(&heard->presented), "version",
                  heard->finished ? heard->version : "", "cipher", heard->cipher, "alert",
                  heard->alert);
    if (line != NULL && facts_of != NULL)
        json_object_update(line, facts_of);
    json_decref(facts_of);
    mu_print_json_line(line);
}

static void on_client(void *arg, unsigned long number, const char *from,
                      const struct mu_listen_facts *facts, struct mu_report *report)
{
    struct tally *tally = arg;
    const int status = mu_report_exit(report);
    tally->clients++;
    tally->refused += status == 1;
    tally->suspicious += status == 3;
    tally->causes[mu_report_cause(report)]++;
    if (tally->json) {
        print_line(number, from, facts, report);
    } else {
        printf("\n");
        mu_say(MU_BOLD, "client %lu, from %s", number, from);
        printf("\n");
        (void)mu_explain_print(report, false);
    }
    (void)fflush(stdout);
    if (mu_reader_is_gone())
        stop = 1;
}

static void summarize(const struct tally *tally)
{
    json_t *causes = json_object();
    for (unsigned i = 0; i < MU_CAUSE_COUNT; i++)
        if (tally->causes[i] > 0)
            json_object_set_new(causes, mu_cause_of(i)->id,
                                json_integer((json_int_t)tally->causes[i]));
    if (tally->json) {
        mu_print_json_line(json_pack("{s:I, s:I, s:I, s:o}", "clients", (json_int_t)tally->clients,
                                     "let_in", (json_int_t)(tally->clients - tally->refused),
                                     "refused", (json_int_t)tally->refused, "causes", causes));
        return;
    }
    printf("\n%lu client%s: %lu would be let in, %lu refused", tally->clients,
           tally->clients == 1 ? "" : "s", tally->clients - tally->refused, tally->refused);
    const char *id;
    json_t *count;
    const char *separator = ": ";
    json_object_foreach(causes, id, count)
    {
        printf("%s%s %lld", separator, id, (long long)json_integer_value(count));
        separator = ", ";
    }
    printf("\n");
    json_decref(causes);
}

/* --- Loading --- */

/* Nobody trusts it, and that shows; but what a client offers, and what it says to that, can be told without the server's
 * own key. */
static int make_up(struct side *side, struct mu_error *err)
{
    unsigned char serial[MU_SERIAL_LEN];
    struct mu_cert *cert = NULL;
    if (mu_key_generate("p256", &side->key, err) != 0 || mu_serial_make(serial, err) != 0 ||
        mu_issue_root(side->key, "mutual explain", serial, time(NULL), 86400, 0, NULL, &cert,
                      err) != 0)
        return -1;
    return mu_certs_add(&side->chain, cert, err);
}

static int load(const struct mu_args *args, struct side *side, struct mu_error *err)
{
    const struct mu_self who = {.name = mu_args_value(args, "as"), .name_opt = "--as"};
    const char *path;
    if (mu_load_self(args, &who, &side->chain, &side->key, err) != 0 ||
        mu_load_anchors(args, &side->trusted, err) != 0)
        return -1;
    for (int i = 0; (path = mu_args_nth(args, "crl", i)) != NULL; i++)
        if (mu_crls_load(path, &side->crls, err) != 0)
            return -1;
    return 0;
}

static void announce(const struct tally *tally, const char *place, const struct mu_listen_case *of)
{
    char label[MU_CERT_LABEL_LEN];
    if (tally->json) {
        mu_print_json_line(json_pack("{s:s}", "listening", place));
    } else {
        printf("listening at %s as \"%s\"%s; an interrupt (Ctrl-C) ends it\n", place,
               mu_cert_label(of->chain->at[0], label),
               of->made_up
                   ? ", a certificate made up for this: give the server's with --cert and --key"
                   : "");
    }
    (void)fflush(stdout);
}

/* Signals are let in only while nothing else is done than waiting. */
static int run(const struct mu_listen_door *door, const char *address, char place[MU_ADDRESS_LEN],
               const struct tally *tally, struct mu_error *err)
{
    struct mu_listeners listeners;
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t ours, before;
    if (mu_listen_open(address, &listeners, place, err) != 0)
        return -1;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    announce(tally, place, door->of);
    int result = mu_listen_run(door, &listeners, &stop, &before, err);
    mu_listen_close(&listeners);
    return result;
}

int mu_explain_listen(const struct mu_args *args, struct mu_error *err)
{
    MU_AUTO_CLEAR(side) side = {0};
    MU_AUTO_STRUCT(mu_tls_ear) ear = NULL;
    struct tally tally = {.json = mu_args_json(args)};
    const bool limit_depth = mu_args_given(args, "server-depth");
    long count = mu_args_given(args, "once") ? 1 : 0, patience_s = 0, depth = 0;
    bool crl_leaf_only;
    if ((mu_args_given(args, "count") &&
         mu_args_number(args, "count", 1, 1000000, &count, err) != 0) ||
        (limit_depth && mu_args_number(args, "server-depth", 0, 1000, &depth, err) != 0) ||
        mu_args_number(args, "max-time", 1, 3600, &patience_s, err) != 0 ||
        mu_explain_crl_scope(args, &crl_leaf_only, err) != 0 || load(args, &side, err) != 0)
        return -1;
    char place[MU_ADDRESS_LEN] = "";
    const bool made_up = side.chain.count == 0;
    if (made_up && make_up(&side, err) != 0)
        return -1;
    const struct mu_listen_case of = {
        .chain = &side.chain,
        .key = side.key,
        .made_up = made_up,
        .file = mu_args_value(args, "cert"),
        .trusted = &side.trusted,
        .trust_file = mu_args_value(args, "cacert"),
        .crls = side.crls.at,
        .crl_count = side.crls.count,
        .crl_file = mu_args_value(args, "crl"),
        .crl_leaf_only = crl_leaf_only,
        .limit_depth = limit_depth,
        .depth = (int)depth,
        .at = place,
    };
    const struct mu_tls_hearing how = {.chain = &side.chain,
                                       .key = side.key,
                                       .anchors = &side.trusted};
    if (mu_tls_ear_new(&how, &ear, err) != 0)
        return -1;
    const struct mu_listen_door door = {
        .of = &of,
        .ear = ear,
        .count = (unsigned long)count,
        .patience_ms = (int64_t)patience_s * 1000,
        .on_client = on_client,
        .arg = &tally,
    };
    if (run(&door, mu_args_value(args, "listen"), place, &tally, err) != 0)
        return -1;
    summarize(&tally);
    return tally.refused > 0 ? 1 : tally.suspicious > 0 ? 3 : 0;
}
