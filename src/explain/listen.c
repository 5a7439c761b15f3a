#include "explain/listen.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/time.h"
#include "explain/cause_of.h"
#include "explain/judge.h"
#include "http/message.h"
#include "pki/info.h"
#include "tls/alert.h"

void mu_listen_facts_clear(struct mu_listen_facts *facts)
{
    mu_tls_heard_clear(&facts->heard);
}

/* --- Findings --- */

static void set_words(const struct mu_listen_facts *facts, struct mu_finding *finding)
{
    const struct mu_tls_heard *heard = &facts->heard;
    if (heard->alert >= 0)
        snprintf(finding->raw, sizeof finding->raw, "TLS alert %d \"%s\" from the client",
                 heard->alert, mu_alert_find(heard->alert)->name);
    else
        mu_str_copy(finding->raw, sizeof finding->raw, heard->words);
}

static struct mu_finding finding_of(const struct mu_listen_facts *facts, enum mu_cause_id cause,
                                    enum mu_phase phase)
{
    const struct mu_tls_heard *heard = &facts->heard;
    const char *name = *heard->server_name != '\0' ? heard->server_name : NULL;
    struct mu_finding finding = mu_finding_of(cause, MU_GRAVITY_FAULT, phase, NULL, NULL, name);
    set_words(facts, &finding);
    return finding;
}

/* --- Before TLS --- */

static int judge_no_hello(const struct mu_listen_facts *facts, struct mu_report *report,
                          struct mu_error *err)
{
    const struct mu_plain *plain = &facts->plain;
    const struct mu_tls_heard *heard = &facts->heard;
    struct mu_finding finding = finding_of(facts, MU_CAUSE_not_tls, MU_PHASE_CONNECT);
    finding.whose = MU_PARTY_CLIENT;
    finding.refuser = MU_REFUSER_SERVER;
    if (plain->spoken != MU_SPOKEN_NOTHING && plain->spoken != MU_SPOKEN_TLS) {
        mu_str_copy(finding.raw, sizeof finding.raw, plain->line);
        bool http = strstr(plain->line, " HTTP/") != NULL;
        mu_str_copy(finding.remedy, sizeof finding.remedy,
                    http ? "mutual get --as NAME {url}"
                         : "mutual tunnel --as NAME --listen 127.0.0.1:8080 --to {at}");
        return mu_report_add(report, &finding, err,
                             "the client speaks %s, and no TLS: it says \"%s\"%s",
                             http ? "plain HTTP" : "something else", plain->line,
                             http ? "; let it use https:// in its URL" : "");
    }
    finding =
        finding_of(facts,
                   heard->timed_out ? MU_CAUSE_connection_timed_out : MU_CAUSE_connection_cut_off,
                   MU_PHASE_CONNECT);
    finding.whose = MU_PARTY_CLIENT;
    mu_str_copy(finding.remedy, sizeof finding.remedy, "{use-as}");
    if (plain->spoken == MU_SPOKEN_TLS && *heard->words != '\0')
        return mu_report_add(report, &finding, err,
                             "what the client says begins like TLS and cannot be understood: %s",
                             heard->words);
    return mu_report_add(report, &finding, err, "the client connects and %s: %s",
                         heard->timed_out ? "says nothing" : "goes away without a word",
                         heard->timed_out
                             ? "it waits for the server to speak first, or something on the way drops "
                               "what it says"
                             : "a port scan and a health check look like this, too");
}

/* --- The client's first message --- */

/* The server is as it should be: it is the client that has to offer something else. */
static struct mu_finding about_hello(const struct mu_listen_facts *facts, enum mu_cause_id cause)
{
    struct mu_finding finding = finding_of(facts, cause, MU_PHASE_HELLO);
    finding.whose = MU_PARTY_CLIENT;
    finding.refuser = MU_REFUSER_SERVER;
    return finding;
}

