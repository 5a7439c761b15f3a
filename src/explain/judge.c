#include "explain/judge_matter.h"

#include "base/str.h"
#include "explain/hygiene.h"

enum { FAULTS_MAX = 8 };

/* --- From a fault to a finding, and on as if it were mended --- */

static const struct mu_cert *cert_at_fault(const struct mu_matter *matter)
{
    size_t depth = (size_t)matter->verdict.depth;
    return depth < matter->chain.count ? matter->chain.at[depth] : matter->how->presented->at[0];
}

static bool is_root(const struct mu_cert *cert)
{
    return mu_cert_is_signed_by(cert, cert);
}

bool mu_matter_is_about_dates(const struct mu_matter *matter)
{
    enum mu_fault fault = matter->verdict.fault;
    return fault == MU_FAULT_EXPIRED || fault == MU_FAULT_CA_EXPIRED ||
           fault == MU_FAULT_INTERMEDIATE_EXPIRED || fault == MU_FAULT_NOT_YET_VALID ||
           fault == MU_FAULT_CA_NOT_YET_VALID;
}

int mu_matter_tell(struct mu_matter *matter, struct mu_error *err)
{
    char id[MU_CAUSE_LEN];
    enum mu_cause_id cause =
        mu_cause_find(mu_fault_cause(matter->verdict.fault, matter->how->side, id));
    struct mu_finding finding =
        mu_matter_about(matter, cause, cert_at_fault(matter), matter->verdict.depth);
    finding.refused_by = mu_cause_refused_by(cause, is_root(cert_at_fault(matter)));
    if (mu_matter_is_about_dates(matter)) /* with the CA's end all that it issued ends */
        finding.depth = -matter->verdict.depth;
    mu_str_copy(finding.subject, sizeof finding.subject, matter->verdict.subject);
    if (cause == MU_CAUSE_subject_equals_issuer)
        mu_str_copy(finding.name, sizeof finding.name, "NAME"); /* and not that one again */
    return mu_report_add(matter->report, &finding, err, "%s%s%s",
                         mu_matter_file(matter->how->file, ""),
                         matter->how->file != NULL ? ": " : "", matter->verdict.sentence);
}

static bool is_issued_by_any(const struct mu_cert *cert, const struct mu_certs *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i] != cert && mu_cert_is_signed_by(cert, list->at[i]))
            return true;
    return false;
}

/* The chain is judged up to where what is at hand ends. */
static int assume_top(struct mu_matter *matter, struct mu_error *err)
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

/* As if all that is at hand were trusted; if even that leads to no root, as if what is there were enough. 0: it was assumed
 * already. */
static int assume_trust(struct mu_matter *matter, struct mu_error *err)
{
    if (matter->partial)
        return 0;
    if (matter->anchors == &matter->all_anchors) {
        mu_certs_clear(&matter->all_anchors);
        return assume_top(matter, err) != 0 ? -1 : 1;
    }
    if (mu_certs_add_new(&matter->all_anchors, matter->how->trusted, err) != 0 ||
        mu_certs_add_new(&matter->all_anchors, &matter->pool, err) != 0)
        return -1;
    matter->anchors = &matter->all_anchors;
    return 1;
}

/* Of each certificate of the chain, from the top: there may be no day on which all are valid. */
static int tell_dates(struct mu_matter *matter, struct mu_error *err)
{
    for (size_t i = matter->chain.count; i-- > 0;) {
        mu_verdict_of_dates(matter->chain.at[i], (int)i, matter->how->at, &matter->verdict);
        if (matter->verdict.fault != MU_FAULT_NONE && mu_matter_tell(matter, err) != 0)
            return -1;
    }
    matter->verdict = (struct mu_verdict){.fault = MU_FAULT_NONE};
    return 0;
}

/* Tell, and mend. 1: judge again; 0: that is all that can be found in this way; -1: failed. */
static int tell_and_mend(struct mu_matter *matter, struct mu_error *err)
{
    int told;
    switch (matter->verdict.fault) {
    case MU_FAULT_UNTRUSTED:
    case MU_FAULT_ISSUER_NOT_SENT:
    case MU_FAULT_UNTRUSTED_ROOT:
    case MU_FAULT_CHAIN_INCOMPLETE:
    case MU_FAULT_LEAF_TRUSTED:
        told = mu_matter_tell_trust(matter, err);
        return told != 0 ? -1 : assume_trust(matter, err);
    case MU_FAULT_REKEYED:
        told = mu_matter_tell_rekeyed(matter, err);
        return told != 0 ? -1 : assume_trust(matter, err);
    case MU_FAULT_BAD_SIGNATURE:
        return mu_matter_tell_garbled(matter, cert_at_fault(matter), err) != 0 ? -1 : 0;
    case MU_FAULT_SELF_SIGNED:
    case MU_FAULT_SAME_NAME:
        told = mu_matter_tell(matter, err);
        return told != 0 ? -1 : assume_trust(matter, err);
    case MU_FAULT_NAME_MISMATCH:
    case MU_FAULT_IP_MISMATCH:
        told = mu_matter_tell_name(matter, err);
        matter->host = NULL;
        return told != 0 ? -1 : 1;
    case MU_FAULT_PURPOSE:
    case MU_FAULT_CA_PURPOSE:
    case MU_FAULT_KEY_USAGE:
        told = mu_matter_tell(matter, err);
        matter->purpose = MU_PURPOSE_ANY;
        return told != 0 ? -1 : 1;
    case MU_FAULT_TOO_DEEP:
        told = mu_matter_tell(matter, err);
        matter->limit_depth = false;
        return told != 0 ? -1 : 1;
    default: return mu_matter_tell(matter, err) != 0 ? -1 : 0;
    }
}

