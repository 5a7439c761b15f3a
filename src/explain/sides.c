#include "explain/sides.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "explain/clock.h"
#include "explain/judge.h"
#include "explain/serials.h"
#include "explain/sides_table.h"
#include "pki/info.h"
#include "tls/suites.h"

/* --- The CA's key --- */

/* The CAs that somebody uses here, and among them one that has this key. */
static const struct mu_cert *find_ca(const struct mu_sides_table *table, const struct mu_key *key,
                                     bool *ret_fits)
{
    const struct mu_certs *lists[] = {&table->client.trusted, &table->server.trusted,
                                      &table->client.cert.certs, &table->server.cert.certs,
                                      &table->known};
    const struct mu_cert *first = NULL;
    *ret_fits = false;
    for (size_t l = 0; l < MU_COUNT(lists) && !(l + 1 == MU_COUNT(lists) && first != NULL); l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            struct mu_error ignored = MU_ERROR_INIT;
            if (!mu_cert_is_ca(lists[l]->at[i]))
                continue;
            first = first == NULL ? lists[l]->at[i] : first;
            *ret_fits = *ret_fits || (key != NULL && mu_cert_match_key(lists[l]->at[i], key, "", "",
                                                                       &ignored) == 0);
        }
    return first;
}

static const char *file_of_cas(const struct mu_sides *sides)
{
    return sides->client.cas.count > 0   ? sides->client.cas.at[0]
           : sides->server.cas.count > 0 ? sides->server.cas.at[0]
                                         : NULL;
}

static int check_ca_key(struct mu_sides_table *table, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_file) file = {0};
    const char *path = table->sides->ca_key;
    bool fits = false;
    size_t before = table->report->count;
    const struct mu_reading how = {.role = MU_ROLE_KEY,
                                   .whose = MU_PARTY_CA,
                                   .source = table->sides->source};
    if (path == NULL)
        return 0;
    if (mu_file_read_as(path, &how, &file, table->report, err) != 0 ||
        mu_file_judge_role(&file, NULL, table->report, err) != 0)
        return -1;
    char label[MU_CERT_LABEL_LEN], what[MU_SIDES_WHAT_LEN];
    const struct mu_cert *ca = find_ca(table, file.key, &fits);
    if (file.key != NULL && ca != NULL && !fits) {
        struct mu_finding finding =
            mu_finding_of(MU_CAUSE_ca_key_mismatch, MU_GRAVITY_FAULT, MU_PHASE_FILE,
                          file_of_cas(table->sides), NULL, NULL);
        mu_str_copy(finding.key, sizeof finding.key, file.name);
        if (mu_report_add(
                table->report, &finding, err,
                "the CA's key in %s does not belong to the CA's certificate \"%.200s\": what it signs, "
                "nobody can verify by that",
                file.name, mu_cert_label(ca, label)) != 0)
            return -1;
    }
    snprintf(what, sizeof what, "the CA's key: %s holds %s", file.name, file.what);
    return mu_sides_note(table, before, what, err);
}

/* --- Each side's chain, by the other --- */

static const char *first_of(const struct mu_paths *paths)
{
    return paths->count > 0 ? paths->at[0] : NULL;
}

static int judge_server(struct mu_sides_table *table, struct mu_error *err)
{
    const struct mu_sides_side *server = &table->server, *client = &table->client;
    char what[512];
    size_t before = table->report->count;
    if (server->presented.count == 0)
        return 0;
    const struct mu_judging how = {
        .side = MU_PURPOSE_SERVER,
        .presented = &server->presented,
        .trusted = &client->trusted,
        .known = &table->known,
        .own_trust = &server->trusted,
        .crls = client->crls,
        .crl_count = client->crl_count,
        .host = table->sides->host,
        .at = table->at,
        .file = server->cert.name,
        .trust_file = first_of(&client->given->cas),
        .crl_file = first_of(&client->given->crls),
    };
    if (mu_judge(&how, table->report, err) != 0)
        return -1;
    snprintf(what, sizeof what, "the server's certificate, as the client judges it%s%.200s%s%s",
             how.host != NULL ? ", for " : "", how.host != NULL ? how.host : "",
             client->trusted.count == 0 ? " (whom the client trusts is not known)" : "",
             how.host == NULL ? " (for which name is not known)" : "");
    return mu_sides_note(table, before, what, err);
}