static int judge_hello(const struct mu_listen_facts *facts, struct mu_report *report,
                       struct mu_error *err)
{
    const struct mu_tls_heard *heard = &facts->heard;
    enum mu_tls_lack lack = mu_tls_heard_lack(heard);
    struct mu_finding finding;
    if (lack == MU_TLS_LACK_VERSION) {
        finding = about_hello(facts, MU_CAUSE_tls_version_mismatch);
        return mu_report_add(
            report, &finding, err,
            "the client offers TLS %s and nothing newer; the server takes TLS 1.2 and 1.3",
            heard->versions);
    }
    if (lack == MU_TLS_LACK_SUITE) {
        finding = about_hello(facts, MU_CAUSE_no_shared_cipher);
        return mu_report_add(
            report, &finding, err,
            "the client offers no cipher suite, group or signature scheme that the server takes; of "
            "suites it offers %.300s",
            heard->ciphers);
    }
    if (!heard->protocol_fits) {
        finding = about_hello(facts, MU_CAUSE_alpn_mismatch);
        return mu_report_add(report, &finding, err,
                             "the client offers the protocols %s only; here http/1.1 is served",
                             heard->alpn);
    }
    return 0;
}

static int check_hello(const struct mu_tls_heard *heard, struct mu_report *report,
                       struct mu_error *err)
{
    enum mu_mark mark = mu_tls_heard_lack(heard) == MU_TLS_LACK_NONE ? MU_MARK_GOOD : MU_MARK_BAD;
    if (mu_report_check(report, mark, err, "offered: TLS %s; %zu cipher suites: %.150s",
                        heard->versions, heard->cipher_count, heard->ciphers) != 0 ||
        mu_report_check(report, mark, err, "groups: %s; signature schemes: %.150s",
                        *heard->groups != '\0' ? heard->groups : "none",
                        *heard->schemes != '\0' ? heard->schemes : "none") != 0)
        return -1;
    return mu_report_check(report, heard->protocol_fits ? MU_MARK_GOOD : MU_MARK_BAD, err,
                           "server name: %s; protocols: %s",
                           *heard->server_name != '\0' ? heard->server_name
                                                       : "none, so it connects by address or is old",
                           *heard->alpn != '\0' ? heard->alpn : "none");
}

/* --- What the client makes of the server --- */

/* Our own chain, as a client sees it that asks for this name. The fault found, or ok. */
static int judge_own(const struct mu_listen_case *of, const struct mu_listen_facts *facts,
                     struct mu_report *report, struct mu_error *err)
{
    const struct mu_judging how = {
        .side = MU_PURPOSE_SERVER,
        .presented = of->chain,
        .known = of->trusted,
        .host = *facts->heard.server_name != '\0' ? facts->heard.server_name : NULL,
        .at = facts->now,
        .file = of->file,
    };
    return mu_judge(&how, report, err);
}

static bool has_fault(const struct mu_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].gravity == MU_GRAVITY_FAULT)
            return true;
    return false;
}

/* The server is as it should be: it is the client that does not trust it. */
static struct mu_finding about_distrust(const struct mu_listen_facts *facts, enum mu_cause_id cause)
{
    struct mu_finding finding = finding_of(facts, cause, MU_PHASE_SERVER);
    finding.whose = MU_PARTY_CLIENT;
    finding.refuser = MU_REFUSER_CLIENT;
    mu_str_copy(finding.remedy, sizeof finding.remedy, "mutual get --cacert ca.crt {url}");
    mu_str_copy(finding.openssl, sizeof finding.openssl,
                "openssl s_client -connect {at} -CAfile ca.crt -verify_return_error </dev/null");
    return finding;
}

