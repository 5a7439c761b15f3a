#include "pki/reason.h"

#include <ctype.h>
#include <stdbool.h>

static const struct {
    enum mu_reason reason;
    const char *name;
    bool given; /* by people; the others are for lists of others, or said only by us */
} reasons[] = {
    {MU_REASON_UNSPECIFIED, "unspecified", true},
    {MU_REASON_KEY_COMPROMISE, "keyCompromise", true},
    {MU_REASON_CA_COMPROMISE, "cACompromise", true},
    {MU_REASON_AFFILIATION_CHANGED, "affiliationChanged", true},
    {MU_REASON_SUPERSEDED, "superseded", true},
    {MU_REASON_CESSATION_OF_OPERATION, "cessationOfOperation", true},
    {MU_REASON_HOLD, "certificateHold", true},
    {MU_REASON_HOLD, "hold", true},
    {MU_REASON_REMOVE_FROM_CRL, "removeFromCRL", false},
    {MU_REASON_PRIVILEGE_WITHDRAWN, "privilegeWithdrawn", true},
    {MU_REASON_AA_COMPROMISE, "aACompromise", false},
};

const char *mu_reason_name(enum mu_reason reason)
{
    for (size_t i = 0; i < MU_COUNT(reasons); i++)
        if (reasons[i].reason == reason)
            return reasons[i].name;
    return "unknown";
}

static bool same(const char *text, const char *name)
{
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '_')
            continue;
        if (tolower((unsigned char)*text) != tolower((unsigned char)*name))
            return false;
        name++;
    }
    return *name == '\0';
}

int mu_reason_parse(const char *text, enum mu_reason *ret, struct mu_error *err)
{
    for (size_t i = 0; i < MU_COUNT(reasons); i++)
        if (reasons[i].given && same(text, reasons[i].name)) {
            *ret = reasons[i].reason;
            return 0;
        }
    mu_fail(err, MU_E_USAGE, "\"%s\" is not a reason for which a certificate is revoked", text);
    return mu_hint(err,
                   "it is one of: unspecified, keyCompromise, cACompromise, affiliationChanged, "
                   "superseded, cessationOfOperation, hold, privilegeWithdrawn");
}
