#ifndef MU_TLS_NAMES_H
#define MU_TLS_NAMES_H

/* The doors at one address, told apart by the name of the server that a client asks for. [RFC 6066 3] */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"
#include "tls/context.h"

struct mu_tls_names;

/* One of them, and what it stands for to the rooms above. */
struct mu_tls_named {
    struct mu_tls_context *context;
    const void *door;
};

MU_CHECK int mu_tls_names_new(struct mu_tls_names **ret, struct mu_error *err);
void mu_tls_names_free(struct mu_tls_names *names);
MU_AUTO_DEFINE_STRUCT(mu_tls_names, mu_tls_names_free)

/*
 * A name, a wildcard ("*.example.com": one label in the place of the star), or NULL: whoever asks for no name, or for one
 * that nobody has. What `named` points to is borrowed. Fails with MU_E_EXISTS: a door has it already.
 */
MU_CHECK int mu_tls_names_add(struct mu_tls_names *names, const char *name,
                              const struct mu_tls_named *named, struct mu_error *err);

/* The exact name, else the wildcard, else the door for everybody else; NULL: there is none. `name` is foreign; a dot at its
 * end and the case of its letters do not matter; without one `len` is 0. */
const struct mu_tls_named *mu_tls_names_find(const struct mu_tls_names *names, const char *name,
                                             size_t len);

/* Would a client who asks for `name` come to a door that has these names? */
bool mu_tls_name_leads(const struct mu_strs *names, const char *name);

/* Where a connection begins before it has asked for any name: the door for everybody else, or the first one. */
const struct mu_tls_named *mu_tls_names_first(const struct mu_tls_names *names);

/* Can this be a name of a door? Fails with MU_E_NAME. An IP address is none: no client asks for it by name. */
MU_CHECK int mu_tls_name_check(const char *name, struct mu_error *err);

/*
 * The name in a server_name extension. False: it is not one. There may be names of other types in it, which nobody has
 * ever used; the first host name counts. `ret` is borrowed from `data`, and not ended by a NUL.
 */
bool mu_tls_server_name(const unsigned char *data, size_t len, const char **ret, size_t *ret_len);

#endif
