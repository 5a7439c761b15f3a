#include "explain/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void mu_report_clear(struct mu_report *report)
{
    free(report->findings);
    free(report->checks);
    *report = (struct mu_report){0};
}

/* The part of a certificate or a list that a cause is about. */
static const char *const fields[MU_CAUSE_COUNT] = {
    [MU_CAUSE_server_name_mismatch] = "subjectAltName",
    [MU_CAUSE_server_ip_not_in_san] = "subjectAltName",
    [MU_CAUSE_server_ip_written_as_dns] = "subjectAltName",
    [MU_CAUSE_server_wildcard_mismatch] = "subjectAltName",
    [MU_CAUSE_server_no_san] = "subjectAltName",
    [MU_CAUSE_server_cert_expired] = "notAfter",
    [MU_CAUSE_client_cert_expired] = "notAfter",
    [MU_CAUSE_intermediate_expired] = "notAfter",
    [MU_CAUSE_ca_cert_expired] = "notAfter",
    [MU_CAUSE_expires_soon] = "notAfter",
    [MU_CAUSE_leaf_outlives_ca] = "notAfter",
    [MU_CAUSE_validity_too_long] = "notAfter",
    [MU_CAUSE_server_cert_not_yet_valid] = "notBefore",
    [MU_CAUSE_client_cert_not_yet_valid] = "notBefore",
    [MU_CAUSE_ca_cert_not_yet_valid] = "notBefore",
    [MU_CAUSE_clock_wrong] = "notBefore",
    [MU_CAUSE_server_untrusted_ca] = "issuer",
    [MU_CAUSE_client_untrusted_ca] = "issuer",
    [MU_CAUSE_server_chain_incomplete] = "issuer",
    [MU_CAUSE_client_chain_incomplete] = "issuer",
    [MU_CAUSE_server_chain_wrong_intermediate] = "issuer",
    [MU_CAUSE_server_self_signed] = "issuer",
    [MU_CAUSE_client_self_signed] = "issuer",
    [MU_CAUSE_subject_equals_issuer] = "subject",
    [MU_CAUSE_ca_rekeyed_same_name] = "subjectPublicKeyInfo",
    [MU_CAUSE_key_mismatch] = "subjectPublicKeyInfo",
    [MU_CAUSE_ca_key_mismatch] = "subjectPublicKeyInfo",
    [MU_CAUSE_key_too_small] = "subjectPublicKeyInfo",
    [MU_CAUSE_unsupported_key_type] = "subjectPublicKeyInfo",
    [MU_CAUSE_issuer_not_ca] = "basicConstraints",
    [MU_CAUSE_pathlen_exceeded] = "basicConstraints",
    [MU_CAUSE_trust_file_not_a_ca] = "basicConstraints",
    [MU_CAUSE_issuer_is_v1] = "version",
    [MU_CAUSE_cert_is_v1] = "version",
    [MU_CAUSE_ca_no_keycertsign] = "keyUsage",
    [MU_CAUSE_client_ku_no_signature] = "keyUsage",
    [MU_CAUSE_server_ku_no_signature] = "keyUsage",
    [MU_CAUSE_name_constraint_violation] = "nameConstraints",
    [MU_CAUSE_server_cert_no_serverauth] = "extendedKeyUsage",
    [MU_CAUSE_client_cert_no_clientauth] = "extendedKeyUsage",
    [MU_CAUSE_ca_eku_forbids] = "extendedKeyUsage",
    [MU_CAUSE_signature_too_weak] = "signatureAlgorithm",
    [MU_CAUSE_client_cert_revoked] = "serialNumber",
    [MU_CAUSE_server_cert_revoked] = "serialNumber",
    [MU_CAUSE_intermediate_revoked] = "serialNumber",
    [MU_CAUSE_duplicate_serial] = "serialNumber",
    [MU_CAUSE_crl_expired] = "nextUpdate",
    [MU_CAUSE_crl_not_yet_valid] = "thisUpdate",
    [MU_CAUSE_crl_missing] = "issuer",
    [MU_CAUSE_crl_wrong_issuer] = "issuer",
    [MU_CAUSE_crl_bad_signature] = "signatureValue",
    [MU_CAUSE_key_identifier_missing] = "authorityKeyIdentifier",
    [MU_CAUSE_ca_not_strict_profile] = "extensions",
    [MU_CAUSE_unknown_critical_extension] = "extensions",
};

