#include "explain/sides.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "explain/clock.h"
#include "explain/file.h"
#include "explain/judge.h"
#include "explain/serials.h"
#include "pki/info.h"
#include "tls/suites.h"

enum { WHAT_LEN = 2048 };

/* One side's files, read. */
struct read_side {
    const struct mu_side *given;
    const char *name; /* "client" */
    enum mu_party party;
    struct mu_file cert, key;
    struct mu_certs trusted;
    struct mu_certs presented; /* leaf first, whatever the file's order */
    struct mu_crl **crls;      /* borrowed from `crl_files` */
    size_t crl_count;
    struct mu_file *crl_files;
    size_t crl_file_count;
    bool loads; /* its certificate and its key can be used */
};

struct table {
    const struct mu_sides *sides;
    struct mu_report *report;
    struct read_side client, server;
    struct mu_certs known;
    time_t at; /* as if the clock were right */
};

static void side_clear(struct read_side *side)
{
    mu_file_clear(&side->cert);
    mu_file_clear(&side->key);
    mu_certs_clear(&side->trusted);
    mu_certs_clear(&side->presented);
    for (size_t i = 0; i < side->crl_file_count; i++)
        mu_file_clear(&side->crl_files[i]);
    free(side->crl_files);
    free(side->crls);
}

static void table_clear(struct table *table)
{
    side_clear(&table->client);
    side_clear(&table->server);
    mu_certs_clear(&table->known);
}
MU_AUTO_DEFINE_CLEAR(table, table_clear)

/* What was looked at between `before` and now, with the mark that it deserves. */
static int note(struct table *table, size_t before, const char *what, struct mu_error *err)
{
    enum mu_mark mark = MU_MARK_GOOD;
    for (size_t i = before; i < table->report->count; i++)
        if (table->report->findings[i].gravity == MU_GRAVITY_FAULT)
            mark = MU_MARK_BAD;
        else if (mark == MU_MARK_GOOD)
            mark = MU_MARK_ODD;
    return mu_report_check(table->report, mark, err, "%s", what);
}

/* --- Reading --- */

static int add_certs(struct mu_certs *list, const struct mu_certs *more, struct mu_error *err)
{
    for (size_t i = 0; i < more->count; i++)
        if (!mu_certs_hold(list, more->at[i]) &&
            mu_certs_add(list, mu_cert_ref(more->at[i]), err) != 0)
            return -1;
    return 0;
}

static int read_file(struct table *table, const struct read_side *side, const char *path,
                     enum mu_role role, struct mu_file *ret, struct mu_error *err)
{
    const struct mu_reading how = {.role = role,
                                   .whose = side->party,
                                   .source = table->sides->source};
    if (mu_file_read_as(path, &how, ret, table->report, err) != 0)
        return -1;
    return add_certs(&table->known, &ret->certs, err);
}

static int read_cas(struct table *table, struct read_side *side, struct mu_error *err)
{
    for (size_t i = 0; i < side->given->cas.count; i++) {
        MU_AUTO_CLEAR(mu_file) file = {0};
        char what[WHAT_LEN];
        size_t before = table->report->count;
        if (read_file(table, side, side->given->cas.at[i], MU_ROLE_CAS, &file, err) != 0 ||
            mu_file_judge_role(&file, NULL, table->report, err) != 0 ||
            add_certs(&side->trusted, &file.certs, err) != 0)
            return -1;
        if (file.is_container && file.locked && file.certs.count == 0 &&
            mu_report_leave_open(table->report, err,
                                 "the PKCS#12 container %s is closed, so that the CAs in it were not "
                                 "looked at: give its passphrase with --passphrase-file",
                                 file.name) != 0)
            return -1;
        snprintf(what, sizeof what, "the %s's trusted CAs: %s holds %s", side->name, file.name,
                 *file.what != '\0' ? file.what : "nothing that can be used");
        if (note(table, before, what, err) != 0)
            return -1;
    }
    return 0;
}

