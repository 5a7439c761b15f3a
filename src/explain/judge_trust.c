/* What "issuer not found" means, with everything at hand. */

#include "explain/judge_matter.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "pki/info.h"
#include "pki/name.h"

/* --- Words --- */

/* Something in the file of trusted CAs is to be mended, by whoever trusts. */
static struct mu_finding about_trust(const struct mu_matter *matter, enum mu_cause_id cause)
{
    struct mu_finding finding = mu_matter_about(matter, cause, matter->how->presented->at[0], 0);
    mu_str_copy(finding.file, sizeof finding.file, mu_matter_file(matter->how->trust_file, ""));
    finding.whose = mu_matter_is_server(matter) ? MU_PARTY_CLIENT : MU_PARTY_SERVER;
    return finding;
}

/* `"Example Root", "Other Root" and 3 more`. */
static const char *list_trusted(const struct mu_matter *matter, char *ret, size_t cap)
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
static const char *name_leaf(const struct mu_matter *matter, char *ret, size_t cap)
{
    char label[MU_CERT_LABEL_LEN], file[MU_FINDING_FILE_LEN + 1] = "";
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    const struct mu_cert *leaf = matter->how->presented->at[0];
    if (matter->how->file != NULL)
        snprintf(file, sizeof file, " %s", matter->how->file);
    if (mu_cert_info_read(leaf, matter->how->at, &info, &ignored) != 0)
        info.issuer[0] = '\0';
    snprintf(ret, cap, "the %s's certificate%s (\"%.80s\", issued by \"%.80s\")",
             mu_matter_presenter(matter), file, mu_cert_label(leaf, label), info.issuer);
    return ret;
}

/* --- Missing, wrong, or somebody else's --- */

static int tell_untrusted(struct mu_matter *matter, struct mu_error *err)
{
    char leaf[512], trusted[256];
    struct mu_finding finding =
        mu_matter_about(matter,
                        mu_matter_by_side(matter, MU_CAUSE_server_untrusted_ca,
                                          MU_CAUSE_client_untrusted_ca),
                        matter->how->presented->at[0], 0);
    return mu_report_add(matter->report, &finding, err,
                         "%s is not from a CA that the %s trusts; it trusts %s",
                         name_leaf(matter, leaf, sizeof leaf), mu_matter_judge(matter),
                         list_trusted(matter, trusted, sizeof trusted));
}

/* The next certificate up that is at hand, but neither sent nor trusted. */
static const struct mu_cert *missing_link(const struct mu_matter *matter)
{
    for (size_t i = 1; i < matter->full.count; i++)
        if (!mu_matter_holds(matter->how->presented, matter->full.at[i]) &&
            !mu_matter_holds(matter->how->trusted, matter->full.at[i]))
            return matter->full.at[i];
    return NULL;
}

/* Does the chain end at something that is trusted, if nothing were missing? */
static bool leads_to_trust(const struct mu_matter *matter)
{
    for (size_t i = 1; i < matter->full.count; i++)
        if (mu_matter_holds(matter->how->trusted, matter->full.at[i]))
            return true;
    return false;
}

/* An intermediate certificate that was sent, and has no part in the chain. */
static const struct mu_cert *stray_intermediate(const struct mu_matter *matter)
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

/* The issuer is nowhere. Was it the trusted root's intermediate, which is not sent, or somebody else's CA? */
static bool looks_incomplete(const struct mu_matter *matter)
{
    const struct mu_cert *top = matter->full.at[matter->full.count - 1];
    struct mu_error ignored = MU_ERROR_INIT;
    MU_AUTO_CLEAR(mu_cert_info) info = {0};
    if (mu_cert_is_signed_by(top, top) ||
        mu_cert_info_read(top, matter->how->at, &info, &ignored) != 0)
        return false;
    return mu_name_sounds_intermediate(info.issuer);
}

static int tell_incomplete(struct mu_matter *matter, const struct mu_cert *missing,
                           struct mu_error *err)
{
    char leaf[512], label[MU_CERT_LABEL_LEN] = "the CA that issued it";
    struct mu_finding finding =
        mu_matter_about(matter,
                        mu_matter_by_side(matter, MU_CAUSE_server_chain_incomplete,
                                          MU_CAUSE_client_chain_incomplete),
                        matter->how->presented->at[0], 0);
    bool completes = missing != NULL && mu_matter_holds(matter->how->own_trust, missing);
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
                         name_leaf(matter, leaf, sizeof leaf), label, mu_matter_judge(matter),
                         completes
                             ? "; programs with OpenSSL complete the chain from their own trust file, "
                               "others do not"
                             : "");
}

/* Of a CA that two have certified, the other certificate. */
static bool sends_another_issuer(const struct mu_matter *matter, const struct mu_cert *stray)
{
    const struct mu_certs *presented = matter->how->presented;
    for (size_t i = 1; i < presented->count; i++)
        if (presented->at[i] != stray && mu_cert_is_signed_by(presented->at[0], presented->at[i]))
            return true;
    return false;
}

