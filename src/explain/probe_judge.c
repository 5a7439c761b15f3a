#include "explain/probe_judge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "tls/alert.h"

/* --- Words --- */

static char *place_of(const char *host, unsigned port, char *ret, size_t cap)
{
    const bool v6 = strchr(host, ':') != NULL;
    snprintf(ret, cap, "%s%.255s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return ret;
}

char *mu_probe_place(const struct mu_probe *probe, char ret[MU_PROBE_PLACE_LEN])
{
    return place_of(probe->connect_host != NULL ? probe->connect_host : probe->host,
                    probe->connect_host != NULL ? probe->connect_port : probe->port, ret,
                    MU_PROBE_PLACE_LEN);
}

struct mu_finding mu_probe_finding(const struct mu_probe_case *of, enum mu_cause_id cause,
                                   enum mu_gravity gravity, enum mu_phase phase)
{
    char words[MU_PROBE_WORDS_LEN];
    const char *name = of->probe->name != NULL ? of->probe->name : of->probe->host;
    struct mu_finding finding = mu_finding_of(cause, gravity, phase, NULL, NULL, name);
    mu_str_copy(finding.raw, sizeof finding.raw, mu_probe_words(of, words));
    return finding;
}

char *mu_probe_words(const struct mu_probe_case *of, char ret[MU_PROBE_WORDS_LEN])
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    const struct mu_probe_http *http = mu_probe_http_of(of);
    ret[0] = '\0';
    if (!of->facts->ours.made)
        return ret;
    if (seen->alert >= 0)
        snprintf(ret, MU_PROBE_WORDS_LEN, "TLS alert %d \"%s\" from the server, %s", seen->alert,
                 mu_alert_find(seen->alert)->name,
                 seen->alert_late ? "after the handshake" : "during the handshake");
    else if (http->status >= 400)
        snprintf(ret, MU_PROBE_WORDS_LEN, "HTTP %d %s", http->status, http->reason);
    else if (!http->answered)
        mu_str_copy(ret, MU_PROBE_WORDS_LEN, seen->words);
    return ret;
}

const struct mu_probe_http *mu_probe_http_of(const struct mu_probe_case *of)
{
    const struct mu_probe_facts *facts = of->facts;
    return facts->http1.http.status != 0 ? &facts->http1.http : &facts->ours.http;
}

bool mu_probe_has_own(const struct mu_probe_case *of)
{
    return of->probe->key != NULL && of->probe->chain->count > 0;
}

/* It has waited for our first word, or said its own. */
static bool took_us_in(const struct mu_probe_call *mute)
{
    return mute->made && mute->seen.finished && mute->seen.alert < 0 &&
           (mute->http.answered || mute->seen.timed_out);
}

bool mu_probe_refused(const struct mu_probe_case *of)
{
    const struct mu_probe_call *ours = &of->facts->ours;
    const struct mu_tls_seen *seen = &ours->seen;
    if (!seen->asked)
        return false;
    if (seen->alert >= 0)
        return true;
    return !ours->http.answered && (seen->ended || seen->reset) && !seen->version_unfit &&
           !of->facts->unsure && !took_us_in(&of->facts->mute);
}

bool mu_probe_denied(const struct mu_probe_case *of)
{
    const int status = mu_probe_http_of(of)->status;
    return (status == 401 || status == 403) && of->facts->ours.seen.asked && !mu_probe_refused(of);
}

bool mu_probe_blames_client(const struct mu_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].gravity == MU_GRAVITY_FAULT &&
            (report->findings[i].phase == MU_PHASE_CLIENT ||
             report->findings[i].phase == MU_PHASE_FILE))
            return true;
    return false;
}

/* --- Name and address --- */

static int tell_no_address(const struct mu_probe_case *of, struct mu_report *report,
                           struct mu_error *err)
{
    const char *host = of->probe->connect_host != NULL ? of->probe->connect_host : of->probe->host;
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_host_not_found, MU_GRAVITY_FAULT, MU_PHASE_CONNECT);
    mu_str_copy(finding.raw, sizeof finding.raw, of->facts->addresses.words);
    if (of->facts->addresses.timed_out)
        return mu_report_add(report, &finding, err,
                             "the address of \"%s\" is not to be had: the resolver does not answer",
                             host);
    return mu_report_add(
        report, &finding, err,
        "there is no address for \"%s\": the name is misspelt, or the resolver of this machine "
        "does not know it",
        host);
}