struct mu_finding mu_finding_of(enum mu_cause_id cause, enum mu_gravity gravity, enum mu_phase phase,
                                const char *file, const char *name, const char *host)
{
    if ((unsigned)cause >= MU_CAUSE_COUNT)
        cause = MU_CAUSE_other;
    const struct mu_cause *known = mu_cause_of(cause);
    struct mu_finding finding = {
        .cause = cause,
        .gravity = gravity,
        .phase = phase,
        .whose = known->whose,
        .holder = mu_remedy_holder(cause),
        .refused_by = known->refused_by,
    };
    mu_str_copy(finding.file, sizeof finding.file, file == NULL ? "" : file);
    mu_str_copy(finding.field, sizeof finding.field, fields[cause] == NULL ? "" : fields[cause]);
    mu_str_copy(finding.name, sizeof finding.name, name == NULL ? "" : name);
    mu_str_copy(finding.host, sizeof finding.host, host == NULL ? "" : host);
    return finding;
}

/* The table says CLIENT, too, of what happens to either end. */
void mu_finding_hold(struct mu_finding *finding, enum mu_holder holder)
{
    finding->holder = holder;
    if (mu_cause_of(finding->cause)->whose == MU_PARTY_CLIENT)
        finding->whose = mu_holder_party(holder);
}

static bool is_same(const struct mu_finding *a, const struct mu_finding *b)
{
    return a->cause == b->cause && mu_str_equal(a->subject, b->subject) &&
           (*a->subject != '\0' || mu_str_equal(a->file, b->file));
}

/* The same certificate, refused by the other side too. */
static void merge(struct mu_finding *into, const struct mu_finding *other)
{
    if (into->refuser != other->refuser)
        into->refuser = MU_REFUSER_BOTH;
    into->unusable_by |= other->unusable_by;
    if (other->gravity < into->gravity)
        into->gravity = other->gravity;
    if (other->phase < into->phase)
        into->phase = other->phase;
}

/* Names of files and hosts are whatever somebody typed. */
static void make_printable(char *text, size_t cap)
{
    char copy[MU_ERROR_WHAT_LEN];
    mu_str_copy(copy, sizeof copy, text);
    mu_str_printable(copy, strlen(copy), text, cap);
}

static void MU_PRINTF(3, 0) print_shown(char *ret, size_t cap, const char *format, va_list args)
{
    vsnprintf(ret, cap, format, args);
    make_printable(ret, cap);
}

/* Another CA's certificate is good where that CA is trusted. */
static const char *replaceable_of(const struct mu_finding *finding)
{
    switch (finding->cause) {
    case MU_CAUSE_client_untrusted_ca:
    case MU_CAUSE_server_untrusted_ca:
    case MU_CAUSE_client_self_signed:
    case MU_CAUSE_server_self_signed: return NULL;
    default: return finding->file;
    }
}

static void fill(const char *remedy, const struct mu_places *places, char *ret)
{
    char filled[MU_FINDING_COMMAND_LEN];
    mu_remedy_fill(remedy, places, filled, sizeof filled);
    make_printable(filled, sizeof filled);
    mu_str_copy(ret, MU_FINDING_COMMAND_LEN, filled);
}

static void fill_remedies(const struct mu_report *report, struct mu_finding *finding)
{
    const struct mu_cause *known = mu_cause_of(finding->cause);
    const struct mu_places places = {
        .holder = finding->holder,
        .whose = finding->whose,
        .file = finding->file,
        .key = finding->key,
        .name = *finding->name != '\0' ? finding->name : finding->subject,
        .host = finding->host,
        .at = report->at,
    };
    fill(*finding->remedy != '\0' ? finding->remedy : known->remedy, &places, finding->remedy);
    fill(*finding->openssl != '\0' ? finding->openssl : known->openssl, &places, finding->openssl);
    mu_place_fit(&report->here, replaceable_of(finding), finding->remedy, sizeof finding->remedy);
}

