/* Our certificate: was it asked for, was it sent, and what did the server make of it? */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "explain/judge.h"
#include "explain/probe_judge.h"
#include "pki/info.h"
#include "tls/alert.h"

/* Clocks of machines that ask the time differ by less. */
enum { CLOCK_SKEW_S = 300 };

enum {
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_CERTIFICATE_REVOKED = 44,
    ALERT_CERTIFICATE_EXPIRED = 45,
    ALERT_CERTIFICATE_UNKNOWN = 46,
    ALERT_UNKNOWN_CA = 48,
    ALERT_ACCESS_DENIED = 49,
    ALERT_DECODE_ERROR = 50,
    ALERT_DECRYPT_ERROR = 51,
    ALERT_CERTIFICATE_REQUIRED = 116,
    IN_HTTP = -2
};

/* --- Words --- */

/* `"Example Root", "Other Root" and 3 more`. Returns `ret`. */
static const char *list_accepted(const struct mu_tls_seen *seen, char *ret, size_t cap)
{
    size_t len = 0;
    *ret = '\0';
    for (size_t i = 0; i < seen->cas.count && i < 3 && len < cap; i++)
        len += (size_t)snprintf(ret + len, cap - len, "%s\"%.60s\"", i > 0 ? ", " : "",
                                seen->cas.at[i]);
    if (seen->ca_count > 3 && len < cap)
        snprintf(ret + len, cap - len, " and %zu more", seen->ca_count - 3);
    return ret;
}

/* `alice.crt ("alice", issued by "Other Root")`. Returns `ret`. */
static const char *name_ours(const struct mu_probe_case *of, char *ret, size_t cap)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_info_read(of->probe->chain->at[0], of->facts->now, &info, &ignored) != 0)
        info.issuer[0] = '\0';
    snprintf(ret, cap, "%s%s(\"%.80s\", issued by \"%.80s\")",
             of->cert_file == NULL ? "" : of->cert_file, of->cert_file == NULL ? "" : " ",
             mu_cert_label(of->probe->chain->at[0], label), info.issuer);
    return ret;
}

/* A finding about our certificate. */
static struct mu_finding about_ours(const struct mu_probe_case *of, enum mu_cause_id cause,
                                    enum mu_gravity gravity)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = mu_probe_finding(of, cause, gravity, MU_PHASE_CLIENT);
    mu_cert_label(of->probe->chain->at[0], label);
    finding.refuser = MU_REFUSER_SERVER;
    mu_finding_hold(&finding, MU_HOLDER_CLIENT);
    if (of->cert_file != NULL)
        mu_str_copy(finding.file, sizeof finding.file, of->cert_file);
    mu_str_copy(finding.subject, sizeof finding.subject, label);
    return finding;
}

/* --- Asked, or not --- */

static int tell_not_sent(const struct mu_probe_case *of, struct mu_report *report,
                         struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    char place[MU_PROBE_PLACE_LEN], accepted[256], how[MU_PROBE_WORDS_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_client_cert_not_sent, MU_GRAVITY_FAULT, MU_PHASE_ASK);
    finding.refuser = MU_REFUSER_SERVER;
    list_accepted(seen, accepted, sizeof accepted);
    return mu_report_add(
        report, &finding, err,
        "the server at %s asks for a client certificate, and none was given to send%s%s; it refused (%s)",
        mu_probe_place(of->probe, place), *accepted != '\0' ? ": it accepts those of " : "",
        accepted, mu_probe_words(of, how));
}