static int tell_not_reached(const struct mu_probe_case *of, struct mu_report *report,
                            struct mu_error *err)
{
    const struct mu_probe_facts *facts = of->facts;
    char place[MU_PROBE_PLACE_LEN], address[MU_ADDRESS_LEN];
    int why = facts->errors[0];
    for (size_t i = 0; i < facts->tried; i++)
        why = facts->errors[i] == ECONNREFUSED ? ECONNREFUSED : why;
    bool refused = why == ECONNREFUSED;
    struct mu_finding finding =
        mu_probe_finding(of, refused ? MU_CAUSE_connection_refused : MU_CAUSE_connection_timed_out,
                         MU_GRAVITY_FAULT, MU_PHASE_CONNECT);
    mu_str_copy(finding.raw, sizeof finding.raw, strerror(why));
    mu_address_text(&facts->addresses.at[0], address);
    return mu_report_add(report, &finding, err, "%s %s (%s%s)%s",
                         refused            ? "nothing listens at"
                         : why == ETIMEDOUT ? "nothing answers at"
                                            : "there is no way to",
                         mu_probe_place(of->probe, place), address,
                         facts->tried > 1 ? ", and its other addresses" : "",
                         refused ? ", or a firewall refuses: the connection was refused"
                         : why == ETIMEDOUT
                             ? ", and nothing refuses: a firewall drops what is sent, or the host is down"
                             : "");
}

static int judge_reach(const struct mu_probe_case *of, struct mu_report *report,
                       struct mu_error *err)
{
    const struct mu_probe_facts *facts = of->facts;
    char address[MU_ADDRESS_LEN];
    if (facts->addresses.count == 0)
        return tell_no_address(of, report, err) != 0
                   ? -1
                   : mu_report_check(report, MU_MARK_BAD, err, "name: no address");
    if (mu_report_check(report, MU_MARK_GOOD, err, "name: %zu address%s for \"%s\"",
                        facts->addresses.count, facts->addresses.count == 1 ? "" : "es",
                        of->probe->connect_host != NULL ? of->probe->connect_host
                                                        : of->probe->host) != 0)
        return -1;
    for (size_t i = 0; i < facts->tried; i++) {
        enum mu_mark mark = facts->errors[i] == 0    ? MU_MARK_GOOD
                            : facts->address != NULL ? MU_MARK_ODD
                                                     : MU_MARK_BAD;
        if (mu_report_check(report, mark, err, "TCP: %s %s%s",
                            mu_address_text(&facts->addresses.at[i], address),
                            facts->errors[i] == 0 ? "answers" : "does not: ",
                            facts->errors[i] == 0 ? "" : strerror(facts->errors[i])) != 0)
            return -1;
    }
    return facts->address == NULL ? tell_not_reached(of, report, err) : 0;
}

/* --- Is it TLS? --- */

static int tell_starttls(const struct mu_probe_case *of, struct mu_report *report,
                         struct mu_error *err)
{
    const struct mu_plain *plain = &of->facts->plain;
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_starttls_needed, MU_GRAVITY_FAULT, MU_PHASE_CONNECT);
    mu_probe_place(of->probe, place);
    mu_str_copy(finding.raw, sizeof finding.raw, plain->line);
    snprintf(finding.openssl, sizeof finding.openssl,
             "openssl s_client -starttls %s -connect {at} </dev/null", plain->starttls);
    mu_str_copy(finding.remedy, sizeof finding.remedy, finding.openssl);
    return mu_report_add(
        report, &finding, err,
        "the server at %s speaks %s, which begins in clear and changes to TLS when it is asked to in "
        "its own words (STARTTLS): a client that begins with TLS is not understood",
        place, plain->name);
}

static int tell_not_tls(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    const struct mu_plain *plain = &of->facts->plain;
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_not_tls, MU_GRAVITY_FAULT, MU_PHASE_CONNECT);
    mu_probe_place(of->probe, place);
    mu_str_copy(finding.raw, sizeof finding.raw, plain->line);
    const bool h2 = mu_str_starts_with(plain->name, "HTTP/2");
    if (plain->spoken == MU_SPOKEN_HTTP || h2)
        mu_str_copy(finding.remedy, sizeof finding.remedy,
                    "mutual serve --to http://{at} --allow all");
    if (plain->spoken == MU_SPOKEN_HTTP && plain->proxy)
        return mu_report_add(
            report, &finding, err,
            "what answers at %s is an HTTP proxy, in clear, and not the server: it said \"%s\"",
            place, plain->line);
    if (plain->spoken == MU_SPOKEN_HTTP)
        return mu_report_add(
            report, &finding, err,
            "the server at %s speaks plain HTTP on this port, and no TLS: it said \"%s\"", place,
            plain->line);
    if (*plain->name != '\0')
        return mu_report_add(report, &finding, err,
                             "the server at %s speaks %s on this port, and no TLS", place,
                             plain->name);
    return mu_report_add(report, &finding, err,
                         "the server at %s does not speak TLS: it answers with \"%s\"", place,
                         plain->line);
}