/* What is no fault to OpenSSL is one to others. An alert that says that it is the CA, or a date, does not mean that. */
static struct mu_finding *refused_by_others(const struct mu_listen_facts *facts,
                                            struct mu_report *report)
{
    enum {
        ALERT_UNKNOWN_CA = 48,
        OTHERS =
            1u << MU_STACK_GO | 1u << MU_STACK_JAVA | 1u << MU_STACK_GNUTLS | 1u << MU_STACK_RUSTLS
    };
    const int alert = facts->heard.alert;
    if (alert < 0 || alert == ALERT_UNKNOWN_CA ||
        mu_cause_of_client_alert(alert) != MU_CAUSE_server_untrusted_ca)
        return NULL;
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].gravity == MU_GRAVITY_SOME_PEERS &&
            (report->findings[i].refused_by & OTHERS) != 0)
            return &report->findings[i];
    return NULL;
}

/* This client is one of them, or does not trust the CA. */
static int blame(struct mu_finding *finding, const struct mu_listen_facts *facts,
                 struct mu_report *report, struct mu_error *err)
{
    const struct mu_cause *otherwise = mu_cause_of(MU_CAUSE_server_untrusted_ca);
    finding->gravity = MU_GRAVITY_FAULT;
    set_words(facts, finding);
    return mu_report_check(report, MU_MARK_UNKNOWN, err, "it could also be %s: %s", otherwise->id,
                           otherwise->what);
}

/* Whoever offers these two is told apart by no other sign from here, but of them only browsers go without a word. */
static bool is_like_a_browser(const struct mu_tls_heard *heard)
{
    return heard->alert < 0 && mu_str_equal(heard->alpn, "h2, http/1.1");
}

/* A browser believes the server by then, or it would say so: it looks for a certificate, and asks its user. */
static int judge_pause(const struct mu_listen_facts *facts, struct mu_report *report,
                       struct mu_error *err)
{
    struct mu_finding finding = finding_of(facts, MU_CAUSE_client_cert_not_sent, MU_PHASE_ASK);
    finding.gravity = MU_GRAVITY_SUSPICIOUS;
    finding.refuser = MU_REFUSER_SERVER;
    return mu_report_add(
        report, &finding, err,
        "the client goes away when it is asked for a certificate, as browsers do: they look for one, ask their user which "
        "to send, and come back with it or without; see what the next connection brings");
}

/* The client said no to our certificate, or hung up when it saw it. */
static int judge_refused_server(const struct mu_listen_case *of, const struct mu_listen_facts *facts,
                                struct mu_report *report, struct mu_error *err)
{
    const struct mu_tls_heard *heard = &facts->heard;
    char label[MU_CERT_LABEL_LEN], ca[MU_CERT_LABEL_LEN] = "?";
    bool said = heard->alert >= 0;
    if (is_like_a_browser(heard))
        return judge_pause(facts, report, err);
    if (mu_report_check(report, MU_MARK_BAD, err, "the server's certificate: %s by the client",
                        said ? "refused" : "answered with silence") != 0 ||
        (!of->made_up && judge_own(of, facts, report, err) != 0))
        return -1;
    if (has_fault(report))
        return 0;
    struct mu_finding *odd = refused_by_others(facts, report);
    if (odd != NULL)
        return blame(odd, facts, report, err);
    struct mu_finding finding = about_distrust(facts, mu_cause_of_client_alert(heard->alert));
    mu_cert_label(of->chain->at[0], label);
    if (of->made_up) {
        mu_str_copy(finding.remedy, sizeof finding.remedy,
                    "mutual explain --listen {at} --cacert ca.crt --cert server.crt --key server.key");
        return mu_report_add(
            report, &finding, err,
            "the client does not trust the certificate that was made up for this: give the server's own "
            "with --cert and --key to see how the client goes on");
    }
    return mu_report_add(
        report, &finding, err,
        "the client %s the server's certificate \"%.200s\"%s%s%s: as a rule it does not have the server's "
        "CA among those that it trusts (\"%.100s\"), or wants another name than the certificate has",
        said ? "refuses" : "goes away when it sees", label, said ? " (alert \"" : "",
        said ? mu_alert_find(heard->alert)->name : "", said ? "\")" : "",
        of->trusted->count > 0 ? mu_cert_label(of->trusted->at[0], ca) : ca);
}

