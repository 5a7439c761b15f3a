#include "explain/judge.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/time.h"
#include "explain/hygiene.h"
#include "pki/info.h"

enum { FAULTS_MAX = 8 };

/* A case, and what has been found out on the way. */
struct matter {
    const struct mu_judging *how;
    struct mu_report *report;
    struct mu_certs pool;  /* everything at hand */
    struct mu_certs full;  /* from the leaf up, as far as the pool has it */
    struct mu_certs chain; /* as the verifier built it */
    struct mu_verdict verdict;

    /* What is assumed to be mended. */
    const struct mu_certs *anchors;
    struct mu_certs all_anchors;
    const char *host;
    enum mu_purpose purpose;
    bool limit_depth, partial;
    time_t at;
};

static void matter_clear(struct matter *matter)
{
    mu_certs_clear(&matter->pool);
    mu_certs_clear(&matter->full);
    mu_certs_clear(&matter->chain);
    mu_certs_clear(&matter->all_anchors);
}
MU_AUTO_DEFINE_CLEAR(matter, matter_clear)

static bool is_server(const struct matter *matter)
{
    return matter->how->side != MU_PURPOSE_CLIENT;
}

static const char *presenter(const struct matter *matter)
{
    return is_server(matter) ? "server" : "client";
}

static const char *judge_name(const struct matter *matter)
{
    return is_server(matter) ? "client" : "server";
}

/* The cause for a server's certificate, or for a client's. */
static enum mu_cause_id by_side(const struct matter *matter, enum mu_cause_id server,
                                enum mu_cause_id client)
{
    return is_server(matter) ? server : client;
}

static bool holds(const struct mu_certs *list, const struct mu_cert *cert)
{
    return list != NULL && mu_certs_hold(list, cert);
}

static int add_all(struct mu_certs *list, const struct mu_certs *more, struct mu_error *err)
{
    for (size_t i = 0; more != NULL && i < more->count; i++)
        if (!mu_certs_hold(list, more->at[i]) &&
            mu_certs_add(list, mu_cert_ref(more->at[i]), err) != 0)
            return -1;
    return 0;
}

/* --- Telling --- */

static const char *file_or(const char *file, const char *otherwise)
{
    return file == NULL || *file == '\0' ? otherwise : file;
}

static enum mu_holder holder_of(const struct matter *matter, const struct mu_cert *cert)
{
    if (cert == matter->how->presented->at[0])
        return is_server(matter) ? MU_HOLDER_SERVER : MU_HOLDER_CLIENT;
    return mu_cert_is_signed_by(cert, cert) ? MU_HOLDER_ROOT : MU_HOLDER_ISSUING;
}

static struct mu_finding about(const struct matter *matter, enum mu_cause_id cause,
                               const struct mu_cert *cert, int depth)
{
    char label[MU_CERT_LABEL_LEN];
    const struct mu_judging *how = matter->how;
    struct mu_finding finding = mu_finding_of(cause, MU_GRAVITY_FAULT,
                                              is_server(matter) ? MU_PHASE_SERVER : MU_PHASE_CLIENT,
                                              how->file, NULL, how->host);
    finding.refuser = is_server(matter) ? MU_REFUSER_CLIENT : MU_REFUSER_SERVER;
    finding.depth = depth;
    mu_finding_hold(&finding, holder_of(matter, cert));
    if (!holds(how->presented, cert))
        mu_str_copy(finding.file, sizeof finding.file, file_or(how->trust_file, ""));
    mu_str_copy(finding.name, sizeof finding.name, mu_cert_label(cert, label));
    mu_str_copy(finding.subject, sizeof finding.subject, label);
    mu_str_copy(finding.raw, sizeof finding.raw, matter->verdict.cause);
    return finding;
}

/* Something in the file of trusted CAs is to be mended, by whoever trusts. */
static struct mu_finding about_trust(const struct matter *matter, enum mu_cause_id cause)
{
    struct mu_finding finding = about(matter, cause, matter->how->presented->at[0], 0);
    mu_str_copy(finding.file, sizeof finding.file, file_or(matter->how->trust_file, ""));
    finding.whose = is_server(matter) ? MU_PARTY_CLIENT : MU_PARTY_SERVER;
    return finding;
}