static int tell_does_not_ask(const struct mu_probe_case *of, struct mu_report *report,
                             struct mu_error *err)
{
    const struct mu_probe_http *http = mu_probe_http_of(of);
    char place[MU_PROBE_PLACE_LEN], ours[400];
    bool edge = http->edge || strcasestr(http->body, "No required SSL certificate") != NULL ||
                http->status == 496;
    bool works = http->status == 0 || (http->status < 400 && http->status != 0);
    struct mu_finding finding =
        mu_probe_finding(of, edge ? MU_CAUSE_tls_terminating_proxy : MU_CAUSE_server_does_not_ask,
                         works ? MU_GRAVITY_SUSPICIOUS : MU_GRAVITY_FAULT, MU_PHASE_ASK);
    name_ours(of, ours, sizeof ours);
    mu_probe_place(of->probe, place);
    if (edge)
        return mu_report_add(
            report, &finding, err,
            "what answers at %s asks for no client certificate, so %s was not sent, and it is a proxy in "
            "front of the server (%s%s%s): TLS ends there, and a certificate goes no further",
            place, ours, *http->server != '\0' ? http->server : "its headers say so",
            *http->via != '\0' ? ", via " : "", http->via);
    return mu_report_add(
        report, &finding, err,
        "the server at %s asks for no client certificate for \"%s\", so %s was not sent: it lets in "
        "anybody, or refuses for want of what it never asks for",
        place, of->probe->name, ours);
}

static int check_asked(const struct mu_probe_case *of, struct mu_report *report,
                       struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    char accepted[256];
    if (!seen->asked)
        return mu_report_check(report, mu_probe_has_own(of) ? MU_MARK_ODD : MU_MARK_GOOD, err,
                               "a client certificate: not asked for");
    list_accepted(seen, accepted, sizeof accepted);
    return mu_report_check(report, seen->asked_late ? MU_MARK_ODD : MU_MARK_GOOD, err,
                           "a client certificate: asked for%s; %s%s",
                           seen->asked_late
                               ? ", only after the request, which browsers and HTTP/2 do not do"
                               : "",
                           *accepted != '\0' ? "accepted are those of " : "without a list of CAs",
                           accepted);
}

/* --- Clocks --- */

static time_t their_time(const struct mu_probe_case *of)
{
    const struct mu_probe_facts *facts = of->facts;
    return facts->ours.http.date != 0    ? facts->ours.http.date
           : facts->http1.http.date != 0 ? facts->http1.http.date
                                         : facts->bare.http.date;
}

static bool is_valid_at(const struct mu_cert *cert, time_t at)
{
    return mu_cert_not_before(cert) <= at && at <= mu_cert_not_after(cert);
}

static int judge_clocks(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    const time_t theirs = their_time(of), ours = of->facts->clock;
    char there[MU_DATE_LEN], here[MU_DATE_LEN];
    if (theirs == 0 || labs((long)(theirs - ours)) <= CLOCK_SKEW_S)
        return theirs == 0 ? 0
                           : mu_report_check(report, MU_MARK_GOOD, err,
                                             "clocks: the server's agrees with this one");
    /* A server that takes our certificate, which by that date is not valid, has another clock: there are some that say
     * the same date for decades. */
    if (of->facts->ours.seen.sent && !mu_probe_refused(of) &&
        !is_valid_at(of->probe->chain->at[0], theirs))
        return mu_report_check(report, MU_MARK_ODD, err,
                               "clocks: the server says %s in HTTP, and hardly means it",
                               mu_date(theirs, there));
    const struct mu_certs *shown = &of->facts->ours.seen.presented;
    bool we_are_wrong =
        shown->count > 0 && !is_valid_at(shown->at[0], ours) && is_valid_at(shown->at[0], theirs);
    bool bites = mu_probe_refused(of) && mu_probe_has_own(of) &&
                 !is_valid_at(of->probe->chain->at[0], theirs);
    struct mu_finding finding =
        mu_probe_finding(of, we_are_wrong ? MU_CAUSE_clock_wrong : MU_CAUSE_server_clock_wrong,
                         we_are_wrong || bites ? MU_GRAVITY_FAULT : MU_GRAVITY_SUSPICIOUS,
                         we_are_wrong ? MU_PHASE_SERVER : MU_PHASE_CLIENT);
    finding.depth = -1;
    if (mu_report_check(report, MU_MARK_BAD, err, "clocks: the server's says %s",
                        mu_date(theirs, there)) != 0)
        return -1;
    return mu_report_add(
        report, &finding, err, "the two clocks differ: the server's says %s, this machine's %s%s",
        mu_date(theirs, there), mu_date(ours, here),
        we_are_wrong ? "; by the server's its certificate is valid, so it is this one that is wrong"
        : bites      ? "; by the server's, the client's certificate is not valid"
                     : "");
}