/* --- What the server makes of the client --- */

static int tell_none_sent(const struct mu_listen_facts *facts, struct mu_report *report,
                          struct mu_error *err)
{
    struct mu_finding finding = finding_of(facts, MU_CAUSE_client_cert_not_sent, MU_PHASE_ASK);
    finding.refuser = MU_REFUSER_SERVER;
    if (mu_report_check(report, MU_MARK_BAD, err, "the client's certificate: none was sent") != 0)
        return -1;
    if (facts->heard.unlisted)
        return mu_report_add(report, &finding, err,
                             "the client was asked for a certificate and sent none, without a list of "
                             "CAs too: none is configured");
    return mu_report_add(
        report, &finding, err,
        "the client was asked for a certificate and sent none: none is configured, or (Go, Java, "
        "browsers) none that it has is from a CA that the server lists; run it once more: it is then asked "
        "without a list, which tells the two apart");
}

static int tell_bad_proof(const struct mu_listen_facts *facts, struct mu_report *report,
                          struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = finding_of(facts, MU_CAUSE_key_mismatch, MU_PHASE_CLIENT);
    return mu_report_add(
        report, &finding, err,
        "the client cannot prove that it has the key of the certificate \"%.200s\" that it sends",
        mu_cert_label(facts->heard.presented.at[0], label));
}

/* Nobody keeps back what the list names the issuer of. */
static bool is_listed(const struct mu_listen_case *of, const struct mu_certs *presented)
{
    for (size_t p = 0; p < presented->count; p++)
        for (size_t i = 0; i < of->trusted->count; i++)
            if (mu_cert_names_issuer(presented->at[p], of->trusted->at[i]))
                return true;
    return false;
}

/* Whoever came from there sent none when it was asked with a list; it may have been another program. */
static int note_withheld(const struct mu_listen_case *of, const struct mu_listen_facts *facts,
                         struct mu_report *report, struct mu_error *err)
{
    return !facts->heard.unlisted || is_listed(of, &facts->heard.presented)
               ? 0
               : mu_report_check(
                     report, MU_MARK_ODD, err,
                     "it sent none when it was asked with the list of CAs, and this one without: "
                     "Go, Java and browsers keep back what no listed CA has issued");
}

static int judge_client(const struct mu_listen_case *of, const struct mu_listen_facts *facts,
                        struct mu_report *report, struct mu_error *err)
{
    const struct mu_certs *presented = &facts->heard.presented;
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    const struct mu_judging how = {
        .side = MU_PURPOSE_CLIENT,
        .presented = presented,
        .trusted = of->trusted,
        .crls = of->crls,
        .crl_count = of->crl_count,
        .crl_leaf_only = of->crl_leaf_only,
        .limit_depth = of->limit_depth,
        .depth = of->depth,
        .at = facts->now,
        .trust_file = of->trust_file,
        .crl_file = of->crl_file,
    };
    if (mu_tls_heard_bad_proof(&facts->heard) && tell_bad_proof(facts, report, err) != 0)
        return -1;
    if (note_withheld(of, facts, report, err) != 0 || mu_judge(&how, report, err) != 0 ||
        mu_cert_info_read(presented->at[0], facts->now, &info, err) != 0)
        return -1;
    return mu_report_check(
        report, has_fault(report) ? MU_MARK_BAD : MU_MARK_GOOD, err,
        "the client's certificate: \"%.200s\", issued by \"%.200s\", until %s, %zu sent",
        mu_cert_label(presented->at[0], label), info.issuer,
        mu_date(mu_cert_not_after(presented->at[0]), date), presented->count);
}

/* Some programs look at the server's certificate only when the handshake is over, and say nothing if they do not like it. Who was
 * content would say goodbye. */