/* `"Example Root", "Other Root" and 3 more`. */
static const char *list_trusted(const struct matter *matter, char *ret, size_t cap)
{
    const struct mu_certs *trusted = matter->how->trusted;
    size_t len = 0;
    *ret = '\0';
    for (size_t i = 0; i < trusted->count && i < 3 && len < cap; i++) {
        char label[MU_CERT_LABEL_LEN];
        len += (size_t)snprintf(ret + len, cap - len, "%s\"%.60s\"", i > 0 ? ", " : "",
                                mu_cert_label(trusted->at[i], label));
    }
    if (trusted->count > 3 && len < cap)
        snprintf(ret + len, cap - len, " and %zu more", trusted->count - 3);
    return ret;
}

/* "the server's certificate localhost.crt ("localhost", issued by "my-ca")" */
static const char *name_leaf(const struct matter *matter, char *ret, size_t cap)
{
    char label[MU_CERT_LABEL_LEN], file[MU_FINDING_FILE_LEN + 1] = "";
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    const struct mu_cert *leaf = matter->how->presented->at[0];
    if (matter->how->file != NULL)
        snprintf(file, sizeof file, " %s", matter->how->file);
    if (mu_cert_info_read(leaf, matter->how->at, &info, &ignored) != 0)
        info.issuer[0] = '\0';
    snprintf(ret, cap, "the %s's certificate%s (\"%.80s\", issued by \"%.80s\")", presenter(matter),
             file, mu_cert_label(leaf, label), info.issuer);
    return ret;
}

/* --- Trust: what "issuer not found" means --- */

static int tell_untrusted(struct matter *matter, struct mu_error *err)
{
    char leaf[512], trusted[256];
    struct mu_finding finding =
        about(matter, by_side(matter, MU_CAUSE_server_untrusted_ca, MU_CAUSE_client_untrusted_ca),
              matter->how->presented->at[0], 0);
    return mu_report_add(matter->report, &finding, err,
                         "%s is not from a CA that the %s trusts; it trusts %s",
                         name_leaf(matter, leaf, sizeof leaf), judge_name(matter),
                         list_trusted(matter, trusted, sizeof trusted));
}

/* The next certificate up that is at hand, but neither sent nor trusted. */
static const struct mu_cert *missing_link(const struct matter *matter)
{
    for (size_t i = 1; i < matter->full.count; i++)
        if (!holds(matter->how->presented, matter->full.at[i]) &&
            !holds(matter->how->trusted, matter->full.at[i]))
            return matter->full.at[i];
    return NULL;
}

/* Does the chain end at something that is trusted, if nothing were missing? */
static bool leads_to_trust(const struct matter *matter)
{
    for (size_t i = 1; i < matter->full.count; i++)
        if (holds(matter->how->trusted, matter->full.at[i]))
            return true;
    return false;
}

/* An intermediate certificate that was sent, and has no part in the chain. */
static const struct mu_cert *stray_intermediate(const struct matter *matter)
{
    const struct mu_certs *presented = matter->how->presented;
    for (size_t i = 1; i < presented->count; i++) {
        const struct mu_cert *cert = presented->at[i];
        if (mu_cert_is_ca(cert) && !mu_cert_is_signed_by(cert, cert) &&
            !mu_certs_hold(&matter->full, cert))
            return cert;
    }
    return NULL;
}

/* "Root Signing CA" is a root's. */
bool mu_sounds_intermediate(const char *issuer)
{
    static const char *const words[] = {"intermediate", "issuing", "sub", "subca",  "subordinate",
                                        "inter",        "signing", "ica", "level2", "tier2"};
    const char *at = issuer;
    if (strcasestr(issuer, "root") != NULL)
        return false;
    while (*at != '\0') {
        size_t len = 0;
        while (isalnum((unsigned char)at[len]))
            len++;
        for (size_t i = 0; len > 0 && i < MU_COUNT(words); i++)
            if (strlen(words[i]) == len && strncasecmp(at, words[i], len) == 0)
                return true;
        at += len > 0 ? len : 1;
    }
    return false;
}

