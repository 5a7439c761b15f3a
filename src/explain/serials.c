#include "explain/serials.h"

#include "base/str.h"
#include "pki/info.h"

static int tell(const struct mu_cert *a, const struct mu_cert *b, const char *serial,
                struct mu_report *report, struct mu_error *err)
{
    char first[MU_CERT_LABEL_LEN], second[MU_CERT_LABEL_LEN];
    struct mu_finding finding = mu_finding_of(MU_CAUSE_duplicate_serial, MU_GRAVITY_SOME_PEERS,
                                              MU_PHASE_LATER, NULL, NULL, NULL);
    mu_str_copy(finding.subject, sizeof finding.subject, mu_cert_label(b, second));
    return mu_report_add(
        report, &finding, err,
        "\"%.200s\" and \"%.200s\" have the same serial number, %s, from the same CA: Firefox refuses "
        "the second one, and revoking one revokes both",
        mu_cert_label(a, first), second, serial);
}

int mu_check_serials(const struct mu_certs *certs, struct mu_report *report, struct mu_error *err)
{
    for (size_t i = 0; i < certs->count; i++)
        for (size_t k = 0; k < i; k++) {
            char serial[MU_SERIAL_TEXT_LEN], other[MU_SERIAL_TEXT_LEN];
            const struct mu_cert *a = certs->at[k], *b = certs->at[i];
            if (!mu_cert_same_issuer(a, b) ||
                !mu_str_equal(mu_cert_serial(a, serial), mu_cert_serial(b, other)))
                continue;
            if (tell(a, b, serial, report, err) != 0)
                return -1;
        }
    return 0;
}