static int judge_client(struct mu_sides_table *table, struct mu_error *err)
{
    const struct mu_sides_side *server = &table->server, *client = &table->client;
    size_t before = table->report->count;
    if (client->presented.count == 0 || table->sides->asks == MU_ASKS_NOT)
        return 0;
    const struct mu_judging how = {
        .side = MU_PURPOSE_CLIENT,
        .presented = &client->presented,
        .trusted = &server->trusted,
        .known = &table->known,
        .own_trust = &client->trusted,
        .crls = server->crls,
        .crl_count = server->crl_count,
        .crl_leaf_only = table->sides->crl_leaf_only,
        .limit_depth = table->sides->limit_depth,
        .depth = table->sides->depth,
        .at = table->at,
        .file = client->cert.name,
        .trust_file = first_of(&server->given->cas),
        .crl_file = first_of(&server->given->crls),
    };
    if (mu_judge(&how, table->report, err) != 0)
        return -1;
    return mu_sides_note(
        table, before,
        server->trusted.count > 0
            ? "the client's certificate, as the server judges it"
            : "the client's certificate, as a server judges it (whom it trusts is not known)",
        err);
}

/* --- Asking --- */

static int check_asking(struct mu_sides_table *table, struct mu_error *err)
{
    const struct mu_sides *sides = table->sides;
    size_t before = table->report->count;
    bool has_cert = sides->client.cert != NULL || sides->client.key != NULL;
    bool client_known = has_cert || sides->client.cas.count > 0;
    bool asks = sides->asks == MU_ASKS_AND_REQUIRES || sides->asks == MU_ASKS ||
                (sides->asks == MU_ASKS_UNKNOWN && sides->server.cas.count > 0);
    if (has_cert && sides->asks == MU_ASKS_NOT) {
        struct mu_finding finding =
            mu_finding_of(MU_CAUSE_server_does_not_ask, MU_GRAVITY_SUSPICIOUS, MU_PHASE_ASK, NULL,
                          NULL, NULL);
        if (mu_report_add(
                table->report, &finding, err,
                "the server asks for no client certificate, so that %s is never sent, and the server does not "
                "know who calls (nginx: ssl_verify_client on; Node.js: requestCert; Go: ClientAuth)",
                table->client.cert.name) != 0)
            return -1;
    }
    if (!has_cert && client_known && asks) {
        struct mu_finding finding =
            mu_finding_of(MU_CAUSE_client_cert_not_sent,
                          sides->asks == MU_ASKS ? MU_GRAVITY_SUSPICIOUS : MU_GRAVITY_FAULT,
                          MU_PHASE_ASK, NULL, NULL, NULL);
        finding.refuser = MU_REFUSER_SERVER;
        if (sides->asks == MU_ASKS)
            finding.refused_by = 0;
        if (mu_report_add(table->report, &finding, err,
                          "the server %s a client certificate, and the client has none configured",
                          sides->asks == MU_ASKS ? "asks for" : "wants") != 0)
            return -1;
    }
    return has_cert || asks
               ? mu_sides_note(table, before,
                               "that the server asks for a certificate, and the client has one", err)
               : 0;
}

/* --- Versions and suites --- */