/* The issuer is nowhere. Was it the trusted root's intermediate, which is not sent, or somebody else's CA? */
static bool looks_incomplete(const struct matter *matter)
{
    const struct mu_cert *top = matter->full.at[matter->full.count - 1];
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_is_signed_by(top, top) ||
        mu_cert_info_read(top, matter->how->at, &info, &ignored) != 0)
        return false;
    return mu_sounds_intermediate(info.issuer);
}

static int tell_incomplete(struct matter *matter, const struct mu_cert *missing,
                           struct mu_error *err)
{
    char leaf[512], label[MU_CERT_LABEL_LEN] = "the CA that issued it";
    struct mu_finding finding =
        about(matter,
              by_side(matter, MU_CAUSE_server_chain_incomplete, MU_CAUSE_client_chain_incomplete),
              matter->how->presented->at[0], 0);
    bool completes = missing != NULL && holds(matter->how->own_trust, missing);
    if (completes) {
        finding.gravity = MU_GRAVITY_SOME_PEERS;
        finding.unusable_by = finding.refused_by & ~(1u << MU_STACK_OPENSSL | 1u << MU_STACK_NODE |
                                                     1u << MU_STACK_PYTHON);
        finding.refused_by = 0; /* by whoever it is presented to */
    }
    if (missing != NULL)
        snprintf(label, sizeof label, "the intermediate \"%.200s\"",
                 mu_cert_label(missing, finding.subject));
    mu_cert_label(matter->how->presented->at[0], finding.subject);
    return mu_report_add(matter->report, &finding, err,
                         "%s comes without %s, which the %s does not have%s",
                         name_leaf(matter, leaf, sizeof leaf), label, judge_name(matter),
                         completes
                             ? "; programs with OpenSSL complete the chain from their own trust file, "
                               "others do not"
                             : "");
}

static int tell_wrong_intermediate(struct matter *matter, const struct mu_cert *stray,
                                   struct mu_error *err)
{
    char leaf[512], label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about(matter,
                                      by_side(matter, MU_CAUSE_server_chain_wrong_intermediate,
                                              MU_CAUSE_client_chain_incomplete),
                                      matter->how->presented->at[0], 0);
    return mu_report_add(matter->report, &finding, err,
                         "the %s sends the intermediate \"%.200s\" along, which %s: %s",
                         presenter(matter), mu_cert_label(stray, label),
                         mu_cert_is_signed_by(matter->how->presented->at[0], stray)
                             ? "did issue its certificate, but leads to another root"
                             : "did not issue its certificate",
                         name_leaf(matter, leaf, sizeof leaf));
}

static bool trusts_any_ca(const struct matter *matter)
{
    const struct mu_certs *trusted = matter->how->trusted;
    for (size_t i = 0; i < trusted->count; i++)
        if (mu_cert_is_ca(trusted->at[i]) || mu_cert_is_signed_by(trusted->at[i], trusted->at[i]))
            return true;
    return false;
}

static int tell_no_ca_trusted(struct matter *matter, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_trust(matter, MU_CAUSE_trust_file_not_a_ca);
    if (!holds(matter->how->trusted, matter->how->presented->at[0]))
        finding.refused_by = (1u << MU_STACK_COUNT) - 1;
    return mu_report_add(
        matter->report, &finding, err,
        "%s, where the %s keeps the CAs that it trusts, holds \"%.200s\", which is no CA: "
        "programs with OpenSSL want the certificate of the CA there",
        file_or(matter->how->trust_file, "the list"), judge_name(matter),
        mu_cert_label(matter->how->trusted->at[0], label));
}

static int tell_intermediate_trusted(struct matter *matter, const struct mu_cert *trusted,
                                     struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_trust(matter, MU_CAUSE_trust_file_intermediate_only);
    return mu_report_add(
        matter->report, &finding, err,
        "%s holds the intermediate CA \"%.200s\" and not the root above it: the %s, if it uses "
        "OpenSSL, builds a chain to a root only",
        file_or(matter->how->trust_file, "the list of trusted CAs"), mu_cert_label(trusted, label),
        judge_name(matter));
}