static int read_crls(struct table *table, struct read_side *side, struct mu_error *err)
{
    enum { PER_FILE = 64 };
    size_t count = side->given->crls.count;
    if (count == 0)
        return 0;
    side->crl_files = calloc(count, sizeof *side->crl_files);
    side->crls = calloc(count * PER_FILE, sizeof(struct mu_crl *));
    if (side->crl_files == NULL || side->crls == NULL)
        return mu_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        struct mu_file *file = &side->crl_files[i];
        side->crl_file_count = i + 1;
        if (read_file(table, side, side->given->crls.at[i], MU_ROLE_CRL, file, err) != 0 ||
            mu_file_judge_role(file, NULL, table->report, err) != 0)
            return -1;
        side->crl_count += mu_file_crls(file, side->crls + side->crl_count, PER_FILE);
    }
    return 0;
}

/* --- The pair --- */

/* The certificate that the key belongs to, by its place in the file; or count: none. */
static size_t place_of_key(const struct mu_certs *certs, const struct mu_key *key)
{
    for (size_t i = 0; i < certs->count; i++) {
        struct mu_error ignored = MU_ERROR_INIT;
        if (mu_cert_match_key(certs->at[i], key, "", "", &ignored) == 0)
            return i;
    }
    return certs->count;
}

/* Leaf first, the others behind it as they stand in the file. */
static int present(struct read_side *side, size_t leaf, struct mu_error *err)
{
    const struct mu_certs *certs = &side->cert.certs;
    if (mu_certs_add(&side->presented, mu_cert_ref(certs->at[leaf]), err) != 0)
        return -1;
    for (size_t i = 0; i < certs->count; i++)
        if (i != leaf && mu_certs_add(&side->presented, mu_cert_ref(certs->at[i]), err) != 0)
            return -1;
    return 0;
}

static size_t first_leaf(const struct mu_certs *certs)
{
    for (size_t i = 0; i < certs->count; i++)
        if (!mu_cert_is_ca(certs->at[i]))
            return i;
    return 0;
}

static struct mu_finding about_pair(const struct read_side *side, enum mu_cause_id cause)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding =
        mu_finding_of(cause, MU_GRAVITY_FAULT, MU_PHASE_FILE, side->cert.name,
                      side->cert.certs.count > 0 ? mu_cert_label(side->cert.certs.at[0], label)
                                                 : NULL,
                      NULL);
    mu_finding_hold(&finding, mu_holder_of(side->party));
    mu_str_copy(finding.key, sizeof finding.key, side->key.name);
    finding.refuser = side->party == MU_PARTY_SERVER ? MU_REFUSER_SERVER : MU_REFUSER_CLIENT;
    return finding;
}

static int tell_order(struct table *table, const struct read_side *side, size_t leaf,
                      struct mu_error *err)
{
    char first[MU_CERT_LABEL_LEN], label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_pair(side, MU_CAUSE_bundle_wrong_order);
    return mu_report_add(
        table->report, &finding, err,
        "in %s the certificate \"%.200s\" of a CA stands before the %s's own, \"%.200s\": programs take "
        "the first one for their own, and say that the key does not match",
        side->cert.name, mu_cert_label(side->cert.certs.at[0], first), side->name,
        mu_cert_label(side->cert.certs.at[leaf], label));
}

static int tell_mismatch(struct table *table, const struct read_side *side, const char *key_name,
                         struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_pair(side, MU_CAUSE_key_mismatch);
    snprintf(finding.raw, sizeof finding.raw, "key values mismatch");
    return mu_report_add(table->report, &finding, err,
                         "the private key in %s does not belong to the certificate \"%.200s\" in %s",
                         key_name, mu_cert_label(side->cert.certs.at[0], label), side->cert.name);
}

static int check_pair(struct table *table, struct read_side *side, struct mu_error *err)
{
    const struct mu_certs *certs = &side->cert.certs;
    bool in_one = side->given->key == NULL || mu_str_equal(side->given->key, side->given->cert);
    const struct mu_file *holder = in_one ? &side->cert : &side->key;
    size_t leaf = first_leaf(certs);
    if (holder->key != NULL) {
        size_t place = place_of_key(certs, holder->key);
        if (place > 0 && place < certs->count && tell_order(table, side, place, err) != 0)
            return -1;
        if (place == certs->count && tell_mismatch(table, side, holder->name, err) != 0)
            return -1;
        leaf = place < certs->count ? place : leaf;
    } else if (mu_certs_misordered(certs) && tell_order(table, side, leaf, err) != 0) {
        return -1;
    }
    return present(side, leaf, err);
}

