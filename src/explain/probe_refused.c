/* Our certificate was refused. What says why: our own files, the server's list of CAs, its clock; and if nothing does, what is
 * likely. */

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "explain/judge.h"
#include "explain/probe_judge.h"
#include "pki/info.h"
#include "pki/name.h"

enum {
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_UNSUPPORTED_CERTIFICATE = 43,
    ALERT_CERTIFICATE_REVOKED = 44,
    ALERT_CERTIFICATE_EXPIRED = 45,
    ALERT_CERTIFICATE_UNKNOWN = 46,
    ALERT_UNKNOWN_CA = 48,
    ALERT_ACCESS_DENIED = 49,
    ALERT_DECRYPT_ERROR = 51,
    IN_HTTP = -2
};

enum { REASONS = 7 };

/* When our own files explain nothing: what a server that says this alert can mean, the likeliest first. */
static const struct reason {
    int alert; /* -1: it closes without a word; IN_HTTP: it says so on a page */
    enum mu_cause_id causes[REASONS];
} reasons[] = {
    {ALERT_UNKNOWN_CA,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_verify_depth_exceeded, MU_CAUSE_ca_rekeyed_same_name,
      MU_CAUSE_client_chain_incomplete, MU_CAUSE_crl_missing}},
    {ALERT_UNSUPPORTED_CERTIFICATE, {MU_CAUSE_unsupported_key_type, MU_CAUSE_ca_eku_forbids}},
    {ALERT_CERTIFICATE_EXPIRED,
     {MU_CAUSE_crl_expired, MU_CAUSE_ca_cert_expired, MU_CAUSE_server_clock_wrong}},
    {ALERT_BAD_CERTIFICATE,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_not_authorized, MU_CAUSE_server_clock_wrong,
      MU_CAUSE_client_cert_revoked, MU_CAUSE_key_too_small}},
    {ALERT_CERTIFICATE_UNKNOWN,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_ca_rekeyed_same_name, MU_CAUSE_not_authorized,
      MU_CAUSE_client_cert_revoked}},
    {ALERT_ACCESS_DENIED, {MU_CAUSE_not_authorized, MU_CAUSE_ca_rekeyed_same_name}},
    {ALERT_DECRYPT_ERROR,
     {MU_CAUSE_ca_rekeyed_same_name, MU_CAUSE_crl_bad_signature, MU_CAUSE_key_mismatch}},
    {IN_HTTP,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_verify_depth_exceeded, MU_CAUSE_ca_rekeyed_same_name,
      MU_CAUSE_client_cert_revoked, MU_CAUSE_crl_expired, MU_CAUSE_ca_cert_expired,
      MU_CAUSE_crl_missing}},
    /* Node.js does that to whatever its verifier finds; whoever knows a client and does not let it in says so, as a rule */
    {-1,
     {MU_CAUSE_client_untrusted_ca, MU_CAUSE_verify_depth_exceeded, MU_CAUSE_ca_rekeyed_same_name,
      MU_CAUSE_client_cert_revoked, MU_CAUSE_crl_expired, MU_CAUSE_ca_cert_expired,
      MU_CAUSE_not_authorized}},
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

/* The CA that issued ours lies among those that we trust: with it lies the key that it has now, as far as anybody here knows. */
static bool has_issuer_at_hand(const struct mu_probe_case *of)
{
    const struct mu_cert *top = of->probe->chain->at[of->probe->chain->count - 1];
    for (size_t i = 0; of->trusted != NULL && i < of->trusted->count; i++)
        if (mu_cert_is_signed_by(top, of->trusted->at[i]))
            return true;
    return false;
}

/* Go, for one, knows neither of these. */
static bool has_unusual_key(const struct mu_probe_case *of)
{
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    return mu_cert_info_read(of->probe->chain->at[0], of->facts->now, &info, &ignored) == 0 &&
           (mu_str_starts_with(info.key, "RSA-PSS") || mu_str_starts_with(info.key, "Ed448"));
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
    return cause != MU_CAUSE_unsupported_key_type || has_unusual_key(of);
}

/* Possible, and yet less likely than the others by what lies here: that the CA was made again, where its key has issued both
 * certificates or lies among those that we trust, by which it has not ended either. */
