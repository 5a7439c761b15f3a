#ifndef MU_EXPLAIN_PLACE_H
#define MU_EXPLAIN_PLACE_H

/* A command that is going to be run where this program is: what lies there may be in its way. */

#include <stdbool.h>
#include <stddef.h>

/* All zero: nothing is known, and nothing is looked at. */
struct mu_here {
    bool known;       /* the command is run in this directory */
    bool has_ca;      /* there is a CA in the home */
    const char *home; /* where it has to be named, or NULL; borrowed */
};

/*
 * Fit `command` (of `cap` bytes, with all its places filled) to it. `mutual issue` does not write over files: it is told to where
 * what lies there is `replaceable`, the file that is at fault; and else to use other names. A home that has a CA needs no other one.
 */
void mu_place_fit(const struct mu_here *here, const char *replaceable, char *command, size_t cap);

#endif
