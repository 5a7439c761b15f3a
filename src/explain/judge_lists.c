/* Revocation lists: absent, out of date, somebody else's; and who is on them. */

#include "explain/judge_matter.h"

#include <string.h>

#include "base/str.h"
#include "pki/info.h"

static struct mu_finding about_crl(const struct mu_matter *matter, enum mu_cause_id cause,
                                   const struct mu_cert *cert, int depth)
{
    struct mu_finding finding = mu_matter_about(matter, cause, cert, depth);
    mu_str_copy(finding.file, sizeof finding.file, mu_matter_file(matter->how->crl_file, ""));
    if (mu_cause_of(cause)->whose == MU_PARTY_SERVER)
        finding.whose = mu_matter_is_server(matter) ? MU_PARTY_CLIENT : MU_PARTY_SERVER;
    return finding;
}

/* There is none that can be used for `cert`: is it absent, somebody else's, or signed by a former key? */
static int tell_no_list(struct mu_matter *matter, size_t depth, struct mu_error *err)
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
    const char *file = mu_matter_file(how->crl_file, "the revocation list");
    if (namesake)
        return mu_report_add(
            matter->report, &finding, err,
            "%s names \"%s\" as its issuer, but is not signed by the key that this CA has now",
            file, label);
    if (!any_fits)
        return mu_report_add(
            matter->report, &finding, err,
            "%s is the list of \"%.120s\", and the %s's certificate is from \"%.120s\"", file,
            first.issuer, mu_matter_presenter(matter), label);
    return mu_report_add(
        matter->report, &finding, err,
        "%s has no revocation list of \"%.120s\", so \"%.120s\" cannot be checked and is refused",
        file, label, mu_cert_label(cert, finding.subject));
}

static int tell_bad_list(struct mu_matter *matter, size_t depth, struct mu_error *err)
{
    bool future = strstr(matter->verdict.cause, "not yet valid") != NULL;
    bool expired = matter->verdict.fault == MU_FAULT_CRL_EXPIRED;
    enum mu_cause_id cause = expired  ? MU_CAUSE_crl_expired
                             : future ? MU_CAUSE_crl_not_yet_valid
                                      : MU_CAUSE_crl_bad_signature;
    struct mu_finding finding = about_crl(matter, cause, matter->chain.at[depth], (int)depth);
    return mu_report_add(matter->report, &finding, err, "%s: %s%s",
                         mu_matter_file(matter->how->crl_file, "the revocation list"),
                         matter->verdict.sentence,
                         expired ? "; until a new one is there everybody of this CA is refused"
                                 : "");
}

static struct mu_finding about_revoked(const struct mu_matter *matter, size_t depth)
{
    enum mu_cause_id cause = depth > 0 ? MU_CAUSE_intermediate_revoked
                                       : mu_matter_by_side(matter, MU_CAUSE_server_cert_revoked,
                                                           MU_CAUSE_client_cert_revoked);
    return mu_matter_about(matter, cause, matter->chain.at[depth], (int)depth);
}

/* A list that cannot be used has been told: whoever is on it will be on the next one, too. */
static int tell_who_is_named(struct mu_matter *matter, size_t depth, struct mu_error *err)
{
    const struct mu_judging *how = matter->how;
    const struct mu_cert *cert = matter->chain.at[depth];
    if (depth + 1 >= matter->chain.count)
        return 0;
    struct mu_finding finding = about_revoked(matter, depth);
    for (size_t i = 0; i < how->crl_count; i++)
        if (mu_crl_is_signed_by(how->crls[i], matter->chain.at[depth + 1]) &&
            mu_crl_has(how->crls[i], cert))
            return mu_report_add(matter->report, &finding, err,
                                 "%s%s\"%.120s\" is on %s, too, and so will be on the next one",
                                 mu_matter_file(how->file, ""), how->file != NULL ? ": " : "",
                                 finding.name, mu_matter_file(how->crl_file, "the list"));
    return 0;
}

int mu_matter_check_lists(struct mu_matter *matter, struct mu_error *err)
{
    size_t depth = (size_t)matter->verdict.depth;
    if (matter->how->crl_count == 0 || matter->verdict.fault != MU_FAULT_NONE)
        return 0;
    if (mu_matter_verify(matter, true, err) != 0)
        return -1;
    depth = (size_t)matter->verdict.depth;
    if (matter->verdict.fault == MU_FAULT_NONE || mu_matter_is_about_dates(matter) ||
        depth >= matter->chain.count || (matter->how->crl_leaf_only && depth > 0))
        return 0; /* dates have been told */
    switch (matter->verdict.fault) {
    case MU_FAULT_CRL_MISSING: return tell_no_list(matter, depth, err);
    case MU_FAULT_CRL_EXPIRED:
    case MU_FAULT_CRL_INVALID:
        return tell_bad_list(matter, depth, err) != 0 ? -1 : tell_who_is_named(matter, depth, err);
    case MU_FAULT_REVOKED: break;
    default: return mu_matter_tell(matter, err);
    }
    struct mu_finding finding = about_revoked(matter, depth);
    return mu_report_add(matter->report, &finding, err, "%s%s%s, says %s",
                         mu_matter_file(matter->how->file, ""),
                         matter->how->file != NULL ? ": " : "", matter->verdict.sentence,
                         mu_matter_file(matter->how->crl_file, "the list"));
}
