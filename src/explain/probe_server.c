/* The server's chain as it was presented: is it good, and is it the server's at all? */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/time.h"
#include "explain/judge.h"
#include "explain/probe_judge.h"
#include "pki/info.h"

static const struct mu_certs *presented(const struct mu_probe_case *of)
{
    return &of->facts->ours.seen.presented;
}

static const struct mu_cert *known_leaf(const struct mu_probe_case *of)
{
    return of->server_known != NULL && of->server_known->count > 0 ? of->server_known->at[0] : NULL;
}

/* Does the chain end at a CA that we trust, as far as signatures go? */
static bool is_ours(const struct mu_probe_case *of, const struct mu_certs *chain)
{
    for (size_t i = 0; of->trusted != NULL && i < chain->count; i++)
        for (size_t j = 0; j < of->trusted->count; j++)
            if (mu_cert_is_signed_by(chain->at[i], of->trusted->at[j]))
                return true;
    return false;
}

/* --- Somebody else's certificate --- */

/* Programs that look into TLS sign with a CA that bears their name. */
static bool sounds_like_inspection(const char *issuer)
{
    static const char *const words[] =
        {"zscaler",   "fortinet",   "fortigate",      "blue coat",   "bluecoat",     "netskope",
         "palo alto", "sophos",     "untangle",       "mitm",        "fiddler",      "portswigger",
         "kaspersky", "avast",      "eset ssl",       "bitdefender", "check point",  "checkpoint",
         "mcafee",    "forcepoint", "cisco umbrella", "websense",    "symantec web", "squid",
         "proxy",     "inspect",    "intercept",      "web gateway", "gateway ca",   "firewall"};
    for (size_t i = 0; i < MU_COUNT(words); i++)
        if (strcasestr(issuer, words[i]) != NULL)
            return true;
    return false;
}

static int tell_intercepted(const struct mu_probe_case *of, const char *issuer,
                            struct mu_report *report, struct mu_error *err)
{
    char place[MU_PROBE_PLACE_LEN], label[MU_CERT_LABEL_LEN], known[MU_CERT_LABEL_LEN];
    const struct mu_cert *leaf = presented(of)->at[0];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_tls_intercepted, MU_GRAVITY_FAULT, MU_PHASE_SERVER);
    finding.depth = -1;
    mu_str_copy(finding.subject, sizeof finding.subject, mu_cert_label(leaf, label));
    mu_probe_place(of->probe, place);
    if (known_leaf(of) != NULL)
        return mu_report_add(
            report, &finding, err,
            "what answers at %s presents the certificate \"%.100s\" issued by \"%.200s\", and not the "
            "server's own, \"%.100s\" in %s: something on the way inspects TLS and puts its own "
            "certificate in the server's place",
            place, label, issuer, mu_cert_label(known_leaf(of), known), of->server_file);
    return mu_report_add(
        report, &finding, err,
        "what answers at %s presents the certificate \"%.100s\" issued by \"%.200s\", which is no CA "
        "that this client trusts and sounds like a proxy that inspects TLS: it stands between the "
        "two ends, and a client certificate does not get past it",
        place, label, issuer);
}

static int tell_terminated(const struct mu_probe_case *of, struct mu_report *report,
                           struct mu_error *err)
{
    char place[MU_PROBE_PLACE_LEN], label[MU_CERT_LABEL_LEN];
    const struct mu_probe_http *http = mu_probe_http_of(of);
    bool works = http->status > 0 && http->status < 400;
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_tls_terminating_proxy,
                         works ? MU_GRAVITY_SUSPICIOUS : MU_GRAVITY_FAULT, MU_PHASE_ASK);
    return mu_report_add(
        report, &finding, err,
        "what answers at %s presents \"%.200s\", and not the certificate in %s, and asks for no client "
        "certificate: something in front of the server ends TLS, and the client's certificate goes no "
        "further",
        mu_probe_place(of->probe, place), mu_cert_label(presented(of)->at[0], label),
        of->server_file);
}

static int tell_stale(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN], old[MU_DATE_LEN], new[MU_DATE_LEN];
    const struct mu_cert *shown = presented(of)->at[0];
    bool over = mu_cert_not_after(shown) < of->facts->now;
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_server_serves_stale_cert,
                         over ? MU_GRAVITY_FAULT : MU_GRAVITY_SUSPICIOUS, MU_PHASE_SERVER);
    finding.depth = -1;
    mu_str_copy(finding.file, sizeof finding.file, of->server_file);
    mu_str_copy(finding.subject, sizeof finding.subject, mu_cert_label(shown, label));
    return mu_report_add(
        report, &finding, err,
        "the running server presents \"%.200s\" as it was until %s, while %s holds a newer one, good "
        "until %s: it has not loaded the renewed file",
        label, mu_date(mu_cert_not_after(shown), old), of->server_file,
        mu_date(mu_cert_not_after(known_leaf(of)), new));
}

