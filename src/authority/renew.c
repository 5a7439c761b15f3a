#include "authority/renew.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/time.h"

/* --- May it? --- */

struct found {
    bool is;
    char serial[MU_SERIAL_TEXT_LEN], name[MU_CERT_LABEL_LEN], profile[16];
    struct mu_revocation revocation;
};

static bool note(void *arg, const struct mu_record *record)
{
    struct found *found = arg;
    found->is = true;
    mu_str_copy(found->serial, sizeof found->serial, record->serial);
    mu_str_copy(found->name, sizeof found->name, record->name);
    mu_str_copy(found->profile, sizeof found->profile, record->profile);
    found->revocation = record->revocation;
    return false;
}

static int check_revocation(const struct found *found, struct mu_error *err)
{
    char date[MU_DATE_LEN];
    if (found->revocation.at == 0)
        return 0;
    mu_date(found->revocation.at, date);
    if (found->revocation.reason == MU_REASON_HOLD) {
        mu_fail(err, MU_E_REVOKED, "\"%s\" (%s) is not renewed: it is on hold since %s",
                found->name, found->serial, date);
        return mu_hint(err, "if it may be used again, release it first: mutual revoke --release %s",
                       found->serial);
    }
    mu_fail(err, MU_E_REVOKED, "\"%s\" (%s) is not renewed: it was revoked on %s: %s", found->name,
            found->serial, date, mu_reason_name(found->revocation.reason));
    return mu_hint(err, "if its holder shall have one again, issue it anew: mutual issue");
}

int mu_renewal_check(struct mu_store *store, const char *serial, struct mu_error *err)
{
    struct found found = {.is = false};
    return mu_store_find(store, serial, note, &found, err) != 0 ? -1
                                                                : check_revocation(&found, err);
}

int mu_renewal_find(struct mu_store *store, const struct mu_cert *cert, struct mu_renewal *ret,
                    struct mu_error *err)
{
    char sha256[MU_SHA256_LEN], label[MU_CERT_LABEL_LEN];
    struct found found = {.is = false};
    struct mu_store_filter filter = {.sha256 = mu_cert_fingerprint(cert, sha256)};
    if (mu_store_each(store, &filter, note, &found, err) != 0)
        return -1;
    if (!found.is) {
        mu_fail(err, MU_E_NOT_FOUND, "\"%s\" is not renewed: this CA has not issued it",
                mu_cert_label(cert, label));
        return mu_hint(err, "name the CA that has with --home DIR, or with --cacert and --cakey; "
                            "mutual inspect tells who issued it");
    }
    if (check_revocation(&found, err) != 0)
        return -1;
    mu_str_copy(ret->serial, sizeof ret->serial, found.serial);
    if (mu_profile_parse(found.profile, &ret->profile, err) == 0)
        return 0;
    mu_fail(err, MU_E_PROFILE, "\"%s\" is not renewed: it is of the kind \"%s\"", found.name,
            found.profile);
    return mu_hint(err, "server, client and peer certificates are renewed so");
}

int mu_renewal_profile(const struct mu_cert_info *info, enum mu_profile *ret, struct mu_error *err)
{
    static const char *const names[2][2] = {{NULL, "client"}, {"server", "peer"}};
    const char *name =
        names[info->has_eku && info->server_auth][info->has_eku && info->client_auth];
    if (name != NULL)
        return mu_profile_parse(name, ret, err);
    mu_fail(err, MU_E_PROFILE,
            "the certificate does not say whether it is for a server or a client");
    return mu_hint(err, "say it: --profile server, client or peer");
}

/* --- Is it due? --- */

int mu_due_parse(const char *text, struct mu_due *ret, struct mu_error *err)
{
    char *end = NULL;
    *ret = (struct mu_due){.percent = 0};
    if (!mu_str_ends_with(text, "%"))
        return mu_duration_parse(text, &ret->span_s, err);
    long percent = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : 0;
    if (percent < 1 || percent > 100 || end[0] != '%' || end[1] != '\0') {
        mu_fail(err, MU_E_USAGE, "\"%s\" is not a part of a lifetime", text);
        return mu_hint(err, "write how much may be left: 33%% (of the lifetime), or 30d");
    }
    ret->percent = (int)percent;
    return 0;
}

time_t mu_due_from(const struct mu_due *due, time_t not_before, time_t not_after)
{
    int64_t total_s = (int64_t)not_after - not_before;
    int64_t left_s = due->percent == 0
                         ? due->span_s
                         : total_s / 100 * due->percent + total_s % 100 * due->percent / 100;
    return not_after - left_s;
}