/* A container, given alone, has to have the key in it. */
static int check_container(struct table *table, const struct read_side *side, struct mu_error *err)
{
    struct mu_finding finding = about_pair(side, MU_CAUSE_pkcs12_no_key);
    if (!side->cert.is_container || side->cert.locked || side->cert.key != NULL ||
        side->given->key != NULL)
        return 0;
    return mu_report_add(
        table->report, &finding, err,
        "the container %s holds certificates and no private key: a program that is given it has "
        "nothing to present, and sends nothing",
        side->cert.name);
}

/* The same file is named for both. */
static int check_key_is_there(struct table *table, const struct read_side *side,
                              struct mu_error *err)
{
    struct mu_finding finding = about_pair(side, MU_CAUSE_cert_key_swapped);
    if (side->cert.objects.count == 0 || side->cert.key != NULL || side->cert.locked ||
        side->cert.is_container)
        return 0;
    return mu_report_add(table->report, &finding, err,
                         "%s is named for the certificate and for the key, and holds no private key",
                         side->cert.name);
}

/* What nobody could look at. A server without its key does not start, and says so; a client without one has nothing that it
 * could present, and says nothing. */
static int note_open(struct table *table, const struct read_side *side, struct mu_error *err)
{
    const struct mu_file *cert = &side->cert;
    const bool closed = cert->is_container && cert->locked && cert->certs.count == 0;
    const bool keyless = side->given->key == NULL && cert->certs.count > 0 && cert->key == NULL &&
                         !cert->locked && !cert->is_container;
    if (closed && !mu_report_has(table->report, MU_CAUSE_pkcs12_wrong_password) &&
        !mu_report_has(table->report, MU_CAUSE_pkcs12_legacy))
        return mu_report_leave_open(
            table->report, err,
            "the PKCS#12 container %s is closed, so that the %s's certificate in it was not looked at: "
            "give its passphrase with --passphrase-file",
            cert->name, side->name);
    if (keyless && side->party == MU_PARTY_SERVER)
        return mu_report_check(table->report, MU_MARK_UNKNOWN, err,
                               "the server's key: not given (--server-key)");
    return keyless
               ? mu_report_leave_open(
                     table->report, err,
                     "no key was given to go with the client's certificate %s, and a client that "
                     "has none presents nothing: give it with --key",
                     cert->name)
               : 0;
}

static int read_side(struct table *table, struct read_side *side, struct mu_error *err)
{
    size_t before = table->report->count;
    const struct mu_side *given = side->given;
    char what[WHAT_LEN];
    bool own_key =
        given->key != NULL && (given->cert == NULL || !mu_str_equal(given->key, given->cert));
    if (given->cert != NULL &&
        read_file(table, side, given->cert, MU_ROLE_CERT, &side->cert, err) != 0)
        return -1;
    if (own_key && read_file(table, side, given->key, MU_ROLE_KEY, &side->key, err) != 0)
        return -1;
    if (given->cert != NULL &&
        (mu_file_judge_role(&side->cert, own_key ? &side->key : NULL, table->report, err) != 0 ||
         check_container(table, side, err) != 0))
        return -1;
    if (own_key && mu_file_judge_role(&side->key, given->cert != NULL ? &side->cert : NULL,
                                      table->report, err) != 0)
        return -1;
    if (given->key != NULL && !own_key && check_key_is_there(table, side, err) != 0)
        return -1;
    if (side->cert.certs.count > 0 && check_pair(table, side, err) != 0)
        return -1;
    if (given->cert != NULL || given->key != NULL) {
        snprintf(what, sizeof what, "the %s's own: %s%s%s%s%s%s%s", side->name, side->cert.name,
                 given->cert != NULL ? " holds " : "", side->cert.what,
                 own_key && given->cert != NULL ? "; " : "", side->key.name,
                 own_key ? " holds " : "", side->key.what);
        if (note(table, before, what, err) != 0)
            return -1;
    }
    return note_open(table, side, err) != 0 || read_cas(table, side, err) != 0 ||
                   read_crls(table, side, err) != 0
               ? -1
               : 0;
}