static int tell_other_host(const struct mu_probe_case *of, struct mu_report *report,
                           struct mu_error *err)
{
    char place[MU_PROBE_PLACE_LEN], label[MU_CERT_LABEL_LEN];
    const char *name = of->probe->name;
    bool no_name = strchr(name, ':') != NULL || name[strspn(name, "0123456789.")] == '\0';
    struct mu_finding finding =
        mu_probe_finding(of, no_name ? MU_CAUSE_sni_missing : MU_CAUSE_sni_unknown,
                         MU_GRAVITY_FAULT, MU_PHASE_HELLO);
    mu_str_copy(finding.host, sizeof finding.host, mu_cert_label(known_leaf(of), label));
    return mu_report_add(
        report, &finding, err,
        "%s at %s, which answers for its default host with \"%.200s\" and not with the certificate in "
        "%s",
        no_name ? "the client connects by address, and so names no host to the server"
                : "the client asks for a host name that is not served",
        mu_probe_place(of->probe, place), mu_cert_label(presented(of)->at[0], label),
        of->server_file);
}

/* The certificate that its operator has on disk is not the one that answers. 1: told, and its own faults say no more. */
static int compare_with_known(const struct mu_probe_case *of, struct mu_report *report,
                              struct mu_error *err)
{
    const struct mu_cert *known = known_leaf(of), *shown = presented(of)->at[0];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (known == NULL || mu_certs_hold(of->server_known, shown))
        return 0;
    if (mu_cert_info_read(shown, of->facts->now, &info, err) != 0)
        return -1;
    if (mu_cert_same_subject(shown, known) && mu_cert_same_issuer(shown, known))
        return mu_cert_not_before(known) > mu_cert_not_before(shown) ||
                       mu_cert_not_after(known) > mu_cert_not_after(shown)
                   ? tell_stale(of, report, err)
                   : 0;
    if (!is_ours(of, presented(of)) && is_ours(of, of->server_known))
        return tell_intercepted(of, info.issuer, report, err) != 0 ? -1 : 1;
    if (mu_cert_same_subject(shown, known))
        return 0;
    if (!of->facts->ours.seen.asked && mu_probe_http_of(of)->edge)
        return tell_terminated(of, report, err);
    struct mu_verify how = {.anchors = of->trusted,
                            .untrusted = presented(of),
                            .purpose = MU_PURPOSE_ANY,
                            .host = of->probe->name,
                            .at = of->facts->now};
    struct mu_verdict verdict;
    if (of->trusted == NULL || mu_verify(shown, &how, &verdict, NULL, err) != 0)
        return of->trusted == NULL ? 0 : -1;
    bool other_name =
        verdict.fault == MU_FAULT_NAME_MISMATCH || verdict.fault == MU_FAULT_IP_MISMATCH;
    if (other_name)
        return tell_other_host(of, report, err);
    return of->facts->ours.seen.asked ? 0 : tell_terminated(of, report, err);
}

static int look_for_inspection(const struct mu_probe_case *of, struct mu_report *report,
                               struct mu_error *err)
{
    const struct mu_certs *chain = presented(of);
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (known_leaf(of) != NULL || of->trusted == NULL || of->trusted->count == 0 ||
        is_ours(of, chain) || of->facts->ours.seen.asked)
        return 0;
    if (mu_cert_info_read(chain->at[0], of->facts->now, &info, err) != 0)
        return -1;
    if (!sounds_like_inspection(info.issuer))
        return 0;
    return tell_intercepted(of, info.issuer, report, err) != 0 ? -1 : 1;
}

/* --- The chain itself --- */

static int judge_chain(const struct mu_probe_case *of, struct mu_report *report,
                       struct mu_error *err)
{
    const struct mu_certs *chain = presented(of);
    char label[MU_CERT_LABEL_LEN], date[MU_DATE_LEN];
    size_t before = report->count;
    enum mu_mark mark = MU_MARK_GOOD;
    const struct mu_judging how = {
        .side = MU_PURPOSE_SERVER,
        .presented = chain,
        .trusted = of->trusted,
        .known = of->probe->known,
        .crls = of->crls,
        .crl_count = of->crl_count,
        .host = of->probe->name,
        .at = of->facts->now,
        .trust_file = of->trust_file,
        .crl_file = of->crl_file,
    };
    if (mu_judge(&how, report, err) != 0)
        return -1;
    for (size_t i = before; i < report->count; i++)
        if (report->findings[i].gravity == MU_GRAVITY_FAULT)
            mark = MU_MARK_BAD;
        else if (mark == MU_MARK_GOOD)
            mark = MU_MARK_ODD;
    if (of->trusted == NULL || of->trusted->count == 0)
        mark = mark == MU_MARK_GOOD ? MU_MARK_UNKNOWN : mark;
    return mu_report_check(report, mark, err,
                           "the server's certificate: \"%.200s\", until %s, %zu sent%s",
                           mu_cert_label(chain->at[0], label),
                           mu_date(mu_cert_not_after(chain->at[0]), date), chain->count,
                           mark == MU_MARK_UNKNOWN ? "; give --cacert to have it judged" : "");
}

int mu_probe_judge_server(const struct mu_probe_case *of, struct mu_report *report,
                          struct mu_error *err)
{
    if (presented(of)->count == 0)
        return 0;
    int told = compare_with_known(of, report, err);
    if (told == 0)
        told = look_for_inspection(of, report, err);
    if (told < 0)
        return -1;
    if (told > 0)
        return mu_report_check(report, MU_MARK_BAD, err,
                               "the server's certificate: somebody else's");
    return judge_chain(of, report, err);
}
