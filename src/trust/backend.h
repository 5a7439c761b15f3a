#ifndef MU_TRUST_BACKEND_H
#define MU_TRUST_BACKEND_H

/* For this room: what each kind of store knows how to do, and what they share. */

#include "trust/store.h"

struct mu_trust_backend {
    const char *name;
    int (*find)(const char *home, const char *java_home, struct mu_trust_stores *ret,
                struct mu_error *err);
    /* Adds the entries that matter for the anchors. */
    int (*read)(struct mu_trust_store *store, const struct mu_certs *anchors, struct mu_error *err);
    int (*step_in)(const struct mu_trust_store *store, const char *name, struct mu_trust_step *ret,
                   struct mu_error *err);
    int (*step_out)(const struct mu_trust_store *store, const char *name, struct mu_trust_step *ret,
                    struct mu_error *err);
};

extern const struct mu_trust_backend mu_trust_system, mu_trust_nss, mu_trust_java;

/* One more store, with nothing in it but its kind. NULL without memory. */
struct mu_trust_store *mu_trust_add_store(struct mu_trust_stores *stores, enum mu_trust_kind kind);

/* Is it one of the anchors, or does it have the subject of one? */
bool mu_trust_matters(const struct mu_cert *cert, const struct mu_certs *anchors);

/* One more entry: refers to `cert`, copies `name`. Fails with MU_E_NOMEM. */
MU_CHECK int mu_trust_add_entry(struct mu_trust_store *store, const char *name,
                                struct mu_cert *cert, bool in_force, struct mu_error *err);

/* The path of a program: along PATH, then where administrators' programs are. False when there is none. */
bool mu_trust_find_program(const char *name, char ret[MU_PATH_LEN]);

/* Run it; `ret_output`, which may be NULL, gets its standard output. Fails as mu_trust_carry_out() does. */
MU_CHECK int mu_trust_run(const struct mu_strs *argv, const struct mu_buf *input,
                          struct mu_buf *ret_output, struct mu_error *err);

/* Add all of these words, up to NULL. Fails with MU_E_NOMEM. */
MU_CHECK int mu_trust_words(struct mu_strs *ret, struct mu_error *err, ...)
    __attribute__((sentinel));

/* The certificates in a text that has them in PEM, perhaps among other lines; damaged ones are passed over.
 * Fails with MU_E_NOMEM. */
MU_CHECK int mu_trust_pick_certs(const char *text, size_t len, struct mu_certs *ret,
                                 struct mu_error *err);

#endif
