#include "explain/hygiene.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "pki/info.h"

/* One certificate of the chain, and its place in it. */
struct subject {
    const struct mu_hygiene *what;
    const struct mu_cert_info *info;
    struct mu_report *report;
    size_t depth;
    bool leaf, server, client; /* in which role it stands here */
    char label[MU_CERT_LABEL_LEN];
};

static bool has_problem(const struct subject *s, const char *id, const char **ret_sentence)
{
    for (size_t i = 0; i < s->info->problem_ids.count; i++)
        if (mu_str_equal(s->info->problem_ids.at[i], id)) {
            *ret_sentence = s->info->problems.at[i];
            return true;
        }
    return false;
}

static enum mu_holder holder_of(const struct subject *s)
{
    if (s->leaf)
        return s->client ? MU_HOLDER_CLIENT : MU_HOLDER_SERVER;
    return s->info->self_signed ? MU_HOLDER_ROOT : MU_HOLDER_ISSUING;
}

/* Who does not load it, or does not start with it. */
static unsigned unusable_by(enum mu_cause_id cause)
{
    switch (cause) {
    case MU_CAUSE_cert_is_v1:
    case MU_CAUSE_unknown_critical_extension: return 1u << MU_STACK_RUSTLS;
    case MU_CAUSE_key_too_small:
        return 1u << MU_STACK_OPENSSL | 1u << MU_STACK_NODE | 1u << MU_STACK_PYTHON |
               1u << MU_STACK_RUSTLS;
    case MU_CAUSE_signature_too_weak:
        return 1u << MU_STACK_OPENSSL | 1u << MU_STACK_PYTHON | 1u << MU_STACK_NODE;
    case MU_CAUSE_unsupported_key_type: return mu_cause_of(cause)->refused_by;
    default: return 0;
    }
}

static struct mu_finding about(const struct subject *s, enum mu_cause_id cause,
                               enum mu_gravity gravity)
{
    const char *file = s->info->self_signed && !s->leaf ? s->what->trust_file : s->what->file;
    struct mu_finding finding =
        mu_finding_of(cause, gravity, s->client ? MU_PHASE_CLIENT : MU_PHASE_SERVER, file, s->label,
                      s->what->host);
    finding.refuser = s->client   ? MU_REFUSER_SERVER
                      : s->server ? MU_REFUSER_CLIENT
                                  : MU_REFUSER_BOTH;
    finding.refused_by = mu_cause_refused_by(cause, s->info->self_signed && !s->leaf);
    finding.unusable_by = s->leaf ? unusable_by(cause) : 0;
    finding.depth = (int)s->depth;
    mu_finding_hold(&finding, holder_of(s));
    if (s->what->at > s->info->not_after || s->what->at < s->info->not_before)
        finding.depth = -finding.depth; /* with the CA's end all that it issued ends */
    mu_str_copy(finding.subject, sizeof finding.subject, s->label);
    return finding;
}

static int tell(const struct subject *s, enum mu_cause_id cause, enum mu_gravity gravity,
                const char *sentence, struct mu_error *err)
{
    struct mu_finding finding = about(s, cause, gravity);
    const char *file = *finding.file != '\0' ? finding.file : NULL;
    return mu_report_add(s->report, &finding, err, "%s%s\"%s\": %s", file == NULL ? "" : file,
                         file == NULL ? "" : ": ", s->label, sentence);
}

/* --- Time --- */

static enum mu_cause_id by_role(const struct subject *s, enum mu_cause_id server,
                                enum mu_cause_id client, enum mu_cause_id intermediate,
                                enum mu_cause_id root)
{
    return s->leaf ? (s->client ? client : server) : s->info->self_signed ? root : intermediate;
}