/* --- Refused --- */

/* When our own files explain nothing: what a server that says this alert can mean, the likeliest first. */
static const struct reason {
    int alert; /* -1: it closes without a word; IN_HTTP: it says so on a page */
    enum mu_cause_id causes[6];
} reasons[] = {
    {ALERT_UNKNOWN_CA,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_verify_depth_exceeded, MU_CAUSE_ca_rekeyed_same_name,
      MU_CAUSE_client_chain_incomplete, MU_CAUSE_crl_missing}},
    {ALERT_CERTIFICATE_EXPIRED, {MU_CAUSE_crl_expired, MU_CAUSE_server_clock_wrong}},
    {ALERT_CERTIFICATE_REVOKED, {MU_CAUSE_client_cert_revoked}},
    {ALERT_BAD_CERTIFICATE,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_not_authorized, MU_CAUSE_server_clock_wrong,
      MU_CAUSE_client_cert_revoked, MU_CAUSE_key_too_small}},
    {ALERT_CERTIFICATE_UNKNOWN,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_ca_rekeyed_same_name, MU_CAUSE_not_authorized,
      MU_CAUSE_client_cert_revoked}},
    {ALERT_ACCESS_DENIED, {MU_CAUSE_not_authorized}},
    {ALERT_DECRYPT_ERROR,
     {MU_CAUSE_ca_rekeyed_same_name, MU_CAUSE_crl_bad_signature, MU_CAUSE_key_mismatch}},
    {IN_HTTP,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_verify_depth_exceeded, MU_CAUSE_ca_rekeyed_same_name,
      MU_CAUSE_client_cert_revoked, MU_CAUSE_crl_expired, MU_CAUSE_crl_missing}},
    {-1,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_not_authorized, MU_CAUSE_ca_rekeyed_same_name,
      MU_CAUSE_client_cert_revoked}},
};

static const struct reason *reason_of(int alert)
{
    for (size_t i = 0; i < MU_COUNT(reasons); i++)
        if (reasons[i].alert == alert)
            return &reasons[i];
    return &reasons[MU_COUNT(reasons) - 1];
}

/* Has one key issued the server's certificate and ours? Then both ends know the same CA. */
static bool same_issuer(const struct mu_probe_case *of)
{
    const struct mu_certs *known = of->probe->known, *shown = &of->facts->ours.seen.presented;
    for (size_t i = 0; shown->count > 0 && i < known->count; i++)
        if (mu_cert_is_signed_by(of->probe->chain->at[0], known->at[i]) &&
            mu_cert_is_signed_by(shown->at[0], known->at[i]))
            return true;
    return false;
}

/* Some of them do not go with what is known: a server that lists our issuer by name trusts a CA of that name. */
static bool fits(const struct mu_tls_seen *seen, const struct mu_probe_case *of,
                 enum mu_cause_id cause)
{
    if (cause == MU_CAUSE_client_untrusted_ca)
        return seen->listed != MU_LISTED_YES;
    if (cause == MU_CAUSE_client_chain_incomplete)
        return seen->listed == MU_LISTED_NO_LIST && of->probe->chain->count == 1;
    if (cause == MU_CAUSE_verify_depth_exceeded)
        return of->probe->chain->count > 2;
    return cause != MU_CAUSE_ca_rekeyed_same_name || !same_issuer(of);
}

/* What the server's operator should run: there the reason is written down. */
static void set_operators_move(struct mu_finding *finding)
{
    mu_str_copy(finding->remedy, sizeof finding->remedy,
                "mutual explain --cert {file} --server-cacert ca.crt --server-crl ca.crl");
    mu_str_copy(finding->openssl, sizeof finding->openssl,
                "openssl verify -purpose sslclient -CAfile ca.crt {file}");
}