int mu_report_add(struct mu_report *report, const struct mu_finding *like, struct mu_error *err,
                  const char *format, ...)
{
    for (size_t i = 0; i < report->count; i++)
        if (is_same(&report->findings[i], like)) {
            merge(&report->findings[i], like);
            return 0;
        }
    struct mu_finding *findings = realloc(report->findings, (report->count + 1) * sizeof *findings);
    if (findings == NULL)
        return mu_fail_nomem(err);
    report->findings = findings;
    struct mu_finding *finding = &findings[report->count++];
    *finding = *like;
    va_list args;
    va_start(args, format);
    print_shown(finding->sentence, sizeof finding->sentence, format, args);
    va_end(args);
    fill_remedies(report, finding);
    make_printable(finding->file, sizeof finding->file);
    make_printable(finding->raw, sizeof finding->raw);
    return 0;
}

int mu_report_check(struct mu_report *report, enum mu_mark mark, struct mu_error *err,
                    const char *format, ...)
{
    struct mu_check *checks = realloc(report->checks, (report->check_count + 1) * sizeof *checks);
    if (checks == NULL)
        return mu_fail_nomem(err);
    report->checks = checks;
    struct mu_check *check = &checks[report->check_count++];
    check->mark = mark;
    va_list args;
    va_start(args, format);
    print_shown(check->text, sizeof check->text, format, args);
    va_end(args);
    return 0;
}

int mu_report_leave_open(struct mu_report *report, struct mu_error *err, const char *format, ...)
{
    char text[MU_ERROR_WHAT_LEN];
    va_list args;
    va_start(args, format);
    print_shown(text, sizeof text, format, args);
    va_end(args);
    if (*report->unjudged == '\0')
        mu_str_copy(report->unjudged, sizeof report->unjudged, text);
    return mu_report_check(report, MU_MARK_UNKNOWN, err, "%s", text);
}

/* In which order a verifier comes upon faults of a chain: OpenSSL's, which looks at the dates last, from the root down. A key that
 * cannot be used is met before all else. */
enum stage {
    STAGE_KEY = -1,
    STAGE_CHAIN, /* who issued what; and all that is no fault of a chain */
    STAGE_EXTENSIONS,
    STAGE_CONSTRAINTS,
    STAGE_STRENGTH,
    STAGE_HOST,
    STAGE_LISTS,
    STAGE_DATES
};