static int tell_silent(const struct mu_probe_case *of, struct mu_report *report,
                       struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    char place[MU_PROBE_PLACE_LEN];
    bool waits = seen->timed_out && !seen->ended && !seen->reset;
    struct mu_finding finding =
        mu_probe_finding(of, waits ? MU_CAUSE_connection_timed_out : MU_CAUSE_connection_cut_off,
                         MU_GRAVITY_FAULT, MU_PHASE_CONNECT);
    mu_probe_place(of->probe, place);
    bool begun = of->facts->ours.plain.spoken == MU_SPOKEN_TLS;
    if (waits)
        return mu_report_add(
            report, &finding, err,
            "the server at %s takes the connection and then %s: the program behind the port hangs, or "
            "something on the way drops what is sent",
            place, begun ? "stops in the middle of the handshake" : "says nothing at all");
    return mu_report_add(
        report, &finding, err,
        "the server at %s %s the connection %s, without a word: it does not speak TLS here, wants a PROXY "
        "header, has failed, or something on the way cuts in",
        place, seen->reset ? "resets" : "closes",
        begun ? "in the middle of the handshake" : "when it is greeted");
}

/* 1: TLS is spoken, and the rest can be judged; 0: told. */
static int judge_plain(const struct mu_probe_case *of, struct mu_report *report,
                       struct mu_error *err)
{
    const struct mu_plain *plain = &of->facts->plain;
    int told;
    if (plain->spoken == MU_SPOKEN_STARTTLS)
        told = tell_starttls(of, report, err);
    else if (plain->spoken != MU_SPOKEN_NOTHING && plain->spoken != MU_SPOKEN_TLS)
        told = tell_not_tls(of, report, err);
    else
        return 1;
    if (told != 0 || mu_report_check(report, MU_MARK_BAD, err, "TLS: is not spoken") != 0)
        return -1;
    return 0;
}

/* The handshake came to nothing, and nothing that was said explains it. */
static int judge_silence(const struct mu_probe_case *of, struct mu_report *report,
                         struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    if (seen->finished || seen->alert >= 0 || report->count > 0)
        return 0;
    if (mu_report_check(report, MU_MARK_BAD, err, "TLS: the handshake came to nothing%s%s",
                        *seen->words != '\0' ? ": " : "", seen->words) != 0)
        return -1;
    if (seen->timed_out || seen->ended || seen->reset)
        return tell_silent(of, report, err);
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_not_tls, MU_GRAVITY_FAULT, MU_PHASE_CONNECT);
    return mu_report_add(report, &finding, err,
                         "what the server at %s says begins like TLS and cannot be understood: %s",
                         mu_probe_place(of->probe, place),
                         *seen->words != '\0' ? seen->words : "the handshake came to nothing");
}

/* --- All of it --- */

static int check_time(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    return of->facts->out_of_time
               ? mu_report_check(
                     report, MU_MARK_UNKNOWN, err,
                     "not all could be looked at in %lld seconds: give it more with --max-time",
                     (long long)(of->probe->max_ms / 1000))
               : 0;
}

static void set_good(const struct mu_probe_case *of, struct mu_report *report)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    const struct mu_probe_http *http = mu_probe_http_of(of);
    char place[MU_PROBE_PLACE_LEN], label[MU_CERT_LABEL_LEN] = "", answer[64] = "";
    if (http->status != 0)
        snprintf(answer, sizeof answer, "; HTTP answers %d", http->status);
    if (seen->sent)
        mu_cert_label(of->probe->chain->at[0], label);
    snprintf(report->good, sizeof report->good,
             "Nothing is wrong: the server at %s answers in %s%s%s%s%s",
             mu_probe_place(of->probe, place), seen->version,
             seen->sent    ? ", and accepts the client certificate \""
             : seen->asked ? ", and lets in clients without a certificate"
                           : ", and asks for no client certificate",
             label, seen->sent ? "\"" : "", answer);
}

static int judge_usable(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    struct mu_finding finding = mu_finding_of(MU_CAUSE_unsupported_key_type, MU_GRAVITY_FAULT,
                                              MU_PHASE_FILE, of->cert_file, NULL, NULL);
    return *of->facts->unusable == '\0'
               ? 0
               : mu_report_add(report, &finding, err, "%s", of->facts->unusable);
}

int mu_probe_judge(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    report->view = MU_VIEW_CLIENT;
    mu_probe_place(of->probe, report->at);
    report->peers = report->peers && of->facts->ours.seen.chosen;
    if (judge_reach(of, report, err) != 0 || judge_usable(of, report, err) != 0)
        return -1;
    if (of->facts->address == NULL)
        return 0;
    int spoken = judge_plain(of, report, err);
    if (spoken <= 0)
        return spoken;
    set_good(of, report);
    if (mu_probe_judge_hello(of, report, err) != 0 || mu_probe_judge_server(of, report, err) != 0 ||
        mu_probe_judge_client(of, report, err) != 0 || mu_probe_judge_http(of, report, err) != 0 ||
        judge_silence(of, report, err) != 0)
        return -1;
    char words[MU_PROBE_WORDS_LEN];
    mu_str_copy(report->raw, sizeof report->raw, mu_probe_words(of, words));
    return check_time(of, report, err);
}
