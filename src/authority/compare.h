#ifndef MU_AUTHORITY_COMPARE_H
#define MU_AUTHORITY_COMPARE_H

/*
 * Do the records say what the trail says? The trail is a chain, and signed; the records are plain rows, in which anybody
 * who can write to the database could undo a revocation, or move a certificate off the list on which it should stand.
 */

#include <stdbool.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "store/store.h"

/* What the trail says of the settings, gathered entry by entry. All zero before the first. */
struct mu_settings_told {
    struct mu_strs names, details; /* of each entry; of one setting's the last one counts */
    char policy[MU_HASH_LEN + 1];
};
/* Fails with MU_E_NOMEM. */
MU_CHECK int mu_settings_note(struct mu_settings_told *told, const struct mu_trail_entry *entry,
                              struct mu_error *err);
void mu_settings_told_clear(struct mu_settings_told *told);

/* What the trail says of a revocation or, with `at` 0, a release: `"a": keyCompromise`. Returns `ret`. */
#define MU_DETAIL_LEN 512
char *mu_revocation_detail(const char *name, const struct mu_revocation *revocation,
                           char ret[MU_DETAIL_LEN]);

/*
 * Compare everything: certificates, revocations, lists, settings; and each record with its own certificate. `begins` is
 * the time of the first entry: certificates from before have none. `ret` is the first difference, "" when there is none.
 * Fails with MU_E_STORE.
 */
MU_CHECK int mu_records_compare(struct mu_store *store, time_t begins,
                                const struct mu_settings_told *told, char ret[MU_ERROR_WHAT_LEN],
                                struct mu_error *err);

#endif