static int tell_wrong_intermediate(struct mu_matter *matter, const struct mu_cert *stray,
                                   struct mu_error *err)
{
    char leaf[512], label[MU_CERT_LABEL_LEN];
    struct mu_finding finding =
        mu_matter_about(matter,
                        mu_matter_by_side(matter, MU_CAUSE_server_chain_wrong_intermediate,
                                          MU_CAUSE_client_chain_incomplete),
                        matter->how->presented->at[0], 0);
    if (sends_another_issuer(matter, stray)) /* which those take who try more than one way */
        finding.refused_by &= ~(1u << MU_STACK_GO | 1u << MU_STACK_JAVA | 1u << MU_STACK_RUSTLS |
                                1u << MU_STACK_BROWSER);
    return mu_report_add(matter->report, &finding, err,
                         "the %s sends the intermediate \"%.200s\" along, which %s: %s",
                         mu_matter_presenter(matter), mu_cert_label(stray, label),
                         mu_cert_is_signed_by(matter->how->presented->at[0], stray)
                             ? "did issue its certificate, but leads to another root"
                             : "did not issue its certificate",
                         name_leaf(matter, leaf, sizeof leaf));
}

static bool trusts_any_ca(const struct mu_matter *matter)
{
    const struct mu_certs *trusted = matter->how->trusted;
    for (size_t i = 0; i < trusted->count; i++)
        if (mu_cert_is_ca(trusted->at[i]) || mu_cert_is_signed_by(trusted->at[i], trusted->at[i]))
            return true;
    return false;
}

static int tell_no_ca_trusted(struct mu_matter *matter, struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_trust(matter, MU_CAUSE_trust_file_not_a_ca);
    if (!mu_matter_holds(matter->how->trusted, matter->how->presented->at[0]))
        finding.refused_by = (1u << MU_STACK_COUNT) - 1;
    return mu_report_add(
        matter->report, &finding, err,
        "%s, where the %s keeps the CAs that it trusts, holds \"%.200s\", which is no CA: "
        "programs with OpenSSL want the certificate of the CA there",
        mu_matter_file(matter->how->trust_file, "the list"), mu_matter_judge(matter),
        mu_cert_label(matter->how->trusted->at[0], label));
}

static int tell_intermediate_trusted(struct mu_matter *matter, const struct mu_cert *trusted,
                                     struct mu_error *err)
{
    char label[MU_CERT_LABEL_LEN];
    struct mu_finding finding = about_trust(matter, MU_CAUSE_trust_file_intermediate_only);
    return mu_report_add(
        matter->report, &finding, err,
        "%s holds the intermediate CA \"%.200s\" and not the root above it: the %s, if it uses "
        "OpenSSL, builds a chain to a root only",
        mu_matter_file(matter->how->trust_file, "the list of trusted CAs"),
        mu_cert_label(trusted, label), mu_matter_judge(matter));
}

static const struct mu_cert *trusted_in_between(const struct mu_matter *matter)
{
    for (size_t i = 1; i < matter->full.count; i++)
        if (mu_matter_holds(matter->how->trusted, matter->full.at[i]) &&
            !mu_cert_is_signed_by(matter->full.at[i], matter->full.at[i]))
            return matter->full.at[i];
    return NULL;
}

int mu_matter_tell_trust(struct mu_matter *matter, struct mu_error *err)
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

int mu_matter_tell_rekeyed(struct mu_matter *matter, struct mu_error *err)
{
    const struct mu_cert *stray = stray_intermediate(matter);
    char leaf[512];
    if (stray != NULL)
        return tell_wrong_intermediate(matter, stray, err);
    struct mu_finding finding =
        mu_matter_about(matter, MU_CAUSE_ca_rekeyed_same_name, matter->how->presented->at[0], 0);
    return mu_report_add(
        matter->report, &finding, err,
        "%s was signed by a CA of that name with another key than the one that the %s trusts%s%s: "
        "the CA was made anew, and one side still has the old one",
        name_leaf(matter, leaf, sizeof leaf), mu_matter_judge(matter),
        matter->how->trust_file != NULL ? ", in " : "", mu_matter_file(matter->how->trust_file, ""));
}

/* Another CA of the issuer's name is at hand: then it is a matter of keys, not of damage. */
static bool has_namesake(const struct mu_matter *matter, const struct mu_cert *cert)
{
    for (size_t i = 0; i < matter->pool.count; i++)
        if (mu_cert_names_issuer(cert, matter->pool.at[i]) &&
            mu_cert_is_signed_by(cert, matter->pool.at[i]))
            return true;
    return false;
}

/* It names the key that it is checked with, and was not signed by it: something in it is not as it was. */
int mu_matter_tell_garbled(struct mu_matter *matter, const struct mu_cert *cert,
                           struct mu_error *err)
{
    if (stray_intermediate(matter) != NULL || has_namesake(matter, cert))
        return mu_matter_tell_rekeyed(matter, err);
    struct mu_finding finding =
        mu_matter_about(matter,
                        matter->how->file != NULL ? MU_CAUSE_pem_damaged
                                                  : MU_CAUSE_certificate_altered,
                        cert, matter->verdict.depth);
    finding.whose = mu_matter_is_server(matter) ? MU_PARTY_SERVER : MU_PARTY_CLIENT;
    return mu_report_add(matter->report, &finding, err, "%s%s%s: it is garbled, or was altered",
                         mu_matter_file(matter->how->file, ""),
                         matter->how->file != NULL ? ": " : "", matter->verdict.sentence);
}

/* The leaf's issuer is not at hand, and by its name it is no root; but another CA's certificate has been put there. */
int mu_matter_check_stray(struct mu_matter *matter, struct mu_error *err)
{
    const struct mu_cert *stray = stray_intermediate(matter);
    bool other = matter->full.count == 1 && stray != NULL && looks_incomplete(matter) &&
                 !mu_cert_names_issuer(matter->full.at[0], stray);
    return other ? tell_wrong_intermediate(matter, stray, err) : 0;
}