/* Nobody has to suppose whom a server trusts that says it. */
static bool is_refuted(const struct mu_probe_case *of)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    for (size_t i = 0; i < of->trusted->count; i++)
        if (mu_certs_hold(&seen->listed_certs, of->trusted->at[i]))
            return false;
    return seen->ca_count > 0;
}

/* What it would be if the server trusted the CAs that this client does, as is usual; MU_CAUSE_ok: nothing. */
static int suppose(const struct mu_probe_case *of, enum mu_cause_id *ret, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_report) supposed = {0};
    const int alert = of->facts->ours.seen.alert;
    const struct mu_judging how = {
        .side = MU_PURPOSE_CLIENT,
        .presented = of->probe->chain,
        .trusted = of->trusted,
        .known = of->probe->known,
        .at = of->facts->now,
    };
    *ret = MU_CAUSE_ok;
    if (of->trusted == NULL || of->trusted->count == 0 || is_refuted(of) ||
        alert == ALERT_CERTIFICATE_REVOKED || alert == ALERT_CERTIFICATE_EXPIRED ||
        alert == ALERT_ACCESS_DENIED)
        return 0;
    if (mu_judge(&how, &supposed, err) != 0)
        return -1;
    mu_report_finish(&supposed);
    if (supposed.count > 0 && supposed.findings[0].gravity == MU_GRAVITY_FAULT)
        *ret = supposed.findings[0].cause;
    return 0;
}

static int tell_likeliest(const struct mu_probe_case *of, enum mu_cause_id cause, bool is_supposed,
                          struct mu_report *report, struct mu_error *err)
{
    char ours[400], words[MU_PROBE_WORDS_LEN], label[MU_CERT_LABEL_LEN], if_same[400] = "";
    struct mu_finding finding = about_ours(of, cause, MU_GRAVITY_FAULT);
    if (!is_supposed && cause != MU_CAUSE_client_cert_revoked)
        finding.whose = MU_PARTY_SERVER;
    set_operators_move(&finding);
    mu_probe_words(of, words);
    if (is_supposed)
        snprintf(if_same, sizeof if_same,
                 ", if the server trusts the CA that this client trusts (\"%.200s\")",
                 mu_cert_label(of->trusted->at[0], label));
    return mu_report_add(
        report, &finding, err,
        "the server refused the client certificate %s (%s); likeliest%s: %s%s",
        name_ours(of, ours, sizeof ours), *words != '\0' ? words : "it closed the connection",
        if_same, mu_cause_of(cause)->what,
        is_supposed
            ? ""
            : ". Nothing in the files here explains it: the reason stands in the server's log");
}

static int rank(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    const struct mu_probe_http *http = mu_probe_http_of(of);
    const struct reason *reason =
        reason_of(seen->alert < 0 && http->status != 0 ? IN_HTTP : seen->alert);
    enum mu_cause_id supposed, told = MU_CAUSE_ok;
    if (suppose(of, &supposed, err) != 0)
        return -1;
    for (size_t i = 0; i <= MU_COUNT(reason->causes); i++) {
        enum mu_cause_id cause = i == 0 ? supposed : reason->causes[i - 1];
        if (cause == MU_CAUSE_ok || cause == told || (i > 0 && !fits(seen, of, cause)))
            continue;
        if ((told == MU_CAUSE_ok
                 ? tell_likeliest(of, cause, i == 0, report, err)
                 : mu_report_check(report, MU_MARK_UNKNOWN, err, "it could also be %s: %s",
                                   mu_cause_of(cause)->id, mu_cause_of(cause)->what)) != 0)
            return -1;
        told = told == MU_CAUSE_ok ? cause : told;
    }
    return 0;
}

