#include "explain/clock.h"

#include <stdbool.h>

#include "base/str.h"
#include "base/time.h"

enum { LONG_PAST_DAYS = 3 * 365 };

int mu_check_clock(const struct mu_certs *all, time_t at, struct mu_report *report, time_t *ret_at,
                   struct mu_error *err)
{
    time_t latest_start = 0, latest_end = 0;
    bool root = false, future = all->count > 1, past = all->count > 1;
    *ret_at = at;
    for (size_t i = 0; i < all->count; i++) {
        time_t from = mu_cert_not_before(all->at[i]), to = mu_cert_not_after(all->at[i]);
        root = root || mu_cert_is_signed_by(all->at[i], all->at[i]);
        future = future && at < from;
        past = past && at > to + (time_t)(LONG_PAST_DAYS * MU_DAY_S);
        latest_start = from > latest_start ? from : latest_start;
        latest_end = to > latest_end ? to : latest_end;
    }
    if (!root || (!future && !past))
        return 0;
    *ret_at = latest_start;
    char now[MU_DATE_LEN], date[MU_DATE_LEN];
    struct mu_finding finding =
        mu_finding_of(MU_CAUSE_clock_wrong, MU_GRAVITY_FAULT, MU_PHASE_CONNECT, NULL, NULL, NULL);
    if (!future)
        mu_str_copy(finding.field, sizeof finding.field, "notAfter");
    return mu_report_add(
        report, &finding, err,
        "by the clock it is %s, and every certificate here, the CA's own too, %s %s: it is the clock that "
        "is wrong, not the certificates",
        mu_date(at, now),
        future ? "is valid only from later, the last one from" : "has long ended, the last one on",
        mu_date(future ? latest_start : latest_end, date));
}