static int read_others(struct table *table, struct mu_error *err)
{
    for (size_t i = 0; i < table->sides->others.count; i++) {
        MU_AUTO_CLEAR(mu_file) file = {0};
        MU_AUTO_CLEAR(mu_report) aside = {0}; /* they are at hand; nobody uses them */
        const struct mu_reading how = {.role = MU_ROLE_ANY,
                                       .by_name = true,
                                       .source = table->sides->source};
        if (mu_file_read_as(table->sides->others.at[i], &how, &file, &aside, err) != 0 ||
            add_certs(&table->known, &file.certs, err) != 0)
            return -1;
        if (mu_report_has(&aside, MU_CAUSE_file_unreadable) &&
            mu_report_check(table->report, MU_MARK_UNKNOWN, err, "%s",
                            aside.findings[0].sentence) != 0)
            return -1;
    }
    return 0;
}

/* --- The CA's key --- */

/* The CAs that somebody uses here, and among them one that has this key. */
static const struct mu_cert *find_ca(const struct table *table, const struct mu_key *key,
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

static int check_ca_key(struct table *table, struct mu_error *err)
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
    char label[MU_CERT_LABEL_LEN], what[WHAT_LEN];
    const struct mu_cert *ca = find_ca(table, file.key, &fits);
    if (file.key != NULL && ca != NULL && !fits) {
        struct mu_finding finding = mu_finding_of(MU_CAUSE_ca_key_mismatch, MU_GRAVITY_FAULT,
                                                  MU_PHASE_FILE, NULL, NULL, NULL);
        mu_str_copy(finding.key, sizeof finding.key, file.name);
        if (mu_report_add(
                table->report, &finding, err,
                "the CA's key in %s does not belong to the CA's certificate \"%.200s\": what it signs, "
                "nobody can verify by that",
                file.name, mu_cert_label(ca, label)) != 0)
            return -1;
    }
    snprintf(what, sizeof what, "the CA's key: %s holds %s", file.name, file.what);
    return note(table, before, what, err);
}

/* --- Each side's chain, by the other --- */

static const char *first_of(const struct mu_paths *paths)
{
    return paths->count > 0 ? paths->at[0] : NULL;
}

static int judge_server(struct table *table, struct mu_error *err)
{
    const struct read_side *server = &table->server, *client = &table->client;
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
    return note(table, before, what, err);
}

static int judge_client(struct table *table, struct mu_error *err)
{
    const struct read_side *server = &table->server, *client = &table->client;
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
    return note(table, before,
                server->trusted.count > 0
                    ? "the client's certificate, as the server judges it"
                    : "the client's certificate, as a server judges it (whom it trusts is not known)",
                err);
}

/* --- Asking --- */

static int check_asking(struct table *table, struct mu_error *err)
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
               ? note(table, before,
                      "that the server asks for a certificate, and the client has one", err)
               : 0;
}

/* --- Versions and suites --- */

static int check_suites(struct table *table, struct mu_error *err)
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
    bool none = !suites.tls12 && (sides->tls12_only || !suites.tls13);
    bool by_version = none && suites.tls13 && strchr(sides->ciphers, '-') == NULL;
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
    if ((none || (only_newer && strchr(sides->ciphers, '-') != NULL)) &&
        mu_report_add(
            table->report, &finding, err,
            "the server's list of cipher suites, %s, leaves nothing for TLS 1.2 that clients offer and that "
            "goes with its key, %s%s",
            list, key, none ? "" : "; only clients with TLS 1.3 get in") != 0)
        return -1;
    return note(table, before, "the server's cipher suites", err);
}

/* --- A server that was not restarted --- */

static int check_stale(struct table *table, struct mu_error *err)
{
    const struct read_side *server = &table->server;
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
    MU_AUTO_CLEAR(table) table = {
        .sides = sides,
        .report = report,
        .client = {.given = &sides->client, .name = "client", .party = MU_PARTY_CLIENT},
        .server = {.given = &sides->server, .name = "server", .party = MU_PARTY_SERVER},
        .at = sides->at,
    };
    report->peers = true;
    report->view = MU_VIEW_BOTH;
    if (read_others(&table, err) != 0 || read_side(&table, &table.client, err) != 0 ||
        read_side(&table, &table.server, err) != 0 || check_ca_key(&table, err) != 0 ||
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