/* What is listed did issue the CA that issued ours: then that one was to be sent along. Without it at hand its name tells. */
static bool lacks_intermediate(const struct mu_probe_case *of, struct mu_error *err)
{
    const struct mu_certs *chain = of->probe->chain;
    const struct mu_certs *below = &of->facts->ours.seen.below_listed;
    const struct mu_cert *top = chain->at[chain->count - 1];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    for (size_t i = 0; i < below->count; i++)
        if (!mu_certs_hold(chain, below->at[i]) && mu_cert_is_signed_by(top, below->at[i]))
            return true;
    return mu_cert_info_read(top, of->facts->now, &info, err) == 0 &&
           mu_sounds_intermediate(info.issuer);
}

static int tell_not_listed_why(const struct mu_probe_case *of, enum mu_cause_id cause,
                               const char *why, struct mu_report *report, struct mu_error *err)
{
    char ours[400], accepted[256];
    struct mu_finding finding = about_ours(of, cause, MU_GRAVITY_FAULT);
    return mu_report_add(report, &finding, err,
                         "the client certificate %s %s; the server accepts %s",
                         name_ours(of, ours, sizeof ours), why,
                         list_accepted(&of->facts->ours.seen, accepted, sizeof accepted));
}

/* Not among those that it lists, and refused. */
static int tell_not_listed(const struct mu_probe_case *of, struct mu_report *report,
                           struct mu_error *err)
{
    char ours[400], accepted[256];
    const struct mu_cert *leaf = of->probe->chain->at[0];
    struct mu_error ignored = MU_ERROR_INIT;
    if (mu_cert_is_signed_by(leaf, leaf))
        return tell_not_listed_why(of, MU_CAUSE_client_self_signed,
                                   "is signed by itself, and not by a CA", report, err);
    if (lacks_intermediate(of, &ignored))
        return tell_not_listed_why(of, MU_CAUSE_client_chain_incomplete,
                                   "comes without the intermediate that issued it", report, err);
    struct mu_finding finding = about_ours(of, MU_CAUSE_client_untrusted_ca, MU_GRAVITY_FAULT);
    mu_str_copy(finding.field, sizeof finding.field, "issuer");
    return mu_report_add(
        report, &finding, err,
        "the client certificate %s is not from a CA that this server accepts; it accepts %s",
        name_ours(of, ours, sizeof ours),
        list_accepted(&of->facts->ours.seen, accepted, sizeof accepted));
}

static int add(struct mu_certs *list, const struct mu_certs *more, struct mu_error *err)
{
    for (size_t i = 0; i < more->count; i++)
        if (!mu_certs_hold(list, more->at[i]) &&
            mu_certs_add(list, mu_cert_ref(more->at[i]), err) != 0)
            return -1;
    return 0;
}

/* With those CAs at hand that the server names, its judgement can be told. What it sends of its own chain may be what is
 * missing in ours. */
static int judge_as_the_server(const struct mu_probe_case *of, struct mu_report *report,
                               struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    MU_AUTO_CLEAR(mu_certs) known = {0};
    if (of->server_trust_known)
        return 0;
    if (add(&known, of->probe->known, err) != 0 || add(&known, &seen->presented, err) != 0)
        return -1;
    const struct mu_judging how = {
        .side = MU_PURPOSE_CLIENT,
        .presented = of->probe->chain,
        .trusted = seen->listed_certs.count > 0 ? &seen->listed_certs : NULL,
        .known = &known,
        .at = of->facts->now,
        .file = of->cert_file,
        .trust_file = "the server's list",
    };
    return mu_judge(&how, report, err);
}

static int tell_no_scheme(const struct mu_probe_case *of, struct mu_report *report,
                          struct mu_error *err)
{
    char ours[400];
    struct mu_finding finding = about_ours(of, MU_CAUSE_unsupported_key_type, MU_GRAVITY_FAULT);
    return mu_report_add(
        report, &finding, err,
        "the server takes no signature that the key of the client certificate %s can make, so the "
        "certificate was not sent",
        name_ours(of, ours, sizeof ours));
}