static const struct mu_cert *trusted_in_between(const struct matter *matter)
{
    for (size_t i = 1; i < matter->full.count; i++)
        if (holds(matter->how->trusted, matter->full.at[i]) &&
            !mu_cert_is_signed_by(matter->full.at[i], matter->full.at[i]))
            return matter->full.at[i];
    return NULL;
}

static int tell_trust(struct matter *matter, struct mu_error *err)
{
    const struct mu_cert *missing = missing_link(matter), *stray = stray_intermediate(matter);
    const struct mu_cert *between = trusted_in_between(matter);
    if (!trusts_any_ca(matter))
        return tell_no_ca_trusted(matter, err);
    if (between != NULL)
        return tell_intermediate_trusted(matter, between, err);
    if (stray != NULL)
        return tell_wrong_intermediate(matter, stray, err);
    if ((missing != NULL && leads_to_trust(matter)) || (missing == NULL && looks_incomplete(matter)))
        return tell_incomplete(matter, missing, err);
    return tell_untrusted(matter, err);
}

static int tell_rekeyed(struct matter *matter, struct mu_error *err)
{
    const struct mu_cert *stray = stray_intermediate(matter);
    char leaf[512];
    if (stray != NULL)
        return tell_wrong_intermediate(matter, stray, err);
    struct mu_finding finding =
        about(matter, MU_CAUSE_ca_rekeyed_same_name, matter->how->presented->at[0], 0);
    return mu_report_add(
        matter->report, &finding, err,
        "%s was signed by a CA of that name with another key than the one that the %s trusts%s%s: "
        "the CA was made anew, and one side still has the old one",
        name_leaf(matter, leaf, sizeof leaf), judge_name(matter),
        matter->how->trust_file != NULL ? ", in " : "", file_or(matter->how->trust_file, ""));
}

/* Another CA of the issuer's name is at hand: then it is a matter of keys, not of damage. */
static bool has_namesake(const struct matter *matter, const struct mu_cert *cert)
{
    for (size_t i = 0; i < matter->pool.count; i++)
        if (mu_cert_names_issuer(cert, matter->pool.at[i]) &&
            mu_cert_is_signed_by(cert, matter->pool.at[i]))
            return true;
    return false;
}

/* It names the key that it is checked with, and was not signed by it: something in it is not as it was. */
static int tell_garbled(struct matter *matter, const struct mu_cert *cert, struct mu_error *err)
{
    if (stray_intermediate(matter) != NULL || has_namesake(matter, cert))
        return tell_rekeyed(matter, err);
    struct mu_finding finding =
        about(matter,
              matter->how->file != NULL ? MU_CAUSE_pem_damaged : MU_CAUSE_certificate_altered, cert,
              matter->verdict.depth);
    finding.whose = is_server(matter) ? MU_PARTY_SERVER : MU_PARTY_CLIENT;
    return mu_report_add(matter->report, &finding, err, "%s%s%s: it is garbled, or was altered",
                         file_or(matter->how->file, ""), matter->how->file != NULL ? ": " : "",
                         matter->verdict.sentence);
}

/* --- Names --- */

static bool is_address(const char *host)
{
    unsigned char address[16];
    char bare[64];
    mu_str_copy(bare, sizeof bare, host[0] == '[' ? host + 1 : host);
    bare[strcspn(bare, "]")] = '\0';
    return inet_pton(AF_INET, bare, address) == 1 || inet_pton(AF_INET6, bare, address) == 1;
}

static bool has_name(const struct mu_cert_info *info, const char *kind, const char *name)
{
    char wanted[300];
    snprintf(wanted, sizeof wanted, "%s:%s", kind, name);
    for (size_t i = 0; i < info->san.count; i++)
        if (strcasecmp(info->san.at[i], wanted) == 0)
            return true;
    return false;
}

