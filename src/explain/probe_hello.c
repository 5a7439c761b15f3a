/* Versions, cipher suites, names and protocols: what has to fit before certificates count. */

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "explain/probe_judge.h"
#include "pki/info.h"
#include "tls/alert.h"

enum {
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_UNRECOGNIZED_NAME = 112,
    ALERT_NO_PROTOCOL = 120
};

static bool went_further(const struct mu_probe_call *call)
{
    return call->made && call->seen.chosen && !call->seen.version_unfit;
}

static bool is_usual(const char *version)
{
    return mu_str_equal(version, "TLSv1.2") || mu_str_equal(version, "TLSv1.3");
}

static int tell_version(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    const struct mu_probe_call *anything = &of->facts->anything;
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_tls_version_mismatch, MU_GRAVITY_FAULT, MU_PHASE_HELLO);
    mu_probe_place(of->probe, place);
    bool newer =
        went_further(anything) && is_usual(anything->seen.version) && of->probe->only_tls12;
    if (newer)
        finding.whose = MU_PARTY_CLIENT;
    if (newer)
        return mu_report_add(
            report, &finding, err,
            "the server at %s speaks %s only, and this client nothing newer than TLS 1.2: let the client "
            "speak TLS 1.3, or the server TLS 1.2 too",
            place, anything->seen.version);
    if (went_further(anything))
        return mu_report_add(
            report, &finding, err,
            "the server at %s speaks nothing newer than %s, which clients of today do not take: it has "
            "to speak TLS 1.2 or 1.3",
            place, anything->seen.version);
    return mu_report_add(report, &finding, err,
                         "the server at %s speaks no version of TLS that this client does (%s)",
                         place, of->probe->only_tls12 ? "TLS 1.2" : "TLS 1.2 and 1.3");
}

/* To the widest offer it has shown its certificate, with a key that the usual one has no name for. */
static bool has_unusual_key(const struct mu_probe_case *of, struct mu_cert_info *ret)
{
    const struct mu_certs *shown = &of->facts->anything.seen.presented;
    struct mu_error ignored = MU_ERROR_INIT;
    if (shown->count == 0 || mu_cert_info_read(shown->at[0], of->facts->now, ret, &ignored) != 0)
        return false;
    for (size_t i = 0; i < ret->problem_ids.count; i++)
        if (mu_str_equal(ret->problem_ids.at[i], mu_cause_of(MU_CAUSE_unsupported_key_type)->id))
            return true;
    return false;
}

static int tell_key(const struct mu_probe_case *of, const struct mu_cert_info *info,
                    struct mu_report *report, struct mu_error *err)
{
    char place[MU_PROBE_PLACE_LEN], label[MU_CERT_LABEL_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_unsupported_key_type, MU_GRAVITY_FAULT, MU_PHASE_HELLO);
    mu_finding_hold(&finding, MU_HOLDER_SERVER);
    mu_str_copy(finding.subject, sizeof finding.subject,
                mu_cert_label(of->facts->anything.seen.presented.at[0], label));
    return mu_report_add(
        report, &finding, err,
        "the certificate \"%.200s\" of the server at %s has a key, %s, that clients of today do not "
        "offer to take: so the two find nothing in common",
        label, mu_probe_place(of->probe, place), info->key);
}

static int tell_cipher(const struct mu_probe_case *of, struct mu_report *report,
                       struct mu_error *err)
{
    const struct mu_tls_seen *other = &of->facts->anything.seen;
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_no_shared_cipher, MU_GRAVITY_FAULT, MU_PHASE_HELLO);
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (went_further(&of->facts->anything) && has_unusual_key(of, &info))
        return tell_key(of, &info, report, err);
    mu_probe_place(of->probe, place);
    if (went_further(&of->facts->anything))
        return mu_report_add(
            report, &finding, err,
            "the server at %s takes none of the cipher suites and groups that clients of today offer; "
            "it would take %s%s%s",
            place, other->cipher, *other->group != '\0' ? " with " : "", other->group);
    return mu_report_add(
        report, &finding, err,
        "the server at %s finds nothing it can use in what is offered: no cipher suite, group or "
        "signature scheme in common, or it has no certificate that it could show",
        place);
}

static int tell_alpn(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_alpn_mismatch, MU_GRAVITY_FAULT, MU_PHASE_HELLO);
    if (of->probe->alpn != NULL)
        finding.whose = MU_PARTY_CLIENT;
    return mu_report_add(report, &finding, err,
                         "the server at %s serves none of the protocols that are offered (%s)%s",
                         mu_probe_place(of->probe, place),
                         of->probe->alpn != NULL ? of->probe->alpn : "h2, http/1.1",
                         went_further(&of->facts->no_alpn)
                             ? "; to a client that offers none, it answers"
                             : "");
}