static int check_suites(struct mu_sides_table *table, struct mu_error *err)
{
    const struct mu_sides *sides = table->sides;
    size_t before = table->report->count;
    struct mu_suites suites;
    if (sides->ciphers == NULL)
        return 0;
    const struct mu_certs *presented = &table->server.presented;
    if (mu_tls_suites(sides->ciphers, presented->count > 0 ? presented->at[0] : NULL, &suites,
                      err) != 0)
        return -1;
    bool only_newer = suites.tls13 && !suites.tls12;
    bool none = suites.unknown || (!suites.tls12 && (sides->tls12_only || !suites.tls13));
    bool by_version = none && suites.tls13 && !suites.about_tls12;
    struct mu_finding finding =
        mu_finding_of(by_version ? MU_CAUSE_tls_version_mismatch : MU_CAUSE_no_shared_cipher,
                      none ? MU_GRAVITY_FAULT : MU_GRAVITY_SOME_PEERS, MU_PHASE_HELLO, NULL, NULL,
                      NULL);
    char key[MU_KEY_DESCRIPTION_LEN] = "any key", list[200];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (presented->count > 0) {
        if (mu_cert_info_read(presented->at[0], table->at, &info, err) != 0)
            return -1;
        mu_str_copy(key, sizeof key, info.key);
    }
    mu_str_printable(sides->ciphers, strlen(sides->ciphers), list, sizeof list);
    if (!none)
        finding.refused_by = 0;
    if (suites.unknown &&
        mu_report_add(table->report, &finding, err,
                      "the server's list of cipher suites, %s, has no name that OpenSSL knows: a "
                      "server does not start with it",
                      list) != 0)
        return -1;
    if (!suites.unknown && (none || (only_newer && suites.about_tls12)) &&
        mu_report_add(
            table->report, &finding, err,
            "the server's list of cipher suites, %s, leaves nothing for TLS 1.2 that clients offer and that "
            "goes with its key, %s%s",
            list, key, none ? "" : "; only clients with TLS 1.3 get in") != 0)
        return -1;
    return mu_sides_note(table, before, "the server's cipher suites", err);
}

/* --- A server that was not restarted --- */

static int check_stale(struct mu_sides_table *table, struct mu_error *err)
{
    const struct mu_sides_side *server = &table->server;
    if (server->presented.count == 0 || !mu_report_has(table->report, MU_CAUSE_server_cert_expired))
        return 0;
    const struct mu_cert *leaf = server->presented.at[0];
    for (size_t i = 0; i < table->known.count; i++) {
        const struct mu_cert *other = table->known.at[i];
        if (other == leaf || mu_cert_is_ca(other) || !mu_cert_same_subject(leaf, other) ||
            mu_cert_not_after(other) < table->at || mu_cert_not_before(other) > table->at)
            continue;
        char label[MU_CERT_LABEL_LEN], old[MU_DATE_LEN], new[MU_DATE_LEN];
        struct mu_finding finding =
            mu_finding_of(MU_CAUSE_server_serves_stale_cert, MU_GRAVITY_FAULT, MU_PHASE_CONNECT,
                          server->cert.name, NULL, NULL);
        finding.refuser = MU_REFUSER_CLIENT;
        return mu_report_add(
            table->report, &finding, err,
            "\"%.200s\" has been renewed until %s, and the server still presents the certificate that "
            "ended on %s: it has to load the new one",
            mu_cert_label(leaf, label), mu_date(mu_cert_not_after(other), new),
            mu_date(mu_cert_not_after(leaf), old));
    }
    return 0;
}

int mu_explain_sides(const struct mu_sides *sides, struct mu_report *report, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_sides_table) table = {
        .sides = sides,
        .report = report,
        .client = {.given = &sides->client, .name = "client", .party = MU_PARTY_CLIENT},
        .server = {.given = &sides->server, .name = "server", .party = MU_PARTY_SERVER},
        .at = sides->at,
    };
    report->peers = true;
    report->view = MU_VIEW_BOTH;
    if (mu_sides_read_others(&table, err) != 0 || mu_sides_read(&table, &table.client, err) != 0 ||
        mu_sides_read(&table, &table.server, err) != 0 || check_ca_key(&table, err) != 0 ||
        mu_check_clock(&table.known, sides->at, report, &table.at, err) != 0 ||
        check_suites(&table, err) != 0 || judge_server(&table, err) != 0 ||
        check_asking(&table, err) != 0 || judge_client(&table, err) != 0 ||
        check_stale(&table, err) != 0 || mu_check_serials(&table.known, report, err) != 0)
        return -1;
    mu_str_copy(report->good, sizeof report->good,
                "nothing is wrong: these two sides come together, as far as their files tell");
    mu_report_finish(report);
    return 0;
}