/* "*.example.com" and a.b.example.com, or example.com itself. */
static bool misses_wildcard(const struct mu_cert_info *info, const char *host)
{
    for (size_t i = 0; i < info->san.count; i++) {
        const char *name = info->san.at[i];
        if (!mu_str_starts_with(name, "DNS:*."))
            continue;
        const char *base = name + strlen("DNS:*"); /* ".example.com" */
        size_t len = strlen(host), base_len = strlen(base);
        if (strcasecmp(host, base + 1) == 0 ||
            (len > base_len && strcasecmp(host + len - base_len, base) == 0))
            return true;
    }
    return false;
}

static int tell_name(struct matter *matter, struct mu_error *err)
{
    const struct mu_cert *leaf = matter->how->presented->at[0];
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    const char *host = matter->host;
    if (mu_cert_info_read(leaf, matter->how->at, &info, err) != 0)
        return -1;
    bool by_cn = info.san.count == 0 && strcasecmp(info.cn, host) == 0;
    enum mu_cause_id cause = by_cn                          ? MU_CAUSE_server_no_san
                             : !is_address(host)            ? MU_CAUSE_server_name_mismatch
                             : has_name(&info, "DNS", host) ? MU_CAUSE_server_ip_written_as_dns
                                                            : MU_CAUSE_server_ip_not_in_san;
    if (cause == MU_CAUSE_server_name_mismatch && misses_wildcard(&info, host))
        cause = MU_CAUSE_server_wildcard_mismatch;
    struct mu_finding finding = about(matter, cause, leaf, 0);
    const char *why = cause == MU_CAUSE_server_wildcard_mismatch
                          ? "; a wildcard stands for exactly one label"
                      : cause == MU_CAUSE_server_ip_written_as_dns
                          ? "; the address has to be an IP entry, not a DNS one"
                          : "";
    return mu_report_add(matter->report, &finding, err, "%s%s%s%s", file_or(matter->how->file, ""),
                         matter->how->file != NULL ? ": " : "", matter->verdict.sentence, why);
}

/* --- From a fault to a finding, and on as if it were mended --- */

static const struct mu_cert *cert_at_fault(const struct matter *matter)
{
    size_t depth = (size_t)matter->verdict.depth;
    return depth < matter->chain.count ? matter->chain.at[depth] : matter->how->presented->at[0];
}

static bool is_root(const struct mu_cert *cert)
{
    return mu_cert_is_signed_by(cert, cert);
}

static bool is_about_time(enum mu_fault fault)
{
    return fault == MU_FAULT_EXPIRED || fault == MU_FAULT_CA_EXPIRED ||
           fault == MU_FAULT_INTERMEDIATE_EXPIRED || fault == MU_FAULT_NOT_YET_VALID ||
           fault == MU_FAULT_CA_NOT_YET_VALID;
}

static int tell_as_it_is(struct matter *matter, struct mu_error *err)
{
    char id[MU_CAUSE_LEN];
    enum mu_cause_id cause =
        mu_cause_find(mu_fault_cause(matter->verdict.fault, matter->how->side, id));
    struct mu_finding finding = about(matter, cause, cert_at_fault(matter), matter->verdict.depth);
    finding.refused_by = mu_cause_refused_by(cause, is_root(cert_at_fault(matter)));
    if (is_about_time(matter->verdict.fault)) /* with the CA\'s end all that it issued ends */
        finding.depth = -matter->verdict.depth;
    mu_str_copy(finding.subject, sizeof finding.subject, matter->verdict.subject);
    return mu_report_add(matter->report, &finding, err, "%s%s%s", file_or(matter->how->file, ""),
                         matter->how->file != NULL ? ": " : "", matter->verdict.sentence);
}

static int assume_trust(struct matter *matter, struct mu_error *err)
{
    if (matter->anchors == &matter->all_anchors)
        return 0;
    if (add_all(&matter->all_anchors, matter->how->trusted, err) != 0 ||
        add_all(&matter->all_anchors, &matter->pool, err) != 0)
        return -1;
    matter->anchors = &matter->all_anchors;
    return 1;
}

static bool is_issued_by_any(const struct mu_cert *cert, const struct mu_certs *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i] != cert && mu_cert_is_signed_by(cert, list->at[i]))
            return true;
    return false;
}