/* What lasts for a week at most is renewed by a program, or nobody would have made it so. [CA/Browser Forum, short-lived] */
static bool ends_soon(const struct subject *s)
{
    enum { SOON_DAYS = 14, SHORT_LIVED_DAYS = 7, SOON_PART = 3 };
    int64_t left_s = (int64_t)s->info->not_after - s->what->at;
    int64_t whole_s = (int64_t)s->info->not_after - s->info->not_before;
    return left_s < SOON_DAYS * MU_DAY_S &&
           (left_s < whole_s / SOON_PART || whole_s > SHORT_LIVED_DAYS * MU_DAY_S);
}

static int check_time(const struct subject *s, struct mu_error *err)
{
    char date[MU_DATE_LEN], when[MU_SPAN_LEN], sentence[256];
    time_t at = s->what->at;
    if (at > s->info->not_after) {
        snprintf(sentence, sizeof sentence, "it expired on %s, %s",
                 mu_date(s->info->not_after, date), mu_relative(s->info->not_after, at, when));
        return tell(s,
                    by_role(s, MU_CAUSE_server_cert_expired, MU_CAUSE_client_cert_expired,
                            MU_CAUSE_intermediate_expired, MU_CAUSE_ca_cert_expired),
                    MU_GRAVITY_FAULT, sentence, err);
    }
    if (at < s->info->not_before) {
        snprintf(sentence, sizeof sentence, "it is valid only from %s, %s",
                 mu_date(s->info->not_before, date), mu_relative(s->info->not_before, at, when));
        return tell(s,
                    by_role(s, MU_CAUSE_server_cert_not_yet_valid,
                            MU_CAUSE_client_cert_not_yet_valid, MU_CAUSE_ca_cert_not_yet_valid,
                            MU_CAUSE_ca_cert_not_yet_valid),
                    MU_GRAVITY_FAULT, sentence, err);
    }
    if (!ends_soon(s))
        return 0;
    snprintf(sentence, sizeof sentence, "it expires on %s, %s", mu_date(s->info->not_after, date),
             mu_relative(s->info->not_after, at, when));
    return tell(s, MU_CAUSE_expires_soon, MU_GRAVITY_SUSPICIOUS, sentence, err);
}

/* A CA and what it issued in the same minute, for the same number of days, end in the same minute. */
enum { OUTLIVES_S = 86400 };

static int check_outlives(const struct subject *s, const struct mu_cert_info *issuer,
                          struct mu_error *err)
{
    char own[MU_DATE_LEN], its[MU_DATE_LEN], sentence[512];
    bool outlives = s->info->not_after - issuer->not_after >= OUTLIVES_S;
    if (!outlives || s->what->at > issuer->not_after)
        return 0;
    snprintf(sentence, sizeof sentence,
             "it is valid until %s, but its CA \"%.100s\" only until %s: from then on it is refused",
             mu_date(s->info->not_after, own), issuer->cn, mu_date(issuer->not_after, its));
    return tell(s, MU_CAUSE_leaf_outlives_ca, MU_GRAVITY_SUSPICIOUS, sentence, err);
}

/* --- The leaf --- */

static bool has_address(const struct mu_cert_info *info, const char *address)
{
    char wanted[300];
    snprintf(wanted, sizeof wanted, "IP:%s", address);
    for (size_t i = 0; i < info->san.count; i++)
        if (mu_str_equal(info->san.at[i], wanted))
            return true;
    return false;
}

/* Some write an address both ways, for programs of old; that does no harm. */
static bool only_as_dns(const struct mu_cert_info *info, const char *sentence)
{
    for (size_t i = 0; i < info->san.count; i++)
        if (mu_str_starts_with(info->san.at[i], "DNS:") &&
            strstr(sentence, info->san.at[i] + strlen("DNS:")) != NULL &&
            has_address(info, info->san.at[i] + strlen("DNS:")))
            return false;
    return true;
}