static bool is_doubted(const struct mu_probe_case *of, enum mu_cause_id cause)
{
    if (cause == MU_CAUSE_ca_rekeyed_same_name)
        return has_issuer_at_hand(of) || same_issuer(of);
    return (cause == MU_CAUSE_crl_expired && !has_issuer_at_hand(of)) ||
           (cause == MU_CAUSE_ca_cert_expired && has_issuer_at_hand(of));
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

/* Is it on a list that lies here, or is that one out of date? The server may well have the same. */
static int suppose_lists(const struct mu_probe_case *of, const struct mu_judging *without,
                         enum mu_cause_id *ret, struct mu_error *err)
{
    static const enum mu_cause_id told_by_lists[] = {MU_CAUSE_client_cert_revoked,
                                                     MU_CAUSE_intermediate_revoked,
                                                     MU_CAUSE_crl_expired};
    MU_AUTO_CLEAR(mu_report) supposed = {0};
    struct mu_judging how = *without;
    how.crls = of->crls;
    how.crl_count = of->crl_count;
    how.crl_leaf_only = true;
    if (of->crl_count == 0)
        return 0;
    if (mu_judge(&how, &supposed, err) != 0)
        return -1;
    for (size_t i = 0; i < MU_COUNT(told_by_lists) && *ret == MU_CAUSE_ok; i++)
        if (mu_report_has(&supposed, told_by_lists[i]))
            *ret = told_by_lists[i];
    return 0;
}

/* What it would be if the server trusted the CAs that this client does, as is usual, and had the lists that this one has;
 * MU_CAUSE_ok: nothing. */
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
    return *ret == MU_CAUSE_ok ? suppose_lists(of, &how, ret, err) : 0;
}

static int tell_likeliest(const struct mu_probe_case *of, enum mu_cause_id cause, bool is_supposed,
                          struct mu_report *report, struct mu_error *err)
{
    char ours[400], words[MU_PROBE_WORDS_LEN], label[MU_CERT_LABEL_LEN], if_same[400] = "";
    struct mu_finding finding = mu_probe_about_ours(of, cause, MU_GRAVITY_FAULT);
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
        mu_probe_ours(of, ours, sizeof ours), *words != '\0' ? words : "it closed the connection",
        if_same, mu_cause_of(cause)->what,
        is_supposed
            ? ""
            : ". Nothing in the files here explains it: the reason stands in the server's log");
}

/* Those that go with what is known, the likeliest first. */
static size_t put_in_order(const struct mu_probe_case *of, const struct reason *reason,
                           enum mu_cause_id supposed, enum mu_cause_id ret[REASONS + 1])
{
    size_t count = 0;
    if (supposed != MU_CAUSE_ok)
        ret[count++] = supposed;
    for (int late = 0; late <= 1; late++)
        for (size_t i = 0; i < REASONS; i++) {
            const enum mu_cause_id cause = reason->causes[i];
            if (cause != MU_CAUSE_ok && cause != supposed && is_doubted(of, cause) == (late == 1) &&
                fits(&of->facts->ours.seen, of, cause))
                ret[count++] = cause;
        }
    return count;
}

/* An alert that leaves nothing to be guessed. */
static int tell_revoked(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    char ours[400], words[MU_PROBE_WORDS_LEN];
    const struct mu_finding finding =
        mu_probe_about_ours(of, MU_CAUSE_client_cert_revoked, MU_GRAVITY_FAULT);
    return mu_report_add(report, &finding, err,
                         "the server says that the client certificate %s is revoked (%s)",
                         mu_probe_ours(of, ours, sizeof ours), mu_probe_words(of, words));
}

static int rank(const struct mu_probe_case *of, struct mu_report *report, struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    const struct mu_probe_http *http = mu_probe_http_of(of);
    const struct reason *reason =
        reason_of(seen->alert < 0 && http->status != 0 ? IN_HTTP : seen->alert);
    enum mu_cause_id supposed, causes[REASONS + 1];
    if (seen->alert == ALERT_CERTIFICATE_REVOKED)
        return tell_revoked(of, report, err);
    if (suppose(of, &supposed, err) != 0)
        return -1;
    size_t count = put_in_order(of, reason, supposed, causes);
    if (count > 0 && tell_likeliest(of, causes[0], causes[0] == supposed, report, err) != 0)
        return -1;
    for (size_t i = 1; i < count; i++)
        if (mu_report_check(report, MU_MARK_UNKNOWN, err, "it could also be %s: %s",
                            mu_cause_of(causes[i])->id, mu_cause_of(causes[i])->what) != 0)
            return -1;
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
           mu_name_sounds_intermediate(info.issuer);
}

static int tell_not_listed_why(const struct mu_probe_case *of, enum mu_cause_id cause,
                               const char *why, struct mu_report *report, struct mu_error *err)
{
    char ours[400], accepted[256];
    struct mu_finding finding = mu_probe_about_ours(of, cause, MU_GRAVITY_FAULT);
    return mu_report_add(report, &finding, err,
                         "the client certificate %s %s; the server accepts %s",
                         mu_probe_ours(of, ours, sizeof ours), why,
                         mu_probe_accepted(&of->facts->ours.seen, accepted, sizeof accepted));
}