/* Nobody has said what is trusted: the chain is judged up to where what is at hand ends. */
static int assume_top(struct matter *matter, struct mu_error *err)
{
    for (size_t i = 0; i < matter->pool.count; i++) {
        struct mu_cert *cert = matter->pool.at[i];
        if (!is_issued_by_any(cert, &matter->pool) &&
            mu_certs_add(&matter->all_anchors, mu_cert_ref(cert), err) != 0)
            return -1;
    }
    matter->anchors = &matter->all_anchors;
    matter->partial = true;
    return 0;
}

/* The leaf's issuer is not at hand, and by its name it is no root; but another CA's certificate has been put there. */
static int check_stray(struct matter *matter, struct mu_error *err)
{
    const struct mu_cert *stray = stray_intermediate(matter);
    bool other = matter->full.count == 1 && stray != NULL && looks_incomplete(matter) &&
                 !mu_cert_names_issuer(matter->full.at[0], stray);
    return other ? tell_wrong_intermediate(matter, stray, err) : 0;
}

static int assume_time(struct matter *matter)
{
    const struct mu_cert *cert = cert_at_fault(matter);
    time_t from = mu_cert_not_before(cert), to = mu_cert_not_after(cert);
    time_t at = matter->at > to ? to - 1 : from;
    bool moves = at != matter->at && from < to;
    matter->at = at;
    return moves;
}

/* Tell, and mend. 1: judge again; 0: that is all that can be found in this way; -1: failed. */
static int tell_and_mend(struct matter *matter, struct mu_error *err)
{
    int told;
    switch (matter->verdict.fault) {
    case MU_FAULT_UNTRUSTED:
    case MU_FAULT_UNTRUSTED_ROOT:
    case MU_FAULT_CHAIN_INCOMPLETE:
    case MU_FAULT_LEAF_TRUSTED:
        told = tell_trust(matter, err);
        return told != 0 ? -1 : assume_trust(matter, err);
    case MU_FAULT_REKEYED:
        told = tell_rekeyed(matter, err);
        return told != 0 ? -1 : assume_trust(matter, err);
    case MU_FAULT_BAD_SIGNATURE:
        return tell_garbled(matter, cert_at_fault(matter), err) != 0 ? -1 : 0;
    case MU_FAULT_SELF_SIGNED:
    case MU_FAULT_SAME_NAME:
        told = tell_as_it_is(matter, err);
        return told != 0 ? -1 : assume_trust(matter, err);
    case MU_FAULT_NAME_MISMATCH:
    case MU_FAULT_IP_MISMATCH:
        told = tell_name(matter, err);
        matter->host = NULL;
        return told != 0 ? -1 : 1;
    case MU_FAULT_EXPIRED:
    case MU_FAULT_CA_EXPIRED:
    case MU_FAULT_INTERMEDIATE_EXPIRED:
    case MU_FAULT_NOT_YET_VALID:
    case MU_FAULT_CA_NOT_YET_VALID:
        told = tell_as_it_is(matter, err);
        return told != 0 ? -1 : assume_time(matter);
    case MU_FAULT_PURPOSE:
    case MU_FAULT_CA_PURPOSE:
    case MU_FAULT_KEY_USAGE:
        told = tell_as_it_is(matter, err);
        matter->purpose = MU_PURPOSE_ANY;
        return told != 0 ? -1 : 1;
    case MU_FAULT_TOO_DEEP:
        told = tell_as_it_is(matter, err);
        matter->limit_depth = false;
        return told != 0 ? -1 : 1;
    default: return tell_as_it_is(matter, err) != 0 ? -1 : 0;
    }
}

static int verify(struct matter *matter, bool with_lists, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) helpers = {0};
    const struct mu_judging *how = matter->how;
    bool assumed = matter->anchors == &matter->all_anchors;
    if (add_all(&helpers, how->presented, err) != 0 ||
        (assumed && add_all(&helpers, &matter->pool, err) != 0))
        return -1;
    const struct mu_verify verify = {
        .anchors = matter->anchors,
        .untrusted = &helpers,
        .crls = with_lists ? how->crls : NULL,
        .crl_count = with_lists ? how->crl_count : 0,
        .purpose = matter->purpose,
        .host = matter->host,
        .limit_depth = matter->limit_depth,
        .depth = how->depth,
        .at = matter->at,
        .partial = matter->partial,
    };
    mu_certs_clear(&matter->chain);
    return mu_verify(how->presented->at[0], &verify, &matter->verdict, &matter->chain, err);
}