static bool is_address(const char *name)
{
    return strchr(name, ':') != NULL || name[strspn(name, "0123456789.")] == '\0';
}

static int tell_name(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    const struct mu_tls_seen *nameless = &of->facts->nameless.seen;
    char place[MU_PROBE_PLACE_LEN], label[MU_CERT_LABEL_LEN];
    const bool none = is_address(of->probe->name);
    struct mu_finding finding =
        mu_probe_finding(of, none ? MU_CAUSE_sni_missing : MU_CAUSE_sni_unknown, MU_GRAVITY_FAULT,
                         MU_PHASE_HELLO);
    mu_str_copy(finding.host, sizeof finding.host, /* which it would serve */
                nameless->presented.count > 0 ? mu_cert_label(nameless->presented.at[0], label)
                                              : "");
    mu_probe_place(of->probe, place);
    if (none)
        return mu_report_add(
            report, &finding, err,
            "the client connects by address (%s), and so names no host; the server at %s answers only "
            "those who name one that it serves",
            of->probe->name, place);
    if (nameless->presented.count > 0)
        return mu_report_add(
            report, &finding, err,
            "the server at %s does not serve the host name \"%s\"; to a client that asks for no name "
            "it shows the certificate \"%.200s\"",
            place, of->probe->name, mu_cert_label(nameless->presented.at[0], label));
    return mu_report_add(report, &finding, err,
                         "the server at %s does not serve the host name \"%s\"", place,
                         of->probe->name);
}

/* What it did not like shows in what it likes better. */
static int tell_by_difference(const struct mu_probe_case *of, struct mu_report *report,
                              struct mu_error *err)
{
    const struct mu_probe_facts *facts = of->facts;
    if (went_further(&facts->nameless))
        return tell_name(of, report, err);
    if (went_further(&facts->no_alpn))
        return tell_alpn(of, report, err);
    if (went_further(&facts->anything)) {
        const char *version = facts->anything.seen.version;
        bool version_only =
            !is_usual(version) || (of->probe->only_tls12 && mu_str_equal(version, "TLSv1.3"));
        return version_only ? tell_version(of, report, err) : tell_cipher(of, report, err);
    }
    return facts->ours.seen.alert >= 0 ? tell_cipher(of, report, err) : 0;
}

static int judge_failed(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    if (seen->alert == ALERT_PROTOCOL_VERSION || seen->version_unfit)
        return tell_version(of, report, err);
    if (seen->alert == ALERT_NO_PROTOCOL)
        return tell_alpn(of, report, err);
    if (seen->alert == ALERT_UNRECOGNIZED_NAME)
        return tell_name(of, report, err);
    return tell_by_difference(of, report, err);
}

/* A client that wants one protocol, and a server that has never heard of choosing. */
static int judge_alpn(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    const char *wanted = of->probe->alpn;
    if (!seen->finished || wanted == NULL || *wanted == '\0' || *seen->alpn != '\0' ||
        strstr(wanted, "http/1.1") != NULL)
        return 0;
    char place[MU_PROBE_PLACE_LEN];
    struct mu_finding finding =
        mu_probe_finding(of, MU_CAUSE_alpn_mismatch, MU_GRAVITY_FAULT, MU_PHASE_HELLO);
    return mu_report_add(
        report, &finding, err,
        "the server at %s chooses none of the protocols that are offered (%s): it speaks another one, "
        "or leaves ALPN out",
        mu_probe_place(of->probe, place), wanted);
}

int mu_probe_judge_hello(const struct mu_probe_case *of, struct mu_report *report,
                         struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    if (!seen->chosen || seen->version_unfit) {
        size_t before = report->count;
        if (judge_failed(of, report, err) != 0)
            return -1;
        return report->count == before
                   ? 0
                   : mu_report_check(report, MU_MARK_BAD, err, "TLS: nothing in common%s%s",
                                     *seen->words != '\0' ? ": " : "", seen->words);
    }
    if (mu_report_check(report, MU_MARK_GOOD, err, "TLS: %s, %s%s%s%s%s", seen->version,
                        seen->cipher, *seen->group != '\0' ? ", " : "", seen->group,
                        *seen->alpn != '\0' ? ", protocol " : "", seen->alpn) != 0)
        return -1;
    return judge_alpn(of, report, err);
}