int mu_matter_verify(struct mu_matter *matter, bool with_lists, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_certs) helpers = {0};
    const struct mu_judging *how = matter->how;
    bool assumed = matter->anchors == &matter->all_anchors;
    if (mu_certs_add_new(&helpers, how->presented, err) != 0 ||
        (assumed && mu_certs_add_new(&helpers, &matter->pool, err) != 0))
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
        .at = how->at,
        .partial = matter->partial,
    };
    mu_certs_clear(&matter->chain);
    return mu_verify(how->presented->at[0], &verify, &matter->verdict, &matter->chain, err);
}

/* The limit makes OpenSSL say that it found no issuer; that the chain is too long is what is meant. */
static int check_depth(struct mu_matter *matter, struct mu_error *err)
{
    const struct mu_judging *how = matter->how;
    size_t between = matter->chain.count > 2 ? matter->chain.count - 2 : 0;
    if (!how->limit_depth || matter->verdict.fault != MU_FAULT_NONE || between <= (size_t)how->depth)
        return 0;
    struct mu_finding finding =
        mu_matter_about(matter, MU_CAUSE_verify_depth_exceeded, how->presented->at[0], 0);
    finding.whose = mu_matter_is_server(matter) ? MU_PARTY_CLIENT : MU_PARTY_SERVER;
    return mu_report_add(
        matter->report, &finding, err,
        "%s%s%zu intermediate CAs stand between the %s's certificate and the root, and the %s "
        "allows %d (nginx: ssl_verify_depth)",
        mu_matter_file(how->file, ""), how->file != NULL ? ": " : "", between,
        mu_matter_presenter(matter), mu_matter_judge(matter), how->depth);
}

/* --- All of it --- */

static int prepare(struct mu_matter *matter, struct mu_error *err)
{
    const struct mu_judging *how = matter->how;
    if (mu_certs_add_new(&matter->pool, how->presented, err) != 0 ||
        mu_certs_add_new(&matter->pool, how->trusted, err) != 0 ||
        mu_certs_add_new(&matter->pool, how->known, err) != 0)
        return -1;
    return mu_certs_add_chain(how->presented->at[0], &matter->pool, true, &matter->full, err);
}

int mu_judge(const struct mu_judging *how, struct mu_report *report, struct mu_error *err)
{
    MU_AUTO_CLEAR(mu_matter) matter = {
        .how = how,
        .report = report,
        .anchors = how->trusted,
        .host = how->host,
        .purpose = how->side,
    };
    if (prepare(&matter, err) != 0)
        return -1;
    bool trusted = how->trusted != NULL && how->trusted->count > 0;
    if (!trusted && (assume_top(&matter, err) != 0 || mu_matter_check_stray(&matter, err) != 0))
        return -1;
    bool good = false;
    for (int i = 0; i < FAULTS_MAX; i++) {
        if (mu_matter_verify(&matter, false, err) != 0)
            return -1;
        bool untold = !trusted && (matter.verdict.fault == MU_FAULT_UNTRUSTED ||
                                   matter.verdict.fault == MU_FAULT_ISSUER_NOT_SENT ||
                                   matter.verdict.fault == MU_FAULT_REKEYED ||
                                   matter.verdict.fault == MU_FAULT_CHAIN_INCOMPLETE ||
                                   matter.verdict.fault == MU_FAULT_LEAF_TRUSTED);
        if (mu_matter_is_about_dates(&matter) && tell_dates(&matter, err) != 0)
            return -1; /* they are what OpenSSL looks at last */
        good = matter.verdict.fault == MU_FAULT_NONE;
        if (good || untold)
            break;
        int again = tell_and_mend(&matter, err);
        if (again < 0)
            return -1;
        if (again == 0)
            break;
    }
    if (good && (check_depth(&matter, err) != 0 || mu_matter_check_lists(&matter, err) != 0))
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