/* The limit makes OpenSSL say that it found no issuer; that the chain is too long is what is meant. */
static int check_depth(struct matter *matter, struct mu_error *err)
{
    const struct mu_judging *how = matter->how;
    size_t between = matter->chain.count > 2 ? matter->chain.count - 2 : 0;
    if (!how->limit_depth || matter->verdict.fault != MU_FAULT_NONE || between <= (size_t)how->depth)
        return 0;
    struct mu_finding finding =
        about(matter, MU_CAUSE_verify_depth_exceeded, how->presented->at[0], 0);
    finding.whose = is_server(matter) ? MU_PARTY_CLIENT : MU_PARTY_SERVER;
    return mu_report_add(
        matter->report, &finding, err,
        "%s%s%zu intermediate CAs stand between the %s's certificate and the root, and the %s "
        "allows %d (nginx: ssl_verify_depth)",
        file_or(how->file, ""), how->file != NULL ? ": " : "", between, presenter(matter),
        judge_name(matter), how->depth);
}

/* --- Revocation lists --- */

static struct mu_finding about_crl(const struct matter *matter, enum mu_cause_id cause,
                                   const struct mu_cert *cert, int depth)
{
    struct mu_finding finding = about(matter, cause, cert, depth);
    mu_str_copy(finding.file, sizeof finding.file, file_or(matter->how->crl_file, ""));
    if (mu_cause_of(cause)->whose == MU_PARTY_SERVER)
        finding.whose = is_server(matter) ? MU_PARTY_CLIENT : MU_PARTY_SERVER;
    return finding;
}

/* There is none that can be used for `cert`: is it absent, somebody else's, or signed by a former key? */
static int tell_no_list(struct matter *matter, size_t depth, struct mu_error *err)
{
    const struct mu_judging *how = matter->how;
    const struct mu_cert *cert = matter->chain.at[depth];
    const struct mu_cert *issuer =
        matter->chain.at[depth + 1 < matter->chain.count ? depth + 1 : depth];
    bool any_fits = false, namesake = false;
    for (size_t i = 0; i < how->crl_count; i++) {
        namesake = namesake || (mu_crl_names(how->crls[i], issuer) &&
                                !mu_crl_is_signed_by(how->crls[i], issuer));
        for (size_t k = 0; k < matter->chain.count; k++)
            any_fits = any_fits || mu_crl_names(how->crls[i], matter->chain.at[k]);
    }
    struct mu_crl_info first;
    char label[MU_CERT_LABEL_LEN];
    mu_crl_info(how->crls[0], &first);
    enum mu_cause_id cause = namesake    ? MU_CAUSE_crl_bad_signature
                             : !any_fits ? MU_CAUSE_crl_wrong_issuer
                                         : MU_CAUSE_crl_missing;
    struct mu_finding finding = about_crl(matter, cause, cert, (int)depth);
    mu_cert_label(issuer, label);
    const char *file = file_or(how->crl_file, "the revocation list");
    if (namesake)
        return mu_report_add(
            matter->report, &finding, err,
            "%s names \"%s\" as its issuer, but is not signed by the key that this CA has now",
            file, label);
    if (!any_fits)
        return mu_report_add(
            matter->report, &finding, err,
            "%s is the list of \"%.120s\", and the %s's certificate is from \"%.120s\"", file,
            first.issuer, presenter(matter), label);
    return mu_report_add(
        matter->report, &finding, err,
        "%s has no revocation list of \"%.120s\", so \"%.120s\" cannot be checked and is refused",
        file, label, mu_cert_label(cert, finding.subject));
}