static int check_server(const struct subject *s, struct mu_error *err)
{
    const char *sentence;
    if (has_problem(s, "server_no_san", &sentence) &&
        tell(s, MU_CAUSE_server_no_san, MU_GRAVITY_SOME_PEERS, sentence, err) != 0)
        return -1;
    if (has_problem(s, "server_ip_written_as_dns", &sentence) && only_as_dns(s->info, sentence) &&
        tell(s, MU_CAUSE_server_ip_written_as_dns, MU_GRAVITY_SUSPICIOUS, sentence, err) != 0)
        return -1;
    if ((has_problem(s, "server_ku_no_signature", &sentence) ||
         has_problem(s, "client_ku_no_signature", &sentence)) &&
        tell(s, MU_CAUSE_server_ku_no_signature, MU_GRAVITY_SOME_PEERS, sentence, err) != 0)
        return -1;
    return has_problem(s, "validity_too_long", &sentence)
               ? tell(s, MU_CAUSE_validity_too_long, MU_GRAVITY_SOME_PEERS, sentence, err)
               : 0;
}

/* Where a key identifier says that the issuer is another, OpenSSL 3 believes it. */
static int tell_same_name(const struct subject *s, const char *sentence, struct mu_error *err)
{
    struct mu_finding finding = about(s, MU_CAUSE_subject_equals_issuer, MU_GRAVITY_SUSPICIOUS);
    mu_str_copy(finding.name, sizeof finding.name, "NAME"); /* and not that one again */
    if (*s->info->authority_key_id != '\0')
        finding.refused_by = 0;
    else
        finding.gravity = MU_GRAVITY_SOME_PEERS;
    return mu_report_add(s->report, &finding, err, "%s%s\"%s\": %s", finding.file,
                         *finding.file != '\0' ? ": " : "", s->label, sentence);
}

static int check_leaf(const struct subject *s, struct mu_error *err)
{
    const char *sentence;
    if (s->info->version < 3) {
        struct mu_finding finding = about(s, MU_CAUSE_cert_is_v1, MU_GRAVITY_SOME_PEERS);
        if (s->client)
            finding.refused_by = 1u << MU_STACK_RUSTLS | 1u << MU_STACK_BROWSER;
        const char *who = s->client ? "OpenSSL, Go, Java and Node.js take it, rustls does not"
                                    : "OpenSSL and Node.js take it, Go, browsers and rustls do not";
        if (mu_report_add(
                s->report, &finding, err,
                "%s%s\"%s\" is an X.509 v%d certificate, without alternative names, purposes or limits: %s",
                finding.file, *finding.file != '\0' ? ": " : "", s->label, s->info->version,
                who) != 0)
            return -1;
    }
    if (has_problem(s, "unsupported_key_type", &sentence) &&
        tell(s, MU_CAUSE_unsupported_key_type, MU_GRAVITY_FAULT, sentence, err) != 0)
        return -1;
    if (has_problem(s, "subject_equals_issuer", &sentence) && tell_same_name(s, sentence, err) != 0)
        return -1;
    if (s->client &&
        (has_problem(s, "server_ku_no_signature", &sentence) ||
         has_problem(s, "client_ku_no_signature", &sentence)) &&
        tell(s, MU_CAUSE_client_ku_no_signature, MU_GRAVITY_FAULT, sentence, err) != 0)
        return -1;
    return s->server ? check_server(s, err) : 0;
}

/* --- CAs --- */

