/* All is well in TLS, and then HTTP says no. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "explain/probe_judge.h"
#include "pki/info.h"

/* Who has no CN is called by an alternative name, and let in by that. */
static void set_rule(struct mu_finding *finding, const struct mu_cert_info *info)
{
    for (size_t i = 0; *info->cn == '\0' && i < info->san.count; i++) {
        const char *san = info->san.at[i], *colon = strchr(san, ':');
        char kind[8] = "";
        if (colon == NULL || !mu_str_equal(colon + 1, finding->name))
            continue;
        for (size_t k = 0; san + k < colon && k + 1 < sizeof kind; k++)
            kind[k] = (char)tolower((unsigned char)san[k]);
        snprintf(finding->remedy, sizeof finding->remedy, "mutual serve --allow %s={name}", kind);
        return;
    }
}

static int tell_not_authorized(const struct mu_probe_case *of, struct mu_report *report,
                               struct mu_error *err)
{
    const struct mu_probe_http *http = mu_probe_http_of(of);
    char label[MU_CERT_LABEL_LEN];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_not_authorized, MU_GRAVITY_FAULT, MU_PHASE_HTTP);
    finding.holder = MU_HOLDER_CLIENT;
    mu_str_copy(finding.file, sizeof finding.file, of->cert_file == NULL ? "" : of->cert_file);
    mu_str_copy(finding.name, sizeof finding.name, mu_cert_label(of->probe->chain->at[0], label));
    if (mu_cert_info_read(of->probe->chain->at[0], of->facts->now, &info, err) != 0)
        return -1;
    set_rule(&finding, &info);
    return mu_report_add(
        report, &finding, err,
        "TLS is well, and the server knows the client as \"%.200s\"; it answers %d %s to it for %.100s: "
        "its rules do not let this holder in, or nobody to this path",
        label, http->status, http->reason, of->probe->path);
}

static int tell_wanting(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    const struct mu_probe_http *http = mu_probe_http_of(of);
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_client_cert_not_sent, MU_GRAVITY_FAULT, MU_PHASE_ASK);
    return mu_report_add(
        report, &finding, err,
        "the server at %s asks for a client certificate, none was given to send, and it answers %d %s",
        mu_probe_place(of->probe, place), http->status, http->reason);
}

static int tell_misdirected(const struct mu_probe_case *of, struct mu_report *report,
                            struct mu_error *err)
{
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_sni_unknown, MU_GRAVITY_FAULT, MU_PHASE_HTTP);
    mu_str_copy(finding.host, sizeof finding.host, of->probe->host);
    return mu_report_add(
        report, &finding, err,
        "the server at %s answers 421: the host name of the request, \"%s\", is not served on a "
        "connection that was opened for \"%s\"",
        mu_probe_place(of->probe, place), of->probe->host, of->probe->name);
}

/* An answer that TLS has nothing to do with. */
static int tell_proxied(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    const struct mu_probe_http *http = mu_probe_http_of(of);
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_tls_terminating_proxy, MU_GRAVITY_FAULT, MU_PHASE_HTTP);
    return mu_report_add(
        report, &finding, err,
        "what answers at %s takes the client's certificate and says that there is none (%d %s): it "
        "speaks for a server behind it, and the certificate goes no further",
        mu_probe_place(of->probe, place), http->status, http->reason);
}

static int note_not_asked(const struct mu_probe_case *of, struct mu_report *report,
                          struct mu_error *err)
{
    const char *alpn = of->facts->ours.seen.alpn;
    return *alpn == '\0' || mu_str_equal(alpn, "h2") || mu_str_starts_with(alpn, "http/1.")
               ? 0
               : mu_report_check(
                     report, MU_MARK_UNKNOWN, err,
                     "HTTP: no request was made, as \"%s\" was agreed on, which is no HTTP", alpn);
}

/* Where TLS lets everybody through, the answer is the same for any program. */
static const char same_answer[] =
    "TLS has let the certificate through, and this answer is HTTP's: none would fare better with it";

int mu_probe_judge_http(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    const struct mu_probe_http *http = mu_probe_http_of(of);
    if (!seen->finished || seen->alert >= 0)
        return 0;
    if (http->too_much)
        return mu_report_check(report, MU_MARK_ODD, err, "HTTP: headers that do not end");
    if (http->status == 0)
        return !http->asked
                   ? note_not_asked(of, report, err)
                   : mu_report_check(report, MU_MARK_UNKNOWN, err, "HTTP: %s",
                                     http->answered ? "the answer is not HTTP"
                                     : seen->timed_out
                                         ? "no answer in time; perhaps it is no web server"
                                         : "closed without an answer; perhaps it is no web server");
    if (mu_report_check(report, http->status < 400 ? MU_MARK_GOOD : MU_MARK_ODD, err,
                        "HTTP: %d %s%s%s%s", http->status, http->reason,
                        *http->server != '\0' ? " (" : "", http->server,
                        *http->server != '\0' ? ")" : "") != 0)
        return -1;
    if (http->status == 421 || http->status == 401 || http->status == 403)
        report->no_peers = same_answer;
    if (http->status == 421)
        return tell_misdirected(of, report, err);
    bool none =
        strcasestr(http->body, "No required SSL certificate") != NULL || http->status == 496;
    if (none && seen->sent && !mu_probe_blames_client(report))
        return tell_proxied(of, report, err);
    if (!mu_probe_denied(of) || mu_probe_blames_client(report))
        return 0;
    return mu_probe_has_own(of) ? tell_not_authorized(of, report, err)
                                : tell_wanting(of, report, err);
}