static enum stage stage_of(const struct mu_finding *finding)
{
    static const enum stage stages[MU_CAUSE_COUNT] = {
        [MU_CAUSE_issuer_not_ca] = STAGE_EXTENSIONS,
        [MU_CAUSE_issuer_is_v1] = STAGE_EXTENSIONS,
        [MU_CAUSE_ca_no_keycertsign] = STAGE_EXTENSIONS,
        [MU_CAUSE_pathlen_exceeded] = STAGE_EXTENSIONS,
        [MU_CAUSE_unknown_critical_extension] = STAGE_EXTENSIONS,
        [MU_CAUSE_server_cert_no_serverauth] = STAGE_EXTENSIONS,
        [MU_CAUSE_client_cert_no_clientauth] = STAGE_EXTENSIONS,
        [MU_CAUSE_ca_eku_forbids] = STAGE_EXTENSIONS,
        [MU_CAUSE_client_ku_no_signature] = STAGE_EXTENSIONS,
        [MU_CAUSE_server_ku_no_signature] = STAGE_EXTENSIONS,
        [MU_CAUSE_name_constraint_violation] = STAGE_CONSTRAINTS,
        [MU_CAUSE_key_too_small] = STAGE_STRENGTH,
        [MU_CAUSE_signature_too_weak] = STAGE_STRENGTH,
        [MU_CAUSE_server_name_mismatch] = STAGE_HOST,
        [MU_CAUSE_server_ip_not_in_san] = STAGE_HOST,
        [MU_CAUSE_server_ip_written_as_dns] = STAGE_HOST,
        [MU_CAUSE_server_wildcard_mismatch] = STAGE_HOST,
        [MU_CAUSE_client_cert_revoked] = STAGE_LISTS,
        [MU_CAUSE_server_cert_revoked] = STAGE_LISTS,
        [MU_CAUSE_intermediate_revoked] = STAGE_LISTS,
        [MU_CAUSE_crl_expired] = STAGE_LISTS,
        [MU_CAUSE_crl_not_yet_valid] = STAGE_LISTS,
        [MU_CAUSE_crl_missing] = STAGE_LISTS,
        [MU_CAUSE_crl_wrong_issuer] = STAGE_LISTS,
        [MU_CAUSE_crl_bad_signature] = STAGE_LISTS,
        [MU_CAUSE_server_cert_expired] = STAGE_DATES,
        [MU_CAUSE_client_cert_expired] = STAGE_DATES,
        [MU_CAUSE_intermediate_expired] = STAGE_DATES,
        [MU_CAUSE_ca_cert_expired] = STAGE_DATES,
        [MU_CAUSE_server_cert_not_yet_valid] = STAGE_DATES,
        [MU_CAUSE_client_cert_not_yet_valid] = STAGE_DATES,
        [MU_CAUSE_ca_cert_not_yet_valid] = STAGE_DATES,
    };
    const bool own_key =
        finding->cause == MU_CAUSE_key_too_small || finding->cause == MU_CAUSE_unsupported_key_type;
    return own_key && finding->depth == 0 ? STAGE_KEY : stages[finding->cause];
}

static bool bites_before(const struct mu_finding *a, const struct mu_finding *b)
{
    bool fault = a->gravity == MU_GRAVITY_FAULT;
    if (fault != (b->gravity == MU_GRAVITY_FAULT))
        return fault;
    if (!fault)
        return a->cause < b->cause;
    if (a->phase != b->phase)
        return a->phase < b->phase;
    return stage_of(a) != stage_of(b) ? stage_of(a) < stage_of(b) : a->depth < b->depth;
}

/* Few, and those of one rank have to stay in the order in which they were found. */
void mu_report_finish(struct mu_report *report)
{
    for (size_t i = 1; i < report->count; i++) {
        struct mu_finding finding = report->findings[i];
        size_t at = i;
        for (; at > 0 && bites_before(&finding, &report->findings[at - 1]); at--)
            report->findings[at] = report->findings[at - 1];
        report->findings[at] = finding;
    }
}

bool mu_report_has(const struct mu_report *report, enum mu_cause_id cause)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].cause == cause)
            return true;
    return false;
}

enum mu_cause_id mu_report_cause(const struct mu_report *report)
{
    return report->count == 0 ? MU_CAUSE_ok : report->findings[0].cause;
}

int mu_report_exit(const struct mu_report *report)
{
    if (report->count == 0)
        return *report->unjudged == '\0' ? 0 : 3;
    return report->findings[0].gravity == MU_GRAVITY_FAULT ? 1 : 3;
}

enum mu_cause_id mu_report_refusal(const struct mu_report *report, enum mu_stack stack,
                                   enum mu_refuser as)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct mu_finding *finding = &report->findings[i];
        bool refuses = finding->refuser == MU_REFUSER_BOTH || finding->refuser == as;
        bool owns = finding->refuser != as;
        if ((refuses && (finding->refused_by & (1u << stack)) != 0) ||
            (owns && (finding->unusable_by & (1u << stack)) != 0))
            return finding->cause;
    }
    const struct mu_aside *aside = &report->aside;
    return aside->refuser == as && (aside->refused_by & (1u << stack)) != 0 ? aside->cause
                                                                            : MU_CAUSE_ok;
}
