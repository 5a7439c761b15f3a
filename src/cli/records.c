#include "cli/records.h"

#include <string.h>

#include "authority/home.h"
#include "cli/describe.h"

int mu_records_open(const struct mu_args *args, struct mu_store **ret, struct mu_error *err)
{
    struct mu_home paths;
    if (mu_home_paths(mu_args_home(args), &paths, err) != 0)
        return -1;
    if (mu_store_open(paths.db, MU_STORE_READ, ret, err) == 0)
        return 0;
    return err->code == MU_E_NOT_FOUND
               ? mu_fail(err, MU_E_NO_CA, "there is no CA in %s", mu_args_home(args))
               : -1;
}

json_t *mu_record_text_json(const char *text)
{
    size_t len = strlen(text), cap = 4 * len + 1;
    MU_AUTO_CLEAR(mu_buf) shown = MU_BUF_INIT;
    char *at = mu_buf_reserve(&shown, cap);
    return at == NULL ? NULL : json_string(mu_str_printable(text, len, at, cap));
}

json_t *mu_record_json(const struct mu_record *record, time_t now)
{
    const struct mu_revocation *revocation = &record->revocation;
    json_t *to =
        json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                  mu_record_text_json(record->name), "kind", mu_record_text_json(record->profile),
                  "serial", mu_record_text_json(record->serial), "state",
                  mu_state_name(mu_record_state(record, now)), "subject",
                  mu_record_text_json(record->subject), "san", mu_record_text_json(record->san),
                  "issuer_key_sha256", mu_record_text_json(record->issuer), "not_before",
                  mu_time_json(record->not_before), "not_after", mu_time_json(record->not_after),
                  "issued_at", mu_time_json(record->issued_at), "sha256",
                  mu_record_text_json(record->sha256));
    if (to == NULL || revocation->at == 0)
        return to;
    json_object_set_new(to, "revoked_at", mu_time_json(revocation->at));
    json_object_set_new(to, "reason", json_string(mu_reason_name(revocation->reason)));
    json_object_set_new(to, "invalid_since",
                        revocation->invalid_since == 0 ? json_null()
                                                       : mu_time_json(revocation->invalid_since));
    return to;
}