static int judge_gone(const struct mu_listen_case *of, const struct mu_listen_facts *facts,
                      struct mu_report *report, struct mu_error *err)
{
    const struct mu_tls_heard *heard = &facts->heard;
    if ((!of->made_up && judge_own(of, facts, report, err) != 0) ||
        mu_report_check(report, has_fault(report) ? MU_MARK_BAD : MU_MARK_ODD, err,
                        "the client %s when the handshake was over",
                        heard->timed_out ? "said no more"
                        : heard->closed  ? "said goodbye"
                                         : "went away without a goodbye") != 0)
        return -1;
    if (has_fault(report) || heard->timed_out || heard->closed)
        return 0;
    struct mu_finding finding = about_distrust(facts, MU_CAUSE_server_untrusted_ca);
    finding.gravity = MU_GRAVITY_SUSPICIOUS;
    return mu_report_add(
        report, &finding, err,
        "the client went away as soon as the handshake was over, without a request or a goodbye: Node.js "
        "and others do that when they do not trust the server's CA, or want another name than the "
        "certificate has; a port scan does, too");
}

/* --- All of it --- */

static int judge_rest(const struct mu_listen_case *of, const struct mu_listen_facts *facts,
                      struct mu_report *report, struct mu_error *err)
{
    const struct mu_tls_heard *heard = &facts->heard;
    char label[MU_CERT_LABEL_LEN];
    if (heard->presented.count > 0) {
        snprintf(report->good, sizeof report->good, "The client \"%.200s\" is let in: %s, %s",
                 mu_cert_label(heard->presented.at[0], label), heard->version, heard->cipher);
        if (judge_client(of, facts, report, err) != 0)
            return -1;
        return heard->finished && !heard->asked ? judge_gone(of, facts, report, err) : 0;
    }
    if (heard->finished)
        return tell_none_sent(facts, report, err);
    if (mu_tls_heard_lack(heard) != MU_TLS_LACK_NONE)
        return 0;
    return judge_refused_server(of, facts, report, err);
}

int mu_listen_judge(const struct mu_listen_case *of, const struct mu_listen_facts *facts,
                    struct mu_report *report, struct mu_error *err)
{
    report->view = MU_VIEW_SERVER;
    mu_str_copy(report->at, sizeof report->at, of->at == NULL ? "" : of->at);
    if (!facts->heard.hello) {
        if (judge_no_hello(facts, report, err) != 0)
            return -1;
    } else if (check_hello(&facts->heard, report, err) != 0 ||
               judge_hello(facts, report, err) != 0 || judge_rest(of, facts, report, err) != 0) {
        return -1;
    }
    mu_report_finish(report);
    return 0;
}

/* --- Hearing --- */

struct answering {
    const struct mu_listen_case *of;
    time_t now;
};

/* Whoever runs the client reads the verdict where an answer is expected. */
static void on_request(void *arg, const struct mu_tls_heard *heard, struct mu_buf *answer)
{
    struct answering *answering = arg;
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_report) report = {0};
    struct mu_listen_facts facts = {.now = answering->now, .heard = *heard};
    if (mu_listen_judge(answering->of, &facts, &report, &ignored) != 0)
        return;
    bool refused = mu_report_exit(&report) == 1;
    const char *sentence = report.count > 0 ? report.findings[0].sentence : report.good;
    const char *id = mu_cause_of(mu_report_cause(&report))->id;
    const int status = refused ? 403 : 200;
    mu_buf_addf(answer,
                "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                "Connection: close\r\n\r\n%s. cause: %s",
                status, mu_http_reason(status), strlen(sentence) + strlen(id) + strlen(". cause: "),
                sentence, id);
}

int mu_listen_hear(const struct mu_listen_case *of, struct mu_tls_ear *ear,
                   struct mu_transport transport, bool unlisted, struct mu_listen_facts *ret,
                   struct mu_error *err)
{
    struct answering answering = {.of = of, .now = ret->now};
    return mu_tls_hear(ear, transport, unlisted, on_request, &answering, &ret->heard, err);
}