static int check_ca(const struct subject *s, struct mu_error *err)
{
    const char *sentence;
    if (has_problem(s, "ca_no_keycertsign", &sentence) &&
        tell(s, MU_CAUSE_ca_no_keycertsign, MU_GRAVITY_FAULT, sentence, err) != 0)
        return -1;
    if (s->info->version < 3) {
        struct mu_finding finding = about(s, MU_CAUSE_issuer_is_v1, MU_GRAVITY_SOME_PEERS);
        finding.refused_by = 1u << MU_STACK_PYTHON;
        return mu_report_add(
            s->report, &finding, err,
            "%s%s\"%s\" is an X.509 v%d certificate, and does not say that it is a CA: OpenSSL, Go, "
            "Node.js and GnuTLS take it for a root all the same, strict verifiers do not",
            finding.file, *finding.file != '\0' ? ": " : "", s->label, s->info->version);
    }
    if (has_problem(s, "unsupported_key_type", &sentence) &&
        tell(s, MU_CAUSE_unsupported_key_type, MU_GRAVITY_SOME_PEERS, sentence, err) != 0)
        return -1;
    return has_problem(s, "ca_not_strict_profile", &sentence)
               ? tell(s, MU_CAUSE_ca_not_strict_profile, MU_GRAVITY_SOME_PEERS, sentence, err)
               : 0;
}

/* Whoever makes such a key means programs, as a rule. */
static const struct mu_aside no_browser = {
    .cause = MU_CAUSE_unsupported_key_type,
    .refused_by = 1u << MU_STACK_BROWSER,
    .refuser = MU_REFUSER_CLIENT,
    .why = "no browser takes an Ed25519 key of a server's",
};

static int check_all(const struct subject *s, struct mu_error *err)
{
    const char *sentence;
    if (check_time(s, err) != 0)
        return -1;
    if (has_problem(s, "key_too_small", &sentence) &&
        tell(s, MU_CAUSE_key_too_small, MU_GRAVITY_FAULT, sentence, err) != 0)
        return -1;
    if (has_problem(s, "signature_too_weak", &sentence) &&
        tell(s, MU_CAUSE_signature_too_weak, MU_GRAVITY_FAULT, sentence, err) != 0)
        return -1;
    if (has_problem(s, "unknown_critical_extension", &sentence) &&
        tell(s, MU_CAUSE_unknown_critical_extension, MU_GRAVITY_FAULT, sentence, err) != 0)
        return -1;
    bool unsaid =
        s->info->version >= 3 && !s->info->self_signed && *s->info->authority_key_id == '\0';
    if (unsaid &&
        tell(s, MU_CAUSE_ca_not_strict_profile, MU_GRAVITY_SOME_PEERS,
             "its CA put no authorityKeyIdentifier into it: Python since 3.13 and other strict verifiers refuse it",
             err) != 0)
        return -1;
    if (s->leaf && s->server && mu_str_starts_with(s->info->key, "Ed25519"))
        s->report->aside = no_browser;
    return s->leaf ? check_leaf(s, err) : check_ca(s, err);
}

int mu_hygiene_check(const struct mu_hygiene *what, struct mu_report *report, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_cert_info) below = {0};
    for (size_t i = 0; i < what->chain->count; i++) {
        MU_AUTO_CLEAR(mu_cert_info) info = {0};
        if (mu_cert_info_read(what->chain->at[i], what->at, &info, err) != 0)
            return -1;
        struct subject s = {.what = what, .info = &info, .report = report, .depth = i};
        mu_cert_label(what->chain->at[i], s.label);
        s.leaf = i == 0 && (what->side != MU_PURPOSE_ANY || !info.is_ca);
        s.client = what->side == MU_PURPOSE_CLIENT ||
                   (what->side == MU_PURPOSE_ANY && info.client_auth && !info.server_auth);
        s.server = !s.client && (what->side == MU_PURPOSE_SERVER || !info.is_ca);
        if (check_all(&s, err) != 0)
            return -1;
        if (i > 0) {
            struct subject leaf = {.what = what, .info = &below, .report = report, .depth = i - 1};
            leaf.leaf = i == 1;
            leaf.client = what->side == MU_PURPOSE_CLIENT;
            mu_cert_label(what->chain->at[i - 1], leaf.label);
            if (check_outlives(&leaf, &info, err) != 0)
                return -1;
        }
        mu_cert_info_clear(&below);
        below = info;
        info = (struct mu_cert_info){0};
    }
    return 0;
}
