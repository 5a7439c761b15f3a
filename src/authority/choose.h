#ifndef MU_AUTHORITY_CHOOSE_H
#define MU_AUTHORITY_CHOOSE_H

/* Which certificate is meant: by its name, serial number, fingerprint, or a file that holds it. */

#include <time.h>

#include "base/error.h"
#include "pki/key.h"
#include "store/store.h"

/* Copies of records, without their certificates (mu_store_find() has them). All zero is an empty list. */
struct mu_choices {
    struct mu_record *at;
    size_t count;
};
void mu_choices_clear(struct mu_choices *choices);
MU_AUTO_DEFINE_CLEAR(mu_choices, mu_choices_clear)

/*
 * Every certificate that `text` may mean, oldest first: several only where it is a name. It is taken for the first of
 * these that there is:
 *   - a file, where it has a slash in it: the first certificate in it
 *   - a serial number or SHA-256 fingerprint, whole; in either case, with or without colons, "0x" and a leading zero
 *   - a name, exactly; a DNS name in either case
 *   - the beginning of a serial number or a fingerprint, of four digits at least
 *   - a file
 * In this order nobody can take a name that stands in the way of another's serial number.
 * Fails with MU_E_NOT_FOUND, MU_E_AMBIGUOUS (a beginning that several have), MU_E_STORE, and as mu_cert_load() does.
 */
MU_CHECK int mu_choose(struct mu_store *store, const char *text, struct mu_choices *ret,
                       struct mu_error *err);

/*
 * The one that is meant where it has to be one: among several of a name the only one in state `wanted` at `now`.
 * One alone is chosen whatever its state, so that the caller can say what is wrong with it. `ret` then has one entry.
 * Fails as mu_choose() does; MU_E_AMBIGUOUS also for a name, listing their serial numbers.
 */
MU_CHECK int mu_choose_one(struct mu_store *store, const char *text, enum mu_state wanted,
                           time_t now, struct mu_choices *ret, struct mu_error *err);

/* The digits of a serial number or fingerprint, as the records have them; false: `text` is none. */
#define MU_DIGITS_LEN 65
bool mu_choose_digits(const char *text, char ret[MU_DIGITS_LEN]);

/*
 * The key of the CA that is meant by a file with its certificate, its name, or the beginning of the fingerprint of its
 * certificate or key, among those that have issued here: `ret` is the issuer as in struct mu_record.
 * Fails with MU_E_NOT_FOUND, MU_E_AMBIGUOUS (several keys), MU_E_STORE, and as mu_cert_load() does.
 */
MU_CHECK int mu_choose_issuer(struct mu_store *store, const char *text, char ret[MU_SHA256_LEN],
                              struct mu_error *err);

#endif