static int tell_bad_list(struct matter *matter, size_t depth, struct mu_error *err)
{
    bool future = strstr(matter->verdict.cause, "not yet valid") != NULL;
    bool expired = matter->verdict.fault == MU_FAULT_CRL_EXPIRED;
    enum mu_cause_id cause = expired  ? MU_CAUSE_crl_expired
                             : future ? MU_CAUSE_crl_not_yet_valid
                                      : MU_CAUSE_crl_bad_signature;
    struct mu_finding finding = about_crl(matter, cause, matter->chain.at[depth], (int)depth);
    return mu_report_add(matter->report, &finding, err, "%s: %s%s",
                         file_or(matter->how->crl_file, "the revocation list"),
                         matter->verdict.sentence,
                         expired ? "; until a new one is there everybody of this CA is refused"
                                 : "");
}

static int check_lists(struct matter *matter, struct mu_error *err)
{
    size_t depth = (size_t)matter->verdict.depth;
    if (matter->how->crl_count == 0 || matter->verdict.fault != MU_FAULT_NONE)
        return 0;
    if (verify(matter, true, err) != 0)
        return -1;
    depth = (size_t)matter->verdict.depth;
    if (matter->verdict.fault == MU_FAULT_NONE || depth >= matter->chain.count ||
        (matter->how->crl_leaf_only && depth > 0))
        return 0;
    switch (matter->verdict.fault) {
    case MU_FAULT_CRL_MISSING: return tell_no_list(matter, depth, err);
    case MU_FAULT_CRL_EXPIRED:
    case MU_FAULT_CRL_INVALID: return tell_bad_list(matter, depth, err);
    case MU_FAULT_REVOKED: break;
    default: return tell_as_it_is(matter, err);
    }
    struct mu_finding finding = about(matter,
                                      depth > 0 ? MU_CAUSE_intermediate_revoked
                                                : by_side(matter, MU_CAUSE_server_cert_revoked,
                                                          MU_CAUSE_client_cert_revoked),
                                      matter->chain.at[depth], (int)depth);
    return mu_report_add(matter->report, &finding, err, "%s%s%s, says %s",
                         file_or(matter->how->file, ""), matter->how->file != NULL ? ": " : "",
                         matter->verdict.sentence, file_or(matter->how->crl_file, "the list"));
}

/* --- All of it --- */

static int prepare(struct matter *matter, struct mu_error *err)
{
    const struct mu_judging *how = matter->how;
    if (add_all(&matter->pool, how->presented, err) != 0 ||
        add_all(&matter->pool, how->trusted, err) != 0 ||
        add_all(&matter->pool, how->known, err) != 0)
        return -1;
    return mu_certs_add_chain(how->presented->at[0], &matter->pool, true, &matter->full, err);
}

int mu_judge(const struct mu_judging *how, struct mu_report *report, struct mu_error *err)
{
    MU_AUTO_CLEAR(matter) matter = {
        .how = how,
        .report = report,
        .anchors = how->trusted,
        .host = how->host,
        .purpose = how->side,
        .at = how->at,
    };
    if (prepare(&matter, err) != 0)
        return -1;
    bool trusted = how->trusted != NULL && how->trusted->count > 0;
    if (!trusted && (assume_top(&matter, err) != 0 || check_stray(&matter, err) != 0))
        return -1;
    bool good = false;
    for (int i = 0; i < FAULTS_MAX; i++) {
        if (verify(&matter, false, err) != 0)
            return -1;
        bool untold = !trusted && (matter.verdict.fault == MU_FAULT_UNTRUSTED ||
                                   matter.verdict.fault == MU_FAULT_REKEYED ||
                                   matter.verdict.fault == MU_FAULT_CHAIN_INCOMPLETE ||
                                   matter.verdict.fault == MU_FAULT_LEAF_TRUSTED);
        good = matter.verdict.fault == MU_FAULT_NONE;
        if (good || untold)
            break;
        int again = tell_and_mend(&matter, err);
        if (again < 0)
            return -1;
        if (again == 0)
            break;
    }
    if (good && (check_depth(&matter, err) != 0 || check_lists(&matter, err) != 0))
        return -1;
    const struct mu_hygiene hygiene = {
        .chain = good ? &matter.chain : &matter.full,
        .side = how->side,
        .at = how->at,
        .file = how->file,
        .trust_file = how->trust_file,
        .host = how->host,
    };
    return mu_hygiene_check(&hygiene, report, err);
}
