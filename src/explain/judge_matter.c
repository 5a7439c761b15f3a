#include "explain/judge_matter.h"

#include "base/str.h"

void mu_matter_clear(struct mu_matter *matter)
{
    mu_certs_clear(&matter->pool);
    mu_certs_clear(&matter->full);
    mu_certs_clear(&matter->chain);
    mu_certs_clear(&matter->all_anchors);
}

bool mu_matter_is_server(const struct mu_matter *matter)
{
    return matter->how->side != MU_PURPOSE_CLIENT;
}

const char *mu_matter_presenter(const struct mu_matter *matter)
{
    return mu_matter_is_server(matter) ? "server" : "client";
}

const char *mu_matter_judge(const struct mu_matter *matter)
{
    return mu_matter_is_server(matter) ? "client" : "server";
}

enum mu_cause_id mu_matter_by_side(const struct mu_matter *matter, enum mu_cause_id server,
                                   enum mu_cause_id client)
{
    return mu_matter_is_server(matter) ? server : client;
}

bool mu_matter_holds(const struct mu_certs *list, const struct mu_cert *cert)
{
    return list != NULL && mu_certs_hold(list, cert);
}

const char *mu_matter_file(const char *file, const char *otherwise)
{
    return file == NULL || *file == '\0' ? otherwise : file;
}

static enum mu_holder holder_of(const struct mu_matter *matter, const struct mu_cert *cert)
{
    if (cert == matter->how->presented->at[0])
        return mu_matter_is_server(matter) ? MU_HOLDER_SERVER : MU_HOLDER_CLIENT;
    return mu_cert_is_signed_by(cert, cert) ? MU_HOLDER_ROOT : MU_HOLDER_ISSUING;
}

struct mu_finding mu_matter_about(const struct mu_matter *matter, enum mu_cause_id cause,
                                  const struct mu_cert *cert, int depth)
{
    char label[MU_CERT_LABEL_LEN];
    const struct mu_judging *how = matter->how;
    struct mu_finding finding =
        mu_finding_of(cause, MU_GRAVITY_FAULT,
                      mu_matter_is_server(matter) ? MU_PHASE_SERVER : MU_PHASE_CLIENT, how->file,
                      NULL, how->host);
    finding.refuser = mu_matter_is_server(matter) ? MU_REFUSER_CLIENT : MU_REFUSER_SERVER;
    finding.depth = depth;
    mu_finding_hold(&finding, holder_of(matter, cert));
    if (!mu_matter_holds(how->presented, cert))
        mu_str_copy(finding.file, sizeof finding.file, mu_matter_file(how->trust_file, ""));
    mu_str_copy(finding.name, sizeof finding.name, mu_cert_label(cert, label));
    mu_str_copy(finding.subject, sizeof finding.subject, label);
    mu_str_copy(finding.raw, sizeof finding.raw, matter->verdict.cause);
    return finding;
}