/* What a person sees of it is the alert, whatever a verifier calls the fault. */
static void set_words(const struct mu_probe_case *of, struct mu_report *report)
{
    char words[MU_PROBE_WORDS_LEN];
    mu_probe_words(of, words);
    for (size_t i = 0; i < report->count && *words != '\0'; i++)
        if (report->findings[i].phase == MU_PHASE_CLIENT &&
            report->findings[i].gravity == MU_GRAVITY_FAULT)
            mu_str_copy(report->findings[i].raw, sizeof report->findings[i].raw, words);
}

static int explain_refusal(const struct mu_probe_case *of, struct mu_report *report,
                           struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    if (mu_report_check(report, MU_MARK_BAD, err, "the client's certificate: refused") != 0 ||
        judge_as_the_server(of, report, err) != 0 || judge_clocks(of, report, err) != 0)
        return -1;
    set_words(of, report);
    if (seen->no_scheme)
        return tell_no_scheme(of, report, err);
    if (mu_probe_blames_client(report))
        return 0;
    if (seen->listed == MU_LISTED_NOT && seen->alert != ALERT_CERTIFICATE_REVOKED &&
        seen->alert != ALERT_CERTIFICATE_EXPIRED)
        return tell_not_listed(of, report, err);
    return rank(of, report, err);
}

/* --- Let in --- */

static int judge_accepted(const struct mu_probe_case *of, struct mu_report *report,
                          struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    char ours[400], accepted[256];
    if (judge_clocks(of, report, err) != 0 ||
        mu_report_check(report, seen->listed == MU_LISTED_NOT ? MU_MARK_ODD : MU_MARK_GOOD, err,
                        "the client's certificate: accepted in TLS") != 0)
        return -1;
    if (seen->listed != MU_LISTED_NOT || mu_report_has(report, MU_CAUSE_client_chain_incomplete))
        return 0;
    struct mu_finding finding =
        about_ours(of, MU_CAUSE_client_issuer_not_in_ca_list, MU_GRAVITY_SOME_PEERS);
    finding.phase = MU_PHASE_ASK;
    finding.refuser = MU_REFUSER_CLIENT;
    return mu_report_add(
        report, &finding, err,
        "the server accepts the client certificate %s, but its list of acceptable CAs leaves out the "
        "issuer (it has %s): Go, Java and browsers then send no certificate",
        name_ours(of, ours, sizeof ours), list_accepted(seen, accepted, sizeof accepted));
}

int mu_probe_judge_client(const struct mu_probe_case *of, struct mu_report *report,
                          struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    const struct mu_probe_http *http = mu_probe_http_of(of);
    /* Of a handshake that ended before the server had said everything nobody knows whether it would have asked. */
    if (!seen->finished && !seen->asked)
        return 0;
    if (check_asked(of, report, err) != 0)
        return -1;
    if (!seen->asked)
        return mu_probe_has_own(of)
                   ? judge_clocks(of, report, err) != 0 ? -1 : tell_does_not_ask(of, report, err)
                   : judge_clocks(of, report, err);
    /* nginx shakes hands with everybody, and says in HTTP what it thinks of a certificate. */
    bool missing =
        strcasestr(http->body, "No required SSL certificate") != NULL || http->status == 496;
    bool bad = strcasestr(http->body, "SSL certificate error") != NULL || http->status == 495;
    bool refused = mu_probe_refused(of) || bad || (missing && !seen->sent);
    /* Where it could not be sent for a fault of its file, that is what is to be mended. */
    if (!mu_probe_has_own(of) && of->probe->chain->count > 0 && mu_probe_blames_client(report))
        return mu_report_check(report, MU_MARK_BAD, err,
                               "the client's certificate: could not be sent");
    if (!mu_probe_has_own(of))
        return refused ? tell_not_sent(of, report, err) : judge_clocks(of, report, err);
    return refused ? explain_refusal(of, report, err) : judge_accepted(of, report, err);
}