/* Not among those that it lists, and refused. */
static int tell_not_listed(const struct mu_probe_case *of, struct mu_report *report,
                           struct mu_error *err)
{
    char ours[400], accepted[256];
    struct mu_error ignored = MU_ERROR_INIT;
    if (lacks_intermediate(of, &ignored))
        return tell_not_listed_why(of, MU_CAUSE_client_chain_incomplete,
                                   "comes without the intermediate that issued it", report, err);
    struct mu_finding finding =
        mu_probe_about_ours(of, MU_CAUSE_client_untrusted_ca, MU_GRAVITY_FAULT);
    mu_str_copy(finding.field, sizeof finding.field, "issuer");
    return mu_report_add(
        report, &finding, err,
        "the client certificate %s is not from a CA that this server accepts; it accepts %s",
        mu_probe_ours(of, ours, sizeof ours),
        mu_probe_accepted(&of->facts->ours.seen, accepted, sizeof accepted));
}

/* Only who has been given this very certificate trusts it, whatever CAs are listed. */
static int tell_self_signed(const struct mu_probe_case *of, struct mu_report *report,
                            struct mu_error *err)
{
    char ours[400], accepted[256];
    struct mu_finding finding =
        mu_probe_about_ours(of, MU_CAUSE_client_self_signed, MU_GRAVITY_FAULT);
    mu_probe_accepted(&of->facts->ours.seen, accepted, sizeof accepted);
    return mu_report_add(report, &finding, err,
                         "the client certificate %s is signed by itself, and not by a CA%s%s",
                         mu_probe_ours(of, ours, sizeof ours),
                         *accepted != '\0' ? "; the server accepts " : "", accepted);
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
    if (mu_certs_add_new(&known, of->probe->known, err) != 0 ||
        mu_certs_add_new(&known, &seen->presented, err) != 0)
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
    struct mu_finding finding =
        mu_probe_about_ours(of, MU_CAUSE_unsupported_key_type, MU_GRAVITY_FAULT);
    return mu_report_add(
        report, &finding, err,
        "the server takes no signature that the key of the client certificate %s can make, so the "
        "certificate was not sent",
        mu_probe_ours(of, ours, sizeof ours));
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

/* The server's list of CAs says that it does not know who issued ours. */
static int tell_by_list(const struct mu_probe_case *of, struct mu_report *report,
                        struct mu_error *err)
{
    const struct mu_tls_seen *seen = &of->facts->ours.seen;
    const struct mu_cert *leaf = of->probe->chain->at[0];
    if (mu_probe_blames_client(report))
        return 0;
    if (mu_cert_is_signed_by(leaf, leaf) && !mu_certs_hold(&seen->listed_certs, leaf))
        return tell_self_signed(of, report, err);
    return seen->listed == MU_LISTED_NOT && seen->alert != ALERT_CERTIFICATE_REVOKED &&
                   seen->alert != ALERT_CERTIFICATE_EXPIRED
               ? tell_not_listed(of, report, err)
               : 0;
}

int mu_probe_explain_refusal(const struct mu_probe_case *of, struct mu_report *report,
                             struct mu_error *err)
{
    if (mu_report_check(report, MU_MARK_BAD, err, "the client's certificate: refused") != 0 ||
        judge_as_the_server(of, report, err) != 0 || mu_probe_judge_clocks(of, report, err) != 0)
        return -1;
    set_words(of, report);
    if (of->facts->ours.seen.no_scheme)
        return tell_no_scheme(of, report, err);
    if (tell_by_list(of, report, err) != 0)
        return -1;
    return mu_probe_blames_client(report) ? 0 : rank(of, report, err);
}

int mu_probe_explain_denial(const struct mu_probe_case *of, struct mu_report *report,
                            struct mu_error *err)
{
    if (judge_as_the_server(of, report, err) != 0 || tell_by_list(of, report, err) != 0)
        return -1;
    set_words(of, report);
    if (!mu_probe_blames_client(report))
        return 0;
    const struct mu_cause *otherwise = mu_cause_of(MU_CAUSE_not_authorized);
    return mu_report_check(report, MU_MARK_BAD, err,
                           "the client's certificate: let through in TLS, for the program behind to "
                           "judge, which says no") != 0
               ? -1
               : mu_report_check(report, MU_MARK_UNKNOWN, err, "it could also be %s: %s",
                                 otherwise->id, otherwise->what);
}
