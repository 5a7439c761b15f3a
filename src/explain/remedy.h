#ifndef MU_EXPLAIN_REMEDY_H
#define MU_EXPLAIN_REMEDY_H

/* The commands that mend a cause, for this case: its names, its files, and whose certificate it is about. */

#include <stdbool.h>
#include <stddef.h>

#include "explain/cause.h"

/* In whose hands is the certificate, the key or the file that a cause is about? A remedy has to fit them. */
enum mu_holder {
    MU_HOLDER_CLIENT,
    MU_HOLDER_SERVER,
    MU_HOLDER_ROOT,    /* a CA's own, self-signed */
    MU_HOLDER_ISSUING, /* that of a CA below another */
    MU_HOLDER_COUNT
};

/* "client", "server", "ca", "issuing-ca". */
const char *mu_holder_id(enum mu_holder holder);

/* A CA's owner has both kinds. */
enum mu_party mu_holder_party(enum mu_holder holder);

/* What a client or a server has of its own; a CA's is taken for a root. */
enum mu_holder mu_holder_of(enum mu_party party);

/* Whose it is when nothing else is known. */
enum mu_holder mu_remedy_holder(enum mu_cause_id id);

/* What the places of a remedy stand for. Text that is not known is NULL or "". */
struct mu_places {
    enum mu_holder holder;
    enum mu_party whose;     /* whose move it is */
    const char *file, *key;  /* names of files */
    const char *name, *host; /* in a certificate; that the client asks for */
    const char *at;          /* "localhost:3000", "[::1]:443" */
};

/* One word of a command: `value` itself, or in quotes, in `ret`; NULL where quotes do not help. */
const char *mu_remedy_word(const char *value, char *ret, size_t cap);

/* Does it say something else at each holder? */
bool mu_remedy_varies(const char *remedy);

/* A remedy with the places filled in; what is not known, or could mean something else to a shell, stands as FILE, KEY, NAME,
 * HOST, HOST:PORT, URL. Returns `ret`. */
char *mu_remedy_fill(const char *remedy, const struct mu_places *places, char *ret, size_t cap);

#endif
