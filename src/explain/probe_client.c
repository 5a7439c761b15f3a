/* Our certificate: was it asked for, was it sent, and what did the server make of it? */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "explain/probe_judge.h"
#include "pki/info.h"

/* Clocks of machines that ask the time differ by less. */
enum { CLOCK_SKEW_S = 300 };

/* Whatever it makes of certificates bites later. */
enum { CLOCK_FIRST = -1000 };

/* --- Words --- */

const char *mu_probe_accepted(const struct mu_tls_seen *seen, char *ret, size_t cap)
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

const char *mu_probe_ours(const struct mu_probe_case *of, char *ret, size_t cap)
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

struct mu_finding mu_probe_about_ours(const struct mu_probe_case *of, enum mu_cause_id cause,
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
    mu_probe_accepted(seen, accepted, sizeof accepted);
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
    mu_probe_ours(of, ours, sizeof ours);
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
    mu_probe_accepted(seen, accepted, sizeof accepted);
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

int mu_probe_judge_clocks(const struct mu_probe_case *of, struct mu_report *report,
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
    finding.depth = CLOCK_FIRST;
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

/* --- Let in --- */

/* What other servers would refuse, this one has let in; what most clients cannot load stays a fault. */
static void note_it_works(struct mu_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        struct mu_finding *finding = &report->findings[i];
        bool loads = (finding->unusable_by & 1u << MU_STACK_OPENSSL) == 0;
        if (finding->phase == MU_PHASE_CLIENT && finding->gravity == MU_GRAVITY_FAULT && loads)
            finding->gravity = MU_GRAVITY_SOME_PEERS;
    }
}

static int judge_accepted(const struct mu_probe_case *of, struct mu_report *report,
                          struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    char ours[400], accepted[256];
    const int status = mu_probe_http_of(of)->status;
    if (status > 0 && status < 400)
        note_it_works(report);
    if (mu_probe_judge_clocks(of, report, err) != 0 ||
        mu_report_check(report, seen->listed == MU_LISTED_NOT ? MU_MARK_ODD : MU_MARK_GOOD, err,
                        "the client's certificate: accepted in TLS") != 0)
        return -1;
    if (seen->listed != MU_LISTED_NOT || mu_report_has(report, MU_CAUSE_client_chain_incomplete))
        return 0;
    struct mu_finding finding =
        mu_probe_about_ours(of, MU_CAUSE_client_issuer_not_in_ca_list, MU_GRAVITY_SOME_PEERS);
    finding.phase = MU_PHASE_ASK;
    finding.refuser = MU_REFUSER_CLIENT;
    return mu_report_add(
        report, &finding, err,
        "the server accepts the client certificate %s, but its list of acceptable CAs leaves out the "
        "issuer (it has %s): Go, Java and browsers then send no certificate",
        mu_probe_ours(of, ours, sizeof ours), mu_probe_accepted(seen, accepted, sizeof accepted));
}

/* It has not said a word, or has closed, and whether that was meant for the certificate would take longer to find out. */
static bool is_unsure(const struct mu_probe_facts *facts)
{
    const struct mu_tls_seen *seen = &facts->ours.seen;
    return facts->unsure || (seen->finished && seen->sent && seen->alert < 0 && seen->timed_out &&
                             !facts->ours.http.answered && !facts->http1.http.answered);
}

static int leave_open(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    char ours[400];
    const int64_t took_ms = of->facts->ours.took_ms;
    return mu_report_leave_open(
        report, err,
        "whether the server accepts the client certificate %s: %s %d.%d s%s, and there was no time "
        "for more (a longer --max-time gives it)",
        mu_probe_ours(of, ours, sizeof ours),
        of->facts->unsure ? "it closed the connection after" : "it has not said a word for",
        (int)(took_ms / 1000), (int)(took_ms % 1000 / 100),
        of->facts->unsure ? ", which may have been meant for the question" : "");
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
        return mu_probe_has_own(of) ? mu_probe_judge_clocks(of, report, err) != 0
                                          ? -1
                                          : tell_does_not_ask(of, report, err)
                                    : mu_probe_judge_clocks(of, report, err);
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
        return refused ? tell_not_sent(of, report, err) : mu_probe_judge_clocks(of, report, err);
    if (refused)
        return mu_probe_explain_refusal(of, report, err);
    if (is_unsure(of->facts))
        return leave_open(of, report, err);
    if (mu_probe_denied(of) && mu_probe_explain_denial(of, report, err) != 0)
        return -1;
    return mu_probe_denied(of) && mu_probe_blames_client(report)
               ? mu_probe_judge_clocks(of, report, err)
               : judge_accepted(of, report, err);
}
